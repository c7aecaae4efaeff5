"""Anti-aliased shapes with sub-pixel positions, drawn by OpenCV into BGR uint8 images.

Positions are in pixels with the origin at the top left corner of the image, so the centre of the first pixel is
(0.5, 0.5), as in `poses.Intrinsics`. OpenCV counts from that centre; the shift is made here, once.
Shape letters: N shapes, K corners.
"""

from __future__ import annotations

from functools import lru_cache

import cv2
import numpy as np

from render.style import Color

SHIFT = 4
"""Fractional bits of coordinates: positions are exact to 1/16 pixel."""

_ARC = np.linspace(-1, 1, 9)


def fixed_point(points_px: np.ndarray) -> np.ndarray:
    """(..., 2) pixel positions as OpenCV's int32 fixed point with `SHIFT` bits."""
    return np.rint((points_px - 0.5) * (1 << SHIFT)).astype(np.int32)


def capsules(start_px: np.ndarray, end_px: np.ndarray, start_radius: np.ndarray, end_radius: np.ndarray) -> np.ndarray:
    """(N, K, 2) float outlines of the convex hulls of two discs each: limbs that taper.

    `start_px`, `end_px` are (N, 2), the radii (N,). Where one disc holds the other, the outline is that disc.
    """
    along = end_px - start_px
    distance = np.hypot(along[:, 0], along[:, 1])
    heading = np.arctan2(along[:, 1], along[:, 0])
    # The common tangents touch both discs at this angle from the line between the centres.
    touch = np.arccos(np.clip((start_radius - end_radius) / np.maximum(distance, 1e-6), -1, 1))
    front = heading[:, None] + touch[:, None] * _ARC
    back = heading[:, None] + np.pi + (np.pi - touch)[:, None] * _ARC
    count = len(_ARC)
    outline = np.empty((len(along), 2 * count, 2))
    for part, centre, radius, angle in (
        (outline[:, :count], end_px, end_radius, front),
        (outline[:, count:], start_px, start_radius, back),
    ):
        part[..., 0] = centre[:, :1] + radius[:, None] * np.cos(angle)
        part[..., 1] = centre[:, 1:] + radius[:, None] * np.sin(angle)
    return outline


def fill(image: np.ndarray, outline: np.ndarray, color: Color) -> None:
    """Fill one convex outline (K, 2) that `fixed_point` has prepared: many at a time, which is faster."""
    cv2.fillConvexPoly(image, outline, color, cv2.LINE_AA, SHIFT)


def disc(image: np.ndarray, centre_px: np.ndarray, radius: float, color: Color, ring_width: int = 0) -> None:
    """A filled disc, or with `ring_width` a ring of that width in whole pixels."""
    x, y = (round((position - 0.5) * (1 << SHIFT)) for position in centre_px.tolist())
    cv2.circle(image, (x, y), round(radius * (1 << SHIFT)), color, ring_width or cv2.FILLED, cv2.LINE_AA, SHIFT)


def line(image: np.ndarray, start_px: np.ndarray, end_px: np.ndarray, color: Color, width: int = 1) -> None:
    """A straight line of a whole number of pixels in width."""
    start, end = fixed_point(np.stack([start_px, end_px])).tolist()
    cv2.line(image, start, end, color, width, cv2.LINE_AA, SHIFT)


@lru_cache(maxsize=256)
def _text_mask(text: str, height_px: int) -> np.ndarray:
    """(h, w) float32 coverage 0..1 of a line of text; capitals are `height_px` tall.

    Drawn at four times the size and averaged down, which gives even strokes where OpenCV's letters are ragged.
    """
    font, finer = cv2.FONT_HERSHEY_SIMPLEX, 4
    scale = cv2.getFontScaleFromHeight(font, height_px * finer, finer)
    stroke = max(2, round(height_px * finer / 8))
    (width, height), below = cv2.getTextSize(text, font, scale, stroke)
    pad = stroke
    canvas: np.ndarray = np.zeros((height + below + 2 * pad, width + 2 * pad), np.uint8)
    cv2.putText(canvas, text, (pad, pad + height), font, scale, (255,), stroke, cv2.LINE_AA)
    size = (max(1, canvas.shape[1] // finer), max(1, canvas.shape[0] // finer))
    mask = cv2.resize(canvas, size, interpolation=cv2.INTER_AREA).astype(np.float32) / 255
    mask.setflags(write=False)
    return mask


def text_width(text: str, height_px: int) -> int:
    """Width in pixels that `draw_text` will take."""
    return _text_mask(text, height_px).shape[1]


def draw_text(image: np.ndarray, text: str, left_px: float, middle_px: float, height_px: int, color: Color) -> None:
    """Write one line whose capitals are `height_px` tall, starting at `left_px`, centred on `middle_px`.

    What lies outside the image is cut off.
    """
    mask = _text_mask(text, height_px)
    top = round(middle_px - height_px / 2 - max(2, round(height_px / 2)) / 4)
    blend(image, mask, round(left_px), top, color)


def draw_tag(image: np.ndarray, text: str, centre_px: np.ndarray, height_px: int, color: Color, ink: Color) -> None:
    """A short text in a rounded plate of `color`, moved down where it would stick out at the top.

    Nothing is drawn where it would stick out at another side.
    """
    width = max(text_width(text, height_px) + 0.9 * height_px, 2.0 * height_px)
    radius = np.array([float(height_px)])
    x, y = centre_px[0], max(centre_px[1], height_px + 2.0)
    if not (width / 2 < x < image.shape[1] - width / 2 and y < image.shape[0] - height_px):
        return
    centre_px = np.array([x, y])
    reach = np.array([[width / 2 - height_px, 0.0]])
    for grown, tone in ((1.2, ink), (0.0, color)):
        plate = capsules(centre_px - reach, centre_px + reach, radius + grown, radius + grown)
        fill(image, fixed_point(plate[0]), tone)
    draw_text(image, text, x - text_width(text, height_px) / 2, y, height_px, ink)


def blend(image: np.ndarray, mask: np.ndarray, left: int, top: int, color: Color) -> None:
    """Mix `color` into `image` by a (h, w) coverage 0..1 whose corner lies at (left, top); cut off at the borders."""
    height, width = image.shape[:2]
    x0, y0 = max(left, 0), max(top, 0)
    x1, y1 = min(left + mask.shape[1], width), min(top + mask.shape[0], height)
    if x0 >= x1 or y0 >= y1:
        return
    cover = mask[y0 - top : y1 - top, x0 - left : x1 - left, None]
    under = image[y0:y1, x0:x1]
    under[:] = np.rint(under + (np.array(color, np.float32) - under) * cover).astype(np.uint8)


def fit(image: np.ndarray, width: int, height: int) -> np.ndarray:
    """Resize to (height, width, 3); always a new image.

    Averages of 2 x 2 pixels first, while the picture is more than twice too large, then bilinear. This costs a fifth of
    OpenCV's INTER_AREA at fractional factors and looks the same.
    """
    while image.shape[0] >= 2 * height and image.shape[1] >= 2 * width:
        image = cv2.resize(image, (image.shape[1] // 2, image.shape[0] // 2), interpolation=cv2.INTER_AREA)
    growing = image.shape[0] < height
    return cv2.resize(image, (width, height), interpolation=cv2.INTER_CUBIC if growing else cv2.INTER_LINEAR)
