"""The paper's findings on the stand-in for Human3.6M: small networks, few epochs, several seeds.

python benchmarks/standin_experiments.py --mocap ARCHIVES --output RUNS

Writes the stand-ins (RUNS/standin_*), then runs every row of docs/results.md. Each run leaves a
folder below RUNS and a line in RUNS/results.jsonl; what stands there is not made again, so the command can be stopped
and given again. At the end come the tables: means over the seeds, with half the range between the seeds.
"""

from __future__ import annotations

import argparse
import dataclasses
import json
import logging
import math
import sys
import time
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from lifting.data.datasets import H36M_KEPT
from lifting.data.mocap import load_archives
from lifting.data.project_truth import H36M_LAYOUT, project_truth
from lifting.data.reference_npz import Positions3D, read_positions_3d, write_positions_2d, write_positions_3d
from lifting.data.standin import with_32_joints, with_bone_lengths, write_standin
from lifting.dataset_recipe import DatasetRecipe
from lifting.fast import FastNetwork
from lifting.inference import predict
from lifting.train_dataset import final_errors, train
from lifting.training_data import TrainingData, load_training_data
from poses import H36M17
from poses.commands import run_command

SHORT, MIDDLE, LONG = "standin_16000", "standin_60000", "standin_100000"
LONG_ONE_SIZE = "standin_100000_one_size"
FRAMES = {SHORT: 16_000, MIDDLE: 60_000, LONG: 100_000}
"""Of motion in the stand-ins. In the long one 0.1 % of S1's sequences is 44 frames, four cameras together."""
SEED = 1
"""Of the stand-in."""


@dataclass(frozen=True)
class Experiment:
    """One row of a table.

    Attributes
    ----------
    table, name : where the row stands and what it is called.
    recipe : all but the seed.
    seeds : how many, from 1.
    data : which stand-in; the subjects of the last one all have the same bone lengths.
    """

    table: str
    name: str
    recipe: DatasetRecipe
    seeds: int = 1
    data: str = LONG


TEMPORAL, SCARCE_FULL, SCARCE_10HZ, TERMS, SIZES, FEW_STEPS, MANY_STEPS = (
    "All labels",
    "Part of S1's labels, 50 Hz",
    "Part of S1's labels, 10 Hz",
    "Linear projection, 50 Hz",
    "Subjects of one size, 50 Hz",
    "Few steps",
    "Many steps",
)

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
"""27 frames, all five training subjects."""

LAST_RATE = 0.02
"""Learning rate at the end of a run with few labels, as a share of the first."""
SCARCE_BATCH = 64
SCARCE_STEPS = 1500
SCARCE_SHARES = {0.5: 28_260, 0.1: 5_648, 0.05: 2_832, 0.01: 572, 0.001: 44}
"""Share of S1's sequences with labels, and how many frames of the stand-in that is (four cameras together)."""
UNLABELLED = ("S5", "S6", "S7", "S8")


def temporal() -> Iterator[Experiment]:
    """Receptive field, causality, augmentation, batches."""
    variants: dict[str, dict[str, Any]] = {
        "receptive field 1 (single frame)": {"filter_widths": (1, 1, 1)},
        "receptive field 9": {"filter_widths": (3, 3, 1)},
        "receptive field 27": {},
        "receptive field 81": {"filter_widths": (3, 3, 9)},
        "27, causal": {"causal": True},
        # Twice the epochs: as many steps, each example seen twice as often.
        "27, without flip augmentation": {
            "flip_training": False,
            "epochs": 2 * BASE.epochs,
            "learning_rate_decay": BASE.learning_rate_decay**0.5,
        },
        "27, chunks of 32 frames": {"stride": 32},
    }
    for name, changes in variants.items():
        yield Experiment(TEMPORAL, name, dataclasses.replace(BASE, **changes), seeds=3, data=SHORT)


def scarce(share: float, downsample: int = 1, **changes: Any) -> DatasetRecipe:
    """Supervised on a share of one subject's frames; as many steps whatever the share."""
    frames = SCARCE_SHARES[share] / downsample
    steps = math.ceil(2 * frames / SCARCE_BATCH)
    epochs = max(round(SCARCE_STEPS / steps), 4)
    return dataclasses.replace(
        BASE,
        keypoints="gt",
        subjects_train=("S1",),
        subset=share,
        downsample=downsample,
        batch_frames=SCARCE_BATCH,
        trajectory=True,
        epochs=epochs,
        learning_rate=0.004,
        learning_rate_decay=LAST_RATE ** (1 / epochs),
        **changes,
    )


