"""A movie as a folder of numbered PNG images and a table of their times."""

from __future__ import annotations

import os
import re
from pathlib import Path

import cv2
import numpy as np

from poses import InputError, UsageError
from render.encode import Encode, Frames

PATTERN = "%06d.png"
"""Name of a frame's file, counted from 0."""

TIMES = "times.csv"
"""The table: columns `file` and `time_s`, the seconds of the source from which the frame is shown."""

_NUMBER = re.compile(r"%(0[1-9][0-9]*)?d")
_COMPRESSION = 1  # zlib's fastest: a tenth larger than the best, several times faster
_REMOVE = "remove it, or choose another name"


def png_bytes(image: np.ndarray, compression: int = _COMPRESSION) -> bytes:
    """(H, W, 3) uint8 BGR as a PNG file."""
    done, data = cv2.imencode(".png", image, [cv2.IMWRITE_PNG_COMPRESSION, compression])
    if not done:
        raise ValueError(f"an image of shape {image.shape} cannot be written as PNG")
    return data.tobytes()


def split_pattern(path: Path) -> tuple[Path, str]:
    """The folder and the pattern of file names: `walk/%04d.png` names both, any other path is a folder.

    `UsageError` for a pattern without exactly one number.
    """
    if "%" not in path.name:
        return path, PATTERN
    if len(_NUMBER.findall(path.name)) != 1 or path.name.count("%") != 1 or path.suffix.lower() != ".png":
        raise UsageError(f"{path}: expected one number in the name, such as {PATTERN}", "name a folder instead")
    if path.parent in (Path(), Path("/")):
        raise UsageError(f"{path}: numbered images go into a folder of their own", f"write NAME/{path.name}")
    return path.parent, path.name


def check_replaceable(folder: Path, pattern: str) -> None:
    """`InputError` where `folder` stands already and holds anything but an earlier sequence."""
    if not os.path.lexists(folder):
        return
    if folder.is_symlink() or not folder.is_dir():
        raise InputError(f"{folder}: expected a folder for images, there is a file or a link of that name", _REMOVE)
    prefix, suffix = _NUMBER.split(pattern)[0], _NUMBER.split(pattern)[-1]
    ours = re.compile(re.escape(prefix) + r"\d+" + re.escape(suffix))
    try:
        foreign = sorted(
            entry.name
            for entry in os.scandir(folder)
            if not (entry.is_file() and (entry.name == TIMES or ours.fullmatch(entry.name)))
        )
    except OSError as error:
        raise InputError(f"{folder}: cannot be read ({error.strerror})", "choose another name") from None
    if foreign:
        raise InputError(
            f"{folder}: the folder would be replaced, but holds other files too (such as {foreign[0]})", _REMOVE
        )


def sequence_encoder(pattern: str = PATTERN) -> Encode:
    """What writes the frames given to a `FrameWriter` into a folder."""

    def encode(folder: Path, frames: Frames) -> None:
        with open(folder / TIMES, "w", encoding="ascii", newline="\n") as table:
            table.write("file,time_s\n")
            for number, (image, time_s) in enumerate(frames):
                name = pattern % number
                (folder / name).write_bytes(png_bytes(image))
                table.write(f"{name},{time_s:.6f}\n")
            table.flush()
            os.fsync(table.fileno())

    return encode
