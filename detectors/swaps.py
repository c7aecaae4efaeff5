"""Spans of frames in which a detector exchanged a person's left and right.

Shape letters: F frames in which the person was seen, J joints, G groups of joints that are exchanged together, S = 2^G
states, K joint pairs.
"""

from __future__ import annotations

import itertools

import numpy as np

from detectors.oks import person_size_px
from poses import Skeleton

GROUPS: dict[str, tuple[str, ...]] = {
    "face": ("eye", "ear", "eye_inner", "eye_outer", "mouth"),
    "arms": ("shoulder", "elbow", "wrist", "pinky", "index", "thumb"),
    "legs": ("hip", "knee", "ankle", "heel", "big_toe", "small_toe", "foot_index"),
}
"""Joints, without their side, that a detector exchanges together; a skeleton may have some of them only."""

_MIN_SPREAD = 0.01
_MAX_SPREAD = 0.06
"""Limits, in body sizes (diagonal of the keypoints' box), of the usual miss of a prediction one frame ahead."""
_FULL_GROUP = 3
"""More pairs of joints than this in a group count no more than so many: fingers and toes move with wrist and ankle, so
they bear no further witness, and the prices below are set for three."""
_WORST = 8.0
"""Cap of one pair's cost in one frame, so that an outlier is not explained by a swap."""
_CHANGE = 3.0
_CHANGE_PER_GROUP = 3.0
_SWAPPED_PER_S = 4.0
"""Cost of a swapped group: among labellings that are about as smooth, the detector's majority is right."""
_DISAGREE_PER_S = 2.0
"""Cost of a face that is swapped when the shoulders are not, or the reverse."""
_PREDICTION_S = 0.25
"""Across a longer time than this without a look the last velocity says nothing."""


def find_swaps(
    keypoints_px: np.ndarray, keypoint_score: np.ndarray, times_s: np.ndarray, skeleton: Skeleton
) -> np.ndarray:
    """(F, J) bool: where left and right are exchanged, by the smoothness of left minus right over time.

    For every pair of joints the vector d from right to left is followed: exchanging the labels turns its sign. A
    Viterbi search over the states of face, arms and legs finds the signs for which d keeps its velocity best, where
    each change of sign has its price; so a real crossing of the legs, at which d passes through zero at speed, is
    left alone. Which of two smooth labellings is right cannot be seen in the motion: the one that changes fewer
    frames (weighted by score) is taken.

    Parameters
    ----------
    keypoints_px : (F, J, 2), NaN where missing. keypoint_score : (F, J). times_s : (F,) increasing.
    """
    frames = len(times_s)
    swapped = np.zeros((frames, len(skeleton)), dtype=bool)
    groups = _pairs_by_group(skeleton)
    if frames < 3 or not groups:
        return swapped
    size = max(float(np.median(person_size_px(keypoints_px))), 1e-6)
    pairs_of = list(groups.values())
    motion = np.stack([_motion_cost(pairs, keypoints_px / size, keypoint_score, times_s) for pairs in pairs_of])
    step_s = np.minimum(np.gradient(times_s), _PREDICTION_S)
    weight = np.stack([keypoint_score[:, pairs.ravel()].mean(axis=1) * step_s for pairs in pairs_of])
    states = np.array(list(itertools.product((0, 1), repeat=len(groups))))
    best = states[_viterbi(motion, weight, states, {"face", "arms"} <= groups.keys())]
    for g, pairs in enumerate(pairs_of):
        swapped[:, pairs.ravel()] = best[:, g, None] == 1
    return swapped


def exchange(values: np.ndarray, swapped: np.ndarray, skeleton: Skeleton) -> np.ndarray:
    """Copy of (F, J, ...) values with left and right exchanged where (F, J) `swapped`."""
    mask = swapped.reshape(*swapped.shape, *(1,) * (values.ndim - 2))
    return np.where(mask, values[:, skeleton.mirror], values)


def _pairs_by_group(skeleton: Skeleton) -> dict[str, np.ndarray]:
    """For each group that the skeleton has, in the order of `GROUPS`: (K, 2) joint indices left and right."""
    found = {}
    for group, names in GROUPS.items():
        present = [n for n in names if f"left_{n}" in skeleton.joints and f"right_{n}" in skeleton.joints]
        if present:
            found[group] = np.array([skeleton.indices(f"left_{n}", f"right_{n}") for n in present])
    return found


