"""From key poses to frames: holds, moves at rest at both ends, hands a little behind or ahead of the trunk, sway.

Shape letters: N frames of all plans together, C channels, L = 4 limbs.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from scipy.ndimage import gaussian_filter1d
from scipy.spatial.transform import Rotation

from lifting.data.mocap import RATE_HZ
from lifting.data.procedural.ik import Targets, misses_m, reach
from lifting.data.procedural.keys import Key, KeyTable, bump, pin_shift_m
from lifting.data.procedural.limits import within
from lifting.data.procedural.skeleton import CHEST, LUMBAR, NECK, PELVIS, ROOT, Body, limb, pose
from lifting.data.procedural.volume import above_floor, trunk_lowest_m

SMOOTHING_FRAMES = 4.0
"""Standard deviation of the Gaussian that rounds off joint angles where one move becomes the next."""

_GROUPS: tuple[tuple[slice, ...], ...] = (
    (ROOT, LUMBAR, CHEST, limb(0), limb(1)),
    (NECK,),
    (limb(2),),
    (limb(3),),
)
"""Channels that move together; the first group carries the body and keeps the move's full time."""

_MOST_STAGGER = 0.18

# Standard deviation of the sway, radians by channel, and metres of the root.
_SWAY = np.zeros(32)
for _where, _degrees in ((LUMBAR, 0.5), (CHEST, 0.6), (NECK, 1.8), (limb(0), 0.25), (limb(1), 0.25)):
    _SWAY[_where] = np.radians(_degrees)
for _index in (2, 3):
    _SWAY[limb(_index)] = np.radians([1.3, 1.0, 1.5, 2.0])
_SWAY[ROOT] = (0.004, 0.004, 0.001)
_SWAYS = 4
_BREATH_RAD = np.radians(0.7)


@dataclass(frozen=True)
class Timeline:
    """Where each frame lies between two keys.

    Attributes
    ----------
    at, to : (N,) index of the key before and after.
    share : (N, groups) of the way, by group of channels.
    held_share : the same for targets of hands and feet, which always start and stop at rest.
    start : (plans + 1,) first frame of each plan.
    """

    at: np.ndarray
    to: np.ndarray
    share: np.ndarray
    held_share: np.ndarray
    start: np.ndarray


def minimum_jerk(share: np.ndarray) -> np.ndarray:
    """Of the way, at rest at both ends (Flash & Hogan, J. Neurosci. 5, 1985)."""
    return np.asarray(share**3 * (10 - 15 * share + 6 * share**2))


def timeline(plans: Sequence[Sequence[Key]], frames: Sequence[int], rng: np.random.Generator) -> Timeline:
    """Frames at 50 Hz from the start of each plan; a plan that ends earlier stays in its last pose."""
    at, to, shares, rests = [], [], [], []
    first = 0
    for keys, count in zip(plans, frames, strict=True):
        move, hold, flow = (np.array([getattr(key, name) for key in keys]) for name in ("move_s", "hold_s", "flow"))
        arrive = np.cumsum(move) - move[0] + np.cumsum(hold) - hold
        times = np.arange(count) / RATE_HZ
        index = np.searchsorted(arrive, times, side="right") - 1
        after = np.minimum(index + 1, len(keys) - 1)
        share = np.clip((times - arrive[index] - hold[index]) / move[after], 0, 1)
        begin = rng.uniform(0, _MOST_STAGGER, (len(keys), len(_GROUPS)))
        end = 1 - rng.uniform(0, _MOST_STAGGER, begin.shape)
        begin[:, 0], end[:, 0] = 0, 1
        for number, key in enumerate(keys):
            for group in (2, 3):
                # A hand that takes hold of something, or leaves it, comes and goes with the body that carries it.
                ends = (keys[max(number - 1, 0)].held[group], key.held[group])
                if any(target is not None and target.part == "world" for target in ends):
                    begin[number, group], end[number, group] = 0, 1
        own = np.clip((share[:, None] - begin[after]) / (end - begin)[after], 0, 1)
        even = flow[after][:, None]
        rests.append(minimum_jerk(own))
        shares.append((1 - even) * rests[-1] + even * own)
        at.append(first + index)
        to.append(first + after)
        first += len(keys)
    start = np.concatenate([[0], np.cumsum(frames)])
    return Timeline(np.concatenate(at), np.concatenate(to), np.concatenate(shares), np.concatenate(rests), start)


