"""Walking with the arms held in many ways, stairs, and a single step up and down.

Degrees, metres, seconds; the person starts at the origin and faces +x.
"""

from __future__ import annotations

import math

from lifting.data.procedural.draw import Arms, Draw, box_arms, idle_arms, standing
from lifting.data.procedural.keys import ANKLE_M, STRAIGHT_LEG_M, Held, Key, Limb, Target, Triple, channels
from lifting.data.procedural.scripts import lasts

_STEPPING: tuple[Limb, Limb] = ((25, 0, 5, 20), (25, 0, 5, 20))


def _along(heading: float, ahead: float, left: float) -> tuple[float, float]:
    """Degrees and metres to metres along x and y."""
    cos, sin = math.cos(math.radians(heading)), math.sin(math.radians(heading))
    return ahead * cos - left * sin, ahead * sin + left * cos


def _walking_arms(draw: Draw) -> Arms | None:
    """None: they swing."""
    kind = draw.one(
        "swing", "swing", "swing", "box", "idle", "phone", "overhead", "side", "front", "behind_head", "tray"
    )
    if kind == "swing":
        return None
    if kind == "box":
        return box_arms(draw, (draw.u(0.24, 0.34), 0.0, draw.u(-0.42, -0.2)), draw.u(0.12, 0.24))
    if kind == "idle":
        return idle_arms(draw)
    return draw.arms(kind, draw.one("hang", "loose", kind))


def walk(draw: Draw, seconds: float) -> list[Key]:
    """Walking forward, on a curve, now and then sideways or back, slowly or briskly."""
    way = draw.one("forward", "forward", "forward", "forward", "forward", "side", "back")
    step = {"forward": draw.u(0.42, 0.75), "side": draw.u(0.25, 0.4), "back": -draw.u(0.25, 0.45)}[way]
    step_s = draw.u(0.42, 0.66)
    curve = draw.u(-14, 14) if way == "forward" else draw.u(-4, 4)
    return _steps(draw, seconds, step, step_s, curve, 0.0, way == "side", _walking_arms(draw))


def stairs(draw: Draw, seconds: float) -> list[Key]:
    """Up a flight of steps and down again, or down first, some steps on the level between; sometimes with a load."""
    rise = draw.u(0.14, 0.2) * (1 if draw.chance(0.5) else -1)
    arms = None if draw.chance(0.5) else _walking_arms(draw)
    return _steps(draw, seconds, draw.u(0.26, 0.32), draw.u(0.6, 0.85), 0.0, rise, False, arms)


