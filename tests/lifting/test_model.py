from __future__ import annotations

import pytest
import torch

from lifting.model import Architecture, TemporalModel


def small(filter_widths: tuple[int, ...], causal: bool = False) -> TemporalModel:
    torch.manual_seed(3)
    model = TemporalModel(Architecture(5, 4, filter_widths, 8, 0.0, causal)).eval()
    # Biases above zero keep the ReLUs from being shut, so that every path passes a gradient.
    for name, parameter in model.named_parameters():
        if "_bn" in name and name.endswith("bias"):
            torch.nn.init.uniform_(parameter, 0.5, 1.0)
    return model


@pytest.mark.parametrize(
    ("filter_widths", "frames", "millions"),
    [((3, 3, 3), 27, 8.56), ((3, 3, 3, 3), 81, 12.75), ((3, 3, 3, 3, 3), 243, 16.95)],
)
def test_size_is_the_papers(filter_widths: tuple[int, ...], frames: int, millions: float) -> None:
    """Pavllo et al., CVPR 2019, table 5: 1024 channels, 17 joints in and 17 out."""
    architecture = Architecture(17, 17, filter_widths)
    with torch.device("meta"):
        model = TemporalModel(architecture)
    assert architecture.receptive_field == frames
    assert sum(p.numel() for p in model.parameters()) / 1e6 == pytest.approx(millions, abs=0.005)


@pytest.mark.parametrize(("filter_widths", "field"), [((3, 3, 3), 27), ((3, 5), 15), ((1, 3), 3), ((7,), 7)])
@pytest.mark.parametrize("causal", [False, True])
def test_output_depends_on_its_receptive_field_and_on_nothing_else(
    filter_widths: tuple[int, ...], field: int, causal: bool
) -> None:
    """Output i is made of the inputs i to i + field - 1: of the gradient, all of these frames and no other."""
    model = small(filter_widths, causal)
    points = torch.randn(1, field + 20, 5, 2, requires_grad=True)
    answer = model(points)
    assert answer.shape == (1, 21, 4, 3)
    for output in (0, 9, 20):
        (gradient,) = torch.autograd.grad(answer[0, output].square().sum(), points, retain_graph=True)
        touched = torch.nonzero(gradient.abs().sum(dim=(0, 2, 3)))[:, 0].tolist()
        assert touched == list(range(output, output + field))


@pytest.mark.parametrize("causal", [False, True])
def test_padding_puts_the_present_frame_in_the_middle_or_at_the_end(causal: bool) -> None:
    before, after = small((3, 3, 3), causal).architecture.padding
    assert (before, after) == ((26, 0) if causal else (13, 13))


@pytest.mark.parametrize("causal", [False, True])
def test_residual_carries_the_present_frame(causal: bool) -> None:
    """With all convolutions of the blocks at zero, only the residual's path is left: one frame of features."""
    model = small((1, 3, 3), causal)
    for name, parameter in model.named_parameters():
        if name.startswith("layers_"):
            torch.nn.init.zeros_(parameter)
    points = torch.randn(1, 9, 5, 2, requires_grad=True)
    (gradient,) = torch.autograd.grad(model(points).square().sum(), points)
    touched = torch.nonzero(gradient.abs().sum(dim=(0, 2, 3)))[:, 0].tolist()
    assert touched == [8 if causal else 4]


def test_single_frame_model() -> None:
    model = small((1, 1, 1))
    points = torch.randn(2, 6, 5, 2)
    answer = model(points)
    assert answer.shape == (2, 6, 4, 3)
    torch.testing.assert_close(model(points[:, 3:4]), answer[:, 3:4])


def test_sequences_of_a_batch_do_not_touch() -> None:
    model, points = small((3, 3)), torch.randn(3, 12, 5, 2)
    alone = torch.cat([model(sequence[None]) for sequence in points])
    torch.testing.assert_close(model(points), alone)


