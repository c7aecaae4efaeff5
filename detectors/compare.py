"""The same frames through several detectors: speed, agreement, jitter, missed frames, and a movie side by side.

python -m detectors.compare VIDEO --detectors a,b,c [--frames 150] -o DIR
"""

from __future__ import annotations

import argparse
import contextlib
import itertools
import logging
import sys
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from detectors.agreement import agreement, common_joints, jitter
from detectors.base import DetectorOptions, FrameDetections
from detectors.coco_writing import write_json
from detectors.movie import MovieWriter, read_movie
from detectors.panels import side_by_side
from detectors.registry import create_detector
from poses import InputError, Skeleton, UsageError
from poses.commands import run_command
from poses.options import options_from_mapping, parse_assignment

BATCH = 8


@dataclass(frozen=True)
class DetectorRun:
    """What one detector made of the frames.

    Attributes
    ----------
    name, skeleton : of the detector.
    frames : its detections, one a frame.
    start_s, detect_s : seconds until it was ready, and for all frames, decoding of the video not counted.
    """

    name: str
    skeleton: Skeleton
    frames: list[FrameDetections]
    start_s: float
    detect_s: float


def frames_of(video: Path, count: int, every: int) -> Iterator[tuple[float, np.ndarray]]:
    """(time, picture) of every n-th frame of a video, `count` of them at most."""
    return itertools.islice(itertools.islice(read_movie(video), 0, None, every), count)


def run_detector(name: str, device: str, options: DetectorOptions, video: Path, count: int, every: int) -> DetectorRun:
    """Send a video's frames through a detector in batches of `BATCH`."""
    begin_s = time.perf_counter()
    detector = create_detector(name, device, options)
    start_s, detect_s = time.perf_counter() - begin_s, 0.0
    found: list[FrameDetections] = []
    frames = frames_of(video, count, every)
    try:
        while batch := [image for _, image in itertools.islice(frames, BATCH)]:
            begin_s = time.perf_counter()
            found += detector.detect(batch)
            detect_s += time.perf_counter() - begin_s
        return DetectorRun(name, detector.skeleton, found, start_s, detect_s)
    finally:
        detector.close()


def summarise(runs: Sequence[DetectorRun]) -> dict[str, Any]:
    """`detectors`: figures of each; `agreement`: of each pair; both JSON-ready, None where there is nothing to measure.

    A frame is missed by a detector that finds nobody in it where another does; it is short where another finds more.
    """
    counts = np.array([[len(people) for people in run.frames] for run in runs])
    most = counts.max(axis=0, initial=0)
    detectors = {}
    for run, own in zip(runs, counts, strict=True):
        pixels, share = jitter(run.frames, run.skeleton)
        detectors[run.name] = {
            "frames": len(run.frames),
            "frames_per_second": len(run.frames) / run.detect_s if run.detect_s else None,
            "start_s": run.start_s,
            "people_a_frame": float(own.mean()) if len(own) else None,
            "missed_frames": int(((own == 0) & (most > 0)).sum()),
            "short_frames": int((own < most).sum()),
            "jitter_px": pixels,
            "jitter_of_size": share,
            "skeleton": run.skeleton.name,
        }
    pairs = []
    for first, second in itertools.combinations(runs, 2):
        oks, matched = agreement(first.frames, second.frames, first.skeleton, second.skeleton)
        joints = len(common_joints(first.skeleton, second.skeleton))
        pairs.append({"detectors": [first.name, second.name], "oks": oks, "matched_share": matched, "joints": joints})
    return {"detectors": detectors, "agreement": pairs}


def format_table(summary: dict[str, Any]) -> str:
    """Both tables as text."""
    columns = ("frames_per_second", "people_a_frame", "missed_frames", "short_frames", "jitter_px", "jitter_of_size")
    width = max([len("detector"), *map(len, summary["detectors"])])
    lines = ["  ".join([f"{'detector':<{width}}", *[f"{column:>17}" for column in columns]])]
    for name, row in summary["detectors"].items():
        lines.append("  ".join([f"{name:<{width}}", *[f"{_cell(row[column]):>17}" for column in columns]]))
    if summary["agreement"]:
        width = max(len(" / ".join(pair["detectors"])) for pair in summary["agreement"])
        lines += ["", "  ".join([f"{'agreement':<{width}}", f"{'oks':>8}", f"{'matched':>8}", f"{'joints':>8}"])]
        for pair in summary["agreement"]:
            cells = [_cell(pair[name]) for name in ("oks", "matched_share", "joints")]
            lines.append("  ".join([f"{' / '.join(pair['detectors']):<{width}}", *[f"{cell:>8}" for cell in cells]]))
    return "\n".join(lines)


