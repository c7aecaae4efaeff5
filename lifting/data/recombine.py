"""New whole-body poses from recorded parts: the upper body or the arms of one sequence on the body of another.

Legs, pelvis and root stay together, so that contact with the floor and balance stay those of a recording; both parts
move at their own speed over the same time. Shape letters: B sequences, N of them recombined, T frames, K keypoints.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor
from torch.nn.functional import normalize

from lifting.data.bodies import bone_vectors, joints_from_bones, take
from lifting.data.mocap import KEYPOINTS

UPPER_SHARE = 0.6
"""Of the recombined sequences, those with another's whole upper body; the others take one or both arms."""

LARGEST_LEAN_DIFFERENCE_RAD = math.radians(40)
"""Two lower trunks, turned to one heading, may point this far apart in any frame."""

LARGEST_HIP_TILT_RAD = math.radians(45)
"""Beyond this tilt of the hip axis a heading says little: those who lie on their side keep what they have."""

PENETRATION_M = 0.02
"""A recombined arm may go this much deeper into the body than in either recording."""

_CANDIDATES = 8


def _index(*names: str) -> list[int]:
    return [KEYPOINTS.index(name) for name in names]


_LEFT_HIP, _RIGHT_HIP, _SPINE, _THORAX, _NECK, _HEAD = _index(
    "left_hip", "right_hip", "spine", "thorax", "neck", "head"
)
_LEFT_SHOULDER, _RIGHT_SHOULDER = _index("left_shoulder", "right_shoulder")
_ARMS = [_index("left_elbow", "left_wrist"), _index("right_elbow", "right_wrist")]
_ARM_JOINTS = _ARMS[0] + _ARMS[1]
# Capsules (from, to, radius in metres) of an adult: trunk, head, thighs.
_CAPSULES = (
    (0, _THORAX, 0.10),
    (_NECK, _HEAD, 0.09),
    *(
        (hip, knee, 0.07)
        for hip, knee in zip(_index("left_hip", "right_hip"), _index("left_knee", "right_knee"), strict=True)
    ),
)


def recombine(joints_m: Tensor, share: float, generator: torch.Generator) -> Tensor:
    """Exchange parts between the sequences of (B, T, K, 3), world frame, z up; returns (B, T, K, 3).

    `share` of the sequences are tried: 60 % of them with the upper body (all above the pelvis) of another sequence,
    turned to the heading of the hips frame by frame; the others with the left, the right or both arms of another,
    in the axes of the chest, in half of the cases mirrored from the other side. A sequence stays as it was where no
    donor has a lower trunk of like lean throughout, or where an elbow, forearm or hand would go deeper into trunk, head
    or thighs than in both recordings. Bone lengths come from both bodies: set them afterwards (`lifting.data.bodies`).
    """
    batch, device = len(joints_m), generator.device
    count = round(share * batch)
    if count == 0 or batch < 2:
        return joints_m
    chosen = torch.randperm(batch, generator=generator, device=device)[:count]
    lean, level = _lean(joints_m)
    donor = _choose_donors(lean.mean(dim=1), chosen, generator)
    own, others = joints_m[chosen], joints_m[donor]
    uppers = round(UPPER_SHARE * count)
    new = torch.cat(
        [
            _with_upper_body(own[:uppers], others[:uppers]),
            _with_arms(own[uppers:], others[uppers:], generator),
        ]
    )
    cosine = (lean[chosen] * lean[donor]).sum(dim=-1).amin(dim=1)
    fits = (cosine > math.cos(LARGEST_LEAN_DIFFERENCE_RAD)) & level[chosen] & level[donor] & (chosen != donor)
    # An arm alone fits whichever way the trunks lean.
    fits[uppers:] = chosen[uppers:] != donor[uppers:]
    allowed = torch.maximum(penetration_m(own), penetration_m(others)).clamp(min=0) + PENETRATION_M
    fits &= penetration_m(new) <= allowed
    result = joints_m.clone()
    result[chosen] = torch.where(fits.view(-1, 1, 1, 1), new, own)
    return result


