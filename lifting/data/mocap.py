"""Motion-capture archives: 22 keypoints at 50 Hz, cut into clips, split by whole recordings.

Shape letters: F frames of all clips together, K = 22 keypoints.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from poses import H36M17, InputError
from poses.archive import read_npz

RATE_HZ = 50.0

KEYPOINTS = (*H36M17.joints, "nose", "left_eye", "right_eye", "left_ear", "right_ear")
"""Joints of Human3.6M in its order, then five points of the face."""

NAMES_IN_ARCHIVES = {"neck": "neck_nose", "head": "head_top"}

PARENTS = (*H36M17.parents, 9, 9, 9, 9, 9)


@dataclass(frozen=True)
class Clips:
    """Clips of one or several archives, one after the other.

    Attributes
    ----------
    joints_m : (F, K, 3) float32, world frame (z up, floor near 0), metres.
    start : (clips + 1,) int64, clip i is ``joints_m[start[i]:start[i + 1]]``.
    names : (clips,) ``archive/clip``.
    """

    joints_m: np.ndarray
    start: np.ndarray
    names: tuple[str, ...]

    def __len__(self) -> int:
        return len(self.names)

    def clip(self, index: int) -> np.ndarray:
        """(frames, K, 3) joints of one clip."""
        return self.joints_m[self.start[index] : self.start[index + 1]]

    def select(self, keep: Sequence[int]) -> Clips:
        """Only the clips of those indices, in that order."""
        parts = [self.clip(i) for i in keep]
        lengths = [len(part) for part in parts]
        return Clips(
            np.concatenate(parts) if parts else self.joints_m[:0],
            np.concatenate([[0], np.cumsum(lengths, dtype=np.int64)]),
            tuple(self.names[i] for i in keep),
        )


def load_archive(path: str | Path) -> Clips:
    """Read one archive (`joints` int16 millimetres, `clip_start`, `clip_name`, `keypoint`, `fps`).

    `InputError` names the file and what differs from the format.
    """
    path = Path(path)
    data = read_npz(path, required=["joints", "clip_start", "clip_name", "keypoint", "fps"])
    joints, start = data["joints"], data["clip_start"].astype(np.int64)
    if joints.ndim != 3 or joints.shape[1:] != (len(KEYPOINTS), 3):
        raise InputError(f"{path}: joints must have shape (frames, {len(KEYPOINTS)}, 3), got {joints.shape}")
    if joints.dtype.kind not in "iu":
        raise InputError(f"{path}: joints must be whole millimetres, got {joints.dtype}")
    if data["keypoint"].tolist() != [NAMES_IN_ARCHIVES.get(name, name) for name in KEYPOINTS]:
        raise InputError(
            f"{path}: the keypoints are not those of the format, in its order: {data['keypoint'].tolist()}"
        )
    if float(data["fps"]) != RATE_HZ:
        raise InputError(f"{path}: expected {RATE_HZ:g} frames per second, got {float(data['fps']):g}")
    fits = len(start) == len(data["clip_name"]) + 1 and start[0] == 0 and start[-1] == len(joints)
    if not fits or (np.diff(start) < 1).any():
        raise InputError(f"{path}: clip_start does not fit {len(data['clip_name'])} clips and {len(joints)} frames")
    names = tuple(f"{path.stem}/{name}" for name in data["clip_name"].tolist())
    return Clips(joints.astype(np.float32) / 1000, start, names)


def load_archives(folder: Path, archives: list[str]) -> Clips:
    """All clips of the named archives in `folder`; a folder of BVH files by that name serves as well."""
    return concatenate([_load(folder, name) for name in archives])


def concatenate(parts: Sequence[Clips]) -> Clips:
    """All clips of all parts, in their order; at least one part."""
    lengths = np.concatenate([np.diff(part.start) for part in parts])
    return Clips(
        np.concatenate([part.joints_m for part in parts]),
        np.concatenate([[0], np.cumsum(lengths)]),
        tuple(name for part in parts for name in part.names),
    )


def _load(folder: Path, name: str) -> Clips:
    path = folder / f"{name}.npz"
    if path.exists() or not (folder / name).is_dir():
        return load_archive(path)
    # It needs what stands above.
    from lifting.data.bvh import load_bvh_folder

    return load_bvh_folder(folder / name)


def is_held_out(name: str, share: float) -> bool:
    """Whether a clip belongs to the held-out share.

    Decided by a hash of the recording's name, so that adding archives moves no clip from one side to the other. The
    parts ``~1``, ``~2`` of one recording stay together, and so do numbered repetitions of one named motion
    (``mm_depositFloorR_019`` and ``_020``); plainly numbered recordings (``49_04``) stand each for itself.
    """
    archive, recording = name.split("~")[0].split("/", 1)
    motion = re.sub(r"([_ ]\d+)+$", "", recording)
    recording = f"{archive}/{motion if re.search('[a-zA-Z]', motion) else recording}"
    digest = hashlib.sha256(recording.encode()).digest()
    return int.from_bytes(digest[:8], "big") / 2**64 < share


def split(clips: Clips, share: float) -> tuple[Clips, Clips]:
    """(training, held-out) clips, by whole recordings."""
    held = [is_held_out(name, share) for name in clips.names]
    return (
        clips.select([i for i, h in enumerate(held) if not h]),
        clips.select([i for i, h in enumerate(held) if h]),
    )
