"""Rooms and grounds behind the people, and boxes before them: what stands still, drawn once a clip."""

from __future__ import annotations

import math
from dataclasses import dataclass

import cv2
import numpy as np

from detectors.synthetic.raycast import NEAR_M, Canvas

TEXELS_A_METRE = 96
_TEXTURE = 512


@dataclass(frozen=True)
class Cuboid:
    """A box on the floor: middle of its base, half sizes along its own axes and its turn about the vertical; metres."""

    base_m: tuple[float, float]
    half_m: tuple[float, float, float]
    heading_rad: float


def fractal_noise(
    rng: np.random.Generator, size: int = _TEXTURE, octaves: tuple[int, ...] = (4, 8, 16, 64, 256)
) -> np.ndarray:
    """(size, size) float32 seamless noise, about -1 to 1."""
    total = np.zeros((size, size), np.float32)
    for rank, cells in enumerate(octaves):
        wrapped = np.pad(rng.standard_normal((cells, cells)).astype(np.float32), 2, mode="wrap")
        scale = size / cells
        large = cv2.resize(wrapped, None, fx=scale, fy=scale, interpolation=cv2.INTER_CUBIC)
        margin = round(2 * scale)
        total += 0.6**rank * large[margin : margin + size, margin : margin + size]
    return total / max(float(np.abs(total).max()), 1e-6)


