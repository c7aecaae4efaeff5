"""Near the floor: kneeling, crawling, lying, rolling, getting up, push-ups, planks, sit-ups, stretching.

Degrees, metres, seconds. Who crawls faces +x; who lies on the back has the head towards -x, prone towards +x.
"""

from __future__ import annotations

import math

from lifting.data.procedural.draw import Arms, Draw
from lifting.data.procedural.keys import ANKLE_M, Held, Key, Limb, Target, Triple, channels
from lifting.data.procedural.scripts import lasts

KNEE_M = 0.055
"""Height of a knee joint that kneels."""

_ANKLE_M = 0.06
"""Height of an ankle whose foot lies on its back."""


def _at(x: float, y: float, z: float) -> Target:
    return Target("world", (x, y, z))


def _kneeling_arms(draw: Draw) -> Arms:
    kind = draw.one(
        "hips", "on_thigh", "hang", "clasped", "front", "overhead", "side", "tray", "loose", "chin", "waving"
    )
    if kind in ("chin", "waving"):
        return draw.arms(kind, draw.one("hang", "on_thigh", "hips"))
    return draw.arms(kind)


def kneel(draw: Draw, seconds: float) -> list[Key]:
    """On both knees: upright, on the heels, between, bent forward; knees stay where they are."""
    apart = draw.u(2, 16)
    keys: list[Key] = []
    while not lasts(keys, seconds):
        kind = draw.one("upright", "upright", "heels", "heels", "between", "forward")
        back = {"upright": draw.n(0, 3), "heels": draw.u(48, 54), "between": draw.u(8, 42), "forward": draw.u(30, 52)}[
            kind
        ]
        lean = {"upright": draw.n(2, 3), "heels": draw.n(4, 5), "between": draw.n(12, 6), "forward": draw.u(30, 60)}[
            kind
        ]
        forward = 0.35 * lean if kind == "forward" else draw.n(4, 4)
        arms = _kneeling_arms(draw)
        if kind == "forward":
            arms = ([draw.limb((80 + lean, 8, 0, 15)) for _ in range(2)], (None, None))
        # Thighs lean back by `back` from the vertical; shins lie on the floor.
        leg: Limb = (lean + back, apart, 0, 90 + back)
        found = channels(
            (0, 0, 0.45),
            (draw.n(0, 1), lean, 0),
            (forward, draw.n(0, 2), 0),
            (forward + draw.n(3, 3), draw.n(0, 4), draw.n(0, 10)),
            draw.neck(14),
            (leg, leg),
            arms[0],
        )
        held: Held = (None, None, *arms[1])
        keys.append(Key(found, held, draw.time(1.1), draw.u(0, 1.6), pin=("knees", (0.0, 0.0, KNEE_M))))
    return keys


def kneel_on_one_knee(draw: Draw, seconds: float) -> list[Key]:
    """The right knee on the floor, the left foot before the body; working, tying a shoe, proposing."""
    foot = _at(draw.u(0.36, 0.5), draw.u(0.1, 0.2), ANKLE_M)
    knee: Triple = (0.0, -draw.u(0.1, 0.14), KNEE_M)
    keys: list[Key] = []
    while not lasts(keys, seconds):
        lean = draw.u(-2, 34)
        back = draw.n(4, 6) + 0.35 * lean
        kind = draw.one("on_thigh", "hips", "front", "tray", "clasped", "shoe", "hang", "overhead", "chin")
        arms = (
            draw.arms("tray")
            if kind == "shoe"
            else draw.arms(kind, draw.one("hips", "hang", "loose") if kind == "on_thigh" else draw.one("hang", kind))
        )
        if kind == "shoe":
            lean = draw.u(30, 42)
            x, y, _ = foot.place_m
            arms = (
                [draw.limb((85, 5, -15, 35), 3) for _ in range(2)],
                (_at(x + 0.02, y + 0.09, 0.17), _at(x + 0.03, y - 0.1, 0.17)),
            )
        found = channels(
            (0, 0, 0.45),
            (0, lean, 0),
            (draw.n(4, 3) + 0.6 * lean * (kind == "shoe"), 0, 0),
            (draw.n(4, 3) + 0.5 * lean * (kind == "shoe"), draw.n(0, 3), draw.n(0, 9)),
            draw.neck(12),
            ((90, 4, 6, 90), (lean + back - 4, 2, 0, 90 + back)),
            arms[0],
        )
        held: Held = (foot, None, *arms[1])
        keys.append(Key(found, held, draw.time(1.1), draw.u(0, 1.5), pin=("right_knee", knee)))
    return keys


