"""Figures against closed forms."""

import numpy as np
import pytest

from detectors.training.metrics import figures, jitter_px

BOX = np.array([[0.0, 0.0, 50.0, 100.0], [0.0, 0.0, 50.0, 100.0]])


def test_figures_of_known_offsets() -> None:
    """Offsets of 4 and 6 px at a PCK limit of 5 (0.05 of 100); one joint unknown; one person not found."""
    truth = np.full((2, 3, 2), 20.0)
    truth[0, 2] = np.nan
    soft = np.full((2, 3, 2), 20.0)
    soft[0, 0, 0] += 4
    soft[0, 1, 1] += 6
    soft[1] = np.nan
    hard = soft + np.array([3.0, 0.0])
    result = figures(soft, hard, truth, BOX)
    assert result["validation_soft_px"] == pytest.approx(5.0)
    assert result["validation_hard_px"] == pytest.approx((7 + np.hypot(3, 6)) / 2)
    assert result["validation_pck"] == pytest.approx(1 / 5)
    assert result["validation_found"] == 0.5


def test_nobody_found_is_no_small_error() -> None:
    nothing = np.full((2, 3, 2), np.nan)
    result = figures(nothing, nothing, np.ones((2, 3, 2)), BOX)
    assert (result["validation_soft_px"], result["validation_pck"]) == (np.inf, 0.0)


def test_jitter_is_of_the_error_not_of_the_motion() -> None:
    truth = np.random.default_rng(1).normal(size=(30, 2, 5, 2)).cumsum(axis=0)
    assert jitter_px(truth + np.array([2.0, -1.0]), truth) == pytest.approx(0.0, abs=1e-12)
    back_and_forth = np.where(np.arange(30) % 2, 3.0, 0.0)[:, None, None, None] * [0.6, 0.8]
    assert jitter_px(truth + back_and_forth, truth) == pytest.approx(3.0)
