from __future__ import annotations

import csv
import dataclasses
import math
from pathlib import Path

import numpy as np
import pytest
import torch
import yaml

from lifting import evaluate
from lifting.canonical import unrolled_from_camera
from lifting.card import load_weights
from lifting.data.mocap import Clips, is_held_out, load_archives, split
from lifting.data.sampling import WindowSampler
from lifting.evaluate_clips import evaluation_sequences, sequence_errors
from lifting.fast import cpu_has_bf16
from lifting.losses import mpjpe_loss, velocity_loss, wmpjpe_loss
from lifting.model import TemporalModel
from lifting.recipe import Recipe
from lifting.train import Run, main, make_batch, schedule, train, train_step
from poses import InputError
from tests.lifting.archives import write_archive
from tests.motion import jumping_jack, walker

TINY = Recipe(
    name="tiny",
    summary="walks and jumps",
    licence="CC0",
    trained_on="procedural motion",
    archive_weights={"walks": 2.0, "jumps": 1.0},
    held_out_share=0.3,
    filter_widths=(3, 3),
    position_channels=32,
    trajectory_channels=16,
    dropout=0.1,
    steps=200,
    sequences=16,
    outputs=3,
    spacing=1,
    velocity_share=0.5,
    learning_rate=0.02,
    average_decay=0.95,
)
SHORT = dataclasses.replace(TINY, steps=12)


