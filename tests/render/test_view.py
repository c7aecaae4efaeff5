"""The virtual camera against OpenCV's projection and against what it promises to show."""

from __future__ import annotations

import math
from collections.abc import Callable

import cv2
import numpy as np
import pytest

from poses import Poses3D
from render.cast import Cast
from render.view import View, ViewPath
from render.viewpoint import Subject, choose_view

SIZE = (400, 300)


def choose(
    poses: Poses3D,
    times_s: np.ndarray,
    turn_deg: float = 35.0,
    name: str = "angle",
    camera: str = "auto",
    size: tuple[int, int] = SIZE,
    orbit_s: float = 20.0,
) -> ViewPath:
    subject = Subject.of([Cast(poses)], 0.0)
    return choose_view(name, subject, times_s, size, camera, math.radians(22), math.radians(turn_deg), orbit_s)


def opencv_pixels(view: View, points_m: np.ndarray) -> np.ndarray:
    camera = np.array([[view.focal_px, 0, view.width / 2], [0, view.focal_px, view.height / 2], [0, 0, 1]])
    rotation = cv2.Rodrigues(view.view_from_world)[0]
    offset = -view.view_from_world @ view.position_m
    return cv2.projectPoints(points_m.reshape(-1, 3), rotation, offset, camera, np.zeros(4))[0].reshape(
        *points_m.shape[:-1], 2
    )


def test_projects_like_opencv(staged: Callable) -> None:
    scene = staged(np.array([[[0.5, 5.0, 0.0]], [[-2.0, 8.0, 1.0]]]))
    view = choose(scene.poses, scene.timestamps_s).at(0)
    world = scene.poses.world_m().astype(np.float64)
    np.testing.assert_allclose(view.project(world)[0], opencv_pixels(view, world), atol=1e-6)
    assert np.linalg.det(view.view_from_world) == pytest.approx(1.0)
    assert np.isnan(view.project(view.position_m - view.view_from_world[2])[0]).all()


@pytest.mark.parametrize("turn_deg", [0.0, 35.0, 60.0])
def test_looks_down_turned_and_upright(staged: Callable, turn_deg: float) -> None:
    scene = staged(np.array([[[0.5, 5.0, 0.0]], [[-2.0, 8.0, 0.0]]]), pitch_rad=0.3)
    view = choose(scene.poses, scene.timestamps_s, turn_deg).at(0)
    right, down, forward = view.view_from_world
    assert math.degrees(math.asin(-forward[2])) == pytest.approx(22.0)
    # The source's camera looks along +y, whatever its pitch.
    assert math.degrees(math.acos(forward[1] / np.hypot(*forward[:2]))) == pytest.approx(turn_deg, abs=1e-4)
    assert right[2] == pytest.approx(0.0)
    assert down[2] < 0


def test_everybody_is_in_view_and_fills_it(staged: Callable) -> None:
    x = np.linspace(-2.5, 2.0, 40)
    paths = np.stack([np.stack([x, 6 + 0 * x, 0 * x], 1), np.stack([0 * x - 1, 9 - x, 0 * x + 2.2], 1)])
    scene = staged(paths)
    path = choose(scene.poses, scene.timestamps_s)
    assert path.offsets_m is None
    assert path.at(0) is path.at(39)
    pixels = opencv_pixels(path.at(0), scene.poses.world_m().astype(np.float64))
    low, high = pixels.min(axis=(0, 1)), pixels.max(axis=(0, 1))
    assert (low > 0).all()
    assert (high < SIZE).all()
    assert ((high - low) / SIZE).max() > 0.6


@pytest.mark.parametrize("direction", [1.0, -1.0])
def test_left_stays_left(staged: Callable, direction: float) -> None:
    scene = staged(np.array([[[-1.5 * direction, 6.0, 0.0]], [[1.5 * direction, 6.0, 0.0]]]))
    view = choose(scene.poses, scene.timestamps_s).at(0)
    first, second = view.project(scene.poses.world_m()[:, 0].astype(np.float64))[0]
    in_video = scene.intrinsics.project(scene.poses.root_m)
    assert np.sign(second[0] - first[0]) == np.sign(in_video[1, 0] - in_video[0, 0]) == direction


def test_turns_to_the_side_that_keeps_people_apart(staged: Callable) -> None:
    """Two people in line along a direction 35 degrees from the source's: one choice would hide one behind the other."""
    for side in (1, -1):
        step = 3.0 * np.array([side * math.sin(math.radians(35)), math.cos(math.radians(35)), 0.0])
        scene = staged(np.array([[[0.0, 5.0, 0.0]], [np.array([0.0, 5.0, 0.0]) + step]]))
        view = choose(scene.poses, scene.timestamps_s).at(0)
        first, second = view.project(scene.poses.world_m()[:, 0].astype(np.float64))[0]
        assert abs(second[0] - first[0]) > 0.2 * SIZE[0]


def test_follows_a_long_walk(staged: Callable) -> None:
    x = np.linspace(-20, 20, 300)
    scene = staged(np.stack([x, 0 * x + 8, 0 * x], 1)[None])
    path = choose(scene.poses, scene.timestamps_s)
    assert path.offsets_m is not None
    world = scene.poses.world_m().astype(np.float64)
    pixels = np.stack([opencv_pixels(path.at(frame), world[frame]) for frame in range(300)])
    assert (pixels > 0).all()
    assert (pixels < SIZE).all()
    heights = np.ptp(pixels[..., 1], axis=1)
    assert heights.min() > 0.25 * SIZE[1]
    steps = np.diff(path.offsets_m, axis=0)
    assert np.abs(np.diff(steps, axis=0)).max() < 0.01


def test_camera_that_looks_straight_down(staged: Callable) -> None:
    scene = staged(np.array([[[0.0, 0.5, 0.0]]]), camera_m=(0.0, 0.0, 6.0), pitch_rad=math.pi / 2)
    view = choose(scene.poses, scene.timestamps_s).at(0)
    assert np.isfinite(view.position_m).all()
    # The picture's top points along +y then, so that is ahead.
    assert view.view_from_world[2, 1] > 0.5


def test_without_people_there_is_a_stage_ahead_of_the_camera(staged: Callable) -> None:
    scene = staged(np.empty((0, 5, 3)))
    view = choose(scene.poses, np.arange(5) / 30).at(0)
    pixels, depth = view.project(np.array([0.0, 5.0, 0.0]))
    assert depth > 0
    assert ((pixels > 0) & (pixels < SIZE)).all()
