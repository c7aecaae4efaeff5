"""Pixels of every named view and moving camera, against an independent projection of known poses."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest

from poses import COCO17, H36M17
from render.overlay import Overlay
from render.style import DARK
from tests.render.test_scene import at, nearest_person, pixels_of, scene_of

VIEWS = ("angle", "front", "side", "top")


@pytest.mark.parametrize("camera", ["fixed", "follow", "orbit"])
@pytest.mark.parametrize("name", VIEWS)
def test_joints_are_where_the_projection_says(staged: Callable, name: str, camera: str) -> None:
    """Arms held out: from the side and from above, nearer parts hide some, so those that must be seen are named."""
    seen = {"side": ["left_wrist", "head"], "top": ["left_wrist", "right_wrist", "left_elbow", "right_elbow"]}
    x = np.linspace(-0.5, 0.5, 20)
    made = staged(np.stack([x, 0 * x + 5, 0 * x], 1)[None])
    scene = scene_of(made, name=name, camera=camera, orbit_s=20.0)
    for frame in (0, 19):
        image = scene.draw(frame)
        for joint in seen.get(name, ["left_wrist", "right_wrist", "left_ankle", "right_ankle"]):
            point = made.poses.world_m()[frame, H36M17.index(joint)]
            side = joint.split("_")[0] if "_" in joint else "centre"
            assert nearest_person(at(image, pixels_of(scene, point, frame)[0])) == (0, side), (joint, frame)


@pytest.mark.parametrize(("name", "nearer"), [("front", (0.0, -1.0, 0.0)), ("side", (1.0, 0, 0)), ("top", (0, 0, 2.0))])
def test_the_nearer_person_hides_the_farther(staged: Callable, name: str, nearer: tuple[float, ...]) -> None:
    for order in (1, -1):
        places = np.array([[[0.0, 6.0, 0.0]], [np.array([0.0, 6.0, 0.0]) + nearer]])[::order]
        made = staged(places)
        scene = scene_of(made, name=name, camera="fixed")
        image = scene.draw(0)
        front = 1 if order == 1 else 0
        head = made.poses.world_m()[front, H36M17.indices("neck", "head")].mean(axis=0)
        assert nearest_person(at(image, pixels_of(scene, head)[0]))[0] == front


def test_side_view_shows_the_right_of_the_video(staged: Callable) -> None:
    """A person who looks at the camera holds the left arm to the right of the video, so it comes first from there."""
    made = staged(np.array([[[0.0, 5.0, 0.0]]]))
    scene = scene_of(made, name="side")
    arm = pixels_of(scene, made.poses.world_m()[0, H36M17.index("left_wrist")])[0]
    assert nearest_person(at(scene.draw(0), arm)) == (0, "left")


def test_camera_view_agrees_with_the_overlay(staged: Callable) -> None:
    """Where the overlay of keypoints draws a wrist or a knee, the camera view draws the same limb."""
    made = staged(np.array([[[-1.0, 5.5, 0.0]], [[1.1, 5.0, 0.0]]]), size=(640, 480), pitch_rad=-0.1)
    scene = scene_of(made, name="camera").draw(0)
    flat = Overlay(made.tracks, (640, 480), (640, 480), DARK, label_height=0).draw(
        np.full((480, 640, 3), 128, np.uint8), 0
    )
    for row in range(2):
        for side in ("left", "right"):
            for joint in ("wrist", "knee", "elbow"):
                pixel = made.tracks.keypoints_px[row, COCO17.index(f"{side}_{joint}")].astype(float)
                assert nearest_person(at(scene, pixel)) == nearest_person(at(flat, pixel)) == (row, side)


def test_camera_view_of_another_shape_marks_the_edge_of_the_video(staged: Callable) -> None:
    made = staged(np.array([[[0.0, 5.0, 0.0]]]), size=(640, 320))
    image = scene_of(made, name="camera", size=(640, 480)).draw(0).astype(int)
    for row in (80, 400):
        assert np.abs(image[row - 1 : row + 1].max(axis=0) - DARK.faint_text).mean() < 50
    assert np.abs(image[60] - DARK.background).mean() < 5


def test_level_views_stand_on_graph_paper(staged: Callable) -> None:
    """Lines stand a metre apart, by the projection of points of the floor, and begin at the floor."""
    made = staged(np.array([[[0.2, 5.0, 0.0]]]))
    scene = scene_of(made, name="front")
    image = scene.draw(0).astype(int)
    for height in (0.0, 1.0, 2.0):
        x, y = pixels_of(scene, np.array([0.6, 5.0, height]))[0]
        lines = np.abs(image[int(y) - 3 : int(y) + 4, int(x)] - DARK.floor).sum(axis=-1)
        assert lines.argmax() in (2, 3, 4)
        assert lines.max() > 40
    x, y = pixels_of(scene, np.array([1.0, 5.0, 1.5]))[0]
    assert np.abs(image[int(y), int(x) - 2 : int(x) + 3] - DARK.floor).sum(axis=-1).max() > 40
    below = pixels_of(scene, np.array([0.6, 5.0, -0.1]))[0]
    assert np.abs(at(image, below) - DARK.background).max() < 5


def test_axes_point_where_the_world_does(staged: Callable) -> None:
    """In the corner, ink lies along the projection of each axis, and nowhere else."""
    scene = scene_of(staged(np.empty((0, 3, 3))), name="front")
    ink = np.abs(scene.draw(0).astype(int) - DARK.text).max(axis=-1) < 70
    corner = ink[-80:, :80]
    rows, columns = np.nonzero(corner)
    assert len(rows) > 30
    # x to the right, z up: an L whose upright stands at the left and whose foot lies at the bottom.
    assert (corner[:, columns.min() : columns.min() + 16].sum()) > 0.5 * corner.sum()
    assert np.ptp(rows) == pytest.approx(np.ptp(columns), abs=12)
