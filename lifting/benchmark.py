"""Frames a second of inference over one long sequence.

python -m lifting.benchmark --architecture 3,3,3,3,3 --channels 1024 --frames 20000 --precision bf16 --device cpu
"""

from __future__ import annotations

import argparse
import json
import statistics
import sys
import time
from pathlib import Path

import torch

from lifting.card import model_from
from lifting.fast import PRECISIONS, FastNetwork
from lifting.model import Architecture
from lifting.profile import parse_filter_widths, profile
from poses import UsageError
from poses.archive import write_atomically
from poses.commands import run_command

JOINTS = 17


def time_inference(network: FastNetwork, frames: int, runs: int) -> list[float]:
    """Seconds of each of `runs` runs over one random sequence; a shorter run before them warms up."""
    points = torch.randn(1, frames, network.architecture.input_joints, 2, generator=torch.Generator().manual_seed(1))
    network.predict(points[:, : 2 * network.block_frames(1)])
    seconds = []
    for _ in range(runs):
        # `predict` brings its answer back to the CPU, so a GPU has finished when it returns.
        start = time.perf_counter()
        network.predict(points)
        seconds.append(time.perf_counter() - start)
    return seconds


def main(arguments: list[str] | None = None) -> int:
    """Command line; returns the exit code."""
    parser = argparse.ArgumentParser(prog="python -m lifting.benchmark", description=__doc__)
    parser.add_argument("--architecture", default="3,3,3,3,3", help="filter widths (default: 3,3,3,3,3)")
    parser.add_argument("--channels", type=int, default=1024, help="channels of the hidden layers (default: 1024)")
    parser.add_argument("--causal", action="store_true", help="see only frames up to the present one")
    parser.add_argument("--dense", action="store_true", help="undilated convolutions over the same frames")
    parser.add_argument("--frames", type=int, default=20000, help="length of the sequence (default: 20000)")
    parser.add_argument("--runs", type=int, default=5, help="runs, of which the median counts (default: 5)")
    parser.add_argument("--precision", default="fp32", help=f"{', '.join(PRECISIONS)} (default: fp32)")
    parser.add_argument("--device", default="cpu", help="cpu or cuda[:i] (default: cpu)")
    parser.add_argument("--json", type=Path, help="write the figures here too")
    options = parser.parse_args(arguments)
    return run_command(lambda: _run(options))


def _run(options: argparse.Namespace) -> None:
    for flag in ("channels", "frames", "runs"):
        if getattr(options, flag) < 1:
            raise UsageError(f"--{flag} {getattr(options, flag)}: expected at least 1")
    widths = parse_filter_widths(options.architecture)
    setup = Architecture(JOINTS, JOINTS, widths, options.channels, causal=options.causal, dense=options.dense)
    network = FastNetwork(model_from(setup, seed=1).eval(), options.precision, options.device)
    seconds = time_inference(network, options.frames, options.runs)
    rate = options.frames / statistics.median(seconds)
    runs = [options.frames / s for s in seconds]
    figures = {
        "frames_per_second": rate,
        "runs_frames_per_second": runs,
        "gflops": rate * profile(setup).flops_per_frame / 1e9,
        "frames": options.frames,
        "architecture": options.architecture,
        "channels": options.channels,
        "causal": options.causal,
        "dense": options.dense,
        "receptive_field": setup.receptive_field,
        "precision": options.precision,
        "device": options.device,
        "device_name": device_name(options.device),
        "threads": torch.get_num_threads(),
        "torch": torch.__version__,
    }
    if options.json:
        text = json.dumps(figures, indent=2) + "\n"
        write_atomically(options.json, lambda stream: stream.write(text.encode()))
    each = ", ".join(f"{run:,.0f}" for run in runs)
    print(f"{rate:,.0f} frames/s, median of {options.runs} runs ({each})")
    print(f"receptive field {setup.receptive_field}, {options.channels} channels, {options.precision}")
    print(f"{figures['device_name']}, {figures['threads']} threads, PyTorch {figures['torch']}")


def device_name(device: str) -> str:
    """The GPU's name, or the CPU's where the system tells it."""
    if device.startswith("cuda"):
        return torch.cuda.get_device_name(device)
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
    except OSError:
        return "CPU"
    return next((line.split(":", 1)[1].strip() for line in lines if line.startswith("model name")), "CPU")


if __name__ == "__main__":
    sys.exit(main())
