"""Key poses: joint angles, what hands and feet hold on to, and how long it takes to get there.

Shape letters: M key poses of all plans together, C channels, L = 4 limbs (`skeleton.LIMBS`).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from scipy.spatial.transform import Rotation

from lifting.data.procedural.ik import PARTS, Targets, misses_m, reach
from lifting.data.procedural.limits import MARGIN_RAD, beyond_rad, within
from lifting.data.procedural.skeleton import (
    CHANNELS,
    CHEST,
    LIMBS,
    LOWER_M,
    LUMBAR,
    NECK,
    PELVIS,
    ROOT,
    UPPER_M,
    Body,
    limb,
    limb_channels,
    pose,
)
from lifting.data.procedural.volume import above_floor, excess_m, lowest_m, trunk_lowest_m

Triple = tuple[float, float, float]
Limb = tuple[float, float, float, float]

STRAIGHT_LEG_M = 0.995 * float(UPPER_M[0] + LOWER_M[0])
ANKLE_M = 0.08
"""Height of an ankle whose foot is flat on the floor."""

_TOES_M = 0.05
"""The middle of the foot ahead of the ankle, over which a standing body is balanced."""

_SOLVER_ROUNDS = 4

# Share of the body's mass and where its centre lies, Winter, *Biomechanics and Motor Control of Human Movement* (2009).
_TRUNK_MASS, _HEAD_MASS = 0.497, 0.081
_UPPER_MASS = np.array([0.100, 0.100, 0.028, 0.028])
_LOWER_MASS = np.array([0.061, 0.061, 0.022, 0.022])


@dataclass(frozen=True)
class Target:
    """A place (metres) in the frame of a part of the body or of the world, see `ik.PARTS`."""

    part: str
    place_m: Triple


PINS = ("", "knees", "right_knee", "right_ankle")

Held = tuple[Target | None, Target | None, Target | None, Target | None]
FREE: Held = (None, None, None, None)


@dataclass(frozen=True)
class Key:
    """One key pose of a plan.

    Attributes
    ----------
    channels : (C,) joint angles as drawn; limbs with a target are solved.
    held : target of each limb, or None.
    move_s : seconds from the key before; `hold_s` seconds for which the pose is kept.
    balance : move the root so that the centre of mass is over the feet that stand, and no leg is too short.
    floor : lower or raise the root until the trunk or the head lies on the floor; limbs come to lie above it.
    pin : a joint and where it is in the world: the root is moved so that it is there ("knees": the midpoint).
    lift_m : height by which the limb is lifted on its way from target to target.
    rise_m : height by which the root is lifted on its way to the key: the arc of a step, or a hop.
    flow : 0 comes to rest at the key, 1 passes evenly.
    """

    channels: np.ndarray
    held: Held = FREE
    move_s: float = 1.0
    hold_s: float = 0.0
    balance: bool = False
    floor: bool = False
    pin: tuple[str, Triple] | None = None
    lift_m: tuple[float, float, float, float] = (0.0, 0.0, 0.0, 0.0)
    rise_m: float = 0.0
    flow: float = 0.0

    def with_arm(self, side: int, angles: Limb, target: Target | None = None) -> Key:
        """Another left (0) or right (1) arm, in degrees."""
        found = self.channels.copy()
        found[limb(2 + side)] = np.radians(angles)
        held = list(self.held)
        held[2 + side] = target
        return replace(self, channels=found, held=(held[0], held[1], held[2], held[3]))


def channels(
    root_m: Triple = (0.0, 0.0, 0.9),
    pelvis: tuple[float, ...] = (0.0, 0.0, 0.0),
    lumbar: Triple = (0.0, 0.0, 0.0),
    chest: Triple = (0.0, 0.0, 0.0),
    neck: Triple = (0.0, 0.0, 0.0),
    legs: Sequence[Limb] = ((4, 1, 6, 8), (4, 1, 6, 8)),
    arms: Sequence[Limb] = ((5, 10, 0, 15), (5, 10, 0, 15)),
) -> np.ndarray:
    """(C,) channels from degrees.

    Pelvis: roll (to the right), pitch (forward) and yaw (to the left), turned in this order about the world's axes:
    pitch 90 lies prone, -90 supine; a fourth angle turns the body to its left about its own long axis before. Spine and
    neck: forward, to the left side, twisted to the left. Limbs: flexion, abduction, outward rotation, bend; left, then
    right.
    """
    found = np.zeros(CHANNELS)
    found[ROOT] = root_m
    for where, (forward, side, twist) in ((LUMBAR, lumbar), (CHEST, chest), (NECK, neck)):
        found[where] = np.radians([-side, forward, twist])
    for index, angles in enumerate([*legs, *arms]):
        found[limb(index)] = np.radians(angles)
    own = Rotation.from_euler("z", pelvis[3] if len(pelvis) > 3 else 0.0, degrees=True)
    found[PELVIS] = (Rotation.from_euler("xyz", pelvis[:3], degrees=True) * own).as_quat()
    return found


@dataclass(frozen=True)
class KeyTable:
    """Keys as arrays: `channels` (M, C), `part`, `on`, `lift_m` (M, L), `place_m` (M, L, 3), `pin_m` (M, 3).

    The others are (M,); `pin` is an index of `PINS`.
    """

    channels: np.ndarray
    part: np.ndarray
    place_m: np.ndarray
    on: np.ndarray
    lift_m: np.ndarray
    balance: np.ndarray
    floor: np.ndarray
    pin: np.ndarray
    pin_m: np.ndarray
    rise_m: np.ndarray

    def targets(self, at: np.ndarray, to: np.ndarray | None = None, share: np.ndarray | None = None) -> Targets:
        """Targets on the way from keys `at` (N,) to keys `to`; `share` (N, L)."""
        to = at if to is None else to
        share = np.zeros((len(at), len(LIMBS))) if share is None else share
        lift = self.lift_m[to] * bump(share)
        return Targets(
            self.part[at], self.place_m[at], self.on[at], self.part[to], self.place_m[to], self.on[to], share, lift
        )


def bump(share: np.ndarray) -> np.ndarray:
    """Height on a way that leaves the ground and comes back to it at rest: 0 at both ends, 1 in the middle."""
    return np.asarray(16 * share**2 * (1 - share) ** 2)


def tabulate(keys: Sequence[Key]) -> KeyTable:
    """The arrays of keys; limbs without a target get the world's origin."""
    held = [[target or Target("world", (0, 0, 0)) for target in key.held] for key in keys]
    return KeyTable(
        within(np.stack([key.channels for key in keys])),
        np.array([[PARTS.index(target.part) for target in row] for row in held]),
        np.array([[target.place_m for target in row] for row in held], np.float64),
        np.array([[float(target is not None) for target in key.held] for key in keys]),
        np.array([key.lift_m for key in keys], np.float64),
        np.array([key.balance for key in keys]),
        np.array([key.floor for key in keys]),
        np.array([PINS.index(key.pin[0] if key.pin else "") for key in keys]),
        np.array([key.pin[1] if key.pin else (0, 0, 0) for key in keys], np.float64),
        np.array([key.rise_m for key in keys], np.float64),
    )


