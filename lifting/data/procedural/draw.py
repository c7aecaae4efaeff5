"""Random draws, arm poses and standing poses that several actions use. Degrees, metres, seconds.

Arm poses are anchors with a spread; a hand that touches the body is held to a place on it by inverse kinematics.
"""

from __future__ import annotations

from typing import TypeVar

import numpy as np

from lifting.data.procedural.keys import ANKLE_M, Held, Key, Limb, Target, Triple, channels

T = TypeVar("T")

Arms = tuple[list[Limb], tuple[Target | None, Target | None]]


class Draw:
    """Draws of one plan.

    `tempo` multiplies all times of the plan; `style` is a spread that all its poses share.
    """

    def __init__(self, rng: np.random.Generator) -> None:
        self.rng = rng
        self.tempo = float(rng.uniform(0.75, 1.4))

    def u(self, low: float, high: float) -> float:
        """Uniform."""
        return float(self.rng.uniform(low, high))

    def n(self, mean: float, spread: float) -> float:
        """Normal, cut at two standard deviations."""
        return float(mean + spread * np.clip(self.rng.standard_normal(), -2, 2))

    def chance(self, share: float) -> bool:
        """True with that probability."""
        return bool(self.rng.random() < share)

    def one(self, *names: str) -> str:
        """One of them."""
        return str(names[int(self.rng.integers(len(names)))])

    def pick(self, *choices: T) -> T:
        """One of them."""
        return choices[int(self.rng.integers(len(choices)))]

    def time(self, mean_s: float) -> float:
        """A duration about that long."""
        return mean_s * self.tempo * float(np.exp(self.rng.normal(0, 0.18)))

    def limb(self, angles: Limb, spread: float = 5.0) -> Limb:
        """Angles of a limb about an anchor; the bend of an elbow never below zero."""
        flexion, abduction, outward, bend = (self.n(angle, spread) for angle in angles)
        return flexion, abduction, outward, max(bend, 2.0)

    def neck(self, look: float = 12.0) -> Triple:
        """A head that looks about: forward, side, twist."""
        return self.n(2, 0.7 * look), self.n(0, 0.4 * look), self.n(0, 1.3 * look)

    def chest(self, forward: float = 0.0, spread: float = 3.0) -> Triple:
        """A bend of the upper spine."""
        return self.n(forward, spread), self.n(0, spread), self.n(0, 1.3 * spread)

    def arms(self, kind: str, other: str | None = None) -> Arms:
        """Both arms in one way, or the left in one and the right in another."""
        limbs, targets = zip(*(self.arm(name, side) for name, side in ((kind, 1), (other or kind, -1))), strict=True)
        return list(limbs), targets

    def arm(self, kind: str, side: int) -> tuple[Limb, Target | None]:
        """One arm; `side` 1 is the left."""
        if kind in FREE_ARMS:
            angles, spread = FREE_ARMS[kind]
            return self.limb(angles, spread), None
        guess, part, (x, y, z), spread_m = HELD_ARMS[kind]
        if part in ("thigh", "shin"):
            part = f"left_{part}" if side > 0 else f"right_{part}"
        place = (self.n(x, spread_m), side * self.n(y, spread_m), self.n(z, spread_m))
        return self.limb(guess), Target(part, place)


FREE_ARMS: dict[str, tuple[Limb, float]] = {
    "hang": ((3, 9, -5, 14), 4.0),
    "loose": ((12, 16, -10, 40), 9.0),
    "front": ((86, 4, 0, 10), 9.0),
    "front_bent": ((70, 8, -45, 80), 9.0),
    "forward_up": ((130, 8, 5, 15), 10.0),
    "overhead": ((162, 12, 10, 14), 6.0),
    "side": ((8, 86, 10, 10), 8.0),
    "side_up": ((25, 130, 20, 15), 10.0),
    "goal_post": ((10, 84, 75, 90), 7.0),
    "wing": ((5, 75, -40, 110), 8.0),
    "back": ((-42, 12, -10, 12), 6.0),
    "runner": ((10, 12, -15, 90), 12.0),
    "tray": ((25, 8, 0, 92), 8.0),
    "waving": ((30, 88, 60, 80), 10.0),
    "salute": ((55, 70, 0, 125), 8.0),
    "guard": ((45, 12, -15, 118), 9.0),
    "pointing": ((75, 25, 0, 12), 15.0),
}
"""Anchor and spread in degrees: flexion, abduction, outward rotation, bend of the elbow."""

