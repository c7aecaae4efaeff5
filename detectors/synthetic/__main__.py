"""Draw clips of synthetic people: python -m detectors.synthetic --output DIR [--motion ARCHIVE ...] [--clips N]."""

from __future__ import annotations

import argparse
import logging
import re
import sys
import time
from pathlib import Path

from detectors.synthetic.export import ExportOptions, export_clips
from detectors.synthetic.motion import load_archives
from detectors.synthetic.stage import ClipOptions
from poses import UsageError
from poses.commands import run_command


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m detectors.synthetic", description=__doc__)
    parser.add_argument("--output", "-o", type=Path, required=True, help="folder to write to")
    parser.add_argument(
        "--motion", nargs="*", default=[], metavar="ARCHIVE",
        help="motion-capture archives (npz) or folders of them; without: built-in walking, waving, squatting, turning",
    )  # fmt: skip
    parser.add_argument("--clips", type=int, default=4, help="how many clips (default 4)")
    parser.add_argument("--frames", type=int, default=50, help="frames a clip (default 50)")
    parser.add_argument("--fps", type=float, default=25.0, help="frames a second (default 25)")
    parser.add_argument("--every", type=int, default=1, help="write every N-th frame as a picture (default 1)")
    parser.add_argument("--size", default="320x240", metavar="WxH", help="pixels (default 320x240)")
    parser.add_argument("--people", type=int, default=2, help="people a clip (default 2)")
    parser.add_argument("--occluders", type=int, default=1, help="at most so many boxes before people (default 1)")
    parser.add_argument("--seed", type=int, default=0, help="of the first clip; the same seed gives the same files")
    parser.add_argument("--format", choices=("jpg", "png"), default="jpg", help="of the pictures (default jpg)")
    parser.add_argument("--no-video", action="store_true", help="write no MP4 files")
    return parser


def run(arguments: list[str] | None = None) -> None:
    """Parse arguments and draw. `UsageError` and `InputError` as everywhere."""
    options = _parser().parse_args(arguments)
    size = re.fullmatch(r"(\d+)x(\d+)", options.size)
    if not size:
        raise UsageError(f"--size takes width x height in pixels, got {options.size!r}", "for example --size 320x240")
    for name in ("clips", "every"):
        if getattr(options, name) < 1:
            raise UsageError(f"--{name} must be at least 1, got {getattr(options, name)}")
    if options.seed < 0:
        raise UsageError(f"--seed must not be negative, got {options.seed}")
    clip_options = ClipOptions(
        int(size[1]), int(size[2]), options.frames, options.fps, options.people, options.occluders
    )
    if not options.no_video and (clip_options.width % 2 or clip_options.height % 2):
        raise UsageError(f"MP4 needs even sizes, got {options.size}", "change --size, or add --no-video")
    motions = load_archives(options.motion) if options.motion else None
    start_s = time.perf_counter()
    written = export_clips(
        options.output, motions, clip_options,
        ExportOptions(options.clips, options.seed, options.every, options.format, not options.no_video),
    )  # fmt: skip
    rate = options.clips * options.frames / (time.perf_counter() - start_s)
    sys.stdout.write(
        f"{options.output}: {options.clips} clips, {written['pictures']} pictures, {written['people']} people "
        f"({rate:.1f} frames a second)\n"
    )


def main(arguments: list[str] | None = None) -> int:
    """The command; gives its exit code."""
    logging.basicConfig(level=logging.INFO, format="%(levelname)s: %(message)s")
    return run_command(lambda: run(arguments))


if __name__ == "__main__":
    sys.exit(main())
