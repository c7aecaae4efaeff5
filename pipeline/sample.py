"""Fetches the sample clip: `python -m pipeline.sample [FOLDER]` prints where it lies.

The clip is the demo video of Sports2D (BSD 3-Clause), which that package's wheel carries.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from pipeline.wheel import fetch_wheel_files
from poses.cache import cache_folder
from poses.errors import UserError

REQUIREMENT = "sports2d==0.8.34"
MEMBER = "Sports2D/Demo/demo.mp4"
SHA256 = "d9a66417185647b112304b57093f0c180f37a768e6a14daca75ca541f3b78039"


def fetch_sample(folder: Path) -> Path:
    """`folder/demo.mp4`, downloaded if it is not there yet, its hash checked; errors as `fetch_wheel_files`."""
    return fetch_wheel_files(REQUIREMENT, {MEMBER: SHA256}, folder, "the wheel with the sample clip")[MEMBER]


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
