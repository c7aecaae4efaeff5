"""The virtual camera of a 3D panel: where a point of the world falls in the picture, at any frame.

Shape letters: T frames. World frame: z up, metres. The view's own axes are a camera's: x right, y down, z forward.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace

import numpy as np

from poses import Intrinsics

NEAR_M = 0.1

_LEVEL = 0.05  # sine of the angle to the horizon below which a view sees the floor as a line
_PARALLEL = 100.0  # heights of the panel in the focal length from which on rays are taken for parallel
_STEEPEST_RAY = 20.0


@dataclass(frozen=True)
class Lens:
    """A real camera's lens: intrinsics scaled to the panel, and how far from the axis they hold.

    Attributes
    ----------
    intrinsics : focal lengths and principal point in pixels of the panel, distortion.
    frame_px : left, top, right and bottom of the camera's picture in the panel.
    largest_slope : sqrt(x^2 + y^2) / z beyond which the distortion's polynomial turns back, and nothing is shown.
    """

    intrinsics: Intrinsics
    frame_px: tuple[float, float, float, float]
    largest_slope: float

    @classmethod
    def of(cls, source: Intrinsics, size: tuple[int, int]) -> Lens:
        """The lens that shows the whole frame of `source`, in the middle of a panel of `size` (width, height)."""
        scale = min(size[0] / source.width, size[1] / source.height)
        width, height = scale * source.width, scale * source.height
        left, top = (size[0] - width) / 2, (size[1] - height) / 2
        scaled = replace(
            source,
            fx=source.fx * scale,
            fy=source.fy * scale,
            cx=source.cx * scale + left,
            cy=source.cy * scale + top,
            width=size[0],
            height=size[1],
        )
        return cls(scaled, (left, top, left + width, top + height), _largest_slope(source.distortion))

    def project(self, seen_m: np.ndarray) -> np.ndarray:
        """Points in the camera's axes (..., 3), in front of it, to pixels (..., 2); NaN stays NaN."""
        camera = self.intrinsics
        if camera.distortion:
            return camera.project(seen_m)
        slopes: np.ndarray = seen_m[..., :2] / seen_m[..., 2:]
        return slopes * (camera.fx, camera.fy) + (camera.cx, camera.cy)


def _largest_slope(distortion: tuple[float, ...]) -> float:
    """Where the distorted radius stops growing with the undistorted one (OpenCV's model); `_STEEPEST_RAY` at most."""
    k1, k2, _p1, _p2, k3, k4, k5, k6 = (*distortion, *(0.0,) * (8 - len(distortion)))
    slope = np.linspace(0.0, _STEEPEST_RAY, 4001)
    square = slope**2
    with np.errstate(divide="ignore"):
        bent = slope * (1 + square * (k1 + square * (k2 + square * k3)))
        bent = bent / (1 + square * (k4 + square * (k5 + square * k6)))
    falling = np.flatnonzero(~(np.diff(bent) > 0))
    return float(slope[falling[0]]) if len(falling) else _STEEPEST_RAY


@dataclass(frozen=True)
class View:
    """A camera in the world.

    Attributes
    ----------
    view_from_world : (3, 3) rotation; its rows are the view's right, down and forward in the world.
    position_m : (3,) where it stands.
    focal_px, width, height : pixels; the principal point is the middle.
    lens : in place of the focal length and the middle, where the view is that of a real camera.
    """

    view_from_world: np.ndarray
    position_m: np.ndarray
    focal_px: float
    width: int
    height: int
    lens: Lens | None = None

    def project(self, points_m: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """World points (..., 3) to pixels (..., 2) and depths (...) in metres; NaN behind or too near."""
        seen = (np.asarray(points_m, np.float64) - self.position_m) @ self.view_from_world.T
        with np.errstate(invalid="ignore"):
            depth = np.where(seen[..., 2] > NEAR_M, seen[..., 2], np.nan)
        if self.lens is None:
            pixels = seen[..., :2] / depth[..., None] * self.focal_px + (self.width / 2, self.height / 2)
            return pixels, depth
        with np.errstate(invalid="ignore"):
            depth = np.where(np.hypot(seen[..., 0], seen[..., 1]) < self.lens.largest_slope * depth, depth, np.nan)
        seen[..., 2] = depth
        return self.lens.project(seen), depth

    @property
    def is_level(self) -> bool:
        """Does the floor look like a line, seen from afar with parallel rays?"""
        parallel = self.lens is None and self.focal_px > _PARALLEL * self.height
        return parallel and abs(float(self.view_from_world[2, 2])) < _LEVEL

    @property
    def is_curved(self) -> bool:
        """Are straight lines bent by the lens?"""
        return self.lens is not None and bool(self.lens.intrinsics.distortion)


@dataclass(frozen=True)
class ViewPath:
    """The view of every frame: fixed, moving along with the people, turning around them, or both.

    Attributes
    ----------
    name : of `render.options.VIEWS`.
    distance_m : how far away people usually are.
    view : the fixed view, or where the moving one starts.
    offsets_m : (T, 3) how far the view has moved in each frame, or None where it stays.
    turns_rad : (T,) how far it has turned about the vertical through `pivot_m`, seen from above anticlockwise, or None.
    pivot_m : (3,) what it turns around, before it moves.
    """

    name: str
    distance_m: float
    view: View
    offsets_m: np.ndarray | None = None
    turns_rad: np.ndarray | None = None
    pivot_m: np.ndarray | None = None

    @property
    def moves(self) -> bool:
        """Does the view differ from frame to frame?"""
        return self.offsets_m is not None or self.turns_rad is not None

    def resized(self, width: int, height: int) -> ViewPath:
        """The same camera for a panel that is a little larger; a lens stays where it is."""
        return replace(self, view=replace(self.view, width=width, height=height))

    def at(self, frame: int) -> View:
        """The view of a frame; the very same object for every frame where it is fixed."""
        if not self.moves:
            return self.view
        rotation, position = self.view.view_from_world, self.view.position_m
        if self.turns_rad is not None and self.pivot_m is not None:
            sine, cosine = math.sin(self.turns_rad[frame]), math.cos(self.turns_rad[frame])
            turn = np.array([[cosine, -sine, 0.0], [sine, cosine, 0.0], [0.0, 0.0, 1.0]])
            rotation, position = rotation @ turn.T, self.pivot_m + turn @ (position - self.pivot_m)
        if self.offsets_m is not None:
            position = position + self.offsets_m[frame]
        return replace(self.view, view_from_world=rotation, position_m=position)


def source_heading(world_from_camera: np.ndarray) -> np.ndarray:
    """(2,) unit vector on the floor: where the source's camera looks; or its top points, if it looks down."""
    _right, down, forward = world_from_camera[:3, :3].T
    flat = forward[:2] if np.hypot(*forward[:2]) > 0.1 else -down[:2]
    return flat / np.hypot(*flat)


def looking(heading_rad: float, raise_rad: float) -> np.ndarray:
    """(3, 3) view_from_world of a level camera that looks along a heading and down by `raise_rad`."""
    sine, cosine = math.sin(raise_rad), math.cos(raise_rad)
    forward = np.array([math.cos(heading_rad) * cosine, math.sin(heading_rad) * cosine, -sine])
    right = np.array([math.sin(heading_rad), -math.cos(heading_rad), 0.0])
    return np.stack([right, np.cross(forward, right), forward])
