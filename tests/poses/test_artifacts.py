from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from poses import COCO17, H36M17, Detections, InputError, Intrinsics, Poses3D, Tracks, VideoInfo, artifact_key
from poses.archive import read_npz, write_npz
from poses.artifacts import Artifact

LENS = Intrinsics(812.5, 815.25, 640.5, 359.5, 1280, 720, (-0.1, 0.02, 0.001, -0.002, 0.03))


def video(frames: int) -> VideoInfo:
    return VideoInfo(np.arange(frames) / 29.97, 1280, 720, 90, 29.97, "hevc", "ab" * 32, 2)


def detections(rows: int) -> Detections:
    values = np.random.default_rng(rows)
    keypoints = values.random((rows, 17, 2), dtype=np.float32)
    keypoints[:, 3] = np.nan
    return Detections(
        frame=np.arange(rows) // 2,
        box_px=values.random((rows, 4), dtype=np.float32),
        score=values.random(rows, dtype=np.float32),
        keypoints_px=keypoints,
        keypoint_score=values.random((rows, 17), dtype=np.float32),
        skeleton=COCO17,
        detector="mediapipe-full",
        weights_sha256="cd" * 32,
    )


def tracks(rows: int) -> Tracks:
    values = np.random.default_rng(rows)
    return Tracks(
        person_id=np.arange(rows) * 2 // max(rows, 1),
        frame=np.arange(rows),
        keypoints_px=values.random((rows, 17, 2), dtype=np.float32),
        keypoint_score=values.random((rows, 17), dtype=np.float32),
        observed=values.random((rows, 17)) < 0.7,
        swapped=values.random((rows, 17)) < 0.1,
        skeleton=COCO17,
    )


def poses(rows: int) -> Poses3D:
    values = np.random.default_rng(rows)
    return Poses3D(
        person_id=np.arange(rows) * 2 // max(rows, 1),
        frame=np.arange(rows),
        timestamps_s=np.arange(rows) / 25,
        positions_m=values.random((rows, 17, 3), dtype=np.float32),
        root_m=values.random((rows, 3), dtype=np.float32),
        observed=values.random(rows) < 0.7,
        world_from_camera=np.eye(4),
        up_source="contacts",
        root_source="trajectory",
        intrinsics=LENS,
        intrinsics_source="file",
        weights="wild-243f sha256:00",
        skeleton=H36M17,
    )


MAKERS = pytest.mark.parametrize("make", [video, detections, tracks, poses])


@MAKERS
@pytest.mark.parametrize("rows", [7, 1, 0])
def test_round_trip(tmp_path: Path, make: Any, rows: int) -> None:
    artifact = make(rows)
    artifact.save(tmp_path / "a.npz", key="k1")
    back = type(artifact).load(tmp_path / "a.npz")
    for field in dataclasses.fields(artifact):
        before, after = getattr(artifact, field.name), getattr(back, field.name)
        assert type(after) is type(before)
        if isinstance(before, np.ndarray):
            assert after.dtype == before.dtype
            np.testing.assert_array_equal(after, before)
        else:
            assert after == before
    assert artifact_key(tmp_path / "a.npz") == "k1"


@MAKERS
def test_same_artifact_gives_the_same_bytes(tmp_path: Path, make: Any) -> None:
    make(5).save(tmp_path / "a.npz", key="k")
    make(5).save(tmp_path / "b.npz", key="k")
    assert (tmp_path / "a.npz").read_bytes() == (tmp_path / "b.npz").read_bytes()


def test_key_of_a_file_that_has_none(tmp_path: Path) -> None:
    assert artifact_key(tmp_path / "none.npz") is None
    (tmp_path / "text.npz").write_text("text")
    assert artifact_key(tmp_path / "text.npz") is None
    write_npz(tmp_path / "other.npz", {"a": np.zeros(1)})
    assert artifact_key(tmp_path / "other.npz") is None


def test_another_kind_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "poses3d.npz"
    tracks(3).save(path)
    with pytest.raises(InputError, match=r"poses3d\.npz: ") as caught:
        Poses3D.load(path)
    assert "tracks" in str(caught.value), "says what the file is"
    assert "poses3d" in caught.value.problem.replace(str(path), "")


