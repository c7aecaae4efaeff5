"""A 3D panel: all people where they stand, on a floor of metre squares, seen from one virtual camera."""

from __future__ import annotations

from collections.abc import Sequence

import cv2
import numpy as np

from render.backdrop import Backdrop
from render.body import HEAD_RADIUS_M
from render.cast import Cast
from render.floor import Floor, draw_shadow
from render.people import draw_people
from render.shapes import SHIFT, capsules, draw_tag, draw_text, fill, fixed_point, line, text_width
from render.style import Theme, mix
from render.view import View, ViewPath

_TRAIL_POINTS = 48
_FOOT_RADIUS_M = 0.09
_ABOVE_FLOOR_M = 0.35  # higher than any step: from here on a line shows where on the floor a person is
_CIRCLE = np.stack([np.cos(np.linspace(0, 2 * np.pi, 17)[:-1]), np.sin(np.linspace(0, 2 * np.pi, 17)[:-1])], axis=1)


class Scene:
    """Draws the people of a frame in the world.

    Parameters
    ----------
    casts : the people of one or several results. Shadows, trails and numbers are those of the first one.
    timestamps_s : (T,) time of each frame of the video.
    path : the virtual camera; its view says the panel's size.
    trail_s : seconds of the way of the root that are shown on the floor.
    text_height : pixels, of notes in the panel.
    label_height : pixels; each person's number is written above the head, 0 for no numbers.
    caption : name of the panel, empty for none.
    """

    def __init__(
        self,
        casts: Sequence[Cast],
        timestamps_s: np.ndarray,
        floor: Floor,
        path: ViewPath,
        theme: Theme,
        trail_s: float,
        text_height: int,
        label_height: int,
        caption: str = "",
    ) -> None:
        self._casts, self._cast = casts, casts[0]
        self._theme, self._trail_s = theme, trail_s
        self._text_height, self._label_height = text_height, label_height
        self._times_s = timestamps_s
        self._floor_m, self._path = floor.height_m, path
        self._backdrop = Backdrop(floor, path, theme, text_height, caption)
        frame = self._cast.poses.frame
        self._frames_of = {person: frame[rows] for person, rows in self._cast.rows_of_person.items()}
        self._times_of = {person: timestamps_s[frames] for person, frames in self._frames_of.items()}

    def view(self, frame: int) -> View:
        """The virtual camera of a frame."""
        return self._path.at(frame)

    def draw(self, frame: int) -> np.ndarray:
        """(height, width, 3) uint8 panel of one frame."""
        view = self._path.at(frame)
        image = self._backdrop.image(view)
        if not any(len(cast.poses) for cast in self._casts):
            self._note(image, "no people found")
            return image
        rows = self._cast.rows.of(frame).tolist()
        for person in self._frames_of:
            self._draw_trail(image, view, person, frame)
        # A floor that is seen as a line has no room for shadows.
        for row in rows if self._theme.shadow and not view.is_level else ():
            self._draw_shadow(image, view, row)
        for row in rows:
            self._draw_height_line(image, view, row)
        # Greys first: at one and the same place, the colours lie on top.
        everybody = [(cast, row) for cast in reversed(self._casts) for row in cast.rows.of(frame).tolist()]
        draw_people(image, view, everybody, self._theme, self._path.distance_m)
        for row in rows if self._label_height else ():
            self._draw_label(image, view, row)
        return image

    def _on_floor(self, points_m: np.ndarray) -> np.ndarray:
        flat = points_m.copy()
        flat[..., 2] = self._floor_m
        return flat

    def _draw_trail(self, image: np.ndarray, view: View, person: int, frame: int) -> None:
        rows, frames = self._cast.rows_of_person[person], self._frames_of[person]
        times_s = self._times_of[person]
        now = self._times_s[frame]
        first = np.searchsorted(times_s, now - self._trail_s)
        last = np.searchsorted(frames, frame, side="right")
        # Every n-th row of the whole path, so that the points stay put while the trail moves on.
        stride = max(1, -(-(last - first) // _TRAIL_POINTS))
        chosen = np.arange(first, last)
        chosen = chosen[(chosen % stride == 0) | (chosen == last - 1)]
        if len(chosen) < 2 or self._trail_s <= 0:
            return
        pixels, _ = view.project(self._on_floor(self._cast.root_m[rows[chosen]]))
        age = (now - times_s[chosen]) / self._trail_s
        gap = np.diff(frames[chosen]) > 4 * stride
        points = fixed_point(np.nan_to_num(pixels))
        known = np.isfinite(pixels).all(axis=1)
        color = self._theme.person(person).centre
        width = max(1, round(self._theme.line_width * view.height / 330))
        for i in np.flatnonzero(known[1:] & known[:-1] & ~gap):
            faded = mix(self._theme.floor, color, float(np.clip(1 - age[i], 0, 1)))
            cv2.polylines(image, [points[i : i + 2]], False, faded, width, cv2.LINE_AA, SHIFT)

    def _draw_shadow(self, image: np.ndarray, view: View, row: int) -> None:
        """The body's shadow under a light straight above, and a darker spot under each foot that is near the floor."""
        cast, body, strength = self._cast, self._cast.body, self._theme.shadow
        pixels, depth = view.project(self._on_floor(cast.world_m[row]))
        known = np.isfinite(depth)
        limbs = body.limbs[known[body.limbs].all(axis=1)]
        if len(limbs) == 0:
            return
        per_metre = view.focal_px / float(np.nanmedian(depth))
        radius = body.joint_radius_m * per_metre
        outlines = capsules(pixels[limbs[:, 0]], pixels[limbs[:, 1]], radius[limbs[:, 0]], radius[limbs[:, 1]])
        draw_shadow(image, outlines, 0.05 * per_metre, strength)
        spots = []
        for ankle in cast.poses.skeleton.indices("left_ankle", "right_ankle"):
            point = cast.world_m[row, ankle]
            if known[ankle] and point[2] - self._floor_m < _ABOVE_FLOOR_M:
                rim = np.tile(self._on_floor(point), (len(_CIRCLE), 1))
                rim[:, :2] += _FOOT_RADIUS_M * _CIRCLE
                spots.append(view.project(rim)[0])
        if spots and np.isfinite(spots).all():
            draw_shadow(image, np.array(spots), 0.025 * per_metre, strength)

    def _draw_height_line(self, image: np.ndarray, view: View, row: int) -> None:
        """A thin line from the root down to the floor, with a mark where it ends."""
        root = self._cast.root_m[row]
        if not np.isfinite(root).all():
            return
        foot = self._on_floor(root)
        (start, end), depth = view.project(np.stack([root, foot]))
        if not np.isfinite(depth).all():
            return
        colors = self._theme.person(int(self._cast.poses.person_id[row]))
        color = mix(colors.centre, self._theme.floor, 0.45)
        line(image, start, end, color)
        rim = np.tile(foot, (len(_CIRCLE), 1))
        rim[:, :2] += 0.05 * _CIRCLE
        rim_px = view.project(rim)[0]
        if np.isfinite(rim_px).all():
            fill(image, fixed_point(rim_px), color)

    def _draw_label(self, image: np.ndarray, view: View, row: int) -> None:
        world = self._cast.world_m[row]
        known = world[np.isfinite(world).all(axis=1)]
        if len(known) == 0:
            return
        pixel, depth = view.project(known[np.argmax(known[:, 2])])
        if not np.isfinite(depth):
            return
        per_metre = view.focal_px / float(depth)
        # Above the head as it is seen, however steeply or small.
        upright = -float(view.view_from_world[1, 2])
        above = max(0.25 * upright * per_metre, HEAD_RADIUS_M * per_metre + 1.5 * self._label_height)
        pixel = pixel - (0.0, above)
        colors = self._theme.person(int(self._cast.poses.person_id[row]))
        tag = str(int(self._cast.poses.person_id[row]))
        draw_tag(image, tag, pixel, self._label_height, colors.left, self._theme.outline)

    def _note(self, image: np.ndarray, text: str) -> None:
        height = round(1.3 * self._text_height)
        left = (image.shape[1] - text_width(text, height)) / 2
        draw_text(image, text, left, image.shape[0] * 0.25, height, self._theme.faint_text)
