"""Each person seen from a camera that looks straight at her, at one apparent size.

How far away a person stands and where in the picture changes her keypoints far more than her pose does. So each frame's
keypoints are turned, by an exact rotation of the camera, to a camera whose axis goes through the middle of the trunk,
and divided by their spread. Nothing is lost: the direction and the spread go in as two more points. The network's
answers are turned back, and its depth is undone by the same spread.

Shapes: ... any leading dimensions (batch, frames), J keypoints.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from lifting.canonical import REFERENCE_FOCAL
from poses import COCO17, Skeleton

EXTRA_POINTS = 2
"""Points that `normalise` adds to the keypoints: the viewing direction and the spread."""

_TRUNK = ("left_shoulder", "right_shoulder", "left_hip", "right_hip")
_TYPICAL_LOG_SPREAD = -2.5
_SMALLEST_SPREAD = 1e-3


@dataclass(frozen=True)
class PersonFrame:
    """The camera that looks at the person, frame by frame.

    Attributes
    ----------
    rotation : (..., 3, 3) from the video's camera axes to those of the camera that looks at the person.
    spread : (...,) root mean square distance of the keypoints from the axis, in rays (metres a metre of depth).
    """

    rotation: Tensor
    spread: Tensor

    def positions_to_camera(self, positions_m: Tensor) -> Tensor:
        """Joints (..., J, 3) relative to the root, turned to the video's camera axes."""
        return positions_m @ self.rotation

    def root_to_camera(self, answer: Tensor) -> Tensor:
        """The trajectory network's answer (..., 1, 3), metres across and depth times spread, as root in the camera."""
        depth = answer[..., 2] / self.spread[..., None]
        return torch.stack([answer[..., 0], answer[..., 1], depth], dim=-1) @ self.rotation


def normalise(keypoints: Tensor, skeleton: Skeleton = COCO17) -> tuple[Tensor, PersonFrame]:
    """Canonical keypoints (..., J, 2) to the network's input (..., J + 2, 2) and the frame to undo it with."""
    rays = keypoints / REFERENCE_FOCAL
    middle = rays[..., skeleton.indices(*_TRUNK), :].mean(dim=-2)
    rotation = rotation_to_axis(middle)
    ones = torch.ones_like(rays[..., :1])
    turned = torch.cat([rays, ones], dim=-1) @ rotation.transpose(-1, -2)
    # A keypoint far off may come to lie behind the turned camera; no body reaches so far.
    turned = turned[..., :2] / turned[..., 2:].clamp(min=0.1)
    spread = turned.square().sum(dim=-1).mean(dim=-1).sqrt().clamp(min=_SMALLEST_SPREAD)
    size = torch.stack([torch.zeros_like(spread), spread.log() - _TYPICAL_LOG_SPREAD], dim=-1)
    points = [turned / spread[..., None, None], middle[..., None, :] * REFERENCE_FOCAL, size[..., None, :]]
    return torch.cat(points, dim=-2), PersonFrame(rotation, spread)


def rotation_to_axis(ray: Tensor) -> Tensor:
    """(..., 3, 3) the smallest rotation that brings the direction (x, y, 1) of rays (..., 2) onto the z axis."""
    direction = torch.cat([ray, torch.ones_like(ray[..., :1])], dim=-1)
    x, y, z = (direction / direction.norm(dim=-1, keepdim=True)).unbind(dim=-1)
    # Rodrigues' formula for the axis (y, -x, 0) and the cosine z.
    k = 1 / (1 + z)
    rows = (
        torch.stack([1 - k * x * x, -k * x * y, -x], dim=-1),
        torch.stack([-k * x * y, 1 - k * y * y, -y], dim=-1),
        torch.stack([x, y, z], dim=-1),
    )
    return torch.stack(rows, dim=-2)
