"""Whole videos: sizes, times, streaming, and input that is not as it should be."""

from __future__ import annotations

import weakref
from collections.abc import Callable, Iterator
from pathlib import Path

import av
import numpy as np
import pytest

from poses import InputError, UsageError
from render import RenderOptions, render_video
from render.layout import arrange
from render.style import DARK

SMALL = RenderOptions(width_px=320, preset="ultrafast")
WALK = np.stack([np.linspace(-0.6, 0.6, 12), np.full(12, 4.0), np.zeros(12)], axis=1)


def pictures(count: int, size: tuple[int, int]) -> Iterator[np.ndarray]:
    for index in range(count):
        yield np.full((size[1], size[0], 3), 60 + 10 * index, np.uint8)


def read(path: Path) -> tuple[np.ndarray, list[np.ndarray]]:
    with av.open(str(path)) as container:
        frames = list(container.decode(video=0))
        return np.array([frame.time for frame in frames]), [frame.to_ndarray(format="bgr24") for frame in frames]


@pytest.mark.parametrize("size", [(160, 90), (161, 91), (91, 161), (64, 64), (300, 100)], ids=str)
def test_any_shape_of_source(tmp_path: Path, staged: Callable, size: tuple[int, int]) -> None:
    made = staged(WALK[None], size=size)
    path = tmp_path / "out.mp4"
    render_video(pictures(12, size), made.timestamps_s, made.tracks, made.poses, path, SMALL)
    times, images = read(path)
    np.testing.assert_allclose(times, made.timestamps_s, atol=1e-3)
    height, width = images[0].shape[:2]
    assert width == 320
    layout = arrange("auto", size, 320)
    assert (height, width) == (layout.height, layout.width)
    assert layout.video is not None
    # The source keeps its proportions, to the pixel that even sizes may cost.
    assert layout.video.width / layout.video.height == pytest.approx(size[0] / size[1], rel=0.06)
    # Its grey fills its panel, the person's colours and the floor the other one.
    corner = images[3][layout.video.area][-6:, 2:8].reshape(-1, 3)
    np.testing.assert_allclose(corner, 90, atol=6)
    scene = images[3][layout.scenes[0].area].astype(int)
    assert (np.abs(scene - DARK.person(0).centre).max(axis=-1) < 40).sum() > 8
    assert list(tmp_path.iterdir()) == [path]


def test_irregular_times(tmp_path: Path, staged: Callable) -> None:
    made = staged(WALK[None])
    times = 2.0 + np.cumsum([0, 0.02, 0.05, 0.033, 0.4, 0.01, 0.033, 0.033, 0.04, 0.1, 0.02, 0.05])
    render_video(pictures(12, (160, 90)), times, made.tracks, made.poses, tmp_path / "out.mp4", SMALL)
    np.testing.assert_allclose(read(tmp_path / "out.mp4")[0], times - times[0], atol=1e-3)


def test_nobody_and_one_frame(tmp_path: Path, staged: Callable) -> None:
    nobody = staged(np.empty((0, 3, 3)))
    path = tmp_path / "out.mp4"
    render_video(pictures(3, (160, 90)), np.arange(3) / 30, nobody.tracks, nobody.poses, path, SMALL)
    assert len(read(path)[1]) == 3
    made = staged(WALK[None, :1])
    render_video(pictures(1, (160, 90)), made.timestamps_s, made.tracks, made.poses, path, SMALL)
    assert len(read(path)[1]) == 1


def test_streams_and_reports_progress(tmp_path: Path, staged: Callable) -> None:
    """The source's frames are let go of as soon as they are drawn."""
    made = staged(WALK[None])
    given: list[weakref.ref[np.ndarray]] = []
    most, done = 0, []

    def source() -> Iterator[np.ndarray]:
        nonlocal most
        for picture in pictures(12, (160, 90)):
            given.append(weakref.ref(picture))
            most = max(most, sum(ref() is not None for ref in given))
            yield picture

    render_video(
        source(), made.timestamps_s, made.tracks, made.poses, tmp_path / "o.mp4", SMALL, lambda: done.append(1)
    )
    assert len(done) == 12
    assert most <= 3


@pytest.mark.parametrize("count", [0, 11, 13])
def test_wrong_number_of_frames(tmp_path: Path, staged: Callable, count: int) -> None:
    made = staged(WALK[None])
    with pytest.raises(InputError, match=r"out\.mp4: not rendered, .* 12 were expected: .*--force"):
        render_video(
            pictures(count, (160, 90)), made.timestamps_s, made.tracks, made.poses, tmp_path / "out.mp4", SMALL
        )
    assert list(tmp_path.iterdir()) == []


def test_folder_that_is_not_there(tmp_path: Path, staged: Callable) -> None:
    made = staged(WALK[None])
    path = tmp_path / "missing" / "out.mp4"
    with pytest.raises(InputError, match=r"out\.mp4: cannot be written \(No such file or directory\)"):
        render_video(pictures(12, (160, 90)), made.timestamps_s, made.tracks, made.poses, path, SMALL)


def test_source_that_fails_leaves_nothing(tmp_path: Path, staged: Callable) -> None:
    made = staged(WALK[None])

    def source() -> Iterator[np.ndarray]:
        yield from pictures(4, (160, 90))
        raise InputError("clip.mp4: damaged")

    with pytest.raises(InputError, match=r"clip\.mp4: damaged"):
        render_video(source(), made.timestamps_s, made.tracks, made.poses, tmp_path / "out.mp4", SMALL)
    assert list(tmp_path.iterdir()) == []


def test_same_input_same_pictures(tmp_path: Path, staged: Callable) -> None:
    made = staged(WALK[None])
    for name in ("a.mp4", "b.mp4"):
        render_video(pictures(12, (160, 90)), made.timestamps_s, made.tracks, made.poses, tmp_path / name, SMALL)
    for first, second in zip(read(tmp_path / "a.mp4")[1], read(tmp_path / "b.mp4")[1], strict=True):
        np.testing.assert_array_equal(first, second)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"width_px": 100}, "width_px must lie between 320 and 7680, got 100"),
        ({"crf": 60}, "crf must lie between 0 and 51, got 60"),
        ({"preset": "quick"}, "'quick' is unknown: known: ultrafast"),
        ({"layout": "below"}, "layout 'below' is unknown: known: auto, side-by-side, stacked, overlay, scene"),
        ({"camera": "spin"}, "camera 'spin' is unknown: known: auto, fixed, follow, orbit"),
        ({"format": "avi"}, "format 'avi' is unknown: known: mp4, webm, gif, png"),
        ({"comparison": "above"}, "comparison 'above' is unknown: known: together, beside"),
        ({"views": ("angle", "back")}, "view 'back' is unknown: known: angle, front, side, top, camera"),
        ({"views": ("angle", "top", "side")}, "one, two or four views, got 3"),
        ({"views": ()}, "one, two or four views, got 0"),
        ({"views": ("top", "top")}, "a view stands twice"),
        ({"views": ("angle", "front", "side", "top"), "comparison": "beside"}, "room for one or two views, got 4"),
        ({"format": "gif", "sound": True}, "gif holds no sound: choose mp4 or webm"),
        ({"orbit_s": 0.0}, "orbit_s must lie between 1 and 3600"),
        ({"trail_s": float("nan")}, "trail_s must lie between"),
        ({"view_turn_deg": -1}, "view_turn_deg must lie between 0 and 90"),
    ],
)
def test_options_that_cannot_be(options: dict, message: str) -> None:
    with pytest.raises(UsageError, match=message):
        RenderOptions(**options)
