"""Lifting and carrying, jumping jacks, balance, gestures, stretching. Degrees, metres, seconds; facing +x."""

from __future__ import annotations

import math
from dataclasses import replace

from lifting.data.procedural.draw import Draw, box_arms, crossed_arms, feet, idle_arms, standing
from lifting.data.procedural.keys import ANKLE_M, Key, Limb, Target, channels
from lifting.data.procedural.scripts import lasts


def lift(draw: Draw, seconds: float) -> list[Key]:
    """A box from the floor to the belly, up to a shelf, and back; bent knees or bent back."""
    on = feet(draw, draw.u(0.22, 0.36), 0.02, 0.02)
    half = draw.u(0.14, 0.26)
    floor_spot = (draw.u(0.40, 0.52), draw.u(0.12, 0.35))
    shelf = (draw.u(0.38, 0.5), draw.u(1.1, 1.75))
    stooped = draw.u(0, 1)
    keys: list[Key] = []
    holding, box = False, [draw.limb((60, 6, 0, 30), 3) for _ in range(2)]
    while not lasts(keys, seconds):
        down = draw.chance(0.55)
        if down or draw.chance(0.5) or not keys:
            # Also before the hands go down they come before the body.
            belly = box_arms(draw, (draw.u(0.28, 0.36), 0.0, draw.u(-0.42, -0.25)), half)
            arms = belly if holding or down else idle_arms(draw)
            pelvis = (0.0, 0.0 if holding else 4.0, 0.0)
            keys.append(standing(draw, on, arms, draw.time(1.1), draw.u(0.1, 1.2), pelvis=pelvis))
        if down:
            x, z = floor_spot
            hands = (Target("world", (x, half, z)), Target("world", (x, -half, z)))
            keys.append(
                standing(
                    draw,
                    on,
                    (box, hands),
                    draw.time(1.3),
                    draw.u(0.1, 0.5),
                    height_m=0.5 + 0.28 * stooped,
                    pelvis=(0, 30 + 34 * stooped, 0),
                    lumbar=(26 + 12 * stooped, 0, 0),
                    chest=(18 + 8 * stooped, 0, 0),
                    neck=(draw.n(-8, 6), 0, 0),
                    legs=((90, 6, 8, 100), (90, 6, 8, 100)),
                )
            )
        else:
            x, z = shelf
            hands = (Target("world", (x, half, z)), Target("world", (x, -half, z)))
            keys.append(
                standing(
                    draw,
                    on,
                    ([draw.limb((110, 5, 0, 40), 3) for _ in range(2)], hands),
                    draw.time(1.2),
                    draw.u(0.1, 0.6),
                    pelvis=(0, 5, 0),
                    neck=(-18, 0, 0),
                )
            )
        holding = not holding
    return keys


def jumping_jack(draw: Draw, seconds: float) -> list[Key]:
    """Legs apart and together, arms up by the sides and down, in a steady beat."""
    beat, wide = draw.u(0.38, 0.6), draw.u(0.28, 0.4)
    top: Limb = (draw.u(8, 25), draw.u(125, 162), 15, draw.u(10, 30))
    keys: list[Key] = []
    hop = draw.u(0.04, 0.09)
    while not lasts(keys, seconds):
        for half, arm in ((draw.n(0.09, 0.01), (4, 12, -5, 14)), (draw.n(wide, 0.02), top)):
            on = (Target("world", (0, half, ANKLE_M)), Target("world", (0, -half, ANKLE_M)))
            arms = ([draw.limb(arm, 3) for _ in range(2)], (None, None))
            legs: tuple[Limb, Limb] = ((14, 5, 8, 20), (14, 5, 8, 20))
            key = standing(draw, on, arms, beat, 0.03, height_m=0.88, legs=legs, lift_m=(hop, hop, 0, 0))
            keys.append(replace(key, rise_m=0.8 * hop))
    return keys


