"""The comparison on drawn people, by arrays made by hand."""

from __future__ import annotations

import numpy as np
import pytest

from benchmarks.real_clips import to_camera_axes
from benchmarks.real_truth import BODY
from benchmarks.rendered_bodies import (
    MEDIAPIPE,
    Answer,
    exact_tracks,
    frame_errors,
    groups_of,
    measure,
    missed_frames,
    nearest_rows,
)
from benchmarks.rendered_clips import RenderedClip, in_turn
from detectors.synthetic import Motion
from poses import COCO17, H36M17, Intrinsics

FRAMES = 6
TIMES_S = np.arange(FRAMES) / 25
CAMERA = Intrinsics(500.0, 500.0, 240.0, 180.0, 480, 360)
LEGS = [BODY.index(f"{side}_{joint}") for side in ("left", "right") for joint in ("knee", "ankle")]


def clip_of(facing: float, group: str = "recorded", seed: int = 1) -> RenderedClip:
    rng = np.random.default_rng(seed)
    joints_m = np.tile(rng.normal(0, 0.3, (1, 17, 3)) + np.array([0, 0, 4.0]), (FRAMES, 1, 1))
    coco_m = np.tile(rng.normal(0, 0.3, (1, 17, 3)) + np.array([0, 0, 4.0]), (FRAMES, 1, 1))
    coco_m[:, COCO17.indices(*BODY)] = joints_m[:, H36M17.indices(*BODY)]
    return RenderedClip(
        f"{group}/{seed}", group, TIMES_S, CAMERA, joints_m, CAMERA.project(coco_m), np.full(FRAMES, facing), 200.0
    )


def body_of(clip: RenderedClip) -> np.ndarray:
    return clip.joints_m[:, H36M17.indices(*BODY)]


def test_errors_of_a_known_offset() -> None:
    truth_m = body_of(clip_of(1.0))
    # Everything 0.4 m to the side: only the place is wrong.
    moved = frame_errors(Answer(truth_m + np.array([0.4, 0, 0]), True), truth_m, np.ones(FRAMES, bool), TIMES_S)
    hips = truth_m[0, [BODY.index("left_hip"), BODY.index("right_hip")]].mean(axis=0)
    np.testing.assert_allclose(moved["root_percent"], 100 * 0.4 / np.linalg.norm(hips))
    np.testing.assert_allclose(moved["mpjpe_mm"], 0, atol=1e-6)
    # One of twelve joints is 120 mm off.
    joints_m = truth_m.copy()
    joints_m[:, LEGS[0], 1] += 0.12
    wrong = frame_errors(Answer(joints_m, False), truth_m, np.ones(FRAMES, bool), TIMES_S)
    np.testing.assert_allclose(wrong["mpjpe_mm"], 10)
    assert np.isnan(wrong["root_percent"]).all()
    # A larger body of the same shape: about the middle of the hips only the scale differs.
    middle = truth_m[:, [BODY.index("left_hip"), BODY.index("right_hip")]].mean(axis=1, keepdims=True)
    larger = frame_errors(Answer(middle + 1.5 * (truth_m - middle), False), truth_m, np.ones(FRAMES, bool), TIMES_S)
    assert larger["mpjpe_mm"].min() > 50
    np.testing.assert_allclose(larger["n_mpjpe_mm"], 0, atol=1e-6)
    np.testing.assert_allclose(larger["p_mpjpe_mm"], 0, atol=1e-6)


def test_velocities_are_of_frames_at_50_hz_and_need_their_neighbours() -> None:
    truth_m = body_of(clip_of(1.0))
    joints_m = truth_m.copy()
    # One of twelve joints runs away by 24 mm a frame of 25 Hz: 12 mm a frame of 50 Hz, 1 mm as a mean over joints.
    joints_m[:, LEGS[0], 0] += 0.024 * np.arange(FRAMES)
    common = np.array([True, True, False, True, True, True])
    errors = frame_errors(Answer(joints_m, False), truth_m, common, TIMES_S)
    np.testing.assert_allclose(errors["mpjve_mm"], [np.nan, 1, np.nan, np.nan, 1, 1])
    np.testing.assert_allclose(errors["acceleration_mm"], [np.nan] * 5 + [0], atol=1e-9)
    assert np.isnan(errors["mpjpe_mm"]).tolist() == (~common).tolist()
    # A joint that jumps to and fro by 24 mm has accelerations of 96 mm at 25 Hz: a quarter of that at 50 Hz.
    joints_m[:, LEGS[0], 0] = truth_m[:, LEGS[0], 0] + 0.024 * (-1.0) ** np.arange(FRAMES)
    errors = frame_errors(Answer(joints_m, False), truth_m, np.ones(FRAMES, bool), TIMES_S)
    np.testing.assert_allclose(errors["acceleration_mm"][2:], 96 / 4 / 12)


def test_exchanged_legs_are_seen() -> None:
    truth_m = body_of(clip_of(1.0))
    joints_m = truth_m.copy()
    joints_m[2:4, LEGS] = truth_m[2:4][:, LEGS[2:] + LEGS[:2]]
    errors = frame_errors(Answer(joints_m, False), truth_m, np.ones(FRAMES, bool), TIMES_S)
    assert errors["exchanged_percent"].tolist() == [0, 0, 100, 100, 0, 0]


