"""The detector `file`: keypoints that were computed elsewhere, checked against the video they belong to.

They belong to the frames of one video, so this is no `Detector`, which looks at single pictures: the pipeline reads
them in place of detecting.
"""

from __future__ import annotations

import hashlib
import logging
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from detectors.base import Detector, DetectorOptions
from detectors.keypoint_files import FileKeypoints, openpose_videos, read_keypoint_file
from detectors.oks import keypoint_boxes
from detectors.registry import register
from poses import Detections, InputError, UsageError

NAME = "file"

VERSION = 1
"""Part of the hash: raise it when a change below, or in a reader, can change what is read."""

_BOX_PADDING = 0.08
_LARGEST_FRACTION = 2.0
"""Coordinates that are all below this are parts of the picture's size, not pixels."""

logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class KeypointFile:
    """A file, or OpenPose's folder, with the keypoints of one video.

    Attributes
    ----------
    path : where it lies.
    sha256 : hash of its content and of this reader's version.
    """

    path: Path
    sha256: str


@dataclass(frozen=True)
class VideoFrames:
    """What the video's frames are like.

    Attributes
    ----------
    name : the video's file name.
    width, height : pixels, upright.
    total : frames of the whole video.
    first, kept : the first frame that is run, and how many; all of them unless a part was asked for.
    """

    name: str
    width: int
    height: int
    total: int
    first: int
    kept: int


def find_keypoint_file(place: str | Path, video: str | Path) -> KeypointFile:
    """The keypoints of `video` at `place`, which is their file, OpenPose's folder, or a folder with one for each video.

    In the last case theirs is `<video's stem>.*` or a folder of that stem. `UsageError` where `place` does not exist,
    `InputError` where nothing or more than one thing in it fits the video.
    """
    place, stem = Path(place), Path(video).stem
    if not place.exists():
        raise UsageError(f"{place}: no such file or folder of keypoints", "check --keypoints")
    path = place
    if place.is_dir() and not openpose_videos(place):
        fitting = sorted(p for p in place.iterdir() if p.name == stem or p.name.startswith(f"{stem}."))
        if len(fitting) != 1:
            found = " and ".join(p.name for p in fitting) or "nothing"
            raise InputError(
                f"{place}: expected one file of keypoints for {Path(video).name}, named {stem}.*, found {found}",
                "name them by their videos, or give the file itself with --keypoints",
            )
        path = fitting[0]
    return KeypointFile(path, _hash(path))


def check_for_many(place: str | Path, videos: int) -> None:
    """`UsageError` where one file, that can hold only one video's keypoints, is given for several videos."""
    path = Path(place)
    if videos > 1 and path.is_file() and path.suffix.lower() == ".json":
        raise UsageError(
            f"{path}: one file of keypoints for {videos} videos",
            "give a folder that holds <video's name>.json for each, with --keypoints",
        )


def read_detections(file: KeypointFile, video: VideoFrames, options: DetectorOptions) -> Detections:
    """The file's people as detections of the frames that are run.

    People below `options.min_score` and beyond `options.max_people` a frame are left out, the best come first; boxes
    that the file lacks are drawn around the keypoints. `InputError` names the file and what does not fit the video.
    """
    found = read_keypoint_file(file.path, video.name)
    _check_against(file.path, found, video)
    logger.info(
        "%s: %s, %s keypoints of %d people in %d frames",
        file.path,
        found.form,
        found.skeleton.name,
        len(found.frame),
        len(np.unique(found.frame)),
    )
    run = (found.frame >= video.first) & (found.frame < video.first + video.kept) & (found.score >= options.min_score)
    rows = np.flatnonzero(run)
    rows = rows[np.lexsort((-found.score[rows], found.frame[rows]))]
    starts = np.searchsorted(found.frame[rows], found.frame[rows])
    rows = rows[np.arange(len(rows)) - starts < options.max_people]
    points = found.keypoints_px[rows]
    boxes = np.where(np.isfinite(found.box_px[rows]), found.box_px[rows], keypoint_boxes(points, _BOX_PADDING))
    return Detections(
        frame=found.frame[rows] - video.first,
        box_px=boxes.astype(np.float32),
        score=found.score[rows].astype(np.float32),
        keypoints_px=points.astype(np.float32),
        keypoint_score=found.keypoint_score[rows].astype(np.float32),
        skeleton=found.skeleton,
        detector=NAME,
        weights_sha256=file.sha256,
    )


def _check_against(path: Path, found: FileKeypoints, video: VideoFrames) -> None:
    size = (video.width, video.height)
    if found.size_px is not None and found.size_px != size:
        raise InputError(
            f"{path}: keypoints of a video of {found.size_px[0]}x{found.size_px[1]} pixels, "
            f"but {video.name} has {size[0]}x{size[1]}",
            "compute them on this very file",
        )
    if found.frames is not None and found.frames != video.total:
        raise InputError(
            f"{path}: keypoints of {found.frames} frames, but {video.name} has {video.total}",
            "compute them on this very file, one entry for each frame",
        )
    if not len(found.frame):
        return
    first, last = int(found.frame.min()), int(found.frame.max())
    if first < 0 or last >= video.total:
        counted = "; they seem to be counted from 1: subtract 1" if first >= 1 and last == video.total else ""
        raise InputError(
            f"{path}: keypoints of frame {last if first >= 0 else first}, but {video.name} has frames 0 to "
            f"{video.total - 1}{counted}",
            "compute them on this very file",
        )
    points = found.keypoints_px[np.isfinite(found.keypoints_px).all(axis=-1)]
    if np.abs(points).max(initial=0) <= _LARGEST_FRACTION < min(size):
        raise InputError(
            f"{path}: keypoints in parts of the picture's size (none above {np.abs(points).max():.2f}), not in pixels",
            "write them in pixels, such as with OpenPose's --keypoint_scale 0",
        )
    outside = (points < 0).any(axis=1) | (points > size).any(axis=1)
    if outside.mean() > 0.5:
        raise InputError(
            f"{path}: {100 * outside.mean():.0f} % of the keypoints lie outside of the {size[0]}x{size[1]} pixels of "
            f"{video.name} (they reach {points[:, 0].max():.0f}, {points[:, 1].max():.0f})",
            "compute them on this very file, or scale them to its size",
        )


def _hash(path: Path) -> str:
    """SHA-256 over the reader's version and the bytes of the file, or the names and bytes of a folder's files."""
    whole = hashlib.sha256(f"{NAME} {VERSION}".encode())
    try:
        # In a folder the names tell the frames.
        parts = {f" {p.name} ": p for p in sorted(path.glob("*_keypoints.json"))} if path.is_dir() else {" ": path}
        for name, part in parts.items():
            with part.open("rb") as stream:
                whole.update(f"{name}{hashlib.file_digest(stream, 'sha256').hexdigest()}".encode())
    except OSError as error:
        raise InputError(f"{error.filename}: cannot be read ({error.strerror})", "check --keypoints") from None
    return whole.hexdigest()


@register(NAME, "keypoints computed elsewhere (--keypoints): npz of this project or VideoPose3D, JSON of others")
def _create(_device: str, _options: DetectorOptions) -> Detector:
    raise UsageError(
        "detector file reads the keypoints of a video and cannot look at single frames",
        "use it as infer_video.py VIDEO --detector file --keypoints FILE, or choose another detector",
    )
