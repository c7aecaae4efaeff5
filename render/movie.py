"""Movies in MP4 and WebM, whose frames keep the times of the source, with its sound where asked for."""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path

import av
import av.video.reformatter
import cv2
import numpy as np
from av.container import OutputContainer
from av.video.stream import VideoStream

from poses import UsageError
from render.encode import Encode, Frames, check_encoder
from render.sound import Sound, SoundCodecs, SoundTrack, plan_sound

PRESETS = ("ultrafast", "superfast", "veryfast", "faster", "fast", "medium", "slow", "slower", "veryslow")
"""Effort of the encoder, by the names of x264."""

_BT709 = 1  # ISO/IEC 23091-2 code points for primaries, transfer and matrix
_VP9_CRF_POWER = 0.75
"""Maps x264's scale to VP9's 0 to 63, so that rendered pictures come out alike: 20 becomes 31 (docs/rendering.md)."""

_OTHER_FORMAT = "choose another format of mp4, webm, gif and png, or install PyAV's own build: pip install av"


@dataclass(frozen=True)
class MovieFormat:
    """A container and what is put into it.

    Attributes
    ----------
    container : FFmpeg's name of the muxer.
    codec : FFmpeg's name of the encoder of the pictures.
    ticks_per_second : how finely times are kept.
    sound : codecs of the sound.
    container_options : of the muxer.
    codec_options : of the encoder of the pictures, beside those for quality and effort.
    """

    container: str
    codec: str
    ticks_per_second: int
    sound: SoundCodecs
    container_options: tuple[tuple[str, str], ...] = ()
    codec_options: tuple[tuple[str, str], ...] = ()


MP4 = MovieFormat(
    "mp4",
    "libx264",
    90_000,  # 11 microseconds, finer than any camera's clock needs
    SoundCodecs(copied=frozenset({"aac"}), encoder="aac", edit_list=True),
    # The index at the front, so that a browser can begin before it has everything.
    (("movflags", "+faststart"), ("video_track_timescale", "90000")),
)
WEBM = MovieFormat(
    "webm",
    "libvpx-vp9",
    1000,  # Matroska's usual time base, which FFmpeg's muxer always takes
    SoundCodecs(copied=frozenset({"opus", "vorbis"}), encoder="libopus", edit_list=False),
    # Cues, by which players seek, at the front: the muxer leaves room for them.
    (("reserve_index_space", "65536"),),
)


def movie_encoder(
    movie: MovieFormat, crf: float = 20.0, preset: str = "veryfast", sound: Sound | None = None
) -> Encode:
    """What encodes the frames given to a `FrameWriter` as a movie.

    Parameters
    ----------
    crf : quality on the scale of x264, 0 (lossless there) to 51; for VP9 mapped to its 0 to 63.
    preset : one of `PRESETS`; for VP9 mapped to `deadline` and `cpu-used`.
    sound : sound to put beside the frames.

    Times are kept to a tick of the format and counted from the first frame, so that a part cut from the middle of a
    video starts at 0. The last frame is shown for the median interval (1/30 s where there is one frame). Chroma is
    stored for 2 x 2 pixels: an odd width or height gets one more column or row, a copy of the last.

    Raises `UsageError` for a value out of range; `InputError` where the sound's file cannot be opened.
    """
    if preset not in PRESETS:
        raise UsageError(f"preset {preset!r} is unknown", f"known: {', '.join(PRESETS)}")
    if not 0 <= crf <= 51:
        raise UsageError(f"crf must lie between 0 and 51, got {crf}", "18 looks like the original")
    check_encoder(movie.codec, _OTHER_FORMAT)
    plan = None if sound is None else plan_sound(sound, movie.sound)

    def encode(temporary: Path, frames: Frames) -> None:
        options = dict(movie.container_options)
        with av.open(str(temporary), "w", format=movie.container, options=options) as container:
            stream: VideoStream | None = None
            track: SoundTrack | None = None
            durations = Durations(movie.ticks_per_second)
            first_s = 0.0
            try:
                for image, time_s in frames:
                    image = _even(image)
                    if stream is None:
                        stream = _add_stream(container, movie, image, _codec_options(movie, crf, preset))
                        track = None if plan is None else SoundTrack(plan, container)
                        first_s = time_s
                    frame = av.VideoFrame.from_ndarray(image, format="bgr24").reformat(
                        format="yuv420p", dst_colorspace=av.video.reformatter.Colorspace.ITU709, threads=1
                    )
                    frame.pts = durations.add(time_s - first_s)
                    frame.time_base = stream.codec_context.time_base
                    _mux(container, stream, frame, durations)
                    if track is not None:
                        track.write_until(time_s - first_s)
                if stream is not None:
                    _mux(container, stream, None, durations)
                    if track is not None:
                        track.finish(durations.end_s)
            finally:
                if track is not None:
                    track.close()

    return encode


