from __future__ import annotations

import hashlib
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from lifting.data.datasets import H36M, HUMANEVA
from lifting.data.project_truth import H36M_LAYOUT, project_truth
from lifting.data.reference_npz import (
    Positions2D,
    Positions3D,
    read_positions_2d,
    read_positions_3d,
    write_positions_2d,
    write_positions_3d,
)
from lifting.data.sequences import load_dataset
from poses import H36M17, InputError, UsageError
from tests.motion import jumping_jack, walker

REFERENCE = Path(__file__).parents[1] / "data" / "h36m_reference"


def small_positions() -> Positions3D:
    walk, jacks = (body[:40, :17].astype(np.float32) for body in (walker(1, 50), jumping_jack(1, 50)))
    return {
        "S1": {"Walking": walk, "WalkDog 1": walk[:23], "Sitting": jacks},
        "S9": {"Walking": walk[5:].copy(), "Sitting": jacks[:31].copy()},
    }


def write(folder: Path, positions: Positions3D, views: Positions2D, keypoints: str = "gt") -> Path:
    write_positions_3d(folder / "data_3d_h36m.npz", positions)
    write_positions_2d(folder / f"data_2d_h36m_{keypoints}.npz", views, H36M_LAYOUT)
    return folder


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    positions = small_positions()
    return write(tmp_path, positions, project_truth(positions))


def test_sequences_project_onto_their_keypoints(folder: Path) -> None:
    data = load_dataset(H36M, folder, "gt", ["S9", "S1"])
    assert [(s.subject, s.action, s.camera) for s in data.sequences[:9]] == [
        *[("S9", "Walking", c) for c in range(4)],
        *[("S9", "Sitting", c) for c in range(4)],
        ("S1", "Walking", 0),
    ]
    assert data.frames == 4 * (35 + 31 + 40 + 23 + 40)
    world = small_positions()["S9"]["Walking"]
    for sequence, camera in zip(data.sequences[:4], H36M.cameras("S9"), strict=True):
        assert sequence.positions_m is not None
        assert sequence.root_m is not None
        np.testing.assert_array_equal(sequence.positions_m[:, 0], 0)
        seen = sequence.positions_m + sequence.root_m[:, None]
        np.testing.assert_allclose(camera.to_world(seen), world, atol=1e-5)
        pixels = (sequence.keypoints + np.array([1, camera.height / camera.width])) * camera.width / 2
        np.testing.assert_allclose(pixels, camera.project_px(seen), atol=1e-2)


def test_the_reference_implementations_own_files() -> None:
    data = load_dataset(H36M, REFERENCE, "gt", ["S9", "S11"])
    for sequence in data.sequences:
        camera = H36M.cameras(sequence.subject)[sequence.camera]
        assert sequence.positions_m is not None
        assert sequence.root_m is not None
        pixels = (sequence.keypoints + np.array([1, camera.height / camera.width])) * camera.width / 2
        np.testing.assert_allclose(
            camera.project_px(sequence.positions_m + sequence.root_m[:, None]), pixels, atol=2e-3
        )
    assert data.layout.mirror.tolist() == H36M17.mirror.tolist()


def test_ground_truth_is_the_reference_implementations() -> None:
    theirs, layout = read_positions_2d(REFERENCE / "data_2d_h36m_gt.npz")
    ours = project_truth(read_positions_3d(REFERENCE / "data_3d_h36m.npz"))
    assert (layout.left, layout.right) == (H36M_LAYOUT.left, H36M_LAYOUT.right)
    for subject, actions in theirs.items():
        assert list(ours[subject]) == list(actions)
        for action, views in actions.items():
            for own, their in zip(ours[subject][action], views, strict=True):
                np.testing.assert_allclose(own, their, atol=1e-3)


def test_longer_keypoints_are_cut(tmp_path: Path) -> None:
    positions = small_positions()
    views = project_truth(positions)
    exact = views["S9"]["Walking"][2]
    views["S9"]["Walking"][2] = np.concatenate([exact, np.full((3, 17, 2), np.nan, np.float32)])
    data = load_dataset(H36M, write(tmp_path, positions, views), "gt", ["S9"], ["Walk"])
    assert [len(s) for s in data.sequences] == [35] * 4
    assert np.isfinite(data.sequences[2].keypoints).all()


def test_shorter_keypoints_are_refused(tmp_path: Path) -> None:
    positions = small_positions()
    views = project_truth(positions)
    views["S9"]["Walking"][2] = views["S9"]["Walking"][2][:-1]
    write(tmp_path, positions, views)
    message = r"data_2d_h36m_gt\.npz: S9/Walking: camera 2 .*\(34, 17, 2\), data_3d_h36m\.npz has \(35, 17, 3\)"
    with pytest.raises(InputError, match=message):
        load_dataset(H36M, tmp_path, "gt", ["S9"])


def _drop_subject(positions: Positions3D, views: Positions2D) -> None:
    del views["S9"]


def _drop_subject_3d(positions: Positions3D, views: Positions2D) -> None:
    del positions["S9"]


def _drop_action(positions: Positions3D, views: Positions2D) -> None:
    del views["S9"]["Sitting"]


def _drop_camera(positions: Positions3D, views: Positions2D) -> None:
    views["S9"]["Sitting"].pop()


def _break_keypoints(positions: Positions3D, views: Positions2D) -> None:
    views["S9"]["Sitting"][1][7, 3] = np.nan


def _break_joints(positions: Positions3D, views: Positions2D) -> None:
    positions["S9"]["Sitting"][9] = np.inf


