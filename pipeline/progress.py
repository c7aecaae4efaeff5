"""How a run tells what it does: a bar on a terminal, plain lines elsewhere, JSON lines for programs, or nothing."""

from __future__ import annotations

import json
import logging
import shutil
import time
from types import TracebackType
from typing import IO, Any, Protocol, Self

from tqdm import tqdm

LOG_PERIOD_S = 5.0
"""Seconds between two progress lines where there is no terminal."""

logger = logging.getLogger(__name__)


class Step(Protocol):
    """One long stage under way; a context manager."""

    def advance(self, frames: int = 1) -> None:
        """Count frames as done."""

    def skip(self, frames: int = 1) -> None:
        """Count frames that an earlier run has done."""

    def __enter__(self) -> Self: ...

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None: ...


class Progress(Protocol):
    """What the pipeline calls to tell what it does."""

    def step(self, name: str, stage: str, total: int | None) -> Step:
        """Begin a stage of the video `name` with about `total` frames (None: unknown)."""

    def event(self, kind: str, **values: Any) -> None:
        """Something happened: `start`, `stage` (ran or cached), `warning`, `error`, `done`, `summary`."""


class CountingStep:
    """Counts frames and gives the rate; `report` is called at most once a `period_s`, and at the end."""

    def __init__(self, total: int | None, period_s: float) -> None:
        self.total, self.done, self._skipped = total, 0, 0
        self._period_s = period_s
        self._began_s = self._told_s = time.monotonic()

    def advance(self, frames: int = 1) -> None:
        self.done += frames
        now_s = time.monotonic()
        if now_s - self._told_s >= self._period_s:
            self._told_s = now_s
            self.report()

    def skip(self, frames: int = 1) -> None:
        self._skipped += frames
        self.advance(frames)

    @property
    def rate_fps(self) -> float:
        """Frames per second since the step began, frames that needed no work left out."""
        return (self.done - self._skipped) / max(time.monotonic() - self._began_s, 1e-9)

    @property
    def left_s(self) -> float | None:
        """Seconds that the rest will take at this rate, None where the total or the rate is unknown."""
        if self.total is None or self.rate_fps <= 0:
            return None
        return max(self.total - self.done, 0) / self.rate_fps

    def report(self) -> None:
        """Tell the state; nothing by default."""

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if kind is None:
            self.report()


class QuietProgress:
    """Tells nothing."""

    def step(self, name: str, stage: str, total: int | None) -> Step:
        return CountingStep(total, float("inf"))

    def event(self, kind: str, **values: Any) -> None:
        """Nothing."""


class LogProgress:
    """Plain log lines, for output that is not a terminal."""

    def __init__(self, period_s: float = LOG_PERIOD_S) -> None:
        self._period_s = period_s

    def step(self, name: str, stage: str, total: int | None) -> Step:
        return _LogStep(name, stage, total, self._period_s)

    def event(self, kind: str, **values: Any) -> None:
        """Log what a person wants to read of an event."""
        if kind == "start":
            logger.info("%s (%d of %d): into %s", values["input"], values["number"], values["count"], values["folder"])
        elif kind == "stage" and values["status"] == "cached":
            logger.info("%s: %s is up to date (%s)", values["name"], values["stage"], values["artifact"])
        elif kind == "stage":
            logger.debug("%s: %s took %.1f s", values["name"], values["stage"], values["seconds"] or 0.0)
        elif kind == "warning":
            logger.warning("%s: %s", values["name"], values["message"])
        elif kind == "error":
            logger.error("%s", values["message"])


class _LogStep(CountingStep):
    def __init__(self, name: str, stage: str, total: int | None, period_s: float) -> None:
        super().__init__(total, period_s)
        self._title = f"{name}: {stage}"

    def report(self) -> None:
        of = f" of {self.total}" if self.total else ""
        left = f", {self.left_s:.0f} s left" if self.left_s else ""
        logger.info("%s %d%s frames, %.1f frames/s%s", self._title, self.done, of, self.rate_fps, left)


class TerminalProgress(LogProgress):
    """A tqdm bar with frames per second and time left for each stage, and log lines between the bars."""

    def __init__(self, stream: IO[str]) -> None:
        super().__init__()
        self._stream = stream

    def step(self, name: str, stage: str, total: int | None) -> Step:
        # Pseudo-terminals may report a size of 0 x 0, for which tqdm would show nothing; this gives 80 x 24 then.
        size = shutil.get_terminal_size()
        return _BarStep(
            tqdm(
                desc=f"{name}: {stage}",
                total=total,
                unit=" frames",
                file=self._stream,
                ncols=size.columns,
                nrows=size.lines,
            )
        )


class _BarStep:
    def __init__(self, bar: tqdm) -> None:
        self._bar = bar

    def advance(self, frames: int = 1) -> None:
        if self._bar.total is not None and self._bar.n + frames > self._bar.total:
            self._bar.total = self._bar.n + frames
        self._bar.update(frames)

    def skip(self, frames: int = 1) -> None:
        self._bar.initial += frames
        self.advance(frames)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if kind is None and self._bar.total is not None:
            self._bar.total = self._bar.n
            self._bar.refresh()
        self._bar.close()


class JsonProgress:
    """One JSON object a line on `stream`; `event` says what it is."""

    def __init__(self, stream: IO[str], period_s: float = 1.0) -> None:
        self._stream = stream
        self._period_s = period_s

    def step(self, name: str, stage: str, total: int | None) -> Step:
        return _JsonStep(self, name, stage, total, self._period_s)

    def event(self, kind: str, **values: Any) -> None:
        """Write the event at once, so that a program that reads a pipe sees it."""
        self._stream.write(json.dumps({"event": kind, **values}, allow_nan=False) + "\n")
        self._stream.flush()


class _JsonStep(CountingStep):
    def __init__(self, progress: JsonProgress, name: str, stage: str, total: int | None, period_s: float) -> None:
        super().__init__(total, period_s)
        self._progress, self._name, self._stage = progress, name, stage

    def report(self) -> None:
        self._progress.event(
            "progress",
            name=self._name,
            stage=self._stage,
            done=self.done,
            total=self.total,
            frames_per_second=round(self.rate_fps, 3),
            seconds_left=None if self.left_s is None else round(self.left_s, 1),
        )


class BarAwareHandler(logging.StreamHandler[Any]):
    """A log handler whose lines appear above a running bar instead of through it."""

    def emit(self, record: logging.LogRecord) -> None:
        """Clear the bars, write the line, draw them again."""
        with tqdm.external_write_mode(file=self.stream):
            super().emit(record)
