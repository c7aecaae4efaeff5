"""From the joints of a BVH file to the 22 keypoints of the motion-capture archives, z up, metres.

Shape letters: T frames, N nodes of the figure, K = 22 keypoints.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from lifting.data.bvh_file import BvhMotion, forward_kinematics, rest_positions
from lifting.data.bvh_joints import Figure
from lifting.data.mocap import KEYPOINTS
from poses import InputError, UsageError

METRES = {"m": 1.0, "cm": 0.01, "mm": 0.001, "inch": 0.0254, "cmu": 0.0254 / 0.45}
"""Units of length; `cmu` is that of CMU's recordings."""

_LEG_M = {"m": (0.45, 1.35), "cm": (0.45, 1.35), "mm": (0.45, 1.35), "inch": (0.51, 1.14), "cmu": (0.45, 1.12)}
"""Lengths of thigh and shin together for which a unit is taken; no length in a file's unit fits two of them."""

_PLAUSIBLE_LEG_M = (0.25, 2.0)
"""Children and giants."""

UP_AXES = ("x", "y", "z", "-x", "-y", "-z")

# Columns x, y, z of the file to z up, right-handed. What faces z in a file with y up, as is usual, faces x.
_TO_Z_UP = {
    "x": np.array([[0, 1, 0], [0, 0, 1], [1, 0, 0]]),
    "-x": np.array([[0, 1, 0], [0, 0, -1], [-1, 0, 0]]),
    "y": np.array([[0, 0, 1], [1, 0, 0], [0, 1, 0]]),
    "-y": np.array([[1, 0, 0], [0, 0, 1], [0, -1, 0]]),
    "z": np.eye(3),
    "-z": np.diag([1, -1, -1]),
}

LEG_M = 0.897
"""Thigh and shin of Human3.6M's median subject, to which the head's place is scaled."""

HIPS_OVER_LEG = 0.295
"""Width between the hips over the leg in Human3.6M; motion capture has its hip joints closer together."""

SPINE_SHARE = 0.476
"""Of the way from hip to thorax, where Human3.6M has its spine joint."""

EARS_ABOVE_THORAX_M = 0.15
"""For `LEG_M`; gives Human3.6M's distance from thorax to neck, 0.12 m."""

# Forward, left and up from the midpoint of the ears, metres; an average adult.
FACE_M = {
    "neck": (0.030, 0.0, -0.045),
    "head": (0.0, 0.0, 0.066),
    "nose": (0.120, 0.0, -0.020),
    "left_eye": (0.085, 0.0315, 0.015),
    "right_eye": (0.085, -0.0315, 0.015),
    "left_ear": (-0.005, 0.075, 0.0),
    "right_ear": (-0.005, -0.075, 0.0),
}


@dataclass(frozen=True)
class Placed:
    """A figure in metres with z up.

    Attributes
    ----------
    nodes : index of each node in the file, as a column of the arrays.
    positions_m : (T, N, 3).
    head : (T, 3, 3) frame of the head joint in the world.
    rest_m : (N, 3) with all angles zero, and `rest_head` (3, 3).
    """

    figure: Figure
    nodes: list[int]
    positions_m: np.ndarray
    head: np.ndarray
    rest_m: np.ndarray
    rest_head: np.ndarray

    def of(self, role: str) -> np.ndarray:
        """(T, 3) of a named joint."""
        return self.positions_m[:, self.nodes.index(self.figure.named[role])]

    def rest_of(self, role: str) -> np.ndarray:
        """(3,) of a named joint in the rest pose."""
        return np.asarray(self.rest_m[self.nodes.index(self.figure.named[role])])

    def middle(self, part: str) -> np.ndarray:
        """(T, 3) between left and right."""
        return (self.of(f"left_{part}") + self.of(f"right_{part}")) / 2

    def chain(self, nodes: tuple[int, ...]) -> np.ndarray:
        """(T, nodes, 3)."""
        return self.positions_m[:, [self.nodes.index(node) for node in nodes]]


def place(motion: BvhMotion, figure: Figure, units: str = "auto", up: str = "auto") -> Placed:
    """Forward kinematics, metres and z up. `units` is auto, a name of `METRES`, or metres a unit; `up` of `UP_AXES`.

    `InputError` when one of them cannot be told from the file, `UsageError` for an unknown one.
    """
    nodes = figure.nodes
    positions, frames = forward_kinematics(motion, nodes)
    rest = rest_positions(motion, nodes)
    column = {role: nodes.index(node) for role, node in figure.named.items()}
    metres = _metres_per_unit(motion, positions, column, units)
    axis = _up_axis(motion, positions, rest, column) if up == "auto" else up
    if axis not in _TO_Z_UP:
        raise UsageError(f"--up {up}: unknown", f"choose auto or one of {', '.join(UP_AXES)}")
    turn = _TO_Z_UP[axis].astype(float)
    return Placed(
        figure,
        nodes,
        metres * positions @ turn.T,
        turn @ frames[:, column["head"]],
        metres * rest @ turn.T,
        turn,
    )


