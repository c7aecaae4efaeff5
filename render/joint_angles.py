"""Joint angles from joint positions: definitions and signs as movement science uses them, in radians.

Human3.6M's 17 joints have no feet and no axis along a limb, so there is no ankle angle and no rotation of a limb about
itself. All directions are the person's own: forward is where the pelvis (legs, trunk) or the chest (arms, head) faces.

| angle | zero | positive |
|---|---|---|
| hip flexion | thigh along the trunk | knee forward |
| hip abduction | thigh in the plane of forward and up | knee away from the other leg |
| knee flexion | straight | bent (0 to 180 degrees: bending backward and over-stretching are not told apart) |
| shoulder flexion | upper arm along the trunk | elbow forward; undefined towards an arm stretched out sideways |
| shoulder abduction | upper arm in the plane of forward and up | elbow away from the body |
| elbow flexion | straight | bent, as the knee |
| trunk flexion | upright, against gravity | leaning forward |
| trunk bending | upright, against gravity | leaning to the left |
| trunk rotation | shoulders over hips | chest turned to the left of the pelvis |
| neck flexion | head along the trunk | head forward |
| neck bending | head along the trunk | head to the left |

Shape letters: T frames, J joints.
"""

from __future__ import annotations

import numpy as np

from poses import Skeleton, UsageError

ANGLES = (
    *(f"{side}_{angle}" for angle in ("hip_flexion", "hip_abduction", "knee_flexion") for side in ("right", "left")),
    *(
        f"{side}_{angle}"
        for angle in ("shoulder_flexion", "shoulder_abduction", "elbow_flexion")
        for side in ("right", "left")
    ),
    *("trunk_flexion", "trunk_bending", "trunk_rotation", "neck_flexion", "neck_bending"),
)
"""Names of the angles, in the order in which files list them."""

_NEEDED = ("hip", "thorax", "neck", "head", "left_hip", "right_hip", "left_shoulder", "right_shoulder")


def joint_angles(positions_m: np.ndarray, skeleton: Skeleton) -> dict[str, np.ndarray]:
    """The angles of `ANGLES` in radians, each (T,), NaN where a joint is missing.

    Parameters
    ----------
    positions_m : (T, J, 3) in a world with z up.

    `UsageError` where the skeleton lacks a joint that the definitions need.
    """
    lacking = [joint for joint in _NEEDED if joint not in skeleton.joints]
    if lacking:
        raise UsageError(f"joint angles need the joints {', '.join(lacking)}, which skeleton {skeleton.name} lacks")
    point = {joint: positions_m[:, index].astype(np.float64) for index, joint in enumerate(skeleton.joints)}
    up = point["thorax"] - point["hip"]
    pelvis = body_axes(point["left_hip"] - point["right_hip"], up)
    chest = body_axes(point["left_shoulder"] - point["right_shoulder"], up)
    angles: dict[str, np.ndarray] = {}
    for side, outward in (("right", -1.0), ("left", 1.0)):
        thigh = point[f"{side}_knee"] - point[f"{side}_hip"]
        upper_arm = point[f"{side}_elbow"] - point[f"{side}_shoulder"]
        for name, axes, limb in (("hip", pelvis, thigh), ("shoulder", chest, upper_arm)):
            forward, left, upward = _in_axes(limb, axes)
            angles[f"{side}_{name}_flexion"] = np.arctan2(forward, -upward)
            angles[f"{side}_{name}_abduction"] = np.arctan2(outward * left, np.hypot(forward, upward))
        shank = point[f"{side}_ankle"] - point[f"{side}_knee"]
        forearm = point[f"{side}_wrist"] - point[f"{side}_elbow"]
        angles[f"{side}_knee_flexion"] = _between(thigh, shank)
        angles[f"{side}_elbow_flexion"] = _between(upper_arm, forearm)
    vertical = np.broadcast_to([0.0, 0.0, 1.0], up.shape)
    forward, left, upward = _in_axes(up, body_axes(point["left_hip"] - point["right_hip"], vertical))
    angles["trunk_flexion"], angles["trunk_bending"] = np.arctan2(forward, upward), np.arctan2(left, upward)
    # The chest's left axis seen in the pelvis' axes: to the left is counter-clockwise seen from above.
    backward, sideways, _ = _in_axes(chest[:, 1], pelvis)
    angles["trunk_rotation"] = np.arctan2(-backward, sideways)
    forward, left, upward = _in_axes(point["head"] - point["thorax"], chest)
    angles["neck_flexion"], angles["neck_bending"] = np.arctan2(forward, upward), np.arctan2(left, upward)
    return {name: angles[name] for name in ANGLES}


def body_axes(left: np.ndarray, up: np.ndarray) -> np.ndarray:
    """(T, 3, 3) unit axes forward, left, up in rows: up as given, left made perpendicular to it."""
    up = up / np.linalg.norm(up, axis=-1, keepdims=True)
    forward = np.cross(left, up)
    forward = forward / np.linalg.norm(forward, axis=-1, keepdims=True)
    return np.stack([forward, np.cross(up, forward), up], axis=1)


def _in_axes(vector: np.ndarray, axes: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    forward, left, up = np.einsum("tij,tj->it", axes, vector)
    return forward, left, up


def _between(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    return np.arctan2(np.linalg.norm(np.cross(a, b), axis=-1), (a * b).sum(axis=-1))
