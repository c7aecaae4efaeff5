"""The line above the panels: time, and who has which colours."""

from __future__ import annotations

import numpy as np

from render.shapes import capsules, draw_text, fill, fixed_point, text_width
from render.style import Theme


class Header:
    """Draws the time on the left and the legend of people over the 3D panel.

    Parameters
    ----------
    people : identities in ascending order; those that do not fit are counted.
    width, height : size in pixels.
    text_height : height of capitals in pixels.
    legend_left : where the legend begins, pixels.
    """

    def __init__(
        self, people: list[int], width: int, height: int, text_height: int, legend_left: int, theme: Theme
    ) -> None:
        self._theme, self._height, self._text_height = theme, height, text_height
        self._background = np.empty((height, width, 3), np.uint8)
        self._background[:] = theme.header
        self._draw_legend(people, legend_left)

    def draw(self, frame: int, time_s: float) -> np.ndarray:
        """(height, width, 3) uint8 line for a frame and its time in the source."""
        image = self._background.copy()
        minutes, seconds = divmod(time_s, 60)
        clock = f"{int(minutes)}:{seconds:05.2f}"
        left, middle, height = self._text_height, self._height / 2, self._text_height
        draw_text(image, clock, left, middle, height, self._theme.text)
        left += text_width("00:00.00", height) + 2 * height
        draw_text(image, f"frame {frame}", left, middle, height, self._theme.faint_text)
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
            dark = letter == "L"
            draw_text(image, letter, text_left, middle, letter_height, self._theme.outline if dark else (255, 255, 255))
