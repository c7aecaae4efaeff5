"""Training losses. Shapes (B, T, J, 3), metres."""

from __future__ import annotations

from torch import Tensor


def mpjpe_loss(predicted: Tensor, target: Tensor) -> Tensor:
    """Mean per-joint position error (section 3)."""
    return (predicted - target).norm(dim=-1).mean()


def velocity_loss(predicted: Tensor, target: Tensor) -> Tensor:
    """Mean per-joint error of the first difference in time, metres a frame."""
    return mpjpe_loss(predicted[:, 1:] - predicted[:, :-1], target[:, 1:] - target[:, :-1])


def wmpjpe_loss(predicted: Tensor, target: Tensor) -> Tensor:
    """Error of the root weighted by the inverse of its true depth: metres off a metre away (section 4)."""
    return ((predicted - target).norm(dim=-1) / target[..., 2]).mean()