def test_only_frames_with_all_answers_count() -> None:
    clips = [clip_of(1.0), clip_of(-1.0, "procedural", seed=2)]
    good = [Answer(body_of(clip), True) for clip in clips]
    gap_m = body_of(clips[0]) + np.random.default_rng(3).normal(0, 0.05, (FRAMES, 12, 3))
    gap_m[:2] = np.nan
    theirs = [Answer(gap_m, False), Answer(np.full((FRAMES, 12, 3), np.nan), False)]
    methods = {"ours": good, MEDIAPIPE: theirs}
    rows = {(row["group"], row["method"]): row for row in measure(clips, methods)}
    # The second clip, which is the procedural one and the one from behind, has no answer of MediaPipe.
    assert {group for group, _ in rows} == {"all", "recorded", "front view"}
    ours = rows["all", "ours"]
    assert (ours["frames"], ours["clips"], ours["ahead_of_mediapipe"]) == (FRAMES - 2, 1, 1)
    assert ours["mpjpe_mm"] == pytest.approx(0, abs=1e-6)
    assert rows["all", MEDIAPIPE]["p_mpjpe_mm"] > 20
    missed = {row["group"]: row for row in missed_frames(clips, methods)}
    assert missed["all"] == {"group": "all", "frames": 2 * FRAMES, "missed": {"ours": 0, MEDIAPIPE: FRAMES + 2}}
    assert missed["back view"]["missed"] == {"ours": 0, MEDIAPIPE: FRAMES}


def test_an_offset_that_turns_with_the_body_is_taken_off() -> None:
    clip = clip_of(1.0)
    truth_m = body_of(clip)
    angles = np.linspace(0, 2, FRAMES)
    c, s, o, i = np.cos(angles), np.sin(angles), np.zeros(FRAMES), np.ones(FRAMES)
    turns = np.stack([c, o, s, o, i, o, -s, o, c], axis=-1).reshape(-1, 3, 3)
    shift = np.random.default_rng(4).normal(0, 0.05, (12, 3))
    body = truth_m[0] - truth_m[0].mean(axis=0)
    turned, shifted = (np.einsum("nab,jb->nja", turns, b) + np.array([0, 0, 4.0]) for b in (body, body + shift))
    joints_m = clip.joints_m.copy()
    joints_m[:, H36M17.indices(*BODY)] = turned
    same = RenderedClip(clip.name, clip.group, TIMES_S, CAMERA, joints_m, clip.keypoints_px, clip.facing, 200.0)
    row = measure([same], {MEDIAPIPE: [Answer(shifted, False)]})[0]
    assert row["p_mpjpe_mm"] > 20
    assert row["without_offsets_mm"] == pytest.approx(0, abs=1e-6)


def test_the_tracked_person_at_the_right_place_is_taken() -> None:
    clip = clip_of(1.0)
    tracks = exact_tracks(clip)
    away = tracks.keypoints_px + np.array([100.0, 0.0], np.float32)
    # In half of the frames somebody else is tracked, 100 pixels aside; in the last frame only he is.
    rows = [0, 1, 2, 3, 4]
    both = type(tracks)(
        np.array([0] * 5 + [1] * 3),
        np.array([*rows, 3, 4, 5]),
        np.concatenate([tracks.keypoints_px[rows], away[3:]]),
        np.ones((8, 17), np.float32),
        np.ones((8, 17), bool),
        np.zeros((8, 17), bool),
        COCO17,
    )
    frames, taken = nearest_rows(both, clip)
    assert frames.tolist() == taken.tolist() == rows


def test_views_part_all_frames() -> None:
    clips = [clip_of(value) for value in (-1.0, -0.5, 0.0, 0.5, 1.0)]
    groups = groups_of(clips)
    counted = np.sum([groups[name] for name in ("front view", "side view", "back view")], axis=0)
    assert (counted == 1).all()
    assert [bool(mask[0]) for mask in groups["back view"]] == [True, False, False, False, False]


def test_landmarks_are_turned_towards_the_ray() -> None:
    # Seen at 45 degrees to the right: what lies straight ahead of the looking camera lies on that ray.
    turned = to_camera_axes(np.array([[[0.0, 0, 1], [0, 1, 0]]]), np.array([[740.0, 180.0]]), CAMERA)
    np.testing.assert_allclose(turned, [[[np.sqrt(0.5), 0, np.sqrt(0.5)], [0, 1, 0]]], atol=1e-12)


def test_kinds_take_turns_and_short_motions_are_left_out() -> None:
    names = {"a/1": 200, "a/2": 200, "a/3": 20, "b/1": 200}
    motions = [Motion(np.zeros((count, 17, 3)), 50.0, None, name) for name, count in names.items()]
    order = [motion.name for motion in in_turn(motions, lambda motion: motion.name[0])]
    assert sorted(order) == ["a/1", "a/2", "b/1"]
    assert {name[0] for name in order[:2]} == {"a", "b"}
    assert order == [motion.name for motion in in_turn(motions[::-1], lambda motion: motion.name[0])]
