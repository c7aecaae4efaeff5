"""Drawing tapered, flattened limbs into a picture with a depth buffer, one ray a pixel, in closed form.

A limb is a round cone: the hull of two spheres. Seen in coordinates that are squeezed across the limb it becomes any
flattened limb, trunk or ellipsoid. The viewing ray of a pixel is t * (x, y, 1), so that t is the depth.

Shape letters: N limbs, n pixels that a limb covers.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

NEAR_M = 0.15
"""Nothing nearer than this to the camera is drawn."""


@dataclass(frozen=True)
class RoundCone:
    """One limb in the camera frame, metres.

    Attributes
    ----------
    start : (3,) centre of the first end.
    axes : (3, 3) rows are the limb's own axes: its left, its front, along it.
    length : from the first end's centre to the second's; 0 for an ellipsoid.
    radii : at both ends, along the first axis where `squeeze` is 1.
    squeeze : width along the left and the front axis, as a part of the radius.
    """

    start: np.ndarray
    axes: np.ndarray
    length: float
    radii: tuple[float, float]
    squeeze: tuple[float, float]


@dataclass(frozen=True)
class Surface:
    """What a limb shows in n pixels.

    Attributes
    ----------
    rows, columns : (n,) pixels.
    depth_m : (n,) z in the camera frame.
    normal : (n, 3) unit, camera frame.
    local_m : (n, 3) place on the limb: along its left, its front, and along it from the first end.
    """

    rows: np.ndarray
    columns: np.ndarray
    depth_m: np.ndarray
    normal: np.ndarray
    local_m: np.ndarray


@dataclass(frozen=True)
class Canvas:
    """A picture under way.

    Attributes
    ----------
    colour : (H, W, 3) uint8 BGR.
    depth_m : (H, W) float32 z of what is drawn there, infinity for nothing.
    owner : (H, W) uint8, whose limb is seen there; 0 for nobody's.
    ray_x, ray_y : (W,) and (H,) float32: viewing directions of the pixels' centres.
    """

    colour: np.ndarray
    depth_m: np.ndarray
    owner: np.ndarray
    ray_x: np.ndarray
    ray_y: np.ndarray


Window = tuple[int, int, int, int]
"""First and last (excluded) row, first and last column."""


def slope_bounds(across: np.ndarray, ahead: np.ndarray, radius: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Least and greatest x/z (or y/z) of spheres at (across, ahead); infinite where they reach the camera's plane."""
    reaches = ahead - radius < NEAR_M
    denominator = np.where(reaches, 1.0, ahead**2 - radius**2)
    root = radius * np.sqrt(np.maximum(across**2 + ahead**2 - radius**2, 0.0))
    low, high = (across * ahead - root) / denominator, (across * ahead + root) / denominator
    return np.where(reaches, -np.inf, low), np.where(reaches, np.inf, high)


def window_of(limb: RoundCone, canvas: Canvas) -> Window | None:
    """The pixels that a limb may cover; None where it is behind the camera or outside the picture."""
    ends = np.stack([limb.start, limb.start + limb.length * limb.axes[2]])
    radii = np.array(limb.radii) * max(*limb.squeeze, 1.0)
    if (ends[:, 2] - radii < NEAR_M).all():
        return None
    bounds = []
    for axis, rays in ((1, canvas.ray_y), (0, canvas.ray_x)):
        low, high = slope_bounds(ends[:, axis], ends[:, 2], radii)
        bounds += [int(np.searchsorted(rays, low.min())), int(np.searchsorted(rays, high.max(), side="right"))]
    top, bottom, left, right = bounds
    return (top, bottom, left, right) if top < bottom and left < right else None


