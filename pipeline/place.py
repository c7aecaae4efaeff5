"""Where the results of a video lie."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from render.outputs import OUTPUT_FORMATS


@dataclass(frozen=True)
class Place:
    """A video and the folder of its results.

    Attributes
    ----------
    source : the video as the user named it.
    name : stem of the result files and name of the folder.
    folder : where the results lie.
    movie_format : of `render.outputs.OUTPUT_FORMATS`.
    """

    source: Path
    name: str
    folder: Path
    movie_format: str = "mp4"

    @property
    def video(self) -> Path:
        """`video.npz`."""
        return self.folder / "video.npz"

    @property
    def detections(self) -> Path:
        """`detections.npz`."""
        return self.folder / "detections.npz"

    @property
    def detection_chunks(self) -> Path:
        """Folder of the detections of a run under way."""
        return self.folder / ".detections"

    @property
    def tracks(self) -> Path:
        """`tracks.npz`."""
        return self.folder / "tracks.npz"

    @property
    def poses(self) -> Path:
        """`poses3d.npz`."""
        return self.folder / "poses3d.npz"

    @property
    def movie(self) -> Path:
        """`<name>.mp4`, or with the ending of the other format; for png a folder."""
        return self.folder / f"{self.name}{OUTPUT_FORMATS[self.movie_format][0]}"

    @property
    def movie_key(self) -> Path:
        """The file beside the movie that bears its cache key and its size."""
        return self.folder / f".{self.movie.name}.key"

    @property
    def exports_key(self) -> Path:
        """The file beside the exports that bears their cache key, their names and sizes."""
        return self.folder / f".{self.name}.exports.key"

    @property
    def report(self) -> Path:
        """`report.json`."""
        return self.folder / "report.json"
