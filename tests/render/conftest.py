"""Bodies, cameras and artifacts made by hand for the tests of this room."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import pytest

from poses import COCO17, H36M17, Intrinsics, Poses3D, Tracks

STANDING = {
    "hip": (0.0, 0.0, 0.93),
    "right_hip": (-0.13, 0.0, 0.93),
    "right_knee": (-0.14, -0.02, 0.50),
    "right_ankle": (-0.15, 0.0, 0.08),
    "left_hip": (0.13, 0.0, 0.93),
    "left_knee": (0.14, -0.02, 0.50),
    "left_ankle": (0.15, 0.0, 0.08),
    "spine": (0.0, 0.0, 1.16),
    "thorax": (0.0, 0.0, 1.42),
    "neck": (0.0, -0.05, 1.54),
    "head": (0.0, 0.0, 1.66),
    "left_shoulder": (0.17, 0.0, 1.42),
    "left_elbow": (0.42, 0.0, 1.36),
    "left_wrist": (0.66, 0.0, 1.30),
    "right_shoulder": (-0.17, 0.0, 1.42),
    "right_elbow": (-0.42, 0.0, 1.36),
    "right_wrist": (-0.66, 0.0, 1.30),
}
"""A person with arms held out, metres, z up, who looks along -y: at a camera that looks along +y."""

FACE = {
    "nose": (0.0, -0.12, 1.56),
    "left_eye": (0.03, -0.09, 1.60),
    "right_eye": (-0.03, -0.09, 1.60),
    "left_ear": (0.075, 0.0, 1.58),
    "right_ear": (-0.075, 0.0, 1.58),
}


@dataclass(frozen=True)
class Staged:
    """A scene and what it was made of."""

    timestamps_s: np.ndarray
    tracks: Tracks
    poses: Poses3D
    intrinsics: Intrinsics


def stage(
    places_m: np.ndarray,
    size: tuple[int, int] = (160, 90),
    fps: float = 30.0,
    camera_m: tuple[float, float, float] = (0.0, 0.0, 1.5),
    pitch_rad: float = 0.0,
) -> Staged:
    """People standing at `places_m` (people, frames, 3) in the world, seen by a camera that looks along +y."""
    people, frames = places_m.shape[:2]
    intrinsics = Intrinsics.from_fov(math.radians(60), *size)
    sine, cosine = math.sin(pitch_rad), math.cos(pitch_rad)
    world_from_camera = np.eye(4)
    world_from_camera[:3, :3] = np.array([[1, 0, 0], [0, -sine, cosine], [0, -cosine, -sine]])
    world_from_camera[:3, 3] = camera_m
    body = np.array([STANDING[name] for name in H36M17.joints])
    both = {**STANDING, **FACE}
    keypoints = np.array([both[name] for name in COCO17.joints])

    places = places_m.reshape(-1, 1, 3)
    in_camera = (places + body - camera_m) @ world_from_camera[:3, :3]
    keypoints_px = intrinsics.project((places + keypoints - camera_m) @ world_from_camera[:3, :3])
    person = np.repeat(np.arange(people), frames)
    frame = np.tile(np.arange(frames), people)
    rows, timestamps_s = len(person), np.arange(frames) / fps
    seen = np.ones((rows, 17), bool)
    tracks = Tracks(
        person_id=person,
        frame=frame,
        keypoints_px=keypoints_px.reshape(rows, 17, 2).astype(np.float32),
        keypoint_score=seen.astype(np.float32),
        observed=seen,
        swapped=~seen,
        skeleton=COCO17,
    )
    poses = Poses3D.of_joints(
        in_camera.reshape(rows, 17, 3), person, frame, timestamps_s[frame], intrinsics, world_from_camera
    )
    return Staged(timestamps_s, tracks, poses, intrinsics)


@pytest.fixture
def staged() -> Callable[..., Staged]:
    """The function `stage`."""
    return stage
