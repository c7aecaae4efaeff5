"""Rendering a whole video: the source with 2D skeletons beside the people in 3D."""

from __future__ import annotations

import logging
import math
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from itertools import chain
from pathlib import Path
from typing import Any

import numpy as np

from poses import InputError, Poses3D, Tracks, UsageError
from render.encode import Mp4Writer
from render.header import Header
from render.layout import Layout, side_by_side
from render.overlay import Overlay
from render.scene import Scene
from render.style import DARK, Theme

logger = logging.getLogger(__name__)

PRESETS = ("ultrafast", "superfast", "veryfast", "faster", "fast", "medium", "slow", "slower", "veryslow")


def _option(default: float | int | str | bool, help: str) -> Any:
    return field(default=default, metadata={"help": help})


@dataclass(frozen=True)
class RenderOptions:
    """How the MP4 looks and how it is compressed; `UsageError` for values that cannot be."""

    width_px: int = _option(1920, "width of the whole picture in pixels; the height follows from the video's shape")
    crf: float = _option(20.0, "quality of the MP4: 0 (lossless) to 51 (worst), 18 looks like the original")
    preset: str = _option("veryfast", f"effort of the encoder for a smaller file: {', '.join(PRESETS)}")
    trail_s: float = _option(2.0, "seconds of each person's way that are shown on the floor; 0 for none")
    labels: bool = _option(True, "write each person's number above the head")
    view_raise_deg: float = _option(22.0, "degrees above the horizon from which the 3D view looks down, 0 to 89")
    view_turn_deg: float = _option(35.0, "degrees that the 3D view is turned away from the video's camera, 0 to 90")

    def __post_init__(self) -> None:
        if self.preset not in PRESETS:
            raise UsageError(f"render preset {self.preset!r} is unknown", f"known: {', '.join(PRESETS)}")
        ranges = {
            "width_px": (320, 7680),
            "crf": (0, 51),
            "trail_s": (0, 3600),
            "view_raise_deg": (0, 89),
            "view_turn_deg": (0, 90),
        }
        for name, (low, high) in ranges.items():
            value = getattr(self, name)
            if not low <= value <= high:
                raise UsageError(f"render option {name} must lie between {low} and {high}, got {value}")


class Picture:
    """Composes the output picture of one frame after another.

    Parameters are those of `render_video`; `source_size` is the width and height of the source's frames in pixels.
    """

    def __init__(
        self,
        source_size: tuple[int, int],
        timestamps_s: np.ndarray,
        tracks: Tracks,
        poses: Poses3D,
        options: RenderOptions,
        theme: Theme = DARK,
    ) -> None:
        for name, artifact in (("tracks", tracks), ("poses", poses)):
            if len(artifact) and artifact.frame.max() >= len(timestamps_s):
                raise ValueError(f"{name} go up to frame {artifact.frame.max()}, the video has {len(timestamps_s)}")
        self.layout: Layout = side_by_side(*source_size, options.width_px)
        layout = self.layout
        people = sorted({*tracks.people(), *poses.people()})
        self._times = timestamps_s
        self._header = Header(people, layout.width, layout.header_height, layout.text_height, layout.video_width, theme)
        self.overlay = Overlay(
            tracks,
            source_size,
            (layout.video_width, layout.panel_height),
            theme,
            label_height=layout.label_height if options.labels else 0,
        )
        self.scene = Scene(
            poses,
            tracks,
            timestamps_s,
            (layout.scene_width, layout.panel_height),
            theme,
            trail_s=options.trail_s,
            raise_rad=math.radians(options.view_raise_deg),
            turn_rad=math.radians(options.view_turn_deg),
            text_height=layout.text_height,
            label_height=layout.label_height if options.labels else 0,
        )

    def draw(self, image: np.ndarray, frame: int) -> np.ndarray:
        """(layout.height, layout.width, 3) uint8 BGR picture of a frame, newly allocated."""
        layout = self.layout
        out = np.empty((layout.height, layout.width, 3), np.uint8)
        out[: layout.header_height] = self._header.draw(frame, float(self._times[frame]))
        out[layout.header_height :, : layout.video_width] = self.overlay.draw(image, frame)
        out[layout.header_height :, layout.video_width :] = self.scene.draw(frame)
        return out


def render_video(
    images: Iterable[np.ndarray],
    timestamps_s: np.ndarray,
    tracks: Tracks,
    poses: Poses3D,
    path: Path,
    options: RenderOptions,
    on_frame: Callable[[], None] | None = None,
) -> None:
    """Write an H.264 MP4: left the video with 2D skeletons, right all people in 3D on a floor of metre squares.

    Parameters
    ----------
    images : one (H, W, 3) uint8 BGR frame for each entry of `timestamps_s`, all of one size; read as a stream.
    timestamps_s : (T,) seconds, increasing; the MP4 shows each frame at its time after the first.
    tracks, poses : what to draw; both may be empty. Their frames index `timestamps_s`.
    path : the file to write; it appears only when it is complete.
    on_frame : called after each frame, for a progress bar.

    Raises
    ------
    InputError : `path` cannot be written, or the number of images differs from the number of times.
    """
    frames = iter(images)
    first = next(frames, None)
    if first is None or len(timestamps_s) == 0:
        raise _wrong_count(path, 0 if first is None else 1, len(timestamps_s))
    picture = Picture((first.shape[1], first.shape[0]), timestamps_s, tracks, poses, options)
    layout = picture.layout
    logger.debug("%s: rendering %d frames at %dx%d", path, len(timestamps_s), layout.width, layout.height)
    with Mp4Writer(path, layout.width, layout.height, options.crf, options.preset) as writer:
        drawn = 0
        for image in chain([first], frames):
            if drawn == len(timestamps_s):
                raise _wrong_count(path, drawn + 1, len(timestamps_s))
            writer.write(picture.draw(image, drawn), float(timestamps_s[drawn]))
            drawn += 1
            if on_frame is not None:
                on_frame()
        if drawn < len(timestamps_s):
            raise _wrong_count(path, drawn, len(timestamps_s))


def _wrong_count(path: Path, got: int, expected: int) -> InputError:
    at_least = "at least " if got > expected else ""
    return InputError(
        f"{path}: not rendered, the video gave {at_least}{got} frames where {expected} were expected",
        "if the video has changed, run again with --force",
    )
