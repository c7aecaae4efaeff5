"""What does not fit is refused by name: recipes, weights, checkpoints, data."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import numpy as np
import pytest

from lifting.data.reference_npz import read_positions_2d, write_positions_2d
from lifting.dataset_run import DatasetRun
from lifting.train import main
from lifting.train_dataset import train
from lifting.training_data import TrainingData, load_training_data
from poses import InputError
from poses.distributed import Ranks
from tests.lifting.dataset_runs import TINY, command, config
from tests.lifting.small_dataset import write_dataset


@pytest.mark.parametrize(
    ("changes", "problem"),
    [
        ({"channels": 32}, "17 keypoints in, 17 joints out, 16 channels; .* 32 channels"),
        ({"filter_widths": (3, 3, 3)}, "architecture 3,3, not 3,3,3"),
    ],
)
def test_weights_of_another_shape_are_refused(
    dataset: TrainingData, tmp_path: Path, changes: dict[str, object], problem: str
) -> None:
    (tmp_path / "first").mkdir()
    train(dataclasses.replace(TINY, epochs=1), dataset, tmp_path / "first")
    file = str(tmp_path / "first" / "final.bin")
    (tmp_path / "other").mkdir()
    recipe = dataclasses.replace(TINY, initial_weights=file, **changes)  # type: ignore[arg-type]
    with pytest.raises(InputError, match=problem):
        train(recipe, dataset, tmp_path / "other")


def test_another_keypoint_layout_is_refused(dataset: TrainingData, tmp_path: Path) -> None:
    run = DatasetRun(TINY, 15, 17, 0, Ranks())
    run.export(tmp_path / "eva.bin")
    recipe = dataclasses.replace(TINY, continue_from=str(tmp_path / "eva.bin"))
    with pytest.raises(InputError, match=r"eva\.bin: holds a network of 15 keypoints in"):
        train(recipe, dataset, tmp_path)


def test_checkpoints_that_do_not_fit_are_refused(dataset: TrainingData, dataset_folder: Path, tmp_path: Path) -> None:
    train(dataclasses.replace(TINY, epochs=1), dataset, tmp_path)
    checkpoint = tmp_path / "last.checkpoint"
    with pytest.raises(InputError, match="another recipe"):
        train(dataclasses.replace(TINY, epochs=1, learning_rate=0.1), dataset, tmp_path)
    half = dataclasses.replace(TINY, epochs=1)
    fewer = load_training_data(dataclasses.replace(half, subset=0.5), dataset_folder)
    with pytest.raises(InputError, match=r"trained on \d+ frames, the data hold \d+"):
        train(half, fewer, tmp_path)
    whole = checkpoint.read_bytes()
    for cut in (0, 100, len(whole) // 2, len(whole) - 10):
        checkpoint.write_bytes(whole[:cut])
        with pytest.raises(InputError, match=r"last\.checkpoint: not a readable checkpoint"):
            train(half, dataset, tmp_path)


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
    assignment: str,
    code: int,
    words: list[str],
    dataset_folder: Path,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    path = config(tmp_path / "recipe.yaml", TINY)
    assert main([*command(path, dataset_folder, tmp_path / "run"), "--set", assignment]) == code
    (line,) = [line for line in capsys.readouterr().err.splitlines() if line.startswith("error: ")]
    for word in words:
        assert word in line


def test_damaged_data_are_named(dataset_folder: Path, tmp_path: Path) -> None:
    broken = tmp_path / "broken"
    write_dataset(broken)
    positions, layout = read_positions_2d(broken / "data_2d_h36m_gt.npz")
    positions["S1"]["Walking"][2][5, 3, 0] = np.nan
    write_positions_2d(broken / "data_2d_h36m_gt.npz", positions, layout)
    with pytest.raises(InputError, match=r"S1/Walking/2: 1 of \d+ frames .*NaN"):
        load_training_data(TINY, broken)
