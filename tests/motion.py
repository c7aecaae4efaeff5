"""Procedural people, and cameras before them: the known truth that tests of several rooms measure against.

A walker and a person who does jumping jacks, in closed form at any rate; a pinhole camera placed by hand; the COCO
keypoints that it would show. Joints are in the order of `lifting.data.mocap.KEYPOINTS`, world frame (z up, floor at 0),
metres. The proportions are those of Human3.6M's skeleton.

Shape letters: T frames, K = 22 keypoints.
"""

from __future__ import annotations

import numpy as np

from lifting.data.mocap import KEYPOINTS
from poses import COCO17, H36M17, Intrinsics, Poses3D, Tracks

HIP_WIDTH, THIGH, SHIN = 0.266, 0.443, 0.454
HIP_SPINE, SPINE_THORAX, THORAX_NECK = 0.233, 0.257, 0.121
SHOULDER_WIDTH, UPPER_ARM, FOREARM = 0.302, 0.279, 0.252
ANKLE_HEIGHT = 0.08

STANCE = 0.6
"""Share of the gait's cycle that a foot stays planted."""

# Forward, left, up from the point between the ears.
_HEAD = {
    "neck": (0.030, 0.0, -0.045),
    "head": (0.0, 0.0, 0.066),
    "nose": (0.120, 0.0, -0.020),
    "left_eye": (0.085, 0.0315, 0.015),
    "right_eye": (0.085, -0.0315, 0.015),
    "left_ear": (-0.005, 0.075, 0.0),
    "right_ear": (-0.005, -0.075, 0.0),
}


def walker(
    seconds: float,
    rate_hz: float,
    speed_m_s: float = 1.2,
    heading_rad: float = 0.0,
    start_m: tuple[float, float] = (0.0, 0.0),
) -> np.ndarray:
    """(T, K, 3) a person who walks straight on, `heading_rad` from the x axis; feet are planted while they stand."""
    return walk_at(np.arange(round(seconds * rate_hz)) / rate_hz, speed_m_s, heading_rad, start_m)


def walk_at(
    times_s: np.ndarray,
    speed_m_s: float = 1.2,
    heading_rad: float = 0.0,
    start_m: tuple[float, float] = (0.0, 0.0),
) -> np.ndarray:
    """As `walker`, at any times (T,)."""
    stride = 0.45 + 0.5 * speed_m_s
    cycle = np.asarray(times_s, dtype=np.float64) * speed_m_s / stride
    swing = 2 * np.pi * cycle
    hip = np.stack([cycle * stride, 0.02 * np.sin(swing), 0.90 - 0.02 * np.cos(2 * swing)], axis=-1)
    feet = {side: _planted_foot(cycle + shift, shift, stride) for side, shift in (("left", 0.0), ("right", 0.5))}
    feet["left"][:, 1], feet["right"][:, 1] = 0.09, -0.09
    # The left foot is ahead at the start of its stance (cycle 0): the right arm is ahead then.
    ahead = 0.5 * np.cos(swing - 0.3)
    body = _body(
        hip,
        feet,
        pelvis_yaw=-0.06 * np.cos(swing),
        chest_yaw=0.08 * np.cos(swing),
        arm_swing={"left": -ahead, "right": ahead},
        arm_raise={"left": np.full_like(swing, 0.12), "right": np.full_like(swing, 0.12)},
        elbow_bend={"left": 0.4 - 0.3 * ahead, "right": 0.4 + 0.3 * ahead},
    )
    return _place(body, heading_rad, start_m)


def jumping_jack(seconds: float, rate_hz: float, heading_rad: float = 0.0, period_s: float = 1.2) -> np.ndarray:
    """(T, K, 3) a person on the spot who jumps legs apart and together, arms rising over the head and falling."""
    phase = np.arange(round(seconds * rate_hz)) / rate_hz / period_s * 2 * np.pi
    # Both ends of the movement are held for a moment: the feet stand.
    open_share = (1 + np.tanh(4 * np.sin(phase)) / np.tanh(4)) / 2
    air = 4 * open_share * (1 - open_share)
    hip = np.stack([0 * phase, 0 * phase, 0.92 - 0.06 * open_share + 0.10 * air], axis=-1)
    feet = {}
    for side, sign in (("left", 1.0), ("right", -1.0)):
        across = sign * (0.09 + 0.28 * open_share)
        feet[side] = np.stack([0 * phase, across, ANKLE_HEIGHT + 0.12 * air], axis=-1)
    raised = {side: 0.15 + 2.6 * open_share for side in ("left", "right")}
    still = {side: np.zeros_like(phase) for side in ("left", "right")}
    bend = {side: np.full_like(phase, 0.25) for side in ("left", "right")}
    return _place(_body(hip, feet, 0 * phase, 0 * phase, still, raised, bend), heading_rad, (0.0, 0.0))


