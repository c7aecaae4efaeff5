"""Named joints, the bones between them, and which of them are mirrored."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np

from poses.errors import UsageError


@dataclass(frozen=True)
class Skeleton:
    """A fixed, named order of J joints.

    Attributes
    ----------
    name : how files and options refer to it, for example ``coco17``.
    joints : (J,) joint names; ``left_`` and ``right_`` (the person's) mark mirrored pairs.
    parents : (J,) index of each joint's parent, -1 where it has none.
    limbs : pairs of joint indices that a picture joins by a line.
    """

    name: str
    joints: tuple[str, ...]
    parents: tuple[int, ...]
    limbs: tuple[tuple[int, int], ...]

    def __post_init__(self) -> None:
        if len(self.joints) != len(self.parents):
            raise ValueError(f"skeleton {self.name}: {len(self.joints)} joints but {len(self.parents)} parents")

    def __len__(self) -> int:
        return len(self.joints)

    def index(self, joint: str) -> int:
        """Index of a joint by name; `KeyError` lists the joints there are."""
        try:
            return self.joints.index(joint)
        except ValueError:
            raise KeyError(f"skeleton {self.name} has no joint {joint!r}, only: {', '.join(self.joints)}") from None

    def indices(self, *joints: str) -> list[int]:
        """Indices of several joints by name."""
        return [self.index(joint) for joint in joints]

    @cached_property
    def sides(self) -> tuple[str, ...]:
        """(J,) ``left``, ``right`` or ``centre`` for each joint."""
        return tuple(next((s for s in ("left", "right") if j.startswith(s + "_")), "centre") for j in self.joints)

    @cached_property
    def mirror(self) -> np.ndarray:
        """(J,) int: the joint that takes each joint's place in a mirror image."""
        swap = {"left_": "right_", "right_": "left_"}
        twins = []
        for joint in self.joints:
            prefix = next((p for p in swap if joint.startswith(p)), "")
            twins.append(self.index(swap[prefix] + joint[len(prefix) :] if prefix else joint))
        return np.array(twins)

    @cached_property
    def bones(self) -> np.ndarray:
        """(bones, 2) int: (joint, parent) for every joint that has a parent."""
        return np.array([(j, p) for j, p in enumerate(self.parents) if p >= 0])


COCO17 = Skeleton(
    name="coco17",
    joints=(
        "nose",
        "left_eye",
        "right_eye",
        "left_ear",
        "right_ear",
        "left_shoulder",
        "right_shoulder",
        "left_elbow",
        "right_elbow",
        "left_wrist",
        "right_wrist",
        "left_hip",
        "right_hip",
        "left_knee",
        "right_knee",
        "left_ankle",
        "right_ankle",
    ),
    parents=(-1, 0, 0, 1, 2, 0, 0, 5, 6, 7, 8, 5, 6, 11, 12, 13, 14),
    limbs=(
        (0, 1),
        (0, 2),
        (1, 3),
        (2, 4),
        (5, 6),
        (5, 7),
        (7, 9),
        (6, 8),
        (8, 10),
        (5, 11),
        (6, 12),
        (11, 12),
        (11, 13),
        (13, 15),
        (12, 14),
        (14, 16),
    ),
)
"""The 17 keypoints of the COCO keypoint task, in its order."""

_H36M_PARENTS = (-1, 0, 1, 2, 0, 4, 5, 0, 7, 8, 9, 8, 11, 12, 8, 14, 15)

H36M17 = Skeleton(
    name="h36m17",
    joints=(
        "hip",
        "right_hip",
        "right_knee",
        "right_ankle",
        "left_hip",
        "left_knee",
        "left_ankle",
        "spine",
        "thorax",
        "neck",
        "head",
        "left_shoulder",
        "left_elbow",
        "left_wrist",
        "right_shoulder",
        "right_elbow",
        "right_wrist",
    ),
    parents=_H36M_PARENTS,
    limbs=tuple((j, p) for j, p in enumerate(_H36M_PARENTS) if p >= 0),
)
"""The 17 joints of Human3.6M that the field reports on; the hip is the root, `neck` is the neck/nose."""

_HUMANEVA_PARENTS = (-1, 0, 1, 2, 3, 1, 5, 6, 0, 8, 9, 0, 11, 12, 1)

HUMANEVA15 = Skeleton(
    name="humaneva15",
    joints=(
        "hip",
        "thorax",
        "left_shoulder",
        "left_elbow",
        "left_wrist",
        "right_shoulder",
        "right_elbow",
        "right_wrist",
        "left_hip",
        "left_knee",
        "left_ankle",
        "right_hip",
        "right_knee",
        "right_ankle",
        "head",
    ),
    parents=_HUMANEVA_PARENTS,
    limbs=tuple((j, p) for j, p in enumerate(_HUMANEVA_PARENTS) if p >= 0),
)
"""The 15 joints on which HumanEva-I is evaluated, in the order of the published archives; the pelvis is `hip`."""

SKELETONS: dict[str, Skeleton] = {s.name: s for s in (COCO17, H36M17, HUMANEVA15)}


def get_skeleton(name: str) -> Skeleton:
    """The skeleton of that name; `UsageError` lists the known ones."""
    if name not in SKELETONS:
        raise UsageError(f"unknown skeleton {name!r}", f"known: {', '.join(sorted(SKELETONS))}")
    return SKELETONS[name]
