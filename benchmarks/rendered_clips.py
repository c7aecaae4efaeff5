"""Drawn clips of one person each, moving as in held-out motion capture, and what detector and MediaPipe say of them.

Everything is kept in a folder: the video, the truth, the detections and MediaPipe's landmarks of each clip. What is
there already is not made again; delete the folder, or files of it, to draw or detect anew.

Shape letters: F frames.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar

import numpy as np

from benchmarks.real_clips import world_landmarks
from detectors import Detector, DetectorOptions, create_detector
from detectors.base import detections_of_frames
from detectors.error_samples import facing
from detectors.movie import MovieWriter
from detectors.synthetic import ClipOptions, Motion, Scene, load_archives
from lifting.data.mocap import RATE_HZ, Clips, is_held_out
from lifting.data.procedural import make_archive
from pipeline.decode import VideoReader
from poses import H36M17, Detections, InputError, Intrinsics
from poses.artifacts import Artifact, artifact_key

logger = logging.getLogger(__name__)

HELD_OUT_SHARE = 0.08
FPS = 25.0
SIZES = ((480, 360), (360, 480))
SHORTEST_FRAMES = 40
HEIGHTS_PX = (150.0, 300.0)
PROCEDURAL_SEED = 20_260
"""Another one than training's, so that every clip is new."""
_PROCEDURAL_HOURS = 0.1
_STATURE_M = 1.7
_LEAST_INSIDE = 0.95
_SEED = 5_000_000
_TRIALS = 60
_BATCH = 8
_VERSION = 1


@dataclass(frozen=True)
class RenderedClip(Artifact):
    """The truth of one drawn clip.

    Attributes
    ----------
    name : of the motion. group : `recorded` or `procedural`.
    times_s : (F,). camera : of the pictures.
    joints_m : (F, 17, 3) joints of `H36M17` in the camera's axes; `keypoints_px` : (F, 17, 2) those of COCO.
    facing : (F,) cosine between the trunk's front and the direction to the camera.
    height_px : how tall a person of 1.7 m is at the mean distance.
    """

    kind: ClassVar[str] = "rendered_clip"

    name: str
    group: str
    times_s: np.ndarray
    camera: Intrinsics
    joints_m: np.ndarray
    keypoints_px: np.ndarray
    facing: np.ndarray
    height_px: float


@dataclass(frozen=True)
class Look:
    """One clip, the detector's people in it, and MediaPipe's: (F, 33, 3) metres and (F, 33, 2) pixels."""

    clip: RenderedClip
    detections: Detections
    landmarks_m: np.ndarray
    landmarks_px: np.ndarray


