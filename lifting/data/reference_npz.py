"""The archives of the reference implementation: `data_3d_<dataset>.npz` and `data_2d_<dataset>_<keypoints>.npz`.

Two forms of the same content are read; which one a file has is seen from the file.

- The published form: pickled objects. `positions_3d` is a dictionary subject -> action -> array; `positions_2d` is
  subject -> action -> list of arrays, one a camera; `metadata` a dictionary. Read through `poses.restricted_pickle`, so
  that a file cannot run anything.
- The safe form, without pickles: `format` (`positions_3d` or `positions_2d`), arrays named `S1/Walking`, or
  `S1/Walking/0` for camera 0, and `metadata` as JSON text (`poses.keypoint_archive`).

Shape letters: T frames, J joints.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np

from poses import InputError
from poses.archive import write_atomically, write_npz
from poses.keypoint_archive import KIND, Positions2D, flat_entries, nested_entries
from poses.restricted_pickle import read_plain_npz

Positions3D = dict[str, dict[str, np.ndarray]]
"""subject -> action -> (T, J, 3) float32, world frame, metres."""

_REMEDY = "download it again, or prepare it again (docs/datasets.md)"


@dataclass(frozen=True)
class KeypointLayout:
    """How the 2D keypoints of an archive are ordered.

    Attributes
    ----------
    name : the archive's `layout_name`; empty where it gives none (ground truth, stacked hourglass).
    joints : J.
    left, right : indices of the joints that change places in a mirror image.
    """

    name: str
    joints: int
    left: tuple[int, ...]
    right: tuple[int, ...]

    def __post_init__(self) -> None:
        used = [*self.left, *self.right]
        if len(self.left) != len(self.right) or len(set(used)) != len(used):
            raise ValueError(f"keypoints_symmetry must pair different keypoints, got {self.left} and {self.right}")
        if not all(0 <= joint < self.joints for joint in used):
            raise ValueError(f"keypoints_symmetry names keypoints beyond the {self.joints} there are")

    @cached_property
    def mirror(self) -> np.ndarray:
        """(J,) int: the keypoint that takes each one's place in a mirror image."""
        twins = np.arange(self.joints)
        twins[[*self.left, *self.right]] = [*self.right, *self.left]
        return twins


def read_positions_3d(path: str | Path) -> Positions3D:
    """Read `data_3d_*.npz` in either form. `InputError` names the file, key and shapes."""
    content = _read(path, ["positions_3d"])
    return {
        subject: {action: _array(path, f"{subject}/{action}", value, 3) for action, value in actions.items()}
        for subject, actions in _subjects(path, content["positions_3d"])
    }


def read_positions_2d(path: str | Path) -> tuple[Positions2D, KeypointLayout]:
    """Read `data_2d_*.npz` in either form. `InputError` names the file, key and shapes."""
    content = _read(path, ["positions_2d", "metadata"])
    layout = _layout(path, content["metadata"])
    positions: Positions2D = {}
    for subject, actions in _subjects(path, content["positions_2d"]):
        positions[subject] = {}
        for action, cameras in actions.items():
            key = f"{subject}/{action}"
            if isinstance(cameras, np.ndarray):
                cameras = list(cameras)
            if not isinstance(cameras, list | tuple) or not cameras:
                raise InputError(f"{path}: {key}: expected one array a camera, got {_describe(cameras)}", _REMEDY)
            arrays = [_array(path, f"{key}/{index}", value, 2) for index, value in enumerate(cameras)]
            for index, array in enumerate(arrays):
                if array.shape[1] != layout.joints:
                    raise InputError(
                        f"{path}: {key}/{index}: the metadata say {layout.joints} keypoints, "
                        f"the array has shape {array.shape}",
                        _REMEDY,
                    )
            positions[subject][action] = arrays
    return positions, layout


def write_positions_3d(path: str | Path, positions: Mapping[str, Mapping[str, np.ndarray]], safe: bool = False) -> None:
    """Write `data_3d_*.npz`, in the published form or in the safe one, atomically; same content, same bytes."""
    if safe:
        arrays = {f"{subject}/{action}": a for subject, actions in positions.items() for action, a in actions.items()}
        write_npz(path, {"format": np.array("positions_3d"), **arrays})
    else:
        _write_published(path, positions_3d={subject: dict(actions) for subject, actions in positions.items()})


def write_positions_2d(
    path: str | Path,
    positions: Mapping[str, Mapping[str, Sequence[np.ndarray]]],
    layout: KeypointLayout,
    safe: bool = False,
) -> None:
    """Write `data_2d_*.npz`, in the published form or in the safe one, atomically; same content, same bytes."""
    metadata: dict[str, Any] = {"layout_name": layout.name} if layout.name else {}
    metadata |= {"num_joints": layout.joints, "keypoints_symmetry": [list(layout.left), list(layout.right)]}
    if safe:
        write_npz(path, flat_entries(positions, metadata))
    else:
        nested = {s: {a: list(cameras) for a, cameras in actions.items()} for s, actions in positions.items()}
        _write_published(path, positions_2d=nested, metadata=metadata)


