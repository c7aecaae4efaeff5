"""Random paths over time with a given correlation, and a tracker's smoothing, as products with one (T, T) matrix.

Shape letters: B sequences, T frames.
"""

from __future__ import annotations

import torch
from torch import Tensor

_ORDER = 3


def smooth_noise(shape: tuple[int, ...], frames: int, knots: int, generator: torch.Generator) -> Tensor:
    """Noise of unit variance that varies slowly: (B, T, ...) from `knots` random values, linear in between."""
    batch, *rest = shape
    device = generator.device
    values = torch.randn((batch, knots, *rest), generator=generator, device=device)
    position = torch.linspace(0, knots - 1.001, frames, device=device)
    low = position.long()
    share = (position - low).view(1, -1, *[1] * len(rest))
    mixed = values[:, low] * (1 - share) + values[:, low + 1] * share
    return mixed / ((1 - share) ** 2 + share**2).sqrt()


def path_matrix(frames: int, rate_hz: float, times_s: tuple[float, ...], shares: tuple[float, ...]) -> Tensor:
    """(T, T) lower triangular, float64: times white noise (T,), a path of unit variance and this autocorrelation.

    The sum over k of `shares[k]` exp(-|lag| / `times_s[k]`), the rest to 1 white.
    """
    lag_s = (torch.arange(frames)[:, None] - torch.arange(frames)[None]).abs().double() / rate_hz
    correlation = (1.0 - sum(shares) + 1e-6) * torch.eye(frames, dtype=torch.float64)
    for time_s, share in zip(times_s, shares, strict=True):
        correlation = correlation + share * torch.exp(-lag_s / max(time_s, 1e-6))
    return torch.linalg.cholesky(correlation)


def smoothing_matrix(frames: int, rate_hz: float, smoothing_s: float) -> Tensor:
    """(T, T), float64: times a path (T,), the path that the tracker makes of it.

    Whittaker's smoother with a penalty on the third derivative, at even times and with equal weights: motion of
    1 / (2 pi `smoothing_s`) Hz keeps half its amplitude.
    """
    unit = torch.eye(frames, dtype=torch.float64)
    if frames <= _ORDER or smoothing_s <= 0:
        return unit
    difference = unit
    for _ in range(_ORDER):
        difference = difference[1:] - difference[:-1]
    return torch.linalg.inv(unit + (smoothing_s * rate_hz) ** (2 * _ORDER) * difference.T @ difference)


def along_time(matrix: Tensor, paths: Tensor) -> Tensor:
    """(T, T) times (B, T, ...) along the second axis."""
    return (matrix.to(paths) @ paths.flatten(2)).view(paths.shape)
