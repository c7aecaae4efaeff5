"""Likeness of poses and the layout of tiles, by hand-worked values."""

from __future__ import annotations

import numpy as np
import pytest

from detectors.oks import (
    COCO_SIGMAS,
    keypoint_boxes,
    pairwise_iou,
    pairwise_oks,
    person_size_px,
    suppress_duplicates,
)
from detectors.tiles import Tile, tile_layout
from tests.detectors.walker import walk


def test_oks_of_a_known_shift() -> None:
    person = walk(np.zeros(1))
    scale = person_size_px(person)[0] / 2
    shifted = person + np.array([7.0, 0.0])
    expected = np.exp(-49 / (2 * (2 * COCO_SIGMAS * scale) ** 2)).mean()
    assert pairwise_oks(person, shifted)[0, 0] == pytest.approx(expected)
    assert pairwise_oks(person, person)[0, 0] == pytest.approx(1.0)


def test_oks_counts_common_joints_only() -> None:
    person = walk(np.zeros(1))
    part = person.copy()
    part[0, 5:] = np.nan
    assert pairwise_oks(person, part)[0, 0] == pytest.approx(1.0)
    assert pairwise_oks(person, np.full_like(person, np.nan))[0, 0] == 0.0


def test_iou() -> None:
    boxes = np.array([[0.0, 0, 10, 10]])
    others = np.array([[5.0, 0, 15, 10], [20, 20, 30, 30], [0, 0, 10, 10]])
    np.testing.assert_allclose(pairwise_iou(boxes, others), [[1 / 3, 0, 1]])


def test_boxes_are_padded_by_the_longer_side() -> None:
    points = np.array([[10.0, 20], [np.nan, np.nan], [30, 120]])
    np.testing.assert_allclose(keypoint_boxes(points, 0.1), [0, 10, 40, 130])
    assert np.isnan(keypoint_boxes(np.full((3, 2), np.nan))).all()


def test_duplicates_go_and_neighbours_stay() -> None:
    t = np.zeros(1)
    person, neighbour = walk(t, 0.0, (0, 5))[0], walk(t, 0.0, (0.7, 5))[0]
    people = np.stack([person + 4, neighbour, person])
    kept = suppress_duplicates(people, np.array([0.8, 0.7, 0.9]), 0.6, 0.75, 0.8)
    assert kept.tolist() == [2, 1]


@pytest.mark.parametrize("size", [(1920, 1080), (1080, 1920), (640, 640), (2560, 1080), (337, 601)])
@pytest.mark.parametrize("layout", ["coarse", "fine"])
def test_tiles_cover_the_frame_and_stay_inside(size: tuple[int, int], layout: str) -> None:
    width, height = size
    covered = np.zeros((height, width), bool)
    tiles = tile_layout(width, height, layout)
    assert tiles[0] == Tile(0, 0, width, height)
    for tile in tiles[1:]:
        assert tile.width == tile.height
        assert 0 <= tile.x <= width - tile.width
        assert 0 <= tile.y <= height - tile.height
        covered[tile.y : tile.y + tile.height, tile.x : tile.x + tile.width] = True
    assert covered.all() or len(tiles) == 1
    assert len(set(tiles)) == len(tiles)


def test_small_frames_are_not_cut_up() -> None:
    assert tile_layout(300, 200, "fine") == [Tile(0, 0, 300, 200)]
    assert tile_layout(1768, 994, "none") == [Tile(0, 0, 1768, 994)]
