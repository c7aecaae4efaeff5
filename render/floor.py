"""The floor: its height, its grid of metre squares, and the soft shadows on it."""

from __future__ import annotations

import math

import cv2
import numpy as np

from poses import Poses3D
from render.shapes import SHIFT, draw_text, fixed_point, text_width
from render.style import Theme, mix
from render.view import View

ANKLE_HEIGHT_M = 0.08
"""Ankle joints stand this high above the ground."""

_LOW_FEET = 0.1
_FEW_ROWS = 0.05
_MARGIN_M = 0.75
_LARGEST_M = 60.0
_FOLLOWED_HALF_M = 8.0
_FINER = 2  # the grid that is drawn once is drawn finer and averaged down


def floor_height(poses: Poses3D, world_m: np.ndarray) -> float:
    """Height of the floor in the world, metres: below the feet of the lowest person, 0 without people.

    The low 10 % of the heights of a person's lower ankle is where she stands, robust against single bad frames; people
    who are in view for less than 5 % of the longest time do not count. Others may stand higher (on a wall, on stairs).
    """
    ankles = world_m[:, poses.skeleton.indices("left_ankle", "right_ankle"), 2]
    lower = np.min(np.where(np.isfinite(ankles), ankles, np.inf), axis=1)
    standing = []
    for person in poses.people():
        heights = lower[poses.rows_of(person)]
        heights = heights[np.isfinite(heights)]
        if len(heights):
            standing.append((len(heights), float(np.quantile(heights, _LOW_FEET))))
    if not standing:
        return 0.0
    longest = max(count for count, _ in standing)
    return min(height for count, height in standing if count >= _FEW_ROWS * longest) - ANKLE_HEIGHT_M


class Floor:
    """A square-metre grid at one height; drawn once for a view that does not move.

    Parameters
    ----------
    height_m : its height in the world.
    people_m : (N, 2) floor positions that the grid must hold; empty for a stage of 4 x 4 m around `centre_m`.
    """

    def __init__(
        self, height_m: float, people_m: np.ndarray, centre_m: np.ndarray, theme: Theme, text_height: int
    ) -> None:
        self.height_m = height_m
        self._theme, self._text_height = theme, text_height
        known = people_m[np.isfinite(people_m).all(axis=1)]
        if len(known) == 0:
            known = centre_m + np.array([[-1.2, -1.2], [1.2, 1.2]])
        middle = np.median(known, axis=0)
        low = np.maximum(known.min(axis=0), middle - _LARGEST_M / 2) - _MARGIN_M
        high = np.minimum(known.max(axis=0), middle + _LARGEST_M / 2) + _MARGIN_M
        self._low, self._high = np.floor(low).astype(int), np.ceil(high).astype(int)
        self._drawn_for: View | None = None
        self._drawn: np.ndarray | None = None

    def image(self, view: View, moving: bool) -> np.ndarray:
        """(height, width, 3) uint8 background of the panel; not to be changed."""
        if self._drawn is None or view is not self._drawn_for:
            if moving:
                self._drawn = self._draw_followed(view)
            else:
                self._drawn = self._draw(view, self._low, self._high, _FINER)
            self._drawn_for = view
        return self._drawn

    def _draw_followed(self, view: View) -> np.ndarray:
        forward = view.view_from_world[2]
        reach = (self.height_m - view.position_m[2]) / min(forward[2], -0.05)
        middle = (view.position_m + reach * forward)[:2]
        low = np.maximum(self._low, np.floor(middle - _FOLLOWED_HALF_M).astype(int))
        high = np.minimum(self._high, np.ceil(middle + _FOLLOWED_HALF_M).astype(int))
        return self._draw(view, low, np.maximum(high, low + 1), 1)

    def _draw(self, view: View, low: np.ndarray, high: np.ndarray, finer: int) -> np.ndarray:
        size = (view.width * finer, view.height * finer)
        image: np.ndarray = np.empty((size[1], size[0], 3), np.uint8)
        image[:] = self._theme.background
        corners = np.array([low, (high[0], low[1]), high, (low[0], high[1])], np.float64)
        self._polygon(image, view, corners, finer)
        for axis in (0, 1):
            other = 1 - axis
            for at in range(low[axis], high[axis] + 1):
                ends = np.empty((2, 2))
                ends[:, axis] = at
                ends[:, other] = low[other], high[other]
                border = at in (low[axis], high[axis])
                self._grid_line(image, view, ends, finer, 0.3 if border else 0.0)
        if finer > 1:
            image = cv2.resize(image, (view.width, view.height), interpolation=cv2.INTER_AREA)
        height = self._text_height
        label = "grid 1 m"
        left = view.width - text_width(label, height) - height
        draw_text(image, label, left, view.height - 1.6 * height, height, self._theme.faint_text)
        return image

    def _polygon(self, image: np.ndarray, view: View, corners: np.ndarray, finer: int) -> None:
        pixels = _project_clipped(view, self._lift(corners), closed=True)
        if len(pixels) >= 3:
            cv2.fillConvexPoly(image, fixed_point(pixels * finer), self._theme.floor, cv2.LINE_AA, SHIFT)

    def _grid_line(self, image: np.ndarray, view: View, ends: np.ndarray, finer: int, lighter: float) -> None:
        pixels = _project_clipped(view, self._lift(ends), closed=False)
        if len(pixels) == 2:
            color = mix(self._theme.grid, self._theme.faint_text, lighter)
            cv2.polylines(image, [fixed_point(pixels * finer)], False, color, finer, cv2.LINE_AA, SHIFT)

    def _lift(self, flat_m: np.ndarray) -> np.ndarray:
        return np.concatenate([flat_m, np.full((len(flat_m), 1), self.height_m)], axis=1)


def _project_clipped(view: View, points_m: np.ndarray, closed: bool) -> np.ndarray:
    """(K, 2) pixels of a convex polygon or a line (N, 3), cut off at a plane just before the view."""
    near = 0.3
    depth = (points_m - view.position_m) @ view.view_from_world[2] - near
    kept = []
    count = len(points_m)
    for i in range(count):
        if depth[i] >= 0:
            kept.append(points_m[i])
        if not closed and i == count - 1:
            break
        following = (i + 1) % count
        if (depth[i] < 0) != (depth[following] < 0):
            share = depth[i] / (depth[i] - depth[following])
            kept.append(points_m[i] + share * (points_m[following] - points_m[i]))
    return view.project(np.array(kept))[0] if kept else np.empty((0, 2))


def draw_shadow(image: np.ndarray, outlines_px: np.ndarray, softness_px: float, strength: float) -> None:
    """Darken `image` under convex outlines (N, K, 2) with a soft edge."""
    pad = math.ceil(2 * softness_px)
    height, width = image.shape[:2]
    low = np.maximum(np.floor(outlines_px.min(axis=(0, 1))).astype(int) - pad, 0)
    high = np.minimum(np.ceil(outlines_px.max(axis=(0, 1))).astype(int) + pad, (width, height))
    if (high <= low).any():
        return
    mask: np.ndarray = np.zeros((high[1] - low[1], high[0] - low[0]), np.uint8)
    for outline in outlines_px:
        cv2.fillConvexPoly(mask, fixed_point(outline - low), (255,), cv2.LINE_AA, SHIFT)
    kernel = 2 * math.ceil(softness_px) + 1
    mask = cv2.blur(mask, (kernel, kernel))
    under = image[low[1] : high[1], low[0] : high[0]]
    kept = cv2.cvtColor(255 - cv2.convertScaleAbs(mask, alpha=strength), cv2.COLOR_GRAY2BGR)
    cv2.multiply(under, kept, under, 1 / 255)
