"""Drawn people where the truth says they are: OpenCV's projection, hand-made views, and the pictures themselves."""

import dataclasses
import math
import time

import cv2
import numpy as np
import pytest

from detectors.synthetic import ClipOptions, Motion, Scene, procedural_motion, render_clip
from detectors.synthetic.body import Build, build_body
from detectors.synthetic.paint import random_wardrobe
from detectors.synthetic.stage import Person, Stage, look_at
from detectors.synthetic.surroundings import Cuboid, Surroundings
from poses import COCO17, H36M17, Intrinsics, UsageError

OPTIONS = ClipOptions(width=160, height=160, frames=1, people=1)


def stage(azimuth_deg: float, boxes: tuple[Cuboid, ...] = (), people: int = 1, distance_m: float = 4.0) -> Stage:
    """A person at the origin who faces x, seen from `azimuth_deg` (0: from the front, 90: from the person's left)."""
    azimuth = math.radians(azimuth_deg)
    eye = np.array([distance_m * math.cos(azimuth), distance_m * math.sin(azimuth), 1.2])
    rng = np.random.default_rng(0)
    standing = procedural_motion("squat", 1, 0)
    persons = []
    for number in range(people):
        motion = standing.placed(0.0, (-1.0 * number, 0.0))
        persons.append(Person(motion, build_body(motion, Build()), random_wardrobe(rng), 1.0, 1.0))
    return Stage(
        tuple(persons),
        Intrinsics.from_fov(math.radians(40), OPTIONS.width, OPTIONS.height),
        look_at(eye, np.array([0, 0, 0.9])),
        np.array([0.5, 0.3, 0.8]) / np.linalg.norm([0.5, 0.3, 0.8]),
        Surroundings(rng, (0.0, 0.0), 3.0),
        boxes,
        1,
    )


def visible(scene: Scene, person: int = 0) -> set[str]:
    return {joint for joint, seen in zip(COCO17.joints, scene.draw(0)[1].visible_coco[person], strict=True) if seen}


def test_keypoints_are_opencvs_projection_of_the_joints_in_the_camera() -> None:
    scene = Scene.random(5, None, ClipOptions(frames=3))
    world = scene.stage.people[1].motion.joints_m
    rotation, eye = scene.stage.world_from_camera[:3, :3], scene.stage.world_from_camera[:3, 3]
    expected = cv2.projectPoints(
        world.reshape(-1, 3), cv2.Rodrigues(rotation.T)[0], -rotation.T @ eye, scene.camera.matrix, np.zeros(4)
    )[0].reshape(3, 17, 2)
    np.testing.assert_allclose(scene.keypoints_h36m_px[:, 1], expected, atol=1e-6)
    np.testing.assert_allclose(scene.positions_m[:, 1] @ rotation.T + eye, world, atol=1e-9)
    shared = [joint for joint in COCO17.joints if joint in H36M17.joints]
    np.testing.assert_array_equal(
        scene.keypoints_coco_px[:, :, COCO17.indices(*shared)], scene.keypoints_h36m_px[:, :, H36M17.indices(*shared)]
    )
    assert np.linalg.det(rotation) == pytest.approx(1)


def test_faces_are_seen_from_the_front_and_sides_from_their_side() -> None:
    face = {"nose", "left_eye", "right_eye"}
    assert face <= visible(Scene(stage(0), OPTIONS))
    assert not face & visible(Scene(stage(180), OPTIONS))
    from_left, from_right = visible(Scene(stage(90), OPTIONS)), visible(Scene(stage(-90), OPTIONS))
    assert "left_ear" in from_left
    assert "right_ear" not in from_left
    assert "right_shoulder" not in from_left
    assert "right_ear" in from_right
    assert "left_ear" not in from_right
    front = Scene(stage(0), OPTIONS)
    left, right = (front.keypoints_coco_px[0, 0, COCO17.index(f"{side}_eye"), 0] for side in ("left", "right"))
    # Who faces us has the left eye on our right.
    assert left > right + 1


