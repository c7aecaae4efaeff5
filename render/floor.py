"""The floor: its height, its grid of metre squares, and the soft shadows on it."""

from __future__ import annotations

import itertools
import math

import cv2
import numpy as np

from poses import Poses3D
from render.shapes import SHIFT, fixed_point
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
_PIECES = 32  # of a line that a lens bends


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
    """A grid of squares of one metre at one height; or, for a view that sees it as a line, graph paper behind it.

    Parameters
    ----------
    height_m : its height in the world.
    people_m : (N, 2) floor positions that the grid must hold; empty for a stage of 4 x 4 m around `centre_m`.
    """

    def __init__(self, height_m: float, people_m: np.ndarray, centre_m: np.ndarray, theme: Theme) -> None:
        self.height_m = height_m
        self._theme = theme
        known = people_m[np.isfinite(people_m).all(axis=1)]
        if len(known) == 0:
            known = centre_m + np.array([[-1.2, -1.2], [1.2, 1.2]])
        middle = np.median(known, axis=0)
        low = np.maximum(known.min(axis=0), middle - _LARGEST_M / 2) - _MARGIN_M
        high = np.minimum(known.max(axis=0), middle + _LARGEST_M / 2) + _MARGIN_M
        self._low, self._high = np.floor(low).astype(int), np.ceil(high).astype(int)

    def image(self, view: View, moving: bool) -> np.ndarray:
        """(height, width, 3) uint8 background of a panel, newly drawn; quicker and a little rougher where `moving`."""
        finer = 1 if moving else _FINER
        image: np.ndarray = np.empty((view.height * finer, view.width * finer, 3), np.uint8)
        image[:] = self._theme.background
        if view.is_level:
            self._draw_paper(image, view, finer)
        else:
            self._draw_grid(image, view, finer, *(self._nearby(view) if moving else (self._low, self._high)))
        return image if finer == 1 else cv2.resize(image, (view.width, view.height), interpolation=cv2.INTER_AREA)

    def _nearby(self, view: View) -> tuple[np.ndarray, np.ndarray]:
        """Corners of the part of the floor that a moving view looks at."""
        forward = view.view_from_world[2]
        reach = (self.height_m - view.position_m[2]) / min(forward[2], -0.05)
        middle = (view.position_m + reach * forward)[:2]
        low = np.maximum(self._low, np.floor(middle - _FOLLOWED_HALF_M).astype(int))
        high = np.minimum(self._high, np.ceil(middle + _FOLLOWED_HALF_M).astype(int))
        return low, np.maximum(high, low + 1)

    def _draw_grid(self, image: np.ndarray, view: View, finer: int, low: np.ndarray, high: np.ndarray) -> None:
        corners = np.array([low, (high[0], low[1]), high, (low[0], high[1])], np.float64)
        pixels = _project_clipped(view, self._lift(corners), closed=True)
        if len(pixels) >= 3:
            cv2.fillPoly(image, [fixed_point(pixels * finer)], self._theme.floor, cv2.LINE_AA, SHIFT)
        for axis in (0, 1):
            other = 1 - axis
            for at in range(low[axis], high[axis] + 1):
                ends = np.empty((2, 2))
                ends[:, axis] = at
                ends[:, other] = low[other], high[other]
                lighter = 0.3 if at in (low[axis], high[axis]) else 0.0
                pixels = _project_clipped(view, self._lift(ends), closed=False)
                if len(pixels) >= 2:
                    self._line(image, pixels, finer, lighter)

    def _draw_paper(self, image: np.ndarray, view: View, finer: int) -> None:
        """Squares of one metre, upright, over the whole panel above the floor; the lowest line is the floor."""
        per_metre = view.focal_px / float(view.view_from_world[2] @ (self._middle() - view.position_m))
        right = view.view_from_world[0]
        bottom = float(view.project(self._middle())[0][1])
        image[: max(0, round(bottom * finer))] = self._theme.floor
        # The point of the world that stands on a line upright through the middle of the panel.
        at_middle = float(right @ view.position_m)
        reach = view.width / 2 / per_metre
        for metre in range(math.ceil(at_middle - reach), math.floor(at_middle + reach) + 1):
            x = view.width / 2 + (metre - at_middle) * per_metre
            self._line(image, np.array([[x, 0.0], [x, bottom]]), finer, 0.0)
        for metre in range(max(0, math.floor(bottom / per_metre)) + 1):
            y = bottom - metre * per_metre
            self._line(image, np.array([[0.0, y], [float(view.width), y]]), finer, 0.0 if metre else 0.6)

    def _middle(self) -> np.ndarray:
        return np.array([*((self._low + self._high) / 2), self.height_m])

    def _line(self, image: np.ndarray, pixels: np.ndarray, finer: int, lighter: float) -> None:
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
    if not kept:
        return np.empty((0, 2))
    points = np.array(kept)
    if view.is_curved:
        points = _subdivided(points, closed)
    pixels = view.project(points)[0]
    # Where a lens ends, so does what it shows.
    return pixels[np.isfinite(pixels).all(axis=1)]


def _subdivided(points_m: np.ndarray, closed: bool) -> np.ndarray:
    """Points along the edges of a polygon or a line, close enough to follow a bent one."""
    ends = np.concatenate([points_m, points_m[:1]]) if closed else points_m
    share = np.linspace(0, 1, _PIECES, endpoint=False)[:, None]
    edges = [start + share * (end - start) for start, end in itertools.pairwise(ends)]
    return np.concatenate([*edges, ends[-1:]])


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
