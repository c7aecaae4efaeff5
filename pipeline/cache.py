"""When a stage need not run again: keys over content, options, weights and version; and one run a folder at a time."""

from __future__ import annotations

import fcntl
import hashlib
import json
import os
import shutil
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from poses import InputError, UsageError

STAGE_VERSIONS = {"decode": 1, "detect": 1, "track": 1, "lift": 3, "ground": 3, "render": 2, "export": 2}
"""Raised by one whenever a stage gives another result for the same input and options."""


def stage_key(stage: str, source: str, options: Mapping[str, Any], weights_sha256: str = "") -> str:
    """The cache key of a stage: SHA-256 over the canonical JSON of all that its artifact depends on.

    Parameters
    ----------
    source : hash of the video's bytes for the first stage, the key of the artifact that is read for the others.
    options : the stage's own options as resolved; plain JSON values.
    """
    content = {
        "options": dict(options),
        "source": source,
        "stage": stage,
        "version": STAGE_VERSIONS[stage],
        "weights": weights_sha256,
    }
    text = json.dumps(content, sort_keys=True, separators=(",", ":"), ensure_ascii=True)
    return hashlib.sha256(text.encode("ascii")).hexdigest()


def make_folder(path: str | Path) -> None:
    """Make a folder for results. `UsageError` where a file is in its place, `InputError` where it cannot be made."""
    path = Path(path)
    try:
        path.mkdir(parents=True, exist_ok=True)
    except (FileExistsError, NotADirectoryError):
        raise UsageError(f"{path}: is or lies below a file, not a folder", "choose another folder with -o") from None
    except OSError as error:
        raise InputError(
            f"{path}: the folder cannot be made ({error.strerror})", "choose another folder with -o"
        ) from None
    if not os.access(path, os.W_OK | os.X_OK):
        raise InputError(
            f"{path}: the folder cannot be written", "change its permissions or choose another folder with -o"
        )


@contextmanager
def locked_folder(folder: Path) -> Iterator[None]:
    """Hold `folder` for this process. `InputError` where another run holds it; a kill releases it.

    The lock is taken on the folder itself (flock), so no file is left behind.
    """
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise InputError(
                f"{folder}: another run is writing here", "wait for it to end or choose another folder with -o"
            ) from None
        except OSError as error:
            raise InputError(
                f"{folder}: cannot be locked ({error.strerror})", "choose a folder on a local disk with -o"
            ) from None
        yield
    finally:
        os.close(descriptor)


def remove_leftovers(folder: Path) -> None:
    """Delete the temporary files and folders that a killed run left; call it while the folder is locked."""
    for path in folder.glob(".*.tmp"):
        if path.is_dir() and not path.is_symlink():
            shutil.rmtree(path, ignore_errors=True)
        else:
            path.unlink(missing_ok=True)
