"""Motion without data: walking, waving, squatting and turning, by joint angles within the limits of a body.

Person's frame: x forward, y left, z up. Angles in radians. Shape letters: T frames.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, field

import numpy as np

from detectors.synthetic.body import FACE_OFFSETS_M
from detectors.synthetic.motion import Motion
from poses import H36M17, UsageError

RATE_HZ = 50.0
ANKLE_HEIGHT_M = 0.09

BONES_M = {"hip": 0.133, "knee": 0.443, "ankle": 0.454, "spine": 0.233, "thorax": 0.257,
           "shoulder": 0.160, "elbow": 0.279, "wrist": 0.252}  # fmt: skip
"""Bones of an adult, by the joint at the far end."""

LIMITS_RAD = {
    "hip_flexion": (-0.45, 2.1),
    "hip_abduction": (-0.35, 0.8),
    "knee": (0.0, 2.5),
    "shoulder_flexion": (-0.9, 3.0),
    "shoulder_abduction": (-0.2, 3.0),
    "elbow": (0.0, 2.5),
    "trunk_pitch": (-0.4, 1.6),
    "trunk_roll": (-0.6, 0.6),
    "trunk_twist": (-0.8, 0.8),
    "head_yaw": (-1.2, 1.2),
    "head_pitch": (-0.7, 0.9),
}
"""Least and greatest angle: American Academy of Orthopaedic Surgeons' ranges, rounded inwards. Flexion is forward."""


@dataclass
class Angles:
    """Angles (T,) by name, `left_` and `right_` before those of limbs; what is not given is 0."""

    frames: int
    values: dict[str, np.ndarray] = field(default_factory=dict)
    heading: np.ndarray | float = 0.0
    forward_m: np.ndarray | float = 0.0

    def __getitem__(self, name: str) -> np.ndarray:
        low, high = LIMITS_RAD[name.removeprefix("left_").removeprefix("right_")]
        return np.clip(np.broadcast_to(self.values.get(name, 0.0), self.frames), low, high)


def turn(axis: str, angle: np.ndarray) -> np.ndarray:
    """(T, 3, 3) rotation by `angle` (T,) about x, y or z."""
    cosine, sine = np.cos(angle), np.sin(angle)
    first, second = {"x": (1, 2), "y": (2, 0), "z": (0, 1)}[axis]
    matrix = np.broadcast_to(np.eye(3), (*np.shape(angle), 3, 3)).copy()
    matrix[..., first, first] = matrix[..., second, second] = cosine
    matrix[..., first, second], matrix[..., second, first] = -sine, sine
    return matrix


