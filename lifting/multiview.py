"""One person's joints in space from several calibrated views: the truth that a single view is measured against.

Robust triangulation, and the sides sorted out: a detector that sees only one picture exchanges left and right now and
then, several views together say where.

Shape letters: V views, F frames, J joints, S = 2^V states.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from scipy.optimize import least_squares
from scipy.spatial.transform import Rotation

from poses import Intrinsics, Skeleton

MIN_VIEWS = 2
_SCALE_PX = 8.0
"""Errors of this size count half (Cauchy's weight): about a detector's own on a person of 600 pixels."""
_ITERATIONS = 8
_MIN_SCORE = 0.1
_WORST = 16.0
"""Cap of one keypoint's cost in one view, in units of `_SCALE_PX` squared, so that one bad joint decides no span."""
_EXCHANGED = 0.15
"""Cost of one view's exchanged group in one frame: among labellings that fit alike, the majority is right."""
_CHANGE = 20.0
"""Cost of every change of a view's state from one frame to the next."""
_TURN_RAD = math.radians(0.5)
"""By how much a camera on a tripod is supposed to have been turned between calibration and recording."""
_REFINED_FRAMES = 25
"""As many frames, evenly spread, are enough to find the turns of the cameras."""


@dataclass(frozen=True)
class View:
    """A calibrated camera.

    Attributes
    ----------
    name : names the view in tables and files.
    intrinsics : with its lens distortion.
    camera_from_world : (4, 4) float64, world to camera axes (x right, y down, z forward), metres.
    """

    name: str
    intrinsics: Intrinsics
    camera_from_world: np.ndarray

    def to_camera(self, points_m: np.ndarray) -> np.ndarray:
        """World points (..., 3) in this camera's axes."""
        return points_m @ self.camera_from_world[:3, :3].T + self.camera_from_world[:3, 3]

    def project(self, points_m: np.ndarray) -> np.ndarray:
        """World points (..., 3) to pixels (..., 2); NaN behind the camera."""
        return self.intrinsics.project(self.to_camera(points_m))


@dataclass(frozen=True)
class Triangulation:
    """Joints in space and how well the views agree on them.

    Attributes
    ----------
    points_m : (F, J, 3) float64 in the world; NaN where fewer than two views saw the joint.
    error_px : (V, F, J) distance of the projected joint from its keypoint; NaN where there is none.
    weight : (V, F, J) how much each keypoint counted in the end, 0 to its score.
    """

    points_m: np.ndarray
    error_px: np.ndarray
    weight: np.ndarray


def triangulate(keypoints_px: np.ndarray, score: np.ndarray, views: Sequence[View]) -> Triangulation:
    """Joints from keypoints (V, F, J, 2) of score (V, F, J), robustly.

    The pair of views whose intersection the others agree with best begins; then the linear solution is iterated with
    weights: the score times Cauchy's weight of the reprojection error, in pixels.

    Source: R. Hartley, A. Zisserman, Multiple View Geometry, 2nd edition, section 12.2 (DLT) and appendix 6.8.
    """
    count, frames, joints = score.shape
    rays = np.stack([view.intrinsics.rays(keypoints_px[v]) for v, view in enumerate(views)])
    known = np.isfinite(rays).all(axis=-1) & (score >= _MIN_SCORE)
    weight = np.where(known, score, 0.0)
    enough = known.sum(axis=0) >= MIN_VIEWS
    best_cost = np.full((frames, joints), np.inf)
    points = np.zeros((frames, joints, 3))
    for pair in itertools.combinations(range(count), 2):
        only = np.zeros_like(weight)
        only[list(pair)] = weight[list(pair)] * known[list(pair)].all(axis=0)
        candidate = _linear(rays, only, views)
        error = np.nan_to_num(_errors_px(candidate, keypoints_px, views), nan=1e6)
        cost = (weight * np.minimum((error / _SCALE_PX) ** 2, _WORST)).sum(axis=0)
        cost[~known[list(pair)].all(axis=0)] = np.inf
        better = cost < best_cost
        points[better], best_cost[better] = candidate[better], cost[better]
    counted = weight
    for _ in range(_ITERATIONS):
        error = np.nan_to_num(_errors_px(points, keypoints_px, views), nan=1e6)
        counted = weight / (1 + (error / _SCALE_PX) ** 2)
        depth = np.stack([view.to_camera(points)[..., 2] for view in views])
        # An error in rays is one in pixels over the focal length, and the linear equations miss by it times the depth.
        pixels = np.array([view.intrinsics.fx for view in views])[:, None, None] / np.maximum(depth, 0.1)
        points = _linear(rays, counted * pixels**2, views)
    points[~enough] = np.nan
    error_px = _errors_px(points, keypoints_px, views)
    error_px[~known] = np.nan
    return Triangulation(points, error_px, counted)


def refine_orientations(keypoints_px: np.ndarray, score: np.ndarray, views: Sequence[View]) -> list[View]:
    """The views, each turned about its centre by the small angle with which all keypoints fit best.

    A tripod that was touched after the calibration shows as a shift of the whole picture, the same for all joints and
    at all times, which no error of a detector is. Keypoints (V, F, J, 2) of score (V, F, J) with their sides sorted
    out. Bundle adjustment of three angles a camera with a soft L1 loss, drawn towards no turn.
    """
    every = max(1, score.shape[1] // _REFINED_FRAMES)
    x, w = keypoints_px[:, ::every], np.nan_to_num(score[:, ::every])

    def turned(angles: np.ndarray) -> list[View]:
        result = []
        for view, vector in zip(views, angles.reshape(-1, 3) * _TURN_RAD, strict=True):
            transform = np.eye(4)
            transform[:3, :3] = Rotation.from_rotvec(vector).as_matrix()
            result.append(replace(view, camera_from_world=transform @ view.camera_from_world))
        return result

    def residuals(angles: np.ndarray) -> np.ndarray:
        cameras = turned(angles)
        points = triangulate(x, w, cameras).points_m
        miss = np.stack([camera.project(points) - x[v] for v, camera in enumerate(cameras)])
        miss = np.nan_to_num(miss) * np.sqrt(w)[..., None] / _SCALE_PX
        # As strong as ten keypoints, so that turns which the keypoints leave open stay small.
        return np.concatenate([miss.ravel(), math.sqrt(10) * angles])

    found = least_squares(residuals, np.zeros(3 * len(views)), loss="soft_l1", diff_step=1e-2, max_nfev=15)
    return turned(found.x)


def choose_sides(
    keypoints_px: np.ndarray,
    score: np.ndarray,
    views: Sequence[View],
    skeleton: Skeleton,
    groups: Sequence[np.ndarray],
) -> np.ndarray:
    """(V, F, J) bool: which views have left and right exchanged, so that all of them mean the same joints.

    Each of the `groups` of joints (indices) is exchanged as a whole, in any of the views. A Viterbi search over the
    2^V states finds the labellings that fit the views together, with a price for each exchanged view (all views
    exchanged fit as well as none does) and for each change over time.
    """
    count = len(views)
    states = np.array(list(itertools.product((False, True), repeat=count)))
    costs = np.empty((len(states), *score.shape[1:]))
    for s, state in enumerate(states):
        x = np.where(state[:, None, None, None], keypoints_px[:, :, skeleton.mirror], keypoints_px)
        w = np.where(state[:, None, None], score[:, :, skeleton.mirror], score)
        result = triangulate(x, w, views)
        error = np.nan_to_num(result.error_px, nan=0.0)
        costs[s] = (np.nan_to_num(w) * np.minimum((error / _SCALE_PX) ** 2, _WORST)).sum(axis=0)
    change = _CHANGE * (states[:, None] != states[None]).sum(axis=-1)
    exchanged = np.zeros(score.shape, dtype=bool)
    for group in groups:
        own = costs[:, :, group].sum(axis=-1).T
        seen = np.nan_to_num(score[:, :, group]).sum(axis=-1)
        own = own + _EXCHANGED * np.einsum("vf,sv->fs", seen, states.astype(float))
        path = _viterbi(own, change)
        exchanged[:, :, group] = states[path].T[:, :, None]
    return exchanged


def exchange_sides(values: np.ndarray, exchanged: np.ndarray, skeleton: Skeleton) -> np.ndarray:
    """Copy of (V, F, J, ...) values with left and right exchanged where (V, F, J) `exchanged`."""
    mask = exchanged.reshape(*exchanged.shape, *(1,) * (values.ndim - 3))
    return np.where(mask, values[:, :, skeleton.mirror], values)


def _viterbi(own: np.ndarray, change: np.ndarray) -> np.ndarray:
    """(F,) cheapest path through states with costs `own` (F, S) and `change` (S, S) between frames."""
    back = np.zeros(own.shape, dtype=np.int64)
    total = own[0]
    for f in range(1, len(own)):
        step = total[:, None] + change
        back[f] = step.argmin(axis=0)
        total = step.min(axis=0) + own[f]
    path = np.zeros(len(own), dtype=np.int64)
    path[-1] = total.argmin()
    for f in range(len(own) - 1, 0, -1):
        path[f - 1] = back[f, path[f]]
    return path


def _linear(rays: np.ndarray, weight: np.ndarray, views: Sequence[View]) -> np.ndarray:
    """(F, J, 3) weighted least squares of the projection equations; 0 where they have no solution."""
    normal = np.zeros((*weight.shape[1:], 3, 3))
    right = np.zeros((*weight.shape[1:], 3))
    for v, view in enumerate(views):
        rotation, offset = view.camera_from_world[:3, :3], view.camera_from_world[:3, 3]
        for axis in range(2):
            # Where a view sees nothing its weight is 0; NaN times 0 would still be NaN.
            ray = np.where(weight[v] > 0, rays[v, ..., axis], 0.0)
            row = ray[..., None] * rotation[2] - rotation[axis]
            value = offset[axis] - ray * offset[2]
            normal += weight[v][..., None, None] * row[..., :, None] * row[..., None, :]
            right += (weight[v] * value)[..., None] * row
    solvable = np.linalg.det(normal) > 1e-12 * np.trace(normal, axis1=-2, axis2=-1) ** 3
    normal[~solvable] = np.eye(3)
    points = np.linalg.solve(normal, right[..., None])[..., 0]
    points[~solvable] = 0.0
    return points


def _errors_px(points: np.ndarray, keypoints_px: np.ndarray, views: Sequence[View]) -> np.ndarray:
    return np.stack([np.linalg.norm(view.project(points) - keypoints_px[v], axis=-1) for v, view in enumerate(views)])