def semi(recipe: DatasetRecipe, **changes: Any) -> DatasetRecipe:
    """The same with the keypoints of four other subjects, after a quarter of the epochs."""
    return dataclasses.replace(recipe, unlabelled_subjects=UNLABELLED, warmup_epochs=recipe.epochs // 4, **changes)


def slower(recipe: DatasetRecipe, epochs: int) -> DatasetRecipe:
    """With a quarter of the learning rate."""
    return dataclasses.replace(recipe, epochs=epochs, learning_rate=0.001, learning_rate_decay=0.0165 ** (1 / epochs))


def three(table: str, share: float, few: DatasetRecipe, **where: Any) -> Iterator[Experiment]:
    """Supervised, semi-supervised, and the latter without the bone-length term."""
    name = f"{share:.1%}, "
    yield Experiment(table, name + "supervised", few, **where)
    yield Experiment(table, name + "semi-supervised", semi(few), **where)
    yield Experiment(table, name + "semi-supervised without bone lengths", semi(few, bone_length=False), **where)


def experiments() -> Iterator[Experiment]:
    """Every row, in the order of the tables."""
    yield from temporal()
    for table, downsample, shares in (
        (SCARCE_FULL, 1, (0.5, 0.1, 0.05, 0.01, 0.001)),
        (SCARCE_10HZ, 5, (0.1, 0.01)),
    ):
        for share in shares:
            yield from three(table, share, scarce(share, downsample), seeds=3)
    few = scarce(0.1)
    yield Experiment(TERMS, "10.0%, semi-supervised, linear projection", semi(few, linear_projection=True), seeds=3)
    yield Experiment(SIZES, "10.0%, semi-supervised", semi(few), seeds=3, data=LONG_ONE_SIZE)
    without = semi(few, bone_length=False)
    yield Experiment(SIZES, "10.0%, semi-supervised without bone lengths", without, seeds=3, data=LONG_ONE_SIZE)
    for share, epochs in ((0.1, 40), (0.01, 200)):
        slow = slower(scarce(share), epochs)
        yield from three(FEW_STEPS, share, slow, seeds=3, data=SHORT)
        only_bones = semi(slow, projection=False)
        yield Experiment(FEW_STEPS, f"{share:.1%}, semi-supervised without projection", only_bones, 3, SHORT)
    yield from three(MANY_STEPS, 0.1, slower(few, 40), data=MIDDLE)


def one_size(positions: Positions3D) -> Positions3D:
    """The same motion by subjects who all have the mean subject's bone lengths."""

    def joints(array: np.ndarray) -> np.ndarray:
        return array[:, list(H36M_KEPT)].astype(np.float64)

    parents = np.array(H36M17.parents)
    lengths = np.zeros(len(H36M17))
    for actions in positions.values():
        first = joints(next(iter(actions.values())))[0]
        lengths[1:] += np.linalg.norm(first[1:] - first[parents[1:]], axis=-1) / len(positions)
    feet = H36M17.indices("left_ankle", "right_ankle")
    changed: Positions3D = {}
    for subject, actions in positions.items():
        changed[subject] = {}
        for action, array in actions.items():
            before = joints(array)
            after = with_bone_lengths(before, lengths)
            # The feet stand on the same floor.
            after[..., 2] += before[:, feet, 2].min() - after[:, feet, 2].min()
            changed[subject][action] = with_32_joints(after).astype(np.float32)
    return changed


def make_data(mocap: Path, output: Path) -> None:
    """Write the stand-ins below `output` that are not there yet."""
    for name, frames in FRAMES.items():
        if not (output / name / "data_2d_h36m_noisy.npz").exists():
            archives = [path.stem for path in sorted(mocap.glob("*.npz"))]
            write_standin(output / name, load_archives(mocap, archives), frames, SEED)
    same = output / LONG_ONE_SIZE
    if not (same / "data_2d_h36m_gt.npz").exists():
        same.mkdir(parents=True, exist_ok=True)
        positions = one_size(read_positions_3d(output / LONG / "data_3d_h36m.npz"))
        write_positions_3d(same / "data_3d_h36m.npz", positions)
        write_positions_2d(same / "data_2d_h36m_gt.npz", project_truth(positions), H36M_LAYOUT)


def mean_lengths(joints: Iterable[Tensor]) -> Tensor:
    """(16,) mean length of each bone over sequences of joints (T, 17, 3), metres."""
    parents = list(H36M17.parents[1:])
    return torch.cat([(j[:, 1:] - j[:, parents]).norm(dim=-1) for j in joints]).mean(dim=0)


def bone_figures(model: FastNetwork, data: TrainingData, sequences: int = 60) -> dict[str, float]:
    """How long the predicted bones are, on about 60 sequences of each part, without test-time augmentation.

    `bones_labelled`, `bones_test`: relative to the true ones, mean over the bones. `bone_gap_mm`, where there are
    unlabelled data: what the bone-length term sees, of whole sets instead of batches.
    """
    figures: dict[str, float] = {}
    predicted: dict[str, Tensor] = {}
    for name, part in (("labelled", data.labelled), ("test", data.test), ("unlabelled", data.unlabelled)):
        if part is None:
            continue
        some = part.sequences[:: max(len(part) // sequences, 1)]
        predicted[name] = mean_lengths(predict(model, torch.from_numpy(s.keypoints), None) for s in some)
        if name != "unlabelled":
            true = mean_lengths(torch.from_numpy(s.positions_m) for s in some if s.positions_m is not None)
            figures[f"bones_{name}"] = round(float((predicted[name] / true).mean()), 4)
    if "unlabelled" in predicted:
        gap = (predicted["labelled"] - predicted["unlabelled"]).abs().mean()
        figures["bone_gap_mm"] = round(1000 * float(gap), 2)
    return figures


def run_one(experiment: Experiment, seed: int, data: Path, folder: Path) -> dict[str, Any]:
    """Train and evaluate; the line for results.jsonl."""
    recipe = dataclasses.replace(experiment.recipe, seed=seed)
    folder.mkdir(parents=True, exist_ok=True)
    loaded = load_training_data(recipe, data)
    started = time.process_time()
    run = train(recipe, loaded, folder)
    seconds = time.process_time() - started
    line: dict[str, Any] = {"table": experiment.table, "name": experiment.name, "seed": seed}
    line |= {"cpu_seconds": round(seconds, 1), "labelled_frames": loaded.labelled.frames}
    for flip in (True, False):
        errors = final_errors(run, loaded.test, flip)
        line["flip" if flip else "no_flip"] = {metric: round(f.average, 3) for metric, f in errors.items()}
    return line | bone_figures(FastNetwork(run.networks.position.eval()), loaded)


def table(lines: list[dict[str, Any]]) -> str:
    """Means over the seeds as Markdown, millimetres; the predicted bones as a percentage of their true length."""
    kinds = [("flip", m) for m in ("mpjpe", "p_mpjpe", "n_mpjpe", "mpjve")] + [("no_flip", "mpjpe")]
    heads = ["setting", "labels", "seeds", "MPJPE", "P-MPJPE", "N-MPJPE", "MPJVE", "MPJPE, no test flip"]
    heads += ["bones, labelled %", "bones, test %", "bone gap mm", "CPU s"]
    rows = ["| " + " | ".join(heads) + " |", "|" + "---|" * len(heads)]
    for name in dict.fromkeys(line["name"] for line in lines):
        own = [line for line in lines if line["name"] == name]
        columns = [[line[kind][metric] for line in own] for kind, metric in kinds]
        columns += [[100 * line[key] for line in own] for key in ("bones_labelled", "bones_test")]
        columns += [[line["bone_gap_mm"] for line in own if "bone_gap_mm" in line]]
        cells = [name, str(own[0]["labelled_frames"]), str(len(own))]
        cells += [spread(values, 2 if number == 3 else 1) for number, values in enumerate(columns)]
        cells.append(f"{sum(line['cpu_seconds'] for line in own) / len(own):.0f}")
        rows.append("| " + " | ".join(cells) + " |")
    return "\n".join(rows)


def spread(values: list[float], digits: int) -> str:
    """Mean and half the range; nothing for no values."""
    if not values:
        return ""
    half = f" ± {(max(values) - min(values)) / 2:.{digits}f}" if len(values) > 1 else ""
    return f"{sum(values) / len(values):.{digits}f}{half}"


def tables(lines: list[dict[str, Any]]) -> str:
    """All tables under their headings, rows in the order of `experiments`."""
    order = [(e.table, e.name) for e in experiments()]
    lines = sorted(lines, key=lambda line: (order.index((line["table"], line["name"])), line["seed"]))
    parts = []
    for heading in dict.fromkeys(line["table"] for line in lines):
        parts.append(f"### {heading}\n\n" + table([line for line in lines if line["table"] == heading]))
    return "\n\n".join(parts)


def main(arguments: list[str] | None = None) -> int:
    """Command line; returns the exit code."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n\n")[0])
    parser.add_argument("--mocap", type=Path, required=True, help="folder with the motion-capture archives (*.npz)")
    parser.add_argument("--output", type=Path, required=True, help="folder for the stand-ins and the runs")
    parser.add_argument("--only", default="", help="rows whose table and name contain this")
    parser.add_argument("--max-seed", type=int, default=99, help="stop after this seed")
    parser.add_argument("--threads", type=int, default=1)
    options = parser.parse_args(arguments)
    logging.basicConfig(level=logging.WARNING)
    torch.set_num_threads(options.threads)
    return run_command(lambda: _run(options))


def _run(options: argparse.Namespace) -> None:
    results = options.output / "results.jsonl"
    options.output.mkdir(parents=True, exist_ok=True)
    make_data(options.mocap, options.output)
    lines = [json.loads(line) for line in results.read_text().splitlines()] if results.exists() else []
    done = {(line["table"], line["name"], line["seed"]) for line in lines}
    rows = list(experiments())
    for seed in range(1, min(options.max_seed, max(row.seeds for row in rows)) + 1):
        for number, row in enumerate(rows):
            known = (row.table, row.name, seed) in done
            if known or seed > row.seeds or options.only not in f"{row.table}: {row.name}":
                continue
            line = run_one(row, seed, options.output / row.data, options.output / f"{number:02d}_seed{seed}")
            print(json.dumps(line), flush=True)
            lines.append(line)
            with results.open("a") as stream:
                stream.write(json.dumps(line) + "\n")
    print(tables(lines))


if __name__ == "__main__":
    sys.exit(main())
