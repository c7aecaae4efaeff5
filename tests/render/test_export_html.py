"""The page of the viewer: its data, and how it behaves in a real Chromium where one is installed."""

import base64
import json
import re
import shutil
import subprocess
from pathlib import Path

import cv2
import numpy as np
import pytest

from render.export import Source, export
from tests.render.moving_bodies import poses_of, two_people, walking

CHROMIUM = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
needs_chromium = pytest.mark.skipif(CHROMIUM is None, reason="no Chromium is installed (chromium, google-chrome)")


@pytest.fixture(scope="module")
def page(tmp_path_factory: pytest.TempPathFactory) -> Path:
    (path,) = export(Source(two_people()[0]), "html", tmp_path_factory.mktemp("viewer") / "clip.html")
    return path


def clip_of(page: Path) -> dict:
    found = re.search(r'<script id="clip" type="application/json">(.*?)</script>', page.read_text(), re.S)
    assert found is not None
    return json.loads(found[1])


def chromium(page: str, *options: str) -> subprocess.CompletedProcess[str]:
    """Chromium without a window on a page; its console goes to stderr."""
    command = [str(CHROMIUM), "--headless", "--no-sandbox", "--disable-gpu", "--hide-scrollbars"]
    logged = ["--enable-logging=stderr", "--virtual-time-budget=3000", "--force-device-scale-factor=1"]
    return subprocess.run([*command, *logged, *options, page], capture_output=True, text=True, timeout=120, check=True)


def screenshot(page: Path, frame: int, folder: Path) -> np.ndarray:
    path = folder / f"{frame}.png"
    chromium(f"file://{page}#frame={frame}", "--window-size=800,600", f"--screenshot={path}")
    image = cv2.imread(str(path))
    assert image is not None
    return image.astype(int)


def near(image: np.ndarray, code: str, tolerance: int = 12) -> int:
    """How many pixels have about this HTML colour."""
    bgr = [int(code[i : i + 2], 16) for i in (5, 3, 1)]
    return int((abs(image - bgr).max(axis=-1) <= tolerance).sum())


def test_data_hold_every_position_to_a_millimetre(page: Path) -> None:
    clip = clip_of(page)
    truth = two_people()[1]
    assert clip["joints"][:17] == list(poses_of({0: (np.arange(1), walking(1))}).skeleton.joints)
    for person in clip["people"]:
        values = np.frombuffer(base64.b64decode(person["positions"]), "<i2").reshape(60, -1, 3)
        wanted = truth[person["id"]]
        missing = np.isnan(wanted).all(axis=(1, 2))
        assert ((values == -32768).all(axis=(1, 2)) == missing).all()
        read = values[:, :17] * clip["step_m"] + clip["origin_m"]
        assert abs(read - wanted)[~missing].max() <= 0.0006


def test_page_is_small_and_fetches_nothing(page: Path, tmp_path: Path) -> None:
    assert not re.search(r"(src|href)=|https?://|import\(|fetch\(", page.read_text())
    minute = walking(1800)
    poses = poses_of({0: (np.arange(1800), minute), 1: (np.arange(1800), minute + 1.0)})
    (path,) = export(Source(poses), "html", tmp_path / "minute.html")
    assert path.stat().st_size < 5_000_000


def test_a_title_cannot_bring_in_code(tmp_path: Path) -> None:
    (path,) = export(Source(two_people()[0]), "html", tmp_path / "a<script>alert(1)<&.html")
    assert "<script>alert" not in path.read_text()


@needs_chromium
def test_chromium_draws_the_people_without_errors(page: Path, tmp_path: Path) -> None:
    result = chromium(f"file://{page}", "--dump-dom")
    assert "CONSOLE" not in result.stderr
    assert "person 1" in result.stdout
    colors = {person["id"]: person["colors"]["right"] for person in clip_of(page)["people"]}
    together, alone = screenshot(page, 15, tmp_path), screenshot(page, 30, tmp_path)
    # The swatch of the legend has the colour too, hence more than that.
    legend = near(alone, colors[1])
    assert near(together, colors[1]) > legend + 100
    assert near(alone, colors[0]) > 300
    assert (abs(together - alone).max(axis=-1) > 20).sum() > 1000


@needs_chromium
def test_chromium_scrubs_hides_people_and_plays(page: Path, tmp_path: Path) -> None:
    script = """
    <script>
      const said = {}, pixels = () => canvas.toDataURL();
      const first = pixels();
      scrub.value = 40; scrub.dispatchEvent(new Event("input"));
      said.scrubbed = pixels() !== first && clock.textContent.endsWith("40");
      const both = pixels();
      document.querySelectorAll("#people input")[1].click();
      said.hidden = pixels() !== both;
      document.dispatchEvent(new KeyboardEvent("keydown", { key: "ArrowLeft", bubbles: true }));
      said.stepped = frame === 39;
      canvas.dispatchEvent(new WheelEvent("wheel", { deltaY: 300, cancelable: true }));
      said.zoomed = view.distance > home.distance;
      document.getElementById("reset").click();
      said.reset = view.distance === home.distance;
      // Time is told, not waited for: a second at full and a second at half speed, 30 frames a second.
      go(0); playButton.click(); tick(1000); tick(2000);
      said.played = frame === 30;
      speed.value = "0.5"; tick(3000);
      said.slowed = frame === 45;
      document.title = JSON.stringify(said);
    </script></body>"""
    tried = tmp_path / "tried.html"
    tried.write_text(page.read_text().replace("</body>", script))
    result = chromium(f"file://{tried}", "--dump-dom")
    assert "CONSOLE" not in result.stderr
    title = re.search(r"<title>(.*?)</title>", result.stdout)
    assert title is not None
    said = json.loads(title[1])
    assert said == dict.fromkeys(("scrubbed", "hidden", "stepped", "zoomed", "reset", "played", "slowed"), True)
