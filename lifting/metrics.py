"""The errors that the field reports. Shapes: (..., T, J, 3) predicted and target joints in metres; results in metres.

Protocol names as in Pavllo et al., section 5.1.
"""

from __future__ import annotations

import numpy as np

from poses import Skeleton


def mpjpe(predicted: np.ndarray, target: np.ndarray) -> float:
    """Mean per-joint position error, protocol 1."""
    return float(np.linalg.norm(predicted - target, axis=-1).mean())


def p_mpjpe(predicted: np.ndarray, target: np.ndarray) -> float:
    """MPJPE after the best rigid motion and scale of each frame (Procrustes; Umeyama, PAMI 1991), protocol 2."""
    shape = predicted.shape[-2:]
    x, y = (a.reshape(-1, *shape).astype(np.float64) for a in (predicted, target))
    x_mean, y_mean = x.mean(1, keepdims=True), y.mean(1, keepdims=True)
    x0, y0 = x - x_mean, y - y_mean
    u, s, vt = np.linalg.svd(np.swapaxes(y0, 1, 2) @ x0)
    sign = np.sign(np.linalg.det(u @ vt))
    s[:, -1] *= sign
    u[:, :, -1] *= sign[:, None]
    rotation = u @ vt
    scale = s.sum(1) / np.maximum((x0**2).sum((1, 2)), 1e-12)
    aligned = scale[:, None, None] * (x0 @ np.swapaxes(rotation, 1, 2)) + y_mean
    return float(np.linalg.norm(aligned - y, axis=-1).mean())


def n_mpjpe(predicted: np.ndarray, target: np.ndarray) -> float:
    """MPJPE after the best scale of each frame (Rhodin et al., CVPR 2018), protocol 3."""
    dot = (predicted * target).sum((-1, -2), keepdims=True)
    norm = (predicted**2).sum((-1, -2), keepdims=True)
    return mpjpe(predicted * dot / np.maximum(norm, 1e-12), target)


def mpjve(predicted: np.ndarray, target: np.ndarray) -> float:
    """Mean per-joint velocity error: MPJPE of the first differences in time, metres a frame."""
    return mpjpe(np.diff(predicted, axis=-3), np.diff(target, axis=-3))


def root_error_ratio(predicted: np.ndarray, target: np.ndarray) -> float:
    """Mean distance between predicted and true root (..., 3), as a fraction of the true distance from the camera."""
    return float((np.linalg.norm(predicted - target, axis=-1) / np.linalg.norm(target, axis=-1)).mean())


def acceleration_error(predicted: np.ndarray, target: np.ndarray) -> float:
    """Mean per-joint error of the second differences in time, metres a frame squared; NaN below three frames."""
    if predicted.shape[-3] < 3:
        return float("nan")
    return mpjpe(np.diff(predicted, 2, axis=-3), np.diff(target, 2, axis=-3))


def lean_deg(up: np.ndarray, true_up: np.ndarray) -> float:
    """Degrees between two directions, unit vectors (3,): by how much a world leans."""
    return float(np.degrees(np.arccos(np.clip(up @ true_up, -1, 1))))


def bone_lengths(joints_m: np.ndarray, skeleton: Skeleton) -> np.ndarray:
    """(..., T, J, 3) to the lengths (..., T, bones) of each joint's bone to its parent, in the order of the joints."""
    bones = [(joint, parent) for joint, parent in enumerate(skeleton.parents) if parent >= 0]
    child, parent = np.array(bones).T
    return np.linalg.norm(joints_m[..., child, :] - joints_m[..., parent, :], axis=-1)


def bone_length_variation(joints_m: np.ndarray, skeleton: Skeleton) -> float:
    """Standard deviation over time of each bone's length, mean over the bones; 0 for a rigid body."""
    return float(bone_lengths(joints_m, skeleton).std(axis=-2).mean())


def side_length_difference(joints_m: np.ndarray, skeleton: Skeleton) -> float:
    """Mean over time of how much the bones of the left differ in length from those of the right."""
    joints = [joint for joint, parent in enumerate(skeleton.parents) if parent >= 0]
    left = [i for i, joint in enumerate(joints) if skeleton.sides[joint] == "left"]
    right = [joints.index(int(skeleton.mirror[joints[i]])) for i in left]
    lengths = bone_lengths(joints_m, skeleton)
    return float(np.abs(lengths[..., left] - lengths[..., right]).mean())


def exchanged_sides(predicted: np.ndarray, target: np.ndarray, skeleton: Skeleton) -> float:
    """Share of the frames in which the arms or the legs come closer to the truth with left and right exchanged."""
    apart = np.linalg.norm(predicted - target, axis=-1)
    crossed = np.linalg.norm(predicted[..., skeleton.mirror, :] - target, axis=-1)
    wrong = np.zeros(apart.shape[:-1], bool)
    for limb in (("elbow", "wrist"), ("knee", "ankle")):
        joints = skeleton.indices(*(f"{side}_{joint}" for side in ("left", "right") for joint in limb))
        wrong |= crossed[..., joints].sum(-1) < apart[..., joints].sum(-1)
    return float(wrong.mean())
