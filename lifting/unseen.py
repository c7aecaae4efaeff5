"""Joints that a detector does not give for long, such as the legs in half-body shots: what the networks get for them.

The tracker holds such a joint where it was relative to the trunk, which after some seconds says nothing any more. On
the nearest seen joint it tells the networks that it is not seen: sequences of that kind are in their training
(`lifting.data.noise_spans.fill_unseen`). Shape letters: T frames, J joints.
"""

from __future__ import annotations

import numpy as np

from poses import Skeleton

AROUND_S = 4.0
SEEN_SHARE = 0.1
"""A joint is unseen where it was seen in less than this share of the frames up to `AROUND_S` before and after, so that
a few looks in a long gap do not break it. Legs and arms held where they were are nearer to the truth for two seconds on
held-out clips of varied motion, and no nearer after four."""


def unseen_for_long(observed: np.ndarray, times_s: np.ndarray) -> np.ndarray:
    """(T, J) bool, from `observed` (T, J) at `times_s` (T,), increasing. Nowhere all joints: someone is there."""
    seen = np.concatenate([np.zeros((1, observed.shape[1])), np.cumsum(observed, axis=0)])
    first = np.searchsorted(times_s, times_s - AROUND_S)
    end = np.searchsorted(times_s, times_s + AROUND_S, side="right")
    unseen = seen[end] - seen[first] < SEEN_SHARE * (end - first)[:, None]
    return unseen & ~unseen.all(axis=1, keepdims=True)


def fill_unseen_joints(keypoints: np.ndarray, skeleton: Skeleton) -> np.ndarray:
    """Give joints that were never seen (NaN) the place of the nearest seen joint up the tree, else the middle of all.

    The network needs a number for every joint; one on the body disturbs it least.
    """
    filled = keypoints.copy()
    known = np.isfinite(keypoints).all(axis=-1)
    seen = known.any(axis=1)
    total = np.where(known[..., None], keypoints, 0.0).sum(axis=1)
    middle = total / np.maximum(known.sum(axis=1), 1)[:, None]
    if not seen.all():
        at = np.arange(len(keypoints))
        middle = np.stack([np.interp(at, at[seen], m[seen]) if seen.any() else m * 0 for m in middle.T], axis=1)
    for joint in range(len(skeleton)):
        ancestor = joint
        missing = ~known[:, joint]
        while missing.any() and (ancestor := skeleton.parents[ancestor]) >= 0:
            take = missing & known[:, ancestor]
            filled[take, joint] = keypoints[take, ancestor]
            missing &= ~take
        filled[missing, joint] = middle[missing]
    return filled
