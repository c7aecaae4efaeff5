"""People with exact keypoints, and one kind of error at a time."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from lifting.data.keypoint_noise import KeypointNoise, Seen, add_keypoint_noise
from poses import COCO17, Skeleton

ZERO: dict[str, Any] = {
    "wander": dict.fromkeys(KeypointNoise().wander, 0.0), "bias": dict.fromkeys(KeypointNoise().bias, 0.0),
    "limb_stretch": {}, "limb_spread": 0.0, "hidden_face": 0.0, "hip_width": (1.0, 0.0), "shoulder_width": (1.0, 0.0),
    "hip_shift": (0.0, 0.0), "shoulder_shift": (0.0, 0.0), "outlier_rate_hz": 0.0, "lost_rate_hz": 0.0,
    "lost_outside": 0.0, "lost_hidden": 0.0, "swapped_all": (0.0, 0.0, 0.0), "swapped_arms": (0.0, 0.0, 0.0),
    "swapped_legs": (0.0, 0.0, 0.0), "swapped_face": (0.0, 0.0, 0.0), "smoothed_share": 0.0, "other_share": 0.0,
    "exact_share": 0.0,
}  # fmt: skip
"""No error of any kind: a test turns on one."""
EVEN: dict[str, Any] = {
    "person_spread": 0.0, "joint_spread": 0.0, "burst_spread": 0.0, "wander_by_view": (1.0, 1.0, 1.0), "hidden": 1.0,
    "wander_foreshortened": 1.0,
}  # fmt: skip
BATCH, FRAMES, RATE_HZ = 256, 82, 50.0
_PLACE = {
    "hip": (0.08, 0.0), "knee": (0.09, 0.25), "ankle": (0.10, 0.5), "shoulder": (0.11, -0.3), "elbow": (0.2, -0.15),
    "wrist": (0.3, 0.0), "eye": (0.02, -0.4), "ear": (0.04, -0.4), "nose": (0, -0.38), "spine": (0, -0.15),
    "thorax": (0, -0.3), "neck": (0, -0.37), "head": (0, -0.45),
}  # fmt: skip


def standing(skeleton: Skeleton = COCO17) -> Tensor:
    """(J, 2) a person of height 1 in front view; the person's left is on the right of the picture."""
    points = []
    for joint, side in zip(skeleton.joints, skeleton.sides, strict=True):
        x, y = _PLACE[joint.removeprefix(f"{side}_")]
        points.append(({"left": x, "right": -x, "centre": 0.0}[side], y))
    return torch.tensor(points)


def seen(skeleton: Skeleton = COCO17, facing: float = 1.0, height: float = 1.0, batch: int = BATCH) -> Seen:
    """People who sway along parabolas, so that nothing exact is a straight line; the left side is nearer."""
    random = torch.Generator().manual_seed(9)
    moment = torch.linspace(-1, 1, FRAMES).view(1, -1, 1, 1)
    sway = 0.3 * moment**2 * torch.randn((batch, 1, 1, 2), generator=random)
    keypoints = height * (standing(skeleton) + sway)
    depth = torch.tensor([{"left": 3.8, "right": 4.2, "centre": 4.0}[side] for side in skeleton.sides])
    return Seen(
        keypoints,
        depth.expand(batch, FRAMES, -1),
        torch.full((batch,), height),
        torch.full((batch, FRAMES), facing),
        torch.zeros((batch, FRAMES, len(skeleton)), dtype=torch.bool),
    )


def noisy(exact: Seen, skeleton: Skeleton = COCO17, seed: int = 0, **strength: Any) -> Tensor:
    noise = KeypointNoise(**ZERO | strength)
    return add_keypoint_noise(exact, skeleton, noise, RATE_HZ, torch.Generator().manual_seed(seed))


def all_joints(value: float) -> dict[str, float]:
    return dict.fromkeys(KeypointNoise().wander, value)
