"""The whole picture: what each layout shows, and two results beside or in each other."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest

from poses import InputError, Poses3D
from render.compare import compare
from render.options import RenderOptions
from render.picture import Picture
from render.style import DARK, LIGHT
from tests.render.conftest import Staged
from tests.render.test_scene import at, nearest_person

SOURCE = (320, 180)
GREY = np.full((SOURCE[1], SOURCE[0], 3), 128, np.uint8)


def picture(made: Staged, **options: object) -> Picture:
    chosen = RenderOptions(width_px=640, **options)  # type: ignore[arg-type]
    return Picture(SOURCE, made.timestamps_s, made.tracks, made.poses, chosen)


def pair(staged: Callable[..., Staged], frames: int = 3) -> Staged:
    return staged(np.tile([[[-1.0, 5.0, 0.0]], [[1.0, 6.0, 0.0]]], (1, frames, 1)), size=SOURCE)


def has(image: np.ndarray, person: int) -> bool:
    """Is there the trunk of a person, which every view shows?"""
    return bool((np.abs(image.astype(int) - DARK.person(person).centre).max(axis=-1) < 30).sum() > 8)


@pytest.mark.parametrize("layout", ["side-by-side", "stacked", "overlay", "scene"])
def test_layouts_show_people_in_every_panel(staged: Callable, layout: str) -> None:
    drawn = picture(pair(staged), layout=layout, views=("angle", "front", "side", "top"), labels=False)
    image = drawn.draw(None if layout == "scene" else GREY, 0)
    assert image.shape == (drawn.layout.height, drawn.layout.width, 3)
    panels = [panel for panel, _ in drawn.scenes] + ([drawn.layout.video] if drawn.layout.video else [])
    assert len(panels) == {"overlay": 1, "scene": 4}.get(layout, 5)
    for panel in panels:
        assert has(image[panel.area], 0)
        assert has(image[panel.area], 1)
    if drawn.layout.video:
        np.testing.assert_array_equal(image[drawn.layout.video.area][2, 2], 128)


def test_a_layout_with_the_video_needs_its_frame(staged: Callable) -> None:
    with pytest.raises(ValueError, match="needs the source's frame"):
        picture(pair(staged)).draw(None, 0)


def test_a_tall_video_is_centred_and_joints_stay_on_it(staged: Callable) -> None:
    """Stacked, a portrait video has a border on both sides; a wrist is found relative to where the video lies."""
    made = staged(np.array([[[0.0, 4.0, 0.0]]]), size=(90, 160))
    drawn = Picture(
        (90, 160), made.timestamps_s, made.tracks, made.poses, RenderOptions(width_px=640, layout="stacked")
    )
    image = drawn.draw(np.full((160, 90, 3), 128, np.uint8), 0)
    panel = drawn.layout.video
    assert panel is not None
    video = image[panel.area]
    columns = np.flatnonzero(np.abs(video[4].astype(int) - 128).max(axis=-1) < 2)
    left, right = columns[0], panel.width - 1 - columns[-1]
    assert abs(left - right) <= 1
    assert left > 50
    scale = len(columns) / 90
    for side in ("left", "right"):
        keypoint = made.tracks.keypoints_px[0, made.tracks.skeleton.index(f"{side}_wrist")]
        assert nearest_person(at(video, keypoint * scale + (left, 0))) == (0, side)


@pytest.mark.parametrize("layout", ["auto", "scene"])
def test_one_frame_of_nothing_known(staged: Callable, layout: str) -> None:
    made = pair(staged, frames=1)
    poses = replace(made.poses, positions_m=np.full_like(made.poses.positions_m, np.nan))
    for artifact in (poses, replace(poses, root_m=np.full_like(poses.root_m, np.nan))):
        for camera in ("auto", "follow", "orbit"):
            views = ("angle", "front", "top", "camera")
            drawn = picture(replace(made, poses=artifact), layout=layout, camera=camera, views=views)
            assert drawn.draw(GREY, 0).any()


def test_themes(staged: Callable) -> None:
    image = picture(pair(staged), theme="light", layout="scene").draw(None, 0)
    assert tuple(image[0, -1].tolist()) == LIGHT.header
    assert (np.abs(image.astype(int) - LIGHT.person(0).right).max(axis=-1) < 20).sum() > 15


def test_names_of_views_are_written_unless_there_is_only_the_usual_one(staged: Callable) -> None:
    made = pair(staged)
    views = {name: picture(made, layout="scene", views=(name,)) for name in ("angle", "top")}
    ink = {}
    for name, drawn in views.items():
        panel = drawn.draw(None, 0)[drawn.layout.scenes[0].area][:22, :60].astype(int)
        ink[name] = (np.abs(panel - DARK.text).max(axis=-1) < 40).sum()
    assert ink["angle"] == 0
    assert ink["top"] > 20


def compared(
    staged: Callable[..., Staged], comparison: str, moved: tuple[float, float, float] = (0.6, 0.0, 0.0)
) -> tuple[Staged, Poses3D, Picture]:
    made = staged(np.tile([[[0.0, 5.0, 0.0]]], (1, 3, 1)), size=SOURCE)
    other = replace(made.poses, root_m=made.poses.root_m + np.array(moved, np.float32))
    found = compare(made.poses, other, made.timestamps_s, ("a", "b"))
    options = RenderOptions(width_px=640, layout="scene", comparison=comparison, views=("front",), labels=False)
    return made, other, Picture(SOURCE, made.timestamps_s, made.tracks, made.poses, options, comparison=found)


def test_compared_together_the_other_one_is_grey(staged: Callable) -> None:
    made, other, drawn = compared(staged, "together", (0.6, 0.0, 1.0))
    (panel, scene), *rest = drawn.scenes
    assert not rest
    image = drawn.draw(None, 0)[panel.area]
    for poses, colourful in ((made.poses, True), (other, False)):
        for joint in ("left_ankle", "right_ankle", "left_knee"):
            point = poses.world_m()[0, poses.skeleton.index(joint)].astype(np.float64)
            color = at(image, scene.view(0).project(point)[0])
            assert (np.ptp(color) > 40) == colourful, joint


def test_compared_beside_both_are_seen_by_one_camera_in_the_same_colours(staged: Callable) -> None:
    made, other, drawn = compared(staged, "beside")
    image = drawn.draw(None, 0)
    (first_panel, first), (second_panel, second) = drawn.scenes
    np.testing.assert_array_equal(first.view(0).position_m, second.view(0).position_m)
    assert first.view(0).focal_px == second.view(0).focal_px
    for panel, scene, poses in ((first_panel, first, made.poses), (second_panel, second, other)):
        for side in ("left", "right"):
            point = poses.world_m()[0, poses.skeleton.index(f"{side}_ankle")].astype(np.float64)
            pixel = scene.view(0).project(point)[0]
            assert nearest_person(at(image[panel.area], pixel)) == (0, side)


def test_the_distance_stands_in_the_header(staged: Callable) -> None:
    """The line changes with the number, and only where it stands."""
    made = pair(staged)
    headers = []
    for shift in (0.0, 0.1):
        positions = made.poses.positions_m.copy()
        positions[:, 1:, 0] += np.float32(shift)
        found = compare(made.poses, replace(made.poses, positions_m=positions), made.timestamps_s)
        drawn = Picture(
            SOURCE, made.timestamps_s, made.tracks, made.poses, RenderOptions(width_px=1280), comparison=found
        )
        headers.append(drawn.draw(GREY, 0)[: drawn.layout.header_height].astype(int))
    changed = np.flatnonzero(np.abs(headers[0] - headers[1]).any(axis=(0, 2)))
    assert len(changed)
    plain = picture(made).draw(GREY, 0)
    assert np.ptp(changed) < 60
    assert changed[0] > 100
    assert plain.shape[1] == 640


def test_comparing_another_video_is_an_error(staged: Callable) -> None:
    made = pair(staged)
    later = replace(made.poses, timestamps_s=made.poses.timestamps_s + 9)
    with pytest.raises(InputError, match="shares no frame"):
        compare(made.poses, later, made.timestamps_s)
