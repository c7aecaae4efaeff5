"""Similarity and tracking go by the names of joints: every skeleton is told apart, unswapped and filled in alike."""

from __future__ import annotations

import numpy as np
import pytest

from detectors import TrackingOptions, count_swaps, track
from detectors.oks import COCO_SIGMAS, joint_sigmas, pairwise_oks, suppress_duplicates
from detectors.swaps import GROUPS
from poses import BLAZEPOSE33, COCO17, H36M17, HALPE26, MPII16, Skeleton
from poses.skeleton import SKELETONS
from tests.detectors.walker import detections_of, walk

# cocoeval.Params.kpt_oks_sigmas of pycocotools, and the last nine of Halpe's own evaluation.
COCO_PUBLISHED = (26, 25, 25, 35, 35, 79, 79, 72, 72, 62, 62, 107, 107, 87, 87, 89, 89)
HALPE_PUBLISHED = (*COCO_PUBLISHED, 26, 26, 66, 79, 79, 79, 79, 79, 79)

ALL = pytest.mark.parametrize("skeleton", SKELETONS.values(), ids=lambda s: s.name)
OTHERS = pytest.mark.parametrize("skeleton", [H36M17, MPII16, HALPE26, BLAZEPOSE33], ids=lambda s: s.name)

FPS = 30


def times(seconds: float) -> np.ndarray:
    return np.arange(0, seconds, 1 / FPS)


def jitter(keypoints_px: np.ndarray, sigma_px: float = 3.0, seed: int = 0) -> np.ndarray:
    return keypoints_px + np.random.default_rng(seed).normal(0, sigma_px, keypoints_px.shape)


def test_spreads_are_the_published_ones() -> None:
    np.testing.assert_allclose(COCO_SIGMAS, np.array(COCO_PUBLISHED) / 1000)
    np.testing.assert_allclose(joint_sigmas(HALPE26), np.array(HALPE_PUBLISHED) / 1000)


@ALL
def test_spreads_go_by_name_and_are_the_same_on_both_sides(skeleton: Skeleton) -> None:
    sigmas = joint_sigmas(skeleton)
    assert sigmas.shape == (len(skeleton),)
    assert np.array_equal(sigmas, sigmas[skeleton.mirror])
    for joint, sigma in zip(skeleton.joints, sigmas, strict=True):
        if joint in COCO17.joints:
            assert sigma == COCO_SIGMAS[COCO17.index(joint)]


@ALL
def test_every_sided_joint_is_exchanged_with_some_group(skeleton: Skeleton) -> None:
    grouped = {f"{side}_{joint}" for joints in GROUPS.values() for joint in joints for side in ("left", "right")}
    assert {j for j, side in zip(skeleton.joints, skeleton.sides, strict=True) if side != "centre"} <= grouped


@ALL
def test_doubles_are_found_by_keypoints(skeleton: Skeleton) -> None:
    one, other = (walk(np.zeros(1), start_m=(x, 5), skeleton=skeleton)[0] for x in (-1.0, 1.0))
    people = np.stack([one, one + 2, other])
    sigmas = joint_sigmas(skeleton)
    assert suppress_duplicates(people, np.array([0.5, 0.9, 0.7]), 0.6, 1.1, 1.1, sigmas).tolist() == [1, 2]
    oks = pairwise_oks(people, people, sigmas)
    assert oks[0, 1] > 0.6
    assert oks[0, 2] < 1e-6


@OTHERS
def test_two_people_who_cross_keep_their_identities(skeleton: Skeleton) -> None:
    t = times(6)
    near = walk(t, np.pi / 2, (-2.7, 4.0), 0.9, skeleton=skeleton)
    far = walk(t, -np.pi / 2, (2.7, 6.0), -0.9, skeleton=skeleton)
    tracks = track(detections_of([jitter(near), jitter(far, seed=1)], skeleton=skeleton), t)
    assert tracks.skeleton == skeleton
    assert np.bincount(tracks.person_id).tolist() == [len(t), len(t)]
    found = set()
    for truth in (near, far):
        away = [np.linalg.norm(tracks.keypoints_px[tracks.rows_of(p)] - truth, axis=-1).mean() for p in tracks.people()]
        assert min(away) < 4
        found.add(int(np.argmin(away)))
    assert found == {0, 1}


