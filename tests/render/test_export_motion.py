"""Poses at a constant rate: gaps stay gaps, variable rates are resampled, people line up."""

import dataclasses

import numpy as np
import pytest

from poses import InputError, Poses3D
from render.export import motions
from tests.render.moving_bodies import poses_of, two_people, walking


def test_constant_rate_keeps_every_pose_and_every_gap() -> None:
    poses, truth = two_people()
    for motion in motions(poses):
        assert (motion.rate_hz, motion.start_s, len(motion)) == (30.0, 0.0, 60)
        np.testing.assert_allclose(motion.positions_m, truth[motion.person_id], atol=1e-5)
    second = motions(poses)[1]
    assert second.spans() == [slice(10, 25), slice(40, 55)]
    part = second.part(second.spans()[1])
    assert part.start_s == pytest.approx(40 / 30)
    assert part.present.all()


def test_variable_rate_is_resampled_at_its_usual_step() -> None:
    # Frames at 25 a second, some of them late or dropped; the hip walks at 1 m/s.
    step_s = np.array([0.04, 0.04, 0.05, 0.03, 0.04, 0.08, 0.04, 0.04, 0.04])
    times_s = np.concatenate([[2.0], 2.0 + np.cumsum(step_s)])
    body = np.repeat(walking(1), 10, axis=0)
    body[..., 0] += times_s[:, None]
    poses = dataclasses.replace(poses_of({0: (np.arange(10), body)}), timestamps_s=times_s)
    (motion,) = motions(poses)
    assert motion.rate_hz == pytest.approx(25)
    assert motion.start_s == 2.0
    hip = motion.positions_m[motion.present, 0, 0]
    expected = walking(1)[0, 0, 0] + 2.0 + motion.times_s[motion.present]
    # Half a frame away at most where the nearest pose is held beside the dropped frame.
    assert abs(hip - expected).max() <= 0.0201
    assert np.median(abs(hip - expected)) < 1e-5


def test_another_rate_can_be_asked_for() -> None:
    body = walking(31)
    (motion,) = motions(poses_of({0: (np.arange(31), body)}), rate_hz=60)
    assert len(motion) == 61
    np.testing.assert_allclose(motion.positions_m[::2], body, atol=1e-5)
    np.testing.assert_allclose(motion.positions_m[1::2], (body[1:] + body[:-1]) / 2, atol=1e-5)


def test_poses_that_are_not_finite_count_as_missing() -> None:
    body = walking(10)
    body[4, 3] = np.nan
    (motion,) = motions(poses_of({0: (np.arange(10), body)}))
    assert motion.spans() == [slice(0, 4), slice(5, 10)]


@pytest.mark.parametrize("people", [{}, {0: (np.arange(3), np.full((3, 17, 3), np.nan))}])
def test_nobody_to_export_is_said(people: dict) -> None:
    poses = poses_of(people) if people else _empty()
    with pytest.raises(InputError, match="nothing to export"):
        motions(poses)


def _empty() -> Poses3D:
    poses = poses_of({0: (np.arange(1), walking(1))})
    rows = ("person_id", "frame", "timestamps_s", "positions_m", "root_m", "observed")
    return dataclasses.replace(poses, **{name: getattr(poses, name)[:0] for name in rows})


def test_one_frame_is_a_motion_of_one_frame() -> None:
    (motion,) = motions(poses_of({0: (np.array([7]), walking(1))}))
    assert len(motion) == 1
    assert motion.spans() == [slice(0, 1)]