def perform(table: KeyTable, line: Timeline, rng: np.random.Generator) -> tuple[Body, np.ndarray]:
    """The body in every frame, and (N, L) by how much hands and feet miss the targets that they keep, metres."""
    found = _joined(table.channels, line)
    found[:, 2] += table.rise_m[line.to] * bump(line.share[:, 0])
    for first, end in zip(line.start[:-1], line.start[1:], strict=True):
        found[first:end] = gaussian_filter1d(found[first:end], SMOOTHING_FRAMES, axis=0, mode="nearest")
        found[first:end] += _sway(int(end - first), rng)
    found[:, PELVIS] /= np.linalg.norm(found[:, PELVIS], axis=1, keepdims=True)
    found = within(found)
    targets = table.targets(line.at, line.to, _even_ends(line))
    if table.pin.any():
        found[:, ROOT] += pin_shift_m(pose(found), table, line.at, line.to, line.share[:, 0])
    lies = _mix(table.floor.astype(float), line)
    if not lies.any():
        body = reach(pose(found), targets)
    else:
        body = pose(found)
        body = reach(above_floor(body.moved(_to_floor(body, lies, line)), lies), targets)
    return body, misses_m(body, targets)


def _even_ends(line: Timeline) -> np.ndarray:
    """(N, L) share of the way of each limb's target: legs go with the trunk, arms have their own time."""
    return line.held_share[:, [0, 0, 2, 3]]


def _mix(values: np.ndarray, line: Timeline) -> np.ndarray:
    share = line.share[:, 0]
    return np.asarray((1 - share) * values[line.at] + share * values[line.to])


def _joined(keys: np.ndarray, line: Timeline) -> np.ndarray:
    """(N, C) straight lines between the keys' channels; the pelvis turns about one axis (slerp)."""
    found = keys[line.at].copy()
    way = keys[line.to] - found
    for group, parts in enumerate(_GROUPS):
        for part in parts:
            found[:, part] += line.share[:, group, None] * way[:, part]
    start = Rotation.from_quat(keys[line.at][:, PELVIS])
    turn = (start.inv() * Rotation.from_quat(keys[line.to][:, PELVIS])).as_rotvec()
    turned = (start * Rotation.from_rotvec(line.share[:, :1] * turn)).as_quat()
    # Of the two quaternions of each rotation the one near the frame before, so that they can be averaged.
    flips = np.cumsum(np.einsum("ni,ni->n", turned[1:], turned[:-1]) < 0) % 2
    turned[1:] *= np.where(flips, -1.0, 1.0)[:, None]
    found[:, PELVIS] = turned
    return found


def _to_floor(body: Body, lies: np.ndarray, line: Timeline) -> np.ndarray:
    """(N, 3) shift that puts the lowest point on the floor where `lies` is 1; smooth, as the lowest point changes."""
    low = trunk_lowest_m(body) * lies
    for first, end in zip(line.start[:-1], line.start[1:], strict=True):
        low[first:end] = gaussian_filter1d(low[first:end], 1.5 * SMOOTHING_FRAMES, mode="nearest")
    return np.stack([0 * low, 0 * low, -low], axis=1)


def _sway(frames: int, rng: np.random.Generator) -> np.ndarray:
    """(frames, C) slow noise of standing and of arms that are never quite still, and breathing."""
    times = np.arange(frames)[:, None] / RATE_HZ
    found = np.zeros((frames, len(_SWAY)))
    strength = rng.uniform(0.5, 1.4)
    for _ in range(_SWAYS):
        rate = rng.uniform(0.1, 0.7, len(_SWAY))
        found += np.sin(2 * np.pi * (rate * times + rng.uniform(0, 1, len(_SWAY)))) * np.sqrt(2 / _SWAYS)
    found *= strength * _SWAY
    breath = np.sin(2 * np.pi * (rng.uniform(0.2, 0.35) * times[:, 0] + rng.uniform(0, 1)))
    found[:, CHEST.start + 1] -= _BREATH_RAD * breath
    return found


__all__ = ["SMOOTHING_FRAMES", "Targets", "Timeline", "minimum_jerk", "perform", "timeline"]
