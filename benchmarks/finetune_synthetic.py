"""Does fine-tuning learn? A small detector trained on rendered bodies and measured on others, soft against hard argmax.

python benchmarks/finetune_synthetic.py cpn --output RUN [--motion DIR] [--seconds 300]
python benchmarks/finetune_synthetic.py keypointrcnn --output RUN      (needs torchvision)

Prints a table in Markdown: error on held-out clips before and after, and the jitter from frame to frame.
"""

from __future__ import annotations

import argparse
import json
import logging
import time
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch

from detectors.base import KEYPOINT_DECODINGS
from detectors.coco_data import PIXEL_MIDDLE, KeypointDataset
from detectors.finetune import make_trainee
from detectors.synthetic.export import ExportOptions, export_clips
from detectors.synthetic.motion import load_archives
from detectors.synthetic.stage import ClipOptions
from detectors.training.config import FinetuneConfig, config_from
from detectors.training.cpn import CpnTrainee
from detectors.training.loop import train, train_step
from detectors.training.metrics import jitter_px
from detectors.training.rcnn import RcnnTrainee
from detectors.training.run import FinetuneRun
from poses.distributed import Ranks

WIDTH, HEIGHT = 192, 160
MOVING_FPS = 25.0
TEST_SEED = 1_000_000
TEST_CLIPS, TEST_FRAMES = 16, 25
TEST_MOTIONS = 0.1
"""Share of the motions that are kept for the test."""


@dataclass(frozen=True)
class Errors:
    """On held-out people in their true boxes, pixels of a picture of `WIDTH` x `HEIGHT`."""

    mean_px: float
    median_px: float
    jitter_px: float


def render(folder: Path, motion: list[Path], clips: int) -> None:
    """Pictures to train on (two a second), and clips of others at 25 frames a second to measure on."""
    motions = load_archives(motion) if motion else None
    train_motions = test_motions = motions
    if motions is not None:
        order = np.random.default_rng(TEST_SEED).permutation(len(motions))
        held_out = max(1, round(TEST_MOTIONS * len(motions)))
        test_motions, train_motions = ([motions[n] for n in part] for part in np.split(order, [held_out]))
    for name, motions, count, frames, fps, seed in (
        ("train", train_motions, clips, 8, 2.0, 0),
        ("test", test_motions, TEST_CLIPS, TEST_FRAMES, MOVING_FPS, TEST_SEED),
    ):
        if not (folder / name / "coco17.json").exists():
            options = ClipOptions(WIDTH, HEIGHT, frames, fps, people=1, occluders=1)
            export_clips(folder / name, motions, options, ExportOptions(count, seed, movie=False))


