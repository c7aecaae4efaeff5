"""The 2D panel: the video with the tracked keypoints over it."""

from __future__ import annotations

import numpy as np
from scipy.ndimage import median_filter

from poses import Tracks
from render.body import body_of
from render.rows import RowsByFrame
from render.shapes import capsules, disc, draw_tag, fill, fit, fixed_point
from render.style import Theme, mix

_LIMB_RADIUS = 0.0042  # of the panel's height, for a person who fills a third of it or more
_SMALLEST = 0.45  # thinnest limbs, as a share of the thickest
_OUTLINE_PX = 1.2
_SMOOTHING_ROWS = 31
_UNSEEN = 0.45  # how far the colour of a filled-in joint goes towards the outline's


class Overlay:
    """Draws the people of a frame over its picture.

    Parameters
    ----------
    tracks : keypoints in pixels of the source.
    source_size, panel_size : width and height in pixels.
    label_height : pixels; each person's number is written above the head, 0 for no numbers.
    """

    def __init__(
        self, tracks: Tracks, source_size: tuple[int, int], panel_size: tuple[int, int], theme: Theme, label_height: int
    ) -> None:
        self._tracks = tracks
        self._rows = RowsByFrame(tracks.frame, tracks.person_id)
        self._body = body_of(tracks.skeleton, head_as_ball=False)
        self._size = panel_size
        self._scale = np.array(panel_size) / np.array(source_size)
        self._theme = theme
        self._label_height = label_height
        self._thickness = _limb_thickness(tracks, self._scale[1], panel_size[1])
        radius = self._body.joint_radius_m
        self._relative_radius = np.clip(radius / radius.max(), 0.3, 1.0) ** 0.7

    def draw(self, image: np.ndarray, frame: int) -> np.ndarray:
        """(height, width, 3) uint8 panel: the source's frame (any size) fitted in, with the people of that frame."""
        width, height = self._size
        panel = fit(image, width, height)
        for row in self._rows.of(frame):
            self._draw_person(panel, int(row))
        return panel

    def _draw_person(self, panel: np.ndarray, row: int) -> None:
        tracks, body = self._tracks, self._body
        # OpenCV's fixed point overflows far outside the picture; nothing is to be seen there anyway.
        points = body.complete(tracks.keypoints_px[row].astype(np.float64)) * self._scale
        with np.errstate(invalid="ignore"):
            known = np.isfinite(points).all(axis=1) & (np.abs(points) < 10_000).all(axis=1)
        if not known.any():
            return
        seen = body.complete_seen(tracks.observed[row])
        colors = self._theme.person(int(tracks.person_id[row]))
        radius = self._thickness[row] * self._relative_radius

        drawn = np.flatnonzero(known[body.limbs].all(axis=1))
        start, end = body.limbs[drawn].T
        both_seen = seen[start] & seen[end]
        thin = np.where(both_seen, 1.0, 0.45)
        ends = points[start], points[end]
        start_radius, end_radius = radius[start] * thin, radius[end] * thin
        outlines = fixed_point(capsules(*ends, start_radius + _OUTLINE_PX, end_radius + _OUTLINE_PX))
        fills = fixed_point(capsules(*ends, start_radius, end_radius))
        for shape in outlines:
            fill(panel, shape, self._theme.outline)
        for limb, shape, clear in zip(drawn, fills, both_seen, strict=True):
            color = colors.of(body.limb_sides[limb])
            fill(panel, shape, color if clear else mix(color, self._theme.outline, _UNSEEN))

        for joint in body.drawn_joints:
            if not known[joint]:
                continue
            color = colors.of(body.joint_sides[joint])
            size = 1.45 * radius[joint]
            disc(panel, points[joint], size + _OUTLINE_PX, self._theme.outline)
            if seen[joint]:
                disc(panel, points[joint], size, color)
            else:
                disc(panel, points[joint], size - 0.5, color, ring_width=1)
        if self._label_height:
            self._label(panel, points[known], str(int(tracks.person_id[row])), colors.left)

    def _label(self, panel: np.ndarray, points: np.ndarray, text: str, color: tuple[int, int, int]) -> None:
        height = self._label_height
        top = points[np.argmin(points[:, 1])]
        lift = max(0.1 * float(np.ptp(points[:, 1])), 2.0 * height) + height
        draw_tag(panel, text, top - (0.0, lift), height, color, self._theme.outline)


def _limb_thickness(tracks: Tracks, scale: float, panel_height: int) -> np.ndarray:
    """(R,) radius in panel pixels: thinner for people who are small in the picture, steady over time."""
    radius = np.full(len(tracks), _LIMB_RADIUS * panel_height)
    for person in tracks.people():
        rows = tracks.rows_of(person)
        points = tracks.keypoints_px[rows]
        known = np.isfinite(points)
        extent = np.where(known, points, -np.inf).max(axis=1) - np.where(known, points, np.inf).min(axis=1)
        size = np.maximum(extent.max(axis=1), 0) * scale
        size = median_filter(size, size=min(_SMOOTHING_ROWS, len(rows)), mode="nearest")
        radius[rows] *= np.clip(size / (panel_height / 3), _SMALLEST, 1.0)
    return np.maximum(radius, 1.0)
