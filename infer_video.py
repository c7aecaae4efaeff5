"""From videos to people in 3D: the command line. Parses arguments and tells how it went; `pipeline` does the work."""

from __future__ import annotations

import argparse
import dataclasses
import logging
import os
import sys
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from pipeline.batch import Outcome
    from pipeline.progress import Progress

EXIT_DONE, EXIT_FAILED, EXIT_INTERRUPTED = 0, 1, 130

EXAMPLES = """\
examples:
  one video, several, folders
    python infer_video.py clip.mp4 -o out/
    python infer_video.py clips/ more/*.mov -o out/ --people 2 --no-render
  a part of a video; the two people seen longest
    python infer_video.py clip.mp4 -o out/ --start 12.5 --end 20 --people 2
  a known camera (docs/cameras.md)
    python infer_video.py clip.mp4 -o out/ --fov 68 --pitch -12
    python infer_video.py clip.mp4 -o out/ --camera camera.yaml
  other detectors; keypoints that another program computed (docs/detectors.md)
    python infer_video.py --detector help
    python infer_video.py clip.mp4 -o out/ --detector file --keypoints clip.json
  any option of configs/default.yaml
    python infer_video.py clip.mp4 -o out/ --config mine.yaml --set render.width_px=1280
    python infer_video.py --print-config > mine.yaml
  also BVH for an animation program, and a page to turn the people in
    python infer_video.py clip.mp4 -o out/ --export bvh,html
  for another program: JSON lines on stdout
    python infer_video.py clip.mp4 -o out/ --json

Results lie in out/<name>/: video.npz, detections.npz, tracks.npz, poses3d.npz, <name>.mp4, report.json.
The same command again does only what is not up to date, and goes on where a killed run stopped.
Exit code: 0 all done, 1 some inputs failed, 2 wrong usage, 130 interrupted.
"""


class _VersionAction(argparse.Action):
    """Prints the version; looks it up only when asked, which keeps --help quick."""

    def __call__(self, parser: argparse.ArgumentParser, *_: Any, **__: Any) -> None:
        from pipeline.versions import PROJECT, project_version

        sys.stdout.write(f"{PROJECT} {project_version()}\n")
        parser.exit()


def _people(text: str) -> int | str:
    if text == "all":
        return text
    try:
        count = int(text)
    except ValueError:
        count = 0
    if count < 1:
        raise argparse.ArgumentTypeError(f"expected 'all' or a number of at least 1, got {text!r}")
    return count


