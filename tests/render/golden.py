"""Known pictures: a scene made by hand, the pictures that are drawn of it, and how far two pictures differ.

The expected pictures are in tests/data/golden/, written by `python -m tests.render.make_golden` and looked at before
they are kept.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from pathlib import Path

import cv2
import numpy as np

from poses import H36M17, Intrinsics, Poses3D, Tracks
from render.options import RenderOptions
from render.picture import Picture
from render.style import Theme
from tests.render.moving_bodies import walking

FOLDER = Path(__file__).parents[1] / "data" / "golden"
SOURCE = (320, 240)
FRAMES, FPS = 40, 20.0
FRAME = 32  # with more than a second of trail behind it

BLOCK_PX = 4
TOLERANCE = 24.0
"""Largest difference of the means over 4 x 4 pixels, in levels of 255, that rounding may make.

Elsewhere a line may be rounded to the next 1/16 pixel, a colour to the next level, and an edge may be smoothed by
another rule: single pixels change much, their blocks little (by less than 15). What a person would see changes whole
blocks: a limb that is shifted by three pixels changes them by 55 to 180.
"""


@dataclass(frozen=True)
class Known:
    """A scene: two people walk past each other before a camera that stands still; one wrist is filled in."""

    tracks: Tracks
    poses: Poses3D
    timestamps_s: np.ndarray
    intrinsics: Intrinsics


def known_scene() -> Known:
    """Person 0 walks to the right and person 1, farther away, to the left; 40 frames at 20 Hz."""
    intrinsics = Intrinsics.from_fov(math.radians(60), *SOURCE)
    world_from_camera = np.array([[1, 0, 0, 0], [0, 0, 1, -3.4], [0, -1, 0, 1.3], [0, 0, 0, 1.0]])
    first = walking(FRAMES, FPS, heading_rad=math.pi / 2) + np.array([-1.2, 0.0, 0.0])
    second = walking(FRAMES, FPS, heading_rad=-math.pi / 2) + np.array([1.3, 1.2, 0.0])
    world_m = np.concatenate([first, second])
    camera_m = (world_m - world_from_camera[:3, 3]) @ world_from_camera[:3, :3]
    person, frame = np.repeat([0, 1], FRAMES), np.tile(np.arange(FRAMES), 2)
    timestamps_s = np.arange(FRAMES) / FPS
    observed = np.ones((2 * FRAMES, len(H36M17)), bool)
    observed[person == 1, H36M17.index("left_wrist")] = False
    tracks = Tracks(
        person_id=person,
        frame=frame,
        keypoints_px=intrinsics.project(camera_m).astype(np.float32),
        keypoint_score=observed.astype(np.float32),
        observed=observed,
        swapped=np.zeros_like(observed),
        skeleton=H36M17,
    )
    poses = Poses3D.of_joints(camera_m, person, frame, timestamps_s[frame], intrinsics, world_from_camera)
    return Known(tracks, poses, timestamps_s, intrinsics)


def source_picture() -> np.ndarray:
    """(240, 320, 3) sky, wall and ground."""
    image = np.empty((SOURCE[1], SOURCE[0], 3), np.uint8)
    image[:90] = (205, 180, 150)
    image[90:170] = (140, 150, 160)
    image[170:] = (90, 125, 105)
    return image


PICTURES = {
    "default": RenderOptions(width_px=640),
    "light": RenderOptions(width_px=640, theme="light"),
    "scene": RenderOptions(width_px=480, layout="scene"),
}
"""The options of the expected pictures, by name."""


def picture_of(known: Known, options: RenderOptions, theme: Theme | None = None) -> Picture:
    """What draws the known scene."""
    return Picture(SOURCE, known.timestamps_s, known.tracks, known.poses, options, theme)


def draw(known: Known, options: RenderOptions, theme: Theme | None = None) -> np.ndarray:
    """(H, W, 3) uint8 BGR: one frame of the known scene, or of a changed one."""
    return picture_of(known, options, theme).draw(source_picture(), FRAME)


def moved(known: Known, person: int, joint: str, keypoint_px: float = 0.0, metres: float = 0.0) -> Known:
    """One joint of one person moved to the right of the video's camera, in the video or in the world."""
    keypoints, positions = known.tracks.keypoints_px.copy(), known.poses.positions_m.copy()
    keypoints[known.tracks.person_id == person, H36M17.index(joint), 0] += keypoint_px
    positions[known.poses.person_id == person, H36M17.index(joint), 0] += metres
    return replace(
        known,
        tracks=replace(known.tracks, keypoints_px=keypoints),
        poses=replace(known.poses, positions_m=positions),
    )


def difference(first: np.ndarray, second: np.ndarray) -> float:
    """Largest difference between the two pictures' means over 4 x 4 pixels, in levels; `ValueError` for other sizes.

    Blocks lie at every offset, so that a change cannot hide on a border between two of them.
    """
    if first.shape != second.shape:
        raise ValueError(f"pictures of different sizes: {first.shape} and {second.shape}")
    change = first.astype(np.float32) - second.astype(np.float32)
    return float(np.abs(cv2.blur(change, (BLOCK_PX, BLOCK_PX))).max())
