"""Human3.6M's poses from the forms in which they are handed out: the original CDF files, h36m.zip, published archives.

Shape letters: T frames; 32 joints.
"""

from __future__ import annotations

import io
import logging
import zipfile
import zlib
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from pathlib import Path, PurePosixPath

import numpy as np

from lifting.data.datasets import H36M, H36M_JOINTS
from lifting.data.reference_npz import Positions3D, read_positions_3d
from poses import InputError, UsageError

log = logging.getLogger(__name__)

SUBJECTS = (*H36M.train_subjects, *H36M.test_subjects)
FILES = 30
"""Files a subject: 15 actions, each twice."""

CORRUPT = ("S11", "Directions")
"""A recording that the field leaves out, because its video is damaged."""

_RENAMED = (("TakingPhoto", "Photo"), ("WalkingDog", "WalkDog"))


def from_cdf(source: Path, subjects: Sequence[str] = SUBJECTS) -> Positions3D:
    """Read `<source>/S1/MyPoseFeatures/D3_Positions/*.cdf`, as the dataset's own site hands them out.

    `InputError` names the folder or file; `UsageError` says how to install cdflib.
    """
    try:
        import cdflib
    except ImportError:
        raise UsageError("reading CDF files needs the package cdflib", "pip install cdflib") from None

    def pose(path: Path) -> np.ndarray:
        try:
            return np.asarray(cdflib.CDF(path).varget("Pose"))
        except (OSError, ValueError, KeyError, IndexError, EOFError, zlib.error) as error:
            raise InputError(f"{path}: not a readable CDF file with a variable Pose ({error})") from None

    positions: Positions3D = {}
    for subject in subjects:
        folder = source / subject / "MyPoseFeatures" / "D3_Positions"
        files = sorted(folder.glob("*.cdf"))
        _require_count(str(folder), ".cdf", len(files))
        positions[subject] = dict(
            _actions(subject, ((path.stem, str(path), partial(pose, path)) for path in files), _frames_first)
        )
    return positions


def from_h5(source: Path, subjects: Sequence[str] = SUBJECTS) -> Positions3D:
    """Read `h36m/S1/MyPoses/3D_positions/*.h5` from h36m.zip, or from the folder that it was unpacked into.

    The form of Martinez et al., ICCV 2017. `InputError` names the archive or file; `UsageError` says how to
    install h5py.
    """
    try:
        import h5py
    except ImportError:
        raise UsageError("reading h5 files needs the package h5py", "pip install h5py") from None

    def pose(name: str, read: Callable[[], bytes]) -> np.ndarray:
        try:
            with h5py.File(io.BytesIO(read()), "r") as file:
                return np.asarray(file["3D_positions"])
        except (OSError, KeyError, zipfile.BadZipFile, zlib.error) as error:
            raise InputError(f"{name}: not a readable h5 file with 3D_positions ({error})") from None

    def all_files() -> Iterator[tuple[PurePosixPath, str, Callable[[], bytes]]]:
        if source.is_dir():
            for path in sorted(source.rglob("*.h5")):
                yield PurePosixPath(path.relative_to(source).as_posix()), str(path), path.read_bytes
        else:
            for name in sorted(archive.namelist()):
                yield PurePosixPath(name), f"{source}:{name}", partial(archive.read, name)

    if not source.is_dir():
        try:
            archive = zipfile.ZipFile(source)
        except (OSError, zipfile.BadZipFile) as error:
            raise InputError(f"{source}: neither a folder nor a readable zip archive ({error})") from None
    files = list(all_files())
    positions: Positions3D = {}
    for subject in subjects:
        own = [f for f in files if f[0].suffix == ".h5" and f[0].parts[-4:-1] == (subject, "MyPoses", "3D_positions")]
        _require_count(f"{source}: {subject}/MyPoses/3D_positions", ".h5", len(own))
        found = ((path.stem, name, partial(pose, name, read)) for path, name, read in own)
        positions[subject] = dict(_actions(subject, found, _frames_last))
    return positions


def from_npz(source: Path) -> Positions3D:
    """Read `data_3d_h36m.npz` in either of its forms."""
    positions = read_positions_3d(source)
    for subject, actions in positions.items():
        for action, array in actions.items():
            if array.shape[1] != H36M_JOINTS:
                raise InputError(
                    f"{source}: {subject}/{action}: expected {H36M_JOINTS} joints, got shape {array.shape}"
                )
    return positions


def _actions(
    subject: str,
    files: Iterator[tuple[str, str, Callable[[], np.ndarray]]],
    order: Callable[[str, np.ndarray], np.ndarray],
) -> Iterator[tuple[str, np.ndarray]]:
    """(action, (T, 32, 3) metres) of each (action as the file is called, file, reader of its millimetres)."""
    for action, name, read in files:
        # The zip archive of Martinez et al. writes spaces as they are; some copies of it have underscores.
        canonical = action.replace("_", " ")
        for theirs, ours in _RENAMED:
            canonical = canonical.replace(theirs, ours)
        if (subject, canonical) == CORRUPT:
            log.info("%s: left out, its video is damaged", name)
            continue
        yield canonical, (order(name, read()) / 1000).astype(np.float32)


def _frames_first(name: str, array: np.ndarray) -> np.ndarray:
    """CDF: (1, T, 96)."""
    if array.ndim not in (2, 3) or array.shape[-1] != 3 * H36M_JOINTS or array.size == 0:
        raise InputError(f"{name}: Pose: expected shape (1, frames, {3 * H36M_JOINTS}), got {array.shape}")
    return array.reshape(-1, H36M_JOINTS, 3)


def _frames_last(name: str, array: np.ndarray) -> np.ndarray:
    """h5: (96, T)."""
    if array.ndim != 2 or array.shape[0] != 3 * H36M_JOINTS or array.size == 0:
        raise InputError(f"{name}: 3D_positions: expected shape ({3 * H36M_JOINTS}, frames), got {array.shape}")
    return array.reshape(H36M_JOINTS, 3, -1).transpose(2, 0, 1)


def _require_count(where: str, suffix: str, count: int) -> None:
    if count != FILES:
        raise InputError(
            f"{where}: expected {FILES} {suffix} files (15 actions, each twice), found {count}",
            "check the path, unpack the archive again, or choose other --subjects",
        )
