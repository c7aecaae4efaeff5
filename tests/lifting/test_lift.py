from __future__ import annotations

import dataclasses
import logging
import math

import numpy as np
import pytest

from lifting.canonical import to_canonical
from lifting.lift import LiftOptions, lift, unbroken_segments
from lifting.lifter import Lifter
from lifting.metrics import bone_length_variation, bone_lengths, side_length_difference
from poses import BLAZEPOSE33, COCO17, H36M17, HALPE26, Intrinsics, Poses3D, Skeleton, Tracks, UsageError
from tests.motion import camera_from_world, coco_keypoints, tracks_of, transform_points, walker

CAMERA = Intrinsics.from_fov(math.radians(60), 1280, 720)


def walk_tracks(frames: int = 60, rate_hz: float = 30.0, person: int = 0) -> Tracks:
    joints = transform_points(camera_from_world(0.6, distance_m=5.0), walker(frames / rate_hz, rate_hz))
    return tracks_of(coco_keypoints(joints, CAMERA), person)


def rows(tracks: Tracks, keep: np.ndarray) -> Tracks:
    arrays = {f.name: getattr(tracks, f.name)[keep] for f in dataclasses.fields(tracks) if f.name != "skeleton"}
    return dataclasses.replace(tracks, **arrays)


def joined(*parts: Tracks) -> Tracks:
    names = [f.name for f in dataclasses.fields(Tracks) if f.name != "skeleton"]
    return dataclasses.replace(parts[0], **{n: np.concatenate([getattr(p, n) for p in parts]) for n in names})


@pytest.mark.parametrize("roll_deg", [-90.0, 25.0])
def test_a_known_roll_changes_nothing_but_the_axes(roll_deg: float, small_lifter: Lifter) -> None:
    roll_rad = math.radians(roll_deg)
    lens = dataclasses.replace(CAMERA, distortion=(-0.2, 0.05, 0.0, 0.0, 0.0))
    level, rolled = (
        tracks_of(coco_keypoints(transform_points(camera_from_world(0.6, -0.2, roll), walker(2.0, 30.0)), lens))
        for roll in (0.0, roll_rad)
    )
    times = np.arange(60) / 30
    wanted = lift(level, times, lens, "file", small_lifter)
    got = lift(rolled, times, lens, "file", small_lifter, roll_rad=roll_rad)
    # One and the same world before two cameras.
    in_world, turned = (
        poses.camera_m() @ camera_from_world(0.6, -0.2, roll)[:3, :3]
        for poses, roll in ((wanted, 0.0), (got, roll_rad))
    )
    np.testing.assert_allclose(turned, in_world, atol=1e-3)
    ignored = lift(rolled, times, lens, "file", small_lifter)
    assert np.abs(ignored.positions_m - got.positions_m).max() > 0.05


def test_shapes_and_what_is_recorded(small_lifter: Lifter) -> None:
    tracks = walk_tracks()
    times = 3.0 + np.arange(60) / 30
    poses = lift(tracks, times, CAMERA, "fov", small_lifter)
    assert poses.positions_m.shape == (60, 17, 3)
    assert poses.root_m.shape == (60, 3)
    assert (poses.positions_m.dtype, poses.root_m.dtype) == (np.float32, np.float32)
    assert np.isfinite(poses.positions_m).all()
    assert (poses.positions_m[:, 0] == 0).all()
    np.testing.assert_array_equal(poses.timestamps_s, times)
    np.testing.assert_array_equal(poses.frame, tracks.frame)
    assert poses.skeleton is H36M17
    assert (poses.intrinsics, poses.intrinsics_source, poses.up_source) == (CAMERA, "fov", "camera")
    assert poses.weights == small_lifter.label
    assert poses.root_source == "trajectory+reprojection"
    # The camera's up is the world's: y down becomes z up.
    np.testing.assert_allclose(poses.world_m()[..., 2], -poses.camera_m()[..., 1])
    plain = lift(tracks, times, CAMERA, "fov", small_lifter, LiftOptions(refine_root=False))
    assert plain.root_source == "trajectory"
    assert np.abs(plain.root_m - poses.root_m).max() > 1e-3
    unflipped = lift(tracks, times, CAMERA, "fov", small_lifter, LiftOptions(flip=False))
    assert np.abs(unflipped.positions_m - poses.positions_m).max() > 1e-3


