"""Make an archive of procedural motion: python -m lifting.data.procedural --hours 0.5 --seed 1 -o procedural.npz."""

from __future__ import annotations

import argparse
import logging
import sys
from pathlib import Path

import numpy as np

from lifting.data.bvh import Recording, archive_arrays
from lifting.data.mocap import KEYPOINTS, RATE_HZ, Clips
from lifting.data.procedural.actions import ACTIONS
from lifting.data.procedural.archive import make_archive
from lifting.data.procedural.sheet import write_sheet
from poses import InputError, UsageError
from poses.archive import write_npz
from poses.commands import run_command

LICENCE = "made by a program from no recording; free for any use (CC0 1.0)"


def arrays_of(clips: Clips) -> dict[str, np.ndarray]:
    """The arrays of a motion-capture archive (docs/datasets.md)."""
    recordings = []
    for index, name in enumerate(clips.names):
        clip = clips.clip(index)
        widths = [
            float(
                np.median(
                    np.linalg.norm(
                        clip[:, KEYPOINTS.index(f"left_{part}")] - clip[:, KEYPOINTS.index(f"right_{part}")], axis=-1
                    )
                )
            )
            for part in ("hip", "shoulder")
        ]
        recordings.append(Recording(name.split("/", 1)[1], (clip,), (widths[0], widths[1])))
    return archive_arrays(recordings, "procedural", LICENCE)


def _run(options: argparse.Namespace) -> None:
    if not 0 < options.hours <= 100:
        raise UsageError(f"--hours must be above 0 and at most 100, got {options.hours:g}")
    if options.seed < 0:
        raise UsageError(f"--seed must not be negative, got {options.seed}")
    actions = [name for name in options.actions.split(",") if name]
    unknown = [name for name in actions if name not in ACTIONS]
    if unknown or not actions:
        raise UsageError(f"--actions: {options.actions!r} is no list of actions", f"choose from {', '.join(ACTIONS)}")
    for path in (options.output, options.sheet):
        if path is not None and not path.parent.is_dir():
            raise InputError(f"{path}: its folder does not exist", "make it first, or choose another one")
    clips = make_archive(options.seed, options.hours, actions)
    write_npz(options.output, arrays_of(clips))
    sys.stdout.write(
        f"{options.output}: {len(clips)} clips, {len(clips.joints_m)} frames, "
        f"{len(clips.joints_m) / RATE_HZ / 3600:.2f} hours\n"
    )
    if options.sheet is not None:
        write_sheet(options.sheet, clips)
        sys.stdout.write(f"{options.sheet}\n")


def main(arguments: list[str] | None = None) -> int:
    """Command line; returns the exit code."""
    parser = argparse.ArgumentParser(prog="python -m lifting.data.procedural", description=__doc__)
    parser.add_argument("--hours", type=float, default=0.5, help="of motion, about (default: %(default)s)")
    parser.add_argument("--seed", type=int, default=1, help="the same seed gives the same archive (default: 1)")
    parser.add_argument("--actions", default=",".join(ACTIONS), metavar="NAMES", help="default: %(default)s")
    parser.add_argument("-o", "--output", type=Path, required=True, metavar="NPZ", help="archive to write")
    parser.add_argument("--sheet", type=Path, metavar="PNG", help="also write a contact sheet of every action")
    options = parser.parse_args(arguments)
    logging.basicConfig(level=logging.INFO, format="%(message)s")
    return run_command(lambda: _run(options))


if __name__ == "__main__":
    sys.exit(main())
