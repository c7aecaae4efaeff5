"""Reading and writing small movies for the detectors' own commands, through PyAV.

The road from a video to people decodes in the room `pipeline`; here are only the few lines that training and comparing
need.
"""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterator
from fractions import Fraction
from pathlib import Path
from types import TracebackType
from typing import Self

import av
import av.error
import cv2
import numpy as np

from poses import InputError

_TICKS_PER_SECOND = 90_000
_DEMUXERS = "mov,mp4,matroska,webm,avi,mpegts,mpeg"


def read_movie(path: str | Path) -> Iterator[tuple[float, np.ndarray]]:
    """(seconds since the first frame, (H, W, 3) uint8 BGR) of every frame of a file, turned as its header says.

    `InputError` names a file that is missing, empty, no movie, or without a frame that can be decoded.
    """
    path = Path(path)
    if not path.is_file():
        raise InputError(f"{path}: no such video file", "check the path")
    if not path.stat().st_size:
        raise InputError(f"{path}: the file is empty (0 bytes)", "copy or record it again")
    try:
        # The locks keep playlists, which name other files, from being followed.
        container = av.open(
            f"file:{path}", container_options={"protocol_whitelist": "file", "format_whitelist": _DEMUXERS}
        )
    except (av.error.FFmpegError, OSError) as error:
        raise InputError(f"{path}: not a readable video ({error})", "convert it to MP4") from None
    with container:
        if not container.streams.video:
            raise InputError(f"{path}: holds no pictures", "check that it plays")
        stream = container.streams.video[0]
        stream.thread_type = "AUTO"
        first: float | None = None
        try:
            for frame in container.decode(stream):
                time_s = frame.time if frame.time is not None else 0.0
                first = time_s if first is None else first
                image = frame.to_ndarray(format="bgr24")
                yield time_s - first, _turned(image, int(frame.rotation))
        except (av.error.FFmpegError, OSError) as error:
            raise InputError(f"{path}: cannot be decoded ({error})", "check that it plays, or convert it") from None
        if first is None:
            raise InputError(f"{path}: no frame can be decoded", "check that it plays, or convert it")


def _turned(image: np.ndarray, rotation_deg: int) -> np.ndarray:
    """Upright picture; `rotation_deg` is counter-clockwise, as FFmpeg's display matrix has it."""
    turns = {
        90: cv2.ROTATE_90_COUNTERCLOCKWISE,
        180: cv2.ROTATE_180,
        270: cv2.ROTATE_90_CLOCKWISE,
    }
    quarter = rotation_deg % 360
    return cv2.rotate(image, turns[quarter]) if quarter in turns else image


class MovieWriter:
    """Writes (height, width, 3) uint8 BGR frames as H.264 MP4; the file appears at `finish`, whole, or not at all.

    A context manager that finishes, or abandons where an error ends it.
    `InputError` names the file where it cannot be written; `ValueError` for odd sizes.
    """

    def __init__(self, path: Path, width: int, height: int, crf: int = 18) -> None:
        if width % 2 or height % 2:
            raise ValueError(f"H.264 needs even sizes, got {width}x{height}")
        self._path, self._last = path, -1
        try:
            descriptor, self._temporary = tempfile.mkstemp(prefix=f".{path.name}.", suffix=".tmp", dir=path.parent)
            os.close(descriptor)
            self._container = av.open(self._temporary, "w", format="mp4", options={"movflags": "+faststart"})
        except OSError as error:
            raise self._cannot_write(error) from None
        self._stream = self._container.add_stream("libx264", rate=30, options={"crf": str(crf), "preset": "veryfast"})
        self._stream.width, self._stream.height, self._stream.pix_fmt = width, height, "yuv420p"
        self._stream.codec_context.time_base = Fraction(1, _TICKS_PER_SECOND)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if kind is None:
            self.finish()
        else:
            self.abandon()

    def write(self, image: np.ndarray, time_s: float) -> None:
        """Add a frame shown from `time_s` on."""
        frame = av.VideoFrame.from_ndarray(np.ascontiguousarray(image), format="bgr24")
        self._last = max(round(time_s * _TICKS_PER_SECOND), self._last + 1)
        frame.pts, frame.time_base = self._last, Fraction(1, _TICKS_PER_SECOND)
        try:
            self._container.mux(self._stream.encode(frame))
        except (av.error.FFmpegError, OSError) as error:
            raise self._cannot_write(error) from None

    def finish(self) -> None:
        """Write what is left and put the file in its place."""
        try:
            self._container.mux(self._stream.encode(None))
            self._container.close()
            os.chmod(self._temporary, 0o644)
            os.replace(self._temporary, self._path)
        except (av.error.FFmpegError, OSError) as error:
            self.abandon()
            raise self._cannot_write(error) from None

    def abandon(self) -> None:
        """Remove what was written."""
        self._container.close()
        Path(self._temporary).unlink(missing_ok=True)

    def _cannot_write(self, error: OSError | av.error.FFmpegError) -> InputError:
        return InputError(
            f"{self._path}: cannot be written ({getattr(error, 'strerror', None) or error})",
            "free some space or choose another folder",
        )
