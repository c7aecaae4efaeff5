"""The virtual camera of the 3D panel: which way it looks, and how far back it stands.

Shape letters: T frames, R rows (person and frame), J joints. World frame: z up, metres. The view's own axes are a
camera's: x right, y down, z forward.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace

import numpy as np
from scipy.ndimage import gaussian_filter1d

from poses import Poses3D

FOV_RAD = math.radians(34.0)
"""Angle of view along the panel's height: long enough that bodies keep their shape, short enough to show depth."""

MARGIN = 0.05
"""Share of the panel that stays free on every side."""

NEAR_M = 0.1

_SMALLEST_PERSON = 0.2  # of the panel's height; when the whole path makes people smaller, the view may follow them
_FOLLOW_GAIN = 1.5  # ... if that makes them at least so much larger
_FOLLOW_SMOOTHING_S = 1.0
_OUTLIER = 1.5
_CLEARLY = 1.05  # so that rounding does not choose the side
_PERSON_HEIGHT_M = 1.75
_ROOM_M = 0.35  # around the root, so that a lone person does not fill the panel from edge to edge
_EMPTY_HALF_WIDTH_M, _EMPTY_DISTANCE_M = 2.0, 5.0


@dataclass(frozen=True)
class View:
    """A pinhole camera in the world.

    Attributes
    ----------
    view_from_world : (3, 3) rotation; its rows are the view's right, down and forward in the world.
    position_m : (3,) where it stands.
    focal_px, width, height : pixels; the principal point is the middle.
    """

    view_from_world: np.ndarray
    position_m: np.ndarray
    focal_px: float
    width: int
    height: int

    def project(self, points_m: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """World points (..., 3) to pixels (..., 2) and depths (...) in metres; NaN behind or too near."""
        seen = (np.asarray(points_m, np.float64) - self.position_m) @ self.view_from_world.T
        with np.errstate(invalid="ignore"):
            depth = np.where(seen[..., 2] > NEAR_M, seen[..., 2], np.nan)
        pixels = seen[..., :2] / depth[..., None] * self.focal_px + (self.width / 2, self.height / 2)
        return pixels, depth


@dataclass(frozen=True)
class ViewPath:
    """The view of every frame: one fixed view, or one that follows the people without turning.

    Attributes
    ----------
    view : the fixed view, or where the following one starts.
    offsets_m : (T, 3) how far the view has moved in each frame, or None where it is fixed.
    """

    view: View
    offsets_m: np.ndarray | None = None

    def at(self, frame: int) -> View:
        """The view of a frame; the very same object for every frame where it is fixed."""
        if self.offsets_m is None:
            return self.view
        return replace(self.view, position_m=self.view.position_m + self.offsets_m[frame])


def choose_view(
    poses: Poses3D,
    world_m: np.ndarray,
    floor_m: float,
    timestamps_s: np.ndarray,
    size: tuple[int, int],
    raise_rad: float,
    turn_rad: float,
) -> ViewPath:
    """The view that shows all people of the clip, raised and turned away from the source's camera.

    Parameters
    ----------
    world_m : (R, J, 3) joints, NaN where unknown.
    floor_m : height of the floor.
    size : width and height of the panel in pixels.
    raise_rad, turn_rad : how far above the horizon the view stands, and how far it is turned about the vertical. It
        is turned to the side from which the people stand farther apart in the picture. Below 90 degrees, what is left
        in the video stays left in the view.
    """
    ahead = source_heading(poses.world_from_camera)
    points, rows = _points_to_show(poses, world_m, floor_m)
    heading = math.atan2(ahead[1], ahead[0])
    rotation, other = (_looking(heading + sign * turn_rad, raise_rad) for sign in (1, -1))
    if np.std(points @ other[0]) > _CLEARLY * np.std(points @ rotation[0]):
        rotation = other

    view = _fit(points.reshape(-1, 3), rotation, size)
    path = points.mean(axis=1)
    distance = float(np.median((path - view.position_m) @ rotation[2]))
    share = view.focal_px * _PERSON_HEIGHT_M / distance / size[1]
    if share >= _SMALLEST_PERSON or len(rows) == 0:
        return ViewPath(view)
    follow, follow_distance = _follow(points, poses.frame[rows], rotation, view, timestamps_s)
    return follow if follow_distance * _FOLLOW_GAIN < distance else ViewPath(view)


def source_heading(world_from_camera: np.ndarray) -> np.ndarray:
    """(2,) unit vector on the floor: where the source's camera looks; or its top points, if it looks down."""
    _right, down, forward = world_from_camera[:3, :3].T
    flat = forward[:2] if np.hypot(*forward[:2]) > 0.1 else -down[:2]
    return flat / np.hypot(*flat)


def _looking(heading_rad: float, raise_rad: float) -> np.ndarray:
    """(3, 3) view_from_world of a level camera that looks along a heading and down by `raise_rad`."""
    sine, cosine = math.sin(raise_rad), math.cos(raise_rad)
    forward = np.array([math.cos(heading_rad) * cosine, math.sin(heading_rad) * cosine, -sine])
    right = np.array([math.sin(heading_rad), -math.cos(heading_rad), 0.0])
    return np.stack([right, np.cross(forward, right), forward])


def _points_to_show(poses: Poses3D, world_m: np.ndarray, floor_m: float) -> tuple[np.ndarray, np.ndarray]:
    """(R', K, 3) points that must be in the picture and (R',) their rows: joints, room around and floor below them.

    Without people: the corners of an empty stage in front of the source's camera, and no rows.
    """
    rows = np.flatnonzero(np.isfinite(world_m).any(axis=(1, 2)))
    room = _ROOM_M * np.array([[1, 0], [-1, 0], [0, 1], [0, -1]])
    if len(rows) == 0:
        middle = source_heading(poses.world_from_camera) * _EMPTY_DISTANCE_M + poses.world_from_camera[:2, 3]
        stage = np.zeros((1, 8, 3))
        stage[0, :, :2] = middle + _EMPTY_HALF_WIDTH_M / _ROOM_M * np.tile(room, (2, 1))
        stage[0, :, 2] = floor_m + np.repeat([0.0, _PERSON_HEIGHT_M], 4)
        return stage, rows
    known = world_m[rows].astype(np.float64)
    centre = np.nanmean(known, axis=1)
    known = np.where(np.isfinite(known), known, centre[:, None])
    below = np.repeat(centre[:, None], 4, axis=1)
    below[..., :2] += room
    below[..., 2] = floor_m
    above = known.copy()
    above[..., 2] += 0.3  # the head is larger than its joint, and carries a label
    return np.concatenate([above, known, below], axis=1), rows


def _slopes(size: tuple[int, int]) -> np.ndarray:
    """(2,) tangent of half the usable angle of view, along x and y."""
    width, height = size
    tangent = math.tan(FOV_RAD / 2)
    return np.array([tangent * width / height, tangent]) * (1 - 2 * MARGIN)


def _fit(points_m: np.ndarray, rotation: np.ndarray, size: tuple[int, int]) -> View:
    """The nearest view with this rotation from which all points (N, 3) lie inside the margins; closed form.

    A point is inside when |x - c_x| <= slope * (z - c_z) in the view's axes, and the same for y: four half-spaces for
    the position c, of which only the tightest of each matters.
    """
    seen = points_m @ rotation.T
    slopes = _slopes(size)
    high = (seen[:, :2] - slopes * seen[:, 2:]).max(axis=0)
    low = (-seen[:, :2] - slopes * seen[:, 2:]).max(axis=0)
    across = (high - low) / 2
    back = (-(high + low) / (2 * slopes)).min()
    position = rotation.T @ np.array([*across, back])
    return View(rotation, position, size[1] / 2 / math.tan(FOV_RAD / 2), *size)


def _follow(
    points: np.ndarray, frames: np.ndarray, rotation: np.ndarray, view: View, timestamps_s: np.ndarray
) -> tuple[ViewPath, float]:
    """A view that moves with the smoothed middle of the people, at one distance from it; and that distance."""
    count = len(timestamps_s)
    centre = points.mean(axis=1)
    weight = np.bincount(frames, minlength=count)
    shown = np.flatnonzero(weight)
    middle = np.stack([np.bincount(frames, centre[:, k], count)[shown] / weight[shown] for k in range(3)], axis=1)
    filled = np.stack([np.interp(np.arange(count), shown, middle[:, k]) for k in range(3)], axis=1)
    interval_s = float(np.median(np.diff(timestamps_s))) if count > 1 else 1.0
    target = gaussian_filter1d(filled, _FOLLOW_SMOOTHING_S / interval_s, axis=0, mode="nearest")

    seen = (points - target[frames][:, None]) @ rotation.T
    needed = (np.abs(seen[..., :2]) / _slopes((view.width, view.height)) - seen[..., 2:]).max(axis=(1, 2))
    # All people, unless a few bad frames would make everybody small.
    distance = float(min(needed.max(), _OUTLIER * np.quantile(needed, 0.95)))
    start = replace(view, position_m=target[0] - distance * rotation[2])
    return ViewPath(start, target - target[0]), distance
