"""Single pictures, and contact sheets: a grid of frames with their times."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from pathlib import Path

import cv2
import numpy as np

from poses import UsageError
from poses.archive import write_atomically
from render.sequence import png_bytes
from render.shapes import draw_text, fit
from render.style import DARK, Theme

STILL_ENDINGS = (".png", ".jpg", ".jpeg")

_JPEG_QUALITY = 92
_LANDSCAPE = 1.5
"""Width over height that a sheet comes close to where the number of columns is free."""
_LEEWAY = 1.35
"""By so much the number of columns may miss the one for that."""


def write_still(path: str | Path, image: np.ndarray) -> None:
    """Write a (H, W, 3) uint8 BGR image as PNG or JPEG, by the ending of `path`; it appears whole or not at all.

    `UsageError` lists the endings for another one; `InputError` where the file cannot be written.
    """
    path = Path(path)
    check_still(path)
    if path.suffix.lower() == ".png":
        data = png_bytes(image, compression=6)
    else:
        done, encoded = cv2.imencode(".jpg", image, [cv2.IMWRITE_JPEG_QUALITY, _JPEG_QUALITY])
        if not done:
            raise ValueError(f"an image of shape {image.shape} cannot be written as JPEG")
        data = encoded.tobytes()
    write_atomically(path, lambda stream: stream.write(data))


def check_still(path: str | Path) -> None:
    """`UsageError` lists the endings where `path` has none of them."""
    if Path(path).suffix.lower() not in STILL_ENDINGS:
        raise UsageError(f"{path}: a still needs one of the endings {', '.join(STILL_ENDINGS)}", "rename it")


def clock_text(time_s: float) -> str:
    """Minutes and seconds, as 1:05.20."""
    minutes, hundredths = divmod(round(time_s * 100), 6000)
    return f"{minutes}:{hundredths / 100:05.2f}"


def contact_sheet(
    images: Iterable[np.ndarray],
    times_s: Sequence[float] | np.ndarray,
    columns: int | None = None,
    width_px: int = 1280,
    theme: Theme = DARK,
) -> np.ndarray:
    """A grid of pictures, row by row, each with its time below.

    Parameters
    ----------
    images : (H, W, 3) uint8 BGR, one for each time; read one after the other, only small copies are kept. Pictures of
        another shape than the first are fitted into the same cell.
    times_s : (N,) seconds, written below the pictures.
    columns : pictures in a row; None chooses so that the sheet is about half as wide again as high, and its last row
        as full as can be.
    width_px : width of the sheet, at least 64 pixels a column.

    Returns
    -------
    (height, width_px, 3) uint8 BGR; the height follows from the pictures' shape.

    Raises
    ------
    UsageError : too many columns for the width.
    ValueError : no image, or another number of images than of times.
    """
    count, given = len(times_s), iter(images)
    first = next(given, None)
    if first is None or not count:
        raise ValueError("a contact sheet needs at least one picture and its time")
    height, width = first.shape[:2]
    if columns is None:
        columns = fullest_columns(count, math.sqrt(count * _LANDSCAPE * height / width))
    if columns < 1 or width_px < 64 * columns:
        raise UsageError(
            f"{columns} columns do not fit on {width_px} pixels", "choose from 1 to one for every 64 pixels"
        )
    text_height = max(8, round(0.0085 * width_px))
    gap = text_height
    cell_width = (width_px - gap * (columns + 1)) // columns
    cell_height = max(1, round(cell_width * height / width))
    below = round(2.4 * text_height)
    rows = -(-count // columns)
    sheet = np.empty((gap + rows * (cell_height + below), width_px, 3), np.uint8)
    sheet[:] = theme.background
    # What the division left over goes half to each side.
    margin = (width_px - columns * cell_width - (columns - 1) * gap) // 2
    image: np.ndarray | None = first
    for number, time_s in enumerate(times_s):
        if image is None:
            raise ValueError(f"got {number} pictures for {count} times")
        row, column = divmod(number, columns)
        left, top = margin + column * (cell_width + gap), gap + row * (cell_height + below)
        _place(sheet[top : top + cell_height, left : left + cell_width], image)
        middle = top + cell_height + below / 2 - gap / 4
        draw_text(sheet, clock_text(float(time_s)), left, middle, text_height, theme.text)
        image = next(given, None)
    if image is not None:
        raise ValueError(f"got more than {count} pictures for {count} times")
    return sheet


def fullest_columns(count: int, wished: float) -> int:
    """In how many columns to put `count` pictures: of those near the number `wished`, with the fewest empty places."""
    near = range(max(1, math.ceil(wished / _LEEWAY)), max(1, math.floor(wished * _LEEWAY)) + 1)
    empty = {columns: -count % columns for columns in near if columns <= count}
    usual = max(1, min(count, round(wished)))
    return min(empty, key=lambda columns: (empty[columns], abs(columns - wished)), default=usual)


def _place(cell: np.ndarray, image: np.ndarray) -> None:
    """Fit `image` into the middle of `cell`, keeping its proportions."""
    scale = min(cell.shape[0] / image.shape[0], cell.shape[1] / image.shape[1])
    height, width = (
        min(full, max(1, round(size * scale))) for full, size in zip(cell.shape[:2], image.shape[:2], strict=True)
    )
    top, left = (cell.shape[0] - height) // 2, (cell.shape[1] - width) // 2
    cell[top : top + height, left : left + width] = fit(image, width, height)
