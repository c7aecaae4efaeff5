"""The stages from a video to results: plain functions, each of which reads the artifacts before it and writes its own.

| stage        | reads                              | writes                         |
|--------------|------------------------------------|--------------------------------|
| decode       | the video                          | `video.npz`                    |
| detect       | the video (in one pass with decode), or a file of keypoints and `video.npz` | `detections.npz` |
| track        | `video.npz`, `detections.npz`      | `tracks.npz`                   |
| lift, ground | `video.npz`, `tracks.npz`          | `poses3d.npz`                  |
| render       | the video and all of these         | `<name>.mp4`, `.<name>.mp4.key` (or another format) |
| export       | `tracks.npz`, `poses3d.npz`        | see `pipeline.export_stage`    |
"""

from __future__ import annotations

import dataclasses
import json
import math
from collections.abc import Iterator
from pathlib import Path

import numpy as np

from detectors.base import Detector, DetectorOptions
from detectors.from_file import KeypointFile, VideoFrames, read_detections
from detectors.tracking import TrackingOptions, track
from lifting.ground import ground
from lifting.lift import LiftOptions, lift
from lifting.lifter import Lifter
from pipeline.config import CameraOptions, DecodeOptions
from pipeline.decode import VideoReader, scan_video
from pipeline.detect_stage import ChunkStore, detect_video
from pipeline.place import Place
from pipeline.progress import Progress
from poses import Detections, Intrinsics, Poses3D, Tracks, VideoInfo
from poses.archive import write_atomically
from poses.camera import DEFAULT_FOV_RAD
from render import RenderOptions, render_video


def decode_video(place: Place, source_sha256: str, options: DecodeOptions, key: str) -> int:
    """Write `video.npz` without detecting anything; returns the number of frames."""
    info = scan_video(place.source, options.start_s, options.end_s, source_sha256)
    info.save(place.video, key)
    return len(info)


def detect_people(
    place: Place,
    source_sha256: str,
    options: DecodeOptions,
    detector: Detector,
    batch_frames: int,
    keys: tuple[str, str],
    progress: Progress,
) -> int:
    """Write `video.npz` and `detections.npz` in one pass, going on from a killed run's chunks; returns the frames.

    `keys` are those of the two artifacts.
    """
    video_key, detections_key = keys
    store = ChunkStore(place.detection_chunks, detections_key)
    with (
        VideoReader(place.source, options.start_s, options.end_s, source_sha256=source_sha256) as reader,
        progress.step(place.name, "detect", reader.estimated_frames) as step,
    ):
        info, detections = detect_video(reader, detector, store, batch_frames, step)
    info.save(place.video, video_key)
    detections.save(place.detections, detections_key)
    store.remove()
    return len(info)


def read_keypoints(place: Place, file: KeypointFile, decode: DecodeOptions, options: DetectorOptions, key: str) -> int:
    """Write `detections.npz` from keypoints computed elsewhere; returns the frames.

    The file's frames are those of the whole video; of a part of it (`decode`) its own are taken.
    """
    info = VideoInfo.load(place.video)
    whole = info
    if decode != DecodeOptions():
        whole = scan_video(place.source, source_sha256=info.source_sha256)
    frames = VideoFrames(
        name=place.source.name,
        width=info.width,
        height=info.height,
        total=len(whole),
        first=int(np.abs(whole.timestamps_s - info.timestamps_s[0]).argmin()),
        kept=len(info),
    )
    read_detections(file, frames, options).save(place.detections, key)
    # An earlier run with a detector may have been killed half way.
    ChunkStore(place.detection_chunks, key).remove()
    return len(info)


def track_people(place: Place, options: TrackingOptions, people: int | str, key: str) -> int:
    """Write `tracks.npz`: identities over time, and of these `people` (a number, or `all`); returns the frames."""
    info = VideoInfo.load(place.video)
    tracks = track(Detections.load(place.detections), info.timestamps_s, options)
    if isinstance(people, int):
        tracks = keep_people(tracks, people)
    tracks.save(place.tracks, key)
    return len(info)


