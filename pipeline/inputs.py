"""From what a user typed (files, folders, patterns) to the videos to run, each with a name for its results."""

from __future__ import annotations

import glob
import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from poses.errors import InputError

VIDEO_SUFFIXES = frozenset(
    {
        *(".3g2", ".3gp", ".asf", ".avi", ".flv", ".gif", ".h264", ".hevc", ".ivf", ".m2ts", ".m4v", ".mkv", ".mov"),
        *(".mp4", ".mpeg", ".mpg", ".mts", ".mxf", ".ogv", ".ts", ".vob", ".webm", ".wmv", ".y4m"),
    }
)
"""How the names of videos end, for picking them out of a folder. A file named on its own may end in anything."""

_URL = re.compile(r"[A-Za-z][A-Za-z0-9+.-]*://")


@dataclass(frozen=True)
class VideoInput:
    """A video to run.

    Attributes
    ----------
    path : the file as it was named.
    name : folder for its results below the output folder, unique among the inputs of one run.
    """

    path: Path
    name: str


def collect_inputs(arguments: Sequence[str]) -> tuple[list[VideoInput], list[InputError]]:
    """Expand files, folders and patterns, in the order given; an input that cannot be used does not stop the others.

    - A file stands for itself, whatever its name holds; it is opened later.
    - A folder stands for the videos directly in it: known endings, no hidden files, sorted by name.
    - Anything else with `*`, `?` or `[` is a pattern that the shell did not expand (`**` for any depth).

    A file that several arguments reach is taken once. A name is the file's stem; where two would be the same
    (case ignored, as some file systems do), the folder's name is put in front, then a number behind.

    Returns
    -------
    videos : what to run.
    errors : one for each argument that gave nothing.
    """
    paths: list[Path] = []
    errors: list[InputError] = []
    for argument in arguments:
        try:
            paths.extend(_expand(argument))
        except InputError as error:
            errors.append(error)
    first_named: dict[Path, Path] = {}
    for path in paths:
        first_named.setdefault(path.resolve(), path)
    unique = list(first_named.values())
    return [VideoInput(path, name) for path, name in zip(unique, _names(unique), strict=True)], errors


def _expand(argument: str) -> list[Path]:
    path = Path(argument)
    try:
        if argument and path.is_dir():
            return _videos_in(path)
        if argument and path.exists():
            return [path]
    except (OSError, ValueError) as error:
        reason = error.strerror if isinstance(error, OSError) else str(error)
        raise InputError(f"{argument!r}: cannot be looked up ({reason})", "check the name") from None
    if _URL.match(argument):
        raise InputError(f"{argument}: only local files are read", "download the video first and name the file")
    if any(character in argument for character in "*?["):
        found = sorted(Path(match) for match in glob.glob(argument, recursive=True))
        videos = [path for path in found if path.is_file()]
        if not videos:
            raise InputError(f"{argument}: no file matches this pattern", "check the folder and the ending")
        return videos
    raise InputError(f"{argument!r}: no such file or folder", "check the path")


def _videos_in(folder: Path) -> list[Path]:
    try:
        entries = sorted(folder.iterdir())
    except OSError as error:
        raise InputError(f"{folder}: cannot be listed ({error.strerror})", "check its permissions") from None
    videos = [
        path
        for path in entries
        if not path.name.startswith(".") and path.suffix.lower() in VIDEO_SUFFIXES and path.is_file()
    ]
    if not videos:
        raise InputError(
            f"{folder}: a folder without videos (folders inside it are not searched)",
            f"name one that holds files ending in {', '.join(sorted(VIDEO_SUFFIXES))}",
        )
    return videos


def _names(paths: Sequence[Path]) -> list[str]:
    names = [_folder_name(path.stem) for path in paths]
    crowded = Counter(name.casefold() for name in names)
    names = [
        _folder_name(f"{path.resolve().parent.name}-{name}") if crowded[name.casefold()] > 1 else name
        for path, name in zip(paths, names, strict=True)
    ]
    taken: set[str] = set()
    unique = []
    for name in names:
        candidate, number = name, 1
        while candidate.casefold() in taken:
            number += 1
            candidate = f"{name}-{number}"
        taken.add(candidate.casefold())
        unique.append(candidate)
    return unique


def _folder_name(stem: str) -> str:
    """A stem as the name of a folder below the output folder: never one that is hidden, an option or a way up."""
    return stem.lstrip(".-") or "video"
