"""Pixels of the 2D panel, and the colours of people."""

from __future__ import annotations

import itertools
from collections.abc import Callable
from dataclasses import replace

import cv2
import numpy as np
import pytest

from poses import COCO17, Skeleton, Tracks
from poses.skeleton import SKELETONS
from render.overlay import Overlay
from render.style import DARK, PEOPLE, Color

SOURCE, PANEL = (320, 180), (640, 360)
BODY = tuple(f"{side}_{joint}" for side in ("left", "right") for joint in ("elbow", "wrist", "knee", "ankle"))


def draw(tracks: Tracks, panel: tuple[int, int] = PANEL, frame: int = 0) -> np.ndarray:
    picture = np.full((SOURCE[1], SOURCE[0], 3), 128, np.uint8)
    return Overlay(tracks, SOURCE, panel, DARK, label_height=0).draw(picture, frame)


def at(image: np.ndarray, keypoint_px: np.ndarray, scale: float = 2.0) -> np.ndarray:
    x, y = np.floor(keypoint_px * scale).astype(int)
    return image[y, x].astype(int)


def test_keypoints_are_where_they_should_be_in_the_colour_of_their_side(staged: Callable) -> None:
    tracks = staged(np.array([[[-0.8, 5.5, 0.0]], [[1.0, 5.0, 0.0]]]), size=SOURCE).tracks
    image = draw(tracks)
    for row, person in enumerate(tracks.person_id):
        for joint in BODY:
            color = DARK.person(int(person)).of(joint.split("_")[0])
            got = at(image, tracks.keypoints_px[row, COCO17.index(joint)])
            assert np.abs(got - color).max() < 25, joint


def test_drawn_to_a_fraction_of_a_pixel(staged: Callable) -> None:
    """The middle of the disc at a keypoint, found from the picture, is the keypoint."""
    tracks = staged(np.array([[[0.0, 3.0, 0.0]]]), size=SOURCE).tracks
    keypoints = np.full_like(tracks.keypoints_px, np.nan)
    for x, y in ((100.0, 50.0), (100.3, 50.4), (101.9, 49.2)):
        keypoints[0, COCO17.index("left_wrist")] = x, y
        image = draw(replace(tracks, keypoints_px=keypoints)).astype(float)
        weight = np.abs(image - 128).sum(axis=2)
        assert weight.sum() > 0
        rows, columns = np.indices(weight.shape) + 0.5
        middle = np.array([(weight * columns).sum(), (weight * rows).sum()]) / weight.sum()
        np.testing.assert_allclose(middle, (2 * x, 2 * y), atol=0.12)


@pytest.mark.parametrize("skeleton", SKELETONS.values(), ids=lambda s: s.name)
def test_every_joint_and_limb_of_every_skeleton_is_drawn(skeleton: Skeleton) -> None:
    """Joints on a circle, so that no limb hides another joint; alone, each limb leaves ink at its middle."""
    joints = len(skeleton)
    angle = 2 * np.pi * np.arange(joints) / joints
    circle = np.stack([160 + 120 * np.cos(angle), 90 + 70 * np.sin(angle)], axis=-1)
    for limb in [*skeleton.limbs, *((j, j) for j in range(joints))]:
        keypoints = np.full((1, joints, 2), np.nan, np.float32)
        keypoints[0, list(limb)] = circle[list(limb)]
        one = np.zeros(1, np.int64)
        seen = np.ones((1, joints), bool)
        tracks = Tracks(one, one, keypoints, seen.astype(np.float32), seen, ~seen, skeleton)
        image = draw(tracks).astype(int)
        middle = at(image, circle[list(limb)].mean(axis=0))
        colors = {DARK.person(0).of(side) for side in ("left", "right", "centre")}
        assert min(np.abs(middle - color).max() for color in colors) < 40, [skeleton.joints[j] for j in limb]


