"""Sequences to train and evaluate on: one a subject, action and camera, from the archives of `reference_npz`.

Shape letters: T frames, J keypoints of the picture, K joints of the dataset's skeleton.
"""

from __future__ import annotations

import dataclasses
import hashlib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from lifting.data.cameras import DatasetCamera, to_screen
from lifting.data.datasets import Dataset
from lifting.data.reference_npz import (
    KeypointLayout,
    Positions2D,
    Positions3D,
    read_positions_2d,
    read_positions_3d,
    require_finite,
)
from poses import InputError, UsageError


@dataclass(frozen=True)
class PoseSequence:
    """What one camera saw of one action.

    Attributes
    ----------
    subject, action : as in the archive, for example ``S9`` and ``Directions 1``.
    camera : index among the subject's cameras.
    keypoints : (T, J, 2) float32, screen coordinates (`lifting.data.cameras`).
    positions_m : (T, K, 3) float32, joints relative to the root in camera axes; None where unlabelled.
    root_m : (T, 3) float32, the root in the camera frame; None where unlabelled.
    intrinsics : (9,) float32, see `lifting.data.cameras.INTRINSICS`; None where the dataset does not publish them.
    """

    subject: str
    action: str
    camera: int
    keypoints: np.ndarray
    positions_m: np.ndarray | None
    root_m: np.ndarray | None
    intrinsics: np.ndarray | None

    def __len__(self) -> int:
        return len(self.keypoints)

    @property
    def motion(self) -> str:
        """The action without the number of the take or chunk: ``Directions`` for ``Directions 1``."""
        return self.action.split(" ")[0]

    def frames(self, which: slice) -> PoseSequence:
        """The sequence with only some of its frames."""
        return dataclasses.replace(
            self,
            keypoints=self.keypoints[which],
            positions_m=None if self.positions_m is None else self.positions_m[which],
            root_m=None if self.root_m is None else self.root_m[which],
        )


