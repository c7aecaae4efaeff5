"""What a skeleton looks like: which limbs are drawn, how thick, and on which side of the body they are."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

import numpy as np

from poses import Skeleton

_RADIUS_M = {
    "hip": 0.052,
    "knee": 0.043,
    "ankle": 0.034,
    "shoulder": 0.042,
    "elbow": 0.034,
    "wrist": 0.027,
    "spine": 0.052,
    "thorax": 0.048,
    "neck": 0.034,
    "head": 0.034,
    "pelvis": 0.052,
    "upper_neck": 0.034,
    "head_top": 0.034,
}
_OTHER_RADIUS_M = 0.022  # nose, eyes, ears, fingers, toes

HEAD_RADIUS_M = 0.115


@dataclass(frozen=True)
class Body:
    """How a skeleton is drawn.

    A skeleton without a neck gets one joint more, midway between the shoulders, so that the head does not float; J
    counts it. `complete`, `complete_seen` and `complete_score` add it to arrays.

    Attributes
    ----------
    limbs : (L, 2) int joints at both ends of each limb that is drawn.
    limb_sides : (L,) ``left``, ``right`` or ``centre``.
    joint_sides : (J,) the same for joints.
    joint_radius_m : (J,) half the thickness of the limbs at each joint.
    drawn_joints : joints that get a disc.
    head : the two joints whose middle is the middle of the head, or None where the skeleton has no such pair.
    shoulders : the two joints whose middle is added, or None where nothing is added.
    """

    limbs: np.ndarray
    limb_sides: tuple[str, ...]
    joint_sides: tuple[str, ...]
    joint_radius_m: np.ndarray
    drawn_joints: tuple[int, ...]
    head: tuple[int, int] | None
    shoulders: tuple[int, int] | None

    def complete(self, points: np.ndarray) -> np.ndarray:
        """Positions (..., joints, D) of the skeleton's joints with those that are added, (..., J, D)."""
        if self.shoulders is None:
            return points
        return np.concatenate([points, points[..., self.shoulders, :].mean(axis=-2, keepdims=True)], axis=-2)

    def complete_score(self, score: np.ndarray) -> np.ndarray:
        """The same for confidences (..., joints): an added joint has the lower one of the two."""
        if self.shoulders is None:
            return score
        return np.concatenate([score, score[..., self.shoulders].min(axis=-1, keepdims=True)], axis=-1)

    def complete_seen(self, seen: np.ndarray) -> np.ndarray:
        """The same for a mask (..., joints): an added joint is seen where both that it stands between are."""
        if self.shoulders is None:
            return seen
        return np.concatenate([seen, seen[..., self.shoulders].all(axis=-1, keepdims=True)], axis=-1)


@lru_cache(maxsize=16)
def body_of(skeleton: Skeleton, head_as_ball: bool = True) -> Body:
    """The body of a skeleton; the same object for the same arguments.

    `head_as_ball` leaves the limb from neck to head and these two joints to whoever draws the head as a ball.
    """
    names, sides, limbs = list(skeleton.joints), list(skeleton.sides), list(skeleton.limbs)
    head = shoulders = None
    if {"neck", "head"} <= set(names):
        if head_as_ball:
            head = (skeleton.index("neck"), skeleton.index("head"))
            limbs = [limb for limb in limbs if set(limb) != set(head)]
    elif {"left_shoulder", "right_shoulder", "nose"} <= set(names):
        shoulders = (skeleton.index("left_shoulder"), skeleton.index("right_shoulder"))
        limbs.append((len(names), skeleton.index("nose")))
        names.append("collar")
        sides.append("centre")
    plain_names = [name.removeprefix("left_").removeprefix("right_") for name in names]
    return Body(
        limbs=np.array(limbs),
        limb_sides=tuple(_limb_side(sides[a], sides[b]) for a, b in limbs),
        joint_sides=tuple(sides),
        joint_radius_m=np.array([_RADIUS_M.get(name, _OTHER_RADIUS_M) for name in plain_names]),
        drawn_joints=tuple(j for j in range(len(skeleton)) if head is None or j not in head),
        head=head,
        shoulders=shoulders,
    )


def _limb_side(first: str, second: str) -> str:
    """A limb from the trunk to a side belongs to that side; one that crosses the body to none."""
    sides = {first, second} - {"centre"}
    return sides.pop() if len(sides) == 1 else "centre"
