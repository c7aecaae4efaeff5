from __future__ import annotations

import numpy as np
import pytest

from lifting.root import refine_root, reprojection_root, smooth_sequence
from tests.motion import camera_from_world, coco_joints, h36m_joints, transform_points, walker


def scene(seconds: float = 3.0, distance_m: float = 5.0) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Root (T, 3), root-relative joints (T, 17, 3) and rays (T, 17, 2) of a walker who comes closer, at 50 Hz."""
    world = walker(seconds, 50.0, 1.2, start_m=(-1.0, 0.3))
    joints = transform_points(camera_from_world(2.6, -0.1, 0.03, distance_m), world)
    positions, seen = h36m_joints(joints), coco_joints(joints)
    return positions[:, 0], positions - positions[:, :1], seen[..., :2] / seen[..., 2:]


def off_by(root: np.ndarray, truth: np.ndarray) -> np.ndarray:
    """(T,) error as a fraction of the distance."""
    return np.linalg.norm(root - truth, axis=-1) / np.linalg.norm(truth, axis=-1)


def test_reprojection_solves_the_least_squares_problem() -> None:
    random = np.random.default_rng(3)
    truth, positions, _ = scene(0.1)
    joints = positions[:, 1:13]
    placed = joints + truth[:, None]
    rays = placed[..., :2] / placed[..., 2:] + 0.004 * random.normal(size=(len(truth), 12, 2))
    weights = random.uniform(0.1, 1, (len(truth), 12))
    weights[0, :5] = 0
    solved, information = reprojection_root(joints, rays, weights)
    for t in range(len(truth)):
        # Two rows a joint: x + tx = u (z + tz), y + ty = v (z + tz).
        rows, sides = [], []
        for (x, y, z), (u, v), w in zip(joints[t], rays[t], weights[t], strict=True):
            rows += [np.sqrt(w) * np.array([1, 0, -u]), np.sqrt(w) * np.array([0, 1, -v])]
            sides += [np.sqrt(w) * (u * z - x), np.sqrt(w) * (v * z - y)]
        wanted, *_ = np.linalg.lstsq(np.array(rows), np.array(sides), rcond=None)
        np.testing.assert_allclose(solved[t], wanted, atol=1e-8)
        covariance = np.linalg.inv(np.array(rows).T @ np.array(rows))
        assert information[t] == pytest.approx(1 / covariance[2, 2])


@pytest.mark.parametrize("count", [3, 4, 40])
def test_smoother_is_whittakers(count: int) -> None:
    random = np.random.default_rng(count)
    values, weights = random.normal(size=count), random.uniform(0.2, 1, count)
    second = np.diff(np.eye(count), 2, axis=0)
    dense = np.diag(weights) + 5.0**4 * weights.mean() * second.T @ second
    np.testing.assert_allclose(
        smooth_sequence(values, weights, 5.0), np.linalg.solve(dense, weights * values), atol=1e-6
    )


def test_smoother_keeps_trends_and_bridges_gaps() -> None:
    trend = np.linspace(2, 5, 60)
    np.testing.assert_allclose(smooth_sequence(trend, np.ones(60), 12.0), trend, atol=1e-6)
    weights, values = np.ones(60), trend.copy()
    weights[20:35], values[20:35] = 0, -100
    np.testing.assert_allclose(smooth_sequence(values, weights, 3.0), trend, atol=1e-3)
    assert smooth_sequence(np.array([1.0, 2.0]), np.ones(2), 12.0).tolist() == [1, 2]


@pytest.mark.parametrize("factor", [0.75, 1.0, 1.3])
def test_exact_keypoints_give_the_true_root_from_a_wrong_prior(factor: float) -> None:
    truth, positions, rays = scene()
    refined = refine_root(truth * factor, positions, rays, np.ones(rays.shape[:2]))
    assert off_by(refined, truth).max() < (0.01 if factor == 1.0 else 0.02)


def test_noise_is_weighed_against_the_prior_and_smoothed() -> None:
    random = np.random.default_rng(5)
    truth, positions, rays = scene()
    # 3 pixels at a focal length of 1000, and joints that are 3 cm off.
    noisy = rays + 0.003 * random.normal(size=rays.shape)
    wrong = positions + 0.03 * random.normal(size=positions.shape)
    prior = truth * 1.3
    refined = refine_root(prior, wrong, noisy, np.ones(rays.shape[:2]))
    assert off_by(refined, truth).mean() < 0.02
    assert off_by(refined, truth).max() < 0.06
    jitter = np.abs(np.diff(refined[:, 2] - truth[:, 2])).max()
    assert jitter < 0.01, "metres a frame"


def test_missing_keypoints_are_left_out() -> None:
    truth, positions, rays = scene()
    scores = np.ones(rays.shape[:2])
    gone = np.random.default_rng(6).random(scores.shape) < 0.4
    by_nan, by_score = rays.copy(), rays + np.where(gone, 3.0, 0.0)[..., None]
    by_nan[gone] = np.nan
    first = refine_root(truth * 1.3, positions, by_nan, scores)
    second = refine_root(truth * 1.3, positions, by_score, np.where(gone, 0.0, scores))
    third = refine_root(truth * 1.3, positions, rays, np.where(gone, np.nan, scores))
    assert off_by(first, truth).max() < 0.02
    np.testing.assert_allclose(first, second, atol=1e-5)
    np.testing.assert_allclose(first, third, atol=1e-5)


def test_frames_without_any_keypoint_are_bridged() -> None:
    truth, positions, rays = scene()
    rays[60:70] = np.nan
    refined = refine_root(truth * 1.3, positions, rays, np.ones(rays.shape[:2]))
    assert off_by(refined, truth).max() < 0.05


def test_no_keypoint_at_all_leaves_the_networks_root() -> None:
    truth, positions, rays = scene(1.0)
    refined = refine_root(truth, positions, np.full_like(rays, np.nan), np.ones(rays.shape[:2]))
    assert off_by(refined, truth).max() < 0.02


def test_wild_reprojection_is_not_believed() -> None:
    """Keypoints all in one point say that the person is infinitely far; the network's depth stands."""
    truth, positions, rays = scene(1.0)
    rays[20:24] = rays[20:24].mean(axis=1, keepdims=True)
    refined = refine_root(truth, positions, rays, np.ones(rays.shape[:2]))
    assert off_by(refined, truth).max() < 0.05


@pytest.mark.parametrize("frames", [1, 2, 3])
def test_short_sequences(frames: int) -> None:
    truth, positions, rays = scene()
    refined = refine_root(truth[:frames] * 1.3, positions[:frames], rays[:frames], np.ones((frames, 17)))
    assert refined.shape == (frames, 3)
    assert off_by(refined, truth[:frames]).max() < 0.02


def test_the_networks_depth_counts_most_where_both_agree() -> None:
    """Joints a tenth too small would put the person a tenth too near."""
    truth, positions, rays = scene()
    scores = np.ones(rays.shape[:2])
    refined = refine_root(truth, 0.9 * positions, rays, scores)
    np.testing.assert_allclose(refined[:, 2], truth[:, 2], rtol=0.015)
    # The network's jitter goes, not its depth.
    jittery = truth * (1 + 0.03 * np.random.default_rng(8).normal(size=(len(truth), 1)))
    smooth = refine_root(jittery, positions, rays, scores)
    assert np.abs(np.diff(smooth[:, 2] - truth[:, 2])).max() < 0.1 * np.abs(np.diff(jittery[:, 2] - truth[:, 2])).max()
