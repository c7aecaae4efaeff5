"""Choosing the virtual camera of a 3D panel: which way it looks, how far back it stands, and how it moves.

Shape letters: T frames, R rows (person and frame), J joints, K points of a row that must be in the picture.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from scipy.ndimage import gaussian_filter1d

from poses import Intrinsics
from render.cast import Cast
from render.view import Lens, View, ViewPath, looking, source_heading

FOV_RAD = math.radians(34.0)
"""Angle of view along the panel's height: long enough that bodies keep their shape, short enough to show depth."""

FLAT_FOV_RAD = math.radians(0.1)
"""The same for front, side and top: so long a lens that rays are parallel and metres equal at all distances."""

MARGIN = 0.05
"""Share of the panel that stays free on every side."""

_SMALLEST_PERSON = 0.2  # of the panel's height; when the whole path makes people smaller, the view may follow them
_FOLLOW_GAIN = 1.5  # ... if that makes them at least so much larger
_FOLLOW_SMOOTHING_S = 1.0
_OUTLIER = 1.5
_CLEARLY = 1.05  # so that rounding does not choose the side
_PERSON_HEIGHT_M = 1.75
_ROOM_M = 0.35  # around the root, so that a lone person does not fill the panel from edge to edge
_HEAD_ROOM_M = 0.3  # the head is larger than its joint, and carries a label
_EMPTY_HALF_WIDTH_M, _EMPTY_DISTANCE_M = 2.0, 5.0
_FLOOR_AT = 0.86  # of the panel's height, in views along the floor that are wider than the scene is high
_FLAT = {"front": (0.0, 0.0), "side": (math.pi / 2, 0.0), "top": (0.0, math.pi / 2)}  # turned, raised


@dataclass(frozen=True)
class Subject:
    """What the views of a clip are chosen to show.

    Attributes
    ----------
    points_m : (R, K, 3) finite points in the world: joints, the room around them, and the floor below.
    frames : (R,) the frame of each row; empty for a stage without people, which has one row of points.
    world_from_camera, intrinsics : the camera that took the video.
    """

    points_m: np.ndarray
    frames: np.ndarray
    world_from_camera: np.ndarray
    intrinsics: Intrinsics

    @classmethod
    def of(cls, casts: Sequence[Cast], floor_m: float) -> Subject:
        """All people of one or several results, over a floor at a height; the camera is that of the first."""
        poses = casts[0].poses
        parts = [_points_to_show(cast.world_m, floor_m) for cast in casts]
        frames = np.concatenate([cast.poses.frame[rows] for cast, (_, rows) in zip(casts, parts, strict=True)])
        if len(frames):
            # Different skeletons have different numbers of joints; a point may well stand twice.
            most = max(points.shape[1] for points, _ in parts)
            points = np.concatenate([np.pad(p, ((0, 0), (0, most - p.shape[1]), (0, 0)), "edge") for p, _ in parts])
        else:
            points = _empty_stage(poses.world_from_camera, floor_m)
        return cls(points, frames, poses.world_from_camera, poses.intrinsics)


def choose_view(
    name: str,
    subject: Subject,
    timestamps_s: np.ndarray,
    size: tuple[int, int],
    camera: str = "auto",
    raise_rad: float = 0.0,
    turn_rad: float = 0.0,
    orbit_s: float = 20.0,
) -> ViewPath:
    """The view of that name that shows all people of the clip.

    Parameters
    ----------
    name : `angle` is raised by `raise_rad` and turned by `turn_rad` away from the source's camera, to the side from
        which the people stand farther apart in the picture; below 90 degrees, what is left in the video stays left.
        `front` looks along the source camera's heading, level; `side` from its right, level; `top` straight down, the
        heading upwards; all three with parallel rays. `camera` is the source's camera itself.
    timestamps_s : (T,) time of each frame of the video.
    size : width and height of the panel in pixels.
    camera : of `render.options.CAMERAS`. Only `angle` orbits, and `camera` never moves.
    """
    if name == "camera":
        return _source_view(subject, size)
    ahead = source_heading(subject.world_from_camera)
    heading = math.atan2(ahead[1], ahead[0])
    if name == "angle":
        rotation, other = (looking(heading + sign * turn_rad, raise_rad) for sign in (1, -1))
        if np.std(subject.points_m @ other[0]) > _CLEARLY * np.std(subject.points_m @ rotation[0]):
            rotation = other
        frustum = _Frustum(size, FOV_RAD)
        if camera == "orbit":
            return _orbiting(name, subject, rotation, frustum, timestamps_s, orbit_s)
    else:
        turn, raised = _FLAT[name]
        rotation, frustum = looking(heading + turn, raised), _Frustum(size, FLAT_FOV_RAD)

    view = frustum.fit(subject.points_m.reshape(-1, 3), rotation)
    if view.is_level:
        view = _on_the_ground(view, subject)
    depth = (subject.points_m.mean(axis=1) - view.position_m) @ rotation[2]
    fixed = ViewPath(name, float(np.median(depth)), view)
    if camera in ("fixed", "orbit") or len(subject.frames) == 0:
        return fixed
    if camera == "follow":
        return _following(name, subject, rotation, frustum, timestamps_s)
    if frustum.size_of_person(fixed.distance_m) >= _SMALLEST_PERSON:
        return fixed
    follow = _following(name, subject, rotation, frustum, timestamps_s)
    return follow if follow.distance_m * _FOLLOW_GAIN < fixed.distance_m else fixed


