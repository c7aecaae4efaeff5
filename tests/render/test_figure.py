"""Figures: what the lines hold, vectors in the file, and mistakes."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from poses import COCO17, H36M17, Poses3D, Tracks, UsageError
from render.figure import main, poses_figure, time_figure
from render.joint_angles import joint_angles
from tests.render.moving_bodies import two_people


@pytest.fixture(scope="module")
def poses() -> Poses3D:
    return two_people()[0]


def tracks_of(poses: Poses3D) -> Tracks:
    shape = (len(poses), len(COCO17))
    score = np.linspace(0, 1, shape[0], dtype=np.float32)[:, None].repeat(shape[1], 1)
    points = np.zeros((*shape, 2), np.float32)
    yes, no = np.ones(shape, bool), np.zeros(shape, bool)
    return Tracks(poses.person_id, poses.frame, points, score, yes, no, COCO17)


def test_limbs_join_the_joints_of_that_frame(poses: Poses3D) -> None:
    figure = poses_figure(poses, [5, 20])
    truth = two_people()[1]
    for axes, frame, people in zip(figure.axes, (5, 20), ((0,), (0, 1)), strict=True):
        ends = np.concatenate([np.transpose(line.get_data_3d()) for line in axes.lines])  # type: ignore[attr-defined]
        for person in people:
            shin = truth[person][frame, H36M17.indices("left_knee", "left_ankle")]
            assert all(np.linalg.norm(ends - end, axis=1).min() < 1e-4 for end in shin)
        assert len(axes.lines) == len(figure.axes[0].lines) * len(people)


def test_lines_over_time_are_the_angles_and_break_in_gaps(poses: Poses3D) -> None:
    figure = time_figure(poses, None, "angles", ["left_knee_flexion"])
    second = figure.axes[1].lines[0]
    wanted = np.degrees(joint_angles(two_people()[1][1], H36M17)["left_knee_flexion"])
    np.testing.assert_allclose(np.asarray(second.get_ydata(), float), wanted, atol=0.01)
    np.testing.assert_allclose(np.asarray(second.get_xdata(), float), np.arange(60) / 30, atol=1e-6)


def test_sides_share_a_colour_and_the_right_one_is_dashed(poses: Poses3D) -> None:
    names = ["left_knee_flexion", "right_elbow_flexion", "right_knee_flexion"]
    left_knee, elbow, right_knee = time_figure(poses, None, "angles", names).axes[0].lines
    assert left_knee.get_color() == right_knee.get_color() != elbow.get_color()
    assert [line.is_dashed() for line in (left_knee, elbow, right_knee)] == [False, False, True]


def test_the_ground_is_grey_where_the_pose_was_filled_in(poses: Poses3D) -> None:
    observed = poses.observed.copy()
    observed[(poses.person_id == 0) & (poses.frame >= 30) & (poses.frame < 36)] = False
    figure = time_figure(replace(poses, observed=observed), None, "speeds", ["hip"])
    (band,) = figure.axes[0].patches
    extent = band.get_extents().transformed(figure.axes[0].transData.inverted())
    assert (extent.x0, extent.x1) == (pytest.approx(29.5 / 30, abs=1e-3), pytest.approx(35.5 / 30, abs=1e-3))
    assert not figure.axes[1].patches


def test_nearer_limbs_hide_farther_ones(poses: Poses3D) -> None:
    """The view stands at negative y, so what has a smaller y belongs before what has a larger one."""
    figure = poses_figure(poses, [20])
    lines = sorted(figure.axes[0].lines, key=lambda line: line.get_zorder())
    depths = [float(np.mean(line.get_data_3d()[1])) for line in lines]  # type: ignore[attr-defined]
    nearest = np.polyfit(np.arange(len(depths)), depths, 1)[0]
    assert nearest < 0
    assert len({line.get_zorder() for line in lines}) == len(lines)


def test_speed_of_the_hip_is_that_of_the_walk(poses: Poses3D) -> None:
    figure = time_figure(poses, None, "speeds", ["hip"])
    speed = np.asarray(figure.axes[0].lines[0].get_ydata(), float)
    np.testing.assert_allclose(speed, 1.2, atol=0.01)


def test_confidence_is_that_of_the_tracks(poses: Poses3D) -> None:
    tracks = tracks_of(poses)
    figure = time_figure(poses, tracks, "confidence", [])
    line = np.asarray(figure.axes[0].lines[0].get_ydata(), float)
    np.testing.assert_allclose(line, tracks.keypoint_score[:60, 0], atol=1e-6)
    gap = np.asarray(figure.axes[1].lines[0].get_ydata(), float)
    assert np.isnan(gap).sum() == 15
    # Nothing was seen in ten frames of person 0: there is no score there, not one of 0.
    observed = tracks.observed.copy()
    observed[20:30] = False
    broken = time_figure(poses, replace(tracks, observed=observed), "confidence", []).axes[0].lines[0]
    np.testing.assert_array_equal(np.flatnonzero(np.isnan(np.asarray(broken.get_ydata(), float))), np.arange(20, 30))
    with pytest.raises(UsageError, match=r"tracks\.npz"):
        time_figure(poses, None, "confidence", [])


@pytest.mark.parametrize(("ending", "begins"), [("pdf", b"%PDF"), ("svg", b"<?xml"), ("png", b"\x89PNG")])
def test_the_command_writes_each_kind(poses: Poses3D, tmp_path: Path, ending: str, begins: bytes) -> None:
    poses.save(tmp_path / "poses3d.npz", "key")
    path = tmp_path / f"figure.{ending}"
    assert main([str(tmp_path / "poses3d.npz"), "--frames", "5,20", "-o", str(path)]) == 0
    content = path.read_bytes()
    assert content.startswith(begins)
    # Vectors, not a picture put into a page.
    assert b"/Subtype /Image" not in content
    assert b"<image" not in content
    assert b"/Type3" not in content


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["--frames", "99", "-o", "a.pdf"], "nobody is there in frame 99"),
        (["--frames", "5", "-o", "a.bmp"], ".svg"),
        (["--plot", "angles", "--show", "toe", "-o", "a.pdf"], "toe"),
        (["--plot", "speeds", "--show", "toe", "-o", "a.pdf"], "left_wrist"),
    ],
)
def test_mistakes_are_one_line(
    poses: Poses3D, tmp_path: Path, arguments: list[str], said: str, capsys: pytest.CaptureFixture[str]
) -> None:
    poses.save(tmp_path / "poses3d.npz", "key")
    assert main([str(tmp_path / "poses3d.npz"), *arguments]) == 2
    message = capsys.readouterr().err
    assert said in message
    assert message.count("\n") == 1
