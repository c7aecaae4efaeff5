"""Where frames go: the output formats by name, and opening one for writing."""

from __future__ import annotations

import os
from pathlib import Path

from poses import UsageError
from render.encode import FrameWriter, check_encoder
from render.gif import encode_gif
from render.movie import MP4, WEBM, MovieFormat, movie_encoder
from render.sequence import check_replaceable, sequence_encoder, split_pattern
from render.sound import Sound

OUTPUT_FORMATS: dict[str, tuple[str, str]] = {
    "mp4": (".mp4", "H.264 movie, with sound on request: plays everywhere"),
    "webm": (".webm", "VP9 movie, with sound on request: for web pages, free of patents"),
    "gif": (".gif", "endless animation of 256 colours without sound: for chats and README files"),
    "png": ("_frames", "folder of numbered PNG images with a table of their times, without loss"),
}
"""By name: the ending that file names get (for png, that of the folder's name) and a line for the user."""

MOVIE_FORMATS: dict[str, MovieFormat] = {"mp4": MP4, "webm": WEBM}
"""The formats that take sound."""


def format_of_output(path: str | Path) -> str:
    """The format that a name stands for; `UsageError` lists the endings there are.

    Numbered images are a name that ends in `_frames` or in a slash, or a pattern such as `walk/%06d.png`.
    """
    name = Path(path).name
    if str(path).endswith(os.sep) or ("%" in name and name.lower().endswith(".png")):
        return "png"
    for known, (ending, _) in OUTPUT_FORMATS.items():
        if name.lower().endswith(ending):
            return known
    endings = ", ".join(ending for ending, _ in OUTPUT_FORMATS.values())
    raise UsageError(
        f"{path}: no output format has this ending",
        f"known: {endings}, NAME/ or NAME/%06d.png for numbered images; or name the format",
    )


def open_output(
    path: str | Path,
    width: int,
    height: int,
    *,
    format: str | None = None,
    crf: float = 20.0,
    preset: str = "veryfast",
    sound: Sound | None = None,
) -> FrameWriter:
    """A context manager with `write(image, time_s)`; `path` appears when the block ends well, whole, or not at all.

    Parameters
    ----------
    path : the file or, for png, the folder (or pattern of names in it). An earlier sequence is replaced.
    width, height : of the frames in pixels.
    format : a name of `OUTPUT_FORMATS`; None takes it from the ending of `path`.
    crf, preset : see `render.movie.movie_encoder`; gif and png take no notice of them.
    sound : sound to put beside the frames. A source without sound is warned of and gives a silent file.

    Raises
    ------
    UsageError : an unknown format or ending, sound asked of a format without, a value out of range, a codec that
        FFmpeg lacks. All before the first frame is drawn.
    InputError : the sound's source cannot be opened; a folder in the way holds other files; later, from the writer:
        the folder cannot be written, the disk is full.
    """
    name = format_of_output(path) if format is None else format
    if name not in OUTPUT_FORMATS:
        raise UsageError(f"unknown output format {name!r}", f"known: {', '.join(OUTPUT_FORMATS)}")
    if name in MOVIE_FORMATS:
        return FrameWriter(path, width, height, movie_encoder(MOVIE_FORMATS[name], crf, preset, sound))
    if sound is not None:
        raise UsageError(
            f"{path}: {name} holds no sound", f"leave the sound out, or choose {' or '.join(MOVIE_FORMATS)}"
        )
    if name == "gif":
        check_encoder("gif", "choose another format")
        return FrameWriter(path, width, height, encode_gif)
    folder, pattern = split_pattern(Path(path))
    check_replaceable(folder, pattern)
    return FrameWriter(folder, width, height, sequence_encoder(pattern), folder=True)
