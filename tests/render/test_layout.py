"""Panels cover the picture, whatever its shape."""

from __future__ import annotations

import numpy as np
import pytest

from render.layout import Layout, arrange
from render.shapes import text_width

ASPECTS = {"portrait": (1080, 1920), "4:5": (64, 80), "square": (500, 500), "4:3": (640, 480), "16:9": (1768, 994)}
WIDE = {"2:1": (1000, 500), "cinema": (2390, 1000), "panorama": (3000, 700), "strip": (4001, 501)}
NAMES = ("auto", "side-by-side", "stacked", "overlay", "scene")


def cover(layout: Layout) -> np.ndarray:
    """How many panels lie on each pixel below the header."""
    count = np.zeros((layout.height, layout.width), int)
    for panel in [*layout.scenes, *([layout.video] if layout.video else [])]:
        count[panel.area] += 1
    return count[layout.header_height :]


@pytest.mark.parametrize("width_px", [320, 641, 1280])
@pytest.mark.parametrize("scenes", [1, 2, 4])
@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("size", {**ASPECTS, **WIDE}.values(), ids=[*ASPECTS, *WIDE])
def test_panels_tile_the_picture_in_even_sizes(size: tuple[int, int], name: str, scenes: int, width_px: int) -> None:
    layout = arrange(name, size, width_px, scenes)
    assert (cover(layout) == 1).all()
    panels = [*layout.scenes, *([layout.video] if layout.video else [])]
    for panel in panels:
        assert all(value % 2 == 0 for value in (panel.left, panel.top, panel.width, panel.height))
        assert min(panel.size) >= 20
    assert layout.width % 2 == layout.height % 2 == 0
    assert abs(max(layout.width, layout.height) - width_px) <= 6
    assert len(layout.scenes) == (0 if name == "overlay" else scenes)
    assert (layout.video is None) == (name == "scene")
    # One view is not much smaller than another.
    areas = [panel.width * panel.height for panel in layout.scenes]
    assert not areas or min(areas) > 0.9 * max(areas)


@pytest.mark.parametrize("size", ASPECTS.values(), ids=ASPECTS)
def test_auto_puts_both_side_by_side(size: tuple[int, int]) -> None:
    layout = arrange("auto", size, 1280)
    assert layout == arrange("side-by-side", size, 1280)
    assert layout.video is not None
    assert layout.video.height == layout.scenes[0].height
    assert layout.video.width / layout.video.height == pytest.approx(size[0] / size[1], rel=0.01)
    assert layout.scenes[0].height > 0.3 * layout.width


@pytest.mark.parametrize("size", WIDE.values(), ids=WIDE)
def test_auto_puts_a_panorama_above_a_large_scene(size: tuple[int, int]) -> None:
    """On a 16:9 screen, the scene is larger so than beside the video, and the video hardly smaller."""
    stacked, beside = arrange("auto", size, 1280), arrange("side-by-side", size, 1280)
    assert stacked == arrange("stacked", size, 1280)

    def on_screen(layout: Layout) -> tuple[float, float]:
        scale = min(1600 / layout.width, 900 / layout.height)
        assert layout.video is not None
        video, scene = layout.video, layout.scenes[0]
        return scale**2 * video.width * video.height, scale**2 * scene.width * scene.height

    assert on_screen(stacked)[0] > 0.9 * on_screen(beside)[0]
    assert on_screen(stacked)[1] > 1.1 * on_screen(beside)[1]


def test_shapes_of_single_panels() -> None:
    assert arrange("scene", (1080, 1920), 1280).width == 1280
    layout = arrange("scene", (1080, 1920), 1280, only_camera=True)
    assert layout.scenes[0].width / layout.scenes[0].height == pytest.approx(1080 / 1920, rel=0.01)
    layout = arrange("overlay", (1080, 1920), 1280)
    assert layout.video is not None
    assert layout.video.width / layout.video.height == pytest.approx(1080 / 1920, rel=0.01)
    assert layout.height > layout.width


@pytest.mark.parametrize("text_size", [1.0, 2.0])
def test_text_is_legible_at_640_pixels(text_size: float) -> None:
    layout = arrange("auto", (16, 9), 640, text_size=text_size)
    assert layout.text_height >= 8 * text_size
    assert layout.header_height >= 2 * layout.text_height
    assert text_width("person 0", layout.text_height) < layout.scenes[0].width / 2 * text_size
