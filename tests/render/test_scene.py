"""Pixels of the 3D panel against an independent projection of known poses."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import replace

import cv2
import numpy as np
import pytest

from poses import H36M17
from render.cast import Cast
from render.floor import Floor, floor_height
from render.scene import Scene
from render.style import DARK, Color
from render.viewpoint import Subject, choose_view
from tests.render.conftest import Staged

SIZE = (640, 480)
ARMS = ("elbow", "wrist")


def scene_of(
    staged: Staged,
    trail_s: float = 2.0,
    turn_deg: float = 35.0,
    raise_deg: float = 22.0,
    name: str = "angle",
    camera: str = "auto",
    orbit_s: float = 20.0,
    size: tuple[int, int] = SIZE,
) -> Scene:
    cast = Cast(staged.poses, staged.tracks)
    floor_m = floor_height(staged.poses, cast.world_m)
    path = choose_view(
        name,
        Subject.of([cast], floor_m),
        staged.timestamps_s,
        size,
        camera,
        math.radians(raise_deg),
        math.radians(turn_deg),
        orbit_s,
    )
    floor = Floor(floor_m, cast.world_m[..., :2].reshape(-1, 2), np.array([0.0, 5.0]), DARK)
    return Scene([cast], staged.timestamps_s, floor, path, DARK, trail_s, text_height=10, label_height=0)


def pixels_of(scene: Scene, points_m: np.ndarray, frame: int = 0) -> np.ndarray:
    """Positions of world points in the panel, by OpenCV."""
    view = scene.view(frame)
    camera = np.array([[view.focal_px, 0, view.width / 2], [0, view.focal_px, view.height / 2], [0, 0, 1]])
    rotation, offset = cv2.Rodrigues(view.view_from_world)[0], -view.view_from_world @ view.position_m
    points = np.asarray(points_m, np.float64).reshape(-1, 3)
    return cv2.projectPoints(points, rotation, offset, camera, np.zeros(4))[0][:, 0]


def at(image: np.ndarray, pixel: np.ndarray) -> np.ndarray:
    x, y = np.floor(pixel).astype(int)
    return image[y, x].astype(int)


def nearest_person(color: np.ndarray, sides: tuple[str, ...] = ("left", "centre", "right")) -> tuple[int, str]:
    """Which person and side a colour is closest to in hue and lightness; distance makes colours darker."""
    choices = {(p, side): np.array(DARK.person(p).of(side), float) for p in range(2) for side in sides}
    return min(choices, key=lambda choice: float(np.abs(choices[choice] - color).sum()))


def close(color: np.ndarray, wanted: Color, tolerance: int = 40) -> bool:
    return bool(np.abs(color - np.array(wanted)).max() <= tolerance)


def test_joints_are_where_the_projection_says(staged: Callable) -> None:
    scene = scene_of(made := staged(np.array([[[0.3, 5.0, 0.0]]])))
    image = scene.draw(0)
    for side in ("left", "right"):
        for joint in ("elbow", "wrist", "knee", "ankle"):
            point = made.poses.world_m()[0, H36M17.index(f"{side}_{joint}")]
            assert nearest_person(at(image, pixels_of(scene, point)[0])) == (0, side), joint
    head = made.poses.world_m()[0, H36M17.indices("neck", "head")].mean(axis=0)
    assert nearest_person(at(image, pixels_of(scene, head)[0])) == (0, "centre")


def test_limbs_are_as_thick_as_their_distance_says(staged: Callable) -> None:
    """The upper arm, 6 to 8 cm thick, is measured across its middle; twice as far it is half as many pixels."""
    made = staged(np.array([[[-1.0, 4.0, 0.0]], [[2.5, 8.0, 0.0]]]))
    scene = scene_of(made, turn_deg=0.0, raise_deg=0.0)
    image = scene.draw(0).astype(int)
    widths = []
    for person in range(2):
        joints = made.poses.world_m()[person, H36M17.indices("left_shoulder", "left_elbow")]
        x, y = np.floor(pixels_of(scene, joints.mean(axis=0))[0]).astype(int)
        column = image[y - 40 : y + 40, x]
        widths.append(int((np.abs(column - DARK.person(person).left).max(axis=1) < 60).sum()))
        depth = joints[0, 1] - scene.view(0).position_m[1]
        assert widths[-1] == pytest.approx(0.076 * scene.view(0).focal_px / depth, abs=3)
    assert widths[0] > widths[1]


@pytest.mark.parametrize("nearer", [0, 1])
def test_the_nearer_person_hides_the_farther(staged: Callable, nearer: int) -> None:
    places = np.array([[[0.0, 5.0, 0.0]], [[0.0, 6.0, 0.0]]])
    made = staged(places if nearer == 0 else places[::-1])
    scene = scene_of(made, turn_deg=0.0, raise_deg=1.0)
    image = scene.draw(0)
    for joint in ("hip", "spine", "left_knee", "right_knee"):
        point = made.poses.world_m()[nearer, H36M17.index(joint)]
        assert nearest_person(at(image, pixels_of(scene, point)[0]))[0] == nearer, joint


@pytest.mark.parametrize("front", ["left", "right"])
def test_the_nearer_arm_hides_the_farther(staged: Callable, front: str) -> None:
    """Seen from straight ahead, both wrists lie on one line of sight."""
    made = staged(np.array([[[0.0, 6.0, 0.0]]]))
    world = made.poses.world_m()[0].astype(np.float64)
    back = "right" if front == "left" else "left"
    scene = scene_of(made, turn_deg=0.0)
    eye = scene.view(0).position_m
    target = np.array([0.0, 5.75, 1.2])
    sight = (target - eye) / np.linalg.norm(target - eye)
    for name, along in ((front, -0.1), (back, 0.1)):
        world[H36M17.index(f"{name}_wrist")] = target + along * sight
    camera = (world - made.poses.world_from_camera[:3, 3]) @ made.poses.world_from_camera[:3, :3]
    positions = (camera - camera[0])[None].astype(np.float32)
    made = replace(made, poses=replace(made.poses, positions_m=positions))
    scene = scene_of(made, turn_deg=0.0)
    image = scene.draw(0)
    wrist = world[H36M17.index(f"{front}_wrist")]
    assert nearest_person(at(image, pixels_of(scene, wrist)[0])) == (0, front)


def test_a_mirrored_body_has_mirrored_colours(staged: Callable) -> None:
    made = staged(np.array([[[0.0, 5.0, 0.0]]]))
    swapped = replace(made.poses, positions_m=made.poses.positions_m[:, H36M17.mirror])
    images = []
    for poses in (made.poses, swapped):
        scene = scene_of(replace(made, poses=poses))
        images.append(scene.draw(0))
    for joint in ARMS:
        for side, other in (("left", "right"), ("right", "left")):
            point = made.poses.world_m()[0, H36M17.index(f"{side}_{joint}")]
            pixel = pixels_of(scene, point)[0]
            assert nearest_person(at(images[0], pixel)) == (0, side)
            assert nearest_person(at(images[1], pixel)) == (0, other)


def test_missing_joints_are_not_drawn(staged: Callable) -> None:
    made = staged(np.array([[[0.0, 5.0, 0.0]]]))
    scene = scene_of(made)
    wrist = H36M17.index("left_wrist")
    pixel = pixels_of(scene, made.poses.world_m()[0, wrist])[0]
    assert close(at(scene.draw(0), pixel), DARK.person(0).left)
    positions = made.poses.positions_m.copy()
    positions[0, wrist] = np.nan
    scene = scene_of(replace(made, poses=replace(made.poses, positions_m=positions)))
    without = scene.draw(0)
    pixel = pixels_of(scene, made.poses.world_m()[0, wrist])[0]
    assert np.abs(at(without, pixel) - DARK.person(0).left).max() > 60
    # The rest of the arm is still there.
    elbow = pixels_of(scene, made.poses.world_m()[0, H36M17.index("left_elbow")])[0]
    assert close(at(without, elbow), DARK.person(0).left)


def test_all_joints_missing(staged: Callable) -> None:
    made = staged(np.array([[[0.0, 5.0, 0.0]], [[1.0, 6.0, 0.0]]]))
    positions = made.poses.positions_m.copy()
    positions[1] = np.nan
    image = scene_of(replace(made, poses=replace(made.poses, positions_m=positions))).draw(0)
    assert not (np.abs(image.astype(int) - DARK.person(1).left).max(axis=-1) < 20).any()
    positions[:] = np.nan
    scene_of(replace(made, poses=replace(made.poses, positions_m=positions))).draw(0)


def test_filled_in_joints_are_hollow(staged: Callable) -> None:
    made = staged(np.array([[[0.0, 5.0, 0.0]]]))
    observed = made.tracks.observed.copy()
    observed[:, made.tracks.skeleton.index("left_wrist")] = False
    scene = scene_of(replace(made, tracks=replace(made.tracks, observed=observed)))
    image = scene.draw(0)
    wrist = pixels_of(scene, made.poses.world_m()[0, H36M17.index("left_wrist")])[0]
    other = pixels_of(scene, made.poses.world_m()[0, H36M17.index("right_wrist")])[0]
    assert close(at(image, wrist), DARK.outline)
    assert close(at(image, other), DARK.person(0).right)


def test_trail_lies_on_the_floor_behind_the_person(staged: Callable) -> None:
    x = np.linspace(-1.5, 1.5, 60)
    made = staged(np.stack([x, 0 * x + 6, 0 * x], 1)[None])
    scene, plain = scene_of(made), scene_of(made, trail_s=0.0)
    changed = np.abs(scene.draw(40).astype(int) - plain.draw(40)).max(axis=-1) > 12
    on_floor = np.stack([x, 0 * x + 6, 0 * x + floor_height(made.poses, made.poses.world_m())], axis=1)
    pixels = np.floor(pixels_of(scene, on_floor, 40)).astype(int)
    trail = changed[pixels[:, 1], pixels[:, 0]]
    assert trail[15:30].all()
    assert not trail[44:].any()


def test_feet_cast_a_shadow_and_a_raised_person_a_line(staged: Callable) -> None:
    made = staged(np.array([[[-1.2, 5.0, 0.0]], [[1.2, 5.0, 1.5]]]))
    scene = scene_of(made)
    image = scene.draw(0)
    # In front of the left ankle, towards the view, the floor is free of limbs but within the foot's spot.
    ankle = made.poses.world_m()[0, H36M17.index("left_ankle")].astype(np.float64)
    ankle[2] = floor_height(made.poses, made.poses.world_m())
    ankle += 0.06 * np.array([*-scene.view(0).view_from_world[2][:2], 0.0])
    assert at(image, pixels_of(scene, ankle)[0]).sum() < 0.75 * sum(DARK.floor)
    under = made.poses.world_m()[1, 0].astype(np.float64)
    line = np.repeat(under[None], 5, axis=0)
    line[:, 2] = np.linspace(floor_height(made.poses, made.poses.world_m()) + 0.2, 1.3, 5)
    blue, _, red = DARK.person(1).centre
    for pixel in pixels_of(scene, line):
        patch = image[int(pixel[1]), int(pixel[0]) - 1 : int(pixel[0]) + 2].astype(int)
        assert (patch[:, 2] - patch[:, 0]).max() > 0.2 * (red - blue)


def test_without_people_the_grid_remains(staged: Callable) -> None:
    made = staged(np.empty((0, 4, 3)))
    image = scene_of(replace(made, timestamps_s=np.arange(4) / 30)).draw(2)
    for color in (DARK.floor, DARK.background, DARK.grid):
        assert (np.abs(image.astype(int) - color).max(axis=-1) < 12).sum() > 200
    # The note stands in the upper part, where only background would be.
    assert (image[: SIZE[1] // 3].max(axis=-1) > 120).sum() > 30


def test_frame_without_people_among_others(staged: Callable) -> None:
    made = staged(np.array([[[0.0, 5.0, 0.0]] * 3]))
    kept = made.poses.frame != 1
    per_row = ("person_id", "frame", "timestamps_s", "positions_m", "root_m", "observed")
    poses = replace(made.poses, **{name: getattr(made.poses, name)[kept] for name in per_row})
    scene = scene_of(replace(made, poses=poses), trail_s=0.0)
    left = np.array(DARK.person(0).left)
    shown = [(np.abs(scene.draw(frame).astype(int) - left).max(axis=-1) < 20).sum() for frame in range(3)]
    assert shown[0] > 100
    assert shown[1] == 0
    assert shown[2] > 100


def test_follows_a_long_walk_over_its_floor(staged: Callable) -> None:
    x = np.linspace(-20, 20, 200)
    made = staged(np.stack([x, 0 * x + 8, 0 * x], 1)[None])
    scene = scene_of(made)
    for frame in (0, 100, 199):
        image = scene.draw(frame)
        wrist = pixels_of(scene, made.poses.world_m()[frame, H36M17.index("left_wrist")], frame)[0]
        assert nearest_person(at(image, wrist)) == (0, "left")
        assert (np.abs(image.astype(int) - DARK.grid).max(axis=-1) < 14).sum() > 100


def test_floor_height(staged: Callable) -> None:
    made = staged(np.stack([np.tile([0.0, 5.0, 0.35], (50, 1)), np.tile([1.0, 6.0, 2.0], (50, 1))]))
    world = made.poses.world_m()
    assert floor_height(made.poses, world) == pytest.approx(0.35, abs=0.01)
    world[3, :, 2] -= 30.0  # one bad frame
    assert floor_height(made.poses, world) == pytest.approx(0.35, abs=0.01)
    assert floor_height(staged(np.empty((0, 1, 3))).poses, np.empty((0, 17, 3))) == 0.0
