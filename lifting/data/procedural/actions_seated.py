"""Sitting: on chairs and stools, standing up and sitting down, on the floor. Degrees, metres, seconds; facing +x."""

from __future__ import annotations

import math

from lifting.data.procedural.draw import Arms, Draw, crossed_arms, idle_arms, standing
from lifting.data.procedural.keys import ANKLE_M, Held, Key, Limb, Target, channels
from lifting.data.procedural.scripts import lasts

SEAT_TO_HIP_M = 0.095
"""Hip joints above what a person sits on."""

_BENT: Limb = (85, 6, 6, 85)


def _seated_arms(draw: Draw) -> Arms:
    kind = draw.one(
        "on_thigh",
        "on_thigh",
        "on_knee",
        "crossed",
        "clasped",
        "tray",
        "chin",
        "cheek",
        "loose",
        "front_bent",
        "waving",
        "pointing",
        "phone",
        "behind_head",
        "side",
        "guard",
        "eyes",
        "overhead",
        "front",
        "hang",
    )
    if kind == "crossed":
        return crossed_arms(draw)
    if kind in ("chin", "cheek", "waving", "pointing", "phone", "eyes"):
        return draw.arms(kind, draw.one("on_thigh", "tray", "on_thigh", kind))
    if kind in ("on_thigh", "loose", "tray") and draw.chance(0.35):
        return draw.arms(kind, draw.one("chin", "tray", "pointing", "on_thigh", "front_bent"))
    return draw.arms(kind)


def _seat_legs(draw: Draw, seat_m: float) -> tuple[tuple[Target | None, Target | None], tuple[Limb, Limb]]:
    """Feet flat, tucked under, stretched out, or one ankle on the other knee."""
    kind = draw.one("flat", "flat", "flat", "wide", "tucked", "out", "ankle_on_knee", "one_out")
    floor = max(ANKLE_M, seat_m - 0.47)
    half = draw.u(0.07, 0.17)
    x = draw.u(0.36, 0.52)
    places = [(x, half, floor), (x + draw.n(0, 0.03), -half, floor)]
    if kind == "wide":
        places = [(x, half + 0.16, floor), (x, -half - 0.16, floor)]
    elif kind == "tucked":
        places = [(draw.u(0.12, 0.25), half, floor + 0.06), (draw.u(0.12, 0.25), -half, floor + 0.06)]
    elif kind == "out":
        places = [(draw.u(0.62, 0.72), half, floor - 0.01), (draw.u(0.62, 0.72), -half, floor - 0.01)]
    elif kind == "one_out":
        places[0] = (draw.u(0.55, 0.7), half, floor)
    targets: list[Target | None] = [Target("world", place) for place in places]
    legs = [_BENT, _BENT] if kind != "wide" else [(85, 22, 14, 85), (85, 22, 14, 85)]
    if kind == "ankle_on_knee":
        targets[0] = Target("right_thigh", (0.125, 0.06, 0.09))
        legs = [(72, 50, 95, 100), _BENT]
    return (targets[0], targets[1]), (legs[0], legs[1])


def _sitting(
    draw: Draw,
    seat_m: float,
    on: tuple[Target | None, Target | None],
    legs: tuple[Limb, Limb],
    arms: Arms,
    move_s: float,
    hold_s: float,
    lean: float,
) -> Key:
    angles, hands = arms
    found = channels(
        (0.0, 0.0, seat_m + SEAT_TO_HIP_M),
        (draw.n(0, 1), 0.5 * lean, draw.n(0, 3)),
        (draw.n(4, 3) + 0.3 * max(lean, 0), draw.n(0, 3), draw.n(0, 3)),
        (draw.n(6, 4) + 0.2 * lean, draw.n(0, 4), draw.n(0, 8)),
        draw.neck(16),
        legs,
        angles,
    )
    held: Held = (on[0], on[1], hands[0], hands[1])
    return Key(found, held, move_s, hold_s)


