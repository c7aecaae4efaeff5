"""List the weights that can be fetched, and fetch them by name.

python -m detectors.weights list [--detector NAME] [--cache DIR]
python -m detectors.weights get NAME [NAME ...] [--cache DIR]
"""

from __future__ import annotations

import argparse
import logging
import sys
from collections.abc import Sequence

from detectors.weights.cache import get_weights, weights_folder
from detectors.weights.catalogue import CATALOGUE, WeightFile
from poses import UsageError
from poses.cache import cache_folder
from poses.commands import run_command


class _Meter:
    """A line on stderr that says how far a download has come."""

    def __init__(self, name: str) -> None:
        self._name = name
        self._used = False

    def __call__(self, have: int, total: int | None) -> None:
        self._used = True
        of = f" of {total / 1e6:.1f}" if total else ""
        sys.stderr.write(f"\r{self._name}: {have / 1e6:.1f}{of} MB")

    def end(self) -> None:
        if self._used:
            sys.stderr.write("\n")


def _size_text(file: WeightFile) -> str:
    return f"{file.size_bytes:,} bytes" if file.size_bytes else f"about {file.about_mb:g} MB"


def _list(detector: str | None, cache: str | None) -> None:
    files = [f for f in CATALOGUE.values() if detector is None or detector in f.detectors]
    if not files:
        known = sorted({d for f in CATALOGUE.values() for d in f.detectors})
        raise UsageError(f"no weights for a detector {detector!r}", f"choose one of: {', '.join(known)}")
    for file in files:
        place = weights_folder(cache) / file.file_name
        state = f"here: {place}" if place.exists() else "not fetched"
        sys.stdout.write(
            f"{file.name}  ({', '.join(file.detectors)}; {state})\n"
            f"    {file.summary}\n"
            f"    {file.url}\n"
            f"    {_size_text(file)}; {file.licence}; trained on {file.trained_on}\n"
            f"    {file.check}\n"
        )
    sys.stdout.write(f"\nfolder: {weights_folder(cache)}\n")


def _get(names: Sequence[str], cache: str | None) -> None:
    unknown = [name for name in names if name not in CATALOGUE]
    if unknown:
        raise UsageError(f"no weights of the name {unknown[0]!r}", f"known: {', '.join(CATALOGUE)}")
    for name in names:
        file = CATALOGUE[name]
        sys.stderr.write(f"{name}: {_size_text(file)}, {file.licence}, {file.url}\n")
        meter = _Meter(name)
        try:
            place = get_weights(file, cache, meter if sys.stderr.isatty() else None)
        finally:
            meter.end()
        sys.stdout.write(f"{place}\n")


def main(arguments: Sequence[str] | None = None) -> int:
    """The command; returns the exit code."""
    parser = argparse.ArgumentParser(prog="python -m detectors.weights", description="weights of the 2D detectors")
    actions = parser.add_subparsers(dest="action", required=True)
    lister = actions.add_parser("list", help="what there is: address, size, licence, how it is checked, whether here")
    lister.add_argument("--detector", help="only those for this detector")
    getter = actions.add_parser("get", help="fetch files by name; what was begun goes on, what is here stays")
    getter.add_argument("names", nargs="+", metavar="NAME")
    for action in (lister, getter):
        action.add_argument("--cache", metavar="DIR", help=f"cache folder in place of {cache_folder()}")
    chosen = parser.parse_args(arguments)
    if chosen.action == "list":
        return run_command(lambda: _list(chosen.detector, chosen.cache))
    logging.basicConfig(level=logging.WARNING, format="%(message)s")
    return run_command(lambda: _get(chosen.names, chosen.cache))


if __name__ == "__main__":
    sys.exit(main())
