"""What stands behind the people in a 3D panel: floor, axes, the scale of the grid, and the panel's name."""

from __future__ import annotations

import cv2
import numpy as np

from render.floor import Floor
from render.shapes import SHIFT, disc, draw_text, fixed_point, line, text_width
from render.style import Theme, mix
from render.view import View, ViewPath

_AXES = ("x", "y", "z")
_SHORT = 0.2  # an axis that is seen so much shortened is only a dot


class Backdrop:
    """Draws the background of a panel: once where the view is fixed, else for each frame.

    Parameters
    ----------
    text_height : pixels, of axes and scale.
    caption : name of the panel, empty for none.
    """

    def __init__(self, floor: Floor, path: ViewPath, theme: Theme, text_height: int, caption: str) -> None:
        self._floor, self._path, self._theme = floor, path, theme
        self._text_height, self._caption = text_height, caption
        self._fixed = None if path.moves else self._draw(path.view)

    def image(self, view: View) -> np.ndarray:
        """(height, width, 3) uint8 background, to be drawn upon."""
        return self._draw(view) if self._fixed is None else self._fixed.copy()

    def _draw(self, view: View) -> np.ndarray:
        image = self._floor.image(view, self._path.moves)
        if view.lens is not None:
            _draw_frame(image, view.lens.frame_px, self._theme)
        height, theme = self._text_height, self._theme
        draw_axes(image, view, theme, height)
        label = "grid 1 m"
        left = view.width - text_width(label, height) - height
        # Where the floor is a line near the lower edge, it would cross the words.
        middle = 1.8 * height if view.is_level else view.height - 1.6 * height
        draw_text(image, label, left, middle, height, theme.faint_text)
        if self._caption:
            draw_text(image, self._caption, height, 1.8 * height, height, theme.text)
        return image


def _draw_frame(image: np.ndarray, frame_px: tuple[float, float, float, float], theme: Theme) -> None:
    """The edges of the video in a panel that shows more than it."""
    left, top, right, bottom = frame_px
    if left < 1 and top < 1:
        return
    corners = np.array([[left, top], [right, top], [right, bottom], [left, bottom]])
    cv2.polylines(image, [fixed_point(corners)], True, theme.faint_text, 1, cv2.LINE_AA, SHIFT)


def draw_axes(image: np.ndarray, view: View, theme: Theme, text_height: int) -> None:
    """The world's axes as seen by a view, in the lower left corner: x, y on the floor and z up."""
    length = 2.4 * text_height
    origin = np.array([length + 1.6 * text_height, view.height - length - 1.6 * text_height])
    if view.height < 6 * length or view.width < 9 * length:
        return
    seen = view.view_from_world.T
    width = max(1, round(text_height / 8))
    # Those that point away first, so that those that point here lie over them.
    for axis in sorted(range(3), key=lambda a: -seen[a, 2]):
        step = seen[axis, :2]
        color = mix(theme.text, theme.background, 0.35 if seen[axis, 2] > 0.3 else 0.1)
        shown = float(np.hypot(*step))
        if shown < _SHORT:
            disc(image, origin, 1.5 * width + 1, color)
            continue
        end = origin + length * step
        line(image, origin, end, color, width)
        name = _AXES[axis]
        at = end + step / shown * 0.85 * text_height
        draw_text(image, name, at[0] - text_width(name, text_height) / 2, at[1], text_height, color)
