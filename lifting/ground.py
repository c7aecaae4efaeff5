"""Which way is up, and where the floor is: from people who stand, from where their feet do, or from the user.

Shape letters: R rows, N footholds (one foot standing still for a while), P people.
"""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass

import numpy as np

from lifting.standing import BODIES_TILT_RAD, up_from_bodies
from poses import Poses3D

ANKLE_HEIGHT_M = 0.08
STILL_SPEED_M_S = 0.45
SHORTEST_FOOTHOLD_S = 0.12
FEWEST_FOOTHOLDS = 6
FOOTHOLD_NOISE_M = 0.08
CAMERA_TILT_RAD = np.radians(12.0)
"""How far the camera's own up is off, about."""
LARGEST_TILT_RAD = np.radians(45.0)
STARTING_TILTS = (-0.25, 0.0, 0.25)


@dataclass(frozen=True)
class Footholds:
    """Places (N, 3) in the camera frame where an ankle stood still, and whose (N,) they are."""

    places_m: np.ndarray
    person: np.ndarray


def up_from_angles(pitch_rad: float, roll_rad: float) -> np.ndarray:
    """(3,) world's up in camera axes. Positive pitch looks up; with positive roll verticals lean to the right."""
    return np.array(
        [
            np.sin(roll_rad) * np.cos(pitch_rad),
            -np.cos(roll_rad) * np.cos(pitch_rad),
            np.sin(pitch_rad),
        ]
    )


def angles_from_up(up: np.ndarray) -> tuple[float, float]:
    """Pitch and roll in radians of a camera in whose axes this is up, (3,): `up_from_angles` the other way."""
    x, y, z = up
    return float(np.arctan2(z, np.hypot(x, y))), float(np.arctan2(x, -y))


def ground(poses: Poses3D, pitch_rad: float | None = None, roll_rad: float | None = None) -> Poses3D:
    """Set `world_from_camera` and `up_source`: `user` where an angle is given, else `contacts`, `bodies` or `camera`.

    With a pitch alone the roll is 0; with a roll alone the pitch is found from the people. The world has z up, y away
    from the camera, the camera above or below the origin, and the floor, where the lowest person stands, at z = 0.
    """
    if pitch_rad is None:
        up, source = _up_from_people(poses, up_from_angles(0.0, roll_rad or 0.0))
        if roll_rad is not None:
            up, source = up_from_angles(angles_from_up(up)[0], roll_rad), "user"
    else:
        up, source = up_from_angles(pitch_rad, roll_rad or 0.0), "user"
    rotation = rotation_from_up(up)
    world_from_camera = np.eye(4)
    world_from_camera[:3, :3] = rotation
    world_from_camera[2, 3] = -floor_height(poses, up)
    return dataclasses.replace(poses, world_from_camera=world_from_camera, up_source=source)


def _up_from_people(poses: Poses3D, camera_up: np.ndarray) -> tuple[np.ndarray, str]:
    """(3,) the world's up and where it comes from: the camera, or standing bodies, and footholds if they say more."""
    bodies = up_from_bodies(poses, camera_up)
    up, tilt_rad, source = (
        (camera_up, CAMERA_TILT_RAD, "camera") if bodies is None else (bodies, BODIES_TILT_RAD, "bodies")
    )
    levelled = up_from_footholds(find_footholds(poses, up), up, tilt_rad)
    return (up, source) if levelled is None else (levelled, "contacts")


def rotation_from_up(up: np.ndarray) -> np.ndarray:
    """(3, 3) rotation from camera to world axes: z along `up`, y as far forward as can be, x to the right."""
    z = up / np.linalg.norm(up)
    ahead = np.array([0.0, 0.0, 1.0]) if abs(z[2]) < 0.98 else np.array([0.0, -1.0, 0.0])
    y = ahead - (ahead @ z) * z
    y /= np.linalg.norm(y)
    return np.stack([np.cross(y, z), y, z])


def floor_height(poses: Poses3D, up: np.ndarray) -> float:
    """Height along `up` of the floor below the camera's origin, from the lowest person's feet; 0 with no people."""
    floors = []
    ankles = poses.skeleton.indices("left_ankle", "right_ankle")
    for person in poses.people():
        heights = (poses.camera_m()[poses.rows_of(person)][:, ankles] @ up).min(axis=1)
        if np.isfinite(heights).any():
            floors.append(float(np.nanquantile(heights, 0.1)) - ANKLE_HEIGHT_M)
    return min(floors, default=0.0)


