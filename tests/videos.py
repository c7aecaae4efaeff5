"""Makes clips with the ffmpeg binary of imageio-ffmpeg, driven by ffmpeg-python, and reads them back with it.

That ffmpeg is another program and another build than the libraries in PyAV that decode for the project.
"""

from __future__ import annotations

import re
import subprocess
from pathlib import Path
from typing import Any

import ffmpeg
import imageio_ffmpeg
import numpy as np

EXE = imageio_ffmpeg.get_ffmpeg_exe()


def pattern(width: int = 64, height: int = 48, frames: int = 20, fps: float = 30) -> Any:
    """A moving test picture as an input of ffmpeg-python."""
    return ffmpeg.input(f"testsrc2=s={width}x{height}:r={fps}:d={frames / fps}", f="lavfi")


def tone(seconds: float = 0.7) -> Any:
    """A sine tone as an input of ffmpeg-python."""
    return ffmpeg.input(f"sine=f=440:d={seconds}", f="lavfi")


def write(path: Path, *streams: Any, **options: Any) -> Path:
    """Encode `streams` to `path`; options as on ffmpeg's command line. Returns `path`."""
    # "file:" so that any name can be written.
    ffmpeg.output(*streams, f"file:{path}", **options).global_args("-v", "error").run(cmd=EXE, overwrite_output=True)
    return path


def clip(path: Path, frames: int = 20, **options: Any) -> Path:
    """A plain H.264 clip of 64x48 at 30 frames a second."""
    return write(path, pattern(frames=frames), **{"vcodec": "libx264", "pix_fmt": "yuv420p", **options})


def remux(source: Path, path: Path, input_options: dict[str, Any] | None = None, **options: Any) -> Path:
    """Copy the streams of `source` without coding them again."""
    return write(path, ffmpeg.input(str(source), **(input_options or {})), c="copy", **options)


def images_by_ffmpeg(path: Path, width: int, height: int) -> np.ndarray:
    """(T, height, width, 3) uint8 BGR, turned upright by ffmpeg itself."""
    raw, _ = (
        ffmpeg.input(str(path))
        .output("pipe:", format="rawvideo", pix_fmt="bgr24", fps_mode="passthrough")
        .global_args("-v", "error")
        .run(cmd=EXE, capture_stdout=True)
    )
    return np.frombuffer(raw, np.uint8).reshape(-1, height, width, 3)


def times_by_ffmpeg(path: Path) -> np.ndarray:
    """(T,) seconds since the first frame, as ffmpeg's framecrc writer lists them."""
    command = [
        EXE,
        "-v",
        "error",
        "-copyts",
        "-i",
        str(path),
        "-map",
        "0:v:0",
        "-fps_mode",
        "passthrough",
        "-enc_time_base",
        "demux",
    ]
    listing = subprocess.run([*command, "-f", "framecrc", "-"], capture_output=True, text=True, check=True).stdout
    base = re.search(r"#tb 0: (\d+)/(\d+)", listing)
    assert base is not None
    ticks = np.array([int(line.split(",")[2]) for line in listing.splitlines() if not line.startswith("#")])
    return (ticks - ticks[0]) * int(base[1]) / int(base[2])
