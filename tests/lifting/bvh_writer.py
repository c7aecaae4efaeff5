"""Writes BVH files for the tests, and a person whose joints are known in closed form as one.

Shape letters: T frames, K = 22 keypoints.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
from scipy.spatial.transform import Rotation

from lifting.data.mocap import KEYPOINTS
from tests.motion import walk_at

Joint = tuple[str, int, Sequence[float], Sequence[str]]
"""Name, index of the parent (-1 for the root), offset, channels. Parents come first."""

POSITIONS = ("Xposition", "Yposition", "Zposition")
ROTATIONS = ("Zrotation", "Xrotation", "Yrotation")

MIXAMO = {
    "hip": "mixamorig:Hips", "spine": "mixamorig:Spine", "thorax": "mixamorig:Neck", "head": "mixamorig:Head",
    "left_hip": "mixamorig:LeftUpLeg", "left_knee": "mixamorig:LeftLeg", "left_ankle": "mixamorig:LeftFoot",
    "right_hip": "mixamorig:RightUpLeg", "right_knee": "mixamorig:RightLeg", "right_ankle": "mixamorig:RightFoot",
    "left_shoulder": "mixamorig:LeftArm", "left_elbow": "mixamorig:LeftForeArm", "left_wrist": "mixamorig:LeftHand",
    "right_shoulder": "mixamorig:RightArm", "right_elbow": "mixamorig:RightForeArm",
    "right_wrist": "mixamorig:RightHand", "left_toe": "mixamorig:LeftToeBase",
    "right_toe": "mixamorig:RightToeBase",
}  # fmt: skip

_TREE = {
    "hip": "", "left_hip": "hip", "left_knee": "left_hip", "left_ankle": "left_knee", "right_hip": "hip",
    "right_knee": "right_hip", "right_ankle": "right_knee", "spine": "hip", "thorax": "spine",
    "left_shoulder": "thorax", "left_elbow": "left_shoulder", "left_wrist": "left_elbow", "right_shoulder": "thorax",
    "right_elbow": "right_shoulder", "right_wrist": "right_elbow", "head": "thorax", "left_toe": "left_ankle",
    "right_toe": "right_ankle",
}  # fmt: skip


def bvh_text(joints: Sequence[Joint], values: np.ndarray, frame_time_s: float = 0.01) -> str:
    """The file's text; every chain ends in an end site 5 units up."""
    lines = ["HIERARCHY"]

    def write(index: int, depth: int) -> None:
        name, parent, offset, channels = joints[index]
        pad = "\t" * depth
        lines.extend([f"{pad}{'JOINT' if parent >= 0 else 'ROOT'} {name}", pad + "{"])
        lines.append(f"{pad}\tOFFSET {' '.join(repr(float(v)) for v in offset)}")
        lines.append(f"{pad}\tCHANNELS {len(channels)} {' '.join(channels)}")
        children = [i for i, joint in enumerate(joints) if joint[1] == index]
        for child in children:
            write(child, depth + 1)
        if not children:
            lines.extend([f"{pad}\tEnd Site", pad + "\t{", pad + "\t\tOFFSET 0 5 0", pad + "\t}"])
        lines.append(pad + "}")

    write(0, 0)
    lines += ["MOTION", f"Frames: {len(values)}", f"Frame Time: {frame_time_s}"]
    return "\n".join([*lines, *(" ".join(repr(float(v)) for v in row) for row in values)]) + "\n"


def person_text(
    joints_m: np.ndarray,
    rate_hz: float = 120.0,
    unit_m: float = 0.01,
    to_file: Callable[[np.ndarray], np.ndarray] = lambda p: np.stack([p[..., 1], p[..., 2], p[..., 0]], axis=-1),
    head_turns: Rotation | None = None,
    own_axes: bool = False,
    sides_exchanged: bool = False,
) -> str:
    """People (T, K, 3), z up, metres, as a file with Mixamo's names; y up by default. The head's joint is 8 cm below
    the ears.

    The toes point along x. With `sides_exchanged` the left limbs bear the names of the right ones.

    Every joint has position channels, so that any motion can be written. `head_turns` are T turns of the head in the
    file's axes; the other joints do not turn. With `own_axes` each joint's frame is turned at random, so that the rest
    pose is none.
    """
    places = {name: joints_m[:, KEYPOINTS.index(name)] for name in _TREE if name in KEYPOINTS}
    ears = (joints_m[:, KEYPOINTS.index("left_ear")] + joints_m[:, KEYPOINTS.index("right_ear")]) / 2
    places["head"] = ears - [0, 0, 0.08]
    for side in ("left", "right"):
        places[f"{side}_toe"] = places[f"{side}_ankle"] + [0.15, 0, -0.05]
    random = np.random.default_rng(3)
    still = Rotation.identity(len(joints_m))
    frames = {name: still * (Rotation.random(random_state=random) if own_axes else still[0]) for name in _TREE}
    if head_turns is not None:
        frames["head"] = head_turns * frames["head"]
    order: list[str] = []

    def visit(name: str) -> None:
        """Depth first, as the file's channels stand."""
        order.append(name)
        for child in (c for c, parent in _TREE.items() if parent == name):
            visit(child)

    visit("hip")
    tree: list[Joint] = []
    columns = []
    for name in order:
        parent = _TREE[name]
        outer = frames[parent].inv() if parent else still
        local = outer.apply(to_file(places[name] - (places[parent] if parent else 0)) / unit_m)
        called = _other_side(name) if sides_exchanged else name
        tree.append((MIXAMO[called], order.index(parent) if parent else -1, local[0], (*POSITIONS, *ROTATIONS)))
        columns += [local, (outer * frames[name]).as_euler("ZXY", degrees=True)]
    return bvh_text(tree, np.concatenate(columns, axis=-1), 1 / rate_hz)


def _other_side(name: str) -> str:
    side, _, part = name.partition("_")
    return f"{'right' if side == 'left' else 'left'}_{part}" if part else name


def write_walk(path: Path, seconds: float = 1.5, rate_hz: float = 120.0, heading_rad: float = 0.0) -> np.ndarray:
    """Write a walker; returns the (T, K, 3) that it is at 50 Hz."""
    times_s = np.arange(round(seconds * rate_hz) + 1) / rate_hz
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(person_text(walk_at(times_s, heading_rad=heading_rad), rate_hz))
    return walk_at(np.arange(round(seconds * 50) + 1) / 50, heading_rad=heading_rad)
