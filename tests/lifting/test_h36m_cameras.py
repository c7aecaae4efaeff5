from __future__ import annotations

import dataclasses

import cv2
import numpy as np
import pytest
import torch
from scipy.spatial.transform import Rotation

from lifting.data.cameras import DatasetCamera, mirror_intrinsics, project, screen_to_pixels, to_screen
from lifting.data.datasets import H36M, H36M_JOINTS, H36M_KEPT, HUMANEVA
from poses import H36M17

RANDOM = np.random.default_rng(4)
POINTS = np.concatenate([RANDOM.uniform(-1.2, 1.2, (50, 2)), RANDOM.uniform(3, 6, (50, 1))], axis=1)


def published(array: np.ndarray | None) -> np.ndarray:
    assert array is not None
    return array


CAMERAS = [camera for subject in ("S1", "S11") for camera in H36M.cameras(subject)]


def test_the_camera_ids_and_pictures_are_the_datasets() -> None:
    found = [(camera.name, camera.width, camera.height) for camera in H36M.cameras("S5")]
    assert found == [
        ("54138969", 1000, 1002),
        ("55011271", 1000, 1000),
        ("58860488", 1000, 1000),
        ("60457274", 1000, 1002),
    ]


def test_kept_joints_are_those_the_field_keeps() -> None:
    # The reference implementation removes these 15 of the 32.
    removed = {4, 5, 9, 10, 11, 16, 20, 21, 22, 23, 24, 28, 29, 30, 31}
    assert list(H36M_KEPT) == sorted(set(range(H36M_JOINTS)) - removed)
    assert len(H36M_KEPT) == len(H36M17)


@pytest.mark.parametrize("camera", CAMERAS)
def test_world_to_camera_agrees_with_scipy(camera: DatasetCamera) -> None:
    w, x, y, z = published(camera.orientation)
    rotation = Rotation.from_quat([x, y, z, w])
    np.testing.assert_allclose(
        camera.to_camera(POINTS), rotation.inv().apply(POINTS - published(camera.translation_m)), atol=1e-6
    )
    np.testing.assert_allclose(camera.to_world(camera.to_camera(POINTS)), POINTS, atol=1e-6)


@pytest.mark.parametrize("camera", [*CAMERAS, *HUMANEVA.cameras("Train/S2")])
def test_cameras_look_at_the_middle_of_the_room(camera: DatasetCamera) -> None:
    x, y, z = camera.to_camera(np.array([0.0, 0.0, 1.0]))
    assert 3 < z < 7
    assert abs(x / z) < 0.35
    assert abs(y / z) < 0.35
    up = camera.to_camera(np.array([0.0, 0.0, 2.0])) - camera.to_camera(np.array([0.0, 0.0, 1.0]))
    assert up[1] < -0.9


@pytest.mark.parametrize("camera", CAMERAS[:4])
def test_projection_without_tangential_distortion_is_opencvs(camera: DatasetCamera) -> None:
    intrinsics = published(camera.intrinsics).copy()
    intrinsics[7:] = 0
    focal_px = intrinsics[:2] * camera.width / 2
    centre_px = screen_to_pixels(intrinsics[2:4], camera.width, camera.height)
    matrix = np.array([[focal_px[0], 0, centre_px[0]], [0, focal_px[1], centre_px[1]], [0, 0, 1]], dtype=np.float64)
    k1, k2, k3 = intrinsics[4:7].tolist()
    expected = cv2.projectPoints(POINTS, np.zeros(3), np.zeros(3), matrix, np.array([k1, k2, 0, 0, k3]))[0][:, 0]
    straight = dataclasses.replace(camera, intrinsics=intrinsics)
    np.testing.assert_allclose(straight.project_px(POINTS), expected, atol=1e-3)
    linear = POINTS[:, :2] / POINTS[:, 2:] * focal_px + centre_px
    np.testing.assert_allclose(camera.project_px(POINTS, linear=True), linear, atol=1e-3)


def test_distortion_by_hand() -> None:
    # x = 0.3, y = -0.4: r² = 0.25; radial 1 + 0.2·0.25 + 0.4·0.0625 + 0.8·0.015625 = 1.0875;
    # tangential 0.1·0.3 - 0.2·0.4.
    intrinsics = torch.tensor([[2.0, 3.0, 0.5, -0.5, 0.2, 0.4, 0.8, 0.1, 0.2]], dtype=torch.float64)
    point = torch.tensor([[0.6, -0.8, 2.0]], dtype=torch.float64)
    bend = 1.0875 + 0.03 - 0.08
    expected = [2 * (0.3 * bend + 0.1 * 0.25) + 0.5, 3 * (-0.4 * bend + 0.2 * 0.25) - 0.5]
    assert project(point, intrinsics)[0].tolist() == pytest.approx(expected, abs=1e-12)


def test_directions_beyond_45_degrees_are_held() -> None:
    intrinsics = torch.tensor([[1.0, 1, 0, 0, 0, 0, 0, 0, 0]])
    assert project(torch.tensor([[50.0, -9, 1]]), intrinsics, linear=True).tolist() == [[1, -1]]


def test_projection_of_batches_and_its_gradient() -> None:
    intrinsics = torch.from_numpy(np.stack([published(c.intrinsics) for c in CAMERAS[:4]])).double()
    points = torch.from_numpy(POINTS[:24].reshape(4, 3, 2, 3)).requires_grad_()
    together = project(points, intrinsics)
    for one, camera, whole in zip(points, intrinsics, together, strict=True):
        torch.testing.assert_close(project(one[None], camera[None])[0], whole)
    assert torch.autograd.gradcheck(lambda p: project(p, intrinsics), (points,))


def test_mirrored_camera_shows_the_mirrored_scene() -> None:
    intrinsics = torch.from_numpy(published(CAMERAS[0].intrinsics)[None]).double()
    points = torch.from_numpy(POINTS[None])
    flipped = project(points * torch.tensor([-1.0, 1, 1]), mirror_intrinsics(intrinsics))
    torch.testing.assert_close(flipped, project(points, intrinsics) * torch.tensor([-1.0, 1]))


def test_screen_coordinates() -> None:
    corners = np.array([[0.0, 0], [1000, 1002], [500, 501]])
    np.testing.assert_allclose(to_screen(corners, 1000, 1002), np.array([[-1, -1.002], [1, 1.002], [0, 0]]), atol=1e-12)
    np.testing.assert_allclose(screen_to_pixels(to_screen(corners, 1000, 1002), 1000, 1002), corners, atol=1e-9)


def test_shapes_that_do_not_belong_together() -> None:
    with pytest.raises(ValueError, match=r"\(2, 5, 3\) and \(3, 9\)"):
        project(torch.zeros(2, 5, 3), torch.zeros(3, 9))


def test_places_that_were_not_published() -> None:
    with pytest.raises(ValueError, match="54138969"):
        H36M.cameras("S2")[0].to_camera(POINTS)
    with pytest.raises(KeyError):
        H36M.cameras("S99")
    assert HUMANEVA.cameras("Unlabeled/Validate/S1")[0] is HUMANEVA.cameras("Train/S1")[0]
