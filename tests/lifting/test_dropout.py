from __future__ import annotations

import math

import pytest
import torch

from lifting.dropout import BitDropout, use_bit_dropout
from lifting.model import Architecture, TemporalModel


@pytest.mark.parametrize(("probability", "size"), [(0.25, 1 << 16), (0.1, 50_001)])
def test_bit_dropout_is_dropout(probability: float, size: int) -> None:
    layer = BitDropout(probability)
    x = torch.full((size, 2), 3.0, requires_grad=True)
    torch.manual_seed(1)
    y = layer(x)
    kept = y != 0
    assert torch.allclose(y[kept], torch.tensor(3 / (1 - probability)), rtol=1e-4)
    # Three standard deviations of the binomial.
    deviation = 3 * math.sqrt(probability * (1 - probability) / (2 * size))
    assert float((~kept).float().mean()) == pytest.approx(probability, abs=deviation)
    neighbours = (~kept[:-1, 0] & ~kept[1:, 0]).float().mean()
    assert float(neighbours) == pytest.approx(probability**2, abs=5 * deviation), "elements of one draw are independent"
    y.sum().backward()
    assert x.grad is not None
    assert torch.equal(x.grad != 0, kept)
    torch.manual_seed(1)
    assert torch.equal(layer(x), y)
    assert layer.eval()(x) is x


def test_the_network_keeps_its_tensors() -> None:
    network = TemporalModel(Architecture(17, 17, (3,), 8, dropout=0.5))
    names = list(network.state_dict())
    use_bit_dropout(network)
    assert list(network.state_dict()) == names
    x = torch.randn(64, 3, 17, 2)
    network.train()
    assert not torch.equal(network.forward_single(x), network.forward_single(x))
    network.eval()
    assert torch.equal(network.forward_single(x), network.forward_single(x))
