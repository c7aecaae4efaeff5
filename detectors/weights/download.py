"""Fetching one file over HTTP: it goes on where it was cut off, is checked, and is there whole or not at all."""

from __future__ import annotations

import http.client
import json
import logging
import os
import urllib.error
import urllib.request
from collections.abc import Callable
from pathlib import Path

from poses import InputError

log = logging.getLogger(__name__)

CHUNK_BYTES = 1 << 20
TIMEOUT_S = 30.0
TRIES = 4
"""How often a transfer that breaks off is taken up again before it is given up."""

Progress = Callable[[int, int | None], None]
"""Called with the bytes that are there and the bytes that there will be (None where the server does not say)."""

# What the standard library raises when a connection fails, is refused, times out or breaks off.
_CUT = (urllib.error.URLError, http.client.HTTPException, ConnectionError, TimeoutError)


class TransferError(Exception):
    """The file could not be had; the message says why. What arrived stays, for the next try."""


def fetch(url: str, target: Path, progress: Progress | None = None, expected_bytes: int | None = None) -> Path:
    """Fetch `url` to ``target.part`` in whole and return that path; the caller checks it and renames it.

    What an earlier call left there is kept if the server still has the same file (its ETag or date), and only the rest
    is asked for (HTTP Range). `TransferError` when it cannot be had, `InputError` when it cannot be written.
    """
    part, note = target.with_name(f"{target.name}.part"), target.with_name(f"{target.name}.part.json")
    try:
        part.parent.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise InputError(f"{part.parent}: cannot be made ({error.strerror})", "choose another folder") from None
    for attempt in range(TRIES):
        before = _size(part)
        try:
            _fetch_once(url, part, note, progress, expected_bytes)
        except urllib.error.HTTPError as error:
            raise TransferError(f"the server answered {error.code} {error.reason}") from None
        except _CUT as error:
            reason = str(getattr(error, "reason", error))
            # Nothing came at all: there is no connection, which waiting a moment does not mend.
            if _size(part) <= before or attempt == TRIES - 1:
                raise TransferError(reason) from None
            log.info("%s: broke off after %d bytes (%s), going on", url, _size(part), reason)
        else:
            note.unlink(missing_ok=True)
            return part
    raise AssertionError("unreachable")


def discard(target: Path) -> None:
    """Remove what was fetched of `target` and is not wanted."""
    for suffix in (".part", ".part.json"):
        target.with_name(f"{target.name}{suffix}").unlink(missing_ok=True)


def _fetch_once(url: str, part: Path, note: Path, progress: Progress | None, expected_bytes: int | None) -> None:
    have = _size(part)
    validator = _read_note(note, url)
    # Without something to tell by that it is still the same file, the rest of it could be that of another.
    if have and validator is None:
        have = 0
    request = urllib.request.Request(url, headers={"User-Agent": "video-to-3d-poses", "Accept-Encoding": "identity"})
    if have:
        request.add_header("Range", f"bytes={have}-")
        request.add_header("If-Range", str(validator))
    try:
        response = urllib.request.urlopen(request, timeout=TIMEOUT_S)
    except urllib.error.HTTPError as error:
        error.close()
        if error.code != 416 or not have:
            raise
        # Nothing lies after what is there: it is whole, or it is of another file, which the check will tell.
        if expected_bytes is None or have == expected_bytes:
            return
        part.unlink()
        raise ConnectionError("what is there is longer than the file") from None
    with response:
        goes_on = response.status == 206 and _range_start(response) == have
        if response.status == 206 and not goes_on:
            raise TransferError(f"the server gave another part of the file than was asked for ({have} bytes on)")
        length = response.headers.get("Content-Length")
        total = None if length is None else int(length) + (have if goes_on else 0)
        if expected_bytes is not None and total is not None and total != expected_bytes:
            raise TransferError(f"the file has {total} bytes there, but {expected_bytes} are expected")
        _write_note(note, url, response)
        _copy(response, part, have if goes_on else 0, total, progress)


def _copy(
    response: http.client.HTTPResponse, part: Path, have: int, total: int | None, progress: Progress | None
) -> None:
    try:
        stream = part.open("ab" if have else "wb")
    except OSError as error:
        raise InputError(f"{part}: cannot be written ({error.strerror})", "choose another folder") from None
    with stream:
        while True:
            chunk = response.read(CHUNK_BYTES)
            if not chunk:
                break
            try:
                stream.write(chunk)
                stream.flush()
            except OSError as error:
                raise InputError(f"{part}: cannot be written ({error.strerror})", "free some space") from None
            have += len(chunk)
            if progress:
                progress(have, total)
        os.fsync(stream.fileno())
    if total is not None and have != total:
        raise ConnectionError(f"broke off after {have} of {total} bytes")


def _range_start(response: http.client.HTTPResponse) -> int | None:
    """First byte of a partial answer: ``Content-Range: bytes 100-199/200``."""
    field = response.headers.get("Content-Range", "")
    digits = field.removeprefix("bytes ").split("-")[0]
    return int(digits) if digits.isdigit() else None


def _size(path: Path) -> int:
    return path.stat().st_size if path.exists() else 0


def _write_note(note: Path, url: str, response: http.client.HTTPResponse) -> None:
    """Beside a part: what tells that the server still has the same file. A weak ETag does not."""
    etag = response.headers.get("ETag", "")
    validator = etag if etag and not etag.startswith("W/") else response.headers.get("Last-Modified")
    note.write_text(json.dumps({"url": url, "validator": validator}))


def _read_note(note: Path, url: str) -> str | None:
    try:
        content = json.loads(note.read_text())
    except (OSError, ValueError):
        return None
    if not isinstance(content, dict) or content.get("url") != url:
        return None
    validator = content.get("validator")
    return validator if isinstance(validator, str) else None
