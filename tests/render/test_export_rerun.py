"""The Rerun recording, read back by rerun's own reader."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest

from poses import H36M17
from render.export import Source, export
from render.style import DARK
from tests.render.coded_video import FRAMES, HEIGHT, WIDTH, coded_source, number_of, place_px, uneven_times_s
from tests.render.moving_bodies import two_people

pytest.importorskip("rerun", reason="rerun-sdk is not installed: pip install -e '.[rerun]'")
dataframe = pytest.importorskip("rerun.dataframe", reason="this rerun-sdk has another reader")

TRUTH = two_people()[1]


@pytest.fixture(scope="module")
def recording(tmp_path_factory: pytest.TempPathFactory) -> Any:
    (path,) = export(coded_source(), "rerun", tmp_path_factory.mktemp("rerun") / "clip.rrd")
    assert path.name == "clip.rrd"
    return dataframe.load_recording(path)


def column(recording: Any, entity: str, component: str, **options: Any) -> dict[int, Any]:
    """The values of a component of an entity that were logged, by their frame."""
    table = recording.view(index="frame", contents=entity, **options).select().read_all()
    named = [c for c in table.column_names if c.endswith(f":{component}")]
    if not named:
        return {}
    (name,) = named
    return dict(zip(table["frame"].to_pylist(), table[name].to_pylist(), strict=True))


def shown(recording: Any, entity: str, component: str) -> list[Any]:
    """What the viewer shows of a component in each frame of the video: the latest that was logged, unless cleared.

    The reader's own `fill_latest_at` forgets a clearing after its frame.
    """
    logged = {frame: value for frame, value in column(recording, entity, component).items() if value}
    cleared = column(recording, entity, "ClearIsRecursive", include_tombstone_columns=True)
    events = {**{frame: None for frame, value in cleared.items() if value}, **logged}
    return [events[max(past)] if (past := [at for at in events if at <= frame]) else None for frame in range(FRAMES)]


def static(recording: Any, entity: str, component: str) -> Any:
    """The value of a component that does not change."""
    table = recording.view(index="frame", contents=entity).select_static().read_all()
    (name,) = [c for c in table.column_names if c.endswith(f":{component}")]
    return table[name].to_pylist()[0]


def test_joints_are_where_the_people_are_and_nowhere_while_they_are_away(recording: Any) -> None:
    for person, truth in TRUTH.items():
        away = np.isnan(truth).any(axis=(1, 2))
        in_3d = shown(recording, f"/world/person_{person}/joints", "Position3D")
        in_2d = shown(recording, f"/world/camera/picture/person_{person}/limbs", "LineStrip2D")
        assert [not points for points in in_3d] == away.tolist()
        assert [not points for points in in_2d] == away.tolist()
        for frame in np.flatnonzero(~away):
            np.testing.assert_allclose(in_3d[frame], truth[frame], atol=1e-4)


def test_both_time_lines_are_the_video_s(recording: Any) -> None:
    table = recording.view(index="time", contents="/world/person_0/joints").select().read_all()
    seconds = np.array([time.value for time in table["time"]]) / 1e9
    np.testing.assert_allclose(seconds, uneven_times_s(), atol=1e-6)


def test_joints_have_names_and_the_person_s_colours(recording: Any) -> None:
    labels = column(recording, "/world/person_1/joints", "Text")
    assert labels[12] == list(H36M17.joints)
    assert column(recording, "/world/person_1/name", "Text")[12] == ["person 1"]
    blue, green, red = DARK.person(1).left
    packed = column(recording, "/world/person_1/joints", "Color")[12]
    assert packed[H36M17.index("left_knee")] == (red << 24) | (green << 16) | (blue << 8) | 255


def test_keypoints_lie_on_the_pictures(recording: Any) -> None:
    for person in (0, 1):
        points = column(recording, f"/world/camera/picture/person_{person}/keypoints", "Position2D")
        limbs = column(recording, f"/world/camera/picture/person_{person}/limbs", "LineStrip2D")
        for frame in (12, 50):
            np.testing.assert_allclose(np.array(points[frame])[:, 0], place_px(person, frame), atol=1e-3)
            assert np.array(limbs[frame]).shape[1:] == (2, 2)
    pictures = column(recording, "/world/camera/picture", "Blob")
    for frame in (0, 1, 37, 59):
        content = np.array(pictures[frame][0], np.uint8)
        image = cv2.imdecode(content, cv2.IMREAD_COLOR)
        assert image is not None
        assert image.shape == (HEIGHT, WIDTH, 3)
        assert number_of(image) == frame


def test_camera_is_the_one_of_the_poses(recording: Any) -> None:
    source = coded_source()
    matrix = np.array(static(recording, "/world/camera/picture", "PinholeProjection")).reshape(3, 3).T
    np.testing.assert_allclose(matrix, source.poses.intrinsics.matrix, rtol=1e-6)
    assert static(recording, "/world/camera/picture", "Resolution") == [[WIDTH, HEIGHT]]
    np.testing.assert_allclose(static(recording, "/world/camera", "Translation3D"), [[0, 0, 0]])


def test_projected_joints_meet_the_picture_of_a_turned_camera(tmp_path: Path) -> None:
    """World joints, through the file's transform and pinhole alone, land where the camera of the poses says."""
    poses = coded_source().poses
    turn = cv2.Rodrigues(np.array([0.3, -0.2, 0.5]))[0]
    placed = np.eye(4)
    placed[:3, :3], placed[:3, 3] = turn, (1.0, 2.0, 3.0)
    camera_m = poses.camera_m() + np.array([0, 0, 6])
    moved = replace(poses, root_m=camera_m[:, 0], positions_m=camera_m - camera_m[:, :1], world_from_camera=placed)
    (path,) = export(Source(moved), "rerun", tmp_path / "a.rrd")
    recording = dataframe.load_recording(path)
    world = np.array(column(recording, "/world/person_0/joints", "Position3D")[20])
    rotation = np.array(static(recording, "/world/camera", "TransformMat3x3")).reshape(3, 3).T
    matrix = np.array(static(recording, "/world/camera/picture", "PinholeProjection")).reshape(3, 3).T
    seen = (world - static(recording, "/world/camera", "Translation3D")[0]) @ rotation
    pixels = seen @ matrix.T
    wanted = poses.intrinsics.project(camera_m[poses.rows_of(0)][20])
    np.testing.assert_allclose(pixels[:, :2] / pixels[:, 2:], wanted, atol=0.05)


def test_trails_do_not_cross_gaps(recording: Any) -> None:
    trails = column(recording, "/world/person_1/trail", "LineStrip3D")
    # The second span begins in frame 40; in frame 44 the last two seconds hold both spans.
    assert [len(piece) for piece in trails[44]] == [15, 5]