def camera_from_world(
    yaw_rad: float,
    pitch_rad: float = 0.0,
    roll_rad: float = 0.0,
    distance_m: float = 5.0,
    target_m: tuple[float, float, float] = (0.0, 0.0, 0.9),
) -> np.ndarray:
    """(4, 4) world to camera axes (x right, y down, z forward) of a camera that sees `target_m` in its middle.

    It looks `yaw_rad` from the world's x axis and up by `pitch_rad`; with positive `roll_rad` verticals lean to the
    right in its picture.
    """
    ahead = np.array([np.cos(yaw_rad) * np.cos(pitch_rad), np.sin(yaw_rad) * np.cos(pitch_rad), np.sin(pitch_rad)])
    level_right = np.array([np.sin(yaw_rad), -np.cos(yaw_rad), 0.0])
    up = np.cross(level_right, ahead)
    right = np.cos(roll_rad) * level_right + np.sin(roll_rad) * up
    transform = np.eye(4)
    transform[:3, :3] = np.stack([right, np.cross(ahead, right), ahead])
    transform[:3, 3] = -transform[:3, :3] @ (np.array(target_m) - distance_m * ahead)
    return transform


def transform_points(transform: np.ndarray, points_m: np.ndarray) -> np.ndarray:
    """Points (..., 3) moved by a (4, 4) transform."""
    return points_m @ transform[:3, :3].T + transform[:3, 3]


def coco_joints(joints_m: np.ndarray) -> np.ndarray:
    """(..., K, 3) to the 17 joints of COCO (..., 17, 3)."""
    return joints_m[..., [KEYPOINTS.index(joint) for joint in COCO17.joints], :]


def h36m_joints(joints_m: np.ndarray) -> np.ndarray:
    """(..., K, 3) to the 17 joints of Human3.6M (..., 17, 3)."""
    return joints_m[..., [KEYPOINTS.index(joint) for joint in H36M17.joints], :]


def coco_keypoints(joints_camera_m: np.ndarray, intrinsics: Intrinsics) -> np.ndarray:
    """(T, 17, 2) pixels of the COCO keypoints of joints (T, K, 3) in the camera frame."""
    return intrinsics.project(coco_joints(joints_camera_m)).astype(np.float32)


def tracks_of(keypoints_px: np.ndarray, person: int = 0, frames: np.ndarray | None = None) -> Tracks:
    """One person's keypoints (T, 17, 2) as tracks, all observed where they are not NaN; frames count from 0."""
    observed = np.isfinite(keypoints_px).all(axis=-1)
    return Tracks(
        person_id=np.full(len(keypoints_px), person, np.int64),
        frame=np.arange(len(keypoints_px)) if frames is None else frames.astype(np.int64),
        keypoints_px=keypoints_px.astype(np.float32),
        keypoint_score=observed.astype(np.float32),
        observed=observed,
        swapped=np.zeros_like(observed),
        skeleton=COCO17,
    )


def poses_of(joints_camera_m: np.ndarray, times_s: np.ndarray, intrinsics: Intrinsics, person: int = 0) -> Poses3D:
    """One person's joints (T, K, 3) in the camera frame as the lifter would give them if it made no errors."""
    joints = h36m_joints(joints_camera_m)
    return Poses3D.of_joints(
        joints, np.full(len(joints), person), np.arange(len(joints)), np.asarray(times_s, dtype=np.float64), intrinsics
    )


