"""From joints to a body: head, face, trunk, limbs, hands and feet as round cones that follow 17 joints.

World frame: z up, metres. Shape letters: T frames, N limbs of the body. Joints are those of `H36M17`.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from detectors.synthetic.motion import Motion
from detectors.synthetic.raycast import RoundCone
from poses import H36M17

FACE = ("nose", "left_eye", "right_eye", "left_ear", "right_ear")

FACE_OFFSETS_M = np.array(
    [
        [0.120, 0.0, -0.020],
        [0.085, 0.0315, 0.015],
        [0.085, -0.0315, 0.015],
        [-0.005, 0.075, 0.0],
        [-0.005, -0.075, 0.0],
    ]
)
"""(5, 3) places of `FACE` on an average adult's head, (forward, left, up) from the midpoint between the ears."""

_NECK_OFFSET_M = np.array([0.030, 0.0, -0.045])
_HEAD_TOP_ABOVE_NECK_M = 0.115
# The line from neck/nose to the head's top leans back by this much in a head held upright.
_LEAN_RAD = float(np.arctan2(_NECK_OFFSET_M[0], 0.066 - _NECK_OFFSET_M[2]))

MATERIALS = ("skin", "head", "hair", "trunk", "sleeve", "forearm", "thigh", "shin", "shoe")

_JOINT = {name: index for index, name in enumerate(H36M17.joints)}


@dataclass(frozen=True)
class Build:
    """How a body is made, apart from its bones.

    Attributes
    ----------
    girth : factor on all radii, 1 for an average adult.
    hair : `short`, `long`, or `none`.
    """

    girth: float = 1.0
    hair: str = "short"


@dataclass(frozen=True)
class Body:
    """A body over time: N limbs in T frames, and its face points.

    Attributes
    ----------
    starts, ends : (T, N, 3) world, metres.
    axes : (T, N, 3, 3) rows are each limb's left, front and long axis in the world.
    radii, squeeze : (N, 2), see `RoundCone`.
    materials : (N,) index into `MATERIALS`.
    offsets_m : (N, 3) added to a place on the limb before it is painted: joins patterns, and puts all parts of the head
        into the head's frame.
    side : (N,) 1 left, -1 right, 0 middle.
    face_m : (T, 5, 3) the points of `FACE`, world.
    """

    starts: np.ndarray
    ends: np.ndarray
    axes: np.ndarray
    radii: np.ndarray
    squeeze: np.ndarray
    materials: np.ndarray
    offsets_m: np.ndarray
    side: np.ndarray
    face_m: np.ndarray

    def limbs(self, frame: int, camera_from_world: np.ndarray) -> list[RoundCone]:
        """The N limbs of one frame in the camera frame; `camera_from_world` is (4, 4)."""
        rotation, shift = camera_from_world[:3, :3], camera_from_world[:3, 3]
        starts = self.starts[frame] @ rotation.T + shift
        axes = self.axes[frame] @ rotation.T
        lengths = np.linalg.norm(self.ends[frame] - self.starts[frame], axis=-1)
        return [
            RoundCone(starts[n], axes[n], float(lengths[n]), tuple(self.radii[n]), tuple(self.squeeze[n]))
            for n in range(len(lengths))
        ]


