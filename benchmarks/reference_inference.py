"""Inference over one long sequence, side by side with the reference implementation: rates, ratios, largest difference.

python benchmarks/reference_inference.py --reference CHECKOUT [--frames 20000] [--precision fp32 bf16]

CHECKOUT is your own copy of github.com/facebookresearch/VideoPose3D; its common/model.py is imported from there. Both
run in one process on the same weights and the same sequence, in turns, the order changing from round to round.
"""

from __future__ import annotations

import argparse
import importlib.util
import statistics
import sys
import time
from collections.abc import Callable
from pathlib import Path
from types import ModuleType

import torch
from torch import Tensor

from lifting.card import model_from
from lifting.fast import PRECISIONS, FastNetwork
from lifting.model import Architecture, TemporalModel
from lifting.profile import parse_filter_widths

JOINTS = 17


def import_reference(checkout: Path) -> ModuleType:
    """The reference's common/model.py as a module."""
    path = checkout / "common" / "model.py"
    spec = importlib.util.spec_from_file_location("reference_model", path)
    if not path.is_file() or spec is None or spec.loader is None:
        sys.exit(f"error: {path} is not there: --reference wants a checkout of facebookresearch/VideoPose3D")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def vary_norms(model: TemporalModel) -> None:
    """Statistics and scales as a trained network might have; fresh ones would hide mistakes in folding them."""
    generator = torch.Generator().manual_seed(1)
    for norm in (model.expand_bn, *model.layers_bn):
        norm.weight.data.uniform_(0.5, 1.5, generator=generator)
        norm.bias.data.normal_(0, 0.2, generator=generator)
        norm.running_mean.normal_(0, 0.2, generator=generator)
        norm.running_var.uniform_(0.3, 1.5, generator=generator)


def timed(run: Callable[[], Tensor]) -> float:
    start = time.perf_counter()
    run()
    return time.perf_counter() - start


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--reference", type=Path, required=True, help="checkout of facebookresearch/VideoPose3D")
    parser.add_argument("--architecture", default="3,3,3,3,3")
    parser.add_argument("--channels", type=int, default=1024)
    parser.add_argument("--causal", action="store_true")
    parser.add_argument("--frames", type=int, default=20000)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--precision", nargs="+", choices=PRECISIONS, default=["fp32", "bf16"])
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--threads", type=int, help="threads of PyTorch (default: its own choice)")
    options = parser.parse_args()
    if options.threads:
        torch.set_num_threads(options.threads)
    widths = parse_filter_widths(options.architecture)
    setup = Architecture(JOINTS, JOINTS, widths, options.channels, causal=options.causal)
    model = model_from(setup, seed=1).eval()
    vary_norms(model)
    reference = import_reference(options.reference).TemporalModel(
        JOINTS, 2, JOINTS, list(widths), causal=options.causal, channels=options.channels
    )
    reference.load_state_dict(model.state_dict())
    reference.eval().to(options.device)

    points = torch.randn(1, options.frames, JOINTS, 2, generator=torch.Generator().manual_seed(2))
    before, after = setup.padding
    padded = torch.cat([points[:, :1].expand(-1, before, -1, -1), points, points[:, -1:].expand(-1, after, -1, -1)], 1)

    def run_reference() -> Tensor:
        with torch.no_grad():
            return reference(padded.to(options.device)).cpu()

    networks = {precision: FastNetwork(model, precision, options.device) for precision in options.precision}
    runs: dict[str, Callable[[], Tensor]] = {"reference": run_reference}
    for precision, network in networks.items():
        runs[precision] = lambda network=network: network.predict(points)  # type: ignore[misc]
    answers = {name: run() for name, run in runs.items()}
    seconds: dict[str, list[float]] = {name: [] for name in runs}
    for number in range(options.rounds):
        order = list(runs) if number % 2 == 0 else list(runs)[::-1]
        for name in order:
            seconds[name].append(timed(runs[name]))

    print(
        f"{options.frames} frames, {options.architecture} x {options.channels}, {options.device}, "
        f"{torch.get_num_threads()} threads, PyTorch {torch.__version__}, median of {options.rounds} rounds"
    )
    base = statistics.median(seconds["reference"])
    for name in runs:
        middle = statistics.median(seconds[name])
        paired = statistics.median(r / s for r, s in zip(seconds["reference"], seconds[name], strict=True))
        difference = (answers[name] - answers["reference"]).abs().max().item()
        print(
            f"{name:<10} {options.frames / middle:>12,.0f} frames/s   {base / middle:5.2f} x (paired {paired:5.2f} x)"
            f"   largest difference {difference:.2e}"
        )


if __name__ == "__main__":
    main()
