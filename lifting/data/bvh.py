"""A folder of BVH files as a motion-capture archive: the user's own motion to train on.

python -m lifting.data.bvh FOLDER --output ARCHIVES [--units cm] [--up y] [--joints names.yaml]

writes ARCHIVES/<name of FOLDER>.npz, which `lifting.train` and `lifting.data.standin` take. The recipe of
`lifting.train` can also name the folder itself, where it lies among the archives.

Shape letters: T frames, K = 22 keypoints.
"""

from __future__ import annotations

import argparse
import logging
import sys
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from scipy.interpolate import CubicSpline

from lifting.data.bvh_file import BvhMotion, read_bvh
from lifting.data.bvh_joints import find_figure, load_joint_names, repair_cmu
from lifting.data.bvh_people import (
    LEG_M,
    METRES,
    UP_AXES,
    keypoints_m,
    leg_length_m,
    place,
    toes_point_back,
    widths_m,
)
from lifting.data.mocap import KEYPOINTS, NAMES_IN_ARCHIVES, RATE_HZ, Clips
from poses import InputError
from poses.archive import write_npz
from poses.commands import run_command

log = logging.getLogger("lifting.data.bvh")

JUMP_M = 0.15
"""Second difference of a keypoint at 50 Hz, above which a recording is cut."""

AROUND_JUMP_FRAMES = 8
SHORTEST_FRAMES = 25
MOST_JUMPS = 20

ANKLE_M = 0.08
"""Height of an ankle that stands, for Human3.6M's length of leg."""

_PLAUSIBLE_ANKLE_M = (0.02, 0.16)
_FARTHEST_M = 32.7
"""What 16 bits of millimetres hold."""


