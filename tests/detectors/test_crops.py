"""Crops against affine maps written down by hand, and against pictures whose values are their positions."""

from __future__ import annotations

import numpy as np
import pytest

from detectors.crops import CropGeometry, crop_from_heatmap, heatmap_from_crop


def test_a_tall_box_is_widened_to_the_shape_of_the_network() -> None:
    # 100 wide and 400 high, padded by a quarter: 500 high, and 288/384 of that wide.
    geometry = CropGeometry.from_boxes(np.array([[300, 100, 400, 500]]), (384, 288), 0.25)
    np.testing.assert_allclose(geometry.box_px, [[350 - 187.5, 300 - 250, 350 + 187.5, 300 + 250]])


def test_a_wide_box_is_heightened() -> None:
    geometry = CropGeometry.from_boxes(np.array([[0, 0, 288, 10]]), (384, 288))
    assert geometry.box_px.tolist() == [[0, 5 - 192, 288, 5 + 192]]


def test_points_map_by_the_closed_form_affine() -> None:
    geometry = CropGeometry.from_boxes(np.array([[0, 0, 96, 128], [100, 200, 196, 328]]), (64, 48))
    points = np.array([[[0, 0], [48, 64], [12, 16.5]]] * 2)
    expected = np.array([[[0, 0], [96, 128], [24, 33]], [[100, 200], [196, 328], [124, 233]]])
    assert np.array_equal(geometry.to_image(points), expected)


def test_round_trip_keeps_points_and_missing_ones() -> None:
    rng = np.random.default_rng(0)
    corner = rng.uniform(-50, 600, (20, 2))
    boxes = np.concatenate([corner, corner + rng.uniform(5, 700, (20, 2))], axis=1)
    geometry = CropGeometry.from_boxes(boxes, (256, 192), 0.3)
    points = rng.uniform(-10, 300, (20, 17, 2))
    points[3, 4] = np.nan
    np.testing.assert_allclose(geometry.to_crop(geometry.to_image(points)), points, atol=1e-9)
    ratio = np.diff(geometry.box_px[:, [0, 2]])[:, 0] / np.diff(geometry.box_px[:, [1, 3]])[:, 0]
    np.testing.assert_allclose(ratio, 192 / 256)
    low, high = geometry.box_px[:, :2], geometry.box_px[:, 2:]
    assert (low < boxes[:, :2]).all()
    assert (high > boxes[:, 2:]).all()


@pytest.mark.parametrize("box", [[40, 60, 136, 188], [-13.3, 20.2, 101.7, 170.9], [80, 80, 90.5, 101]])
def test_pixels_come_from_where_the_points_say(box: list[float]) -> None:
    # A picture whose red and green are the positions of the middles of its pixels.
    height, width = 200, 180
    columns, rows = np.meshgrid(np.arange(width) + 0.5, np.arange(height) + 0.5)
    image = np.stack([columns, rows, np.ones_like(rows)], axis=-1).astype(np.float32)
    geometry = CropGeometry.from_boxes(np.array([box]), (64, 48), 0.25)
    (crop,) = geometry.crop(image)
    u, v = np.meshgrid(np.arange(48) + 0.5, np.arange(64) + 0.5)
    expected = geometry.to_image(np.stack([u, v], axis=-1).reshape(1, -1, 2)).reshape(64, 48, 2)
    inside = ((expected > 1) & (expected < [width - 1, height - 1])).all(axis=-1)
    assert inside.sum() > 1000
    # OpenCV places samples on a grid of 1/32 of a pixel.
    assert np.abs(crop[..., :2] - expected)[inside].max() < 1 / 32


def test_the_identity_leaves_every_pixel_as_it_is() -> None:
    image = np.random.default_rng(1).integers(0, 256, (64, 48, 3), dtype=np.uint8)
    (crop,) = CropGeometry.from_boxes(np.array([[0, 0, 48, 64]]), (64, 48)).crop(image)
    assert np.array_equal(crop, image)


def test_outside_of_the_image_is_filled() -> None:
    image = np.full((64, 48, 3), 200, np.uint8)
    (crop,) = CropGeometry.from_boxes(np.array([[-48, 0, 0, 64]]), (64, 48)).crop(image, fill=(10, 20, 30))
    assert (crop[:, :-1] == [10, 20, 30]).all()


def test_no_boxes_give_no_crops() -> None:
    geometry = CropGeometry.from_boxes(np.zeros((0, 4)), (64, 48), 0.25)
    assert len(geometry) == 0
    assert geometry.crop(np.zeros((10, 10, 3), np.uint8)).shape == (0, 64, 48, 3)
    assert geometry.to_image(np.zeros((0, 17, 2))).shape == (0, 17, 2)


@pytest.mark.parametrize("box", [[0, 0, 0, 10], [5, 5, 4, 9], [0, np.nan, 10, 10]])
def test_a_box_without_an_inside_is_refused(box: list[float]) -> None:
    with pytest.raises(ValueError, match="x1 < x2"):
        CropGeometry.from_boxes(np.array([box]), (64, 48))


def test_heatmap_pixels_are_counted_from_their_middles() -> None:
    # Heatmap pixel (0, 0) covers the first 4 x 4 pixels of the crop, whose middle is (2, 2).
    corners = crop_from_heatmap(np.array([[0.0, 0.0], [71.0, 95.0], [-0.5, -0.5]]), (96, 72), (384, 288))
    assert corners.tolist() == [[2, 2], [286, 382], [0, 0]]
    assert heatmap_from_crop(corners, (96, 72), (384, 288)).tolist() == [[0, 0], [71, 95], [-0.5, -0.5]]
