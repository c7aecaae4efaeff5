"""Moving bodies before virtual cameras: canonical keypoints as a detector might give them, and the 3D truth.

Shape letters: B sequences, T frames, K = 22 motion-capture keypoints, J keypoints of the input skeleton.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn.functional import normalize

from lifting.canonical import REFERENCE_FOCAL
from lifting.data.bodies import TWINS, standing_height_m, take
from lifting.data.keypoint_noise import KeypointNoise, Seen, add_keypoint_noise
from lifting.data.mocap import KEYPOINTS, RATE_HZ
from lifting.data.shots import CameraRange, Shots, camera_rotations, draw_shots
from poses import COCO17, H36M17, Skeleton

__all__ = ["Batch", "CameraRange", "camera_rotations", "film", "mirror_bodies", "seen_by"]

_TRUNK = [KEYPOINTS.index(joint) for joint in ("left_hip", "left_shoulder", "right_hip", "right_shoulder")]
_THORAX = KEYPOINTS.index("thorax")


@dataclass(frozen=True)
class Batch:
    """Training sequences.

    Attributes
    ----------
    keypoints : (B, T, J, 2) canonical keypoints of the input skeleton, with noise.
    positions_m : (B, T, 17, 3) true joints of Human3.6M, relative to the root, in the axes of each frame's camera.
    root_m : (B, T, 1, 3) true root in the frame of each frame's camera.
    exact : what a perfect detector would see.
    camera_from_world : (B, T, 3, 3) rotation of each frame's camera.
    """

    keypoints: Tensor
    positions_m: Tensor
    root_m: Tensor
    exact: Seen
    camera_from_world: Tensor


def mirror_bodies(joints: Tensor, which: Tensor) -> Tensor:
    """Mirror those sequences of (B, T, K, 3) for which `which` (B,) is true: x negated, left and right exchanged."""
    mirrored = take(joints, TWINS) * joints.new_tensor([-1.0, 1.0, 1.0])
    return torch.where(which.view(-1, 1, 1, 1), mirrored, joints)


def film(
    joints: Tensor,
    cameras: CameraRange,
    noise: KeypointNoise | None,
    generator: torch.Generator,
    skeleton: Skeleton = COCO17,
) -> Batch:
    """Put bodies (B, T, K, 3), world frame in metres with the floor at z = 0, before random cameras.

    `noise` None gives exact keypoints of the joints themselves.
    """
    shots, in_camera = draw_shots(joints, cameras, generator)
    exact = seen_by(in_camera, shots, skeleton)
    keypoints = exact.keypoints
    if noise is not None:
        keypoints = add_keypoint_noise(exact, skeleton, noise, RATE_HZ, generator)
    # The first keypoints are the joints of Human3.6M, in its order.
    target = in_camera[:, :, : len(H36M17)]
    return Batch(keypoints, target - target[:, :, :1], target[:, :, :1], exact, shots.rotation)


def seen_by(in_camera: Tensor, shots: Shots, skeleton: Skeleton) -> Seen:
    """What a perfect detector of `skeleton` sees of bodies (B, T, K, 3), given in the axes of the cameras."""
    shown = take(in_camera, [KEYPOINTS.index(joint) for joint in skeleton.joints])
    rays, depth = shown[..., :2] / shown[..., 2:], shown[..., 2]
    left, right = (take(in_camera, pair).mean(dim=2) for pair in (_TRUNK[:2], _TRUNK[2:]))
    front = torch.linalg.cross(left - right, in_camera[:, :, _THORAX] - in_camera[:, :, 0])
    middle = (left + right) / 2
    return Seen(
        keypoints=REFERENCE_FOCAL * rays,
        depth_m=depth,
        height=REFERENCE_FOCAL * standing_height_m(in_camera) / in_camera[:, :, 0, 2].mean(dim=1),
        facing=-(normalize(front, dim=-1) * normalize(middle, dim=-1)).sum(dim=-1),
        outside=(rays.abs() > shots.half_picture[:, None, None]).any(dim=-1),
    )
