"""What single pictures of a person say about left and right: which parts of the body agree, and which way it faces.

Motion (`detectors.swaps`) tells where labels change, but not which labelling is right. Here are the signs that do.

Shape letters: F frames in which the person was seen, J joints.
"""

from __future__ import annotations

import numpy as np

from poses import Skeleton

_WIDTHS = {"face": ("ear", 0.09), "arms": ("shoulder", 0.22), "legs": ("hip", 0.13)}
"""The pair that gives each group's direction from right to left, and its width in front view, in body sizes."""
_TWIST = 0.15
"""Agreement nearer to 0 than this is none: seen from the side a walker's shoulders and hips turn against each other."""
_TRUNK = ("left_shoulder", "right_shoulder", "left_hip", "right_hip")
_FRONT_OF_FACE = ("nose", "left_eye", "right_eye")
_UNSEEN_FACE = 0.4
"""A face whose front scores less than this part of what the shoulders do is turned away or hidden."""


def agreement(
    groups: tuple[str, str], keypoints: np.ndarray, score: np.ndarray, skeleton: Skeleton
) -> np.ndarray | None:
    """(F,) how much two groups point the same way, -1 to 1; None where the skeleton lacks one of their pairs.

    The vectors from right to left of shoulders, hips and ears: as the trunk twists by less than a quarter turn, those
    of shoulders and hips have the same direction in the picture but near side view, where both are short and
    the value is 0. `keypoints` (F, J, 2) in body sizes; 0 where a joint is missing. Times the lowest score.
    """
    if not all(f"{side}_{_WIDTHS[group][0]}" in skeleton.joints for group in groups for side in ("left", "right")):
        return None
    across, sure = zip(*(_across(group, keypoints, score, skeleton) for group in groups), strict=True)
    typical = _WIDTHS[groups[0]][1] * _WIDTHS[groups[1]][1]
    value = np.nan_to_num((across[0] * across[1]).sum(axis=-1) / typical)
    value = np.sign(value) * np.clip(np.abs(value) - _TWIST, 0.0, 1.0)
    return value * np.minimum(sure[0], sure[1])


def turned_away(keypoints: np.ndarray, score: np.ndarray, skeleton: Skeleton) -> np.ndarray | None:
    """(F,) how much the shoulders' order contradicts a face that is not seen, -1 to 1; None without face or trunk.

    Of a person seen from behind the left shoulder lies to the left of the trunk's upward axis. Only a face that is
    not seen says something: some detectors place faces with full confidence that are turned away.
    """
    if not {*_TRUNK, *_FRONT_OF_FACE} <= set(skeleton.joints):
        return None
    across, sure = _across("arms", keypoints, score, skeleton)
    shoulders, hips = (keypoints[:, skeleton.indices(*_TRUNK[i : i + 2])].mean(axis=1) for i in (0, 2))
    up = shoulders - hips
    up /= np.maximum(np.linalg.norm(up, axis=-1, keepdims=True), 1e-6)
    # Pixels have y down: to the right of "up" is (-y, x).
    rightward = -across[:, 0] * up[:, 1] + across[:, 1] * up[:, 0]
    face = score[:, skeleton.indices(*_FRONT_OF_FACE)].mean(axis=1)
    unseen = np.clip(1 - face / np.maximum(_UNSEEN_FACE * sure, 1e-6), 0.0, 1.0)
    return np.nan_to_num(np.clip(rightward / _WIDTHS["arms"][1], -1.0, 1.0)) * unseen * sure


def _across(group: str, keypoints: np.ndarray, score: np.ndarray, skeleton: Skeleton) -> tuple[np.ndarray, np.ndarray]:
    """(F, 2) from right to left of a group's pair, and (F,) its lower score."""
    pair = skeleton.indices(*(f"{side}_{_WIDTHS[group][0]}" for side in ("left", "right")))
    return keypoints[:, pair[0]] - keypoints[:, pair[1]], np.nan_to_num(score[:, pair]).min(axis=1)
