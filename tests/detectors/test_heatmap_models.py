"""The networks: names and shapes of the public checkpoints, written down by hand, and what they compute."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from detectors.checkpoints import load_into
from detectors.cpn_model import ARCHITECTURES as CPN
from detectors.cpn_model import CascadedPyramidNetwork, CpnArchitecture, ResNet, without_upsample_biases
from detectors.hourglass_model import ARCHITECTURES as HOURGLASS
from detectors.hourglass_model import HourglassArchitecture, StackedHourglass

Shapes = dict[str, tuple[int, ...]]


def norm(name: str, channels: int) -> Shapes:
    parts = ("weight", "bias", "running_mean", "running_var")
    return {f"{name}.{part}": (channels,) for part in parts} | {f"{name}.num_batches_tracked": ()}


def conv(name: str, out: int, channels: int, side: int, bias: bool = False) -> Shapes:
    return {f"{name}.weight": (out, channels, side, side)} | ({f"{name}.bias": (out,)} if bias else {})


def bottleneck(name: str, channels: int, inside: int, out: int, shortcut: bool) -> Shapes:
    shapes = conv(f"{name}.conv1", inside, channels, 1) | norm(f"{name}.bn1", inside)
    shapes |= conv(f"{name}.conv2", inside, inside, 3) | norm(f"{name}.bn2", inside)
    shapes |= conv(f"{name}.conv3", out, inside, 1) | norm(f"{name}.bn3", out)
    if shortcut:
        shapes |= conv(f"{name}.downsample.0", out, channels, 1) | norm(f"{name}.downsample.1", out)
    return shapes


def public_cpn50(joints: int) -> Shapes:
    shapes = conv("resnet.conv1", 64, 3, 7) | norm("resnet.bn1", 64)
    channels = 64
    for layer, (blocks, inside) in enumerate([(3, 64), (4, 128), (6, 256), (3, 512)], start=1):
        for block in range(blocks):
            shapes |= bottleneck(f"resnet.layer{layer}.{block}", channels, inside, 4 * inside, not block)
            channels = 4 * inside
    for i, channels in enumerate([2048, 1024, 512, 256]):
        shapes |= conv(f"global_net.laterals.{i}.0", 256, channels, 1) | norm(f"global_net.laterals.{i}.1", 256)
        shapes |= conv(f"global_net.predict.{i}.0", 256, 256, 1) | norm(f"global_net.predict.{i}.1", 256)
        shapes |= conv(f"global_net.predict.{i}.3", joints, 256, 3) | norm(f"global_net.predict.{i}.5", joints)
    for i in range(3):
        shapes |= conv(f"global_net.upsamples.{i}.1", 256, 256, 1) | norm(f"global_net.upsamples.{i}.2", 256)
    for i in range(3):
        for block in range(3 - i):
            shapes |= bottleneck(f"refine_net.cascade.{i}.{block}", 256, 128, 256, True)
    shapes |= bottleneck("refine_net.final_predict.0", 1024, 128, 256, True)
    return shapes | conv("refine_net.final_predict.1", joints, 256, 3) | norm("refine_net.final_predict.2", joints)


def residual(name: str, channels: int, inside: int) -> Shapes:
    shapes = norm(f"{name}.bn1", channels) | conv(f"{name}.conv1", inside, channels, 1, True)
    shapes |= norm(f"{name}.bn2", inside) | conv(f"{name}.conv2", inside, inside, 3, True)
    shapes |= norm(f"{name}.bn3", inside) | conv(f"{name}.conv3", 2 * inside, inside, 1, True)
    return shapes | (conv(f"{name}.downsample.0", 2 * inside, channels, 1, True) if channels != 2 * inside else {})


def public_hourglass(stacks: int, blocks: int) -> Shapes:
    shapes = conv("conv1", 64, 3, 7, True) | norm("bn1", 64)
    shapes |= residual("layer1.0", 64, 64) | residual("layer2.0", 128, 128) | residual("layer3.0", 256, 128)
    for s in range(stacks):
        for block in range(blocks):
            for level, places in enumerate([4, 3, 3, 3]):
                for place in range(places):
                    shapes |= residual(f"hg.{s}.hg.{level}.{place}.{block}", 256, 128)
            shapes |= residual(f"res.{s}.{block}", 256, 128)
        shapes |= conv(f"fc.{s}.0", 256, 256, 1, True) | norm(f"fc.{s}.1", 256)
        shapes |= conv(f"score.{s}", 16, 256, 1, True)
        if s < stacks - 1:
            shapes |= conv(f"fc_.{s}", 256, 256, 1, True) | conv(f"score_.{s}", 256, 16, 1, True)
    return shapes


def shapes_of(network: nn.Module) -> Shapes:
    return {name: tuple(tensor.shape) for name, tensor in network.state_dict().items()}


@pytest.mark.parametrize("joints", [17, 16])
def test_cpn50_has_the_tensors_of_the_public_checkpoints(joints: int) -> None:
    with torch.device("meta"):
        network = CascadedPyramidNetwork(CpnArchitecture.named("r50", joints))
    assert shapes_of(network) == public_cpn50(joints)
    assert CpnArchitecture.of_state(network.state_dict()) == CpnArchitecture.named("r50", joints)


@pytest.mark.parametrize(("stacks", "blocks"), [(2, 1), (2, 4), (8, 1)])
def test_hourglasses_have_the_tensors_of_the_public_checkpoints(stacks: int, blocks: int) -> None:
    architecture = HourglassArchitecture(stacks=stacks, blocks=blocks)
    with torch.device("meta"):
        network = StackedHourglass(architecture)
    assert shapes_of(network) == public_hourglass(stacks, blocks)
    assert HourglassArchitecture.of_state(network.state_dict()) == architecture


@pytest.mark.parametrize("name", CPN)
def test_cpn_is_told_from_its_tensors(name: str) -> None:
    with torch.device("meta"):
        network = CascadedPyramidNetwork(CPN[name])
    assert CpnArchitecture.of_state(network.state_dict()) == CPN[name]


def test_cpn_gives_five_sets_of_heatmaps_at_a_quarter_of_the_size() -> None:
    network = CascadedPyramidNetwork(CpnArchitecture.named("small", 5)).eval()
    with torch.inference_mode():
        images = torch.randn(2, 3, 96, 64)
        coarse, refined = network(images)
        assert torch.equal(network.heatmaps(images), refined)
    assert [tuple(maps.shape) for maps in [*coarse, refined]] == [(2, 5, 24, 16)] * 5


def test_hourglass_gives_heatmaps_of_every_stack_at_a_quarter_of_the_size() -> None:
    network = StackedHourglass(HOURGLASS["small"]).eval()
    with torch.inference_mode():
        images = torch.randn(2, 3, 64, 128)
        maps = network(images)
        assert torch.equal(network.heatmaps(images), maps[-1])
    assert [tuple(m.shape) for m in maps] == [(2, 16, 16, 32)] * 2
    assert not torch.equal(maps[0], maps[1])


def test_resnet_is_that_of_torchvision() -> None:
    torchvision = pytest.importorskip("torchvision", reason="compares with torchvision's ResNet-50")
    torch.manual_seed(0)
    theirs = torchvision.models.resnet50(weights=None).eval()
    ours = ResNet((3, 4, 6, 3), 64).eval()
    load_into(ours, theirs.state_dict(), "resnet50", lambda name: None if name.startswith("fc.") else name)
    images = torch.randn(1, 3, 64, 64)
    with torch.inference_mode():
        deepest = ours(images)[0]
        expected = theirs.fc.forward(deepest.mean((2, 3)))
        torch.testing.assert_close(expected, theirs(images))


def test_biases_of_older_cpn_files_count() -> None:
    torch.manual_seed(0)
    network = CascadedPyramidNetwork(CPN["small"]).eval()
    state = network.state_dict()
    biases = {f"global_net.upsamples.{i}.1.bias": torch.randn(64) for i in range(3)}
    images = torch.randn(1, 3, 64, 64)
    with torch.inference_mode():
        # What those files' network computes: the convolution has the bias.
        for i in range(3):
            convolution = network.global_net.upsamples[i][1]  # type: ignore[index]
            convolution.bias = nn.Parameter(biases[f"global_net.upsamples.{i}.1.bias"])
        expected = network.heatmaps(images)
        converted = CascadedPyramidNetwork(CPN["small"]).eval()
        load_into(converted, without_upsample_biases(state | biases), "old.pth")
        found = converted.heatmaps(images)
        load_into(converted, without_upsample_biases(state), "new.pth")
        without = converted.heatmaps(images)
    torch.testing.assert_close(found, expected, rtol=1e-4, atol=1e-4)
    assert (without - expected).abs().max() > 0.1
    assert len(without_upsample_biases(state | biases)) == len(state)