@dataclass(frozen=True)
class BvhOptions:
    """How files are read.

    Attributes
    ----------
    units : auto, a name of `METRES`, or metres a unit.
    up : auto, or one of `UP_AXES`.
    joints : names in the files of joints that the naming families do not know, see `lifting.data.bvh_joints`.
    """

    units: str = "auto"
    up: str = "auto"
    joints: dict[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Recording:
    """A file's clips: (T, K, 3) float32, metres, z up, the hip of the first frame at x = y = 0.

    `widths_m` are those between the hip joints and between the shoulders as recorded; `repaired` says whether
    `repair_cmu` changed the skeleton.
    """

    name: str
    clips: tuple[np.ndarray, ...]
    widths_m: tuple[float, float]
    repaired: bool = False


def bvh_files(folder: Path) -> list[Path]:
    """Every BVH file in and below a folder. `InputError` where there is none."""
    found = sorted(path for path in folder.rglob("*") if path.suffix.lower() == ".bvh" and path.is_file())
    if not found:
        raise InputError(f"{folder}: holds no .bvh file" if folder.is_dir() else f"{folder}: no such folder")
    return found


def read_recording(path: Path, name: str, options: BvhOptions) -> Recording:
    """Keypoints of one file at 50 Hz. `InputError` names the file, and the line where it is malformed."""
    content = read_bvh(path)
    motion = repair_cmu(content)
    if len(motion) < 2:
        raise InputError(f"{path}: a single frame is no motion")
    placed = place(motion, find_figure(motion, options.joints), options.units, options.up)
    if toes_point_back(placed):
        log.warning("%s: the toes point backwards; left and right may be exchanged (see --joints)", path)
    joints = at_rate(keypoints_m(placed), motion)
    floor = floor_m(joints, leg_length_m(placed))
    joints = joints - np.array([0.0, 0.0, floor])
    clips = tuple(centred(clip).astype(np.float32) for clip in cut(joints))
    if not clips:
        log.warning("%s: left out, it is too short or jumps too often", path)
    for clip in clips:
        if np.abs(clip).max() > _FARTHEST_M:
            raise InputError(f"{path}: goes {np.abs(clip).max():.0f} m away", "check --units, or cut the recording")
    return Recording(name, clips, widths_m(placed), motion is not content)


def at_rate(joints_m: np.ndarray, motion: BvhMotion) -> np.ndarray:
    """Joints (T, K, 3) at 50 Hz, by a cubic spline."""
    times_s = motion.frame_time_s * np.arange(len(joints_m))
    # Frame times are rounded in the files: 0.0333 is 30 Hz, and the last frame is not to be lost to that.
    count = int(np.floor(times_s[-1] * RATE_HZ * (1 + 1e-3) + 1e-9)) + 1
    at_s = np.minimum(np.arange(count) / RATE_HZ, times_s[-1])
    return np.asarray(CubicSpline(times_s, joints_m)(at_s))


def floor_m(joints_m: np.ndarray, leg_m: float) -> float:
    """Height of the floor: the file's own zero where the lower ankle's low height fits it, else from that height."""
    ankles = joints_m[:, [KEYPOINTS.index("left_ankle"), KEYPOINTS.index("right_ankle")], 2].min(axis=1)
    low, scale = float(np.percentile(ankles, 5)), leg_m / LEG_M
    fits = _PLAUSIBLE_ANKLE_M[0] * scale <= low <= _PLAUSIBLE_ANKLE_M[1] * scale
    return 0.0 if fits else low - ANKLE_M * scale


def cut(joints_m: np.ndarray) -> list[np.ndarray]:
    """Stretches without jumps, at least `SHORTEST_FRAMES` long; none of a recording with more than `MOST_JUMPS`."""
    jump = np.zeros(len(joints_m), bool)
    if len(joints_m) > 2:
        second = np.linalg.norm(np.diff(joints_m, n=2, axis=0), axis=-1).max(axis=1)
        jump[1:-1] = second > JUMP_M
    if jump.sum() > MOST_JUMPS:
        return []
    bad = np.convolve(jump, np.ones(2 * AROUND_JUMP_FRAMES + 1), "same") > 0 if jump.any() else jump
    edges = np.flatnonzero(np.diff(np.concatenate([[True], bad, [True]]).astype(int)))
    stretches = [joints_m[a:b] for a, b in zip(edges[::2], edges[1::2], strict=True)]
    return [stretch for stretch in stretches if len(stretch) >= SHORTEST_FRAMES]


def centred(joints_m: np.ndarray) -> np.ndarray:
    """With the first frame's hip at x = y = 0."""
    return joints_m - np.array([*joints_m[0, 0, :2], 0.0])


def read_folder(folder: Path, options: BvhOptions | None = None) -> list[Recording]:
    """Every recording of a folder that has clips, named by its path below it; `InputError` where none has."""
    recordings = []
    for path in bvh_files(folder):
        name = path.relative_to(folder).with_suffix("").as_posix().replace("~", "-")
        recording = read_recording(path, name, options or BvhOptions())
        if recording.clips:
            recordings.append(recording)
    repaired = sum(recording.repaired for recording in recordings)
    if repaired:
        log.info("%s: in %d conversions of CMU's the thorax bone was put back, forearms lengthened", folder, repaired)
    if not recordings:
        raise InputError(f"{folder}: no recording is long enough to train on ({SHORTEST_FRAMES / RATE_HZ:g} s)")
    return recordings


def load_bvh_folder(folder: Path, options: BvhOptions | None = None) -> Clips:
    """The clips of a folder, as `lifting.data.mocap.load_archive` gives those of an archive."""
    recordings = read_folder(folder, options)
    parts = [clip for recording in recordings for clip in recording.clips]
    return Clips(
        np.concatenate(parts),
        np.concatenate([[0], np.cumsum([len(part) for part in parts], dtype=np.int64)]),
        tuple(f"{folder.name}/{name}" for name in clip_names(recordings)),
    )


def clip_names(recordings: list[Recording]) -> list[str]:
    """Of each clip; ``~1``, ``~2`` mark the parts of a recording that was cut."""
    return [
        recording.name if len(recording.clips) == 1 else f"{recording.name}~{number}"
        for recording in recordings
        for number in range(1, len(recording.clips) + 1)
    ]


def archive_arrays(recordings: list[Recording], source: str, licence: str) -> dict[str, np.ndarray]:
    """The arrays of a motion-capture archive (docs/datasets.md)."""
    parts = [clip for recording in recordings for clip in recording.clips]
    widths = [recording.widths_m for recording in recordings for _ in recording.clips]
    return {
        "joints": np.round(1000 * np.concatenate(parts)).astype(np.int16),
        "clip_start": np.concatenate([[0], np.cumsum([len(part) for part in parts])]).astype(np.int32),
        "clip_name": np.array(clip_names(recordings)),
        "clip_source": np.array([source] * len(parts)),
        "raw_width": np.round(1000 * np.array(widths)).astype(np.int16),
        "keypoint": np.array([NAMES_IN_ARCHIVES.get(name, name) for name in KEYPOINTS]),
        "fps": np.array(int(RATE_HZ)),
        "delta": np.array(False),
        "source": np.array(source),
        "licence": np.array(licence),
    }


def _run(options: argparse.Namespace) -> None:
    joints = {} if options.joints is None else load_joint_names(options.joints)
    recordings = read_folder(options.folder, BvhOptions(options.units, options.up, joints))
    name = options.name or options.folder.resolve().name
    if not options.output.is_dir():
        raise InputError(f"{options.output}: no such folder", "make it first, or choose another --output")
    target = options.output / f"{name}.npz"
    write_npz(target, archive_arrays(recordings, name, options.licence))
    frames = sum(len(clip) for recording in recordings for clip in recording.clips)
    clips = sum(len(recording.clips) for recording in recordings)
    log.info("%s: %d recordings, %d clips, %.1f s", target, len(recordings), clips, frames / RATE_HZ)


def main(arguments: list[str] | None = None) -> int:
    """Command line; returns the exit code."""
    parser = argparse.ArgumentParser(
        prog="python -m lifting.data.bvh", description="Make a motion-capture archive of BVH files (docs/datasets.md)."
    )
    parser.add_argument("folder", type=Path, metavar="FOLDER", help="folder with the .bvh files, in and below it")
    parser.add_argument("--output", type=Path, required=True, help="folder of the archives")
    parser.add_argument("--name", help="of the archive (default: the folder's)")
    parser.add_argument("--units", default="auto", help=f"auto, {', '.join(METRES)}, or metres a unit (default: auto)")
    parser.add_argument("--up", default="auto", choices=["auto", *UP_AXES], help="axis that points up (default: auto)")
    parser.add_argument("--joints", type=Path, metavar="YAML", help="names of joints, such as 'left_hip: LeftUpLeg'")
    parser.add_argument("--licence", default="unknown", help="of the motion, kept in the archive (default: unknown)")
    options = parser.parse_args(arguments)
    logging.basicConfig(level=logging.INFO, format="%(message)s")
    return run_command(lambda: _run(options))


if __name__ == "__main__":
    sys.exit(main())
