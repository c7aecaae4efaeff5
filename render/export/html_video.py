"""The small copy of a video that a page carries."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np

from poses import InputError
from render.movie import MP4, movie_encoder

LARGEST_PX = (640, 480)
"""Width and height in which the copy fits; a portrait video fits in these turned."""

KEYFRAME_INTERVAL = 15
"""Frames from one keyframe to the next: a jump decodes this many at most."""

# Every browser and phone plays the main profile; without frames that wait for later ones each jump is quick.
_SMALL = replace(
    MP4,
    codec_options=(
        ("profile", "main"),
        ("g", str(KEYFRAME_INTERVAL)),
        ("keyint_min", str(KEYFRAME_INTERVAL)),
        ("sc_threshold", "0"),
        ("bf", "0"),
    ),
)
_CRF, _PRESET = 29.0, "medium"


def small_size(width: int, height: int) -> tuple[int, int]:
    """Width and height of the copy of a video: even, at most 640 x 480 or 480 x 640, never larger than the video."""
    longer, shorter = LARGEST_PX
    box = (longer, shorter) if width >= height else (shorter, longer)
    scale = min(box[0] / width, box[1] / height, 1.0)
    return max(2, round(width * scale / 2) * 2), max(2, round(height * scale / 2) * 2)


def shrink(image: np.ndarray, size: tuple[int, int]) -> np.ndarray:
    """The (H, W, 3) picture in that width and height; a picture of this size is returned itself."""
    if (image.shape[1], image.shape[0]) == size:
        return image
    return cv2.resize(image, size, interpolation=cv2.INTER_AREA)


def small_copy(pictures: Iterator[tuple[np.ndarray, float]], size: tuple[int, int]) -> bytes:
    """An MP4 of frames and their times in seconds: H.264 main profile, yuv420p, no sound, a keyframe every 15 frames.

    Memory does not grow with the length but for the result, some 50 to 100 kB a second. `InputError` where the
    temporary folder is full.
    """
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "copy.mp4")
        try:
            movie_encoder(_SMALL, _CRF, _PRESET)(path, ((shrink(image, size), time_s) for image, time_s in pictures))
            return path.read_bytes()
        except OSError as error:
            raise InputError(
                f"{path}: cannot be written ({error.strerror})", "free some space for temporary files"
            ) from None
