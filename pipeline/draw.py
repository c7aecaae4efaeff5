"""`python -m pipeline.draw out/clip -o clip.mp4 --layout stacked`: draw a finished result again, differently.

Nothing is detected or lifted; the poses come from the folder of the result, and the video from where its report says.
"""

from __future__ import annotations

import argparse
import dataclasses
import json
import math
import sys
import typing
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from pipeline.config import DecodeOptions, type_name
from pipeline.config_file import resolve_config
from pipeline.decode import VideoReader
from pipeline.place import Place
from pipeline.progress import Progress, QuietProgress, TerminalProgress
from poses import InputError, Poses3D, Tracks, UsageError, VideoInfo
from poses.commands import run_command
from poses.options import options_from_mapping
from render import Comparison, RenderOptions, compare, render_video
from render.outputs import format_of_output
from render.picture import Picture
from render.stills import check_still, contact_sheet, fullest_columns, write_still
from render.theme import load_theme

_FLAGS = {"camera": "--view-camera"}
_UNITS = ("_px", "_s", "_deg")
_SHEET_PICTURE_PX = 640

EXAMPLES = """\
examples:
  the 3D alone, turning, as an animation of 10 turns a minute
    python -m pipeline.draw out/clip -o clip.gif --layout scene --view-camera orbit --orbit 6 --width 640
  four views in light colours
    python -m pipeline.draw out/clip -o views.mp4 --views angle,front,side,top --theme light
  beside another result, or ground truth, of the same video
    python -m pipeline.draw out/clip -o compared.mp4 --compare other/clip --comparison beside
  one picture, and twelve on a sheet
    python -m pipeline.draw out/clip -o still.png --still 120
    python -m pipeline.draw out/clip -o sheet.jpg --sheet 12
"""


@dataclass(frozen=True)
class Drawing:
    """A finished result, and what of it is drawn where.

    Attributes
    ----------
    place : the result and its video.
    decode : the part of the video that the result is of.
    frames : those that are drawn, of the result's frames.
    """

    place: Place
    decode: DecodeOptions
    info: VideoInfo
    tracks: Tracks
    poses: Poses3D
    frames: range
    options: RenderOptions
    comparison: Comparison | None

    @contextmanager
    def images(self) -> Iterator[Iterator[np.ndarray] | None]:
        """The source's pictures of `frames`, one after the other; None where no video is shown."""
        if self.options.layout == "scene":
            yield None
            return
        times, after = self.info.timestamps_s, self.frames[-1] + 1
        end_s = float(times[after]) if after < len(times) else self.decode.end_s
        with VideoReader(self.place.source, float(times[self.frames[0]]), end_s) as reader:
            yield (self._checked(frame.image) for frame in reader)

    def _checked(self, image: np.ndarray) -> np.ndarray:
        height, width = image.shape[:2]
        if (width, height) != (self.info.width, self.info.height):
            raise InputError(
                f"{self.place.source}: {width}x{height} pixels, but the results are of a video with "
                f"{self.info.width}x{self.info.height}",
                "name the video that they were made from with --video",
            )
        return image


