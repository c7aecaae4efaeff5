"""BVH: a rig and its motion as text, for Blender, Maya, MotionBuilder, Unity.

Y up, centimetres (BVH has no unit; animation programs read centimetres), degrees, rotations in the order Z X Y.
"""

from __future__ import annotations

from typing import TextIO

import numpy as np
from scipy.spatial.transform import Rotation

from render.export.rig import Rig, RigMotion

_CM = 100.0
_END_BONE = 0.4


def write_bvh(stream: TextIO, rig: Rig, motion: RigMotion, rate_hz: float) -> None:
    """Write one rig; its joints keep their names."""
    lines = ["HIERARCHY"]
    order: list[int] = []
    _hierarchy(rig, 0, "", lines, order)
    lines += ["MOTION", f"Frames: {len(motion.root_m)}", f"Frame Time: {1 / rate_hz:.8f}"]
    stream.write("\n".join(lines) + "\n")
    degrees = np.stack([_euler_deg(motion.rotations[:, joint]) for joint in order], axis=1)
    rows = np.concatenate([motion.root_m * _CM, degrees.reshape(len(degrees), -1)], axis=1)
    for row in rows:
        stream.write(" ".join(f"{value:.5f}" for value in row) + "\n")


def _hierarchy(rig: Rig, joint: int, indent: str, lines: list[str], order: list[int]) -> None:
    children = rig.children(joint)
    inner = indent + "  "
    root = rig.parents[joint] < 0
    lines += [f"{indent}{'ROOT' if root else 'JOINT'} {rig.joints[joint]}", f"{indent}{{"]
    lines.append(f"{inner}OFFSET {_vector(rig.offsets_m[joint])}")
    position = "6 Xposition Yposition Zposition" if root else "3"
    lines.append(f"{inner}CHANNELS {position} Zrotation Xrotation Yrotation")
    order.append(joint)
    for child in children:
        _hierarchy(rig, child, inner, lines, order)
    if not children:
        # A joint without a bone behind it is invisible in most programs.
        end = rig.offsets_m[joint] * _END_BONE
        lines += [f"{inner}End Site", f"{inner}{{", f"{inner}  OFFSET {_vector(end)}", f"{inner}}}"]
    lines.append(f"{indent}}}")


def _vector(offset_m: np.ndarray) -> str:
    return " ".join(f"{value * _CM:.5f}" for value in offset_m)


def _euler_deg(rotations: np.ndarray) -> np.ndarray:
    """(T, 3) degrees about Z, X, Y, without jumps of a full turn from a frame to the next."""
    return np.unwrap(Rotation.from_matrix(rotations).as_euler("ZXY", degrees=True), axis=0, period=360.0)
