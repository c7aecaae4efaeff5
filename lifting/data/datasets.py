"""Human3.6M and HumanEva-I: their subjects, actions, skeletons, rates and cameras."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from lifting.data.cameras import DatasetCamera, load_cameras
from poses import H36M17, Skeleton, UsageError
from poses.skeleton import HUMANEVA15

H36M_ACTIONS = (
    "Directions",
    "Discussion",
    "Eating",
    "Greeting",
    "Phoning",
    "Photo",
    "Posing",
    "Purchases",
    "Sitting",
    "SittingDown",
    "Smoking",
    "Waiting",
    "WalkDog",
    "WalkTogether",
    "Walking",
)
"""The 15 actions; each subject performs each twice, named for example ``Directions`` and ``Directions 1``."""

H36M_JOINTS = 32
H36M_KEPT = (0, 1, 2, 3, 6, 7, 8, 12, 13, 14, 15, 17, 18, 19, 25, 26, 27)
"""Where the 17 joints of `H36M17` stand among the dataset's 32; the others repeat one of them, or do not move."""

HUMANEVA_SPLITS = ("Train/", "Validate/", "Unlabeled/Train/", "Unlabeled/Validate/", "Unlabeled/")
"""HumanEva's subjects are named by split, for example ``Validate/S1``; the dataset's validation set is the test set."""


@dataclass(frozen=True)
class Dataset:
    """What does not change from file to file.

    Attributes
    ----------
    name : as in the archives' names, `data_3d_<name>.npz`.
    skeleton : the joints that are lifted to and evaluated on.
    rate_hz : frames per second.
    joints_in_file : joints of `positions_3d`.
    kept : index of each joint of `skeleton` among them.
    train_subjects, test_subjects : the field's usual protocol.
    cameras : gives the cameras of a subject; `KeyError` for one that the dataset does not have.
    """

    name: str
    skeleton: Skeleton
    rate_hz: float
    joints_in_file: int
    kept: tuple[int, ...]
    train_subjects: tuple[str, ...]
    test_subjects: tuple[str, ...]
    cameras: Callable[[str], tuple[DatasetCamera, ...]]


@cache
def _cameras(file_name: str) -> dict[str, tuple[DatasetCamera, ...]]:
    return load_cameras(Path(__file__).parent / file_name)


def h36m_cameras(subject: str) -> tuple[DatasetCamera, ...]:
    """The four cameras of Human3.6M as they stood for a subject."""
    return _cameras("h36m_cameras.yaml")[subject]


def humaneva_cameras(subject: str) -> tuple[DatasetCamera, ...]:
    """The three colour cameras of HumanEva-I as they stood for a subject such as ``Validate/S1``."""
    split = next((s for s in HUMANEVA_SPLITS if subject.startswith(s) and "/" not in subject[len(s) :]), None)
    if split is None:
        raise KeyError(subject)
    return _cameras("humaneva_cameras.yaml")[subject.removeprefix(split)]


H36M = Dataset(
    name="h36m",
    skeleton=H36M17,
    rate_hz=50.0,
    joints_in_file=H36M_JOINTS,
    kept=H36M_KEPT,
    train_subjects=("S1", "S5", "S6", "S7", "S8"),
    test_subjects=("S9", "S11"),
    cameras=h36m_cameras,
)

HUMANEVA = Dataset(
    name="humaneva15",
    skeleton=HUMANEVA15,
    rate_hz=60.0,
    joints_in_file=len(HUMANEVA15),
    kept=tuple(range(len(HUMANEVA15))),
    train_subjects=("Train/S1", "Train/S2", "Train/S3"),
    test_subjects=("Validate/S1", "Validate/S2", "Validate/S3"),
    cameras=humaneva_cameras,
)

DATASETS: dict[str, Dataset] = {dataset.name: dataset for dataset in (H36M, HUMANEVA)}


def get_dataset(name: str) -> Dataset:
    """The dataset of that name; `UsageError` lists the known ones."""
    if name not in DATASETS:
        raise UsageError(f"unknown dataset {name!r}", f"known: {', '.join(DATASETS)}")
    return DATASETS[name]
