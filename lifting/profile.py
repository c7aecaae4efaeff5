"""Parameters, FLOPs a frame and receptive field of a network, from its architecture alone (table 5 of the paper).

python -m lifting.profile
python -m lifting.profile --architecture 3,3,3 --channels 512 --causal
"""

from __future__ import annotations

import argparse
import sys
from dataclasses import dataclass

from lifting.model import Architecture
from poses import UsageError
from poses.commands import run_command

PAPER_ROWS = (
    ("27 frames", Architecture(17, 17, (3, 3, 3))),
    ("27 frames, dense", Architecture(17, 17, (3, 3, 3), dense=True)),
    ("81 frames", Architecture(17, 17, (3, 3, 3, 3))),
    ("243 frames", Architecture(17, 17, (3, 3, 3, 3, 3))),
)
"""The models of table 5: 17 joints in and out, 1024 channels. The paper calls the dense one "without dilation"."""


@dataclass(frozen=True)
class Profile:
    """What a network costs.

    Attributes
    ----------
    receptive_field : frames of input that one frame of output depends on.
    parameters : trained numbers: weights, biases, and scale and shift of the batch norms.
    flops_per_frame : floating-point operations a frame of a long sequence, a multiplication and an addition counting
        as two; the paper, and so this, counts the convolutions alone, without biases and batch norms.
    """

    receptive_field: int
    parameters: int
    flops_per_frame: int


def profile(architecture: Architecture) -> Profile:
    """Count parameters and FLOPs of `TemporalModel(architecture)` without making one."""
    channels, outputs = architecture.channels, architecture.output_joints * 3
    (first, _), *others = architecture.convolutions
    weights = architecture.input_joints * 2 * channels * first
    weights += sum(channels * channels * (width + 1) for width, _ in others)
    weights += channels * outputs
    norms = 1 + 2 * len(others)
    return Profile(architecture.receptive_field, weights + outputs + norms * 2 * channels, 2 * weights)


def parse_filter_widths(text: str) -> tuple[int, ...]:
    """`3,3,3` to (3, 3, 3); `UsageError` unless all are odd and positive."""
    try:
        widths = tuple(int(part) for part in text.split(","))
    except ValueError:
        widths = ()
    if not widths or any(width < 1 or width % 2 == 0 for width in widths):
        raise UsageError(f"--architecture {text!r}: expected odd filter widths with commas between, such as 3,3,3,3,3")
    return widths


def format_profiles(rows: list[tuple[str, Architecture]]) -> str:
    """One line a model, in millions as the paper's table."""
    lines = [f"{'model':<28}{'receptive field':>16}{'parameters':>13}{'FLOPs/frame':>14}"]
    for name, architecture in rows:
        cost = profile(architecture)
        parameters, flops = f"{cost.parameters / 1e6:.2f}M", f"{cost.flops_per_frame / 1e6:.2f}M"
        lines.append(f"{name:<28}{cost.receptive_field:>16}{parameters:>13}{flops:>14}")
    return "\n".join(lines)


def main(arguments: list[str] | None = None) -> int:
    """Command line; returns the exit code."""
    parser = argparse.ArgumentParser(prog="python -m lifting.profile", description=__doc__)
    parser.add_argument("--architecture", help="filter widths, such as 3,3,3 (default: the models of table 5)")
    parser.add_argument("--channels", type=int, default=1024, help="channels of the hidden layers (default: 1024)")
    parser.add_argument("--causal", action="store_true", help="see only frames up to the present one")
    parser.add_argument("--dense", action="store_true", help="undilated convolutions over the same frames")
    parser.add_argument("--joints-in", type=int, default=17, help="2D keypoints (default: 17)")
    parser.add_argument("--joints-out", type=int, default=17, help="3D joints (default: 17)")
    options = parser.parse_args(arguments)
    return run_command(lambda: print(format_profiles(_rows(options))))


def _rows(options: argparse.Namespace) -> list[tuple[str, Architecture]]:
    """The models to describe: those of table 5, or the one that the options name."""
    sizes = {"channels": options.channels, "joints-in": options.joints_in, "joints-out": options.joints_out}
    for flag, value in sizes.items():
        if value < 1:
            raise UsageError(f"--{flag} {value}: expected at least 1")
    if options.architecture:
        widths = parse_filter_widths(options.architecture)
        kind = ("causal " if options.causal else "") + ("dense " if options.dense else "")
        architecture = Architecture(
            options.joints_in,
            options.joints_out,
            widths,
            options.channels,
            causal=options.causal,
            dense=options.dense,
        )
        return [(f"{kind}{options.architecture} x{options.channels}", architecture)]
    if options.causal or options.dense or tuple(sizes.values()) != (1024, 17, 17):
        raise UsageError("these options describe one model", "give its filter widths with --architecture")
    return list(PAPER_ROWS)


if __name__ == "__main__":
    sys.exit(main())
