"""The root's path in the camera frame, refined so that the lifted joints fall on the keypoints.

Shape letters: T frames, J joints; rays are undistorted (x/z, y/z).
"""

from __future__ import annotations

import numpy as np
from scipy.linalg import solveh_banded

from poses import COCO17, H36M17, Skeleton

# COCO's annotators and motion capture put hips and shoulders in different places; limbs' ends agree better.
_COCO_TRUST = {"hip": 0.3, "shoulder": 0.6}

NETWORK_WEIGHT = 10.0
"""Of the trajectory network's depth against the reprojection's, which keypoints a little off change more."""

WEAK_WEIGHT = 0.05
AGREEMENT = (0.15, 0.2)
"""Up to the first difference in log depth the network has its full weight, from the second on the weak one: so far
apart they are where the scene is unlike its training."""

DEPTH_SMOOTHING_FRAMES = 12.0
RAY_SMOOTHING_FRAMES = 2.0


def reprojection_root(positions_m: np.ndarray, rays: np.ndarray, weights: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Least-squares root (T, 3) that brings joints (T, J, 3) onto rays (T, J, 2), and how well depth is known.

    A joint p with root t must satisfy (p_x + t_x) - u (p_z + t_z) = 0 and likewise for y: two linear equations in t
    for each joint. The returned information (T,) is the depth's entry of the reduced normal matrix.
    """
    u = np.where(weights[..., None] > 0, rays, 0.0)
    w = weights
    # Normal matrix of rows (1, 0, -u) and (0, 1, -v), and its right-hand side.
    sw = w.sum(1)
    su = (w[..., None] * u).sum(1)
    suu = (w * (u**2).sum(-1)).sum(1)
    b = u * positions_m[..., 2:] - positions_m[..., :2]
    sb = (w[..., None] * b).sum(1)
    sub = (w * (u * b).sum(-1)).sum(1)
    sw_safe = np.maximum(sw, 1e-9)
    information = suu - (su**2).sum(1) / sw_safe
    depth = ((su * sb).sum(1) / sw_safe - sub) / np.maximum(information, 1e-12)
    across = (sb + su * depth[:, None]) / sw_safe[:, None]
    return np.concatenate([across, depth[:, None]], axis=1), np.maximum(information, 0.0)


def smooth_sequence(values: np.ndarray, weights: np.ndarray, scale_frames: float) -> np.ndarray:
    """Weighted Whittaker smoother of (T,): keeps trends, removes what varies faster than about `scale_frames`."""
    count = len(values)
    if count < 3:
        return values.copy()
    strength = scale_frames**4 * max(float(weights.mean()), 1e-12)
    banded = np.zeros((3, count))
    banded[2] = weights + 1e-9 * weights.mean()
    # D'D of second differences.
    banded[2, :-2] += strength
    banded[2, 1:-1] += 4 * strength
    banded[2, 2:] += strength
    banded[1, 1:-1] += -2 * strength
    banded[1, 2:] += -2 * strength
    banded[0, 2:] += strength
    return solveh_banded(banded, (weights + 1e-9 * weights.mean()) * values)


def trusted_joints(skeleton: Skeleton) -> tuple[list[int], list[int], np.ndarray]:
    """Index among the keypoints and among Human3.6M's joints of those that both have, and how far each is trusted.

    1 is full trust: a keypoint that means the same place on the body as the joint of that name.
    """
    shared = [joint for joint in skeleton.joints if joint in H36M17.joints]
    trust = [_COCO_TRUST.get(j.split("_")[-1], 1.0) if skeleton == COCO17 else 1.0 for j in shared]
    return skeleton.indices(*shared), H36M17.indices(*shared), np.array(trust)


def refine_root(
    root_m: np.ndarray,
    positions_m: np.ndarray,
    rays: np.ndarray,
    scores: np.ndarray,
    skeleton: Skeleton = COCO17,
    network_weight: float = NETWORK_WEIGHT,
) -> np.ndarray:
    """Combine the network's root (T, 3) with the reprojection of its joints (T, 17, 3) onto rays (T, J, 2): (T, 3).

    Rays are those of the keypoints of `skeleton`. `scores` (T, J) weigh the keypoints; 0 or NaN coordinates leave one
    out. Depth is the mean of both in log space, mostly the network's unless they disagree, smoothed in time; the place
    across the view then follows from the rays.
    """
    own, lifted, trust = trusted_joints(skeleton)
    joints, seen = positions_m[:, lifted].astype(np.float64), rays[:, own].astype(np.float64)
    known = np.isfinite(seen).all(-1)
    weights = np.where(known, np.nan_to_num(scores[:, own]), 0.0) * trust
    prior = np.maximum(root_m.astype(np.float64)[:, 2], 0.3)
    solved, information = reprojection_root(joints, seen, weights)
    usable = (weights > 0).sum(1) >= 4
    usable &= (solved[:, 2] > prior / 3) & (solved[:, 2] < prior * 3)
    # Information times depth squared is the squared size of the person on the sensor: the certainty of log depth.
    certainty = np.where(usable, information * prior**2, 0.0)
    log_depth = np.where(usable, np.log(np.maximum(solved[:, 2], 0.3)), 0.0)
    network = _weight_if_near((log_depth - np.log(prior))[usable], network_weight) * max(float(certainty.mean()), 1e-6)
    mixed = (certainty * log_depth + network * np.log(prior)) / (certainty + network)
    depth = np.exp(smooth_sequence(mixed, certainty + network, DEPTH_SMOOTHING_FRAMES))
    # With the depth fixed, each joint says where the root lies across the view.
    offsets = np.where(known[..., None], seen, 0.0) * (joints[..., 2:] + depth[:, None, None]) - joints[..., :2]
    total = weights.sum(1)
    across = (weights[..., None] * offsets).sum(1) / np.maximum(total, 1e-9)[:, None]
    fallback = root_m[:, :2] * (depth / prior)[:, None]
    across = np.where(total[:, None] > 0, across, fallback)
    certain = np.where(total > 0, total, 1e-3)
    smooth = [smooth_sequence(across[:, i], certain, RAY_SMOOTHING_FRAMES) for i in (0, 1)]
    return np.stack([*smooth, depth], axis=1).astype(np.float32)


def _weight_if_near(difference: np.ndarray, full: float) -> float:
    """The `full` weight of the network's depth where the differences (N,) of the two log depths allow it."""
    apart = abs(float(np.median(difference))) if len(difference) else 0.0
    return float(np.interp(apart, AGREEMENT, [full, WEAK_WEIGHT]))
