"""Recipes of a few seconds for the training tests, and what a run leaves, read back."""

from __future__ import annotations

import csv
import dataclasses
import os
from pathlib import Path

import torch
import yaml

from lifting.dataset_recipe import DatasetRecipe
from lifting.reference_checkpoint import load_reference_checkpoint

ROOT = Path(__file__).parents[2]

TINY = DatasetRecipe(
    "h36m",
    "gt",
    subjects_train=("S1", "S5"),
    subjects_test=("S9",),
    filter_widths=(3, 3),
    channels=16,
    dropout=0.1,
    epochs=3,
    batch_frames=128,
    learning_rate=0.005,
)
SEMI = dataclasses.replace(TINY, subjects_train=("S1",), unlabelled_subjects=("S5",), epochs=2, batch_frames=64)


def config(path: Path, recipe: DatasetRecipe) -> Path:
    values = {k: list(v) if isinstance(v, tuple) else v for k, v in dataclasses.asdict(recipe).items()}
    path.write_text(yaml.safe_dump(values))
    return path


def command(path: Path, folder: Path, output: Path) -> list[str]:
    return ["--config", str(path), "--data", str(folder), "--output", str(output)]


def curve(output: Path) -> list[dict[str, str]]:
    with (output / "curve.csv").open() as stream:
        return list(csv.DictReader(stream))


def weights(path: Path) -> dict[str, torch.Tensor]:
    found = load_reference_checkpoint(path)
    tensors = {f"position.{n}": t for n, t in found.position.state_dict().items()}
    if found.trajectory is not None:
        tensors |= {f"trajectory.{n}": t for n, t in found.trajectory.state_dict().items()}
    return tensors


def same(one: dict[str, torch.Tensor], other: dict[str, torch.Tensor]) -> bool:
    return one.keys() == other.keys() and all(torch.equal(one[name], other[name]) for name in one)


def environment() -> dict[str, str]:
    return os.environ | {"OMP_NUM_THREADS": "1", "PYTHONPATH": str(ROOT)}
