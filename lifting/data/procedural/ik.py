"""Two-bone inverse kinematics: hands and feet at their targets, which rest on the world or on parts of the body.

Shape letters: N poses, L = 4 limbs, P parts of the body.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from lifting.data.procedural.skeleton import HINGE, LOWER_M, UPPER_M, Body, hinge, turned

PARTS = ("world", "pelvis", "chest", "head", "left_thigh", "right_thigh", "left_shin", "right_shin")
"""Frames in which a target is fixed; a thigh's origin is the knee, a shin's the ankle, the head's is between the ears,
the chest's the thorax."""

STRAIGHTEST_RAD = 0.06
"""Least bend of a knee or elbow that a target asks for: a straight limb has no speed left to give."""

_SOFTNESS_M = (0.004, 0.004, 0.01, 0.01)
"""Of legs and arms; a foot that stands stays in place to a millimetre or two."""

MOST_BENT_RAD = np.radians([155.0, 155.0, 150.0, 150.0])


@dataclass(frozen=True)
class Targets:
    """What hands and feet are asked for, from one target `a` to the next, `b`.

    Attributes
    ----------
    part_a, part_b : (N, L) index of `PARTS`, the frame of the target.
    place_a, place_b : (N, L, 3) in that frame, metres.
    on_a, on_b : (N, L) 1 where there is a target, 0 where the joint angles decide.
    share : (N, L) of the way from a to b.
    lift_m : (N, L) height above that way.
    """

    part_a: np.ndarray
    place_a: np.ndarray
    on_a: np.ndarray
    part_b: np.ndarray
    place_b: np.ndarray
    on_b: np.ndarray
    share: np.ndarray
    lift_m: np.ndarray


def reach(body: Body, targets: Targets) -> Body:
    """The body with legs, then arms, at their targets, each as far as its weight and its length allow."""
    for first in (0, 2):
        origins, axes = _parts(body)
        solved = [_at_target(body, index, origins, axes, targets) for index in (first, first + 1)]
        upper, bend = body.upper.copy(), body.bend.copy()
        for index, (turned_upper, turned_bend) in zip((first, first + 1), solved, strict=True):
            upper[:, index], bend[:, index] = turned_upper, turned_bend
        body = replace(body, upper=upper, bend=bend)
    return body


def misses_m(body: Body, targets: Targets) -> np.ndarray:
    """(N, L) distance of hands and feet from targets that they keep or are just reaching or leaving; else 0."""
    origins, axes = _parts(body)
    wanted = np.stack([_wanted(i, origins, axes, targets) for i in range(len(UPPER_M))], axis=1)
    same = (targets.part_a == targets.part_b) & (targets.place_a == targets.place_b).all(axis=-1)
    there = same | (np.abs(targets.share - 0.5) > 0.49)
    held = (targets.on_a > 0.5) & (targets.on_b > 0.5) & there
    return np.asarray(np.linalg.norm(wanted - body.end, axis=-1) * held)


def _parts(body: Body) -> tuple[np.ndarray, np.ndarray]:
    """(N, P, 3) origins and (N, P, 3, 3) axes of `PARTS`."""
    middle, end, lower = body.middle, body.end, body.lower
    world = np.broadcast_to(np.eye(3), body.pelvis.shape)
    origins = [np.zeros_like(body.hip), body.hip, body.thorax, body.ears]
    axes = [world, body.pelvis, body.chest, body.head]
    origins += [middle[:, 0], middle[:, 1], end[:, 0], end[:, 1]]
    axes += [body.upper[:, 0], body.upper[:, 1], lower[:, 0], lower[:, 1]]
    return np.stack(origins, axis=1), np.stack(axes, axis=1)


def _wanted(index: int, origins: np.ndarray, axes: np.ndarray, targets: Targets) -> np.ndarray:
    rows = np.arange(len(origins))

    def world(part: np.ndarray, place: np.ndarray) -> np.ndarray:
        return np.asarray(origins[rows, part] + np.einsum("nij,nj->ni", axes[rows, part], place))

    start = world(targets.part_a[:, index], targets.place_a[:, index])
    stop = world(targets.part_b[:, index], targets.place_b[:, index])
    # Where one end has no target, the other's is held on to while its weight fades.
    share = targets.share[:, index]
    share = np.where(targets.on_a[:, index] == 0, 1.0, np.where(targets.on_b[:, index] == 0, 0.0, share))[:, None]
    point = (1 - share) * start + share * stop
    point[:, 2] += targets.lift_m[:, index]
    return point


def _at_target(
    body: Body, index: int, origins: np.ndarray, axes: np.ndarray, targets: Targets
) -> tuple[np.ndarray, np.ndarray]:
    share = targets.share[:, index]
    weight = (1 - share) * targets.on_a[:, index] + share * targets.on_b[:, index]
    active = weight > 0
    if not active.any():
        return body.upper[:, index], body.bend[:, index]
    end = body.end[:, index]
    point = end + weight[:, None] * (_wanted(index, origins, axes, targets) - end)
    upper, bend = two_bones(body.socket[:, index], body.upper[:, index], body.bend[:, index], point, index)
    keep = active[:, None, None]
    return np.where(keep, upper, body.upper[:, index]), np.where(active, bend, body.bend[:, index])


def two_bones(
    socket_m: np.ndarray, upper: np.ndarray, bend_rad: np.ndarray, point_m: np.ndarray, index: int
) -> tuple[np.ndarray, np.ndarray]:
    """Axes (N, 3, 3) of the upper bone and bend (N,) that bring the end to `point_m`, or as near as the bones reach.

    The bend follows from the distance (law of cosines); the whole limb is then turned by the shortest way, so that
    knee or elbow stays in the plane it was in.
    """
    first, second = UPPER_M[index], LOWER_M[index]
    way = point_m - socket_m
    distance = np.linalg.norm(way, axis=-1)
    want = way / np.maximum(distance, 1e-9)[:, None]
    nearest, farthest = (_span(first, second, angle) for angle in (MOST_BENT_RAD[index], STRAIGHTEST_RAD))
    # A limb comes to its full length softly, as its target leaves its reach.
    beyond = distance - farthest
    distance = 0.5 * (distance + farthest - np.sqrt(beyond**2 + _SOFTNESS_M[index] ** 2))
    within = np.clip(distance, nearest, farthest)
    cosine = (within**2 - first**2 - second**2) / (2 * first * second)
    bend = np.arccos(np.clip(cosine, -1, 1))
    local = -first * np.array([0, 0, 1.0]) - second * hinge(HINGE[index] * bend)[..., 2]
    have = np.einsum("nij,nj->ni", upper, local / np.linalg.norm(local, axis=-1, keepdims=True))
    return shortest_turn(have, want) @ upper, bend


def shortest_turn(have: np.ndarray, want: np.ndarray) -> np.ndarray:
    """(N, 3, 3) rotation that takes vectors (N, 3) to the direction of others by the shortest way."""
    axis = np.cross(have, want)
    sine = np.linalg.norm(axis, axis=-1, keepdims=True)
    angle = np.arctan2(sine, np.einsum("ni,ni->n", have, want)[:, None])
    return turned(axis / np.maximum(sine, 1e-12) * angle)


def _span(first: float, second: float, bend: float) -> float:
    return float(np.sqrt(first**2 + second**2 + 2 * first * second * np.cos(bend)))