def require_finite(path: str | Path, key: str, array: np.ndarray) -> None:
    """`InputError` that names the file, the key and the first frame of an array (T, J, ...) with NaN or infinity."""
    broken = np.flatnonzero(~np.isfinite(array).all(axis=tuple(range(1, array.ndim))))
    if len(broken):
        raise InputError(
            f"{path}: {key}: {len(broken)} of {len(array)} frames (the first is {broken[0]}) "
            f"hold NaN or infinity, shape {array.shape}",
            "fill or cut them, or leave the action out",
        )


def convert(source: str | Path, target: str | Path, safe: bool) -> None:
    """Rewrite an archive of either form in the safe form or in the published one."""
    if "positions_3d" in _read(source, []):
        write_positions_3d(target, read_positions_3d(source), safe)
    else:
        write_positions_2d(target, *read_positions_2d(source), safe)


def _write_published(path: str | Path, **content: Any) -> None:
    # NumPy pickles the dictionaries: that is the published form, and reading it is what restricted_pickle is for.
    write_atomically(path, lambda stream: np.savez_compressed(stream, **content))


def _read(path: str | Path, required: Sequence[str]) -> dict[str, Any]:
    """The entries of an archive in either form, nested as in the published form."""
    if not Path(path).exists():
        raise InputError(f"{path}: no such file", "see docs/datasets.md for where to get or how to make it")
    entries = read_plain_npz(path, _REMEDY)
    if "format" in entries:
        entries = _nest(path, entries)
    missing = [name for name in required if name not in entries]
    if missing:
        held = ", ".join(sorted(entries)) or "nothing"
        raise InputError(f"{path}: lacks {', '.join(missing)} (it holds {held})", _REMEDY)
    return entries


def _nest(path: str | Path, entries: Mapping[str, Any]) -> dict[str, Any]:
    """From the safe form's flat names to the published form's dictionaries."""
    kind = str(entries["format"])
    if kind == KIND:
        try:
            metadata = json.loads(str(entries["metadata"])) if "metadata" in entries else None
        except json.JSONDecodeError as error:
            raise InputError(f"{path}: metadata: not JSON ({error})", _REMEDY) from None
        return {KIND: nested_entries(path, entries, _REMEDY), "metadata": metadata}
    nested: dict[str, Any] = {}
    for name, array in entries.items():
        if name in ("format", "metadata"):
            continue
        if kind != "positions_3d" or "/" not in name:
            raise InputError(f"{path}: an array {name!r} does not belong in a file of {kind}", _REMEDY)
        subject, action = name.rsplit("/", 1)
        nested.setdefault(subject, {})[action] = array
    return {kind: nested}


def _subjects(path: str | Path, content: Any) -> Iterator[tuple[str, dict[str, Any]]]:
    if not isinstance(content, dict):
        raise InputError(f"{path}: expected a dictionary of subjects, got {_describe(content)}", _REMEDY)
    if not content:
        raise InputError(f"{path}: holds no subject", _REMEDY)
    for subject, actions in content.items():
        if not isinstance(subject, str) or not isinstance(actions, dict):
            raise InputError(f"{path}: {subject}: expected its actions, got {_describe(actions)}", _REMEDY)
        yield subject, actions


def _array(path: str | Path, key: str, value: Any, dimensions: int) -> np.ndarray:
    """(T, J, 3), or (T, J, 2) of keypoints, which may bring their scores: those are left out."""
    wide = isinstance(value, np.ndarray) and value.dtype.kind == "f" and value.ndim == 3 and value.shape[0] > 0
    if not wide or value.shape[2] not in ((3,) if dimensions == 3 else (2, 3)):
        wanted = "(frames, joints, 3)" if dimensions == 3 else "(frames, keypoints, 2)"
        raise InputError(f"{path}: {key}: expected an array of shape {wanted}, got {_describe(value)}", _REMEDY)
    return np.ascontiguousarray(value[..., :dimensions], dtype=np.float32)


def _layout(path: str | Path, metadata: Any) -> KeypointLayout:
    try:
        left, right = metadata["keypoints_symmetry"]
        return KeypointLayout(
            str(metadata.get("layout_name", "")),
            int(metadata["num_joints"]),
            tuple(int(joint) for joint in left),
            tuple(int(joint) for joint in right),
        )
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise InputError(
            f"{path}: metadata: expected num_joints and keypoints_symmetry ({type(error).__name__}: {error})", _REMEDY
        ) from None


def _describe(value: Any) -> str:
    return f"{value.dtype} of shape {value.shape}" if isinstance(value, np.ndarray) else type(value).__name__
