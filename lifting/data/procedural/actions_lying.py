"""Lying on the back, the side and the front, rolling over, sit-ups, getting up, stretching on the floor.

Degrees, metres, seconds. On the back the head is towards -x and the feet towards +x.
"""

from __future__ import annotations

import math

from lifting.data.procedural.actions_floor import KNEE_M
from lifting.data.procedural.actions_seated import SEAT_TO_HIP_M
from lifting.data.procedural.draw import Arms, Draw, idle_arms, standing
from lifting.data.procedural.keys import ANKLE_M, FREE, Held, Key, Limb, Target, channels
from lifting.data.procedural.scripts import lasts

_THIGH_M, _SHIN_M = 0.405, 0.434


def _drawn_up(flexion: float) -> Limb:
    """A leg of someone on the back, knee up and the foot on the floor."""
    knee = SEAT_TO_HIP_M + _THIGH_M * math.sin(math.radians(flexion))
    return flexion, 4.0, 4.0, flexion + math.degrees(math.asin(min((knee - 0.06) / _SHIN_M, 1.0)))


def _supine_legs(draw: Draw) -> tuple[Limb, Limb]:
    flat = (-4.0, draw.u(2, 16), draw.u(5, 30), 4.0)
    up = _drawn_up(draw.u(30, 55))
    held = (draw.u(75, 110), draw.u(4, 14), 5.0, draw.u(85, 130))
    kind = draw.one("flat", "flat", "up", "one_up", "chest", "raised", "frog")
    if kind == "flat":
        return flat, (flat[0], flat[1] + draw.n(0, 3), flat[2], flat[3])
    if kind == "up":
        return up, _drawn_up(draw.u(35, 52))
    if kind == "one_up":
        return up, flat
    if kind == "chest":
        return held, held if draw.chance(0.6) else flat
    if kind == "raised":
        return (draw.u(30, 85), 4, 4, draw.u(5, 25)), (flat if draw.chance(0.5) else (draw.u(30, 85), 4, 4, 12))
    return (48, 52, 80, 100), (48, 52, 80, 100)


def _supine_arms(draw: Draw) -> Arms:
    kind = draw.one("side", "side", "belly", "out", "over", "behind_head", "up", "goal_post", "chest", "eyes")
    anchors: dict[str, Limb] = {
        "side": (-7, 16, 10, 8),
        "out": (-6, 75, 20, 12),
        "over": (160, 25, 20, 20),
        "up": (85, 8, 0, 10),
        "goal_post": (-4, 82, 86, 85),
    }
    if kind in anchors:
        return [draw.limb(anchors[kind], 3) for _ in range(2)], (None, None)
    if kind == "chest":
        hands = (Target("chest", (0.17, 0.04, -0.2)), Target("chest", (0.17, -0.04, -0.25)))
        return [draw.limb((5, 25, -55, 105), 3) for _ in range(2)], hands
    return draw.arms(kind)


def _supine(draw: Draw, move_s: float, hold_s: float, y: float = 0.0, legs: tuple[Limb, Limb] | None = None) -> Key:
    arms = _supine_arms(draw)
    found = channels(
        (0, y, 0.1),
        (draw.n(0, 2), -90, 0, draw.n(0, 4)),
        (draw.n(2, 2), draw.n(0, 3), draw.n(0, 3)),
        (draw.n(1, 2), draw.n(0, 3), draw.n(0, 3)),
        (draw.n(4, 4), draw.n(0, 4), draw.n(0, 22)),
        legs or _supine_legs(draw),
        arms[0],
    )
    return Key(found, (None, None, *arms[1]), move_s, hold_s, floor=True)


def _on_side(draw: Draw, move_s: float, hold_s: float, y: float = 0.0) -> Key:
    """On the left side, the front towards +y, knees drawn up by some."""
    bent = draw.u(5, 85)
    legs = ((bent, 2, 0, bent + draw.u(10, 35)), (min(bent + draw.u(-10, 20), 95), -4, 0, bent + draw.u(10, 40)))
    lower: Limb = draw.limb(draw.pick((85, 4, 0, 60), (70, 2, 20, 120), (120, 5, 20, 70)), 4)
    upper: Limb = draw.limb(draw.pick((55, 0, -35, 60), (15, 8, -15, 40), (75, -10, 0, 50)), 4)
    found = channels(
        (0, y, 0.18),
        (draw.n(0, 1), -90, 0, draw.n(88, 7)),
        (draw.n(8, 4) + 0.08 * bent, 5, draw.n(0, 4)),
        (draw.n(8, 4) + 0.05 * bent, 4, draw.n(0, 5)),
        (draw.n(8, 6), draw.n(8, 5), draw.n(0, 10)),
        legs,
        [lower, upper],
    )
    return Key(found, FREE, move_s, hold_s, floor=True)