def _on_the_ground(view: View, subject: Subject) -> View:
    """Raised so far that the lowest point comes to lie near the lower edge, where one looks for the floor."""
    pixels, depth = view.project(subject.points_m)
    shift_px = max(0.0, _FLOOR_AT * view.height - float(pixels[..., 1].max()))
    raised_m = shift_px / view.focal_px * float(np.median(depth))
    return replace(view, position_m=view.position_m + np.array([0.0, 0.0, raised_m]))


@dataclass(frozen=True)
class _Frustum:
    """What a view of a panel takes in: `size` in pixels, angle of view along the height."""

    size: tuple[int, int]
    fov_rad: float

    @property
    def slopes(self) -> np.ndarray:
        """(2,) tangent of half the usable angle of view, along x and y."""
        width, height = self.size
        tangent = math.tan(self.fov_rad / 2)
        return np.array([tangent * width / height, tangent]) * (1 - 2 * MARGIN)

    def view(self, rotation: np.ndarray, position_m: np.ndarray) -> View:
        focal_px = self.size[1] / 2 / math.tan(self.fov_rad / 2)
        return View(rotation, position_m, focal_px, *self.size)

    def size_of_person(self, distance_m: float) -> float:
        """Height of a person in heights of the panel."""
        return _PERSON_HEIGHT_M / distance_m / (2 * math.tan(self.fov_rad / 2))

    def fit(self, points_m: np.ndarray, rotation: np.ndarray) -> View:
        """The nearest view with this rotation from which all points (N, 3) lie inside the margins; closed form.

        A point is inside when |x - c_x| <= slope * (z - c_z) in the view's axes, and the same for y: four half-spaces
        for the position c, of which only the tightest of each matters.
        """
        seen = points_m @ rotation.T
        slopes = self.slopes
        high = (seen[:, :2] - slopes * seen[:, 2:]).max(axis=0)
        low = (-seen[:, :2] - slopes * seen[:, 2:]).max(axis=0)
        across = (high - low) / 2
        back = (-(high + low) / (2 * slopes)).min()
        return self.view(rotation, rotation.T @ np.array([*across, back]))


def _following(
    name: str, subject: Subject, rotation: np.ndarray, frustum: _Frustum, timestamps_s: np.ndarray
) -> ViewPath:
    """A view that moves with the smoothed middle of the people, at one distance from it."""
    target = _smooth_middle(subject, timestamps_s)
    seen = (subject.points_m - target[subject.frames][:, None]) @ rotation.T
    needed = (np.abs(seen[..., :2]) / frustum.slopes - seen[..., 2:]).max(axis=(1, 2))
    distance = _without_outliers(needed)
    start = frustum.view(rotation, target[0] - distance * rotation[2])
    return ViewPath(name, distance, start, offsets_m=target - target[0])


def _orbiting(
    name: str, subject: Subject, rotation: np.ndarray, frustum: _Frustum, timestamps_s: np.ndarray, orbit_s: float
) -> ViewPath:
    """A view that turns around the middle of the scene; it moves along where the scene would make people tiny."""
    points = subject.points_m.reshape(-1, 3)
    pivot = (points.min(axis=0) + points.max(axis=0)) / 2
    turns = 2 * math.pi * np.mod((timestamps_s - timestamps_s[0]) / orbit_s, 1.0) if len(timestamps_s) else np.zeros(0)
    still = _orbit_distance(subject.points_m - pivot, rotation, frustum)
    offsets = None
    distance = still
    if len(subject.frames) and frustum.size_of_person(still) < _SMALLEST_PERSON:
        target = _smooth_middle(subject, timestamps_s)
        along = _orbit_distance(subject.points_m - target[subject.frames][:, None], rotation, frustum)
        if along * _FOLLOW_GAIN < still:
            pivot, offsets, distance = target[0], target - target[0], along
    view = frustum.view(rotation, pivot - distance * rotation[2])
    return ViewPath(name, distance, view, offsets, turns, pivot)


