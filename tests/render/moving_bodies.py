"""Bodies with constant bone lengths that turn, bend and walk, made without the code under test.

World: z up, metres. The person faces -y at first, her left is +x.
"""

from __future__ import annotations

import numpy as np

from poses import H36M17, Intrinsics, Poses3D


def turn(axis: str, angle_rad: np.ndarray) -> np.ndarray:
    """(T, 3, 3) rotations about a world axis by the right-hand rule."""
    c, s, o, i = np.cos(angle_rad), np.sin(angle_rad), np.zeros_like(angle_rad), np.ones_like(angle_rad)
    rows = {
        "x": ((i, o, o), (o, c, -s), (o, s, c)),
        "y": ((c, o, s), (o, i, o), (-s, o, c)),
        "z": ((c, -s, o), (s, c, o), (o, o, i)),
    }[axis]
    return np.stack([np.stack(row, axis=-1) for row in rows], axis=-2)


def walking(frames: int = 60, rate_hz: float = 30.0, heading_rad: float = 0.0) -> np.ndarray:
    """(T, 17, 3): swinging arms and legs, bent knees and elbows, a trunk that leans and turns on the pelvis."""
    time_s = np.arange(frames) / rate_hz
    swing = 0.5 * np.sin(2 * np.pi * 0.9 * time_s)
    pelvis = turn("z", heading_rad + 0.3 * np.sin(time_s))
    chest = pelvis @ turn("z", 0.4 * np.sin(1.3 * time_s)) @ turn("x", 0.15 + 0.1 * np.sin(2 * time_s))
    ahead = pelvis @ np.array([0.0, -1.0, 0.0])
    at = np.zeros((frames, len(H36M17), 3))

    def put(joint: str, parent: str, axes: np.ndarray, offset: tuple[float, float, float]) -> None:
        at[:, H36M17.index(joint)] = at[:, H36M17.index(parent)] + axes @ np.array(offset)

    at[:, 0] = np.cumsum(ahead * 1.2 / rate_hz, axis=0) + np.array([0.0, 0.0, 0.95])
    put("spine", "hip", pelvis @ turn("x", np.full(frames, 0.05)), (0, 0, 0.22))
    put("thorax", "spine", chest, (0, 0, 0.26))
    put("neck", "thorax", chest, (0, -0.03, 0.12))
    put("head", "neck", chest @ turn("x", 0.2 * np.sin(time_s)), (0, 0, 0.11))
    for side, sign in (("left", 1.0), ("right", -1.0)):
        thigh = pelvis @ turn("x", -sign * swing) @ turn("y", np.full(frames, -sign * 0.06))
        shank = thigh @ turn("x", 0.5 + 0.4 * np.sin(2 * time_s + sign))
        put(f"{side}_hip", "hip", pelvis, (sign * 0.12, 0, 0))
        put(f"{side}_knee", f"{side}_hip", thigh, (0, 0, -0.42))
        put(f"{side}_ankle", f"{side}_knee", shank, (0, 0, -0.40))
        upper = chest @ turn("x", sign * swing) @ turn("y", np.full(frames, -sign * 0.2))
        fore = upper @ turn("x", -0.6 - 0.3 * np.sin(time_s))
        put(f"{side}_shoulder", "thorax", chest, (sign * 0.17, 0, 0.02))
        put(f"{side}_elbow", f"{side}_shoulder", upper, (0, 0, -0.28))
        put(f"{side}_wrist", f"{side}_elbow", fore, (0, 0, -0.25))
    return at


def poses_of(people: dict[int, tuple[np.ndarray, np.ndarray]], rate_hz: float = 30.0) -> Poses3D:
    """An artifact of (frames (n,), world positions (n, 17, 3)) for each person; camera and world axes are the same."""
    person = np.concatenate([np.full(len(frames), number) for number, (frames, _) in people.items()])
    frame = np.concatenate([frames for frames, _ in people.values()])
    world_m = np.concatenate([positions for _, positions in people.values()])
    return Poses3D.of_joints(world_m, person, frame, frame / rate_hz, Intrinsics.from_fov(1.0, 640, 480), np.eye(4))


def two_people() -> tuple[Poses3D, dict[int, np.ndarray]]:
    """Person 0 in frames 0 to 59; person 1 in 10 to 24 and 40 to 54. Also (60, 17, 3) truth, NaN while missing."""
    first, second = walking(60), walking(60, heading_rad=2.0) + np.array([1.5, 0.5, 0.0])
    there = np.r_[10:25, 40:55]
    truth = np.full_like(second, np.nan)
    truth[there] = second[there]
    return poses_of({0: (np.arange(60), first), 1: (there, second[there])}), {0: first, 1: truth}


def y_up(points_m: np.ndarray) -> np.ndarray:
    """The same points where y is up and the right-handed axes keep x."""
    return np.stack([points_m[..., 0], points_m[..., 2], -points_m[..., 1]], axis=-1)