def build_parser() -> argparse.ArgumentParser:
    """The command line's grammar; the options of the picture are those of `RenderOptions`."""
    parser = argparse.ArgumentParser(
        prog="python -m pipeline.draw",
        description="Draw a finished result again, without detecting or lifting anything.",
        epilog=EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
        allow_abbrev=False,
    )
    parser.add_argument("result", type=Path, metavar="RESULT_FOLDER", help="folder of one video's results")
    parser.add_argument("-o", "--output", required=True, metavar="FILE", help="movie or picture to write")
    parser.add_argument("--video", type=Path, metavar="FILE", help="the video, where it has moved since")
    parser.add_argument(
        "--compare", type=Path, metavar="POSES", help="draw these poses too: poses3d.npz, or a folder that holds one"
    )
    parser.add_argument("--config", metavar="FILE", help="YAML whose section render: says what options below do not")
    part = parser.add_argument_group("which frames")
    part.add_argument("--start", type=float, metavar="SECONDS", help="begin at this time of the video")
    part.add_argument("--end", type=float, metavar="SECONDS", help="stop before this time of the video")
    part.add_argument("--frames", type=_frames, metavar="FIRST-LAST", help="from this frame to that one, of the result")
    kind = part.add_mutually_exclusive_group()
    kind.add_argument("--still", type=int, metavar="FRAME", help="one picture of this frame, as PNG or JPEG")
    kind.add_argument("--sheet", type=int, metavar="N", help="a sheet of N pictures, evenly spaced, as PNG or JPEG")
    look = parser.add_argument_group("picture (docs/rendering.md)")
    hints = typing.get_type_hints(RenderOptions)
    for field in dataclasses.fields(RenderOptions):
        text = field.metadata["help"].replace("%", "%%")
        if hints[field.name] is bool:
            look.add_argument(
                _flag(field.name), dest=field.name, action=argparse.BooleanOptionalAction, help=text, default=None
            )
            continue
        metavar = {int: "N", float: "N", str: "NAME"}.get(hints[field.name], "A,B")
        look.add_argument(_flag(field.name), dest=field.name, metavar=metavar, help=text)
    return parser


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command; returns 0, 1 where the result or the video cannot be used, 2 for wrong usage."""
    options = build_parser().parse_args(arguments)
    return run_command(lambda: _draw(options))


def _draw(arguments: argparse.Namespace) -> None:
    drawing = open_drawing(arguments)
    path = Path(arguments.output)
    progress = TerminalProgress(sys.stderr) if sys.stderr.isatty() else QuietProgress()
    if arguments.still is not None or arguments.sheet is not None:
        draw_stills(drawing, path, arguments.sheet)
    else:
        draw_movie(drawing, path, progress)
    sys.stdout.write(f"{path}\n")
    if drawing.comparison is not None and math.isfinite(drawing.comparison.mean_mm):
        found = drawing.comparison
        who = ", ".join(f"{mine} is {theirs}" for mine, theirs in sorted(found.people.items()))
        sys.stdout.write(f"mean joint distance {found.mean_mm:.1f} mm (people of {' in '.join(found.names)}: {who})\n")


def open_drawing(arguments: argparse.Namespace) -> Drawing:
    """Read the result and check what is asked for, before anything is drawn."""
    options = _options(arguments)
    folder: Path = arguments.result
    place = Place(Path(), folder.resolve().name, folder)
    if not place.poses.is_file():
        raise InputError(f"{folder}: holds no poses3d.npz", "name the folder of one video's results, such as out/clip")
    info, tracks, poses = VideoInfo.load(place.video), Tracks.load(place.tracks), Poses3D.load(place.poses)
    source, decode = _source(place, arguments.video, options)
    place = dataclasses.replace(place, source=source)
    output = Path(arguments.output)
    if output.exists() and output.resolve() in (
        p.resolve() for p in (source, place.poses, place.tracks, place.video, place.detections, place.report)
    ):
        raise UsageError(f"-o {arguments.output}: would take the place of what is drawn", "choose another name")
    if arguments.sheet is not None or arguments.still is not None:
        check_still(arguments.output)
    frames = _chosen(arguments, info)
    comparison = None
    if arguments.compare is not None:
        comparison = _compared(place, poses, arguments.compare, info.timestamps_s)
    return Drawing(place, decode, info, tracks, poses, frames, options, comparison)


def draw_movie(drawing: Drawing, path: Path, progress: Progress) -> None:
    """Write the movie of the chosen frames."""
    with (
        drawing.images() as images,
        progress.step(drawing.place.name, "render", len(drawing.frames)) as step,
    ):
        render_video(
            images,
            drawing.info.timestamps_s,
            drawing.tracks,
            drawing.poses,
            path,
            drawing.options,
            on_frame=step.advance,
            frames=drawing.frames,
            comparison=drawing.comparison,
            sound_of=drawing.place.source,
        )


def draw_stills(drawing: Drawing, path: Path, count: int | None) -> None:
    """Write one picture (the first of the frames), or a sheet of `count`, evenly spaced over the frames."""
    options, times = drawing.options, drawing.info.timestamps_s
    chosen = [drawing.frames[0]]
    if count is not None:
        chosen = [drawing.frames[i] for i in np.linspace(0, len(drawing.frames) - 1, count).round().astype(int)]
        # As large as in the sheet, so that text is not made smaller.
        options = dataclasses.replace(options, width_px=min(_SHEET_PICTURE_PX, options.width_px))
    size = (drawing.info.width, drawing.info.height)
    picture = Picture(size, times, drawing.tracks, drawing.poses, options, comparison=drawing.comparison)

    def pictures(images: Iterator[np.ndarray] | None) -> Iterator[np.ndarray]:
        for frame in drawing.frames:
            image = None if images is None else next(images, None)
            if image is None and images is not None:
                raise InputError(f"{drawing.place.source}: ends before frame {frame}", "run infer_video.py again")
            for _ in range(chosen.count(frame)):
                yield picture.draw(image, frame)

    with drawing.images() as images:
        if count is None:
            write_still(path, next(pictures(images)))
            return
        width_px = drawing.options.width_px
        columns = fullest_columns(count, width_px / picture.layout.width)
        theme = load_theme(options.theme)
        sheet = contact_sheet(pictures(images), times[chosen], columns, width_px, theme)
    write_still(path, sheet)


def _options(arguments: argparse.Namespace) -> RenderOptions:
    """Those of the configuration, then those of the command line; the format is what the output's ending says."""
    options = resolve_config(arguments.config).render
    values: dict[str, Any] = {}
    hints = typing.get_type_hints(RenderOptions)
    for name, hint in hints.items():
        given = getattr(arguments, name)
        if given is not None:
            values[name] = _parsed(given, hint, _flag(name))
    if arguments.still is None and arguments.sheet is None and "format" not in values:
        values["format"] = format_of_output(arguments.output)
    return options_from_mapping(RenderOptions, {**dataclasses.asdict(options), **values}, "command line")