def hit(limb: RoundCone, canvas: Canvas, window: Window) -> tuple[np.ndarray, np.ndarray]:
    """Depth (h, w) at which the window's rays meet the limb first, infinity for a miss, and the centre's place.

    The second array is where along the limb the sphere stands that was met, from 0 to `length`.
    """
    top, bottom, left, right = window
    squeezed = limb.axes / np.array([*limb.squeeze, 1.0])[:, None]
    step = squeezed.astype(np.float32)
    from_limb = -(squeezed @ limb.start)
    o_x, o_y, o_z = (float(v) for v in from_limb)
    x, y = canvas.ray_x[None, left:right], canvas.ray_y[top:bottom, None]
    d_x, d_y, d_z = ((x * row[0] + row[2]) + y * row[1] for row in step)
    across2, inward = d_x * d_x + d_y * d_y, d_x * o_x + d_y * o_y
    all2 = across2 + d_z * d_z
    radius_a, radius_b = limb.radii

    def sphere(place: float, radius: float) -> np.ndarray:
        b = inward + d_z * (o_z - place)
        c = o_x**2 + o_y**2 + (o_z - place) ** 2 - radius**2
        discriminant = b * b - all2 * np.float32(c)
        with np.errstate(invalid="ignore"):
            t = (-b - np.sqrt(discriminant)) / all2
        return np.where((discriminant > 0) & (t > NEAR_M), t, np.float32(np.inf))

    depth = sphere(0.0, radius_a)
    place = np.zeros_like(depth)
    sine = (radius_a - radius_b) / limb.length if limb.length > 1e-6 else 1.0
    # One sphere inside the other: the larger one is all there is.
    if abs(sine) >= 0.999:
        if radius_b > radius_a:
            return sphere(limb.length, radius_b), np.full_like(depth, limb.length)
        return depth, place
    end = sphere(limb.length, radius_b)
    nearer = end < depth
    depth = np.where(nearer, end, depth)
    place[nearer] = limb.length

    # Between the spheres: cosine * distance from the axis = radius_a - sine * place along the axis.
    cosine2 = 1 - sine * sine
    k = radius_a - sine * o_z
    q_a = np.float32(cosine2) * across2 - np.float32(sine * sine) * d_z * d_z
    q_b = np.float32(cosine2) * inward + np.float32(sine * k) * d_z
    q_c = np.float32(cosine2 * (o_x**2 + o_y**2) - k * k)
    discriminant = q_b * q_b - q_a * q_c
    with np.errstate(invalid="ignore", divide="ignore"):
        t = (-q_b - np.sqrt(discriminant)) / q_a
        along = o_z + t * d_z
        centre = along - np.float32(sine / cosine2) * (radius_a - np.float32(sine) * along)
        touched = (discriminant > 0) & (centre > 0) & (centre < limb.length) & (t > NEAR_M) & (t < depth)
    return np.where(touched, t, depth), np.where(touched, centre, place)


def surface(
    limb: RoundCone, canvas: Canvas, window: Window, seen: np.ndarray, depth: np.ndarray, place: np.ndarray
) -> Surface:
    """Normals and places of the pixels `seen` (h, w) of a window whose `hit` was (depth, place)."""
    rows, columns = np.nonzero(seen)
    t = depth[rows, columns]
    rows, columns = rows + window[0], columns + window[2]
    points = np.stack([canvas.ray_x[columns] * t, canvas.ray_y[rows] * t, t], axis=1) - limb.start.astype(np.float32)
    local = points @ limb.axes.T.astype(np.float32)
    outward = local.copy()
    outward[:, 2] -= place[seen]
    # A normal goes back through the transposed map: squeezed once for the place, once more for the direction.
    outward[:, 0] /= limb.squeeze[0] ** 2
    outward[:, 1] /= limb.squeeze[1] ** 2
    normal = outward @ limb.axes.astype(np.float32)
    normal /= np.maximum(np.sqrt(np.einsum("ij,ij->i", normal, normal)), 1e-9)[:, None]
    return Surface(rows, columns, t, normal, local)


def draw(
    limb: RoundCone, canvas: Canvas, shade: Callable[[Surface], np.ndarray], silhouette: np.ndarray, owner: int
) -> None:
    """Draw a limb where it is nearer than what is there.

    `shade` gives (n, 3) BGR colours from 0 to 255; `silhouette` (H, W) bool is set wherever the limb lies, hidden or
    not; `owner` is who it belongs to, from 1 on.
    """
    window = window_of(limb, canvas)
    if window is None:
        return
    part = np.s_[window[0] : window[1], window[2] : window[3]]
    depth, place = hit(limb, canvas, window)
    silhouette[part] |= np.isfinite(depth)
    seen = depth < canvas.depth_m[part]
    if not seen.any():
        return
    found = surface(limb, canvas, window, seen, depth, place)
    canvas.depth_m[found.rows, found.columns] = found.depth_m
    canvas.owner[found.rows, found.columns] = owner
    canvas.colour[found.rows, found.columns] = np.clip(shade(found), 0, 255).astype(np.uint8)


def pixel_rays(size: int, focal_px: float, centre_px: float, supersampling: int) -> np.ndarray:
    """(size * supersampling,) float32 x/z of the small pixels' centres.

    Pixel coordinates count from the picture's corner: the first pixel's centre lies at 0.5.
    """
    small = (np.arange(size * supersampling) + 0.5) / supersampling
    return ((small - centre_px) / focal_px).astype(np.float32)
