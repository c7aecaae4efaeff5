"""List the bundled lifters: what each is for, its size and licence, and its measured errors.

python -m lifting.weights list [--json]
"""

from __future__ import annotations

import argparse
import dataclasses
import json
import sys
import textwrap
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from lifting.card import Card, read_card
from lifting.lifter import WEIGHTS_FOLDER, lifter_names
from poses.commands import run_command

_FIGURES = (
    ("mpjpe_mm", "MPJPE {:.1f} mm"),
    ("p_mpjpe_mm", "P-MPJPE {:.1f} mm"),
    ("n_mpjpe_mm", "N-MPJPE {:.1f} mm"),
    ("mpjve_mm", "MPJVE {:.1f} mm a frame"),
    ("acceleration_mm", "acceleration {:.1f} mm a frame²"),
    ("root_percent", "root {:.1f} % of its distance"),
)


def describe(path: Path) -> dict[str, Any]:
    """Name, purpose, size and card of a weights file, for JSON."""
    card = read_card(path)
    return {
        "name": path.stem,
        "bytes": path.stat().st_size,
        "frames": card.position.receptive_field,
        "causal": card.position.causal,
        **{key: value for key, value in dataclasses.asdict(card).items() if key != "name"},
    }


def _text(path: Path) -> str:
    card = read_card(path)
    measured = card.measured
    errors = ", ".join(form.format(measured[name]) for name, form in _FIGURES if name in measured)
    lines = [
        card.summary,
        f"{path.stat().st_size / 1e6:.1f} MB; {_kind(card)}; {card.licence}",
        f"trained on {card.trained_on}",
        f"held-out clips, the networks alone: {errors}" if errors else "not measured",
    ]
    wrapped = [textwrap.fill(line, 110, initial_indent="    ", subsequent_indent="      ") for line in lines]
    return "\n".join([path.stem, *wrapped])


def _kind(card: Card) -> str:
    frames = card.position.receptive_field
    when = "up to the present one, for live use" if card.position.causal else "around each one"
    return f"{card.input_skeleton} keypoints to {card.output_skeleton} joints; {frames} frames {when}"


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command; returns the exit code."""
    parser = argparse.ArgumentParser(prog="python -m lifting.weights", description=(__doc__ or "").split("\n\n")[0])
    verbs = parser.add_subparsers(dest="verb", required=True)
    listing = verbs.add_parser("list", help="list the bundled weights")
    listing.add_argument("--json", action="store_true", help="as JSON, with the whole card of each")
    options = parser.parse_args(arguments)
    return run_command(lambda: _list(options.json))


def _list(as_json: bool) -> None:
    paths = [WEIGHTS_FOLDER / f"{name}.safetensors" for name in lifter_names()]
    if as_json:
        sys.stdout.write(json.dumps([describe(path) for path in paths], indent=2) + "\n")
    else:
        sys.stdout.write("\n\n".join(_text(path) for path in paths) + f"\n\nfolder: {WEIGHTS_FOLDER}\n")


if __name__ == "__main__":
    sys.exit(main())
