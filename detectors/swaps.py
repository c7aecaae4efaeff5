"""Spans of frames in which a detector exchanged a person's left and right.

Shape letters: F frames in which the person was seen, J joints, G groups of joints that are exchanged together, S = 2^G
states, K joint pairs.
"""

from __future__ import annotations

import itertools
from dataclasses import dataclass

import numpy as np

from detectors.oks import person_size_px
from detectors.swap_evidence import agreement, turned_away
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
_CHANGE = 2.0
_CHANGE_PER_GROUP = 2.0
_SWAPPED_PER_S = 4.0
"""Cost of a swapped group: among labellings that are about as smooth, the detector's majority is right."""
_DISAGREE_PER_S = {("face", "arms"): 20.0, ("arms", "legs"): 150.0}
"""Cost of two groups that do not point the same way (`swap_evidence.agreement`) though they should."""
_TURNED_AWAY_PER_S = 10.0
"""Cost of shoulders in the order of a front view when the face is not seen."""
_AROUND = 3
"""Frames before and after one whose median it is compared with."""
_JUMP = 0.05
"""Least distance from that median, in body sizes, ..."""
_JUMP_RATIO = 5.0
"""... and least ratio to what is usual, of a pair that jumps."""
_CLEARLY_ALIKE = 0.7
"""Cosine of what is seen and what is expected above which an unclear frame is labelled against its neighbours."""
_PREDICTION_S = 0.25
"""Across a longer time than this without a look the last velocity says nothing."""


def find_swaps(
    keypoints_px: np.ndarray, keypoint_score: np.ndarray, times_s: np.ndarray, skeleton: Skeleton
) -> np.ndarray:
    """(F, J) bool: where left and right are exchanged, by the smoothness of left minus right over time.

    For every pair of joints the vector d from right to left is followed: exchanging the labels turns its sign. A
    Viterbi search over the states of face, arms and legs finds the signs for which d keeps its velocity best, where
    each change of sign has its price; so a real crossing of the legs, at which d passes through zero at speed, is
    left alone. Which of two smooth labellings is right cannot be seen in the motion: that in which shoulders, hips and
    ears point the same way, and which changes fewer frames (weighted by score), is taken.

    Parameters
    ----------
    keypoints_px : (F, J, 2), NaN where missing. keypoint_score : (F, J). times_s : (F,) increasing.
    """
    frames = len(times_s)
    swapped = np.zeros((frames, len(skeleton)), dtype=bool)
    groups = pairs_by_group(skeleton)
    if frames < 3 or not groups:
        return swapped
    size = max(float(np.median(person_size_px(keypoints_px))), 1e-6)
    pairs_of = list(groups.values())
    followed = [_differences(pairs, keypoints_px / size, keypoint_score, times_s) for pairs in pairs_of]
    motion = np.stack([_motion_cost(group, times_s) for group in followed])
    step_s = np.minimum(np.gradient(times_s), _PREDICTION_S)
    weight = np.stack([keypoint_score[:, pairs.ravel()].mean(axis=1) * step_s for pairs in pairs_of])
    states = np.array(list(itertools.product((0, 1), repeat=len(groups))))
    own = _own_cost(list(groups), weight, states, keypoints_px / size, keypoint_score, step_s, skeleton)
    best = states[_viterbi(motion, own, states)]
    for g, pairs in enumerate(pairs_of):
        swapped[:, pairs.ravel()] = _settle_unclear(followed[g], best[:, g] == 1, times_s)[:, None]
    return swapped


def exchange(values: np.ndarray, swapped: np.ndarray, skeleton: Skeleton) -> np.ndarray:
    """Copy of (F, J, ...) values with left and right exchanged where (F, J) `swapped`."""
    mask = swapped.reshape(*swapped.shape, *(1,) * (values.ndim - 2))
    return np.where(mask, values[:, skeleton.mirror], values)


def pairs_by_group(skeleton: Skeleton) -> dict[str, np.ndarray]:
    """For each group that the skeleton has, in the order of `GROUPS`: (K, 2) joint indices left and right."""
    found = {}
    for group, names in GROUPS.items():
        present = [n for n in names if f"left_{n}" in skeleton.joints and f"right_{n}" in skeleton.joints]
        if present:
            found[group] = np.array([skeleton.indices(f"left_{n}", f"right_{n}") for n in present])
    return found


