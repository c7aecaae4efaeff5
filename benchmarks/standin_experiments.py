"""The paper's findings on the stand-in for Human3.6M: small networks, few epochs, several seeds.

python -m lifting.data.standin --mocap ARCHIVES --output STANDIN --frames 16000
python benchmarks/standin_experiments.py --data STANDIN --output RUNS

Each run leaves a folder below RUNS and a line in RUNS/results.jsonl; those that stand there are not run again. At the
end comes a table of means over the seeds, with half the range between the seeds.
"""

from __future__ import annotations

import argparse
import dataclasses
import json
import logging
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import torch

from lifting.dataset_recipe import DatasetRecipe
from lifting.train_dataset import final_errors, train
from lifting.training_data import load_training_data
from poses import UserError

BASE = DatasetRecipe(
    dataset="h36m",
    keypoints="noisy",
    filter_widths=(3, 3, 3),
    channels=128,
    dropout=0.1,
    epochs=6,
    batch_frames=256,
    # Over few epochs the rate falls as far as 0.95 an epoch takes it in 80.
    learning_rate_decay=0.5,
    evaluate_every=0,
)

# Scarce labels: one subject's, the four others without. The labelled epochs are short, so there are more of them.
SCARCE = dataclasses.replace(
    BASE,
    keypoints="gt",
    subjects_train=("S1",),
    batch_frames=64,
    trajectory=True,
)
UNLABELLED = {"unlabelled_subjects": ("S5", "S6", "S7", "S8")}
SCARCE_SHARES = {0.1: 40, 0.01: 200}
"""Share of S1's frames with labels, and epochs."""


def experiments() -> Iterator[tuple[str, DatasetRecipe]]:
    """(name, recipe) of each; the seed is set later."""
    yield "receptive field 1 (single frame)", dataclasses.replace(BASE, filter_widths=(1, 1, 1))
    yield "receptive field 9", dataclasses.replace(BASE, filter_widths=(3, 3, 1))
    yield "receptive field 27", BASE
    yield "receptive field 81", dataclasses.replace(BASE, filter_widths=(3, 3, 9))
    yield "27, causal", dataclasses.replace(BASE, causal=True)
    # Twice the epochs: as many steps, each example seen twice as often.
    yield (
        "27, without flip augmentation",
        dataclasses.replace(
            BASE, flip_training=False, epochs=2 * BASE.epochs, learning_rate_decay=BASE.learning_rate_decay**0.5
        ),
    )
    yield "27, chunks of 32 frames", dataclasses.replace(BASE, stride=32)
    for share, epochs in SCARCE_SHARES.items():
        warmup = epochs // 4
        few = dataclasses.replace(SCARCE, subset=share, epochs=epochs, learning_rate_decay=0.0165 ** (1 / epochs))
        semi = dataclasses.replace(few, warmup_epochs=warmup, **UNLABELLED)  # type: ignore[arg-type]
        yield f"S1 {share:.0%}, supervised", few
        yield f"S1 {share:.0%}, semi-supervised", semi
        yield f"S1 {share:.0%}, semi-supervised without bone lengths", dataclasses.replace(semi, bone_length=False)
        yield f"S1 {share:.0%}, semi-supervised without projection", dataclasses.replace(semi, projection=False)


def run_one(name: str, recipe: DatasetRecipe, data: Path, folder: Path) -> dict[str, Any]:
    """Train and evaluate; the line for results.jsonl."""
    folder.mkdir(parents=True, exist_ok=True)
    loaded = load_training_data(recipe, data)
    started = time.process_time()
    run = train(recipe, loaded, folder)
    seconds = time.process_time() - started
    line: dict[str, Any] = {"name": name, "seed": recipe.seed, "cpu_seconds": round(seconds, 1)}
    line["labelled_frames"] = loaded.labelled.frames
    for flip in (True, False):
        errors = final_errors(run, loaded.test, flip)
        line["flip" if flip else "no_flip"] = {metric: round(f.average, 3) for metric, f in errors.items()}
    return line


def table(lines: list[dict[str, Any]]) -> str:
    """Means over the seeds as Markdown, millimetres, with test-time flip augmentation and (last column) without."""
    heads = ["setting", "seeds", "MPJPE", "P-MPJPE", "N-MPJPE", "MPJVE", "MPJPE without test flip", "CPU s"]
    rows = ["| " + " | ".join(heads) + " |", "|" + "---|" * len(heads)]
    for name in dict.fromkeys(line["name"] for line in lines):
        own = [line for line in lines if line["name"] == name]
        cells = [name, str(len(own))]
        for kind, metric in (*(("flip", m) for m in ("mpjpe", "p_mpjpe", "n_mpjpe", "mpjve")), ("no_flip", "mpjpe")):
            values = [line[kind][metric] for line in own]
            spread = f" ± {(max(values) - min(values)) / 2:.2f}" if len(values) > 1 else ""
            cells.append(f"{sum(values) / len(values):.2f}{spread}")
        cells.append(f"{sum(line['cpu_seconds'] for line in own) / len(own):.0f}")
        rows.append("| " + " | ".join(cells) + " |")
    return "\n".join(rows)


def main(arguments: list[str] | None = None) -> int:
    """Command line; returns the exit code."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n\n")[0])
    parser.add_argument("--data", type=Path, required=True, help="folder that lifting.data.standin wrote")
    parser.add_argument("--output", type=Path, required=True, help="folder for the runs")
    parser.add_argument("--seeds", type=int, nargs="+", default=[1, 2, 3])
    parser.add_argument("--only", default="", help="settings whose names contain this")
    parser.add_argument("--threads", type=int, default=1)
    options = parser.parse_args(arguments)
    logging.basicConfig(level=logging.WARNING)
    torch.set_num_threads(options.threads)
    results = options.output / "results.jsonl"
    options.output.mkdir(parents=True, exist_ok=True)
    lines = [json.loads(line) for line in results.read_text().splitlines()] if results.exists() else []
    done = {(line["name"], line["seed"]) for line in lines}
    try:
        for seed in options.seeds:
            for number, (name, recipe) in enumerate(experiments()):
                if (name, seed) in done or options.only not in name:
                    continue
                folder = options.output / f"{number:02d}_seed{seed}"
                line = run_one(name, dataclasses.replace(recipe, seed=seed), options.data, folder)
                print(json.dumps(line), flush=True)
                lines.append(line)
                with results.open("a") as stream:
                    stream.write(json.dumps(line) + "\n")
    except UserError as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    order = {name: number for number, (name, _) in enumerate(experiments())}
    print(table(sorted(lines, key=lambda line: order[line["name"]])))
    return 0


if __name__ == "__main__":
    sys.exit(main())
