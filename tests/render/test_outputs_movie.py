"""MP4 and WebM read back by PyAV, by OpenCV, and by the ffmpeg of another build."""

from __future__ import annotations

import re
import struct
import subprocess
from dataclasses import replace
from pathlib import Path

import av
import imageio_ffmpeg
import numpy as np
import pytest

from poses import UsageError
from render.movie import MP4, PRESETS, WEBM, movie_encoder
from render.outputs import open_output
from tests.render.moving_column import IRREGULAR_S, SIZE, column_frames

MOVIES = pytest.mark.parametrize("name", ["out.mp4", "out.webm"])


def write(path: Path, times_s: np.ndarray, preset: str = "veryfast") -> None:
    with open_output(path, *SIZE, preset=preset) as writer:
        for image, time_s in zip(column_frames(len(times_s)), times_s, strict=True):
            writer.write(image, float(time_s))


def ffmpeg(*arguments: str) -> subprocess.CompletedProcess[bytes]:
    return subprocess.run(
        [imageio_ffmpeg.get_ffmpeg_exe(), "-hide_banner", *arguments], capture_output=True, check=True, timeout=60
    )


@MOVIES
@pytest.mark.parametrize(
    "times_s", [IRREGULAR_S, np.arange(30) / 29.97, np.arange(12) / 240], ids=["vfr", "ntsc", "240"]
)
def test_frame_times_come_back(tmp_path: Path, times_s: np.ndarray, name: str) -> None:
    path = tmp_path / name
    write(path, times_s)
    with av.open(str(path)) as container:
        stream = container.streams.video[0]
        codec = {"out.mp4": "h264", "out.webm": "vp9"}[name]
        # PyAV names the decoder: another one than FFmpeg's own may come first.
        assert codec in stream.codec_context.codec.canonical_name
        assert (stream.codec_context.pix_fmt, stream.width, stream.height) == ("yuv420p", *SIZE)
        got = [frame.time for frame in container.decode(stream)]
    np.testing.assert_allclose(got, times_s, atol=1e-4 if name == "out.mp4" else 5.1e-4)


@MOVIES
def test_another_program_reads_the_same(tmp_path: Path, name: str) -> None:
    path = tmp_path / name
    write(path, IRREGULAR_S)
    log = ffmpeg("-i", str(path), "-fps_mode", "passthrough", "-vf", "showinfo", "-f", "null", "-").stderr.decode()
    assert re.search(r"Video: (h264|vp9) .*yuv420p.*64x48", log)
    got = [float(time) for time in re.findall(r"showinfo.* pts_time:([\d.]+)", log)]
    np.testing.assert_allclose(got, IRREGULAR_S, atol=1e-3)


@MOVIES
def test_colours_survive(tmp_path: Path, name: str) -> None:
    path = tmp_path / name
    color = (40, 90, 200)
    with open_output(path, *SIZE, crf=1) as writer:
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


@MOVIES
def test_cut_from_the_middle_starts_at_zero_and_the_last_frame_lasts(tmp_path: Path, name: str) -> None:
    path = tmp_path / name
    write(path, 5.0 + np.arange(20) / 10)
    with av.open(str(path)) as container:
        times = [frame.time for frame in container.decode(video=0)]
        assert container.duration is not None
        assert container.duration / 1e6 == pytest.approx(2.0, abs=0.002)
    np.testing.assert_allclose(times, np.arange(20) / 10, atol=1e-4)


@MOVIES
def test_one_frame(tmp_path: Path, name: str) -> None:
    path = tmp_path / name
    write(path, np.array([0.0]))
    with av.open(str(path)) as container:
        assert len(list(container.decode(video=0))) == 1


@MOVIES
def test_quality_and_effort_do_something(tmp_path: Path, name: str) -> None:
    noise = np.random.default_rng(0).integers(0, 255, (10, 96, 128, 3), dtype=np.uint8)

    def size(crf: float, preset: str) -> int:
        path = tmp_path / name
        with open_output(path, 128, 96, crf=crf, preset=preset) as writer:
            for index, image in enumerate(noise):
                writer.write(image, index / 30)
        return path.stat().st_size

    assert size(10, "veryfast") > 1.2 * size(30, "veryfast") > 1.2 * size(45, "veryfast")
    sizes = {size(20, preset) for preset in (PRESETS[0], PRESETS[2], PRESETS[5])}
    assert len(sizes) > 1


@pytest.mark.parametrize("movie", [MP4, WEBM])
def test_codec_that_ffmpeg_lacks(movie: object) -> None:
    assert isinstance(movie, type(MP4))
    with pytest.raises(UsageError, match="has no encoder libnosuch: choose another format of mp4, webm, gif and png"):
        movie_encoder(replace(movie, codec="libnosuch"))