def _on_all_fours(
    draw: Draw,
    x: float,
    hands: tuple[Target, Target],
    ankles: tuple[Target, Target],
    move_s: float,
    hold_s: float = 0.0,
    lift: tuple[float, float, float, float] = (0, 0, 0, 0),
    flow: float = 0.0,
    back: float = 0.0,
    height_m: float = 0.455,
    pitch: float = 76.0,
    neck: Triple | None = None,
    sway: float = 0.0,
) -> Key:
    found = channels(
        (x, 0.0, height_m),
        (draw.n(0, 1), pitch, sway),
        (back, 0, 0),
        (0.8 * back, 0, 0),
        neck or (draw.n(-30, 8), 0, draw.n(0, 10)),
        ((76, 2, 0, 88), (76, 2, 0, 88)),
        [draw.limb((82, 2, -10, 15), 2) for _ in range(2)],
    )
    return Key(found, (*ankles, *hands), move_s, hold_s, lift_m=lift, flow=flow)


def crawl(draw: Draw, seconds: float) -> list[Key]:
    """On hands and knees, a hand and the opposite knee at a time, forward or back."""
    stride = draw.u(0.16, 0.32) * (1 if draw.chance(0.85) else -0.8)
    beat = draw.u(0.5, 0.95)
    wide, knees, reach_m = draw.u(0.14, 0.2), draw.u(0.09, 0.14), draw.u(0.42, 0.5)
    height = draw.u(0.43, 0.455)
    hands = [stride / 4 + reach_m, -stride / 4 + reach_m]
    shins = [-stride / 4 - 0.40, stride / 4 - 0.40]
    x = 0.0
    keys: list[Key] = []
    number = int(draw.chance(0.5))
    while not lasts(keys, seconds):
        own = number % 2
        if keys:
            x += stride / 2
            # The hand on one side and the knee on the other.
            hands[own] = x + stride / 4 + reach_m
            shins[1 - own] = x + stride / 4 - 0.40
        else:
            own = 0
        lift = [0.0, 0.0, 0.0, 0.0]
        lift[1 - own], lift[2 + own] = 0.03, draw.n(0.08, 0.015)
        keys.append(
            _on_all_fours(
                draw,
                x,
                (_at(hands[0], wide, 0.07), _at(hands[1], -wide, 0.07)),
                (_at(shins[0], knees, _ANKLE_M), _at(shins[1], -knees, _ANKLE_M)),
                beat,
                lift=(lift[0], lift[1], lift[2], lift[3]),
                flow=0.85,
                height_m=height,
                sway=draw.n(0, 2) + (3 if own else -3),
            )
        )
        number += 1
    return keys


