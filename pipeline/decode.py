"""Video files in, upright frames with their times out, decoded by PyAV in a thread of its own.

Shape letters: T frames, H height, W width.
"""

from __future__ import annotations

import logging
import queue
import threading
import weakref
from collections.abc import Generator, Iterator
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Self

import numpy as np

from pipeline.container import file_sha256
from pipeline.frames import FrameSource
from pipeline.upright import Upright
from poses.artifacts import VideoInfo

__all__ = ["Frame", "VideoReader", "file_sha256", "scan_video"]

logger = logging.getLogger(__name__)

_WAIT_S = 0.1
"""How soon a side of the queue notices that the other one has gone."""


@dataclass(frozen=True)
class Frame:
    """One picture of a video.

    Attributes
    ----------
    index : counts the frames that were kept, from 0.
    time_s : seconds since the video's first frame (also where reading starts later than that).
    image : (H, W, 3) uint8 BGR, upright.
    """

    index: int
    time_s: float
    image: np.ndarray


class _Scan:
    """Collects what `VideoInfo` needs while frames go by."""

    def __init__(self, source: FrameSource) -> None:
        self.source = source
        self.upright: Upright | None = None
        self.timestamps_s: list[float] = []
        self.finished = False

    def images(self, convert: bool) -> Generator[Frame | None, None, None]:
        """One `Frame` a picture, or None where it is not converted."""
        for index, (time_s, frame) in enumerate(self.source):
            if self.upright is None:
                self.upright = Upright.of(frame, self.source.pixel_aspect)
            self.timestamps_s.append(time_s)
            yield Frame(index, time_s, self.upright.image(frame)) if convert else None
        self.finished = True

    def info(self, source_sha256: str) -> VideoInfo:
        assert self.upright is not None, "a source without frames raises before this"
        return VideoInfo(
            timestamps_s=np.array(self.timestamps_s, dtype=np.float64),
            width=self.upright.width,
            height=self.upright.height,
            rotation_deg=self.upright.rotation_deg,
            nominal_fps=self.source.nominal_fps,
            codec=self.source.codec,
            source_sha256=source_sha256,
            undecodable_frames=self.source.undecodable_frames,
        )


class VideoReader:
    """Reads a local video file, one pass, with a few frames decoded ahead by a thread.

    Use it as a context manager, or just iterate: the thread also ends when the loop is left early, when an exception
    passes through it, and when the reader is forgotten. Memory is bounded by `queue_frames` pictures.

        with VideoReader("clip.mp4") as reader:
            for frame in reader:
                ...
        info = reader.info()

    Parameters
    ----------
    path : a local file; taken as a name whatever characters it holds.
    start_s, end_s : keep frames with start <= time < end, in seconds since the video's first frame. What is kept is
        the same, picture for picture, as when the whole video is read.
    queue_frames : how many decoded pictures may wait.
    source_sha256 : the file's hash where the caller knows it; otherwise `info` computes it.

    Raises
    ------
    InputError : on construction where the file cannot be opened, in the loop where nothing can be decoded.
    UsageError : on construction where the span makes no sense.
    """

    def __init__(
        self,
        path: str | Path,
        start_s: float | None = None,
        end_s: float | None = None,
        queue_frames: int = 8,
        source_sha256: str | None = None,
    ) -> None:
        if queue_frames < 1:
            raise ValueError(f"queue_frames must be at least 1, got {queue_frames}")
        source = FrameSource(path, start_s, end_s)
        self.path = source.path
        self.estimated_frames: int | None = source.estimated_frames()
        self._source_sha256 = source_sha256
        self._scan = _Scan(source)
        self._queue: queue.Queue[Frame | BaseException | None] = queue.Queue(queue_frames)
        self._stop = threading.Event()
        # The thread gets no reference to the reader, so that a forgotten reader can be collected and stop it.
        self._thread = threading.Thread(
            target=_decode, args=(self._scan, self._queue, self._stop), name=f"decode {self.path.name}", daemon=True
        )
        self._forgotten = weakref.finalize(self, self._stop.set)
        self._begun = False

    def __iter__(self) -> Iterator[Frame]:
        if self._begun:
            raise RuntimeError(f"{self.path}: a VideoReader is read once; make another one")
        self._begun = True
        return self._frames()

    def info(self) -> VideoInfo:
        """What was read, after the last frame; `RuntimeError` before."""
        if not self._scan.finished:
            raise RuntimeError(f"{self.path}: info() is known after the last frame has been read")
        if self._source_sha256 is None:
            self._source_sha256 = file_sha256(self.path)
        return self._scan.info(self._source_sha256)

    def close(self) -> None:
        """End the thread and close the file. May be called again, and at any time."""
        self._stop.set()
        if self._thread.ident is not None:
            self._thread.join()
        self._scan.source.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def _frames(self) -> Iterator[Frame]:
        try:
            if not self._stop.is_set():
                self._thread.start()
            while not self._stop.is_set():
                try:
                    item = self._queue.get(timeout=_WAIT_S)
                except queue.Empty:
                    continue
                if item is None:
                    return
                if isinstance(item, BaseException):
                    raise item
                yield item
        finally:
            self.close()


def _decode(scan: _Scan, frames: queue.Queue[Frame | BaseException | None], stop: threading.Event) -> None:
    """The thread: decode into the queue until the end, an error (handed on), or `stop`."""

    def put(item: Frame | BaseException | None) -> None:
        while not stop.is_set():
            try:
                frames.put(item, timeout=_WAIT_S)
                return
            except queue.Full:
                continue

    images = scan.images(convert=True)
    try:
        for frame in images:
            put(frame)
            if stop.is_set():
                return
        put(None)
    except BaseException as error:  # noqa: BLE001 - nothing is swallowed: the consumer raises it
        put(error)
    finally:
        images.close()


def scan_video(
    path: str | Path, start_s: float | None = None, end_s: float | None = None, source_sha256: str | None = None
) -> VideoInfo:
    """The `VideoInfo` that `VideoReader` would give, without converting pixels. Errors as there."""
    scan = _Scan(FrameSource(path, start_s, end_s))
    for _ in scan.images(convert=False):
        pass
    return scan.info(source_sha256 or file_sha256(path))
