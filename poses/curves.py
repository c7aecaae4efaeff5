"""The curve of a training run: one row an epoch (or some iterations), as CSV, and as TensorBoard events on request."""

from __future__ import annotations

import csv
import io
import logging
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from poses import InputError, UsageError
from poses.archive import write_atomically

log = logging.getLogger(__name__)


class Curve:
    """Rows of numbers by name, the first column being the `counter`: epochs, or iterations.

    Parameters
    ----------
    path : the CSV. Of an older one the rows up to `done` are kept, from where the run goes on.
    columns : names of the other columns; a row leaves empty what was not measured.
    done : epochs or iterations that the run has behind it.
    tensorboard : folder for TensorBoard's events; None for none. `UsageError` where the package is missing.
    counter : name of the first column.
    """

    def __init__(
        self,
        path: Path,
        columns: tuple[str, ...],
        done: int = 0,
        tensorboard: Path | None = None,
        counter: str = "epoch",
    ) -> None:
        self.path = path
        self.counter = counter
        self.columns = (counter, *columns)
        self._events: Any = None if tensorboard is None else _open_events(tensorboard, done)
        self._rows = self._read(done) if done else []
        self._write()

    def add(self, count: int, values: Mapping[str, float]) -> None:
        """Append the row after `count` epochs or iterations."""
        self._rows.append({self.counter: str(count)} | {name: f"{value:.6g}" for name, value in values.items()})
        self._write()
        if self._events is not None:
            for name, value in values.items():
                self._events.add_scalar(name, value, count)
            self._events.flush()

    def close(self) -> None:
        """Finish TensorBoard's file."""
        if self._events is not None:
            self._events.close()

    def _read(self, done: int) -> list[dict[str, str]]:
        if not self.path.exists():
            return []
        try:
            with self.path.open(newline="", encoding="utf-8") as stream:
                return [row for row in csv.DictReader(stream) if int(row[self.counter]) <= done]
        except (OSError, ValueError, KeyError, TypeError) as error:
            raise InputError(f"{self.path}: cannot go on with this curve ({error})", "move it away") from None

    def _write(self) -> None:
        text = io.StringIO()
        writer = csv.DictWriter(text, self.columns, restval="", extrasaction="ignore", lineterminator="\n")
        writer.writeheader()
        writer.writerows(self._rows)
        write_atomically(self.path, lambda stream: stream.write(text.getvalue().encode()))


def _open_events(folder: Path, done: int) -> Any:
    try:
        from torch.utils.tensorboard import SummaryWriter
    except ImportError:
        raise UsageError("tensorboard: true needs the package tensorboard", "pip install tensorboard") from None
    return SummaryWriter(str(folder), purge_step=done + 1)
