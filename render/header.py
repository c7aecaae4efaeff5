"""The line above the panels: time, who has which colours, and how far apart two compared results are."""

from __future__ import annotations

import math

import numpy as np

from render.shapes import capsules, draw_text, fill, fixed_point, text_width
from render.stills import clock_text
from render.style import Theme

_FRAME_ROOM = 45
"""Width in heights of text below which the number of the frame is left out."""


class Header:
    """Draws the time on the left and the legend of people, where there is room over the 3D panel.

    Parameters
    ----------
    people : identities in ascending order; those that do not fit are counted.
    width, height : size in pixels.
    text_height : height of capitals in pixels.
    legend_left : where the legend begins at the earliest, pixels.
    frames : number of frames of the video, for which room is kept.
    compared : room is kept for the distance between two results.
    """

    def __init__(
        self,
        people: list[int],
        width: int,
        height: int,
        text_height: int,
        legend_left: int,
        theme: Theme,
        frames: int = 100_000,
        compared: bool = False,
    ) -> None:
        self._theme, self._height, self._text_height = theme, height, text_height
        self._background = np.empty((height, width, 3), np.uint8)
        self._background[:] = theme.header
        self._compared = compared
        self._frame_left = text_height + text_width("00:00.00", text_height) + 2.0 * text_height
        self._has_frame = width >= _FRAME_ROOM * text_height
        left = self._frame_left
        if self._has_frame:
            left += text_width(f"frame {max(frames - 1, 0)}", text_height) + 2.0 * text_height
        self._distance_left = left
        if compared:
            left += text_width(_distance_text(8888.0, self._has_frame), text_height) + 2.0 * text_height
        self._draw_legend(people, max(legend_left, left - text_height))

    def draw(self, frame: int, time_s: float, distance_mm: float = math.nan) -> np.ndarray:
        """(height, width, 3) uint8 line for a frame, its time in the source and, where compared, a distance."""
        image = self._background.copy()
        left, middle, height = self._text_height, self._height / 2, self._text_height
        draw_text(image, clock_text(time_s), left, middle, height, self._theme.text)
        if self._has_frame:
            draw_text(image, f"frame {frame}", self._frame_left, middle, height, self._theme.faint_text)
        if self._compared:
            text = _distance_text(distance_mm, self._has_frame)
            draw_text(image, text, self._distance_left, middle, height, self._theme.text)
        return image

    def _draw_legend(self, people: list[int], left: float) -> None:
        """All people with full names where there is room, else by number, else as many as fit and a count."""
        image, height, middle = self._background, self._text_height, self._height / 2
        pill, space, between = 5.2 * height, 0.6 * height, 1.6 * height
        room = image.shape[1] - left - 2 * height
        names = [f"person {person}" for person in people]
        if sum(pill + space + text_width(name, height) + between for name in names) - between > room:
            names = [str(person) for person in people]
        end = left + height + room
        left += height
        for shown, (person, name) in enumerate(zip(people, names, strict=True)):
            needed = pill + space + text_width(name, height)
            rest = f"+ {len(people) - shown}"
            spare = 0 if shown == len(people) - 1 else text_width(rest, height) + between
            if left + needed + spare > end:
                draw_text(image, rest, left, middle, height, self._theme.faint_text)
                return
            self._draw_pill(person, left, pill)
            draw_text(image, name, left + pill + space, middle, height, self._theme.text)
            left += needed + between

    def _draw_pill(self, person: int, left: float, width: float) -> None:
        """Two limbs end to end, in the shades of the left and the right one, with their letters."""
        image, height, middle = self._background, self._text_height, self._height / 2
        colors = self._theme.person(person)
        radius = np.array([0.85 * height])
        for letter, color, start, end in (
            ("L", colors.left, left, left + 0.48 * width),
            ("R", colors.right, left + 0.52 * width, left + width),
        ):
            ends = np.array([[start + radius[0], middle]]), np.array([[end - radius[0], middle]])
            fill(image, fixed_point(capsules(*ends, radius, radius)[0]), color)
            letter_height = max(6, round(0.8 * height))
            text_left = (start + end) / 2 - text_width(letter, letter_height) / 2
            draw_text(image, letter, text_left, middle, letter_height, self._theme.ink_on(color))


def _distance_text(distance_mm: float, long: bool) -> str:
    """The mean joint distance; a dash where nobody is matched in the frame."""
    value = f"{distance_mm:.0f} mm" if math.isfinite(distance_mm) else "-"
    return f"joint distance {value}" if long else value
