"""Top-down geometry: around each person a box of the network's shape, cut out and scaled, and the way back.

Shape letters: N people, J joints, H and W of the image, h and w of the crop.

All positions are x, y measured from the top left corner of the top left pixel, so pixel (0, 0) has its middle at
(0.5, 0.5) and an image of width W reaches from 0 to W: in the frame and in the crop alike, for boxes and for keypoints.
Only in a heatmap is an integer the middle of a pixel (`detectors.decoding`); `crop_from_heatmap` and
`heatmap_from_crop` go between the two.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import cv2
import numpy as np


@dataclass(frozen=True)
class CropGeometry:
    """Where N crops of one size lie in an image.

    Attributes
    ----------
    box_px : (N, 4) float64 x1, y1, x2, y2 in the image, of the crop's aspect ratio; may reach out of the image.
    size_hw : height and width of a crop in pixels.
    """

    box_px: np.ndarray
    size_hw: tuple[int, int]

    def __post_init__(self) -> None:
        if self.box_px.ndim != 2 or self.box_px.shape[1] != 4:
            raise ValueError(f"box_px must be (N, 4), got {self.box_px.shape}")

    def __len__(self) -> int:
        return len(self.box_px)

    @classmethod
    def from_boxes(cls, box_px: np.ndarray, size_hw: tuple[int, int], padding: float = 0.0) -> CropGeometry:
        """Boxes (N, 4) made larger by `padding` of their width and height, then widened to the crop's aspect ratio.

        Both around the box's centre; `padding` 0.25 makes a box 1.25 times as wide and as high, half of it on each
        side. `ValueError` where a box is not finite or is empty.
        """
        boxes = np.asarray(box_px, dtype=np.float64).reshape(-1, 4)
        centre = 0.5 * (boxes[:, :2] + boxes[:, 2:])
        extent = boxes[:, 2:] - boxes[:, :2]
        if not (np.isfinite(boxes).all() and (extent > 0).all()):
            wrong = boxes[~(np.isfinite(boxes).all(axis=1) & (extent > 0).all(axis=1))][0]
            raise ValueError(f"a box must be finite with x1 < x2 and y1 < y2, got {wrong.tolist()}")
        height, width = size_hw
        # The crop's scale is that of the side which needs the most room.
        image_per_crop = (1 + padding) * np.maximum(extent[:, 0] / width, extent[:, 1] / height)
        half = 0.5 * image_per_crop[:, None] * np.array([width, height])
        return cls(np.concatenate([centre - half, centre + half], axis=1), size_hw)

    @property
    def image_per_crop(self) -> np.ndarray:
        """(N, 2) pixels of the image to a pixel of the crop, along x and y."""
        height, width = self.size_hw
        return (self.box_px[:, 2:] - self.box_px[:, :2]) / np.array([width, height])

    def crop(self, image: np.ndarray, fill: Sequence[float] = (0, 0, 0)) -> np.ndarray:
        """Cut (H, W, C) `image` into (N, h, w, C) of its type, bilinear; `fill` where a crop reaches out of it."""
        height, width = self.size_hw
        crops = np.empty((len(self), height, width, *image.shape[2:]), image.dtype)
        for out, box, step in zip(crops, self.box_px, self.image_per_crop, strict=True):
            # OpenCV counts from the middle of a pixel.
            image_from_crop = np.array(
                [[step[0], 0, box[0] + 0.5 * step[0] - 0.5], [0, step[1], box[1] + 0.5 * step[1] - 0.5]]
            )
            cv2.warpAffine(
                image,
                image_from_crop,
                (width, height),
                dst=out,
                flags=cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP,
                borderMode=cv2.BORDER_CONSTANT,
                borderValue=tuple(float(v) for v in fill),
            )
        return crops

    def to_image(self, points: np.ndarray) -> np.ndarray:
        """(N, J, 2) x, y in each crop -> (N, J, 2) in the image; NaN stays NaN."""
        return self.box_px[:, None, :2] + points * self.image_per_crop[:, None]

    def to_crop(self, points_px: np.ndarray) -> np.ndarray:
        """(N, J, 2) x, y in the image -> (N, J, 2) in each crop: the inverse of `to_image`."""
        return (points_px - self.box_px[:, None, :2]) / self.image_per_crop[:, None]


def crop_from_heatmap(points: np.ndarray, heatmap_hw: tuple[int, int], size_hw: tuple[int, int]) -> np.ndarray:
    """(..., 2) x, y in heatmap pixels (an integer is the middle of one) -> in crop pixels (from the corner)."""
    return (points + 0.5) * _scale(heatmap_hw, size_hw)


def heatmap_from_crop(points: np.ndarray, heatmap_hw: tuple[int, int], size_hw: tuple[int, int]) -> np.ndarray:
    """(..., 2) x, y in crop pixels -> in heatmap pixels: the inverse of `crop_from_heatmap`, for training targets."""
    return points / _scale(heatmap_hw, size_hw) - 0.5


def _scale(heatmap_hw: tuple[int, int], size_hw: tuple[int, int]) -> np.ndarray:
    return np.array([size_hw[1] / heatmap_hw[1], size_hw[0] / heatmap_hw[0]])
