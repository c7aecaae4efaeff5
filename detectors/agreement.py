"""How alike two detectors' people are, and how restless one detector's are.

Shape letters: P people in a frame, J joints.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from detectors.base import FrameDetections
from detectors.keypoint_scores import match_people
from detectors.oks import joint_sigmas, pairwise_oks, person_size_px
from poses import Skeleton

SAME_PERSON_OKS = 0.3
"""Least OKS of one person in successive frames."""


def common_joints(first: Skeleton, second: Skeleton) -> list[tuple[int, int]]:
    """Indices of the joints that mean the same in both: all of one skeleton, otherwise the nose and those with a side.

    Joints in the middle (hip, neck, head) have the same name but another place in different data sets.
    """
    if first == second:
        return [(j, j) for j in range(len(first))]
    shared = [name for name in first.joints if name in second.joints]
    sided = [name for name in shared if name == "nose" or name.startswith(("left_", "right_"))]
    return [(first.index(name), second.index(name)) for name in sided]


def agreement(
    first: Sequence[FrameDetections], second: Sequence[FrameDetections], skeleton: Skeleton, other: Skeleton
) -> tuple[float | None, float | None]:
    """Mean OKS of matched people, and the share of all people (of both) who are matched; None where there is nobody."""
    own, theirs = (list(indices) for indices in zip(*common_joints(skeleton, other), strict=True))
    sigmas = joint_sigmas(skeleton)[own]
    likeness: list[float] = []
    people = 0
    for a, b in zip(first, second, strict=True):
        people += len(a) + len(b)
        points, their_points = a.keypoints_px[:, own].astype(np.float64), b.keypoints_px[:, theirs].astype(np.float64)
        for i, j in match_people(points, their_points, sigmas):
            likeness.append(float(pairwise_oks(points[i : i + 1], their_points[j : j + 1], sigmas)[0, 0]))
    return (
        float(np.mean(likeness)) if likeness else None,
        2 * len(likeness) / people if people else None,
    )


def jitter(frames: Sequence[FrameDetections], skeleton: Skeleton) -> tuple[float | None, float | None]:
    """Median length of the second difference of keypoints over successive frames: pixels, and as a part of the person.

    People are followed from frame to frame by OKS. Motion itself is in it, the same for every detector on the same
    frames: compare the figures, and take differences between detectors as noise. None where nobody is seen in three
    frames in a row.
    """
    sigmas = joint_sigmas(skeleton)
    pixels: list[np.ndarray] = []
    shares: list[np.ndarray] = []
    for before, now, after in zip(frames, frames[1:], frames[2:], strict=False):
        centre = now.keypoints_px.astype(np.float64)
        back = dict(match_people(centre, before.keypoints_px.astype(np.float64), sigmas, SAME_PERSON_OKS))
        ahead = dict(match_people(centre, after.keypoints_px.astype(np.float64), sigmas, SAME_PERSON_OKS))
        for person in back.keys() & ahead.keys():
            ends = before.keypoints_px[back[person]].astype(np.float64) + after.keypoints_px[ahead[person]]
            length = np.linalg.norm(ends - 2 * centre[person], axis=-1)
            known = length[np.isfinite(length)]
            pixels.append(known)
            shares.append(known / max(float(person_size_px(centre[person])), 1e-6))
    if not pixels or not sum(map(len, pixels)):
        return None, None
    return float(np.median(np.concatenate(pixels))), float(np.median(np.concatenate(shares)))
