"""Costs against table 5 of the paper, the module's own parameters, and PyTorch's count of operations."""

import pytest
import torch
from torch.utils.flop_counter import FlopCounterMode

from lifting.model import Architecture, TemporalModel
from lifting.profile import main, profile
from tests.lifting.networks import moving_points, seasoned

CASES = [
    Architecture(17, 17, (3, 3, 3), 32),
    Architecture(15, 1, (5, 1, 3), 16, causal=True),
    Architecture(17, 17, (3, 3, 3), 16, dense=True),
    Architecture(2, 3, (1,), 8),
]


@pytest.mark.parametrize(
    ("widths", "dense", "parameters", "flops"),
    [
        ((3, 3, 3), False, "8.56", "17.09"),
        ((3, 3, 3), True, "29.53", "59.03"),
        ((3, 3, 3, 3), False, "12.75", "25.48"),
        ((3, 3, 3, 3, 3), False, "16.95", "33.87"),
    ],
)
def test_table_5_of_the_paper(widths: tuple[int, ...], dense: bool, parameters: str, flops: str) -> None:
    cost = profile(Architecture(17, 17, widths, dense=dense))
    assert f"{cost.parameters / 1e6:.2f}" == parameters
    assert f"{cost.flops_per_frame / 1e6:.2f}" == flops


@pytest.mark.parametrize("architecture", CASES)
def test_parameters_are_those_of_the_module(architecture: Architecture) -> None:
    assert profile(architecture).parameters == sum(p.numel() for p in TemporalModel(architecture).parameters())


@pytest.mark.parametrize("architecture", CASES)
def test_flops_are_those_of_a_long_sequence(architecture: Architecture) -> None:
    model = TemporalModel(architecture).eval()

    def count(frames: int) -> int:
        with FlopCounterMode(display=False) as counter, torch.no_grad():
            model(torch.zeros(1, frames, architecture.input_joints, 2))
        return counter.get_total_flops()

    # The difference of two lengths leaves out what the ends cost.
    assert count(1100) - count(100) == 1000 * profile(architecture).flops_per_frame


@pytest.mark.parametrize("architecture", CASES)
def test_receptive_field_is_what_an_answer_depends_on(architecture: Architecture) -> None:
    field = profile(architecture).receptive_field
    points = moving_points(field + 10, architecture.input_joints).requires_grad_()
    seasoned(architecture)(points)[0, 4].sum().backward()
    assert points.grad is not None
    seen = points.grad[0].abs().sum((1, 2)).nonzero().flatten()
    assert seen.min() == 4
    assert seen.max() == 4 + field - 1


def test_dense_network_has_no_strided_twin() -> None:
    model = TemporalModel(CASES[2])
    with pytest.raises(ValueError, match="dense"):
        model.forward_single(torch.zeros(1, 27, 17, 2))


def test_command_prints_the_table(capsys: pytest.CaptureFixture[str]) -> None:
    assert main([]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[-1].split()[-3:] == ["243", "16.95M", "33.87M"]
    assert main(["--architecture", "3,3,3", "--channels", "1024", "--dense"]) == 0
    assert capsys.readouterr().out.splitlines()[-1].split()[-3:] == ["27", "29.53M", "59.03M"]


@pytest.mark.parametrize("arguments", [["--architecture", "3,4"], ["--architecture", "x"], ["--causal"]])
def test_command_refuses_what_cannot_be(arguments: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    assert main(arguments) == 2
    assert "--architecture" in capsys.readouterr().err