def _steps(
    draw: Draw,
    seconds: float,
    step_m: float,
    step_s: float,
    curve: float,
    rise_m: float,
    sideways: bool,
    arms: Arms | None,
) -> list[Key]:
    """Feet in turn, the body between them; a key pose at each double support."""
    half = draw.u(0.06, 0.11) + (0.06 if sideways else 0.0)
    flight = int(draw.u(3, 8)) if rise_m else 1
    spot, heading, level = [0.0, 0.0], 0.0, max(-rise_m, 0.0) * flight
    feet_at: list[Triple] = [(0.0, half, ANKLE_M + level), (0.0, -half, ANKLE_M + level)]
    swing = draw.u(12, 30)
    lean, look = draw.n(4, 3) + (6 if rise_m > 0 else 0), draw.n(0, 12)
    keys: list[Key] = []
    first = int(draw.chance(0.5))
    while not lasts(keys, seconds):
        # The foot of this step: 0 left, 1 right.
        own, number = (first + len(keys)) % 2, len(keys) % (2 * flight + 4)
        sign = 1 if own == 0 else -1
        heading += curve
        # A flight, two steps on the level, the flight back, two steps.
        rise = 0.0 if number % (flight + 2) >= flight else rise_m * (1 if number < flight else -1)
        level += rise
        ahead, left = (0.0, step_m) if sideways else (step_m, 0.0)
        x, y = _along(heading, ahead, left)
        spot = [spot[0] + x, spot[1] + y]
        # Sideways, one foot opens and the other closes: both end half a step further each time.
        out = half + 0.5 * abs(step_m) * (own == 0) if sideways else half
        x, y = _along(heading, 0.0, sign * out)
        feet_at[own] = (spot[0] + x, spot[1] + y, ANKLE_M + level)
        rear = feet_at[1 - own]
        rolled = 0.0 if sideways or rise else 0.25 * max(step_m - 0.25, 0) + 0.02
        heights = [0.0, 0.0]
        heights[1 - own] = rolled if step_m > 0 else 0.0
        on = [Target("world", (place[0], place[1], place[2] + heights[i])) for i, place in enumerate(feet_at)]
        middle = 0.62 if rise > 0 else 0.45
        root = (middle * feet_at[own][0] + (1 - middle) * rear[0], middle * feet_at[own][1] + (1 - middle) * rear[1])
        apart = math.hypot(feet_at[own][0] - root[0], feet_at[own][1] - root[1])
        height = math.sqrt((STRAIGHT_LEG_M - 0.025) ** 2 - min(apart, 0.5) ** 2) + ANKLE_M + min(level, level - rise)
        limbs, hands = arms or ([_swung(draw, -sign * swing), _swung(draw, sign * swing)], (None, None))
        twist = 0.25 * swing * sign * (0 if sideways else 1)
        found = channels(
            (root[0], root[1], height - (0.06 if rise else 0.0)),
            (0, lean, heading - 0.4 * twist),
            (1, 0, 0.4 * twist),
            (draw.n(2, 1), 0, 0.7 * twist),
            (draw.n(2, 2), draw.n(0, 2), look + draw.n(0, 4)),
            _STEPPING,
            limbs,
        )
        lift = [0.0, 0.0, 0.0, 0.0]
        lift[own] = draw.n(0.09, 0.012) + 0.6 * abs(rise)
        held: Held = (on[0], on[1], hands[0], hands[1])
        # Over the standing leg the body is higher than between two.
        arc = 0.5 * max(STRAIGHT_LEG_M + ANKLE_M + min(level, level - rise) - height - 0.01, 0.0) if not rise else 0.0
        keys.append(Key(found, held, step_s, lift_m=(lift[0], lift[1], 0, 0), rise_m=arc, flow=0.9))
    return keys


def _swung(draw: Draw, angle: float) -> Limb:
    return (angle + 2, draw.n(9, 1.5), -8, 18 + max(angle, 0) * 0.8)


def step_up(draw: Draw, seconds: float) -> list[Key]:
    """Onto a step or box and down again, one foot after the other."""
    height, away = draw.u(0.12, 0.4), draw.u(0.3, 0.4)
    half = draw.u(0.09, 0.13)
    arms = draw.one("hang", "hips", "runner", "clasped", "tray")
    low = [Target("world", (0.0, half, ANKLE_M)), Target("world", (0.0, -half, ANKLE_M))]
    high = [Target("world", (away, half, ANKLE_M + height)), Target("world", (away, -half, ANKLE_M + height))]
    up = height + 0.905
    keys: list[Key] = []
    now = list(low)
    first = 0
    while not lasts(keys, seconds):
        if not keys:
            keys.append(standing(draw, (now[0], now[1]), draw.arms(arms), 1.0, draw.u(0, 0.5)))
        for goal, top in ((high, up), (low, 0.905)):
            for own in (first, 1 - first):
                now[own] = goal[own]
                lift = [0.0, 0.0, 0.0, 0.0]
                lift[own] = 0.07 + 0.25 * height
                both = now[0].place_m[2] == now[1].place_m[2]
                keys.append(
                    standing(
                        draw,
                        (now[0], now[1]),
                        draw.arms(arms),
                        draw.time(0.85),
                        draw.u(0, 0.3) if both else 0.0,
                        height_m=top if both else 0.9,
                        pelvis=(0, 4 if both else 14, 0),
                        root_x_m=away / 2,
                        legs=_STEPPING,
                        lift_m=(lift[0], lift[1], 0, 0),
                        flow=0.0 if both else 0.4,
                    )
                )
        if draw.chance(0.5):
            first = 1 - first
    return keys
