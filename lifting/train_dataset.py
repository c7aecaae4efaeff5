"""Train on Human3.6M or HumanEva-I, supervised or semi-supervised, on one device or several.

python -m lifting.train --config configs/lifting/h36m_243f.yaml --data ARCHIVES --output RUN
torchrun --nproc-per-node 8 -m lifting.train --config ... --device cuda
"""

from __future__ import annotations

import argparse
import dataclasses
import json
import logging
import time
from pathlib import Path

import torch
from torch import Tensor

from lifting.data.sequences import PoseDataset
from lifting.dataset_recipe import DatasetRecipe, recipe_from
from lifting.dataset_run import DatasetRun
from lifting.epoch_evaluation import epoch_errors
from lifting.evaluate_dataset import Figures, format_summary, measure, summarise
from lifting.fast import FastNetwork
from lifting.frame_store import Windows, seed_of
from lifting.inference import predict
from lifting.losses import mpjpe_loss, wmpjpe_loss
from lifting.memory import keep_freed_memory
from lifting.semi_supervised import (
    SharedJoints,
    bone_length_loss,
    bones_of,
    input_skeleton,
    projection_loss,
    shared_joints,
)
from lifting.training_data import Batches, TrainingData, load_training_data
from poses import InputError, UsageError
from poses.archive import write_atomically
from poses.commands import run_command
from poses.curves import Curve
from poses.distributed import Ranks, joined
from poses.options import load_yaml

log = logging.getLogger("lifting.train")

COLUMNS = (
    "seconds",
    "frames_per_s",
    "learning_rate",
    "train_mpjpe_mm",
    "train_trajectory_ratio",
    "train_projection",
    "train_bone_mm",
    "test_mpjpe_mm",
    "test_mpjve_mm",
    "test_root_mm",
    "test_projection",
    "labelled_mpjpe_mm",
    "labelled_mpjve_mm",
    "labelled_root_mm",
    "labelled_projection",
)
"""Of the curve. `train_` are the losses while training, with dropout; `test_` and `labelled_` come from evaluations."""

_DTYPES = {"bf16": torch.bfloat16, "fp16": torch.float16}
_DROPOUT = 3
"""Sets the seeds of dropout apart from those of the order of the examples (`lifting.training_data`)."""


def train_losses(
    recipe: DatasetRecipe,
    positions: Tensor,
    root: Tensor | None,
    labelled: Windows,
    unlabelled: Windows | None,
    shared: SharedJoints | None,
    before: int,
) -> dict[str, Tensor]:
    """The terms of the loss by name (of `SUMS`); their sum is minimised.

    Parameters
    ----------
    positions, root : (B, T, K, 3) and (B, T, 1, 3) the networks' answers, labelled examples first.
    before : frames of a window before its first frame of output.
    """
    assert labelled.positions_m is not None
    assert labelled.root_m is not None
    count = len(labelled)
    losses = {"pose": mpjpe_loss(positions[:count], labelled.positions_m)}
    if root is not None:
        losses["trajectory"] = wmpjpe_loss(root[:count], labelled.root_m)
    if unlabelled is None:
        return losses
    if recipe.projection:
        assert root is not None
        assert unlabelled.intrinsics is not None
        assert shared is not None
        seen = unlabelled.keypoints[:, before : before + positions.shape[1]]
        losses["projection"] = projection_loss(
            positions[count:], root[count:], seen, unlabelled.intrinsics, shared, recipe.linear_projection
        )
    if recipe.bone_length:
        bones = bones_of(recipe.data.skeleton, str(positions.device))
        losses["bone"] = bone_length_loss(positions[:count], positions[count:], bones)
    return losses


def train_step(run: DatasetRun, batches: Batches, shared: SharedJoints | None) -> None:
    """One optimiser step of `run`, which is moved on by it."""
    recipe, ranks = run.recipe, run.ranks
    labelled, unlabelled, weight = batches.batch(run.epoch, run.step, run.epoch >= recipe.warmup_epochs)
    # Dropout depends on the step alone, so that an interrupted run ends in the same weights.
    torch.manual_seed(seed_of(recipe.seed, _DROPOUT, run.epoch, run.step, ranks.rank))
    inputs = labelled.keypoints if unlabelled is None else torch.cat([labelled.keypoints, unlabelled.keypoints])
    kind = ranks.device.split(":")[0]
    with torch.autocast(kind, dtype=_DTYPES.get(recipe.precision), enabled=recipe.precision != "fp32"):
        positions, root = run.parallel(inputs)
    root = None if root is None else root.float()
    before = run.networks.position.architecture.padding[0]
    losses = train_losses(recipe, positions.float(), root, labelled, unlabelled, shared, before)
    run.optimiser.zero_grad(set_to_none=True)
    run.scaler.scale(torch.stack(list(losses.values())).sum() * weight).backward()
    run.scaler.step(run.optimiser)
    run.scaler.update()
    run.record({name: loss.detach() for name, loss in losses.items()}, labelled, unlabelled)
    run.step += 1


