"""HumanEva-I with the user's own videos as the unlabelled half, and what does not go with it."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from lifting.data.datasets import HUMANEVA
from lifting.data.prepare_humaneva import HUMANEVA_LAYOUT
from lifting.data.project_truth import layout_of
from lifting.data.reference_npz import Positions2D, write_positions_2d, write_positions_3d
from lifting.dataset_recipe import DatasetRecipe
from lifting.train_dataset import train
from lifting.training_data import load_training_data
from poses import COCO17, InputError, Tracks, UsageError, VideoInfo
from tests.lifting.dataset_runs import curve

FRAMES, FPS = 40, 30.0


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Two subjects who stand before the three cameras, with the dataset's own keypoints and with COCO's."""
    random = np.random.default_rng(1)
    subjects = ("Train/S1", "Validate/S1")
    standing = random.normal(0, 0.3, (1, len(HUMANEVA.skeleton), 3)) + 0.05 * random.normal(size=(FRAMES, 1, 3))
    write_positions_3d(tmp_path / "data_3d_humaneva15.npz", {s: {"Walking 1": standing} for s in subjects})
    for name, layout in (("gt", HUMANEVA_LAYOUT), ("coco", layout_of("coco", COCO17.mirror, COCO17.sides))):
        views: Positions2D = {
            s: {"Walking 1": [random.uniform(0, 480, (FRAMES, layout.joints, 2)) for _ in range(3)]} for s in subjects
        }
        write_positions_2d(tmp_path / f"data_2d_humaneva15_{name}.npz", views, layout)
    return tmp_path


@pytest.fixture
def clip(tmp_path: Path) -> Path:
    """What the pipeline leaves of one person in a video of a second and a third."""
    folder = tmp_path / "clip"
    folder.mkdir()
    frames = np.arange(FRAMES)
    keypoints = np.random.default_rng(2).uniform(100, 500, (1, 17, 2)) + frames[:, None, None]
    known = np.ones((FRAMES, 17), bool)
    score = known.astype(np.float32)
    tracks = Tracks(np.zeros(FRAMES, np.int64), frames, keypoints.astype(np.float32), score, known, ~known, COCO17)
    tracks.save(folder / "tracks.npz")
    VideoInfo(frames / FPS, 640, 480, 0, FPS, "h264", "", 0).save(folder / "video.npz")
    return folder


def recipe(keypoints: str, subjects: tuple[str, ...] = (), tracks: tuple[str, ...] = ()) -> DatasetRecipe:
    return DatasetRecipe(
        "humaneva15",
        keypoints,
        subjects_train=("Train/S1",),
        subjects_test=("Validate/S1",),
        filter_widths=(3,),
        channels=8,
        epochs=1,
        batch_frames=64,
        warmup_epochs=0,
        unlabelled_subjects=subjects,
        unlabelled_tracks=tracks,
    )


def test_own_videos_are_the_unlabelled_half(folder: Path, clip: Path, tmp_path: Path) -> None:
    own = recipe("coco", tracks=(str(clip),))
    data = load_training_data(own, folder)
    assert data.unlabelled is not None
    # 39 / 30 s at HumanEva's 60 Hz, both ends.
    assert [len(sequence) for sequence in data.unlabelled.sequences] == [79]
    assert all(sequence.intrinsics is not None for sequence in data.unlabelled.sequences)
    (tmp_path / "run").mkdir()
    train(own, data, tmp_path / "run")
    (row,) = curve(tmp_path / "run")
    assert float(row["train_projection"]) > 0
    assert row["test_projection"] == "", "the dataset's cameras have no intrinsics to project with"


def test_other_keypoints_than_those_of_the_videos_are_named(folder: Path, clip: Path) -> None:
    with pytest.raises(InputError, match=r"tracks\.npz: .*humaneva15 keypoints, these are coco17 without .*: train on"):
        load_training_data(recipe("gt", tracks=(str(clip),)), folder)


def test_its_own_subjects_cannot_be_the_unlabelled_half(folder: Path) -> None:
    with pytest.raises(UsageError, match="humaneva15 publishes no intrinsics"):
        load_training_data(recipe("coco", subjects=("Validate/S1",)), folder)
