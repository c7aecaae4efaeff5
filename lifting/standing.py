"""Which way is up, from people who stand: where no foot is put down often enough, their bodies still tell.

Shape letters: R rows, S of them standing.
"""

from __future__ import annotations

import numpy as np

from poses import Poses3D

STRAIGHT_LEG_RAD = np.radians(130.0)
"""Least angle between thigh and shin of a leg that bears the body."""

BENT_RAD = np.radians(25.0)
"""Largest angle between that leg, from ankle to hip, and the trunk, of somebody upright."""

FROM_CAMERA_RAD = np.radians(60.0)
"""People farther than that from the camera's own up lie, or the camera does."""

SHORTEST_S = 0.5
BODIES_TILT_RAD = np.radians(5.0)
"""How far the answer is off, about."""
_CAMERA_TILT_RAD = np.radians(20.0)


def up_from_bodies(poses: Poses3D, camera_up: np.ndarray) -> np.ndarray | None:
    """The mean direction from foot to shoulders of all who stand, with the camera's up as a weak prior.

    Unit vector (3,) in camera axes; None where people stand for less than half a second in all. Nobody stands quite
    plumb, and a lifted body errs in depth: docs/cameras.md has by how much the answer is off.
    """
    axes, share = standing_axes(poses, camera_up), _CAMERA_TILT_RAD**2 / (_CAMERA_TILT_RAD**2 + BODIES_TILT_RAD**2)
    intervals = np.diff(poses.timestamps_s)
    usual_s = float(np.median(intervals[intervals > 0])) if (intervals > 0).any() else 0.0
    if len(axes) * usual_s < SHORTEST_S:
        return None
    mean = np.median(axes, axis=0)
    mixed = share * mean / np.linalg.norm(mean) + (1 - share) * camera_up
    return mixed / np.linalg.norm(mixed)


def standing_axes(poses: Poses3D, camera_up: np.ndarray) -> np.ndarray:
    """(S, 3) unit vectors from the bearing foot to the shoulders, of the rows in which somebody stands."""
    skeleton = poses.skeleton
    joints = poses.positions_m.astype(np.float64)
    shoulders = joints[:, skeleton.indices("left_shoulder", "right_shoulder")].mean(axis=1)
    hips = joints[:, skeleton.indices("left_hip", "right_hip")].mean(axis=1)
    found = []
    with np.errstate(invalid="ignore", divide="ignore"):
        legs = [
            [joints[:, skeleton.index(f"{side}_{j}")] for j in ("hip", "knee", "ankle")] for side in ("left", "right")
        ]
        heights = np.stack([((ankle - shoulders) * (shoulders - hips)).sum(axis=1) for _, _, ankle in legs])
        heights /= np.linalg.norm(shoulders - hips, axis=1)
        for number, (hip, knee, ankle) in enumerate(legs):
            straight = _angle(hip - knee, ankle - knee) > STRAIGHT_LEG_RAD
            upright = _angle(hip - ankle, shoulders - hips) < BENT_RAD
            axis = shoulders - ankle
            near = _angle(axis, np.broadcast_to(camera_up, axis.shape)) < FROM_CAMERA_RAD
            # The foot that is farther down along the trunk bears the body.
            bears = heights[number] <= heights[1 - number] + 0.05
            keep = straight & upright & near & bears
            found.append(axis[keep] / np.linalg.norm(axis[keep], axis=1, keepdims=True))
    return np.concatenate(found)


def _angle(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    """(R,) radians between vectors (R, 3); NaN where one is 0 or unknown."""
    cosine = (a * b).sum(axis=1) / (np.linalg.norm(a, axis=1) * np.linalg.norm(b, axis=1))
    return np.arccos(np.clip(cosine, -1, 1))
