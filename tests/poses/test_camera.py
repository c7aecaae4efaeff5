from __future__ import annotations

import json
import math
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
import yaml

from poses import InputError, Intrinsics

PINHOLE = Intrinsics(800.0, 820.0, 650.0, 350.0, 1280, 720)
LENSES = {
    "mild": (-0.12, 0.03, 0.0008, -0.0005),
    "barrel": (-0.34, 0.14, 0.0, 0.0, -0.028),
    "pincushion": (0.18, 0.05, 0.001, 0.002, 0.01),
    "rational": (0.9, 0.2, 0.0003, -0.0004, 0.02, 1.25, 0.45, 0.08),
}


def lens(distortion: tuple[float, ...]) -> Intrinsics:
    return Intrinsics(800.0, 820.0, 650.0, 350.0, 1280, 720, distortion)


def test_pinhole_by_hand() -> None:
    # 800 * 0.5 / 2 + 650 and 820 * -0.25 / 2 + 350.
    assert PINHOLE.project(np.array([0.5, -0.25, 2.0])).tolist() == [850.0, 247.5]
    assert PINHOLE.project(np.array([[[0.0, 0.0, 7.0]]])).tolist() == [[[650.0, 350.0]]]
    assert PINHOLE.rays(np.array([850.0, 247.5])).tolist() == [0.25, -0.125]
    assert PINHOLE.matrix.tolist() == [[800, 0, 650], [0, 820, 350], [0, 0, 1]]


def test_distortion_by_hand() -> None:
    k1, k2, p1, p2, k3, k4, k5, k6 = LENSES["rational"]
    x, y = 0.31, -0.22
    r2 = x * x + y * y
    # The model as OpenCV's documentation of camera calibration writes it.
    radial = (1 + k1 * r2 + k2 * r2**2 + k3 * r2**3) / (1 + k4 * r2 + k5 * r2**2 + k6 * r2**3)
    bent_x = x * radial + 2 * p1 * x * y + p2 * (r2 + 2 * x * x)
    bent_y = y * radial + p1 * (r2 + 2 * y * y) + 2 * p2 * x * y
    wanted = [800 * bent_x + 650, 820 * bent_y + 350]
    np.testing.assert_allclose(lens(LENSES["rational"]).project(np.array([2 * x, 2 * y, 2.0])), wanted, atol=1e-9)


@pytest.mark.parametrize("name", LENSES)
def test_project_agrees_with_opencv(name: str) -> None:
    points = np.random.default_rng(1).uniform([-1, -0.6, 2], [1, 0.6, 4], (40, 3))
    wanted, _ = cv2.projectPoints(
        points, np.zeros(3), np.zeros(3), np.array([[800.0, 0, 650], [0, 820, 350], [0, 0, 1]]), np.array(LENSES[name])
    )
    np.testing.assert_allclose(lens(LENSES[name]).project(points), wanted[:, 0], atol=1e-9)


@pytest.mark.parametrize("name", LENSES)
def test_rays_invert_project_over_the_whole_picture(name: str) -> None:
    u, v = np.meshgrid(np.linspace(-0.78, 0.78, 15), np.linspace(-0.44, 0.44, 11))
    rays = np.stack([u, v], axis=-1)
    camera = lens(LENSES[name])
    pixels = camera.project(3.0 * np.concatenate([rays, np.ones_like(u)[..., None]], axis=-1))
    np.testing.assert_allclose(camera.rays(pixels), rays, atol=1e-6)


@pytest.mark.parametrize("camera", [PINHOLE, lens(LENSES["mild"])], ids=["pinhole", "lens"])
def test_points_that_cannot_be_seen_are_nan(camera: Intrinsics) -> None:
    points = np.array([[0.1, 0.1, 0.0], [0.1, 0.1, -1.0], [np.nan, 0.1, 1.0], [0.1, 0.1, 1.0]])
    assert np.isnan(camera.project(points)).all(axis=-1).tolist() == [True, True, True, False]
    pixels = np.array([[[np.nan, np.nan]], [[700.0, 300.0]]])
    assert np.isnan(camera.rays(pixels)).all(axis=-1)[:, 0].tolist() == [True, False]
    assert camera.rays(np.zeros((0, 17, 2))).shape == (0, 17, 2)


def test_field_of_view_closed_form() -> None:
    # A right angle along the longer side: focal length is half of that side.
    camera = Intrinsics.from_fov(math.pi / 2, 1920, 1080)
    assert camera.fx == pytest.approx(960)
    assert (camera.fx, camera.cx, camera.cy) == (camera.fy, 960, 540)
    portrait = Intrinsics.from_fov(math.pi / 2, 1080, 1920)
    assert portrait.fx == pytest.approx(960)
    edge = Intrinsics.from_fov(math.radians(60), 1280, 720).rays(np.array([0.0, 360.0]))
    assert math.degrees(math.atan(-edge[0])) == pytest.approx(30)


