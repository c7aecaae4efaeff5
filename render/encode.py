"""Writing an H.264 MP4 whose frames keep the times of the source."""

from __future__ import annotations

import contextlib
import logging
import os
import queue
import tempfile
import threading
from fractions import Fraction
from pathlib import Path
from types import TracebackType
from typing import Self

import av
import av.video.reformatter
import numpy as np

from poses import InputError

logger = logging.getLogger(__name__)

TICKS_PER_SECOND = 90_000
"""Time base of the file: 11 microseconds, finer than any camera's clock needs."""

_POLL_S = 0.1
_BT709 = 1  # ISO/IEC 23091-2 code points for primaries, transfer and matrix


class Mp4Writer:
    """Writes frames as H.264 (libx264, yuv420p, index at the front) in a thread of its own.

    A context manager: the file is written beside `path` under a temporary name and takes its place when the block
    ends well; otherwise the temporary file is removed. Sizes must be even.

    Times may be irregular; they are kept to 1/90000 s, counted from the first frame, so that a part cut from the
    middle of a video starts at 0. The last frame is shown for the median interval (1/30 s where there is one frame).

    Raises `InputError` that names `path` where the folder cannot be written or the disk is full: at the next
    `write`, or at the end.
    """

    def __init__(
        self,
        path: str | Path,
        width: int,
        height: int,
        crf: float = 20.0,
        preset: str = "veryfast",
        queue_frames: int = 8,
    ) -> None:
        if width % 2 or height % 2 or min(width, height) < 2:
            raise ValueError(f"yuv420p needs even sizes, got {width}x{height}")
        self.path = Path(path)
        self.width, self.height = width, height
        self._codec_options = {"crf": str(crf), "preset": preset}
        self._queue: queue.Queue[tuple[np.ndarray, float] | None] = queue.Queue(queue_frames)
        self._failure: Exception | None = None
        self._complete = False
        self._abandoned = threading.Event()
        self._thread = threading.Thread(target=self._run, name="mp4-writer", daemon=True)
        self._temporary = ""
        self._last_time_s: float | None = None

    def __enter__(self) -> Self:
        try:
            descriptor, self._temporary = tempfile.mkstemp(
                prefix=f".{self.path.name}.", suffix=".tmp", dir=self.path.parent.resolve()
            )
            os.close(descriptor)
        except OSError as error:
            raise self._cannot_write(error) from None
        self._thread.start()
        return self

    def write(self, image: np.ndarray, time_s: float) -> None:
        """Queue one (height, width, 3) uint8 BGR image, shown from `time_s` on; the caller must not change it after.

        Waits while the queue is full. `ValueError` for another size or type, or for a time that does not increase.
        """
        if image.shape != (self.height, self.width, 3) or image.dtype != np.uint8:
            raise ValueError(
                f"expected uint8 frames of ({self.height}, {self.width}, 3), got {image.dtype} of {image.shape}"
            )
        if self._last_time_s is not None and not time_s > self._last_time_s:
            raise ValueError(f"frame times must increase: {time_s} s follows {self._last_time_s} s")
        self._last_time_s = time_s
        self._put((image, time_s))

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        try:
            if kind is None:
                self._put(None)
                self._thread.join()
                self._raise_failure()
                if not self._complete:
                    raise RuntimeError(f"{self.path}: the encoding thread ended early")
                self._publish()
            else:
                self._abandoned.set()
                self._thread.join()
        finally:
            self._abandoned.set()
            with contextlib.suppress(FileNotFoundError):
                os.unlink(self._temporary)

    def _put(self, item: tuple[np.ndarray, float] | None) -> None:
        # With a time limit, so that a thread that ended on a full queue is noticed.
        while True:
            self._raise_failure()
            if not self._thread.is_alive():
                raise RuntimeError(f"{self.path}: the encoding thread ended early")
            try:
                self._queue.put(item, timeout=_POLL_S)
                return
            except queue.Full:
                continue

    def _raise_failure(self) -> None:
        if self._failure is None:
            return
        if isinstance(self._failure, OSError | av.FFmpegError):
            raise self._cannot_write(self._failure) from None
        raise self._failure

    def _cannot_write(self, error: Exception) -> InputError:
        reason = getattr(error, "strerror", None) or str(error)
        return InputError(
            f"{self.path}: cannot be written ({reason})", "free some space or choose another folder with -o"
        )

    def _publish(self) -> None:
        try:
            with open(self._temporary, "rb") as stream:
                os.fsync(stream.fileno())
            os.chmod(self._temporary, 0o644)
            os.replace(self._temporary, self.path)
        except OSError as error:
            raise self._cannot_write(error) from None

    def _next(self) -> tuple[np.ndarray, float] | None:
        while not self._abandoned.is_set():
            try:
                return self._queue.get(timeout=_POLL_S)
            except queue.Empty:
                continue
        return None

    def _run(self) -> None:
        try:
            self._encode()
            self._complete = not self._abandoned.is_set()
        except (OSError, av.FFmpegError, ValueError) as error:
            self._failure = error

    def _encode(self) -> None:
        container = av.open(
            self._temporary,
            "w",
            format="mp4",
            options={"movflags": "+faststart", "video_track_timescale": str(TICKS_PER_SECOND)},
        )
        with container:
            stream = container.add_stream("libx264", rate=30, options=self._codec_options)
            context = stream.codec_context
            context.width, context.height, context.pix_fmt = self.width, self.height, "yuv420p"
            context.time_base = Fraction(1, TICKS_PER_SECOND)
            context.colorspace = context.color_primaries = context.color_trc = _BT709
            context.color_range = av.video.reformatter.ColorRange.MPEG
            durations = _Durations()
            first_s = 0.0
            while (item := self._next()) is not None:
                image, time_s = item
                if durations.last is None:
                    first_s = time_s
                frame = av.VideoFrame.from_ndarray(image, format="bgr24").reformat(
                    format="yuv420p", dst_colorspace=av.video.reformatter.Colorspace.ITU709
                )
                frame.pts = durations.add(time_s - first_s)
                frame.time_base = context.time_base
                for packet in stream.encode(frame):
                    packet.duration = durations.of(packet.pts)
                    container.mux(packet)
            if durations.last is None and not self._abandoned.is_set():
                raise ValueError(f"{self.path}: a video needs at least one frame")
            if durations.last is not None and not self._abandoned.is_set():
                for packet in stream.encode(None):
                    packet.duration = durations.of(packet.pts)
                    container.mux(packet)


class _Durations:
    """How long each frame is shown, in ticks, kept only until the encoder gives the frame's packet out."""

    def __init__(self) -> None:
        self.last: int | None = None
        self._pending: dict[int, int] = {}
        self._recent: list[int] = []

    def add(self, time_s: float) -> int:
        """Note a frame and return its time in ticks, always after the one before."""
        ticks = round(time_s * TICKS_PER_SECOND)
        if self.last is not None:
            ticks = max(ticks, self.last + 1)
            self._pending[self.last] = ticks - self.last
            self._recent = [*self._recent[-99:], ticks - self.last]
        self.last = ticks
        return ticks

    def of(self, ticks: int | None) -> int:
        """Duration of the frame at `ticks`; the median of the recent ones for the last frame."""
        usual = int(np.median(self._recent)) if self._recent else TICKS_PER_SECOND // 30
        return usual if ticks is None else self._pending.pop(ticks, usual)
