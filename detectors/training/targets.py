"""What a heatmap network is trained towards, and how far it is from it.

Shape letters: B examples, J joints, h, w heatmap pixels. Integer coordinates are the centres of pixels.
"""

from __future__ import annotations

import torch
from torch import Tensor


def gaussian_heatmaps(points: Tensor, size_hw: tuple[int, int], sigma: float) -> Tensor:
    """Heatmaps (B, J, h, w) with a Gaussian of peak 1 at each sub-pixel place of `points` (B, J, 2), in heatmap pixels.

    The centre is not rounded to a pixel, so that the expectation over a heatmap can come out between pixels. A point
    that is NaN gives an empty heatmap.
    """
    height, width = size_hw
    x = torch.arange(width, dtype=torch.float32, device=points.device)
    y = torch.arange(height, dtype=torch.float32, device=points.device)
    scale = -0.5 / sigma**2
    across = torch.exp(scale * (x - points[..., :1]) ** 2)
    down = torch.exp(scale * (y - points[..., 1:]) ** 2)
    return torch.nan_to_num(down[..., :, None] * across[..., None, :], nan=0.0)


def inside(points: Tensor, size_hw: tuple[int, int]) -> Tensor:
    """(B, J) bool: which of `points` (B, J, 2) lie in a picture of that size; NaN does not."""
    limit = torch.tensor([size_hw[1], size_hw[0]], dtype=points.dtype, device=points.device)
    return ((points > -0.5) & (points < limit - 0.5)).all(dim=-1)


def heatmap_loss(heatmaps: Tensor, targets: Tensor, weight: Tensor) -> Tensor:
    """Mean squared error of each joint, (B, J), over (B, J, h, w) heatmaps; `weight` (B, J) is 0 for unknown joints."""
    return (heatmaps - targets).square().mean(dim=(2, 3)) * weight


def hard_keypoint_loss(losses: Tensor, weight: Tensor, count: int) -> Tensor:
    """Online hard keypoint mining: the mean of each person's `count` largest losses, averaged over the people.

    Losses (B, J) of joints with weight 0 do not count; a person with fewer known joints than `count` counts with
    those, and people without any are left out. Source: Chen et al., Cascaded Pyramid Network (arXiv 1711.07319), 3.2.
    """
    known = weight > 0
    kept = losses.masked_fill(~known, 0.0).topk(min(count, losses.shape[1]), dim=1).values
    number = known.sum(dim=1).clamp(max=count)
    people = (number > 0).sum().clamp(min=1)
    return (kept.sum(dim=1) / number.clamp(min=1)).sum() / people


def mean_keypoint_loss(losses: Tensor, weight: Tensor) -> Tensor:
    """The mean over known joints of all people of losses (B, J)."""
    return losses.sum() / weight.gt(0).sum().clamp(min=1)
