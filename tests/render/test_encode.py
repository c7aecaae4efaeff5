"""The MP4 read back by PyAV and by another program; failures leave nothing behind."""

from __future__ import annotations

import re
import struct
import subprocess
import sys
import textwrap
from pathlib import Path

import av
import imageio_ffmpeg
import numpy as np
import pytest

from poses import InputError
from render.encode import Mp4Writer

SIZE = (64, 48)
IRREGULAR_S = np.cumsum([0.0, 0.0333, 0.0334, 0.1001, 0.0041, 0.5, 0.0169, 0.0333, 0.25, 0.0333])


def frames(count: int) -> list[np.ndarray]:
    """Pictures that the encoder cannot repeat: a bright column that moves."""
    pictures = np.full((count, SIZE[1], SIZE[0], 3), 40, np.uint8)
    for index, picture in enumerate(pictures):
        picture[:, 6 * index % SIZE[0] :][:, :4] = (30, 120, 230)
    return list(pictures)


def write(path: Path, times_s: np.ndarray) -> None:
    with Mp4Writer(path, *SIZE) as writer:
        for image, time_s in zip(frames(len(times_s)), times_s, strict=True):
            writer.write(image, float(time_s))


def ffmpeg(*arguments: str) -> subprocess.CompletedProcess[bytes]:
    return subprocess.run(
        [imageio_ffmpeg.get_ffmpeg_exe(), "-hide_banner", *arguments], capture_output=True, check=True, timeout=60
    )


@pytest.mark.parametrize(
    "times_s", [IRREGULAR_S, np.arange(30) / 29.97, np.arange(12) / 240], ids=["vfr", "ntsc", "240"]
)
def test_frame_times_come_back(tmp_path: Path, times_s: np.ndarray) -> None:
    path = tmp_path / "out.mp4"
    write(path, times_s)
    with av.open(str(path)) as container:
        stream = container.streams.video[0]
        assert (stream.codec_context.name, stream.codec_context.pix_fmt) == ("h264", "yuv420p")
        assert (stream.width, stream.height) == SIZE
        got = [frame.time for frame in container.decode(stream)]
    np.testing.assert_allclose(got, times_s, atol=1e-4)


def test_another_program_reads_the_same(tmp_path: Path) -> None:
    path = tmp_path / "out.mp4"
    write(path, IRREGULAR_S)
    log = ffmpeg("-i", str(path), "-fps_mode", "passthrough", "-vf", "showinfo", "-f", "null", "-").stderr.decode()
    assert re.search(r"Video: h264 .*yuv420p.*64x48", log)
    got = [float(time) for time in re.findall(r"showinfo.* pts_time:([\d.]+)", log)]
    np.testing.assert_allclose(got, IRREGULAR_S, atol=1e-3)


def test_colours_survive(tmp_path: Path) -> None:
    path = tmp_path / "out.mp4"
    color = (40, 90, 200)
    with Mp4Writer(path, *SIZE, crf=1) as writer:
        for index in range(3):
            writer.write(np.full((SIZE[1], SIZE[0], 3), color, np.uint8), index / 30)
    raw = ffmpeg("-i", str(path), "-f", "rawvideo", "-pix_fmt", "bgr24", "-").stdout
    pixels = np.frombuffer(raw, np.uint8).reshape(3, SIZE[1], SIZE[0], 3)
    np.testing.assert_allclose(pixels.reshape(-1, 3).mean(axis=0), color, atol=3)


def test_index_stands_before_the_pictures(tmp_path: Path) -> None:
    path = tmp_path / "out.mp4"
    write(path, np.arange(5) / 30)
    data, kinds, at = path.read_bytes(), [], 0
    while at < len(data):
        length, kind = struct.unpack(">I4s", data[at : at + 8])
        kinds.append(kind)
        at += length
    assert kinds.index(b"moov") < kinds.index(b"mdat")


def test_cut_from_the_middle_starts_at_zero_and_the_last_frame_lasts(tmp_path: Path) -> None:
    path = tmp_path / "out.mp4"
    write(path, 5.0 + np.arange(20) / 10)
    with av.open(str(path)) as container:
        times = [frame.time for frame in container.decode(video=0)]
        assert container.duration is not None
        assert container.duration / 1e6 == pytest.approx(2.0, abs=0.002)
    np.testing.assert_allclose(times, np.arange(20) / 10, atol=1e-4)


def test_one_frame(tmp_path: Path) -> None:
    path = tmp_path / "out.mp4"
    write(path, np.array([0.0]))
    with av.open(str(path)) as container:
        assert len(list(container.decode(video=0))) == 1


@pytest.mark.parametrize("folder", ["missing", "file", "/proc"])
def test_folder_that_cannot_be_written(tmp_path: Path, folder: str) -> None:
    (tmp_path / "file").write_text("not a folder")
    path = tmp_path / folder / "out.mp4"
    with pytest.raises(InputError, match=r"out\.mp4: cannot be written .*: .*-o"):
        write(path, np.arange(3) / 30)


@pytest.mark.parametrize("limit", [0, 600, 6_000])
def test_disk_full(tmp_path: Path, limit: int) -> None:
    """The kernel refuses to let a file grow past a limit, as a full disk does; nothing remains, the old file stays."""
    path = tmp_path / "out.mp4"
    path.write_bytes(b"old")
    code = f"""
        import resource, numpy as np
        from poses import InputError
        from render.encode import Mp4Writer
        resource.setrlimit(resource.RLIMIT_FSIZE, ({limit}, {limit}))
        noise = np.random.default_rng(0)
        try:
            with Mp4Writer({str(path)!r}, 320, 240, crf=10) as writer:
                for index in range(60):
                    writer.write(noise.integers(0, 255, (240, 320, 3), dtype=np.uint8), index / 30)
        except InputError as error:
            assert "out.mp4: cannot be written" in str(error), error
        else:
            raise SystemExit("no error")
    """
    root = Path(__file__).parents[2]
    done = subprocess.run(
        [sys.executable, "-c", textwrap.dedent(code)], cwd=root, capture_output=True, text=True, timeout=60
    )
    assert done.returncode == 0, done.stderr
    assert list(tmp_path.iterdir()) == [path]
    assert path.read_bytes() == b"old"


@pytest.mark.parametrize("written", [0, 1, 40])
def test_failure_in_the_block_leaves_nothing(tmp_path: Path, written: int) -> None:
    path = tmp_path / "out.mp4"

    def fail() -> None:
        with Mp4Writer(path, *SIZE) as writer:
            for index, image in enumerate(frames(written)):
                writer.write(image, index / 30)
            raise KeyError("the caller's own")

    with pytest.raises(KeyError, match="the caller's own"):
        fail()
    assert list(tmp_path.iterdir()) == []


def test_no_frame_at_all(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="at least one frame"):
        write(tmp_path / "out.mp4", np.empty(0))
    assert list(tmp_path.iterdir()) == []


def test_wrong_arguments(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="even sizes, got 63x48"):
        Mp4Writer(tmp_path / "out.mp4", 63, 48)

    def write_pair(image: np.ndarray, second_s: float) -> None:
        with Mp4Writer(tmp_path / "out.mp4", *SIZE) as writer:
            writer.write(frames(1)[0], 0.0)
            writer.write(image, second_s)

    with pytest.raises(ValueError, match=r"expected uint8 frames of \(48, 64, 3\), got uint8 of \(64, 48, 3\)"):
        write_pair(np.zeros((64, 48, 3), np.uint8), 1.0)
    with pytest.raises(ValueError, match="must increase"):
        write_pair(frames(1)[0], 0.0)
