"""The body's volume as capsules: what would go into itself, and its lowest point.

Radii are those of an average adult's limbs and trunk. Flesh gives way: pairs that touch in everyday poses (a forearm on
a thigh, crossed arms, crossed shins) may overlap by more than the rest before a pose is turned down.

Shape letters: N poses, S capsules, P pairs.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from lifting.data.procedural.ik import shortest_turn, two_bones
from lifting.data.procedural.skeleton import HINGE, LIMBS, LOWER_M, UPPER_M, Body, hinge

TOLERANCE_M = 0.015
"""By how much two capsules may overlap."""

_PELVIS_ACROSS_M = 0.07
_CHEST_ACROSS_M = 0.075

RADII_M = {
    "pelvis": 0.095,
    "belly": 0.095,
    "chest": 0.105,
    "neck": 0.055,
    "head": 0.085,
    "left_thigh": 0.07,
    "right_thigh": 0.07,
    "left_shin": 0.05,
    "right_shin": 0.05,
    "left_upper_arm": 0.045,
    "right_upper_arm": 0.045,
    "left_forearm": 0.035,
    "right_forearm": 0.035,
}
NAMES = tuple(RADII_M)

_SOFT_M = {
    ("forearm", "thigh"): 0.03,
    ("forearm", "belly"): 0.03,
    ("forearm", "pelvis"): 0.035,
    ("forearm", "chest"): 0.03,
    ("forearm", "forearm"): 0.03,
    ("forearm", "upper_arm"): 0.03,
    ("forearm", "head"): 0.025,
    ("upper_arm", "belly"): 0.03,
    ("thigh", "thigh"): 0.03,
    ("shin", "shin"): 0.04,
    ("shin", "thigh"): 0.04,
    ("thigh", "chest"): 0.06,
    ("shin", "pelvis"): 0.04,
}
"""Overlaps allowed where flesh meets flesh, by kind of part in either order."""


def _kind(name: str) -> str:
    return name.removeprefix("left_").removeprefix("right_")


def _side(name: str) -> str:
    return name.split("_")[0] if name.startswith(("left_", "right_")) else ""


def _checked(one: str, other: str) -> bool:
    """Whether the pair can collide: not joined to each other, nor both on the trunk."""
    kinds, sides = {_kind(one), _kind(other)}, {_side(one), _side(other)}
    trunk = {"pelvis", "belly", "chest", "neck", "head"}
    if kinds <= trunk or kinds in ({"thigh", "pelvis"}, {"thigh", "belly"}, {"upper_arm", "chest"}):
        return False
    if kinds in ({"upper_arm", "neck"}, {"forearm", "neck"}, {"upper_arm"}):
        return kinds == {"forearm", "neck"}
    joined = ({"thigh", "shin"}, {"upper_arm", "forearm"})
    return not (len(sides) == 1 and kinds in joined)


PAIRS = tuple((i, j) for i, one in enumerate(NAMES) for j, other in enumerate(NAMES) if i < j and _checked(one, other))
ALLOWED_M = np.array(
    [
        max(_SOFT_M.get((_kind(NAMES[i]), _kind(NAMES[j])), 0), _SOFT_M.get((_kind(NAMES[j]), _kind(NAMES[i])), 0))
        or TOLERANCE_M
        for i, j in PAIRS
    ]
)


def capsules(body: Body) -> tuple[np.ndarray, np.ndarray]:
    """(N, S, 3) both ends of the axis of each capsule of `NAMES`."""
    middle, end = body.middle, body.end
    left_pelvis, left_chest = body.pelvis[..., 1], body.chest[..., 1]
    belly = 0.5 * (body.hip + body.spine) + 0.02 * body.pelvis[..., 0]
    ribs = 0.45 * body.spine + 0.55 * body.thorax + 0.01 * body.chest[..., 0]
    up = body.head[..., 2]
    starts = [
        body.hip - _PELVIS_ACROSS_M * left_pelvis,
        belly - 0.05 * left_pelvis,
        ribs - _CHEST_ACROSS_M * left_chest,
    ]
    stops = [body.hip + _PELVIS_ACROSS_M * left_pelvis, belly + 0.05 * left_pelvis, ribs + _CHEST_ACROSS_M * left_chest]
    starts += [body.thorax, body.ears - 0.03 * up]
    stops += [body.ears - 0.06 * up, body.ears + 0.01 * up]
    for index in range(2):
        # Thighs meet each other and the belly near the hips: a capsule begins where they part.
        starts.append(0.75 * body.socket[:, index] + 0.25 * middle[:, index])
        stops.append(middle[:, index])
    starts += [middle[:, 0], middle[:, 1], body.socket[:, 2], body.socket[:, 3], middle[:, 2], middle[:, 3]]
    stops += [end[:, 0], end[:, 1], middle[:, 2], middle[:, 3], end[:, 2], end[:, 3]]
    return np.stack(starts, axis=1), np.stack(stops, axis=1)


def excess_m(body: Body) -> np.ndarray:
    """(N, P) by how much each pair overlaps beyond what it may; negative where it does not."""
    starts, stops = (points.astype(np.float32) for points in capsules(body))
    radius = np.array([RADII_M[name] for name in NAMES], np.float32)
    excess = np.empty((len(starts), len(PAIRS)), np.float32)
    for column, (i, j) in enumerate(PAIRS):
        apart = _distance(starts[:, i], stops[:, i], starts[:, j], stops[:, j])
        excess[:, column] = radius[i] + radius[j] - apart - ALLOWED_M[column]
    return excess


def _distance(a: np.ndarray, b: np.ndarray, c: np.ndarray, d: np.ndarray) -> np.ndarray:
    """(N,) least distance between segments ab and cd (Ericson, Real-Time Collision Detection, 5.1.9)."""
    one, other, between = b - a, d - c, a - c
    aa, ee = _dot(one, one), _dot(other, other)
    bb, cc, ff = _dot(one, other), _dot(one, between), _dot(other, between)
    denominator = aa * ee - bb * bb
    s = np.clip((bb * ff - cc * ee) / np.maximum(denominator, 1e-9), 0, 1)
    t = np.clip((bb * s + ff) / np.maximum(ee, 1e-9), 0, 1)
    s = np.clip((bb * t - cc) / np.maximum(aa, 1e-9), 0, 1)
    return np.asarray(np.linalg.norm(between + s[:, None] * one - t[:, None] * other, axis=-1))


def _dot(x: np.ndarray, y: np.ndarray) -> np.ndarray:
    return np.asarray(np.einsum("ni,ni->n", x, y))


_MIDDLE_RADII_M = np.array([0.055, 0.055, 0.045, 0.045])
_END_RADII_M = np.array([0.05, 0.05, 0.03, 0.03])
_SHOULDER_RADIUS_M = 0.03
"""A shoulder that is lain on gives way."""

_SOFTNESS_M = 0.02
"""Over which a limb that comes to the floor stops there."""


def trunk_lowest_m(body: Body) -> np.ndarray:
    """(N,) height of the lowest point of trunk, shoulders and head."""
    starts, stops = capsules(body)
    trunk = np.concatenate([starts[:, :3, 2], stops[:, :3, 2]], axis=1) - RADII_M["pelvis"]
    head = body.ears[:, None, 2] - RADII_M["head"]
    return np.asarray(np.concatenate([trunk, head, body.socket[:, 2:, 2] - _SHOULDER_RADIUS_M], axis=1).min(axis=1))


def lowest_m(body: Body) -> np.ndarray:
    """(N,) height of the body's lowest point; feet count as round, as they are pointed when a body lies or kneels."""
    limbs = [body.middle[..., 2] - _MIDDLE_RADII_M, body.end[..., 2] - _END_RADII_M]
    return np.asarray(np.minimum(trunk_lowest_m(body), np.concatenate(limbs, axis=1).min(axis=1)))