def sit(draw: Draw, seconds: float) -> list[Key]:
    """Sitting on something 0.3 to 0.75 m high: gestures, hands to the face, folded arms, leaning, changing the legs."""
    seat = draw.u(0.3, 0.56) if draw.chance(0.85) else draw.u(0.62, 0.75)
    on, legs = _seat_legs(draw, seat)
    keys: list[Key] = []
    while not lasts(keys, seconds):
        lift = (0.0, 0.0, 0.0, 0.0)
        if keys and draw.chance(0.2):
            (on, legs), lift = _seat_legs(draw, seat), (0.05, 0.0, 0.0, 0.0)
        arms = _seated_arms(draw)
        lean = draw.n(2, 14) + (18 if any(t and "thigh" in t.part for t in arms[1]) else 0)
        key = _sitting(draw, seat, on, legs, arms, draw.time(0.9), draw.u(0, 1.6), lean)
        keys.append(Key(key.channels, key.held, key.move_s, key.hold_s, lift_m=lift))
        if draw.chance(0.2):
            keys += _waves(draw, key)
    return keys


def _waves(draw: Draw, before: Key) -> list[Key]:
    """The left hand beats a few times."""
    beats: list[Key] = []
    for number in range(int(draw.u(3, 7))):
        angles = draw.limb((35, 80, 55, 75 if number % 2 else 115), 4)
        key = before.with_arm(0, angles)
        beats.append(Key(key.channels, key.held, draw.u(0.28, 0.45) if number else draw.time(0.8)))
    return beats


def sit_down_stand_up(draw: Draw, seconds: float) -> list[Key]:
    """Standing up from a seat and sitting down on it, hands on the thighs, before the body or by the side."""
    seat = draw.u(0.3, 0.55)
    half, x = draw.u(0.08, 0.16), draw.u(0.28, 0.40)
    on = (Target("world", (x + draw.n(0, 0.03), half, ANKLE_M)), Target("world", (x, -half, ANKLE_M)))
    kind = draw.one("on_thigh", "on_knee", "front", "hang", "clasped", "crossed", "loose")
    keys: list[Key] = []
    up = draw.chance(0.5)
    while not lasts(keys, seconds):
        arms = crossed_arms(draw) if kind == "crossed" else draw.arms(kind)
        if up:
            rest = crossed_arms(draw) if kind == "crossed" else idle_arms(draw)
            keys.append(standing(draw, on, rest, draw.time(0.9), draw.u(0.2, 1.2), root_x_m=x))
        else:
            rest = _seated_arms(draw) if draw.chance(0.5) else arms
            keys.append(_sitting(draw, seat, on, (_BENT, _BENT), rest, draw.time(0.8), draw.u(0.3, 2.0), draw.n(0, 8)))
        lean = draw.n(32, 5)
        forward = _sitting(draw, seat, on, (_BENT, _BENT), arms, draw.time(0.9), 0.0, 1.5 * lean)
        rising = standing(
            draw,
            on,
            arms,
            draw.time(0.5),
            0.0,
            height_m=seat + SEAT_TO_HIP_M + 0.13,
            pelvis=(0, lean, 0),
            lumbar=(16, 0, 0),
            chest=(10, 0, 0),
            neck=(-15, 0, draw.n(0, 6)),
            legs=((95, 8, 8, 90), (95, 8, 8, 90)),
            root_x_m=x,
            flow=0.6,
        )
        keys += [rising, forward] if up else [forward, rising]
        up = not up
    return keys


