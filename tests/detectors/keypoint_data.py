"""A tiny COCO-keypoints data set on disk, for tests."""

import json
from pathlib import Path
from typing import Any

import cv2
import numpy as np

from poses import COCO17, Skeleton

WIDTH, HEIGHT = 64, 48


def content(skeleton: Skeleton = COCO17, images: int = 2) -> dict[str, Any]:
    """One person a picture: joint j at (10 + j + 20 * picture, 5 + 2 j), all visible."""
    pictures = [{"id": 10 + n, "file_name": f"{n}.png", "width": WIDTH, "height": HEIGHT} for n in range(images)]
    people = [
        {
            "id": 100 + n,
            "image_id": 10 + n,
            "category_id": 1,
            "bbox": [8 + 20 * n, 3, 20, 40],
            "area": 500.0,
            "iscrowd": 0,
            "num_keypoints": len(skeleton),
            "keypoints": [v for j in range(len(skeleton)) for v in (10 + j + 20 * n, 5 + 2 * j, 2)],
        }
        for n in range(images)
    ]
    categories = [{"id": 1, "name": "person", "keypoints": list(skeleton.joints), "skeleton": []}]
    return {"images": pictures, "annotations": people, "categories": categories}


def write(folder: Path, data: Any) -> Path:
    """Write the JSON and a picture for each of its images; returns the JSON's path."""
    folder.mkdir(exist_ok=True)
    for entry in data.get("images", []) if isinstance(data, dict) else []:
        if isinstance(entry, dict) and "file_name" in entry:
            cv2.imwrite(str(folder / entry["file_name"]), np.full((HEIGHT, WIDTH, 3), 90, np.uint8))
    path = folder / "annotations.json"
    path.write_text(json.dumps(data))
    return path
