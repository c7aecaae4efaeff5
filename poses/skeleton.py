"""Named joints, the bones between them, and which of them are mirrored."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
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

    @classmethod
    def from_tree(
        cls, name: str, parent_of: Mapping[str, str | None], limbs: Iterable[tuple[str, str]] | None = None
    ) -> Skeleton:
        """A skeleton from each joint's parent by name (None for a root), in the order of the joints.

        `limbs` are pairs of names; without them, every bone is a limb. `ValueError` on a name that is not a joint.
        """
        joints = tuple(parent_of)
        bones = [(joint, parent) for joint, parent in parent_of.items() if parent is not None]
        pairs = bones if limbs is None else list(limbs)
        unknown = {joint for pair in (*bones, *pairs) for joint in pair} - set(joints)
        if unknown:
            raise ValueError(f"skeleton {name}: not among its joints: {', '.join(sorted(unknown))}")
        parents = tuple(-1 if parent is None else joints.index(parent) for parent in parent_of.values())
        return cls(name, joints, parents, tuple((joints.index(a), joints.index(b)) for a, b in pairs))

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

H36M17 = Skeleton.from_tree(
    "h36m17",
    {
        "hip": None,
        "right_hip": "hip",
        "right_knee": "right_hip",
        "right_ankle": "right_knee",
        "left_hip": "hip",
        "left_knee": "left_hip",
        "left_ankle": "left_knee",
        "spine": "hip",
        "thorax": "spine",
        "neck": "thorax",
        "head": "neck",
        "left_shoulder": "thorax",
        "left_elbow": "left_shoulder",
        "left_wrist": "left_elbow",
        "right_shoulder": "thorax",
        "right_elbow": "right_shoulder",
        "right_wrist": "right_elbow",
    },
)
"""The 17 joints of Human3.6M that the field reports on; the hip is the root, `neck` is the neck/nose."""

HUMANEVA15 = Skeleton.from_tree(
    "humaneva15",
    {
        "hip": None,
        "thorax": "hip",
        "left_shoulder": "thorax",
        "left_elbow": "left_shoulder",
        "left_wrist": "left_elbow",
        "right_shoulder": "thorax",
        "right_elbow": "right_shoulder",
        "right_wrist": "right_elbow",
        "left_hip": "hip",
        "left_knee": "left_hip",
        "left_ankle": "left_knee",
        "right_hip": "hip",
        "right_knee": "right_hip",
        "right_ankle": "right_knee",
        "head": "thorax",
    },
)
"""The 15 joints on which HumanEva-I is evaluated, in the order of the published archives; the pelvis is `hip`."""

MPII16 = Skeleton.from_tree(
    "mpii16",
    {
        "right_ankle": "right_knee",
        "right_knee": "right_hip",
        "right_hip": "pelvis",
        "left_hip": "pelvis",
        "left_knee": "left_hip",
        "left_ankle": "left_knee",
        "pelvis": None,
        "thorax": "pelvis",
        "upper_neck": "thorax",
        "head_top": "upper_neck",
        "right_wrist": "right_elbow",
        "right_elbow": "right_shoulder",
        "right_shoulder": "thorax",
        "left_shoulder": "thorax",
        "left_elbow": "left_shoulder",
        "left_wrist": "left_elbow",
    },
)
"""The 16 joints of the MPII Human Pose data set, in its order, in which a child may stand before its parent."""

HALPE26 = Skeleton.from_tree(
    "halpe26",
    {
        "nose": "neck",
        "left_eye": "nose",
        "right_eye": "nose",
        "left_ear": "left_eye",
        "right_ear": "right_eye",
        "left_shoulder": "neck",
        "right_shoulder": "neck",
        "left_elbow": "left_shoulder",
        "right_elbow": "right_shoulder",
        "left_wrist": "left_elbow",
        "right_wrist": "right_elbow",
        "left_hip": "hip",
        "right_hip": "hip",
        "left_knee": "left_hip",
        "right_knee": "right_hip",
        "left_ankle": "left_knee",
        "right_ankle": "right_knee",
        "head": "neck",
        "neck": "hip",
        "hip": None,
        "left_big_toe": "left_ankle",
        "right_big_toe": "right_ankle",
        "left_small_toe": "left_ankle",
        "right_small_toe": "right_ankle",
        "left_heel": "left_ankle",
        "right_heel": "right_ankle",
    },
)
"""The 26 body keypoints of Halpe: COCO's 17, then the top of the head, neck, hip and feet; a child may stand first."""

_BLAZEPOSE_TREE = {
    "nose": None,
    "left_eye_inner": "nose",
    "left_eye": "left_eye_inner",
    "left_eye_outer": "left_eye",
    "right_eye_inner": "nose",
    "right_eye": "right_eye_inner",
    "right_eye_outer": "right_eye",
    "left_ear": "left_eye_outer",
    "right_ear": "right_eye_outer",
    "left_mouth": "nose",
    "right_mouth": "nose",
    "left_shoulder": "nose",
    "right_shoulder": "nose",
    "left_elbow": "left_shoulder",
    "right_elbow": "right_shoulder",
    "left_wrist": "left_elbow",
    "right_wrist": "right_elbow",
    "left_pinky": "left_wrist",
    "right_pinky": "right_wrist",
    "left_index": "left_wrist",
    "right_index": "right_wrist",
    "left_thumb": "left_wrist",
    "right_thumb": "right_wrist",
    "left_hip": "left_shoulder",
    "right_hip": "right_shoulder",
    "left_knee": "left_hip",
    "right_knee": "right_hip",
    "left_ankle": "left_knee",
    "right_ankle": "right_knee",
    "left_heel": "left_ankle",
    "right_heel": "right_ankle",
    "left_foot_index": "left_ankle",
    "right_foot_index": "right_ankle",
}

BLAZEPOSE33 = Skeleton.from_tree(
    "blazepose33",
    _BLAZEPOSE_TREE,
    limbs=[
        ("left_mouth", "right_mouth"),
        ("left_shoulder", "right_shoulder"),
        ("left_hip", "right_hip"),
        # The nose is the parent of these, but a picture that joined them by lines would not look like a body.
        *((j, p) for j, p in _BLAZEPOSE_TREE.items() if p and not j.endswith(("_mouth", "_shoulder"))),
    ],
)
"""The 33 landmarks of BlazePose, in its order; what it calls `mouth_left` is `left_mouth` here, as other sides are."""

SKELETONS: dict[str, Skeleton] = {s.name: s for s in (COCO17, H36M17, HUMANEVA15, MPII16, HALPE26, BLAZEPOSE33)}


def get_skeleton(name: str) -> Skeleton:
    """The skeleton of that name; `UsageError` lists the known ones."""
    if name not in SKELETONS:
        raise UsageError(f"unknown skeleton {name!r}", f"known: {', '.join(sorted(SKELETONS))}")
    return SKELETONS[name]
