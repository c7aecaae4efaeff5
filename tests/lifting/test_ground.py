from __future__ import annotations

import dataclasses
import math

import numpy as np
import pytest

from lifting.ground import (
    CAMERA_TILT_RAD,
    Footholds,
    angles_from_up,
    find_footholds,
    ground,
    rotation_from_up,
    up_from_angles,
    up_from_footholds,
)
from lifting.standing import BODIES_TILT_RAD
from poses import Intrinsics, Poses3D
from tests.motion import camera_from_world, jumping_jack, poses_of, transform_points, walker

CAMERA = Intrinsics.from_fov(math.radians(60), 1280, 720)
LEVEL = np.array([0.0, -1.0, 0.0])
TILTS = [(0.0, 0.0), (-12.0, 0.0), (0.0, 8.0), (-10.0, -6.0), (14.0, 5.0)]


def degrees_between(a: np.ndarray, b: np.ndarray) -> float:
    return math.degrees(math.acos(np.clip(a @ b / np.linalg.norm(a) / np.linalg.norm(b), -1, 1)))


def footholds_on_a_floor(up: np.ndarray, count: int, spread_m: float = 1.5, noise_m: float = 0.02) -> Footholds:
    random = np.random.default_rng(count)
    across, ahead, _ = rotation_from_up(up)
    places = random.normal(size=(count, 2)) * spread_m @ np.stack([across, ahead]) - 1.4 * up + 5 * ahead
    return Footholds(places + noise_m * random.normal(size=(count, 3)), np.zeros(count, np.int64))


def walk_before(pitch_deg: float, roll_deg: float, noise_m: float = 0.0, box_m: float = 0.0) -> Poses3D:
    """Across the picture, then away from the camera, 4 s each at 30 fps; at last onto a box, where there is one."""
    camera = camera_from_world(0.0, math.radians(pitch_deg), math.radians(roll_deg), 6.0)
    world = np.concatenate(
        [
            walker(4.0, 30.0, 1.2, math.pi / 2, (0.0, -2.4)),
            walker(4.0, 30.0, 1.2, 0.0, (0.0, 2.0)),
        ]
    )
    world[-40:, :, 2] += box_m
    wander = np.cumsum(np.random.default_rng(1).normal(size=(len(world), 1, 3)), axis=0)
    wander -= wander.mean(axis=0)
    joints = transform_points(camera, world) + noise_m * wander / wander.std()
    # The cut between the two walks is one between frames as well.
    poses = poses_of(joints, np.arange(len(world)) / 30, CAMERA)
    return dataclasses.replace(poses, frame=np.arange(len(world)) + 10 * (np.arange(len(world)) >= 120))


@pytest.mark.parametrize(("pitch", "roll"), TILTS)
def test_up_from_angles_is_the_placed_cameras(pitch: float, roll: float) -> None:
    camera = camera_from_world(0.8, math.radians(pitch), math.radians(roll))
    np.testing.assert_allclose(
        up_from_angles(math.radians(pitch), math.radians(roll)), camera[:3, :3] @ [0, 0, 1], atol=1e-12
    )


@pytest.mark.parametrize(("pitch", "roll"), [*TILTS, (-80.0, 170.0)])
def test_angles_and_up_are_each_others_inverse(pitch: float, roll: float) -> None:
    up = up_from_angles(math.radians(pitch), math.radians(roll))
    assert np.degrees(angles_from_up(3 * up)) == pytest.approx((pitch, roll), abs=1e-9)


@pytest.mark.parametrize("up", [LEVEL, [0.3, -0.9, 0.2], [0.0, 0.0, -2.0], [0.0, 0.0, 1.0], [-1.0, 0.0, 0.0]])
def test_rotation_is_right_handed_with_z_up_and_y_ahead(up: list[float]) -> None:
    rotation = rotation_from_up(np.array(up))
    np.testing.assert_allclose(rotation @ rotation.T, np.eye(3), atol=1e-12)
    assert np.linalg.det(rotation) == pytest.approx(1)
    np.testing.assert_allclose(rotation @ (np.array(up) / np.linalg.norm(up)), [0, 0, 1], atol=1e-12)
    if abs(up[2]) < 0.9:
        assert rotation[1] @ [0, 0, 1] > 0.5, "away from the camera"
        assert abs(rotation[0] @ [0, 0, 1]) < 1e-12, "x stays across the view"


@pytest.mark.parametrize(("pitch", "roll"), TILTS)
@pytest.mark.parametrize("count", [12, 40])
def test_up_from_noisy_footholds(pitch: float, roll: float, count: int) -> None:
    up = up_from_angles(math.radians(pitch), math.radians(roll))
    found = up_from_footholds(footholds_on_a_floor(up, count), LEVEL, CAMERA_TILT_RAD)
    assert found is not None
    assert degrees_between(found, up) < 2.0


