"""The thread between frames and encoder: bounded, and whatever fails leaves nothing behind."""

from __future__ import annotations

import subprocess
import sys
import textwrap
import threading
import weakref
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from poses import InputError, UsageError
from render.encode import Frames, FrameWriter, check_encoder
from render.outputs import OUTPUT_FORMATS, open_output
from tests.render.moving_column import SIZE, column_frames

NAMES = [f"out{ending}" for ending, _ in OUTPUT_FORMATS.values()]


def write(path: Path, count: int = 3) -> None:
    with open_output(path, *SIZE) as writer:
        for index, image in enumerate(column_frames(count)):
            writer.write(image, index / 30)


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("folder", ["missing", "file", "/proc"])
def test_folder_that_cannot_be_written(tmp_path: Path, folder: str, name: str) -> None:
    (tmp_path / "file").write_text("not a folder")
    with pytest.raises(InputError, match=r"out[._]\w+: cannot be written .*: .*-o"):
        write(tmp_path / folder / name)


@pytest.mark.parametrize("limit", [0, 6_000])
def test_disk_full(tmp_path: Path, limit: int) -> None:
    """The kernel refuses to let a file grow past a limit, as a full disk does; nothing remains, the old file stays."""
    paths = [tmp_path / name for name in NAMES]
    (tmp_path / "out_frames").mkdir()
    olds = [path / "000000.png" if path.is_dir() else path for path in paths]
    for old in olds:
        old.write_bytes(b"old")
    code = f"""
        import resource, numpy as np
        from poses import InputError
        from render.outputs import open_output
        resource.setrlimit(resource.RLIMIT_FSIZE, ({limit}, {limit}))
        noise = np.random.default_rng(0)
        for path in {[str(path) for path in paths]!r}:
            try:
                with open_output(path, 320, 240, crf=10) as writer:
                    for index in range(40):
                        writer.write(noise.integers(0, 255, (240, 320, 3), dtype=np.uint8), index / 30)
            except InputError as error:
                assert f"{{path}}: cannot be written" in str(error), error
            else:
                raise SystemExit(f"{{path}}: no error")
    """
    root = Path(__file__).parents[2]
    done = subprocess.run(
        [sys.executable, "-c", textwrap.dedent(code)], cwd=root, capture_output=True, text=True, timeout=60
    )
    assert done.returncode == 0, done.stderr
    assert set(tmp_path.iterdir()) == set(paths)
    assert [old.read_bytes() for old in olds] == len(olds) * [b"old"]
    assert list((tmp_path / "out_frames").iterdir()) == [tmp_path / "out_frames" / "000000.png"]


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("written", [0, 1, 40])
def test_failure_in_the_block_leaves_nothing(tmp_path: Path, written: int, name: str) -> None:
    def fail() -> None:
        with open_output(tmp_path / name, *SIZE) as writer:
            for index, image in enumerate(column_frames(written)):
                writer.write(image, index / 30)
            raise KeyError("the caller's own")

    with pytest.raises(KeyError, match="the caller's own"):
        fail()
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("name", NAMES)
def test_no_frame_at_all(tmp_path: Path, name: str) -> None:
    with pytest.raises(ValueError, match="at least one frame"):
        write(tmp_path / name, 0)
    assert list(tmp_path.iterdir()) == []


def test_wrong_frames(tmp_path: Path) -> None:
    def write_pair(image: np.ndarray, second_s: float) -> None:
        with open_output(tmp_path / "out.mp4", *SIZE) as writer:
            writer.write(column_frames(1)[0], 0.0)
            writer.write(image, second_s)

    with pytest.raises(ValueError, match=r"expected uint8 frames of \(48, 64, 3\), got uint8 of \(64, 48, 3\)"):
        write_pair(np.zeros((64, 48, 3), np.uint8), 1.0)
    with pytest.raises(ValueError, match="got float64 of"):
        write_pair(np.zeros((48, 64, 3)), 1.0)
    with pytest.raises(ValueError, match="must increase"):
        write_pair(column_frames(1)[0], 0.0)
    with pytest.raises(ValueError, match="a size and a queue of at least 1, got 64x0"):
        FrameWriter(tmp_path / "out.mp4", 64, 0, lambda path, frames: None)


