"""What a synthetic person does: joints over time, from motion-capture archives.

Shape letters: T frames.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from poses import H36M17, InputError
from poses.archive import read_npz
from poses.artifacts import require_shape

FACE_KEYPOINTS = 5
_ARCHIVE_KEYPOINTS = len(H36M17) + FACE_KEYPOINTS
SHORTEST_FRAMES = 10


@dataclass(frozen=True)
class Motion:
    """One person's joints over time. World frame: z up, the floor at 0, metres.

    Attributes
    ----------
    joints_m : (T, 17, 3) joints of `H36M17`.
    rate_hz : frames a second.
    face_m : (T, 5, 3) nose, left eye, right eye, left ear, right ear; None where unknown: the head then follows the
        shoulders and the line from the neck to its top.
    name : where it comes from.
    """

    joints_m: np.ndarray
    rate_hz: float
    face_m: np.ndarray | None = None
    name: str = ""

    def __post_init__(self) -> None:
        require_shape("Motion", "joints_m", self.joints_m, (None, len(H36M17), 3))
        if self.face_m is not None:
            require_shape("Motion", "face_m", self.face_m, (len(self.joints_m), FACE_KEYPOINTS, 3))
        if not len(self.joints_m) or not self.rate_hz > 0:
            raise ValueError(f"Motion: needs a frame and a rate, got {len(self.joints_m)} at {self.rate_hz} Hz")
        if not np.isfinite(self.joints_m).all():
            raise ValueError("Motion: joints_m must be finite in every frame")

    @property
    def duration_s(self) -> float:
        """From the first frame to the last."""
        return (len(self.joints_m) - 1) / self.rate_hz

    def at(self, times_s: np.ndarray) -> Motion:
        """The motion at other times, linear between frames; beyond its end it is played backwards, and so on."""
        period = 2 * max(self.duration_s, 1e-9)
        folded = np.abs((np.asarray(times_s) + period / 2) % period - period / 2)
        place = np.clip(folded * self.rate_hz, 0, len(self.joints_m) - 1)
        low = np.floor(place).astype(int)
        high = np.minimum(low + 1, len(self.joints_m) - 1)
        part = (place - low)[:, None, None]

        def mix(points: np.ndarray) -> np.ndarray:
            return (1 - part) * points[low] + part * points[high]

        step_s = float(np.median(np.diff(times_s))) if len(times_s) > 1 else 1 / self.rate_hz
        face = None if self.face_m is None else mix(self.face_m.astype(np.float64))
        return Motion(mix(self.joints_m.astype(np.float64)), 1 / max(step_s, 1e-9), face, self.name)

    def placed(self, heading_rad: float, at_m: tuple[float, float], scale: float = 1.0) -> Motion:
        """Scaled about the floor, turned about the vertical, its mean place moved to `at_m`."""
        cosine, sine = np.cos(heading_rad), np.sin(heading_rad)
        turn = scale * np.array([[cosine, -sine, 0], [sine, cosine, 0], [0, 0, 1]])
        middle = self.joints_m[:, 0].mean(axis=0) * [1, 1, 0]
        shift = np.array([*at_m, 0.0])
        moved = [None if p is None else (p - middle) @ turn.T + shift for p in (self.joints_m, self.face_m)]
        assert moved[0] is not None
        return Motion(moved[0], self.rate_hz, moved[1], self.name)


def load_motions(path: str | Path, shortest_frames: int = SHORTEST_FRAMES) -> list[Motion]:
    """Every clip of an archive: `joints` int16 millimetres (frames, 22, 3), `clip_start`, `clip_name`, `fps`.

    The format is described in docs/lifting.md. `InputError` names the file and what differs; it is also raised when no
    clip has `shortest_frames`.
    """
    path = Path(path)
    data = read_npz(path, required=["joints", "clip_start", "clip_name", "fps"])
    joints, start = data["joints"], data["clip_start"].astype(np.int64)
    if joints.ndim != 3 or joints.shape[1:] not in ((_ARCHIVE_KEYPOINTS, 3), (len(H36M17), 3)):
        raise InputError(
            f"{path}: joints must have shape (frames, {_ARCHIVE_KEYPOINTS} or {len(H36M17)}, 3), got {joints.shape}"
        )
    if (
        len(start) != len(data["clip_name"]) + 1
        or start[0] != 0
        or start[-1] != len(joints)
        or (np.diff(start) < 1).any()
    ):
        raise InputError(f"{path}: clip_start does not fit {len(data['clip_name'])} clips and {len(joints)} frames")
    rate_hz = float(data["fps"])
    if not rate_hz > 0:
        raise InputError(f"{path}: fps must be positive, got {rate_hz:g}")
    motions = []
    for name, first, end in zip(data["clip_name"].tolist(), start[:-1], start[1:], strict=True):
        if end - first >= shortest_frames:
            points = joints[first:end].astype(np.float32) / 1000
            face = points[:, len(H36M17) :] if points.shape[1] > len(H36M17) else None
            motions.append(Motion(points[:, : len(H36M17)], rate_hz, face, f"{path.stem}/{name}"))
    if not motions:
        raise InputError(f"{path}: holds no clip of {shortest_frames} frames or more")
    return motions


def load_archives(paths: Sequence[str | Path]) -> list[Motion]:
    """The clips of several archives; a folder stands for every `.npz` in it."""
    files: list[Path] = []
    for path in map(Path, paths):
        inside = sorted(path.glob("*.npz")) if path.is_dir() else [path]
        if not inside:
            raise InputError(f"{path}: the folder holds no .npz archive", "name an archive, or leave out --motion")
        files += inside
    return [motion for file in files for motion in load_motions(file)]
