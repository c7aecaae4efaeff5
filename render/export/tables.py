"""Text tables and JSON: joint positions and angles of every person at the video's own frames, z up.

Missing values are empty cells in CSV and null in JSON.
"""

from __future__ import annotations

import csv
import json
from collections.abc import Iterator
from typing import Any, TextIO

import numpy as np

from poses import Poses3D, Tracks
from render.joint_angles import ANGLES, joint_angles

JSON_FORMAT = "video-to-3d-poses"
JSON_VERSION = 1


def write_csv(stream: TextIO, poses: Poses3D) -> None:
    """One row a person and frame: frame, time_s, person, observed, then x, y, z of each joint in metres."""
    writer = csv.writer(stream, lineterminator="\n")
    columns = [f"{joint}_{axis}_m" for joint in poses.skeleton.joints for axis in "xyz"]
    writer.writerow(["frame", "time_s", "person", "observed", *columns])
    world_m = poses.world_m().reshape(len(poses), -1)
    for row in _by_time(poses):
        writer.writerow([*_head(poses, row), int(poses.observed[row]), *(_cell(v, 5) for v in world_m[row])])


def write_angles_csv(stream: TextIO, poses: Poses3D) -> None:
    """One row a person and frame: frame, time_s, person, then the joint angles in degrees."""
    writer = csv.writer(stream, lineterminator="\n")
    writer.writerow(["frame", "time_s", "person", *(f"{name}_deg" for name in ANGLES)])
    angles = joint_angles(poses.world_m(), poses.skeleton)
    degrees = np.degrees(np.stack([angles[name] for name in ANGLES], axis=1))
    for row in _by_time(poses):
        writer.writerow([*_head(poses, row), *(_cell(v, 3) for v in degrees[row])])


def write_json(stream: TextIO, poses: Poses3D, tracks: Tracks | None) -> None:
    """A document laid out as COCO's: categories name joints and bones, annotations are one a person and frame.

    Each annotation has frame, time_s, person_id, observed, keypoints_3d_m (x, y, z for each joint, world, z up) and
    root_camera_m; where tracks are given also keypoints_px (x, y, score for each joint of the second category).
    """
    categories = [_category(1, "person_3d", poses)]
    keypoints: dict[tuple[int, int], list[Any]] = {}
    if tracks is not None:
        categories.append(_category(2, "person_2d", tracks))
        scored = np.concatenate([tracks.keypoints_px, tracks.keypoint_score[..., None]], axis=2)
        for row in range(len(tracks)):
            key = int(tracks.person_id[row]), int(tracks.frame[row])
            keypoints[key] = [_number(v, 2) for v in scored[row].ravel()]
    world_m = poses.world_m()
    annotations = []
    for number, row in enumerate(_by_time(poses)):
        person, frame = int(poses.person_id[row]), int(poses.frame[row])
        annotation = {
            "id": number,
            "category_id": 1,
            "frame": frame,
            "time_s": round(float(poses.timestamps_s[row]), 6),
            "person_id": person,
            "observed": bool(poses.observed[row]),
            "keypoints_3d_m": [_number(v, 5) for v in world_m[row].ravel()],
            "root_camera_m": [_number(v, 5) for v in poses.root_m[row]],
        }
        if (person, frame) in keypoints:
            annotation["keypoints_px"] = keypoints[person, frame]
        annotations.append(annotation)
    camera = poses.intrinsics
    document = {
        "info": {"format": JSON_FORMAT, "version": JSON_VERSION, "units": "m", "up": "z", "weights": poses.weights},
        "camera": {
            "width": camera.width,
            "height": camera.height,
            "matrix_px": camera.matrix.tolist(),
            "source": poses.intrinsics_source,
            "world_from_camera": poses.world_from_camera.tolist(),
        },
        "categories": categories,
        "annotations": annotations,
    }
    json.dump(document, stream, allow_nan=False, separators=(",", ":"))
    stream.write("\n")


def _category(number: int, name: str, rows: Poses3D | Tracks) -> dict[str, Any]:
    skeleton = rows.skeleton
    # COCO counts joints from 1 here.
    bones = [[a + 1, b + 1] for a, b in skeleton.limbs]
    return {"id": number, "name": name, "keypoints": list(skeleton.joints), "skeleton": bones}


def _by_time(poses: Poses3D) -> Iterator[int]:
    return iter(np.lexsort((poses.person_id, poses.frame)).tolist())


def _head(poses: Poses3D, row: int) -> list[Any]:
    return [int(poses.frame[row]), f"{poses.timestamps_s[row]:.6f}", int(poses.person_id[row])]


def _cell(value: float, digits: int) -> str:
    return f"{value:.{digits}f}" if np.isfinite(value) else ""


def _number(value: float, digits: int) -> float | None:
    return round(float(value), digits) if np.isfinite(value) else None
