"""Decoding against ffmpeg as another program, closed forms, and files that are broken on purpose."""

from __future__ import annotations

import gc
import hashlib
import os
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from fractions import Fraction
from itertools import pairwise
from pathlib import Path

import cv2
import numpy as np
import pytest

from pipeline.decode import Frame, VideoReader, file_sha256, scan_video
from pipeline.timestamps import FrameClock
from poses.errors import InputError, UsageError
from tests.videos import clip, images_by_ffmpeg, pattern, remux, times_by_ffmpeg, tone, write

VFR = "if(lt(N,8),N/30,8/30+(N-8)*0.13)/TB"

KINDS: dict[str, Callable[[Path], Path]] = {
    "h264_with_audio.mp4": lambda p: write(p, pattern(), tone(), vcodec="libx264", acodec="aac", pix_fmt="yuv420p"),
    "bt709.mp4": lambda p: write(p, pattern(), vcodec="libx264", pix_fmt="yuv420p", colorspace="bt709"),
    "vfr.mp4": lambda p: write(p, pattern().filter("setpts", VFR), vcodec="libx264", fps_mode="vfr", bf=2),
    "vfr.mkv": lambda p: write(p, pattern().filter("select", "mod(n,5)"), vcodec="libx264", fps_mode="vfr"),
    "odd.mp4": lambda p: write(p, pattern(63, 47), vcodec="libx264", pix_fmt="yuv444p"),
    "hevc_10bit.mp4": lambda p: write(
        p, pattern(), vcodec="libx265", pix_fmt="yuv420p10le", **{"x265-params": "log-level=none"}
    ),
    "vp9.webm": lambda p: write(p, pattern(), vcodec="libvpx-vp9"),
    "vp8.webm": lambda p: write(p, pattern(), vcodec="libvpx", **{"auto-alt-ref": 1, "lag-in-frames": 10}),
    "av1.mp4": lambda p: write(p, pattern(), vcodec="libaom-av1", **{"cpu-used": 8}),
    "mpeg4.avi": lambda p: write(p, pattern(), vcodec="mpeg4", g=8),
    "mpeg2.ts": lambda p: write(p, pattern(), vcodec="mpeg2video", bf=2),
    "mjpeg_full_range.mov": lambda p: write(p, pattern(), vcodec="mjpeg", pix_fmt="yuvj420p"),
    "rgb.mkv": lambda p: write(p, pattern(), vcodec="ffv1", pix_fmt="bgr0"),
    "alpha_10bit.mov": lambda p: write(p, pattern(), vcodec="prores_ks", pix_fmt="yuva444p10le"),
    "fragmented.mp4": lambda p: clip(p, g=6, movflags="frag_keyframe+empty_moov"),
    "late_start.mkv": lambda p: clip(p, output_ts_offset=5),
    "gif.gif": lambda p: write(p, pattern()),
}


def read(path: Path, start_s: float | None = None, end_s: float | None = None) -> list[Frame]:
    with VideoReader(path, start_s, end_s) as reader:
        return list(reader)


