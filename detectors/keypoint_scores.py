"""How far found keypoints are from labelled ones: pixel error and the percentage of correct keypoints (PCK).

Shape letters: A found people, B labelled people, J joints.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import numpy as np
from scipy.optimize import linear_sum_assignment

from detectors.oks import joint_sigmas, pairwise_oks
from poses import Skeleton

MIN_MATCH_OKS = 0.1
PCK_SHARE = 0.05
"""A keypoint is correct within this part of the longer side of the labelled box."""


def match_people(
    found_px: np.ndarray, labelled_px: np.ndarray, sigmas: np.ndarray, min_oks: float = MIN_MATCH_OKS
) -> list[tuple[int, int]]:
    """Pairs (found, labelled) of (A, J, 2) and (B, J, 2) with the greatest sum of OKS; none below `min_oks`."""
    if not len(found_px) or not len(labelled_px):
        return []
    oks = pairwise_oks(found_px.astype(np.float64), labelled_px.astype(np.float64), sigmas)
    rows, columns = linear_sum_assignment(-oks)
    return [(int(a), int(b)) for a, b in zip(rows, columns, strict=True) if oks[a, b] >= min_oks]


@dataclass
class KeypointScores:
    """Collects errors over pictures.

    Attributes
    ----------
    skeleton : of both, found and labelled.
    errors_px : (J,) lists of pixel errors of matched people's labelled joints that were given.
    correct, labelled : (J,) correct keypoints, and all labelled ones, of people found or not.
    people, matched : labelled people, and those who were found.
    """

    skeleton: Skeleton
    errors_px: list[list[np.ndarray]] = field(default_factory=list)
    correct: np.ndarray = field(default_factory=lambda: np.zeros(0))
    labelled: np.ndarray = field(default_factory=lambda: np.zeros(0))
    people: int = 0
    matched: int = 0

    def __post_init__(self) -> None:
        joints = len(self.skeleton)
        self.errors_px = [[] for _ in range(joints)]
        self.correct, self.labelled = np.zeros(joints), np.zeros(joints)

    def add(self, found_px: np.ndarray, labelled_px: np.ndarray, box_px: np.ndarray) -> None:
        """One picture: (A, J, 2) found, (B, J, 2) labelled with NaN where not, (B, 4) labelled boxes."""
        known = np.isfinite(labelled_px).all(axis=-1)
        self.labelled += known.sum(axis=0)
        self.people += len(labelled_px)
        for a, b in match_people(found_px, labelled_px, joint_sigmas(self.skeleton)):
            self.matched += 1
            distance = np.linalg.norm(found_px[a].astype(np.float64) - labelled_px[b], axis=-1)
            given = np.isfinite(distance)
            side = float((box_px[b, 2:] - box_px[b, :2]).max())
            self.correct += given & (np.where(given, distance, np.inf) <= PCK_SHARE * side)
            for joint in np.flatnonzero(given).tolist():
                self.errors_px[joint].append(distance[joint])

    def summary(self) -> dict[str, Any]:
        """`pck` and `found_share` (0 to 1), `mean_error_px`, `median_error_px`, `by_joint`; None for nothing found."""
        by_joint = {}
        for joint, name in enumerate(self.skeleton.joints):
            errors = np.array(self.errors_px[joint])
            by_joint[name] = {
                "error_px": float(errors.mean()) if len(errors) else None,
                "pck": float(self.correct[joint] / self.labelled[joint]) if self.labelled[joint] else None,
            }
        every = np.concatenate([np.array(e) for e in self.errors_px]) if any(self.errors_px) else np.zeros(0)
        return {
            "pck": float(self.correct.sum() / self.labelled.sum()) if self.labelled.sum() else None,
            "mean_error_px": float(every.mean()) if len(every) else None,
            "median_error_px": float(np.median(every)) if len(every) else None,
            "found_share": self.matched / self.people if self.people else None,
            "by_joint": by_joint,
        }
