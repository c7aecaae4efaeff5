"""The kinematic skeleton: from channels (joint angles) to the 22 keypoints of the motion-capture archives.

Body axes: x forward, y left, z up. A limb hangs along -z of its own frame; its upper part turns by a swing (a rotation
vector without a part along the limb) and a twist about itself, its lower part by a hinge. Swing vectors are a flat
space in which straight lines stay within a joint's range, so that poses can be joined by them.

Shape letters: N poses, C = 32 channels, L = 4 limbs (left leg, right leg, left arm, right arm), K = 22 keypoints.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from scipy.spatial.transform import Rotation

from lifting.data.bvh_people import FACE_M as FACE_M
from lifting.data.mocap import KEYPOINTS

LIMBS = ("left_leg", "right_leg", "left_arm", "right_arm")
SIDE = np.array([1.0, -1.0, 1.0, -1.0])
"""Sign of the y axis on the limb's side."""

HINGE = np.array([1.0, 1.0, -1.0, -1.0])
"""Sense of the hinge about y: knees bend backward, elbows forward."""

ROOT = slice(0, 3)
LUMBAR = slice(3, 6)
CHEST = slice(6, 9)
NECK = slice(9, 12)
PELVIS = slice(28, 32)
"""Quaternion (x, y, z, w) of the pelvis in the world; the other channels are metres (root) and radians."""

CHANNELS = 32

UPPER_M = np.array([0.405, 0.405, 0.301, 0.301])
LOWER_M = np.array([0.434, 0.434, 0.284, 0.284])
"""Medians of the recordings of `cmu_more` (thigh and shin, upper arm and forearm)."""

HIP_M = np.array([0.0, 0.126, 0.0])
SPINE_M = np.array([-0.026, 0.0, 0.2195])
THORAX_M = np.array([0.026, 0.0, 0.2898])
SHOULDER_M = np.array([-0.007, 0.1864, 0.0])
NECK_M = np.array([0.036, 0.0, 0.0997])
"""Joints from the one below it, in the frame of the part between; measured on standing frames of `cmu_more`."""

CLAVICLE_RAISED_RAD = 0.42
"""By how much the collar bone is raised when the arm points up (about 25 degrees; the scapula's share in raising)."""

CLAVICLE_FORWARD_RAD = 0.20


def limb(index: int) -> slice:
    """Channels of a limb: flexion, abduction, outward twist, and the bend of knee or elbow."""
    return slice(12 + 4 * index, 16 + 4 * index)


@dataclass(frozen=True)
class Body:
    """Poses with the frames of their parts.

    Attributes
    ----------
    hip, spine, thorax, neck : (N, 3) metres.
    pelvis, chest, head : (N, 3, 3) axes in the world.
    socket : (N, L, 3) hip and shoulder joints.
    upper : (N, L, 3, 3) axes of thighs and upper arms; `base` those of the part on which they hang.
    bend : (N, L) of knees and elbows, radians.
    """

    hip: np.ndarray
    spine: np.ndarray
    thorax: np.ndarray
    neck: np.ndarray
    pelvis: np.ndarray
    chest: np.ndarray
    head: np.ndarray
    socket: np.ndarray
    base: np.ndarray
    upper: np.ndarray
    bend: np.ndarray

    @property
    def lower(self) -> np.ndarray:
        """(N, L, 3, 3) axes of shins and forearms."""
        return self.upper @ hinge(self.bend * HINGE)

    @property
    def middle(self) -> np.ndarray:
        """(N, L, 3) knees and elbows."""
        return np.asarray(self.socket - UPPER_M[:, None] * self.upper[..., 2])

    @property
    def end(self) -> np.ndarray:
        """(N, L, 3) ankles and wrists."""
        return np.asarray(self.middle - LOWER_M[:, None] * self.lower[..., 2])

    @property
    def ears(self) -> np.ndarray:
        """(N, 3) midpoint of the ears, the origin of the head's frame."""
        return np.asarray(self.neck - self.head @ np.array(FACE_M["neck"]))

    def moved(self, shift_m: np.ndarray) -> Body:
        """Shifted as a whole by (N, 3)."""
        return replace(
            self,
            hip=self.hip + shift_m,
            spine=self.spine + shift_m,
            thorax=self.thorax + shift_m,
            neck=self.neck + shift_m,
            socket=self.socket + shift_m[:, None],
        )

    def keypoints_m(self) -> np.ndarray:
        """(N, K, 3) keypoints of the archives."""
        socket, middle, end, ears = self.socket, self.middle, self.end, self.ears
        places = {"hip": self.hip, "spine": self.spine, "thorax": self.thorax}
        for index, (side, part) in enumerate(name.split("_") for name in LIMBS):
            names = ("hip", "knee", "ankle") if part == "leg" else ("shoulder", "elbow", "wrist")
            for name, points in zip(names, (socket, middle, end), strict=True):
                places[f"{side}_{name}"] = points[:, index]
        places |= {name: ears + self.head @ np.array(offset) for name, offset in FACE_M.items()}
        return np.stack([places[name] for name in KEYPOINTS], axis=1)