def test_footholds_on_a_box_are_outliers() -> None:
    up = up_from_angles(math.radians(-8), math.radians(3))
    floor = footholds_on_a_floor(up, 30)
    places = floor.places_m.copy()
    right = np.argsort(places[:, 0])[-6:]
    places[right] += 0.5 * up
    found = up_from_footholds(Footholds(places, floor.person), LEVEL, CAMERA_TILT_RAD)
    assert found is not None
    assert degrees_between(found, up) < 2.0
    # A plane through all of them would lean.
    design = np.column_stack([places[:, [0, 2]], np.ones(30)])
    slope = np.linalg.lstsq(design, places[:, 1], rcond=None)[0]
    assert degrees_between(np.array([slope[0], -1.0, slope[1]]), up) > 4.0


def test_people_may_stand_at_different_heights() -> None:
    up = up_from_angles(math.radians(-8), math.radians(3))
    first, second = footholds_on_a_floor(up, 20), footholds_on_a_floor(up, 21)
    places = np.concatenate([first.places_m, second.places_m + 0.8 * up + [2.0, 0, 0]])
    found = up_from_footholds(Footholds(places, np.repeat([0, 3], [20, 21])), LEVEL, CAMERA_TILT_RAD)
    assert found is not None
    assert degrees_between(found, up) < 2.0


def test_too_little_is_no_answer() -> None:
    up = up_from_angles(0.1, 0.1)
    assert up_from_footholds(footholds_on_a_floor(up, 5), LEVEL, CAMERA_TILT_RAD) is None
    assert up_from_footholds(footholds_on_a_floor(up, 30, spread_m=0.02), LEVEL, CAMERA_TILT_RAD) is None
    assert up_from_footholds(Footholds(np.zeros((0, 3)), np.zeros(0, np.int64)), LEVEL, CAMERA_TILT_RAD) is None
    wall = footholds_on_a_floor(up_from_angles(math.radians(70), 0.0), 30)
    found = up_from_footholds(wall, LEVEL, CAMERA_TILT_RAD)
    assert found is None or degrees_between(found, LEVEL) < 45


def test_feet_that_stay_in_place_do_not_outweigh_the_body() -> None:
    up = up_from_angles(math.radians(12), 0.0)
    on_the_spot, about = (footholds_on_a_floor(up, 20, spread_m) for spread_m in (0.2, 2.0))
    assert up_from_footholds(on_the_spot, LEVEL, BODIES_TILT_RAD) is None
    found = up_from_footholds(about, LEVEL, BODIES_TILT_RAD)
    assert found is not None
    assert degrees_between(found, up) < 2.0


def test_walkers_footholds_are_where_the_feet_were_planted() -> None:
    world = walker(4.0, 50.0, 1.2)
    camera = camera_from_world(math.pi / 2, distance_m=6.0)
    found = find_footholds(poses_of(transform_points(camera, world), np.arange(200) / 50, CAMERA), LEVEL)
    places = transform_points(np.linalg.inv(camera), found.places_m)
    # 4 s of a gait with strides of 1.05 m at 1.2 m/s: 4.6 stances of each foot.
    assert 8 <= len(places) <= 11
    assert np.abs(places[:, 2] - 0.08).max() < 0.02
    assert np.abs(np.abs(places[:, 1]) - 0.09).max() < 0.01
    left = np.sort(places[places[:, 1] > 0, 0])
    np.testing.assert_allclose(np.diff(left), 1.05, atol=0.1)


@pytest.mark.parametrize(("pitch", "roll"), TILTS)
@pytest.mark.parametrize("box_m", [0.0, 0.5])
def test_walk_levels_the_world(pitch: float, roll: float, box_m: float) -> None:
    poses = walk_before(pitch, roll, noise_m=0.015, box_m=box_m)
    levelled = ground(poses)
    assert levelled.up_source == "contacts"
    wanted = up_from_angles(math.radians(pitch), math.radians(roll))
    assert degrees_between(levelled.world_from_camera[2, :3], wanted) < 2.0
    ankles = levelled.world_m()[:, levelled.skeleton.indices("left_ankle", "right_ankle"), 2]
    assert np.abs(np.quantile(ankles.min(axis=1)[:-40], [0.1, 0.5]) - 0.08).max() < 0.06
    head = levelled.world_m()[:-40, levelled.skeleton.index("head"), 2]
    assert ((head > 1.4) & (head < 1.8)).all()


@pytest.mark.parametrize(("pitch", "roll"), TILTS)
def test_users_angles(pitch: float, roll: float) -> None:
    placed = ground(walk_before(pitch, roll), math.radians(pitch), math.radians(roll))
    assert placed.up_source == "user"
    rotation = placed.world_from_camera[:3, :3]
    np.testing.assert_allclose(rotation @ rotation.T, np.eye(3), atol=1e-12)
    assert np.linalg.det(rotation) == pytest.approx(1)
    world = placed.world_m()
    ankles = world[:, placed.skeleton.indices("left_ankle", "right_ankle"), 2]
    assert ankles.min() == pytest.approx(0.08, abs=0.01)
    # The walk across goes from the camera's left to its right or back at one distance, the second one away from it.
    assert abs(world[100, 0, 0] - world[10, 0, 0]) == pytest.approx(3.6, abs=0.05)
    assert world[230, 0, 1] - world[130, 0, 1] == pytest.approx(4.0, abs=0.05)
    np.testing.assert_allclose(
        world[5, 10, 2] - world[5, 0, 2], walker(1, 30)[5, 10, 2] - walker(1, 30)[5, 0, 2], atol=1e-3
    )


