"""A real Chromium without a window, driven over a pipe by the DevTools protocol: pages, keys, pointers, screenshots."""

from __future__ import annotations

import base64
import contextlib
import json
import os
import select
import shutil
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest

CHROMIUM = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
needs_chromium = pytest.mark.skipif(CHROMIUM is None, reason="no Chromium is installed (chromium, google-chrome)")

WAIT_S = 60.0
DESKTOP, PHONE = (1280, 720), (390, 844)
_KEYS = {" ": ("Space", 32), "ArrowLeft": ("ArrowLeft", 37), "ArrowRight": ("ArrowRight", 39), "End": ("End", 35)}


class Browser:
    """One Chromium with one page."""

    def __init__(self, sent: int, received: int) -> None:
        self._sent, self._received = sent, received
        self._number = 0
        self._buffer = b""
        self.said: list[str] = []
        """What the page wrote on its console, and errors that it did not catch."""
        target = self._call("Target.createTarget", url="about:blank")["targetId"]
        self._session: str | None = None
        self._session = self._call("Target.attachToTarget", targetId=target, flatten=True)["sessionId"]
        for domain in ("Runtime", "Page", "Log"):
            self._call(f"{domain}.enable")

    def open(self, url: str, size: tuple[int, int] = DESKTOP, scheme: str = "dark", dense: float = 1.0) -> None:
        """Load a page in a window of this size, for a user who prefers this colour scheme."""
        self.said.clear()
        phone = size[0] < size[1]
        self._call(
            "Emulation.setDeviceMetricsOverride",
            width=size[0],
            height=size[1],
            deviceScaleFactor=dense,
            mobile=phone,
        )
        self._call("Emulation.setEmulatedMedia", features=[{"name": "prefers-color-scheme", "value": scheme}])
        # Another address that differs only after the # would not load anew.
        self._call("Page.navigate", url="about:blank")
        self._call("Page.navigate", url=url)
        self.wait_for("document.readyState === 'complete' && location.href !== 'about:blank'")

    def evaluate(self, expression: str) -> Any:
        """The value of a JavaScript expression (a promise's when it is kept); `AssertionError` where it fails."""
        result = self._call("Runtime.evaluate", expression=expression, returnByValue=True, awaitPromise=True)
        assert "exceptionDetails" not in result, result["exceptionDetails"]
        return result["result"].get("value")

    def wait_for(self, condition: str) -> None:
        """Wait until a JavaScript expression is true."""
        deadline_s = time.monotonic() + WAIT_S
        while not self.evaluate(condition):
            assert time.monotonic() < deadline_s, f"never came: {condition}; the page said {self.said}"
            time.sleep(0.02)

    def press(self, key: str) -> None:
        """Press and let go a key."""
        code, number = _KEYS.get(key, (f"Key{key.upper()}", ord(key.upper()[0])))
        about: dict[str, Any] = {"key": key, "code": code, "windowsVirtualKeyCode": number}
        text = {"text": key} if len(key) == 1 else {}
        self._call("Input.dispatchKeyEvent", type="keyDown", **about, **text)
        self._call("Input.dispatchKeyEvent", type="keyUp", **about)

    def click(self, selector: str) -> None:
        """Press the mouse in the middle of an element."""
        x, y = self._middle(selector)
        self._call("Input.dispatchMouseEvent", type="mouseMoved", x=x, y=y)
        for kind in ("mousePressed", "mouseReleased"):
            self._call("Input.dispatchMouseEvent", type=kind, x=x, y=y, button="left", clickCount=1)

    def drag(self, selector: str, right: int, down: int) -> None:
        """Drag from the middle of an element."""
        x, y = self._middle(selector)
        self._call("Input.dispatchMouseEvent", type="mousePressed", x=x, y=y, button="left", clickCount=1)
        self._call("Input.dispatchMouseEvent", type="mouseMoved", x=x + right, y=y + down, button="left", buttons=1)
        self._call("Input.dispatchMouseEvent", type="mouseReleased", x=x + right, y=y + down, button="left")

    def wheel(self, selector: str, down: int) -> None:
        """Turn the wheel over an element."""
        x, y = self._middle(selector)
        self._call("Input.dispatchMouseEvent", type="mouseWheel", x=x, y=y, deltaX=0, deltaY=down)

    def screenshot(self, path: Path | None = None) -> np.ndarray:
        """(height, width, 3) int BGR picture of the window; also as a PNG at `path`."""
        png = base64.b64decode(self._call("Page.captureScreenshot", format="png")["data"])
        if path is not None:
            path.write_bytes(png)
        image = cv2.imdecode(np.frombuffer(png, np.uint8), cv2.IMREAD_COLOR)
        assert image is not None
        return image.astype(int)

    def canvas(self, name: str) -> np.ndarray:
        """(height, width, 3) int BGR pixels of a canvas, by its identifier."""
        data = self.evaluate(f"document.getElementById('{name}').toDataURL('image/png')")
        image = cv2.imdecode(np.frombuffer(base64.b64decode(data.partition(",")[2]), np.uint8), cv2.IMREAD_COLOR)
        assert image is not None
        return image.astype(int)

    def _middle(self, selector: str) -> tuple[float, float]:
        box = self.evaluate(
            f"(b => [b.x + b.width / 2, b.y + b.height / 2])(document.querySelector({json.dumps(selector)})"
            ".getBoundingClientRect())"
        )
        return box[0], box[1]

    def _call(self, method: str, **parameters: Any) -> dict[str, Any]:
        self._number += 1
        message: dict[str, Any] = {"id": self._number, "method": method, "params": parameters}
        if getattr(self, "_session", None) and not method.startswith("Target."):
            message["sessionId"] = self._session
        os.write(self._sent, json.dumps(message).encode() + b"\0")
        while True:
            answer = self._next()
            if answer.get("id") == self._number:
                assert "error" not in answer, f"{method}: {answer['error']}"
                return answer["result"]
            self._note(answer)

    def _note(self, event: dict[str, Any]) -> None:
        about = event.get("params", {})
        if event.get("method") == "Runtime.consoleAPICalled":
            self.said.append(str([part.get("value", part.get("description")) for part in about["args"]]))
        elif event.get("method") == "Runtime.exceptionThrown":
            details = about["exceptionDetails"]
            self.said.append(str(details.get("exception", {}).get("description", details["text"])))
        elif event.get("method") == "Log.entryAdded":
            self.said.append(about["entry"]["text"])

    def _next(self) -> dict[str, Any]:
        while b"\0" not in self._buffer:
            ready, _, _ = select.select([self._received], [], [], WAIT_S)
            assert ready, "Chromium does not answer"
            chunk = os.read(self._received, 1 << 20)
            assert chunk, "Chromium has ended"
            self._buffer += chunk
        message, _, self._buffer = self._buffer.partition(b"\0")
        return json.loads(message)


@contextlib.contextmanager
def chromium(profile: Path) -> Iterator[Browser]:
    """Start Chromium with an empty folder for its profile; it is ended with the block."""
    # It reads from descriptor 3 and writes to 4.
    to_read, to_write = os.pipe()
    from_read, from_write = os.pipe()
    options = ["--headless", "--no-sandbox", "--disable-gpu", "--hide-scrollbars", "--no-first-run"]
    inside = f'exec "$@" 3<&{to_read} 4>&{from_write}'
    options += ["--remote-debugging-pipe", f"--user-data-dir={profile}"]
    process = subprocess.Popen(
        ["bash", "-c", inside, "chromium", str(CHROMIUM), *options],
        pass_fds=(to_read, from_write),
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    os.close(to_read)
    os.close(from_write)
    try:
        yield Browser(to_write, from_read)
    finally:
        os.close(to_write)
        os.close(from_read)
        try:
            process.wait(timeout=10)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