def recipe(architecture: str, folder: Path, skeleton: str, iterations: int, weights: str | None) -> FinetuneConfig:
    """The configuration of the proof; the learning rate falls twice."""
    steps = [round(0.65 * iterations), round(0.25 * iterations)]
    values: dict[str, object] = {
        "architecture": architecture,
        "skeleton": skeleton,
        "train_annotations": str(folder / f"train/{skeleton}.json"),
        "train_images": str(folder / "train/images"),
        "validation_annotations": str(folder / f"test/{skeleton}.json"),
        "validation_images": str(folder / "test/images"),
        "validation_people": 50,
        "iterations": [*steps, iterations - sum(steps)],
        "warmup_iterations": 20,
        "evaluate_every": max(1, iterations // 3),
        "colour": 0.2,
        "workers": 1,
    }
    if architecture == "cpn":
        values |= {
            "model": "small",
            "input_hw": [128, 96],
            "heatmap_sigmas": [2.4, 2.0, 1.7, 1.5],
            "batch": 16,
            "learning_rates": [2e-3, 5e-4, 1e-4],
            "scale": [0.85, 1.15],
            "rotation_degrees": 15.0,
        }
    else:
        values |= {
            "model": "resnet18",
            "keypoint_channels": [64, 64, 64],
            "proposals": 48,
            "image_sides": [HEIGHT],
            "image_side_max": WIDTH,
            "batch": 4,
            "optimiser": "adam",
            "learning_rates": [5e-4, 1.5e-4, 5e-5],
            "clip_gradient": 10.0,
        }
    if weights is not None:
        values |= {"weights": weights, "model": None, "learning_rates": [1e-3, 3e-4, 1e-4]}
    return config_from(values, [], "benchmark")


def measure(trainee: CpnTrainee | RcnnTrainee, dataset: KeypointDataset, clips: int) -> dict[str, Errors]:
    """Errors in the first `clips` with both decodings; the jitter is that of a person's joints from frame to frame."""
    images = dataset.images[: clips * TEST_FRAMES]
    shape = (len(images), len(dataset.skeleton), 2)
    truth = np.full(shape, np.nan)
    found = {decoding: np.full(shape, np.nan) for decoding in KEYPOINT_DECODINGS}
    row_of = {image.id: number for number, image in enumerate(images)}
    trainee.module.eval()
    with torch.no_grad():
        for index, sample in enumerate(dataset.samples):
            row = row_of.get(sample.image_id)
            if row is None:
                continue
            truth[row] = sample.keypoints_px + PIXEL_MIDDLE
            for decoding, points in trainee.locate(dataset.read_image(index), sample.box_px[None]).items():
                found[decoding][row] = points[0]
    results = {}
    for decoding, points in found.items():
        error = np.linalg.norm(points - truth, axis=-1)
        pairs = zip(np.split(points, clips), np.split(truth, clips), strict=True)
        jitter = float(np.mean([jitter_px(*pair) for pair in pairs]))
        results[decoding] = Errors(float(np.nanmean(error)), float(np.nanmedian(error)), jitter)
    return results


def seconds_an_iteration(config: FinetuneConfig) -> float:
    """Measured on a few iterations, the first of which is not counted."""
    run = FinetuneRun(config, make_trainee(config, "cpu"), Ranks())
    run.trainee.module.train()
    started = 0.0
    for step in range(6):
        if step == 1:
            started = time.monotonic()
        train_step(run, [run.trainee.prepare(place, step, place) for place in range(config.batch)])
    return (time.monotonic() - started) / 5


def main() -> None:
    """Render, train, measure."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("architecture", choices=("cpn", "keypointrcnn"))
    parser.add_argument("--output", type=Path, required=True, help="folder for pictures and weights")
    parser.add_argument("--motion", type=Path, nargs="*", default=[], help="motion-capture archives or their folder")
    parser.add_argument("--clips", type=int, default=400, help="rendered clips of 8 pictures to train on (400)")
    parser.add_argument("--skeleton", default="coco17", help="coco17 or h36m17 (coco17)")
    parser.add_argument("--weights", help="go on from these weights instead of from random ones (cpn)")
    parser.add_argument("--run", help="name of the run's folder below the output (architecture and skeleton)")
    parser.add_argument("--seconds", type=float, default=300.0, help="about how long to train (300)")
    parser.add_argument("--test-clips", type=int, default=TEST_CLIPS, help=f"clips to measure on ({TEST_CLIPS})")
    options = parser.parse_args()
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(message)s", datefmt="%H:%M:%S")
    render(options.output, options.motion, options.clips)
    trial = recipe(options.architecture, options.output, options.skeleton, 100, options.weights)
    iterations = max(20, round(options.seconds / seconds_an_iteration(trial)))
    config = recipe(options.architecture, options.output, options.skeleton, iterations, options.weights)
    test = KeypointDataset.load(options.output / f"test/{options.skeleton}.json", options.output / "test/images")
    trainee = make_trainee(config, "cpu")
    assert isinstance(trainee, CpnTrainee | RcnnTrainee)
    before = measure(trainee, test, options.test_clips)
    started = time.monotonic()
    output = options.output / (options.run or f"{options.architecture}-{options.skeleton}")
    output.mkdir(exist_ok=True)
    train(config, trainee, output)
    seconds = time.monotonic() - started
    after = measure(trainee, test, options.test_clips)
    print(f"\n{options.architecture}, {iterations} iterations of {config.batch} in {seconds:.0f} s\n")
    print("| | mean error px | median error px | jitter px a frame |\n|---|---|---|---|")
    for name, errors in (("before", before), ("after", after)):
        for decoding, figures in errors.items():
            values = " | ".join(f"{v:.2f}" for v in (figures.mean_px, figures.median_px, figures.jitter_px))
            print(f"| {name}, {decoding}-argmax | {values} |")
    print(f"\nerror of soft-argmax before / after: {before['soft'].mean_px / after['soft'].mean_px:.1f}")
    with torch.no_grad():
        print(json.dumps(trainee.evaluate()))


if __name__ == "__main__":
    main()
