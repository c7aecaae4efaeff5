"""Bodies from children to tall adults under recorded motion: bone lengths are drawn and set, joint angles stay.

Shape letters: B sequences, T frames, K = 22 motion-capture keypoints.

Sources of the proportions. The mean shares of stature are those of Human3.6M's skeleton, whose joints the lifter
answers with (taken as a stature of 1.76 m: its head joint lies 6.5 cm below the crown, its ankles 7 cm above the
floor); they agree with D. A. Winter, *Biomechanics and Motor Control of Human Movement*, figure 4.1, after R. Drillis
and R. Contini, *Body Segment Parameters*, 1966, where the joints are the same ones (thigh 0.245, shin 0.246, forearm
0.146 of stature). The spreads are about those that remain in C. C. Gordon et al., *2012 Anthropometric Survey of U.S.
Army Personnel* (ANSUR II), 2014, once stature is taken out: 3 to 5 % for limbs, 5 to 7 % for widths. Children: legs are
a smaller share, heads a larger one, trunk and widths hardly change (R. G. Snyder et al., *Anthropometry of Infants,
Children, and Youths to Age 18*, 1977: at 1.05 m the sitting height is about 0.57 of the stature instead of 0.52, the
head 0.87 of an adult's).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import torch
from torch import Tensor

from lifting.data.mocap import KEYPOINTS, PARENTS


@dataclass(frozen=True)
class BodyRange:
    """How bodies vary. Lengths in metres."""

    stature_m: tuple[float, ...] = field(default=(1.05, 2.05), metadata={"help": "smallest and tallest person"})
    adult_m: tuple[float, ...] = field(default=(1.70, 0.10), metadata={"help": "adults' mean stature and deviation"})
    child_share: float = field(default=0.15, metadata={"help": "share of children, evenly from the smallest to 1.55 m"})
    spread: float = field(default=1.0, metadata={"help": "factor on the spread of proportions; 0: all alike"})
    own_share: float = field(
        default=0.15, metadata={"help": "share of sequences that keep the proportions of their recording"}
    )
    own_size_spread: float = field(default=0.04, metadata={"help": "deviation of the log size of those"})
    own_bone_spread: float = field(default=0.04, metadata={"help": "deviation of each log bone length of those"})


@dataclass(frozen=True)
class _Part:
    """A bone, or a pair of bones that are alike: share of stature, deviation of its logarithm, whom it grows with."""

    share: float
    spread: float
    group: str


_H36M_STATURE_M = 1.76
_TALLEST_CHILD_M = 1.55
# The face and the head's top are one stiff part; its size is that of the bone from mouth to head top.
_HEAD_M = {"head": 0.1150, "nose": 0.0934, "eye": 0.0872, "ear": 0.0943}
_PARTS = {
    "hip": _Part(0.133 / _H36M_STATURE_M, 0.07, "trunk"),
    "knee": _Part(0.443 / _H36M_STATURE_M, 0.03, "leg"),
    "ankle": _Part(0.454 / _H36M_STATURE_M, 0.03, "leg"),
    "spine": _Part(0.233 / _H36M_STATURE_M, 0.05, "trunk"),
    "thorax": _Part(0.257 / _H36M_STATURE_M, 0.05, "trunk"),
    "neck": _Part(0.121 / _H36M_STATURE_M, 0.08, "head"),
    "shoulder": _Part(0.151 / _H36M_STATURE_M, 0.07, "trunk"),
    "elbow": _Part(0.279 / _H36M_STATURE_M, 0.035, "arm"),
    "wrist": _Part(0.252 / _H36M_STATURE_M, 0.04, "arm"),
    **{part: _Part(size / _H36M_STATURE_M, 0.0, "face") for part, size in _HEAD_M.items()},
}
_GROUP_SPREAD = {"leg": 0.025, "trunk": 0.03, "arm": 0.03, "head": 0.0, "face": 0.05}
# Exponents of (stature / 1.70 m) below that stature, before the upright bones are scaled to add up to the stature: at
# 1.05 m they give legs of 0.90, arms of 0.95 and a head of 1.42 times the share of an adult.
_GROUP_GROWTH = {"leg": 0.35, "trunk": 0.0, "arm": 0.22, "head": 0.0, "face": -0.60}
_GROWN_M = 1.70

_PART_OF = [name.removeprefix("left_").removeprefix("right_") for name in KEYPOINTS]
_UPRIGHT = [KEYPOINTS.index(n) for n in ("left_knee", "left_ankle", "spine", "thorax", "neck", "head")]
_STATURE_OF_UPRIGHT = _H36M_STATURE_M / 1.623
_LEG = [KEYPOINTS.index("left_knee"), KEYPOINTS.index("left_ankle")]
_OTHER_SIDE = {"left": "right", "right": "left"}
TWINS = [
    KEYPOINTS.index("_".join([_OTHER_SIDE[side], part]) if (side := name.split("_")[0]) in _OTHER_SIDE else name)
    for name, part in zip(KEYPOINTS, _PART_OF, strict=True)
]
"""(K,) each keypoint's partner on the other side of the body."""


def take(joints: Tensor, keypoints: Sequence[int]) -> Tensor:
    """(B, T, n, 3) some keypoints of (B, T, K, 3): as ``joints[:, :, keypoints]``, several times as fast on CPUs."""
    chosen = torch.tensor(keypoints, device=joints.device)
    return joints.flatten(0, 1).index_select(1, chosen).unflatten(0, joints.shape[:2])


