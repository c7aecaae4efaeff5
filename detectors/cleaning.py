"""Missing and mistaken keypoints of one person: taking out jumps, filling in gaps.

Shape letters: F frames in a row, J joints.
"""

from __future__ import annotations

import itertools

import numpy as np
from scipy.interpolate import PchipInterpolator

from detectors.oks import person_size_px
from poses import Skeleton

JUMP_SIZES = 0.1
"""A jump is at least this many body sizes away from the straight line between the frames beside it ..."""
JUMP_RATIO = 2.0
"""... and this many times as far as those two are from each other."""


def find_outliers(keypoints_px: np.ndarray, times_s: np.ndarray, outlier_s: float) -> np.ndarray:
    """(F, J) bool: keypoints that jump away and come back, frame before to frame after within `outlier_s`.

    keypoints_px : (F, J, 2), NaN where missing. times_s : (F,). At least a single frame is looked at, whatever the
    frame rate.
    """
    size = max(float(np.median(person_size_px(keypoints_px))), 1e-6) if len(times_s) else 1.0
    outlier = np.zeros(keypoints_px.shape[:2], dtype=bool)
    if outlier_s <= 0:
        return outlier
    for joint in range(keypoints_px.shape[1]):
        known = np.flatnonzero(np.isfinite(keypoints_px[:, joint]).all(axis=-1))
        points, times = keypoints_px[known, joint], times_s[known]
        bad = np.zeros(len(known), dtype=bool)
        for before in range(len(known) - 2):
            if bad[before]:
                continue
            after = before + 2
            while after < len(known) and (after == before + 2 or times[after] - times[before] <= outlier_s):
                between = slice(before + 1, after)
                part = ((times[between] - times[before]) / (times[after] - times[before]))[:, None]
                line = points[before] + part * (points[after] - points[before])
                away = np.hypot(*(points[between] - line).T)
                apart = float(np.hypot(*(points[after] - points[before])))
                if (away > max(JUMP_SIZES * size, JUMP_RATIO * apart)).all():
                    bad[between] = True
                    break
                after += 1
        outlier[known[bad], joint] = True
    return outlier


def fill_gaps(keypoints_px: np.ndarray, times_s: np.ndarray, max_gap_s: float, skeleton: Skeleton) -> np.ndarray:
    """Copy of (F, J, 2) keypoints without NaN, but for joints that were never seen, which stay NaN throughout.

    Gaps up to `max_gap_s` between two looks are bridged by a monotone cubic (PCHIP) in time. In longer gaps, and
    before the first and after the last look, a joint keeps its place relative to the trunk (the middle of shoulders
    and hips): held at the ends, shifting evenly across a gap.
    """
    trunk_joints = [skeleton.joints.index(j) for j in _TRUNK if j in skeleton.joints]
    bridged = np.stack([_bridge(keypoints_px[:, j], times_s, max_gap_s) for j in range(len(skeleton))], axis=1)
    trunk = _trunk_path(bridged[:, trunk_joints], times_s)
    filled = bridged.copy()
    for joint in range(len(skeleton)):
        known = np.isfinite(bridged[:, joint]).all(axis=-1)
        if known.any() and not known.all():
            offset = bridged[known, joint] - trunk[known]
            held = np.stack([np.interp(times_s, times_s[known], offset[:, c]) for c in (0, 1)], axis=-1)
            filled[~known, joint] = (trunk + held)[~known]
    return filled


_TRUNK = ("left_shoulder", "right_shoulder", "left_hip", "right_hip", "hip")


def _bridge(points_px: np.ndarray, times_s: np.ndarray, max_gap_s: float) -> np.ndarray:
    """(F, 2) of one joint with the gaps up to `max_gap_s` bridged."""
    known = np.flatnonzero(np.isfinite(points_px).all(axis=-1))
    result = points_px.copy()
    if len(known) < 2:
        return result
    curve = PchipInterpolator(times_s[known], points_px[known])
    for a, b in itertools.pairwise(known.tolist()):
        if b - a > 1 and times_s[b] - times_s[a] <= max_gap_s:
            result[a + 1 : b] = curve(times_s[a + 1 : b])
    return result


def _trunk_path(trunk_px: np.ndarray, times_s: np.ndarray) -> np.ndarray:
    """(F, 2) path of the trunk from (F, K, 2) joints with NaN; zero where none of them was ever seen.

    Each joint is completed by straight lines and holding first, so that a joint which comes and goes does not make
    the path jump.
    """
    paths = []
    for k in range(trunk_px.shape[1]):
        known = np.isfinite(trunk_px[:, k]).all(axis=-1)
        if known.any():
            paths.append(np.stack([np.interp(times_s, times_s[known], trunk_px[known, k, c]) for c in (0, 1)], axis=-1))
    return np.mean(paths, axis=0) if paths else np.zeros((len(times_s), 2))