def _parsed(given: Any, hint: Any, flag: str) -> Any:
    if hint in (int, float):
        try:
            return hint(given)
        except ValueError:
            raise UsageError(f"{flag} {given}: expected a {type_name(hint)}") from None
    if hint in (bool, str):
        return given
    return [item.strip() for item in given.split(",") if item.strip()]


def _flag(name: str) -> str:
    for unit in _UNITS:
        name = name.removesuffix(unit)
    return _FLAGS.get(name, "--" + name.replace("_", "-"))


def _frames(text: str) -> tuple[int, int]:
    first, _, last = text.partition("-")
    if not (first.isdigit() and last.isdigit() and int(first) <= int(last)):
        raise argparse.ArgumentTypeError(f"expected FIRST-LAST such as 30-90, got {text!r}")
    return int(first), int(last)


def _source(place: Place, video: Path | None, options: RenderOptions) -> tuple[Path, DecodeOptions]:
    """The video and the part of it that the result is of, by the report."""
    try:
        report = json.loads(place.report.read_text(encoding="utf-8"))
        source = Path(report["input"]["path"])
        decode = options_from_mapping(DecodeOptions, report["options"]["decode"], str(place.report))
    except (OSError, ValueError, KeyError, TypeError):
        source, decode = Path(), DecodeOptions()
    source = video or source
    if not source.is_file() and (options.layout != "scene" or options.sound):
        where = f"the video {source} is not there" if source.name else "its report does not say where the video is"
        raise InputError(f"{place.folder}: {where}", "name it with --video, or draw without it: --layout scene")
    return source, decode


def _chosen(arguments: argparse.Namespace, info: VideoInfo) -> range:
    """The frames that were asked for; `UsageError` where there are none."""
    times, last = info.timestamps_s, len(info) - 1
    asked = [arguments.still, *(arguments.frames or ())]
    for frame in asked:
        if frame is not None and not 0 <= frame <= last:
            raise UsageError(f"frame {frame} is not in the result", f"it has frames 0 to {last}")
    if arguments.still is not None:
        return range(arguments.still, arguments.still + 1)
    if arguments.sheet is not None and arguments.sheet < 1:
        raise UsageError(f"--sheet {arguments.sheet}: expected at least one picture")
    first, last = arguments.frames or (0, last)
    kept = np.arange(first, last + 1)
    if arguments.start is not None:
        kept = kept[times[kept] >= arguments.start]
    if arguments.end is not None:
        kept = kept[times[kept] < arguments.end]
    if len(kept) == 0:
        raise UsageError(
            "no frame lies in the span that was asked for", f"the result goes from {times[0]:.2f} to {times[-1]:.2f} s"
        )
    return range(int(kept[0]), int(kept[-1]) + 1)


def _compared(place: Place, poses: Poses3D, path: Path, timestamps_s: np.ndarray) -> Comparison:
    file = path / "poses3d.npz" if path.is_dir() else path
    named = file.resolve().parent.name if file.name == place.poses.name else file.stem
    names = (place.name, named) if named != place.name else (f"{named} (1)", f"{named} (2)")
    try:
        return compare(poses, Poses3D.load(file), timestamps_s, names)
    except InputError as error:
        named = error.problem if str(file) in error.problem else f"{file}: {error.problem}"
        raise InputError(named, error.remedy) from None


if __name__ == "__main__":
    sys.exit(main())
