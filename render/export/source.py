"""What is exported: the people of a video, and the video itself where it is at hand."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from contextlib import AbstractContextManager
from dataclasses import dataclass

import numpy as np

from poses import InputError, Poses3D, Tracks, UsageError, VideoInfo

Images = Callable[[], AbstractContextManager[Iterable[np.ndarray]]]
"""Opens the video anew: upright frames (H, W, 3) uint8 BGR, one for each time of its `VideoInfo`."""


@dataclass(frozen=True)
class Source:
    """What is exported.

    Attributes
    ----------
    poses : the people in 3D.
    tracks : their keypoints, for formats that hold 2D too; None where not at hand.
    video : its frame times and size; None where not at hand.
    images : its pictures, for formats that hold them; None where not at hand. Needs `video`.

    `InputError` where poses or tracks go beyond the frames of the video: they belong to another one.
    """

    poses: Poses3D
    tracks: Tracks | None = None
    video: VideoInfo | None = None
    images: Images | None = None

    def __post_init__(self) -> None:
        if self.video is None:
            if self.images is not None:
                raise ValueError("pictures need the times of their frames")
            return
        for name, rows in (("poses", self.poses), ("keypoints", self.tracks)):
            last = int(rows.frame.max(initial=-1)) if rows is not None else -1
            if last >= len(self.video):
                raise InputError(
                    f"the {name} go up to frame {last}, the video has only {len(self.video)} frames",
                    "keep poses3d.npz, tracks.npz and video.npz of one run together",
                )

    def require_tracks(self, name: str) -> Tracks:
        """The keypoints; `UsageError` where the format `name` needs them and they are not at hand."""
        if self.tracks is None:
            raise UsageError(
                f"the format {name} holds 2D keypoints, and there are none here",
                "keep tracks.npz beside poses3d.npz",
            )
        return self.tracks

    def pictures(self, name: str) -> Iterator[tuple[np.ndarray, float]]:
        """Every (H, W, 3) uint8 BGR frame of the video with its time in seconds, read as a stream.

        `UsageError` at once where the format `name` needs them and they are not at hand; `InputError` where the video
        has another number of frames than when it was analysed.
        """
        if self.images is None or self.video is None:
            raise UsageError(
                f"the format {name} holds the video, which is not at hand here",
                f"python infer_video.py VIDEO -o FOLDER --export {name} (what is up to date is not computed again)",
            )
        return _timed(self.images, self.video.timestamps_s)


def _timed(images: Images, timestamps_s: np.ndarray) -> Iterator[tuple[np.ndarray, float]]:
    with images() as pictures:
        count = 0
        for image in pictures:
            if count < len(timestamps_s):
                yield image, float(timestamps_s[count])
            count += 1
    if count != len(timestamps_s):
        raise InputError(
            f"the video has {count} frames, {len(timestamps_s)} were expected", "was it changed? run again with --force"
        )