@dataclass(frozen=True)
class _Differences:
    """The vectors from right to left of one group's pairs, in body sizes, with gaps and jumps taken out.

    Attributes
    ----------
    seen : (F, K, 2) as given, 0 where missing. value : (F, K, 2), in unclear frames that of the last clear one.
    weight : (F, K) lower score of the pair, 0 where it says nothing. unclear : (F,) most pairs are missing or jump.
    looked_s : (F,) time of the look that `value` comes from.
    """

    seen: np.ndarray
    value: np.ndarray
    weight: np.ndarray
    unclear: np.ndarray
    looked_s: np.ndarray


def _differences(pairs: np.ndarray, keypoints: np.ndarray, score: np.ndarray, times_s: np.ndarray) -> _Differences:
    """`keypoints` in body sizes.

    Around a swap detectors waver: bodies collapse for a frame or stand between both labellings. The middle of a pair
    does not depend on which end is left, so such frames can be told before the sides are known, and motion is
    followed across them: an unclear frame stands for the clear one before it.
    """
    left, right = keypoints[:, pairs[:, 0]], keypoints[:, pairs[:, 1]]
    difference = left - right
    known = np.isfinite(difference).all(axis=-1)
    usable = known & ~_jumps(np.where(known[..., None], (left + right) / 2, np.nan))
    unclear = usable.sum(axis=1) * 2 < len(pairs)
    seen = np.where(known[..., None], difference, 0.0)
    weight = np.where(usable, np.nan_to_num(score[:, pairs]).min(axis=-1), 0.0)
    at = np.arange(len(times_s))
    clear = np.maximum.accumulate(np.where(unclear, -1, at))
    # Before the first clear frame there is nothing to hold on to.
    clear = np.where(clear < 0, at, clear)
    return _Differences(seen, seen[clear], weight[clear], unclear, times_s[clear])


def _jumps(paths: np.ndarray) -> np.ndarray:
    """(F, K) bool: where paths (F, K, 2), NaN where missing, leave the median of the frames around by far."""
    frames = len(paths)
    if frames <= 2 * _AROUND:
        return np.zeros(paths.shape[:2], dtype=bool)
    around = np.clip(np.arange(frames)[:, None] + np.arange(-_AROUND, _AROUND + 1), 0, frames - 1)
    # Masked arrays: the median of nothing is masked, without a warning.
    middle = np.ma.median(np.ma.masked_invalid(paths[around]), axis=1).filled(np.nan)
    away = np.linalg.norm(paths - middle, axis=-1)
    usual = np.array([_median(column[np.isfinite(column)]) for column in away.T])
    return np.nan_to_num(away) > np.maximum(_JUMP, _JUMP_RATIO * usual)


def _motion_cost(group: _Differences, times_s: np.ndarray) -> np.ndarray:
    """(F, 2, 2, 2) cost of the signs (s0, s1, s2) of one group in frames f-2, f-1, f; 0 for the first frame.

    The cost of a pair is the squared miss over its usual size, capped, and weighted by the lower score of the last
    two frames: the mean of that of constant velocity and that of standing still.
    """
    difference, known = group.value, group.weight > 0
    step_s = np.diff(times_s, prepend=np.nan)
    before_s = np.concatenate([[np.nan, np.nan], step_s[1:-1]])
    follow = (step_s <= _PREDICTION_S) & (before_s <= _PREDICTION_S)
    # No velocity where the frame before the last was not seen, or where an unclear one is among the three.
    held = group.unclear | np.roll(group.unclear, 1) | np.roll(group.unclear, 2)
    ratio = np.where(follow & ~held, np.minimum(step_s / before_s, 2.0), 0.0)[:, None] * np.roll(known, 2, axis=0)
    last, last_but_one = np.roll(difference, 1, axis=0), np.roll(difference, 2, axis=0)
    signs = np.array([1.0, -1.0])
    zero = signs[:, None, None, None, None, None] * last_but_one
    one = signs[None, :, None, None, None, None] * last
    two = signs[None, None, :, None, None, None] * difference
    counted = np.minimum(group.weight, np.roll(group.weight, 1, axis=0))
    counted[0] = 0.0
    # Longer steps than usual miss more.
    since_s = times_s - np.roll(group.looked_s, 1)
    longer = np.maximum(since_s / np.median(np.diff(times_s)), 1.0)[:, None]
    cost = np.zeros((2, 2, 2, *counted.shape))
    # Velocity tells a crossing from a bounce; place alone holds where one bad frame spoils the velocity.
    for momentum in (np.nan_to_num(ratio)[..., None], 0.0):
        miss = np.linalg.norm(two - one - (one - zero) * momentum, axis=-1)
        # The usual miss tells the detector's noise and the person's liveliness; swaps are too rare to raise a median.
        usual = np.array([_median(miss[0, 0, 0, counted[:, k] > 0, k]) for k in range(counted.shape[1])])
        spread = np.clip(1.5 * usual, _MIN_SPREAD, _MAX_SPREAD)
        cost = cost + 0.5 * np.minimum((miss / (spread * longer)) ** 2 / 2, _WORST) * counted
    total = cost.sum(axis=-1)
    if counted.shape[1] > _FULL_GROUP:
        total *= _FULL_GROUP / counted.shape[1]
    return np.moveaxis(total, -1, 0)


