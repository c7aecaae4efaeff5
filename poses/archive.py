"""Reading and writing `.npz` artifacts: never pickled objects, never half written."""

from __future__ import annotations

import io
import os
import tempfile
import zipfile
import zlib
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import IO

import numpy as np

from poses.errors import InputError


def write_atomically(path: str | Path, write: Callable[[IO[bytes]], object]) -> None:
    """Call `write(stream)` on a temporary file beside `path`, fsync it, and rename it to `path`.

    A reader sees the old file or the new one, never a part. `InputError` names the file when the disk is full or
    the folder cannot be written.
    """
    path = Path(path)
    temporary = None
    try:
        descriptor, temporary = tempfile.mkstemp(prefix=f".{path.name}.", suffix=".tmp", dir=path.parent)
        with os.fdopen(descriptor, "wb") as stream:
            write(stream)
            stream.flush()
            os.fsync(stream.fileno())
        os.chmod(temporary, 0o644)
        os.replace(temporary, path)
    except OSError as error:
        raise InputError(
            f"{path}: cannot be written ({error.strerror})", "free some space or choose another folder with -o"
        ) from None
    finally:
        if temporary is not None and os.path.exists(temporary):
            os.unlink(temporary)


def write_npz(path: str | Path, arrays: Mapping[str, np.ndarray]) -> None:
    """Write a compressed npz atomically; the same arrays give the same bytes. `TypeError` on object arrays."""
    plain = {name: np.asarray(array) for name, array in arrays.items()}
    for name, array in plain.items():
        if array.dtype.hasobject:
            raise TypeError(f"{path}: array {name!r} holds Python objects, which artifacts never do")
    # Through memory: a zip file that meets a full disk complains a second time, on stderr, when it is collected.
    archive = io.BytesIO()
    np.savez_compressed(archive, **plain)
    write_atomically(path, lambda stream: stream.write(archive.getbuffer()))


def read_npz(path: str | Path, required: Iterable[str] = ()) -> dict[str, np.ndarray]:
    """Read every array of an npz without unpickling; `InputError` names the file and what is missing."""
    path = Path(path)
    try:
        archive = np.load(path, allow_pickle=False)
        if not isinstance(archive, np.lib.npyio.NpzFile):
            raise ValueError("a single array")
        with archive:
            arrays = {name: archive[name] for name in archive.files}
    except FileNotFoundError:
        raise InputError(f"{path}: no such file") from None
    except (OSError, ValueError, EOFError, NotImplementedError, RuntimeError, zipfile.BadZipFile, zlib.error) as error:
        raise InputError(f"{path}: not a readable npz archive ({error})", "delete it and run again") from None
    require_arrays(path, arrays, required)
    return arrays


def require_arrays(path: str | Path, arrays: Mapping[str, np.ndarray], required: Iterable[str]) -> None:
    """`InputError` that names the file and those of the required arrays that it lacks."""
    missing = [name for name in required if name not in arrays]
    if missing:
        raise InputError(
            f"{path}: lacks {', '.join(missing)} (it holds {', '.join(sorted(arrays)) or 'nothing'})",
            "delete it and run again",
        )