def build_parser() -> argparse.ArgumentParser:
    """The command line's grammar."""
    parser = argparse.ArgumentParser(
        prog="infer_video.py",
        usage="%(prog)s INPUT [INPUT ...] -o FOLDER [options]",
        description="Turn videos into people in 3D: arrays with shapes and units, an MP4 to look at, a report.",
        epilog=EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
        allow_abbrev=False,
    )
    parser.add_argument(
        "inputs", nargs="*", metavar="INPUT", help="a video, a folder of videos, or a pattern like '*.mov'"
    )
    parser.add_argument("-o", "--output", metavar="FOLDER", help="where the results go, a folder for each video")
    parser.add_argument("--config", metavar="FILE", help="YAML with any of the options of configs/default.yaml")
    parser.add_argument(
        "--set",
        action="append",
        default=[],
        metavar="SECTION.NAME=VALUE",
        dest="assignments",
        help="set any option of the YAML; may be given several times and comes last",
    )
    parser.add_argument("--print-config", action="store_true", help="print all options as resolved, as YAML, and stop")
    parser.add_argument("--version", action=_VersionAction, nargs=0, help="print the version and stop")

    video = parser.add_argument_group("video and people")
    video.add_argument("--start", type=float, metavar="SECONDS", help="begin here instead of at the video's start")
    video.add_argument("--end", type=float, metavar="SECONDS", help="stop here instead of at the video's end")
    video.add_argument("--people", type=_people, metavar="all|N", help="keep the N people seen longest (all)")
    video.add_argument("--lifter", metavar="NAME|FILE", help="weights that lift to 3D: bundled, or a file (auto)")
    video.add_argument(
        "--adapt",
        action="store_true",
        default=None,
        help="first fit the lifter to this video: poses fall on the keypoints, bones keep their lengths",
    )

    detect = parser.add_argument_group("keypoints (docs/detectors.md)")
    detect.add_argument("--detector", metavar="NAME|help", help="what finds people; 'help' lists them (blazepose)")
    detect.add_argument(
        "--keypoints",
        metavar="FILE|FOLDER",
        help="for --detector file: keypoints computed elsewhere; a folder holds <video's name>.* for each video",
    )
    detect.add_argument("--detector-model", metavar="NAME", help="variant of the detector, such as m of rtmpose")
    detect.add_argument("--detector-weights", metavar="NAME|FILE", help="weights of the detector")
    detect.add_argument("--boxes", metavar="NAME", help="detector that finds the people for cpn, hourglass, mmpose")
    detect.add_argument(
        "--keypoint-decoding", metavar="soft|hard", help="heatmaps to places: expectation or best pixel"
    )
    detect.add_argument("--flip-test", action="store_true", default=None, help="average with the mirrored image")
    detect.add_argument("--min-score", type=float, metavar="0..1", help="drop people less sure than this")
    detect.add_argument("--max-people", type=int, metavar="N", help="keep the N best people of each frame")

    camera = parser.add_argument_group("camera (docs/cameras.md)")
    camera.add_argument("--camera", metavar="FILE", help="YAML or JSON with fx, fy, cx, cy in pixels, distortion")
    camera.add_argument("--fov", type=float, metavar="DEGREES", help="angle of view along the frame's longer side")
    camera.add_argument("--pitch", type=float, metavar="DEGREES", help="how far the camera looks up; negative for down")
    camera.add_argument(
        "--roll", type=float, metavar="DEGREES", help="how far verticals lean to the right in the picture"
    )

    run = parser.add_argument_group("run")
    run.add_argument("--device", metavar="auto|cpu|cuda[:i]", help="auto takes a GPU where there is one (auto)")
    run.add_argument(
        "--lift-precision",
        metavar="fp32|bf16|fp16",
        help="what the lifter computes in: bf16 where CPU or GPU has it, fp16 on GPUs (fp32)",
    )
    run.add_argument(
        "--export",
        type=lambda text: [name.strip() for name in text.split(",") if name.strip()],
        metavar="A,B",
        help="also write files for other programs: csv, json, html, html-video, bvh, glb, rerun, ... (docs/exports.md)",
    )
    run.add_argument("--no-render", action="store_true", help="write no MP4")
    run.add_argument("--force", action="store_true", help="run every stage again, up to date or not")
    run.add_argument("--json", action="store_true", help="progress and summary as JSON lines on stdout")
    volume = run.add_mutually_exclusive_group()
    volume.add_argument("-v", "--verbose", action="store_true", help="tell more, on stderr")
    volume.add_argument("-q", "--quiet", action="store_true", help="tell errors only")
    return parser


_FLAGS = {
    "start": "decode.start_s",
    "end": "decode.end_s",
    "people": "people",
    "detector": "detector",
    "keypoints": "detect.file",
    "detector_model": "detect.model",
    "detector_weights": "detect.weights",
    "boxes": "detect.boxes",
    "keypoint_decoding": "detect.keypoint_decoding",
    "flip_test": "detect.flip_test",
    "min_score": "detect.min_score",
    "max_people": "detect.max_people",
    "lifter": "lifter",
    "lift_precision": "lift.precision",
    "adapt": "lift.adapt",
    "camera": "camera.file",
    "fov": "camera.fov_deg",
    "pitch": "camera.pitch_deg",
    "roll": "camera.roll_deg",
    "device": "device",
    "export": "export",
}
"""Options of the command line that stand for one of the configuration."""


