"""A convolution of three taps with less than half the multiplications, by minimal filtering.

Three taps on six outputs take eighteen products of (frames x channels) with (channels x channels) matrices. Eight do:
the signal and the taps are taken for polynomials, evaluated at eight points, multiplied there, and the product is
interpolated (Toom and Cook; Winograd, Arithmetic Complexity of Computations, 1980; for neural networks Lavin and Gray,
CVPR 2016). The sums before and after cost little where products are slow, as they are on most CPUs.

Shape letters: R rows, a row being one frame of one person; C channels; m outputs a tile.
"""

from __future__ import annotations

import math

import numpy as np
import torch
from torch import Tensor

TAPS = 3
TILE = 6
"""Outputs that share their products."""

_POINTS = (0.0, 1.0, -1.0, 2.0, -2.0, 0.5, -0.5, np.inf)


def transforms(points: tuple[float, ...] = _POINTS, taps: int = TAPS) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """(output (m, n), filter (n, taps), input (n, n)) matrices A', G, B' for n = m + taps - 1 points.

    For a tile of inputs x (n,) and taps g, A' (G g * B' x) are the m outputs y_k = sum_j g_j x_(k+j).
    """

    def powers(count: int) -> np.ndarray:
        last = np.eye(count)[-1]
        return np.stack([last if np.isinf(p) else np.power(p, np.arange(count)) for p in points])

    # Interpolation inverts evaluation at all points; the convolution wanted is the transpose of a polynomial product.
    return powers(len(points) - taps + 1).T, powers(taps), np.linalg.inv(powers(len(points))).T


class Scratch:
    """Memory that one run uses again and again: getting it anew from the system costs more than filling it."""

    def __init__(self, device: str | torch.device) -> None:
        self._device = device
        self._held: dict[tuple[str, torch.dtype], Tensor] = {}

    def take(self, name: str, shape: tuple[int, ...], dtype: torch.dtype = torch.float32) -> Tensor:
        """A tensor with anything in it; what was taken before by the same name and type is overwritten."""
        size = math.prod(shape)
        held = self._held.get((name, dtype))
        if held is None or held.numel() < size:
            held = self._held[name, dtype] = torch.empty(size, dtype=dtype, device=self._device)
        return held[:size].view(shape)


class MinimalFilter:
    """The undilated or dilated convolution of `weight`, without its bias, over whole tiles of rows.

    Parameters
    ----------
    weight : (C_out, C_in, 3) float64.
    dtype : in which the products are computed; sums are in float32.
    """

    def __init__(self, weight: Tensor, dtype: torch.dtype, device: str | torch.device) -> None:
        output, taps, inputs = (torch.from_numpy(np.ascontiguousarray(matrix)) for matrix in transforms())
        self._output = output.float().to(device)
        self._input = inputs.float().to(device)
        self._weights = torch.einsum("pk,oik->poi", taps, weight.cpu()).to(device=device, dtype=dtype).contiguous()

    def __call__(self, window: Tensor, rows: int, step: int, scratch: Scratch) -> Tensor:
        """(rows + 2 step, C_in) float32 to (m, tiles, step, C_out) float32; taps lie `step` rows apart.

        Element (k, tile, s) of the answer is row `(tile * m + k) * step + s`: the caller's next pass puts them in
        order. `rows` must be a multiple of `m * step`. The answer lies in `scratch`.
        """
        points, outputs, width = len(_POINTS), self._weights.shape[1], window.shape[1]
        tiles = rows // (TILE * step)
        dtype = self._weights.dtype
        overlapping = window.as_strided((tiles, points, step * width), (TILE * step * width, step * width, 1))
        by_tile = scratch.take("by tile", overlapping.shape)
        torch.bmm(self._input.expand(tiles, -1, -1), overlapping, out=by_tile)
        by_point = scratch.take("by point", (points, tiles, step * width), dtype).copy_(by_tile.transpose(0, 1))
        products = scratch.take("products", (points, tiles * step, outputs), dtype)
        for values, weight, product in zip(by_point.view(points, -1, width), self._weights, products, strict=True):
            torch.mm(values, weight.t(), out=product)
        if dtype != torch.float32:
            products = scratch.take("by tile", products.shape).copy_(products)
        answer = scratch.take("answer", (TILE, tiles, step, outputs))
        torch.mm(self._output, products.view(points, -1), out=answer.view(TILE, -1))
        return answer
