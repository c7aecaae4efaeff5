"""One body a person: over a video, each of her bones keeps one length, the same left and right.

The networks answer frame by frame, so a shin grows and shrinks with the certainty of where it points. Directions are
kept, lengths are set. Shape letters: T frames, J joints.
"""

from __future__ import annotations

import numpy as np

from poses import Skeleton

LENGTH_QUANTILE = 0.7
"""Above the median, because of a limb of which it is unsure where it points the network answers the mean, which is too
short. Chosen on clips of the training set."""


def typical_bone_lengths(positions_m: np.ndarray, skeleton: Skeleton) -> np.ndarray:
    """(J,) of the bone that ends in each joint, metres, from (T, J, 3) of one person, T at least 1; 0 for the root."""
    lengths = np.quantile(np.linalg.norm(_bones(positions_m, skeleton), axis=-1), LENGTH_QUANTILE, axis=0)
    return (lengths + lengths[skeleton.mirror]) / 2


def set_bone_lengths(
    positions_m: np.ndarray, lengths_m: np.ndarray, skeleton: Skeleton, strength: float = 1.0
) -> np.ndarray:
    """(T, J, 3) relative to the root with bones in the same directions, of lengths (J,).

    With a `strength` below 1 only that share of the way from each bone's own length. A bone without length stays so.
    """
    bones = _bones(positions_m, skeleton)
    own = np.linalg.norm(bones, axis=-1, keepdims=True)
    wanted = own + strength * (lengths_m[:, None] - own)
    bones *= np.where(own > 1e-6, wanted / np.maximum(own, 1e-6), 1.0)
    for joint, parent in enumerate(skeleton.parents):
        if parent >= 0:
            bones[:, joint] += bones[:, parent]
    return bones


def _bones(positions_m: np.ndarray, skeleton: Skeleton) -> np.ndarray:
    """(T, J, 3) each joint relative to its parent, 0 for the root; float64. Parents stand before their children."""
    parents = np.array(skeleton.parents)
    bones = positions_m.astype(np.float64)
    bones[:, parents >= 0] -= positions_m[:, parents[parents >= 0]]
    bones[:, parents < 0] = 0
    return bones
