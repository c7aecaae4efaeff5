"""What the lifter sees: keypoints as any camera would show them to one reference camera, at one rate.

Undistorted, relative to the principal point, divided by the focal length, times one reference focal length, and turned
so that verticals stand where it is known by how much they lean. So portrait phones, wide lenses, crops and cameras that
are held at an angle look to the model like the camera that it was trained on.

Shape letters: T frames, J joints, S samples on the regular time grid.
"""

from __future__ import annotations

import numpy as np
from scipy.interpolate import CubicSpline

from poses import Intrinsics

REFERENCE_FOCAL = 2.29
"""Focal length of Human3.6M's cameras (1145 px) in units of half the image width (500 px).

With it, canonical keypoints have the range of the reference implementation's screen coordinates, -1 to 1.
"""


def to_canonical(keypoints_px: np.ndarray, intrinsics: Intrinsics, roll_rad: float = 0.0) -> np.ndarray:
    """Pixels (..., 2) to canonical coordinates (..., 2) of a camera without that roll; NaN stays NaN."""
    return intrinsics.rays(keypoints_px) @ unrolled_from_camera(roll_rad)[:2, :2].T * REFERENCE_FOCAL


def unrolled_from_camera(roll_rad: float) -> np.ndarray:
    """(3, 3) to the axes of a camera in the same place that has no roll; verticals lean to the right by `roll_rad`."""
    cosine, sine = np.cos(roll_rad), np.sin(roll_rad)
    return np.array([[cosine, sine, 0.0], [-sine, cosine, 0.0], [0.0, 0.0, 1.0]])


def regular_times(timestamps_s: np.ndarray, rate_hz: float) -> np.ndarray:
    """(S,) times from the first to at least the last timestamp, `1 / rate_hz` apart."""
    span = float(timestamps_s[-1] - timestamps_s[0])
    steps = int(np.ceil(span * rate_hz - 1e-6))
    return timestamps_s[0] + np.arange(steps + 1) / rate_hz


def resample(values: np.ndarray, at_s: np.ndarray, to_s: np.ndarray) -> np.ndarray:
    """Values (T, ...) known at times `at_s` (T,), read at times `to_s` (S,): (S, ...).

    A cubic spline through the values, held constant beyond both ends. When the values are denser than the wanted
    times they are first averaged over one wanted step, so that a 240 Hz video does not alias into 50 Hz.
    """
    values = np.asarray(values, dtype=np.float64)
    if len(at_s) == 1:
        return np.repeat(values, len(to_s), axis=0)
    step_to = float(np.median(np.diff(to_s))) if len(to_s) > 1 else 0.0
    step_at = float(np.median(np.diff(at_s)))
    if step_to > 1.5 * step_at:
        values = _box_average(values, at_s, step_to)
    spline = CubicSpline(at_s, values, axis=0, bc_type="natural" if len(at_s) > 2 else "not-a-knot")
    return spline(np.clip(to_s, at_s[0], at_s[-1]))


def _box_average(values: np.ndarray, at_s: np.ndarray, width_s: float) -> np.ndarray:
    """Mean of the piecewise linear signal over a window of `width_s` centred on each time (cut at the ends)."""
    gaps = np.diff(at_s).reshape(-1, *[1] * (values.ndim - 1))
    areas = (values[1:] + values[:-1]) / 2 * gaps
    integral = CubicSpline(at_s, np.concatenate([np.zeros_like(values[:1]), np.cumsum(areas, axis=0)]), axis=0)
    low = np.clip(at_s - width_s / 2, at_s[0], at_s[-1])
    high = np.clip(at_s + width_s / 2, at_s[0], at_s[-1])
    # The window shrinks evenly on both sides near an end, so that the mean stays centred.
    half = np.minimum(at_s - low, high - at_s)
    inner = half > 1e-9
    averaged = values.copy()
    width = (2 * half[inner]).reshape(-1, *[1] * (values.ndim - 1))
    averaged[inner] = (integral(at_s[inner] + half[inner]) - integral(at_s[inner] - half[inner])) / width
    return averaged