def _motion_cost(pairs: np.ndarray, keypoints: np.ndarray, score: np.ndarray, times_s: np.ndarray) -> np.ndarray:
    """(F, 2, 2, 2) cost of the signs (s0, s1, s2) of one group in frames f-2, f-1, f; 0 for the first frame.

    `keypoints` in body sizes. The cost of a pair is the squared miss over its usual size, capped, and weighted by the
    lower score of the last two frames: the mean of that of constant velocity and that of standing still.
    """
    difference = keypoints[:, pairs[:, 0]] - keypoints[:, pairs[:, 1]]
    known = np.isfinite(difference).all(axis=-1)
    difference = np.where(known[..., None], difference, 0.0)
    weight = np.where(known, score[:, pairs].min(axis=-1), 0.0)
    step_s = np.diff(times_s, prepend=np.nan)
    before_s = np.concatenate([[np.nan, np.nan], step_s[1:-1]])
    follow = (step_s <= _PREDICTION_S) & (before_s <= _PREDICTION_S)
    # (F, K): where the frame before the last was not seen, there is no velocity.
    ratio = np.where(follow, np.minimum(step_s / before_s, 2.0), 0.0)[:, None] * np.roll(known, 2, axis=0)
    last, last_but_one = np.roll(difference, 1, axis=0), np.roll(difference, 2, axis=0)
    signs = np.array([1.0, -1.0])
    zero = signs[:, None, None, None, None, None] * last_but_one
    one = signs[None, :, None, None, None, None] * last
    two = signs[None, None, :, None, None, None] * difference
    counted = np.minimum(weight, np.roll(weight, 1, axis=0))
    counted[0] = 0.0
    # Longer steps than usual miss more.
    longer = np.nan_to_num(np.maximum(step_s / np.median(np.diff(times_s)), 1.0), nan=1.0)[:, None]
    cost = np.zeros((2, 2, 2, *counted.shape))
    # Velocity tells a crossing from a bounce; place alone holds where one bad frame spoils the velocity.
    for momentum in (np.nan_to_num(ratio)[..., None], 0.0):
        miss = np.linalg.norm(two - one - (one - zero) * momentum, axis=-1)
        # The usual miss tells the detector's noise and the person's liveliness; swaps are too rare to raise a median.
        usual = np.array([_median(miss[0, 0, 0, counted[:, k] > 0, k]) for k in range(len(pairs))])
        spread = np.clip(1.5 * usual, _MIN_SPREAD, _MAX_SPREAD)
        cost = cost + 0.5 * np.minimum((miss / (spread * longer)) ** 2 / 2, _WORST) * counted
    total = cost.sum(axis=-1)
    if len(pairs) > _FULL_GROUP:
        total *= _FULL_GROUP / len(pairs)
    return np.moveaxis(total, -1, 0)


def _median(values: np.ndarray) -> float:
    return float(np.median(values)) if len(values) else 0.0


def _viterbi(motion: np.ndarray, weight: np.ndarray, states: np.ndarray, face_and_arms: bool) -> np.ndarray:
    """(F,) index of the best state in each frame.

    motion : (G, F, 2, 2, 2). weight : (G, F) score of the group times the seconds that the frame stands for.
    states : (S, G) of 0 and 1. face_and_arms : whether these are the first two groups.

    The search goes over pairs of successive states, as the motion cost looks at three frames.
    """
    groups, frames = weight.shape
    count = len(states)
    changed = (states[:, None] != states[None]).sum(-1)
    change = np.where(changed > 0, _CHANGE + _CHANGE_PER_GROUP * changed, 0.0)
    own = _SWAPPED_PER_S * (weight.T @ states.T)
    if face_and_arms:
        own += _DISAGREE_PER_S * weight[:2].min(axis=0)[:, None] * (states[:, 0] != states[:, 1])
    # total[a, b]: best cost of a path whose last two states are a, b.
    total = (own[0][:, None] + own[1][None] + change).astype(np.float64)
    for g in range(groups):
        total += motion[g, 1, 0][states[:, g, None], states[None, :, g]]
    back = np.zeros((frames, count, count), dtype=np.int16)
    for f in range(2, frames):
        step = np.zeros((count, count, count))
        for g in range(groups):
            s = states[:, g]
            step += motion[g, f][s[:, None, None], s[None, :, None], s[None, None, :]]
        path = total[:, :, None] + step
        back[f] = path.argmin(axis=0)
        total = path.min(axis=0) + change + own[f][None]
    best = np.zeros(frames, dtype=np.int64)
    best[-2], best[-1] = np.unravel_index(int(total.argmin()), total.shape)
    for f in range(frames - 1, 1, -1):
        best[f - 2] = back[f, best[f - 1], best[f]]
    return best
