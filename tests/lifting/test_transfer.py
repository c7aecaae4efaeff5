from __future__ import annotations

import dataclasses

import pytest
import torch

from lifting.card import model_from
from lifting.model import Architecture, TemporalModel
from lifting.person_frame import EXTRA_POINTS
from lifting.transfer import transfer
from poses import COCO17, H36M17, InputError

SMALL = Architecture(17 + EXTRA_POINTS, 17, (3, 3), channels=16, dropout=0.0)


def trained(architecture: Architecture, seed: int) -> TemporalModel:
    """A network whose batch norms have seen data, as after training."""
    model = model_from(architecture, seed)
    for layer in (model.expand_bn, *model.layers_bn):
        layer.running_mean.uniform_(-0.2, 0.2)
        layer.running_var.uniform_(0.5, 2.0)
    return model.eval()


def points(frames: int, seed: int = 3) -> torch.Tensor:
    return torch.randn(2, frames, 17 + EXTRA_POINTS, 2, generator=torch.Generator().manual_seed(seed))


def test_same_architecture_answers_the_same() -> None:
    source, target = trained(SMALL, 1), trained(SMALL, 2)
    assert not torch.allclose(target(points(9)), source(points(9)))
    transfer(source, target, COCO17, COCO17, "x")
    torch.testing.assert_close(target(points(9)), source(points(9)))


@pytest.mark.parametrize("causal", [False, True])
def test_a_longer_network_begins_close_to_the_shorter_one(causal: bool) -> None:
    longer = dataclasses.replace(SMALL, filter_widths=(3, 3, 3), causal=causal)
    source, target = trained(dataclasses.replace(SMALL, causal=causal), 1), trained(longer, 2)
    transfer(source, target, COCO17, COCO17, "x")
    seen = points(27)
    # The frame that both answer for: the last, or the one in the middle.
    inner = seen[:, 18:] if causal else seen[:, 9:18]
    apart = (target(seen) - source(inner)).detach().norm() / source(inner).detach().norm()
    assert 0 < apart < 0.15
    # The new block learns: a gradient passes.
    target.train()(seen).square().sum().backward()
    new = target.layers_conv[2].weight.grad
    assert isinstance(new, torch.Tensor)
    assert new.abs().sum() > 0


def test_a_causal_network_answers_late_as_the_symmetric_one_at_first() -> None:
    # With one residual block the residual is all that differs: the last frame instead of the middle one.
    source = trained(SMALL, 1)
    target = trained(dataclasses.replace(SMALL, causal=True), 2)
    transfer(source, target, COCO17, COCO17, "x")
    for name, tensor in source.state_dict().items():
        assert torch.equal(tensor, target.state_dict()[name])


def test_other_keypoints_keep_the_weights_of_the_joints_they_share() -> None:
    source, target = trained(SMALL, 1), trained(SMALL, 2)
    own = target.expand_conv.weight.detach().clone()
    transfer(source, target, COCO17, H36M17, "x")
    for joint in range(17 + EXTRA_POINTS):
        got = target.expand_conv.weight[:, 2 * joint : 2 * joint + 2]
        if joint >= 17:
            wanted = source.expand_conv.weight[:, 2 * joint : 2 * joint + 2]
        elif H36M17.joints[joint] in COCO17.joints:
            theirs = COCO17.index(H36M17.joints[joint])
            wanted = source.expand_conv.weight[:, 2 * theirs : 2 * theirs + 2]
        else:
            wanted = own[:, 2 * joint : 2 * joint + 2]
        assert torch.equal(got, wanted), joint


@pytest.mark.parametrize("change", [{"channels": 32}, {"filter_widths": (3, 5)}, {"filter_widths": (3,)}])
def test_what_cannot_be_taken_over_is_refused_by_name(change: dict[str, object]) -> None:
    target = model_from(dataclasses.replace(SMALL, **change), 2)  # type: ignore[arg-type]
    with pytest.raises(InputError, match=r"old\.safetensors: filter widths \(3, 3\), 16 channels"):
        transfer(trained(SMALL, 1), target, COCO17, COCO17, "old.safetensors")