@pytest.mark.parametrize("causal", [False, True])
@pytest.mark.parametrize(
    ("filter_widths", "spacing"),
    [((3, 3, 3), 9), ((3, 3, 3), 27), ((3, 3, 3), 3), ((3, 3, 3), 1), ((5, 3, 1), 15), ((1, 3, 5), 3), ((7,), 1)],
)
def test_spaced_frames_are_those_of_the_whole_sequence(
    filter_widths: tuple[int, ...], spacing: int, causal: bool
) -> None:
    model = small(filter_widths, causal)
    points = torch.randn(2, model.architecture.receptive_field + 3 * spacing, 5, 2)
    torch.testing.assert_close(model.forward_spaced(points, spacing), model(points)[:, ::spacing])
    alone = points[:, : model.architecture.receptive_field]
    torch.testing.assert_close(model.forward_single(alone), model(alone))


def test_spaced_frames_have_the_same_gradient() -> None:
    model, points = small((3, 3, 3)), torch.randn(2, 45, 5, 2)
    gradients = []
    for answer in (model.forward_spaced(points, 9), model(points)[:, ::9]):
        model.zero_grad()
        answer.square().sum().backward()
        gradients.append([parameter.grad for parameter in model.parameters()])
    torch.testing.assert_close(*gradients)


@pytest.mark.parametrize(
    ("shape", "spacing", "message"),
    [
        ((1, 9, 5, 2), 2, "the spacing must be one of 1, 3, 9, got 2"),
        ((1, 11, 5, 2), 3, r"expected keypoints of shape \(B, 9 \+ n x 3, 5, 2\), got \(1, 11, 5, 2\)"),
        ((1, 6, 5, 2), 3, "expected keypoints of shape"),
        ((1, 9, 6, 2), 3, "expected keypoints of shape"),
    ],
)
def test_spaced_frames_that_do_not_fit(shape: tuple[int, ...], spacing: int, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        small((3, 3)).forward_spaced(torch.zeros(shape), spacing)


def test_a_single_frame_is_made_of_one_receptive_field() -> None:
    with pytest.raises(ValueError, match="one receptive field of 9 frames, got 12"):
        small((3, 3)).forward_single(torch.zeros(1, 12, 5, 2))


def test_parameter_names_are_the_authors() -> None:
    names = set(small((3, 3, 3)).state_dict())
    wanted = {"expand_conv.weight", "expand_bn.running_var", "shrink.weight", "shrink.bias"}
    wanted |= {f"layers_conv.{i}.weight" for i in range(4)} | {f"layers_bn.{i}.running_mean" for i in range(4)}
    assert wanted <= names
    assert not {name for name in names if name.startswith("layers_") and int(name.split(".")[1]) > 3}


@pytest.mark.parametrize(
    ("shape", "message"),
    [
        ((1, 8, 5, 2), "8 frames are fewer than the receptive field of 9"),
        ((1, 9, 6, 2), r"expected keypoints of shape \(B, T, 5, 2\), got \(1, 9, 6, 2\)"),
        ((1, 9, 5, 3), "expected keypoints of shape"),
        ((9, 5, 2), "expected keypoints of shape"),
    ],
)
def test_input_that_does_not_fit(shape: tuple[int, ...], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        small((3, 3))(torch.zeros(shape))


@pytest.mark.parametrize("filter_widths", [(), (3, 2), (3, 0), (-1,)])
def test_impossible_filter_widths(filter_widths: tuple[int, ...]) -> None:
    with pytest.raises(ValueError, match="filter widths must be odd and positive"):
        Architecture(5, 4, filter_widths)


def test_batch_norm_momentum_reaches_every_layer() -> None:
    model = small((3, 3)).train()
    model.set_batch_norm_momentum(1.0)
    points = torch.randn(4, 30, 5, 2)
    model(points)
    # Momentum 1 replaces the running mean by the batch's.
    features = model.expand_conv(points.flatten(2).transpose(1, 2))
    torch.testing.assert_close(model.expand_bn.running_mean, features.mean(dim=(0, 2)))
    assert {layer.momentum for layer in model.layers_bn} == {1.0}