def pose(angles: Angles, name: str) -> Motion:
    """Joints from angles; the lower foot stands on the floor."""
    frames = angles.frames
    joints = {joint: np.zeros((frames, 3)) for joint in H36M17.joints}
    up, left, down = np.array([0, 0, 1.0]), np.array([0, 1.0, 0]), np.array([0, 0, -1.0])
    # Half of the trunk's bend is in the pelvis' end, the other half above the spine joint.
    half = (
        turn("y", 0.5 * angles["trunk_pitch"])
        @ turn("x", 0.5 * angles["trunk_roll"])
        @ turn("z", 0.5 * angles["trunk_twist"])
    )
    chest = half @ half
    joints["spine"] = BONES_M["spine"] * half @ up
    joints["thorax"] = joints["spine"] + BONES_M["thorax"] * chest @ up
    head = chest @ turn("z", angles["head_yaw"]) @ turn("y", angles["head_pitch"])
    ears = joints["thorax"] + chest @ np.array([0.01, 0, 0.09]) + head @ np.array([0.01, 0, 0.085])
    joints["neck"] = ears + head @ np.array([0.030, 0, -0.045])
    joints["head"] = ears + head @ np.array([0, 0, 0.066])
    for side, sign in (("left", 1.0), ("right", -1.0)):
        hip = joints[f"{side}_hip"] = np.tile(sign * BONES_M["hip"] * left, (frames, 1))
        thigh = turn("x", sign * angles[f"{side}_hip_abduction"]) @ turn("y", -angles[f"{side}_hip_flexion"])
        knee = joints[f"{side}_knee"] = hip + BONES_M["knee"] * thigh @ down
        joints[f"{side}_ankle"] = knee + BONES_M["ankle"] * thigh @ turn("y", angles[f"{side}_knee"]) @ down
        shoulder = joints[f"{side}_shoulder"] = joints["thorax"] + sign * BONES_M["shoulder"] * chest @ left
        arm = chest @ turn("x", sign * angles[f"{side}_shoulder_abduction"])
        arm = arm @ turn("y", -angles[f"{side}_shoulder_flexion"])
        elbow = joints[f"{side}_elbow"] = shoulder + BONES_M["elbow"] * arm @ down
        # Beside a raised arm the forearm bends up, beside a hanging one forward.
        joints[f"{side}_wrist"] = elbow + BONES_M["wrist"] * arm @ turn("y", -angles[f"{side}_elbow"]) @ down
    stacked = np.stack([joints[joint] for joint in H36M17.joints], axis=1)
    stacked = np.concatenate([stacked, ears[:, None] + np.einsum("tij,kj->tki", head, FACE_OFFSETS_M)], axis=1)
    heading = np.broadcast_to(angles.heading, frames)
    stacked = np.einsum("tij,tkj->tki", turn("z", heading), stacked)
    feet = stacked[:, H36M17.indices("left_ankle", "right_ankle"), 2].min(axis=1)
    stacked[:, :, 2] += (ANKLE_HEIGHT_M - feet)[:, None]
    forward = np.broadcast_to(angles.forward_m, frames)
    # The path follows the heading: steps forward are summed along it.
    step = np.diff(forward, prepend=forward[:1])
    path = np.cumsum(step[:, None] * np.stack([np.cos(heading), np.sin(heading)], axis=1), axis=0)
    stacked[:, :, :2] += path[:, None]
    return Motion(stacked[:, : len(H36M17)], RATE_HZ, stacked[:, len(H36M17) :], name)


def walk(times_s: np.ndarray, rng: np.random.Generator) -> Motion:
    """Walking at 0.9 to 1.5 m/s, on a curve."""
    speed = rng.uniform(0.9, 1.5)
    phase = 2 * math.pi * (0.55 + 0.3 * speed) * times_s + rng.uniform(0, 2 * math.pi)
    angles = Angles(len(times_s), heading=rng.uniform(-0.5, 0.5) * times_s, forward_m=speed * times_s)
    reach = 0.32 + 0.12 * speed
    for side, shift in (("left", 0.0), ("right", math.pi)):
        swing = phase + shift
        angles.values |= {
            f"{side}_hip_flexion": 0.10 + reach * 0.8 * np.sin(swing),
            f"{side}_knee": 0.12 + 0.85 * np.maximum(0, np.cos(swing + 0.3)) ** 2,
            f"{side}_shoulder_flexion": -0.45 * np.sin(swing),
            f"{side}_shoulder_abduction": np.full_like(times_s, 0.12),
            f"{side}_elbow": 0.35 - 0.25 * np.sin(swing),
        }
    angles.values |= {"trunk_pitch": 0.06 + 0.02 * np.sin(2 * phase), "trunk_twist": 0.16 * np.sin(phase),
                      "head_yaw": 0.3 * np.sin(0.7 * times_s + phase[0])}  # fmt: skip
    return pose(angles, "walk")


