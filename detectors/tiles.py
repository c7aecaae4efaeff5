"""Overlapping squares that cover a frame, so that a detector of fixed input size sees small people larger."""

from __future__ import annotations

import math
from dataclasses import dataclass

MIN_SIDE_PX = 224
"""Below this the detector's input has as many pixels as the frame, and cutting the frame up gains nothing."""

_FRACTION_AND_OVERLAP = {"coarse": (1.0, 0.5), "fine": (0.7, 0.35)}


@dataclass(frozen=True)
class Tile:
    """A rectangle of a frame: top left corner and size in pixels."""

    x: int
    y: int
    width: int
    height: int


def tile_layout(width: int, height: int, layout: str) -> list[Tile]:
    """The whole frame, and for `coarse` and `fine` squares beside it; see `DetectorOptions.tiles`.

    The squares are spread evenly from edge to edge, so that a mirrored or turned frame has the mirrored or turned
    layout up to rounding.
    """
    tiles = [Tile(0, 0, width, height)]
    if layout == "none":
        return tiles
    fraction, overlap = _FRACTION_AND_OVERLAP[layout]
    side = round(fraction * min(width, height))
    if side < MIN_SIDE_PX:
        return tiles
    squares = [Tile(x, y, side, side) for y in _starts(height, side, overlap) for x in _starts(width, side, overlap)]
    return tiles + [square for square in squares if square not in tiles]


def _starts(length: int, side: int, overlap: float) -> list[int]:
    if side >= length:
        return [0]
    steps = math.ceil((length - side) / (side * (1 - overlap)) - 1e-6)
    return [round(i * (length - side) / steps) for i in range(steps + 1)]
