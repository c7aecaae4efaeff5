"""OpenPose's JSON: a folder with a file for each frame."""

from __future__ import annotations

import re
from pathlib import Path

from detectors.keypoint_files.content import FileKeypoints, PersonCollector, field_of, list_of
from detectors.keypoint_files.json_file import load_json
from poses import COCO17, InputError

_PATTERN = re.compile(r"(?P<video>.*?)_?(?P<number>\d+)_keypoints\.json")

_ARMS_AND_TRUNK = (
    *("nose", "neck", "right_shoulder", "right_elbow", "right_wrist", "left_shoulder", "left_elbow", "left_wrist"),
)
_LEGS = ("right_hip", "right_knee", "right_ankle", "left_hip", "left_knee", "left_ankle")
_FACE = ("right_eye", "left_eye", "right_ear", "left_ear")
BODY_25 = (
    *(*_ARMS_AND_TRUNK, "middle_hip", *_LEGS, *_FACE, "left_big_toe", "left_small_toe", "left_heel"),
    *("right_big_toe", "right_small_toe", "right_heel"),
)
COCO_18 = (*_ARMS_AND_TRUNK, *_LEGS, *_FACE)
_ORDERS = {len(order): [order.index(joint) for joint in COCO17.joints] for order in (BODY_25, COCO_18)}


def openpose_videos(folder: Path) -> set[str]:
    """Names of the videos whose frames' files lie in `folder`, by what stands before the frames' numbers."""
    return {found["video"] for path in folder.iterdir() if (found := _PATTERN.fullmatch(path.name))}


def read_openpose(folder: Path, video: str | None = None) -> FileKeypoints:
    """COCO-17 people of `<video>_<number>_keypoints.json`, BODY_25 or COCO-18; of all such files if `video` is None.

    The neck, the middle of the hips and the feet are left out. There must be a file for each frame, their numbers
    without gaps. `InputError` names the file and the person.
    """
    paths: dict[int, Path] = {}
    for path in sorted(folder.iterdir()):
        found = _PATTERN.fullmatch(path.name)
        if found is None or video not in (None, found["video"]):
            continue
        number = int(found["number"])
        if number in paths:
            raise InputError(f"{folder}: {paths[number].name} and {path.name} are both frame {number}")
        paths[number] = path
    if not paths:
        raise InputError(f"{folder}: holds no OpenPose files (<video>_<frame>_keypoints.json)", "check --keypoints")
    first, last = min(paths), max(paths)
    missing = sorted(set(range(first, last + 1)) - paths.keys())
    if missing or first > 1:
        raise InputError(
            f"{folder}: expected a file for every frame, counted from 0, but frame {(missing or [0])[0]} has none",
            "copy all files of OpenPose's --write_json",
        )
    people = PersonCollector(folder, COCO17)
    for number, path in sorted(paths.items()):
        entries = list_of(path, "people", field_of(path, "content", load_json(path), "people"))
        for index, entry in enumerate(entries):
            where = f"{path.name} person {index}"
            flat = list_of(folder, where, field_of(folder, where, entry, "pose_keypoints_2d"))
            if len(flat) % 3 or len(flat) // 3 not in _ORDERS:
                raise InputError(
                    f"{folder}: {where}: expected {' or '.join(str(3 * n) for n in _ORDERS)} numbers (BODY_25 or "
                    f"COCO-18), got {len(flat)}",
                    "run OpenPose with --model_pose BODY_25 or COCO",
                )
            chosen = [flat[3 * j : 3 * j + 3] for j in _ORDERS[len(flat) // 3]]
            # Where OpenPose saw nothing it writes 0, 0, 0.
            people.add_flat(number - first, [value for triple in chosen for value in triple], where)
    return people.finish("OpenPose JSON", frames=len(paths))
