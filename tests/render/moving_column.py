"""Pictures that no encoder can repeat, and irregular times for them."""

from __future__ import annotations

import numpy as np

SIZE = (64, 48)
"""Width and height."""

BACKGROUND = (40, 40, 40)
COLUMN = (30, 120, 230)

IRREGULAR_S = np.cumsum([0.0, 0.0333, 0.0334, 0.1001, 0.0041, 0.5, 0.0169, 0.0333, 0.25, 0.0333])


def column_frames(count: int, size: tuple[int, int] = SIZE) -> list[np.ndarray]:
    """A bright column, 4 pixels wide, that moves by 6 pixels a frame. BGR."""
    pictures = np.empty((count, size[1], size[0], 3), np.uint8)
    pictures[:] = BACKGROUND
    for index, picture in enumerate(pictures):
        picture[:, column_left(index, size[0]) :][:, :4] = COLUMN
    return list(pictures)


def column_left(index: int, width: int = SIZE[0]) -> int:
    """Where the column of a frame begins."""
    return 6 * index % width
