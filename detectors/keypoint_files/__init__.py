"""Files of keypoints that other programs computed: which form a file has, and what it says."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from detectors.keypoint_files.content import FileKeypoints
from detectors.keypoint_files.json_file import load_json
from detectors.keypoint_files.mmpose_json import read_mmpose
from detectors.keypoint_files.openpose import openpose_videos, read_openpose
from detectors.keypoint_files.reference_npz import read_custom, read_inference_output
from detectors.keypoint_files.results_json import read_results
from poses import Detections, InputError
from poses.restricted_pickle import read_plain_npz

__all__ = ["FileKeypoints", "openpose_videos", "read_keypoint_file"]

KNOWN_FORMS = (
    "detections.npz of this project, npz of VideoPose3D (data_2d_custom_*.npz, or its inference's output), COCO "
    "results JSON, AlphaPose results JSON, MMPose predictions JSON, or a folder of OpenPose's *_keypoints.json"
)


def read_keypoint_file(path: Path, video: str) -> FileKeypoints:
    """Read a file, or OpenPose's folder, of any known form; which one is seen from what it holds.

    `video` is the name of the video's file, for forms that hold several. `InputError` names the file and the entry,
    what was expected and what came.
    """
    if path.is_dir():
        stem = Path(video).stem
        return read_openpose(path, stem if stem in openpose_videos(path) else None)
    if path.suffix.lower() == ".npz":
        return _read_npz(path, video)
    if path.suffix.lower() == ".json":
        return _read_json(path, load_json(path))
    raise InputError(f"{path}: not a file of keypoints", f"expected {KNOWN_FORMS}")


def _read_npz(path: Path, video: str) -> FileKeypoints:
    entries = read_plain_npz(path)
    if "kind" in entries:
        found = Detections.load(path)
        return FileKeypoints(
            "detections.npz",
            found.skeleton,
            found.frame,
            found.box_px,
            found.score,
            found.keypoints_px,
            found.keypoint_score,
        )
    if "positions_2d" in entries:
        return read_custom(path, entries, video)
    if "boxes" in entries or "keypoints" in entries:
        return read_inference_output(path, entries)
    raise InputError(
        f"{path}: no known form of keypoints (it holds {', '.join(sorted(entries)) or 'nothing'})",
        f"expected {KNOWN_FORMS}",
    )


def _read_json(path: Path, content: Any) -> FileKeypoints:
    first = content[0] if isinstance(content, list) and content else None
    if isinstance(content, dict) and "instance_info" in content:
        return read_mmpose(path, content)
    if isinstance(first, dict) and ("frame_id" in first or "instances" in first):
        return read_mmpose(path, content)
    if isinstance(content, list) and (first is None or isinstance(first, dict)):
        return read_results(path, content)
    if isinstance(content, dict) and "people" in content:
        raise InputError(f"{path}: one frame of OpenPose", "name the folder with the files of all frames")
    held = f"an object with {', '.join(sorted(content)[:8])}" if isinstance(content, dict) else type(content).__name__
    raise InputError(f"{path}: no known form of keypoints ({held})", f"expected {KNOWN_FORMS}")
