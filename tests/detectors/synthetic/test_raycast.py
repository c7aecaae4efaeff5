"""The round cone against a brute-force union of spheres, and flattened limbs against their implicit equation."""

import math
from functools import partial

import numpy as np
import pytest

from detectors.synthetic.raycast import Canvas, RoundCone, Surface, draw, hit, pixel_rays, surface, window_of

WIDTH, HEIGHT, FOCAL = 64, 48, 60.0


def canvas() -> Canvas:
    return Canvas(
        np.zeros((HEIGHT, WIDTH, 3), np.uint8),
        np.full((HEIGHT, WIDTH), np.inf, np.float32),
        np.zeros((HEIGHT, WIDTH), np.uint8),
        pixel_rays(WIDTH, FOCAL, WIDTH / 2, 1),
        pixel_rays(HEIGHT, FOCAL, HEIGHT / 2, 1),
    )


def axes(along: tuple[float, float, float]) -> np.ndarray:
    z = np.array(along) / np.linalg.norm(along)
    x = np.cross(z, [0.3, 0.9, 0.2])
    x /= np.linalg.norm(x)
    return np.stack([x, np.cross(x, z), z])


def flat(colour: np.ndarray, seen: Surface) -> np.ndarray:
    return np.broadcast_to(colour, (len(seen.rows), 3))


def depth_of_spheres(limb: RoundCone, steps: int = 1500) -> np.ndarray:
    """(H, W) first depth over many spheres along the limb."""
    x, y = np.meshgrid((np.arange(WIDTH) + 0.5 - WIDTH / 2) / FOCAL, (np.arange(HEIGHT) + 0.5 - HEIGHT / 2) / FOCAL)
    rays = np.stack([x, y, np.ones_like(x)], axis=-1)
    best = np.full((HEIGHT, WIDTH), np.inf)
    for part in np.linspace(0, 1, steps):
        centre = limb.start + part * limb.length * limb.axes[2]
        radius = (1 - part) * limb.radii[0] + part * limb.radii[1]
        a, b, c = (rays**2).sum(-1), rays @ centre, centre @ centre - radius**2
        root = b * b - a * c
        best = np.where(root > 0, np.minimum(best, (b - np.sqrt(np.maximum(root, 0))) / a), best)
    return best


@pytest.mark.parametrize(
    ("along", "radii", "length"),
    [
        ((1.0, 0.2, 0.1), (0.25, 0.10), 0.8),
        ((0.2, 1.0, -0.6), (0.10, 0.25), 0.7),
        ((0.1, 0.1, 1.0), (0.20, 0.15), 0.9),
        ((0.0, 1.0, 0.0), (0.2, 0.2), 0.5),
        ((1.0, 0.0, 0.0), (0.4, 0.1), 0.2),
        ((1.0, 0.0, 0.0), (0.1, 0.4), 0.2),
    ],
    ids=["tapered", "towards the camera", "end on", "capsule", "one sphere holds the other", "the other way round"],
)
def test_depth_is_that_of_the_union_of_spheres(
    along: tuple[float, float, float], radii: tuple[float, float], length: float
) -> None:
    limb = RoundCone(np.array([-0.1, 0.05, 2.0]), axes(along), length, radii, (1.0, 1.0))
    picture = canvas()
    window = window_of(limb, picture)
    assert window is not None
    depth = np.full((HEIGHT, WIDTH), np.inf)
    depth[window[0] : window[1], window[2] : window[3]] = hit(limb, picture, window)[0]
    expected = depth_of_spheres(limb)
    both = np.isfinite(depth) & np.isfinite(expected)
    # Only a ray that grazes the edge may differ.
    assert np.count_nonzero(np.isfinite(depth) != np.isfinite(expected)) <= 2
    assert both.sum() > 100
    np.testing.assert_allclose(depth[both], expected[both], atol=2e-3)


def test_a_squeezed_sphere_is_an_ellipsoid_with_its_gradient_as_normal() -> None:
    half = np.array([0.3, 0.15, 0.5])
    limb = RoundCone(np.array([0.1, -0.1, 2.5]), axes((0.3, 1.0, 0.4)), 0.0, (half[2], half[2]), (0.6, 0.3))
    picture = canvas()
    window = window_of(limb, picture)
    assert window is not None
    depth, place = hit(limb, picture, window)
    found = surface(limb, picture, window, np.isfinite(depth), depth, place)
    assert len(found.rows) > 100
    np.testing.assert_allclose(((found.local_m / half) ** 2).sum(axis=1), 1, atol=1e-3)
    gradient = (found.local_m / half**2) @ limb.axes
    gradient /= np.linalg.norm(gradient, axis=1, keepdims=True)
    np.testing.assert_allclose(found.normal, gradient, atol=1e-3)


def test_the_window_holds_every_hit_and_nothing_behind_the_camera_is_drawn() -> None:
    limb = RoundCone(np.array([-0.5, 0.0, 1.0]), axes((1, 0, 1)), 1.0, (0.3, 0.1), (1.0, 1.0))
    picture = canvas()
    window = window_of(limb, picture)
    assert window is not None
    everywhere = np.isfinite(hit(limb, picture, (0, HEIGHT, 0, WIDTH))[0])
    inside = np.zeros_like(everywhere)
    inside[window[0] : window[1], window[2] : window[3]] = True
    assert everywhere.any()
    assert not (everywhere & ~inside).any()
    behind = RoundCone(np.array([0.0, 0.0, -2.0]), axes((1, 0, 0)), 1.0, (0.3, 0.1), (1.0, 1.0))
    assert window_of(behind, picture) is None


def test_the_nearer_limb_is_seen_whatever_the_order() -> None:
    near = RoundCone(np.array([0.0, 0.0, 2.0]), np.eye(3), 0.0, (0.2, 0.2), (1.0, 1.0))
    far = RoundCone(np.array([0.0, 0.0, 3.0]), np.eye(3), 0.0, (0.6, 0.6), (1.0, 1.0))
    pictures = []
    for order in ((1, 2), (2, 1)):
        picture, silhouettes = canvas(), np.zeros((3, HEIGHT, WIDTH), bool)
        for owner in order:
            limb = near if owner == 1 else far
            shade = partial(flat, np.array([100.0 * owner] * 3))
            draw(limb, picture, shade, silhouettes[owner], owner)
        assert picture.owner[HEIGHT // 2, WIDTH // 2] == 1
        assert picture.depth_m[HEIGHT // 2, WIDTH // 2] == pytest.approx(1.8, abs=2e-3)
        # The far one's silhouette has no hole where the near one covers it: a circle of r f / sqrt(z² - r²).
        area = math.pi * (0.6 * FOCAL) ** 2 / (3.0**2 - 0.6**2)
        assert silhouettes[2].sum() == pytest.approx(area, rel=0.05)
        pictures.append(picture.colour)
    np.testing.assert_array_equal(pictures[0], pictures[1])