@OTHERS
@pytest.mark.parametrize("heading", [0.0, np.pi / 2, "turning"])
def test_clean_walking_has_no_swaps(skeleton: Skeleton, heading: float | str) -> None:
    t = times(6)
    angle = 2 * np.pi * t / 6 if heading == "turning" else np.full(len(t), heading)
    tracks = track(detections_of([jitter(walk(t, angle, skeleton=skeleton))], skeleton=skeleton), t)
    assert count_swaps(tracks) == 0


@OTHERS
def test_swapped_spans_are_found_and_undone(skeleton: Skeleton) -> None:
    t = times(8)
    truth = walk(t, 2 * np.pi * t / 8, skeleton=skeleton)
    noisy = jitter(truth)
    injected = np.zeros(noisy.shape[:2], bool)
    for start, end in ((0.6, 1.2), (3.3, 4.6), (6.8, 7.2)):
        injected[round(start * FPS) : round(end * FPS)] = True
    seen = np.where(injected[..., None], noisy[:, skeleton.mirror], noisy)
    tracks = track(detections_of([seen], skeleton=skeleton), t)
    sided = [j for j, side in enumerate(skeleton.sides) if side != "centre"]
    np.testing.assert_array_equal(tracks.swapped[:, sided], injected[:, sided])
    assert count_swaps(tracks) == 3
    assert np.linalg.norm(tracks.keypoints_px - truth, axis=-1).mean() < 4


@OTHERS
def test_legs_swapped_alone_in_side_view(skeleton: Skeleton) -> None:
    """Arms that are right must not hold the legs back, nor go along, where there is no face between them."""
    t = times(6)
    truth = walk(t, np.pi / 2, (-2.7, 5), 0.9, skeleton=skeleton)
    noisy = jitter(truth, 2.0)
    legs = [j for j, n in enumerate(skeleton.joints) if n.partition("_")[2] in GROUPS["legs"]]
    injected = np.zeros(noisy.shape[:2], bool)
    injected[27:40, legs] = injected[120:159, legs] = True
    tracks = track(
        detections_of([np.where(injected[..., None], noisy[:, skeleton.mirror], noisy)], skeleton=skeleton), t
    )
    np.testing.assert_array_equal(tracks.swapped, injected)


@OTHERS
def test_missing_keypoints_are_filled_in_beside_the_trunk(skeleton: Skeleton) -> None:
    t = times(3)
    truth = walk(t, np.pi / 2, (-1.35, 5), 0.9, skeleton=skeleton)
    detections = detections_of([truth], skeleton=skeleton)
    hip, wrist, knee = skeleton.indices("left_hip", "left_wrist", "right_knee")
    detections.keypoints_px[30:40, hip] = np.nan
    detections.keypoint_score[45:, wrist] = 0.01
    detections.keypoints_px[60, knee] += 150
    tracks = track(detections, t, TrackingOptions(smooth=False))
    assert not tracks.observed[30:40, hip].any()
    assert np.abs(tracks.keypoints_px[30:40, hip] - truth[30:40, hip]).max() < 2
    trunk = tracks.keypoints_px[:, skeleton.indices("left_shoulder", "left_hip")].mean(axis=1)
    assert np.ptp((tracks.keypoints_px[:, wrist] - trunk)[45:], axis=0).max() < 12
    assert not tracks.observed[60, knee]
    assert np.abs(tracks.keypoints_px[60, knee] - truth[60, knee]).max() < 4
    assert np.isfinite(tracks.keypoints_px).all()