@pytest.mark.parametrize("fov", [0.0, -1.0, math.pi, float("nan")])
def test_impossible_field_of_view(fov: float) -> None:
    with pytest.raises(ValueError, match="between 0 and pi"):
        Intrinsics.from_fov(fov, 640, 480)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"fx": 0.0}, "positive"),
        ({"fy": -3.0}, "positive"),
        ({"fx": float("nan")}, "positive"),
        ({"fy": float("inf")}, "finite"),
        ({"cx": float("nan")}, "finite"),
        ({"distortion": (0.1, 0.2)}, "0, 4, 5 or 8 coefficients .* got 2"),
        ({"distortion": (0.1, 0.2, 0.0, float("nan"))}, "finite"),
    ],
)
def test_impossible_cameras(change: dict[str, Any], message: str) -> None:
    values = {"fx": 800.0, "fy": 800.0, "cx": 320.0, "cy": 240.0, "width": 640, "height": 480}
    with pytest.raises(ValueError, match=message):
        Intrinsics(**{**values, **change})


VALUES = {"fx": 900.0, "fy": 910.0, "cx": 655.0, "cy": 345.0, "distortion": [-0.1, 0.02, 0.0, 0.001]}


@pytest.mark.parametrize(
    "text",
    [yaml.safe_dump(VALUES), json.dumps(VALUES), json.dumps(VALUES, indent="\t"), json.dumps({**VALUES, "fx": "9e2"})],
    ids=["yaml", "json", "json-with-tabs", "exponent"],
)
def test_camera_file(tmp_path: Path, text: str) -> None:
    path = tmp_path / "camera.yaml"
    path.write_text(text)
    wanted = Intrinsics(900.0, 910.0, 655.0, 345.0, 1280, 720, (-0.1, 0.02, 0.0, 0.001))
    assert Intrinsics.from_file(path, 1280, 720) == wanted


def test_camera_file_is_scaled_to_the_video(tmp_path: Path) -> None:
    path = tmp_path / "camera.json"
    path.write_text(json.dumps({**VALUES, "width": 1280, "height": 720}))
    half = Intrinsics.from_file(path, 640, 360)
    assert (half.fx, half.fy, half.cx, half.cy, half.width, half.height) == (450, 455, 327.5, 172.5, 640, 360)
    assert half.distortion == (-0.1, 0.02, 0.0, 0.001)
    # The same rays fall on half the pixel.
    point = np.array([0.3, -0.2, 1.5])
    whole = Intrinsics.from_file(path, 1280, 720)
    np.testing.assert_allclose(half.project(point), whole.project(point) / 2)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("{unclosed", "neither YAML nor JSON"),
        ("- 1\n- 2\n", "holds fx, fy, cx, cy .* got list"),
        ("", "got NoneType"),
        ("fx: 900\nfy: 900\ncx: 640\n", "got fx, fy, cx"),
        ("fx: 900\nfy: 900\ncx: 640\ncy: 360\nfocal: 3\n", "got fx, fy, cx, cy, focal"),
        ("fx: wide\nfy: 900\ncx: 640\ncy: 360\n", "wide"),
        ("fx: [900]\nfy: 900\ncx: 640\ncy: 360\n", "list"),
        ("fx: 0\nfy: 900\ncx: 640\ncy: 360\n", "positive"),
        ("fx: .nan\nfy: 900\ncx: 640\ncy: 360\n", "positive"),
        ("fx: 900\nfy: 900\ncx: 640\ncy: 360\ndistortion: [0.1]\n", "got 1"),
        ("fx: 900\nfy: 900\ncx: 640\ncy: 360\ndistortion: 0.1\n", "float"),
        ("fx: 900\nfy: 900\ncx: 640\ncy: 360\nwidth: 0\nheight: 0\n", "size"),
        ("fx: 900\nfy: 900\ncx: 640\ncy: 360\nwidth: 1000\nheight: 1000\n", "1000x1000 .* 1280x720"),
        ("fx: 900\nfy: 900\ncx: 640\ncy: 360\nwidth: 720\nheight: 1280\n", "720x1280 .* 1280x720"),
    ],
)
def test_unusable_camera_file(tmp_path: Path, text: str, message: str) -> None:
    path = tmp_path / "camera.yaml"
    path.write_text(text)
    with pytest.raises(InputError, match=message) as caught:
        Intrinsics.from_file(path, 1280, 720)
    assert str(path) in str(caught.value)
    assert caught.value.remedy


def test_missing_and_binary_camera_file(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="No such file"):
        Intrinsics.from_file(tmp_path / "none.yaml", 1280, 720)
    path = tmp_path / "camera.yaml"
    path.write_bytes(b"\x80\x81\xff")
    with pytest.raises(InputError, match="neither YAML nor JSON"):
        Intrinsics.from_file(path, 1280, 720)
