"""Triangulation against synthetic cameras that know where everything is."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest
from scipy.spatial.transform import Rotation

from lifting.multiview import View, choose_sides, exchange_sides, refine_orientations, triangulate
from poses import COCO17, Intrinsics
from tests.motion import camera_from_world, coco_joints, walker

LENS = Intrinsics(1600.0, 1590.0, 530.0, 950.0, 1080, 1920, (-0.05, 0.13, 0.0006, -0.0007))
VIEWS = [View(f"cam{i}", LENS, camera_from_world(yaw, -0.2, 0.05, 4.5)) for i, yaw in enumerate((0.3, 1.6, 3.2, 5.0))]
ARMS = np.array([j for j, name in enumerate(COCO17.joints) if name.split("_")[-1] in ("shoulder", "elbow", "wrist")])
LEGS = np.array([j for j, name in enumerate(COCO17.joints) if name.split("_")[-1] in ("hip", "knee", "ankle")])


@pytest.fixture(scope="module")
def joints_m() -> np.ndarray:
    return coco_joints(walker(1.2, 50.0, start_m=(-0.7, 0.0)))


@pytest.fixture(scope="module")
def seen_px(joints_m: np.ndarray) -> np.ndarray:
    return np.stack([view.project(joints_m) for view in VIEWS])


def test_exact_keypoints_give_the_exact_joints(joints_m: np.ndarray, seen_px: np.ndarray) -> None:
    result = triangulate(seen_px, np.full(seen_px.shape[:3], 0.9), VIEWS)
    assert np.abs(result.points_m - joints_m).max() < 1e-5
    assert result.error_px.max() < 1e-2


def test_one_view_that_is_far_off_does_not_count(joints_m: np.ndarray, seen_px: np.ndarray) -> None:
    keypoints_px = seen_px.copy()
    keypoints_px[2, 10:40, 5:] += (90.0, -60.0)
    result = triangulate(keypoints_px, np.full(seen_px.shape[:3], 0.9), VIEWS)
    assert np.abs(result.points_m - joints_m).max() < 0.005
    assert result.weight[2, 10:40, 5:].max() < 0.05


def test_a_joint_that_one_view_shows_is_not_guessed(seen_px: np.ndarray) -> None:
    keypoints_px = seen_px.copy()
    keypoints_px[1:, 5, 9] = np.nan
    score = np.full(seen_px.shape[:3], 0.9)
    score[:3, 8, 7] = 0.0
    points_m = triangulate(keypoints_px, score, VIEWS).points_m
    assert np.argwhere(np.isnan(points_m).any(axis=-1)).tolist() == [[5, 9], [8, 7]]


def test_exchanged_sides_are_found_by_view_and_group(seen_px: np.ndarray) -> None:
    exchanged = np.zeros(seen_px.shape[:3], dtype=bool)
    exchanged[1, 12:40, LEGS] = True
    exchanged[3, 20:, :][:, ARMS] = True
    noisy = seen_px + np.random.default_rng(1).normal(0.0, 2.0, seen_px.shape)
    labelled = exchange_sides(noisy, exchanged, COCO17)
    found = choose_sides(labelled, np.full(seen_px.shape[:3], 0.9), VIEWS, COCO17, [ARMS, LEGS])
    wrong = np.argwhere(found != exchanged)
    # Where both ends of a pair lie on each other in the picture there is nothing to find: a frame at an end of a span.
    assert len({(v, f) for v, f, _ in wrong.tolist()}) <= 2
    assert found[1, 15:37, LEGS].all()
    assert not found[[0, 2]].any()


def test_turned_cameras_are_turned_back(seen_px: np.ndarray) -> None:
    turned = list(VIEWS)
    for v, degrees in ((0, (0.5, -0.4, 0.2)), (2, (-0.3, 0.5, 0.0))):
        turn = np.eye(4)
        turn[:3, :3] = Rotation.from_rotvec(np.radians(degrees)).as_matrix()
        turned[v] = dataclasses.replace(VIEWS[v], camera_from_world=turn @ VIEWS[v].camera_from_world)
    score = np.full(seen_px.shape[:3], 0.9)
    before = np.nanmean(triangulate(seen_px, score, turned).error_px)
    after = np.nanmean(triangulate(seen_px, score, refine_orientations(seen_px, score, turned)).error_px)
    assert before > 4
    assert after < 0.5
