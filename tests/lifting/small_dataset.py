"""Small datasets for the training tests: people who walk before Human3.6M's cameras, in memory or as archives."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from lifting.data.cameras import to_screen
from lifting.data.datasets import H36M
from lifting.data.project_truth import H36M_LAYOUT, project_truth
from lifting.data.reference_npz import Positions3D, write_positions_2d, write_positions_3d
from lifting.data.sequences import PoseDataset, PoseSequence
from tests.motion import walker


def walks(
    subjects: tuple[str, ...], actions: tuple[str, ...] = ("Walking", "Waiting"), frames: int = 40
) -> Positions3D:
    """Walks near the origin (T, 17, 3), another for each subject and action; lengths differ by a few frames."""
    positions: Positions3D = {}
    for number, subject in enumerate(subjects):
        positions[subject] = {}
        for index, action in enumerate(actions):
            length = frames + 3 * number + index
            joints = walker(length / 50 + 0.1, 50, 0.8 + 0.1 * index, 0.9 * number + 0.4 * index)[:length, :17]
            joints = joints - [*joints[:, 0, :2].mean(axis=0), 0]
            positions[subject][action] = joints.astype(np.float32)
    return positions


def write_dataset(folder: Path, subjects: tuple[str, ...] = ("S1", "S5", "S9"), frames: int = 40) -> Path:
    """`data_3d_h36m.npz` and `data_2d_h36m_gt.npz`, in the published form; returns `folder`."""
    folder.mkdir(parents=True, exist_ok=True)
    positions = walks(subjects, frames=frames)
    write_positions_3d(folder / "data_3d_h36m.npz", positions)
    write_positions_2d(folder / "data_2d_h36m_gt.npz", project_truth(positions), H36M_LAYOUT)
    return folder


def random_dataset(lengths: list[int], seed: int = 0, labelled: bool = True) -> PoseDataset:
    """Sequences of noise, with a camera of Human3.6M each."""
    generator = np.random.default_rng(seed)
    sequences = []
    for number, length in enumerate(lengths):
        camera = H36M.cameras("S1")[number % 4]
        positions = generator.standard_normal((length, 17, 3)).astype(np.float32)
        sequences.append(
            PoseSequence(
                "S1",
                f"Walking {number}",
                number % 4,
                to_screen(generator.uniform(0, 1000, (length, 17, 2)), camera.width, camera.height).astype(np.float32),
                positions if labelled else None,
                generator.uniform(2, 5, (length, 3)).astype(np.float32) if labelled else None,
                camera.intrinsics,
            )
        )
    return PoseDataset(H36M, H36M_LAYOUT, tuple(sequences), H36M.rate_hz)
