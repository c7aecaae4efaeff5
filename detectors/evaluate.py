"""A detector against labelled pictures: OKS AP and AR, PCK, and the mean pixel error of each joint.

python -m detectors.evaluate --detector NAME --data annotations.json --images DIR [--keypoint-decoding soft hard]
"""

from __future__ import annotations

import argparse
import itertools
import logging
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

from detectors.base import KEYPOINT_DECODINGS, Detector, DetectorOptions, FrameDetections
from detectors.coco_data import PIXEL_MIDDLE, CocoImage, KeypointDataset, read_image
from detectors.coco_evaluation import average_precision, require_pycocotools
from detectors.coco_writing import write_json
from detectors.keypoint_scores import PCK_SHARE, KeypointScores
from detectors.registry import create_detector
from poses import Skeleton, UsageError
from poses.commands import run_command
from poses.conversion import convert_keypoints
from poses.options import options_from_mapping, parse_assignment

BATCH = 8

_COLUMNS = (("AP", 1), ("AP50", 1), ("AP75", 1), ("AR", 1), ("pck", 1), ("found_share", 1),
            ("mean_error_px", 0), ("median_error_px", 0), ("frames_per_second", 0))  # fmt: skip


def in_skeleton(people: FrameDetections, source: Skeleton, target: Skeleton) -> FrameDetections:
    """The same people with the keypoints of another skeleton; `UsageError` lists the conversions there are."""
    if source == target:
        return people
    points, score = convert_keypoints(people.keypoints_px, people.keypoint_score, source, target)
    return FrameDetections(people.box_px, people.score, points, score)


def detect_images(detector: Detector, images: tuple[CocoImage, ...]) -> Iterator[tuple[CocoImage, FrameDetections]]:
    """Detections of every picture; pictures of one size that follow each other go in together, up to `BATCH`."""
    for _, group in itertools.groupby(images, key=lambda image: (image.width, image.height)):
        while batch := tuple(itertools.islice(group, BATCH)):
            frames = [read_image(image.path, image.width, image.height) for image in batch]
            yield from zip(batch, detector.detect(frames), strict=True)


def evaluate(detector: Detector, dataset: KeypointDataset, images: tuple[CocoImage, ...]) -> dict[str, Any]:
    """COCO's statistics, those of `KeypointScores.summary`, and `frames_per_second`, of one detector on `images`."""
    # A conversion that does not exist is better refused before the work.
    in_skeleton(FrameDetections.empty(len(detector.skeleton)), detector.skeleton, dataset.skeleton)
    labelled = dataset.by_image()
    scores = KeypointScores(dataset.skeleton)
    found: dict[int, FrameDetections] = {}
    start_s = time.perf_counter()
    for image, people in detect_images(detector, images):
        found[image.id] = in_skeleton(people, detector.skeleton, dataset.skeleton)
    elapsed_s = time.perf_counter() - start_s
    for image in images:
        samples = labelled[image.id]
        points = np.array([sample.keypoints_px for sample in samples], np.float32)
        points = points.reshape(-1, len(dataset.skeleton), 2) + PIXEL_MIDDLE
        boxes = np.array([sample.box_px for sample in samples], np.float32).reshape(-1, 4)
        scores.add(found[image.id].keypoints_px, points, boxes)
    precision = average_precision(dataset.path, found, dataset.skeleton)
    return {**precision, **scores.summary(), "frames_per_second": len(images) / max(elapsed_s, 1e-9)}


def format_table(results: dict[str, dict[str, Any]]) -> str:
    """One line a decoding; then the mean pixel error of each joint, one column a decoding."""
    names = list(results)
    lines = ["  ".join([f"{'decoding':<9}", *[f"{name:>17}" for name, _ in _COLUMNS]])]
    for name in names:
        cells = [_cell(results[name][column], 100.0 if percent else 1.0) for column, percent in _COLUMNS]
        lines.append("  ".join([f"{name:<9}", *[f"{cell:>17}" for cell in cells]]))
    lines.append(f"AP to found_share in percent; pck: within {PCK_SHARE:g} of the box's longer side")
    lines += ["", "  ".join([f"{'error_px':<16}", *[f"{name:>8}" for name in names]])]
    for joint in results[names[0]]["by_joint"]:
        cells = [_cell(results[name]["by_joint"][joint]["error_px"], 1.0) for name in names]
        lines.append("  ".join([f"{joint:<16}", *[f"{cell:>8}" for cell in cells]]))
    return "\n".join(lines)


def _cell(value: float | None, factor: float) -> str:
    return "-" if value is None else f"{factor * value:.2f}"


def detector_options(given: argparse.Namespace, decoding: str) -> DetectorOptions:
    """`DetectorOptions` from `--set name=value`, `--model`, `--weights` and a decoding."""
    values: dict[str, Any] = {"min_score": 0.05, "max_people": 20, "keypoint_decoding": decoding}
    values |= {name: getattr(given, name) for name in ("model", "weights") if getattr(given, name)}
    values |= dict(parse_assignment(text, example="flip_test=true") for text in given.set)
    return options_from_mapping(DetectorOptions, values, "--set")


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m detectors.evaluate", description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--detector", required=True, help="name of a detector")
    parser.add_argument("--data", type=Path, required=True, help="COCO-keypoints JSON")
    parser.add_argument("--images", type=Path, required=True, help="folder that its file names are relative to")
    parser.add_argument("--json", type=Path, metavar="OUT", help="also write the results here")
    parser.add_argument(
        "--keypoint-decoding", nargs="+", choices=KEYPOINT_DECODINGS, default=["soft"],
        help="soft, hard, or both: one line each (detectors without heatmaps give the same twice)",
    )  # fmt: skip
    parser.add_argument("--model", help="variant of the detector")
    parser.add_argument("--weights", help="file of weights, or a name of `python -m detectors.weights list`")
    parser.add_argument("--device", default="cpu", help="cpu, cuda, ... (default cpu)")
    parser.add_argument("--limit", type=int, help="only so many pictures, evenly chosen")
    parser.add_argument(
        "--set", action="append", default=[], metavar="NAME=VALUE",
        help="another option of the detector, such as flip_test=true (min_score is 0.05 here, for the recall)",
    )  # fmt: skip
    return parser


def run(arguments: list[str] | None = None) -> None:
    """Parse arguments and evaluate."""
    given = _parser().parse_args(arguments)
    if given.limit is not None and given.limit < 1:
        raise UsageError(f"--limit must be at least 1, got {given.limit}")
    require_pycocotools()
    dataset = KeypointDataset.load(given.data, given.images)
    images = dataset.images
    if given.limit and given.limit < len(images):
        images = tuple(images[i] for i in np.linspace(0, len(images) - 1, given.limit).round().astype(int))
    results: dict[str, dict[str, Any]] = {}
    for decoding in dict.fromkeys(given.keypoint_decoding):
        detector = create_detector(given.detector, given.device, detector_options(given, decoding))
        try:
            results[decoding] = evaluate(detector, dataset, images)
        finally:
            detector.close()
    if given.json:
        content = {"detector": given.detector, "data": str(given.data), "images": len(images), "results": results}
        write_json(given.json, content)
    sys.stdout.write(format_table(results) + "\n")


def main(arguments: list[str] | None = None) -> int:
    """The command; gives its exit code."""
    logging.basicConfig(level=logging.WARNING, format="%(levelname)s: %(message)s")
    return run_command(lambda: run(arguments))


if __name__ == "__main__":
    sys.exit(main())
