"""The reference implementation's keypoints of own videos: its detection's output, and `data_2d_custom_*.npz`.

Both hold pickled objects and are read by `poses.restricted_pickle`, so that a file cannot run anything.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from detectors.keypoint_files.content import FileKeypoints, PersonCollector
from poses import COCO17, InputError, Skeleton
from poses.skeleton import SKELETONS

_PERSON = 1
"""Place of people among the classes of a frame; 0 is the background."""


def read_inference_output(path: Path, entries: Mapping[str, Any]) -> FileKeypoints:
    """People of `boxes`, `keypoints`, `metadata` as `inference/infer_video*.py` write them: COCO-17, every person.

    For each frame and class `boxes` holds (people, 5) with the score last, `keypoints` (people, 4, 17): x, y, logit,
    probability. The keypoints' own numbers are on no scale of 0 to 1 (a heatmap's peak divided by its sum), so each
    keypoint takes its person's score. `InputError` names the frame.
    """
    boxes, keypoints = _frames(path, entries, "boxes"), _frames(path, entries, "keypoints")
    if len(boxes) != len(keypoints):
        raise InputError(f"{path}: boxes of {len(boxes)} frames but keypoints of {len(keypoints)}")
    people = PersonCollector(path, COCO17)
    for index, (frame_boxes, frame_keypoints) in enumerate(zip(boxes, keypoints, strict=True)):
        where = f"frame {index}"
        found = _person_array(path, where, "boxes", frame_boxes)
        points = _person_array(path, where, "keypoints", frame_keypoints)
        if not len(found) and not len(points):
            continue
        if found.shape != (len(found), 5) or points.shape != (len(found), 4, 17):
            raise InputError(
                f"{path}: {where}: expected boxes of shape (people, 5) and keypoints (people, 4, 17), "
                f"got {found.shape} and {points.shape}"
            )
        for person, (box, four) in enumerate(zip(found, points, strict=True)):
            score = float(box[4])
            people.add(index, four[:2].T, np.full(17, score), f"{where} person {person}", box[:4], score)
    return people.finish("output of VideoPose3D's inference", len(boxes), _size(path, entries.get("metadata")))


def read_custom(path: Path, entries: Mapping[str, Any], video: str) -> FileKeypoints:
    """The one person of `video` (a file's name) in `positions_2d` and `metadata` of `data_2d_custom_*.npz`.

    The archive has no scores: every keypoint has 1. `InputError` names the videos there are, or what is amiss.
    """
    positions, metadata = entries["positions_2d"], entries.get("metadata")
    if not isinstance(positions, dict) or not isinstance(metadata, dict):
        raise InputError(f"{path}: expected positions_2d and metadata as dictionaries")
    name = next((name for name in (video, Path(video).stem) if name in positions), None)
    if name is None:
        raise InputError(
            f"{path}: has no keypoints of {video}, only of {', '.join(map(str, positions)) or 'nothing'}",
            "rename the video, or choose another file with --keypoints",
        )
    try:
        (array,) = positions[name]["custom"]
    except (KeyError, TypeError, ValueError, IndexError):
        raise InputError(f"{path}: {name}: expected one array of keypoints under 'custom'") from None
    skeleton = _skeleton(path, metadata)
    array = np.asarray(array)
    joints = len(skeleton)
    if array.ndim != 3 or array.shape[1] != joints or array.shape[2] not in (2, 3) or array.dtype.kind != "f":
        raise InputError(
            f"{path}: {name}: expected numbers of shape (frames, {joints}, 2), got {array.dtype} of {array.shape}"
        )
    people = PersonCollector(path, skeleton)
    for index, points in enumerate(array):
        score = points[:, 2] if points.shape[1] == 3 else np.ones(joints)
        people.add(index, points[:, :2], score, f"{name} frame {index}")
    videos = metadata.get("video_metadata")
    size = _size(path, videos.get(name)) if isinstance(videos, dict) else None
    return people.finish("VideoPose3D's custom keypoints", len(array), size)


def _frames(path: Path, entries: Mapping[str, Any], name: str) -> list[Any]:
    if name not in entries:
        raise InputError(f"{path}: lacks {name} (it holds {', '.join(sorted(entries))})")
    value = entries[name]
    if not isinstance(value, list | np.ndarray) or (isinstance(value, np.ndarray) and value.ndim == 0):
        raise InputError(f"{path}: {name}: expected an entry for each frame, got {type(value).__name__}")
    return list(value)


def _person_array(path: Path, where: str, name: str, classes: Any) -> np.ndarray:
    """The array of people among a frame's classes; of shape (0,) for nobody."""
    try:
        return np.asarray(classes[_PERSON], dtype=np.float64)
    except (TypeError, ValueError, IndexError, KeyError):
        raise InputError(f"{path}: {where}: {name}: expected arrays for background and people") from None


def _size(path: Path, metadata: Any) -> tuple[int, int] | None:
    if not isinstance(metadata, dict) or not {"w", "h"} <= metadata.keys():
        return None
    try:
        return int(metadata["w"]), int(metadata["h"])
    except (TypeError, ValueError):
        raise InputError(f"{path}: metadata: expected w and h in pixels, got {metadata!r}") from None


def _skeleton(path: Path, metadata: Mapping[str, Any]) -> Skeleton:
    """The skeleton of the metadata's layout; its pairs of left and right must be the skeleton's own."""
    try:
        left, right = ([int(j) for j in side] for side in metadata["keypoints_symmetry"])
        joints, layout = int(metadata["num_joints"]), str(metadata.get("layout_name", ""))
    except (KeyError, TypeError, ValueError) as error:
        raise InputError(
            f"{path}: metadata: expected num_joints and keypoints_symmetry ({type(error).__name__}: {error})"
        ) from None
    for skeleton in SKELETONS.values():
        named = layout in ("", skeleton.name, skeleton.name.rstrip("0123456789")) and joints == len(skeleton)
        lefts = {joint for joint, side in enumerate(skeleton.sides) if side == "left"}
        if named and set(left) == lefts and skeleton.mirror[left].tolist() == right:
            return skeleton
    raise InputError(
        f"{path}: metadata: layout {layout!r} of {joints} keypoints, left ones {left}, is no known skeleton",
        f"known: {', '.join(SKELETONS)}",
    )
