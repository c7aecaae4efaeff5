"""Identities, exchanged sides and gaps on synthetic people whose truth is known."""

from __future__ import annotations

import numpy as np
import pytest

from detectors import TrackingOptions, count_swaps, track
from poses import COCO17, Detections, Tracks, UsageError
from tests.detectors.walker import detections_of, walk

RAW = TrackingOptions(smooth=False, outlier_s=0.0, undo_swaps=False)
LEGS = [j for j, name in enumerate(COCO17.joints) if name.split("_")[-1] in ("hip", "knee", "ankle")]
SIDED = [j for j, side in enumerate(COCO17.sides) if side != "centre"]


def times(seconds: float, fps: float = 30.0) -> np.ndarray:
    return np.arange(0, seconds, 1 / fps)


def jitter(keypoints_px: np.ndarray, sigma_px: float = 2.0, seed: int = 0) -> np.ndarray:
    return keypoints_px + np.random.default_rng(seed).normal(0, sigma_px, keypoints_px.shape)


def person_of(tracks: Tracks, truth_px: np.ndarray) -> set[int]:
    """Identities of the rows that lie nearest to a (T, J, 2) path, within 30 pixels."""
    away = np.linalg.norm(tracks.keypoints_px - truth_px[tracks.frame], axis=-1).mean(axis=1)
    return set(tracks.person_id[away < 30].tolist())


def test_two_people_who_cross_keep_their_identities() -> None:
    t = times(6)
    near = walk(t, np.pi / 2, (-2.7, 4.0), 0.9)
    far = walk(t, -np.pi / 2, (2.7, 6.0), -0.9)
    tracks = track(detections_of([jitter(near), jitter(far, seed=1)]), t)
    assert tracks.people() == [0, 1]
    assert len(tracks) == 2 * len(t)
    assert len(person_of(tracks, near)) == len(person_of(tracks, far)) == 1
    assert person_of(tracks, near) != person_of(tracks, far)


def test_the_person_seen_longest_is_number_zero() -> None:
    t = times(4)
    short, long = walk(t, 0.0, (-1.5, 5)), walk(t, 0.0, (1.5, 5))
    keep = [np.arange(len(t)) >= 60, np.ones(len(t), bool)]
    tracks = track(detections_of([short, long], keep), t, RAW)
    assert np.bincount(tracks.person_id).tolist() == [120, 60]
    assert person_of(tracks, long) == {0}


def test_rows_are_sorted_and_unchanged_without_cleaning() -> None:
    t = times(2)
    people = [walk(t, 0.0, (x, 5)) for x in (-1.5, 1.5)]
    tracks = track(detections_of(people), t, RAW)
    assert np.lexsort((tracks.frame, tracks.person_id)).tolist() == list(range(len(tracks)))
    for person in people:
        rows = tracks.rows_of(person_of(tracks, person).pop())
        np.testing.assert_allclose(tracks.keypoints_px[rows], person, atol=1e-3)
    assert tracks.observed.all()
    assert not tracks.swapped.any()


def test_a_short_gap_is_bridged_and_marked() -> None:
    t = times(4)
    truth = walk(t, np.pi / 2, (-1.8, 5), 0.9)
    keep = np.ones(len(t), bool)
    keep[50:62] = False
    tracks = track(detections_of([truth], [keep]), t, RAW)
    assert tracks.frame.tolist() == list(range(len(t)))
    assert not tracks.observed[50:62].any()
    assert tracks.observed[keep].all()
    assert (tracks.keypoint_score[50:62] == 0).all()
    # Over 0.4 s the trunk moves evenly; ankles swing half a step meanwhile.
    trunk = COCO17.indices("left_hip", "right_hip", "left_shoulder", "right_shoulder")
    assert np.abs(tracks.keypoints_px[50:62, trunk] - truth[50:62, trunk]).max() < 4


def test_a_long_gap_stays_a_gap_of_one_person() -> None:
    t = times(6)
    truth = walk(t, 0.0, (0.2, 5))
    keep = (t < 2) | (t >= 3.5)
    tracks = track(detections_of([truth], [keep]), t)
    assert tracks.people() == [0]
    assert tracks.frame.tolist() == np.flatnonzero(keep).tolist()


def test_someone_elsewhere_after_a_long_gap_is_another_person() -> None:
    t = times(6)
    first, second = walk(t, 0.0, (-1.8, 5)), walk(t, 0.0, (1.8, 5))
    tracks = track(detections_of([first, second], [t < 2, t >= 3.5]), t)
    assert tracks.people() == [0, 1]


def test_time_counts_not_frames() -> None:
    """The same 0.8 s without a look is bridged at any rate, and a gap of 1.6 s is not."""
    for fps in (10, 60):
        t = times(6, fps)
        truth = walk(t, 0.0, (0.0, 5))
        for gap_s, rows in ((0.8, len(t)), (1.6, len(t) - round(1.6 * fps))):
            keep = (t < 2 - 1e-9) | (t >= 2 + gap_s - 1e-9)
            assert len(track(detections_of([truth], [keep]), t, RAW)) == rows


def test_false_alarms_and_doubles_are_dropped() -> None:
    t = times(4)
    truth = walk(t, 0.0, (0.0, 5))
    alarm, double = walk(t, 0.0, (2.0, 5)), truth + 12.0
    blink = np.zeros(len(t), bool)
    blink[[20, 21, 70, 100]] = True
    tracks = track(detections_of([truth, alarm, double], [np.ones(len(t), bool), blink, t > 1]), t, RAW)
    assert tracks.people() == [0]
    np.testing.assert_allclose(tracks.keypoints_px, truth, atol=1e-3)


