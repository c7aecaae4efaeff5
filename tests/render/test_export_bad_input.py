"""Every format meets poses that cannot be used, folders that cannot be written, and single or broken frames."""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from poses import InputError, Poses3D, UsageError
from poses.archive import read_npz, write_npz
from render.export import FORMATS, Source, export, get_format
from render.export.__main__ import main
from tests.render.coded_video import coded_source
from tests.render.moving_bodies import poses_of, walking

# The command cannot open the video: `pipeline` can, and hands its pictures to `export`.
BY_COMMAND = [name for name in FORMATS if name != "html-video"]
ROWS = ("person_id", "frame", "timestamps_s", "positions_m", "root_m", "observed")
TRACK_ROWS = ("person_id", "frame", "keypoints_px", "keypoint_score", "observed", "swapped")


def needs(name: str) -> None:
    """Skip where the package that a format needs is not installed."""
    try:
        get_format(name).check_package()
    except UsageError as error:
        pytest.skip(str(error))


def of_rows(source: Source, keep: np.ndarray) -> Source:
    """The same video with some rows only."""
    assert source.tracks is not None
    poses = replace(source.poses, **{name: getattr(source.poses, name)[keep] for name in ROWS})
    tracks = replace(source.tracks, **{name: getattr(source.tracks, name)[keep] for name in TRACK_ROWS})
    return replace(source, poses=poses, tracks=tracks)


def nobody(source: Source) -> Source:
    """No rows."""
    return of_rows(source, np.zeros(len(source.poses), bool))


def all_missing(source: Source) -> Source:
    """Rows without one known joint or keypoint."""
    assert source.tracks is not None
    poses = replace(source.poses, positions_m=np.full_like(source.poses.positions_m, np.nan))
    tracks = replace(source.tracks, keypoints_px=np.full_like(source.tracks.keypoints_px, np.nan))
    return replace(source, poses=poses, tracks=tracks)


@pytest.mark.parametrize("name", FORMATS)
@pytest.mark.parametrize("spoil", [nobody, all_missing])
def test_people_that_are_not_there_are_an_error_and_leave_no_file(
    spoil: Callable[[Source], Source], name: str, tmp_path: Path
) -> None:
    needs(name)
    with pytest.raises(InputError):
        export(spoil(coded_source()), name, tmp_path / f"a{FORMATS[name].suffix}")
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("name", FORMATS)
def test_a_single_frame_is_enough(name: str, tmp_path: Path) -> None:
    needs(name)
    source = coded_source()
    once = of_rows(source, (source.poses.frame == 12) & (source.poses.person_id == 0))
    (path,) = export(once, name, tmp_path / f"a{FORMATS[name].suffix}")
    assert path.stat().st_size > 100


@pytest.mark.parametrize("name", FORMATS)
def test_single_joints_and_frames_may_be_missing(name: str, tmp_path: Path) -> None:
    needs(name)
    source = coded_source()
    assert source.tracks is not None
    positions, keypoints = source.poses.positions_m.copy(), source.tracks.keypoints_px.copy()
    positions[20], positions[30, 4], keypoints[25], keypoints[30, 9] = np.nan, np.nan, np.nan, np.nan
    poses, tracks = replace(source.poses, positions_m=positions), replace(source.tracks, keypoints_px=keypoints)
    for path in export(replace(source, poses=poses, tracks=tracks), name, tmp_path / f"a{FORMATS[name].suffix}"):
        assert path.stat().st_size > 100
        if path.suffix == ".json":
            json.loads(path.read_text(), parse_constant=lambda text: pytest.fail(f"{text} is not JSON"))


@pytest.mark.parametrize("name", FORMATS)
def test_a_folder_that_is_a_file_is_named(name: str, tmp_path: Path) -> None:
    """What no user may do, not even root, whom permissions do not stop."""
    needs(name)
    blocked = tmp_path / "file"
    blocked.write_text("")
    with pytest.raises(InputError, match=r"file/a.*: cannot be written"):
        export(coded_source(), name, blocked / f"a{FORMATS[name].suffix}")


