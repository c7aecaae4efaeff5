"""Cameras of the motion-capture datasets: where they stand, how they project, the screen coordinates of their pictures.

Screen coordinates are those of the published checkpoints: x from -1 to 1 over the picture's width, y in the same unit,
so that the aspect is kept. Projection follows Human3.6M's own distortion model. With (x, y) = (X / Z, Y / Z) and
r² = x² + y²:

    (u, v) = focal * ((x, y) * (1 + k1 r² + k2 r⁴ + k3 r⁶ + p1 x + p2 y) + (p1, p2) r²) + centre

which is close to, but not, OpenCV's model (that one has twice the tangential term in the first bracket).

Shape letters: T frames, J joints, B batch.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import torch
import yaml
from torch import Tensor

INTRINSICS = 9
"""Length of a vector of intrinsics: focal length (2), centre (2), in screen units; radial (3), tangential (2)."""


@dataclass(frozen=True)
class DatasetCamera:
    """One camera as it stood for one subject.

    Attributes
    ----------
    name : the dataset's identifier.
    width, height : of its picture, pixels.
    orientation : (4,) quaternion (w, x, y, z) of the rotation from camera to world axes; None where unpublished.
    translation_m : (3,) place in the world; None where unpublished.
    intrinsics : (9,) float32 in screen units (see `INTRINSICS`); None where unpublished.
    """

    name: str
    width: int
    height: int
    orientation: np.ndarray | None
    translation_m: np.ndarray | None
    intrinsics: np.ndarray | None

    @cached_property
    def world_from_camera(self) -> np.ndarray:
        """(3, 3) float64 rotation. `ValueError` where the place is unpublished."""
        if self.orientation is None:
            raise ValueError(f"where camera {self.name} stood was not published for this subject")
        w, x, y, z = self.orientation
        cross = np.array([[0, -z, y], [z, 0, -x], [-y, x, 0]], dtype=np.float64)
        return np.eye(3) + 2 * (w * cross + cross @ cross)

    def to_camera(self, world_m: np.ndarray) -> np.ndarray:
        """World points (..., 3) in the camera frame (x right, y down, z forward), metres, float64."""
        return (np.asarray(world_m, dtype=np.float64) - self._place()) @ self.world_from_camera

    def to_world(self, camera_m: np.ndarray) -> np.ndarray:
        """Camera-frame points (..., 3) in the world, metres, float64."""
        return np.asarray(camera_m, dtype=np.float64) @ self.world_from_camera.T + self._place()

    def project_px(self, camera_m: np.ndarray, linear: bool = False) -> np.ndarray:
        """Camera-frame points (..., 3) to pixels (..., 2), float64. `ValueError` without intrinsics."""
        if self.intrinsics is None:
            raise ValueError(f"camera {self.name} has no published intrinsics")
        points = torch.from_numpy(np.asarray(camera_m, dtype=np.float64).reshape(1, -1, 3))
        screen = project(points, torch.from_numpy(self.intrinsics.astype(np.float64))[None], linear).numpy()
        return screen_to_pixels(screen.reshape(*np.shape(camera_m)[:-1], 2), self.width, self.height)

    def _place(self) -> np.ndarray:
        if self.translation_m is None:
            raise ValueError(f"where camera {self.name} stood was not published for this subject")
        return self.translation_m


def project(points: Tensor, intrinsics: Tensor, linear: bool = False) -> Tensor:
    """Camera-frame points (B, ..., 3) to screen coordinates (B, ..., 2) through intrinsics (B, 9); differentiable.

    `linear` leaves the distortion out. Viewing directions beyond 45 degrees are held at 45, as in the published
    training of the back-projection loss, so that a wrong pose at the start cannot throw the loss to infinity.
    """
    if points.shape[-1] != 3 or intrinsics.shape != (points.shape[0], INTRINSICS):
        raise ValueError(
            f"expected points (B, ..., 3) and intrinsics (B, {INTRINSICS}), "
            f"got {tuple(points.shape)} and {tuple(intrinsics.shape)}"
        )
    camera = intrinsics.reshape(len(intrinsics), *[1] * (points.ndim - 2), INTRINSICS)
    focal, centre = camera[..., 0:2], camera[..., 2:4]
    direction = (points[..., :2] / points[..., 2:]).clamp(-1, 1)
    if linear:
        return focal * direction + centre
    k1, k2, k3 = camera[..., 4:5], camera[..., 5:6], camera[..., 6:7]
    tangential = camera[..., 7:9]
    r2 = direction.square().sum(dim=-1, keepdim=True)
    radial = 1 + r2 * (k1 + r2 * (k2 + r2 * k3))
    bend = radial + (tangential * direction).sum(dim=-1, keepdim=True)
    return focal * (direction * bend + tangential * r2) + centre


def to_screen(points_px: np.ndarray, width: int, height: int) -> np.ndarray:
    """Pixels (..., 2) to screen coordinates: x 0..width to -1..1, y in the same unit about the picture's middle."""
    return points_px * (2 / width) - np.array([1, height / width], dtype=points_px.dtype)


def screen_to_pixels(points: np.ndarray, width: int, height: int) -> np.ndarray:
    """Inverse of `to_screen`."""
    return (points + np.array([1, height / width], dtype=points.dtype)) * (width / 2)


def mirror_intrinsics(intrinsics: Tensor) -> Tensor:
    """Intrinsics (..., 9) of the mirrored picture: centre and tangential distortion change sign along x."""
    return intrinsics * intrinsics.new_tensor([1, 1, -1, 1, 1, 1, 1, -1, 1])


def load_cameras(path: Path) -> dict[str, tuple[DatasetCamera, ...]]:
    """The cameras of each subject from one of this folder's YAML files, in the dataset's order."""
    data = yaml.safe_load(path.read_text(encoding="utf-8"))
    places: dict[str, list[Mapping[str, Any]]] = dict(data["subjects"])
    places |= {subject: [{} for _ in data["cameras"]] for subject in data["uncalibrated"]}
    return {
        subject: tuple(_camera(lens, place) for lens, place in zip(data["cameras"], of_subject, strict=True))
        for subject, of_subject in places.items()
    }


def _camera(lens: Mapping[str, Any], place: Mapping[str, Any]) -> DatasetCamera:
    width, height = lens["width"], lens["height"]
    intrinsics = None
    if "focal_px" in lens:
        centre = to_screen(np.array(lens["centre_px"]), width, height)
        focal = np.array(lens["focal_px"]) * (2 / width)
        intrinsics = np.concatenate([focal, centre, lens["radial"], lens["tangential"]]).astype(np.float32)
    return DatasetCamera(
        name=lens["id"],
        width=width,
        height=height,
        orientation=np.array(place["orientation"]) if place else None,
        translation_m=np.array(place["translation_mm"]) / 1000 if place else None,
        intrinsics=intrinsics,
    )
