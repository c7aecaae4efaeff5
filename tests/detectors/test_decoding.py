"""Heatmaps to places, against Gaussians whose place is known."""

from __future__ import annotations

import math

import pytest
import torch

from detectors.decoding import decode_heatmaps, hard_argmax, soft_argmax, softness_for
from poses import UsageError

PLACES = [(20.0, 30.0), (11.5, 40.25), (30.3, 17.8), (6.1, 56.45), (24.95, 31.05)]


def gaussians(places: list[tuple[float, float]], sigma: float, peak: float = 1.0) -> torch.Tensor:
    """(1, J, 64, 48) maps, written down term by term."""
    rows, columns = torch.meshgrid(torch.arange(64).float(), torch.arange(48).float(), indexing="ij")
    maps = [peak * torch.exp(-((columns - x) ** 2 + (rows - y) ** 2) / (2 * sigma**2)) for x, y in places]
    return torch.stack(maps)[None]


@pytest.mark.parametrize("sigma", [1.5, 1.7, 2.0, 3.0, 4.0])
@pytest.mark.parametrize("peak", [1.0, 255.0, 0.1])
def test_soft_finds_a_gaussian_between_pixels(sigma: float, peak: float) -> None:
    found, _ = decode_heatmaps(gaussians(PLACES, sigma, peak), "soft", peak=peak)
    assert found.shape == (1, 5, 2)
    assert (found[0] - torch.tensor(PLACES)).abs().max() < 0.05


def test_soft_finds_a_narrow_gaussian() -> None:
    beta, window = softness_for(1.0)
    found, _ = decode_heatmaps(gaussians(PLACES, 1.0), "soft", beta=beta, window=window)
    hard, _ = decode_heatmaps(gaussians(PLACES, 1.0), "hard")
    error, hard_error = ((f[0] - torch.tensor(PLACES)).abs().max() for f in (found, hard))
    assert error < 0.08
    assert error < 0.5 * hard_error


def test_soft_of_logits_is_the_mean_of_the_distribution() -> None:
    # The logarithm of a Gaussian is a logit map whose softmax is that Gaussian.
    logits = gaussians(PLACES, 1.5).clamp(min=1e-30).log() + 7
    found, score = decode_heatmaps(logits, "soft", logits=True)
    assert (found[0] - torch.tensor(PLACES)).abs().max() < 0.05
    # The part of a Gaussian within 2 pixels, summed over its pixels.
    near, all_of_it = (sum(math.exp(-(d**2) / (2 * 1.5**2)) for d in range(-r, r + 1)) for r in (2, 20))
    assert score[0, 0].item() == pytest.approx((near / all_of_it) ** 2, abs=1e-4)


def test_soft_argmax_by_hand_and_its_gradient() -> None:
    logits = torch.tensor([[[[0.0, math.log(3.0)]]]], requires_grad=True)
    found = soft_argmax(logits)
    assert found[0, 0].tolist() == pytest.approx([0.75, 0.0])
    found[0, 0, 0].backward()
    # d(expectation)/d(logit) = p (x - expectation).
    assert logits.grad is not None
    assert logits.grad.flatten().tolist() == pytest.approx([0.25 * -0.75, 0.75 * 0.25])
    assert soft_argmax(logits, beta=2.0)[0, 0, 0].item() == pytest.approx(0.9)


def test_a_window_takes_away_what_lies_far_from_the_best_pixel() -> None:
    maps = gaussians([(10.0, 10.0)], 2.0)
    maps[0, 0, 60, 40] = 0.99
    assert decode_heatmaps(maps, "soft", window=4)[0][0, 0].tolist() == pytest.approx([10, 10], abs=1e-3)
    assert decode_heatmaps(maps, "soft", window=100)[0][0, 0, 0].item() > 10.5


@pytest.mark.parametrize(
    ("place", "expected"),
    [
        ((20.3, 30.0), (20.25, 30.0)),
        ((19.6, 30.4), (19.75, 30.25)),
        ((20.0, 30.0), (20.0, 30.0)),
        ((0.2, 63.0), (0.0, 63.0)),
    ],
)
def test_hard_is_the_best_pixel_and_a_quarter(place: tuple[float, float], expected: tuple[float, float]) -> None:
    assert hard_argmax(gaussians([place], 2.0))[0, 0].tolist() == list(expected)
    assert decode_heatmaps(gaussians([place], 2.0), "hard")[0][0, 0].tolist() == list(expected)


def test_score_is_the_peak_between_0_and_1() -> None:
    maps = torch.cat([gaussians([(20.0, 30.0)], 2.0, p) for p in (255.0, 51.0, 300.0, 0.0)], dim=1)
    _, score = decode_heatmaps(maps, peak=255.0)
    assert score[0].tolist() == pytest.approx([1.0, 0.2, 1.0, 0.0])
    assert decode_heatmaps(-maps - 1)[1].tolist() == [[0.0] * 4]


@pytest.mark.parametrize("method", ["soft", "hard"])
def test_a_map_that_is_not_finite_is_a_missing_joint(method: str) -> None:
    maps = gaussians([(20.0, 30.0), (10.0, 10.0)], 2.0)
    maps[0, 0, 5, 5] = float("inf")
    found, score = decode_heatmaps(maps, method)
    assert found[0, 0].isnan().all()
    assert score[0, 0] == 0
    assert found[0, 1].tolist() == pytest.approx([10, 10], abs=1e-3)
    maps[0, 0, 5, 5] = float("nan")
    assert hard_argmax(maps)[0, 0].isnan().all()
    assert soft_argmax(maps)[0, 0].isnan().all()


def test_half_precision_and_no_people() -> None:
    found, score = decode_heatmaps(gaussians(PLACES, 2.0).to(torch.bfloat16))
    assert found.dtype == score.dtype == torch.float32
    assert (found[0] - torch.tensor(PLACES)).abs().max() < 0.1
    for method in ("soft", "hard"):
        empty, none = decode_heatmaps(torch.zeros(0, 17, 64, 48), method)
        assert empty.shape == (0, 17, 2)
        assert none.shape == (0, 17)


def test_unknown_method_is_refused() -> None:
    with pytest.raises(UsageError, match=r"'best'.*soft, hard"):
        decode_heatmaps(torch.zeros(1, 1, 4, 4), "best")
