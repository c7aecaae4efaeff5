"""What the tests of both keypoint R-CNNs share: pictures, and which heatmaps leave no doubt about their peak."""

from __future__ import annotations

import cv2
import numpy as np
import torch
from torch import Tensor


def picture(width: int, height: int, seed: int) -> np.ndarray:
    """(height, width, 3) uint8: soft blobs of colour, on which random networks find something."""
    random = np.random.default_rng(seed)
    coarse = random.integers(0, 256, (height // 20 + 1, width // 20 + 1, 3), dtype=np.uint8)
    return cv2.resize(coarse, (width, height), interpolation=cv2.INTER_CUBIC)


def gaussian_logits(places: np.ndarray, size: int, deviation: float = 2.0) -> Tensor:
    """(N, J, 2) x, y in heatmap pixels -> (N, J, size, size) logits whose softmax is a Gaussian around them."""
    grid = np.arange(size)
    dx = grid - places[..., 0, None]
    dy = grid - places[..., 1, None]
    return torch.from_numpy(-(dy[..., :, None] ** 2 + dx[..., None, :] ** 2) / (2 * deviation**2)).float()


def shortfall(logits: np.ndarray, places_px: np.ndarray, box_px: np.ndarray) -> np.ndarray:
    """(P, J): how far each map at a place lies below its best, as a part of its range; 0 for the best place.

    (P, J, h, w) logits over (P, 4) boxes are interpolated as both libraries do (bicubic), but always four times as fine
    as the heatmap. With random heatmaps, whose highest peaks are about equal, the place itself says little.
    """
    fine = torch.nn.functional.interpolate(torch.from_numpy(logits), scale_factor=4, mode="bicubic").numpy()
    height, width = fine.shape[-2:]
    within = (places_px - box_px[:, None, :2]) / (box_px[:, None, 2:] - box_px[:, None, :2])
    column, row = np.moveaxis((within * [width, height]).astype(int), -1, 0)
    person, joint = np.indices(column.shape)
    best = fine.max((-2, -1))
    return (best - fine[person, joint, row, column]) / (best - fine.min((-2, -1)))


def expectation(logits: np.ndarray, box: np.ndarray) -> np.ndarray:
    """(J, 2) in the frame: the mean of the middles of the heatmap's pixels, weighted with its softmax; float64.

    logits (J, h, w) over the box (4,) in the frame.
    """
    weight = np.exp(logits.astype(np.float64) - logits.max((-2, -1), keepdims=True))
    weight /= weight.sum((-2, -1), keepdims=True)
    height, width = logits.shape[-2:]
    x = box[0] + (np.arange(width) + 0.5) / width * (box[2] - box[0])
    y = box[1] + (np.arange(height) + 0.5) / height * (box[3] - box[1])
    return np.stack([(weight.sum(-2) * x).sum(-1), (weight.sum(-1) * y).sum(-1)], axis=-1)


def pixels_of_heatmap(first_px: np.ndarray, second_px: np.ndarray, box_px: np.ndarray, size: int = 56) -> np.ndarray:
    """(P, J) larger of the differences in x and y of (P, J, 2) places, in pixels of the heatmap over (P, 4) boxes."""
    extent = box_px[:, 2:] - box_px[:, :2]
    return (abs(first_px - second_px) / (extent[:, None] / size)).max(-1)
