"""The two themes: people, sides and text can be told apart by everybody, on each ground."""

from __future__ import annotations

import itertools
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from render.style import DARK, LIGHT, RANGES, Color, Theme, contrast, from_hex, mix, to_hex
from tests.render.color_vision import VISION, seen_lab

BOTH = pytest.mark.parametrize("theme", [DARK, LIGHT], ids=["dark", "light"])
SIDES = ("left", "centre", "right")
READABLE = 4.5  # WCAG 2.2, success criterion 1.4.3, level AA


def test_contrast_is_that_of_the_standard() -> None:
    black, white, grey, red = (from_hex(code) for code in ("#000000", "#FFFFFF", "#777777", "#FF0000"))
    assert contrast(black, white) == contrast(white, black) == pytest.approx(21.0)
    assert contrast(grey, grey) == 1.0
    # Published examples: #777777 on white just fails AA with 4.48; pure red has 4.00.
    assert contrast(grey, white) == pytest.approx(4.48, abs=0.005)
    assert contrast(red, white) == pytest.approx(4.00, abs=0.005)


def test_colours_as_text() -> None:
    assert from_hex("#56B4E9") == (0xE9, 0xB4, 0x56)
    assert to_hex(from_hex("#56B4E9")) == "#56B4E9"


@BOTH
@pytest.mark.parametrize("vision", VISION)
def test_people_and_sides_can_be_told_apart(theme: Theme, vision: str) -> None:
    for first, second in itertools.combinations(theme.people, 2):
        distance = np.linalg.norm(seen_lab(first.centre, vision) - seen_lab(second.centre, vision))
        assert distance > 14
    for person in theme.people:
        left, centre, right = (seen_lab(person.of(side), vision)[0] for side in SIDES)
        assert left - right > 30
        assert left > centre > right


@BOTH
@pytest.mark.parametrize("vision", VISION)
def test_limbs_stand_out_from_the_floor_and_from_their_edge(theme: Theme, vision: str) -> None:
    """The edge parts limbs from any video, so the shades must part from it, and from the grounds of the scene."""
    for person, side in itertools.product(theme.people, SIDES):
        lightness = seen_lab(person.of(side), vision)[0]
        for ground in (theme.floor, theme.background):
            assert abs(lightness - seen_lab(ground, vision)[0]) > 15
        assert lightness - seen_lab(theme.outline, vision)[0] > 15


@BOTH
def test_trails_and_far_people_remain_visible(theme: Theme) -> None:
    def distance(first: Color, second: Color) -> float:
        return float(np.linalg.norm(seen_lab(first, "full") - seen_lab(second, "full")))

    for person in theme.people:
        assert distance(mix(theme.floor, person.centre, 0.3), theme.floor) > 5
        for side in SIDES:
            assert distance(mix(person.of(side), theme.background, 0.35), theme.floor) > 10
    assert distance(theme.grid, theme.floor) > 10


@BOTH
def test_text_can_be_read(theme: Theme) -> None:
    for ground in (theme.header, theme.background, theme.floor):
        assert contrast(theme.text, ground) >= READABLE
        assert contrast(theme.faint_text, ground) >= READABLE
    for person in theme.people:
        # The numbers above the heads, and the letters in the legend.
        assert contrast(theme.outline, person.left) >= READABLE
        for side in ("left", "right"):
            assert contrast(theme.ink_on(person.of(side)), person.of(side)) >= READABLE


def test_the_light_theme_is_light_all_over() -> None:
    grounds = {name: getattr(LIGHT, name) for name in ("background", "header", "floor", "grid")}
    for name, color in grounds.items():
        assert seen_lab(color, "full")[0] > 75, name
    assert seen_lab(LIGHT.text, "full")[0] < 25
    assert LIGHT.shadow < DARK.shadow


def test_people_repeat_after_the_last() -> None:
    assert LIGHT.person(7) == LIGHT.people[1]
    assert replace(LIGHT, people=LIGHT.people[:1]).person(5) == LIGHT.people[0]


@pytest.mark.parametrize("name", RANGES)
def test_numbers_outside_their_range(name: str) -> None:
    low, high = RANGES[name]
    assert low <= getattr(DARK, name) <= high
    for value in (low - 0.01, high + 0.01, float("nan")):
        change: dict[str, Any] = {name: value}
        with pytest.raises(ValueError, match=rf"{name} must lie between {low:g} and {high:g}, got"):
            replace(DARK, **change)
    with pytest.raises(ValueError, match="at least one person"):
        replace(DARK, people=())
