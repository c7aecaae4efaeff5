from __future__ import annotations

import dataclasses
import math

import numpy as np
import pytest
import torch
from torch import Tensor

from lifting.canonical import REFERENCE_FOCAL
from lifting.data.keypoint_noise import KeypointNoise
from lifting.data.mocap import KEYPOINTS
from lifting.data.shots import Shots, camera_rotations, draw_shots
from lifting.data.virtual_cameras import CameraRange, film, mirror_bodies, seen_by
from poses import COCO17, H36M17, Skeleton
from tests.motion import camera_from_world, jumping_jack, transform_points, walker

SHARED = [joint for joint in COCO17.joints if joint in H36M17.joints]
INDEPENDENT = CameraRange(aimed=False, distance_m=(1.8, 12.0), roll_deg=5.0, tilted_share=0.05)
STILL = dataclasses.replace(CameraRange(), shake_share=0.0, pan_share=0.0, track_share=0.0, dolly_share=0.0)
WHOLE = dataclasses.replace(CameraRange(), half_share=0.0, side_share=0.0)


def bodies(count: int = 12) -> Tensor:
    """(B, 40, 22, 3) walkers and jumpers with different headings."""
    moving = [walker(0.8, 50, 1.2, 0.5 * i) if i % 2 else jumping_jack(0.8, 50, 0.5 * i) for i in range(count)]
    return torch.from_numpy(np.stack(moving)).float()


def standing(count: int) -> Tensor:
    """(B, 1, 22, 3) one frame of a walker."""
    return torch.from_numpy(walker(0.02, 50)).float().expand(count, 1, 22, 3)


