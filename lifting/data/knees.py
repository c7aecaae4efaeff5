"""Knees that never straighten: a skeleton's own bend, measured over an archive and taken out.

Nobody stands with knees bent by fifteen degrees, but some motion-capture skeletons do, since their joints lie in front
of or behind where they are in the body, and other archives' legs are straight. What differs by source a lifter can only
average. Shape letters: F frames, K = 22 keypoints.
"""

from __future__ import annotations

import logging

import numpy as np

from lifting.data.mocap import KEYPOINTS, Clips

log = logging.getLogger(__name__)

STRAIGHT_DEG = 4.0
"""Bend of a straight leg: archives whose legs do straighten (DeepMimic, Mesh2Motion, some of CMU's) have 3 to 4."""
_STRAIGHTEST = 0.15
"""Share of upright legs that are taken to be straight."""
_UPRIGHT_COS = np.cos(np.radians(35.0))
_EVERY = 10
_MOST_DEG = 20.0
"""Archives with more than this are of people who crouch."""
_LEAST_LEGS = 500
"""Fewer upright legs than this say nothing."""
_SMOOTH_DEG = 2.0
"""Over which the bend goes to zero, so that no knee locks all at once."""

_HIPS = [KEYPOINTS.index(f"{side}_hip") for side in ("left", "right")]
_LEGS = [[KEYPOINTS.index(f"{side}_{name}") for name in ("hip", "knee", "ankle")] for side in ("left", "right")]


def knee_offset_deg(joints_m: np.ndarray) -> float:
    """By how much the straightest upright legs of (F, K, 3), world axes, z up, bend forwards beyond `STRAIGHT_DEG`.

    0 where they do not, where hardly anybody is upright, or where nobody straightens up.
    """
    joints = joints_m[::_EVERY].astype(np.float64)
    leftward = joints[:, _HIPS[0]] - joints[:, _HIPS[1]]
    forward = np.stack([leftward[:, 1], -leftward[:, 0]], axis=1)
    forward /= np.linalg.norm(forward, axis=1, keepdims=True).clip(1e-9)
    bends = []
    for hip, knee, ankle in _LEGS:
        thigh, shin = joints[:, knee] - joints[:, hip], joints[:, ankle] - joints[:, knee]
        upright = np.ones(len(joints), bool)
        lean = []
        for bone in (thigh, shin):
            upright &= -bone[:, 2] > _UPRIGHT_COS * np.linalg.norm(bone, axis=1)
            lean.append(np.degrees(np.arctan2((bone[:, :2] * forward).sum(axis=1), -bone[:, 2])))
        bends.append((lean[0] - lean[1])[upright])
    bend = np.sort(np.concatenate(bends))
    if len(bend) < _LEAST_LEGS:
        return 0.0
    offset_deg = float(bend[: int(_STRAIGHTEST * len(bend))].mean()) - STRAIGHT_DEG
    return offset_deg if 0 < offset_deg <= _MOST_DEG else 0.0


def straighten_knees(joints_m: np.ndarray, offset_deg: float) -> np.ndarray:
    """Copy of (F, K, 3) whose knees bend by `offset_deg` less, none the other way; bones keep their lengths.

    Thigh and shin turn by half each, so that the ankle stays nearly where it was as seen from the hip.
    """
    straight = joints_m.copy()
    for hip, knee, ankle in _LEGS:
        thigh = (joints_m[:, knee] - joints_m[:, hip]).astype(np.float64)
        shin = (joints_m[:, ankle] - joints_m[:, knee]).astype(np.float64)
        axis = np.cross(thigh, shin)
        sine = np.linalg.norm(axis, axis=1, keepdims=True)
        axis /= sine.clip(1e-9)
        bend = np.arctan2(sine[:, 0], (thigh * shin).sum(axis=1))
        less = bend - np.radians(offset_deg)
        wanted = np.minimum(0.5 * (less + np.hypot(less, np.radians(_SMOOTH_DEG))), bend)
        half = (bend - wanted)[:, None] / 2
        straight[:, knee] = joints_m[:, hip] + _turned(thigh, axis, half)
        straight[:, ankle] = straight[:, knee] + _turned(shin, axis, -half)
    return straight


def _turned(bones: np.ndarray, axis: np.ndarray, angle: np.ndarray) -> np.ndarray:
    """Bones (F, 3) turned about unit vectors at right angles to them (F, 3), by (F, 1) radians."""
    return bones * np.cos(angle) + np.cross(axis, bones) * np.sin(angle)


def without_knee_offsets(clips: Clips) -> Clips:
    """The clips with each archive's knees straightened by its own offset."""
    joints = clips.joints_m.copy()
    archives: dict[str, list[int]] = {}
    for index, name in enumerate(clips.names):
        archives.setdefault(name.split("/")[0], []).append(index)
    for archive, members in archives.items():
        offset_deg = knee_offset_deg(np.concatenate([clips.clip(index) for index in members]))
        if not offset_deg:
            continue
        log.info("%s: knees straightened by %.1f degrees", archive, offset_deg)
        for index in members:
            span = slice(clips.start[index], clips.start[index + 1])
            joints[span] = straighten_knees(clips.clip(index), offset_deg)
    return Clips(joints, clips.start, clips.names)
