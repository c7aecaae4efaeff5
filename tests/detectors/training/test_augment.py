"""Views: what is drawn at a keypoint stays at that keypoint."""

import cv2
import numpy as np
import pytest

from detectors.crops import CropGeometry
from detectors.training.augment import View, crop_from_image, draw_view, recolour, show, warp

BOX = np.array([[30.0, 20.0, 90.0, 140.0]])
MIRROR = np.array([0, 2, 1])


def blobs(points: np.ndarray) -> np.ndarray:
    """A dark image with a round, coloured blob at each of three points (corner coordinates): blue, green, red."""
    y, x = np.mgrid[:160, :120] + 0.5
    planes = [255 * np.exp(-((x - px) ** 2 + (y - py) ** 2) / 18) for px, py in points]
    return np.stack(planes, axis=-1).astype(np.uint8)


def centre_of(plane: np.ndarray) -> np.ndarray:
    y, x = np.mgrid[: plane.shape[0], : plane.shape[1]] + 0.5
    plane = plane.astype(float)
    return np.array([(plane * x).sum(), (plane * y).sum()]) / plane.sum()


@pytest.mark.parametrize("flip", [False, True])
@pytest.mark.parametrize("rotation", [-0.6, 0.0, 0.4])
@pytest.mark.parametrize("scale", [0.8, 1.2])
def test_blobs_move_with_their_points(flip: bool, rotation: float, scale: float) -> None:
    points = np.array([[60.3, 80.7], [50.5, 65.25], [72.0, 95.5]])
    geometry = CropGeometry.from_boxes(BOX, (128, 96), padding=0.25)
    affine = crop_from_image(geometry, View(scale, rotation, flip))
    crop = warp(blobs(points), affine, (128, 96))
    moved = show(points, affine, None)
    for colour in range(3):
        assert centre_of(crop[..., colour]) == pytest.approx(moved[colour], abs=0.1)


def test_the_plain_view_is_the_detectors_crop() -> None:
    noise = np.random.default_rng(1).integers(0, 255, (160, 120, 3), np.uint8)
    image = np.asarray(cv2.GaussianBlur(noise, (0, 0), 2))
    geometry = CropGeometry.from_boxes(BOX, (128, 96), padding=0.25)
    ours = warp(image, crop_from_image(geometry, View()), (128, 96))
    assert np.abs(ours.astype(int) - geometry.crop(image)[0]).max() <= 1
    points = np.array([[60.3, 80.7], [50.5, 65.25]])
    assert show(points, crop_from_image(geometry, View()), None) == pytest.approx(geometry.to_crop(points[None])[0])


def test_mirror_swaps_left_and_right() -> None:
    """A mirrored view: x runs the other way about the crop's middle, and left joints are right ones."""
    geometry = CropGeometry(np.array([[0.0, 0.0, 96.0, 128.0]]), (128, 96))
    affine = crop_from_image(geometry, View(flip=True))
    points = np.array([[10.0, 5.0], [20.0, 50.0], [70.0, 50.0]])
    assert show(points, affine, MIRROR).tolist() == [[86.0, 5.0], [26.0, 50.0], [76.0, 50.0]]


def test_views_lie_within_their_limits_and_reach_them() -> None:
    generator = np.random.default_rng(3)
    views = [draw_view(generator, (0.7, 1.35), 45.0, 0.5, 0.2) for _ in range(2000)]
    scales = [view.scale for view in views]
    angles = np.degrees([view.rotation_rad for view in views])
    assert 0.7 <= min(scales) < 0.71
    assert 1.34 < max(scales) <= 1.35
    assert -45 <= angles.min() < -44
    assert 44 < angles.max() <= 45
    assert 0.45 < np.mean([view.flip for view in views]) < 0.55
    assert 0.8 <= min(view.gain for view in views) < 0.81


def test_colour_is_changed_about_the_middle_grey_and_cut_off() -> None:
    image = np.array([[[0, 128, 250]]], np.uint8)
    assert recolour(image, View(gain=1.2)).tolist() == [[[0, 128, 255]]]
    assert recolour(image, View(bias=-0.5)).tolist() == [[[0, 0, 122]]]
