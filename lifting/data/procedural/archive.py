"""Clips of procedural motion in the form of the motion-capture archives."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from lifting.data.bvh import JUMP_M
from lifting.data.mocap import KEYPOINTS, RATE_HZ, Clips, is_held_out
from lifting.data.procedural.actions import ACTIONS
from lifting.data.procedural.draw import Draw
from lifting.data.procedural.keys import Key, KeyTable, plausible, solve, tabulate
from lifting.data.procedural.limits import MARGIN_RAD, beyond_rad
from lifting.data.procedural.scripts import Action
from lifting.data.procedural.skeleton import Body
from lifting.data.procedural.timing import Timeline, perform, timeline
from lifting.data.procedural.volume import excess_m, lowest_m

log = logging.getLogger(__name__)

SHORTEST_S, LONGEST_S = 4.0, 12.0

FASTEST_M_S = 6.0
"""Of a wrist or ankle; quicker than the quickest gesture here (jumping jacks) and slower than a throw."""

MOST_MISSED_M = np.array([0.012, 0.012, 0.03, 0.03])
"""By how much feet and hands may miss targets that they keep, in frames between key poses."""

DEEPEST_M = 0.035
"""Flesh below the floor before a clip is turned down."""

HELD_OUT_SHARE = 0.08
"""The held-out share for which clips are named: every twelfth clip of an action is held out."""

_EVERY = 12
_MOST_ROUNDS = 60
_PLANS_A_ROUND = 64


@dataclass(frozen=True)
class Plan:
    """What one clip is made of."""

    keys: list[Key]
    frames: int
    loose: bool


def make_archive(seed: int, hours: float, actions: Sequence[str] = tuple(ACTIONS)) -> Clips:
    """Procedural motion, `hours` long, all `actions` about equally often; the same seed gives the same clips.

    Clips last 4 to 12 s and are called ``procedural/<action>_<letters><number>``. The letters keep clips apart that
    would else count as repetitions of one motion (`lifting.data.mocap.is_held_out`), and are chosen such that of every
    twelve clips of an action one is held out at a share of 0.08.
    """
    wanted = int(hours * 3600 / (0.5 * (SHORTEST_S + LONGEST_S)))
    count = max(1, -(-wanted // len(actions)))
    parts: list[np.ndarray] = []
    names: list[str] = []
    for name in actions:
        # Of its own name, so that an action's clips do not change with the others.
        rng = np.random.default_rng([seed, *name.encode()])
        for number, clip in enumerate(make_clips(name, ACTIONS[name], count, rng)):
            parts.append(clip)
            names.append(clip_name(name, number))
    start = np.concatenate([[0], np.cumsum([len(part) for part in parts], dtype=np.int64)])
    return Clips(np.concatenate(parts).astype(np.float32), start, tuple(names))


def clip_name(action: str, number: int) -> str:
    """``procedural/<action>_<letters><number>``, see `make_archive`."""
    held_out = number % _EVERY == _EVERY // 2
    for try_ in range(26**2):
        letters = chr(97 + try_ // 26) + chr(97 + try_ % 26)
        name = f"procedural/{action}_{letters}{number:04d}"
        if is_held_out(name, HELD_OUT_SHARE) == held_out:
            return name
    raise AssertionError(f"no name for clip {number} of {action}")


def make_clips(name: str, action: Action, count: int, rng: np.random.Generator) -> list[np.ndarray]:
    """`count` clips (T, K, 3) of one action: plans are drawn until enough keep limits, volume and floor."""
    found: list[np.ndarray] = []
    tried = 0
    for _ in range(_MOST_ROUNDS):
        missing = count - len(found)
        if missing == 0:
            break
        plans = []
        for _ in range(min(2 * missing + 2, _PLANS_A_ROUND)):
            seconds = rng.uniform(SHORTEST_S, LONGEST_S)
            plans.append(draw_plan(action, seconds, rng))
        tried += len(plans)
        found += [clip for clip in performed(plans, rng) if clip is not None][:missing]
    if len(found) < count:
        raise AssertionError(f"{name}: {len(found)} of {tried} plans can be performed, {count} are needed")
    log.info("%s: %d clips of %d drawn", name, len(found), tried)
    return found


def draw_plan(action: Action, seconds: float, rng: np.random.Generator) -> Plan:
    """A plan of so many seconds; of a loose action half as long again, for the poses that will be left out.

    How long poses are held differs between plans as it does between people: some never rest.
    """
    patience = rng.uniform(0.1, 0.8)
    keys = [replace(key, hold_s=patience * key.hold_s) for key in action.script(Draw(rng), 2.2 * seconds)]
    needed_s = 1.5 * seconds + 2 if action.loose else seconds
    ends = np.cumsum([key.move_s + key.hold_s for key in keys]) - keys[0].move_s
    last = min(int(np.searchsorted(ends, needed_s)) + 1, len(keys))
    return Plan(keys[:last], int(min(seconds, ends[last - 1]) * RATE_HZ), action.loose)


def performed(plans: Sequence[Plan], rng: np.random.Generator) -> list[np.ndarray | None]:
    """Each plan's clip, turned, perhaps mirrored; None for those that a body could not perform."""
    table = solve(tabulate([key for plan in plans for key in plan.keys]))
    good = plausible(table)
    clips: list[np.ndarray | None] = [None] * len(plans)
    kept: list[int] = []
    rows: list[np.ndarray] = []
    first = 0
    for index, plan in enumerate(plans):
        own = first + np.arange(len(plan.keys))
        first += len(plan.keys)
        able = good[own]
        seconds = sum((key.move_s + key.hold_s) * bool(fine) for key, fine in zip(plan.keys, able, strict=True))
        if able.all() or (plan.loose and able.sum() > 1 and seconds * RATE_HZ > plan.frames):
            kept.append(index)
            rows.append(own[able])
    if not kept:
        return clips
    fields = {name: values[np.concatenate(rows)] for name, values in vars(table).items()}
    keys = [key for plan in plans for key in plan.keys]
    line = timeline([[keys[row] for row in own] for own in rows], [plans[i].frames for i in kept], rng)
    body, missed = perform(KeyTable(**fields), line, rng)
    joints = body.keypoints_m()
    passes = possible(body, missed, joints, line)
    for place, number in enumerate(kept):
        heading, mirror = rng.uniform(-np.pi, np.pi), rng.random() < 0.5
        if passes[place]:
            clip = joints[line.start[place] : line.start[place + 1]]
            clips[number] = placed(mirrored(clip) if mirror else clip, heading)
    return clips


