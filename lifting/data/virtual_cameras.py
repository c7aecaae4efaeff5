"""Moving bodies before virtual cameras: varied proportions, speed, mirror, viewpoint; canonical keypoints and 3D truth.

Shape letters: B sequences, T frames, K = 22 motion-capture keypoints, J = 17 joints.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field

import torch
from torch import Tensor

from lifting.canonical import REFERENCE_FOCAL
from lifting.data.keypoint_noise import KeypointNoise, add_keypoint_noise
from lifting.data.mocap import KEYPOINTS, PARENTS, RATE_HZ
from poses import COCO17, H36M17

_COCO_FROM_MOCAP = [KEYPOINTS.index(joint) for joint in COCO17.joints]
_H36M = [KEYPOINTS.index(joint) for joint in H36M17.joints]
_HIPS = [KEYPOINTS.index("left_hip"), KEYPOINTS.index("right_hip")]
_SHOULDERS = [KEYPOINTS.index("left_shoulder"), KEYPOINTS.index("right_shoulder")]
_TWIN = {"left_": "right_", "right_": "left_"}
_MIRROR = [KEYPOINTS.index(next((_TWIN[p] + k[len(p) :] for p in _TWIN if k.startswith(p)), k)) for k in KEYPOINTS]
# Bones that share one random length: the part of the name without its side; the face scales as a whole.
_PART = [k.replace("left_", "").replace("right_", "") for k in KEYPOINTS]
_PART = ["face" if k in ("nose", "eye", "ear") else k for k in _PART]
_PARTS = sorted(set(_PART))
_PART_OF = [_PARTS.index(part) for part in _PART]


@dataclass(frozen=True)
class CameraRange:
    """Where virtual cameras stand and how bodies vary. Angles in degrees, as a person writes them in YAML."""

    distance_m: tuple[float, ...] = field(default=(1.8, 12.0), metadata={"help": "nearest and farthest, log-uniform"})
    pitch_deg: tuple[float, ...] = field(
        default=(-8.0, 12.0), metadata={"help": "mean and deviation; negative looks down"}
    )
    steep_share: float = field(default=0.2, metadata={"help": "share of cameras with a pitch from all of -60 to +25"})
    roll_deg: float = field(default=5.0, metadata={"help": "standard deviation"})
    tilted_share: float = field(default=0.05, metadata={"help": "share of cameras with a roll from all of -30 to +30"})
    offset_deg: tuple[float, ...] = field(default=(25.0, 14.0), metadata={"help": "largest angle off the optical axis"})
    speed: tuple[float, ...] = field(default=(0.8, 1.25), metadata={"help": "slowest and fastest replay"})
    size_spread: float = field(default=0.04, metadata={"help": "deviation of the body's log size"})
    bone_spread: float = field(default=0.06, metadata={"help": "deviation of each bone's log length"})
    hip_width: tuple[float, ...] = field(
        default=(0.6, 1.1), metadata={"help": "detectors' hips, as a share of the true width"}
    )
    shoulder_width: tuple[float, ...] = field(default=(0.85, 1.15), metadata={"help": "detectors' shoulders, likewise"})


@dataclass(frozen=True)
class Batch:
    """Training sequences.

    Attributes
    ----------
    keypoints : (B, T, 17, 2) canonical COCO keypoints with noise.
    positions_m : (B, T, 17, 3) true joints of Human3.6M, relative to the root, camera axes.
    root_m : (B, T, 1, 3) true root in the camera frame.
    """

    keypoints: Tensor
    positions_m: Tensor
    root_m: Tensor


def vary_proportions(joints: Tensor, size_spread: float, bone_spread: float, generator: torch.Generator) -> Tensor:
    """Lengthen or shorten the bones of (B, T, K, 3), left and right alike; joint angles stay."""
    batch = len(joints)
    size = torch.exp(size_spread * torch.randn((batch, 1), generator=generator))
    parts = size * torch.exp(bone_spread * torch.randn((batch, len(_PARTS)), generator=generator))
    factor = parts[:, _PART_OF]
    leg = (factor[:, KEYPOINTS.index("left_knee")] + factor[:, KEYPOINTS.index("left_ankle")]) / 2
    varied = [joints[:, :, 0] * leg.view(-1, 1, 1)]
    for k in range(1, len(PARENTS)):
        bone = joints[:, :, k] - joints[:, :, PARENTS[k]]
        varied.append(varied[PARENTS[k]] + factor[:, k].view(-1, 1, 1) * bone)
    return torch.stack(varied, dim=2)


def mirror_bodies(joints: Tensor, which: Tensor) -> Tensor:
    """Mirror those sequences of (B, T, K, 3) for which `which` (B,) is true: x negated, left and right exchanged."""
    mirrored = joints[:, :, _MIRROR] * joints.new_tensor([-1.0, 1.0, 1.0])
    return torch.where(which.view(-1, 1, 1, 1), mirrored, joints)


def camera_rotations(yaw: Tensor, pitch: Tensor, roll: Tensor) -> Tensor:
    """(B, 3, 3) rotations from world axes (z up) to camera axes (x right, y down, z forward); angles (B,) in radians.

    Yaw turns about the vertical, positive pitch looks up, roll turns about the optical axis.
    """
    zero, one = torch.zeros_like(yaw), torch.ones_like(yaw)

    def matrix(*rows: tuple[Tensor, Tensor, Tensor]) -> Tensor:
        return torch.stack([torch.stack(row, dim=-1) for row in rows], dim=-2)

    turn = matrix((yaw.cos(), -yaw.sin(), zero), (yaw.sin(), yaw.cos(), zero), (zero, zero, one))
    level = matrix((one, zero, zero), (zero, zero, -one), (zero, one, zero))
    look = matrix((one, zero, zero), (zero, pitch.cos(), pitch.sin()), (zero, -pitch.sin(), pitch.cos()))
    tilt = matrix((roll.cos(), -roll.sin(), zero), (roll.sin(), roll.cos(), zero), (zero, zero, one))
    return tilt @ look @ level @ turn


def film(joints: Tensor, cameras: CameraRange, noise: KeypointNoise | None, generator: torch.Generator) -> Batch:
    """Put bodies (B, T, K, 3), world frame in metres, before random cameras.

    `noise` None gives exact keypoints of the joints themselves.
    """
    batch = len(joints)

    def uniform(low: float, high: float) -> Tensor:
        return low + (high - low) * torch.rand(batch, generator=generator)

    def normal(mean: float, deviation: float) -> Tensor:
        return mean + deviation * torch.randn(batch, generator=generator)

    def mixed(usual: Tensor, rare: Tensor, share: float) -> Tensor:
        return torch.where(torch.rand(batch, generator=generator) < share, rare, usual)

    degree = math.pi / 180
    pitch = mixed(normal(*cameras.pitch_deg).clamp(-60, 30), uniform(-60, 25), cameras.steep_share) * degree
    roll = mixed(normal(0, cameras.roll_deg), uniform(-30, 30), cameras.tilted_share) * degree
    rotation = camera_rotations(uniform(0, 2 * math.pi), pitch, roll)
    low, high = cameras.distance_m
    distance = torch.exp(uniform(math.log(low), math.log(high)))
    right, down = (uniform(-limit, limit) * degree for limit in cameras.offset_deg)
    centre = torch.stack([right.tan(), down.tan(), torch.ones(batch)], dim=-1) * distance[:, None]

    anchor = joints[:, :, 0].mean(dim=1)
    seen = torch.einsum("bij,btkj->btki", rotation, joints - anchor[:, None, None])
    # A body that walks towards the camera must not pass through it.
    nearest = (seen[..., 2].amin(dim=(1, 2)) + distance).clamp(max=0.8)
    centre = centre * (1 + (0.8 - nearest) / distance)[:, None]
    seen = seen + centre[:, None, None]
    shown = seen if noise is None else _as_detectors_see(seen, cameras, generator)
    shown = shown[:, :, _COCO_FROM_MOCAP]
    keypoints = REFERENCE_FOCAL * shown[..., :2] / shown[..., 2:]
    if noise is not None:
        height = REFERENCE_FOCAL * 1.7 / seen[:, :, 0, 2].mean(dim=1)
        keypoints = add_keypoint_noise(keypoints, height, _looks_away(shown), noise, RATE_HZ, generator)
    target = seen[:, :, _H36M]
    return Batch(keypoints, target - target[:, :, :1], target[:, :, :1])


def _as_detectors_see(seen: Tensor, cameras: CameraRange, generator: torch.Generator) -> Tensor:
    """Move hips and shoulders to where a detector may put them: another width, and up or down the trunk."""
    batch = len(seen)
    seen = seen.clone()
    trunk = seen[:, :, KEYPOINTS.index("thorax")] - seen[:, :, 0]
    for pair, (low, high), shift in (
        (_HIPS, cameras.hip_width, 0.08),
        (_SHOULDERS, cameras.shoulder_width, 0.05),
    ):
        width = (low + (high - low) * torch.rand((batch, 1, 1, 1), generator=generator)).clone()
        along = (shift * torch.randn((batch, 1, 1), generator=generator)) * trunk
        middle = seen[:, :, pair].mean(dim=2, keepdim=True)
        seen[:, :, pair] = middle + width * (seen[:, :, pair] - middle) + along[:, :, None]
    return seen


def _looks_away(coco_m: Tensor) -> Tensor:
    """(B, T) from 0 (the face is towards the camera) to 1 (the back of the head), from camera-frame keypoints."""
    ears = coco_m[:, :, COCO17.indices("left_ear", "right_ear")].mean(dim=2)
    forward = coco_m[:, :, COCO17.index("nose")] - ears
    view = torch.nn.functional.normalize(ears, dim=-1)
    cosine = (torch.nn.functional.normalize(forward, dim=-1) * view).sum(dim=-1)
    return (2 * cosine).clamp(0, 1)