def keypoints_m(placed: Placed) -> np.ndarray:
    """(T, K, 3) keypoints of the archives.

    The hip joints are set apart to Human3.6M's proportion, the spine joint at its share of the way, the thorax on the
    spine at the height of the shoulders; the face and the top of the head are rigid on the head joint (see `FACE_M`).
    """
    joints = {f"{side}_{part}": placed.of(f"{side}_{part}") for side in ("left", "right") for part in _LIMBS}
    middle = placed.middle("hip")
    leg = leg_length_m(placed)
    across = joints["left_hip"] - joints["right_hip"]
    width = np.linalg.norm(across, axis=-1, keepdims=True)
    half = across / np.maximum(width, 1e-6) * HIPS_OVER_LEG * leg / 2
    joints |= {"left_hip": middle + half, "right_hip": middle - half, "hip": middle}
    thorax, below = _thorax(placed, middle)
    joints["thorax"] = thorax
    joints["spine"] = _along(below, SPINE_SHARE * _lengths(below).sum(axis=-1))
    joints |= _face(placed, thorax, leg)
    return np.stack([joints[name] for name in KEYPOINTS], axis=1)


_LIMBS = ("hip", "knee", "ankle", "shoulder", "elbow", "wrist")


def leg_length_m(placed: Placed) -> float:
    """Thigh and shin, the mean of both sides and all frames."""
    return float(np.mean([_leg(placed.of, side) for side in ("left", "right")]))


def widths_m(placed: Placed) -> tuple[float, float]:
    """Median width between the hip joints and between the shoulder joints, as recorded."""
    hips, shoulders = (
        float(np.median(np.linalg.norm(placed.of(f"left_{part}") - placed.of(f"right_{part}"), axis=-1)))
        for part in ("hip", "shoulder")
    )
    return hips, shoulders


def _leg(joint: Callable[[str], np.ndarray], side: str) -> float:
    """Thigh and shin of one side, the mean over the frames; `joint` gives a named joint's (..., 3) places."""
    hip, knee, ankle = (joint(f"{side}_{part}") for part in ("hip", "knee", "ankle"))
    return float((np.linalg.norm(knee - hip, axis=-1) + np.linalg.norm(ankle - knee, axis=-1)).mean())


def _metres_per_unit(motion: BvhMotion, positions: np.ndarray, column: dict[str, int], units: str) -> float:
    leg = float(np.mean([_leg(lambda role: positions[:, column[role]], side) for side in ("left", "right")]))
    if units == "auto":
        fitting = [METRES[unit] for unit, (low, high) in _LEG_M.items() if low <= leg * METRES[unit] < high]
        if len(fitting) != 1:
            raise InputError(
                f"{motion.path}: thigh and shin are {leg:g} units long, which tells no unit", "say it with --units"
            )
        return fitting[0]
    try:
        metres = METRES[units] if units in METRES else float(units)
    except ValueError:
        metres = 0.0
    if not 0 < metres < np.inf:
        raise UsageError(f"--units {units}: unknown", f"choose auto, {', '.join(METRES)}, or metres a unit")
    if not _PLAUSIBLE_LEG_M[0] <= leg * metres <= _PLAUSIBLE_LEG_M[1]:
        raise InputError(f"{motion.path}: thigh and shin are {leg * metres:.3g} m long then", "correct --units")
    return metres


def _up_axis(motion: BvhMotion, positions: np.ndarray, rest: np.ndarray, column: dict[str, int]) -> str:
    """The axis along which people stand, in the motion and in the rest pose, where these do not disagree."""

    def axis_of(joints: np.ndarray, least: float) -> str | None:
        ankles = (joints[:, column["left_ankle"]] + joints[:, column["right_ankle"]]) / 2
        standing = joints[:, column["head"]] - ankles
        mean = (standing / np.maximum(np.linalg.norm(standing, axis=-1, keepdims=True), 1e-9)).mean(axis=0)
        strongest = int(np.abs(mean).argmax())
        return None if abs(mean[strongest]) < least else ("" if mean[strongest] > 0 else "-") + "xyz"[strongest]

    moving, resting = axis_of(positions, 0.8), axis_of(rest[None], 0.9)
    if not _hangs_down(rest, column):
        resting = None
    if moving is None and resting is None:
        raise InputError(f"{motion.path}: neither motion nor rest pose tells which axis is up", "say it with --up")
    if moving is not None and resting is not None and moving != resting:
        raise InputError(
            f"{motion.path}: {resting} is up in the rest pose and {moving} in the motion", "say it with --up"
        )
    return moving or resting or ""