def find_footholds(poses: Poses3D, up: np.ndarray) -> Footholds:
    """Spans in which an ankle hardly moves and is not above the other one by more than a step."""
    places, owners = [], []
    left, right = poses.skeleton.indices("left_ankle", "right_ankle")
    for person in poses.people():
        rows = poses.rows_of(person)
        breaks = np.flatnonzero(np.diff(poses.frame[rows]) != 1) + 1
        for segment in np.split(rows, breaks):
            if len(segment) < 5:
                continue
            joints = poses.camera_m()[segment].astype(np.float64)
            times = poses.timestamps_s[segment]
            for ankle, other in ((left, right), (right, left)):
                speed = np.linalg.norm(np.gradient(joints[:, ankle], times, axis=0), axis=1)
                low = (joints[:, ankle] - joints[:, other]) @ up < 0.12
                still = low & (speed < STILL_SPEED_M_S)
                for span in np.split(np.arange(len(segment)), np.flatnonzero(np.diff(still.astype(int))) + 1):
                    if still[span[0]] and times[span[-1]] - times[span[0]] >= SHORTEST_FOOTHOLD_S:
                        places.append(joints[span, ankle].mean(axis=0))
                        owners.append(person)
    return Footholds(np.array(places).reshape(-1, 3), np.array(owners, dtype=np.int64))


def up_from_footholds(footholds: Footholds, start_up: np.ndarray, tilt_rad: float) -> np.ndarray | None:
    """The up that makes each person's footholds level, held near `start_up`; None where they say too little.

    Robust least squares (Cauchy's cost) for a tilt (a, b) of `start_up`, which is taken to be `tilt_rad` off, and one
    height a person. A jump onto another level is an outlier, not a slope. Footholds say enough if they halve the doubt
    about one of the two at least, as those of people who walk some metres do.
    """
    people = np.unique(footholds.person)
    if len(footholds.places_m) < FEWEST_FOOTHOLDS:
        return None
    right, ahead, up = rotation_from_up(start_up)
    of_person = (footholds.person[:, None] == people[None]).astype(float)
    design = np.column_stack([footholds.places_m @ right, footholds.places_m @ ahead, -of_person])
    height = footholds.places_m @ up
    # The cost has several minima where some footholds lie on a box: the best of those found from several starts.
    starts = [np.array([a, b]) for a in STARTING_TILTS for b in STARTING_TILTS]
    fits = [_fit_tilt(design, height, tilt_rad, start) for start in starts]
    _, tilt, deviation = min(fits, key=lambda fit: fit[0])
    tilted = up + tilt[0] * right + tilt[1] * ahead
    tilted /= np.linalg.norm(tilted)
    told_much = deviation.min() < np.tan(tilt_rad) / 2
    if not told_much or np.arccos(np.clip(tilted @ up, -1, 1)) > LARGEST_TILT_RAD:
        return None
    return tilted


def _fit_tilt(
    design: np.ndarray, height: np.ndarray, tilt_rad: float, start: np.ndarray
) -> tuple[float, np.ndarray, np.ndarray]:
    """Cost, tilt (2,) and its standard deviation (2,) by reweighted least squares from a starting tilt.

    Rows of `design` (N, 2 + P) are a foothold's place across and ahead and minus one for its person.
    """
    prior = np.zeros(design.shape[1])
    prior[:2] = 1 / np.tan(tilt_rad) ** 2
    levelled = height + design[:, :2] @ start
    solution = np.concatenate([start, [np.median(levelled[column < 0]) for column in design[:, 2:].T]])
    for _ in range(20):
        residual = (design @ solution + height) / FOOTHOLD_NOISE_M
        weights = 1 / (1 + residual**2) / FOOTHOLD_NOISE_M**2
        normal = design.T @ (weights[:, None] * design) + np.diag(prior + 1e-9)
        solution = np.linalg.solve(normal, -design.T @ (weights * height))
    residual = (design @ solution + height) / FOOTHOLD_NOISE_M
    cost = float(np.log1p(residual**2).sum() + (prior * solution**2).sum())
    return cost, solution[:2], np.sqrt(np.diag(np.linalg.inv(normal))[:2])
