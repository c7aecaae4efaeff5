from __future__ import annotations

import numpy as np
import pytest

from poses import BLAZEPOSE33, COCO17, H36M17, HALPE26, MPII16, Skeleton, UsageError, get_skeleton
from poses.skeleton import SKELETONS

# person_keypoints_val2017.json of the COCO data set, categories[0]["keypoints"] and ["skeleton"] (which counts from 1).
COCO_KEYPOINTS = """
    nose left_eye right_eye left_ear right_ear left_shoulder right_shoulder left_elbow right_elbow left_wrist
    right_wrist left_hip right_hip left_knee right_knee left_ankle right_ankle
"""
COCO_LIMBS = "16-14 14-12 17-15 15-13 12-13 6-12 7-13 6-7 6-8 7-9 8-10 9-11 2-3 1-2 1-3 2-4 3-5 4-6 5-7"

# Human3.6M's 17 joints as the reference implementation's joints_left, joints_right and parents give them.
H36M_LEFT, H36M_RIGHT = [4, 5, 6, 11, 12, 13], [1, 2, 3, 14, 15, 16]
H36M_PARENTS = [-1, 0, 1, 2, 0, 4, 5, 0, 7, 8, 9, 8, 11, 12, 8, 14, 15]

# The MPII Human Pose data set's joint ids 0 to 15, as its readme lists them: r ankle, r knee, ..., l wrist.
MPII_IDS = """
    right_ankle right_knee right_hip left_hip left_knee left_ankle pelvis thorax upper_neck head_top right_wrist
    right_elbow right_shoulder left_shoulder left_elbow left_wrist
"""
# Halpe-FullBody's readme, body keypoints 17 to 25 (0 to 16 are COCO's).
HALPE_AFTER_COCO = """
    head neck hip left_big_toe right_big_toe left_small_toe right_small_toe left_heel right_heel
"""

ALL = pytest.mark.parametrize("skeleton", SKELETONS.values(), ids=lambda s: s.name)
BOTH = pytest.mark.parametrize("skeleton", [COCO17, H36M17], ids=lambda s: s.name)


def test_coco_order_is_the_data_sets() -> None:
    assert list(COCO17.joints) == COCO_KEYPOINTS.split()


def test_coco_limbs_are_the_data_sets() -> None:
    official = {tuple(sorted(int(n) - 1 for n in limb.split("-"))) for limb in COCO_LIMBS.split()}
    # Drawn too by the data set, but left out here: between the eyes, and from the ears to the shoulders.
    extra = {(1, 2), (3, 5), (4, 6)}
    assert {tuple(sorted(limb)) for limb in COCO17.limbs} == official - extra


def test_h36m_sides_and_parents_are_the_reference_implementations() -> None:
    assert [i for i, side in enumerate(H36M17.sides) if side == "left"] == H36M_LEFT
    assert [i for i, side in enumerate(H36M17.sides) if side == "right"] == H36M_RIGHT
    assert list(H36M17.parents) == H36M_PARENTS
    assert H36M17.mirror[H36M_LEFT].tolist() == H36M_RIGHT


def test_mpii_order_is_the_data_sets() -> None:
    assert list(MPII16.joints) == MPII_IDS.split()


def test_halpe_order_is_coco_and_the_data_sets_rest() -> None:
    assert list(HALPE26.joints) == [*COCO17.joints, *HALPE_AFTER_COCO.split()]


def test_blazepose_order_is_mediapipes() -> None:
    pose = pytest.importorskip("mediapipe.python.solutions.pose", reason="needs mediapipe")
    official = [landmark.name.lower() for landmark in pose.PoseLandmark]
    sides_last = {"mouth_left": "left_mouth", "mouth_right": "right_mouth"}
    assert list(BLAZEPOSE33.joints) == [sides_last.get(name, name) for name in official]


@ALL
def test_mirror_is_an_involution_that_exchanges_sides(skeleton: Skeleton) -> None:
    twin = skeleton.mirror
    assert twin[twin].tolist() == list(range(len(skeleton)))
    opposite = {"left": "right", "right": "left", "centre": "centre"}
    for joint, other in enumerate(twin):
        assert skeleton.sides[other] == opposite[skeleton.sides[joint]]
        assert (other == joint) == (skeleton.sides[joint] == "centre")


@BOTH
def test_tree_is_mirrored_and_has_one_root(skeleton: Skeleton) -> None:
    assert [j for j, parent in enumerate(skeleton.parents) if parent < 0] == [0]
    for joint, parent in enumerate(skeleton.parents):
        if parent < 0:
            continue
        assert parent < joint, "a parent comes before its children"
        assert skeleton.parents[skeleton.mirror[joint]] == skeleton.mirror[parent]
    assert skeleton.bones.tolist() == [[j, p] for j, p in enumerate(skeleton.parents) if p >= 0]


@ALL
def test_every_joint_leads_to_one_root_and_the_tree_and_limbs_are_mirrored(skeleton: Skeleton) -> None:
    assert list(skeleton.parents).count(-1) == 1
    for joint, parent in enumerate(skeleton.parents):
        if parent >= 0:
            assert skeleton.parents[skeleton.mirror[joint]] == skeleton.mirror[parent]
        seen = set()
        while joint >= 0:
            assert joint not in seen, "a circle"
            seen.add(joint)
            joint = skeleton.parents[joint]
    limbs = {frozenset(limb) for limb in skeleton.limbs}
    assert limbs == {frozenset(int(skeleton.mirror[j]) for j in limb) for limb in limbs}
    assert len(limbs) == len(skeleton.limbs)
    assert {j for limb in limbs for j in limb} == set(range(len(skeleton))), "a joint that no picture shows"


def test_from_tree() -> None:
    arm = Skeleton.from_tree("arm", {"hand": "elbow", "elbow": "shoulder", "shoulder": None})
    assert arm == Skeleton("arm", ("hand", "elbow", "shoulder"), (1, 2, -1), ((0, 1), (1, 2)))
    drawn = Skeleton.from_tree("drawn", {"a": None, "b": "a", "c": "a"}, limbs=[("b", "c")])
    assert drawn.parents == (-1, 0, 0)
    assert drawn.limbs == ((1, 2),)
    with pytest.raises(ValueError, match="skeleton odd: not among its joints: tail"):
        Skeleton.from_tree("odd", {"a": None, "b": "tail"})
    with pytest.raises(ValueError, match="not among its joints: c"):
        Skeleton.from_tree("odd", {"a": None, "b": "a"}, limbs=[("a", "c")])


def test_indices_by_name() -> None:
    assert H36M17.indices("right_wrist", "hip") == [16, 0]
    with pytest.raises(KeyError, match=r"h36m17 has no joint 'tail', only: hip, right_hip"):
        H36M17.index("tail")


def test_skeletons_by_name() -> None:
    assert get_skeleton("coco17") is COCO17
    assert get_skeleton("h36m17") is H36M17
    assert get_skeleton("mpii16") is MPII16
    with pytest.raises(UsageError, match=r"unknown skeleton 'coco18': known: blazepose33, coco17, h36m17, halpe26"):
        get_skeleton("coco18")


def test_joints_and_parents_must_fit() -> None:
    with pytest.raises(ValueError, match="2 joints but 1 parents"):
        Skeleton("pair", ("a", "b"), (-1,), ())


def test_one_sided_joint_has_no_mirror() -> None:
    lopsided = Skeleton("lopsided", ("root", "left_hand"), (-1, 0), ())
    with pytest.raises(KeyError, match="right_hand"):
        _ = lopsided.mirror
    assert np.array_equal(lopsided.bones, [[1, 0]])
