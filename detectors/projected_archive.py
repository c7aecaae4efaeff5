"""Projected keypoints of a dataset: `data_2d_<dataset>_<keypoints>.npz`, as `python -m lifting.data.prepare` writes it.

Both forms of docs/datasets.md are read: the published one, whose pickled dictionaries go through
`poses.restricted_pickle`, and the safe one, plain arrays named `S1/Walking/0`
(`poses.keypoint_archive`).

Shape letters: T frames, J joints.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from poses import InputError
from poses.keypoint_archive import KIND, Positions2D, nested_entries
from poses.restricted_pickle import read_plain_npz

_REMEDY = "python -m lifting.data.prepare h36m ... writes data_2d_h36m_gt.npz (docs/datasets.md)"


def read_projected(path: str | Path, joints: int) -> Positions2D:
    """Read an archive of `joints` keypoints. `InputError` names the file, the entry, and what was expected of it."""
    path = Path(path)
    entries = read_plain_npz(path, _REMEDY)
    if "positions_3d" in entries or str(entries.get("format")) == "positions_3d":
        raise InputError(f"{path}: holds 3D positions, expected keypoints projected into the cameras", _REMEDY)
    safe = str(entries.get("format")) == KIND
    nested: Any = nested_entries(path, entries, _REMEDY) if safe else entries.get("positions_2d")
    if not isinstance(nested, dict) or not nested:
        raise InputError(f"{path}: lacks positions_2d (it holds {', '.join(sorted(entries)) or 'nothing'})", _REMEDY)
    keypoints: Positions2D = {}
    for subject, actions in nested.items():
        if not isinstance(actions, dict):
            raise InputError(f"{path}: {subject}: expected its actions, got {type(actions).__name__}", _REMEDY)
        for action, cameras in actions.items():
            if not isinstance(cameras, list | tuple | np.ndarray) or not len(cameras):
                raise InputError(f"{path}: {subject}/{action}: expected one array a camera", _REMEDY)
            arrays = [_array(path, f"{subject}/{action}/{n}", a, joints) for n, a in enumerate(cameras)]
            keypoints.setdefault(str(subject), {})[str(action)] = arrays
    return keypoints


def _array(path: Path, key: str, value: Any, joints: int) -> np.ndarray:
    good = isinstance(value, np.ndarray) and value.dtype.kind == "f" and value.ndim == 3 and len(value)
    if not good or value.shape[1] != joints or value.shape[2] < 2:
        got = f"{value.dtype} of shape {value.shape}" if isinstance(value, np.ndarray) else type(value).__name__
        raise InputError(f"{path}: {key}: expected numbers of shape (frames, {joints}, 2), got {got}", _REMEDY)
    return np.ascontiguousarray(value[..., :2], np.float32)
