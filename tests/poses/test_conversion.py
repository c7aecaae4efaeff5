from __future__ import annotations

import numpy as np
import pytest

from poses import BLAZEPOSE33, COCO17, H36M17, HALPE26, MPII16, Skeleton, UsageError, conversions, convert_keypoints
from poses.skeleton import HUMANEVA15, SKELETONS

# A standing person by hand, in pixels: (x, y) by place on the body, the same for every skeleton.
STANDING = {
    "head_top": (50, 0),
    "nose": (52, 18),
    "upper_neck": (50, 30),
    "left_shoulder": (68, 40),
    "right_shoulder": (32, 44),
    "left_wrist": (75, 90),
    "pelvis": (50, 101),
    "left_hip": (60, 100),
    "right_hip": (42, 98),
    "left_ankle": (62, 190),
    "right_ankle": (40, 192),
}


def test_halpe_to_coco_takes_each_joint_of_that_name() -> None:
    rng = np.random.default_rng(0)
    points, score = rng.normal(size=(2, 3, 26, 3)), rng.random((2, 3, 26))
    converted, converted_score = convert_keypoints(points, score, HALPE26, COCO17)
    for k, joint in enumerate(COCO17.joints):
        assert np.array_equal(converted[:, :, k], points[:, :, HALPE26.index(joint)])
        assert np.array_equal(converted_score[:, :, k], score[:, :, HALPE26.index(joint)])


def test_blazepose_to_coco_by_the_published_indices() -> None:
    # Which of the 33 landmarks are COCO's keypoints, by the diagram in MediaPipe's documentation.
    published = [0, 2, 5, 7, 8, 11, 12, 13, 14, 15, 16, 23, 24, 25, 26, 27, 28]
    numbers = np.arange(33.0)
    points, score = convert_keypoints(np.stack([numbers, -numbers], axis=-1), numbers, BLAZEPOSE33, COCO17)
    assert points[:, 0].tolist() == published
    assert points[:, 1].tolist() == [-n for n in published]
    assert score.tolist() == published


def test_halpe_to_mpii_by_hand() -> None:
    points, score = np.full((26, 2), np.nan), np.zeros(26)
    called = {"head_top": "head", "upper_neck": "neck", "pelvis": "hip"}
    for sure, (place, at) in enumerate(STANDING.items()):
        joint = HALPE26.index(called.get(place, place))
        points[joint], score[joint] = at, 0.05 * (sure + 1)
    converted, converted_score = convert_keypoints(points, score, HALPE26, MPII16)
    for place in ("head_top", "upper_neck", "pelvis", "left_wrist", "left_hip", "right_ankle"):
        assert tuple(converted[MPII16.index(place)]) == STANDING[place]
    # The middle of the shoulders at (68, 40) and (32, 44), as sure as the less sure of them.
    assert converted[MPII16.index("thorax")].tolist() == [50, 42]
    assert converted_score[MPII16.index("thorax")] == pytest.approx(0.2)
    assert np.isnan(converted[MPII16.index("left_knee")]).all()


def test_a_middle_is_missing_where_either_side_is() -> None:
    points, seen = np.zeros((2, 26, 2)), np.ones((2, 26), dtype=bool)
    points[1, HALPE26.index("right_shoulder")] = np.nan
    seen[1, HALPE26.index("right_shoulder")] = False
    converted, converted_seen = convert_keypoints(points, seen, HALPE26, MPII16)
    assert np.isfinite(converted[:, MPII16.index("thorax")]).all(axis=-1).tolist() == [True, False]
    assert converted_seen[:, MPII16.index("thorax")].tolist() == [True, False]
    assert converted_seen.dtype == bool


def test_a_pelvis_that_is_not_given_is_the_middle_of_the_hips() -> None:
    hips = Skeleton.from_tree("hips", {"left_hip": "right_hip", "right_hip": None})
    root = Skeleton.from_tree("root", {"pelvis": None})
    points, score = convert_keypoints(np.array([[60.0, 100], [42, 98]]), np.array([0.9, 0.4]), hips, root)
    assert points.tolist() == [[51, 99]]
    assert score.tolist() == [0.4]


def test_which_conversions_there_are() -> None:
    assert conversions(HALPE26) == ["coco17", "mpii16"]
    assert conversions(BLAZEPOSE33) == ["coco17"]
    # No spine and no top of the head; no face.
    assert conversions(COCO17) == []
    assert conversions(MPII16) == []
    # Human3.6M's neck lies between neck and nose, and HumanEva's head is not the top of it: equal names do not count.
    assert conversions(H36M17) == []
    assert conversions(HUMANEVA15) == []


@pytest.mark.parametrize("source", SKELETONS.values(), ids=lambda s: s.name)
def test_what_is_listed_converts_and_the_rest_is_refused(source: Skeleton) -> None:
    points, score = np.ones((len(source), 2)), np.ones(len(source))
    same, same_score = convert_keypoints(points, score, source, source)
    assert np.array_equal(same, points)
    assert np.array_equal(same_score, score)
    for target in SKELETONS.values():
        if target.name == source.name:
            continue
        if target.name in conversions(source):
            assert convert_keypoints(points, score, source, target)[0].shape == (len(target), 2)
        else:
            with pytest.raises(UsageError, match=f"{source.name} cannot become those of {target.name}"):
                convert_keypoints(points, score, source, target)


def test_refusal_names_the_missing_joints_and_what_is_possible() -> None:
    with pytest.raises(UsageError, match=r"coco17 .* h36m17: nothing in them gives spine, neck, head: .*no other"):
        convert_keypoints(np.zeros((17, 2)), np.zeros(17), COCO17, H36M17)
    with pytest.raises(UsageError, match="halpe26 can become: coco17, mpii16"):
        convert_keypoints(np.zeros((26, 2)), np.zeros(26), HALPE26, BLAZEPOSE33)


def test_conversion_exchanges_sides_as_the_skeletons_do() -> None:
    points, score = np.random.default_rng(1).normal(size=(26, 2)), np.ones(26)
    mirrored = convert_keypoints(points[HALPE26.mirror], score, HALPE26, MPII16)[0]
    assert np.array_equal(mirrored, convert_keypoints(points, score, HALPE26, MPII16)[0][MPII16.mirror])


def test_shapes_that_do_not_fit() -> None:
    with pytest.raises(ValueError, match=r"halpe26: points must be \(\.\.\., 26, C\), got \(17, 2\)"):
        convert_keypoints(np.zeros((17, 2)), np.zeros(17), HALPE26, COCO17)
    with pytest.raises(ValueError, match=r"score \(3,\)"):
        convert_keypoints(np.zeros((26, 2)), np.zeros(3), HALPE26, COCO17)
