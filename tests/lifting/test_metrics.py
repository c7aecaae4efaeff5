from __future__ import annotations

import math

import numpy as np
import pytest
from scipy.spatial.transform import Rotation

from lifting.metrics import (
    acceleration_error,
    bone_length_variation,
    bone_lengths,
    exchanged_sides,
    mpjpe,
    mpjve,
    n_mpjpe,
    p_mpjpe,
    root_error_ratio,
    side_length_difference,
)
from poses import H36M17, Skeleton

RANDOM = np.random.default_rng(11)
TARGET = RANDOM.normal(size=(6, 17, 3))


def aligned_by_scipy(predicted: np.ndarray, target: np.ndarray) -> np.ndarray:
    """One frame moved, turned and scaled to the target with SciPy's solution of Wahba's problem."""
    x, y = predicted - predicted.mean(0), target - target.mean(0)
    turned = Rotation.align_vectors(y, x)[0].apply(x)
    return turned * (turned * y).sum() / (x * x).sum() + target.mean(0)


def test_mpjpe_by_hand() -> None:
    predicted = np.zeros((1, 2, 3))
    target = np.array([[[3.0, 4.0, 0.0], [0.0, 0.0, 1.0]]])
    assert mpjpe(predicted, target) == 3.0


@pytest.mark.parametrize("noise", [0.0, 0.2, 5.0])
def test_procrustes_agrees_with_scipy(noise: float) -> None:
    predicted = 0.7 * TARGET @ Rotation.from_rotvec([0.3, -1.2, 2.0]).as_matrix().T + [1.0, 2, 3]
    predicted = predicted + noise * RANDOM.normal(size=TARGET.shape)
    errors = [
        np.linalg.norm(aligned_by_scipy(p, t) - t, axis=-1).mean() for p, t in zip(predicted, TARGET, strict=True)
    ]
    assert p_mpjpe(predicted, TARGET) == pytest.approx(np.mean(errors), abs=1e-9)
    if noise == 0:
        assert p_mpjpe(predicted, TARGET) < 1e-12


def test_procrustes_does_not_reflect() -> None:
    reflected = TARGET * [-1.0, 1, 1]
    errors = [
        np.linalg.norm(aligned_by_scipy(p, t) - t, axis=-1).mean() for p, t in zip(reflected, TARGET, strict=True)
    ]
    assert p_mpjpe(reflected, TARGET) == pytest.approx(np.mean(errors), abs=1e-9)
    assert p_mpjpe(reflected, TARGET) > 0.3


def test_invariances() -> None:
    turn = Rotation.from_rotvec([0.0, 0.4, 0.1]).as_matrix()
    predicted = TARGET + 0.1 * RANDOM.normal(size=TARGET.shape)
    moved = 2.5 * predicted @ turn.T + [0.0, 1, 4]
    assert p_mpjpe(moved, TARGET) == pytest.approx(p_mpjpe(predicted, TARGET))
    assert n_mpjpe(2.5 * predicted, TARGET) == pytest.approx(n_mpjpe(predicted, TARGET))
    assert n_mpjpe(predicted @ turn.T, TARGET) > n_mpjpe(predicted, TARGET) + 0.1, "scale only, no rotation"
    assert p_mpjpe(predicted, TARGET) < n_mpjpe(predicted, TARGET) < mpjpe(1.3 * predicted, TARGET)


def test_best_scale_is_found_frame_by_frame() -> None:
    scales = np.array([0.5, 1, 2, 3, 4, 5]).reshape(-1, 1, 1)
    assert n_mpjpe(scales * TARGET, TARGET) < 1e-12
    # Of a single point (2, 0, 0) at target (1, 1, 0) the best scale is 1/2, which leaves an error of 1.
    assert n_mpjpe(np.array([[[2.0, 0, 0]]]), np.array([[[1.0, 1, 0]]])) == pytest.approx(1.0)


def test_velocity_error_ignores_offsets_and_sees_jitter() -> None:
    assert mpjve(TARGET + np.array([0.3, 0.1, -2.0]), TARGET) == pytest.approx(0, abs=1e-12)
    drifting = TARGET + 0.01 * np.arange(6).reshape(-1, 1, 1) * [0.0, 0, 1]
    assert mpjve(drifting, TARGET) == pytest.approx(0.01)


def test_root_error_is_relative_to_the_distance() -> None:
    target = np.array([[0.0, 3.0, 4.0], [0.0, 0.0, 2.0]])
    predicted = np.array([[0.0, 3.0, 5.0], [0.0, 0.2, 2.0]])
    assert root_error_ratio(predicted, target) == pytest.approx((1 / 5 + 0.1) / 2)


def test_degenerate_prediction_is_finite() -> None:
    spread = np.linalg.norm(TARGET - TARGET.mean(1, keepdims=True), axis=-1).mean()
    assert p_mpjpe(np.zeros_like(TARGET), TARGET) == pytest.approx(spread)
    assert n_mpjpe(np.zeros_like(TARGET), TARGET) == pytest.approx(mpjpe(np.zeros_like(TARGET), TARGET))


def test_acceleration_error_by_hand() -> None:
    target = np.zeros((4, 1, 3))
    predicted = target.copy()
    predicted[:, 0, 1] = [0, 1, 4, 9]  # second difference 2
    assert acceleration_error(predicted, target) == pytest.approx(2)
    moving = target + np.arange(4)[:, None, None]
    assert acceleration_error(moving, target) == pytest.approx(0)
    assert math.isnan(acceleration_error(predicted[:2], target[:2]))


LEGS = Skeleton.from_tree(
    "legs",
    {"hip": None, "left_knee": "hip", "left_ankle": "left_knee", "right_knee": "hip", "right_ankle": "right_knee"},
)


def test_bones_by_hand() -> None:
    joints = np.zeros((2, 5, 3))
    joints[:, 1, 2] = joints[:, 3, 2] = -0.4
    joints[:, 2, 2] = [-0.8, -0.9]  # the left shin grows from 0.4 to 0.5
    joints[:, 4, 2] = -0.8
    np.testing.assert_allclose(bone_lengths(joints, LEGS), [[0.4, 0.4, 0.4, 0.4], [0.4, 0.5, 0.4, 0.4]])
    assert bone_length_variation(joints, LEGS) == pytest.approx(0.05 / 4)
    assert side_length_difference(joints, LEGS) == pytest.approx((0 + 0.1) / 4)


def test_exchanged_sides_are_counted_by_limb() -> None:
    target = np.random.default_rng(1).normal(size=(4, 17, 3))
    predicted = target.copy()
    arms = H36M17.indices("left_elbow", "left_wrist", "right_elbow", "right_wrist")
    legs = H36M17.indices("left_knee", "left_ankle", "right_knee", "right_ankle")
    predicted[1, arms] = target[1, H36M17.mirror[arms]]
    predicted[2, legs] = target[2, H36M17.mirror[legs]]
    assert exchanged_sides(predicted, target, H36M17) == 0.5
    assert exchanged_sides(target, target, H36M17) == 0.0
