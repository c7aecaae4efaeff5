"""Errors of a lifter: on held-out motion-capture clips before unseen virtual cameras, or by the field's protocols.

python -m lifting.evaluate --lifter FILE --config configs/lifting/wild_81f.yaml --data ARCHIVES
python -m lifting.evaluate --dataset h36m --data DIR --keypoints cpn_ft_h36m_dbb --checkpoint FILE --architecture 3,3,3
"""

from __future__ import annotations

import argparse
import dataclasses
import json
import sys
from pathlib import Path

from lifting.data.datasets import DATASETS, get_dataset
from lifting.data.mocap import split
from lifting.data.sequences import load_dataset
from lifting.evaluate_clips import evaluate_clips, format_table
from lifting.evaluate_dataset import evaluate_sequences, format_summary, require_model, summarise
from lifting.fast import PRECISIONS, FastNetwork, check_precision
from lifting.lift import LiftOptions, check_adaptable
from lifting.lifter import Lifter
from lifting.recipe import load_recipe
from lifting.recipe_clips import recipe_clips
from lifting.reference_checkpoint import load_reference_checkpoint
from poses import UsageError
from poses.archive import write_atomically
from poses.commands import run_command


def evaluate_mocap(options: argparse.Namespace) -> None:
    """`--dataset mocap`: a lifter on held-out clips."""
    recipe = load_recipe(options.config, options.set)
    held_out = split(recipe_clips(recipe, options.data), recipe.held_out_share)[1]
    if not len(held_out):
        raise UsageError(f"{options.config}: held_out_share {recipe.held_out_share:g} holds no clip out")
    lifter = Lifter.load(options.lifter, options.device, options.precision)
    check_adaptable(lifter, LiftOptions(adapt=options.adapt))
    if not 0 <= options.steady_bones <= 1:
        raise UsageError(f"--steady-bones must lie between 0 and 1, got {options.steady_bones:g}")
    results = evaluate_clips(
        lifter,
        held_out,
        recipe,
        noisy=not options.exact_keypoints,
        missing_joints=options.missing_joints,
        steady_bones=options.steady_bones,
        adapted=options.adapt,
    )
    _write_json(options.json, results)
    print(format_table(results, options.by_action))


def evaluate_benchmark(options: argparse.Namespace) -> None:
    """`--dataset h36m` or `humaneva15`: a checkpoint by the protocols of `lifting.evaluate_dataset`."""
    dataset = get_dataset(options.dataset)
    subjects = _names(options.subjects, "--subjects") or list(dataset.test_subjects)
    actions = _names(options.actions, "--actions")
    data = load_dataset(dataset, options.data, options.keypoints, subjects, actions).downsample(options.downsample)
    widths = _widths(options.architecture)
    model = load_reference_checkpoint(options.checkpoint, options.causal, widths, options.dense or None).position
    require_model(options.checkpoint, model.architecture, data, options.channels)
    network = FastNetwork(model, options.precision, options.device)
    results = list(evaluate_sequences(network, data, flip=not options.no_test_time_augmentation))
    overall = summarise(results)
    by_subject = {s: summarise(r for r in results if r.subject == s) for s in subjects} if options.by_subject else {}
    content: dict[str, object] = {name: dataclasses.asdict(figures) for name, figures in overall.items()}
    if by_subject:
        content["by_subject"] = {
            subject: {name: dataclasses.asdict(figures) for name, figures in summary.items()}
            for subject, summary in by_subject.items()
        }
    content |= {"frames": data.frames, "precision": options.precision}
    _write_json(options.json, content)
    for subject, summary in by_subject.items():
        print(f"{subject}\n{format_summary(summary)}\n")
    title = f"{', '.join(subjects)}: {data.frames} frames, millimetres, computed in {options.precision}"
    print(f"{title}\n{format_summary(overall)}")


def _names(text: str | None, option: str) -> list[str] | None:
    """A list separated by commas; None for nothing or for ``*``."""
    if text is None or text == "*":
        return None
    names = [name.strip() for name in text.split(",") if name.strip()]
    if not names:
        raise UsageError(f"{option}: expected names separated by commas, got {text!r}")
    return names


