"""Actions on the feet: squatting, lunging, bending, reaching, lifting, stretching, gesturing, jumping jacks.

Each makes the key poses of one plan that lasts at least `seconds`. Degrees, metres, seconds; the person faces +x.
"""

from __future__ import annotations

import math

from lifting.data.procedural.draw import Arms, Draw, crossed_arms, feet, idle_arms, standing
from lifting.data.procedural.keys import ANKLE_M, Key, Limb, Target
from lifting.data.procedural.scripts import lasts


def squat(draw: Draw, seconds: float) -> list[Key]:
    """Squats of one depth and width, arms in one way; heels off the floor in deep narrow ones."""
    on = feet(draw, draw.u(0.22, 0.5), 0.02, 0.01)
    depth = draw.u(0.15, 1.0)
    up, down = draw.one("hang", "loose", "hips", "front"), draw.one("front", "front_bent", "clasped", "guard", "hips")
    if draw.chance(0.2):
        up = down = draw.one("behind_head", "top_of_head", "shoulder_across", "overhead")
    keys: list[Key] = []
    while not lasts(keys, seconds):
        keys.append(standing(draw, on, draw.arms(up), draw.time(1.1), draw.u(0, 0.8)))
        bottom = min(max(draw.n(depth, 0.06), 0.1), 1.0)
        heels = ANKLE_M + max(0.0, bottom - 0.75) * draw.u(0, 0.35)
        low = tuple(Target("world", (x, y, heels)) for x, y, _ in (target.place_m for target in on))
        keys.append(
            standing(
                draw,
                (low[0], low[1]),
                draw.arms(down),
                draw.time(1.1),
                draw.u(0, 1.5),
                height_m=0.80 - 0.46 * bottom,
                pelvis=(0, 14 + 60 * bottom * max(1 - bottom, 0.0) ** 0.7, 0),
                lumbar=(draw.n(8 + 18 * bottom, 4), 0, 0),
                chest=(draw.n(4 + 8 * bottom, 4), 0, draw.n(0, 3)),
                neck=(draw.n(-12 * bottom, 6), 0, draw.n(0, 12)),
                legs=((80, 14, 16, 100), (80, 14, 16, 100)),
            )
        )
    return keys


def lunge(draw: Draw, seconds: float) -> list[Key]:
    """One leg steps forward, to the side or back, the body goes down on both, and the leg comes back."""
    keys: list[Key] = []
    way = draw.one("forward", "forward", "side", "back")
    kind = draw.one("hips", "hang", "overhead", "side", "clasped", "front", "on_thigh")
    on = feet(draw, 0.22, 0.03, 0.01)
    while not lasts(keys, seconds):
        # Described for the left leg.
        left, length, depth = draw.chance(0.7), draw.u(0.6, 0.85), draw.u(0.4, 1.0)
        lift = (0.09, 0.0, 0.0, 0.0) if left else (0.0, 0.09, 0.0, 0.0)
        rest = draw.arms("hang" if kind == "on_thigh" else kind)
        keys.append(standing(draw, on, rest, draw.time(1.0), draw.u(0, 0.8), lift_m=lift))
        own, other = on if left else (_mirrored(on[1]), _mirrored(on[0]))
        x, y, z = own.place_m
        heel = draw.u(0.05, 0.11)
        height, lean, front, rear = 0.76 - 0.28 * depth, draw.n(6, 5), (75, 4, 6, 80), (-10, 2, 4, 50)
        if way == "side":
            own, height, lean = Target("world", (x, y + length * 0.8, z)), 0.78 - 0.3 * depth, draw.n(22, 6)
            front, rear = (75, 20, 20, 80), (25, 38, 8, 10)
        elif way == "forward":
            own, other = Target("world", (x + length, y, z)), _raised(other, heel)
        else:
            own, front, rear = Target("world", (x - length, y, z + heel)), rear, front
        targets, legs = (own, other), (front, rear)
        if not left:
            targets, legs = (_mirrored(other), _mirrored(own)), (rear, front)
        chest = (draw.n(2, 3), 0.0, draw.n(0, 12))
        keys.append(
            standing(
                draw,
                targets,
                draw.arms(kind),
                draw.time(1.0),
                draw.u(0.1, 1.2),
                height_m=height,
                pelvis=(0, lean, 0),
                chest=chest,
                legs=legs,
                lift_m=lift,
            )
        )
    return keys


def _raised(target: Target, by_m: float) -> Target:
    x, y, z = target.place_m
    return Target(target.part, (x, y, z + by_m))


def _mirrored(target: Target) -> Target:
    x, y, z = target.place_m
    return Target(target.part, (x, -y, z))