def test_people_of_low_score_are_dropped() -> None:
    t = times(2)
    assert len(track(detections_of([walk(t)], score=0.3), t)) == 0


def test_keypoints_of_low_score_are_filled_in() -> None:
    t = times(3)
    truth = walk(t, np.pi / 2, (-1.35, 5), 0.9)
    detections = detections_of([truth])
    hip, wrist, nose = COCO17.indices("left_hip", "left_wrist", "nose")
    detections.keypoint_score[30:40, hip] = 0.01
    detections.keypoints_px[30:40, hip] += 300
    detections.keypoint_score[45:, wrist] = 0.01
    detections.keypoint_score[:, nose] = 0.01
    tracks = track(detections, t, RAW)
    assert not tracks.observed[30:40, hip].any()
    assert np.abs(tracks.keypoints_px[30:40, hip] - truth[30:40, hip]).max() < 2
    # Unseen to the end, the wrist goes along with the trunk.
    held = tracks.keypoints_px[:, wrist] - tracks.keypoints_px[:, COCO17.indices("left_shoulder", "left_hip")].mean(1)
    assert np.ptp(held[45:], axis=0).max() < 12
    # Never seen: nothing to fill it from.
    assert np.isnan(tracks.keypoints_px[:, nose]).all()
    assert np.isfinite(np.delete(tracks.keypoints_px, nose, axis=1)).all()


def test_a_jump_of_a_keypoint_is_taken_out() -> None:
    t = times(3)
    truth = walk(t, 0.0, (0.0, 5))
    detections = detections_of([truth])
    ankle, wrist = COCO17.indices("left_ankle", "right_wrist")
    detections.keypoints_px[40:42, ankle] += (150, 20)
    detections.keypoints_px[60, wrist] -= 120
    tracks = track(detections, t, TrackingOptions(smooth=False))
    assert np.argwhere(~tracks.observed).tolist() == [[40, ankle], [41, ankle], [60, wrist]]
    assert np.abs(tracks.keypoints_px - truth).max() < 4


@pytest.mark.parametrize("fps", [15, 30, 60])
@pytest.mark.parametrize("heading", [0.0, np.pi / 2, "turning"])
def test_clean_walking_has_no_swaps(fps: int, heading: float | str) -> None:
    """Legs that cross in side view, and a body that turns round, are motion and no exchange."""
    t = times(6, fps)
    angle = 2 * np.pi * t / 6 if heading == "turning" else np.full(len(t), heading)
    tracks = track(detections_of([jitter(walk(t, angle), 3.0)]), t)
    assert count_swaps(tracks) == 0


@pytest.mark.parametrize("fps", [15, 30, 60])
def test_swapped_spans_are_found_and_undone(fps: int) -> None:
    t = times(8, fps)
    truth = walk(t, 2 * np.pi * t / 8)
    noisy = jitter(truth, 3.0)
    injected = np.zeros(noisy.shape[:2], bool)
    for start, end in ((0.6, 1.2), (3.3, 4.6), (6.8, 7.2)):
        injected[round(start * fps) : round(end * fps)] = True
    seen = np.where(injected[..., None], noisy[:, COCO17.mirror], noisy)
    tracks = track(detections_of([seen]), t)
    np.testing.assert_array_equal(tracks.swapped[:, SIDED], injected[:, SIDED])
    assert count_swaps(tracks) == 3
    assert np.linalg.norm(tracks.keypoints_px - truth, axis=-1).mean() < 4
    left = track(detections_of([seen]), t, TrackingOptions(undo_swaps=False))
    assert count_swaps(left) == 0
    assert np.linalg.norm(left.keypoints_px - truth, axis=-1).mean() > 8


def test_swapped_legs_alone_in_side_view() -> None:
    t = times(6)
    truth = walk(t, np.pi / 2, (-2.7, 5), 0.9)
    noisy = jitter(truth, 2.0)
    injected = np.zeros(noisy.shape[:2], bool)
    injected[27:40, LEGS] = injected[120:159, LEGS] = True
    seen = np.where(injected[..., None], noisy[:, COCO17.mirror], noisy)
    tracks = track(detections_of([seen]), t)
    np.testing.assert_array_equal(tracks.swapped, injected)
    assert count_swaps(tracks) == 2


def test_a_video_of_one_frame() -> None:
    tracks = track(detections_of([walk(np.zeros(1))]), np.zeros(1))
    assert len(tracks) == 1
    assert tracks.observed.all()


@pytest.mark.parametrize("frames", [0, 1, 50])
def test_a_video_without_people(frames: int) -> None:
    nobody = Detections(
        np.zeros(0, np.int64),
        np.zeros((0, 4), np.float32),
        np.zeros(0, np.float32),
        np.zeros((0, 17, 2), np.float32),
        np.zeros((0, 17), np.float32),
        COCO17,
        "synthetic",
        "",
    )
    tracks = track(nobody, np.arange(frames) / 30)
    assert len(tracks) == 0
    assert tracks.people() == []
    assert count_swaps(tracks) == 0


def test_the_same_input_gives_the_same_bytes() -> None:
    t = times(3)
    detections = detections_of([jitter(walk(t, 0.0, (x, 5)), 4.0) for x in (-1, 0.3, 1)])
    first, second = track(detections, t), track(detections, t)
    assert first.keypoints_px.tobytes() == second.keypoints_px.tobytes()
    assert first.person_id.tobytes() == second.person_id.tobytes()


def test_frames_without_a_time_are_refused() -> None:
    with pytest.raises(ValueError, match="frame 29"):
        track(detections_of([walk(times(1))]), times(0.5))


def test_negative_options_are_refused() -> None:
    with pytest.raises(UsageError, match="max_gap_s"):
        TrackingOptions(max_gap_s=-1.0)
