"""Pixels of the 2D panel, and the colours of people."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest

from poses import COCO17, Skeleton, Tracks
from poses.skeleton import SKELETONS
from render.overlay import Overlay
from render.style import DARK

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


def test_unsure_joints_are_smaller_and_darker(staged: Callable) -> None:
    """Discs alone, without limbs: the lower the score, the less ink, and the farther from the side's colour."""
    tracks = staged(np.array([[[0.0, 3.0, 0.0]]]), size=SOURCE).tracks
    wrist = COCO17.index("left_wrist")
    keypoints = np.full_like(tracks.keypoints_px, np.nan)
    keypoints[0, wrist] = 80, 90
    # No limb joins it to the wrist; it only says how large the person is.
    keypoints[0, COCO17.index("right_ankle")] = 240, 170
    ink, off = [], []
    for score in (1.0, 0.5, 0.1, np.nan):
        scores = np.full_like(tracks.keypoint_score, score)
        image = draw(replace(tracks, keypoints_px=keypoints, keypoint_score=scores), (1280, 720))
        ink.append(int((image[:, :640] != 128).any(axis=-1).sum()))
        off.append(int(np.abs(at(image, keypoints[0, wrist], 4.0) - DARK.person(0).left).max()))
    assert ink == sorted(ink, reverse=True)
    assert ink[0] > 1.4 * ink[2] > 0
    assert off == sorted(off)
    assert off[0] < 5
    assert off[2] > 60


def test_boxes_surround_the_keypoints(staged: Callable) -> None:
    tracks = staged(np.array([[[-1.0, 7.0, 0.0]], [[1.2, 8.0, 0.0]]]), size=SOURCE).tracks
    grey = np.full((SOURCE[1], SOURCE[0], 3), 128, np.uint8)
    plain = Overlay(tracks, SOURCE, PANEL, DARK, label_height=0).draw(grey, 0).astype(int)
    boxed = Overlay(tracks, SOURCE, PANEL, DARK, label_height=0, boxes=True).draw(grey, 0).astype(int)
    for row in range(2):
        points = 2 * tracks.keypoints_px[row]
        low, high = points.min(axis=0), points.max(axis=0)
        x, y = ((low + high) / 2).astype(int)
        # From the middle of each side outwards: the line comes after the keypoints, by less than a tenth of the height.
        room = int(0.1 * (high - low).max()) + 6
        outwards = [
            (slice(int(low[1]) - room, int(low[1])), x),
            (slice(int(high[1]) + 1, int(high[1]) + room), x),
            (y, slice(int(low[0]) - room, int(low[0]))),
            (y, slice(int(high[0]) + 1, int(high[0]) + room)),
        ]
        for way in outwards:
            color = DARK.person(row).centre
            assert np.abs(boxed[way] - color).max(axis=-1).min() < 60
            assert np.abs(plain[way] - color).max(axis=-1).min() > 60


def test_other_frames_stay_as_they_are(staged: Callable) -> None:
    tracks = staged(np.array([[[0.0, 3.0, 0.0]]]), size=SOURCE).tracks
    np.testing.assert_array_equal(draw(tracks, frame=1), 128)