def _prone(draw: Draw, move_s: float, hold_s: float, y: float = 0.0, kind: str | None = None) -> Key:
    kind = kind or draw.one("side", "pillow", "pillow", "elbows", "up", "knee")
    look = draw.u(45, 72) * (1 if draw.chance(0.5) else -1)
    anchors: dict[str, Limb] = {
        "side": (-6, 16, -20, 6),
        "pillow": (10, 108, 70, 95),
        "up": (160, 14, 0, 12),
        "knee": (10, 100, 70, 85),
        "elbows": (72, 6, -8, 92),
    }
    arms = [draw.limb(anchors[kind], 3) for _ in range(2)]
    rise = draw.u(8, 13) if kind == "elbows" else 0.0
    legs: list[Limb] = [(4, draw.u(2, 14), 4, 4), (4, draw.u(2, 14), 4, 4)]
    if kind == "knee":
        legs[0] = (42, 48, 45, 75)
    elif draw.chance(0.25):
        legs[0] = (4, 4, 2, draw.u(40, 100))
    found = channels(
        (0, y, 0.1),
        (0, -90, 0, 180 + draw.n(0, 3)),
        (-1.0 * rise, draw.n(0, 3), 0),
        (-1.1 * rise, draw.n(0, 3), 0),
        (draw.n(-25, 6), 0, draw.n(0, 8)) if kind == "elbows" else (draw.n(-8, 3), 0, look),
        legs,
        arms,
    )
    return Key(found, FREE, move_s, hold_s, floor=True)


def lie(draw: Draw, seconds: float) -> list[Key]:
    """On the back, on a side or on the front, arms and legs moved now and then."""
    pose = (_supine, _supine, _on_side, _prone)[int(draw.u(0, 4))]
    keys: list[Key] = []
    while not lasts(keys, seconds):
        keys.append(pose(draw, draw.time(1.4), draw.u(0.1, 2.5)))
    return keys


def roll(draw: Draw, seconds: float) -> list[Key]:
    """From the back over the left side to the front, on or back again, as one turns over in bed.

    The arm that is rolled over points beyond the head, out of the way.
    """
    keys: list[Key] = []
    place, way, y = int(draw.u(0, 3)), 1, 0.0
    bent = draw.u(8, 60)
    while not lasts(keys, seconds):
        time, hold = draw.time(1.6), draw.u(0, 1.2)
        if place == 0:
            flat: Limb = (-4, 4, 5, 4)
            key = _supine(draw, time, hold, y, (flat, draw.pick(flat, _drawn_up(40), _drawn_up(25))))
            key = key.with_arm(1, draw.limb(draw.pick((-7, 16, 10, 8), (30, 5, -50, 80), (60, 0, -30, 60)), 3))
        elif place == 1:
            key = _on_side(draw, time, hold, y)
        else:
            key = _prone(draw, time, hold, y, draw.one("pillow", "up"))
        keys.append(key.with_arm(0, draw.limb((draw.u(*((110, 145), (85, 130), (140, 155))[place]), 14, 8, bent), 4)))
        if place + way not in (0, 1, 2) or (place == 1 and draw.chance(0.3)):
            way = -way
        place += way
        y += 0.20 * way
    return keys


def _bent_both() -> tuple[Limb, Limb]:
    return _drawn_up(40), _drawn_up(45)


def sit_up(draw: Draw, seconds: float) -> list[Key]:
    """Sit-ups and crunches, knees bent and the feet in place."""
    x, half = draw.u(0.42, 0.55), draw.u(0.07, 0.13)
    on = (Target("world", (x, half, 0.08)), Target("world", (x, -half, 0.08)))
    kind = draw.one("behind_head", "chest", "front", "shoulder_across", "side")
    top, beat = draw.u(0.25, 1.0), draw.time(1.0)
    keys: list[Key] = []
    while not lasts(keys, seconds):
        for up in (0.0, min(draw.n(top, 0.05), 1.0)):
            if kind == "chest":
                hands = (Target("chest", (0.17, 0.03, -0.2)), Target("chest", (0.17, -0.03, -0.25)))
                arms: Arms = ([draw.limb((15, 20, -60, 105), 3) for _ in range(2)], hands)
            else:
                arms = draw.arms(kind if kind != "side" else "hang")
            # First the upper spine, then the lower one, then the pelvis.
            pelvis = -88 + 78 * max(0.0, (up - 0.3) / 0.7)
            found = channels(
                (0, 0, 0.1),
                (0, pelvis, 0),
                (30 * min(up / 0.6, 1), 0, 0),
                (28 * min(up / 0.4, 1), 0, draw.n(0, 2)),
                (5 + 22 * min(up / 0.3, 1), 0, draw.n(0, 3)),
                (_drawn_up(48), _drawn_up(48)),
                arms[0],
            )
            held: Held = (*on, *arms[1])
            keys.append(Key(found, held, beat, draw.u(0, 0.5), floor=True))
    return keys


