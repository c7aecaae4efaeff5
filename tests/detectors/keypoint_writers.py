"""Writes one and the same truth in the forms of other programs, as their own code and documents have them.

Shape letters: T frames, P people, J joints.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np

from poses import COCO17, HALPE26, Skeleton
from tests.detectors.walker import walk

FRAMES = 6
SIZE = (1280, 720)

# OpenPose's doc/output.md: which joint each of BODY_25 and COCO-18 is, with COCO's name where COCO has it.
OPENPOSE_25 = [
    *("nose", "Neck", "right_shoulder", "right_elbow", "right_wrist", "left_shoulder", "left_elbow"),
    *("left_wrist", "MidHip", "right_hip", "right_knee", "right_ankle", "left_hip", "left_knee"),
    *("left_ankle", "right_eye", "left_eye", "right_ear", "left_ear", "LBigToe", "LSmallToe", "LHeel"),
    *("RBigToe", "RSmallToe", "RHeel"),
]
OPENPOSE_18 = [
    *("nose", "Neck", "right_shoulder", "right_elbow", "right_wrist", "left_shoulder", "left_elbow"),
    *("left_wrist", "right_hip", "right_knee", "right_ankle", "left_hip", "left_knee", "left_ankle"),
    *("right_eye", "left_eye", "right_ear", "left_ear"),
]


def truth(skeleton: Skeleton = COCO17, frames: int = FRAMES) -> tuple[np.ndarray, np.ndarray]:
    """(T, 2, J, 2) keypoints in pixels of 1280x720 and (T, 2, J) scores of two people."""
    t = np.arange(frames) / 30
    points = np.stack([walk(t, 0.2, (x, 6.0), skeleton=skeleton) for x in (-1.5, 1.5)], axis=1)
    score = np.random.default_rng(3).uniform(0.6, 1.0, points.shape[:3])
    return points, score


def triples(points: np.ndarray, score: np.ndarray) -> list[float]:
    return np.concatenate([points, score[:, None]], axis=1).ravel().tolist()


def write_json(path: Path, content: Any) -> Path:
    path.write_text(json.dumps(content))
    return path


def results(points: np.ndarray, score: np.ndarray, alphapose: bool = False) -> list[dict[str, Any]]:
    """A list as COCO's results format has it, or as AlphaPose writes it for a video."""
    entries: list[dict[str, Any]] = []
    for frame, person in np.ndindex(*points.shape[:2]):
        low, high = points[frame, person].min(axis=0), points[frame, person].max(axis=0)
        box = [*low.tolist(), *(high - low).tolist()]
        entry = {"category_id": 1, "keypoints": triples(points[frame, person], score[frame, person])}
        if alphapose:
            # Its scores are sums that pass 1.
            entries.append({"image_id": f"{frame}.jpg", **entry, "score": 2.9, "box": box, "idx": [person + 1]})
        else:
            entries.append({"image_id": frame, **entry, "bbox": box, "score": 0.5})
    return entries


def write_openpose(folder: Path, points: np.ndarray, score: np.ndarray, joints: list[str], video: str = "clip") -> Path:
    """COCO-17 truth as `--write_json` writes it; what COCO does not have is far off, and what is missing is 0, 0, 0."""
    folder.mkdir(exist_ok=True)
    for frame in range(len(points)):
        people = []
        for person in range(points.shape[1]):
            flat: list[float] = []
            for joint in joints:
                if joint in COCO17.joints:
                    at = COCO17.index(joint)
                    x, y = points[frame, person, at].tolist()
                    flat += [0, 0, 0] if np.isnan(x) else [x, y, float(score[frame, person, at])]
                else:
                    flat += [9999.0, 9999.0, 1.0]
            people.append({"person_id": [-1], "pose_keypoints_2d": flat, "face_keypoints_2d": []})
        write_json(folder / f"{video}_{frame:012d}_keypoints.json", {"version": 1.3, "people": people})
    return folder


def mmpose_frames(points: np.ndarray, score: np.ndarray, first: int) -> list[dict[str, Any]]:
    return [
        {
            "frame_id": first + frame,
            "instances": [
                {
                    "keypoints": points[frame, person].tolist(),
                    "keypoint_scores": score[frame, person].tolist(),
                    "bbox": [
                        [*points[frame, person].min(axis=0).tolist(), *points[frame, person].max(axis=0).tolist()]
                    ],
                    "bbox_score": 0.9,
                }
                for person in range(points.shape[1])
            ],
        }
        for frame in range(len(points))
    ]


def mmpose_meta(names: list[str]) -> dict[str, Any]:
    """As json_tricks writes the data set's description, arrays and all."""
    return {
        "dataset_name": "coco",
        "num_keypoints": len(names),
        "keypoint_id2name": {str(i): name for i, name in enumerate(names)},
        "sigmas": {"__ndarray__": [0.026], "dtype": "float32", "shape": [1]},
    }


def write_reference_output(path: Path, points: np.ndarray, score: np.ndarray, empty: int) -> Path:
    """As inference/infer_video_d2.py writes it, with nobody in frame `empty`; `score` (T, P) is of people."""
    boxes, keypoints = np.empty((len(points), 2), object), np.empty((len(points), 2), object)
    for frame in range(len(points)):
        boxes[frame, 0], keypoints[frame, 0] = [], []
        boxes[frame, 1], keypoints[frame, 1] = [], []
        if frame != empty:
            low, high = points[frame].min(axis=1), points[frame].max(axis=1)
            boxes[frame, 1] = np.concatenate([low, high, score[frame][:, None]], axis=1)
            small = np.full(points.shape[1:3], 0.02)
            keypoints[frame, 1] = np.stack([points[frame, ..., 0], points[frame, ..., 1], 0 * small, small], axis=1)
    metadata: Any = {"w": SIZE[0], "h": SIZE[1]}
    segments = np.full(len(points), None)
    np.savez_compressed(path, boxes=boxes, segments=segments, keypoints=keypoints, metadata=metadata)
    return path


def write_custom(path: Path, videos: dict[str, np.ndarray], size: tuple[int, int] = SIZE) -> Path:
    """As data/prepare_data_2d_custom.py writes it, `videos` (T, 17, 2) by name."""
    positions: Any = {name: {"custom": [points.astype("float32")]} for name, points in videos.items()}
    metadata: Any = {
        "layout_name": "coco",
        "num_joints": 17,
        "keypoints_symmetry": [[1, 3, 5, 7, 9, 11, 13, 15], [2, 4, 6, 8, 10, 12, 14, 16]],
        "video_metadata": {name: {"w": size[0], "h": size[1]} for name in videos},
    }
    np.savez_compressed(path, positions_2d=positions, metadata=metadata)
    return path


HALPE_NAMES = list(HALPE26.joints)
