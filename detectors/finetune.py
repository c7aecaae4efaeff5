"""Fine-tune a 2D keypoint detector on a COCO-keypoints JSON, on one device or several (docs/finetuning.md).

python -m detectors.finetune --config configs/finetune/cpn_h36m.yaml --output RUN [--set name=value] [--resume]
torchrun --nproc-per-node 4 -m detectors.finetune --config ... --output RUN --device cuda
"""

from __future__ import annotations

import argparse
import logging
from pathlib import Path

import torch

from detectors.training.config import FinetuneConfig, config_from
from detectors.training.loop import train
from detectors.training.run import Trainee
from poses import InputError
from poses.commands import run_command
from poses.distributed import joined, leave
from poses.options import load_yaml

log = logging.getLogger("detectors.finetune")


def make_trainee(config: FinetuneConfig, device: str) -> Trainee:
    """The network of a configuration with its data; fresh weights depend on the seed alone.

    Raises
    ------
    UsageError : a package is missing, or an option cannot be served.
    InputError : annotations, images or weights that cannot be used.
    """
    # All networks draw their first weights from this generator.
    torch.manual_seed(config.seed)
    if config.architecture == "cpn":
        from detectors.training.cpn import CpnTrainee

        return CpnTrainee(config, device)
    from detectors.training.rcnn import RcnnTrainee

    if config.architecture == "keypointrcnn":
        from detectors.training.rcnn_torchvision import TorchvisionLibrary

        return RcnnTrainee(config, TorchvisionLibrary(config, device))
    from detectors.training.rcnn_detectron2 import Detectron2Library

    return RcnnTrainee(config, Detectron2Library(config, device))


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m detectors.finetune",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--config", type=Path, required=True, help="recipe, for example configs/finetune/cpn_h36m.yaml")
    parser.add_argument("--output", "-o", type=Path, required=True, help="folder of the run")
    parser.add_argument(
        "--set", action="append", default=[], metavar="NAME=VALUE", help="change an option of the configuration"
    )
    parser.add_argument("--resume", action="store_true", help="go on from the run's last checkpoint, if there is one")
    parser.add_argument("--device", default="cpu", help="cpu or cuda[:i] (default: cpu)")
    return parser


def run(options: argparse.Namespace) -> None:
    """Train as the command line says."""
    config = config_from(load_yaml(options.config), options.set, str(options.config))
    with joined(options.device) as ranks:
        if not ranks.is_main:
            logging.getLogger().setLevel(logging.ERROR)
        trainee = make_trainee(config, ranks.device)
        log.info("%s: %d examples, %d iterations", config.architecture, trainee.examples, config.total_iterations)
        if ranks.is_main:
            try:
                options.output.mkdir(parents=True, exist_ok=True)
            except OSError as error:
                problem = f"{options.output}: cannot make the folder ({error.strerror})"
                raise InputError(problem, "choose another --output") from None
        train(config, trainee, options.output, ranks, options.resume)
        log.info("weights: %s", options.output / "final.safetensors")


def main(arguments: list[str] | None = None) -> int:
    """Command line; returns the exit code."""
    options = _parser().parse_args(arguments)
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(message)s", datefmt="%H:%M:%S")
    return run_command(lambda: run(options))


if __name__ == "__main__":
    leave(main())