def balance(draw: Draw, seconds: float) -> list[Key]:
    """On one leg: knee raised, foot behind, leg to the side, leaning forward with a leg behind; the arms help."""
    on = feet(draw, 0.18, 0.02, 0.01)
    one: tuple[Target | None, Target | None] = (None, Target("world", (0.0, -0.02, ANKLE_M)))
    keys: list[Key] = []
    while not lasts(keys, seconds):
        if not keys or draw.chance(0.3):
            keys.append(standing(draw, (on[0], one[1]), idle_arms(draw), draw.time(1.1), draw.u(0.1, 0.6)))
        kind = draw.one("knee", "knee", "behind", "side", "forward", "front", "tree")
        leg: Limb = {
            "knee": (draw.u(55, 105), 6, 8, draw.u(70, 115)),
            "behind": (draw.u(-15, 5), 4, 4, draw.u(70, 125)),
            "side": (5, draw.u(20, 40), 5, 12),
            "forward": (draw.u(-25, -5), 4, 4, draw.u(5, 25)),
            "front": (draw.u(30, 75), 3, 5, draw.u(5, 20)),
            "tree": (62, 55, 85, 118),
        }[kind]
        forward = draw.u(25, 75) if kind == "forward" else draw.n(2, 3)
        side = -10 if kind == "side" else 0
        arms = draw.one("side", "hips", "overhead", "loose", "front", "side_up", "clasped", "hang")
        keys.append(
            standing(
                draw,
                one,
                draw.arms(arms),
                draw.time(1.1),
                draw.u(0.6, 2.5),
                pelvis=(-side, forward, 0),
                height_m=0.9,
                lumbar=(0, 0.6 * side, 0),
                chest=(draw.n(0, 4), draw.n(0, 4), draw.n(0, 5)),
                neck=(-0.4 * forward, 0, 0),
                legs=(leg, (0.9 * forward + 6, 0, 6, 10)),
                lift_m=(0, 0, 0, 0),
            )
        )
    return keys


def gesture(draw: Draw, seconds: float) -> list[Key]:
    """Standing and talking with the hands: waving, pointing, folded arms, hands on hips, head and face, signals."""
    on = feet(draw, draw.u(0.18, 0.4), 0.02)
    keys: list[Key] = []
    names = (
        "hips",
        "crossed",
        "chin",
        "cheek",
        "eyes",
        "phone",
        "behind_head",
        "top_of_head",
        "front_bent",
        "tray",
        "guard",
        "pointing",
        "pointing",
        "goal_post",
        "side",
        "side_up",
        "salute",
        "waving",
        "waving",
        "wing",
        "shoulder_across",
        "overhead",
        "forward_up",
        "back",
        "clasped",
        "behind_back",
        "pockets",
        "belly",
    )
    while not lasts(keys, seconds):
        kind = draw.one(*names)
        if kind == "crossed":
            arms = crossed_arms(draw)
        else:
            arms = draw.arms(kind, kind if draw.chance(0.4) else draw.one("hang", "hips", "loose", "tray", "pockets"))
        shift = draw.n(0, 4)
        key = standing(
            draw,
            on,
            arms,
            draw.time(0.75),
            draw.u(0, 1.2),
            pelvis=(shift, 3, draw.n(0, 8)),
            lumbar=(0, 0.6 * shift, 0),
            chest=draw.chest(3, 5),
            neck=draw.neck(18),
        )
        keys.append(key)
        if kind in ("waving", "pointing", "tray", "front_bent", "side_up", "goal_post"):
            keys += _beats(draw, key)
    return keys


def _beats(draw: Draw, key: Key) -> list[Key]:
    """The left forearm beats from a gesture, a few times."""
    flexion, abduction, outward, bend = (math.degrees(angle) for angle in key.channels[20:24])
    swing, turn, beat_s = draw.u(8, 28), draw.n(0, 12), draw.u(0.24, 0.42)
    beats: list[Key] = []
    for number in range(int(draw.u(2, 7))):
        way = 1 if number % 2 else -1
        angles = draw.limb((flexion + 0.2 * way * swing, abduction, outward + way * turn, bend + way * swing), 2)
        beat = key.with_arm(0, angles)
        beats.append(Key(beat.channels, beat.held, beat_s, balance=True))
    return beats


