"""Weights in the cache folder: finding them, fetching them, checking them."""

from __future__ import annotations

import hashlib
import json
import logging
import os
import shutil
import zipfile
from pathlib import Path
from typing import Any

from detectors.weights.catalogue import CATALOGUE, WeightFile
from detectors.weights.download import Progress, TransferError, discard, fetch
from poses import InputError, UsageError
from poses.archive import write_atomically
from poses.cache import cache_folder

log = logging.getLogger(__name__)


def weights_folder(cache: str | Path | None = None) -> Path:
    """The folder of fetched weights, not created; `cache` in place of the program's cache folder."""
    return (Path(cache) if cache else cache_folder()) / "weights"


def resolve_weights(option: str | None, default: str | None, detector: str, cache: str | Path | None = None) -> Path:
    """The file of weights that a detector asked for; nothing is fetched.

    Parameters
    ----------
    option : `DetectorOptions.weights`: a file or folder, which is returned as it is, or a name of the catalogue.
    default : name of the catalogue that is taken where `option` is None; None where the detector has no usual weights.
    detector : registry name, for the messages.

    `UsageError` without either, or for a name that belongs to another detector; `InputError` for a file that is not
    there, with the command and the address to get it from, and for a file in the cache that is not what it should be.
    """
    name = option if option is not None else default
    if name is None:
        raise UsageError(f"detector {detector} has no usual weights", "give a file with --detector-weights")
    if option is not None and Path(option).expanduser().exists():
        return Path(option).expanduser()
    file = CATALOGUE.get(name)
    if file is None:
        known = ", ".join(n for n, f in CATALOGUE.items() if detector in f.detectors)
        raise InputError(
            f"{name}: no such file, and no weights of that name",
            f"give a file, or one of: {known}" if known else "give a file",
        )
    if detector not in file.detectors:
        raise UsageError(
            f"the weights {name} are for {' and '.join(file.detectors)}, not for {detector}",
            f"python -m detectors.weights list --detector {detector} lists those for it",
        )
    found = find_weights(file, cache)
    if found is None:
        place = weights_folder(cache) / file.download_name
        raise InputError(
            f"the weights {name} of detector {detector} are not on this machine",
            f"python -m detectors.weights get {name}, or fetch {file.url} by hand and put it at {place}",
        )
    return found


def find_weights(file: WeightFile, cache: str | Path | None = None) -> Path | None:
    """Where a file of the catalogue lies in the cache, None if it does not; what was put there by hand is checked."""
    folder = weights_folder(cache)
    place = folder / file.file_name
    if place.exists() and _checked_before(place):
        return place
    by_hand = folder / file.download_name
    return _install(file, by_hand, folder) if by_hand.exists() else None


def get_weights(file: WeightFile, cache: str | Path | None = None, progress: Progress | None = None) -> Path:
    """Fetch a file of the catalogue unless it is there; returns its path.

    `InputError` with what to fetch by hand and where to put it when it cannot be fetched, and when it is not what it
    should be; then nothing of it is kept.
    """
    found = find_weights(file, cache)
    if found is not None:
        return found
    folder = weights_folder(cache)
    target = folder / file.download_name
    try:
        part = fetch(file.url, target, progress, file.size_bytes)
    except TransferError as error:
        raise InputError(
            f"{file.name}: {file.url} cannot be fetched ({error})",
            f"try again, which goes on from what has come; or fetch it by hand and put it at {target} ({file.check})",
        ) from None
    return _install(file, part, folder)


def _install(file: WeightFile, fetched: Path, folder: Path) -> Path:
    """Check what was fetched, take the wanted part out of it, and leave a record beside it."""
    place = folder / file.file_name
    record: dict[str, Any] = {"name": file.name, "url": file.url}
    try:
        _check(file, fetched, folder, record)
        if file.member:
            _extract(file, fetched, place)
    except InputError:
        if fetched.name.endswith(".part"):
            discard(folder / file.download_name)
        raise
    if file.member:
        fetched.unlink()
    else:
        os.replace(fetched, place)
    record["file_bytes"] = place.stat().st_size
    write_atomically(_record_path(place), lambda stream: stream.write(json.dumps(record, indent=1).encode()))
    return place


def _check(file: WeightFile, fetched: Path, folder: Path, record: dict[str, Any]) -> None:
    by_hand = not fetched.name.endswith(".part")
    remedy = "remove it and fetch it again" if by_hand else "it was removed; try again"
    size = fetched.stat().st_size
    if file.size_bytes is not None and size != file.size_bytes:
        raise InputError(f"{fetched}: expected {file.size_bytes} bytes, got {size}", remedy)
    digests = {"sha256": _digest(fetched, "sha256")}
    if file.hash_prefix and file.hash_kind != "sha256":
        digests[file.hash_kind] = _digest(fetched, file.hash_kind)
    earlier = _read_record(folder / file.file_name).get("sha256")
    for kind, wanted in (("sha256", file.sha256), (file.hash_kind, file.hash_prefix), ("sha256", earlier)):
        if wanted and not digests[kind].startswith(wanted):
            beginning = "" if len(wanted) == 64 else " to begin with"
            raise InputError(f"{fetched}: expected {kind}{beginning} {wanted}, got {digests[kind]}", remedy)
    if not (file.sha256 or file.hash_prefix or earlier):
        log.warning("%s: its publisher gives no hash; that of this first download is %s", file.name, digests["sha256"])
    record["sha256"] = digests["sha256"]


def _extract(file: WeightFile, archive: Path, place: Path) -> None:
    """Write the one wanted file of a .zip to `place`; the .zip's own checksums are verified on the way."""
    try:
        with zipfile.ZipFile(archive) as opened:
            names = [name for name in opened.namelist() if name.split("/")[-1] == file.member]
            if len(names) != 1:
                raise InputError(f"{archive}: expected one {file.member} in it, found {len(names)}")
            with opened.open(names[0]) as source:
                write_atomically(place, lambda stream: shutil.copyfileobj(source, stream, 1 << 20))
    except (zipfile.BadZipFile, EOFError, NotImplementedError, RuntimeError, ValueError) as error:
        raise InputError(f"{archive}: damaged, or no .zip file ({error})", "fetch it again") from None


def _digest(path: Path, kind: str) -> str:
    with path.open("rb") as stream:
        return hashlib.file_digest(stream, kind).hexdigest()


def _record_path(place: Path) -> Path:
    return place.with_name(f"{place.name}.json")


def _read_record(place: Path) -> dict[str, Any]:
    try:
        record = json.loads(_record_path(place).read_text())
    except (OSError, ValueError):
        return {}
    return record if isinstance(record, dict) else {}


def _checked_before(place: Path) -> bool:
    """Whether the file is the one that was checked when it was recorded, by its length: hashing takes seconds."""
    return _read_record(place).get("file_bytes") == place.stat().st_size
