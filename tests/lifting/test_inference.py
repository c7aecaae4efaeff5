from __future__ import annotations

import pytest
import torch

from lifting.inference import CHUNK_FRAMES, predict
from lifting.model import Architecture, TemporalModel
from poses import COCO17, H36M17


def network(causal: bool = False) -> TemporalModel:
    torch.manual_seed(5)
    model = TemporalModel(Architecture(17, 17, (3, 3), 8, 0.25, causal))
    # A few steps of statistics, so that batch norm is not the identity.
    for _ in range(3):
        model.train()(torch.randn(4, 30, 17, 2))
    return model.eval()


def mirrored(values: torch.Tensor, twin: list[int]) -> torch.Tensor:
    values = values[:, twin].clone()
    values[..., 0] *= -1
    return values


@pytest.mark.parametrize("causal", [False, True])
@pytest.mark.parametrize("frames", [1, 3, 40])
def test_ends_are_padded_with_the_first_and_last_frame(causal: bool, frames: int) -> None:
    model, points = network(causal), torch.randn(frames, 17, 2)
    before, after = (8, 0) if causal else (4, 4)
    by_hand = torch.cat([points[:1]] * before + [points] + [points[-1:]] * after)
    with torch.no_grad():
        wanted = model(by_hand[None])[0]
    torch.testing.assert_close(predict(model, points), wanted)


@pytest.mark.parametrize("extra", [0, 1, 5, CHUNK_FRAMES + 700])
def test_chunks_are_the_whole(extra: int) -> None:
    model, points = network(), torch.randn(CHUNK_FRAMES + extra, 17, 2)
    padded = torch.cat([points[:1].expand(4, -1, -1), points, points[-1:].expand(4, -1, -1)])
    with torch.no_grad():
        whole = model(padded[None])[0]
    torch.testing.assert_close(predict(model, points), whole, atol=1e-5, rtol=1e-5)


def test_mirrored_input_gives_the_mirrored_answer() -> None:
    model, points = network(), torch.randn(50, 17, 2)
    mirror = (COCO17.mirror, H36M17.mirror)
    answer = predict(model, points, mirror)
    other_way = predict(model, mirrored(points, COCO17.mirror.tolist()), mirror)
    torch.testing.assert_close(other_way, mirrored(answer, H36M17.mirror.tolist()), atol=1e-6, rtol=0)
    # The network alone has no such symmetry.
    alone = predict(model, mirrored(points, COCO17.mirror.tolist()))
    assert (alone - mirrored(predict(model, points), H36M17.mirror.tolist())).abs().max() > 1e-2


def test_flip_averages_the_two_views() -> None:
    model, points = network(), torch.randn(20, 17, 2)
    back = mirrored(predict(model, mirrored(points, COCO17.mirror.tolist())), H36M17.mirror.tolist())
    wanted = (predict(model, points) + back) / 2
    torch.testing.assert_close(predict(model, points, (COCO17.mirror, H36M17.mirror)), wanted, atol=1e-6, rtol=0)
