"""The page of the viewer: its data, and how it behaves in a real Chromium where one is installed."""

import base64
import json
import re
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from render.export import Source, export
from tests.render.chromium import DESKTOP, PHONE, Browser, chromium, needs_chromium
from tests.render.coded_video import uneven_times_s
from tests.render.moving_bodies import poses_of, two_people, walking


@pytest.fixture(scope="module")
def page(tmp_path_factory: pytest.TempPathFactory) -> Path:
    (path,) = export(Source(two_people()[0]), "html", tmp_path_factory.mktemp("viewer") / "clip.html")
    return path


@pytest.fixture(scope="module")
def browser(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Browser]:
    with chromium(tmp_path_factory.mktemp("chromium")) as running:
        yield running


def clip_of(page: Path) -> dict:
    found = re.search(r'<script id="clip" type="application/json">(.*?)</script>', page.read_text(), re.S)
    assert found is not None
    return json.loads(found[1])


def positions_of(clip: dict, person: dict) -> np.ndarray:
    values = np.frombuffer(base64.b64decode(person["positions"]), "<i2").reshape(len(clip["times_s"]), -1, 3)
    read = values[:, :17] * clip["step_m"] + clip["origin_m"]
    return np.where(values[:, :17] == -32768, np.nan, read)


def near(image: np.ndarray, code: str, tolerance: int = 12) -> int:
    """How many pixels have about this HTML colour."""
    bgr = [int(code[i : i + 2], 16) for i in (5, 3, 1)]
    return int((abs(image - bgr).max(axis=-1) <= tolerance).sum())


def test_data_hold_every_position_to_a_millimetre(page: Path) -> None:
    clip = clip_of(page)
    truth = two_people()[1]
    assert clip["joints"][:17] == list(poses_of({0: (np.arange(1), walking(1))}).skeleton.joints)
    for person in clip["people"]:
        np.testing.assert_allclose(positions_of(clip, person), truth[person["id"]], atol=6e-4, rtol=0)


def test_frames_are_the_video_s_own_at_their_times(tmp_path: Path) -> None:
    poses, _ = two_people()
    later = replace(poses, frame=poses.frame + 5, timestamps_s=uneven_times_s()[poses.frame])
    (path,) = export(Source(later), "html", tmp_path / "a.html")
    clip = clip_of(path)
    assert clip["first_frame"] == 5
    np.testing.assert_allclose(clip["times_s"], uneven_times_s(), atol=1e-5)


def test_joints_that_are_missing_are_left_out_alone(tmp_path: Path) -> None:
    body = walking(4)
    body[2, 13] = np.nan
    (path,) = export(Source(poses_of({0: (np.arange(4), body)})), "html", tmp_path / "a.html")
    read = positions_of(clip_of(path), clip_of(path)["people"][0])
    missing = np.isnan(read).any(axis=2)
    assert np.argwhere(missing).tolist() == [[2, 13]]
    np.testing.assert_allclose(read[~missing], body[~missing], atol=6e-4)


def test_page_is_small_and_fetches_nothing(page: Path, tmp_path: Path) -> None:
    assert not re.search(r"(src|href)=|https?://|import\(|fetch\(|@import|url\(", page.read_text())
    minute = walking(1800)
    poses = poses_of({0: (np.arange(1800), minute), 1: (np.arange(1800), minute + 1.0)})
    (path,) = export(Source(poses), "html", tmp_path / "minute.html")
    assert path.stat().st_size < 5_000_000


def test_a_title_cannot_bring_in_code(tmp_path: Path) -> None:
    (path,) = export(Source(two_people()[0]), "html", tmp_path / "a<script>alert(1)<&__CLIP__.html")
    assert "<script>alert" not in path.read_text()
    assert clip_of(path)["people"]


@needs_chromium
def test_chromium_draws_the_people_without_errors(page: Path, browser: Browser) -> None:
    colors = {person["id"]: person["colors"]["dark"]["right"] for person in clip_of(page)["people"]}
    # Both are there in frame 15, person 1 is away in frame 30.
    browser.open(f"file://{page}#frame=15", DESKTOP)
    together = browser.canvas("view")
    browser.open(f"file://{page}#frame=30", DESKTOP)
    alone = browser.canvas("view")
    assert near(together, colors[0]) > 300
    assert near(together, colors[1]) > 300
    assert near(alone, colors[0]) > 300
    assert near(alone, colors[1]) == 0
    assert browser.evaluate("document.querySelector('#people label:last-child').classList.contains('away')")
    assert browser.said == []


