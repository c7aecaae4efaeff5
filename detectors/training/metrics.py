"""Figures of an evaluation while training; the full one is `python -m detectors.evaluate`.

Shape letters: N people, J joints.
"""

from __future__ import annotations

import numpy as np

from detectors.keypoint_scores import PCK_SHARE

PRIMARY = "validation_soft_px"
FIGURES = (PRIMARY, "validation_hard_px", "validation_pck", "validation_found")


def figures(soft: np.ndarray, hard: np.ndarray, truth: np.ndarray, box_px: np.ndarray) -> dict[str, float]:
    """Figures by name (`FIGURES`) of keypoints (N, J, 2) that were found by both decodings, in pixels of the image.

    Parameters
    ----------
    soft, hard : (N, J, 2), NaN for people who were not found.
    truth : (N, J, 2), NaN where it is not known.
    box_px : (N, 4) the people's true boxes.

    The pixel errors are means over the known joints of the people who were found; PCK counts joints of the others as
    wrong; `validation_found` is the share of people found.
    """
    known = np.isfinite(truth).all(axis=-1)
    found = np.isfinite(soft).all(axis=(1, 2)) & np.isfinite(hard).all(axis=(1, 2))
    counted = known & found[:, None]
    error_soft, error_hard = (np.linalg.norm(points - truth, axis=-1) for points in (soft, hard))
    limit = PCK_SHARE * (box_px[:, 2:] - box_px[:, :2]).max(axis=1)
    with np.errstate(invalid="ignore"):
        near = counted & (error_soft <= limit[:, None])
    values = (
        error_soft[counted].mean() if counted.any() else np.inf,
        error_hard[counted].mean() if counted.any() else np.inf,
        near.sum() / max(known.sum(), 1),
        found.mean() if len(found) else 0.0,
    )
    return dict(zip(FIGURES, map(float, values), strict=True))


def jitter_px(points: np.ndarray, truth: np.ndarray) -> float:
    """Mean length of the change of the error from one frame to the next, in pixels.

    `points` and `truth` (T, ..., J, 2) in successive frames of one clip; NaN where unknown. A constant error has no
    jitter, and the people's own motion does not count.
    """
    change = np.linalg.norm(np.diff(points - truth, axis=0), axis=-1)
    return float(np.nanmean(change))