def solve(table: KeyTable) -> KeyTable:
    """Root and limbs of all keys such that balance, floor and targets are met."""
    found = table.channels.copy()
    rows = np.arange(len(found))
    targets = table.targets(rows)
    for _ in range(_SOLVER_ROUNDS):
        found[:, ROOT] += pin_shift_m(pose(found), table, rows, rows, np.zeros(len(rows)))
        body = pose(found)
        found[table.floor, 2] -= trunk_lowest_m(body)[table.floor]
        body = reach(above_floor(pose(found), table.floor.astype(float)), targets)
        for index, angles in enumerate(np.moveaxis(limb_channels(body), 1, 0)):
            changed = (table.on[:, index] > 0) | table.floor
            found[:, limb(index)] = np.where(changed[:, None], angles, found[:, limb(index)])
        found[:, ROOT] += _balancing_shift(body, table)
    return replace(table, channels=found)


def plausible(table: KeyTable) -> np.ndarray:
    """(M,) whether a solved key keeps the joints' ranges, does not go into itself and reaches its targets."""
    rows = np.arange(len(table.channels))
    targets = table.targets(rows)
    body = reach(pose(table.channels), targets)
    collides = excess_m(body).max(axis=1) > 0
    return np.asarray(
        (beyond_rad(body) < MARGIN_RAD)
        & ~collides
        & (misses_m(body, targets).max(axis=1) < 0.02)
        & (lowest_m(body) > -0.03)
    )


def pin_shift_m(body: Body, table: KeyTable, at: np.ndarray, to: np.ndarray, share: np.ndarray) -> np.ndarray:
    """(N, 3) shift of the root that takes the pinned joints to their places, on the way from keys `at` to `to`."""
    knee, ankle = body.middle[:, :2], body.end[:, :2]
    points = np.stack([np.zeros_like(body.hip), knee.mean(axis=1), knee[:, 1], ankle[:, 1]], axis=1)
    rows = np.arange(len(at))
    shift = np.zeros_like(body.hip)
    for keys, weight in ((at, 1 - share), (to, share)):
        pinned = table.pin[keys]
        shift += np.where(pinned > 0, weight, 0.0)[:, None] * (table.pin_m[keys] - points[rows, pinned])
    return shift


def centre_of_mass_m(body: Body) -> np.ndarray:
    """(N, 3)."""
    middle, end = body.middle, body.end
    total = _TRUNK_MASS * (0.45 * body.hip + 0.55 * body.thorax) + _HEAD_MASS * body.ears
    total = total + np.einsum("l,nli->ni", _UPPER_MASS, 0.567 * body.socket + 0.433 * middle)
    total = total + np.einsum("l,nli->ni", _LOWER_MASS, 0.45 * middle + 0.55 * end)
    return np.asarray(total / (_TRUNK_MASS + _HEAD_MASS + _UPPER_MASS.sum() + _LOWER_MASS.sum()))


def _balancing_shift(body: Body, table: KeyTable) -> np.ndarray:
    """(M, 3) of the root, zero where a key does not ask for balance."""
    stands = (table.on[:, :2] > 0) & (table.part[:, :2] == 0) & table.balance[:, None]
    count = np.maximum(stands.sum(axis=1), 1)[:, None]
    feet = np.einsum("nl,nli->ni", stands, table.place_m[:, :2]) / count
    ahead = body.pelvis[..., 0] * [1, 1, 0]
    ahead = ahead / np.maximum(np.linalg.norm(ahead, axis=-1, keepdims=True), 1e-6)
    shift = feet + _TOES_M * ahead - centre_of_mass_m(body)
    shift[:, 2] = 0.0
    # Straight legs carry the root no higher than they are long.
    across = (body.socket[:, :2] + shift[:, None] - table.place_m[:, :2])[..., :2]
    height = np.sqrt(np.maximum(STRAIGHT_LEG_M**2 - (across**2).sum(axis=-1), 0.01))
    above = body.socket[:, :2, 2] - table.place_m[:, :2, 2] - height
    shift[:, 2] = -np.max(np.where(stands, np.maximum(above, 0), 0), axis=1)
    return np.asarray(shift * table.balance[:, None])
