"""From SimCC's two lists of logits for each keypoint, one over columns and one over rows, to places.

Shape letters: N people, J joints, w and h of the crop, Bx and By bins along x and y (`split` of them to a pixel).
Sources: Li et al., "SimCC: a Simple Coordinate Classification Perspective for Human Pose Estimation" (2022); Jiang et
al., "RTMPose" (2023), section 3.1, whose loss is a KL divergence between softmax(10 x prediction) and
softmax(10 x Gaussian), with a standard deviation of 5 to 7 bins.
"""

from __future__ import annotations

import numpy as np

from poses import UsageError

BETA = 10.0
"""The factor of RTMPose's loss: softmax(BETA x logits) is the distribution that the network was trained to give."""
WINDOW = 12
"""Bins to each side of the best one that the expectation takes.

Trained as above, every far bin keeps e^-10 of the best one's weight, which over the 400 bins of an axis draws the
expectation towards the middle of the crop by a fifth of a pixel.
"""


def decode_simcc(
    simcc_x: np.ndarray, simcc_y: np.ndarray, split: float, method: str = "soft"
) -> tuple[np.ndarray, np.ndarray]:
    """(N, J, Bx) and (N, J, By) logits -> ((N, J, 2) float64 x, y in pixels of the crop, (N, J) score 0 to 1).

    Places are measured as in `detectors.crops`, from the corner of the crop: bin k is the place k / split + 0.5, as
    the networks number pixels by their middles. `method` soft: expectation over softmax(BETA x logits) within `WINDOW`
    bins of the best one. hard: the best bin. The score is the smaller of the two largest logits, which are trained
    towards 1, cut to 0 to 1. Logits that are not finite give NaN and score 0. `UsageError` for another method.
    """
    if method not in ("soft", "hard"):
        raise UsageError(f"unknown keypoint decoding {method!r}", "choose one of: soft, hard")
    place = _expected if method == "soft" else _best
    bins = np.stack([place(simcc_x), place(simcc_y)], axis=-1)
    peak = np.minimum(simcc_x.max(axis=-1), simcc_y.max(axis=-1)).astype(np.float64)
    finite = np.isfinite(simcc_x).all(axis=-1) & np.isfinite(simcc_y).all(axis=-1)
    points = np.where(finite[..., None], bins / split + 0.5, np.nan)
    return points, np.where(finite, np.clip(peak, 0, 1), 0.0)


def mirrored(simcc_x: np.ndarray, split: float, mirror: np.ndarray) -> np.ndarray:
    """The logits along x (N, J, Bx) that the mirror image's mean: bins turned round, joints exchanged by `mirror` (J,).

    Pixel i of w lies at w - 1 - i in the mirror, so bin k becomes bin Bx - split - k, not Bx - 1 - k; the last bins
    have no counterpart and repeat the nearest one.
    """
    count = simcc_x.shape[-1]
    index = np.clip(count - round(split) - np.arange(count), 0, count - 1)
    return simcc_x[:, mirror][..., index]


def _best(logits: np.ndarray) -> np.ndarray:
    return logits.argmax(axis=-1).astype(np.float64)


def _expected(logits: np.ndarray) -> np.ndarray:
    bins = np.arange(logits.shape[-1])
    near = np.abs(bins - logits.argmax(axis=-1)[..., None]) <= WINDOW
    largest = logits.max(axis=-1, keepdims=True)
    # Not finite: the caller marks it; here it only must not warn.
    with np.errstate(invalid="ignore"):
        weight = np.where(near, np.exp(BETA * (logits - largest).astype(np.float64)), 0.0)
        return (weight * bins).sum(axis=-1) / weight.sum(axis=-1)