class _Parts:
    """Collects limbs."""

    def __init__(self) -> None:
        self.rows: list[tuple[np.ndarray, np.ndarray, np.ndarray]] = []
        self.fixed: list[tuple[tuple[float, float], tuple[float, float], str, tuple[float, float, float], int]] = []

    def add(
        self,
        start: np.ndarray,
        end: np.ndarray,
        left: np.ndarray,
        radii: tuple[float, float],
        material: str,
        squeeze: tuple[float, float] = (1.0, 1.0),
        offset: tuple[float, float, float] = (0.0, 0.0, 0.0),
        side: int = 0,
    ) -> None:
        """A limb from `start` to `end` (T, 3) whose left axis is nearest to `left` (T, 3)."""
        self.rows.append((start, end, axes_along(end - start, left)))
        self.fixed.append((radii, squeeze, material, offset, side))

    def add_ellipsoid(
        self, centre: np.ndarray, axes: np.ndarray, half: tuple[float, float, float], material: str,
        offset: tuple[float, float, float] = (0.0, 0.0, 0.0), side: int = 0,
    ) -> None:  # fmt: skip
        """An ellipsoid with half axes (left, front, up) about `centre` (T, 3) with `axes` (T, 3, 3)."""
        self.rows.append((centre, centre, axes))
        self.fixed.append(((half[2], half[2]), (half[0] / half[2], half[1] / half[2]), material, offset, side))

    def body(self, face_m: np.ndarray) -> Body:
        starts, ends, axes = (np.stack([row[i] for row in self.rows], axis=1) for i in range(3))
        radii, squeeze, materials, offsets, side = zip(*self.fixed, strict=True)
        return Body(
            starts,
            ends,
            axes,
            np.array(radii),
            np.array(squeeze),
            np.array([MATERIALS.index(m) for m in materials]),
            np.array(offsets),
            np.array(side),
            face_m,
        )


def unit(vectors: np.ndarray) -> np.ndarray:
    """Vectors (..., 3) scaled to length 1; 0 stays 0."""
    return vectors / np.maximum(np.linalg.norm(vectors, axis=-1, keepdims=True), 1e-9)


def axes_along(along: np.ndarray, left: np.ndarray) -> np.ndarray:
    """(T, 3, 3) axes, rows left, front, along, with `along` exact and left as near to `left` as can be.

    Where the two are parallel any left will do.
    """
    z = unit(along)
    z = np.where(np.abs(z).sum(-1, keepdims=True) < 0.5, np.array([0.0, 0.0, 1.0]), z)
    x = left - (left * z).sum(-1, keepdims=True) * z
    spare = np.cross(z, np.where(np.abs(z[..., :1]) < 0.9, np.array([1.0, 0, 0]), np.array([0, 1.0, 0])))
    x = unit(np.where(np.linalg.norm(x, axis=-1, keepdims=True) < 1e-4, spare, x))
    # With x forward, y left, z up: forward = left x up. A limb that points down has its front behind.
    return np.stack([x, np.cross(x, z), z], axis=-2)


def head_frame(motion: Motion) -> tuple[np.ndarray, np.ndarray, float]:
    """Midpoint between the ears (T, 3), axes (T, 3, 3) with rows left, front, up, and the head's size (1: adult).

    From the face points where the motion has them. Otherwise from the line neck/nose to head top and the shoulders, as
    if the head did not turn on them.
    """
    joints = motion.joints_m
    neck, top = joints[:, _JOINT["neck"]], joints[:, _JOINT["head"]]
    scale = float(np.clip(np.median(np.linalg.norm(top - neck, axis=-1)) / _HEAD_TOP_ABOVE_NECK_M, 0.8, 1.2))
    if motion.face_m is not None:
        nose, left_ear, right_ear = motion.face_m[:, 0], motion.face_m[:, 3], motion.face_m[:, 4]
        left, middle = left_ear - right_ear, 0.5 * (left_ear + right_ear)
        tilt = float(np.arctan2(-FACE_OFFSETS_M[0, 2], FACE_OFFSETS_M[0, 0] - FACE_OFFSETS_M[3, 0]))
        toward_nose = unit(nose - middle)
        upright = np.cross(toward_nose, unit(left))
        # The nose is lower than the ears: turn up about the left axis.
        front = np.cos(tilt) * toward_nose + np.sin(tilt) * upright
        axes = axes_along(np.cross(front, unit(left)), left)
        return middle - scale * FACE_OFFSETS_M[3, 0] * axes[:, 1], axes, scale
    leaning = axes_along(top - neck, joints[:, _JOINT["left_shoulder"]] - joints[:, _JOINT["right_shoulder"]])
    left, front, along = leaning[:, 0], leaning[:, 1], leaning[:, 2]
    up = np.cos(_LEAN_RAD) * along + np.sin(_LEAN_RAD) * front
    axes = axes_along(up, left)
    middle = neck - scale * (_NECK_OFFSET_M[0] * axes[:, 1] + _NECK_OFFSET_M[2] * axes[:, 2])
    return middle, axes, scale


