from __future__ import annotations

import re
from pathlib import Path

import numpy as np
import pytest
from scipy.io import savemat

from lifting.data.datasets import HUMANEVA
from lifting.data.prepare import main
from lifting.data.prepare_humaneva import chunks
from lifting.data.sequences import load_dataset
from poses import get_skeleton
from poses.skeleton import HUMANEVA15

RANDOM = np.random.default_rng(8)
SUBJECTS = [f"{split}/S{n}" for split in ("Train", "Validate") for n in (1, 2, 3)]

# The reference implementation's joints_left, joints_right and parents for HumanEva's 15 joints.
LEFT, RIGHT = [2, 3, 4, 8, 9, 10], [5, 6, 7, 11, 12, 13]
PARENTS = [-1, 0, 1, 2, 3, 1, 5, 6, 0, 8, 9, 0, 11, 12, 1]


def export(folder: Path, frames: int = 12) -> dict[str, tuple[np.ndarray, np.ndarray]]:
    """What the MATLAB export leaves: millimetres, pixels, NaN where motion capture failed."""
    written = {}
    for subject in SUBJECTS:
        (folder / subject).mkdir(parents=True)
        world = RANDOM.normal(0, 500, (frames, 15, 3))
        views = RANDOM.uniform(0, 480, (3, frames, 15, 2))
        savemat(folder / subject / "Walking_1.mat", {"poses_3d": world, "poses_2d": views})
        written[subject] = (world, views)
    world, views = written["Validate/S2"]
    world[[0, 1, 5]] = np.nan
    views[:, [0, 1, 5]] = np.nan
    savemat(folder / "Validate/S2/Walking_1.mat", {"poses_3d": world, "poses_2d": views})
    return written


def test_skeleton_is_the_field_s() -> None:
    assert get_skeleton("humaneva15") is HUMANEVA15
    assert list(HUMANEVA15.parents) == PARENTS
    mirror = np.arange(15)
    mirror[LEFT + RIGHT] = RIGHT + LEFT
    assert HUMANEVA15.mirror.tolist() == mirror.tolist()


@pytest.mark.parametrize(
    ("pattern", "expected"),
    [
        ("012XX567X9", {"chunk0": (0, 3), "chunk2": (5, 8), "chunk4": (9, 10)}),
        ("XX2345", {"chunk1": (2, 6)}),
        ("0123", {"chunk0": (0, 4)}),
        ("XXXX", {}),
    ],
)
def test_chunks_are_named_as_in_the_published_archives(pattern: str, expected: dict[str, tuple[int, int]]) -> None:
    valid = np.array([letter != "X" for letter in pattern])
    assert {name: (part.start, part.stop) for name, part in chunks(valid)} == expected


def test_prepared_archives(tmp_path: Path) -> None:
    written = export(tmp_path / "export")
    assert main(["humaneva", str(tmp_path / "export"), "--output", str(tmp_path)]) == 0
    data = load_dataset(HUMANEVA, tmp_path, "gt", HUMANEVA.test_subjects)
    assert data.rate_hz == 60
    assert {s.motion for s in data.sequences} == {"Walking"}
    cut = [s for s in data.sequences if s.subject == "Validate/S2"]
    assert [(s.action, s.camera, len(s)) for s in cut] == [
        *[("Walking 1 chunk1", camera, 3) for camera in range(3)],
        *[("Walking 1 chunk3", camera, 6) for camera in range(3)],
    ]
    world, views = written["Validate/S2"]
    for sequence in cut:
        frames = slice(2, 5) if sequence.action.endswith("chunk1") else slice(6, 12)
        camera = HUMANEVA.cameras("Validate/S2")[sequence.camera]
        assert sequence.positions_m is not None
        assert sequence.root_m is not None
        seen = sequence.positions_m + sequence.root_m[:, None]
        np.testing.assert_allclose(camera.to_world(seen), world[frames] / 1000, atol=1e-5)
        # 640 x 480 pixels: x from -1 to 1, y from -0.75 to 0.75.
        np.testing.assert_allclose(sequence.keypoints, (views[sequence.camera, frames] - [320, 240]) / 320, atol=1e-5)


@pytest.mark.parametrize(
    ("world", "views", "message"),
    [
        (np.zeros((5, 20, 3)), np.zeros((3, 5, 20, 2)), r"poses_3d: expected \(frames, 15, 3\), got \(5, 20, 3\)"),
        (np.zeros((5, 15, 3)), np.zeros((3, 4, 15, 2)), r"poses_2d: expected \(3, 5, 15, 2\) .* got \(3, 4, 15, 2\)"),
        (np.zeros((5, 15, 3)), np.full((3, 5, 15, 2), np.nan), r"differ in which frames are valid, first in frame 0"),
        (np.zeros((5, 45)), np.zeros((3, 5, 15, 2)), r"poses_3d: expected 3 dimensions, got \(5, 45\)"),
    ],
)
def test_damaged_export(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], world: np.ndarray, views: np.ndarray, message: str
) -> None:
    export(tmp_path / "export")
    savemat(tmp_path / "export/Train/S3/Box_1.mat", {"poses_3d": world, "poses_2d": views})
    assert main(["humaneva", str(tmp_path / "export"), "--output", str(tmp_path)]) == 1
    (problem,) = capsys.readouterr().err.splitlines()
    assert re.search(rf"Box_1\.mat: .*{message}", problem)


def test_missing_and_unreadable_files(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    export(tmp_path / "export")
    (tmp_path / "export/Train/S2/Walking_1.mat").write_bytes(b"nothing of MATLAB's")
    assert main(["humaneva", str(tmp_path / "export"), "--output", str(tmp_path)]) == 1
    assert "Train/S2/Walking_1.mat: not a readable .mat file" in capsys.readouterr().err
    (tmp_path / "export/Train/S2/Walking_1.mat").unlink()
    assert main(["humaneva", str(tmp_path / "export"), "--output", str(tmp_path)]) == 1
    assert "Train/S2: holds no .mat file" in capsys.readouterr().err