def _widths(text: str | None) -> tuple[int, ...] | None:
    if text is None:
        return None
    try:
        return tuple(int(width) for width in text.split(","))
    except ValueError:
        raise UsageError(f"--architecture: expected filter widths such as 3,3,3, got {text!r}") from None


def _write_json(path: Path | None, content: object) -> None:
    if path is not None:
        text = json.dumps(content, indent=2) + "\n"
        write_atomically(path, lambda stream: stream.write(text.encode()))


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m lifting.evaluate", description=(__doc__ or "").split("\n\n")[0])
    parser.add_argument("--dataset", choices=["mocap", *DATASETS], default="mocap", help="default: mocap")
    parser.add_argument("--data", type=Path, required=True, help="folder with the archives (docs/datasets.md)")
    parser.add_argument("--json", type=Path, help="write the figures here too")
    parser.add_argument("--device", default="cpu", help="cpu or cuda[:i] (default: cpu)")
    parser.add_argument(
        "--precision",
        choices=PRECISIONS,
        default="fp32",
        help="of the matrix products: bf16 where CPU or GPU has it, fp16 on GPUs (default: fp32)",
    )
    mocap = parser.add_argument_group("with --dataset mocap")
    mocap.add_argument("--lifter", help="name of bundled weights, or a file")
    mocap.add_argument("--config", type=Path, help="the recipe: which clips, cameras and noise")
    mocap.add_argument("--exact-keypoints", action="store_true", help="project the true joints, without noise")
    mocap.add_argument(
        "--missing-joints", type=int, default=0, metavar="N", help="hide N keypoints, others in each clip"
    )
    mocap.add_argument(
        "--steady-bones",
        type=float,
        default=LiftOptions.steady_bones,
        metavar="SHARE",
        help="how far bones are brought to one length: 0 measures the networks alone, 1 what videos get (default)",
    )
    mocap.add_argument("--adapt", action="store_true", help="fit the lifter to each clip first, as for videos")
    mocap.add_argument("--by-action", action="store_true", help="a row for each action, too")
    mocap.add_argument("--set", metavar="NAME=VALUE", action="append", default=[], help="change a field of the recipe")
    group = parser.add_argument_group(f"with --dataset {' or '.join(DATASETS)}")
    group.add_argument("--keypoints", metavar="NAME", help="2D keypoints: data_2d_<dataset>_NAME.npz, for example gt")
    group.add_argument("--checkpoint", type=Path, help="weights in the reference implementation's form")
    group.add_argument(
        "--architecture", metavar="WIDTHS", help="its filter widths, for example 3,3,3,3,3 (default: found)"
    )
    group.add_argument("--channels", type=int, help="its channels (default: found)")
    group.add_argument("--causal", action="store_true", help="the checkpoint sees only frames up to the present one")
    group.add_argument("--dense", action="store_true", help="the checkpoint's convolutions are dense, not dilated")
    group.add_argument("--subjects", help="separated by commas (default: the usual test subjects)")
    group.add_argument("--actions", help="beginnings of actions, separated by commas (default: all)")
    group.add_argument("--downsample", type=int, default=1, metavar="N", help="keep every N-th frame")
    group.add_argument("--by-subject", action="store_true", help="a table for each subject, too")
    group.add_argument("--no-test-time-augmentation", action="store_true", help="do not average with the mirror image")
    return parser


def main(arguments: list[str] | None = None) -> int:
    """Command line; returns the exit code."""
    options = _parser().parse_args(arguments)
    run, needed = (
        (evaluate_mocap, ("lifter", "config"))
        if options.dataset == "mocap"
        else (evaluate_benchmark, ("keypoints", "checkpoint"))
    )

    def evaluate() -> None:
        missing = [f"--{name}" for name in needed if getattr(options, name) is None]
        if missing:
            raise UsageError(f"--dataset {options.dataset} needs {', '.join(missing)}")
        check_precision(options.precision, options.device)
        run(options)

    return run_command(evaluate)


if __name__ == "__main__":
    sys.exit(main())
