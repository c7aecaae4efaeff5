"""A person as a rig: constant bone lengths, and rotations of joints solved from joint positions.

The rest pose stands upright with the arms stretched out sideways and faces +z; y is up, +x is the person's left.

- Hip and chest turn as their joints do: the line between the two hips (shoulders) and the trunk's direction.
- Every other joint takes over its parent's rotation, turned by the shortest arc that points its bone where it was seen.
- Positions do not show how a limb turns about itself. Knees and elbows are hinges: thigh and upper arm are turned about
  themselves so that the plane in which the limb bends is the hinge's. Where a limb is too straight to show that plane,
  the twist is interpolated between the frames that do.

Shape letters: T frames, J joints.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy.spatial.transform import Rotation

from poses import UsageError
from render.export.motion import Motion

_DOWN, _UP, _LEFT, _RIGHT = (0.0, -1.0, 0.0), (0.0, 1.0, 0.0), (1.0, 0.0, 0.0), (-1.0, 0.0, 0.0)
_REST = {
    "spine": _UP,
    "thorax": _UP,
    "neck": _UP,
    "head": _UP,
    **{f"left_{joint}": _LEFT for joint in ("hip", "shoulder", "elbow", "wrist")},
    **{f"right_{joint}": _RIGHT for joint in ("hip", "shoulder", "elbow", "wrist")},
    **{f"{side}_{joint}": _DOWN for side in ("left", "right") for joint in ("knee", "ankle")},
}
"""Direction of each joint from its parent in the rest pose."""

# Upper limb: (middle joint, end joint, axis of the hinge in the rest pose, about which bending is positive).
_HINGES = {
    "left_hip": ("left_knee", "left_ankle", (1.0, 0.0, 0.0)),
    "right_hip": ("right_knee", "right_ankle", (1.0, 0.0, 0.0)),
    "left_shoulder": ("left_elbow", "left_wrist", (0.0, -1.0, 0.0)),
    "right_shoulder": ("right_elbow", "right_wrist", (0.0, 1.0, 0.0)),
}
_SHOWS_PLANE = np.sin(np.radians(20))


@dataclass(frozen=True)
class Rig:
    """Joints, their parents and where they lie in the rest pose.

    Attributes
    ----------
    joints : (J,) names; the first is the root, parents come before their children.
    parents : (J,) index of each parent, -1 for the root.
    offsets_m : (J, 3) from the parent in the rest pose, y up; zero for the root.
    """

    joints: tuple[str, ...]
    parents: tuple[int, ...]
    offsets_m: np.ndarray

    def children(self, joint: int) -> list[int]:
        """Joints that hang on `joint`."""
        return [child for child, parent in enumerate(self.parents) if parent == joint]


@dataclass(frozen=True)
class RigMotion:
    """How a rig moves.

    Attributes
    ----------
    root_m : (T, 3) where the root is, y up.
    rotations : (T, J, 3, 3) of each joint relative to its parent; of the root relative to the world.
    """

    root_m: np.ndarray
    rotations: np.ndarray

    def positions_m(self, rig: Rig) -> np.ndarray:
        """(T, J, 3) joints by forward kinematics, y up."""
        turned = np.empty_like(self.rotations)
        positions = np.empty((*self.rotations.shape[:2], 3))
        for joint, parent in enumerate(rig.parents):
            if parent < 0:
                turned[:, joint], positions[:, joint] = self.rotations[:, joint], self.root_m
            else:
                turned[:, joint] = turned[:, parent] @ self.rotations[:, joint]
                positions[:, joint] = positions[:, parent] + turned[:, parent] @ rig.offsets_m[joint]
        return positions


def make_rig(motion: Motion) -> Rig:
    """The rig with the person's median bone lengths; `UsageError` for a skeleton whose rest pose is not known."""
    skeleton = motion.skeleton
    unknown = [j for j, p in zip(skeleton.joints, skeleton.parents, strict=True) if p >= 0 and j not in _REST]
    if unknown or skeleton.parents.count(-1) != 1 or skeleton.parents[0] != -1:
        raise UsageError(
            f"skeleton {skeleton.name} cannot be made a rig: it must be one tree whose rest pose is known"
            + (f" (unknown: {', '.join(unknown)})" if unknown else "")
        )
    points = motion.y_up_m()[motion.present]
    offsets = np.zeros((len(skeleton), 3))
    frames = {"hip": _pelvis(points, motion), "thorax": _chest(points, motion)}
    for joint, parent in enumerate(skeleton.parents):
        if parent < 0:
            continue
        bone = points[:, joint] - points[:, parent]
        length = np.median(np.linalg.norm(bone, axis=1))
        direction = np.array(_REST[skeleton.joints[joint]])
        if skeleton.joints[parent] in frames:
            # Hip and chest are solid: their joints lie where they usually lie in their axes.
            usual = np.median(np.einsum("tji,tj->ti", frames[skeleton.joints[parent]], bone), axis=0)
            direction = usual / np.linalg.norm(usual)
        offsets[joint] = length * direction
    return Rig(skeleton.joints, skeleton.parents, offsets)


