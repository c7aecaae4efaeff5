from __future__ import annotations

import dataclasses
import math

import numpy as np
import pytest
import torch
from torch import Tensor

from lifting.canonical import REFERENCE_FOCAL
from lifting.data.keypoint_noise import KeypointNoise
from lifting.data.mocap import KEYPOINTS, PARENTS
from lifting.data.virtual_cameras import CameraRange, camera_rotations, film, mirror_bodies, vary_proportions
from poses import COCO17, H36M17
from tests.motion import camera_from_world, jumping_jack, walker

SHARED = [joint for joint in COCO17.joints if joint in H36M17.joints]


def bodies(count: int = 12) -> Tensor:
    """(B, 40, 22, 3) walkers and jumpers with different headings."""
    moving = [walker(0.8, 50, 1.2, 0.5 * i) if i % 2 else jumping_jack(0.8, 50, 0.5 * i) for i in range(count)]
    return torch.from_numpy(np.stack(moving)).float()


def seeded(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def bone_lengths(joints: Tensor) -> Tensor:
    """(B, T, K - 1)"""
    return torch.stack([(joints[:, :, k] - joints[:, :, PARENTS[k]]).norm(dim=-1) for k in range(1, 22)], dim=-1)


def test_exact_keypoints_are_the_projections_of_the_joints() -> None:
    batch = film(bodies(), CameraRange(), None, seeded())
    assert batch.keypoints.shape == (12, 40, 17, 2)
    assert batch.root_m.shape == (12, 40, 1, 3)
    assert (batch.positions_m[:, :, 0] == 0).all()
    placed = (batch.positions_m + batch.root_m)[:, :, H36M17.indices(*SHARED)]
    wanted = REFERENCE_FOCAL * placed[..., :2] / placed[..., 2:]
    torch.testing.assert_close(batch.keypoints[:, :, COCO17.indices(*SHARED)], wanted, atol=1e-5, rtol=1e-5)
    assert len(SHARED) == 12


def test_filming_is_a_rigid_motion_and_mirrors_nobody() -> None:
    joints = bodies()
    batch = film(joints, CameraRange(), None, seeded())
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


def test_people_stay_in_front_of_the_camera() -> None:
    """Even those who walk through where the camera stands."""
    near = CameraRange(distance_m=(0.5, 1.0))
    long_walks = torch.from_numpy(np.stack([walker(6.0, 50, 1.5, 0.7 * i) for i in range(16)])).float()
    batch = film(long_walks, near, None, seeded())
    depth = (batch.positions_m + batch.root_m)[..., 2]
    assert depth.min() > 0.75
    assert batch.keypoints.isfinite().all()


def test_distances_and_directions_are_within_their_range() -> None:
    still = torch.from_numpy(walker(0.02, 50)).float().expand(400, 1, 22, 3)
    root = film(still, CameraRange(distance_m=(3.0, 9.0), offset_deg=(20.0, 10.0)), None, seeded()).root_m[:, 0, 0]
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


def test_varied_proportions_are_constant_in_time_and_alike_left_and_right() -> None:
    joints = bodies()
    varied = vary_proportions(joints, 0.04, 0.06, seeded())
    factor = bone_lengths(varied) / bone_lengths(joints)
    torch.testing.assert_close(factor, factor[:, :1].expand_as(factor), atol=1e-3, rtol=0)
    factor = factor[:, 0]
    of = {name: factor[:, k - 1] for k, name in enumerate(KEYPOINTS) if k}
    for name in KEYPOINTS:
        if name.startswith("left_"):
            torch.testing.assert_close(of[name], of[name.replace("left_", "right_")], atol=1e-3, rtol=0)
    torch.testing.assert_close(of["nose"], of["left_ear"], atol=1e-3, rtol=0)
    assert (of["left_knee"] - of["left_elbow"]).abs().max() > 0.02, "bones differ from each other"
    spread = torch.stack([of["left_knee"], of["left_elbow"], of["spine"]]).log()
    assert 0.03 < spread.std() < 0.12


def test_angles_of_varied_bodies_stay() -> None:
    joints = bodies(3)
    varied = vary_proportions(joints, 0.1, 0.2, seeded())
    for k in range(1, 22):
        before, after = (j[:, :, k] - j[:, :, PARENTS[k]] for j in (joints, varied))
        cosine = torch.nn.functional.cosine_similarity(before, after, dim=-1)
        assert (1 - cosine).max() < 1e-4
    torch.testing.assert_close(vary_proportions(joints, 0.0, 0.0, seeded()), joints, atol=1e-5, rtol=0)


def test_feet_of_larger_bodies_stay_near_the_floor() -> None:
    joints = bodies()
    varied = vary_proportions(joints, 0.2, 0.0, seeded())
    ankle = KEYPOINTS.index("left_ankle")
    size = bone_lengths(varied)[:, :1, :1] / bone_lengths(joints)[:, :1, :1]
    torch.testing.assert_close(varied[:, :, ankle, 2], joints[:, :, ankle, 2] * size[..., 0], atol=1e-4, rtol=0)


def test_detectors_hips_are_narrower_or_wider_and_the_rest_stays() -> None:
    quiet = KeypointNoise(jitter=0, drift=0, bias=0, hidden_face=0, outliers=0, lost=0, swaps=0)
    exact = film(bodies(), CameraRange(), None, seeded())
    cameras = dataclasses.replace(CameraRange(), hip_width=(0.5, 0.5), shoulder_width=(1.0, 1.0))
    shown = film(bodies(), cameras, quiet, seeded())
    torch.testing.assert_close(shown.positions_m, exact.positions_m)
    same = COCO17.indices("nose", "left_ear", "left_wrist", "right_elbow", "left_knee", "right_ankle")
    torch.testing.assert_close(shown.keypoints[:, :, same], exact.keypoints[:, :, same])
    hips = COCO17.indices("left_hip", "right_hip")
    ratio = (shown.keypoints[:, :, hips].diff(dim=2).norm(dim=-1)) / exact.keypoints[:, :, hips].diff(dim=2).norm(
        dim=-1
    )
    assert 0.4 < ratio.median() < 0.6


def test_same_seed_same_film() -> None:
    first, again = (film(bodies(), CameraRange(), KeypointNoise(), seeded(4)) for _ in range(2))
    other = film(bodies(), CameraRange(), KeypointNoise(), seeded(5))
    for name in ("keypoints", "positions_m", "root_m"):
        assert torch.equal(getattr(first, name), getattr(again, name))
        assert not torch.equal(getattr(first, name), getattr(other, name))
