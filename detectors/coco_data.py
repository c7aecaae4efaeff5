"""COCO-keypoints JSON as training and test samples, for any skeleton whose joints are named in it.

Format: https://cocodataset.org/#format-data. Shape letters: J joints.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import cv2
import numpy as np

from poses import InputError, Skeleton, UsageError
from poses.skeleton import SKELETONS

PIXEL_MIDDLE = 0.5
"""To be added to a file's keypoints, whole numbers of which are middles of pixels, for positions measured from the
picture's corner, as detectors give them and as boxes are."""

LABELLED, VISIBLE = 1, 2
"""COCO's marks of a keypoint that is hidden but known, and of one that is seen; 0 is not labelled."""


@dataclass(frozen=True)
class CocoImage:
    """One picture: its number in the file, where it lies, and its size in pixels."""

    id: int
    path: Path
    width: int
    height: int


@dataclass(frozen=True)
class KeypointSample:
    """One person in one picture.

    Attributes
    ----------
    image_path, image_id, width, height : of the picture.
    annotation_id : in the file.
    box_px : (4,) float32 x1, y1, x2, y2.
    area_px : of the person, square pixels; the box's where the file gives none.
    keypoints_px : (J, 2) float32 as in the file (see `PIXEL_MIDDLE`), NaN where not labelled.
    visibility : (J,) int64, 0 not labelled, 1 hidden, 2 visible.
    """

    image_path: Path
    image_id: int
    width: int
    height: int
    annotation_id: int
    box_px: np.ndarray
    area_px: float
    keypoints_px: np.ndarray
    visibility: np.ndarray


@dataclass(frozen=True)
class KeypointDataset:
    """The people of a COCO-keypoints JSON, as a sequence of `KeypointSample`; made by `KeypointDataset.load`.

    Attributes
    ----------
    path : the JSON file.
    skeleton : one whose joints, by name, are those of the file, in the file's order.
    images : every picture of the file, those without people too, in the file's order.
    samples : every person with at least one labelled keypoint who is no crowd.
    """

    path: Path
    skeleton: Skeleton
    images: tuple[CocoImage, ...]
    samples: tuple[KeypointSample, ...] = field(repr=False)

    @classmethod
    def load(cls, path: str | Path, images: str | Path, skeleton: Skeleton | None = None) -> KeypointDataset:
        """Read a JSON whose pictures lie below the folder `images`.

        Raises
        ------
        InputError : the file is no COCO-keypoints JSON (names the field), its joints are no known skeleton, or a
            picture is missing or has size zero; names the file and the entry.
        UsageError : the file's joints are not those of `skeleton`.
        """
        path, folder = Path(path), Path(images)
        content = _read(path)
        names = _joint_names(path, content)
        found = _skeleton_of(path, names, skeleton)
        if not folder.is_dir():
            raise InputError(f"{folder}: no such folder of images", "check --images")
        pictures = [_image(path, folder, number, entry) for number, entry in enumerate(content["images"])]
        if not pictures:
            raise InputError(f"{path}: images: holds none", "check how the file was written")
        twice = [number for number, count in Counter(p.id for p in pictures).items() if count > 1]
        if twice:
            raise InputError(f"{path}: images: id {twice[0]} occurs more than once")
        by_id = {picture.id: picture for picture in pictures}
        samples = []
        for number, entry in enumerate(content["annotations"]):
            sample = _sample(path, number, entry, by_id, len(names))
            if sample is not None:
                samples.append(sample)
        return cls(path, found, tuple(pictures), tuple(samples))

    def __len__(self) -> int:
        return len(self.samples)

    def __getitem__(self, index: int) -> KeypointSample:
        return self.samples[index]

    def read_image(self, index: int) -> np.ndarray:
        """(H, W, 3) uint8 BGR picture of a sample; `InputError` as `read_image`."""
        sample = self.samples[index]
        return read_image(sample.image_path, sample.width, sample.height)

    def by_image(self) -> dict[int, list[KeypointSample]]:
        """The samples of each picture, by its id; pictures without any have an empty list."""
        groups: dict[int, list[KeypointSample]] = {image.id: [] for image in self.images}
        for sample in self.samples:
            groups[sample.image_id].append(sample)
        return groups


def read_image(path: Path, width: int | None = None, height: int | None = None) -> np.ndarray:
    """(H, W, 3) uint8 BGR, as stored (an EXIF turn is not applied, as COCO's keypoints are not turned).

    `InputError` names a file that is missing, empty, no picture, or not of the size that was expected.
    """
    try:
        data = path.read_bytes()
    except OSError as error:
        raise InputError(f"{path}: the image cannot be read ({error.strerror})", "check --images") from None
    if not data:
        raise InputError(f"{path}: the image is empty (0 bytes)", "copy or extract it again")
    image = cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_COLOR | cv2.IMREAD_IGNORE_ORIENTATION)
    if image is None or not image.size:
        raise InputError(f"{path}: not a readable image", "copy or extract it again")
    if (width, height) != (None, None) and image.shape[:2] != (height, width):
        raise InputError(
            f"{path}: the annotations say {width}x{height} pixels, the image has {image.shape[1]}x{image.shape[0]}",
            "use the images that were annotated",
        )
    return image


