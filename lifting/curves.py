"""The curve of a training run: one row an epoch, as CSV, and as TensorBoard events where that is asked for."""

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
    """Rows of numbers by name, the first column being `epoch`.

    Parameters
    ----------
    path : the CSV. Of an older one the rows up to `epoch` are kept, from where the run goes on.
    columns : names of the other columns; a row leaves empty what was not measured.
    tensorboard : folder for TensorBoard's events; None for none. `UsageError` where the package is missing.
    """

    def __init__(self, path: Path, columns: tuple[str, ...], epoch: int = 0, tensorboard: Path | None = None) -> None:
        self.path = path
        self.columns = ("epoch", *columns)
        self._events: Any = None if tensorboard is None else _open_events(tensorboard, epoch)
        self._rows = self._read(epoch) if epoch else []
        self._write()

    def add(self, epoch: int, values: Mapping[str, float]) -> None:
        """Append the row of an epoch, counted from 1."""
        self._rows.append({"epoch": str(epoch)} | {name: f"{value:.6g}" for name, value in values.items()})
        self._write()
        if self._events is not None:
            for name, value in values.items():
                self._events.add_scalar(name, value, epoch)
            self._events.flush()

    def close(self) -> None:
        """Finish TensorBoard's file."""
        if self._events is not None:
            self._events.close()

    def _read(self, epoch: int) -> list[dict[str, str]]:
        if not self.path.exists():
            return []
        try:
            with self.path.open(newline="", encoding="utf-8") as stream:
                return [row for row in csv.DictReader(stream) if int(row["epoch"]) <= epoch]
        except (OSError, ValueError, KeyError, TypeError) as error:
            raise InputError(f"{self.path}: cannot go on with this curve ({error})", "move it away") from None

    def _write(self) -> None:
        text = io.StringIO()
        writer = csv.DictWriter(text, self.columns, restval="", extrasaction="ignore", lineterminator="\n")
        writer.writeheader()
        writer.writerows(self._rows)
        write_atomically(self.path, lambda stream: stream.write(text.getvalue().encode()))


def _open_events(folder: Path, epoch: int) -> Any:
    try:
        from torch.utils.tensorboard import SummaryWriter
    except ImportError:
        raise UsageError("tensorboard: true needs the package tensorboard", "pip install tensorboard") from None
    return SummaryWriter(str(folder), purge_step=epoch + 1)