def random_texture(rng: np.random.Generator, kind: str) -> np.ndarray:
    """(512, 512, 3) float32 BGR texture that repeats: planks, tiles, bricks, carpet, grass, plaster or paper."""
    noise = fractal_noise(rng)
    tones = {"planks": (70, 110, 160), "tiles": (175, 180, 185), "bricks": (80, 95, 150), "carpet": (110, 100, 110),
             "grass": (60, 120, 85), "plaster": (190, 200, 205), "paper": (170, 175, 180)}  # fmt: skip
    base = np.array(tones[kind], np.float32) * rng.uniform(0.6, 1.15) + rng.normal(0, 18, 3)
    v, u = np.mgrid[:_TEXTURE, :_TEXTURE]
    bright = 1 + 0.10 * noise
    if kind == "planks":
        plank, along = u // 32, v
        bright *= rng.uniform(0.8, 1.1, 16)[plank]
        bright *= 1 + 0.10 * np.roll(noise, 7, 1)[(along * 1) % _TEXTURE // 8, (u * 5) % _TEXTURE]
        seam = (u % 32 < 1) | ((along + 97 * plank) % 256 < 1)
        bright[seam] *= 0.6
    elif kind == "tiles":
        bright *= np.where((u // 64 + v // 64) % 2 == 0, 1.0, rng.uniform(0.55, 1.0))
        bright[(u % 64 < 2) | (v % 64 < 2)] *= 0.7
    elif kind == "bricks":
        row = v // 16
        column = (u + 16 * (row % 2)) // 32
        bright *= rng.uniform(0.75, 1.15, (32, 17))[row, column % 17]
        bright[(v % 16 < 2) | ((u + 16 * (row % 2)) % 32 < 2)] = 1.35
    elif kind == "carpet":
        pattern = np.sin(2 * math.pi * u / 64 * rng.integers(1, 4)) * np.sin(2 * math.pi * v / 64 * rng.integers(1, 4))
        bright *= 1 + 0.15 * np.sign(pattern) + 0.12 * rng.standard_normal(u.shape)
    elif kind == "grass":
        bright *= 1 + 0.25 * noise + 0.18 * rng.standard_normal(u.shape)
    elif kind == "paper":
        bright *= 1 + 0.08 * np.sign(np.sin(2 * math.pi * u / 32))
    return np.clip(base * bright[..., None], 5, 250).astype(np.float32)


def _with_pictures(rng: np.random.Generator, texture: np.ndarray) -> np.ndarray:
    """A wall on which things hang: framed pictures, windows, shelves. One repeat is 512 texels."""
    wall = texture.copy()
    for _ in range(rng.integers(2, 6)):
        width, height = rng.integers(35, 120, 2)
        x, y = rng.integers(0, _TEXTURE - width), rng.integers(60, _TEXTURE - 140)
        frame = rng.uniform(20, 230, 3).tolist()
        cv2.rectangle(wall, (int(x), int(y)), (int(x + width), int(y + height)), frame, -1)
        inner = wall[y + 6 : y + height - 6, x + 6 : x + width - 6]
        picture = fractal_noise(rng, 128, (3, 6, 12))[..., None] * rng.uniform(20, 110, 3) + rng.uniform(60, 200, 3)
        inner[:] = cv2.resize(picture.astype(np.float32), inner.shape[1::-1])
        for _ in range(rng.integers(0, 4)):
            at = (int(x + rng.integers(6, width)), int(y + rng.integers(6, height)))
            cv2.circle(wall, at, int(rng.integers(3, 14)), rng.uniform(0, 255, 3).tolist(), -1)
    return np.clip(wall, 5, 250)


class Surroundings:
    """A textured floor and, indoors, walls; outdoors, a sky and a far band of trees."""

    def __init__(self, rng: np.random.Generator, middle_m: tuple[float, float], reach_m: float) -> None:
        self.outdoors = bool(rng.random() < 0.35)
        floors = ["grass", "tiles", "bricks"] if self.outdoors else ["planks", "tiles", "carpet"]
        self.floor = random_texture(rng, str(rng.choice(floors)))
        kinds = ["plaster", "paper", "bricks"]
        self.walls = [_with_pictures(rng, random_texture(rng, str(rng.choice(kinds)))) for _ in range(2)]
        heading = rng.uniform(0, math.pi / 2)
        self.turn = np.array([[math.cos(heading), math.sin(heading)], [-math.sin(heading), math.cos(heading)]])
        self.middle = np.array(middle_m)
        self.reach = reach_m * rng.uniform(1.0, 1.6, 4)
        self.sky = fractal_noise(rng, 256, (2, 4, 8, 16))
        self.sky_colour = np.array([215, 190, 160]) * rng.uniform(0.75, 1.1)

    def draw(self, canvas: Canvas, world_from_camera: np.ndarray) -> np.ndarray:
        """Fill an empty canvas; gives (H, W) bool, where the floor is seen."""
        x, y = np.meshgrid(canvas.ray_x, canvas.ray_y)
        rays = np.stack([x, y, np.ones_like(x)], axis=-1) @ world_from_camera[:3, :3].T.astype(np.float32)
        eye = world_from_camera[:3, 3]
        with np.errstate(divide="ignore", invalid="ignore"):
            depth = np.where(rays[..., 2] < -1e-6, -eye[2] / rays[..., 2], np.inf)
        depth[depth > 60] = np.inf
        floor = np.isfinite(depth)
        ground = (eye[:2] + np.where(floor, depth, 0.0)[..., None] * rays[..., :2]) @ self.turn.T
        colour = self._sky(rays) if self.outdoors else np.zeros((*depth.shape, 3), np.float32)
        colour[floor] = _sample(self.floor, ground[floor])
        if self.outdoors:
            # Far ground fades into the air.
            haze = np.clip(depth / 40, 0, 1)[..., None]
            colour = np.where(floor[..., None], colour * (1 - haze) + haze * self.sky_colour, colour)
        else:
            flat_rays, flat_eye = rays[..., :2] @ self.turn.T, self.turn @ (eye[:2] - self.middle)
            for wall in range(4):
                axis, sign = wall // 2, 1 - 2 * (wall % 2)
                away = sign * self.reach[wall] - flat_eye[axis]
                with np.errstate(divide="ignore", invalid="ignore"):
                    t = away / flat_rays[..., axis]
                nearer = (t > NEAR_M) & (t < depth) & (sign * flat_rays[..., axis] > 0)
                along = flat_eye[1 - axis] + t[nearer] * flat_rays[nearer][:, 1 - axis]
                height = eye[2] + t[nearer] * rays[nearer][:, 2]
                shade = (0.95, 0.78)[axis]
                colour[nearer] = shade * _sample(self.walls[axis], np.stack([along, 3.2 - height], axis=1))
                depth[nearer] = t[nearer]
                floor &= ~nearer
        canvas.depth_m[:] = depth
        canvas.colour[:] = np.clip(colour, 0, 255).astype(np.uint8)
        return floor

    def _sky(self, rays: np.ndarray) -> np.ndarray:
        length = np.linalg.norm(rays, axis=-1)
        height = rays[..., 2] / length
        turn = np.arctan2(rays[..., 1], rays[..., 0])
        cloud = self.sky[(height * 300).astype(int) % 256, (turn * 256 / math.pi).astype(int) % 256]
        sky = (
            self.sky_colour
            + 40 * np.clip(cloud, 0, 1)[..., None]
            + np.array([20, -10, -40]) * np.clip(height, 0, 1)[..., None]
        )
        trees = height < 0.06 + 0.05 * self.sky[7][(turn * 512 / math.pi).astype(int) % 256]
        leaf = np.array([45, 75, 55]) * (1 + 0.4 * cloud)[..., None]
        return np.where(trees[..., None], leaf, sky).astype(np.float32)


def _sample(texture: np.ndarray, place_m: np.ndarray) -> np.ndarray:
    """Colours (n, 3) of a repeating texture at (n, 2) metres."""
    texels = (place_m * TEXELS_A_METRE).astype(np.int64) % _TEXTURE
    return texture[texels[:, 1], texels[:, 0]]


def draw_cuboid(
    cuboid: Cuboid, texture: np.ndarray, canvas: Canvas, world_from_camera: np.ndarray, light: np.ndarray
) -> None:
    """Draw a box by the slab test, shaded by the direction (3,) towards the light."""
    cosine, sine = math.cos(cuboid.heading_rad), math.sin(cuboid.heading_rad)
    to_own = np.array([[cosine, sine, 0], [-sine, cosine, 0], [0, 0, 1]])
    half = np.array(cuboid.half_m)
    middle = np.array([*cuboid.base_m, half[2]])
    x, y = np.meshgrid(canvas.ray_x, canvas.ray_y)
    rays = np.stack([x, y, np.ones_like(x)], axis=-1).reshape(-1, 3) @ (to_own @ world_from_camera[:3, :3]).T
    eye = to_own @ (world_from_camera[:3, 3] - middle)
    with np.errstate(divide="ignore", invalid="ignore"):
        first, second = (-half - eye) / rays, (half - eye) / rays
    enter, leave = np.minimum(first, second), np.maximum(first, second)
    depth, axis = enter.max(axis=1), enter.argmax(axis=1)
    seen = (depth > NEAR_M) & (depth < leave.min(axis=1)) & (depth < canvas.depth_m.ravel())
    if not seen.any():
        return
    axis, rays, t = axis[seen], rays[seen], depth[seen]
    place = eye + t[:, None] * rays
    normal = np.zeros_like(rays)
    normal[np.arange(len(axis)), axis] = -np.sign(rays[np.arange(len(axis)), axis])
    bright = 0.55 + 0.5 * np.clip(normal @ (to_own @ light), 0, 1)
    others = np.array([[1, 2], [0, 2], [0, 1]])[axis]
    colour = _sample(texture, np.take_along_axis(place, others, axis=1)) * bright[:, None]
    edge = (half - np.abs(place) < 0.012).sum(axis=1) >= 2
    colour[edge] *= 0.6
    canvas.depth_m.reshape(-1)[seen] = t
    canvas.colour.reshape(-1, 3)[seen] = np.clip(colour, 0, 255).astype(np.uint8)
