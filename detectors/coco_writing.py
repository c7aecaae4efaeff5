"""Writing COCO-keypoints JSON and the pictures it speaks of.

Format: https://cocodataset.org/#format-data. Pixel coordinates count from the picture's corner, so that the first
pixel's middle lies at (0.5, 0.5); in the file the keypoints' whole numbers are middles, as COCO's, and boxes count from
the corner. Shape letters: J joints.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import cv2
import numpy as np

from detectors.coco_data import PIXEL_MIDDLE
from poses import InputError, Skeleton
from poses.archive import write_atomically


def coco_category(skeleton: Skeleton) -> dict[str, Any]:
    """COCO's category `person` with a skeleton's joints; limbs count from 1, as COCO's do."""
    return {
        "id": 1,
        "name": "person",
        "supercategory": "person",
        "keypoints": list(skeleton.joints),
        "skeleton": [[a + 1, b + 1] for a, b in skeleton.limbs],
        "skeleton_name": skeleton.name,
    }


def coco_keypoints(pixels: np.ndarray, labelled: np.ndarray, visible: np.ndarray) -> list[float]:
    """(J, 2) pixels as COCO's flat x, y, v: v is 2 for visible, 1 for hidden, and 0 (x = y = 0) where not labelled."""
    rows = np.zeros((len(pixels), 3))
    rows[labelled, :2] = np.round(pixels[labelled] - PIXEL_MIDDLE, 3)
    rows[:, 2] = np.where(labelled, np.where(visible, 2, 1), 0)
    return [float(value) for value in rows.ravel()]


def coco_annotation(
    number: int, image_id: int, box_px: np.ndarray, area_px: float, pixels: np.ndarray, labelled: np.ndarray,
    visible: np.ndarray,
) -> dict[str, Any]:  # fmt: skip
    """One person of one picture: `box_px` (4,) x1, y1, x2, y2; `pixels` (J, 2), `labelled` and `visible` (J,)."""
    x1, y1, x2, y2 = (round(float(value), 3) for value in box_px)
    return {
        "id": number,
        "image_id": image_id,
        "category_id": 1,
        "bbox": [x1, y1, round(x2 - x1, 3), round(y2 - y1, 3)],
        "area": round(float(area_px), 3),
        "iscrowd": 0,
        "num_keypoints": int(labelled.sum()),
        "keypoints": coco_keypoints(pixels, labelled, visible),
    }


def write_json(path: Path, content: Any) -> None:
    """JSON without needless spaces, atomically."""
    text = json.dumps(content, separators=(",", ":"), allow_nan=False)
    write_atomically(path, lambda stream: stream.write(text.encode()))


def inside_picture(pixels: np.ndarray, width: int, height: int) -> np.ndarray:
    """(...) bool, whether points (..., 2) fall on a pixel; False for NaN."""
    with np.errstate(invalid="ignore"):
        return ((pixels >= 0) & (pixels < (width, height))).all(axis=-1)


def save_image(path: Path, image: np.ndarray, quality: int = 92) -> None:
    """Write a BGR picture as the file's ending says. `InputError` where it cannot be written."""
    done, data = cv2.imencode(path.suffix, image, [cv2.IMWRITE_JPEG_QUALITY, quality] if path.suffix == ".jpg" else [])
    if not done:
        raise InputError(f"{path}: the picture cannot be encoded", "use .jpg or .png")
    write_atomically(path, lambda stream: stream.write(data.tobytes()))