def _hangs_down(rest: np.ndarray, column: dict[str, int]) -> bool:
    """Whether the rest pose is that of a standing person: some files have all bones in one direction."""

    def place(role: str) -> np.ndarray:
        return np.asarray(rest[column[role]])

    hips = (place("left_hip") + place("right_hip")) / 2
    up = place("head") - hips
    up = up / max(float(np.linalg.norm(up)), 1e-9)
    return all((place(f"{s}_hip") - place(f"{s}_ankle")) @ up > 0.8 * _leg(place, s) for s in ("left", "right"))


def _lengths(way: np.ndarray) -> np.ndarray:
    """(T, points - 1) lengths of the pieces of a way (T, points, 3)."""
    return np.asarray(np.linalg.norm(np.diff(way, axis=1), axis=-1))


def _along(way: np.ndarray, distance: np.ndarray | float) -> np.ndarray:
    """(T, 3) points at a distance (T,) from the start of ways (T, points, 3)."""
    pieces = _lengths(way)
    ends = np.cumsum(pieces, axis=1)
    distance = np.broadcast_to(distance, ends.shape[:1])
    index = np.minimum((ends < distance[:, None]).sum(axis=1), pieces.shape[1] - 1)
    at = np.arange(len(way))
    share = (distance - (ends - pieces)[at, index]) / np.maximum(pieces[at, index], 1e-9)
    start, end = way[at, index], way[at, index + 1]
    return np.asarray(start + np.clip(share, 0, 1)[:, None] * (end - start))


def _thorax(placed: Placed, middle: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The thorax (T, 3), and the way (T, points, 3) from the hip's midpoint to it.

    It lies on the way from chest to head where the shoulders' midpoint is level with it, at one place over all frames.
    """
    up = placed.chain(placed.figure.neck)
    line = up[:, -1] - up[:, 0]
    total = np.linalg.norm(line, axis=-1)
    rise = np.einsum("ti,ti->t", placed.middle("shoulder") - up[:, 0], line) / np.maximum(total**2, 1e-9)
    share = float(np.clip(np.median(rise), 0, 1))
    thorax = _along(up, share * _lengths(up).sum(axis=-1))
    below = placed.chain(placed.figure.spine)[:, 1:]
    return thorax, np.concatenate([middle[:, None], below, thorax[:, None]], axis=1)


def _face(placed: Placed, thorax: np.ndarray, leg_m: float) -> dict[str, np.ndarray]:
    """Neck, top of the head and face (T, 3) each, from the head's frame and the ears' usual height above the thorax."""
    axes = placed.head @ _head_axes(placed)
    joint = placed.of("head")
    above = np.einsum("ti,ti->t", joint - thorax, axes[:, :, 2])
    ears = joint + axes[:, :, 2] * (EARS_ABOVE_THORAX_M * leg_m / LEG_M - float(np.median(above)))
    return {name: ears + axes @ np.array(offset) for name, offset in FACE_M.items()}


def _head_axes(placed: Placed) -> np.ndarray:
    """(3, 3) forward, left and up of the head in the head joint's frame.

    In the rest pose people look straight ahead. Where that is no pose, they are taken to look on average where the
    chest does.
    """
    column = {role: placed.nodes.index(node) for role, node in placed.figure.named.items()}
    if _hangs_down(placed.rest_m, column):
        across = placed.rest_of("left_hip") - placed.rest_of("right_hip")
        across = across + placed.rest_of("left_shoulder") - placed.rest_of("right_shoulder")
        return np.asarray(placed.rest_head.T @ body_axes(across[None], np.array([[0.0, 0.0, 1.0]]))[0])
    across = placed.of("left_hip") - placed.of("right_hip") + placed.of("left_shoulder") - placed.of("right_shoulder")
    trunk = body_axes(across, placed.middle("shoulder") - placed.middle("hip"))
    left, _, right = np.linalg.svd(np.einsum("tji,tjk->ik", placed.head, trunk))
    return np.asarray(left @ right)


def body_axes(across: np.ndarray, up: np.ndarray) -> np.ndarray:
    """(T, 3, 3) with columns forward, left and up; `across` (T, 3) points left, and gives way where it is not level."""
    up = up / np.maximum(np.linalg.norm(up, axis=-1, keepdims=True), 1e-9)
    forward = np.cross(across, up)
    forward = forward / np.maximum(np.linalg.norm(forward, axis=-1, keepdims=True), 1e-9)
    return np.stack([forward, np.cross(up, forward), up], axis=-1)


def toes_point_back(placed: Placed) -> bool:
    """Whether the feet point backwards on average: left and right are exchanged, or the file is a mirror image."""
    if len(placed.figure.toes) != 2:
        return False
    across = placed.of("left_hip") - placed.of("right_hip")
    forward = body_axes(across, placed.middle("shoulder") - placed.middle("hip"))[:, :, 0]
    toes = placed.chain(placed.figure.toes).mean(axis=1) - placed.middle("ankle")
    size = float(np.median(np.linalg.norm(toes, axis=-1)))
    return size > 0.03 and float(np.mean(np.einsum("ti,ti->t", toes, forward))) < -0.3 * size