def _orbit_distance(points_m: np.ndarray, rotation: np.ndarray, frustum: _Frustum) -> float:
    """Distance from which points (R, K, 3) relative to the pivot stay inside the margins at every turn.

    A point at radius r and height z lies, turned by t, at x = r sin t, y = -(r cos t sin a + z cos a) and depth
    d + r cos t cos a - z sin a, a being the angle of the view above the horizon. The largest distance that |x| needs
    over t is a cosine's amplitude; |y| is piecewise linear in cos t, so its largest is at t = 0 or pi.
    """
    sine, cosine = -rotation[2, 2], -rotation[1, 2]
    radius, height = np.hypot(points_m[..., 0], points_m[..., 1]), points_m[..., 2]
    slope_x, slope_y = frustum.slopes
    needed = radius * math.hypot(1 / slope_x, cosine) + height * sine
    for side in (radius, -radius):
        needed = np.maximum(needed, np.abs(side * sine + height * cosine) / slope_y - side * cosine + height * sine)
    return _without_outliers(needed.max(axis=1))


def _without_outliers(needed_m: np.ndarray) -> float:
    """The largest distance that rows (R,) need, unless a few bad frames would make everybody small."""
    return float(min(needed_m.max(), _OUTLIER * np.quantile(needed_m, 0.95)))


def _smooth_middle(subject: Subject, timestamps_s: np.ndarray) -> np.ndarray:
    """(T, 3) middle of the people over time, without haste; in frames without people, on the way between."""
    count, frames = len(timestamps_s), subject.frames
    centre = subject.points_m.mean(axis=1)
    weight = np.bincount(frames, minlength=count)
    shown = np.flatnonzero(weight)
    middle = np.stack([np.bincount(frames, centre[:, k], count)[shown] / weight[shown] for k in range(3)], axis=1)
    filled = np.stack([np.interp(np.arange(count), shown, middle[:, k]) for k in range(3)], axis=1)
    interval_s = float(np.median(np.diff(timestamps_s))) if count > 1 else 1.0
    return gaussian_filter1d(filled, _FOLLOW_SMOOTHING_S / interval_s, axis=0, mode="nearest")


def _source_view(subject: Subject, size: tuple[int, int]) -> ViewPath:
    """The camera that took the video: what it saw falls where the overlay shows it, at the panel's scale."""
    rotation = subject.world_from_camera[:3, :3].T
    position = subject.world_from_camera[:3, 3].astype(np.float64)
    lens = Lens.of(subject.intrinsics, size)
    depth = (subject.points_m.mean(axis=1) - position) @ rotation[2]
    ahead = depth[depth > 0]
    focal_px = math.sqrt(lens.intrinsics.fx * lens.intrinsics.fy)
    view = View(rotation, position, focal_px, *size, lens)
    return ViewPath("camera", float(np.median(ahead)) if len(ahead) else _EMPTY_DISTANCE_M, view)


def _points_to_show(world_m: np.ndarray, floor_m: float) -> tuple[np.ndarray, np.ndarray]:
    """(R', K, 3) points that must be in the picture and (R',) their rows: joints, room around and floor below them."""
    rows = np.flatnonzero(np.isfinite(world_m).any(axis=(1, 2)))
    known = world_m[rows].astype(np.float64)
    if len(rows) == 0:
        return np.empty((0, 2 * world_m.shape[1] + 4, 3)), rows
    room = _ROOM_M * np.array([[1, 0], [-1, 0], [0, 1], [0, -1]])
    centre = np.nanmean(known, axis=1)
    known = np.where(np.isfinite(known), known, centre[:, None])
    below = np.repeat(centre[:, None], 4, axis=1)
    below[..., :2] += room
    below[..., 2] = floor_m
    above = known.copy()
    above[..., 2] += _HEAD_ROOM_M
    return np.concatenate([above, known, below], axis=1), rows


def _empty_stage(world_from_camera: np.ndarray, floor_m: float) -> np.ndarray:
    """(1, 8, 3) corners of a stage in front of the source's camera."""
    middle = source_heading(world_from_camera) * _EMPTY_DISTANCE_M + world_from_camera[:2, 3]
    around = _EMPTY_HALF_WIDTH_M * np.array([[1, 0], [-1, 0], [0, 1], [0, -1]])
    stage = np.zeros((1, 8, 3))
    stage[0, :, :2] = middle + np.tile(around, (2, 1))
    stage[0, :, 2] = floor_m + np.repeat([0.0, _PERSON_HEIGHT_M], 4)
    return stage