def stretch(draw: Draw, seconds: float) -> list[Key]:
    """Standing stretches: overhead and to the side, arm across, chest opened, heel to the seat, leg on a bench."""
    on = feet(draw, draw.u(0.2, 0.4), 0.02)
    keys: list[Key] = []
    while not lasts(keys, seconds):
        kind = draw.one("up", "side", "across", "open", "heel", "bench", "circle", "neck")
        time, hold = draw.time(1.2), draw.u(0.5, 2.2)
        keys.append(standing(draw, on, idle_arms(draw), draw.time(1.1), draw.u(0, 0.5), lift_m=(0.08, 0, 0, 0)))
        if kind == "up":
            keys.append(
                standing(
                    draw,
                    on,
                    draw.arms("overhead"),
                    time,
                    hold,
                    pelvis=(0, -2, 0),
                    lumbar=(-6, 0, 0),
                    chest=(-8, 0, 0),
                    neck=(draw.n(-20, 8), 0, 0),
                )
            )
        elif kind == "side":
            keys.append(
                standing(
                    draw,
                    on,
                    draw.arms(draw.one("hips", "hang"), "overhead"),
                    time,
                    hold,
                    pelvis=(7, 2, 0),
                    lumbar=(0, 13, 0),
                    chest=(0, 17, 0),
                    neck=(0, 8, 0),
                )
            )
        elif kind == "across":
            limbs = [(72, -22, 0, 14), (60, 0, -60, 105)]
            keys.append(
                standing(draw, on, ([draw.limb(limbs[0], 3), draw.limb(limbs[1], 3)], (None, None)), time, hold)
            )
        elif kind == "open":
            keys.append(
                standing(
                    draw,
                    on,
                    draw.arms(draw.one("back", "behind_back", "side")),
                    time,
                    hold,
                    lumbar=(-5, 0, 0),
                    chest=(-12, 0, 0),
                    neck=(-12, 0, 0),
                )
            )
        elif kind == "heel":
            legs: tuple[Limb, Limb] = ((-6, 3, 2, draw.u(118, 138)), (6, 0, 6, 8))
            arms = draw.arms("back", draw.one("hips", "side", "front", "hang"))
            hand = Target("left_shin", (-0.06, 0.0, 0.05))
            keys.append(standing(draw, (None, on[1]), (arms[0], (hand, arms[1][1])), time, hold, legs=legs))
        elif kind == "bench":
            foot = Target("world", (draw.u(0.55, 0.7), 0.11, draw.u(0.4, 0.75)))
            bent = draw.u(5, 35)
            keys.append(standing(draw, on, draw.arms("hips"), 0.8, 0.0, lift_m=(0.05, 0, 0, 0)))
            body = channels(
                (0.02, -0.06, 0.89),
                (0, bent, 0),
                (0.4 * bent, 0, 0),
                (0.3 * bent, 0, 0),
                (0, 0, 0),
                ((75, 2, 5, 10), (4, 2, 6, 10)),
                [draw.limb((40 + bent, 6, 0, 15)) for _ in range(2)],
            )
            keys.append(Key(body, (foot, on[1], None, None), time, hold, lift_m=(0.12, 0, 0, 0)))
        elif kind == "circle":
            for limb in ((85, 5, 0, 10), (160, 12, 10, 10), (25, 130, 10, 10), (-20, 45, 0, 10)) * 2:
                arms = ([draw.limb(limb, 4) for _ in range(2)], (None, None))
                keys.append(standing(draw, on, arms, 0.42 * draw.tempo, 0.0, flow=0.8))
        else:
            keys.append(
                standing(
                    draw,
                    on,
                    draw.arms(draw.one("hips", "hang")),
                    time,
                    hold,
                    neck=(draw.n(5, 15), draw.u(-34, 34), draw.n(0, 20)),
                )
            )
    return keys