@pytest.fixture(scope="module")
def archives(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("archives")
    walks = {f"{i:02d}": walker(1.6, 50, 0.8 + 0.05 * i, 0.7 * i) for i in range(10)}
    write_archive(folder / "walks.npz", walks)
    write_archive(folder / "jumps.npz", {f"{i:02d}": jumping_jack(1.5, 50, 1.1 * i) for i in range(6)})
    return folder


@pytest.fixture(scope="module")
def clips(archives: Path) -> Clips:
    return load_archives(archives, ["jumps", "walks"])


def weights_of(run: Run) -> dict[str, torch.Tensor]:
    models: dict[str, TemporalModel] = {
        "position": run.position,
        "trajectory": run.trajectory,
        "average_position": run.average_position,
        "average_trajectory": run.average_trajectory,
    }
    return {f"{kind}.{name}": t for kind, model in models.items() for name, t in model.state_dict().items()}


def config(path: Path, recipe: Recipe) -> Path:
    path.write_text(yaml.safe_dump(_plain(dataclasses.asdict(recipe))))
    return path


def _plain(value: object) -> object:
    """Tuples as lists, as YAML has them."""
    if isinstance(value, dict):
        return {key: _plain(item) for key, item in value.items()}
    return [_plain(item) for item in value] if isinstance(value, tuple | list) else value


def test_losses_by_hand() -> None:
    target = torch.zeros(1, 3, 1, 3)
    target[..., 2] = torch.tensor([2.0, 4.0, 5.0]).view(1, 3, 1)
    predicted = target + torch.tensor([[3.0, 4.0, 0.0], [0.0, 0.0, 1.0], [0.0, 0.0, 1.0]]).view(1, 3, 1, 3)
    assert mpjpe_loss(predicted, target) == pytest.approx((5 + 1 + 1) / 3)
    # The first step's error is (-3, -4, 1), the second's nothing.
    assert velocity_loss(predicted, target) == pytest.approx(math.sqrt(26) / 2)
    assert wmpjpe_loss(predicted, target) == pytest.approx((5 / 2 + 1 / 4 + 1 / 5) / 3)


def test_schedule_falls_exponentially_between_its_ends() -> None:
    recipe = dataclasses.replace(TINY, steps=101)
    assert schedule(recipe, 0) == pytest.approx((recipe.learning_rate, recipe.momentum_start))
    assert schedule(recipe, 100) == pytest.approx((recipe.learning_rate_end, recipe.momentum_end))
    middle = math.sqrt(recipe.learning_rate * recipe.learning_rate_end)
    assert schedule(recipe, 50)[0] == pytest.approx(middle)
    assert schedule(dataclasses.replace(TINY, steps=1), 0)[0] == pytest.approx(TINY.learning_rate)


def test_batches_depend_on_seed_and_step_alone(clips: Clips) -> None:
    sampler = WindowSampler(clips, TINY.archive_weights)
    first, again = make_batch(sampler, TINY, 3), make_batch(sampler, TINY, 3)
    assert first.keypoints.shape == (16, 9 + 2 + 1, 17, 2)
    assert torch.equal(first.keypoints, again.keypoints)
    assert not torch.equal(first.keypoints, make_batch(sampler, TINY, 4).keypoints)
    assert not torch.equal(first.keypoints, make_batch(sampler, dataclasses.replace(TINY, seed=2), 3).keypoints)


def test_networks_learn(clips: Clips) -> None:
    sampler, run = WindowSampler(clips, TINY.archive_weights), Run(TINY, "cpu")
    errors = torch.stack([train_step(run, make_batch(sampler, TINY, run.step), "cpu") for _ in range(TINY.steps)])
    first, last = errors[:3].mean(0), errors[-20:].mean(0)
    assert last[0] < 0.4 * first[0], "pose, metres"
    assert last[2] < 0.3 * first[2], "root, metres a metre"
    # Better than knowing the people's mean pose in the camera.
    truth = torch.cat([make_batch(sampler, TINY, step).positions_m for step in range(10)])
    assert last[0] < 0.9 * mpjpe_loss(truth.mean(dim=(0, 1), keepdim=True).expand_as(truth), truth)


@pytest.mark.parametrize("stop", [1, 7, 12])
def test_interrupted_run_ends_in_the_same_weights(tmp_path: Path, clips: Clips, stop: int) -> None:
    whole = train(SHORT, clips, tmp_path / "whole.checkpoint")
    sampler, broken_off = WindowSampler(clips, SHORT.archive_weights), Run(SHORT, "cpu")
    for _ in range(stop):
        train_step(broken_off, make_batch(sampler, SHORT, broken_off.step), "cpu")
    broken_off.save(tmp_path / "resumed.checkpoint")
    torch.manual_seed(99)
    resumed = train(SHORT, clips, tmp_path / "resumed.checkpoint")
    assert resumed.step == whole.step == 12
    wanted = weights_of(whole)
    for name, tensor in weights_of(resumed).items():
        assert torch.equal(tensor, wanted[name]), name


def test_curve_has_each_step_once(tmp_path: Path, clips: Clips) -> None:
    recipe, checkpoint = dataclasses.replace(TINY, steps=100), tmp_path / "run.checkpoint"
    sampler, early = WindowSampler(clips, recipe.archive_weights), Run(recipe, "cpu")
    for _ in range(40):
        train_step(early, make_batch(sampler, recipe, early.step), "cpu")
    early.save(checkpoint)
    # The run wrote a line after its last checkpoint, then was killed.
    (tmp_path / "run.csv").write_text("step,mpjpe_mm,mpjve_mm,wmpjpe_ratio,steps_per_s\n30,1,1,1,1\n50,9,9,9,9\n")
    train(recipe, clips, checkpoint)
    with (tmp_path / "run.csv").open() as stream:
        rows = list(csv.DictReader(stream))
    assert [row["step"] for row in rows] == ["30", "50", "100"]
    assert float(rows[1]["mpjpe_mm"]) > 30
    assert set(rows[0]) == {"step", "mpjpe_mm", "mpjve_mm", "wmpjpe_ratio", "steps_per_s"}


def test_checkpoint_of_another_recipe_is_refused(tmp_path: Path, clips: Clips) -> None:
    checkpoint = tmp_path / "run.checkpoint"
    Run(SHORT, "cpu").save(checkpoint)
    with pytest.raises(InputError, match=r"run\.checkpoint: the checkpoint belongs to another recipe: delete it"):
        train(dataclasses.replace(SHORT, learning_rate=0.1), clips, checkpoint)


@pytest.mark.parametrize("content", ["text", "part", "other"])
def test_file_that_is_no_checkpoint_is_refused(tmp_path: Path, clips: Clips, content: str) -> None:
    checkpoint = tmp_path / "run.checkpoint"
    Run(SHORT, "cpu").save(checkpoint)
    if content == "text":
        checkpoint.write_text("not a checkpoint")
    elif content == "part":
        checkpoint.write_bytes(checkpoint.read_bytes()[:5000])
    else:
        torch.save({"weights": torch.zeros(3)}, checkpoint)
    with pytest.raises(InputError, match=r"run\.checkpoint: not a readable checkpoint"):
        train(SHORT, clips, checkpoint)


def test_command_line(tmp_path: Path, archives: Path, capsys: pytest.CaptureFixture[str]) -> None:
    output, recipe = tmp_path / "tiny.safetensors", config(tmp_path / "tiny.yaml", SHORT)
    arguments = ["--config", str(recipe), "--data", str(archives), "--output", str(output)]
    assert main(arguments) == 0
    card, position, trajectory, _ = load_weights(output)
    assert (card.name, card.licence, card.trained_on) == ("tiny", "CC0", "procedural motion")
    assert position.architecture == SHORT.architectures()[0]
    assert trajectory.architecture == SHORT.architectures()[1]
    # The card's figures are those that the evaluation's command line finds for the networks alone.
    figures = tmp_path / "figures.json"
    evaluation = ["--config", str(recipe), "--data", str(archives), "--lifter", str(output)]
    evaluation += ["--steady-bones", "0"]
    assert evaluate.main([*evaluation, "--json", str(figures)]) == 0
    measured = yaml.safe_load(figures.read_text())
    held_out = split(load_archives(archives, ["jumps", "walks"]), SHORT.held_out_share)[1]
    assert measured["all"]["frames"] == len(held_out.joints_m)
    for name, value in card.measured.items():
        assert value == pytest.approx(measured["all"][name], abs=0.006)
    shown = capsys.readouterr().out
    if cpu_has_bf16():
        assert evaluate.main([*evaluation, "--json", str(figures), "--precision", "bf16", "--device", "cpu"]) == 0
        coarse = yaml.safe_load(figures.read_text())["all"]
        assert coarse != measured["all"]
        assert coarse["mpjpe_mm"] == pytest.approx(measured["all"]["mpjpe_mm"], abs=0.5)
    assert evaluate.main([*evaluation, "--json", str(figures), "--adapt"]) == 0
    assert yaml.safe_load(figures.read_text())["all"]["bone_variation_mm"] < measured["all"]["bone_variation_mm"]
    assert evaluate.main([*evaluation, "--precision", "fp16"]) == 2
    assert "precision fp16: CPUs do not compute in it" in capsys.readouterr().err
    table = shown.splitlines()
    assert table[0].split()[:2] == ["MPJPE", "P-MPJPE"]
    assert table[1].split()[:2] == ["all", f"{measured['all']['mpjpe_mm']:.2f}"]
    assert {"archive jumps", "archive walks"} <= measured.keys()
    # A finished run has nothing to do but to write the same file again.
    before = output.read_bytes()
    assert main(arguments) == 0
    assert output.read_bytes() == before


def test_nothing_held_out_is_nothing_measured(tmp_path: Path, archives: Path) -> None:
    recipe = config(tmp_path / "all.yaml", dataclasses.replace(SHORT, held_out_share=0.0, steps=1))
    output = tmp_path / "all.safetensors"
    common = ["--config", str(recipe), "--data", str(archives)]
    assert main([*common, "--output", str(output)]) == 0
    assert load_weights(output)[0].measured == {}
    assert evaluate.main([*common, "--lifter", str(output)]) == 2


def test_users_mistakes_have_exit_codes(tmp_path: Path, archives: Path, capsys: pytest.CaptureFixture[str]) -> None:
    recipe = config(tmp_path / "tiny.yaml", SHORT)
    output = tmp_path / "tiny.safetensors"

    def run(config_file: Path = recipe, data: Path = archives, to: Path = output) -> tuple[int, str]:
        code = main(["--config", str(config_file), "--data", str(data), "--output", str(to)])
        return code, capsys.readouterr().err

    code, text = run(config_file=tmp_path / "none.yaml")
    assert code == 2
    assert "none.yaml: cannot read the configuration" in text
    odd = tmp_path / "odd.yaml"
    odd.write_text(recipe.read_text() + "chanels: 3\n")
    code, text = run(config_file=odd)
    assert code == 2
    assert "unknown option 'chanels'" in text
    code, text = run(data=tmp_path)
    assert code == 1
    assert "jumps.npz: no such file" in text
    code, text = run(to=tmp_path / "none" / "tiny.safetensors")
    assert code == 1
    assert "there is no folder" in text
    (tmp_path / "tiny.checkpoint").write_text("text")
    code, text = run()
    assert code == 1
    assert "not a readable checkpoint" in text
    assert not output.exists()
    with pytest.raises(SystemExit) as caught:
        main(["--data", str(archives)])
    assert caught.value.code == 2


def test_evaluation_of_exact_keypoints_repeats_itself(clips: Clips) -> None:
    held = split(clips, 0.3)[1]
    assert {is_held_out(name, 0.3) for name in held.names} == {True}
    first, again = (list(evaluation_sequences(held, TINY, noisy=False)) for _ in range(2))
    for one, other in zip(first, again, strict=True):
        np.testing.assert_array_equal(one.keypoints, other.keypoints)
    # A lifter that makes no error has none, and one that is 10 cm off in one direction has that.
    truth = first[0]
    perfect = sequence_errors(truth.positions_m, truth.root_m, truth.root_m, truth)
    # The bodies' own bones are what they are, and nobody stands quite plumb.
    own = {"bone_variation_mm", "side_difference_mm", "lean_deg"}
    assert all(value == pytest.approx(0, abs=1e-3) for name, value in perfect.items() if name not in own)
    assert perfect["lean_deg"] < 8
    turned = truth.positions_m @ unrolled_from_camera(0.5).T.astype(np.float32)
    leaning = sequence_errors(turned, truth.root_m, truth.root_m @ unrolled_from_camera(0.5).T, truth)
    assert leaning["lean_deg"] == pytest.approx(np.degrees(0.5), abs=8)
    off = truth.positions_m + np.array([0.1, 0, 0], np.float32)
    errors = sequence_errors(off, 1.1 * truth.root_m, truth.root_m, truth)
    assert errors["mpjpe_mm"] == pytest.approx(100, rel=1e-4)
    assert errors["mpjve_mm"] == pytest.approx(0, abs=1e-3)
    assert errors["root_percent"] == pytest.approx(10, rel=1e-4)