def seeded(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def placed(rotation: Tensor, position: Tensor) -> np.ndarray:
    """(4, 4) world to camera of a camera of these axes (3, 3) at that place (3,)."""
    transform = np.eye(4)
    transform[:3, :3] = rotation.double().numpy()
    transform[:3, 3] = -transform[:3, :3] @ position.double().numpy()
    return transform


@pytest.mark.parametrize("cameras", [CameraRange(), INDEPENDENT], ids=["held", "independent"])
@pytest.mark.parametrize("skeleton", [COCO17, H36M17], ids=["coco17", "h36m17"])
def test_exact_keypoints_are_the_projections_of_the_joints(cameras: CameraRange, skeleton: Skeleton) -> None:
    batch = film(bodies(), cameras, None, seeded(), skeleton)
    assert batch.keypoints.shape == (12, 40, 17, 2)
    assert batch.root_m.shape == (12, 40, 1, 3)
    assert (batch.positions_m[:, :, 0] == 0).all()
    known = (batch.positions_m + batch.root_m)[:, :, H36M17.indices(*SHARED)]
    wanted = REFERENCE_FOCAL * known[..., :2] / known[..., 2:]
    torch.testing.assert_close(batch.keypoints[:, :, skeleton.indices(*SHARED)], wanted, atol=1e-5, rtol=1e-5)
    assert len(SHARED) == 12


def test_truth_and_keypoints_are_those_of_a_moving_pinhole_camera_by_hand() -> None:
    joints = bodies()
    moving = dataclasses.replace(CameraRange(), shake_share=1.0, pan_share=1.0, track_share=0.5, dolly_share=0.3)
    shots, _ = draw_shots(joints, moving, seeded(3))
    batch = film(joints, moving, None, seeded(3))
    assert (shots.rotation[:, 0] - shots.rotation[:, -1]).abs().amax(dim=(1, 2)).min() > 1e-3, "all of them move"
    truth = joints[:, :, [KEYPOINTS.index(name) for name in H36M17.joints]].double().numpy()
    nose = joints[:, :, KEYPOINTS.index("nose")].double().numpy()
    for b in range(12):
        for t in (0, 17, 39):
            camera = placed(shots.rotation[b, t], shots.position_m[b, t])
            wanted = transform_points(camera, truth[b, t])
            np.testing.assert_allclose(batch.root_m[b, t, 0], wanted[0], atol=1e-4)
            np.testing.assert_allclose(batch.positions_m[b, t], wanted - wanted[0], atol=1e-4)
            x, y, z = transform_points(camera, nose[b, t])
            got = batch.keypoints[b, t, COCO17.index("nose")]
            np.testing.assert_allclose(got, [REFERENCE_FOCAL * x / z, REFERENCE_FOCAL * y / z], atol=1e-4)


def test_filming_is_a_rigid_motion_and_mirrors_nobody() -> None:
    joints = bodies()
    batch = film(joints, INDEPENDENT, None, seeded())
    truth = joints[:, :, [KEYPOINTS.index(name) for name in H36M17.joints]]
    seen = batch.positions_m
    torch.testing.assert_close(torch.cdist(seen, seen), torch.cdist(truth, truth), atol=2e-3, rtol=0)
    # Right hip, left hip and head span a volume whose sign a mirror would turn.
    corners = H36M17.indices("left_hip", "head", "left_knee")
    before = torch.linalg.det(truth[:, :, corners] - truth[:, :, :1])
    torch.testing.assert_close(torch.linalg.det(seen[:, :, corners]), before, atol=1e-4, rtol=1e-3)
    # One rotation for the whole sequence: the root's path keeps its length.
    path = (batch.root_m[:, -1, 0] - batch.root_m[:, 0, 0]).norm(dim=-1)
    torch.testing.assert_close(path, (truth[:, -1, 0] - truth[:, 0, 0]).norm(dim=-1), atol=1e-4, rtol=0)


@pytest.mark.parametrize("cameras", [CameraRange(), INDEPENDENT], ids=["held", "independent"])
def test_people_stay_in_front_of_the_camera(cameras: CameraRange) -> None:
    """Even those who walk through where the camera stands."""
    near = dataclasses.replace(cameras, distance_m=(0.5, 1.0))
    long_walks = torch.from_numpy(np.stack([walker(6.0, 50, 1.5, 0.7 * i) for i in range(16)])).float()
    batch = film(long_walks, near, None, seeded())
    assert (batch.positions_m + batch.root_m)[..., 2].min() > 0.45
    assert batch.keypoints.isfinite().all()


def test_distances_and_directions_of_independent_cameras_are_within_their_range() -> None:
    cameras = dataclasses.replace(INDEPENDENT, distance_m=(3.0, 9.0), offset_deg=(20.0, 10.0))
    root = film(standing(400), cameras, None, seeded()).root_m[:, 0, 0]
    depth = root[:, 2]
    assert depth.min() > 2.9
    assert depth.max() < 9.1
    # Log-uniform: half of them nearer than the geometric mean.
    assert abs((depth < math.sqrt(27)).float().mean() - 0.5) < 0.1
    right = torch.rad2deg(torch.atan(root[:, 0] / depth))
    down = torch.rad2deg(torch.atan(root[:, 1] / depth))
    assert 18 < right.abs().max() < 20.01
    assert 9 < down.abs().max() < 10.01


def test_level_camera_has_up_against_y() -> None:
    yaw = torch.linspace(-3, 3, 7)
    rotations = camera_rotations(yaw, torch.zeros(7), torch.zeros(7))
    torch.testing.assert_close(rotations @ torch.tensor([0.0, 0, 1]), torch.tensor([0.0, -1, 0]).expand(7, 3))
    torch.testing.assert_close(rotations @ rotations.mT, torch.eye(3).expand(7, 3, 3))
    assert torch.linalg.det(rotations).sub(1).abs().max() < 1e-5


@pytest.mark.parametrize(
    ("yaw", "pitch", "roll"), [(0.0, 0.0, 0.0), (0.9, -0.4, 0.0), (-2.0, 0.3, 0.2), (1.0, 0.1, -0.5)]
)
def test_rotations_are_those_of_a_camera_placed_by_hand(yaw: float, pitch: float, roll: float) -> None:
    got = camera_rotations(torch.tensor([yaw]), torch.tensor([pitch]), torch.tensor([roll]))[0].numpy()
    # Yaw 0 looks along the world's y axis; yaw turns the scene one way, the camera the other.
    placed = camera_from_world(math.pi / 2 - yaw, pitch, roll)[:3, :3]
    np.testing.assert_allclose(got, placed, atol=1e-6)


def test_mirrored_bodies_have_left_and_right_exchanged() -> None:
    joints = bodies(2)
    mirrored = mirror_bodies(joints, torch.tensor([True, False]))
    torch.testing.assert_close(mirrored[1], joints[1])
    left, right = KEYPOINTS.index("left_wrist"), KEYPOINTS.index("right_wrist")
    torch.testing.assert_close(mirrored[0, :, left], joints[0, :, right] * torch.tensor([-1.0, 1, 1]))
    torch.testing.assert_close(mirrored[0, :, 0], joints[0, :, 0] * torch.tensor([-1.0, 1, 1]))
    for k, name in enumerate(KEYPOINTS):
        twin = name.replace("left_", "x_").replace("right_", "left_").replace("x_", "right_")
        torch.testing.assert_close(mirrored[0, :, k, 1:], joints[0, :, KEYPOINTS.index(twin), 1:])
    torch.testing.assert_close(mirror_bodies(mirrored, torch.tensor([True, False])), joints)


@pytest.mark.parametrize("angle", [0.0, 0.6, 2.0])
def test_facing_is_one_from_the_front_and_minus_one_from_behind(angle: float) -> None:
    """A walker who goes along the x axis, from a level camera at the height of the trunk."""
    joints = torch.from_numpy(walker(0.5, 50)).float()[None]
    joints = joints - joints[:, :, :1] + torch.tensor([0.0, 0.0, 1.0])
    around = torch.tensor([math.cos(angle), math.sin(angle), 0.0])
    position = 50 * around + torch.tensor([0.0, 0.0, 1.2])
    rotation = torch.from_numpy(camera_from_world(angle + math.pi)[:3, :3]).float()
    shots = Shots(rotation.expand(1, 25, 3, 3), position.expand(1, 25, 3), torch.ones(1, 2), torch.ones(1) > 0)
    facing = seen_by(shots.seen(joints), shots, COCO17).facing
    # Hips and shoulders turn by a few degrees as she walks, and the trunk leans a little.
    torch.testing.assert_close(facing.mean(), torch.tensor(math.cos(angle)), atol=0.05, rtol=0)


def test_apparent_height_is_that_of_a_person_of_human36ms_proportions() -> None:
    shots, in_camera = draw_shots(standing(20), STILL, seeded())
    seen = seen_by(in_camera, shots, COCO17)
    # The walker has Human3.6M's bones, which belong to a stature of 1.76 m.
    torch.testing.assert_close(seen.height, REFERENCE_FOCAL * 1.76 / in_camera[:, 0, 0, 2], atol=0, rtol=0.03)
    torch.testing.assert_close(seen.depth_m, in_camera[:, :, [KEYPOINTS.index(j) for j in COCO17.joints], 2])


@pytest.mark.parametrize("skeleton", [COCO17, H36M17], ids=["coco17", "h36m17"])
def test_noise_changes_the_keypoints_and_not_the_truth(skeleton: Skeleton) -> None:
    exact = film(bodies(), CameraRange(), None, seeded(), skeleton)
    noisy = film(bodies(), CameraRange(), KeypointNoise(), seeded(), skeleton)
    assert noisy.keypoints.shape == exact.keypoints.shape
    assert torch.equal(noisy.positions_m, exact.positions_m)
    assert torch.equal(noisy.root_m, exact.root_m)
    error = (noisy.keypoints - exact.keypoints).norm(dim=-1)
    assert error.median() > 1e-4
    assert error.isfinite().all()


def test_same_seed_same_film() -> None:
    first, again = (film(bodies(), CameraRange(), KeypointNoise(), seeded(4)) for _ in range(2))
    other = film(bodies(), CameraRange(), KeypointNoise(), seeded(5))
    for name in ("keypoints", "positions_m", "root_m"):
        assert torch.equal(getattr(first, name), getattr(again, name))
        assert not torch.equal(getattr(first, name), getattr(other, name))
