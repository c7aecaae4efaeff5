"""A detector and the tracker on drawn people, paired with the exact truth: what error statistics are made of.

Shape letters: T frames, J = 17 keypoints of COCO.
"""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields
from typing import Any

import numpy as np

from detectors.base import Detector, FrameDetections, detections_of_frames
from detectors.oks import pairwise_oks
from detectors.synthetic import ClipOptions, Motion, Scene
from detectors.tracking import TrackingOptions, track
from poses import COCO17, H36M17, Detections, Tracks

logger = logging.getLogger(__name__)

SIZES = ((320, 240), (240, 320), (480, 360), (640, 480))
CUT_SHARE = 0.3
"""Share of clips of which a part of the picture is cut off, so that joints lie outside."""
FPS = (25.0, 30.0)
_BATCH = 16
_SAME_PERSON = 0.25
"""Least mean OKS of a track and a person, left and right exchanged or not."""
_STATURE = (("left_ankle", "left_knee"), ("left_knee", "left_hip"), ("hip", "spine"), ("spine", "thorax"),
            ("thorax", "neck"), ("neck", "head"))  # fmt: skip
_SOLE_M = 0.09


@dataclass(frozen=True)
class Sample:
    """One person of one clip: what is true, what the detector gave, what the tracker made of it. NaN where nothing.

    Attributes
    ----------
    truth_px, detected_px, tracked_px : (T, J, 2) pixels of the picture.
    detected_score : (T, J), as the detector gave it.
    observed, swapped : (T, J) bool of the track: neither filled in nor taken out; left and right exchanged back.
    outside, visible : (T, J) bool: beyond the picture's edge; in the picture and hidden by nothing.
    depth_m : (T, J) along the optical axis.
    facing : (T,) cosine between the trunk's front and the direction to the camera; 1 front view, -1 back view.
    height_px : apparent standing height at the mean distance.
    fps : frames a second.
    """

    truth_px: np.ndarray
    detected_px: np.ndarray
    detected_score: np.ndarray
    tracked_px: np.ndarray
    observed: np.ndarray
    swapped: np.ndarray
    outside: np.ndarray
    visible: np.ndarray
    depth_m: np.ndarray
    facing: np.ndarray
    height_px: float
    fps: float

    @property
    def error(self) -> np.ndarray:
        """(T, J, 2) of the track, in apparent heights."""
        return (self.tracked_px - self.truth_px) / self.height_px


_ONE_EACH = ("height_px", "fps")


def pack(samples: Sequence[Sample]) -> dict[str, np.ndarray]:
    """Arrays of all samples one after the other, for one archive; `unpack` undoes it."""
    packed = {"length": np.array([len(s.facing) for s in samples], np.int64)}
    for item in fields(Sample):
        values = [getattr(s, item.name) for s in samples]
        packed[item.name] = np.concatenate(values) if values and item.name not in _ONE_EACH else np.array(values)
    return packed


def unpack(packed: Mapping[str, np.ndarray]) -> list[Sample]:
    """Samples from `pack`'s arrays."""
    ends = np.cumsum(packed["length"]).tolist()
    samples = []
    for number, (length, end) in enumerate(zip(packed["length"].tolist(), ends, strict=True)):
        values: dict[str, Any] = {
            item.name: float(packed[item.name][number])
            if item.name in _ONE_EACH
            else packed[item.name][end - length : end]
            for item in fields(Sample)
        }
        samples.append(Sample(**values))
    return samples


Motions = Mapping[str, Sequence[Motion] | None]
"""Groups of motions by name, None for built-in ones; every group has the same share of the clips."""


def collect(detector: Detector, motions: Motions, clips: int, frames: int, seed: int) -> list[Sample]:
    """Draw `clips` clips of `frames` frames, of seeds from `seed` on, and look at them."""
    samples = []
    for number in range(clips):
        found = _clip(detector, motions, frames, seed + number)
        logger.info("clip %d of %d: %d people followed", number + 1, clips, len(found))
        samples += found
    return samples


def _clip(detector: Detector, motions: Motions, frames: int, seed: int) -> list[Sample]:
    rng = np.random.default_rng((seed, 17))
    group = motions[str(rng.choice(sorted(motions)))]
    width, height = SIZES[rng.integers(len(SIZES))]
    people = 2 if rng.random() < 0.25 else 1
    options = ClipOptions(width, height, frames, float(rng.choice(FPS)), people, int(rng.random() < 0.3))
    chosen = None if group is None else [group[rng.integers(len(group))] for _ in range(people)]
    scene = Scene.random(seed, chosen, options)
    window = _window(rng, scene)
    detected: list[FrameDetections] = []
    visible = np.zeros((frames, people, len(COCO17)), bool)
    for first in range(0, frames, _BATCH):
        images = []
        for frame in range(first, min(first + _BATCH, frames)):
            image, truth = scene.draw(frame)
            visible[frame] = truth.visible_coco
            images.append(np.ascontiguousarray(image[window[1] : window[3], window[0] : window[2]]))
        detected += detector.detect(images)
    detections = detections_of_frames(list(enumerate(detected)), detector)
    tracks = track(detections, scene.timestamps_s, TrackingOptions())
    truth_px = scene.keypoints_coco_px - np.array(window[:2])
    inside = ((truth_px >= 0) & (truth_px < (window[2] - window[0], window[3] - window[1]))).all(axis=-1)
    return [
        sample
        for person in range(people)
        if (sample := _sample(scene, person, truth_px, inside, visible, detections, tracks)) is not None
    ]