def _planted_foot(phase: np.ndarray, shift: float, stride: float) -> np.ndarray:
    """(T, 3) an ankle that stands for `STANCE` of each cycle, then swings on to its next place by one stride."""
    done = np.floor(phase)
    share = np.clip((phase - done - STANCE) / (1 - STANCE), 0, 1)
    # At rest at both ends of the swing.
    moved = share**2 * (3 - 2 * share)
    along = (done + moved + STANCE / 2 - shift) * stride
    # Highest early in the swing, as the heel leaves the ground first.
    height = ANKLE_HEIGHT + 0.13 * np.sin(np.pi * share**0.6) ** 2
    return np.stack([along, np.zeros_like(along), height], axis=-1)


def _body(
    hip: np.ndarray,
    feet: dict[str, np.ndarray],
    pelvis_yaw: np.ndarray,
    chest_yaw: np.ndarray,
    arm_swing: dict[str, np.ndarray],
    arm_raise: dict[str, np.ndarray],
    elbow_bend: dict[str, np.ndarray],
) -> np.ndarray:
    """(T, K, 3) a body that faces +x, from the hip, the ankles (T, 3) and the angles (T,) of trunk and arms."""
    frames = len(hip)
    forward, up = np.array([1.0, 0, 0]), np.array([0.0, 0, 1])
    joints = {"hip": hip, "spine": hip + HIP_SPINE * up}
    lean = np.sin(0.06) * forward + np.cos(0.06) * up
    joints["thorax"] = joints["spine"] + SPINE_THORAX * lean
    neck = np.array([0.045, 0.0, np.sqrt(THORAX_NECK**2 - 0.045**2)])
    for name, place in _HEAD.items():
        joints[name] = joints["thorax"] + neck + np.array(place) - np.array(_HEAD["neck"])
    for side, sign in (("left", 1.0), ("right", -1.0)):
        joints[f"{side}_hip"] = hip + sign * HIP_WIDTH / 2 * _left_of(pelvis_yaw)
        joints[f"{side}_ankle"] = feet[side]
        joints[f"{side}_knee"] = _knee(joints[f"{side}_hip"], feet[side], forward)
        joints[f"{side}_shoulder"] = joints["thorax"] + sign * SHOULDER_WIDTH / 2 * _left_of(chest_yaw)
        raised, swing = arm_raise[side], arm_swing[side]
        upper = _arm_direction(swing, raised, sign)
        lower = _arm_direction(swing + elbow_bend[side] * np.cos(raised / 2), raised, sign)
        joints[f"{side}_elbow"] = joints[f"{side}_shoulder"] + UPPER_ARM * upper
        joints[f"{side}_wrist"] = joints[f"{side}_elbow"] + FOREARM * lower
    return np.stack([np.broadcast_to(joints[name], (frames, 3)) for name in KEYPOINTS], axis=1)


def _left_of(yaw: np.ndarray) -> np.ndarray:
    return np.stack([-np.sin(yaw), np.cos(yaw), np.zeros_like(yaw)], axis=-1)


def _arm_direction(swing: np.ndarray, raised: np.ndarray, sign: float) -> np.ndarray:
    """(T, 3) unit vectors: hanging down at zero, forward with positive swing, sideways and up when raised."""
    return np.stack(
        [np.sin(swing), sign * np.cos(swing) * np.sin(raised), -np.cos(swing) * np.cos(raised)],
        axis=-1,
    )


def _knee(hip: np.ndarray, ankle: np.ndarray, forward: np.ndarray) -> np.ndarray:
    """(T, 3) the knee between hip and ankle, bent forward; `ValueError` where the leg does not reach."""
    leg = ankle - hip
    length = np.linalg.norm(leg, axis=-1, keepdims=True)
    if (length > THIGH + SHIN).any():
        raise ValueError(f"the leg is {THIGH + SHIN:.3f} m long, the foot {length.max():.3f} m away")
    along = (THIGH**2 - SHIN**2 + length**2) / (2 * length)
    axis = leg / length
    bend = forward - (axis @ forward)[:, None] * axis
    bend /= np.linalg.norm(bend, axis=-1, keepdims=True)
    return hip + along * axis + np.sqrt(THIGH**2 - along**2) * bend


def _place(joints: np.ndarray, heading_rad: float, start_m: tuple[float, float]) -> np.ndarray:
    """Turn a body that faces +x to its heading and move it to where it starts."""
    cos, sin = np.cos(heading_rad), np.sin(heading_rad)
    return joints @ np.array([[cos, sin, 0], [-sin, cos, 0], [0, 0, 1]]) + np.array([*start_m, 0.0])
