"""How the picture looks and how it is written: one dataclass for the configuration, the command line and Python."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from poses import UsageError
from render.movie import PRESETS
from render.outputs import MOVIE_FORMATS, OUTPUT_FORMATS

LAYOUTS = ("auto", "side-by-side", "stacked", "overlay", "scene")
VIEWS = ("angle", "front", "side", "top", "camera")
VIEW_COUNTS = (1, 2, 4)
CAMERAS = ("auto", "fixed", "follow", "orbit")
COMPARISONS = ("together", "beside")

_CHOICES = {
    "preset": PRESETS,
    "layout": LAYOUTS,
    "camera": CAMERAS,
    "comparison": COMPARISONS,
    "format": tuple(OUTPUT_FORMATS),
}
_RANGES = {
    "width_px": (320, 7680),
    "crf": (0, 51),
    "trail_s": (0, 3600),
    "orbit_s": (1, 3600),
    "view_raise_deg": (0, 89),
    "view_turn_deg": (0, 90),
}


def _option(default: float | int | str | bool | tuple[str, ...], help: str) -> Any:
    return field(default=default, metadata={"help": help})


@dataclass(frozen=True)
class RenderOptions:
    """How the picture looks and how it is compressed; `UsageError` for values that cannot be."""

    format: str = _option("mp4", f"kind of file: {', '.join(OUTPUT_FORMATS)} (a folder of numbered pictures)")
    sound: bool = _option(False, f"keep the sound of the source, in {' and '.join(MOVIE_FORMATS)}")
    width_px: int = _option(
        1920, "width of the whole picture in pixels, or its height where that is larger; the other follows"
    )
    layout: str = _option(
        "auto",
        f"where the panels lie: {', '.join(LAYOUTS)}; auto is side-by-side, but stacked for videos of 2:1 or wider; "
        "overlay shows the video only, scene the 3D only",
    )
    views: tuple[str, ...] = _option(("angle",), f"one, two or four views of the 3D, of {', '.join(VIEWS)}")
    camera: str = _option(
        "auto",
        f"what the 3D views do: {', '.join(CAMERAS)}; auto is fixed, but follow where people would become tiny",
    )
    orbit_s: float = _option(20.0, "seconds of one turn of the orbiting camera")
    theme: str = _option("dark", "dark, light, or a YAML stylesheet; see docs/rendering.md")
    crf: float = _option(20.0, "quality of MP4 and WebM: 0 (lossless) to 51 (worst), 18 looks like the original")
    preset: str = _option("veryfast", f"effort of the encoder for a smaller file: {', '.join(PRESETS)}")
    trail_s: float = _option(2.0, "seconds of each person's way that are shown on the floor; 0 for none")
    labels: bool = _option(True, "write each person's number above the head")
    boxes: bool = _option(False, "draw a box around each person in the video")
    comparison: str = _option(
        "together",
        "how another result is drawn (pipeline.draw --compare): in the same scene (together), or in one of its own "
        "(beside)",
    )
    view_raise_deg: float = _option(22.0, "degrees above the horizon from which the angle view looks down, 0 to 89")
    view_turn_deg: float = _option(35.0, "degrees that the angle view is turned away from the video's camera, 0 to 90")

    def __post_init__(self) -> None:
        for name, known in _CHOICES.items():
            if getattr(self, name) not in known:
                raise UsageError(f"render {name} {getattr(self, name)!r} is unknown", f"known: {', '.join(known)}")
        for view in self.views:
            if view not in VIEWS:
                raise UsageError(f"render view {view!r} is unknown", f"known: {', '.join(VIEWS)}")
        if len(self.views) not in VIEW_COUNTS:
            raise UsageError(f"render views: expected one, two or four views, got {len(self.views)}")
        if len(set(self.views)) < len(self.views):
            raise UsageError(f"render views: a view stands twice in {', '.join(self.views)}")
        if self.comparison == "beside" and len(self.views) == 4:
            raise UsageError("render comparison beside has room for one or two views, got 4")
        for name, (low, high) in _RANGES.items():
            value = getattr(self, name)
            if not low <= value <= high:
                raise UsageError(f"render option {name} must lie between {low} and {high}, got {value}")
        if self.sound and self.format not in MOVIE_FORMATS:
            raise UsageError(f"render format {self.format} holds no sound", f"choose {' or '.join(MOVIE_FORMATS)}")