def _window(rng: np.random.Generator, scene: Scene) -> tuple[int, int, int, int]:
    """x1, y1, x2, y2 of the part of the picture that is kept: all of it, or without a part of the people."""
    width, height = scene.options.width, scene.options.height
    if rng.random() >= CUT_SHARE:
        return 0, 0, width, height
    points = scene.keypoints_coco_px.reshape(-1, 2)
    points = points[np.isfinite(points).all(axis=-1)]
    low, high = np.percentile(points, [2, 98], axis=0)
    part = rng.uniform(0.05, 0.45)
    edge = rng.choice(["bottom", "bottom", "left", "right", "top"])
    x1, y1, x2, y2 = 0, 0, width, height
    if edge == "bottom":
        y2 = int(high[1] - part * (high[1] - low[1]))
    elif edge == "top":
        y1 = int(low[1] + 0.5 * part * (high[1] - low[1]))
    elif edge == "left":
        x1 = int(low[0] + part * (high[0] - low[0]))
    else:
        x2 = int(high[0] - part * (high[0] - low[0]))
    x1, y1, x2, y2 = max(0, x1), max(0, y1), min(width, x2), min(height, y2)
    return (x1, y1, x2, y2) if x2 - x1 >= 64 and y2 - y1 >= 64 else (0, 0, width, height)


def _likeness(points_px: np.ndarray, truth_px: np.ndarray) -> np.ndarray:
    """(N, 17, 2) and (17, 2) -> (N,) OKS with wide tolerance, of the better of both labellings of left and right."""
    truth = np.stack([truth_px, truth_px[COCO17.mirror]])
    return pairwise_oks(points_px, truth, tolerance=3.0).max(axis=1)


def _sample(
    scene: Scene,
    person: int,
    truth_px: np.ndarray,
    inside: np.ndarray,
    visible: np.ndarray,
    detections: Detections,
    tracks: Tracks,
) -> Sample | None:
    frames, joints = scene.options.frames, len(COCO17)
    own = truth_px[:, person]
    best, best_sum = None, 0.0
    for candidate in tracks.people():
        rows = tracks.rows_of(candidate)
        likeness = np.array([_likeness(tracks.keypoints_px[r][None], own[tracks.frame[r]])[0] for r in rows])
        rivals = [
            np.array([_likeness(tracks.keypoints_px[r][None], truth_px[tracks.frame[r], p])[0] for r in rows]).sum()
            for p in range(truth_px.shape[1])
            if p != person
        ]
        if likeness.mean() > _SAME_PERSON and likeness.sum() > max([best_sum, *rivals]):
            best, best_sum = rows, float(likeness.sum())
    if best is None:
        return None
    tracked, detected = np.full((2, frames, joints, 2), np.nan)
    score = np.full((frames, joints), np.nan)
    observed, swapped = np.zeros((2, frames, joints), bool)
    at = tracks.frame[best]
    tracked[at], observed[at], swapped[at] = tracks.keypoints_px[best], tracks.observed[best], tracks.swapped[best]
    for frame in range(frames):
        rows = np.flatnonzero(detections.frame == frame)
        if len(rows):
            likeness = _likeness(detections.keypoints_px[rows], own[frame])
            if likeness.max() > _SAME_PERSON:
                row = rows[likeness.argmax()]
                detected[frame], score[frame] = detections.keypoints_px[row], detections.keypoint_score[row]
    body = scene.positions_m[:, person]
    depth_m = scene.coco_positions_m[:, person, :, 2]
    stature_m = _SOLE_M + sum(
        float(np.median(np.linalg.norm(body[:, H36M17.index(a)] - body[:, H36M17.index(b)], axis=-1)))
        for a, b in _STATURE
    )
    return Sample(
        truth_px=own,
        detected_px=detected,
        detected_score=score,
        tracked_px=tracked,
        observed=observed,
        swapped=swapped,
        outside=~inside[:, person],
        visible=visible[:, person] & inside[:, person],
        depth_m=depth_m,
        facing=facing(body),
        height_px=float(scene.camera.fy * stature_m / body[:, 0, 2].mean()),
        fps=scene.options.fps,
    )


def facing(body_m: np.ndarray) -> np.ndarray:
    """(T,) cosine between the trunk's front and the direction to the camera, from (T, 17, 3) Human3.6M joints there."""
    joint = {name: body_m[:, index] for index, name in enumerate(H36M17.joints)}
    left = joint["left_shoulder"] - joint["right_shoulder"] + joint["left_hip"] - joint["right_hip"]
    front = np.cross(left, joint["thorax"] - joint["hip"])
    view = -0.5 * (joint["thorax"] + joint["hip"])
    scale = np.linalg.norm(front, axis=-1) * np.linalg.norm(view, axis=-1)
    return (front * view).sum(axis=-1) / np.maximum(scale, 1e-9)