def get_up(draw: Draw, seconds: float) -> list[Key]:
    """From the back to sitting, on to a squat or over one knee, and to standing; or the same way down."""
    half = draw.u(0.1, 0.16)
    x = draw.u(0.36, 0.44)
    on = (Target("world", (x, half, ANKLE_M)), Target("world", (x, -half, ANKLE_M)))
    support = (Target("world", (-0.33, 0.24, 0.06)), Target("world", (-0.33, -0.24, 0.06)))
    bent: Limb = (105, 6, 6, 115)

    def seated(pitch: float, chest: float, hands: tuple[Target | None, Target | None], arm: Limb, time: float) -> Key:
        found = channels(
            (0, 0, 0.1),
            (0, pitch, 0),
            (16, 0, 0),
            (chest, 0, 0),
            (draw.n(4, 5), 0, draw.n(0, 8)),
            (bent, bent),
            [draw.limb(arm, 3) for _ in range(2)],
        )
        return Key(found, (*on, *hands), time, draw.u(0, 0.6))

    lying = _supine(draw, 1.0, draw.u(0.2, 1.0), legs=_bent_both())
    lying = Key(lying.channels, (*on, *lying.held[2:]), lying.move_s, lying.hold_s, floor=False)
    keys = [lying]
    keys.append(seated(-32, 18, support, (-45, 15, 0, 20), draw.time(1.3)))
    if draw.chance(0.6):
        keys.append(seated(-8, 20, (None, None), (62, 30, 0, 25), draw.time(0.8)))
    low = standing(
        draw,
        on,
        ([draw.limb((68, 28, 0, 25), 4) for _ in range(2)], (None, None)),
        draw.time(1.0),
        0.0,
        height_m=0.42,
        pelvis=(0, 12, 0),
        lumbar=(30, 0, 0),
        chest=(20, 0, 0),
        legs=((105, 14, 12, 120), (105, 14, 12, 120)),
        root_x_m=x,
        flow=0.4,
    )
    rising = standing(
        draw,
        on,
        ([draw.limb((45, 22, 0, 30), 5) for _ in range(2)], (None, None)),
        draw.time(0.7),
        0.0,
        height_m=0.66,
        pelvis=(0, 34, 0),
        lumbar=(18, 0, 0),
        chest=(10, 0, 0),
        legs=((85, 6, 8, 85), (85, 6, 8, 85)),
        root_x_m=x,
        flow=0.6,
    )
    keys += [low, rising, standing(draw, on, idle_arms(draw), draw.time(0.9), draw.u(0.5, 1.5), root_x_m=x)]
    if draw.chance(0.35):
        keys.reverse()
    while not lasts(keys, seconds):
        keys += keys[-2::-1]
    return keys


def floor_stretch(draw: Draw, seconds: float) -> list[Key]:
    """Child's pose, cobra, a bridge, knees to the chest, legs to a side."""
    kind = draw.one("child", "cobra", "bridge", "knees", "twist")
    keys: list[Key] = []
    while not lasts(keys, seconds):
        time, hold = draw.time(1.5), draw.u(0.3, 2)
        if kind == "child":
            deep = draw.u(0.3, 1.0)
            back, lean = 20 + 32 * deep, 15 + 50 * deep
            leg: Limb = (lean + back, draw.u(8, 20), 0, 90 + back)
            found = channels(
                (0, 0, 0.4),
                (0, lean, 0),
                (32 * deep, 0, 0),
                (26 * deep, 0, 0),
                (draw.n(5, 6), 0, 0),
                (leg, leg),
                [draw.limb((60 + 100 * deep, 8, 0, 12), 4) for _ in range(2)],
            )
            keys.append(Key(found, FREE, time, hold, pin=("knees", (0.0, 0.0, KNEE_M))))
        elif kind == "cobra":
            keys.append(_prone(draw, time, hold, kind=draw.one("elbows", "side", "pillow", "up")))
        elif kind == "bridge":
            on = (Target("world", (0.45, 0.12, 0.08)), Target("world", (0.45, -0.12, 0.08)))
            up = draw.u(0, 1) if draw.chance(0.5) else float(len(keys) % 2)
            found = channels(
                (0.04 * up, 0, 0.1 + 0.24 * up),
                (0, -90 - 30 * up, 0),
                (-2 * up, 0, 0),
                (6 * up, 0, 0),
                (10 + 22 * up, 0, 0),
                (_drawn_up(50), _drawn_up(50)),
                [draw.limb((-8 + 34 * up, 14, 0, 6), 2) for _ in range(2)],
            )
            keys.append(Key(found, (*on, None, None), time, hold))
        elif kind == "knees":
            held: Limb = (draw.u(90, 118), 6, 4, draw.u(110, 135))
            legs = (held, held if draw.chance(0.5) else (-4.0, 4.0, 5.0, 5.0))
            base = _supine(draw, time, hold, legs=legs)
            keys.append(base)
        else:
            side = draw.u(-1, 1)
            found = channels(
                (0, 0, 0.1),
                (0, -90, 0, 45 * side),
                (4, 0, -14 * side),
                (2, 0, -30 * side),
                (0, 0, -30 * side),
                ((75, 6, 0, 85), (75, 6, 0, 85)),
                [draw.limb((-5, 75, 20, 12), 3) for _ in range(2)],
            )
            keys.append(Key(found, FREE, time, hold, floor=True))
    return keys
