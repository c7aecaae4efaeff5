from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from lifting.data.datasets import HUMANEVA
from lifting.data.prepare_humaneva import HUMANEVA_LAYOUT
from lifting.data.reference_npz import convert, write_positions_2d, write_positions_3d
from lifting.data.sequences import PoseSequence
from lifting.evaluate import main
from lifting.evaluate_dataset import measure, summarise
from lifting.fast import cpu_has_bf16
from lifting.model import Architecture, TemporalModel

REFERENCE = Path(__file__).parents[1] / "data" / "h36m_reference"
FIGURES = json.loads((REFERENCE / "figures.json").read_text(encoding="utf-8"))
METRICS = ("mpjpe", "p_mpjpe", "n_mpjpe", "mpjve")


def evaluate(tmp_path: Path, *options: str, data: Path = REFERENCE, checkpoint: str = "symmetric") -> dict[str, Any]:
    path = tmp_path / "figures.json"
    arguments = ["--dataset", "h36m", "--data", str(data), "--keypoints", "gt", "--json", str(path)]
    arguments += ["--checkpoint", str(REFERENCE / f"{checkpoint}.bin"), "--architecture", "3,3", "--channels", "16"]
    assert main([*arguments, *options]) == 0
    return json.loads(path.read_text(encoding="utf-8"))


@pytest.mark.parametrize(
    ("setting", "checkpoint", "options"),
    [
        ("symmetric", "symmetric", []),
        ("causal", "causal", ["--causal"]),
        ("by_subject", "symmetric", ["--by-subject"]),
        ("downsample_2", "symmetric", ["--downsample", "2"]),
        ("without_flip", "symmetric", ["--no-test-time-augmentation"]),
        ("actions", "symmetric", ["--actions", "Walk,Sitting"]),
    ],
)
def test_figures_are_the_reference_implementations(
    tmp_path: Path, setting: str, checkpoint: str, options: list[str]
) -> None:
    figures = evaluate(tmp_path, *options, checkpoint=checkpoint)
    tables = figures["by_subject"] if setting == "by_subject" else {"all": figures}
    assert set(tables) == set(FIGURES[setting])
    for subject, expected in FIGURES[setting].items():
        for metric in METRICS:
            by_action = tables[subject][metric]["by_action"]
            assert by_action == pytest.approx(expected[metric], abs=1e-3)
            assert tables[subject][metric]["average"] == pytest.approx(
                np.mean(list(expected[metric].values())), abs=1e-3
            )


@pytest.mark.skipif(not cpu_has_bf16(), reason="this CPU does not multiply bfloat16")
def test_bfloat16_figures_differ_by_its_rounding(tmp_path: Path) -> None:
    exact, coarse = evaluate(tmp_path), evaluate(tmp_path, "--precision", "bf16")
    assert (exact["precision"], coarse["precision"]) == ("fp32", "bf16")
    for metric in METRICS:
        assert coarse[metric] != exact[metric]
        assert coarse[metric]["average"] == pytest.approx(exact[metric]["average"], abs=0.2), "millimetres"


def test_one_subject_is_its_row_of_by_subject(tmp_path: Path) -> None:
    alone = evaluate(tmp_path, "--subjects", "S11")
    for metric in METRICS:
        assert alone[metric]["by_action"] == pytest.approx(FIGURES["by_subject"]["S11"][metric], abs=1e-3)
    assert set(alone["mpjpe"]["by_action"]) == {"Walking", "SittingDown"}


def test_safe_archives_give_the_same_figures(tmp_path: Path) -> None:
    for name in ("data_3d_h36m.npz", "data_2d_h36m_gt.npz"):
        convert(REFERENCE / name, tmp_path / name, safe=True)
    assert evaluate(tmp_path, data=tmp_path) == evaluate(tmp_path)


