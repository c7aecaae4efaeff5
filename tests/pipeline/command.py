"""Runs the real command line as a program of its own."""

from __future__ import annotations

import resource
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path

COMMAND = [sys.executable, str(Path(__file__).parent.parent.parent / "infer_video.py")]
WAIT_S = 120.0


def run_command(
    arguments: Sequence[object], folder: Path, largest_file_bytes: int | None = None
) -> subprocess.CompletedProcess[str]:
    """Run in `folder` to the end. With `largest_file_bytes` no file can grow beyond that, as on a disk that is full."""

    def limit() -> None:
        if largest_file_bytes is not None:
            resource.setrlimit(resource.RLIMIT_FSIZE, (largest_file_bytes, largest_file_bytes))

    return subprocess.run(
        [*COMMAND, *map(str, arguments)],
        cwd=folder,
        capture_output=True,
        text=True,
        timeout=WAIT_S,
        check=False,
        preexec_fn=limit,
    )


def run_until(
    arguments: Sequence[object], folder: Path, moment: Callable[[], bool], end_with: signal.Signals
) -> tuple[int, str]:
    """Run in `folder`, send the signal `end_with` as soon as `moment()` is true, return exit code and stderr."""
    log = folder / "stderr.log"
    with log.open("wb") as stream:
        process = subprocess.Popen(
            [*COMMAND, *map(str, arguments)],
            cwd=folder,
            stdout=subprocess.DEVNULL,
            stderr=stream,
            # A shell that put the tests in the background may have left SIGINT ignored.
            preexec_fn=lambda: signal.signal(signal.SIGINT, signal.default_int_handler),
        )
        try:
            deadline_s = time.monotonic() + WAIT_S
            while process.poll() is None and not moment():
                assert time.monotonic() < deadline_s, "the moment never came"
                time.sleep(0.002)
            process.send_signal(end_with)
            code = process.wait(timeout=WAIT_S)
        finally:
            if process.poll() is None:
                process.kill()
                process.wait()
    return code, log.read_text(errors="replace")
