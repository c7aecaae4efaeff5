"""Training on a dataset: batches, what is learnt, what a run leaves, several processes, the command line."""

from __future__ import annotations

import dataclasses
import json
import math
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch

from lifting.evaluate_dataset import evaluate_sequences, summarise
from lifting.reference_checkpoint import load_reference_checkpoint
from lifting.train import main
from lifting.train_dataset import train
from lifting.training_data import Batches, TrainingData, load_training_data
from poses import UsageError
from poses.distributed import Ranks
from tests.lifting.dataset_runs import SEMI, TINY, command, config, curve, environment


def test_an_epoch_holds_every_example_and_its_mirror_image_once(dataset: TrainingData) -> None:
    recipe = dataclasses.replace(TINY, batch_frames=32)
    batches = Batches(recipe, dataset, (0, 0), Ranks())
    frames = dataset.labelled.frames
    assert batches.steps == math.ceil(2 * frames / 32)
    windows = [batches.batch(4, step, False)[0] for step in range(batches.steps)]
    seen = torch.cat([w.keypoints[:, 0] for w in windows]).flatten(1).numpy()
    plain = np.concatenate([s.keypoints for s in dataset.labelled.sequences])
    mirrored = (plain * [-1, 1])[:, dataset.labelled.layout.mirror]
    wanted = np.concatenate([plain, mirrored]).reshape(2 * frames, -1).astype(np.float32)
    assert np.array_equal(seen[np.lexsort(seen.T)], wanted[np.lexsort(wanted.T)])
    other = torch.cat([batches.batch(5, step, False)[0].keypoints[:, 0] for step in range(batches.steps)])
    assert not np.array_equal(other.flatten(1).numpy(), seen), "another order in each epoch"


@pytest.mark.parametrize("world", [2, 3])
def test_processes_share_each_batch(dataset: TrainingData, world: int) -> None:
    whole = Batches(TINY, dataset, (4, 4), Ranks())
    shares = [Batches(TINY, dataset, (4, 4), Ranks(rank, world)) for rank in range(world)]
    last = whole.steps - 1
    for step in (0, last):
        together = whole.batch(1, step, False)[0]
        parts = [share.batch(1, step, False) for share in shares]
        assert torch.equal(torch.cat([part[0].keypoints for part in parts]), together.keypoints)
        # Means over the shares, averaged over the processes with these weights, are the mean over the batch.
        average = sum(part[0].keypoints.mean() * part[2] for part in parts) / world
        assert average == pytest.approx(float(together.keypoints.mean()), abs=1e-6)


def test_networks_learn_and_leave_what_they_promise(dataset: TrainingData, tmp_path: Path) -> None:
    # Few steps: the running means must follow fast.
    recipe = dataclasses.replace(TINY, epochs=12, export_every=5, dropout=0.0, evaluate_training=True, momentum_end=0.1)
    run = train(recipe, dataset, tmp_path)
    rows = curve(tmp_path)
    assert [row["epoch"] for row in rows] == [str(n) for n in range(1, 13)]
    assert float(rows[-1]["train_mpjpe_mm"]) < 0.3 * float(rows[0]["train_mpjpe_mm"])
    assert float(rows[-1]["labelled_mpjpe_mm"]) < 120
    assert rows[0]["test_root_mm"] == "", "no trajectory network, nothing measured"
    assert sorted(path.name for path in tmp_path.iterdir()) == [
        "best.bin", "curve.csv", "epoch_10.bin", "epoch_5.bin", "final.bin", "last.checkpoint",
    ]  # fmt: skip
    # The curve's last row by another road: the exported file, evaluated with the plain network.
    final = load_reference_checkpoint(tmp_path / "final.bin")
    assert final.epoch == 12
    assert final.lr == pytest.approx(0.005 * 0.95**12)
    results = list(evaluate_sequences(final.position, dataset.test, flip=False))
    mean = sum(r.errors_mm["mpjpe"] * r.frames for r in results) / sum(r.frames for r in results)
    assert float(rows[-1]["test_mpjpe_mm"]) == pytest.approx(mean, rel=1e-3)
    best = min(float(row["test_mpjpe_mm"]) for row in rows)
    kept = load_reference_checkpoint(tmp_path / "best.bin")
    assert float(rows[kept.epoch - 1]["test_mpjpe_mm"]) == best
    assert run.epoch == 12


@pytest.mark.parametrize("changes", [{"stride": 9}, {"causal": True}, {"dense": True}, {"filter_widths": (1, 1)}])
def test_kinds_of_training_learn(dataset: TrainingData, tmp_path: Path, changes: dict[str, object]) -> None:
    recipe = dataclasses.replace(TINY, epochs=6, evaluate_every=0, dropout=0.0, **changes)  # type: ignore[arg-type]
    train(recipe, dataset, tmp_path)
    rows = curve(tmp_path)
    assert float(rows[-1]["train_mpjpe_mm"]) < 0.6 * float(rows[0]["train_mpjpe_mm"])
    assert not (tmp_path / "best.bin").exists()


