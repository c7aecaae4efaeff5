"""Errors of a lifter on held-out motion-capture clips before unseen virtual cameras, with noisy keypoints.

python -m lifting.evaluate --weights FILE --config configs/lifting/mocap_81f.yaml --data ARCHIVES
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch

from lifting.canonical import REFERENCE_FOCAL
from lifting.data.mocap import Clips, load_archives, split
from lifting.data.virtual_cameras import film
from lifting.lifter import Lifter
from lifting.metrics import mpjpe, mpjve, n_mpjpe, p_mpjpe, root_error_ratio
from lifting.recipe import Recipe
from lifting.root import refine_root
from poses import InputError, UserError
from poses.archive import write_atomically
from poses.options import load_yaml, options_from_mapping

LONGEST_FRAMES = 400
EVALUATION_SEED = 20_000_003


@dataclass(frozen=True)
class Sequence:
    """A held-out clip before a camera of its own: canonical keypoints (T, 17, 2), joints (T, 17, 3), root (T, 3)."""

    archive: str
    keypoints: np.ndarray
    positions_m: np.ndarray
    root_m: np.ndarray


def evaluation_sequences(clips: Clips, recipe: Recipe, noisy: bool = True) -> Iterator[Sequence]:
    """The start of each clip with the body as it was recorded; the same camera and noise at every call."""
    for index, name in enumerate(clips.names):
        generator = torch.Generator().manual_seed(EVALUATION_SEED + index)
        joints = torch.from_numpy(clips.clip(index)[:LONGEST_FRAMES].copy())[None]
        batch = film(joints, recipe.cameras, recipe.noise if noisy else None, generator)
        keypoints, positions, root = (t[0].numpy() for t in (batch.keypoints, batch.positions_m, batch.root_m))
        yield Sequence(name.split("/")[0], keypoints, positions, root[:, 0])


def sequence_errors(
    positions_m: np.ndarray, root_m: np.ndarray, root_refined_m: np.ndarray, truth: Sequence
) -> dict[str, float]:
    """Errors of one sequence: millimetres (a frame for MPJVE), the root's in percent of its distance."""
    return {
        "mpjpe_mm": 1000 * mpjpe(positions_m, truth.positions_m),
        "p_mpjpe_mm": 1000 * p_mpjpe(positions_m, truth.positions_m),
        "n_mpjpe_mm": 1000 * n_mpjpe(positions_m, truth.positions_m),
        "mpjve_mm": 1000 * mpjve(positions_m, truth.positions_m),
        "root_percent": 100 * root_error_ratio(root_m, truth.root_m),
        "root_refined_percent": 100 * root_error_ratio(root_refined_m, truth.root_m),
    }


def evaluate_clips(lifter: Lifter, clips: Clips, recipe: Recipe, noisy: bool = True) -> dict[str, dict[str, float]]:
    """Errors by archive and over `all` archives, as means over frames; keys of the inner dicts as `sequence_errors`."""
    sums: dict[str, dict[str, float]] = {}
    frames: dict[str, int] = {}
    for truth in evaluation_sequences(clips, recipe, noisy):
        positions, root = lifter(truth.keypoints)
        scores = np.ones(truth.keypoints.shape[:2])
        refined = refine_root(root, positions, truth.keypoints / REFERENCE_FOCAL, scores)
        errors = sequence_errors(positions, root, refined, truth)
        for group in (truth.archive, "all"):
            total = sums.setdefault(group, dict.fromkeys(errors, 0.0))
            for name, value in errors.items():
                total[name] += value * len(root)
            frames[group] = frames.get(group, 0) + len(root)
    return {
        group: {name: value / frames[group] for name, value in total.items()} | {"frames": float(frames[group])}
        for group, total in sums.items()
    }


def format_table(results: dict[str, dict[str, float]]) -> str:
    """The results as an aligned table, `all` last."""
    groups = sorted(results, key=lambda group: (group == "all", group))
    columns = list(results["all"])
    lines = ["  ".join([f"{'archive':<14}", *[f"{c:>20}" for c in columns]])]
    lines += ["  ".join([f"{g:<14}", *[f"{results[g][c]:>20.2f}" for c in columns]]) for g in groups]
    return "\n".join(lines)


def main(arguments: list[str] | None = None) -> int:
    """Command line; returns the exit code."""
    parser = argparse.ArgumentParser(prog="python -m lifting.evaluate", description=__doc__)
    parser.add_argument("--dataset", choices=["mocap"], default="mocap", help="what to evaluate on")
    parser.add_argument("--data", type=Path, required=True, help="folder with the motion-capture archives (*.npz)")
    parser.add_argument("--lifter", required=True, help="name of bundled weights, or a file")
    parser.add_argument("--config", type=Path, required=True, help="the recipe: which clips, cameras and noise")
    parser.add_argument("--exact-keypoints", action="store_true", help="project the true joints, without noise")
    parser.add_argument("--json", type=Path, help="write the figures here too")
    options = parser.parse_args(arguments)
    try:
        recipe = options_from_mapping(Recipe, load_yaml(options.config), str(options.config))
        clips = load_archives(options.data, sorted(recipe.archive_weights))
        held_out = split(clips, recipe.held_out_share)[1]
        lifter = Lifter.load(options.lifter)
        results = evaluate_clips(lifter, held_out, recipe, noisy=not options.exact_keypoints)
        if options.json:
            text = json.dumps(results, indent=2) + "\n"
            write_atomically(options.json, lambda stream: stream.write(text.encode()))
    except UserError as error:
        print(f"error: {error}", file=sys.stderr)
        return 1 if isinstance(error, InputError) else 2
    print(format_table(results))
    return 0


if __name__ == "__main__":
    sys.exit(main())
