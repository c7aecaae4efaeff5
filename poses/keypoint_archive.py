"""2D keypoints of whole videos as plain arrays: the safe form of the field's `data_2d_<dataset>_<keypoints>.npz`.

The published form nests pickled dictionaries: subject -> action -> a list of arrays, one a camera. The safe form holds
the same without a pickle: `format` (the text `positions_2d`), `metadata` (JSON text), and the arrays under flat names
such as `S1/Walking/0`, the last part being the camera's number.

Shape letters: T frames, J keypoints, N frames in which something is known.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from poses.errors import InputError

Positions2D = dict[str, dict[str, list[np.ndarray]]]
"""subject -> action -> for each camera (T, J, 2) float32, pixels."""

KIND = "positions_2d"
"""What the entry `format` of the safe form says."""


def flat_entries(
    positions: Mapping[str, Mapping[str, Sequence[np.ndarray]]], metadata: Mapping[str, Any]
) -> dict[str, np.ndarray]:
    """The entries of an archive in the safe form, for `poses.archive.write_npz`."""
    arrays = {
        f"{subject}/{action}/{camera}": array
        for subject, actions in positions.items()
        for action, cameras in actions.items()
        for camera, array in enumerate(cameras)
    }
    text = json.dumps(metadata, sort_keys=True)
    return {"format": np.array(KIND), "metadata": np.array(text), **arrays}


def nested_entries(path: str | Path, entries: Mapping[str, Any], remedy: str) -> Positions2D:
    """From the safe form's flat names to the published form's dictionaries; what the arrays hold is not looked at.

    `InputError` names the file and an array of another name, or an action that lacks a camera.
    """
    found: dict[str, dict[str, dict[int, np.ndarray]]] = {}
    for name, array in entries.items():
        parts = re.fullmatch(r"(.+)/([^/]+)/(\d+)", name)
        if parts:
            found.setdefault(parts[1], {}).setdefault(parts[2], {})[int(parts[3])] = array
        elif name not in ("format", "metadata"):
            raise InputError(f"{path}: an array {name!r} does not belong in a file of {KIND}", remedy)
    for subject, actions in found.items():
        for action, cameras in actions.items():
            if sorted(cameras) != list(range(len(cameras))):
                raise InputError(f"{path}: {subject}/{action}: cameras {sorted(cameras)} have gaps", remedy)
    return {
        subject: {action: [cameras[n] for n in sorted(cameras)] for action, cameras in actions.items()}
        for subject, actions in found.items()
    }


def mirrored_pairs(mirror: np.ndarray, sides: Sequence[str]) -> tuple[tuple[int, ...], tuple[int, ...]]:
    """Left joints and, in the same order, the right ones that they change places with: `keypoints_symmetry`.

    `mirror` (J,) and `sides` (J,) are a skeleton's.
    """
    left = tuple(joint for joint, side in enumerate(sides) if side == "left")
    return left, tuple(int(mirror[joint]) for joint in left)


def fill_frames(at: np.ndarray, keypoints_px: np.ndarray, frames: int) -> np.ndarray:
    """Keypoints (N, J, 2) known in frames `at` (N,), NaN where unknown, for all T frames; (T, J, 2) float32.

    Straight lines between known frames, held beyond both ends: the field's archives know no missing keypoints.
    `ValueError` when a keypoint is known in no frame.
    """
    filled = np.empty((frames, *keypoints_px.shape[1:]), np.float32)
    for joint in range(keypoints_px.shape[1]):
        known = np.isfinite(keypoints_px[:, joint]).all(axis=-1)
        if not known.any():
            raise ValueError(f"keypoint {joint} was found in no frame")
        for axis in range(2):
            filled[:, joint, axis] = np.interp(np.arange(frames), at[known], keypoints_px[known, joint, axis])
    return filled