def test_bfloat16_learns_as_well(dataset: TrainingData, tmp_path: Path) -> None:
    finals = {}
    for precision in ("fp32", "bf16"):
        recipe = dataclasses.replace(TINY, epochs=4, precision=precision)
        (tmp_path / precision).mkdir()
        train(recipe, dataset, tmp_path / precision)
        finals[precision] = float(curve(tmp_path / precision)[-1]["train_mpjpe_mm"])
    assert finals["bf16"] == pytest.approx(finals["fp32"], rel=0.1)


def test_semi_supervised_training_learns_both_halves(dataset_folder: Path, tmp_path: Path) -> None:
    recipe = dataclasses.replace(SEMI, epochs=10, warmup_epochs=2, dropout=0.0)
    train(recipe, load_training_data(recipe, dataset_folder), tmp_path)
    rows = curve(tmp_path)
    assert [row["train_projection"] == "" for row in rows] == [True] * 2 + [False] * 8, "warm-up"
    assert float(rows[-1]["train_projection"]) < 0.5 * float(rows[2]["train_projection"])
    assert float(rows[-1]["train_trajectory_ratio"]) < 0.5 * float(rows[0]["train_trajectory_ratio"])
    assert float(rows[-1]["test_projection"]) < float(rows[0]["test_projection"])
    assert load_reference_checkpoint(tmp_path / "final.bin").trajectory is not None


def test_two_processes_train_together(dataset_folder: Path, tmp_path: Path, dataset: TrainingData) -> None:
    recipe = dataclasses.replace(TINY, dropout=0.0, epochs=4)
    path = config(tmp_path / "recipe.yaml", recipe)
    torchrun = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node", "2"]
    subprocess.run(
        [*torchrun, "-m", "lifting.train", *command(path, dataset_folder, tmp_path / "two")],
        env=environment(), cwd=tmp_path, check=True, timeout=120,
    )  # fmt: skip
    (tmp_path / "one").mkdir()
    train(recipe, dataset, tmp_path / "one")
    two, one = curve(tmp_path / "two"), curve(tmp_path / "one")
    assert len(two) == 4
    # The same examples in the same batches; only batch norm sees a half of them at a time.
    for ours, theirs in zip(two, one, strict=True):
        assert float(ours["train_mpjpe_mm"]) == pytest.approx(float(theirs["train_mpjpe_mm"]), rel=0.1)
    # The curve's errors come from both processes, each with its part of the sequences.
    final = load_reference_checkpoint(tmp_path / "two" / "final.bin").position
    summary = summarise(evaluate_sequences(final, dataset.test, flip=True))
    table = json.loads((tmp_path / "two" / "results.json").read_text())
    assert table["mpjpe"]["average"] == pytest.approx(summary["mpjpe"].average, rel=1e-3)
    results = list(evaluate_sequences(final, dataset.test, flip=False))
    mean = sum(r.errors_mm["mpjpe"] * r.frames for r in results) / sum(r.frames for r in results)
    assert float(two[-1]["test_mpjpe_mm"]) == pytest.approx(mean, rel=1e-3)


def test_the_command_line_trains_and_reports(dataset_folder: Path, tmp_path: Path) -> None:
    path = config(tmp_path / "recipe.yaml", SEMI)
    arguments = command(path, dataset_folder, tmp_path / "run")
    assert main([*arguments, "--set", "epochs=1", "--linear-projection", "--no-bone-length"]) == 0
    table = json.loads((tmp_path / "run" / "results.json").read_text())
    assert set(table) == {"mpjpe", "p_mpjpe", "n_mpjpe", "mpjve"}
    assert set(table["mpjpe"]["by_action"]) == {"Walking", "Waiting"}
    state = torch.load(tmp_path / "run" / "last.checkpoint", weights_only=True)
    recipe = json.loads(state["recipe"])
    assert (recipe["linear_projection"], recipe["bone_length"], recipe["projection"]) == (True, False, True)


def test_tensorboard_that_is_missing_is_named(dataset: TrainingData, tmp_path: Path) -> None:
    recipe = dataclasses.replace(TINY, epochs=1, tensorboard=True)
    try:
        import tensorboard  # noqa: F401
    except ImportError:
        with pytest.raises(UsageError, match="pip install tensorboard"):
            train(recipe, dataset, tmp_path)
    else:
        train(recipe, dataset, tmp_path)
        assert list((tmp_path / "tensorboard").iterdir())