def _read(path: Path) -> Mapping[str, Any]:
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise InputError(f"{path}: no such file", "check --data") from None
    except OSError as error:
        raise InputError(f"{path}: cannot be read ({error.strerror})", "check --data") from None
    except (json.JSONDecodeError, UnicodeDecodeError, RecursionError) as error:
        raise InputError(f"{path}: not JSON, or cut off ({error})", "download or write it again") from None
    if not isinstance(content, dict):
        raise InputError(
            f"{path}: expected a COCO-keypoints object with images, annotations and categories, "
            f"got a {type(content).__name__}",
            "detections alone (a list) are read by the detector `file`",
        )
    for name in ("images", "annotations", "categories"):
        if not isinstance(content.get(name), list):
            got = type(content[name]).__name__ if name in content else f"only {', '.join(sorted(content)) or 'nothing'}"
            raise InputError(f"{path}: expected a list {name!r}, got {got}", "see docs/keypoint_data.md for the format")
    return content


def _joint_names(path: Path, content: Mapping[str, Any]) -> tuple[str, ...]:
    named = [c for c in content["categories"] if isinstance(c, dict) and isinstance(c.get("keypoints"), list)]
    if not named:
        raise InputError(
            f"{path}: no category lists its keypoints",
            "use the file of keypoints (person_keypoints_*.json), not of boxes",
        )
    return tuple(map(str, named[0]["keypoints"]))


def _skeleton_of(path: Path, names: tuple[str, ...], wanted: Skeleton | None) -> Skeleton:
    known = [wanted] if wanted else list(SKELETONS.values())
    for skeleton in known:
        if skeleton.joints == names:
            return skeleton
    listed = ", ".join(names)
    if wanted:
        raise UsageError(f"{path}: its keypoints ({listed}) are not those of {wanted.name}: {', '.join(wanted.joints)}")
    raise InputError(
        f"{path}: its {len(names)} keypoints are no known skeleton: {listed}",
        f"known: {', '.join(SKELETONS)}; names and order must be theirs",
    )


def _field(path: Path, where: str, entry: Any, name: str) -> Any:
    if not isinstance(entry, dict):
        raise InputError(f"{path}: {where}: expected an object, got {type(entry).__name__}")
    if name not in entry:
        raise InputError(
            f"{path}: {where}: lacks {name!r} (it has {', '.join(sorted(map(str, entry))) or 'nothing'})",
            "see docs/keypoint_data.md for the format",
        )
    return entry[name]


def _numbers(path: Path, where: str, value: Any, count: int) -> np.ndarray:
    """(count,) float64. bool is no number here, and neither is NaN."""
    plain = isinstance(value, Sequence) and not isinstance(value, str) and len(value) == count
    if not plain or not all(isinstance(v, int | float) and not isinstance(v, bool) and np.isfinite(v) for v in value):
        got = f"{len(value)} values" if isinstance(value, list) else type(value).__name__
        raise InputError(f"{path}: {where}: expected {count} finite numbers, got {got}")
    return np.array(value, dtype=np.float64)


def _whole(path: Path, where: str, value: Any) -> int:
    if not isinstance(value, int) or isinstance(value, bool):
        raise InputError(f"{path}: {where}: expected a whole number, got {value!r}")
    return value


def _image(path: Path, folder: Path, number: int, entry: Any) -> CocoImage:
    where = f"images[{number}]"
    name = _field(path, where, entry, "file_name")
    width, height = (_whole(path, f"{where}.{key}", _field(path, where, entry, key)) for key in ("width", "height"))
    if width < 1 or height < 1:
        raise InputError(f"{path}: {where} ({name}): size {width}x{height}", "leave the image out, or write it again")
    if not isinstance(name, str) or Path(name).is_absolute() or ".." in Path(name).parts:
        raise InputError(f"{path}: {where}: file_name must lie below the folder of images, got {name!r}")
    file = folder / name
    try:
        size = file.stat().st_size
    except OSError:
        raise InputError(f"{file}: no such image ({where} of {path})", "check --images") from None
    if not size:
        raise InputError(f"{file}: the image is empty (0 bytes)", "copy or extract it again")
    return CocoImage(_whole(path, f"{where}.id", _field(path, where, entry, "id")), file, width, height)


def _sample(path: Path, number: int, entry: Any, images: Mapping[int, CocoImage], joints: int) -> KeypointSample | None:
    """None for crowds and people without a labelled keypoint."""
    where = f"annotations[{number}]"
    keypoints = _field(path, where, entry, "keypoints") if not entry_is_crowd(entry) else None
    if keypoints is None:
        return None
    rows = _numbers(path, f"{where}.keypoints", keypoints, 3 * joints).reshape(joints, 3)
    box = _numbers(path, f"{where}.bbox", _field(path, where, entry, "bbox"), 4)
    image_id = _field(path, where, entry, "image_id")
    if image_id not in images:
        raise InputError(f"{path}: {where}: image_id {image_id!r} is not among the images")
    if not np.isin(rows[:, 2], (0, LABELLED, VISIBLE)).all():
        raise InputError(f"{path}: {where}: a keypoint's third value must be 0, 1 or 2")
    if not (rows[:, 2] > 0).any():
        return None
    if box[2] <= 0 or box[3] <= 0:
        raise InputError(
            f"{path}: {where}: bbox has size {box[2]:g}x{box[3]:g}", "leave the person out, or mend the box"
        )
    image = images[image_id]
    area = float(entry["area"]) if isinstance(entry.get("area"), int | float) else float(box[2] * box[3])
    return KeypointSample(
        image.path,
        image.id,
        image.width,
        image.height,
        _whole(path, f"{where}.id", _field(path, where, entry, "id")),
        np.array([box[0], box[1], box[0] + box[2], box[1] + box[3]], np.float32),
        area,
        np.where(rows[:, 2:] > 0, rows[:, :2], np.nan).astype(np.float32),
        rows[:, 2].astype(np.int64),
    )


def entry_is_crowd(entry: Any) -> bool:
    """Whether an annotation stands for a group of people, whose keypoints nobody labelled."""
    return isinstance(entry, dict) and bool(entry.get("iscrowd"))