def _settle_unclear(group: _Differences, exchanged: np.ndarray, times_s: np.ndarray) -> np.ndarray:
    """(F,) bool `exchanged` with the unclear frames labelled as the clear ones around them say.

    The search gave them the state of the clear frame that they stand for, which need not be what they look like
    themselves. Where the states on both sides are one, it takes a body that is clearly the wrong way round to differ.
    """
    clear = np.flatnonzero(~group.unclear)
    if not len(clear) or len(clear) == len(times_s):
        return exchanged
    at = np.flatnonzero(group.unclear)
    seen = group.seen.reshape(len(times_s), -1)
    signed = np.where(exchanged[clear], -1.0, 1.0)[:, None] * seen[clear]
    expected = np.stack([np.interp(times_s[at], times_s[clear], column) for column in signed.T], axis=-1)
    lengths = np.linalg.norm(seen[at], axis=-1) * np.linalg.norm(expected, axis=-1)
    alike = (seen[at] * expected).sum(axis=-1) / np.maximum(lengths, 1e-9)
    after = np.searchsorted(clear, at)
    before_state = exchanged[clear[np.maximum(after - 1, 0)]]
    after_state = exchanged[clear[np.minimum(after, len(clear) - 1)]]
    differ = np.where(before_state, alike > _CLEARLY_ALIKE, alike < -_CLEARLY_ALIKE)
    settled = exchanged.copy()
    settled[at] = np.where(before_state == after_state, before_state ^ differ, alike < 0)
    return settled


def _median(values: np.ndarray) -> float:
    return float(np.median(values)) if len(values) else 0.0


def _own_cost(
    groups: list[str],
    weight: np.ndarray,
    states: np.ndarray,
    keypoints: np.ndarray,
    score: np.ndarray,
    step_s: np.ndarray,
    skeleton: Skeleton,
) -> np.ndarray:
    """(F, S) cost of each state in each frame by itself: exchanged groups, and what the picture speaks against.

    weight : (G, F) score of the group times the seconds that the frame stands for, `step_s` (F,). states : (S, G) of
    0 and 1. keypoints : in body sizes.
    """
    own = _SWAPPED_PER_S * (weight.T @ states.T)
    for pair, price in _DISAGREE_PER_S.items():
        alike = agreement(pair, keypoints, score, skeleton) if set(pair) <= set(groups) else None
        if alike is not None:
            one, other = (states[:, groups.index(group)] for group in pair)
            own += price * np.maximum(np.where(one != other, 1, -1) * (alike * step_s)[:, None], 0.0)
    away = turned_away(keypoints, score, skeleton) if "arms" in groups else None
    if away is not None:
        arms = states[:, groups.index("arms")]
        own += _TURNED_AWAY_PER_S * np.maximum(np.where(arms == 0, 1, -1) * (away * step_s)[:, None], 0.0)
    return own


def _viterbi(motion: np.ndarray, own: np.ndarray, states: np.ndarray) -> np.ndarray:
    """(F,) index of the best state in each frame.

    motion : (G, F, 2, 2, 2). own : (F, S). states : (S, G) of 0 and 1.

    The search goes over pairs of successive states, as the motion cost looks at three frames.
    """
    groups, frames = len(motion), len(own)
    count = len(states)
    changed = (states[:, None] != states[None]).sum(-1)
    change = np.where(changed > 0, _CHANGE + _CHANGE_PER_GROUP * changed, 0.0)
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
