"""Two results of one video: whose is whose, and the distance, by hand."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest

from poses import COCO17, H36M17, InputError, Poses3D
from render.compare import compare
from tests.render.conftest import Staged

PER_ROW = ("person_id", "frame", "timestamps_s", "positions_m", "root_m", "observed")


def three(staged: Callable[..., Staged]) -> Staged:
    still = np.ones((10, 1))
    return staged(np.stack([still * (-2.0, 6, 0), still * (0.0, 7, 0), still * (2.0, 8, 0)]))


def rows_of(poses: Poses3D, keep: np.ndarray) -> Poses3D:
    return replace(poses, **{name: getattr(poses, name)[keep] for name in PER_ROW})


def renamed(poses: Poses3D, numbers: dict[int, int]) -> Poses3D:
    ids = np.array([numbers[p] for p in poses.person_id.tolist()])
    poses = replace(poses, person_id=ids)
    return rows_of(poses, np.lexsort((poses.frame, ids)))


def test_people_are_matched_by_place_whatever_their_numbers(staged: Callable) -> None:
    made = three(staged)
    other = renamed(replace(made.poses, root_m=made.poses.root_m * np.float32(1.1)), {0: 5, 1: 0, 2: 3})
    found = compare(made.poses, other, made.timestamps_s)
    assert found.people == {0: 5, 1: 0, 2: 3}
    for person in range(3):
        np.testing.assert_allclose(
            found.poses.root_m[found.poses.rows_of(person)],
            1.1 * made.poses.root_m[made.poses.rows_of(person)],
            rtol=1e-6,
        )


def test_the_distance_of_a_frame_by_hand(staged: Callable) -> None:
    """Person 0 has one joint of 17 moved by 17 cm in frame 3, person 1 two by 34 cm: (170 + 680) / 34 = 25 mm.

    Roots are laid on each other: that person 1 stands half a metre farther away does not count.
    """
    made = three(staged)
    poses = rows_of(made.poses, made.poses.person_id < 2)
    positions, root = poses.positions_m.copy(), poses.root_m.copy()
    first, second = (int(np.flatnonzero((poses.person_id == p) & (poses.frame == 3))[0]) for p in range(2))
    positions[first, H36M17.index("left_wrist"), 1] += 0.17
    positions[second, H36M17.indices("head", "right_ankle"), 2] -= 0.34
    root[poses.person_id == 1, 2] += 0.5
    found = compare(poses, replace(poses, positions_m=positions, root_m=root), made.timestamps_s)
    assert found.distance_mm[3] == pytest.approx(25.0, abs=1e-3)
    np.testing.assert_allclose(np.delete(found.distance_mm, 3), 0.0, atol=1e-6)
    assert found.mean_mm == pytest.approx(2.5, abs=1e-4)


def test_missing_joints_and_people_do_not_count(staged: Callable) -> None:
    """Half of the joints unknown, the others 10 cm off: 100 mm; nobody in common in the last frames: no number."""
    made = three(staged)
    positions = made.poses.positions_m + np.array([0.1, 0, 0], np.float32)
    positions[:, 8:] = np.nan
    other = rows_of(replace(made.poses, positions_m=positions), made.poses.frame < 6)
    found = compare(made.poses, other, made.timestamps_s)
    np.testing.assert_allclose(found.distance_mm[:6], 100.0, atol=1e-3)
    assert np.isnan(found.distance_mm[6:]).all()
    assert found.mean_mm == pytest.approx(100.0, abs=1e-3)


def test_world_axes_are_those_of_the_first(staged: Callable) -> None:
    """Another guess of the floor must not move people: both were seen by one camera."""
    made = three(staged)
    tilted = made.poses.world_from_camera.copy()
    tilted[2, 3] += 1.0
    found = compare(made.poses, replace(made.poses, world_from_camera=tilted), made.timestamps_s)
    np.testing.assert_array_equal(found.poses.world_m(), made.poses.world_m())


def test_a_result_of_a_part_is_matched_by_time(staged: Callable) -> None:
    """Its frames count from the part's beginning: frame 0 is the whole video's frame 4."""
    made = three(staged)
    part = rows_of(made.poses, made.poses.frame >= 4)
    part = replace(part, frame=part.frame - 4)
    found = compare(made.poses, part, made.timestamps_s)
    np.testing.assert_array_equal(np.unique(found.poses.frame), np.arange(4, 10))
    assert np.isnan(found.distance_mm[:4]).all()
    np.testing.assert_allclose(found.distance_mm[4:], 0.0, atol=1e-6)


def test_another_rate_keeps_one_row_a_frame(staged: Callable) -> None:
    """Ground truth at 120 Hz beside a video at 30 Hz: every fourth row, the one at the frame's time."""
    made, fine = staged(np.tile([0.0, 5.0, 0.0], (1, 5, 1))), staged(np.tile([0.0, 5.0, 0.0], (1, 17, 1)), fps=120.0)
    found = compare(made.poses, fine.poses, made.timestamps_s)
    np.testing.assert_allclose(found.poses.timestamps_s, made.timestamps_s, atol=1e-9)


def test_strangers_are_not_matched_and_get_numbers_of_their_own(staged: Callable) -> None:
    made = three(staged)
    apart = made.poses.root_m.copy()
    apart[made.poses.person_id == 1] = (20.0, 0.0, 30.0)
    found = compare(made.poses, replace(made.poses, root_m=apart), made.timestamps_s)
    assert found.people == {0: 0, 2: 2}
    assert found.poses.people() == [0, 2, 3]


def test_nobody_in_the_same_place(staged: Callable, caplog: pytest.LogCaptureFixture) -> None:
    made = three(staged)
    far = replace(made.poses, root_m=made.poses.root_m + np.array([40.0, 0, 0], np.float32))
    found = compare(made.poses, far, made.timestamps_s, ("a", "b"))
    assert found.people == {}
    assert math.isnan(found.mean_mm)
    assert "nobody is at the same place" in caplog.text


def test_all_nan_poses_are_matched_by_root_without_a_number(staged: Callable) -> None:
    made = three(staged)
    empty = replace(made.poses, positions_m=np.full_like(made.poses.positions_m, np.nan))
    found = compare(made.poses, empty, made.timestamps_s)
    assert len(found.people) == 3
    assert np.isnan(found.distance_mm).all()


def test_another_video_is_an_error_that_says_so(staged: Callable) -> None:
    made = three(staged)
    later = replace(made.poses, timestamps_s=made.poses.timestamps_s + 50)
    nobody = rows_of(made.poses, np.zeros(0, int))
    for other in (later, nobody):
        with pytest.raises(InputError, match=r"b: shares no frame with a \(.*\): compare results of the same video"):
            compare(made.poses, other, made.timestamps_s, ("a", "b"))


def test_other_joints(staged: Callable) -> None:
    """COCO's keypoints have no spine and no top of the head, so they cannot stand beside Human3.6M's joints."""
    made = three(staged)
    with pytest.raises(InputError, match=r"b: its joints differ from those of a \(.*head"):
        compare(made.poses, replace(made.poses, skeleton=COCO17), made.timestamps_s, ("a", "b"))
