"""Networks for tests whose batch norms are not fresh: fresh ones would hide mistakes in folding them."""

from __future__ import annotations

import torch

from lifting.model import Architecture, TemporalModel


def seasoned(architecture: Architecture, seed: int = 1) -> TemporalModel:
    """A network with random weights, statistics and scales, in eval mode."""
    generator = torch.Generator().manual_seed(seed)
    model = TemporalModel(architecture)
    for parameter in model.parameters():
        bound = (2 / parameter[0].numel()) ** 0.5 if parameter.ndim > 1 else 0.3
        parameter.data.uniform_(-bound, bound, generator=generator)
    for norm in (model.expand_bn, *model.layers_bn):
        norm.weight.data.uniform_(0.5, 1.5, generator=generator)
        norm.running_mean.normal_(0, 0.3, generator=generator)
        norm.running_var.uniform_(0.3, 1.5, generator=generator)
    return model.eval()


def moving_points(frames: int, joints: int, people: int = 1, seed: int = 2) -> torch.Tensor:
    """(people, frames, joints, 2) points on smooth paths."""
    generator = torch.Generator().manual_seed(seed)
    time = torch.arange(frames)[:, None, None] / 25
    rate, phase, size = (torch.rand(people, 1, joints, 2, generator=generator) for _ in range(3))
    return size * torch.sin(6 * rate * time + 6 * phase)