def bone_vectors(joints: Tensor) -> Tensor:
    """(B, T, K, 3) each keypoint relative to its parent; the hip's is its place."""
    bones = joints.clone()
    bones[:, :, 1:] -= take(joints, PARENTS[1:])
    return bones


def joints_from_bones(bones: Tensor) -> Tensor:
    """The inverse of `bone_vectors`."""
    joints = bones.clone()
    for k, parent in enumerate(PARENTS[1:], start=1):
        joints[..., k, :] += joints[..., parent, :]
    return joints


def standing_height_m(joints: Tensor) -> Tensor:
    """(B,) stature of the bodies of (B, T, K, 3), from the lengths of the bones that stand on each other."""
    bones = take(joints, _UPRIGHT) - take(joints, [PARENTS[k] for k in _UPRIGHT])
    return _STATURE_OF_UPRIGHT * bones.norm(dim=-1).sum(dim=-1).mean(dim=1)


def draw_statures(count: int, ranges: BodyRange, generator: torch.Generator) -> Tensor:
    """(B,) statures in metres, adults' normally distributed, children's evenly."""
    device = generator.device
    low, high = ranges.stature_m
    mean, deviation = ranges.adult_m
    adult = mean + deviation * torch.randn(count, generator=generator, device=device)
    tallest = min(max(_TALLEST_CHILD_M, low), high)
    child = low + (tallest - low) * torch.rand(count, generator=generator, device=device)
    is_child = torch.rand(count, generator=generator, device=device) < ranges.child_share
    return torch.where(is_child, child, adult).clamp(low, high)


def draw_bone_lengths(stature_m: Tensor, ranges: BodyRange, generator: torch.Generator) -> Tensor:
    """(B, K) length of the bone that ends in each keypoint (0 for the hip), for bodies of those statures (B,).

    Left and right are alike. Legs, trunk, arms and head vary each as a whole and bone by bone; the sum of the bones
    that stand on each other always makes the stature.
    """
    count, device = len(stature_m), generator.device
    parts = list(_PARTS)
    groups = list(_GROUP_SPREAD)
    own = torch.tensor([_PARTS[p].spread for p in parts], device=device)
    together = torch.tensor([_GROUP_SPREAD[g] for g in groups], device=device)
    growth = torch.tensor([_GROUP_GROWTH[g] for g in groups], device=device)
    share = torch.tensor([_PARTS[p].share for p in parts], device=device)
    group_of = [groups.index(_PARTS[p].group) for p in parts]
    of_group = ranges.spread * together * torch.randn((count, len(groups)), generator=generator, device=device)
    of_group = of_group + growth * (stature_m / _GROWN_M).log().clamp(max=0)[:, None]
    of_part = ranges.spread * own * torch.randn((count, len(parts)), generator=generator, device=device)
    lengths = share * (of_part + of_group[:, group_of]).exp()
    by_keypoint = lengths[:, [parts.index(p) for p in _PART_OF]]
    by_keypoint[:, 0] = 0
    upright = _STATURE_OF_UPRIGHT * by_keypoint[:, _UPRIGHT].sum(dim=1, keepdim=True)
    return by_keypoint * stature_m[:, None] / upright


def vary_bodies(joints_m: Tensor, ranges: BodyRange, generator: torch.Generator) -> Tensor:
    """Give each sequence of (B, T, K, 3) a body of its own, constant in time and alike left and right.

    Bone lengths are set, not scaled, so that nothing of a source's skeleton remains but its joint angles; only
    `own_share` of the sequences keep their recording's proportions, roughly. Height and travel of the root scale with
    the legs and the lowest point comes to lie where it was, in that scale, so that feet slide and float little (by as
    much as thigh and shin change differently). What a hand touched it may miss by the change of arm and trunk.
    """
    bones = bone_vectors(joints_m)
    lengths = bones.norm(dim=-1)
    recorded = lengths.mean(dim=1)
    recorded = (recorded + recorded[:, TWINS]) / 2
    drawn = draw_bone_lengths(draw_statures(len(joints_m), ranges, generator), ranges, generator)
    target = torch.where(
        torch.rand((len(joints_m), 1), generator=generator, device=generator.device) < ranges.own_share,
        recorded * _own_factors(len(joints_m), ranges, generator),
        drawn,
    )
    leg = target[:, _LEG].sum(dim=1) / recorded[:, _LEG].sum(dim=1).clamp(min=1e-6)
    scale = target[:, None] / lengths.clamp(min=1e-6)
    scale[:, :, 0] = leg[:, None]
    varied = joints_from_bones(bones * scale[..., None])
    lowest, lowest_before = (j[..., 2].amin(dim=(1, 2)) for j in (varied, joints_m))
    varied[..., 2] += (leg * lowest_before - lowest)[:, None, None]
    return varied


def _own_factors(count: int, ranges: BodyRange, generator: torch.Generator) -> Tensor:
    """(B, K) factors on the recorded bone lengths of the sequences that keep their proportions."""
    names = sorted({"face" if part in _HEAD_M else part for part in _PART_OF})
    of = [names.index("face" if part in _HEAD_M else part) for part in _PART_OF]
    size = torch.randn((count, 1), generator=generator, device=generator.device)
    bone = torch.randn((count, len(names)), generator=generator, device=generator.device)
    return (ranges.own_size_spread * size + ranges.own_bone_spread * bone[:, of]).exp()