def _other_joints(positions: Positions3D, views: Positions2D) -> None:
    positions["S9"]["Sitting"] = positions["S9"]["Sitting"][:, :15]


@pytest.mark.parametrize(
    ("damage", "message"),
    [
        (_drop_subject, r"data_2d_h36m_gt\.npz: subject S9 is missing \(it holds S1\)"),
        (_drop_subject_3d, r"data_3d_h36m\.npz: subject S9 is missing \(it holds S1\)"),
        (_drop_action, r"data_2d_h36m_gt\.npz: S9 lacks Sitting, which data_3d_h36m\.npz has"),
        (_drop_camera, r"data_2d_h36m_gt\.npz: S9/Sitting: holds 3 cameras, h36m has 4"),
        (_break_keypoints, r"data_2d_h36m_gt\.npz: S9/Sitting/1: 1 of 31 frames \(the first is 7\) .*\(31, 17, 2\)"),
        (_break_joints, r"data_3d_h36m\.npz: S9/Sitting: 1 of 31 frames \(the first is 9\) .*\(31, 17, 3\)"),
        (_other_joints, r"data_3d_h36m\.npz: S9/Sitting: expected 32 joints of h36m, got shape \(31, 15, 3\)"),
    ],
)
def test_damage_is_named(tmp_path: Path, damage: Any, message: str) -> None:
    positions = small_positions()
    views = project_truth(positions)
    damage(positions, views)
    write(tmp_path, positions, views)
    with pytest.raises(InputError, match=message):
        load_dataset(H36M, tmp_path, "gt", ["S9"])
    assert len(load_dataset(H36M, tmp_path, "gt", ["S1"])) == 12


def test_actions_are_chosen_by_how_they_begin(folder: Path) -> None:
    data = load_dataset(H36M, folder, "gt", ["S1"], ["Walk"])
    assert {s.action for s in data.sequences} == {"Walking", "WalkDog 1"}
    assert {s.motion for s in data.sequences} == {"Walking", "WalkDog"}
    both = load_dataset(H36M, folder, "gt", ["S1", "S9"])
    assert len(both.select(["S1"], ["Sit"])) == 4
    with pytest.raises(UsageError, match=r"no action of S1 starts with Jog: .*Sitting, WalkDog, Walking"):
        load_dataset(H36M, folder, "gt", ["S1"], ["Jog"])


def test_unknown_subjects_and_missing_files(folder: Path) -> None:
    with pytest.raises(UsageError, match="h36m has no subject 'S12'"):
        load_dataset(H36M, folder, "gt", ["S12"])
    with pytest.raises(UsageError, match="humaneva15 has no subject 'S1'"):
        load_dataset(HUMANEVA, folder, "gt", ["S1"])
    with pytest.raises(InputError, match=r"data_2d_h36m_cpn\.npz: no such file"):
        load_dataset(H36M, folder, "cpn", ["S1"])


def test_unlabelled_subjects_need_no_3d(tmp_path: Path) -> None:
    views = project_truth(small_positions())
    views["S2"] = views.pop("S9")
    write_positions_2d(tmp_path / "data_2d_h36m_gt.npz", views, H36M_LAYOUT)
    data = load_dataset(H36M, tmp_path, "gt", ["S2"], labelled=False)
    assert all(s.positions_m is None and s.root_m is None and s.intrinsics is not None for s in data.sequences)
    with pytest.raises(InputError, match="no such file"):
        load_dataset(H36M, tmp_path, "gt", ["S2"])


def test_downsampling_keeps_every_nth_frame(folder: Path) -> None:
    data = load_dataset(H36M, folder, "gt", ["S1"])
    thin = data.downsample(5)
    assert thin.rate_hz == 10
    for sequence, whole in zip(thin.sequences, data.sequences, strict=True):
        np.testing.assert_array_equal(sequence.keypoints, whole.keypoints[::5])
        assert sequence.positions_m is not None
        assert whole.positions_m is not None
        np.testing.assert_array_equal(sequence.positions_m, whole.positions_m[::5])
    with pytest.raises(UsageError, match="--downsample"):
        data.downsample(0)


@pytest.mark.parametrize(("share", "step"), [(0.5, 1), (0.3, 5), (0.1, 2)])
def test_subset_is_the_reference_implementations(folder: Path, share: float, step: int) -> None:
    data = load_dataset(H36M, folder, "gt", ["S1"])
    cut = {(s.action, s.camera): s for s in data.subset(share, step).sequences}
    for whole in data.sequences:
        frames = len(whole.keypoints)
        count = int(round(frames // step * share) * step)
        # Little-endian number in the first four bytes of the hash, scaled to the room, cut to an integer.
        number = int(hashlib.sha256(str(frames).encode()).hexdigest()[6:8], 16) << 24
        number += int(hashlib.sha256(str(frames).encode()).hexdigest()[4:6], 16) << 16
        number += int(hashlib.sha256(str(frames).encode()).hexdigest()[2:4], 16) << 8
        number += int(hashlib.sha256(str(frames).encode()).hexdigest()[:2], 16)
        start = int(number / 0xFFFFFFFF * (frames - count + 1))
        part = cut[whole.action, whole.camera]
        np.testing.assert_array_equal(part.keypoints, whole.keypoints[start : start + count : step])


def test_subset_limits(folder: Path) -> None:
    data = load_dataset(H36M, folder, "gt", ["S1"])
    assert data.subset(1).frames == data.frames
    with pytest.raises(UsageError, match="--subset"):
        data.subset(0)
    with pytest.raises(UsageError, match="leaves no frame"):
        data.subset(0.001)
