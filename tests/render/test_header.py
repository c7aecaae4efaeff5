"""The line of time and legend."""

from __future__ import annotations

import numpy as np
import pytest

from render.header import Header
from render.style import DARK


def columns_of(image: np.ndarray, color: tuple[int, int, int]) -> np.ndarray:
    return np.flatnonzero((np.abs(image.astype(int) - color).max(axis=-1) < 3).any(axis=0))


def test_legend_shows_left_before_right_for_each_person() -> None:
    image = Header([0, 1], width=1280, height=32, text_height=9, legend_left=700, theme=DARK).draw(3, 0.1)
    edges = []
    for person in (0, 1):
        for side in ("left", "right"):
            columns = columns_of(image, DARK.person(person).of(side))
            assert len(columns) > 10
            edges += [columns[0], columns[-1]]
    assert edges == sorted(edges)
    assert edges[0] > 700


@pytest.mark.parametrize("count", [4, 40])
def test_many_people_fit_or_are_counted(count: int) -> None:
    header = Header(list(range(count)), width=640, height=20, text_height=8, legend_left=360, theme=DARK)
    image = header.draw(0, 0.0)
    used = np.flatnonzero((image != np.array(DARK.header)).any(axis=(0, 2)))
    assert 560 < used[-1] < 636 or count == 4
    assert len(columns_of(image, DARK.person(0).left)) > 5


def test_time_and_frame_change_the_picture() -> None:
    header = Header([], width=640, height=20, text_height=8, legend_left=360, theme=DARK)
    first, again, later = header.draw(0, 0.0), header.draw(0, 0.0), header.draw(1, 0.04)
    np.testing.assert_array_equal(first, again)
    assert (first != later).any()
    assert (first[:, 360:] == np.array(DARK.header)).all()
