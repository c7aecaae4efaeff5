from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from lifting.data.reference_npz import (
    KeypointLayout,
    convert,
    read_positions_2d,
    read_positions_3d,
    write_positions_2d,
    write_positions_3d,
)
from poses import InputError

RANDOM = np.random.default_rng(2)
POSITIONS = {
    "S1": {"Walking": RANDOM.normal(size=(5, 32, 3)).astype(np.float32)},
    "Validate/S2": {"Jog 1 chunk0": RANDOM.normal(size=(1, 32, 3)).astype(np.float32)},
}
VIEWS = {"S1": {"Walking": [RANDOM.normal(size=(n, 4, 2)).astype(np.float32) for n in (5, 6, 5)]}}
LAYOUT = KeypointLayout("four", 4, (0,), (2,))


def save_objects(path: Path, **content: Any) -> Path:
    """As the reference implementation saves: dictionaries pickled by NumPy."""
    np.savez_compressed(path, **content)
    return path


class Bomb:
    """Unpickling this runs a command."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self) -> tuple[Any, ...]:
        return os.mkdir, (str(self.path),)


@pytest.mark.parametrize("safe", [False, True])
def test_positions_3d_come_back(tmp_path: Path, safe: bool) -> None:
    write_positions_3d(tmp_path / "a.npz", POSITIONS, safe)
    read = read_positions_3d(tmp_path / "a.npz")
    assert {s: list(a) for s, a in read.items()} == {s: list(a) for s, a in POSITIONS.items()}
    for subject, actions in POSITIONS.items():
        for action, array in actions.items():
            np.testing.assert_array_equal(read[subject][action], array)


@pytest.mark.parametrize("safe", [False, True])
def test_positions_2d_come_back(tmp_path: Path, safe: bool) -> None:
    write_positions_2d(tmp_path / "a.npz", VIEWS, LAYOUT, safe)
    read, layout = read_positions_2d(tmp_path / "a.npz")
    assert layout == LAYOUT
    for got, view in zip(read["S1"]["Walking"], VIEWS["S1"]["Walking"], strict=True):
        np.testing.assert_array_equal(got, view)


def test_published_form_is_what_numpy_unpickles(tmp_path: Path) -> None:
    write_positions_2d(tmp_path / "a.npz", VIEWS, LAYOUT)
    archive = np.load(tmp_path / "a.npz", allow_pickle=True)
    assert archive["metadata"].item() == {
        "layout_name": "four",
        "num_joints": 4,
        "keypoints_symmetry": [[0], [2]],
    }
    np.testing.assert_array_equal(archive["positions_2d"].item()["S1"]["Walking"][1], VIEWS["S1"]["Walking"][1])


def test_safe_form_holds_no_pickle(tmp_path: Path) -> None:
    write_positions_3d(tmp_path / "a.npz", POSITIONS)
    convert(tmp_path / "a.npz", tmp_path / "b.npz", safe=True)
    with np.load(tmp_path / "b.npz", allow_pickle=False) as archive:
        np.testing.assert_array_equal(archive["S1/Walking"], POSITIONS["S1"]["Walking"])


def test_conversion_there_and_back_gives_the_same_bytes(tmp_path: Path) -> None:
    for name, write in (("3d", write_positions_3d), ("2d", write_positions_2d)):
        arguments: tuple[Any, ...] = (POSITIONS,) if name == "3d" else (VIEWS, LAYOUT)
        write(tmp_path / name, *arguments)
        convert(tmp_path / name, tmp_path / "safe", safe=True)
        convert(tmp_path / "safe", tmp_path / "back", safe=False)
        assert (tmp_path / "back").read_bytes() == (tmp_path / name).read_bytes()


def test_numbers_of_numpy_in_the_metadata(tmp_path: Path) -> None:
    # The reference implementation's ground truth names the joints with NumPy's integers, and gives no layout_name.
    symmetry = [[np.int64(0)], [np.int64(2)]]
    path = save_objects(
        tmp_path / "a.npz", positions_2d=VIEWS, metadata={"num_joints": 4, "keypoints_symmetry": symmetry}
    )
    assert read_positions_2d(path)[1] == KeypointLayout("", 4, (0,), (2,))


def test_scores_beside_keypoints_are_left_out(tmp_path: Path) -> None:
    scored = {"S1": {"Walking": [np.concatenate([v, v[..., :1]], axis=-1) for v in VIEWS["S1"]["Walking"]]}}
    write_positions_2d(tmp_path / "a.npz", scored, LAYOUT)
    np.testing.assert_array_equal(
        read_positions_2d(tmp_path / "a.npz")[0]["S1"]["Walking"][0], VIEWS["S1"]["Walking"][0]
    )


def test_mirror_exchanges_the_pairs() -> None:
    assert KeypointLayout("", 5, (1, 2), (4, 3)).mirror.tolist() == [0, 4, 3, 2, 1]


def test_refuses_a_pickle_that_runs_something(tmp_path: Path) -> None:
    trap = tmp_path / "trap"
    path = save_objects(tmp_path / "a.npz", positions_3d={"S1": {"Walking": Bomb(trap)}})
    with pytest.raises(InputError, match=rf"{path.name}: .*posix\.mkdir"):
        read_positions_3d(path)
    assert not trap.exists()
    # The trap works: NumPy's own reader falls into it.
    np.load(path, allow_pickle=True)["positions_3d"]
    assert trap.exists()


def test_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"data_3d_h36m\.npz: no such file"):
        read_positions_3d(tmp_path / "data_3d_h36m.npz")


@pytest.mark.parametrize("share", [0.0, 0.3, 0.98])
def test_archive_that_is_cut_off(tmp_path: Path, share: float) -> None:
    write_positions_3d(tmp_path / "a.npz", POSITIONS)
    whole = (tmp_path / "a.npz").read_bytes()
    (tmp_path / "a.npz").write_bytes(whole[: int(share * len(whole))])
    with pytest.raises(InputError, match=r"a\.npz: .*cut off"):
        read_positions_3d(tmp_path / "a.npz")


def test_archive_of_the_other_kind(tmp_path: Path) -> None:
    write_positions_2d(tmp_path / "a.npz", VIEWS, LAYOUT)
    with pytest.raises(InputError, match=r"a\.npz: lacks positions_3d \(it holds metadata, positions_2d\)"):
        read_positions_3d(tmp_path / "a.npz")


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ({"positions_3d": {"S1": {"Walking": np.zeros((4, 51))}}}, r"S1/Walking: .*\(4, 51\)"),
        ({"positions_3d": {"S1": {"Walking": "text"}}}, "S1/Walking: .*str"),
        ({"positions_3d": {"S1": np.zeros((4, 3))}}, r"S1: .*\(4, 3\)"),
        ({"positions_3d": {}}, "holds no subject"),
        ({"positions_3d": [1]}, "expected a dictionary of subjects, got int64"),
    ],
)
def test_wrong_content_is_named(tmp_path: Path, content: dict[str, Any], message: str) -> None:
    path = save_objects(tmp_path / "a.npz", **content)
    with pytest.raises(InputError, match=rf"a\.npz: {message}"):
        read_positions_3d(path)


def test_keypoints_that_differ_from_the_metadata(tmp_path: Path) -> None:
    metadata = {"num_joints": 17, "keypoints_symmetry": [[1], [2]]}
    path = save_objects(tmp_path / "a.npz", positions_2d=VIEWS, metadata=metadata)
    with pytest.raises(InputError, match=r"S1/Walking/0: the metadata say 17 keypoints, .*\(5, 4, 2\)"):
        read_positions_2d(path)


@pytest.mark.parametrize(
    "metadata", [None, {"num_joints": 4}, {"num_joints": 4, "keypoints_symmetry": [[0, 9], [1, 2]]}]
)
def test_metadata_without_symmetry(tmp_path: Path, metadata: Any) -> None:
    path = save_objects(tmp_path / "a.npz", positions_2d=VIEWS, metadata=metadata)
    with pytest.raises(InputError, match=r"a\.npz: metadata: expected num_joints and keypoints_symmetry"):
        read_positions_2d(path)
