"""Writes motion-capture archives in the project's format, from the procedural walker."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

# As the format's description lists them, written out again so that a change of the reader's list shows.
NAMES = (
    "hip right_hip right_knee right_ankle left_hip left_knee left_ankle spine thorax neck_nose head_top left_shoulder "
    "left_elbow left_wrist right_shoulder right_elbow right_wrist nose left_eye right_eye left_ear right_ear"
)


def archive_arrays(clips: dict[str, np.ndarray]) -> dict[str, Any]:
    """Arrays of an archive that holds these clips (T, 22, 3), metres, by name."""
    lengths = [len(clip) for clip in clips.values()]
    return {
        "joints": np.round(1000 * np.concatenate(list(clips.values()))).astype(np.int16),
        "clip_start": np.concatenate([[0], np.cumsum(lengths)]).astype(np.int32),
        "clip_name": np.array(list(clips)),
        "keypoint": np.array(NAMES.split()),
        "fps": np.array(50),
    }


def write_archive(path: Path, clips: dict[str, np.ndarray]) -> Path:
    """Write them compressed, as the archives are; returns `path`."""
    np.savez_compressed(path, **archive_arrays(clips))
    return path
