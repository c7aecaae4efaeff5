"""Where the panels lie in the output picture."""

from __future__ import annotations

import itertools
import math
from dataclasses import dataclass

WIDE = 2.0
"""Width to height from which on the video lies above the scene: there, each panel gets more of a 16:9 screen so."""

_SCENE_ASPECT = {1: 1.3, 2: 1.6, 4: 1.3}
"""Width to height of the 3D area by its panels: wide enough for two people, high enough beside a portrait video."""

_PANEL_ASPECT = 1.25
"""Shape that a 3D panel should be close to."""

_HIGHEST = 0.5625
"""Highest area, in widths of the picture: a portrait video still gives a picture that fits a screen."""

_STACKED_SCENE = 0.45  # least height of the 3D area below a video, in widths
_STACKED_TOTAL = 0.75  # height of both that it grows to below a panorama
_STACKED_VIDEO = 1.0
_TALL_VIDEO = 0.7  # from here on the picture is for an upright screen, which has room
_CAMERA_ASPECTS = (0.5, 2.5)


@dataclass(frozen=True)
class Panel:
    """A rectangle of the picture in whole pixels, all even."""

    left: int
    top: int
    width: int
    height: int

    @property
    def size(self) -> tuple[int, int]:
        """Width and height."""
        return self.width, self.height

    @property
    def area(self) -> tuple[slice, slice]:
        """Rows and columns of the picture."""
        return slice(self.top, self.top + self.height), slice(self.left, self.left + self.width)


@dataclass(frozen=True)
class Layout:
    """A header above panels that cover the rest without gap or overlap.

    Attributes
    ----------
    width, height : of the whole picture, pixels, even.
    header_height, text_height : pixels; the latter is that of capitals, chosen to stay legible at 640 pixels.
    video : where the video goes, None where it is not shown.
    scenes : where the 3D views go, row by row.
    """

    width: int
    height: int
    header_height: int
    text_height: int
    video: Panel | None
    scenes: tuple[Panel, ...]

    @property
    def label_height(self) -> int:
        """Height of the numbers above heads."""
        return max(7, round(0.8 * self.text_height))


def arrange(
    name: str,
    source_size: tuple[int, int],
    width_px: int,
    scenes: int = 1,
    only_camera: bool = False,
    text_size: float = 1.0,
) -> Layout:
    """The layout of that name (of `render.options.LAYOUTS`) whose longer side is `width_px`, to an even number.

    Parameters
    ----------
    source_size : width and height of the video in pixels.
    scenes : number of 3D panels: 1, 2 or 4.
    only_camera : the only 3D panel is the view of the source's camera, so it takes the video's shape in `scene`.
    text_size : factor on the height of text.
    """
    aspect = source_size[0] / source_size[1]
    if name == "auto":
        name = "stacked" if aspect >= WIDE else "side-by-side"
    layout = _arrange(name, aspect, width_px, width_px, scenes, only_camera, text_size)
    if layout.height > _even(width_px):
        # Higher than wide: the height is what was asked for.
        width = (width_px - layout.header_height) * layout.width / (layout.height - layout.header_height)
        while layout.height > _even(width_px):
            layout = _arrange(name, aspect, width, width_px, scenes, only_camera, text_size)
            width -= 2
    return layout


def _arrange(
    name: str, aspect: float, width_px: float, longer_px: int, scenes: int, only_camera: bool, text_size: float
) -> Layout:
    width = _even(width_px)
    top = _even(max(20, longer_px * 0.024) * max(1.0, text_size))
    video = None
    if name == "overlay":
        scenes = 0
        area = video = Panel(0, top, width, _even(width / aspect))
    elif name == "scene":
        height = width * _HIGHEST - top
        if only_camera:
            height = width / min(max(aspect, _CAMERA_ASPECTS[0]), _CAMERA_ASPECTS[1])
        area = Panel(0, top, width, _even(height))
    elif name == "stacked":
        video_height = _even(width * min(1 / aspect, _STACKED_VIDEO))
        video = Panel(0, top, width, video_height)
        share = min(max(_STACKED_TOTAL - video_height / width, _STACKED_SCENE), _HIGHEST)
        if scenes == 4 or video_height > _TALL_VIDEO * width:
            share = _HIGHEST
        area = Panel(0, top + video_height, width, _even(width * share))
    else:
        # A panorama must leave room for the scene.
        height = _even(min(width / (aspect + _SCENE_ASPECT[scenes]), width * _HIGHEST, 0.75 * width / aspect))
        video = Panel(0, top, min(_even(height * aspect), width - 2), height)
        area = Panel(video.width, top, width - video.width, height)
    return Layout(
        width=width,
        height=area.top + area.height,
        header_height=top,
        text_height=round(max(8.0, longer_px * 0.0072) * text_size),
        video=video,
        scenes=_grid(area, scenes) if scenes else (),
    )


def _grid(area: Panel, count: int) -> tuple[Panel, ...]:
    """`count` panels in rows and columns that cover `area`, in shape as close to `_PANEL_ASPECT` as can be."""
    shapes = [(rows, count // rows) for rows in range(1, count + 1) if count % rows == 0]

    def oddness(shape: tuple[int, int]) -> float:
        rows, columns = shape
        return abs(math.log(area.width / columns / (area.height / rows) / _PANEL_ASPECT))

    rows, columns = min(shapes, key=oddness)
    xs = [area.left + 2 * (area.width * column // (2 * columns)) for column in range(columns + 1)]
    ys = [area.top + 2 * (area.height * row // (2 * rows)) for row in range(rows + 1)]
    return tuple(
        Panel(left, top, right - left, bottom - top)
        for top, bottom in itertools.pairwise(ys)
        for left, right in itertools.pairwise(xs)
    )


def _even(value: float) -> int:
    return max(2, 2 * round(value / 2))
