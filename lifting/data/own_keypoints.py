"""2D keypoints of Human3.6M's videos from this project's own pipeline, as an archive of the published form.

The pipeline is run over the dataset's videos; its folders stand as the videos do, `<folder>/S1/Directions 1.54138969/`,
each with `tracks.npz` or `detections.npz`.

Shape letters: T frames, J keypoints.
"""

from __future__ import annotations

import logging
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from lifting.data.datasets import H36M
from lifting.data.project_truth import layout_of
from lifting.data.reference_npz import KeypointLayout, Positions2D
from poses import Detections, InputError, Skeleton, Tracks, VideoInfo
from poses.keypoint_archive import fill_frames

log = logging.getLogger(__name__)


def keypoints_of_tracks(tracks: Tracks, frames: int) -> np.ndarray:
    """(T, J, 2) float32 keypoints of person 0, the one seen longest; frames without are bridged by straight lines."""
    rows = tracks.rows_of(0)
    return fill_frames(tracks.frame[rows], tracks.keypoints_px[rows], frames)


def keypoints_of_detections(detections: Detections, frames: int) -> np.ndarray:
    """(T, J, 2) float32 keypoints of the best-scored person of each frame; frames without are bridged likewise."""
    order = np.lexsort((-detections.score, detections.frame))
    first = np.unique(detections.frame[order], return_index=True)[1]
    best = order[first]
    return fill_frames(detections.frame[best], detections.keypoints_px[best], frames)


def from_pipeline(folder: Path, subjects: Sequence[str]) -> tuple[Positions2D, KeypointLayout]:
    """Read what the pipeline left for the videos of some subjects of Human3.6M.

    `InputError` names a folder without artifacts, a video whose camera is unknown, and an action without all cameras.
    """
    positions: Positions2D = {}
    skeleton: Skeleton | None = None
    for subject in subjects:
        names = [camera.name for camera in H36M.cameras(subject)]
        views: dict[str, dict[int, np.ndarray]] = {}
        for video in sorted(path for path in (folder / subject).glob("*") if path.is_dir()):
            action, _, camera = video.name.rpartition(".")
            if action.startswith("_ALL"):
                continue
            if camera not in names:
                raise InputError(f"{video}: expected a folder named <action>.<one of {', '.join(names)}>")
            keypoints, found = _read(video)
            if skeleton is not None and found != skeleton:
                raise InputError(f"{video}: its keypoints are {found.name}, those before it {skeleton.name}")
            skeleton = found
            action = action.replace("TakingPhoto", "Photo").replace("WalkingDog", "WalkDog")
            views.setdefault(action, {})[names.index(camera)] = keypoints
        for action, seen in views.items():
            if len(seen) != len(names):
                missing = [name for index, name in enumerate(names) if index not in seen]
                raise InputError(f"{folder / subject}: {action} lacks camera {', '.join(missing)}")
        if not views:
            raise InputError(
                f"{folder / subject}: holds no folder of a video", "run the pipeline over the videos first"
            )
        positions[subject] = {action: [seen[i] for i in range(len(names))] for action, seen in views.items()}
    if skeleton is None:
        raise InputError(f"{folder}: no subject was asked for", "name some with --subjects")
    return positions, layout_of(skeleton.name.removesuffix("17"), skeleton.mirror, skeleton.sides)


def _read(video: Path) -> tuple[np.ndarray, Skeleton]:
    """(T, J, 2) keypoints of one video's folder, from its tracks or else its detections."""
    frames = len(VideoInfo.load(video / "video.npz")) if (video / "video.npz").exists() else 0
    try:
        if (video / "tracks.npz").exists():
            tracks = Tracks.load(video / "tracks.npz")
            return keypoints_of_tracks(tracks, frames or int(tracks.frame.max(initial=-1)) + 1), tracks.skeleton
        if (video / "detections.npz").exists():
            people = Detections.load(video / "detections.npz")
            return keypoints_of_detections(people, frames or int(people.frame.max(initial=-1)) + 1), people.skeleton
    except ValueError as error:
        raise InputError(f"{video}: {error}", "detect again with a lower threshold, or leave the video out") from None
    raise InputError(f"{video}: holds neither tracks.npz nor detections.npz", "run the pipeline over the video first")