def test_at_50_hz_it_is_the_networks_answer(small_lifter: Lifter) -> None:
    tracks = walk_tracks(40, 50.0)
    options = LiftOptions(refine_root=False, steady_bones=0)
    poses = lift(tracks, np.arange(40) / 50, CAMERA, "fov", small_lifter, options)
    positions, root = small_lifter(to_canonical(tracks.keypoints_px, CAMERA))
    np.testing.assert_allclose(poses.positions_m, positions, atol=1e-5)
    np.testing.assert_allclose(poses.root_m, root, rtol=1e-4)


def test_gaps_cut_a_track_into_segments_of_their_own(small_lifter: Lifter) -> None:
    times = np.arange(100) / 30
    keep = np.r_[0:20, 25:50, 70, 80:100]
    tracks = rows(walk_tracks(100), keep)
    segments = unbroken_segments(tracks)
    assert [len(segment) for segment in segments] == [20, 25, 1, 20]
    assert np.concatenate(segments).tolist() == list(range(66))
    # The body is that of all segments together.
    options = LiftOptions(steady_bones=0)
    whole = lift(tracks, times, CAMERA, "fov", small_lifter, options)
    np.testing.assert_array_equal(whole.timestamps_s, times[keep])
    for segment in segments:
        alone = lift(rows(tracks, segment), times, CAMERA, "fov", small_lifter, options)
        np.testing.assert_allclose(whole.positions_m[segment], alone.positions_m, atol=1e-5)
        np.testing.assert_allclose(whole.root_m[segment], alone.root_m, atol=1e-4)


def test_bones_keep_one_length_over_gaps(small_lifter: Lifter) -> None:
    tracks = rows(walk_tracks(100), np.r_[0:30, 45:100])
    times = np.arange(100) / 30
    steady = lift(tracks, times, CAMERA, "fov", small_lifter)
    lengths = bone_lengths(steady.positions_m, H36M17)
    np.testing.assert_allclose(lengths, np.broadcast_to(lengths[:1], lengths.shape), atol=1e-5)
    assert side_length_difference(steady.positions_m, H36M17) < 1e-5
    raw = lift(tracks, times, CAMERA, "fov", small_lifter, LiftOptions(steady_bones=0))
    assert bone_length_variation(raw.positions_m, H36M17) > 1e-3
    half = lift(tracks, times, CAMERA, "fov", small_lifter, LiftOptions(steady_bones=0.5))
    # The root follows from the lengths, so only what is relative to it lies halfway.
    np.testing.assert_allclose(2 * half.positions_m, raw.positions_m + steady.positions_m, atol=2e-3)


def test_a_share_is_between_nothing_and_all() -> None:
    with pytest.raises(ValueError, match=r"steady_bones must lie between 0 and 1, got 1\.5"):
        LiftOptions(steady_bones=1.5)


def test_people_do_not_touch_each_other(small_lifter: Lifter) -> None:
    first, second = walk_tracks(30), rows(walk_tracks(50, person=4), np.arange(20, 50))
    together = lift(joined(first, second), np.arange(50) / 30, CAMERA, "fov", small_lifter)
    assert together.people() == [0, 4]
    for person, alone in ((0, first), (4, second)):
        wanted = lift(alone, np.arange(50) / 30, CAMERA, "fov", small_lifter)
        got = together.rows_of(person)
        np.testing.assert_allclose(together.positions_m[got], wanted.positions_m, atol=1e-5)
        np.testing.assert_array_equal(together.timestamps_s[got], wanted.timestamps_s)


@pytest.mark.parametrize("frames", [1, 2, 3])
@pytest.mark.parametrize("rate_hz", [24.0, 50.0, 240.0])
def test_short_tracks(small_lifter: Lifter, frames: int, rate_hz: float) -> None:
    poses = lift(walk_tracks(frames), np.arange(frames) / rate_hz, CAMERA, "fov", small_lifter)
    assert poses.positions_m.shape == (frames, 17, 3)
    assert np.isfinite(poses.camera_m()).all()


