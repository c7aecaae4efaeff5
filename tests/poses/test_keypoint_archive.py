"""The safe form of keypoint archives: flat names and back, pairs of joints, bridged frames."""

import numpy as np
import pytest

from poses import COCO17, InputError
from poses.keypoint_archive import fill_frames, flat_entries, mirrored_pairs, nested_entries

NESTED = {
    "S1": {"Walking 1": [np.full((2, 1, 2), 1.0), np.full((2, 1, 2), 2.0)], "Eating": [np.zeros((1, 1, 2))]},
    "a/b": {"custom": [np.ones((3, 1, 2))]},
}


def test_names_are_subject_action_camera_and_come_back_nested() -> None:
    flat = flat_entries(NESTED, {"num_joints": 1})
    assert set(flat) == {"format", "metadata", "S1/Walking 1/0", "S1/Walking 1/1", "S1/Eating/0", "a/b/custom/0"}
    assert str(flat["format"]) == "positions_2d"
    assert str(flat["metadata"]) == '{"num_joints": 1}'
    # Whatever the order in the file.
    again = nested_entries("a.npz", dict(reversed(flat.items())), "")
    assert {s: set(actions) for s, actions in again.items()} == {"S1": {"Walking 1", "Eating"}, "a/b": {"custom"}}
    assert [array[0, 0, 0] for array in again["S1"]["Walking 1"]] == [1.0, 2.0]


@pytest.mark.parametrize(
    ("names", "said"),
    [
        (["S1/Walking/0", "stray"], "'stray'"),
        (["S1/Walking/1"], r"cameras \[1\] have gaps"),
        (["S1/Walking"], "belong"),
    ],
)
def test_other_names_and_missing_cameras_are_named(names: list[str], said: str) -> None:
    with pytest.raises(InputError, match=said):
        nested_entries("a.npz", dict.fromkeys(names, np.zeros(1)), "")


def test_pairs_of_coco_are_the_ones_that_the_field_writes() -> None:
    left, right = mirrored_pairs(COCO17.mirror, COCO17.sides)
    assert left == (1, 3, 5, 7, 9, 11, 13, 15)
    assert right == (2, 4, 6, 8, 10, 12, 14, 16)


def test_gaps_are_bridged_and_ends_held_for_each_keypoint_alone() -> None:
    known = np.array([[[1.0, 10.0], [5.0, 5.0]], [[np.nan, np.nan], [6.0, 5.0]], [[4.0, 40.0], [np.nan, 5.0]]])
    filled = fill_frames(np.array([1, 2, 4]), known, 6)
    assert filled.dtype == np.float32
    np.testing.assert_allclose(filled[:, 0, 0], [1, 1, 2, 3, 4, 4])
    np.testing.assert_allclose(filled[:, 0, 1], [10, 10, 20, 30, 40, 40])
    np.testing.assert_allclose(filled[:, 1, 0], [5, 5, 6, 6, 6, 6])
    with pytest.raises(ValueError, match="keypoint 0"):
        fill_frames(np.array([0]), np.full((1, 1, 2), np.nan), 2)
