"""Where the panels lie in the output picture."""

from __future__ import annotations

from dataclasses import dataclass

SCENE_ASPECT = 1.3
"""Width to height of the 3D panel: wide enough for two people side by side, high enough beside a portrait video."""

MAX_HEIGHT = 0.5625
"""Highest panels, in widths of the whole picture: a portrait phone video still gives a picture that fits a screen."""


@dataclass(frozen=True)
class Layout:
    """Sizes in whole pixels, all even: a header above, the video on the left, the 3D view on the right.

    `text_height` is that of capitals, chosen so that text stays legible at 640 pixels.
    """

    width: int
    header_height: int
    text_height: int
    panel_height: int
    video_width: int

    @property
    def height(self) -> int:
        return self.header_height + self.panel_height

    @property
    def label_height(self) -> int:
        """Height of the numbers above heads."""
        return max(7, round(0.8 * self.text_height))

    @property
    def scene_width(self) -> int:
        return self.width - self.video_width


def side_by_side(source_width: int, source_height: int, width_px: int) -> Layout:
    """Both panels equally high, the video in its own proportions (to a pixel), together `width_px` wide."""
    width = _even(width_px)
    aspect = source_width / source_height
    height = min(width / (aspect + SCENE_ASPECT), width * MAX_HEIGHT)
    # A panorama must leave room for the scene.
    height = min(height, 0.75 * width / aspect)
    return Layout(
        width=width,
        header_height=_even(max(20, width * 0.024)),
        text_height=max(8, round(width * 0.0072)),
        panel_height=_even(height),
        video_width=min(_even(height * aspect), width - 2),
    )


def _even(value: float) -> int:
    return max(2, 2 * round(value / 2))
