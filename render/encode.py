"""Handing frames to an encoder that works in a thread of its own; what it writes appears whole or not at all."""

from __future__ import annotations

import contextlib
import os
import queue
import shutil
import tempfile
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from types import TracebackType
from typing import Self

import av
import av.codec.codec
import av.error
import numpy as np

from poses import InputError, UsageError
from poses.errors import UserError

Frames = Iterator[tuple[np.ndarray, float]]
"""(height, width, 3) uint8 BGR images with the seconds from which each is shown, increasing."""

Encode = Callable[[Path, Frames], None]
"""Writes all frames to a path: the name of an empty file, or of an empty folder for outputs of many files."""

_POLL_S = 0.1


class _Abandoned(Exception):
    """Raised inside the encoder where the block that gives the frames has failed."""


class FrameWriter:
    """A context manager that passes frames to `encode`, which runs in a thread, over a bounded queue.

    What is written lies beside `path` under a temporary name and takes its place when the block ends well; otherwise
    it is removed. A folder that stands in its place is moved away first and removed after: between two renames there
    is no folder of that name.

    Parameters
    ----------
    path : the file to write, or the folder where `folder` is true.
    width, height : of all frames, in pixels.
    encode : called once, in the thread.
    queue_frames : how many frames may wait.

    Raises
    ------
    InputError : names `path` where the folder above cannot be written or the disk is full: at the next `write`, or
        at the end.
    ValueError : the block has given no frame.
    """

    def __init__(
        self, path: str | Path, width: int, height: int, encode: Encode, folder: bool = False, queue_frames: int = 8
    ) -> None:
        if min(width, height) < 1 or queue_frames < 1:
            raise ValueError(f"expected a size and a queue of at least 1, got {width}x{height} and {queue_frames}")
        self.path = Path(path)
        self.width, self.height = width, height
        self._encode, self._folder = encode, folder
        self._queue: queue.Queue[tuple[np.ndarray, float] | None] = queue.Queue(queue_frames)
        self._failure: Exception | None = None
        self._complete = False
        self._abandoned = threading.Event()
        self._thread = threading.Thread(target=self._run, name=f"encode {self.path.name}", daemon=True)
        self._temporary = ""
        self._last_time_s: float | None = None

    def __enter__(self) -> Self:
        try:
            self._temporary = self._beside()
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
            if kind is None and self._last_time_s is None:
                raise ValueError(f"{self.path}: at least one frame is needed")
            if kind is None:
                self._put(None)
                self._thread.join()
                self._raise_failure()
                if not self._complete:
                    raise RuntimeError(f"{self.path}: the encoding thread ended early")
                self._publish()
        finally:
            self._abandoned.set()
            self._thread.join()
            _remove(self._temporary)

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
        if isinstance(self._failure, OSError | av.error.FFmpegError):
            raise self._cannot_write(self._failure) from None
        raise self._failure

    def _cannot_write(self, error: Exception) -> InputError:
        reason = getattr(error, "strerror", None) or str(error)
        return InputError(
            f"{self.path}: cannot be written ({reason})", "free some space or choose another folder with -o"
        )

    def _beside(self) -> str:
        """A new empty file or folder next to the target."""
        where, prefix = self.path.parent.resolve(), f".{self.path.name}."
        if self._folder:
            return tempfile.mkdtemp(prefix=prefix, suffix=".tmp", dir=where)
        descriptor, name = tempfile.mkstemp(prefix=prefix, suffix=".tmp", dir=where)
        os.close(descriptor)
        return name

    def _publish(self) -> None:
        try:
            if self._folder:
                os.chmod(self._temporary, 0o755)
                self._replace_folder()
                return
            with open(self._temporary, "rb") as stream:
                os.fsync(stream.fileno())
            os.chmod(self._temporary, 0o644)
            os.replace(self._temporary, self.path)
        except OSError as error:
            raise self._cannot_write(error) from None

    def _replace_folder(self) -> None:
        if not self.path.exists():
            os.rename(self._temporary, self.path)
            return
        # An empty folder can be replaced, one with files in it cannot.
        old = self._beside()
        os.replace(self.path, old)
        try:
            os.rename(self._temporary, self.path)
        except OSError:
            os.rename(old, self.path)
            raise
        _remove(old)

    def _frames(self) -> Frames:
        while not self._abandoned.is_set():
            try:
                item = self._queue.get(timeout=_POLL_S)
            except queue.Empty:
                continue
            if item is None:
                return
            yield item
        raise _Abandoned

    def _run(self) -> None:
        try:
            self._encode(Path(self._temporary), self._frames())
            self._complete = True
        except _Abandoned:
            pass
        except (OSError, av.error.FFmpegError, ValueError, UserError) as error:
            self._failure = error


def _remove(name: str) -> None:
    if os.path.isdir(name):
        shutil.rmtree(name, ignore_errors=True)
    else:
        with contextlib.suppress(FileNotFoundError):
            os.unlink(name)


def check_encoder(codec: str, remedy: str) -> None:
    """`UsageError` names an encoder that the installed FFmpeg lacks."""
    try:
        av.codec.Codec(codec, "w")
    except av.codec.codec.UnknownCodecError:
        raise UsageError(
            f"the FFmpeg that PyAV {av.__version__} was built with has no encoder {codec}", remedy
        ) from None
