"""Smoothing of keypoint paths over time without lag.

Shape letters: F frames, J joints, C coordinates.
"""

from __future__ import annotations

import numpy as np
from scipy.linalg import solveh_banded

_ORDER = 3
_MIN_STEP_S = 1e-3
"""Time stamps nearer than this are treated as this far apart, else the equations are ill-conditioned."""


def whittaker(values: np.ndarray, weight: np.ndarray, times_s: np.ndarray, smoothing_s: float) -> np.ndarray:
    """Penalised least squares with a penalty on the third derivative (Whittaker-Eilers) at uneven times.

    Minimises sum_i w_i h_i |x_i - y_i|^2 + smoothing_s^6 * integral |x'''|^2 dt. For even times and w = 1, a sinusoid
    of angular frequency o keeps 1 / (1 + (o * smoothing_s)^6) of its amplitude and is not delayed, whatever the frame
    rate.

    Parameters
    ----------
    values : (F, C) without NaN. weight : (F,) not negative, some above 0. times_s : (F,) increasing.

    Returns
    -------
    (F, C) smoothed values; a copy of `values` for fewer than four frames or no smoothing.

    Source: P. H. C. Eilers, A Perfect Smoother, Analytical Chemistry 75 (2003), here with divided differences.
    """
    frames = len(values)
    if frames <= _ORDER or smoothing_s <= 0:
        return np.array(values, dtype=np.float64)
    times = np.concatenate([[0.0], np.cumsum(np.maximum(np.diff(times_s), _MIN_STEP_S))])
    step = np.gradient(times)
    # Third divided differences, times 3! the third derivative: one row of four coefficients for each four frames.
    windows = np.lib.stride_tricks.sliding_window_view(times, _ORDER + 1)
    gaps = windows[:, :, None] - windows[:, None, :] + np.eye(_ORDER + 1)
    derivative = 6.0 / gaps.prod(axis=2)
    span = (windows[:, -1] - windows[:, 0]) / _ORDER
    bands = np.zeros((_ORDER + 1, frames))
    bands[0] = weight * step
    strength = smoothing_s**6 * span
    for lag in range(_ORDER + 1):
        for i in range(_ORDER + 1 - lag):
            rows = len(windows)
            bands[lag, i : i + rows] += strength * derivative[:, i] * derivative[:, i + lag]
    return solveh_banded(bands, (weight * step)[:, None] * values, lower=True)


def smooth_keypoints(
    keypoints_px: np.ndarray, weight: np.ndarray, times_s: np.ndarray, smoothing_s: float
) -> np.ndarray:
    """(F, J, 2) keypoints smoothed joint by joint with (F, J) weights; joints with NaN are left as they are."""
    smoothed = np.array(keypoints_px, dtype=np.float64)
    for joint in range(keypoints_px.shape[1]):
        if np.isfinite(keypoints_px[:, joint]).all():
            smoothed[:, joint] = whittaker(keypoints_px[:, joint], weight[:, joint], times_s, smoothing_s)
    return smoothed