def face_points(middle: np.ndarray, axes: np.ndarray, scale: float) -> np.ndarray:
    """(T, 5, 3) the points of `FACE` on a head as `head_frame` gives it."""
    offsets = scale * FACE_OFFSETS_M[:, [1, 0, 2]]
    return middle[:, None] + np.einsum("fc,tcd->tfd", offsets, axes)


def build_body(motion: Motion, build: Build) -> Body:
    """The limbs of a body that moves as `motion`; joints lie inside their limbs where a person's do."""
    j = {name: motion.joints_m[:, index].astype(np.float64) for name, index in _JOINT.items()}
    parts = _Parts()
    # Trunk and limbs of a child are thinner as they are shorter.
    stature = np.median(np.linalg.norm(j["left_knee"] - j["left_ankle"], axis=-1)) / 0.44
    g = build.girth * float(np.clip(stature, 0.6, 1.2))
    _add_trunk(parts, j, g)
    for name, side in (("left", 1), ("right", -1)):
        _add_arm(parts, j, name, side, g)
        _add_leg(parts, j, name, side, g)
    middle, axes, scale = head_frame(motion)
    _add_head(parts, j, middle, axes, scale, build.hair, g)
    return parts.body(face_points(middle, axes, scale))


def _add_trunk(parts: _Parts, j: dict[str, np.ndarray], g: float) -> None:
    hips, shoulders = j["left_hip"] - j["right_hip"], j["left_shoulder"] - j["right_shoulder"]
    middle = unit(hips) + unit(shoulders)
    flat = (1.0, 0.70)
    up = j["spine"] - j["hip"]
    low = j["hip"] - 0.04 * up
    parts.add(low, j["hip"] + 0.45 * up, hips, (0.142 * g, 0.134 * g), "thigh", (1.10, 0.76), (0, 0, -0.5))
    parts.add(j["hip"] + 0.22 * up, j["spine"], middle, (0.150 * g, 0.140 * g), "trunk", (1.04, 0.74), (0, 0, 0.05))
    high = j["thorax"] - 0.30 * (j["thorax"] - j["spine"])
    parts.add(j["spine"], high, shoulders, (0.140 * g, 0.158 * g), "trunk", flat, (0, 0, 0.23))
    for side, name in ((1, "left"), (-1, "right")):
        shoulder = j[f"{name}_shoulder"]
        root = j["thorax"] - 0.10 * (j["thorax"] - j["spine"])
        parts.add(root, shoulder, j["thorax"] - j["spine"], (0.072 * g, 0.056 * g), "trunk", (1, 1), (9, 0, 9), side)
        base = j["thorax"] + 0.25 * (j["neck"] - j["thorax"])
        parts.add(base, 0.75 * shoulder + 0.25 * base, j["thorax"] - j["spine"], (0.050 * g, 0.045 * g),
                  "trunk", (1, 1), (9, 0, 9), side)  # fmt: skip


def _add_arm(parts: _Parts, j: dict[str, np.ndarray], name: str, side: int, g: float) -> None:
    shoulder, elbow, wrist = (j[f"{name}_{joint}"] for joint in ("shoulder", "elbow", "wrist"))
    body_left = j["left_shoulder"] - j["right_shoulder"]
    forearm = unit(wrist - elbow)
    size = np.median(np.linalg.norm(wrist - elbow, axis=-1)) / 0.25
    parts.add(shoulder, elbow, body_left, (0.056 * g, 0.041 * g), "sleeve", side=side)
    parts.add(elbow, wrist, body_left, (0.041 * g, 0.028 * g), "forearm", side=side)
    palm = wrist + 0.075 * size * forearm
    parts.add(wrist, palm, body_left, (0.027 * g, 0.042 * g), "skin", (0.55, 1.0), side=side)
    parts.add(palm, palm + 0.06 * size * forearm, body_left, (0.040 * g, 0.024 * g), "skin", (0.5, 1.0), side=side)
    front = axes_along(-forearm, body_left)[:, 1]
    thumb = wrist + 0.03 * size * forearm
    parts.add(
        thumb, thumb + size * (0.045 * forearm + 0.045 * front), body_left, (0.016 * g, 0.011 * g), "skin", side=side
    )


