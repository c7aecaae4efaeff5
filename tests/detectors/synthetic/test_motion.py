"""Built-in motion within a body's limits, and motion from archives."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from detectors.synthetic import Motion, load_archives, load_motions, procedural_motion
from detectors.synthetic.body import Build, build_body, face_points, head_frame
from detectors.synthetic.procedural import PROCEDURES
from poses import H36M17, InputError, UsageError


def angle_at(joints: np.ndarray, before: str, at: str, after: str) -> np.ndarray:
    """(T,) bend in degrees: 0 for a straight limb."""
    first = joints[:, H36M17.index(at)] - joints[:, H36M17.index(before)]
    second = joints[:, H36M17.index(after)] - joints[:, H36M17.index(at)]
    cosine = (first * second).sum(-1) / np.linalg.norm(first, axis=-1) / np.linalg.norm(second, axis=-1)
    return np.degrees(np.arccos(np.clip(cosine, -1, 1)))


@pytest.mark.parametrize("name", PROCEDURES)
def test_a_body_keeps_its_bones_stands_on_the_floor_and_bends_no_joint_too_far(name: str) -> None:
    for seed in range(4):
        joints = procedural_motion(name, 200, seed).joints_m
        bones = np.linalg.norm(joints[:, H36M17.bones[:, 0]] - joints[:, H36M17.bones[:, 1]], axis=-1)
        rigid = [i for i, (j, _) in enumerate(H36M17.bones) if H36M17.joints[j] not in ("neck", "head")]
        np.testing.assert_allclose(bones[:, rigid], np.broadcast_to(bones[:1, rigid], bones[:, rigid].shape), atol=1e-9)
        feet = joints[:, H36M17.indices("left_ankle", "right_ankle"), 2].min(axis=1)
        np.testing.assert_allclose(feet, 0.09, atol=1e-9)
        for side in ("left", "right"):
            assert angle_at(joints, f"{side}_hip", f"{side}_knee", f"{side}_ankle").max() < 145
            assert angle_at(joints, f"{side}_shoulder", f"{side}_elbow", f"{side}_wrist").max() < 145
        assert np.linalg.norm(np.diff(joints, axis=0), axis=-1).max() < 0.15


def test_walking_goes_where_the_body_faces_and_squatting_goes_down() -> None:
    walking = procedural_motion("walk", 100, 1).joints_m
    hips = walking[:, H36M17.index("left_hip")] - walking[:, H36M17.index("right_hip")]
    facing = np.cross(hips, [0, 0, 1.0])[:, :2]
    step = np.diff(walking[:, 0, :2], axis=0)
    assert ((facing[1:] * step).sum(-1) > 0).mean() > 0.95
    assert 0.8 * 2 < np.linalg.norm(step, axis=-1).sum() < 1.6 * 2
    squatting = procedural_motion("squat", 200, 2).joints_m[:, 0, 2]
    assert squatting.min() < 0.8 * squatting.max()


def test_the_same_seed_gives_the_same_motion_and_an_unknown_name_lists_the_known() -> None:
    first, again, other = (procedural_motion("walk", 20, seed).joints_m for seed in (3, 3, 4))
    np.testing.assert_array_equal(first, again)
    assert not np.allclose(first, other)
    with pytest.raises(UsageError, match="walk, wave, squat, turn"):
        procedural_motion("fly", 10)


def test_resampling_is_exact_on_straight_motion_and_goes_back_at_the_end() -> None:
    joints = np.arange(11.0)[:, None, None] * np.ones((11, 17, 3))
    motion = Motion(joints, 10.0)
    found = motion.at(np.array([0.0, 0.25, 0.5, 1.0, 1.2])).joints_m[:, 0, 0]
    np.testing.assert_allclose(found, [0, 2.5, 5, 10, 8], atol=1e-9)


def test_a_head_without_face_points_is_taken_upright_on_the_shoulders() -> None:
    """In the T pose of a standing person both ways to the head must agree."""
    motion = procedural_motion("squat", 1, 0)
    assert motion.face_m is not None
    blind = Motion(motion.joints_m, motion.rate_hz)
    np.testing.assert_allclose(face_points(*head_frame(blind)), motion.face_m, atol=0.004)
    np.testing.assert_allclose(face_points(*head_frame(motion)), motion.face_m, atol=0.002)


def test_the_eyes_lie_before_the_ears_and_toes_before_heels() -> None:
    body = build_body(procedural_motion("squat", 1, 0), Build())
    nose, left_eye, right_eye, left_ear, right_ear = body.face_m[0]
    # Person's frame at heading 0: x forward, y left, z up.
    assert nose[0] > left_eye[0] > left_ear[0]
    assert left_eye[1] > right_eye[1]
    assert left_ear[1] > left_eye[1]
    assert right_ear[1] < right_eye[1]
    shoes = [n for n, material in enumerate(body.materials) if material == 8]
    assert len(shoes) == 2
    assert (body.ends[0, shoes, 0] > body.starts[0, shoes, 0] + 0.15).all()


def archive(path: Path, **changes: Any) -> Path:
    joints = np.arange(30 * 22 * 3).reshape(30, 22, 3).astype(np.int16)
    arrays: dict[str, Any] = {"joints": joints, "clip_start": np.array([0, 18, 30], np.int32), "fps": np.array(50),
              "clip_name": np.array(["a", "b"])}  # fmt: skip
    np.savez(path, **{name: a for name, a in (arrays | changes).items() if a is not None})
    return path


def test_an_archive_gives_its_clips_in_metres(tmp_path: Path) -> None:
    first, second = load_motions(archive(tmp_path / "x.npz"))
    assert (first.name, len(first.joints_m), len(second.joints_m), first.rate_hz) == ("x/a", 18, 12, 50.0)
    assert second.joints_m[0, 1, 2] == pytest.approx((18 * 66 + 5) / 1000)
    assert second.face_m is not None
    assert second.face_m[0, 0, 0] == pytest.approx((18 * 66 + 17 * 3) / 1000)
    assert len(load_archives([tmp_path])) == 2


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"joints": np.zeros((30, 20, 3), np.int16)}, r"joints must have shape .*\(30, 20, 3\)"),
        ({"clip_start": np.array([0, 18, 31])}, "clip_start does not fit"),
        ({"fps": None}, "lacks fps"),
        ({"fps": np.array(0)}, "fps must be positive"),
    ],
)
def test_an_archive_of_another_format_is_refused_by_name(tmp_path: Path, changes: dict, words: str) -> None:
    path = archive(tmp_path / "wrong.npz", **changes)
    with pytest.raises(InputError, match=words) as raised:
        load_motions(path)
    assert str(path) in str(raised.value)


def test_a_folder_without_archives_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="holds no"):
        load_archives([tmp_path])