def bend(draw: Draw, seconds: float) -> list[Key]:
    """Bends forward, to a side and back, and twists; hands hang, on hips, on knees or towards the toes."""
    on = feet(draw, draw.u(0.2, 0.45), 0.02)
    keys = [standing(draw, on, idle_arms(draw), 1.0, draw.u(0.1, 0.6))]
    while not lasts(keys, seconds):
        way = draw.one("forward", "forward", "toes", "knees", "side", "back", "twist")
        time, hold = draw.time(1.3), draw.u(0, 1.5)
        side = draw.u(-1, 1)
        if way == "side":
            kind = draw.one("hips", "hang", "behind_head")
            arms = draw.arms(kind, draw.one(kind, "overhead"))
            keys.append(
                standing(
                    draw,
                    on,
                    arms,
                    time,
                    hold,
                    pelvis=(6 * side, 2, 0),
                    lumbar=(0, -13 * side, 0),
                    chest=(2, -18 * side, 0),
                )
            )
        elif way == "back":
            keys.append(
                standing(
                    draw,
                    on,
                    draw.arms(draw.one("hips", "overhead", "hang", "behind_back")),
                    time,
                    hold,
                    pelvis=(0, -8, 0),
                    lumbar=(-12, 0, 0),
                    chest=(-12, 0, 0),
                    neck=(-25, 0, 0),
                )
            )
        elif way == "twist":
            kind = draw.one("hips", "wing", "side", "crossed", "shoulder_across")
            arms = crossed_arms(draw) if kind == "crossed" else draw.arms(kind)
            keys.append(
                standing(
                    draw,
                    on,
                    arms,
                    time,
                    hold,
                    pelvis=(0, 3, 25 * side),
                    lumbar=(0, 0, 12 * side),
                    chest=(2, 0, 30 * side),
                    neck=(0, 0, 30 * side),
                )
            )
        else:
            deep = {"forward": draw.u(0.3, 0.9), "toes": draw.u(0.85, 1.0), "knees": draw.u(0.5, 0.65)}[way]
            knee = draw.u(5, 30)
            arms = _bent_over_arms(draw, way, deep)
            keys.append(
                standing(
                    draw,
                    on,
                    arms,
                    time,
                    hold,
                    height_m=0.905 - 0.002 * knee,
                    pelvis=(0, 72 * deep, 6 * side),
                    lumbar=(38 * deep, 0, 3 * side),
                    chest=(26 * deep, 0, 14 * side),
                    neck=(draw.n(-15 if way == "knees" else 10 * deep, 10), 0, draw.n(0, 10)),
                    legs=((60, 2, 6, knee), (60, 2, 6, knee)),
                )
            )
        if draw.chance(0.5):
            keys.append(standing(draw, on, idle_arms(draw), draw.time(1.3), draw.u(0, 0.8)))
    return keys


def _bent_over_arms(draw: Draw, way: str, deep: float) -> Arms:
    if way == "knees":
        return draw.arms("on_knee")
    if way == "toes":
        return [draw.limb((105, 2, -10, 12), 8) for _ in range(2)], (None, None)
    kind = draw.one("dangle", "dangle", "hips", "behind_back", "front")
    if kind == "dangle":
        return [draw.limb((130 * deep, 4, -5, 12), 6) for _ in range(2)], (None, None)
    return draw.arms(kind)


def reach(draw: Draw, seconds: float) -> list[Key]:
    """Reaches with one hand or both: forward, up, out, across, down to the floor and behind."""
    on = feet(draw, 0.26, 0.05)
    keys = [standing(draw, on, idle_arms(draw), 1.0, draw.u(0.1, 0.6))]
    while not lasts(keys, seconds):
        both = draw.chance(0.35)
        height = draw.u(-0.2, 1.0)
        azimuth = draw.u(-35, 110)
        # Straight at the place, whatever its direction: an elevation of the arm in some plane.
        elevation = 45 + 125 * height if height > 0 else 45 + 150 * height
        arm: Limb = (elevation * _cos(azimuth), elevation * _sin(azimuth), draw.n(0, 20), draw.n(18, 8))
        other, held = draw.arm(draw.one("hang", "loose", "hips"), -1)
        if both:
            other, held = (draw.n(arm[0], 8), draw.n(abs(arm[1]), 6), draw.n(0, 15), draw.n(18, 8)), None
        twist = 0.0 if both else (azimuth - 25) * 0.22
        rises = 0.06 if height > 0.8 and draw.chance(0.5) else 0.0
        stand = tuple(Target("world", (x, y, z + rises)) for x, y, z in (target.place_m for target in on))
        keys.append(
            standing(
                draw,
                (stand[0], stand[1]),
                ([arm, other], (None, held)),
                draw.time(0.9),
                draw.u(0, 1.0),
                height_m=0.96 if rises else 0.905,
                pelvis=(0, draw.n(6, 4), 0.6 * twist),
                lumbar=(draw.n(4, 4), 0, 0.4 * twist),
                chest=(draw.n(3, 4), draw.n(-6 * (not both), 4), twist),
                neck=(-35 * (height - 0.4), 0, draw.n(0.3 * azimuth, 10)),
            )
        )
        if draw.chance(0.4):
            keys.append(_reach_down(draw, on))
        elif draw.chance(0.5):
            keys.append(standing(draw, on, idle_arms(draw), draw.time(0.9), draw.u(0, 0.8)))
    return keys


def _reach_down(draw: Draw, on: tuple[Target, Target]) -> Key:
    """To the floor or near it, knees bent."""
    # Beside the knee, not through it.
    spot = (draw.u(0.15, 0.48), draw.u(0.28, 0.55), draw.u(0.06, 0.45))
    other = draw.arm(draw.one("hang", "loose", "tray", "side"), -1)
    arms = ([draw.limb((85, 8, 0, 20)), other[0]], (Target("world", spot), other[1]))
    return standing(
        draw,
        on,
        arms,
        draw.time(1.2),
        draw.u(0.1, 0.8),
        height_m=draw.u(0.5, 0.68),
        pelvis=(0, 48, 0),
        lumbar=(28, 0, 4),
        chest=(18, -4, -8),
        neck=(draw.n(-5, 8), 0, draw.n(5, 8)),
        legs=((90, 10, 12, 90), (90, 10, 12, 90)),
    )


def _cos(degrees: float) -> float:
    return math.cos(math.radians(degrees))


def _sin(degrees: float) -> float:
    return math.sin(math.radians(degrees))