def test_nobody(small_lifter: Lifter) -> None:
    poses = lift(rows(walk_tracks(3), np.zeros(0, int)), np.arange(3) / 30, CAMERA, "fov", small_lifter)
    assert len(poses) == 0
    assert poses.world_m().shape == (0, 17, 3)


def test_track_with_unseen_joints_is_lifted_whole(small_lifter: Lifter) -> None:
    tracks = walk_tracks(40)
    keypoints = tracks.keypoints_px.copy()
    keypoints[:, COCO17.indices("left_knee", "left_ankle", "right_ankle")] = np.nan
    keypoints[10:13] = np.nan
    observed = np.isfinite(keypoints).all(axis=-1)
    partial = dataclasses.replace(
        tracks, keypoints_px=keypoints, observed=observed, keypoint_score=observed.astype(np.float32)
    )
    poses = lift(partial, np.arange(40) / 30, CAMERA, "fov", small_lifter)
    assert np.isfinite(poses.camera_m()).all()
    assert np.flatnonzero(~poses.observed).tolist() == [10, 11, 12]


def test_a_joint_of_which_there_are_few_looks_is_lifted_as_one_without(small_lifter: Lifter) -> None:
    tracks = walk_tracks(60)
    ankles = COCO17.indices("left_ankle", "right_ankle")

    def lifted(looks: list[int]) -> Poses3D:
        keypoints, observed = tracks.keypoints_px.copy(), tracks.observed.copy()
        keypoints[:, ankles] = 17.0 if looks else np.nan
        observed[:, ankles] = np.isin(np.arange(60), looks)[:, None]
        seen = dataclasses.replace(tracks, keypoints_px=keypoints, observed=observed)
        return lift(seen, np.arange(60) / 30, CAMERA, "fov", small_lifter)

    never, hardly, often = lifted([]), lifted([7, 30, 31]), lifted(list(range(0, 60, 4)))
    np.testing.assert_array_equal(hardly.camera_m(), never.camera_m())
    assert np.abs(often.camera_m() - never.camera_m()).max() > 0.01


@pytest.mark.parametrize("skeleton", [HALPE26, BLAZEPOSE33], ids=lambda s: s.name)
def test_another_skeleton_is_converted_by_name(
    small_lifter: Lifter, skeleton: Skeleton, caplog: pytest.LogCaptureFixture
) -> None:
    tracks = walk_tracks(20)
    # What COCO does not have lies far off, so that it would show.
    keypoints = np.full((20, len(skeleton), 2), 5000.0, np.float32)
    score = np.zeros((20, len(skeleton)), np.float32)
    observed, swapped = (np.zeros((20, len(skeleton)), bool) for _ in range(2))
    into = skeleton.indices(*COCO17.joints)
    keypoints[:, into], score[:, into] = tracks.keypoints_px, tracks.keypoint_score
    observed[:, into], swapped[:, into] = tracks.observed, tracks.swapped
    other = Tracks(tracks.person_id, tracks.frame, keypoints, score, observed, swapped, skeleton)
    times = np.arange(20) / 30
    with caplog.at_level(logging.INFO, "lifting"):
        got = lift(other, times, CAMERA, "fov", small_lifter)
    wanted = lift(tracks, times, CAMERA, "fov", small_lifter)
    np.testing.assert_array_equal(got.positions_m, wanted.positions_m)
    np.testing.assert_array_equal(got.root_m, wanted.root_m)
    np.testing.assert_array_equal(got.observed, wanted.observed)
    assert f"converting {skeleton.name} keypoints to coco17" in caplog.text


def test_a_skeleton_that_cannot_be_converted_is_refused(small_lifter: Lifter) -> None:
    other = dataclasses.replace(walk_tracks(5), skeleton=H36M17)
    with pytest.raises(
        UsageError,
        match="lifter small was trained for coco17 keypoints, the detector gives h36m17, which can be converted to "
        "no other skeleton: choose another --detector or --lifter",
    ):
        lift(other, np.arange(5) / 30, CAMERA, "fov", small_lifter)
