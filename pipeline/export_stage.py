"""The files for other programs that a run leaves beside its MP4."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import numpy as np

from pipeline.config import DecodeOptions
from pipeline.decode import VideoReader
from pipeline.place import Place
from poses import InputError, Poses3D, Tracks, VideoInfo
from poses.archive import write_atomically
from render.export import FORMATS, Source, export


def export_people(place: Place, formats: Sequence[str], decode: DecodeOptions, key: str) -> int:
    """Write `<name>.<ending>` in each format and, after them, the file with their key; returns the video's frames.

    Formats that hold the video read it once more. Files of an earlier run that are not written anew are removed: there
    may be fewer people now.
    """

    @contextmanager
    def images() -> Iterator[Iterator[np.ndarray]]:
        with VideoReader(place.source, decode.start_s, decode.end_s) as reader:
            yield (frame.image for frame in reader)

    video = VideoInfo.load(place.video)
    source = Source(Poses3D.load(place.poses), Tracks.load(place.tracks), video, images)
    targets = {name: place.folder / f"{place.name}{FORMATS[name].suffix}" for name in formats}
    if place.report in targets.values():
        raise InputError(f"{place.source}: its JSON would take the place of {place.report.name}", "rename the video")
    earlier = _read_mark(place).get("files", {})
    place.exports_key.unlink(missing_ok=True)
    files = {}
    for name, target in targets.items():
        for path in export(source, name, target):
            files[path.name] = path.stat().st_size
    for stale in set(earlier) - set(files):
        (place.folder / stale).unlink(missing_ok=True)
    mark = json.dumps({"key": key, "files": files}) + "\n"
    write_atomically(place.exports_key, lambda stream: stream.write(mark.encode()))
    return len(video)


def exports_key(place: Place) -> str | None:
    """The key of the exports, or None where one of them is missing or another than was written."""
    mark = _read_mark(place)
    for name, size in mark.get("files", {}).items():
        path = place.folder / name
        if not path.is_file() or path.stat().st_size != size:
            return None
    return mark.get("key")


def _read_mark(place: Place) -> dict[str, Any]:
    try:
        mark = json.loads(place.exports_key.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    return mark if isinstance(mark, dict) and isinstance(mark.get("files"), dict) else {}
