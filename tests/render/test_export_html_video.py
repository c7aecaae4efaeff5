"""The page with the video in it: pictures and skeletons of one frame, in a real Chromium where one is installed."""

import base64
import io
import itertools
import re
import time
from collections.abc import Iterator
from pathlib import Path

import av
import numpy as np
import pytest

from poses import InputError, UsageError
from render.export import Source, export
from render.export.html_video import small_size
from tests.render.chromium import DESKTOP, PHONE, Browser, chromium, needs_chromium
from tests.render.coded_video import FRAMES, HEIGHT, WIDTH, coded_source, number_of, place_px, uneven_times_s
from tests.render.moving_bodies import two_people

PLAYS_H264 = "document.createElement('video').canPlayType('video/mp4; codecs=\"avc1.4D401E\"') !== ''"


@pytest.fixture(scope="module")
def page(tmp_path_factory: pytest.TempPathFactory) -> Path:
    (path,) = export(coded_source(), "html-video", tmp_path_factory.mktemp("viewer") / "clip.video.html")
    return path


@pytest.fixture(scope="module")
def browser(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Browser]:
    with chromium(tmp_path_factory.mktemp("chromium")) as running:
        if not running.evaluate(PLAYS_H264):
            pytest.skip("this Chromium cannot play H.264")
        yield running


def video_of(page: Path) -> bytes:
    found = re.search(r'<script id="video-data" type="text/plain">(.*?)</script>', page.read_text())
    assert found is not None
    return base64.b64decode(found[1])


def loaded(browser: Browser, page: Path, size: tuple[int, int] = DESKTOP, frame: int = 0) -> None:
    browser.open(f"file://{page}#frame={frame}", size)
    browser.wait_for("pictureReady && wanted === null")


def picture_of(canvas: np.ndarray) -> np.ndarray:
    """The part of the canvas that the picture fills."""
    height, width = canvas.shape[:2]
    scale = min(width / WIDTH, height / HEIGHT)
    left, top = round((width - WIDTH * scale) / 2), round((height - HEIGHT * scale) / 2)
    return canvas[top : height - top or None, left : width - left or None]


def settled(browser: Browser, frame: int) -> np.ndarray:
    """The picture, as soon as it is that of a frame; a busy machine may draw it a little after its skeleton."""
    deadline_s = time.monotonic() + 10
    while number_of(picture := picture_of(browser.canvas("overlay"))) != frame and time.monotonic() < deadline_s:
        time.sleep(0.05)
    return picture


def centre_px(picture: np.ndarray, person: int) -> float | None:
    """Where a person is drawn along x, in pixels of the video; None where she is not.

    Only people have colours; person 0 is drawn in the upper 110 rows, person 1 below them.
    """
    rows = slice(24, 95) if person == 0 else slice(120, 185)
    scale = picture.shape[1] / WIDTH
    part = picture[int(rows.start * scale) : int(rows.stop * scale)]
    columns = np.flatnonzero((np.ptp(part, axis=2) > 60).any(axis=0))
    return None if len(columns) < 2 else float(columns.min() + columns.max()) / 2 / scale


def test_copy_keeps_pictures_and_times_and_has_many_keyframes(page: Path) -> None:
    with av.open(io.BytesIO(video_of(page)), "r") as container:
        assert [stream.type for stream in container.streams] == ["video"]
        stream = container.streams.video[0]
        assert stream.codec_context.pix_fmt == "yuv420p"
        assert stream.codec_context.profile in ("Main", "Constrained Baseline", "Baseline")
        frames = list(container.decode(stream))
    assert [number_of(frame.to_ndarray(format="bgr24")) for frame in frames] == list(range(FRAMES))
    np.testing.assert_allclose([frame.time for frame in frames], uneven_times_s(), atol=2e-5)
    keys = [number for number, frame in enumerate(frames) if frame.key_frame]
    assert keys == list(range(0, FRAMES, 15))


@pytest.mark.parametrize(
    ("source", "small"),
    [
        ((1920, 1080), (640, 360)),
        ((1080, 1920), (360, 640)),
        ((1440, 1080), (640, 480)),
        ((321, 241), (320, 240)),
        ((200, 100), (200, 100)),
        ((4000, 40), (640, 6)),
    ],
)
def test_copy_fits_a_small_box_with_even_sides(source: tuple[int, int], small: tuple[int, int]) -> None:
    assert small_size(*source) == small


def test_without_the_video_the_command_that_has_it_is_named(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"infer_video\.py .* --export html-video"):
        export(Source(two_people()[0]), "html-video", tmp_path / "a.video.html")
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("count", [FRAMES - 1, FRAMES + 1])
def test_a_video_of_another_length_is_refused(count: int, tmp_path: Path) -> None:
    with pytest.raises(InputError, match=rf"{count} frames, {FRAMES} were expected"):
        export(coded_source(count), "html-video", tmp_path / "a.video.html")
    assert list(tmp_path.iterdir()) == []


def test_page_fetches_nothing(page: Path) -> None:
    assert not re.search(r"(src|href)=|https?://|import\(|fetch\(|@import|url\(", page.read_text())