def hinge(angle_rad: np.ndarray) -> np.ndarray:
    """(..., 3, 3) rotations about y."""
    cos, sin, zero = np.cos(angle_rad), np.sin(angle_rad), np.zeros_like(angle_rad)
    rows = [cos, zero, sin, zero, zero + 1, zero, -sin, zero, cos]
    return np.stack(rows, axis=-1).reshape(*np.shape(angle_rad), 3, 3)


def turned(vectors: np.ndarray) -> np.ndarray:
    """(..., 3, 3) matrices of rotation vectors (..., 3)."""
    return Rotation.from_rotvec(vectors.reshape(-1, 3)).as_matrix().reshape(*vectors.shape, 3)


def pose(channels: np.ndarray) -> Body:
    """Forward kinematics of channels (N, C)."""
    hip = channels[:, ROOT]
    pelvis = Rotation.from_quat(channels[:, PELVIS]).as_matrix()
    # The spine joint is carried by half of the lumbar bend, which is spread over five vertebrae below it.
    spine = hip + (pelvis @ turned(0.5 * channels[:, LUMBAR])) @ SPINE_M
    lumbar = pelvis @ turned(channels[:, LUMBAR])
    thorax = spine + (lumbar @ turned(0.5 * channels[:, CHEST])) @ THORAX_M
    chest = lumbar @ turned(channels[:, CHEST])
    # The neck's own bend is half below the mouth, half between skull and neck.
    neck = thorax + (chest @ turned(0.5 * channels[:, NECK])) @ NECK_M
    head = chest @ turned(channels[:, NECK])
    sockets, bases, uppers = [], [], []
    for index, sign in enumerate(SIDE):
        flexion, abduction, twist, _ = channels[:, limb(index)].T
        zero = np.zeros_like(flexion)
        if index < 2:
            base, socket = pelvis, hip + pelvis @ (HIP_M * [1, sign, 1])
        else:
            base, socket = chest, thorax + np.einsum("nij,nj->ni", chest, _shoulder(flexion, abduction, sign))
        swing = turned(np.stack([sign * abduction, -flexion, zero], axis=-1))
        uppers.append(base @ swing @ turned(np.stack([zero, zero, sign * twist], axis=-1)))
        sockets.append(socket)
        bases.append(base)
    bend = np.stack([channels[:, limb(index)][:, 3] for index in range(len(LIMBS))], axis=1)
    socket, base_axes, upper = (np.stack(parts, axis=1) for parts in (sockets, bases, uppers))
    return Body(hip, spine, thorax, neck, pelvis, chest, head, socket, base_axes, upper, bend)


def _shoulder(flexion: np.ndarray, abduction: np.ndarray, sign: float) -> np.ndarray:
    """(N, 3) shoulder joint from the thorax, in the chest's frame: the collar bone follows the arm up and forward."""
    raised = CLAVICLE_RAISED_RAD * np.sin(np.minimum(np.hypot(flexion, abduction), np.pi) / 2) ** 2
    forward = CLAVICLE_FORWARD_RAD * np.sin(np.clip(flexion, -np.pi / 2, np.pi / 2)) * np.cos(raised)
    turn = turned(np.stack([sign * raised, np.zeros_like(raised), -sign * forward], axis=-1))
    return np.asarray(turn @ (SHOULDER_M * [1, sign, 1]))


def limb_channels(body: Body) -> np.ndarray:
    """(N, L, 4) flexion, abduction, outward twist and bend of each limb, back from the frames."""
    local = np.swapaxes(body.base, -1, -2) @ body.upper
    down = -local[..., 2]
    # Swing: the shortest turn that takes the hanging limb to its direction.
    across = np.stack([-down[..., 1], down[..., 0]], axis=-1)
    sine = np.linalg.norm(across, axis=-1, keepdims=True)
    angle = np.arctan2(sine, -down[..., 2:])
    # (0, 0, -1) x down = (down_y, -down_x, 0) is the swing's axis.
    swing = np.where(sine > 1e-9, -across / np.maximum(sine, 1e-9), 0.0) * angle
    vectors = np.concatenate([swing, np.zeros_like(sine)], axis=-1)
    rest = np.swapaxes(turned(vectors), -1, -2) @ local
    twist = np.arctan2(rest[..., 1, 0], rest[..., 0, 0])
    return np.stack([-vectors[..., 1], vectors[..., 0] * SIDE, twist * SIDE, body.bend], axis=-1)
