"""The bundled lifter on people whose pose is known, with exact keypoints, before several cameras."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Sequence

import numpy as np
import pytest

from lifting.ground import ground
from lifting.lift import lift
from lifting.lifter import Lifter, lifter_names
from lifting.metrics import mpjpe, root_error_ratio
from poses import H36M17, Intrinsics, Poses3D
from tests.motion import (
    camera_from_world,
    coco_joints,
    h36m_joints,
    jumping_jack,
    tracks_of,
    transform_points,
    walker,
)

pytestmark = pytest.mark.skipif(not lifter_names(), reason="no weights lie in lifting/weights")

WIDE = Intrinsics.from_fov(math.radians(60), 1280, 720)
PORTRAIT = Intrinsics.from_fov(math.radians(65), 1080, 1920)
LENS = Intrinsics(700.0, 700.0, 650.0, 350.0, 1280, 720, (-0.28, 0.09, 0.0, 0.0, -0.01))
TELE_CROP = Intrinsics(2400.0, 2400.0, -300.0, 900.0, 1400, 1400)


@pytest.fixture(scope="module", params=lifter_names())
def lifter(request: pytest.FixtureRequest) -> Lifter:
    return Lifter.load(request.param)


def lifted(
    world_m: np.ndarray,
    rate_hz: float,
    camera_m: np.ndarray,
    intrinsics: Intrinsics,
    lifter: Lifter,
    noise_px: float = 0,
    unseen: Sequence[str] = (),
    roll_rad: float = 0.0,
) -> tuple[Poses3D, np.ndarray]:
    """Lifted people and the true joints (T, 17, 3) in the camera frame; `unseen` are joints without keypoints.

    `roll_rad` is what the lifter is told.
    """
    joints = transform_points(camera_m, world_m)
    own = h36m_joints if lifter.input_skeleton == H36M17 else coco_joints
    keypoints = intrinsics.project(own(joints)).astype(np.float32)
    keypoints = keypoints + noise_px * np.random.default_rng(1).normal(size=keypoints.shape)
    keypoints[:, lifter.input_skeleton.indices(*unseen)] = np.nan
    tracks = dataclasses.replace(tracks_of(keypoints), skeleton=lifter.input_skeleton)
    poses = lift(tracks, np.arange(len(joints)) / rate_hz, intrinsics, "file", lifter, roll_rad=roll_rad)
    return poses, h36m_joints(joints)


def relative(joints_m: np.ndarray) -> np.ndarray:
    return joints_m - joints_m[:, :1]


def check(poses: Poses3D, truth_m: np.ndarray, limit_m: float, root_limit: float = 0.12) -> None:
    """Pose within `limit_m`, root within a share of its distance, up is up, left is left, in every frame.

    The share is the spread of body sizes: one view does not tell a tall person from a near one.
    """
    assert mpjpe(poses.positions_m, relative(truth_m)) < limit_m
    assert root_error_ratio(poses.root_m, truth_m[:, 0]) < root_limit
    head = H36M17.index("head")
    assert (poses.world_m()[:, head, 2] - poses.world_m()[:, 0, 2] > 0.45).all()
    for left, right in (("left_hip", "right_hip"), ("left_shoulder", "right_shoulder")):
        across = poses.positions_m[:, H36M17.index(left)] - poses.positions_m[:, H36M17.index(right)]
        wanted = truth_m[:, H36M17.index(left)] - truth_m[:, H36M17.index(right)]
        cosine = (across * wanted).sum(-1) / np.linalg.norm(across, axis=-1) / np.linalg.norm(wanted, axis=-1)
        assert cosine.min() > 0.7, left


@pytest.mark.parametrize("rate_hz", [24.0, 30.0, 60.0])
@pytest.mark.parametrize("yaw", [0.3, 1.5, 2.6])
@pytest.mark.parametrize("intrinsics", [WIDE, PORTRAIT], ids=["wide", "portrait"])
def test_walker(lifter: Lifter, intrinsics: Intrinsics, yaw: float, rate_hz: float) -> None:
    world = walker(3.0, rate_hz, 1.2, start_m=(-1.8, 0.0))
    poses, truth = lifted(world, rate_hz, camera_from_world(yaw, -0.1), intrinsics, lifter)
    check(poses, truth, 0.070)
    ankles = H36M17.indices("left_ankle", "right_ankle")
    error = np.linalg.norm(poses.positions_m[:, ankles] - relative(truth)[:, ankles], axis=-1)
    exchanged = np.linalg.norm(poses.positions_m[:, ankles] - relative(truth)[:, ankles[::-1]], axis=-1)
    apart = np.linalg.norm(truth[:, ankles[0]] - truth[:, ankles[1]], axis=-1) > 0.4
    assert (error.sum(1) < exchanged.sum(1))[apart].all(), "the legs are not exchanged"


@pytest.mark.parametrize("intrinsics", [LENS, TELE_CROP], ids=["lens", "crop"])
def test_unusual_cameras_change_little(lifter: Lifter, intrinsics: Intrinsics) -> None:
    world, camera = walker(2.0, 30, 1.2, start_m=(-1.2, 0.0)), camera_from_world(1.2, -0.1)
    poses, truth = lifted(world, 30, camera, intrinsics, lifter)
    usual, _ = lifted(world, 30, camera, WIDE, lifter)
    check(poses, truth, 0.070)
    assert mpjpe(poses.camera_m(), usual.camera_m()) < 0.01


def test_a_camera_held_sideways(lifter: Lifter) -> None:
    world, roll_rad = walker(3.0, 30, 1.2, start_m=(-1.8, 0.0)), math.pi / 2
    poses, truth = lifted(world, 30, camera_from_world(0.8, -0.1, roll_rad), WIDE, lifter, roll_rad=roll_rad)
    check(ground(poses, -0.1, roll_rad), truth, 0.070)


def test_frame_rate_changes_little(lifter: Lifter) -> None:
    camera = camera_from_world(2.2, -0.1)
    slow, _ = lifted(walker(3.0, 30, 1.2, start_m=(-1.8, 0.0)), 30, camera, WIDE, lifter)
    for rate_hz in (60, 240):
        fast, _ = lifted(walker(3.0, rate_hz, 1.2, start_m=(-1.8, 0.0)), rate_hz, camera, WIDE, lifter)
        shared = fast.positions_m[:: rate_hz // 30]
        assert mpjpe(shared[5:-5], slow.positions_m[5:-5]) < 0.015


def test_noise_of_a_detector(lifter: Lifter) -> None:
    world = walker(3.0, 30, 1.2, start_m=(-1.8, 0.0))
    poses, truth = lifted(world, 30, camera_from_world(0.8, -0.1), WIDE, lifter, noise_px=3.0)
    check(poses, truth, 0.090)


def test_half_body_shots(lifter: Lifter) -> None:
    legs = [f"{side}_{name}" for side in ("left", "right") for name in ("knee", "ankle")]
    world = walker(3.0, 30, 1.2, start_m=(-1.8, 0.0))
    poses, truth = lifted(world, 30, camera_from_world(0.8, -0.1), WIDE, lifter, unseen=legs)
    seen = [joint for joint, name in enumerate(H36M17.joints) if name not in legs]
    assert mpjpe(poses.positions_m[:, seen], relative(truth)[:, seen]) < 0.060
    # A guess, but one of a walking person: below the hips, a leg's length away.
    down = -poses.world_m()[:, H36M17.indices("left_ankle", "right_ankle"), 2] + poses.world_m()[:, :1, 2]
    assert ((down > 0.5) & (down < 1.1)).all()


def test_distance(lifter: Lifter) -> None:
    for distance in (3.0, 8.0):
        world = walker(2.0, 30, 1.2, 0.4, (-1.2, 0.0))
        poses, truth = lifted(world, 30, camera_from_world(1.8, -0.05, distance_m=distance), WIDE, lifter)
        check(poses, truth, 0.080)


def test_jumping_jacks(lifter: Lifter) -> None:
    world = jumping_jack(3.0, 30, math.pi)
    poses, truth = lifted(world, 30, camera_from_world(0.2, -0.1), WIDE, lifter)
    # On the spot, nothing but a guess of the body's size tells how far away it is.
    check(poses, truth, 0.110, root_limit=0.15)
    wrists = H36M17.indices("left_wrist", "right_wrist")
    raised = truth[:, wrists, 1].max(axis=1) < truth[:, H36M17.index("head"), 1]
    assert raised.any()
    assert (poses.camera_m()[raised][:, wrists, 1].max(axis=1) < truth[raised][:, 8, 1]).all(), (
        "arms over the shoulders"
    )
