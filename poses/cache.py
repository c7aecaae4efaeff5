"""Where downloaded files are kept between runs."""

from __future__ import annotations

import os
from pathlib import Path


def cache_folder() -> Path:
    """The folder for downloads, not created: `$POSES3D_CACHE`, else `~/.cache/video-to-3d-poses`.

    `XDG_CACHE_HOME` takes the place of `~/.cache` where it is set.
    """
    chosen = os.environ.get("POSES3D_CACHE")
    if chosen:
        return Path(chosen).expanduser()
    base = os.environ.get("XDG_CACHE_HOME")
    return (Path(base) if base else Path.home() / ".cache") / "video-to-3d-poses"
