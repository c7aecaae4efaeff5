"""Interrupted, killed, continued and diverged runs."""

from __future__ import annotations

import dataclasses
import math
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
import torch

from lifting.dataset_recipe import DatasetRecipe
from lifting.dataset_run import DatasetRun
from lifting.train_dataset import train
from lifting.training_data import TrainingData, load_training_data
from poses import InputError
from poses.distributed import Ranks
from tests.lifting.dataset_runs import SEMI, TINY, command, config, curve, environment, same, weights


class _StopError(Exception):
    """Stands for whatever ends a process."""


@pytest.mark.parametrize("recipe", [TINY, SEMI], ids=["supervised", "semi-supervised"])
def test_resume_within_an_epoch_is_exact(
    recipe: DatasetRecipe, dataset_folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    dataset = load_training_data(recipe, dataset_folder)
    (tmp_path / "whole").mkdir()
    (tmp_path / "cut").mkdir()
    whole = train(recipe, dataset, tmp_path / "whole")
    often = dataclasses.replace(recipe, save_every_s=0.0)
    original = DatasetRun.save

    def stop_after(run: DatasetRun, path: Path) -> None:
        original(run, path)
        if (run.epoch, run.step) == (1, 2):
            raise _StopError

    with monkeypatch.context() as patch:
        patch.setattr(DatasetRun, "save", stop_after)
        with pytest.raises(_StopError):
            train(often, dataset, tmp_path / "cut")
    resumed = train(recipe, dataset, tmp_path / "cut")
    assert same(whole.networks.state_dict(), resumed.networks.state_dict())
    assert same(weights(tmp_path / "whole" / "best.bin"), weights(tmp_path / "cut" / "best.bin"))
    drop = {"seconds", "frames_per_s"}
    rows = [[{k: v for k, v in row.items() if k not in drop} for row in curve(tmp_path / n)] for n in ("whole", "cut")]
    assert rows[0] == rows[1]


def test_a_killed_run_ends_in_the_same_weights(dataset_folder: Path, tmp_path: Path) -> None:
    recipe = dataclasses.replace(TINY, epochs=8, evaluate_every=0, batch_frames=32)
    path = config(tmp_path / "recipe.yaml", recipe)
    arguments = [sys.executable, "-m", "lifting.train"]
    checkpoint = tmp_path / "cut" / "last.checkpoint"
    # Checkpoints are written after every step, so that the kills fall into the writing as often as not.
    always = config(tmp_path / "always.yaml", dataclasses.replace(recipe, save_every_s=0.0))
    for wait_s in (0.0, 0.06):
        before = checkpoint.stat().st_mtime_ns if checkpoint.exists() else 0
        process = subprocess.Popen(
            [*arguments, *command(always, dataset_folder, tmp_path / "cut")], env=environment(), cwd=tmp_path
        )
        deadline = time.monotonic() + 60
        while not checkpoint.exists() or checkpoint.stat().st_mtime_ns == before:
            assert process.poll() is None, "it ended before it was killed"
            assert time.monotonic() < deadline
            time.sleep(0.005)
        time.sleep(wait_s)
        process.send_signal(signal.SIGKILL)
        assert process.wait() == -signal.SIGKILL, "killed, not finished"
        assert not (tmp_path / "cut" / "final.bin").exists()
        assert torch.load(checkpoint, weights_only=True)["frames"], "whole at every moment"
    subprocess.run(
        [*arguments, *command(path, dataset_folder, tmp_path / "cut")], env=environment(), cwd=tmp_path, check=True
    )
    dataset = load_training_data(recipe, dataset_folder)
    (tmp_path / "whole").mkdir()
    train(recipe, dataset, tmp_path / "whole")
    assert same(weights(tmp_path / "cut" / "final.bin"), weights(tmp_path / "whole" / "final.bin"))
    assert len(curve(tmp_path / "cut")) == 8


def test_continuing_from_weights_of_the_reference_form(dataset: TrainingData, tmp_path: Path) -> None:
    (tmp_path / "first").mkdir()
    first = train(dataclasses.replace(TINY, epochs=2), dataset, tmp_path / "first")
    file = str(tmp_path / "first" / "final.bin")
    for name, recipe, epochs in (
        ("on", dataclasses.replace(TINY, epochs=3, continue_from=file), ["3"]),
        ("tuned", dataclasses.replace(TINY, epochs=1, initial_weights=file), ["1"]),
    ):
        (tmp_path / name).mkdir()
        train(recipe, dataset, tmp_path / name)
        rows = curve(tmp_path / name)
        assert [row["epoch"] for row in rows] == epochs
        start = float(curve(tmp_path / "first")[0]["train_mpjpe_mm"])
        assert float(rows[0]["train_mpjpe_mm"]) < 0.7 * start, "not from nothing"
    assert first.epoch == 2


def test_an_early_export_holds_the_optimiser_and_goes_on_from_it(dataset: TrainingData, tmp_path: Path) -> None:
    (tmp_path / "own").mkdir()
    recipe = dataclasses.replace(TINY, epochs=1, export_every=1)
    run = train(recipe, dataset, tmp_path / "own")
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


def test_a_diverged_run_stops_and_keeps_its_last_good_checkpoint(dataset: TrainingData, tmp_path: Path) -> None:
    train(TINY, dataset, tmp_path)
    before = (tmp_path / "last.checkpoint").read_bytes()
    run = DatasetRun(TINY, 17, 17, dataset.labelled.frames, Ranks())
    run.load(tmp_path / "last.checkpoint")
    run.sums[0] = math.nan
    with pytest.raises(InputError, match="no longer a finite number"):
        run.save(tmp_path / "last.checkpoint")
    assert (tmp_path / "last.checkpoint").read_bytes() == before
