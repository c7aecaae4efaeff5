from __future__ import annotations

import numpy as np

from lifting.unseen import fill_unseen_joints, unseen_for_long
from poses import COCO17


def unseen(seen: np.ndarray, fps: float = 30.0) -> np.ndarray:
    """(T,) of a joint that is `seen` (T,) beside one that always is."""
    observed = np.stack([seen, np.ones(len(seen), bool)], axis=1)
    found = unseen_for_long(observed, np.arange(len(seen)) / fps)
    assert not found[:, 1].any()
    return found[:, 0]


def test_where_a_joint_was_is_good_for_seconds() -> None:
    seen = np.ones(300, bool)
    seen[100:200] = False
    assert not unseen(seen).any()


def test_a_joint_that_is_gone_for_long_is_unseen_until_it_is_about_to_come_back() -> None:
    seen = np.ones(900, bool)
    seen[300:600] = False
    found = unseen(seen)
    assert found[400:500].all()
    assert not found[:390].any()
    assert not found[510:].any()


def test_at_the_ends_and_throughout() -> None:
    seen = np.ones(600, bool)
    seen[:300] = False
    found = unseen(seen)
    assert found[:190].all()
    assert not found[210:].any()
    assert unseen(np.zeros(50, bool)).all()


def test_single_looks_do_not_break_a_long_gap() -> None:
    seen = np.zeros(600, bool)
    seen[[20, 260, 290]] = True
    assert unseen(seen).all()


def test_the_time_counts_and_not_the_number_of_frames() -> None:
    seen = np.ones(900, bool)
    seen[300:600] = False
    assert unseen(seen, fps=30).any()
    assert not unseen(seen, fps=60).any()


def test_somebody_without_a_single_joint_keeps_what_the_tracker_gave() -> None:
    assert not unseen_for_long(np.zeros((90, 3), bool), np.arange(90) / 30).any()


def test_unseen_joints_take_the_place_of_their_nearest_seen_ancestor() -> None:
    keypoints = np.random.default_rng(1).normal(size=(5, 17, 2))
    missing = keypoints.copy()
    missing[:, COCO17.indices("left_wrist", "left_elbow", "right_ankle")] = np.nan
    filled = fill_unseen_joints(missing, COCO17)
    for joint, source in (
        ("left_wrist", "left_shoulder"),
        ("left_elbow", "left_shoulder"),
        ("right_ankle", "right_knee"),
        ("nose", "nose"),
    ):
        np.testing.assert_array_equal(filled[:, COCO17.index(joint)], keypoints[:, COCO17.index(source)])


def test_joints_without_any_seen_ancestor_take_the_middle_of_the_body() -> None:
    keypoints = np.full((4, 17, 2), np.nan)
    hips = COCO17.indices("left_hip", "right_hip")
    keypoints[[0, 2, 3]] = np.nan
    keypoints[[0, 2, 3], hips[0]] = [[0, 0], [2, 2], [4, 0]]
    keypoints[[0, 2, 3], hips[1]] = [[2, 0], [4, 2], [6, 0]]
    filled = fill_unseen_joints(keypoints, COCO17)
    # Frame 1, in which nothing is seen, lies halfway between its neighbours.
    np.testing.assert_allclose(filled[:, COCO17.index("nose")], [[1, 0], [2, 1], [3, 2], [5, 0]])
    np.testing.assert_allclose(filled[1], np.tile([2.0, 1.0], (17, 1)))
    assert np.isfinite(fill_unseen_joints(np.full((2, 17, 2), np.nan), COCO17)).all()
