from __future__ import annotations

import csv
import dataclasses
import json
import logging
import math
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
import torch
import yaml

from lifting.data.reference_npz import read_positions_2d, write_positions_2d
from lifting.dataset_recipe import DatasetRecipe
from lifting.dataset_run import DatasetRun
from lifting.distributed import Ranks
from lifting.evaluate_dataset import evaluate_sequences, summarise
from lifting.reference_checkpoint import load_reference_checkpoint
from lifting.train import main
from lifting.train_dataset import train
from lifting.training_data import Batches, TrainingData, load_training_data
from poses import InputError, UsageError
from tests.lifting.small_dataset import write_dataset

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


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_dataset(tmp_path_factory.mktemp("h36m"))


@pytest.fixture(scope="module")
def data(folder: Path) -> TrainingData:
    return load_training_data(TINY, folder)


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


def test_an_epoch_holds_every_example_and_its_mirror_image_once(data: TrainingData) -> None:
    recipe = dataclasses.replace(TINY, batch_frames=32)
    batches = Batches(recipe, data, (0, 0), Ranks())
    frames = data.labelled.frames
    assert batches.steps == math.ceil(2 * frames / 32)
    windows = [batches.batch(4, step, False)[0] for step in range(batches.steps)]
    seen = torch.cat([w.keypoints[:, 0] for w in windows]).flatten(1).numpy()
    plain = np.concatenate([s.keypoints for s in data.labelled.sequences])
    mirrored = (plain * [-1, 1])[:, data.labelled.layout.mirror]
    wanted = np.concatenate([plain, mirrored]).reshape(2 * frames, -1).astype(np.float32)
    assert np.array_equal(seen[np.lexsort(seen.T)], wanted[np.lexsort(wanted.T)])
    other = torch.cat([batches.batch(5, step, False)[0].keypoints[:, 0] for step in range(batches.steps)])
    assert not np.array_equal(other.flatten(1).numpy(), seen), "another order in each epoch"


@pytest.mark.parametrize("world", [2, 3])
def test_processes_share_each_batch(data: TrainingData, world: int) -> None:
    whole = Batches(TINY, data, (4, 4), Ranks())
    shares = [Batches(TINY, data, (4, 4), Ranks(rank, world)) for rank in range(world)]
    last = whole.steps - 1
    for step in (0, last):
        together = whole.batch(1, step, False)[0]
        parts = [share.batch(1, step, False) for share in shares]
        assert torch.equal(torch.cat([part[0].keypoints for part in parts]), together.keypoints)
        # Means over the shares, averaged over the processes with these weights, are the mean over the batch.
        average = sum(part[0].keypoints.mean() * part[2] for part in parts) / world
        assert average == pytest.approx(float(together.keypoints.mean()), abs=1e-6)


def test_networks_learn_and_leave_what_they_promise(data: TrainingData, tmp_path: Path) -> None:
    # Few steps: the running means must follow fast.
    recipe = dataclasses.replace(TINY, epochs=12, export_every=5, dropout=0.0, evaluate_training=True, momentum_end=0.1)
    run = train(recipe, data, tmp_path)
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
    results = list(evaluate_sequences(final.position, data.test, flip=False))
    mean = sum(r.errors_mm["mpjpe"] * r.frames for r in results) / sum(r.frames for r in results)
    assert float(rows[-1]["test_mpjpe_mm"]) == pytest.approx(mean, rel=1e-3)
    best = min(float(row["test_mpjpe_mm"]) for row in rows)
    kept = load_reference_checkpoint(tmp_path / "best.bin")
    assert float(rows[kept.epoch - 1]["test_mpjpe_mm"]) == best
    assert run.epoch == 12


@pytest.mark.parametrize("changes", [{"stride": 9}, {"causal": True}, {"dense": True}, {"filter_widths": (1, 1)}])
def test_kinds_of_training_learn(data: TrainingData, tmp_path: Path, changes: dict[str, object]) -> None:
    recipe = dataclasses.replace(TINY, epochs=6, evaluate_every=0, dropout=0.0, **changes)  # type: ignore[arg-type]
    train(recipe, data, tmp_path)
    rows = curve(tmp_path)
    assert float(rows[-1]["train_mpjpe_mm"]) < 0.6 * float(rows[0]["train_mpjpe_mm"])
    assert not (tmp_path / "best.bin").exists()


def test_bfloat16_learns_as_well(data: TrainingData, tmp_path: Path) -> None:
    finals = {}
    for precision in ("fp32", "bf16"):
        recipe = dataclasses.replace(TINY, epochs=4, precision=precision)
        (tmp_path / precision).mkdir()
        train(recipe, data, tmp_path / precision)
        finals[precision] = float(curve(tmp_path / precision)[-1]["train_mpjpe_mm"])
    assert finals["bf16"] == pytest.approx(finals["fp32"], rel=0.1)


