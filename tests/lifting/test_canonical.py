from __future__ import annotations

import math

import numpy as np
import pytest
from scipy.signal import resample as fourier_resample

from lifting.canonical import REFERENCE_FOCAL, regular_times, resample, to_canonical, unrolled_from_camera
from lifting.ground import up_from_angles
from poses import Intrinsics
from tests.motion import camera_from_world, coco_joints, transform_points, walker


def signal(times_s: np.ndarray) -> np.ndarray:
    """(T, 2) of components up to 4 Hz, as a person's joints have them."""
    t = 2 * np.pi * times_s
    x = 0.3 * np.sin(0.7 * t) + 0.1 * np.cos(2.1 * t + 0.4) + 0.02 * np.sin(4.0 * t)
    return np.stack([x, 0.2 * np.cos(1.3 * t)], axis=-1)


def variable_times(rate_hz: float, seconds: float) -> np.ndarray:
    """Frame times with steps between 0.6 and 1.4 of the mean one."""
    steps = np.random.default_rng(4).uniform(0.6, 1.4, int(seconds * rate_hz)) / rate_hz
    return np.concatenate([[0.0], np.cumsum(steps)])


@pytest.mark.parametrize(("pitch_rad", "roll_rad"), [(0.0, 0.4), (-0.5, -1.0), (0.3, math.pi / 2)])
def test_verticals_stand_once_the_roll_is_taken_out(pitch_rad: float, roll_rad: float) -> None:
    up = unrolled_from_camera(roll_rad) @ up_from_angles(pitch_rad, roll_rad)
    np.testing.assert_allclose(up, up_from_angles(pitch_rad, 0.0), atol=1e-12)


def test_no_roll_changes_no_bit() -> None:
    points_px = np.random.default_rng(0).uniform(0, 700, (50, 2))
    camera = Intrinsics.from_fov(1.0, 1280, 720)
    np.testing.assert_array_equal(to_canonical(points_px, camera), camera.rays(points_px) * REFERENCE_FOCAL)


@pytest.mark.parametrize("rate_hz", [24.0, 30000 / 1001, 50.0, 60.0, 120.0, 240.0])
def test_known_signal_comes_back_at_50_hz(rate_hz: float) -> None:
    at_s = 7.5 + np.arange(int(4 * rate_hz)) / rate_hz
    to_s = regular_times(at_s, 50.0)
    inner = (to_s > at_s[0] + 0.1) & (to_s < at_s[-1] - 0.1)
    error = np.abs(resample(signal(at_s), at_s, to_s) - signal(to_s))
    assert error[inner].max() < 0.004
    assert error[to_s <= at_s[-1]].max() < 0.015, "the ends too"


@pytest.mark.parametrize("rate_hz", [30.0, 60.0])
def test_variable_rate_comes_back_too(rate_hz: float) -> None:
    at_s = variable_times(rate_hz, 4.0)
    to_s = regular_times(at_s, 50.0)
    inner = (to_s > 0.1) & (to_s < at_s[-1] - 0.1)
    assert np.abs(resample(signal(at_s), at_s, to_s) - signal(to_s))[inner].max() < 0.005


def test_there_and_back_again() -> None:
    at_s = variable_times(30.0, 3.0)
    to_s = regular_times(at_s, 50.0)
    back = resample(resample(signal(at_s), at_s, to_s), to_s, at_s)
    assert np.abs(back - signal(at_s))[3:-3].max() < 0.003


def test_same_times_change_nothing() -> None:
    at_s = np.arange(60) / 50
    np.testing.assert_allclose(resample(signal(at_s), at_s, regular_times(at_s, 50.0)), signal(at_s), atol=1e-9)


