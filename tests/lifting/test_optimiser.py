from __future__ import annotations

from typing import get_args

import pytest
import torch

from lifting.card import model_from
from lifting.model import Architecture, TemporalModel
from lifting.optimiser import Optimiser, OptimiserName

SMALL = Architecture(4, 2, (3, 3), channels=8, dropout=0.0)
POINTS = torch.randn(32, 9, 4, 2, generator=torch.Generator().manual_seed(5))
TARGET = POINTS[:, 4:5, :2] @ torch.randn(2, 3, generator=torch.Generator().manual_seed(6))


def learn(model: TemporalModel, optimiser: Optimiser, steps: int) -> list[float]:
    losses = []
    for _ in range(steps):
        loss = (model(POINTS) - TARGET).square().mean()
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
        losses.append(loss.item())
    return losses


def hidden(model: TemporalModel) -> list[torch.Tensor]:
    return [weight for name, weight in model.named_parameters() if name.startswith("layers_conv")]


@pytest.mark.parametrize("name", get_args(OptimiserName))
def test_learns_and_moves_every_weight(name: OptimiserName) -> None:
    model = model_from(SMALL, 1)
    before = {n: p.detach().clone() for n, p in model.named_parameters()}
    losses = learn(model, Optimiser([model], name, 0.01), 60)
    assert losses[-1] < 0.2 * losses[0]
    assert all(not torch.equal(p, before[n]) for n, p in model.named_parameters())


def test_muons_update_of_a_hidden_layer_is_orthogonal() -> None:
    model = model_from(SMALL, 1)
    before = [weight.detach().clone() for weight in hidden(model)]
    learn(model, Optimiser([model], "muon", 0.001), 1)
    for weight, old in zip(hidden(model), before, strict=True):
        values = torch.linalg.svdvals((weight.detach() - old).flatten(1))
        # Three rounds bring singular values nearer to each other, not to equality.
        assert values.min() > 0.4 * values.max()
    amsgrad = model_from(SMALL, 1)
    learn(amsgrad, Optimiser([amsgrad], "amsgrad", 0.001), 1)
    values = torch.linalg.svdvals((hidden(amsgrad)[0].detach() - before[0]).flatten(1))
    assert values.min() < 0.4 * values.max()


@pytest.mark.parametrize("name", get_args(OptimiserName))
def test_goes_on_from_its_state(name: OptimiserName) -> None:
    whole = model_from(SMALL, 1)
    wanted = learn(whole, Optimiser([whole], name, 0.01), 12)[6:]
    model = model_from(SMALL, 1)
    first = Optimiser([model], name, 0.01)
    learn(model, first, 6)
    second = Optimiser([model], name, 0.5)
    second.load_state_dict(first.state_dict())
    assert learn(model, second, 6) == wanted


def test_rate_zero_stands_still() -> None:
    model = model_from(SMALL, 1)
    optimiser = Optimiser([model], "muon", 0.01)
    optimiser.set_learning_rate(0.0)
    before = {n: p.detach().clone() for n, p in model.named_parameters()}
    learn(model, optimiser, 2)
    assert all(torch.equal(p, before[n]) for n, p in model.named_parameters())
