"""Sound kept beside new pictures, heard by the ffmpeg of another build: a beep at a known time stays in sync."""

from __future__ import annotations

import logging
from dataclasses import replace
from pathlib import Path
from typing import Any

import av
import ffmpeg
import numpy as np
import pytest

from poses import InputError, UsageError
from render.movie import MP4, movie_encoder
from render.outputs import open_output
from render.sound import Sound
from tests.render.moving_column import SIZE, column_frames
from tests.videos import EXE, pattern, write

FPS = 25
SECONDS = 3.0
BEEP_S = 1.4
RATE = 48_000

SOURCES: dict[str, dict[str, Any]] = {
    "aac.mp4": {"vcodec": "libx264", "acodec": "aac", "pix_fmt": "yuv420p"},
    "aac.mkv": {"vcodec": "libx264", "acodec": "aac"},
    "aac.ts": {"vcodec": "libx264", "acodec": "aac", "pix_fmt": "yuv420p"},
    "aac.flv": {"vcodec": "flv", "acodec": "aac"},
    "opus.webm": {"vcodec": "libvpx", "acodec": "libopus"},
    "vorbis.webm": {"vcodec": "libvpx", "acodec": "libvorbis"},
    "pcm.mov": {"vcodec": "mpeg4", "acodec": "pcm_s16le"},
    "mp3.avi": {"vcodec": "mpeg4", "acodec": "libmp3lame"},
    "flac.mkv": {"vcodec": "mpeg4", "acodec": "flac", "ac": 6},
}
COPIED = {
    ("aac.mp4", "mp4"),
    ("aac.mkv", "mp4"),
    ("aac.flv", "mp4"),
    ("opus.webm", "webm"),
    ("vorbis.webm", "webm"),
}
"""AAC in a transport stream has no header of its own, which MP4 needs: it is coded again."""


def beep(rate: int = 44_100) -> Any:
    """Silence, then from `BEEP_S` on 0.2 s of a tone of 1 kHz, then silence."""
    tone = f"if(between(t,{BEEP_S},{BEEP_S + 0.2}),0.6*sin(6283*t),0)"
    return ffmpeg.input(f"aevalsrc='{tone}|{tone}':s={rate}:d={SECONDS}", f="lavfi")


