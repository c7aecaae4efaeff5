"""Fetches the sample clip: `python -m pipeline.sample [FOLDER]` prints where it lies.

The clip is the demo video of Sports2D (BSD 3-Clause), which that package's wheel carries. pip downloads the wheel, so
the clip comes from wherever pip is set up to find packages.
"""

from __future__ import annotations

import argparse
import hashlib
import subprocess
import sys
import tempfile
import zipfile
from pathlib import Path
from typing import IO

from pipeline.container import file_sha256
from poses.archive import write_atomically
from poses.cache import cache_folder
from poses.errors import InputError, UserError

REQUIREMENT = "sports2d==0.8.34"
MEMBER = "Sports2D/Demo/demo.mp4"
SHA256 = "d9a66417185647b112304b57093f0c180f37a768e6a14daca75ca541f3b78039"


def fetch_sample(folder: Path) -> Path:
    """`folder/demo.mp4`, downloaded if it is not there yet, its hash checked.

    Errors: `InputError` where pip cannot get the wheel, the wheel holds another clip, or the folder cannot be written.
    """
    clip = folder / Path(MEMBER).name
    if clip.is_file() and file_sha256(clip) == SHA256:
        return clip
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise InputError(
            f"{folder}: cannot be made ({error.strerror})", "set POSES3D_CACHE to another folder"
        ) from None
    with tempfile.TemporaryDirectory() as scratch:
        content = _clip_of(_download_wheel(Path(scratch)))
    found = hashlib.sha256(content).hexdigest()
    if found != SHA256:
        raise InputError(f"{MEMBER} of {REQUIREMENT}: expected SHA-256 {SHA256}, got {found}", "run it again")

    def write(stream: IO[bytes]) -> None:
        stream.write(content)

    write_atomically(clip, write)
    return clip


def _download_wheel(folder: Path) -> Path:
    command = [
        sys.executable,
        "-m",
        "pip",
        "download",
        "--no-deps",
        "--only-binary=:all:",
        "--disable-pip-version-check",
    ]
    done = subprocess.run(
        [*command, "--quiet", "--dest", str(folder), REQUIREMENT], capture_output=True, text=True, check=False
    )
    wheels = sorted(folder.glob("*.whl"))
    if done.returncode != 0 or not wheels:
        lines = [line for line in done.stderr.splitlines() if line.startswith("ERROR")] or done.stderr.splitlines()
        reason = lines[-1] if lines else f"exit code {done.returncode}"
        raise InputError(
            f"{REQUIREMENT}: pip could not download the wheel with the sample clip ({reason})",
            "check the network and pip's settings, or run infer_video.py on a video of your own",
        )
    return wheels[0]


def _clip_of(wheel: Path) -> bytes:
    try:
        with zipfile.ZipFile(wheel) as archive:
            return archive.read(MEMBER)
    except (KeyError, OSError, zipfile.BadZipFile) as error:
        raise InputError(f"{wheel.name}: holds no readable {MEMBER} ({error})", "run it again") from None


def main(arguments: list[str] | None = None) -> int:
    """Print the clip's path; exit code 1 and one line on stderr where it cannot be had."""
    parser = argparse.ArgumentParser(prog="python -m pipeline.sample", description="Fetch the sample clip.")
    parser.add_argument("folder", nargs="?", type=Path, help="where to put it (default: the cache folder)")
    folder = parser.parse_args(arguments).folder or cache_folder() / "sample"
    try:
        sys.stdout.write(f"{fetch_sample(folder)}\n")
    except UserError as error:
        sys.stderr.write(f"error: {error}\n")
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