def _floor_legs(draw: Draw, kind: str) -> tuple[tuple[Target | None, Target | None], tuple[Limb, Limb]]:
    if kind == "crossed":
        near, gap = draw.u(0.24, 0.34), draw.u(0.09, 0.13)
        on = (_at(near, -draw.u(0.04, 0.11), 0.065), _at(near + gap, draw.u(0.04, 0.11), 0.065))
        return on, ((75, 45, 70, 120), (75, 45, 70, 115))
    if kind == "butterfly":
        x = draw.u(0.3, 0.42)
        on = (Target("world", (x, 0.05, 0.065)), Target("world", (x, -0.05, 0.065)))
        return on, ((66, 66, 108, 115), (66, 66, 108, 115))
    if kind == "long":
        half = draw.u(0.07, 0.2)
        return (_at(draw.u(0.78, 0.83), half, 0.06), _at(draw.u(0.78, 0.83), -half, 0.06)), (
            (88, 4, 4, 8),
            (88, 4, 4, 8),
        )
    if kind == "straddle":
        opened = math.radians(draw.u(20, 40))
        x, y = 0.82 * math.cos(opened), 0.126 + 0.82 * math.sin(opened)
        return (_at(x, y, 0.06), _at(x, -y, 0.06)), ((75, 42, 30, 10), (75, 42, 30, 10))
    x, half = draw.u(0.38, 0.62), draw.u(0.07, 0.16)
    bent = (_at(x, half, 0.075), _at(x + draw.n(0, 0.04), -half, 0.075))
    if kind == "one_long":
        return (bent[0], _at(0.8, -half, 0.06)), ((100, 5, 5, 110), (88, 4, 4, 8))
    return bent, ((100, 5, 5, 110), (100, 5, 5, 110))


_TILT = {"crossed": -18.0, "butterfly": -12.0, "long": -10.0, "straddle": -10.0, "bent": -28.0, "one_long": -26.0}
"""How far the pelvis is tipped back on the floor, which the lumbar spine makes up for, degrees."""


def _at(x: float, y: float, z: float) -> Target:
    return Target("world", (x, y, z))


def sit_on_floor(draw: Draw, seconds: float) -> list[Key]:
    """Cross-legged, with legs stretched, apart or drawn up; leaning back on the hands, hugging the knees, gesturing."""
    # Crossed legs leave the arms less room: more of these plans fail.
    crossed = ("crossed",) * 12 + ("butterfly",) * 4
    kind = draw.one(*crossed, "long", "straddle", "bent", "bent", "one_long")
    keys: list[Key] = []
    on, legs = _floor_legs(draw, kind)
    while not lasts(keys, seconds):
        way = draw.one("rest", "gesture", "gesture", "back", "forward", "twist")
        lean, chest, yaw = draw.n(-4, 5), draw.n(10, 5), 0.0
        tilt, rounded = _TILT[kind], -0.75 * _TILT[kind]
        arms = draw.arms(draw.one("on_thigh", "clasped", "tray"))
        if way == "gesture":
            arms = _seated_arms(draw)
        elif way == "back":
            lean, chest, tilt, rounded = 0.0, draw.n(2, 4), draw.n(-29, 5), 2.0
            y, x = draw.u(0.18, 0.3), draw.u(-0.42, -0.34)
            arms = ([draw.limb((-40, 12, 0, 12)) for _ in range(2)], (_at(x, y, 0.06), _at(x, -y, 0.06)))
        elif way == "forward":
            lean, chest = draw.n(12, 6), draw.n(22, 6)
            if kind in ("long", "straddle", "one_long"):
                arms = ([draw.limb((100, 8, -5, 15), 8) for _ in range(2)], (None, None))
            elif kind == "bent":
                # Hands before the shins.
                arms = (
                    [draw.limb((60, 5, -40, 60), 4) for _ in range(2)],
                    (Target("left_shin", (0.10, -0.02, 0.30)), Target("right_shin", (0.10, 0.02, 0.28))),
                )
        elif way == "twist":
            yaw = draw.u(-28, 28)
            arms = draw.arms(draw.one("on_thigh", "loose", "side", "overhead"), draw.one("loose", "tray", "front"))
        found = channels(
            (0, 0, SEAT_TO_HIP_M),
            (draw.n(0, 1), 0.6 * lean + tilt, 0),
            (draw.n(6, 3) + 0.4 * max(lean, 0) + rounded, draw.n(0, 3), 0.4 * yaw),
            (chest, draw.n(0, 4), yaw),
            (draw.n(-2, 8), draw.n(0, 4), yaw + draw.n(0, 14)),
            legs,
            arms[0],
        )
        keys.append(Key(found, (on[0], on[1], *arms[1]), draw.time(1.1), draw.u(0, 1.8)))
    return keys
