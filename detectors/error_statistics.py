"""How a detector errs: it looks at drawn people whose exact keypoints are known, the tracker cleans, and both are
compared with the truth.

python -m detectors.error_statistics --detector NAME --output statistics.json [--motion ARCHIVE ...] [--samples FILE]
"""

from __future__ import annotations

import argparse
import itertools
import logging
import sys
from pathlib import Path
from typing import Any

import numpy as np

from detectors.base import DetectorOptions
from detectors.coco_writing import write_json
from detectors.error_measures import QUANTILES, cut_windows, measure, missing, score_against_error
from detectors.error_samples import Motions, Sample, collect, pack, unpack
from detectors.registry import create_detector
from detectors.synthetic import load_motions
from poses import COCO17, UsageError
from poses.archive import read_npz, write_npz
from poses.commands import run_command

SMALL_PX = 90.0
"""Smaller people, as they would stand upright, are left out of all but the errors by size."""
_SIZE_BINS_PX = (40.0, 90.0, 150.0, 250.0, 1000.0)


def statistics(samples: list[Sample]) -> dict[str, Any]:
    """Everything that is measured, for JSON; `InputError` where too little was followed."""
    large = [sample for sample in samples if sample.height_px >= SMALL_PX]
    windows, _ = cut_windows(large)
    result = {
        "people": len(samples),
        "people_measured": len(large),
        "quantiles": list(QUANTILES),
        **measure(windows),
        "missing": missing(large),
        "score": score_against_error(large),
    }
    result["median_error_by_height_px"] = _by_size(samples)
    return result


def _by_size(samples: list[Sample]) -> list[dict[str, float]]:
    """Median error, and the share of keypoints more than a tenth of the height astray, in bins of the height."""
    rows = []
    for low, high in itertools.pairwise(_SIZE_BINS_PX):
        inside = [s for s in samples if low <= s.height_px < high]
        if not inside:
            continue
        error = np.concatenate([np.linalg.norm(s.error, axis=-1)[~s.outside] for s in inside])
        error = error[np.isfinite(error)]
        rows.append(
            {
                "from": low,
                "to": high,
                "people": len(inside),
                "median": round(float(np.median(error)), 4) if len(error) else float("nan"),
                "astray": round(float((error > 0.1).mean()), 4) if len(error) else float("nan"),
            }
        )
    return rows


def _without_nan(value: Any) -> Any:
    """The same with None for what could not be measured, as JSON has no NaN."""
    if isinstance(value, dict):
        return {key: _without_nan(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_without_nan(item) for item in value]
    return None if isinstance(value, float) and not np.isfinite(value) else value


def summary(result: dict[str, Any]) -> str:
    """What one wants to see first."""
    lines = [f"{result['people_measured']} people, {result['windows']} windows; errors in heights of the person", ""]
    heads = [f"{q:.0%}" for q in result["quantiles"]]
    lines.append("  ".join([f"{'joint':<9}", *[f"{head:>7}" for head in heads]]))
    for part, values in result["error_quantiles"].items():
        lines.append("  ".join([f"{part:<9}", *[f"{value:7.4f}" for value in values]]))
    lines += ["", "share of time with left and right exchanged, from behind, from the side, from the front:"]
    for kind, values in result["swaps"].items():
        lines.append("  ".join([f"{kind:<9}", *[f"{share:7.4f}" for share in values["by_view"].values()]]))
    bias = result["bias"]
    lines += ["", "bias, median and spread:"]
    for name in ("hip_width", "shoulder_width", "hip_shift", "shoulder_shift"):
        lines.append("  ".join([f"{name:<15}", *[f"{value:7.3f}" for value in bias[name]]]))
    return "\n".join(lines)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m detectors.error_statistics",
        description="How a detector and the tracker err, measured on drawn people with exact keypoints.",
    )
    parser.add_argument("--detector", default="blazepose", help="name of a detector (default blazepose)")
    parser.add_argument("--output", "-o", type=Path, required=True, help="JSON file to write")
    parser.add_argument(
        "--motion", nargs="*", type=Path, default=[], metavar="ARCHIVE",
        help="motion-capture archives (npz), each with the same share of the clips; without: built-in motion",
    )  # fmt: skip
    parser.add_argument("--clips", type=int, default=60, help="how many clips (default 60)")
    parser.add_argument("--frames", type=int, default=90, help="frames a clip (default 90)")
    parser.add_argument("--seed", type=int, default=0, help="of the first clip")
    parser.add_argument("--device", default="cpu", help="cpu, cuda, ... (default cpu)")
    parser.add_argument(
        "--samples", type=Path, metavar="FILE",
        help="npz file with all keypoints and truths: written, or read instead of drawing where it is there",
    )  # fmt: skip
    return parser


def run(arguments: list[str] | None = None) -> None:
    """Parse arguments, draw, detect and measure."""
    given = _parser().parse_args(arguments)
    for name, least in (("clips", 1), ("frames", 60), ("seed", 0)):
        if getattr(given, name) < least:
            raise UsageError(f"--{name} must be at least {least}, got {getattr(given, name)}")
    if given.samples and given.samples.exists():
        samples = unpack(read_npz(given.samples, required=list(pack([]))))
    else:
        motions: Motions = {path.stem: load_motions(path) for path in given.motion} or {"built-in": None}
        detector = create_detector(given.detector, given.device, DetectorOptions())
        try:
            if detector.skeleton != COCO17:
                raise UsageError(
                    f"detector {given.detector} gives keypoints of {detector.skeleton.name}, expected {COCO17.name}",
                    "choose another detector",
                )
            samples = collect(detector, motions, given.clips, given.frames, given.seed)
        finally:
            detector.close()
        if given.samples:
            write_npz(given.samples, pack(samples))
    result = {"detector": given.detector, **statistics(samples)}
    write_json(given.output, _without_nan(result))
    sys.stdout.write(summary(result) + f"\nwritten to {given.output}\n")


def main(arguments: list[str] | None = None) -> int:
    """The command; gives its exit code."""
    logging.basicConfig(level=logging.INFO, format="%(levelname)s: %(message)s")
    return run_command(lambda: run(arguments))


if __name__ == "__main__":
    sys.exit(main())
