"""From heatmaps to places: soft-argmax and hard-argmax, one module for every detector.

Shape letters: N people, J joints, h and w rows and columns of a heatmap. Places are x, y in heatmap pixels; an integer
is the centre of a pixel (`detectors.crops.crop_from_heatmap` goes on from there).
Sources: soft-argmax, Nibali et al., "Numerical Coordinate Regression with Convolutional Neural Networks" (2018), and
section 5.2 of Pavllo et al., "3D human pose estimation in video with temporal convolutions and semi-supervised
training" (2019); the quarter pixel, Newell et al., "Stacked Hourglass Networks" (2016), section 4.1.
"""

from __future__ import annotations

import torch
from torch import Tensor

from poses import UsageError

REGRESSED_BETA = 10.0
REGRESSED_WINDOW = 4
"""For heatmaps regressed to Gaussians with a standard deviation of 1.5 to 4 pixels.

The softmax of a Gaussian is again close to one, narrower by the root of beta. Too wide, and what surrounds the peak
pulls at it; narrower than half a pixel, and the pixel grid shows. These values keep both errors below 0.04 pixels.
"""
NARROW_BETA = 6.0
NARROW_WINDOW = 3
"""For narrower Gaussians, of a standard deviation of 1 pixel: the error stays below 0.08 pixels."""
LOGITS_BETA = 1.0
"""Heatmaps trained with cross-entropy over their pixels (the R-CNNs' keypoint heads): the softmax is the distribution
that they were trained to be."""
MASS_RADIUS = 2
"""The score of logits is the probability within this many pixels of the best one."""
_SMALLEST_PEAK = 1e-6


def soft_argmax(logits: Tensor, beta: float = LOGITS_BETA, window: int | None = None) -> Tensor:
    """Expected place under the softmax of `beta` times each map: (N, J, h, w) -> (N, J, 2) x, y.

    Differentiable. `window` leaves only the pixels at most so many rows and columns away from the best one, which
    takes away the pull towards the middle of a map that is not quite zero far from its peak; None takes all of them.
    A map with a NaN gives NaN.
    """
    height, width = logits.shape[-2:]
    scaled = beta * logits
    if window is not None:
        scaled = scaled.masked_fill(~_near_best(logits, window), float("-inf"))
    probability = torch.softmax(scaled.flatten(-2), dim=-1).unflatten(-1, (height, width))
    columns = torch.arange(width, device=logits.device, dtype=probability.dtype)
    rows = torch.arange(height, device=logits.device, dtype=probability.dtype)
    return torch.stack([(probability.sum(-2) * columns).sum(-1), (probability.sum(-1) * rows).sum(-1)], dim=-1)


def hard_argmax(heatmaps: Tensor) -> Tensor:
    """Best pixel, moved a quarter of a pixel towards its larger neighbour: (N, J, h, w) -> (N, J, 2) x, y.

    Along each axis apart; between equal neighbours, and on the border of the map, it is not moved.
    A map with a NaN gives NaN.
    """
    height, width = heatmaps.shape[-2:]
    flat = heatmaps.flatten(-2)
    best = flat.argmax(dim=-1)
    column, row = best % width, best // width

    def shift(position: Tensor, size: int, stride: int) -> Tensor:
        inside = (position > 0) & (position < size - 1)
        after = flat.gather(-1, torch.where(inside, best + stride, best)[..., None])[..., 0]
        before = flat.gather(-1, torch.where(inside, best - stride, best)[..., None])[..., 0]
        return 0.25 * torch.sign(after - before)

    places = torch.stack([column + shift(column, width, 1), row + shift(row, height, width)], dim=-1)
    return places.masked_fill(torch.isnan(flat).any(-1, keepdim=True), float("nan"))


def decode_heatmaps(
    heatmaps: Tensor,
    method: str = "soft",
    *,
    logits: bool = False,
    beta: float | None = None,
    window: int | None = None,
    peak: float = 1.0,
) -> tuple[Tensor, Tensor]:
    """Places and scores of (N, J, h, w) heatmaps: ((N, J, 2) float32 x, y in heatmap pixels, (N, J) float32 0 to 1).

    Parameters
    ----------
    method : ``soft`` (expectation) or ``hard`` (best pixel and a quarter); `UsageError` for another.
    logits : False: maps regressed to Gaussians. The soft-argmax is that of each map divided by its own largest value,
        with `REGRESSED_BETA` and `REGRESSED_WINDOW`, so that a doubtful joint is decoded as sharply as a sure one; the
        score is the largest value as a part of `peak`.
        True: logits of a softmax over the pixels. The soft-argmax has `LOGITS_BETA` and takes all pixels; the score is
        the probability within `MASS_RADIUS` pixels of the best one.
    beta, window : instead of these defaults.
    peak : the value that the network was taught for the middle of a joint.

    A map that is not finite gives NaN and score 0.
    """
    if method not in ("soft", "hard"):
        raise UsageError(f"unknown keypoint decoding {method!r}", "choose one of: soft, hard")
    maps = heatmaps.float()
    finite = torch.isfinite(maps).flatten(-2).all(-1)
    maps = torch.where(finite[..., None, None], maps, 0.0)
    if logits:
        probability = torch.softmax(maps.flatten(-2), dim=-1).unflatten(-1, maps.shape[-2:])
        score = (probability * _near_best(maps, MASS_RADIUS)).sum((-2, -1))
    else:
        largest = maps.amax((-2, -1))
        score = (largest / peak).clamp(0, 1)
        window = REGRESSED_WINDOW if window is None else window
        beta = REGRESSED_BETA if beta is None else beta
    if method == "hard":
        places = hard_argmax(maps)
    elif logits:
        places = soft_argmax(maps, LOGITS_BETA if beta is None else beta, window)
    else:
        places = soft_argmax(maps / largest.clamp(min=_SMALLEST_PEAK)[..., None, None], beta or REGRESSED_BETA, window)
    return places.masked_fill(~finite[..., None], float("nan")), score.masked_fill(~finite, 0.0)


def softness_for(sigma: float) -> tuple[float, int]:
    """(beta, window) for heatmaps taught Gaussians with a standard deviation of `sigma` heatmap pixels."""
    return (REGRESSED_BETA, REGRESSED_WINDOW) if sigma >= 1.5 else (NARROW_BETA, NARROW_WINDOW)


def _near_best(maps: Tensor, radius: int) -> Tensor:
    """(N, J, h, w) bool: pixels at most `radius` rows and columns from each map's best pixel."""
    height, width = maps.shape[-2:]
    best = maps.flatten(-2).argmax(dim=-1)[..., None, None]
    rows = torch.arange(height, device=maps.device)[:, None]
    columns = torch.arange(width, device=maps.device)
    return ((rows - best // width).abs() <= radius) & ((columns - best % width).abs() <= radius)
