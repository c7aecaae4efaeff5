"""Make the archives that training and evaluation read.

python -m lifting.data.prepare h36m --from cdf|h5|npz SOURCE --output DIR
python -m lifting.data.prepare humaneva SOURCE --output DIR
python -m lifting.data.prepare keypoints NAME SOURCE --output DIR
python -m lifting.data.prepare convert IN OUT [--published]
"""

from __future__ import annotations

import argparse
import logging
import sys
from pathlib import Path

from lifting.data import own_keypoints, prepare_h36m, prepare_humaneva
from lifting.data.datasets import DATASETS, H36M, HUMANEVA
from lifting.data.project_truth import H36M_LAYOUT, project_truth
from lifting.data.reference_npz import (
    KeypointLayout,
    Positions2D,
    Positions3D,
    convert,
    write_positions_2d,
    write_positions_3d,
)
from lifting.data.sequences import archive_paths
from poses import UsageError
from poses.commands import run_command

log = logging.getLogger("lifting.data.prepare")


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m lifting.data.prepare",
        description="Make the archives that training and evaluation read (docs/datasets.md).",
    )
    commands = parser.add_subparsers(dest="command", required=True)

    h36m = commands.add_parser("h36m", help="Human3.6M's poses and their exact projections")
    h36m.add_argument("--from", dest="form", choices=["cdf", "h5", "npz"], required=True, help="the form of SOURCE")
    h36m.add_argument("--subjects", default=",".join(prepare_h36m.SUBJECTS), help="default: %(default)s")

    humaneva = commands.add_parser("humaneva", help="HumanEva-I from its MATLAB export")

    keypoints = commands.add_parser(
        "keypoints", help="2D keypoints from this project's pipeline over Human3.6M's videos"
    )
    keypoints.add_argument("name", help="what --keypoints will call them")
    keypoints.add_argument("--dataset", choices=[*DATASETS], default=H36M.name, help="default: %(default)s")
    keypoints.add_argument("--subjects", default=",".join(prepare_h36m.SUBJECTS), help="default: %(default)s")

    for command in (h36m, humaneva, keypoints):
        command.add_argument("source", type=Path, metavar="SOURCE", help="folder or file to read")
        command.add_argument("--output", type=Path, required=True, help="folder to write the archives to")
        command.add_argument("--safe", action="store_true", help="write the form without pickles")

    conversion = commands.add_parser("convert", help="between the published form and the one without pickles")
    conversion.add_argument("source", type=Path, metavar="IN")
    conversion.add_argument("output", type=Path, metavar="OUT")
    conversion.add_argument("--published", action="store_true", help="write the published form (default: the safe one)")
    return parser


def _subjects(text: str) -> list[str]:
    subjects = [name for name in text.split(",") if name]
    unknown = [name for name in subjects if name not in (*prepare_h36m.SUBJECTS, "S2", "S3", "S4")]
    if unknown or not subjects:
        raise UsageError(f"--subjects: {text!r} is no list of Human3.6M's subjects", "for example S1,S5")
    return subjects


def _run(options: argparse.Namespace) -> None:
    if options.command == "convert":
        convert(options.source, options.output, safe=not options.published)
        return
    options.output.mkdir(parents=True, exist_ok=True)
    if options.command == "h36m":
        subjects = _subjects(options.subjects)
        if options.form == "npz":
            positions = prepare_h36m.from_npz(options.source)
        elif options.form == "cdf":
            positions = prepare_h36m.from_cdf(options.source, subjects)
        else:
            positions = prepare_h36m.from_h5(options.source, subjects)
        _write(H36M.name, options, "gt", positions, project_truth(positions), H36M_LAYOUT)
    elif options.command == "humaneva":
        positions, projections = prepare_humaneva.from_matlab(options.source)
        _write(HUMANEVA.name, options, "gt", positions, projections, prepare_humaneva.HUMANEVA_LAYOUT)
    else:
        if options.dataset != H36M.name:
            raise UsageError(
                f"keypoints of this project's pipeline cannot be prepared for {options.dataset}, whose videos have to "
                "be aligned with the motion capture by the dataset's own software",
                "use published detections, such as data_2d_humaneva15_detectron_pt_coco.npz (docs/datasets.md), or "
                "take your results as unlabelled_tracks (docs/training.md)",
            )
        keypoints, layout = own_keypoints.from_pipeline(options.source, _subjects(options.subjects))
        _write(H36M.name, options, options.name, None, keypoints, layout)


def _write(
    dataset: str,
    options: argparse.Namespace,
    keypoints_name: str,
    positions: Positions3D | None,
    keypoints: Positions2D,
    layout: KeypointLayout,
) -> None:
    path_3d, path_2d = archive_paths(DATASETS[dataset], options.output, keypoints_name)
    if positions is not None:
        write_positions_3d(path_3d, positions, options.safe)
        frames = sum(len(array) for actions in positions.values() for array in actions.values())
        log.info("%s: %d subjects, %d frames", path_3d, len(positions), frames)
    write_positions_2d(path_2d, keypoints, layout, options.safe)
    log.info("%s: %d subjects, %d keypoints", path_2d, len(keypoints), layout.joints)


def main(arguments: list[str] | None = None) -> int:
    """Command line; returns the exit code."""
    options = _parser().parse_args(arguments)
    logging.basicConfig(level=logging.INFO, format="%(message)s")
    return run_command(lambda: _run(options))


if __name__ == "__main__":
    sys.exit(main())
