from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from scipy.spatial.transform import Rotation

from lifting.canonical import REFERENCE_FOCAL
from lifting.person_frame import EXTRA_POINTS, PersonFrame, normalise, rotation_to_axis
from tests.motion import camera_from_world, coco_joints, h36m_joints, transform_points, walker

WALK = walker(1.0, 25.0)


def canonical(joints_m: np.ndarray) -> torch.Tensor:
    joints = coco_joints(joints_m)
    return torch.from_numpy(REFERENCE_FOCAL * joints[..., :2] / joints[..., 2:]).double()


def scene(distance_m: float = 5.0) -> np.ndarray:
    return transform_points(camera_from_world(0.7, distance_m=distance_m), WALK)


def test_rotation_is_the_smallest_one_onto_the_axis() -> None:
    rays = torch.from_numpy(np.random.default_rng(1).uniform(-1.5, 1.5, (50, 2)))
    rotation = rotation_to_axis(rays)
    torch.testing.assert_close(rotation @ rotation.mT, torch.eye(3).double().expand(50, 3, 3))
    assert torch.linalg.det(rotation).sub(1).abs().max() < 1e-12
    for matrix, ray in zip(rotation.numpy(), rays.numpy(), strict=True):
        direction = np.array([*ray, 1.0]) / math.hypot(*ray, 1.0)
        np.testing.assert_allclose(matrix @ direction, [0, 0, 1], atol=1e-12)
        angle = math.acos(direction[2])
        axis = np.array([direction[1], -direction[0], 0.0])
        wanted = Rotation.from_rotvec(angle * axis / np.linalg.norm(axis)).as_matrix()
        np.testing.assert_allclose(matrix, wanted, atol=1e-12)
    torch.testing.assert_close(rotation_to_axis(torch.zeros(2)), torch.eye(3))


def test_shapes_and_what_the_extra_points_say() -> None:
    keypoints = canonical(scene())
    points, frame = normalise(keypoints)
    assert points.shape == (25, 17 + EXTRA_POINTS, 2)
    assert frame.rotation.shape == (25, 3, 3)
    trunk = keypoints[:, [5, 6, 11, 12]].mean(dim=1)
    torch.testing.assert_close(points[:, 17], trunk)
    # The keypoints of the turned camera have a root mean square of 1.
    torch.testing.assert_close(points[:, :17].square().sum(-1).mean(-1), torch.ones(25).double())
    assert (points[:, 18, 0] == 0).all()
    batch, _ = normalise(keypoints.reshape(5, 5, 17, 2))
    torch.testing.assert_close(batch.reshape(25, -1, 2), points)


def test_double_distance_and_double_size_look_the_same() -> None:
    near, _ = normalise(canonical(scene()))
    far, _ = normalise(canonical(2 * scene()))
    torch.testing.assert_close(far, near)


def test_twice_as_far_changes_the_size_and_little_else() -> None:
    near, frame = normalise(canonical(scene(6.0)))
    far, far_frame = normalise(canonical(scene(12.0)))
    ratio = frame.spread / far_frame.spread
    assert ((ratio > 1.8) & (ratio < 2.2)).all()
    torch.testing.assert_close(near[:, 18, 1] - far[:, 18, 1], ratio.log())
    assert (near[:, :17] - far[:, :17]).abs().max() < 0.25
    assert (canonical(scene(6.0)) - canonical(scene(12.0))).abs().max() / frame.spread.min() > 1.5


@pytest.mark.parametrize("turn", [(0.0, 0.35, 0.0), (0.3, 0.0, 0.0), (-0.2, 0.3, 0.0)])
def test_turning_the_camera_changes_the_direction_alone(turn: tuple[float, float, float]) -> None:
    still = canonical(scene())
    turned = canonical(scene() @ Rotation.from_rotvec(turn).as_matrix().T)
    points, _ = normalise(still)
    turned_points, _ = normalise(turned)
    # Exact but for the middle of the trunk, which perspective moves a little, and a slight roll.
    assert (points[:, :17] - turned_points[:, :17]).abs().max() < 0.07
    assert (points[:, 17] - turned_points[:, 17]).abs().min(dim=0).values.max() > 0.3
    assert (still - turned).abs().max() > 0.5


@pytest.mark.parametrize("turn", [(0.0, 0.0, 0.0), (-0.2, 0.3, 0.1)])
def test_round_trip_of_joints_and_root(turn: tuple[float, float, float]) -> None:
    joints = scene() @ Rotation.from_rotvec(turn).as_matrix().T
    _, frame = normalise(canonical(joints))
    truth = torch.from_numpy(h36m_joints(joints))
    root = truth[:, :1]
    # What networks that make no error would answer: seen from the turned camera, depth times spread.
    seen = torch.stack([r @ t for r, t in zip(frame.rotation, (truth - root).mT, strict=True)]).mT
    seen_root = torch.stack([r @ t for r, t in zip(frame.rotation, root.mT, strict=True)]).mT
    answer = torch.cat([seen_root[..., :2], seen_root[..., 2:] * frame.spread[:, None, None]], dim=-1)
    torch.testing.assert_close(frame.positions_to_camera(seen), truth - root)
    torch.testing.assert_close(frame.root_to_camera(answer), root)
    # Depth times spread is about the person's size, whatever the distance.
    assert ((answer[..., 2] > 0.3) & (answer[..., 2] < 0.8)).all()


def test_inner_frames() -> None:
    keypoints = canonical(scene()).reshape(1, 25, 17, 2)
    _, frame = normalise(keypoints)
    _, wanted = normalise(keypoints[:, 4:-4])
    inner = PersonFrame(frame.rotation[:, 4:21], frame.spread[:, 4:21])
    torch.testing.assert_close(inner.rotation, wanted.rotation)
    torch.testing.assert_close(inner.spread, wanted.spread)


def test_degenerate_keypoints_stay_finite() -> None:
    for keypoints in (torch.zeros(3, 17, 2), torch.full((3, 17, 2), 40.0)):
        points, frame = normalise(keypoints)
        assert points.isfinite().all()
        assert frame.root_to_camera(torch.ones(3, 1, 3)).isfinite().all()
