"""The 2D panel: the video with the tracked keypoints over it."""

from __future__ import annotations

import cv2
import numpy as np
from scipy.ndimage import median_filter

from poses import Tracks
from render.body import body_of
from render.rows import RowsByFrame
from render.shapes import SHIFT, capsules, disc, draw_tag, fill, fit, fixed_point
from render.style import Color, Theme, mix

_LIMB_RADIUS = 0.0042  # of the panel's height, for a person who fills a third of it or more
_SMALLEST = 0.45  # thinnest limbs, as a share of the thickest
_OUTLINE_PX = 1.2
_SMOOTHING_ROWS = 31
_ROUNDING_PX = 3.0  # a video may be stretched by this much, rather than have a thin border
_UNSEEN = 0.45  # how far the colour of a filled-in joint goes towards the outline's
_SURE = 0.8  # from this score on a joint is drawn in full
_UNSURE_SIZE = 0.45  # radius of a joint of score 0, as a share of a sure one's
_UNSURE_FADE = 0.6  # how far its colour goes towards the outline's
_BOX_ROOM = 0.06  # around a person's keypoints, in heights of what they span


class Overlay:
    """Draws the people of a frame over its picture.

    Parameters
    ----------
    tracks : keypoints in pixels of the source.
    source_size, panel_size : width and height in pixels. The video lies in the middle of a panel of another shape.
    label_height : pixels; each person's number is written above the head, 0 for no numbers.
    boxes : draw a box around each person's keypoints.
    """

    def __init__(
        self,
        tracks: Tracks,
        source_size: tuple[int, int],
        panel_size: tuple[int, int],
        theme: Theme,
        label_height: int,
        boxes: bool = False,
    ) -> None:
        self._tracks = tracks
        self._rows = RowsByFrame(tracks.frame, tracks.person_id)
        self._body = body_of(tracks.skeleton, head_as_ball=False)
        self._panel_size = panel_size
        self._size = size = _contained(source_size, panel_size)
        self._corner = (panel_size[0] - size[0]) // 2, (panel_size[1] - size[1]) // 2
        self._scale = np.array(size) / np.array(source_size)
        self._theme = theme
        self._label_height, self._boxes = label_height, boxes
        self._thickness = theme.line_width * _limb_thickness(tracks, self._scale[1], size[1])
        self._sure = _sureness(self._body.complete_score(tracks.keypoint_score))
        self._outline_px = theme.outline_width * _OUTLINE_PX
        radius = self._body.joint_radius_m
        self._relative_radius = np.clip(radius / radius.max(), 0.3, 1.0) ** 0.7

    def draw(self, image: np.ndarray, frame: int) -> np.ndarray:
        """(height, width, 3) uint8 panel: the source's frame (any size) fitted in, with the people of that frame."""
        width, height = self._size
        picture = fit(image, width, height)
        for row in self._rows.of(frame):
            self._draw_person(picture, int(row))
        if self._size == self._panel_size:
            return picture
        panel: np.ndarray = np.empty((self._panel_size[1], self._panel_size[0], 3), np.uint8)
        panel[:] = self._theme.background
        left, top = self._corner
        panel[top : top + height, left : left + width] = picture
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
        outlines = fixed_point(capsules(*ends, start_radius + self._outline_px, end_radius + self._outline_px))
        if self._boxes:
            self._draw_box(panel, points[known], colors.centre)
        fills = fixed_point(capsules(*ends, start_radius, end_radius))
        for shape in outlines:
            fill(panel, shape, self._theme.outline)
        for limb, shape, clear in zip(drawn, fills, both_seen, strict=True):
            color = colors.of(body.limb_sides[limb])
            fill(panel, shape, color if clear else mix(color, self._theme.outline, _UNSEEN))

        sure = self._sure[row]
        discs = 1.45 * self._theme.joint_size * radius
        for joint in body.drawn_joints if self._theme.joint_size else ():
            if not known[joint]:
                continue
            color, size = colors.of(body.joint_sides[joint]), float(discs[joint])
            if seen[joint]:
                # An unsure joint is smaller and darker; a ring of full size is one that nobody saw.
                if sure[joint] < 1:
                    size *= _UNSURE_SIZE + (1 - _UNSURE_SIZE) * sure[joint]
                    color = mix(color, self._theme.outline, _UNSURE_FADE * (1 - sure[joint]))
                disc(panel, points[joint], size + self._outline_px, self._theme.outline)
                disc(panel, points[joint], size, color)
            else:
                disc(panel, points[joint], size + self._outline_px, self._theme.outline)
                disc(panel, points[joint], size - 0.5, color, ring_width=1)
        if self._label_height:
            self._label(panel, points[known], str(int(tracks.person_id[row])), colors.left)

    def _draw_box(self, panel: np.ndarray, points: np.ndarray, color: Color) -> None:
        low, high = points.min(axis=0), points.max(axis=0)
        room = _BOX_ROOM * float((high - low).max()) + 2.0
        (left, top), (right, bottom) = low - room, high + room
        corners = np.array([[left, top], [right, top], [right, bottom], [left, bottom]])
        width = max(1, round(self._theme.line_width * min(self._size) / 500))
        for tone, thickness in ((self._theme.outline, width + 2), (color, width)):
            cv2.polylines(panel, [fixed_point(corners)], True, tone, thickness, cv2.LINE_AA, SHIFT)

    def _label(self, panel: np.ndarray, points: np.ndarray, text: str, color: Color) -> None:
        height = self._label_height
        top = points[np.argmin(points[:, 1])]
        lift = max(0.1 * float(np.ptp(points[:, 1])), 2.0 * height) + height
        draw_tag(panel, text, top - (0.0, lift), height, color, self._theme.outline)


def _sureness(score: np.ndarray) -> np.ndarray:
    """0 for a joint that is not to be relied on, 1 for one that is, by its score 0..1 (NaN for none)."""
    return np.clip(np.nan_to_num(score.astype(np.float64)) / _SURE, 0.0, 1.0)


def _contained(source_size: tuple[int, int], panel_size: tuple[int, int]) -> tuple[int, int]:
    """Width and height of the video in a panel: as large as its proportions allow, but for the pixels of rounding."""
    scale = min(panel / source for panel, source in zip(panel_size, source_size, strict=True))
    width, height = (
        panel if panel - scale * source < _ROUNDING_PX else max(1, round(scale * source))
        for panel, source in zip(panel_size, source_size, strict=True)
    )
    return width, height


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
