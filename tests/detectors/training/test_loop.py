"""The training loop on a network of a few weights: resuming, schedules, and what it leaves behind."""

import csv
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from detectors.checkpoints import load_metadata, load_state
from detectors.training.config import FinetuneConfig, config_from
from detectors.training.data import Order, Reader, spread, view_generator
from detectors.training.loop import train
from detectors.training.metrics import FIGURES
from detectors.training.reinitialise import freeze, start_from
from poses import InputError, UsageError

TRUE = torch.tensor([[1.0, -2.0, 0.5]])


class Line:
    """Learns a linear map with dropout and batch norm, so that all sorts of state and randomness take part."""

    loss_names: tuple[str, ...] = ("loss_a", "loss_b")
    examples = 7

    def __init__(self, fail_at: int | None = None, break_at: int | None = None) -> None:
        torch.manual_seed(5)
        self.module: nn.Module = nn.Sequential(nn.Linear(3, 8), nn.BatchNorm1d(8), nn.Dropout(0.2), nn.Linear(8, 1))
        self.fail_at, self.break_at = fail_at, break_at
        self.calls = 0

    def prepare(self, index: int, step: int, place: int) -> np.ndarray:
        return view_generator(index, step, place).normal(size=3).astype(np.float32)

    def losses(self, model: nn.Module, examples: Sequence[np.ndarray]) -> dict[str, Tensor]:
        if self.calls == self.fail_at:
            raise KeyboardInterrupt
        self.calls += 1
        x = torch.from_numpy(np.stack(examples))
        error = (model(x) - x @ TRUE.T).square().mean()
        return {"loss_a": error, "loss_b": error * (float("nan") if self.calls == self.break_at else 0.1)}

    def evaluate(self) -> dict[str, float]:
        error = (self.module(torch.eye(3)) - TRUE.T).abs().mean().item()
        return dict.fromkeys(FIGURES, error)

    def metadata(self) -> dict[str, str]:
        return {"architecture": "line"}


def config(**changes: object) -> FinetuneConfig:
    options: dict[str, object] = {
        "architecture": "cpn",
        "train_annotations": "none.json",
        "batch": 4,
        "learning_rates": [1e-2, 1e-3],
        "iterations": [20, 5],
        "evaluate_every": 10,
        "log_every": 5,
        "save_every_s": 0.0,
    }
    return config_from({**options, **changes}, [], "test")


def rows(path: Path) -> list[dict[str, str]]:
    with path.open(newline="") as stream:
        return [
            {k: v for k, v in row.items() if k not in ("seconds", "examples_per_s")} for row in csv.DictReader(stream)
        ]


@pytest.mark.parametrize("optimiser", ["adam", "sgd"])
def test_interrupted_ends_in_the_same_weights(tmp_path: Path, optimiser: str) -> None:
    """A run that breaks off in its 14th step and goes on ends bit for bit as one that was left alone."""
    whole, broken = tmp_path / "whole", tmp_path / "broken"
    for folder in (whole, broken):
        folder.mkdir()
    recipe = config(optimiser=optimiser)
    train(recipe, Line(), whole)
    with pytest.raises(KeyboardInterrupt):
        train(recipe, Line(fail_at=13), broken)
    assert not (broken / "final.safetensors").exists()
    run = train(recipe, Line(), broken, resume=True)
    assert run.step == 25
    for name in ("final", "best"):
        ours, theirs = (load_state(folder / f"{name}.safetensors") for folder in (whole, broken))
        assert ours.keys() == theirs.keys()
        assert all(torch.equal(ours[key], theirs[key]) for key in ours)
    assert rows(whole / "curve.csv") == rows(broken / "curve.csv")


def test_curve_and_weights_are_left(tmp_path: Path) -> None:
    train(config(), Line(), tmp_path)
    table = rows(tmp_path / "curve.csv")
    assert [row["iteration"] for row in table] == ["5", "10", "15", "20", "25"]
    assert [row["learning_rate"] for row in table] == ["0.01"] * 4 + ["0.001"]
    assert [bool(row["validation_soft_px"]) for row in table] == [False, True, False, True, True]
    assert float(table[0]["loss_b"]) == pytest.approx(0.1 * float(table[0]["loss_a"]), rel=1e-4)
    metadata = load_metadata(tmp_path / "final.safetensors")
    assert (metadata["architecture"], metadata["iterations"]) == ("line", "25")


