"""Named views and moving cameras: where they stand, and that they keep people in the picture."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import replace

import cv2
import numpy as np
import pytest

from poses import Intrinsics
from render.view import View
from tests.render.conftest import Staged
from tests.render.test_view import SIZE, choose, opencv_pixels

SHAPES = [(400, 300), (200, 400), (700, 200)]


def two_walks(staged: Callable[..., Staged]) -> Staged:
    x = np.linspace(-2.5, 2.0, 40)
    return staged(np.stack([np.stack([x, 6 + 0 * x, 0 * x], 1), np.stack([0 * x - 1, 9 - x, 0 * x + 2.2], 1)]))


@pytest.mark.parametrize(
    ("name", "right", "up"),
    [("front", (1, 0, 0), (0, 0, 1)), ("side", (0, 1, 0), (0, 0, 1)), ("top", (1, 0, 0), (0, 1, 0))],
)
def test_flat_views_look_along_an_axis_and_measure_metres(
    staged: Callable, name: str, right: tuple[int, int, int], up: tuple[int, int, int]
) -> None:
    """A metre is as many pixels near as far, to half a percent, along the axes of the view, and none along sight."""
    made = two_walks(staged)
    view = choose(made.poses, made.timestamps_s, name=name, camera="fixed").at(0)
    start = np.array([[0.0, 5.0, 0.0], [-2.0, 11.0, 3.0]])
    for axis, direction in (((1, 0), np.array(right)), ((0, -1), np.array(up))):
        moved = view.project(start + direction)[0] - view.project(start)[0]
        np.testing.assert_allclose(moved / np.linalg.norm(moved, axis=1, keepdims=True), [axis, axis], atol=2e-3)
        lengths = np.linalg.norm(moved, axis=1)
        assert lengths[0] == pytest.approx(lengths[1], rel=0.005)
    sight = np.cross(np.array(right), np.array(up))
    assert np.abs(view.project(start + sight)[0] - view.project(start)[0]).max() < 0.02 * lengths[0]


@pytest.mark.parametrize("size", SHAPES, ids=str)
@pytest.mark.parametrize("name", ["angle", "front", "side", "top"])
def test_every_view_shows_everybody(staged: Callable, name: str, size: tuple[int, int]) -> None:
    made = two_walks(staged)
    view = choose(made.poses, made.timestamps_s, name=name, camera="fixed", size=size).at(0)
    pixels = opencv_pixels(view, made.poses.world_m().astype(np.float64))
    low, high = pixels.min(axis=(0, 1)), pixels.max(axis=(0, 1))
    assert (low > 0).all()
    assert (high < size).all()
    assert ((high - low) / size).max() > 0.6
    if name in ("front", "side"):
        # The floor, 8 cm below the ankles, lies in the lower part, where it is looked for.
        floor = view.project(np.array([0.0, 6.0, 0.0]))[0][1]
        assert 0.8 * size[1] < floor < size[1]


@pytest.mark.parametrize("size", [(320, 180), (400, 300), (200, 400)], ids=str)
@pytest.mark.parametrize("distortion", [(), (-0.2, 0.05, 0.003, -0.002, 0.0)], ids=["ideal", "distorted"])
def test_camera_view_is_the_sources_camera(
    staged: Callable, size: tuple[int, int], distortion: tuple[float, ...]
) -> None:
    """Scaled to the panel, OpenCV's projection with the source's intrinsics and the pose of the camera."""
    made = staged(np.array([[[0.5, 5.0, 0.0]], [[-1.0, 7.0, 0.0]]]), size=(160, 90), pitch_rad=0.2)
    camera = Intrinsics(150.0, 140.0, 70.0, 50.0, 160, 90, distortion)
    poses = replace(made.poses, intrinsics=camera)
    path = choose(poses, made.timestamps_s, name="camera", camera="follow", size=size)
    assert not path.moves
    points_m = poses.camera_m().astype(np.float64).reshape(-1, 3)
    expected = cv2.projectPoints(points_m, np.zeros(3), np.zeros(3), camera.matrix, np.array(distortion or (0.0,) * 4))
    scale = min(size[0] / 160, size[1] / 90)
    expected_px = expected[0][:, 0] * scale + (np.array(size) - scale * np.array([160, 90])) / 2
    pixels, depth = path.at(0).project(poses.world_m().astype(np.float64).reshape(-1, 3))
    np.testing.assert_allclose(pixels, expected_px, atol=2e-3)
    np.testing.assert_allclose(depth, points_m[:, 2], atol=1e-5)


def test_a_lens_shows_nothing_where_its_distortion_turns_back(staged: Callable) -> None:
    """r (1 - 0.2 r^2) is largest at r = sqrt(1 / 0.6) = 1.29: what lies farther out would come back into the view."""
    made = staged(np.array([[[0.5, 5.0, 0.0]]]))
    poses = replace(made.poses, intrinsics=replace(made.intrinsics, distortion=(-0.2, 0.0, 0.0, 0.0)))
    view = choose(poses, made.timestamps_s, name="camera").at(0)
    slopes = np.array([1.2, 1.28, 1.31, 3.0])
    points = np.stack([4 * slopes, 0 * slopes + 4, 0 * slopes + 1.5], axis=1)
    assert np.isfinite(view.project(points)[1]).tolist() == [True, True, False, False]


@pytest.mark.parametrize("size", SHAPES, ids=str)
def test_orbit_comes_back_and_always_shows_everybody(staged: Callable, size: tuple[int, int]) -> None:
    made = two_walks(staged)
    times = np.arange(41) / 10
    path = choose(made.poses, times, camera="orbit", orbit_s=4.0, size=size)
    world = made.poses.world_m().astype(np.float64)
    for frame in range(0, 41, 5):
        pixels = opencv_pixels(path.at(frame), world)
        assert (pixels > 0).all()
        assert (pixels < size).all()
    first, again, quarter = path.at(0), path.at(40), path.at(10)
    np.testing.assert_allclose(first.position_m, again.position_m, atol=1e-9)
    np.testing.assert_allclose(first.view_from_world, again.view_from_world, atol=1e-12)
    # A quarter of a turn, at the same height and steepness.
    assert first.view_from_world[2, :2] @ quarter.view_from_world[2, :2] == pytest.approx(0.0, abs=1e-9)
    assert first.view_from_world[2, 2] == pytest.approx(quarter.view_from_world[2, 2])
    assert first.position_m[2] == pytest.approx(quarter.position_m[2])
    # It begins where the fixed view looks from.
    fixed = choose(made.poses, times, camera="fixed").at(0)
    np.testing.assert_allclose(first.view_from_world, fixed.view_from_world, atol=1e-12)


def test_orbit_moves_along_a_long_walk(staged: Callable) -> None:
    x = np.linspace(-20, 20, 300)
    made = staged(np.stack([x, 0 * x + 8, 0 * x], 1)[None])
    path = choose(made.poses, made.timestamps_s, camera="orbit", orbit_s=5.0)
    world = made.poses.world_m().astype(np.float64)
    pixels = np.stack([opencv_pixels(path.at(frame), world[frame]) for frame in range(300)])
    assert ((pixels > 0) & (pixels < SIZE)).all()
    assert np.ptp(pixels[..., 1], axis=1).min() > 0.25 * SIZE[1]


@pytest.mark.parametrize("name", ["angle", "front", "side", "top"])
def test_follow_keeps_people_inside_and_moves_smoothly(staged: Callable, name: str) -> None:
    """A walk that a fixed view would show as well, with a sudden stop."""
    x = np.concatenate([np.linspace(-3, 2, 100), np.full(60, 2.0)])
    made = staged(np.stack([np.stack([x, 0 * x + 6, 0 * x], 1), np.stack([x - 0.5, 0 * x + 7, 0 * x], 1)]))
    path = choose(made.poses, made.timestamps_s, name=name, camera="follow")
    assert path.offsets_m is not None
    world = made.poses.world_m().astype(np.float64).reshape(2, 160, -1, 3)
    pixels = np.stack([opencv_pixels(path.at(frame), world[:, frame]) for frame in range(160)])
    assert ((pixels > 0) & (pixels < SIZE)).all()
    steps = np.diff(path.offsets_m, axis=0)
    # The people stop from 1.5 m/s within a frame; the camera takes more than 15 frames to.
    assert np.abs(np.diff(steps, axis=0)).max() < np.abs(np.diff(x)).max() / 15


def test_fixed_stays_where_auto_would_follow(staged: Callable) -> None:
    x = np.linspace(-20, 20, 300)
    made = staged(np.stack([x, 0 * x + 8, 0 * x], 1)[None])
    assert choose(made.poses, made.timestamps_s, camera="auto").moves
    path = choose(made.poses, made.timestamps_s, camera="fixed")
    assert path.at(0) is path.at(299)
    pixels = opencv_pixels(path.at(0), made.poses.world_m().astype(np.float64))
    assert ((pixels > 0) & (pixels < SIZE)).all()


@pytest.mark.parametrize("camera", ["auto", "fixed", "follow", "orbit"])
@pytest.mark.parametrize("name", ["angle", "front", "side", "top", "camera"])
def test_nobody_one_frame_and_nothing_known(staged: Callable, name: str, camera: str) -> None:
    nobody = staged(np.empty((0, 5, 3)))
    one = staged(np.array([[[0.0, 5.0, 0.0]]]))
    unknown = replace(one.poses, positions_m=np.full_like(one.poses.positions_m, np.nan))
    for poses, times in ((nobody.poses, np.arange(5) / 30), (one.poses, np.zeros(1)), (unknown, np.zeros(1))):
        view = choose(poses, times, name=name, camera=camera).at(0)
        assert isinstance(view, View)
        assert np.isfinite(view.position_m).all()
        assert np.linalg.det(view.view_from_world) == pytest.approx(1.0)
        assert math.isfinite(view.focal_px)
        pixels, _ = view.project(np.array([0.0, 5.0, 0.5]))
        assert ((pixels > 0) & (pixels < SIZE)).all()
