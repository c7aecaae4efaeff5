"""One person's poses at a constant rate in the world: what every file format is written from.

Shape letters: T frames at the constant rate, J joints.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from poses import InputError, Poses3D, Skeleton

_Y_UP_FROM_Z_UP = np.array([[1.0, 0, 0], [0, 0, 1], [0, -1, 0]])
_LONGEST_BRIDGE = 1.5


@dataclass(frozen=True)
class Motion:
    """A person's joints over time, z up, metres.

    All motions of one clip begin and end together, so that their files line up.

    Attributes
    ----------
    person_id : as in the artifacts.
    start_s : time of the first frame in the source video.
    rate_hz : frames a second.
    positions_m : (T, J, 3) float64 in the world frame, NaN where the person is not there.
    """

    person_id: int
    start_s: float
    rate_hz: float
    positions_m: np.ndarray
    skeleton: Skeleton

    def __len__(self) -> int:
        return len(self.positions_m)

    @property
    def present(self) -> np.ndarray:
        """(T,) bool: is the person there?"""
        return np.isfinite(self.positions_m).all(axis=(1, 2))

    @property
    def times_s(self) -> np.ndarray:
        """(T,) seconds since the first frame."""
        return np.arange(len(self)) / self.rate_hz

    def spans(self) -> list[slice]:
        """The spans of frames in which the person is there, in order."""
        edges = np.flatnonzero(np.diff(np.concatenate([[False], self.present, [False]]).astype(int)))
        return [slice(int(a), int(b)) for a, b in edges.reshape(-1, 2)]

    def part(self, span: slice) -> Motion:
        """The motion in that span alone."""
        return replace(
            self, start_s=self.start_s + span.start / self.rate_hz, positions_m=self.positions_m[span.start : span.stop]
        )

    def y_up_m(self) -> np.ndarray:
        """(T, J, 3) positions with y up: x stays, z comes towards the viewer. What animation and OpenSim expect."""
        return self.positions_m @ _Y_UP_FROM_Z_UP.T


def require_people(poses: Poses3D) -> None:
    """`InputError` where there is nobody or no finite position."""
    if not np.isfinite(poses.world_m()).any():
        problem = "no people in these poses" if not len(poses) else "every position in these poses is missing (NaN)"
        raise InputError(problem, "there is nothing to export")


def motions(poses: Poses3D, rate_hz: float | None = None) -> list[Motion]:
    """Every person of `poses` at a constant rate (default: that of the video), resampled where it varies.

    Between two frames positions are interpolated linearly, but not across frames in which the person is missing.
    `InputError` where there is nobody, or no frame in which all joints of a person are known.
    """
    require_people(poses)
    world_m = poses.world_m().astype(np.float64)
    finite = np.isfinite(world_m).all(axis=(1, 2))
    if not finite.any():
        raise InputError(
            "no frame of these poses has all joints of a person", "csv, json and html take poses with missing joints"
        )
    own_rate_hz = _rate_of(poses)
    rate_hz = rate_hz or own_rate_hz
    times_s = poses.timestamps_s[finite]
    start_s, end_s = float(times_s.min()), float(times_s.max())
    grid_s = start_s + np.arange(round((end_s - start_s) * rate_hz) + 1) / rate_hz
    result = []
    for person in poses.people():
        rows = poses.rows_of(person)
        rows = rows[finite[rows]]
        if len(rows):
            sampled = _resample(poses.timestamps_s[rows], world_m[rows], grid_s, own_rate_hz)
            result.append(Motion(person, start_s, rate_hz, sampled, poses.skeleton))
    return result


def _rate_of(poses: Poses3D) -> float:
    """Frames a second: the usual time from a frame to the next; 30 where there are no two frames."""
    frame, first = np.unique(poses.frame, return_index=True)
    steps = np.diff(poses.timestamps_s[first]) / np.diff(frame)
    steps = steps[steps > 0]
    return round(1 / float(np.median(steps)), 3) if len(steps) else 30.0


def _resample(times_s: np.ndarray, values: np.ndarray, grid_s: np.ndarray, rate_hz: float) -> np.ndarray:
    """(T, ...) values at `grid_s`; NaN before, after, and in gaps longer than a frame and a half."""
    tolerance_s = 0.5 / rate_hz
    after = np.clip(np.searchsorted(times_s, grid_s), 0, len(times_s) - 1)
    before = np.maximum(after - 1, 0)
    length_s = times_s[after] - times_s[before]
    weight = np.where(length_s > 0, (grid_s - times_s[before]) / np.where(length_s > 0, length_s, 1), 0.0).clip(0, 1)
    weight = weight.reshape(-1, *[1] * (values.ndim - 1))
    sampled = (1 - weight) * values[before] + weight * values[after]
    nearest_s = np.minimum(abs(grid_s - times_s[before]), abs(grid_s - times_s[after]))
    inside = (grid_s >= times_s[0]) & (grid_s <= times_s[-1])
    bridged = inside & (length_s <= _LONGEST_BRIDGE / rate_hz)
    # At the border of a gap the nearest pose, half a frame away at most, is the person's last or first.
    held = ~bridged & (nearest_s < tolerance_s * 0.999)
    closer = np.where(abs(grid_s - times_s[before]) <= abs(grid_s - times_s[after]), before, after)
    sampled[held] = values[closer[held]]
    sampled[~(bridged | held)] = np.nan
    return sampled
