"""Rendering a whole video: one picture after another into a file."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable
from itertools import chain
from pathlib import Path

import numpy as np

from poses import InputError, Poses3D, Tracks
from render.compare import Comparison
from render.options import RenderOptions
from render.outputs import open_output
from render.picture import Picture
from render.sound import Sound

logger = logging.getLogger(__name__)


def render_video(
    images: Iterable[np.ndarray] | None,
    timestamps_s: np.ndarray,
    tracks: Tracks,
    poses: Poses3D,
    path: Path,
    options: RenderOptions,
    on_frame: Callable[[], None] | None = None,
    *,
    frames: range | None = None,
    comparison: Comparison | None = None,
    sound_of: Path | None = None,
) -> None:
    """Write a movie: by default the video with 2D skeletons beside all people in 3D on a floor of metre squares.

    Parameters
    ----------
    images : one (H, W, 3) uint8 BGR frame for each of `frames`, all of one size; read as a stream. None for the
        layout that shows no video.
    timestamps_s : (T,) seconds, increasing; the movie shows each frame at its time after the first.
    tracks, poses : what to draw; both may be empty. Their frames index `timestamps_s`.
    path : the file to write (a folder for png); it appears only when it is complete.
    on_frame : called after each frame, for a progress bar.
    frames : which of the T frames are drawn, one after the other; all if None.
    comparison : another result to be drawn as well, from `render.compare.compare`.
    sound_of : the video whose sound is kept, where the options ask for sound.

    Raises
    ------
    InputError : `path` cannot be written, or the number of images differs from that of the frames.
    UsageError : what the options ask for cannot be.
    """
    frames = range(len(timestamps_s)) if frames is None else frames
    given = iter(images) if images is not None else iter(())
    first = next(given, None)
    if len(frames) == 0 or (images is not None and first is None):
        raise _wrong_count(path, 0 if first is None else 1, len(frames))
    camera = poses.intrinsics
    size = (camera.width, camera.height) if first is None else (first.shape[1], first.shape[0])
    picture = Picture(size, timestamps_s, tracks, poses, options, comparison=comparison)
    layout = picture.layout
    logger.debug("%s: rendering %d frames at %dx%d", path, len(frames), layout.width, layout.height)
    sound = None
    if options.sound and sound_of is not None:
        end_s = float(timestamps_s[frames[-1] + 1]) if frames[-1] + 1 < len(timestamps_s) else None
        sound = Sound(sound_of, float(timestamps_s[frames[0]]), end_s)
    with open_output(
        path,
        layout.width,
        layout.height,
        format=options.format,
        crf=options.crf,
        preset=options.preset,
        sound=sound,
    ) as writer:
        stream: Iterable[np.ndarray | None] = chain([first], given) if images is not None else (None for _ in frames)
        drawn = 0
        for image in stream:
            if drawn == len(frames):
                raise _wrong_count(path, drawn + 1, len(frames))
            frame = frames[drawn]
            writer.write(picture.draw(image, frame), float(timestamps_s[frame]))
            drawn += 1
            if on_frame is not None:
                on_frame()
        if drawn < len(frames):
            raise _wrong_count(path, drawn, len(frames))


def _wrong_count(path: Path, got: int, expected: int) -> InputError:
    at_least = "at least " if got > expected else ""
    return InputError(
        f"{path}: not rendered, the video gave {at_least}{got} frames where {expected} were expected",
        "if the video has changed, run again with --force",
    )
