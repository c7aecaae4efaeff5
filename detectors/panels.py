"""One frame several times beside each other, each with what one detector found: plain overlays with OpenCV.

The pictures of results are drawn in the room `render`; these serve to compare detectors.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import cv2
import numpy as np

from detectors.base import FrameDetections
from poses import Skeleton

MAX_WIDTH_PX = 1920
MIN_KEYPOINT_SCORE = 0.2
"""Keypoints of a lower score are not drawn."""

_COLOURS = {"left": (255, 150, 40), "right": (40, 110, 255), "centre": (120, 220, 120)}
_HEADER_PX = 28


def side_by_side(image: np.ndarray, found: Sequence[tuple[str, Skeleton, FrameDetections]]) -> np.ndarray:
    """(h, w, 3) uint8 BGR of even size, at most about `MAX_WIDTH_PX` wide; panels in rows of up to three.

    `image` (H, W, 3) BGR; `found` a name, a skeleton and the people for each panel.
    """
    columns = min(3, len(found))
    scale = min(1.0, MAX_WIDTH_PX / (columns * image.shape[1]))
    width, height = (max(2, 2 * round(scale * size / 2)) for size in (image.shape[1], image.shape[0]))
    small = cv2.resize(image, (width, height), interpolation=cv2.INTER_AREA)
    factor = np.array([width / image.shape[1], height / image.shape[0]])
    panels = [_panel(small, factor, *one) for one in found]
    empty = np.zeros_like(panels[0])
    rows = [
        np.concatenate([panels[n] if n < len(panels) else empty for n in range(first, first + columns)], axis=1)
        for first in range(0, len(panels), columns)
    ]
    return np.concatenate(rows, axis=0)


def _panel(image: np.ndarray, factor: np.ndarray, name: str, skeleton: Skeleton, people: FrameDetections) -> np.ndarray:
    picture = image.copy()
    for person in range(len(people)):
        seen = np.isfinite(people.keypoints_px[person]).all(axis=-1)
        seen &= people.keypoint_score[person] >= MIN_KEYPOINT_SCORE
        points = np.where(seen[:, None], people.keypoints_px[person] * factor, 0).round().astype(int)
        # Far outside of the picture OpenCV's line drawing overflows.
        seen &= (np.abs(points) < 16_000).all(axis=-1)
        thick = max(1, math.ceil(min(picture.shape[:2]) / 240))
        for a, b in skeleton.limbs:
            if seen[a] and seen[b]:
                side = skeleton.sides[a] if skeleton.sides[a] != "centre" else skeleton.sides[b]
                cv2.line(picture, _at(points[a]), _at(points[b]), _COLOURS[side], thick, cv2.LINE_AA)
        for joint in np.flatnonzero(seen).tolist():
            cv2.circle(picture, _at(points[joint]), thick + 1, _COLOURS[skeleton.sides[joint]], -1, cv2.LINE_AA)
    header = np.full((_HEADER_PX, picture.shape[1], 3), 32, np.uint8)
    text = f"{name}  {len(people)}"
    cv2.putText(header, text, (8, 20), cv2.FONT_HERSHEY_SIMPLEX, 0.55, (235, 235, 235), 1, cv2.LINE_AA)
    return np.concatenate([header, picture], axis=0)


def _at(point: np.ndarray) -> tuple[int, int]:
    return int(point[0]), int(point[1])