HELD_ARMS: dict[str, tuple[Limb, str, Triple, float]] = {
    "hips": ((-18, 42, -45, 92), "pelvis", (0.03, 0.175, 0.10), 0.015),
    "pockets": ((-8, 22, -25, 45), "pelvis", (0.08, 0.185, -0.01), 0.012),
    "behind_back": ((-35, 12, -55, 50), "pelvis", (-0.15, 0.05, 0.03), 0.02),
    "belly": ((8, 22, -60, 90), "pelvis", (0.165, 0.05, 0.11), 0.015),
    "clasped": ((22, 6, -35, 75), "chest", (0.25, 0.035, -0.36), 0.02),
    "chin": ((62, 8, -25, 135), "head", (0.105, 0.05, -0.12), 0.012),
    "cheek": ((62, 20, -15, 138), "head", (0.06, 0.125, -0.07), 0.012),
    "eyes": ((75, 20, -35, 132), "head", (0.16, 0.05, -0.01), 0.012),
    "behind_head": ((85, 95, 30, 142), "head", (-0.09, 0.115, 0.02), 0.012),
    "top_of_head": ((95, 80, 10, 135), "head", (0.02, 0.10, 0.125), 0.015),
    "phone": ((40, 45, 5, 140), "head", (0.03, 0.145, -0.05), 0.01),
    "shoulder_across": ((60, -18, -50, 130), "chest", (0.16, -0.11, 0.00), 0.015),
    "on_thigh": ((25, 10, -20, 50), "thigh", (0.105, -0.01, 0.13), 0.025),
    "on_knee": ((40, 8, -15, 35), "thigh", (0.10, 0.01, 0.03), 0.015),
    "on_shin": ((60, 5, -10, 25), "shin", (0.09, 0.0, 0.25), 0.04),
}
"""Guess in degrees, part, wrist's place in its frame for the left arm (the right one's is mirrored), spread, metres."""


def crossed_arms(draw: Draw) -> Arms:
    """Folded before the chest, one forearm above the other."""
    over = draw.chance(0.5)
    near, far = Target("chest", (0.165, 0.0, -0.25)), Target("chest", (0.225, 0.0, -0.19))
    found: list[Target | None] = []
    for side, first in ((1, over), (-1, not over)):
        x, _, z = (far if first else near).place_m
        found.append(Target("chest", (draw.n(x, 0.008), -side * draw.n(0.085, 0.012), draw.n(z, 0.008))))
    return [draw.limb((32, 8, -72, 102), 3.0) for _ in range(2)], (found[0], found[1])


def box_arms(draw: Draw, place: Triple, half_m: float) -> Arms:
    """Both hands at the sides of something held before the chest."""
    x, y, z = place
    hands = (Target("chest", (x, y + half_m, z)), Target("chest", (x, y - half_m, z)))
    return [draw.limb((30, 8, 0, 80), 3) for _ in range(2)], hands


IDLE = ("hang", "hang", "loose", "hips", "pockets", "behind_back", "belly", "clasped", "crossed")


def idle_arms(draw: Draw) -> Arms:
    """As people hold them who stand and wait; sometimes each in its own way."""
    kind = draw.one(*IDLE)
    if kind == "crossed":
        return crossed_arms(draw)
    if kind in ("hang", "loose", "hips", "pockets") and draw.chance(0.3):
        return draw.arms(kind, draw.one("hang", "hips", "pockets", "chin", "cheek"))
    return draw.arms(kind)


def feet(draw: Draw, width_m: float = 0.24, spread_m: float = 0.04, ahead_m: float = 0.04) -> tuple[Target, Target]:
    """Both feet flat on the floor, `width_m` apart."""
    half = max(draw.n(width_m, spread_m), 0.12) / 2
    shift = draw.n(0, ahead_m)
    return Target("world", (shift, half, ANKLE_M)), Target("world", (-shift, -half, ANKLE_M))


def standing(
    draw: Draw,
    on: tuple[Target | None, Target | None],
    arms: Arms,
    move_s: float,
    hold_s: float = 0.0,
    height_m: float = 0.905,
    pelvis: tuple[float, ...] = (0.0, 4.0, 0.0),
    lumbar: Triple = (0.0, 0.0, 0.0),
    chest: Triple | None = None,
    neck: Triple | None = None,
    legs: tuple[Limb, Limb] = ((6, 1, 8, 10), (6, 1, 8, 10)),
    flow: float = 0.0,
    lift_m: tuple[float, float, float, float] = (0.0, 0.0, 0.0, 0.0),
    root_x_m: float = 0.0,
) -> Key:
    """A balanced pose on the feet."""
    angles, hands = arms
    turned = (draw.n(pelvis[0], 1.0), draw.n(pelvis[1], 2.0), draw.n(pelvis[2], 2.0))
    found = channels(
        (root_x_m, 0.0, height_m),
        turned,
        lumbar,
        chest or draw.chest(2.0),
        neck or draw.neck(),
        [draw.limb(leg, 2.0) for leg in legs],
        angles,
    )
    held: Held = (on[0], on[1], hands[0], hands[1])
    return Key(found, held, move_s, hold_s, balance=True, lift_m=lift_m, flow=flow)
