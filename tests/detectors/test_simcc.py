"""SimCC's lists decoded, against Gaussians whose middle is known."""

from __future__ import annotations

import numpy as np
import pytest

from detectors.simcc import decode_simcc, mirrored
from poses import COCO17, UsageError

SPLIT = 2.0
WIDTH, HEIGHT = 192, 256


def gaussians(x_px: np.ndarray, y_px: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """(N, J) places from the corner of the crop -> the logits that RTMPose is trained to give for them."""
    lists = []
    for place, size, deviation in ((x_px, WIDTH, 4.9), (y_px, HEIGHT, 5.66)):
        bins = np.arange(round(SPLIT * size))
        away = bins - SPLIT * (place[..., None] - 0.5)
        lists.append(np.exp(-(away**2) / (2 * deviation**2)).astype(np.float32))
    return lists[0], lists[1]


@pytest.mark.parametrize(("method", "accuracy"), [("soft", 0.02), ("hard", 0.2501)])
def test_gaussian_between_bins(method: str, accuracy: float) -> None:
    rng = np.random.default_rng(0)
    x, y = rng.uniform(15, WIDTH - 15, (40, 17)), rng.uniform(15, HEIGHT - 15, (40, 17))
    points, score = decode_simcc(*gaussians(x, y), SPLIT, method)
    assert points.shape == (40, 17, 2)
    assert np.abs(points - np.stack([x, y], -1)).max() < accuracy
    assert score.min() > 0.98


def test_score_is_that_of_the_worse_axis() -> None:
    x, y = gaussians(np.full((1, 2), 90.0), np.full((1, 2), 100.0))
    y[0, 1] *= 0.3
    _, score = decode_simcc(x, y, SPLIT)
    assert score == pytest.approx(np.array([[1, 0.3]]), abs=0.01)
    _, score = decode_simcc(3 * x, 3 * y, SPLIT)
    assert score.max() == 1
    _, score = decode_simcc(-x, -y, SPLIT)
    assert score.min() == 0


@pytest.mark.parametrize("method", ["soft", "hard"])
def test_not_finite_is_missing(method: str) -> None:
    x, y = gaussians(np.full((1, 3), 90.0), np.full((1, 3), 100.0))
    x[0, 0, 5], y[0, 1, 7] = np.nan, np.inf
    points, score = decode_simcc(x, y, SPLIT, method)
    assert np.isnan(points[0, :2]).all()
    assert score[0, :2].tolist() == [0, 0]
    assert np.isfinite(points[0, 2]).all()


def test_mirror_image_means_the_mirrored_place() -> None:
    x = np.random.default_rng(1).uniform(15, WIDTH - 15, (3, 17))
    logits, _ = gaussians(x, x)
    turned = mirrored(logits, SPLIT, COCO17.mirror)
    (points, _) = decode_simcc(turned, turned, SPLIT)
    assert np.abs(points[..., 0] - (WIDTH - x[:, COCO17.mirror])).max() < 0.02


def test_unknown_method() -> None:
    with pytest.raises(UsageError, match="choose one of: soft, hard"):
        decode_simcc(*gaussians(np.ones((1, 1)), np.ones((1, 1))), SPLIT, "median")