def test_a_box_before_the_legs_hides_them_and_nothing_else() -> None:
    box = Cuboid((1.0, 0.0), (0.1, 0.6, 0.28), 0.0)
    scene = Scene(stage(0, (box,)), OPTIONS)
    legs = {f"{side}_{joint}" for side in ("left", "right") for joint in ("knee", "ankle")}
    open_view = visible(Scene(stage(0), OPTIONS))
    assert legs <= open_view
    hidden = open_view - visible(scene)
    assert {"left_ankle", "right_ankle"} <= hidden <= legs
    truth, bare = scene.draw(0)[1], Scene(stage(0), OPTIONS).draw(0)[1]
    np.testing.assert_array_equal(truth.box_px, bare.box_px)
    assert truth.visible_share[0] < 0.9 < bare.visible_share[0] + 1e-9


def test_the_person_in_front_hides_the_one_behind() -> None:
    scene = Scene(stage(0, people=2), OPTIONS)
    truth = scene.draw(0)[1]
    assert truth.visible_share[0] == 1
    assert truth.visible_share[1] < 0.5
    assert truth.visible_h36m[0].sum() > truth.visible_h36m[1].sum()


def test_the_box_is_where_the_picture_changes() -> None:
    """The oracle is the picture itself, with and without the person, above the floor's shadow."""
    full, empty = stage(20), dataclasses.replace(stage(20), people=())
    image, truth = Scene(full, OPTIONS).draw(0)
    background, _ = Scene(empty, OPTIONS).draw(0)
    changed = np.abs(image.astype(int) - background).max(axis=-1) > 12
    horizon = int(truth.box_px[0, 1]) + 60
    rows, columns = np.nonzero(changed[:horizon])
    assert rows.min() == pytest.approx(truth.box_px[0, 1], abs=1.5)
    upper = Scene(full, OPTIONS).keypoints_coco_px[0, 0]
    assert columns.min() >= truth.box_px[0, 0] - 1.5
    assert columns.max() + 1 <= truth.box_px[0, 2] + 1.5
    inside = (upper > truth.box_px[0, :2]) & (upper < truth.box_px[0, 2:])
    assert inside.all()
    box = truth.box_px[0]
    assert 0.2 < truth.area_px[0] / ((box[2] - box[0]) * (box[3] - box[1])) < 0.9


def test_the_same_seed_draws_the_same_and_another_seed_another_clip() -> None:
    options = ClipOptions(width=96, height=64, frames=2)
    first, again, other = (render_clip(seed, None, options) for seed in (7, 7, 8))
    np.testing.assert_array_equal(first.frames, again.frames)
    np.testing.assert_array_equal(first.keypoints_h36m_px, again.keypoints_h36m_px)
    assert (first.frames != other.frames).mean() > 0.5
    assert first.frames.shape == (2, 64, 96, 3)
    assert first.visible_coco.shape == (2, 2, 17)


def test_given_motion_is_what_moves() -> None:
    still = procedural_motion("wave", 1, 0)
    motion = Motion(np.repeat(still.joints_m, 20, axis=0), 50.0)
    clip = render_clip(3, [motion], ClipOptions(width=64, height=64, frames=4, people=1))
    np.testing.assert_allclose(np.diff(clip.positions_m, axis=0), 0, atol=1e-9)
    bones = np.linalg.norm(
        clip.positions_m[0, 0, H36M17.bones[:, 0]] - clip.positions_m[0, 0, H36M17.bones[:, 1]], axis=-1
    )
    expected = np.linalg.norm(still.joints_m[0, H36M17.bones[:, 0]] - still.joints_m[0, H36M17.bones[:, 1]], axis=-1)
    ratio = bones / expected
    np.testing.assert_allclose(ratio, ratio[0], atol=1e-6)


def test_nobody_is_a_picture_too() -> None:
    clip = render_clip(0, None, ClipOptions(width=48, height=32, frames=1, people=0))
    assert clip.frames.std() > 1
    assert clip.keypoints_coco_px.shape == (1, 0, 17, 2)


def test_options_that_cannot_be_are_refused() -> None:
    for wrong in ({"width": 4}, {"frames": 0}, {"people": -1}, {"supersampling": 9}, {"fps": 0.0}):
        with pytest.raises(UsageError, match=next(iter(wrong))):
            ClipOptions(**wrong)


def test_drawing_is_not_slow() -> None:
    """Far below the stated rate, so that only a blunder fails here."""
    scene = Scene.random(1, None, ClipOptions(frames=6))
    scene.draw(0)
    start_s = time.perf_counter()
    for frame in range(1, 6):
        scene.draw(frame)
    assert (time.perf_counter() - start_s) / 5 < 1.0