@pytest.mark.skipif(os.geteuid() == 0, reason="permissions do not stop root")
@pytest.mark.parametrize("name", FORMATS)
def test_a_read_only_folder_is_named(name: str, tmp_path: Path) -> None:
    needs(name)
    tmp_path.chmod(0o500)
    try:
        with pytest.raises(InputError, match="cannot be written"):
            export(coded_source(), name, tmp_path / f"a{FORMATS[name].suffix}")
    finally:
        tmp_path.chmod(0o700)


def spoiled_file(folder: Path, **changes: np.ndarray) -> Path:
    """A poses file some of whose entries are others."""
    path = folder / "poses3d.npz"
    poses_of({0: (np.arange(3), walking(3))}).save(path, "key")
    arrays = read_npz(path)
    write_npz(path, {**arrays, **changes})
    return path


@pytest.mark.parametrize("name", BY_COMMAND)
@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"format_version": np.array(2)}, "expected poses3d of format 1, got poses3d of format 2"),
        ({"kind": np.array("tracks")}, "expected poses3d of format 1, got tracks of format 1"),
        ({"root_m": np.zeros((2, 3), np.float32)}, "root_m must have shape (3, 3), got (2, 3)"),
        ({"skeleton": np.array("octopus")}, "octopus"),
    ],
)
def test_a_file_of_another_version_kind_or_shape_is_named(
    changes: dict[str, np.ndarray], said: str, name: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = spoiled_file(tmp_path, **changes)
    assert main([str(path), "--to", name]) == 1
    message = capsys.readouterr().err
    assert message.startswith(f"error: {path}: ")
    assert said in message
    assert message.count("\n") == 1
    assert [p.name for p in tmp_path.iterdir()] == ["poses3d.npz"]


@pytest.mark.parametrize("content", [b"", b"PK\x03\x04 cut off", b"not an archive"])
def test_a_file_that_is_no_archive_is_named(content: bytes, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "poses3d.npz"
    path.write_bytes(content)
    assert main([str(path), "--to", "csv"]) == 1
    assert str(path) in capsys.readouterr().err


def test_an_unknown_format_or_ending_lists_the_known_ones(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = spoiled_file(tmp_path)
    assert main([str(path), "--to", "fbx"]) == 2
    message = capsys.readouterr().err
    assert all(name in message for name in FORMATS)
    assert main([str(path), "-o", str(tmp_path / "walk.fbx")]) == 2
    message = capsys.readouterr().err
    assert all(known.suffix in message for known in FORMATS.values())


def test_keypoints_and_video_that_are_not_at_hand_are_named(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = spoiled_file(tmp_path)
    assert main([str(path), "--to", "keypoints"]) == 2
    assert "tracks.npz" in capsys.readouterr().err
    assert main([str(path), "--to", "html-video"]) == 2
    assert "infer_video.py" in capsys.readouterr().err
    assert [p.name for p in tmp_path.iterdir()] == ["poses3d.npz"]


def test_artifacts_of_two_videos_are_told_apart(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    source = coded_source()
    assert source.video is not None
    source.poses.save(tmp_path / "poses3d.npz")
    replace(source.video, timestamps_s=source.video.timestamps_s[:30]).save(tmp_path / "video.npz")
    assert main([str(tmp_path / "poses3d.npz"), "--to", "csv"]) == 1
    assert "go up to frame 59, the video has only 30 frames" in capsys.readouterr().err


def test_people_whose_every_frame_lacks_a_joint_fit_only_formats_without_rigs(tmp_path: Path) -> None:
    body = walking(5)
    body[:, 16] = np.nan
    source = Source(poses_of({0: (np.arange(5), body)}))
    with pytest.raises(InputError, match="all joints"):
        export(source, "bvh", tmp_path / "a.bvh")
    assert isinstance(source.poses, Poses3D)
    for name in ("csv", "json", "html"):
        assert export(source, name, tmp_path / f"a{FORMATS[name].suffix}")[0].is_file()
