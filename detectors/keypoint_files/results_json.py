"""COCO results JSON, and AlphaPose's, which is like it: one list of people with the image each belongs to."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

from detectors.keypoint_files.content import FileKeypoints, PersonCollector, box_from_width, field_of, list_of
from poses import InputError

PERSON_CATEGORY = 1


def read_results(path: Path, content: Any) -> FileKeypoints:
    """People of a parsed list with `image_id`, `keypoints` (x, y, score each) and maybe `bbox` or `box` (x, y, w, h).

    `image_id` is the frame's number from 0, or an image's name that ends in it (`12.jpg`). Entries of another category
    than 1 are no people and are left out. The person's own `score` is not used, as every program has a scale of its
    own: AlphaPose's reaches beyond 3. `InputError` names the entry.
    """
    people = PersonCollector(path)
    form = "COCO results JSON"
    for number, entry in enumerate(list_of(path, "content", content)):
        where = f"entry {number}"
        image = field_of(path, where, entry, "image_id")
        if entry.get("category_id", PERSON_CATEGORY) != PERSON_CATEGORY:
            continue
        if isinstance(image, str):
            form = "AlphaPose results JSON"
        box = entry.get("bbox", entry.get("box"))
        people.add_flat(
            _frame_of(path, where, image),
            field_of(path, where, entry, "keypoints"),
            where,
            None if box is None else box_from_width(path, where, box),
        )
    return people.finish(form)


def _frame_of(path: Path, where: str, image: Any) -> int:
    if isinstance(image, int) and not isinstance(image, bool) and image >= 0:
        return image
    found = re.search(r"(\d+)$", Path(image).stem) if isinstance(image, str) else None
    if found is None:
        raise InputError(
            f"{path}: {where}: image_id: expected the frame's number from 0, or an image's name that ends in it, "
            f"got {image!r}"
        )
    return int(found[1])
