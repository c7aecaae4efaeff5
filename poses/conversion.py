"""Keypoints of one skeleton as those of another, joint by joint.

A joint of the target is taken from the source where both mean the same place on the body, or is the middle of two
joints of the source by the short list in `MIDPOINTS`. What can be had in neither way is not guessed: then there is no
conversion between the two skeletons. So COCO-17 keypoints, which have no spine and no top of the head, do not become
Human3.6M's 17.

Shape letters: J joints of the source, K joints of the target.
"""

from __future__ import annotations

import numpy as np

from poses.errors import UsageError
from poses.skeleton import SKELETONS, Skeleton

_PLACES = {
    ("h36m17", "hip"): "pelvis",
    ("humaneva15", "hip"): "pelvis",
    ("halpe26", "hip"): "pelvis",
    ("h36m17", "neck"): "neck_nose",
    ("halpe26", "neck"): "upper_neck",
    ("h36m17", "head"): "head_top",
    ("halpe26", "head"): "head_top",
    ("humaneva15", "head"): "head_middle",
}
"""What a data set's name for a joint means, where two data sets give one place two names or two places one name.

Halpe's neck lies where MPII's upper neck does: models of the two are trained on the one for the other (RTMPose's
Body8 recipe). Human3.6M's lies between neck and nose.
"""

MIDPOINTS: dict[str, tuple[str, str]] = {
    "pelvis": ("left_hip", "right_hip"),
    "thorax": ("left_shoulder", "right_shoulder"),
}
"""Places that are the middle of two others, by the definition of the data sets or closely; used where not given."""


def conversions(source: Skeleton) -> list[str]:
    """Names of the other skeletons that keypoints of `source` can be converted to, in the order of `SKELETONS`."""
    return [name for name, target in SKELETONS.items() if name != source.name and _recipe(source, target) is not None]


def convert_keypoints(
    points: np.ndarray, score: np.ndarray, source: Skeleton, target: Skeleton
) -> tuple[np.ndarray, np.ndarray]:
    """Keypoints of `source` in the order of `target`.

    Parameters
    ----------
    points : (..., J, C) positions in any unit, C usually 2 or 3. NaN stays NaN, also in a middle of two.
    score : (..., J) confidences; a middle of two has the lower one. A mask (..., J) bool works as well.

    Returns
    -------
    (..., K, C) points and (..., K) score, of the types that came.

    Raises
    ------
    UsageError
        Some joint of `target` can be had neither directly nor as a middle; names it and the conversions there are.
    ValueError
        The shapes do not fit `source`.
    """
    joints = len(source)
    if points.ndim < 2 or points.shape[-2] != joints or score.shape != points.shape[:-1]:
        raise ValueError(f"{source.name}: points must be (..., {joints}, C), got {points.shape}; score {score.shape}")
    recipe = _recipe(source, target)
    if recipe is None:
        missing = [j for j in target.joints if _origin(source, _place(target, j)) is None]
        raise UsageError(
            f"keypoints of {source.name} cannot become those of {target.name}: nothing in them gives "
            f"{', '.join(missing)}",
            f"{source.name} can become: {', '.join(conversions(source)) or 'no other skeleton'}",
        )
    first, second = recipe.T
    # A joint taken as it is stands twice in the recipe; its half and half would still be it, but for rounding.
    middle = first != second
    converted, converted_score = points[..., first, :], score[..., first]
    converted[..., middle, :] = 0.5 * (points[..., first[middle], :] + points[..., second[middle], :])
    converted_score[..., middle] = np.minimum(score[..., first[middle]], score[..., second[middle]])
    return converted, converted_score


def _place(skeleton: Skeleton, joint: str) -> str:
    return _PLACES.get((skeleton.name, joint), joint)


def _origin(source: Skeleton, place: str) -> tuple[int, int] | None:
    """Indices of the two joints of `source` whose middle is `place` (twice the same where it is one joint)."""
    at = {_place(source, joint): index for index, joint in enumerate(source.joints)}
    pair = (place, place) if place in at else MIDPOINTS.get(place, ("", ""))
    return (at[pair[0]], at[pair[1]]) if pair[0] in at and pair[1] in at else None


def _recipe(source: Skeleton, target: Skeleton) -> np.ndarray | None:
    """(K, 2) joints of `source` whose middle each joint of `target` is; None where a joint has no origin."""
    origins = [_origin(source, _place(target, joint)) for joint in target.joints]
    return None if any(origin is None for origin in origins) else np.array(origins)