def test_an_older_run_is_not_overwritten(tmp_path: Path) -> None:
    train(config(), Line(), tmp_path)
    with pytest.raises(UsageError, match="--resume"):
        train(config(), Line(), tmp_path)


def test_a_checkpoint_of_another_recipe_is_refused(tmp_path: Path) -> None:
    train(config(), Line(), tmp_path)
    with pytest.raises(InputError, match="another configuration"):
        train(config(seed=2), Line(), tmp_path, resume=True)


def test_a_damaged_checkpoint_is_named(tmp_path: Path) -> None:
    (tmp_path / "last.checkpoint").write_bytes(b"not a checkpoint")
    with pytest.raises(InputError, match=r"last\.checkpoint: not a readable checkpoint"):
        train(config(), Line(), tmp_path, resume=True)


def test_divergence_stops_the_run_and_keeps_the_last_good_checkpoint(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="no longer a finite number at iteration 8"):
        train(config(), Line(break_at=8), tmp_path)
    assert torch.load(tmp_path / "last.checkpoint", weights_only=True)["step"] == 7


def test_half_precision_on_the_cpu_is_refused(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="fp16"):
        train(config(precision="fp16"), Line(), tmp_path)


def test_every_example_comes_once_before_any_comes_again() -> None:
    order = Order(count=10, batch=4, seed=3)
    seen = [index for step in range(5) for index in order.of_step(step)]
    assert sorted(seen[:10]) == sorted(seen[10:]) == list(range(10))
    assert seen[:10] != seen[10:]
    assert Order(10, 4, 3).of_step(3) == seen[12:16]


def test_reader_gives_steps_in_order_whatever_the_threads_do() -> None:
    reader = Reader(Order(5, 4, 1), lambda index, step, place: (index, step, place), range(2, 4), workers=3)
    steps = list(reader.steps(2, 9))
    assert [[item[1:] for item in step] for step in steps] == [[(s, 2), (s, 3)] for s in range(2, 9)]
    assert [item[0] for item in steps[0]] == Order(5, 4, 1).of_step(2)[2:]


def test_reader_passes_errors_on() -> None:
    def prepare(index: int, step: int, place: int) -> int:
        if step == 2:
            raise InputError("picture.jpg: the image is empty")
        return index

    with pytest.raises(InputError, match=r"picture\.jpg"):
        list(Reader(Order(5, 2, 1), prepare, range(2), workers=2).steps(0, 4))


def test_spread_takes_both_ends() -> None:
    assert spread(5, 0) == spread(5, 9) == [0, 1, 2, 3, 4]
    assert spread(101, 3) == [0, 50, 100]


class TestStartFrom:
    def network(self, joints: int = 4) -> nn.Module:
        body = nn.Sequential(nn.Linear(3, 5), nn.BatchNorm1d(5))
        return nn.ModuleDict({"body": body, "head": nn.Linear(5, joints), "header": nn.Linear(5, 2)})

    def test_only_the_named_layers_start_anew(self) -> None:
        fresh, trained = self.network(), self.network()
        before = {name: value.clone() for name, value in fresh.state_dict().items()}
        start_from(fresh, trained.state_dict(), "file", reinitialise=["head"])
        after = fresh.state_dict()
        for name, value in trained.state_dict().items():
            expected = before[name] if name in ("head.weight", "head.bias") else value
            assert torch.equal(after[name], expected), name

    def test_another_number_of_joints_fits_where_it_starts_anew(self) -> None:
        network = self.network(joints=17)
        start_from(network, self.network(joints=4).state_dict(), "file", reinitialise=["head"])
        with pytest.raises(InputError, match=r"1 of another shape|2 of another shape"):
            start_from(self.network(joints=17), self.network(joints=4).state_dict(), "file")

    def test_unknown_layer_is_named_with_those_there_are(self) -> None:
        with pytest.raises(UsageError, match=r"no layer 'hea'.*head"):
            start_from(self.network(), self.network().state_dict(), "file", reinitialise=["hea"])

    def test_freeze_stops_the_gradient_of_the_named_layers(self) -> None:
        network = self.network()
        freeze(network, ["body.0"])
        still = [name for name, parameter in network.named_parameters() if not parameter.requires_grad]
        assert still == ["body.0.weight", "body.0.bias"]