def possible(body: Body, missed: np.ndarray, joints_m: np.ndarray, line: Timeline) -> list[bool]:
    """Of each clip of a timeline, whether every frame keeps limits, volume, floor, targets and speeds."""
    bad = (excess_m(body) > 0).any(axis=1)
    bad |= beyond_rad(body) > 1.5 * MARGIN_RAD
    bad |= (missed > MOST_MISSED_M).any(axis=1)
    bad |= lowest_m(body) < -DEEPEST_M
    fine = []
    for first, end in zip(line.start[:-1], line.start[1:], strict=True):
        clip = joints_m[first:end]
        fast = np.linalg.norm(np.diff(clip, axis=0), axis=-1).max() * RATE_HZ > FASTEST_M_S
        jumps = np.linalg.norm(np.diff(clip, n=2, axis=0), axis=-1).max() > 0.3 * JUMP_M
        fine.append(not (bad[first:end].any() or fast or jumps))
    return fine


def mirrored(joints_m: np.ndarray) -> np.ndarray:
    """(T, K, 3) with left and right exchanged."""
    exchanged = {"left": "right", "right": "left"}
    order = []
    for name in KEYPOINTS:
        side, _, part = name.partition("_")
        order.append(KEYPOINTS.index(f"{exchanged[side]}_{part}" if side in exchanged else name))
    return joints_m[:, order] * np.array([1, -1, 1])


def placed(joints_m: np.ndarray, heading_rad: float) -> np.ndarray:
    """Turned about the vertical, the first frame's hip at x = y = 0."""
    cos, sin = np.cos(heading_rad), np.sin(heading_rad)
    turned = joints_m @ np.array([[cos, sin, 0], [-sin, cos, 0], [0, 0, 1]])
    return np.asarray(turned - turned[0, 0] * [1, 1, 0])
