"""`python -m render.export poses3d.npz --to bvh -o walk.bvh`: a result as files that other programs open."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

from poses import Poses3D, Tracks, UsageError, VideoInfo
from poses.commands import run_command
from render.export.formats import FORMATS, export, format_of, get_format
from render.export.source import Source


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command; returns 0, 1 where the poses cannot be used, 2 for wrong usage."""
    formats = "\n".join(f"  {name:<10} {known.summary}" for name, known in FORMATS.items())
    parser = argparse.ArgumentParser(
        prog="python -m render.export",
        description="Write people in 3D as files for other programs.",
        epilog=f"formats:\n{formats}",
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("poses", type=Path, help="poses3d.npz of a run")
    parser.add_argument("--to", metavar="A,B", help="formats (default: what the ending of -o says)")
    parser.add_argument(
        "-o", "--output", type=Path, metavar="FILE", help="file to write (default: beside the poses, by their folder)"
    )
    options = parser.parse_args(arguments)
    return run_command(lambda: _export(options))


def _export(options: argparse.Namespace) -> None:
    if options.to is None and options.output is None:
        raise UsageError("neither --to nor -o was given", f"choose --to from {', '.join(FORMATS)}")
    names = [n.strip() for n in options.to.split(",")] if options.to else [format_of(options.output)]
    known = {name: get_format(name) for name in names}
    if options.output is not None and len(names) > 1 and options.output.suffix:
        raise UsageError(
            f"-o {options.output} is one file, but --to names {len(names)} formats", "leave its ending off"
        )
    poses = Poses3D.load(options.poses)
    tracks, video = options.poses.with_name("tracks.npz"), options.poses.with_name("video.npz")
    source = Source(
        poses,
        Tracks.load(tracks) if tracks.is_file() else None,
        VideoInfo.load(video) if video.is_file() else None,
    )
    for name in names:
        base = options.output or options.poses.with_name(options.poses.absolute().parent.name)
        path = base if base.name.endswith(known[name].suffix) else base.with_name(base.stem + known[name].suffix)
        for written in export(source, name, path):
            sys.stdout.write(f"{written}\n")


if __name__ == "__main__":
    sys.exit(main())