def train_epoch(run: DatasetRun, batches: Batches, shared: SharedJoints | None, checkpoint: Path) -> int:
    """The steps that are left of the present epoch, with a checkpoint every `save_every_s`; returns their number."""
    recipe = run.recipe
    for group in run.optimiser.param_groups:
        group["lr"] = recipe.learning_rate_at(run.epoch)
    run.networks.set_batch_norm_momentum(recipe.momentum_at(run.epoch))
    run.networks.train()
    started = run.step
    saved = time.monotonic()
    while run.step < batches.steps:
        train_step(run, batches, shared)
        if run.ranks.is_main and time.monotonic() - saved > recipe.save_every_s:
            run.save(checkpoint)
            saved = time.monotonic()
            log.info("epoch %d: step %d of %d", run.epoch + 1, run.step, batches.steps)
    return run.step - started


def train(recipe: DatasetRecipe, data: TrainingData, output: Path, ranks: Ranks | None = None) -> DatasetRun:
    """Train to the recipe's last epoch, going on from `output`/last.checkpoint where it exists.

    Leaves in `output`: curve.csv, last.checkpoint, best.bin (lowest error on the test subjects), epoch_N.bin and
    final.bin, the `.bin` files in the reference implementation's form.
    """
    ranks = ranks or Ranks()
    joints_in, joints_out = data.labelled.layout.joints, len(recipe.data.skeleton)
    unlabelled_frames = 0 if data.unlabelled is None else data.unlabelled.frames
    run = DatasetRun(recipe, joints_in, joints_out, data.labelled.frames + unlabelled_frames, ranks)
    batches = Batches(recipe, data, run.networks.position.architecture.padding, ranks)
    shared = None
    if data.unlabelled is not None:
        shared = shared_joints(input_skeleton(data.labelled.layout), recipe.data.skeleton)
    checkpoint = output / "last.checkpoint"
    if checkpoint.exists():
        run.load(checkpoint)
        log.info("going on after epoch %d, step %d of %s", run.epoch, run.step, checkpoint)
    elif recipe.continue_from is not None:
        run.start_from(Path(recipe.continue_from), go_on=True)
    elif recipe.initial_weights is not None:
        run.start_from(Path(recipe.initial_weights), go_on=False)
    curve = None
    if ranks.is_main:
        curve = Curve(output / "curve.csv", COLUMNS, run.epoch, output / "tensorboard" if recipe.tensorboard else None)
    while run.epoch < recipe.epochs:
        started = time.monotonic()
        steps = train_epoch(run, batches, shared, checkpoint)
        run.require_finite(checkpoint)
        row = _training_row(run, time.monotonic() - started, steps)
        row |= _evaluation_row(run, data, shared)
        if ranks.is_main:
            assert curve is not None
            _end_epoch(run, row, curve, output)
        else:
            _next_epoch(run)
    if curve is not None:
        curve.close()
        run.export(output / "final.bin")
    return run


def _training_row(run: DatasetRun, seconds: float, steps: int) -> dict[str, float]:
    means = run.means()
    row = {
        "seconds": seconds,
        "frames_per_s": steps * run.recipe.batch_frames / max(seconds, 1e-9),
        "learning_rate": run.recipe.learning_rate_at(run.epoch),
        "train_mpjpe_mm": 1000 * means["pose"],
    }
    if "trajectory" in means:
        row["train_trajectory_ratio"] = means["trajectory"]
    if "projection" in means:
        row["train_projection"] = means["projection"]
    if "bone" in means:
        row["train_bone_mm"] = 1000 * means["bone"]
    return row


def _evaluation_row(run: DatasetRun, data: TrainingData, shared: SharedJoints | None) -> dict[str, float]:
    recipe = run.recipe
    row: dict[str, float] = {}
    if recipe.evaluate_every and (run.epoch + 1) % recipe.evaluate_every == 0:
        parts = {"test": data.test} | ({"labelled": data.labelled} if recipe.evaluate_training else {})
        for name, part in parts.items():
            errors = epoch_errors(run.networks, part, run.ranks, shared)
            row |= {f"{name}_{metric}": value for metric, value in errors.items()}
    return row