def test_with_a_pitch_alone_the_roll_is_0() -> None:
    placed = ground(walk_before(-12.0, 5.0), pitch_rad=math.radians(-12))
    assert placed.up_source == "user"
    assert degrees_between(placed.world_from_camera[2, :3], up_from_angles(math.radians(-12), 0.0)) < 1e-5


def standing(pitch_deg: float, roll_deg: float, frames: int = 60) -> Poses3D:
    camera = camera_from_world(0.4, math.radians(pitch_deg), math.radians(roll_deg), 5.0)
    joints = transform_points(camera, np.repeat(walker(1.0, 30)[6:7], frames, axis=0))
    return poses_of(joints, np.arange(frames) / 30, CAMERA)


@pytest.mark.parametrize(("pitch", "roll"), [(0.0, 0.0), (-25.0, 0.0), (20.0, 10.0), (-18.0, -14.0), (-50.0, 0.0)])
def test_who_stands_on_the_spot_tells_up_by_the_body(pitch: float, roll: float) -> None:
    still = ground(standing(pitch, roll))
    assert still.up_source == "bodies"
    true_up = up_from_angles(math.radians(pitch), math.radians(roll))
    # The camera's own up is a weak prior, and the walker leans into the step.
    assert degrees_between(still.world_from_camera[2, :3], true_up) < 4.0 + 0.07 * degrees_between(true_up, LEVEL)
    assert still.world_m()[0, still.skeleton.index("left_ankle"), 2] == pytest.approx(0.08, abs=0.03)


def test_who_stands_for_a_moment_tells_nothing() -> None:
    short = ground(standing(-25.0, 0.0, frames=10))
    assert short.up_source == "camera"
    assert degrees_between(short.world_from_camera[2, :3], LEVEL) < 1e-6


def test_who_lies_sits_or_bends_tells_nothing() -> None:
    upright = walker(0.1, 30)[:1]
    lying = upright[..., [0, 2, 1]] * [1, 1, -1]
    bent = upright.copy()
    # The upper body level, above straight legs.
    hip = upright[:, :1]
    above = upright[0, :, 2] > hip[0, 0, 2] + 0.02
    bent[:, above] = hip + (upright[:, above] - hip)[..., [2, 1, 0]]
    for world in (lying, bent):
        joints = transform_points(camera_from_world(0.0, distance_m=5.0), np.repeat(world, 60, axis=0))
        assert ground(poses_of(joints, np.arange(60) / 30, CAMERA)).up_source == "camera"


def test_jumping_jacks_do_not_tilt_the_world() -> None:
    joints = transform_points(camera_from_world(0.0, distance_m=5.0), jumping_jack(6.0, 30.0, math.pi))
    placed = ground(poses_of(joints, np.arange(180) / 30, CAMERA))
    assert degrees_between(placed.world_from_camera[2, :3], LEVEL) < 2.0


@pytest.mark.parametrize(("pitch", "roll"), [(-20.0, 10.0), (15.0, -30.0), (-10.0, 90.0)])
def test_with_a_roll_alone_the_pitch_is_found(pitch: float, roll: float) -> None:
    placed = ground(walk_before(pitch, roll), roll_rad=math.radians(roll))
    assert placed.up_source == "user"
    up = placed.world_from_camera[2, :3]
    assert degrees_between(up, up_from_angles(math.radians(pitch), math.radians(roll))) < 2.0
    assert math.atan2(up[0], -up[1]) == pytest.approx(math.radians(roll))


def test_nobody_there() -> None:
    empty = ground(poses_of(np.zeros((0, 22, 3)), np.zeros(0), CAMERA))
    assert empty.up_source == "camera"
    assert empty.world_from_camera[:3, 3].tolist() == [0, 0, 0]
    assert empty.world_m().shape == (0, 17, 3)


def test_lowest_person_stands_on_the_floor() -> None:
    camera = camera_from_world(0.0, distance_m=6.0)
    first = poses_of(transform_points(camera, walker(2.0, 30)), np.arange(60) / 30, CAMERA)
    second = poses_of(
        transform_points(camera, walker(2.0, 30, start_m=(0, 1)) + np.array([0, 0, 0.6])), np.arange(60) / 30, CAMERA, 1
    )
    arrays = {
        name: np.concatenate([getattr(first, name), getattr(second, name)])
        for name in ("person_id", "frame", "timestamps_s", "positions_m", "root_m", "observed")
    }
    world = ground(dataclasses.replace(first, **arrays), 0.0, 0.0).world_m()
    ankles = world[:, first.skeleton.indices("left_ankle", "right_ankle"), 2].min(axis=1)
    assert ankles[:60].min() == pytest.approx(0.08, abs=0.02)
    assert ankles[60:].min() == pytest.approx(0.68, abs=0.02)