def config_flags(arguments: argparse.Namespace) -> dict[str, Any]:
    """The configuration values that were given as options of their own."""
    flags = {
        name: getattr(arguments, option) for option, name in _FLAGS.items() if getattr(arguments, option) is not None
    }
    if arguments.no_render:
        flags["movie"] = False
    return flags


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command; returns the exit code."""
    parser = build_parser()
    arguments = parser.parse_intermixed_args(argv)
    if arguments.detector == "help":
        _list_detectors()
        return EXIT_DONE
    if not arguments.print_config:
        if not arguments.inputs:
            parser.error("name at least one video or folder of videos")
        if not arguments.output:
            parser.error("say where the results go, for example -o out/")
    from poses.errors import UserError

    try:
        return _run(arguments)
    except KeyboardInterrupt:
        _tell_interrupted(arguments)
        return EXIT_INTERRUPTED
    except BrokenPipeError:
        # Whoever read our output has gone (`| head`); Python would complain once more when it closes stdout.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return EXIT_FAILED
    except UserError as error:
        if arguments.json:
            _json_line(sys.stdout, {"event": "error", "message": str(error)})
        sys.stderr.write(f"{parser.prog}: error: {error}\n")
        return error.exit_code


def _list_detectors() -> None:
    from detectors import detector_names, detector_summary

    width = max(map(len, detector_names()))
    sys.stdout.write("".join(f"{name:{width}}  {detector_summary(name)}\n" for name in detector_names()))


def _run(arguments: argparse.Namespace) -> int:
    from pipeline.config_file import document_config, resolve_config

    config = resolve_config(arguments.config, config_flags(arguments), arguments.assignments)
    if arguments.print_config:
        sys.stdout.write(document_config(config))
        return EXIT_DONE
    from pipeline.inputs import collect_inputs

    inputs, errors = collect_inputs(arguments.inputs)
    from pipeline.batch import run_batch

    progress = _make_progress(arguments)
    outcomes = run_batch(inputs, errors, arguments.output, config, arguments.force, progress)
    failed = sum(outcome.error is not None for outcome in outcomes)
    if arguments.json:
        progress.event("summary", failed=failed, inputs=[dataclasses.asdict(outcome) for outcome in outcomes])
    elif not arguments.quiet:
        sys.stdout.write("".join(f"{_summary_line(outcome)}\n" for outcome in outcomes if outcome.error is None))
        if failed:
            sys.stdout.write(f"{failed} of {len(outcomes)} inputs failed\n")
    return EXIT_FAILED if failed else EXIT_DONE


def _make_progress(arguments: argparse.Namespace) -> Progress:
    from pipeline.progress import BarAwareHandler, JsonProgress, LogProgress, TerminalProgress

    handler = BarAwareHandler(sys.stderr)
    handler.setFormatter(logging.Formatter("%(message)s"))
    quiet_level = logging.ERROR if arguments.quiet else logging.WARNING
    logging.basicConfig(level=quiet_level, handlers=[handler])
    level = logging.DEBUG if arguments.verbose else logging.ERROR if arguments.quiet else logging.INFO
    for room in ("poses", "detectors", "lifting", "render", "pipeline"):
        logging.getLogger(room).setLevel(level)
    if arguments.json:
        return JsonProgress(sys.stdout)
    if sys.stderr.isatty() and not arguments.quiet:
        return TerminalProgress(sys.stderr)
    return LogProgress()


def _summary_line(outcome: Outcome) -> str:
    people = "1 person" if outcome.people == 1 else f"{outcome.people or 'no'} people"
    state = "was up to date" if outcome.status == "cached" else f"{outcome.seconds:.1f} s"
    return f"{outcome.input}: {people}, results in {outcome.folder} ({state})"


def _tell_interrupted(arguments: argparse.Namespace) -> None:
    again = "the same command without --force" if arguments.force else "the same command"
    if arguments.json:
        _json_line(sys.stdout, {"event": "interrupted"})
    sys.stderr.write(f"\ninterrupted: {again} goes on where this run stopped\n")


def _json_line(stream: Any, value: dict[str, Any]) -> None:
    import json

    stream.write(json.dumps(value) + "\n")
    stream.flush()


if __name__ == "__main__":
    sys.exit(main())