def _cell(value: float | int | None) -> str:
    if value is None:
        return "-"
    return str(value) if isinstance(value, int) else f"{value:.4g}"


def write_movie(path: Path, runs: Sequence[DetectorRun], video: Path, count: int, every: int) -> None:
    """The frames once for each detector, with what it found."""
    writer: MovieWriter | None = None
    with contextlib.ExitStack() as stack:
        for frame, (time_s, image) in enumerate(frames_of(video, count, every)):
            picture = side_by_side(image, [(run.name, run.skeleton, run.frames[frame]) for run in runs])
            if writer is None:
                writer = stack.enter_context(MovieWriter(path, picture.shape[1], picture.shape[0]))
            writer.write(picture, time_s)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m detectors.compare", description=(__doc__ or "").splitlines()[0])
    parser.add_argument("video", type=Path)
    parser.add_argument("--detectors", required=True, help="names, separated by commas")
    parser.add_argument("--frames", type=int, default=150, help="at most so many frames (default 150)")
    parser.add_argument("--every", type=int, default=1, help="only every N-th frame (default 1)")
    parser.add_argument("--output", "-o", type=Path, required=True, help="folder for compare.json and compare.mp4")
    parser.add_argument("--device", default="cpu", help="cpu, cuda, ... (default cpu)")
    parser.add_argument("--no-video", action="store_true", help="write no compare.mp4")
    parser.add_argument(
        "--set", action="append", default=[], metavar="[DETECTOR.]NAME=VALUE",
        help="an option of all detectors, or of one, such as rtmpose.model=m",
    )  # fmt: skip
    return parser


def options_of(detector: str, settings: Sequence[str]) -> DetectorOptions:
    """`DetectorOptions` of one detector from `--set`: `name=value` holds for all, `detector.name=value` for one."""
    values: dict[str, Any] = {}
    for text in settings:
        name, value = parse_assignment(text, "[detector.]name=value", "rtmpose.model=m")
        owner, dot, own_name = name.partition(".")
        if not dot:
            values.setdefault(name, value)
        elif owner == detector:
            values[own_name] = value
    return options_from_mapping(DetectorOptions, values, "--set")


def run(arguments: list[str] | None = None) -> None:
    """Parse arguments and compare."""
    given = _parser().parse_args(arguments)
    names = [name.strip() for name in given.detectors.split(",") if name.strip()]
    if not names or len(set(names)) != len(names):
        raise UsageError(f"--detectors takes different names separated by commas, got {given.detectors!r}")
    for name in ("frames", "every"):
        if getattr(given, name) < 1:
            raise UsageError(f"--{name} must be at least 1, got {getattr(given, name)}")
    for text in given.set:
        owner, dot, _ = text.partition("=")[0].partition(".")
        if dot and owner not in names:
            raise UsageError(f"--set {text}: {owner!r} is not among the detectors", f"given: {', '.join(names)}")
    try:
        given.output.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise InputError(f"{given.output}: cannot be made ({error.strerror})", "choose another -o") from None
    options = {name: options_of(name, given.set) for name in names}
    runs = [run_detector(name, given.device, options[name], given.video, given.frames, given.every) for name in names]
    summary = {"video": str(given.video), "every": given.every} | summarise(runs)
    write_json(given.output / "compare.json", summary)
    if not given.no_video:
        write_movie(given.output / "compare.mp4", runs, given.video, given.frames, given.every)
    sys.stdout.write(format_table(summary) + "\n")


def main(arguments: list[str] | None = None) -> int:
    """The command; gives its exit code."""
    logging.basicConfig(level=logging.WARNING, format="%(levelname)s: %(message)s")
    return run_command(lambda: run(arguments))


if __name__ == "__main__":
    sys.exit(main())