def damaged(tmp_path: Path, artifact: Artifact, **arrays: np.ndarray | None) -> Path:
    path = tmp_path / "damaged.npz"
    artifact.save(path)
    changed = {**read_npz(path), **arrays}
    write_npz(path, {name: array for name, array in changed.items() if array is not None})
    return path


def wrong(text: str) -> np.ndarray:
    return np.array(text)


@pytest.mark.parametrize(
    ("make", "arrays", "message"),
    [
        (tracks, {"format_version": np.array(99)}, "format 99"),
        (tracks, {"format_version": np.zeros(3)}, "damaged"),
        (tracks, {"observed": None}, "lacks observed"),
        (tracks, {"observed": np.zeros((3, 16), bool)}, r"observed must have shape \(3, 17\), got \(3, 16\)"),
        (tracks, {"frame": np.arange(4)}, r"frame must have shape \(3\), got \(4,\)"),
        (tracks, {"person_id": np.array(3)}, "damaged"),
        (tracks, {"keypoints_px": np.zeros((3, 17), np.float32)}, r"keypoints_px must have shape \(3, 17, 2\)"),
        (tracks, {"keypoint_score": np.array(0.5)}, "keypoint_score"),
        (tracks, {"skeleton": wrong("coco18")}, "coco18"),
        (detections, {"box_px": np.zeros((3, 5), np.float32)}, r"box_px must have shape \(3, 4\), got \(3, 5\)"),
        (detections, {"frame": np.array(1)}, "damaged"),
        (video, {"timestamps_s": np.array([0.0, 0.1, 0.1])}, "increase strictly"),
        (video, {"timestamps_s": np.array([0.0, np.nan, 0.1])}, "increase strictly"),
        (video, {"timestamps_s": np.zeros((3, 1))}, "timestamps_s must have shape"),
        (poses, {"world_from_camera": np.eye(3)}, r"world_from_camera must have shape \(4, 4\), got \(3, 3\)"),
        (poses, {"intrinsics": np.arange(3.0)}, "damaged"),
        (poses, {"intrinsics": np.zeros(6)}, "focal lengths must be positive"),
        (poses, {"skeleton": wrong("coco17"), "positions_m": np.zeros((3, 16, 3))}, "positions_m must have shape"),
    ],
)
def test_damaged_artifact_names_file_and_array(
    tmp_path: Path, make: Any, arrays: dict[str, np.ndarray | None], message: str
) -> None:
    path = damaged(tmp_path, make(3), **arrays)
    with pytest.raises(InputError, match=message) as caught:
        type(make(3)).load(path)
    assert str(path) in str(caught.value)
    assert caught.value.remedy


def test_frames_per_second_come_from_the_timestamps() -> None:
    assert video(10).fps == pytest.approx(29.97)
    # Five steps in 0.54 s, whatever their lengths and whatever the container announces.
    times = np.array([0.0, 0.02, 0.04, 0.5, 0.52, 0.54])
    assert dataclasses.replace(video(1), timestamps_s=times).fps == pytest.approx(5 / 0.54)
    assert video(1).fps == 29.97
    assert dataclasses.replace(video(1), nominal_fps=0.0).fps == 30.0


def test_rows_of_people() -> None:
    both = dataclasses.replace(tracks(4), person_id=np.array([0, 0, 0, 2]))
    assert both.people() == [0, 2]
    assert both.rows_of(0).tolist() == [0, 1, 2]
    assert both.rows_of(1).tolist() == []
    assert tracks(0).people() == []


def test_camera_and_world_frames_by_hand() -> None:
    # A camera 1.5 m up that looks along the world's y.
    world_from_camera = np.array([[1.0, 0, 0, 0], [0, 0, 1, 0], [0, -1, 0, 1.5], [0, 0, 0, 1]])
    positions = np.zeros((1, 17, 3), np.float32)
    positions[0, 10] = (0.25, -0.75, 0.5)
    one = dataclasses.replace(
        poses(1),
        positions_m=positions,
        root_m=np.array([[1.0, 0.5, 4.0]], np.float32),
        world_from_camera=world_from_camera,
    )
    np.testing.assert_allclose(one.camera_m()[0, 0], [1, 0.5, 4])
    np.testing.assert_allclose(one.world_m()[0, 0], [1, 4, 1])
    np.testing.assert_allclose(one.world_m()[0, 10], [1.25, 4.5, 1.75])
    assert one.world_m().dtype == np.float32
