"""Recipes that start from one another, and folders that join in."""

from __future__ import annotations

import dataclasses
import math
from pathlib import Path

import pytest
import torch
import yaml

from lifting.card import load_weights
from lifting.recipe import Recipe
from lifting.train import main
from poses import H36M17
from tests.lifting.archives import write_archive
from tests.motion import jumping_jack, walker

BASE = Recipe(
    name="short",
    summary="walks",
    licence="CC0",
    trained_on="procedural motion",
    archive_weights={"walks": 1.0},
    held_out_share=0.3,
    filter_widths=(3, 3),
    position_channels=16,
    trajectory_channels=8,
    steps=3,
    sequences=4,
)


def as_yaml(value: object) -> object:
    if isinstance(value, dict):
        return {key: as_yaml(item) for key, item in value.items()}
    return [as_yaml(item) for item in value] if isinstance(value, tuple | list) else value


@pytest.fixture
def data(tmp_path: Path) -> Path:
    folder = tmp_path / "data"
    folder.mkdir()
    write_archive(folder / "walks.npz", {f"{i:02d}": walker(1.2, 50, 0.8 + 0.05 * i, 0.7 * i) for i in range(8)})
    return folder


@pytest.fixture
def recipes(tmp_path: Path) -> Path:
    (tmp_path / "short.yaml").write_text(yaml.safe_dump(as_yaml(dataclasses.asdict(BASE))))
    (tmp_path / "long.yaml").write_text(
        "base: short.yaml\nstart_from: short.yaml\nname: long\nfilter_widths: [3, 3, 3]\n"
        "input_skeleton: h36m17\neight_bits: true\noptimiser: muon\nlearning_rate: 1.0e-9\nlearning_rate_end: 1.0e-9\n"
    )
    return tmp_path


def test_the_recipe_before_is_trained_first_and_once(data: Path, recipes: Path) -> None:
    out = recipes / "out"
    out.mkdir()
    arguments = ["--config", str(recipes / "long.yaml"), "--data", str(data), "--output", str(out / "mine.safetensors")]
    assert main(arguments) == 0
    short, long = out / "short.safetensors", out / "mine.safetensors"
    before = short.stat().st_mtime_ns
    card, position, _, _ = load_weights(long)
    assert (card.name, card.input_skeleton, card.position.receptive_field) == ("long", H36M17.name, 27)
    # A learning rate of nothing leaves what was taken over, but for eight bits.
    source = load_weights(short)[1]
    apart = position.layers_conv[0].weight - source.layers_conv[0].weight  # type: ignore[operator]
    assert apart.detach().abs().max() < 0.01 * source.layers_conv[0].weight.detach().abs().max()  # type: ignore[operator]
    assert not torch.equal(position.layers_conv[0].weight, source.layers_conv[0].weight)  # type: ignore[arg-type]
    # Trained once.
    long.unlink()
    (out / "mine.checkpoint").unlink()
    assert main(arguments) == 0
    assert short.stat().st_mtime_ns == before


def test_the_card_says_how_well_the_network_does(data: Path, recipes: Path) -> None:
    output = recipes / "short.safetensors"
    assert main(["--config", str(recipes / "short.yaml"), "--data", str(data), "--output", str(output)]) == 0
    measured = load_weights(output)[0].measured
    assert {"mpjpe_mm", "acceleration_mm", "bone_variation_mm", "exchanged_percent"} <= measured.keys()
    assert all(math.isfinite(value) for value in measured.values())


def test_set_and_add_change_the_recipe(data: Path, recipes: Path, capsys: pytest.CaptureFixture[str]) -> None:
    output = recipes / "short.safetensors"
    arguments = ["--config", str(recipes / "short.yaml"), "--data", str(data), "--output", str(output)]
    write_archive(data / "jumps.npz", {f"{i:02d}": jumping_jack(1.2, 50, 1.1 * i) for i in range(3)})
    assert main([*arguments, "--set", "archive_weights={walks: 1, jumps: 1}", "--set", "position_channels=8"]) == 0
    assert load_weights(output)[1].architecture.channels == 8
    assert main([*arguments, "--add", str(recipes / "nowhere")]) == 2
    assert "there is no folder" in capsys.readouterr().err
    (recipes / "empty").mkdir()
    assert main([*arguments, "--add", str(recipes / "empty")]) == 1
    assert "empty" in capsys.readouterr().err
