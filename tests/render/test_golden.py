"""Pictures of a known scene against those that were looked at, and proof that the comparison sees what a person would.

What belongs in a picture at all is tested elsewhere by its own geometry; these tests notice what changes by accident.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np
import pytest

from poses import H36M17
from render.options import RenderOptions
from render.style import DARK, Theme
from tests.render.golden import (
    FOLDER,
    FRAME,
    PICTURES,
    SOURCE,
    TOLERANCE,
    Known,
    difference,
    draw,
    known_scene,
    moved,
    picture_of,
)

LARGEST_BYTES = 60_000
DEFAULT = PICTURES["default"]


@pytest.fixture(scope="module")
def known() -> Known:
    return known_scene()


@pytest.fixture(scope="module")
def drawn(known: Known) -> np.ndarray:
    return draw(known, DEFAULT)


@pytest.mark.parametrize("name", PICTURES)
def test_the_picture_is_the_expected_one(name: str, known: Known, tmp_path: Path) -> None:
    path = FOLDER / f"{name}.png"
    assert path.stat().st_size <= LARGEST_BYTES
    expected, image = cv2.imread(str(path)), draw(known, PICTURES[name])
    cv2.imwrite(str(tmp_path / path.name), image)
    assert difference(expected, image) <= TOLERANCE, (
        f"{tmp_path / path.name} differs from {path}; "
        "if it should, look at it and run: python -m tests.render.make_golden"
    )


def test_no_other_pictures_are_kept() -> None:
    assert {path.name for path in FOLDER.iterdir()} == {f"{name}.png" for name in PICTURES}


@pytest.mark.parametrize("seed", range(4))
@pytest.mark.parametrize("name", PICTURES)
def test_rounding_passes(name: str, seed: int, known: Known) -> None:
    """Other machines: channels up to two levels away, positions that fall on the next sixteenth of a pixel."""
    drawn, random = draw(known, PICTURES[name]), np.random.default_rng(seed)
    noisy = np.clip(drawn.astype(np.int64) + random.integers(-2, 3, drawn.shape), 0, 255).astype(np.uint8)
    assert 0 < difference(drawn, noisy) < TOLERANCE / 4
    keypoints, positions = known.tracks.keypoints_px, known.poses.positions_m
    rounded = replace(
        known,
        tracks=replace(known.tracks, keypoints_px=keypoints + random.uniform(-0.02, 0.02, keypoints.shape)),
        poses=replace(known.poses, positions_m=positions + random.uniform(-1e-4, 1e-4, positions.shape)),
    )
    assert 0 < difference(drawn, draw(rounded, PICTURES[name])) < TOLERANCE


@pytest.mark.parametrize("joint", ["right_wrist", "right_elbow", "right_knee", "left_ankle", "head"])
@pytest.mark.parametrize("person", [0, 1])
def test_a_keypoint_shifted_by_three_pixels_fails(known: Known, drawn: np.ndarray, person: int, joint: str) -> None:
    video = picture_of(known, DEFAULT).layout.video
    assert video is not None
    image = draw(moved(known, person, joint, keypoint_px=3 * SOURCE[0] / video.width), DEFAULT)
    assert difference(drawn, image) > TOLERANCE


@pytest.mark.parametrize("joint", ["right_wrist", "right_elbow", "right_knee", "left_ankle", "head"])
@pytest.mark.parametrize("person", [0, 1])
def test_a_limb_shifted_by_three_pixels_in_the_scene_fails(
    known: Known, drawn: np.ndarray, person: int, joint: str
) -> None:
    view = picture_of(known, DEFAULT).scenes[0][1].view(FRAME)
    row = np.flatnonzero((known.poses.person_id == person) & (known.poses.frame == FRAME))[0]
    at_m = known.poses.world_m()[row, H36M17.index(joint)]
    pixels, _ = view.project(at_m + np.array([[0.0, 0.0, 0.0], [0.01, 0.0, 0.0]]))
    metres = 0.01 * 3 / float(np.linalg.norm(pixels[1] - pixels[0]))
    assert 0.005 < metres < 0.1
    assert difference(drawn, draw(moved(known, person, joint, metres=metres), DEFAULT)) > TOLERANCE


def with_sides_swapped(theme: Theme) -> Theme:
    """Person 1 with the shades of left and right exchanged."""
    person = theme.people[1]
    return replace(theme, people=(theme.people[0], replace(person, left=person.right, right=person.left)))


CHANGED_THEMES: dict[str, Callable[[Theme], Theme]] = {
    "people swapped": lambda theme: replace(theme, people=theme.people[1::-1]),
    "sides swapped": with_sides_swapped,
    "no outlines": lambda theme: replace(theme, outline_width=0.0),
    "no joints": lambda theme: replace(theme, joint_size=0.0),
    "no shadows": lambda theme: replace(theme, shadow=0.0),
    "no grid": lambda theme: replace(theme, grid=theme.floor),
    "grid as bright as text": lambda theme: replace(theme, grid=theme.text),
}


@pytest.mark.parametrize("change", CHANGED_THEMES)
def test_another_colour_or_size_fails(known: Known, drawn: np.ndarray, change: str) -> None:
    assert difference(drawn, draw(known, DEFAULT, CHANGED_THEMES[change](DARK))) > TOLERANCE


CHANGED_OPTIONS = {
    "no trail": replace(DEFAULT, trail_s=0.0),
    "half the trail": replace(DEFAULT, trail_s=0.8),
    "no numbers": replace(DEFAULT, labels=False),
    "boxes": replace(DEFAULT, boxes=True),
    "turned by a degree": replace(DEFAULT, view_turn_deg=36.0),
}


@pytest.mark.parametrize("change", CHANGED_OPTIONS)
def test_anything_missing_or_added_fails(known: Known, drawn: np.ndarray, change: str) -> None:
    options: RenderOptions = CHANGED_OPTIONS[change]
    assert difference(drawn, draw(known, options)) > TOLERANCE


def test_a_joint_that_was_seen_after_all_fails(known: Known, drawn: np.ndarray) -> None:
    seen = replace(known, tracks=replace(known.tracks, observed=np.ones_like(known.tracks.observed)))
    assert difference(drawn, draw(seen, DEFAULT)) > TOLERANCE


def test_the_difference_is_that_of_the_means() -> None:
    """A block of 4 x 4 pixels that is 80 levels brighter, a single such pixel, and one channel's line."""
    black = np.zeros((20, 30, 3), np.uint8)
    block, pixel, line = black.copy(), black.copy(), black.copy()
    block[7:11, 9:13] = 80
    pixel[5, 5] = 80
    line[:, 4, 1] = 80
    assert difference(black, block) == pytest.approx(80)
    assert difference(black, pixel) == pytest.approx(5)
    assert difference(line, black) == pytest.approx(20)
    assert difference(line, line) == 0
    with pytest.raises(ValueError, match="different sizes"):
        difference(black, black[:, :-2])