class Living:
    """Counts the arrays that are still in memory."""

    def __init__(self) -> None:
        self._references: list[weakref.ref[np.ndarray]] = []

    def note(self, image: np.ndarray) -> np.ndarray:
        self._references.append(weakref.ref(image))
        return image

    def count(self) -> int:
        return sum(reference() is not None for reference in self._references)


def test_waits_for_a_slow_encoder_and_holds_few_frames(tmp_path: Path) -> None:
    """However many frames are given, at most the queue's, the encoder's and the caller's own are alive."""
    taken, most, living = 0, 0, Living()
    go = threading.Semaphore(0)

    def slow(path: Path, frames: Frames) -> None:
        nonlocal taken
        for _ in frames:
            taken += 1
            go.acquire()

    with FrameWriter(tmp_path / "out", *SIZE, slow, queue_frames=4) as writer:
        for index in range(60):
            if index > 4:
                go.release()
            writer.write(living.note(np.zeros((SIZE[1], SIZE[0], 3), np.uint8)), float(index))
            most = max(most, living.count())
        go.release(100)
    assert taken == 60
    assert 4 <= most <= 8


@pytest.mark.parametrize("name", NAMES)
def test_frames_are_let_go(tmp_path: Path, name: str) -> None:
    """No output keeps the pictures that it was given until the end."""
    most, living = 0, Living()
    with open_output(tmp_path / name, *SIZE) as writer:
        for index, image in enumerate(column_frames(120)):
            writer.write(living.note(image.copy()), index / 30)
            most = max(most, living.count())
    assert most < 20


def test_memory_does_not_grow_with_the_length(tmp_path: Path) -> None:
    """Libraries may keep what Python has let go of. A ninth of 240 frames would be 18 MB, the whole of them 166 MB.

    GIF comes first: it is the only one that keeps parts, and the peak of a process hides smaller ones after it.
    """
    code = f"""
        import resource, sys
        from render.outputs import open_output
        from tests.render.moving_column import column_frames
        images = column_frames(7, (640, 360))
        def peak_mb(path, count):
            with open_output(path, 640, 360, preset="ultrafast") as writer:
                for index in range(count):
                    writer.write(images[index % 7].copy(), index / 30)
            return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1000
        for path in {[str(tmp_path / name) for name in sorted(NAMES)]!r}:
            first = peak_mb(path, 30)
            assert peak_mb(path, 270) < first + 10, path
    """
    root = Path(__file__).parents[2]
    done = subprocess.run(
        [sys.executable, "-c", textwrap.dedent(code)], cwd=root, capture_output=True, text=True, timeout=120
    )
    assert done.returncode == 0, done.stderr


def test_error_of_the_encoder_reaches_the_caller(tmp_path: Path) -> None:
    def encoding(error: Exception) -> Callable[[Path, Frames], None]:
        def encode(path: Path, frames: Frames) -> None:
            next(frames)
            raise error

        return encode

    def run(error: Exception) -> None:
        with FrameWriter(tmp_path / "out", *SIZE, encoding(error), queue_frames=1) as writer:
            for index, image in enumerate(column_frames(40)):
                writer.write(image, float(index))

    with pytest.raises(InputError, match="the source is gone"):
        run(InputError("the source is gone"))
    with pytest.raises(InputError, match=r"out: cannot be written \(the cable was pulled\)"):
        run(OSError(5, "the cable was pulled"))
    assert list(tmp_path.iterdir()) == []


def test_encoder_that_ffmpeg_lacks() -> None:
    check_encoder("libx264", "nothing to do")
    with pytest.raises(UsageError, match=r"PyAV [\d.]+ .*has no encoder libnosuch: choose mp4"):
        check_encoder("libnosuch", "choose mp4")
