"""The user's own videos as unlabelled training data: `tracks.npz` of the pipeline, in a dataset's screen coordinates.

Shape letters: R rows, T frames, J keypoints.
"""

from __future__ import annotations

import logging
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from lifting.canonical import regular_times, resample
from lifting.data.cameras import INTRINSICS, to_screen
from lifting.data.sequences import PoseSequence
from lifting.lift import unbroken_segments
from lifting.unseen import fill_unseen_joints
from poses import InputError, Intrinsics, Poses3D, Skeleton, Tracks, VideoInfo
from poses.camera import DEFAULT_FOV_RAD

log = logging.getLogger(__name__)

SHORTEST_S = 0.5
"""Shorter stretches of a track are left out: they are mostly passers-by cut in two, and people who are not there."""


def find_tracks(paths: Sequence[str]) -> list[Path]:
    """The files named, and `tracks.npz` in and below the folders named. `InputError` where there is none."""
    found: list[Path] = []
    for path in map(Path, paths):
        below = sorted(path.rglob("tracks.npz")) if path.is_dir() else [path]
        if not below:
            raise InputError(f"{path}: holds no tracks.npz", "run infer_video.py on the videos first, with -o")
        found += below
    return found


def load_tracks(path: Path, wanted: Skeleton, rate_hz: float) -> list[PoseSequence]:
    """Each person's unbroken stretches of a `tracks.npz`, resampled to `rate_hz`, keypoints in the order of `wanted`.

    The camera is that of `poses3d.npz` beside it, else an assumed angle of view for the picture of `video.npz`. Lens
    distortion is taken out of the keypoints first, so the intrinsics given on have none.

    `InputError` when a joint of `wanted` is not among the tracked ones, or neither file is there.
    """
    tracks = Tracks.load(path)
    missing = [joint for joint in wanted.joints if joint not in tracks.skeleton.joints]
    if missing:
        raise InputError(
            f"{path}: the network takes {wanted.name} keypoints, these are {tracks.skeleton.name} without "
            f"{', '.join(missing)}",
            f"train on {tracks.skeleton.name} keypoints, or track with a detector that gives {wanted.name}",
        )
    intrinsics, times_s = _camera_and_times(path, tracks)
    keypoints = tracks.keypoints_px[:, tracks.skeleton.indices(*wanted.joints)]
    sequences = []
    left_out = 0
    for number, rows in enumerate(unbroken_segments(tracks)):
        at_s = times_s[rows]
        if not len(rows) or at_s[-1] - at_s[0] < SHORTEST_S or not np.isfinite(keypoints[rows]).any():
            left_out += 1
            continue
        straight = undistort_px(fill_unseen_joints(keypoints[rows], wanted), intrinsics)
        regular = resample(straight, at_s, regular_times(at_s, rate_hz))
        screen = to_screen(regular, intrinsics.width, intrinsics.height).astype(np.float32)
        name = f"{path.parent.name} person {int(tracks.person_id[rows[0]])}"
        sequences.append(PoseSequence(name, str(number), 0, screen, None, None, screen_intrinsics(intrinsics)))
    if left_out:
        log.info("%s: %d stretches shorter than %g s left out", path, left_out, SHORTEST_S)
    return sequences


def undistort_px(points_px: np.ndarray, intrinsics: Intrinsics) -> np.ndarray:
    """Pixels (..., 2) where a lens without distortion would have shown the same points."""
    return intrinsics.rays(points_px) * (intrinsics.fx, intrinsics.fy) + (intrinsics.cx, intrinsics.cy)


def screen_intrinsics(camera: Intrinsics) -> np.ndarray:
    """(9,) float32 intrinsics in screen units, without distortion."""
    vector = np.zeros(INTRINSICS, np.float32)
    vector[:2] = np.array([camera.fx, camera.fy]) * 2 / camera.width
    vector[2:4] = to_screen(np.array([camera.cx, camera.cy]), camera.width, camera.height)
    return vector


def _camera_and_times(path: Path, tracks: Tracks) -> tuple[Intrinsics, np.ndarray]:
    """The camera, and the time of each row (R,)."""
    lifted, video = path.with_name("poses3d.npz"), path.with_name("video.npz")
    if lifted.exists():
        poses = Poses3D.load(lifted)
        if not (np.array_equal(poses.frame, tracks.frame) and np.array_equal(poses.person_id, tracks.person_id)):
            raise InputError(
                f"{lifted}: its rows are not those of {path.name}", "run infer_video.py on the video again"
            )
        return poses.intrinsics, poses.timestamps_s
    if not video.exists():
        raise InputError(
            f"{path}: needs poses3d.npz or video.npz beside it, for the camera and the times",
            "copy the whole folder that infer_video.py wrote",
        )
    info = VideoInfo.load(video)
    if len(tracks) and tracks.frame.max() >= len(info):
        raise InputError(f"{video}: has {len(info)} frames, {path.name} goes to frame {tracks.frame.max()}")
    camera = Intrinsics.from_fov(DEFAULT_FOV_RAD, info.width, info.height)
    log.info("%s: no poses3d.npz beside it, assuming a 60 degree angle of view", path)
    return camera, info.timestamps_s[tracks.frame]
