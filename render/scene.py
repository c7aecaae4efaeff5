"""The 3D panel: all people where they stand, on a floor of metre squares."""

from __future__ import annotations

import cv2
import numpy as np

from poses import Poses3D, Tracks
from render.body import HEAD_RADIUS_M, body_of
from render.floor import Floor, draw_shadow, floor_height
from render.rows import RowsByFrame, observed_joints
from render.shapes import SHIFT, capsules, disc, draw_tag, draw_text, fill, fixed_point, line, text_width
from render.style import Color, Theme, mix
from render.view import View, choose_view, source_heading

_OUTLINE_PX = 1.1
_HAZE = 0.35  # how far the farthest people go towards the background
_UNSEEN = 0.55
_TRAIL_POINTS = 48
_SHADOW_STRENGTH = 0.5
_FOOT_RADIUS_M = 0.09
_ABOVE_FLOOR_M = 0.35  # higher than any step: from here on a line shows where on the floor a person is
_CIRCLE = np.stack([np.cos(np.linspace(0, 2 * np.pi, 17)[:-1]), np.sin(np.linspace(0, 2 * np.pi, 17)[:-1])], axis=1)


class Scene:
    """Draws the people of a frame in the world.

    Parameters
    ----------
    tracks : tells which joints were seen.
    timestamps_s : (T,) time of each frame of the video.
    size : width and height of the panel in pixels.
    trail_s : seconds of the way of the root that are shown on the floor.
    raise_rad, turn_rad : where the view stands, see `render.view.choose_view`.
    text_height : pixels, of notes in the panel.
    label_height : pixels; each person's number is written above the head, 0 for no numbers.
    """

    def __init__(
        self,
        poses: Poses3D,
        tracks: Tracks,
        timestamps_s: np.ndarray,
        size: tuple[int, int],
        theme: Theme,
        trail_s: float,
        raise_rad: float,
        turn_rad: float,
        text_height: int,
        label_height: int,
    ) -> None:
        self._poses, self._theme, self._trail_s = poses, theme, trail_s
        self._text_height, self._label_height = text_height, label_height
        self._times_s = timestamps_s
        self._rows = RowsByFrame(poses.frame, poses.person_id)
        self._body = body_of(poses.skeleton)
        self._world = self._body.complete(poses.world_m().astype(np.float64))
        self._seen = self._body.complete_seen(observed_joints(poses, tracks))
        self.floor_m = floor_height(poses, self._world)
        self._path = choose_view(poses, self._world, self.floor_m, timestamps_s, size, raise_rad, turn_rad)
        rotation, offset = poses.world_from_camera[:3, :3], poses.world_from_camera[:3, 3]
        self._root = poses.root_m.astype(np.float64) @ rotation.T + offset
        ahead = poses.world_from_camera[:2, 3] + 5.0 * source_heading(poses.world_from_camera)
        self._floor = Floor(self.floor_m, self._world[..., :2].reshape(-1, 2), ahead, theme, text_height)
        self._person_rows = {person: poses.rows_of(person) for person in poses.people()}
        self._person_frames = {person: poses.frame[rows] for person, rows in self._person_rows.items()}
        self._person_times_s = {person: timestamps_s[frames] for person, frames in self._person_frames.items()}
        self._distance = self._usual_distance()

    def view(self, frame: int) -> View:
        """The virtual camera of a frame."""
        return self._path.at(frame)

    def draw(self, frame: int) -> np.ndarray:
        """(height, width, 3) uint8 panel of one frame."""
        view = self._path.at(frame)
        image = self._floor.image(view, moving=self._path.offsets_m is not None).copy()
        if len(self._poses) == 0:
            self._note(image, "no people found")
            return image
        rows = self._rows.of(frame)
        for person in self._person_rows:
            self._draw_trail(image, view, person, frame)
        for row in rows:
            self._draw_shadow(image, view, int(row))
        for row in rows:
            self._draw_height_line(image, view, int(row))
        self._draw_people(image, view, rows)
        if self._label_height:
            for row in rows:
                self._draw_label(image, view, int(row))
        return image

    def _usual_distance(self) -> float:
        forward = self._path.view.view_from_world[2]
        depth = (self._root - self._path.view.position_m) @ forward
        if self._path.offsets_m is not None:
            depth = depth - (self._path.offsets_m @ forward)[self._poses.frame]
        known = depth[np.isfinite(depth)]
        return float(np.median(known)) if len(known) else 5.0

    def _on_floor(self, points_m: np.ndarray) -> np.ndarray:
        flat = points_m.copy()
        flat[..., 2] = self.floor_m
        return flat

    def _draw_trail(self, image: np.ndarray, view: View, person: int, frame: int) -> None:
        rows, frames = self._person_rows[person], self._person_frames[person]
        times_s = self._person_times_s[person]
        now = self._times_s[frame]
        first = np.searchsorted(times_s, now - self._trail_s)
        last = np.searchsorted(frames, frame, side="right")
        # Every n-th row of the whole path, so that the points stay put while the trail moves on.
        stride = max(1, -(-(last - first) // _TRAIL_POINTS))
        chosen = np.arange(first, last)
        chosen = chosen[(chosen % stride == 0) | (chosen == last - 1)]
        if len(chosen) < 2 or self._trail_s <= 0:
            return
        pixels, _ = view.project(self._on_floor(self._root[rows[chosen]]))
        age = (now - times_s[chosen]) / self._trail_s
        gap = np.diff(frames[chosen]) > 4 * stride
        points = fixed_point(np.nan_to_num(pixels))
        known = np.isfinite(pixels).all(axis=1)
        color = self._theme.person(person).centre
        width = max(1, round(view.height / 330))
        for i in np.flatnonzero(known[1:] & known[:-1] & ~gap):
            faded = mix(self._theme.floor, color, float(np.clip(1 - age[i], 0, 1)))
            cv2.polylines(image, [points[i : i + 2]], False, faded, width, cv2.LINE_AA, SHIFT)

    def _draw_shadow(self, image: np.ndarray, view: View, row: int) -> None:
        """The body's shadow under a light straight above, and a darker spot under each foot that is near the floor."""
        body = self._body
        pixels, depth = view.project(self._on_floor(self._world[row]))
        known = np.isfinite(depth)
        limbs = body.limbs[known[body.limbs].all(axis=1)]
        if len(limbs) == 0:
            return
        per_metre = view.focal_px / float(np.nanmedian(depth))
        radius = body.joint_radius_m * per_metre
        outlines = capsules(pixels[limbs[:, 0]], pixels[limbs[:, 1]], radius[limbs[:, 0]], radius[limbs[:, 1]])
        draw_shadow(image, outlines, 0.05 * per_metre, _SHADOW_STRENGTH)
        spots = []
        for ankle in self._poses.skeleton.indices("left_ankle", "right_ankle"):
            point = self._world[row, ankle]
            if known[ankle] and point[2] - self.floor_m < _ABOVE_FLOOR_M:
                rim = np.tile(self._on_floor(point), (len(_CIRCLE), 1))
                rim[:, :2] += _FOOT_RADIUS_M * _CIRCLE
                spots.append(view.project(rim)[0])
        if spots and np.isfinite(spots).all():
            draw_shadow(image, np.array(spots), 0.025 * per_metre, _SHADOW_STRENGTH)

    def _draw_height_line(self, image: np.ndarray, view: View, row: int) -> None:
        """A thin line from the root down to the floor, with a mark where it ends."""
        if not np.isfinite(self._root[row]).all():
            return
        foot = self._on_floor(self._root[row])
        (start, end), depth = view.project(np.stack([self._root[row], foot]))
        if not np.isfinite(depth).all():
            return
        colors = self._theme.person(int(self._poses.person_id[row]))
        color = mix(colors.centre, self._theme.floor, 0.45)
        line(image, start, end, color)
        rim = np.tile(foot, (len(_CIRCLE), 1))
        rim[:, :2] += 0.05 * _CIRCLE
        fill(image, fixed_point(view.project(rim)[0]), color)

    def _draw_people(self, image: np.ndarray, view: View, rows: np.ndarray) -> None:
        """All limbs, joints and heads of all people, the farthest first."""
        parts: list[tuple[float, str, int, int]] = []
        drawn: dict[int, tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]] = {}
        body = self._body
        for row in rows.tolist():
            pixels, depth = view.project(self._world[row])
            known = np.isfinite(depth) & (np.abs(np.nan_to_num(pixels)) < 10_000).all(axis=1)
            radius = body.joint_radius_m * view.focal_px / np.where(known, depth, 1.0)
            start, end = body.limbs.T
            safe = np.where(known[:, None], pixels, 0.0)
            ends = safe[start], safe[end]
            outer = fixed_point(capsules(*ends, radius[start] + _OUTLINE_PX, radius[end] + _OUTLINE_PX))
            inner = fixed_point(capsules(*ends, radius[start], radius[end]))
            drawn[row] = (safe, depth, outer, inner)
            for limb in np.flatnonzero(known[start] & known[end]).tolist():
                parts.append((float(depth[start[limb]] + depth[end[limb]]) / 2, "limb", row, limb))
            for joint in body.drawn_joints:
                if known[joint]:
                    # Before the limbs that meet here, by less than a body's thickness.
                    nearest = float(depth[joint]) - 0.5 * body.joint_radius_m[joint]
                    if not self._seen[row, joint]:
                        # The ring that tells so must not be hidden by the joint's own limbs.
                        own = (body.limbs == joint).any(axis=1) & known[start] & known[end]
                        nearest = min([nearest, *(depth[start[own]] / 2 + depth[end[own]] / 2 - 1e-3).tolist()])
                    parts.append((nearest, "joint", row, joint))
            if body.head is not None and known[list(body.head)].all():
                parts.append((float(depth[list(body.head)].mean()), "head", row, -1))
        for depth_m, part, row, index in sorted(parts, reverse=True):
            pixels, depth, outer, inner = drawn[row]
            seen = self._seen[row]
            haze = _HAZE * float(np.clip((depth_m / self._distance - 0.9) / 1.0, 0, 1))
            colors = self._theme.person(int(self._poses.person_id[row]))
            if part == "limb":
                clear = bool(seen[body.limbs[index]].all())
                fill(image, outer[index], self._theme.outline)
                fill(image, inner[index], self._tone(colors.of(body.limb_sides[index]), haze, clear))
            elif part == "joint":
                radius_px = float(body.joint_radius_m[index] * view.focal_px / depth[index])
                color = self._tone(colors.of(body.joint_sides[index]), haze, True)
                if seen[index]:
                    disc(image, pixels[index], 1.06 * radius_px, color)
                else:
                    disc(image, pixels[index], radius_px, self._theme.outline)
                    disc(image, pixels[index], radius_px, color, ring_width=1)
            elif body.head is not None:
                centre = pixels[list(body.head)].mean(axis=0)
                radius_px = HEAD_RADIUS_M * view.focal_px / depth_m
                disc(image, centre, radius_px + _OUTLINE_PX, self._theme.outline)
                disc(image, centre, radius_px, self._tone(colors.centre, haze, bool(self._poses.observed[row])))

    def _tone(self, color: Color, haze: float, seen: bool) -> Color:
        """Towards the background with distance, and where the position was filled in."""
        return mix(color, self._theme.background, haze if seen else max(haze, _UNSEEN))

    def _draw_label(self, image: np.ndarray, view: View, row: int) -> None:
        known = self._world[row][np.isfinite(self._world[row]).all(axis=1)]
        if len(known) == 0:
            return
        top = known[np.argmax(known[:, 2])] + (0.0, 0.0, 0.25)
        pixel, depth = view.project(top)
        if np.isfinite(depth):
            person = int(self._poses.person_id[row])
            draw_tag(
                image, str(person), pixel, self._label_height, self._theme.person(person).left, self._theme.outline
            )

    def _note(self, image: np.ndarray, text: str) -> None:
        height = round(1.3 * self._text_height)
        left = (image.shape[1] - text_width(text, height)) / 2
        draw_text(image, text, left, image.shape[0] * 0.25, height, self._theme.faint_text)