def solve(rig: Rig, motion: Motion) -> RigMotion:
    """Rotations that bring the rig nearest to a motion without gaps; `ValueError` where the person is missing."""
    if not motion.present.all():
        raise ValueError("a rig is solved for one span without gaps: see Motion.spans")
    points = motion.y_up_m()
    index = {joint: i for i, joint in enumerate(rig.joints)}
    turned = np.empty((*points.shape[:2], 3, 3))
    solid = {"hip": _pelvis(points, motion), "thorax": _chest(points, motion)}
    for joint, (name, parent) in enumerate(zip(rig.joints, rig.parents, strict=True)):
        children = rig.children(joint)
        if name in solid:
            turned[:, joint] = solid[name]
        elif not children:
            turned[:, joint] = turned[:, parent]
        else:
            bone = points[:, children[0]] - points[:, joint]
            pointed = turned[:, parent] @ rig.offsets_m[children[0]]
            turned[:, joint] = _shortest_arc(pointed, bone) @ turned[:, parent]
            if name in _HINGES:
                middle, end, axis = _HINGES[name]
                lower = points[:, index[end]] - points[:, index[middle]]
                turned[:, joint] = _twist(turned[:, joint] @ np.array(axis), bone, lower) @ turned[:, joint]
    local = turned.copy()
    for joint, parent in enumerate(rig.parents):
        if parent >= 0:
            local[:, joint] = turned[:, parent].transpose(0, 2, 1) @ turned[:, joint]
    return RigMotion(points[:, 0], local)


def _pelvis(points: np.ndarray, motion: Motion) -> np.ndarray:
    return _axes(points, motion, "left_hip", "right_hip", "hip", "spine")


def _chest(points: np.ndarray, motion: Motion) -> np.ndarray:
    return _axes(points, motion, "left_shoulder", "right_shoulder", "spine", "thorax")


def _axes(points: np.ndarray, motion: Motion, left: str, right: str, low: str, high: str) -> np.ndarray:
    """(T, 3, 3) rotations whose columns are left, up and forward; left as seen, up perpendicular to it."""
    at = motion.skeleton.index
    x = _unit(points[:, at(left)] - points[:, at(right)])
    z = _unit(np.cross(x, points[:, at(high)] - points[:, at(low)]))
    return np.stack([x, np.cross(z, x), z], axis=2)


def _shortest_arc(start: np.ndarray, end: np.ndarray) -> np.ndarray:
    """(T, 3, 3) smallest rotations that turn `start` to the direction of `end`."""
    a, b = _unit(start), _unit(end)
    axis = np.cross(a, b)
    sine, cosine = np.linalg.norm(axis, axis=1), (a * b).sum(axis=1)
    # Opposite directions have no shortest arc: any axis across will do.
    across = _unit(np.cross(a, np.where(abs(a[:, :1]) < 0.9, [[1.0, 0, 0]], [[0, 1.0, 0]])))
    direction = np.where(sine[:, None] > 1e-9, axis / np.maximum(sine, 1e-9)[:, None], across)
    return Rotation.from_rotvec(direction * np.arctan2(sine, cosine)[:, None]).as_matrix()


def _twist(hinge: np.ndarray, upper: np.ndarray, lower: np.ndarray) -> np.ndarray:
    """(T, 3, 3) rotations about `upper` that turn `hinge` into the axis about which the limb bends."""
    upper, lower = _unit(upper), _unit(lower)
    normal = np.cross(upper, lower)
    angle = np.arctan2((np.cross(hinge, normal) * upper).sum(axis=1), (hinge * normal).sum(axis=1))
    shown = np.flatnonzero(np.linalg.norm(normal, axis=1) > _SHOWS_PLANE)
    frames = np.arange(len(angle))
    angle = np.interp(frames, shown, np.unwrap(angle[shown])) if len(shown) else np.zeros(len(angle))
    return Rotation.from_rotvec(upper * angle[:, None]).as_matrix()


def _unit(vector: np.ndarray) -> np.ndarray:
    return vector / np.maximum(np.linalg.norm(vector, axis=-1, keepdims=True), 1e-12)