@pytest.fixture(scope="module")
def gops(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Sixty frames in short open GOPs: pictures before a key frame lean on the GOP before it."""
    path = tmp_path_factory.mktemp("gops") / "gops.mp4"
    return clip(path, 60, movflags="+faststart", **{"x264-params": "open-gop=1:keyint=12:bframes=3:scenecut=0"})


@pytest.mark.parametrize("name", KINDS)
def test_same_pictures_and_times_as_ffmpeg(name: str, tmp_path: Path) -> None:
    path = KINDS[name](tmp_path / name)
    with VideoReader(path) as reader:
        frames = list(reader)
    info = reader.info()
    expected = images_by_ffmpeg(path, info.width, info.height)
    assert len(frames) == len(expected) >= 15
    assert [frame.index for frame in frames] == list(range(len(frames)))
    np.testing.assert_allclose([frame.time_s for frame in frames], times_by_ffmpeg(path), atol=1e-9)
    for frame, image in zip(frames, expected, strict=True):
        assert frame.image.dtype == np.uint8
        assert frame.image.flags.c_contiguous
        # Blurred: the two programs interpolate colour between pixels differently, but agree on every colour.
        assert np.abs(cv2.blur(frame.image, (5, 5)).astype(int) - cv2.blur(image, (5, 5))).mean() < 3.5
    assert info.undecodable_frames == 0


def test_scan_gives_the_reader_s_info(gops: Path) -> None:
    with VideoReader(gops, 0.3, 1.5) as reader:
        for _ in reader:
            pass
    read_info, scanned = reader.info(), scan_video(gops, 0.3, 1.5)
    np.testing.assert_array_equal(read_info.timestamps_s, scanned.timestamps_s)
    assert (scanned.width, scanned.height, scanned.codec, scanned.nominal_fps) == (64, 48, "h264", 30.0)
    assert scanned.source_sha256 == read_info.source_sha256 == hashlib.sha256(gops.read_bytes()).hexdigest()


def test_times_of_h264_in_avi_are_those_of_showing(tmp_path: Path) -> None:
    # AVI dates by decoding order; with B-frames that is not the order of showing.
    info = scan_video(clip(tmp_path / "bframes.avi", bf=3))
    np.testing.assert_allclose(info.timestamps_s, np.arange(20) / 30, atol=1e-9)


@pytest.mark.parametrize("turn", [0, 90, 180, 270])
@pytest.mark.parametrize("mirror", [False, True])
def test_turned_as_the_display_matrix_says(turn: int, mirror: bool, tmp_path: Path) -> None:
    plain = write(tmp_path / "plain.mp4", pattern(64, 48, 3), vcodec="libx264", pix_fmt="yuv444p", qp=0)
    options: dict[str, object] = {"display_rotation": turn}
    path = remux(plain, tmp_path / "turned.mp4", {**options, "display_hflip": None} if mirror else options)
    image = read(path)[0].image
    info = scan_video(path)
    assert (info.height, info.width) == image.shape[:2] == ((64, 48) if turn % 180 else (48, 64))
    assert np.abs(image.astype(int) - images_by_ffmpeg(path, info.width, info.height)[0]).mean() < 1.0
    if not mirror:
        # ffmpeg's option counts counterclockwise, `rotation_deg` clockwise.
        assert info.rotation_deg == -turn % 360
        codes = {90: cv2.ROTATE_90_CLOCKWISE, 180: cv2.ROTATE_180, 270: cv2.ROTATE_90_COUNTERCLOCKWISE}
        stored = read(plain)[0].image
        expected = cv2.rotate(stored, codes[info.rotation_deg]) if info.rotation_deg else stored
        np.testing.assert_array_equal(image, expected)


def test_pixels_that_are_not_square_are_stretched(tmp_path: Path) -> None:
    path = write(tmp_path / "dv.mp4", pattern().filter("setsar", "3/2"), vcodec="libx264", pix_fmt="yuv420p")
    assert read(path)[0].image.shape == (48, 96, 3)
    assert scan_video(path).width == 96


def test_a_new_size_midway_is_scaled_to_the_first(tmp_path: Path) -> None:
    small = clip(tmp_path / "small.ts", 10)
    large = write(tmp_path / "large.ts", pattern(128, 96, 10), vcodec="libx264", pix_fmt="yuv420p")
    joined = tmp_path / "joined.ts"
    joined.write_bytes(small.read_bytes() + large.read_bytes())
    frames = read(joined)
    assert {frame.image.shape for frame in frames} == {(48, 64, 3)}
    assert len(frames) == 20
    assert (np.diff([frame.time_s for frame in frames]) > 0).all()
    shrunk = cv2.resize(images_by_ffmpeg(large, 128, 96)[0], (64, 48), interpolation=cv2.INTER_AREA)
    difference = np.abs(cv2.blur(frames[10].image, (5, 5)).astype(int) - cv2.blur(shrunk, (5, 5))).mean()
    assert difference < 5


def test_any_start_gives_what_the_whole_gives(gops: Path) -> None:
    whole = read(gops)
    for start_s in [0.0, 0.1, 0.4, 0.401, 0.39, 1.0, 1.21, 1.95]:
        part = read(gops, start_s)
        expected = [frame for frame in whole if frame.time_s >= start_s]
        assert [frame.time_s for frame in part] == [frame.time_s for frame in expected]
        assert all(np.array_equal(a.image, b.image) for a, b in zip(part, expected, strict=True))
        assert scan_video(gops, start_s).undecodable_frames == 0


def test_spans_leave_nothing_out_and_nothing_twice(gops: Path) -> None:
    edges = [None, 0.3, 1.0, 1.5, None]
    times = [f.time_s for start, end in pairwise(edges) for f in read(gops, start, end)]
    np.testing.assert_allclose(times, np.arange(60) / 30, atol=1e-9)


def test_estimated_frames(gops: Path) -> None:
    assert VideoReader(gops).estimated_frames == 60
    assert VideoReader(gops, 0.5, 1.0).estimated_frames == 15


@pytest.mark.parametrize(("start_s", "end_s"), [(-1.0, None), (1.0, 1.0), (2.0, 1.0), (float("nan"), None), (None, 0)])
def test_spans_that_make_no_sense(start_s: float | None, end_s: float | None, gops: Path) -> None:
    with pytest.raises(UsageError, match="--"):
        scan_video(gops, start_s, end_s)


def test_start_beyond_the_end_names_the_length(gops: Path) -> None:
    with pytest.raises(InputError, match=r"beyond the video's last frame at 1\.967 s"):
        scan_video(gops, 30.0)


def test_cut_file_gives_what_is_there(gops: Path, tmp_path: Path) -> None:
    content = gops.read_bytes()
    cut = tmp_path / "cut.mp4"
    cut.write_bytes(content[: len(content) * 6 // 10])
    whole, part, info = read(gops), read(cut), scan_video(cut)
    assert 10 < len(part) < 50
    assert len(info) + info.undecodable_frames == 60
    assert all(np.array_equal(a.image, b.image) for a, b in zip(part[:10], whole[:10], strict=True))
    # Counted in the span only.
    assert scan_video(cut, 0.1, 0.3).undecodable_frames == 0


def test_damage_in_the_middle_is_counted_and_passed_over(gops: Path, tmp_path: Path) -> None:
    content = bytearray(gops.read_bytes())
    middle = len(content) // 2
    content[middle : middle + 1500] = np.random.default_rng(1).bytes(1500)
    damaged = tmp_path / "damaged.mp4"
    damaged.write_bytes(content)
    info = scan_video(damaged)
    assert info.undecodable_frames > 0
    assert len(info) + info.undecodable_frames == 60
    # What could be decoded stands at its own time: all times are those of the whole clip.
    assert set(info.timestamps_s) <= set(scan_video(gops).timestamps_s)
    assert info.timestamps_s[-1] == pytest.approx(59 / 30)


def test_nothing_decodable_is_an_error_from_the_thread(tmp_path: Path) -> None:
    path = clip(tmp_path / "noise.mp4", movflags="+faststart")
    content = bytearray(path.read_bytes())
    begin = content.index(b"mdat") + 4
    content[begin:] = bytes(len(content) - begin)
    path.write_bytes(content)
    reader = VideoReader(path)
    with pytest.raises(InputError, match=r"no frame can be decoded \(codec h264, 20 damaged\)"):
        list(reader)
    assert not decoding_threads()


def test_no_noise_on_stderr(gops: Path, tmp_path: Path) -> None:
    damaged = tmp_path / "damaged.mp4"
    content = bytearray(gops.read_bytes())
    content[4000:5000] = bytes(1000)
    damaged.write_bytes(content)
    code = "import sys; from pipeline.decode import scan_video; scan_video(sys.argv[1])"
    done = subprocess.run([sys.executable, "-c", code, str(damaged)], capture_output=True, text=True, check=True)
    assert (done.stdout, done.stderr) == ("", "")


BAD_FILES: dict[str, tuple[Callable[[Path], object], str]] = {
    "missing.mp4": (lambda p: None, "no such file"),
    "folder.mp4": (lambda p: p.mkdir(), "got a folder"),
    "pipe.mp4": (os.mkfifo, "a device or a pipe"),
    "empty.mp4": (lambda p: p.write_bytes(b""), "empty"),
    "text.mp4": (lambda p: p.write_text("This is not a video.\n" * 99), "not a video|another kind of file"),
    "noise.mp4": (lambda p: p.write_bytes(np.random.default_rng(0).bytes(5000)), "not a video|another kind"),
    "sound.mp4": (lambda p: write(p, tone(), acodec="aac"), "no video stream .only audio"),
    "sound.wav": (lambda p: write(p, tone()), "no video stream .only audio"),
    "picture.png": (lambda p: write(p, pattern(frames=1), vframes=1), "an image"),
    "no_index.mp4": (lambda p: p.write_bytes(clip(p).read_bytes()[:1500]), "header is missing or damaged"),
}


@pytest.mark.parametrize("name", BAD_FILES)
def test_bad_files_get_one_line_that_names_them(name: str, tmp_path: Path) -> None:
    make, problem = BAD_FILES[name]
    path = tmp_path / name
    make(path)
    for reading in (VideoReader, scan_video):
        with pytest.raises(InputError, match=problem) as caught:
            reading(path)
        assert name in caught.value.problem
        assert caught.value.remedy
        assert "\n" not in str(caught.value)


def test_a_cover_picture_is_no_video(tmp_path: Path) -> None:
    song = write(
        tmp_path / "song.m4a",
        tone(),
        pattern(frames=1),
        acodec="aac",
        vcodec="mjpeg",
        **{"disposition:v": "attached_pic"},
    )
    with pytest.raises(InputError, match="no video stream"):
        scan_video(song)


def test_a_file_that_may_not_be_read(gops: Path, tmp_path: Path) -> None:
    path = tmp_path / "locked.mp4"
    path.write_bytes(gops.read_bytes())
    path.chmod(0)
    me = os.geteuid()
    if me == 0:
        os.seteuid(65534)
    try:
        with pytest.raises(InputError, match=r"cannot be read \(Permission denied\)"):
            scan_video(path)
    finally:
        os.seteuid(me)


PLAYLISTS = {
    "list.m3u8": "#EXTM3U\n#EXT-X-TARGETDURATION:1\n#EXTINF:1,\n{}\n#EXT-X-ENDLIST\n",
    "list.mp4": "#EXTM3U\n#EXT-X-TARGETDURATION:1\n#EXTINF:1,\n{}\n#EXT-X-ENDLIST\n",
    "list.ffconcat": "ffconcat version 1.0\nfile '{}'\n",
    "manifest.mpd": '<?xml version="1.0"?>\n<MPD xmlns="urn:mpeg:dash:schema:mpd:2011"><Period><AdaptationSet>'
    "<Representation><BaseURL>{}</BaseURL></Representation></AdaptationSet></Period></MPD>\n",
    "session.sdp": "v=0\no=- 0 0 IN IP4 127.0.0.1\ns={}\nc=IN IP4 127.0.0.1\nt=0 0\nm=video 5004 RTP/AVP 96\n"
    "a=rtpmap:96 H264/90000\n",
}


@pytest.mark.parametrize("name", PLAYLISTS)
def test_files_that_name_other_files_are_refused(name: str, tmp_path: Path) -> None:
    clip(tmp_path / "target.ts", 5)
    path = tmp_path / name
    path.write_text(PLAYLISTS[name].format("target.ts"))
    with pytest.raises(InputError, match=r"playlist|not a video") as caught:
        scan_video(path)
    assert name in str(caught.value)


@pytest.mark.parametrize(
    "name", ["-i.mp4", "a%03d.mp4", "a:b.mp4", "concat:x.mp4", "äöü 動画 .mp4", "[1]*.mp4", "#x?y.mp4"]
)
def test_a_name_is_only_a_name(name: str, gops: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    Path(name).write_bytes(gops.read_bytes())
    assert len(scan_video(name, end_s=0.1)) == 3


def test_patterns_and_protocols_are_not_expanded(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    clip(tmp_path / "a001.mp4", 3)
    for name in ("a%03d.mp4", "concat:a001.mp4|a001.mp4", "file:a001.mp4", "subfile,,start,0,end,0,,:a001.mp4"):
        with pytest.raises(InputError, match="no such file"):
            scan_video(name)


def decoding_threads() -> list[str]:
    deadline = time.monotonic() + 2
    while True:
        names = [thread.name for thread in threading.enumerate() if thread.name.startswith("decode ")]
        if not names or time.monotonic() > deadline:
            return names
        time.sleep(0.01)


def test_thread_ends_when_the_loop_is_left(gops: Path) -> None:
    reader = VideoReader(gops, queue_frames=1)
    for _ in reader:
        break
    assert not decoding_threads()
    with pytest.raises(RuntimeError, match="after the last frame"):
        reader.info()
    with pytest.raises(RuntimeError, match="read once"):
        iter(reader)


def test_thread_ends_on_close_on_an_exception_and_when_forgotten(gops: Path) -> None:
    with VideoReader(gops, queue_frames=1) as reader:
        frames = iter(reader)
        next(frames)
    assert not decoding_threads()
    assert len(list(frames)) <= 1

    def fail_midway() -> None:
        for _ in VideoReader(gops, queue_frames=1):
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        fail_midway()
    assert not decoding_threads()

    frames = iter(VideoReader(gops, queue_frames=1))
    next(frames)
    del frames
    gc.collect()
    assert not decoding_threads()


def test_the_queue_bounds_what_is_decoded_ahead(gops: Path) -> None:
    with VideoReader(gops, queue_frames=2) as reader:
        next(iter(frames := iter(reader)))
        time.sleep(0.3)
        # One handed out, two waiting, one in the thread's hand.
        assert len(reader._scan.timestamps_s) == 4
        assert sum(1 for _ in frames) == 59


def test_known_hash_is_not_computed_again(gops: Path) -> None:
    assert scan_video(gops, source_sha256="known").source_sha256 == "known"
    with pytest.raises(InputError, match="cannot be read"):
        file_sha256(gops.with_name("missing"))


def stamps(ticks: list[int | None], one_line: bool = False) -> list[float | None]:
    clock = FrameClock(Fraction(1, 1000), 0.04, one_line)
    return [clock.stamp(tick) for tick in ticks]


@pytest.mark.parametrize(
    ("ticks", "expected_s"),
    [
        ([500, 540, 600], [0.0, 0.04, 0.1]),
        ([0, None, 80], [0.0, 0.04, 0.08]),
        ([None, 40, 80], [0.0, 0.04, 0.08]),
        ([0, 40, 40, 80, 120], [0.0, 0.04, 0.06, 0.08, 0.12]),
        ([0, 80, 40, 120], [0.0, 0.08, 0.1, 0.12]),
        ([0, 40, 5000, 0, 40], [0.0, 0.04, 5.0, 5.04, 5.08]),
    ],
)
def test_broken_timestamps_are_repaired(ticks: list[int | None], expected_s: list[float]) -> None:
    np.testing.assert_allclose(np.array(stamps(ticks), float), expected_s, atol=1e-12)


def test_a_picture_far_too_late_is_left_out_where_there_is_one_time_line() -> None:
    assert stamps([0, 40, 400, 80, 440], one_line=True) == [0.0, 0.04, 0.4, None, 0.44]


def test_repaired_times_always_increase() -> None:
    random = np.random.default_rng(3)
    for _ in range(50):
        ticks = [None if random.random() < 0.1 else int(t) for t in random.integers(-300, 300, 40)]
        assert (np.diff(np.array(stamps(ticks), float)) > 0).all()