def test_table(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    evaluate(tmp_path)
    lines = capsys.readouterr().out.splitlines()
    assert [line.split()[0] for line in lines[-4:]] == ["Walking", "Greeting", "SittingDown", "average"]
    walking = [FIGURES["symmetric"]["all"][metric]["Walking"] for metric in METRICS]
    assert lines[-4].split()[1:] == [f"{value:.2f}" for value in walking]


def sequence(action: str, frames: int, offset_m: float) -> tuple[PoseSequence, np.ndarray]:
    """A sequence and a prediction that is off by `offset_m` in every joint of every frame."""
    truth = np.random.default_rng(frames).normal(size=(frames, 17, 3)).astype(np.float32)
    empty = np.zeros((frames, 17, 2), np.float32)
    predicted = truth + np.float32(offset_m) * np.array([0, 0, 1], np.float32)
    return PoseSequence("S9", action, 0, empty, truth, np.zeros((frames, 3), np.float32), None), predicted


def test_averages_weigh_frames_within_an_action_and_actions_alike() -> None:
    cases = [("Walking", 10, 0.1), ("Walking 1", 30, 0.2), ("Sitting", 1, 0.5)]
    summary = summarise(measure(*sequence(*case)) for case in cases)
    assert summary["mpjpe"].by_action == pytest.approx({"Walking": 175.0, "Sitting": 500.0}, abs=1e-3)
    assert summary["mpjpe"].average == pytest.approx(337.5, abs=1e-3)
    # A constant offset has neither a velocity nor an error after alignment; one frame has no velocity at all.
    assert summary["mpjve"].by_action == pytest.approx({"Walking": 0.0}, abs=1e-3)
    assert summary["p_mpjpe"].average == pytest.approx(0, abs=1e-3)


def test_humaneva(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    random = np.random.default_rng(9)
    subjects = HUMANEVA.test_subjects
    world = {s: {"Jog 1 chunk0": random.normal(0, 0.3, (6, 15, 3)).astype(np.float32)} for s in subjects}
    views = {s: {"Jog 1 chunk0": [random.uniform(0, 480, (6, 15, 2)).astype(np.float32)] * 3} for s in subjects}
    write_positions_3d(tmp_path / "data_3d_humaneva15.npz", world)
    write_positions_2d(tmp_path / "data_2d_humaneva15_gt.npz", views, HUMANEVA_LAYOUT)
    # A network that always answers with the root: the error is the joints' mean distance from it.
    model = TemporalModel(Architecture(15, 15, (3,), channels=4))
    torch.nn.init.zeros_(model.shrink.weight)
    assert model.shrink.bias is not None
    torch.nn.init.zeros_(model.shrink.bias)
    torch.save({"model_pos": model.state_dict()}, tmp_path / "zero.bin")
    arguments = ["--dataset", "humaneva15", "--data", str(tmp_path), "--keypoints", "gt", "--channels", "4"]
    arguments += ["--checkpoint", str(tmp_path / "zero.bin"), "--architecture", "3", "--json", str(tmp_path / "f.json")]
    assert main(arguments) == 0
    distances = [np.linalg.norm(w["Jog 1 chunk0"] - w["Jog 1 chunk0"][:, :1], axis=-1).mean() for w in world.values()]
    figures = json.loads((tmp_path / "f.json").read_text(encoding="utf-8"))
    assert figures["mpjpe"]["by_action"] == pytest.approx({"Jog": 1000 * float(np.mean(distances))}, rel=1e-5)
    assert figures["frames"] == 54
    assert "Jog" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("options", "code", "message"),
    [
        (["--architecture", "3,3,3"], 1, r"symmetric\.bin: .*3,3, not 3,3,3"),
        (["--channels", "32"], 1, r"symmetric\.bin: has 16 channels, not 32"),
        (["--architecture", "3,x"], 2, "--architecture: expected filter widths such as 3,3,3, got '3,x'"),
        (["--subjects", "S1"], 1, r"data_2d_h36m_gt\.npz: subject S1 is missing \(it holds S9, S11\)"),
        (["--actions", "Jog"], 2, "no action of S9, S11 starts with Jog"),
        (["--downsample", "0"], 2, "--downsample must be at least 1"),
        (["--keypoints", "cpn"], 1, r"data_2d_h36m_cpn\.npz: no such file"),
        (["--checkpoint", "nowhere.bin"], 1, r"nowhere\.bin: no such file"),
        (["--precision", "fp16"], 2, "precision fp16: CPUs do not compute in it"),
        (["--device", "tpu"], 2, "--device tpu: no such kind of device"),
        (["--device", "cuda:99"], 2, "--device cuda:99: PyTorch finds"),
    ],
)
def test_mistakes_are_named(capsys: pytest.CaptureFixture[str], options: list[str], code: int, message: str) -> None:
    arguments = ["--dataset", "h36m", "--data", str(REFERENCE), "--keypoints", "gt", "--channels", "16"]
    arguments += ["--checkpoint", str(REFERENCE / "symmetric.bin"), "--architecture", "3,3"]
    assert main([*arguments, *options]) == code
    output = capsys.readouterr()
    assert output.out == ""
    (line,) = output.err.strip().splitlines()
    assert re.match(f"error: .*{message}", line)


def test_keypoint_layout_that_the_checkpoint_does_not_take(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    torch.save({"model_pos": TemporalModel(Architecture(16, 17, (3, 3), 16)).state_dict()}, tmp_path / "mpii.bin")
    arguments = ["--dataset", "h36m", "--data", str(REFERENCE), "--keypoints", "gt", "--channels", "16"]
    assert main([*arguments, "--checkpoint", str(tmp_path / "mpii.bin"), "--architecture", "3,3"]) == 1
    error = capsys.readouterr().err
    assert "mpii.bin: made for 16 2D keypoints, h36m with these keypoints has 17" in error


def test_options_that_the_dataset_needs(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--dataset", "h36m", "--data", "x", "--keypoints", "gt"]) == 2
    assert "--dataset h36m needs --checkpoint" in capsys.readouterr().err
    assert main(["--data", "x"]) == 2
    assert "--dataset mocap needs --lifter, --config" in capsys.readouterr().err