def all_fours(draw: Draw, seconds: float) -> list[Key]:
    """On hands and knees in one place: back arched and rounded, an arm or a leg raised, rocking to the heels."""
    wide, knees = draw.u(0.15, 0.2), draw.u(0.09, 0.14)
    hands = (_at(0.47, wide, 0.07), _at(0.47, -wide, 0.07))
    ankles = (_at(-0.40, knees, _ANKLE_M), _at(-0.40, -knees, _ANKLE_M))
    keys: list[Key] = []
    while not lasts(keys, seconds):
        kind = draw.one("rest", "cat", "cow", "rock", "arm", "leg")
        time, hold = draw.time(1.2), draw.u(0, 1.4)
        if kind == "rock":
            keys.append(_on_all_fours(draw, -draw.u(0.08, 0.2), hands, ankles, time, hold, height_m=0.42, pitch=72))
            continue
        back = {"cat": draw.u(14, 26), "cow": draw.u(-12, -5)}.get(kind, draw.n(0, 2))
        neck = (30.0, 0.0, 0.0) if kind == "cat" else (-35.0, 0.0, draw.n(0, 8))
        key = _on_all_fours(
            draw, draw.n(0, 0.015), hands, ankles, time, hold, back=back, neck=neck, pitch=78 - 0.4 * back
        )
        if kind == "arm":
            key = key.with_arm(0, draw.limb((165, 10, 0, 10)))
        keys.append(key)
        if kind == "leg":
            raised = key.channels.copy()
            raised[12:16] = channels(legs=((draw.u(-8, 10), 2, 0, draw.u(5, 30)), (0, 0, 0, 0)))[12:16]
            keys[-1] = Key(raised, (None, *key.held[1:]), time, hold)
    return keys


def push_up(draw: Draw, seconds: float) -> list[Key]:
    """Push-ups on hands and toes, of some width and depth, at a steady beat; now and then a rest at the top."""
    wide = draw.u(0.2, 0.36)
    beat, depth = draw.u(0.6, 1.1), draw.u(0.5, 1.0)
    hands = (_at(draw.n(0.0, 0.02), wide, 0.07), _at(draw.n(0.0, 0.02), -wide, 0.07))
    keys: list[Key] = []
    while not lasts(keys, seconds):
        for low in (0.0, draw.n(depth, 0.05)):
            keys.append(_plank(draw, hands, 0.50 - 0.27 * low, beat, draw.u(0, 0.3) if low else draw.u(0, 0.5)))
    return keys


def _plank(
    draw: Draw,
    hands: tuple[Target, Target],
    shoulder_m: float,
    move_s: float,
    hold_s: float,
    arms: Limb = (78, 30, -20, 50),
    sag: float = 0.0,
    raised: float = 0.0,
) -> Key:
    """Straight from the shoulders at a height to the toes; hands below the shoulders, which are at x = 0."""
    # The shoulders hang lower than the thorax when the arms are stretched ahead.
    toes, long = 0.12, 1.345
    pitch = 90 - math.degrees(math.asin((shoulder_m + 0.04 - toes) / long))
    legs = ((sag - raised, 2.0, 2.0, 6.0), (sag, 2.0, 2.0, 6.0))
    found = channels(
        (-0.45, 0, 0.4),
        (0, pitch + sag, 0),
        (draw.n(0, 1) - sag, 0, 0),
        (draw.n(0, 1), 0, 0),
        (draw.n(-22, 8), 0, draw.n(0, 6)),
        (legs[0], legs[1]),
        [draw.limb(arms, 2) for _ in range(2)],
    )
    ankle = (-math.cos(math.radians(90 - pitch)) * long, -0.13, toes)
    return Key(found, (None, None, *hands), move_s, hold_s, pin=("right_ankle", ankle))


def plank(draw: Draw, seconds: float) -> list[Key]:
    """Held on hands or forearms, hips a little up or down, a leg raised in turns."""
    on_arms = draw.chance(0.6)
    wide = draw.u(0.14, 0.2)
    arms: Limb = (88, 2, -8, 88) if on_arms else (84, 4, -10, 12)
    x, shoulder = (0.285, 0.345) if on_arms else (0.0, draw.u(0.57, 0.6))
    hands = (_at(x, wide, 0.04 if on_arms else 0.07), _at(x, -wide, 0.04 if on_arms else 0.07))
    keys: list[Key] = []
    while not lasts(keys, seconds):
        raised = draw.u(8, 20) if draw.chance(0.3) else 0.0
        keys.append(_plank(draw, hands, shoulder, draw.time(1.2), draw.u(0.3, 2), arms, draw.n(0, 3), raised))
    return keys
