"""Pinhole cameras with OpenCV's lens distortion. Camera frame: x right, y down, z forward, metres.

Shape letters: any leading dimensions are written `...`.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import yaml

from poses.errors import InputError

DEFAULT_FOV_RAD = math.radians(60.0)
"""Angle of view along the longer side that is assumed when nothing better is known.

Main cameras of current phones lie between 60 and 70 degrees in video mode (24 to 28 mm equivalent, cropped for
stabilisation); 60 is the cautious end, and the report says that it was assumed.
"""


@dataclass(frozen=True)
class Intrinsics:
    """Focal lengths and principal point in pixels, and lens distortion.

    Attributes
    ----------
    fx, fy, cx, cy : pixels. Pixel coordinates are those of the image after rotation, origin at the top left corner.
    width, height : size in pixels of the image that they belong to.
    distortion : k1, k2, p1, p2[, k3[, k4, k5, k6]] in OpenCV's order; empty for none.
    """

    fx: float
    fy: float
    cx: float
    cy: float
    width: int
    height: int
    distortion: tuple[float, ...] = ()

    def __post_init__(self) -> None:
        if not (self.fx > 0 and self.fy > 0):
            raise ValueError(f"focal lengths must be positive, got fx={self.fx}, fy={self.fy}")
        if not all(map(math.isfinite, (self.fx, self.fy, self.cx, self.cy, *self.distortion))):
            raise ValueError("focal lengths, principal point and distortion must be finite numbers")
        if len(self.distortion) not in (0, 4, 5, 8):
            raise ValueError(
                f"distortion takes 0, 4, 5 or 8 coefficients (k1 k2 p1 p2 k3 ...), got {len(self.distortion)}"
            )

    @classmethod
    def from_fov(cls, fov_rad: float, width: int, height: int) -> Intrinsics:
        """Square pixels, centred principal point, `fov_rad` along the longer side."""
        if not 0 < fov_rad < math.pi:
            raise ValueError(f"angle of view must lie between 0 and pi radians, got {fov_rad}")
        focal = max(width, height) / 2 / math.tan(fov_rad / 2)
        return cls(focal, focal, width / 2, height / 2, width, height)

    @classmethod
    def from_file(cls, path: str | Path, width: int, height: int) -> Intrinsics:
        """Read YAML or JSON with `fx fy cx cy` in pixels and optionally `distortion`, `width`, `height`.

        Where the file's `width` and `height` differ from the video's by one common factor, the values are scaled.
        """
        path = Path(path)
        try:
            # YAML contains JSON but for tabs between its tokens.
            data = yaml.safe_load(path.read_text(encoding="utf-8").replace("\t", " "))
        except OSError as error:
            raise InputError(f"{path}: cannot read the camera file ({error.strerror})", "check --camera") from None
        except (yaml.YAMLError, UnicodeDecodeError):
            raise InputError(f"{path}: the camera file is neither YAML nor JSON", "see docs/cameras.md") from None
        needed = ("fx", "fy", "cx", "cy")
        known = {*needed, "distortion", "width", "height"}
        if not isinstance(data, dict) or any(key not in data for key in needed) or set(data) - known:
            got = ", ".join(map(str, data)) if isinstance(data, dict) else type(data).__name__
            raise InputError(
                f"{path}: a camera file holds fx, fy, cx, cy (pixels), optionally distortion, width, height; got {got}",
                "see docs/cameras.md",
            )
        try:
            return cls._from_mapping(data, width, height)
        except (TypeError, ValueError) as error:
            raise InputError(f"{path}: {error}", "see docs/cameras.md") from None

    @classmethod
    def _from_mapping(cls, data: dict[str, Any], width: int, height: int) -> Intrinsics:
        file_width, file_height = int(data.get("width", width)), int(data.get("height", height))
        if file_width <= 0 or file_height <= 0:
            raise ValueError(f"the picture's size must be positive, got {file_width}x{file_height}")
        scale = width / file_width
        if abs(height / file_height - scale) > 0.01 * scale:
            raise ValueError(
                f"the camera is for {file_width}x{file_height} pixels, the video has {width}x{height} (another shape)"
            )
        fx, fy, cx, cy = (float(data[key]) * scale for key in ("fx", "fy", "cx", "cy"))
        return cls(fx, fy, cx, cy, width, height, tuple(float(k) for k in data.get("distortion") or ()))

    @property
    def matrix(self) -> np.ndarray:
        """(3, 3) float64 camera matrix."""
        return np.array([[self.fx, 0, self.cx], [0, self.fy, self.cy], [0, 0, 1]], dtype=np.float64)

    def project(self, points_m: np.ndarray) -> np.ndarray:
        """Project camera-frame points (..., 3) in metres to pixels (..., 2); NaN where z <= 0."""
        points = np.asarray(points_m, dtype=np.float64)
        flat = points.reshape(-1, 3)
        pixels = np.full((len(flat), 2), np.nan)
        ahead = np.isfinite(flat).all(axis=1) & (flat[:, 2] > 0)
        if ahead.any():
            distortion = np.array(self.distortion or (0.0,) * 4)
            zero = np.zeros(3)
            pixels[ahead] = cv2.projectPoints(flat[ahead], zero, zero, self.matrix, distortion)[0][:, 0]
        return pixels.reshape(*points.shape[:-1], 2)

    def rays(self, points_px: np.ndarray) -> np.ndarray:
        """Undistorted viewing directions (..., 2) = (x/z, y/z) of pixels (..., 2); NaN stays NaN."""
        points = np.asarray(points_px, dtype=np.float64)
        if not self.distortion:
            return (points - (self.cx, self.cy)) / (self.fx, self.fy)
        flat = points.reshape(-1, 2)
        rays = np.full_like(flat, np.nan)
        known = np.isfinite(flat).all(axis=1)
        if known.any():
            criteria = (cv2.TERM_CRITERIA_COUNT | cv2.TERM_CRITERIA_EPS, 40, 1e-10)
            rays[known] = cv2.undistortPointsIter(
                flat[known][:, None], self.matrix, np.array(self.distortion), np.eye(3), np.eye(3), criteria
            )[:, 0]
        return rays.reshape(points.shape)
