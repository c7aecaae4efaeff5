"""Exchanged sides where motion alone does not tell: which labelling is right, and swaps between unclear frames."""

from __future__ import annotations

import numpy as np
import pytest

from detectors.swap_evidence import agreement, turned_away
from detectors.swaps import GROUPS, exchange, find_swaps
from poses import COCO17
from tests.detectors.walker import walk

FPS = 30
TIMES_S = np.arange(4 * FPS) / FPS
SIDED = np.array([side != "centre" for side in COCO17.sides])
FACE, ARMS, LEGS = ([j for j, n in enumerate(COCO17.joints) if n.partition("_")[2] in GROUPS[g]] for g in GROUPS)


def seen(heading_rad: float, injected: np.ndarray, noise_px: float = 2.0) -> tuple[np.ndarray, np.ndarray]:
    """A walker on the spot, truth and as seen with noise and the sides exchanged where `injected` (F, 17)."""
    truth = walk(TIMES_S, heading_rad)
    noisy = truth + np.random.default_rng(3).normal(0.0, noise_px, truth.shape)
    return truth, exchange(noisy, injected, COCO17)


def spans(joints: list[int], *between: tuple[float, float]) -> np.ndarray:
    injected = np.zeros((len(TIMES_S), len(COCO17)), dtype=bool)
    for start_s, end_s in between:
        injected[np.ix_(range(round(start_s * FPS), round(end_s * FPS)), joints)] = True
    return injected


@pytest.mark.parametrize("heading_rad", [0.0, 0.6, np.pi])
def test_legs_exchanged_most_of_the_time_are_told_by_the_trunk(heading_rad: float) -> None:
    injected = spans(LEGS, (0.3, 3.6))
    _, keypoints_px = seen(heading_rad, injected)
    found = find_swaps(keypoints_px, np.full(injected.shape, 0.9), TIMES_S, COCO17)
    np.testing.assert_array_equal(found, injected)


@pytest.mark.parametrize("injected", [spans([*FACE, *ARMS, *LEGS], (0.5, 3.8)), spans([], (0.0, 0.0))])
def test_a_face_that_is_not_seen_tells_a_back(injected: np.ndarray) -> None:
    _, keypoints_px = seen(np.pi, injected)
    score = np.full(injected.shape, 0.9)
    score[:, : ARMS[0]] = 0.15
    found = find_swaps(keypoints_px, score, TIMES_S, COCO17)
    np.testing.assert_array_equal(found[:, ARMS + LEGS], injected[:, ARMS + LEGS])


@pytest.mark.parametrize("heading_rad", [0.0, np.pi])
def test_a_face_of_full_score_says_nothing(heading_rad: float) -> None:
    """Some detectors place the faces of backs with confidence."""
    truth, keypoints_px = seen(heading_rad, spans([], (0.0, 0.0)))
    score = np.full(truth.shape[:2], 0.9)
    away = turned_away(keypoints_px / 300, score, COCO17)
    assert away is not None
    np.testing.assert_array_equal(away, 0.0)
    assert not find_swaps(keypoints_px, score, TIMES_S, COCO17).any()


def test_a_body_that_collapses_beside_a_swap() -> None:
    injected = spans([*FACE, *ARMS, *LEGS], (1.0, 1.7))
    truth, keypoints_px = seen(0.2, injected)
    middle = truth.mean(axis=1, keepdims=True)
    for frame in (28, 29, 51):
        keypoints_px[frame] = middle[frame] + 0.1 * (keypoints_px[frame] - middle[frame])
    found = find_swaps(keypoints_px, np.full(injected.shape, 0.9), TIMES_S, COCO17)
    clear = np.delete(np.arange(len(TIMES_S)), [28, 29, 51])
    np.testing.assert_array_equal(found[clear], injected[clear])


def test_a_swap_between_frames_without_limbs() -> None:
    injected = spans([*FACE, *ARMS, *LEGS], (1.0, 1.7))
    _, keypoints_px = seen(0.2, injected)
    keypoints_px[29:33, SIDED] = keypoints_px[50:53, SIDED] = np.nan
    found = find_swaps(keypoints_px, np.full(injected.shape, 0.9), TIMES_S, COCO17)
    known = np.isfinite(keypoints_px).all(axis=-1)
    np.testing.assert_array_equal(found[known], injected[known])


def test_agreement_by_hand() -> None:
    left_shoulder, right_shoulder, left_hip, right_hip = COCO17.indices(
        "left_shoulder", "right_shoulder", "left_hip", "right_hip"
    )
    keypoints = np.zeros((3, 17, 2))
    keypoints[:, left_shoulder, 0], keypoints[:, right_shoulder, 0] = 0.11, -0.11
    keypoints[:, left_hip, 0] = [0.065, -0.065, 0.004]
    keypoints[:, right_hip, 0] = [-0.065, 0.065, -0.004]
    score = np.full((3, 17), 0.8)
    value = agreement(("arms", "legs"), keypoints, score, COCO17)
    assert value is not None
    # Full width both ways, less what a twist may do; and a side view of the hips.
    np.testing.assert_allclose(value, [0.8 * 0.85, -0.8 * 0.85, 0.0], atol=1e-9)