@dataclass(frozen=True)
class PoseDataset:
    """Sequences of one dataset with one kind of 2D keypoints.

    Attributes
    ----------
    dataset : skeleton, rate, cameras.
    layout : order of the 2D keypoints and their mirror image.
    sequences : in the order of the subjects asked for, then of the 2D archive, then of the cameras.
    rate_hz : frames per second of the sequences, less than the dataset's after `downsample`.
    """

    dataset: Dataset
    layout: KeypointLayout
    sequences: tuple[PoseSequence, ...]
    rate_hz: float

    def __len__(self) -> int:
        return len(self.sequences)

    @property
    def frames(self) -> int:
        """Frames of all sequences together."""
        return sum(len(sequence) for sequence in self.sequences)

    def select(self, subjects: Iterable[str] | None = None, actions: Sequence[str] | None = None) -> PoseDataset:
        """Only some subjects, and actions whose names start so (``Walk`` takes Walking, WalkDog and WalkTogether)."""
        wanted = None if subjects is None else set(subjects)
        kept = tuple(
            sequence
            for sequence in self.sequences
            if (wanted is None or sequence.subject in wanted)
            and (actions is None or sequence.action.startswith(tuple(actions)))
        )
        return dataclasses.replace(self, sequences=kept)

    def downsample(self, step: int) -> PoseDataset:
        """Every `step`-th frame of each sequence."""
        if step < 1:
            raise UsageError(f"--downsample must be at least 1, got {step}")
        return self._cut([slice(None, None, step)] * len(self), step)

    def subset(self, share: float, step: int = 1) -> PoseDataset:
        """A contiguous `share` of each sequence, with every `step`-th frame of it.

        Where it starts depends on the sequence's length alone, as in the reference implementation, so that both train
        on the same frames: the first four bytes of the SHA-256 of the length, as decimal text, scaled to the room.
        """
        if not 0 < share <= 1:
            raise UsageError(f"--subset must lie above 0 and at most 1, got {share:g}")
        if share == 1:
            return self.downsample(step)
        windows = []
        for sequence in self.sequences:
            count = round(len(sequence) // step * share) * step
            digest = hashlib.sha256(str(len(sequence)).encode()).digest()
            place = int.from_bytes(digest[:4], "little") / (2**32 - 1)
            start = int(place * (len(sequence) - count + 1))
            windows.append(slice(start, start + count, step))
        cut = self._cut(windows, step)
        kept = tuple(sequence for sequence in cut.sequences if len(sequence))
        if not kept:
            raise UsageError(f"--subset {share:g} leaves no frame of any sequence", "choose a larger share")
        return dataclasses.replace(cut, sequences=kept)

    def _cut(self, windows: Sequence[slice], step: int) -> PoseDataset:
        cut = tuple(sequence.frames(window) for sequence, window in zip(self.sequences, windows, strict=True))
        return dataclasses.replace(self, sequences=cut, rate_hz=self.rate_hz / step)


def archive_paths(dataset: Dataset, folder: Path, keypoints: str) -> tuple[Path, Path]:
    """(3D, 2D) archives in `folder` for 2D keypoints of that name (``gt``, ``cpn_ft_h36m_dbb``, ...)."""
    return folder / f"data_3d_{dataset.name}.npz", folder / f"data_2d_{dataset.name}_{keypoints}.npz"


def load_dataset(
    dataset: Dataset,
    folder: Path,
    keypoints: str,
    subjects: Sequence[str],
    actions: Sequence[str] | None = None,
    labelled: bool = True,
) -> PoseDataset:
    """Read the sequences of some subjects from `data_3d_<dataset>.npz` and `data_2d_<dataset>_<keypoints>.npz`.

    `actions` keeps those whose names start so. Without `labelled` the 3D archive is not read. 2D sequences longer than
    their 3D ones are cut (some of Human3.6M's videos have frames more). `InputError` names the file, the key and the
    shapes: a subject or an action that is missing, another number of cameras, 2D shorter than 3D, NaN.
    """
    cameras_of = {subject: _cameras_of(dataset, subject) for subject in subjects}
    path_3d, path_2d = archive_paths(dataset, folder, keypoints)
    positions_2d, layout = read_positions_2d(path_2d)
    positions_3d = read_positions_3d(path_3d) if labelled else {}
    sequences: list[PoseSequence] = []
    for subject, cameras in cameras_of.items():
        _require_subject(path_2d, positions_2d, subject)
        if labelled:
            _require_subject(path_3d, positions_3d, subject)
            if any(camera.orientation is None for camera in cameras):
                raise InputError(
                    f"{path_3d}: {subject}: {dataset.name} did not publish where this subject's cameras stood"
                )
            _require_same_actions(path_2d, positions_2d, path_3d, positions_3d, subject, actions)
        for action, views in positions_2d[subject].items():
            if actions is not None and not action.startswith(tuple(actions)):
                continue
            if labelled and action not in positions_3d[subject]:
                # HumanEva's 2D archives hold actions whose motion capture was not published.
                continue
            key = f"{subject}/{action}"
            if len(views) != len(cameras):
                raise InputError(
                    f"{path_2d}: {key}: holds {len(views)} cameras, {dataset.name} has {len(cameras)} for {subject}"
                )
            world = _kept_joints(dataset, path_3d, key, positions_3d[subject][action]) if labelled else None
            for index, (camera, view) in enumerate(zip(cameras, views, strict=True)):
                if world is not None and len(view) < len(world):
                    raise InputError(
                        f"{path_2d}: {key}: camera {index} has fewer frames than the motion: shape {view.shape}, "
                        f"{path_3d.name} has {world.shape}"
                    )
                view = view if world is None else view[: len(world)]
                require_finite(path_2d, f"{key}/{index}", view)
                sequences.append(_sequence(subject, action, index, camera, view, world))
    if not sequences:
        raise UsageError(
            f"no action of {', '.join(subjects)} starts with {', '.join(actions or ())}",
            f"{path_2d.name} holds {', '.join(sorted({a.split(' ')[0] for s in subjects for a in positions_2d[s]}))}",
        )
    return PoseDataset(dataset, layout, tuple(sequences), dataset.rate_hz)


def _sequence(
    subject: str, action: str, index: int, camera: DatasetCamera, view: np.ndarray, world: np.ndarray | None
) -> PoseSequence:
    screen = to_screen(view.astype(np.float64), camera.width, camera.height).astype(np.float32)
    if world is None:
        return PoseSequence(subject, action, index, screen, None, None, camera.intrinsics)
    seen = camera.to_camera(world)
    positions = (seen - seen[:, :1]).astype(np.float32)
    return PoseSequence(subject, action, index, screen, positions, seen[:, 0].astype(np.float32), camera.intrinsics)


def _cameras_of(dataset: Dataset, subject: str) -> tuple[DatasetCamera, ...]:
    try:
        return dataset.cameras(subject)
    except KeyError:
        raise UsageError(
            f"{dataset.name} has no subject {subject!r}",
            f"usual ones: {', '.join([*dataset.train_subjects, *dataset.test_subjects])}",
        ) from None


def _kept_joints(dataset: Dataset, path: Path, key: str, world: np.ndarray) -> np.ndarray:
    """(T, K, 3) of the dataset's (T, joints in file, 3); also of files that hold only the K."""
    require_finite(path, key, world)
    if world.shape[1] == dataset.joints_in_file:
        return world[:, list(dataset.kept)]
    if world.shape[1] == len(dataset.skeleton):
        return world
    raise InputError(
        f"{path}: {key}: expected {dataset.joints_in_file} joints of {dataset.name}, got shape {world.shape}"
    )


def _require_subject(path: Path, positions: Positions2D | Positions3D, subject: str) -> None:
    if subject not in positions:
        raise InputError(
            f"{path}: subject {subject} is missing (it holds {', '.join(positions)})",
            "choose others with --subjects, or prepare the file again (docs/datasets.md)",
        )


def _require_same_actions(
    path_2d: Path,
    positions_2d: Positions2D,
    path_3d: Path,
    positions_3d: Positions3D,
    subject: str,
    actions: Sequence[str] | None,
) -> None:
    wanted = [a for a in positions_3d[subject] if actions is None or a.startswith(tuple(actions))]
    missing = [action for action in wanted if action not in positions_2d[subject]]
    if missing:
        raise InputError(
            f"{path_2d}: {subject} lacks {', '.join(missing)}, which {path_3d.name} has "
            f"({len(positions_2d[subject])} and {len(positions_3d[subject])} actions)",
            "choose others with --actions, or prepare the file again (docs/datasets.md)",
        )