@pytest.fixture(scope="module")
def sources(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    folder = tmp_path_factory.mktemp("sources")
    picture = pattern(frames=round(SECONDS * FPS), fps=FPS)
    return {name: write(folder / name, picture, beep(), **options) for name, options in SOURCES.items()}


def render(path: Path, sound: Sound, end_s: float = SECONDS) -> None:
    """Frames as a part that was cut out at `sound.start_s` would give them."""
    times_s = np.arange(sound.start_s, end_s - 1e-6, 1 / FPS)
    with open_output(path, *SIZE, preset="ultrafast", sound=sound) as writer:
        for image, time_s in zip(column_frames(len(times_s)), times_s, strict=True):
            writer.write(image, float(time_s))


def heard(path: Path) -> np.ndarray:
    """(N,) samples at 48 kHz from the movie's time 0 on, by ffmpeg."""
    raw, _ = (
        ffmpeg.input(str(path))
        .output("pipe:", format="f32le", ac=1, ar=RATE, af="aresample=async=1:first_pts=0", map="0:a")
        .global_args("-v", "error")
        .run(cmd=EXE, capture_stdout=True)
    )
    return np.frombuffer(raw, np.float32)


def onset_s(samples: np.ndarray) -> float:
    return int(np.argmax(np.abs(samples) > 0.2)) / RATE


@pytest.mark.parametrize("start_s", [0.0, 0.6, 1.04])
@pytest.mark.parametrize("ending", ["mp4", "webm"])
@pytest.mark.parametrize("name", SOURCES)
def test_beep_is_heard_when_it_should(
    tmp_path: Path, sources: dict[str, Path], name: str, ending: str, start_s: float
) -> None:
    path = tmp_path / f"out.{ending}"
    render(path, Sound(sources[name], start_s))
    samples = heard(path)
    assert onset_s(samples) == pytest.approx(BEEP_S - start_s, abs=0.03)
    assert np.abs(samples[: round((BEEP_S - start_s - 0.04) * RATE)]).max() < 0.05
    beeping = np.flatnonzero(np.abs(samples) > 0.2)
    assert (beeping[-1] - beeping[0]) / RATE == pytest.approx(0.2, abs=0.03)
    # As long as the pictures, and those begin at 0 with their own times.
    assert len(samples) / RATE == pytest.approx(SECONDS - start_s, abs=0.06)
    with av.open(str(path)) as container:
        times = [frame.time for frame in container.decode(video=0)]
    np.testing.assert_allclose(times, np.arange(len(times)) / FPS, atol=6e-4)


@pytest.mark.parametrize("ending", ["mp4", "webm"])
@pytest.mark.parametrize("name", SOURCES)
def test_copied_where_the_container_takes_it(tmp_path: Path, sources: dict[str, Path], name: str, ending: str) -> None:
    path = tmp_path / f"out.{ending}"
    render(path, Sound(sources[name]))
    given, got = _packets(sources[name]), _packets(path)
    if (name, ending) in COPIED:
        assert set(got) <= set(given)
        assert len(got) >= len(given) - 3
    else:
        with av.open(str(path)) as container:
            assert (
                container.streams.audio[0].codec_context.codec.canonical_name == {"mp4": "aac", "webm": "opus"}[ending]
            )


def _packets(path: Path) -> list[bytes]:
    with av.open(str(path)) as container:
        return [bytes(packet) for packet in container.demux(audio=0) if packet.size]


@pytest.mark.parametrize("name", ["aac.mp4", "pcm.mov"])
def test_sound_ends_with_the_span_and_with_the_frames(tmp_path: Path, sources: dict[str, Path], name: str) -> None:
    path = tmp_path / "out.mp4"
    render(path, Sound(sources[name], 0.2, end_s=1.0))
    assert len(heard(path)) / RATE == pytest.approx(0.8, abs=0.03)
    render(path, Sound(sources[name], 0.2), end_s=2.0)
    assert len(heard(path)) / RATE == pytest.approx(1.8, abs=0.03)


def test_pictures_that_begin_later_than_the_sound(tmp_path: Path) -> None:
    """Time 0 is that of the first picture: the beep comes earlier where the pictures were delayed."""
    delayed = ffmpeg.input("testsrc2=s=64x48:r=25:d=2", f="lavfi", itsoffset=0.5)
    source = write(tmp_path / "late.mp4", delayed, beep(), vcodec="libx264", acodec="aac", pix_fmt="yuv420p")
    render(tmp_path / "out.mp4", Sound(source), end_s=2.0)
    assert onset_s(heard(tmp_path / "out.mp4")) == pytest.approx(BEEP_S - 0.5, abs=0.03)


def test_gap_becomes_silence(tmp_path: Path, sources: dict[str, Path]) -> None:
    """The packets of 0.4 s are lost before the beep, which still comes in time."""
    source = tmp_path / "gap.mkv"
    with av.open(str(sources["flac.mkv"])) as given, av.open(str(source), "w") as made:
        streams = {stream.index: made.add_stream_from_template(stream) for stream in given.streams}
        for packet in given.demux():
            assert packet.time_base is not None
            if packet.dts is None or (packet.stream.type == "audio" and 0.5 < packet.dts * packet.time_base < 0.9):
                continue
            packet.stream = streams[packet.stream.index]
            made.mux(packet)
    render(tmp_path / "out.mp4", Sound(source))
    assert onset_s(heard(tmp_path / "out.mp4")) == pytest.approx(BEEP_S, abs=0.03)


@pytest.mark.parametrize("ending", ["mp4", "webm"])
def test_damaged_sound_is_left_out_and_the_pictures_are_kept(
    tmp_path: Path, sources: dict[str, Path], ending: str, caplog: pytest.LogCaptureFixture
) -> None:
    data = bytearray(sources["aac.mp4"].read_bytes())
    with av.open(str(sources["aac.mp4"])) as container:
        places = [(packet.pos or 0, packet.size) for packet in container.demux(audio=0) if packet.size]
    noise = np.random.default_rng(0)
    for at, size in places[10:30]:
        data[at : at + size] = noise.bytes(size)
    source = tmp_path / "damaged.mp4"
    source.write_bytes(data)
    path = tmp_path / f"out.{ending}"
    with caplog.at_level(logging.WARNING, "render.sound"):
        render(path, Sound(source))
    assert any("damaged.mp4: " in line and "damaged packets of the sound" in line for line in caplog.messages)
    assert onset_s(heard(path)[RATE:]) == pytest.approx(BEEP_S - 1, abs=0.03)
    with av.open(str(path)) as container:
        assert len(list(container.decode(video=0))) == round(SECONDS * FPS)


def test_source_without_sound_is_said_and_the_movie_is_silent(
    tmp_path: Path, sources: dict[str, Path], caplog: pytest.LogCaptureFixture
) -> None:
    silent = write(tmp_path / "silent.mp4", pattern(frames=75, fps=FPS), vcodec="libx264", pix_fmt="yuv420p")
    path = tmp_path / "out.mp4"
    with caplog.at_level(logging.WARNING, "render.sound"):
        render(path, Sound(silent))
        assert caplog.messages == [f"{silent}: holds no sound that can be decoded; the result is silent"]
        with av.open(str(path)) as container:
            assert not container.streams.audio
            assert len(list(container.decode(video=0))) == 75
        caplog.clear()
        # Frames shown when the sound is over already.
        render(path, Sound(sources["aac.mp4"], 10.0), end_s=10.4)
        assert caplog.messages == [
            f"{sources['aac.mp4']}: holds no sound in the span of the frames; the result is silent"
        ]
    with av.open(str(path)) as container:
        assert len(list(container.decode(video=0))) == 10


def test_sources_and_spans_that_cannot_be(tmp_path: Path, sources: dict[str, Path]) -> None:
    path = tmp_path / "out.mp4"
    with pytest.raises(InputError, match=r"no\.mp4: no such video file"):
        open_output(path, *SIZE, sound=Sound(tmp_path / "no.mp4"))
    # A playlist names other files; it must not be followed.
    playlist = tmp_path / "list.m3u8"
    playlist.write_text(f"#EXTM3U\n#EXTINF:3,\n{sources['aac.ts']}\n#EXT-X-ENDLIST\n")
    with pytest.raises(InputError, match=r"list\.m3u8: its sound cannot be read"):
        open_output(path, *SIZE, sound=Sound(playlist))
    for start_s, end_s in ((-1.0, None), (2.0, 1.0), (float("nan"), None)):
        with pytest.raises(UsageError, match="cannot be cut"):
            open_output(path, *SIZE, sound=Sound(sources["aac.mp4"], start_s, end_s))
    lacking = replace(MP4, sound=replace(MP4.sound, encoder="libnosuch"))
    with pytest.raises(UsageError, match=r"no encoder libnosuch: leave the sound \(pcm_s16le in .*pcm\.mov\) out"):
        movie_encoder(lacking, sound=Sound(sources["pcm.mov"]))
    # What can be copied needs no encoder.
    movie_encoder(lacking, sound=Sound(sources["aac.mp4"]))