@needs_chromium
def test_chromium_scrubs_steps_and_hides_people(page: Path, browser: Browser) -> None:
    colors = {person["id"]: person["colors"]["dark"]["right"] for person in clip_of(page)["people"]}
    browser.open(f"file://{page}#frame=15", DESKTOP)
    first = browser.screenshot()
    browser.click("#scrub")
    assert 28 <= browser.evaluate("frame") <= 31
    assert (abs(browser.screenshot() - first).max(axis=-1) > 20).sum() > 1000
    browser.press("End")
    assert browser.evaluate("clock.textContent") == "1.97 s · frame 59"
    browser.press("ArrowLeft")
    assert browser.evaluate("frame") == 58
    browser.click("#forward")
    browser.click("#back")
    browser.click("#back")
    assert browser.evaluate("frame") == 57
    browser.click("#people label:last-child")
    browser.evaluate("go(15)")
    assert near(browser.canvas("view"), colors[1]) == 0
    assert near(browser.canvas("view"), colors[0]) > 300
    browser.click("#people label:last-child")
    assert near(browser.canvas("view"), colors[1]) > 300
    assert browser.said == []


@needs_chromium
def test_chromium_turns_zooms_and_comes_back(page: Path, browser: Browser) -> None:
    browser.open(f"file://{page}#frame=15", DESKTOP)
    home = browser.canvas("view")
    for act in (lambda: browser.drag("#view", 80, 20), lambda: browser.wheel("#view", 400)):
        act()
        browser.wait_for("preset.value === 'free'")
        assert (abs(browser.canvas("view") - home).max(axis=-1) > 20).sum() > 1000
        browser.press("r")
        assert (browser.canvas("view") == home).all()
    seen = [home]
    for key in "234":
        browser.press(key)
        seen.append(browser.canvas("view"))
        assert (abs(seen[-1] - seen[-2]).max(axis=-1) > 20).sum() > 1000
    assert browser.said == []


@needs_chromium
def test_chromium_plays_at_the_speed_asked_for(page: Path, browser: Browser) -> None:
    browser.open(f"file://{page}", DESKTOP)
    elapsed = (
        "(async () => { play(true); const began = performance.now(); while (frame < 20) await new Promise("
        "requestAnimationFrame); const took = performance.now() - began; play(false); go(0); return took; })()"
    )
    # 20 frames of 30 a second; a busy machine may see them late, never early.
    assert 20 / 30 * 1000 - 40 < browser.evaluate(elapsed) < 20 / 30 * 1000 + 500
    browser.press("ArrowUp")
    assert browser.evaluate("speed.value") == "2"
    assert 20 / 60 * 1000 - 40 < browser.evaluate(elapsed) < 20 / 60 * 1000 + 300
    browser.press(" ")
    browser.wait_for("frame === 59 && !playing")
    browser.press("l")
    browser.press(" ")
    browser.wait_for("frame > 5 && frame < 50")
    browser.wait_for("frame > 55")
    browser.wait_for("frame < 50 && playing")
    assert browser.said == []


@needs_chromium
def test_chromium_shows_the_colours_that_the_user_prefers(page: Path, browser: Browser) -> None:
    browser.open(f"file://{page}", DESKTOP, scheme="light")
    assert browser.canvas("view")[2, -2].min() > 200
    browser.click("#theme")
    assert browser.canvas("view")[2, -2].max() < 60
    browser.open(f"file://{page}", DESKTOP, scheme="dark")
    assert browser.canvas("view")[2, -2].max() < 60


@needs_chromium
@pytest.mark.parametrize("size", [DESKTOP, PHONE, (844, 390)])
def test_chromium_has_room_for_every_control(size: tuple[int, int], page: Path, browser: Browser) -> None:
    browser.open(f"file://{page}", size)
    boxes = browser.evaluate(
        "[...document.querySelectorAll('button, select, input, canvas')].filter(e => e.offsetParent).map(e => "
        "(b => [e.id, b.left, b.top, b.right, b.bottom])(e.getBoundingClientRect()))"
    )
    assert len(boxes) >= 12
    for name, left, top, right, bottom in boxes:
        assert -1 <= left < right <= size[0] + 1, name
        assert -1 <= top < bottom <= size[1] + 1, name
    unnamed = browser.evaluate(
        "[...document.querySelectorAll('button, select, input')].filter(e => !e.ariaLabel && !e.labels?.length).length"
    )
    assert unnamed == 0
    assert browser.said == []