def test_missing_keypoints_are_not_drawn(staged: Callable) -> None:
    tracks = staged(np.array([[[0.0, 3.0, 0.0]]]), size=SOURCE).tracks
    wrist = tracks.keypoints_px[0, COCO17.index("left_wrist")].copy()
    keypoints = tracks.keypoints_px.copy()
    keypoints[0, COCO17.index("left_wrist")] = np.nan
    np.testing.assert_array_equal(at(draw(replace(tracks, keypoints_px=keypoints)), wrist), 128)
    keypoints[:] = np.nan
    np.testing.assert_array_equal(draw(replace(tracks, keypoints_px=keypoints)), 128)


def test_keypoints_far_outside_the_picture(staged: Callable) -> None:
    tracks = staged(np.array([[[0.0, 3.0, 0.0]]]), size=SOURCE).tracks
    elbow = tracks.keypoints_px[0, COCO17.index("right_elbow")].copy()
    keypoints = tracks.keypoints_px.copy()
    keypoints[0, COCO17.index("left_wrist")] = 3e9, -1e12
    image = draw(replace(tracks, keypoints_px=keypoints))
    assert np.abs(at(image, elbow) - DARK.person(0).right).max() < 25


def test_filled_in_keypoints_are_hollow(staged: Callable) -> None:
    tracks = staged(np.array([[[0.0, 3.0, 0.0]]]), size=SOURCE).tracks
    observed = tracks.observed.copy()
    observed[0, COCO17.index("left_wrist")] = False
    image = draw(replace(tracks, observed=observed), (1280, 720))
    assert at(image, tracks.keypoints_px[0, COCO17.index("left_wrist")], 4.0).max() < 60
    assert at(image, tracks.keypoints_px[0, COCO17.index("left_elbow")], 4.0).min() > 180


def test_other_frames_stay_as_they_are(staged: Callable) -> None:
    tracks = staged(np.array([[[0.0, 3.0, 0.0]]]), size=SOURCE).tracks
    np.testing.assert_array_equal(draw(tracks, frame=1), 128)


# Simulation of full protanopia, deuteranopia and tritanopia on linear RGB: Machado, Oliveira, Fernandes, "A
# Physiologically-based Model for Simulation of Color Vision Deficiency", IEEE TVCG 15(6), 2009, severity 1.0.
VISION = {
    "protanopia": [[0.152286, 1.052583, -0.204868], [0.114503, 0.786281, 0.099216], [-0.003882, -0.048116, 1.051998]],
    "deuteranopia": [[0.367322, 0.860646, -0.227968], [0.280085, 0.672501, 0.047413], [-0.01182, 0.04294, 0.968881]],
    "tritanopia": [[1.255528, -0.076749, -0.178779], [-0.078411, 0.930809, 0.147602], [0.004733, 0.691367, 0.3039]],
    "full": [[1, 0, 0], [0, 1, 0], [0, 0, 1]],
}


def seen_lab(color: Color, vision: str) -> np.ndarray:
    """CIE L*a*b* of what is seen; distances of 2.3 are just noticeable side by side."""
    rgb = np.array(color[::-1]) / 255
    linear = np.where(rgb <= 0.04045, rgb / 12.92, ((rgb + 0.055) / 1.055) ** 2.4)
    seen = np.clip(np.array(VISION[vision]) @ linear, 0, 1)
    back = np.where(seen <= 0.0031308, 12.92 * seen, 1.055 * seen ** (1 / 2.4) - 0.055)
    return cv2.cvtColor(back[None, None].astype(np.float32), cv2.COLOR_RGB2LAB)[0, 0]


@pytest.mark.parametrize("vision", VISION)
def test_people_and_sides_can_be_told_apart(vision: str) -> None:
    for first, second in itertools.combinations(PEOPLE, 2):
        distance = np.linalg.norm(seen_lab(first.centre, vision) - seen_lab(second.centre, vision))
        assert distance > 14
    for person in PEOPLE:
        left, centre, right = (seen_lab(person.of(side), vision)[0] for side in ("left", "centre", "right"))
        assert left - right > 30
        assert left > centre > right
        assert right - seen_lab(DARK.floor, vision)[0] > 18