def above_floor(body: Body, weight: np.ndarray) -> Body:
    """The body with its limbs bent up where they would go through the floor; `weight` (N,) 0 leaves them."""
    upper, bend = body.upper.copy(), body.bend.copy()
    for index in range(len(LIMBS)):
        low = _MIDDLE_RADII_M[index]
        socket, middle = body.socket[:, index], body.middle[:, index]
        way = middle - socket
        level = np.linalg.norm(way[:, :2], axis=1)
        # The socket itself may be lower than the joint should be: then the bone lies flat.
        high = np.minimum(_raised(middle[:, 2], low) - socket[:, 2], 0.98 * UPPER_M[index])
        high = way[:, 2] + weight * (np.maximum(high, way[:, 2]) - way[:, 2])
        flat = np.sqrt(np.maximum(UPPER_M[index] ** 2 - high**2, 0)) / np.maximum(level, 1e-6)
        want = np.stack([way[:, 0] * flat, way[:, 1] * flat, high], axis=1)
        raised = shortest_turn(way, want) @ upper[:, index]
        lower = raised @ hinge(HINGE[index] * bend[:, index])
        end = socket - UPPER_M[index] * raised[..., 2] - LOWER_M[index] * lower[..., 2]
        point = end.copy()
        point[:, 2] += weight * (_raised(end[:, 2], _END_RADII_M[index]) - end[:, 2])
        upper[:, index], bend[:, index] = two_bones(socket, raised, bend[:, index], point, index)
    active = weight > 0
    return replace(
        body,
        upper=np.where(active[:, None, None, None], upper, body.upper),
        bend=np.where(active[:, None], bend, body.bend),
    )


def _raised(height: np.ndarray, least: float) -> np.ndarray:
    """Smooth maximum of a height and the least one."""
    over = height - least
    return np.asarray(least + 0.5 * (over + np.sqrt(over**2 + _SOFTNESS_M**2)))