def look_at_clips(folder: Path, archives: Sequence[Path], clips: int, frames: int, detector: str) -> list[Look]:
    """`clips` clips of at most `frames` frames, every second one of procedural motion, with what is seen in them.

    `InputError` where the archives hold too few held-out clips of `SHORTEST_FRAMES`.
    """
    folder.mkdir(parents=True, exist_ok=True)
    motions: dict[str, list[Motion]] = {}
    seeing: list[Detector] = []

    def motion_of(number: int) -> tuple[str, Motion]:
        if not motions:
            motions["recorded"] = recorded_motions(archives)
            motions["procedural"] = procedural_motions()
        group = ("recorded", "procedural")[number % 2]
        if number // 2 >= len(motions[group]):
            raise InputError(
                f"{len(motions[group])} {group} clips, {number // 2 + 1} are needed", "ask for fewer with --clips"
            )
        return group, motions[group][number // 2]

    def detect(video: Path) -> Detections:
        if not seeing:
            seeing.append(create_detector(detector, "cpu", DetectorOptions()))
        return detect_in(video, seeing[0])

    try:
        return [_look(folder, number, frames, detector, motion_of, detect) for number in range(clips)]
    finally:
        for one in seeing:
            one.close()


def recorded_motions(archives: Sequence[Path]) -> list[Motion]:
    """Held-out clips of archives (files or folders of them), in an order that takes one of each archive in turn."""
    held_out = [motion for motion in load_archives(archives) if is_held_out(motion.name, HELD_OUT_SHARE)]
    return in_turn(held_out, lambda motion: motion.name.split("/")[0])


def procedural_motions() -> list[Motion]:
    """Clips that no training has seen, one of each action in turn."""
    clips = make_archive(PROCEDURAL_SEED, _PROCEDURAL_HOURS)
    return in_turn(_motions(clips), lambda motion: motion.name.split("/")[1].rsplit("_", 1)[0])


def _motions(clips: Clips) -> list[Motion]:
    body = len(H36M17)
    every = [clips.clip(index) for index in range(len(clips))]
    return [
        Motion(joints[:, :body], RATE_HZ, joints[:, body:], name)
        for joints, name in zip(every, clips.names, strict=True)
    ]


def in_turn(motions: Sequence[Motion], kind: Callable[[Motion], str]) -> list[Motion]:
    """Those that are long enough, one of each kind after the other, in an order that is the same at every call."""
    rng = np.random.default_rng(_SEED)
    kinds: dict[str, list[Motion]] = {}
    for motion in sorted(motions, key=lambda m: m.name):
        if motion.duration_s * FPS + 1 >= SHORTEST_FRAMES:
            kinds.setdefault(kind(motion), []).append(motion)
    queues = [[kinds[name][i] for i in rng.permutation(len(kinds[name]))] for name in sorted(kinds)]
    queues = [queues[i] for i in rng.permutation(len(queues))]
    longest = max(map(len, queues), default=0)
    return [queue[turn] for turn in range(longest) for queue in queues if turn < len(queue)]


def draw_scene(number: int, motion: Motion, frames: int) -> Scene:
    """The motion before a random camera, the person `HEIGHTS_PX` tall and nearly all of it in the picture.

    The first of `_TRIALS` scenes that is so, else the one with most of the person in the picture.
    """
    width, height = SIZES[number // 2 % len(SIZES)]
    # A motion is never played beyond its end.
    options = ClipOptions(width, height, min(frames, int(motion.duration_s * FPS) + 1), FPS, people=1, occluders=0)
    best: tuple[float, Scene] | None = None
    for trial in range(_TRIALS):
        scene = Scene.random(_SEED + _TRIALS * number + trial, [motion], options)
        points = scene.keypoints_h36m_px[:, 0]
        inside = float(((points > 0) & (points < (width, height))).all(axis=-1).mean())
        fits = HEIGHTS_PX[0] <= _height_px(scene) <= HEIGHTS_PX[1]
        if fits and inside >= _LEAST_INSIDE:
            return scene
        if best is None or fits + inside > best[0]:
            best = (fits + inside, scene)
    assert best is not None
    return best[1]


def _height_px(scene: Scene) -> float:
    return float(scene.camera.fy * _STATURE_M / scene.positions_m[:, 0, 0, 2].mean())


def detect_in(video: Path, detector: Detector) -> Detections:
    """Everybody whom the detector finds."""
    with VideoReader(video) as reader:
        frames = list(reader)
    found = []
    for first in range(0, len(frames), _BATCH):
        part = frames[first : first + _BATCH]
        found += list(zip((f.index for f in part), detector.detect([f.image for f in part]), strict=True))
    return detections_of_frames(found, detector)


def _look(
    folder: Path,
    number: int,
    frames: int,
    detector: str,
    motion_of: Callable[[int], tuple[str, Motion]],
    detect: Callable[[Path], Detections],
) -> Look:
    name = f"clip_{number:03d}"
    video, truth = folder / f"{name}.mp4", folder / f"{name}.truth.npz"
    detected, landmarks = folder / f"{name}.{detector}.npz", folder / f"{name}.mediapipe.npz"
    key = f"{_VERSION} {number} {frames} {FPS:g} {_SEED}"
    if artifact_key(truth) != key or not video.is_file():
        for stale in (truth, detected, landmarks):
            stale.unlink(missing_ok=True)
        group, motion = motion_of(number)
        scene = draw_scene(number, motion, frames)
        with MovieWriter(video, scene.options.width, scene.options.height) as writer:
            for frame, time_s in enumerate(scene.timestamps_s.tolist()):
                writer.write(scene.draw(frame)[0], time_s)
        body_m = scene.positions_m[:, 0]
        RenderedClip(
            name=motion.name,
            group=group,
            times_s=scene.timestamps_s,
            camera=scene.camera,
            joints_m=body_m,
            keypoints_px=scene.keypoints_coco_px[:, 0],
            facing=facing(body_m),
            height_px=_height_px(scene),
        ).save(truth, key)
        logger.info("%s: %s, %d frames", name, motion.name, len(body_m))
    if artifact_key(detected) != key:
        detect(video).save(detected, key)
    clip = RenderedClip.load(truth)
    return Look(clip, Detections.load(detected), *world_landmarks(video, landmarks))