def _add_stream(
    container: OutputContainer, movie: MovieFormat, image: np.ndarray, options: dict[str, str]
) -> VideoStream:
    stream = container.add_stream(movie.codec, rate=30, options=options)
    assert isinstance(stream, VideoStream)
    context = stream.codec_context
    context.height, context.width = image.shape[:2]
    context.pix_fmt = "yuv420p"
    context.time_base = Fraction(1, movie.ticks_per_second)
    context.colorspace = context.color_primaries = context.color_trc = _BT709
    context.color_range = av.video.reformatter.ColorRange.MPEG
    return stream


def _codec_options(movie: MovieFormat, crf: float, preset: str) -> dict[str, str]:
    if movie.codec != "libvpx-vp9":
        return {"crf": str(crf), "preset": preset, **dict(movie.codec_options)}
    effort = PRESETS.index(preset)
    # Realtime has speeds 5 to 8, the slower "good" 0 to 5.
    speed = {"deadline": "realtime", "cpu-used": str(8 - effort)} if effort <= 3 else {"cpu-used": str(8 - effort)}
    # "b" 0 makes crf alone decide; tiles and rows give the threads something to do.
    return {
        **speed,
        "crf": str(round(63 * (crf / 51) ** _VP9_CRF_POWER)),
        "b": "0",
        "row-mt": "1",
        "tile-columns": "2",
        "threads": "0",
        **dict(movie.codec_options),
    }


def _mux(container: OutputContainer, stream: VideoStream, frame: av.VideoFrame | None, durations: Durations) -> None:
    for packet in stream.encode(frame):
        packet.duration = durations.of(packet.pts)
        container.mux(packet)


def _even(image: np.ndarray) -> np.ndarray:
    height, width = image.shape[:2]
    if height % 2 or width % 2:
        return cv2.copyMakeBorder(image, 0, height % 2, 0, width % 2, cv2.BORDER_REPLICATE)
    return image


class Durations:
    """How long each frame is shown, in ticks, kept only until the encoder gives the frame's packet out."""

    def __init__(self, ticks_per_second: int) -> None:
        self.last: int | None = None
        self._per_second = ticks_per_second
        self._pending: dict[int, int] = {}
        self._recent: list[int] = []

    def add(self, time_s: float) -> int:
        """Note a frame and return its time in ticks, always after the one before."""
        ticks = round(time_s * self._per_second)
        if self.last is not None:
            ticks = max(ticks, self.last + 1)
            self._pending[self.last] = ticks - self.last
            self._recent = [*self._recent[-99:], ticks - self.last]
        self.last = ticks
        return ticks

    def of(self, ticks: int | None) -> int:
        """Duration of the frame at `ticks`; the median of the recent ones for the last frame."""
        return self.usual if ticks is None else self._pending.pop(ticks, self.usual)

    @property
    def usual(self) -> int:
        """Median of the recent durations in ticks; 1/30 s where there is none."""
        return int(np.median(self._recent)) if self._recent else round(self._per_second / 30)

    @property
    def end_s(self) -> float:
        """When the last frame ends."""
        return ((self.last or 0) + self.usual) / self._per_second