def _next_epoch(run: DatasetRun) -> None:
    run.epoch, run.step = run.epoch + 1, 0
    run.sums = torch.zeros_like(run.sums)


def _end_epoch(run: DatasetRun, row: dict[str, float], curve: Curve, output: Path) -> None:
    recipe = run.recipe
    _next_epoch(run)
    log.info("epoch %d of %d: %s", run.epoch, recipe.epochs, ", ".join(f"{k} {v:.4g}" for k, v in row.items()))
    curve.add(run.epoch, row)
    if row.get("test_mpjpe_mm", float("inf")) < run.best_mm:
        run.best_mm = row["test_mpjpe_mm"]
        run.export(output / "best.bin")
    if recipe.export_every and run.epoch % recipe.export_every == 0:
        run.export(output / f"epoch_{run.epoch}.bin", with_optimiser=True)
    run.save(output / "last.checkpoint")


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m lifting.train", description="Train on a dataset (docs/training.md)."
    )
    parser.add_argument("--config", type=Path, required=True, help="recipe, for example configs/lifting/h36m_243f.yaml")
    parser.add_argument("--data", type=Path, required=True, help="folder with data_3d_*.npz and data_2d_*.npz")
    parser.add_argument("--output", type=Path, required=True, help="folder of the run; goes on where it holds one")
    parser.add_argument("--device", default="cpu", help="cpu or cuda[:i] (default: cpu)")
    parser.add_argument(
        "--set", action="append", default=[], metavar="NAME=VALUE", help="change any field of the recipe, as in YAML"
    )
    parser.add_argument("--linear-projection", action="store_true", help="--set linear_projection=true")
    parser.add_argument("--no-projection", action="store_true", help="--set projection=false")
    parser.add_argument("--no-bone-length", action="store_true", help="--set bone_length=false")
    return parser


def recipe_of(options: argparse.Namespace) -> DatasetRecipe:
    """The recipe that the command line asks for. `UsageError` names what is wrong with it."""
    flags = {"linear_projection": "true", "no_projection": "false", "no_bone_length": "false"}
    assignments = [f"{n.removeprefix('no_')}={value}" for n, value in flags.items() if getattr(options, n)]
    recipe = recipe_from(load_yaml(options.config), [*assignments, *options.set], str(options.config))
    if recipe.precision == "fp16" and not options.device.startswith("cuda"):
        raise UsageError("precision fp16 needs a GPU", "use --device cuda, or precision bf16")
    return recipe


def main(arguments: list[str] | None = None) -> int:
    """Command line; returns the exit code."""
    options = _parser().parse_args(arguments)
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(message)s", datefmt="%H:%M:%S")
    return run_command(lambda: _run(options))


def _run(options: argparse.Namespace) -> None:
    recipe = recipe_of(options)
    if options.device == "cpu":
        keep_freed_memory()
    with joined(options.device) as ranks:
        if not ranks.is_main:
            logging.getLogger().setLevel(logging.ERROR)
        data = load_training_data(recipe, options.data)
        if ranks.is_main:
            _make_folder(options.output)
        _log_sizes(data)
        run = train(recipe, data, options.output, ranks)
        if ranks.is_main:
            _report(run, data.test, options.output)


def _log_sizes(data: TrainingData) -> None:
    for name, part in (("labelled", data.labelled), ("unlabelled", data.unlabelled), ("test", data.test)):
        if part is not None:
            log.info("%s: %d frames in %d sequences at %g Hz", name, part.frames, len(part), part.rate_hz)


def _make_folder(folder: Path) -> None:
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise InputError(f"{folder}: cannot make the folder ({error.strerror})", "choose another --output") from None


def final_errors(run: DatasetRun, test: PoseDataset, flip: bool) -> dict[str, Figures]:
    """The field's table for the run's present weights; `flip` averages with the mirrored input."""
    model = FastNetwork(run.networks.position.eval(), device=run.ranks.device)
    mirror = (test.layout.mirror, test.dataset.skeleton.mirror) if flip else None
    return summarise(
        measure(sequence, predict(model, torch.from_numpy(sequence.keypoints), mirror).numpy())
        for sequence in test.sequences
    )


def _report(run: DatasetRun, test: PoseDataset, output: Path) -> None:
    """The table of the last weights, to the log and to results.json."""
    summary = final_errors(run, test, run.recipe.flip_test)
    text = json.dumps({name: dataclasses.asdict(figures) for name, figures in summary.items()}, indent=2) + "\n"
    write_atomically(output / "results.json", lambda stream: stream.write(text.encode()))
    log.info("final.bin on the test subjects, millimetres:\n%s", format_summary(summary))