def _add_leg(parts: _Parts, j: dict[str, np.ndarray], name: str, side: int, g: float) -> None:
    hip, knee, ankle = (j[f"{name}_{joint}"] for joint in ("hip", "knee", "ankle"))
    thigh, shin = unit(knee - hip), unit(ankle - knee)
    # A bent knee shows where the leg's left is; a straight one follows the pelvis.
    left = 2.0 * np.cross(thigh, shin) + unit(j["left_hip"] - j["right_hip"])
    axes = axes_along(-shin, left)
    front, size = axes[:, 1], float(np.median(np.linalg.norm(ankle - knee, axis=-1)) / 0.44)
    # The hip joints of motion capture stand wide apart: the thigh begins a little inside.
    top = hip + 0.12 * (j["hip"] - hip)
    parts.add(top, knee, left, (0.092 * g, 0.060 * g), "thigh", side=side)
    parts.add(knee, ankle, left, (0.058 * g, 0.040 * g), "shin", side=side)
    calf = knee + 0.30 * (ankle - knee) - 0.016 * g * front
    parts.add(
        calf, calf + 0.22 * (ankle - knee), left, (0.056 * g, 0.046 * g), "shin", (0.95, 0.95), (0, 0, 0.13), side
    )
    heel = ankle + size * (-0.035 * front + 0.045 * shin)
    toe = ankle + size * (0.165 * front + 0.055 * shin)
    # On the ground the sole lies flat, whatever the shin does.
    low = np.minimum(0.035, ankle[:, 2:])
    near_ground = np.clip((0.22 - ankle[:, 2:]) / 0.08, 0, 1)
    flat = toe.copy()
    flat[:, 2:] = low
    toe = np.where(toe[:, 2:] < low, flat, toe + near_ground * 0.5 * (flat - toe))
    heel[:, 2:] = np.maximum(heel[:, 2:], 0.03)
    parts.add(heel, toe, left, (0.043 * g, 0.034 * g), "shoe", (0.95, 0.9), side=side)


def _add_head(
    parts: _Parts, j: dict[str, np.ndarray], middle: np.ndarray, axes: np.ndarray, scale: float, hair: str, g: float
) -> None:
    left, front, up = axes[:, 0], axes[:, 1], axes[:, 2]

    def at(to_left: float, forward: float, upward: float) -> np.ndarray:
        return middle + scale * (to_left * left + forward * front + upward * up)

    neck_base = j["thorax"] - 0.02 * unit(j["thorax"] - j["spine"])
    parts.add(neck_base, at(0, -0.015, -0.05), left, (0.060 * g, 0.054 * scale), "skin")

    def ellipsoid(to_left: float, forward: float, upward: float, half: tuple[float, float, float], kind: str) -> None:
        half = (half[0] * scale, half[1] * scale, half[2] * scale)
        offset = (to_left * scale, forward * scale, upward * scale)
        parts.add_ellipsoid(at(to_left, forward, upward), axes, half, kind, offset)

    ellipsoid(0, 0.0, 0.022, (0.074, 0.095, 0.108), "head")
    ellipsoid(0, 0.032, -0.055, (0.054, 0.058, 0.062), "head")
    for side in (1, -1):
        ellipsoid(side * 0.073, -0.008, -0.002, (0.012, 0.020, 0.032), "head")
    parts.add(at(0, 0.088, 0.018), at(0, 0.110, -0.020), left, (0.009 * scale, 0.014 * scale), "head",
              offset=(0, 9, 0))  # fmt: skip
    if hair != "none":
        ellipsoid(0, -0.020, 0.042, (0.084, 0.098, 0.106), "hair")
    if hair == "long":
        parts.add(at(0, -0.045, 0.02), at(0, -0.065, -0.17), left, (0.085 * scale, 0.062 * scale), "hair", (1, 0.65))