@needs_chromium
def test_picture_skeleton_and_scene_are_of_one_frame(page: Path, browser: Browser) -> None:
    loaded(browser, page)
    scenes = []
    # Person 1 is in frames 10 to 24 and 40 to 54.
    for frame in (0, 37, 12, 13, 59, 44, 15):
        browser.evaluate(f"scrub.value = {frame}; scrub.dispatchEvent(new Event('input'))")
        browser.wait_for("wanted === null")
        picture = settled(browser, frame)
        assert number_of(picture) == browser.evaluate("frame") == frame
        assert centre_px(picture, 0) == pytest.approx(place_px(0, frame), abs=1.5)
        there = frame in range(10, 25) or frame in range(40, 55)
        assert centre_px(picture, 1) == (pytest.approx(place_px(1, frame), abs=1.5) if there else None)
        scenes.append(browser.canvas("view"))
    assert all((first != second).any() for first, second in itertools.pairwise(scenes))
    assert browser.said == []


@needs_chromium
def test_steps_go_from_picture_to_picture(page: Path, browser: Browser) -> None:
    loaded(browser, page, frame=20)
    for key, frame in (("ArrowRight", 21), ("ArrowRight", 22), ("ArrowLeft", 21), ("End", 59)):
        browser.press(key)
        browser.wait_for("wanted === null")
        assert number_of(settled(browser, frame)) == frame
    # Many keys in a row, faster than pictures come.
    browser.evaluate("for (let i = 0; i < 30; i++) byId('back').click()")
    browser.wait_for("wanted === null")
    assert number_of(settled(browser, 29)) == 29
    assert browser.said == []


@needs_chromium
@pytest.mark.parametrize("callbacks", [True, False])
def test_playing_keeps_picture_and_skeleton_together(callbacks: bool, page: Path, browser: Browser) -> None:
    loaded(browser, page)
    if not callbacks:
        browser.evaluate("HTMLVideoElement.prototype.requestVideoFrameCallback = undefined")
    browser.evaluate("speed.value = '0.5'; speed.dispatchEvent(new Event('change'))")
    browser.press(" ")
    # What stands on the canvas whenever the page has drawn: the bars' brightness, and the frame by the clock's text.
    samples = browser.evaluate(
        """(async () => {
          // A copy, as reading from the canvas itself would slow it down.
          const probe = Object.assign(document.createElement("canvas"), { width: 320, height: 240 });
          const pixels = probe.getContext("2d", { willReadFrequently: true });
          const ratio = Math.min(overlay.width / 320, overlay.height / 240), found = [];
          const left = (overlay.width - 320 * ratio) / 2, top = (overlay.height - 240 * ratio) / 2;
          while (playing && found.length < 600) {
            pixels.drawImage(overlay, left, top, 320 * ratio, 240 * ratio, 0, 0, 320, 240);
            const bits = [0, 1, 2, 3, 4, 5].map(bit => pixels.getImageData(bit * 50 + 25, 215, 1, 1).data[0] > 128);
            const number = bits.reduce((sum, on, bit) => sum + (on << bit), 0);
            found.push([number, Number(clock.textContent.split("frame ")[1])]);
            await new Promise(requestAnimationFrame);
          }
          return found;
        })()"""
    )
    pictures, frames = np.array(samples).T
    assert len(set(pictures.tolist())) > 10
    assert (np.diff(pictures) >= 0).all()
    if callbacks:
        # Where the browser is late it may hand over a picture that is already the next one.
        assert np.mean(pictures == frames) > 0.8
    assert abs(pictures - frames).max() <= 1
    browser.wait_for("!playing && frame === 59")
    assert browser.said == []


@needs_chromium
def test_pausing_stays_on_the_picture(page: Path, browser: Browser) -> None:
    loaded(browser, page)
    browser.press(" ")
    browser.wait_for("frame > 12")
    browser.press(" ")
    browser.wait_for("wanted === null && video.paused")
    assert number_of(picture_of(browser.canvas("overlay"))) == browser.evaluate("frame")


@needs_chromium
def test_people_and_skeletons_can_be_hidden(page: Path, browser: Browser) -> None:
    loaded(browser, page, frame=20)
    assert browser.evaluate("people.map(p => p.shown)") == [True, True]
    browser.click("#people label:last-child")
    picture = picture_of(browser.canvas("overlay"))
    assert centre_px(picture, 1) is None
    assert centre_px(picture, 0) is not None
    browser.press("s")
    assert centre_px(picture_of(browser.canvas("overlay")), 0) is None
    browser.click("#skeleton")
    assert centre_px(picture_of(browser.canvas("overlay")), 0) is not None


@needs_chromium
def test_video_stands_beside_the_scene_or_above_it(page: Path, browser: Browser) -> None:
    boxes = "[panel, canvas].map(e => (b => [b.left, b.top, b.right, b.bottom])(e.getBoundingClientRect()))"
    loaded(browser, page, DESKTOP)
    video, scene = browser.evaluate(boxes)
    assert video[2] <= scene[0] + 1
    assert video[1] == scene[1]
    loaded(browser, page, PHONE)
    video, scene = browser.evaluate(boxes)
    assert video[3] <= scene[1] + 1
    assert video[2] == scene[2] == PHONE[0]
    assert scene[3] - scene[1] > 200


@needs_chromium
def test_a_browser_that_cannot_play_the_video_shows_the_scene(page: Path, browser: Browser, tmp_path: Path) -> None:
    broken = tmp_path / "broken.html"
    broken.write_text(re.sub(r'(type="text/plain">)[^<]{400}', r"\1" + 400 * "A", page.read_text()))
    browser.open(f"file://{broken}", DESKTOP)
    browser.wait_for("!byId('notice').hidden")
    assert "H.264" in browser.evaluate("byId('notice').textContent")
    before = browser.canvas("view")
    browser.press("ArrowRight")
    browser.press(" ")
    browser.wait_for("frame > 5")
    browser.press(" ")
    assert (browser.canvas("view") != before).any()