def penetration_m(joints: Tensor) -> Tensor:
    """(N,) how deep elbows, forearms and hands of (N, T, K, 3) get into trunk, head or thighs; negative outside.

    Every third frame is looked at: at 50 Hz, limbs move little more than their radius in between.
    """
    joints = joints[:, ::3]
    elbows, wrists = (take(joints, [arm[i] for arm in _ARMS]) for i in (0, 1))
    points = torch.cat([elbows, (elbows + wrists) / 2, wrists, wrists + 0.4 * (wrists - elbows)], dim=2)
    deepest = joints.new_full((len(joints),), -math.inf)
    for start, end, radius in _CAPSULES:
        axis = (joints[:, :, end] - joints[:, :, start])[:, :, None]
        offset = points - joints[:, :, start, None]
        along = (offset * axis).sum(dim=-1) / axis.square().sum(dim=-1).clamp(min=1e-9)
        distance = (offset - along.clamp(0, 1)[..., None] * axis).norm(dim=-1)
        deepest = torch.maximum(deepest, radius - distance.amin(dim=(1, 2)))
    return deepest


def _heading(joints: Tensor) -> Tensor:
    """(..., T) angle of the hip axis, right to left, about the vertical."""
    across = joints[..., _LEFT_HIP, :] - joints[..., _RIGHT_HIP, :]
    return torch.atan2(across[..., 1], across[..., 0])


def _turn(vectors: Tensor, angle: Tensor) -> Tensor:
    """Vectors (..., n, 3) turned about the vertical by angles (...)."""
    c, s = angle.cos()[..., None], angle.sin()[..., None]
    x, y, z = vectors.unbind(dim=-1)
    return torch.stack([c * x - s * y, s * x + c * y, z], dim=-1)


def _lean(joints: Tensor) -> tuple[Tensor, Tensor]:
    """(B, T, 3) direction of the lower trunk in the heading frame; (B,) whether the hip axis is level enough."""
    across = joints[:, :, _LEFT_HIP] - joints[:, :, _RIGHT_HIP]
    level = normalize(across, dim=-1)[..., 2].abs().amax(dim=1) < math.sin(LARGEST_HIP_TILT_RAD)
    trunk = normalize(joints[:, :, _SPINE] - joints[:, :, 0], dim=-1)
    return _turn(trunk[:, :, None], -_heading(joints))[:, :, 0], level


def _choose_donors(lean: Tensor, chosen: Tensor, generator: torch.Generator) -> Tensor:
    """(N,) for each chosen sequence the first of a few random ones whose mean lean (B, 3) is like its own."""
    shape = (len(chosen), _CANDIDATES)
    candidates = torch.randint(len(lean), shape, generator=generator, device=generator.device)
    cosine = (normalize(lean, dim=-1)[candidates] * normalize(lean[chosen], dim=-1)[:, None]).sum(dim=-1)
    fits = (cosine > math.cos(0.8 * LARGEST_LEAN_DIFFERENCE_RAD)) & (candidates != chosen[:, None])
    order = torch.arange(_CANDIDATES, 0, -1, device=lean.device)
    return candidates.gather(1, (fits * order).argmax(dim=1, keepdim=True))[:, 0]


def _with_upper_body(own: Tensor, donor: Tensor) -> Tensor:
    bones = bone_vectors(own)
    bones[:, :, _SPINE:] = _turn(bone_vectors(donor)[:, :, _SPINE:], _heading(own) - _heading(donor))
    return joints_from_bones(bones)


def _chest_axes(joints: Tensor) -> Tensor:
    """(N, T, 3, 3) rows: the chest's left, forward and up in world axes."""
    up = normalize(joints[:, :, _THORAX] - joints[:, :, _SPINE], dim=-1)
    across = joints[:, :, _LEFT_SHOULDER] - joints[:, :, _RIGHT_SHOULDER]
    forward = normalize(torch.linalg.cross(across, up), dim=-1)
    return torch.stack([torch.linalg.cross(forward, up).neg(), forward, up], dim=-2)


def _with_arms(own: Tensor, donor: Tensor, generator: torch.Generator) -> Tensor:
    count, device = len(own), generator.device
    which = torch.randint(3, (count, 1, 1, 1), generator=generator, device=device)
    mirrored = torch.rand((count, 1, 1, 1), generator=generator, device=device) < 0.5
    local = take(bone_vectors(donor), _ARM_JOINTS) @ _chest_axes(donor).mT
    opposite = local[:, :, [2, 3, 0, 1]] * local.new_tensor([-1.0, 1.0, 1.0])
    arms = torch.where(mirrored, opposite, local) @ _chest_axes(own)
    bones = bone_vectors(own)
    # 0: the left arm, 1: the right one, 2: both.
    side = torch.tensor([0, 0, 1, 1], device=device).view(1, 1, 4, 1)
    bones[:, :, _ARM_JOINTS] = torch.where((which == side) | (which == 2), arms, take(bones, _ARM_JOINTS))
    return joints_from_bones(bones)