def test_semi_supervised_training_learns_both_halves(folder: Path, tmp_path: Path) -> None:
    recipe = dataclasses.replace(SEMI, epochs=10, warmup_epochs=2, dropout=0.0)
    train(recipe, load_training_data(recipe, folder), tmp_path)
    rows = curve(tmp_path)
    assert [row["train_projection"] == "" for row in rows] == [True] * 2 + [False] * 8, "warm-up"
    assert float(rows[-1]["train_projection"]) < 0.5 * float(rows[2]["train_projection"])
    assert float(rows[-1]["train_trajectory_ratio"]) < 0.5 * float(rows[0]["train_trajectory_ratio"])
    assert float(rows[-1]["test_projection"]) < float(rows[0]["test_projection"])
    assert load_reference_checkpoint(tmp_path / "final.bin").trajectory is not None


class _StopError(Exception):
    """Stands for whatever ends a process."""


@pytest.mark.parametrize("recipe", [TINY, SEMI], ids=["supervised", "semi-supervised"])
def test_resume_within_an_epoch_is_exact(
    recipe: DatasetRecipe, folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    data = load_training_data(recipe, folder)
    (tmp_path / "whole").mkdir()
    (tmp_path / "cut").mkdir()
    whole = train(recipe, data, tmp_path / "whole")
    often = dataclasses.replace(recipe, save_every_s=0.0)
    original = DatasetRun.save

    def stop_after(run: DatasetRun, path: Path) -> None:
        original(run, path)
        if (run.epoch, run.step) == (1, 2):
            raise _StopError

    with monkeypatch.context() as patch:
        patch.setattr(DatasetRun, "save", stop_after)
        with pytest.raises(_StopError):
            train(often, data, tmp_path / "cut")
    resumed = train(recipe, data, tmp_path / "cut")
    assert same(whole.networks.state_dict(), resumed.networks.state_dict())
    assert same(weights(tmp_path / "whole" / "best.bin"), weights(tmp_path / "cut" / "best.bin"))
    drop = {"seconds", "frames_per_s"}
    rows = [[{k: v for k, v in row.items() if k not in drop} for row in curve(tmp_path / n)] for n in ("whole", "cut")]
    assert rows[0] == rows[1]


def environment() -> dict[str, str]:
    return os.environ | {"OMP_NUM_THREADS": "1", "PYTHONPATH": str(ROOT)}


def test_a_killed_run_ends_in_the_same_weights(folder: Path, tmp_path: Path) -> None:
    recipe = dataclasses.replace(TINY, epochs=12, evaluate_every=0, batch_frames=32, save_every_s=0.1)
    path = config(tmp_path / "recipe.yaml", recipe)
    arguments = [sys.executable, "-m", "lifting.train"]
    process = subprocess.Popen([*arguments, *command(path, folder, tmp_path / "cut")], env=environment(), cwd=tmp_path)
    deadline = time.monotonic() + 60
    while not (tmp_path / "cut" / "last.checkpoint").exists():
        assert process.poll() is None, "it ended before it was killed"
        assert time.monotonic() < deadline
        time.sleep(0.01)
    process.send_signal(signal.SIGKILL)
    assert process.wait() == -signal.SIGKILL, "killed, not finished"
    assert not (tmp_path / "cut" / "final.bin").exists()
    subprocess.run([*arguments, *command(path, folder, tmp_path / "cut")], env=environment(), cwd=tmp_path, check=True)
    data = load_training_data(recipe, folder)
    (tmp_path / "whole").mkdir()
    train(recipe, data, tmp_path / "whole")
    assert same(weights(tmp_path / "cut" / "final.bin"), weights(tmp_path / "whole" / "final.bin"))
    assert len(curve(tmp_path / "cut")) == 12


def test_two_processes_train_together(folder: Path, tmp_path: Path, data: TrainingData) -> None:
    recipe = dataclasses.replace(TINY, dropout=0.0, epochs=4)
    path = config(tmp_path / "recipe.yaml", recipe)
    torchrun = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node", "2"]
    subprocess.run(
        [*torchrun, "-m", "lifting.train", *command(path, folder, tmp_path / "two")],
        env=environment(), cwd=tmp_path, check=True, timeout=120,
    )  # fmt: skip
    (tmp_path / "one").mkdir()
    train(recipe, data, tmp_path / "one")
    two, one = curve(tmp_path / "two"), curve(tmp_path / "one")
    assert len(two) == 4
    # The same examples in the same batches; only batch norm sees a half of them at a time.
    for ours, theirs in zip(two, one, strict=True):
        assert float(ours["train_mpjpe_mm"]) == pytest.approx(float(theirs["train_mpjpe_mm"]), rel=0.1)
    # The curve's errors come from both processes, each with its part of the sequences.
    final = load_reference_checkpoint(tmp_path / "two" / "final.bin").position
    summary = summarise(evaluate_sequences(final, data.test, flip=True))
    table = json.loads((tmp_path / "two" / "results.json").read_text())
    assert table["mpjpe"]["average"] == pytest.approx(summary["mpjpe"].average, rel=1e-3)
    results = list(evaluate_sequences(final, data.test, flip=False))
    mean = sum(r.errors_mm["mpjpe"] * r.frames for r in results) / sum(r.frames for r in results)
    assert float(two[-1]["test_mpjpe_mm"]) == pytest.approx(mean, rel=1e-3)


def test_continuing_from_weights_of_the_reference_form(data: TrainingData, tmp_path: Path) -> None:
    (tmp_path / "first").mkdir()
    first = train(dataclasses.replace(TINY, epochs=2), data, tmp_path / "first")
    file = str(tmp_path / "first" / "final.bin")
    for name, recipe, epochs in (
        ("on", dataclasses.replace(TINY, epochs=3, continue_from=file), ["3"]),
        ("tuned", dataclasses.replace(TINY, epochs=1, initial_weights=file), ["1"]),
    ):
        (tmp_path / name).mkdir()
        train(recipe, data, tmp_path / name)
        rows = curve(tmp_path / name)
        assert [row["epoch"] for row in rows] == epochs
        start = float(curve(tmp_path / "first")[0]["train_mpjpe_mm"])
        assert float(rows[0]["train_mpjpe_mm"]) < 0.7 * start, "not from nothing"
    assert first.epoch == 2


def test_an_early_export_holds_the_optimiser_and_goes_on_from_it(data: TrainingData, tmp_path: Path) -> None:
    (tmp_path / "own").mkdir()
    recipe = dataclasses.replace(TINY, epochs=1, export_every=1)
    run = train(recipe, data, tmp_path / "own")
    file = tmp_path / "own" / "epoch_1.bin"
    other = DatasetRun(dataclasses.replace(recipe, seed=5), 17, 17, 0, Ranks())
    other.start_from(file, go_on=True)
    assert other.epoch == 1
    assert same(other.networks.state_dict(), run.networks.state_dict())
    for mine, theirs in zip(other.networks.parameters(), run.networks.parameters(), strict=True):
        for name in ("step", "exp_avg", "exp_avg_sq", "max_exp_avg_sq"):
            assert torch.equal(other.optimiser.state[mine][name], run.optimiser.state[theirs][name]), name
    content = torch.load(file, weights_only=False)
    # The reference numbers the parameters as its modules stand, batch norm of the first layer foremost.
    assert content["optimizer"]["state"][0]["exp_avg"].shape == (16,)
    content["optimizer"]["state"][0] = content["optimizer"]["state"][4]
    torch.save(content, tmp_path / "wrong.bin")
    with pytest.raises(InputError, match=r"wrong\.bin: its optimiser does not fit"):
        DatasetRun(TINY, 17, 17, 0, Ranks()).start_from(tmp_path / "wrong.bin", go_on=True)


@pytest.mark.parametrize(
    ("changes", "problem"),
    [
        ({"channels": 32}, "17 keypoints in, 17 joints out, 16 channels; .* 32 channels"),
        ({"filter_widths": (3, 3, 3)}, "architecture 3,3, not 3,3,3"),
    ],
)
def test_weights_of_another_shape_are_refused(
    data: TrainingData, tmp_path: Path, changes: dict[str, object], problem: str
) -> None:
    (tmp_path / "first").mkdir()
    train(dataclasses.replace(TINY, epochs=1), data, tmp_path / "first")
    file = str(tmp_path / "first" / "final.bin")
    (tmp_path / "other").mkdir()
    recipe = dataclasses.replace(TINY, initial_weights=file, **changes)  # type: ignore[arg-type]
    with pytest.raises(InputError, match=problem):
        train(recipe, data, tmp_path / "other")


def test_another_keypoint_layout_is_refused(data: TrainingData, tmp_path: Path) -> None:
    run = DatasetRun(TINY, 15, 17, 0, Ranks())
    run.export(tmp_path / "eva.bin")
    recipe = dataclasses.replace(TINY, continue_from=str(tmp_path / "eva.bin"))
    with pytest.raises(InputError, match=r"eva\.bin: holds a network of 15 keypoints in"):
        train(recipe, data, tmp_path)


def test_checkpoints_that_do_not_fit_are_refused(data: TrainingData, folder: Path, tmp_path: Path) -> None:
    train(dataclasses.replace(TINY, epochs=1), data, tmp_path)
    checkpoint = tmp_path / "last.checkpoint"
    with pytest.raises(InputError, match="another recipe"):
        train(dataclasses.replace(TINY, epochs=1, learning_rate=0.1), data, tmp_path)
    half = dataclasses.replace(TINY, epochs=1)
    fewer = load_training_data(dataclasses.replace(half, subset=0.5), folder)
    with pytest.raises(InputError, match=r"trained on \d+ frames, the data hold \d+"):
        train(half, fewer, tmp_path)
    whole = checkpoint.read_bytes()
    for cut in (0, 100, len(whole) // 2, len(whole) - 10):
        checkpoint.write_bytes(whole[:cut])
        with pytest.raises(InputError, match=r"last\.checkpoint: not a readable checkpoint"):
            train(half, data, tmp_path)


def test_a_diverged_run_stops_and_keeps_its_last_good_checkpoint(data: TrainingData, tmp_path: Path) -> None:
    train(TINY, data, tmp_path)
    before = (tmp_path / "last.checkpoint").read_bytes()
    run = DatasetRun(TINY, 17, 17, data.labelled.frames, Ranks())
    run.load(tmp_path / "last.checkpoint")
    run.sums[0] = math.nan
    with pytest.raises(InputError, match="no longer a finite number"):
        run.save(tmp_path / "last.checkpoint")
    assert (tmp_path / "last.checkpoint").read_bytes() == before


@pytest.mark.parametrize(
    ("assignment", "code", "words"),
    [
        ("subjects_train=[S1, S6]", 1, ["data_2d_h36m_gt.npz", "S6", "missing"]),
        ("subjects_train=[S99]", 2, ["S99"]),
        ("actions=[Dancing]", 2, ["Dancing", "Walking"]),
        ("keypoints=cpn", 1, ["data_2d_h36m_cpn.npz", "no such file"]),
        ("subset=2", 2, ["subset"]),
        ("chanels=3", 2, ["chanels", "channels"]),
        ("filter_widths=[2]", 2, ["odd"]),
        ("dataset=h36n", 2, ["h36n", "h36m"]),
        ("precision=fp16", 2, ["GPU"]),
        ("unlabelled_subjects=[S5]", 2, ["S5", "subjects_train"]),
        ("unlabelled_tracks=[nowhere.npz]", 1, ["nowhere.npz"]),
        ("initial_weights=nowhere.bin", 1, ["nowhere.bin", "no such file"]),
    ],
)
def test_mistakes_are_named_in_one_line(
    assignment: str, code: int, words: list[str], folder: Path, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    path = config(tmp_path / "recipe.yaml", TINY)
    assert main([*command(path, folder, tmp_path / "run"), "--set", assignment]) == code
    (record,) = [record for record in caplog.records if record.levelno >= logging.ERROR]
    assert "\n" not in record.getMessage()
    for word in words:
        assert word in record.getMessage()


def test_damaged_data_are_named(folder: Path, tmp_path: Path) -> None:
    broken = tmp_path / "broken"
    write_dataset(broken)
    positions, layout = read_positions_2d(broken / "data_2d_h36m_gt.npz")
    positions["S1"]["Walking"][2][5, 3, 0] = np.nan
    write_positions_2d(broken / "data_2d_h36m_gt.npz", positions, layout)
    with pytest.raises(InputError, match=r"S1/Walking/2: 1 of \d+ frames .*NaN"):
        load_training_data(TINY, broken)


def test_the_command_line_trains_and_reports(folder: Path, tmp_path: Path) -> None:
    path = config(tmp_path / "recipe.yaml", SEMI)
    arguments = command(path, folder, tmp_path / "run")
    assert main([*arguments, "--set", "epochs=1", "--linear-projection", "--no-bone-length"]) == 0
    table = json.loads((tmp_path / "run" / "results.json").read_text())
    assert set(table) == {"mpjpe", "p_mpjpe", "n_mpjpe", "mpjve"}
    assert set(table["mpjpe"]["by_action"]) == {"Walking", "Waiting"}
    state = torch.load(tmp_path / "run" / "last.checkpoint", weights_only=True)
    recipe = json.loads(state["recipe"])
    assert (recipe["linear_projection"], recipe["bone_length"], recipe["projection"]) == (True, False, True)


def test_tensorboard_that_is_missing_is_named(data: TrainingData, tmp_path: Path) -> None:
    recipe = dataclasses.replace(TINY, epochs=1, tensorboard=True)
    try:
        import tensorboard  # noqa: F401
    except ImportError:
        with pytest.raises(UsageError, match="pip install tensorboard"):
            train(recipe, data, tmp_path)
    else:
        train(recipe, data, tmp_path)
        assert list((tmp_path / "tensorboard").iterdir())