def keep_people(tracks: Tracks, count: int) -> Tracks:
    """The `count` people seen longest, who have the lowest numbers."""
    rows = np.isin(tracks.person_id, tracks.people()[:count])
    arrays = {
        name: getattr(tracks, name)[rows]
        for name in ("person_id", "frame", "keypoints_px", "keypoint_score", "observed", "swapped")
    }
    return dataclasses.replace(tracks, **arrays)


def choose_intrinsics(options: CameraOptions, info: VideoInfo) -> tuple[Intrinsics, str]:
    """The camera and where it comes from: `file`, `fov` or `assumed`."""
    if options.file is not None:
        return Intrinsics.from_file(options.file, info.width, info.height), "file"
    if options.fov_deg is not None:
        return Intrinsics.from_fov(math.radians(options.fov_deg), info.width, info.height), "fov"
    return Intrinsics.from_fov(DEFAULT_FOV_RAD, info.width, info.height), "assumed"


def lift_people(
    place: Place,
    options: LiftOptions,
    camera: tuple[Intrinsics, str],
    angles_deg: tuple[float | None, float | None],
    lifter: Lifter,
    key: str,
) -> int:
    """Write `poses3d.npz`: people in 3D, with the world's axes; returns the frames.

    Parameters
    ----------
    camera : intrinsics and where they come from.
    angles_deg : the camera's pitch and roll, None where not given.
    """
    info = VideoInfo.load(place.video)
    roll_rad = math.radians(angles_deg[1] or 0.0)
    poses = lift(Tracks.load(place.tracks), info.timestamps_s, *camera, lifter, options, roll_rad)
    _ground(poses, angles_deg).save(place.poses, key)
    return len(info)


def ground_people(place: Place, angles_deg: tuple[float | None, float | None], key: str) -> int:
    """Find the world's axes of a `poses3d.npz` anew, without lifting; returns the number of frames."""
    poses = Poses3D.load(place.poses)
    _ground(poses, angles_deg).save(place.poses, key)
    return len(VideoInfo.load(place.video))


def _ground(poses: Poses3D, angles_deg: tuple[float | None, float | None]) -> Poses3D:
    pitch, roll = (None if angle is None else math.radians(angle) for angle in angles_deg)
    return ground(poses, pitch_rad=pitch, roll_rad=roll)


def render_movie(place: Place, decode: DecodeOptions, options: RenderOptions, key: str, progress: Progress) -> int:
    """Write the movie and, after it, the file with its key; returns the frames. Streams the video a second time."""
    info = VideoInfo.load(place.video)
    tracks, poses = Tracks.load(place.tracks), Poses3D.load(place.poses)
    place.movie_key.unlink(missing_ok=True)
    with (
        VideoReader(place.source, decode.start_s, decode.end_s) as reader,
        progress.step(place.name, "render", len(info)) as step,
    ):
        images: Iterator[np.ndarray] | None = None
        if options.layout != "scene":
            images = (frame.image for frame in reader)
        render_video(
            images,
            info.timestamps_s,
            tracks,
            poses,
            place.movie,
            options,
            on_frame=step.advance,
            sound_of=place.source,
        )
    mark = json.dumps({"bytes": _size_bytes(place.movie), "key": key}) + "\n"
    write_atomically(place.movie_key, lambda stream: stream.write(mark.encode()))
    return len(info)


def movie_key(place: Place) -> str | None:
    """The cache key of the movie, or None where there is no movie or another one than was rendered."""
    try:
        mark = json.loads(place.movie_key.read_text(encoding="utf-8"))
        return str(mark["key"]) if mark["bytes"] == _size_bytes(place.movie) else None
    except (OSError, ValueError, KeyError, TypeError):
        return None


def _size_bytes(movie: Path) -> int:
    """Of the file, or of all files of a folder of pictures."""
    if not movie.is_dir():
        return movie.stat().st_size
    return sum(path.stat().st_size for path in movie.iterdir())
