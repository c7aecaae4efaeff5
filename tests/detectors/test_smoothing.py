"""The smoother against its closed-form response and against noise."""

from __future__ import annotations

import numpy as np
import pytest

from detectors import TrackingOptions
from detectors.smoothing import smooth_keypoints, whittaker

DEFAULT_S = TrackingOptions().smoothing_s


def amplitude_and_lag_s(path: np.ndarray, times_s: np.ndarray, hz: float) -> tuple[float, float]:
    """Of the sinusoid in the middle part of a path, by least squares."""
    inner = (times_s > 1) & (times_s < times_s[-1] - 1)
    angle = 2 * np.pi * hz * times_s[inner]
    (a, b), *_ = np.linalg.lstsq(np.stack([np.sin(angle), np.cos(angle)], axis=1), path[inner], rcond=None)
    return float(np.hypot(a, b)), float(np.arctan2(-b, a) / (2 * np.pi * hz))


@pytest.mark.parametrize("fps", [24, 30, 60, 240])
def test_response_at_even_times_is_the_closed_form(fps: int) -> None:
    t = np.arange(0, 6, 1 / fps)
    for hz in (1.0, 2.0, 4.0):
        smooth = whittaker(np.sin(2 * np.pi * hz * t)[:, None], np.ones(len(t)), t, DEFAULT_S)[:, 0]
        amplitude, lag_s = amplitude_and_lag_s(smooth, t, hz)
        # Third differences in place of the derivative: 2 sin(o h / 2) / h for o.
        o = 2 * np.sin(np.pi * hz / fps) * fps
        assert amplitude == pytest.approx(1 / (1 + (o * DEFAULT_S) ** 6), abs=0.003)
        assert abs(lag_s) < 1e-4


def test_fast_motion_keeps_its_amplitude_and_uneven_times_do_no_harm() -> None:
    rng = np.random.default_rng(0)
    t = np.cumsum(rng.choice([1 / 60, 1 / 30, 1 / 20], 240))
    smooth = whittaker(np.sin(2 * np.pi * 2 * t)[:, None], np.ones(len(t)), t, DEFAULT_S)[:, 0]
    amplitude, lag_s = amplitude_and_lag_s(smooth, t, 2.0)
    assert amplitude > 0.97
    assert abs(lag_s) < 0.002


def test_noise_shrinks() -> None:
    t = np.arange(0, 10, 1 / 60)
    truth = np.stack([100 * np.sin(2 * np.pi * t), 50 * t], axis=1)
    noisy = truth + np.random.default_rng(0).normal(0, 3, truth.shape)
    smooth = whittaker(noisy, np.ones(len(t)), t, DEFAULT_S)
    assert (smooth - truth).std() < 0.5 * (noisy - truth).std()
    assert np.diff(smooth - truth, 2, axis=0).std() < 0.1 * np.diff(noisy - truth, 2, axis=0).std()


def test_parabolas_pass_unchanged_whatever_the_weights() -> None:
    rng = np.random.default_rng(0)
    t = np.cumsum(rng.uniform(0.005, 0.08, 100))
    path = np.stack([3 * t**2 - t, 200 - 40 * t], axis=1)
    np.testing.assert_allclose(whittaker(path, rng.uniform(0.05, 1, 100), t, 0.2), path, atol=1e-6)


def test_a_doubtful_point_pulls_less() -> None:
    t = np.arange(60) / 30
    path = np.zeros((60, 1, 2))
    path[30] = 30.0
    sure, doubtful = np.ones((60, 1)), np.ones((60, 1))
    doubtful[30] = 0.05
    pulled = [np.abs(smooth_keypoints(path, w, t, DEFAULT_S)).max() for w in (sure, doubtful)]
    assert pulled[1] < 0.2 * pulled[0]


@pytest.mark.parametrize("frames", [1, 2, 3, 4])
def test_few_frames(frames: int) -> None:
    path = np.arange(2.0 * frames).reshape(frames, 2)
    np.testing.assert_allclose(whittaker(path, np.ones(frames), np.arange(frames) / 30, 0.04), path, atol=1e-9)


def test_stamps_that_nearly_coincide_do_not_blow_up() -> None:
    t = np.sort(np.concatenate([np.arange(60) / 30, np.arange(60) / 30 + 1e-6]))
    smooth = whittaker(np.sin(t)[:, None], np.ones(len(t)), t, 0.04)
    assert np.abs(smooth[:, 0] - np.sin(t)).max() < 0.02


def test_a_joint_never_seen_is_left_alone() -> None:
    path = np.zeros((20, 2, 2))
    path[:, 1] = np.nan
    smooth = smooth_keypoints(path, np.ones((20, 2)), np.arange(20) / 30, 0.04)
    assert np.isnan(smooth[:, 1]).all()
    assert np.isfinite(smooth[:, 0]).all()