def wave(times_s: np.ndarray, rng: np.random.Generator) -> Motion:
    """Standing and waving one arm, or both."""
    sway = np.sin(2 * math.pi * 0.3 * times_s + rng.uniform(0, 6))
    beat = np.sin(2 * math.pi * rng.uniform(1.0, 1.8) * times_s)
    raised = 0.5 - 0.5 * np.cos(np.clip(2 * math.pi * 0.25 * times_s, 0, math.pi))
    sides = [("left",), ("right",), ("left", "right")][rng.integers(3)]
    angles = Angles(len(times_s), heading=0.1 * sway)
    for side in ("left", "right"):
        up = raised if side in sides else 0.0 * raised
        angles.values |= {
            f"{side}_shoulder_abduction": 0.12 + up * (1.5 + 0.25 * beat),
            f"{side}_shoulder_flexion": 0.10 + 0.3 * up,
            f"{side}_elbow": 0.25 + up * (0.9 + 0.45 * beat),
            f"{side}_hip_abduction": np.full_like(times_s, 0.08),
            f"{side}_knee": np.full_like(times_s, 0.06),
        }
    angles.values |= {"trunk_roll": 0.04 * sway, "head_yaw": 0.25 * sway, "head_pitch": 0.05 * beat}
    return pose(angles, "wave")


def squat(times_s: np.ndarray, rng: np.random.Generator) -> Motion:
    """Squatting with the arms before the body."""
    depth = rng.uniform(0.6, 1.0)
    bend = depth * (0.5 - 0.5 * np.cos(2 * math.pi * rng.uniform(0.3, 0.5) * times_s))
    angles = Angles(len(times_s))
    for side in ("left", "right"):
        angles.values |= {
            f"{side}_hip_flexion": 1.75 * bend,
            f"{side}_hip_abduction": 0.10 + 0.15 * bend,
            f"{side}_knee": 0.05 + 2.1 * bend,
            f"{side}_shoulder_flexion": 0.10 + 1.4 * bend,
            f"{side}_shoulder_abduction": np.full_like(times_s, 0.10),
            f"{side}_elbow": 0.2 + 0.1 * bend,
        }
    angles.values |= {"trunk_pitch": 0.65 * bend, "head_pitch": -0.35 * bend}
    return pose(angles, "squat")


def turn_around(times_s: np.ndarray, rng: np.random.Generator) -> Motion:
    """Turning on the spot and looking about, arms half raised."""
    direction = rng.choice([-1.0, 1.0])
    phase = 2 * math.pi * 0.9 * times_s
    angles = Angles(len(times_s), heading=direction * rng.uniform(0.8, 1.6) * times_s)
    for side, shift in (("left", 0.0), ("right", math.pi)):
        angles.values |= {
            f"{side}_hip_flexion": 0.08 + 0.25 * np.maximum(0, np.sin(phase + shift)),
            f"{side}_knee": 0.1 + 0.55 * np.maximum(0, np.sin(phase + shift)),
            f"{side}_shoulder_abduction": 0.3 + 0.25 * np.sin(0.5 * phase + shift),
            f"{side}_shoulder_flexion": 0.2 + 0.3 * np.sin(0.3 * phase + shift),
            f"{side}_elbow": 0.6 + 0.5 * np.sin(0.4 * phase + shift),
        }
    angles.values |= {"head_yaw": 0.6 * np.sin(0.5 * phase), "trunk_twist": 0.2 * np.sin(0.5 * phase)}
    return pose(angles, "turn")


PROCEDURES: dict[str, Callable[[np.ndarray, np.random.Generator], Motion]] = {
    "walk": walk,
    "wave": wave,
    "squat": squat,
    "turn": turn_around,
}


def procedural_motion(name: str, frames: int, seed: int = 0) -> Motion:
    """A built-in motion of `frames` at 50 Hz; the same seed gives the same motion. `UsageError` lists the names."""
    if name not in PROCEDURES:
        raise UsageError(f"unknown motion {name!r}", f"choose one of: {', '.join(PROCEDURES)}")
    return PROCEDURES[name](np.arange(frames) / RATE_HZ, np.random.default_rng(seed))
