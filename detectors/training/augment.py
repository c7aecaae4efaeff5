"""Varied views of training examples: another scale, turned, mirrored, brighter or darker.

Shape letters: J joints, h, w of the crop. Positions are x, y from the corner of the image or the crop, as in
`detectors.crops`. All that is random comes from the generator that is handed in.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import cv2
import numpy as np

from detectors.crops import CropGeometry


@dataclass(frozen=True)
class View:
    """How an example is shown.

    Attributes
    ----------
    scale : factor on the person's size in the crop.
    rotation_rad : clockwise in the image.
    flip : whether it is mirrored.
    gain, bias : colour times `gain` plus `bias`, in units of the full range.
    """

    scale: float = 1.0
    rotation_rad: float = 0.0
    flip: bool = False
    gain: float = 1.0
    bias: float = 0.0


def draw_view(
    generator: np.random.Generator, scale: tuple[float, ...], rotation_degrees: float, flip: float, colour: float
) -> View:
    """A view drawn evenly within these limits (see `FinetuneConfig`)."""
    draws = generator.random(5)
    return View(
        scale=scale[0] + (scale[1] - scale[0]) * draws[0],
        rotation_rad=float(np.radians(rotation_degrees)) * (2 * draws[1] - 1),
        flip=bool(draws[2] < flip),
        gain=1 + colour * (2 * draws[3] - 1),
        bias=0.5 * colour * (2 * draws[4] - 1),
    )


def crop_from_image(geometry: CropGeometry, view: View) -> np.ndarray:
    """(2, 3) affine from the image to the crop of the one box of `geometry`: its crop, scaled, turned, mirrored."""
    height, width = geometry.size_hw
    step = geometry.image_per_crop[0]
    to_crop = np.array([[1 / step[0], 0, 0], [0, 1 / step[1], 0], [0, 0, 1.0]])
    to_crop[:2, 2] = -geometry.box_px[0, :2] / step
    cosine, sine = view.scale * np.cos(view.rotation_rad), view.scale * np.sin(view.rotation_rad)
    side = -1.0 if view.flip else 1.0
    turn = np.array([[side * cosine, -side * sine], [sine, cosine]])
    middle = np.array([width / 2, height / 2])
    about_middle = np.eye(3)
    about_middle[:2, :2] = turn
    about_middle[:2, 2] = middle - turn @ middle
    return (about_middle @ to_crop)[:2]


def warp(
    image: np.ndarray, affine: np.ndarray, size_hw: tuple[int, int], fill: Sequence[float] = (0, 0, 0)
) -> np.ndarray:
    """(H, W, C) image through an affine (2, 3) of corner coordinates to (h, w, C), `fill` where it ends."""
    # OpenCV counts from the middle of a pixel.
    centred = affine.copy()
    centred[:, 2] += affine[:, :2] @ np.array([0.5, 0.5]) - 0.5
    return cv2.warpAffine(
        image,
        centred,
        size_hw[::-1],
        flags=cv2.INTER_LINEAR,
        borderMode=cv2.BORDER_CONSTANT,
        borderValue=tuple(map(float, fill)),
    )


def show(points_px: np.ndarray, affine: np.ndarray, mirror: np.ndarray | None) -> np.ndarray:
    """(J, 2) points through the affine; `mirror` (J,) swaps left and right joints where the view is mirrored."""
    moved = points_px @ affine[:, :2].T + affine[:, 2]
    return moved if mirror is None else moved[mirror]


def recolour(image: np.ndarray, view: View) -> np.ndarray:
    """The image (uint8) brighter or darker, and with more or less contrast about the middle grey."""
    if view.gain == 1 and view.bias == 0:
        return image
    table = np.arange(256) * view.gain + 255 * (view.bias + 0.5 * (1 - view.gain))
    return cv2.LUT(image, np.clip(np.rint(table), 0, 255).astype(np.uint8))