@pytest.mark.parametrize(("noise_hz", "left"), [(40.0, 0.5), (50.0, 0.1), (100.0, 0.1)])
def test_what_50_hz_cannot_show_is_attenuated(noise_hz: float, left: float) -> None:
    at_s = np.arange(960) / 240
    to_s = regular_times(at_s, 50.0)
    noise = np.sin(2 * np.pi * noise_hz * at_s + 0.3)
    inner = slice(5, -5)
    assert np.abs(resample(noise, at_s, to_s)[inner]).max() < left
    # Without the average nearly all of it would fold into the band.
    folded = np.interp(to_s, at_s, noise)
    assert np.abs(folded[inner]).max() > 0.29


def test_white_noise_of_a_fast_camera_is_reduced() -> None:
    at_s = np.arange(2400) / 240
    to_s = regular_times(at_s, 50.0)
    noise = np.random.default_rng(2).normal(size=2400)
    kept = resample(noise, at_s, to_s)[10:-10].std()
    # An ideal low pass at 25 Hz would keep this much.
    ideal = fourier_resample(noise, 500).std()
    assert 0.8 * ideal < kept < 1.3 * ideal


def test_regular_times_cover_the_span() -> None:
    np.testing.assert_allclose(regular_times(np.array([1.0, 1.04]), 50.0), [1.0, 1.02, 1.04])
    np.testing.assert_allclose(regular_times(np.array([1.0, 1.041]), 50.0), [1.0, 1.02, 1.04, 1.06])
    assert regular_times(np.array([3.0]), 50.0).tolist() == [3.0]


def test_held_beyond_the_ends_and_for_short_signals() -> None:
    values = np.array([[1.0, 2.0], [3.0, 4.0]])
    got = resample(values, np.array([0.0, 0.04]), np.array([-1.0, 0.0, 0.02, 0.04, 9.0]))
    np.testing.assert_allclose(got, [[1, 2], [1, 2], [2, 3], [3, 4], [3, 4]])
    assert resample(values[:1], np.array([5.0]), np.array([5.0, 5.02])).tolist() == [[1, 2], [1, 2]]


def test_canonical_by_hand() -> None:
    camera = Intrinsics(1000.0, 500.0, 320.0, 240.0, 640, 480)
    got = to_canonical(np.array([[320.0, 240.0], [420.0, 140.0], [np.nan, 1.0]]), camera)
    np.testing.assert_allclose(got[:2] / REFERENCE_FOCAL, [[0.0, 0.0], [0.1, -0.2]])
    assert np.isnan(got[2]).any()


def test_human36m_camera_gives_the_reference_implementations_screen_coordinates() -> None:
    """Camera 1 of Human3.6M (54138969), and the reference implementation's x / w * 2 - 1 without its small offset."""
    camera = Intrinsics(1145.04940459, 1143.78109572, 512.541504956, 515.4514869, 1000, 1002)
    pixel = np.array([700.0, 300.0])
    screen = (pixel / 1000 * 2 - [1, 1002 / 1000]) - (np.array([512.541504956, 515.4514869]) / 500 - [1, 1.002])
    np.testing.assert_allclose(to_canonical(pixel, camera), screen, rtol=2e-3)


@pytest.mark.parametrize(
    "camera",
    [
        Intrinsics(500.0, 500.0, 320.0, 240.0, 640, 480),
        Intrinsics(2900.0, 2900.0, 540.0, 960.0, 1080, 1920),
        Intrinsics(1500.0, 1480.0, -200.0, 900.0, 700, 500),
        Intrinsics(800.0, 800.0, 640.0, 360.0, 1280, 720, (-0.31, 0.12, 0.001, -0.001, -0.02)),
    ],
    ids=["small", "portrait", "crop", "lens"],
)
def test_every_camera_gives_the_same_canonical_keypoints(camera: Intrinsics) -> None:
    joints = transform_points(camera_from_world(0.4, -0.1), coco_joints(walker(1.0, 30.0)))
    wanted = REFERENCE_FOCAL * joints[..., :2] / joints[..., 2:]
    np.testing.assert_allclose(to_canonical(camera.project(joints), camera), wanted, atol=1e-5)
