"""The sound of a source beside new pictures: its packets copied, or coded again where the container needs it.

Times are seconds. The source's time 0 is that of its first picture, as everywhere in the project; the movie's time 0
is that of its own first frame, which is `Sound.start_s` of the source.
"""

from __future__ import annotations

import logging
import math
from collections.abc import Iterator
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path

import av
import av.error
import numpy as np
from av.audio.frame import AudioFrame
from av.audio.stream import AudioStream
from av.container import InputContainer, OutputContainer
from av.packet import Packet

from poses import InputError, UsageError
from render.encode import check_encoder

logger = logging.getLogger(__name__)

_DEMUXERS = "mov,matroska,avi,mpegts,mpeg,flv,asf,ogg,mxf,nut,dv,wtv,rm"
"""Containers that hold pictures and sound themselves. Playlists, which name other files, are not among them."""

_MAX_READ_ERRORS = 1000
_TOLERANCE_S = 0.01
"""Sound that lies closer to where it is expected is taken as continuous: containers round times to 1/1000 s."""

_BITS_PER_SECOND_AND_CHANNEL = 80_000


@dataclass(frozen=True)
class Sound:
    """Sound to be put beside frames.

    Attributes
    ----------
    source : the video whose sound it is.
    start_s : the source's time at the first frame that is written.
    end_s : sound from there on is left out; None for as long as there are frames. It never outlasts the frames.
    """

    source: Path
    start_s: float = 0.0
    end_s: float | None = None


@dataclass(frozen=True)
class SoundCodecs:
    """What a container does with sound.

    Attributes
    ----------
    copied : FFmpeg's names of the codecs whose packets it takes as they are.
    encoder : FFmpeg's name of the encoder for all others.
    edit_list : it can hold packets from before time 0 that are decoded and not played.
    """

    copied: frozenset[str]
    encoder: str
    edit_list: bool


@dataclass(frozen=True)
class SoundPlan:
    """What was found out about a source before the first frame.

    Attributes
    ----------
    sound : as asked for.
    origin_s : time stamp of the source's first picture in its container.
    encoder : FFmpeg's name of the encoder; None where packets are copied.
    edit_list : see `SoundCodecs`.
    """

    sound: Sound
    origin_s: float
    encoder: str | None
    edit_list: bool

    @property
    def from_s(self) -> float:
        """Time stamp, in the source's container, of the movie's time 0."""
        return self.origin_s + self.sound.start_s

    @property
    def length_s(self) -> float:
        """Sound after this time of the movie is left out."""
        return math.inf if self.sound.end_s is None else self.sound.end_s - self.sound.start_s


def plan_sound(sound: Sound, codecs: SoundCodecs) -> SoundPlan | None:
    """Look at the source; None, with a logged warning, where it holds no sound that can be decoded.

    Raises `InputError` where the source cannot be opened, `UsageError` where the encoder is missing or the span makes
    no sense.
    """
    if not sound.start_s >= 0 or (sound.end_s is not None and not sound.end_s > sound.start_s):
        raise UsageError(f"sound from {sound.start_s} s to {sound.end_s} s cannot be cut", "the end must come later")
    with _open(sound.source) as container:
        stream = _sound_stream(container)
        if stream is None:
            logger.warning("%s: holds no sound that can be decoded; the result is silent", sound.source)
            return None
        name = stream.codec_context.name
        # Without the codec's header a player could not decode copied packets.
        copied = name in codecs.copied and stream.codec_context.extradata is not None
        origin_s = _origin_s(container)
    if not copied:
        check_encoder(codecs.encoder, f"leave the sound ({name} in {sound.source}) out, or choose another format")
    logger.debug("%s: sound (%s) is %s", sound.source, name, "copied" if copied else f"coded by {codecs.encoder}")
    return SoundPlan(sound, origin_s, None if copied else codecs.encoder, codecs.edit_list)


class SoundTrack:
    """The sound stream of a movie under way: packets are muxed as the pictures go on, so that neither waits long.

    Adds its stream to `container`, which must not have got a packet yet. Damaged packets are left out, with one
    warning at the end; the pictures go on in any case.
    """

    def __init__(self, plan: SoundPlan, container: OutputContainer) -> None:
        self._plan = plan
        self._container = container
        self._damaged = 0
        self._written = 0
        self._source = _open(plan.sound.source)
        stream = _sound_stream(self._source)
        if stream is None:
            self._source.close()
            raise InputError(f"{plan.sound.source}: has changed, it holds no sound any more", "run again")
        self._stream = stream
        if plan.encoder is None:
            self._output = container.add_stream_from_template(stream)
            self._packets = self._copied()
        else:
            self._output = _add_encoder(container, plan.encoder, stream)
            self._packets = self._coded(self._output)
        self._ahead: Packet | None = None

    def write_until(self, time_s: float) -> None:
        """Mux the packets that begin before `time_s` of the movie."""
        until_s = min(time_s, self._plan.length_s)
        while (packet := self._ahead or next(self._packets, None)) is not None:
            self._ahead = packet
            assert packet.pts is not None
            if packet.pts * packet.time_base >= until_s:
                return
            self._ahead = None
            self._container.mux(packet)
            self._written += 1

    def finish(self, end_s: float) -> None:
        """Mux the rest, up to the end of the pictures, and log what was wrong with the sound."""
        self.write_until(end_s)
        source = self._plan.sound.source
        if self._damaged:
            logger.warning("%s: %d damaged packets of the sound were left out", source, self._damaged)
        if not self._written:
            logger.warning("%s: holds no sound in the span of the frames; the result is silent", source)

    def close(self) -> None:
        """Close the source."""
        self._source.close()

    def _copied(self) -> Iterator[Packet]:
        """The source's packets with the movie's times. They are decoded all the same, to find damaged ones."""
        last_ticks: int | None = None
        for packet in self._read():
            if packet.pts is None or packet.dts is None:
                continue
            try:
                packet.decode()
            except (av.error.FFmpegError, OSError) as error:
                self._note_damage(error)
                continue
            shift = round(self._plan.from_s / packet.time_base)
            packet.pts -= shift
            packet.dts -= shift
            # An edit list hides what comes before time 0, and a decoder needs a packet to warm up.
            earliest = -2 * (packet.duration or 0) if self._plan.edit_list else 0
            if packet.pts < earliest or (self._plan.edit_list and packet.pts == earliest):
                continue
            if last_ticks is not None and packet.dts <= last_ticks:
                self._note_damage("its time does not increase")
                continue
            last_ticks = packet.dts
            packet.stream = self._output
            yield packet

    def _coded(self, output: AudioStream) -> Iterator[Packet]:
        context = output.codec_context
        written = 0
        for samples in self._gapless(context.rate, context.layout.name):
            frame = AudioFrame.from_ndarray(samples, format="fltp", layout=context.layout.name)
            frame.sample_rate, frame.time_base, frame.pts = context.rate, Fraction(1, context.rate), written
            written += samples.shape[1]
            yield from output.encode(frame)
        yield from output.encode(None)

    def _gapless(self, rate: int, layout: str) -> Iterator[np.ndarray]:
        """(channels, samples) float32 pieces that follow each other from the movie's time 0; gaps become silence."""
        position = 0
        for frame in self._resampled(rate, layout):
            samples = frame.to_ndarray()
            if frame.pts is not None and frame.time_base is not None:
                begin = round((float(frame.pts * frame.time_base) - self._plan.from_s) * rate)
                if begin < position - _TOLERANCE_S * rate or (position == 0 and begin < 0):
                    samples = samples[:, position - begin :]
                elif begin > position + _TOLERANCE_S * rate:
                    # In pieces: after a jump in the source's clock the gap may be longer than the movie.
                    for start in range(position, begin, rate):
                        yield np.zeros((len(samples), min(rate, begin - start)), np.float32)
                    position = begin
            if samples.shape[1]:
                yield np.ascontiguousarray(samples)
                position += samples.shape[1]

    def _resampled(self, rate: int, layout: str) -> Iterator[AudioFrame]:
        resampler: av.AudioResampler | None = None
        taken: tuple[str, str, int] | None = None
        for packet in self._read(flush=True):
            try:
                decoded = packet.decode()
            except (av.error.FFmpegError, OSError) as error:
                self._note_damage(error)
                continue
            for frame in decoded:
                assert isinstance(frame, AudioFrame)
                shape = (frame.format.name, frame.layout.name, frame.sample_rate)
                if shape != taken:
                    if resampler is not None:
                        yield from resampler.resample(None)
                    resampler, taken = av.AudioResampler(format="fltp", layout=layout, rate=rate), shape
                assert resampler is not None
                yield from resampler.resample(frame)
        if resampler is not None:
            yield from resampler.resample(None)

    def _read(self, flush: bool = False) -> Iterator[Packet]:
        """The packets of the sound; with `flush` also the empty one that makes a decoder give out the rest."""
        failures = 0
        packets = self._source.demux(self._stream)
        while failures < _MAX_READ_ERRORS:
            try:
                packet = next(packets, None)
            except (av.error.FFmpegError, OSError) as error:
                self._note_damage(error)
                failures += 1
                # A generator that raised is spent; a new one goes on where the demuxer stands.
                packets = self._source.demux(self._stream)
                continue
            if packet is None:
                return
            failures = 0
            if packet.size or flush:
                yield packet

    def _note_damage(self, why: object) -> None:
        self._damaged += 1
        logger.debug("%s: a packet of the sound is left out (%s)", self._plan.sound.source, why)


def _add_encoder(container: OutputContainer, encoder: str, source: AudioStream) -> AudioStream:
    rates = av.codec.Codec(encoder, "w").audio_rates or [48_000]
    rate = source.codec_context.sample_rate
    output = container.add_stream(encoder, rate=rate if rate in rates else 48_000)
    assert isinstance(output, AudioStream)
    channels = 1 if source.codec_context.layout.nb_channels == 1 else 2
    output.codec_context.layout = "mono" if channels == 1 else "stereo"
    output.codec_context.bit_rate = channels * _BITS_PER_SECOND_AND_CHANNEL
    return output


def _open(path: Path) -> InputContainer:
    if not path.is_file():
        raise InputError(f"{path}: no such video file", "check the path")
    # The locks keep playlists, and names that look like protocols, from being followed.
    locks = {"protocol_whitelist": "file", "format_whitelist": _DEMUXERS}
    try:
        return av.open(f"file:{path}", container_options=locks, metadata_errors="replace")
    except (av.error.FFmpegError, OSError) as error:
        raise InputError(f"{path}: its sound cannot be read ({error})", "leave the sound out, or convert it") from None


def _sound_stream(container: InputContainer) -> AudioStream | None:
    """The stream that a player would choose, of those that there is a decoder for."""
    usable = [stream for stream in container.streams.audio if stream.codec_context is not None]
    best = container.streams.best("audio")
    return best if best in usable else next(iter(usable), None)


def _origin_s(container: InputContainer) -> float:
    """Time stamp of the first picture that can be decoded; 0 where there is none."""
    cover = av.stream.Disposition.attached_pic
    for stream in container.streams.video:
        if stream.disposition & cover or stream.codec_context is None:
            continue
        for packet in container.demux(stream):
            # AVI dates packets by the order of decoding: its first picture is shown at the first packet's time.
            if container.format.name == "avi" and packet.dts is not None:
                return float(packet.dts * packet.time_base)
            try:
                decoded = packet.decode()
            except (av.error.FFmpegError, OSError):
                continue
            for frame in decoded:
                ticks = frame.dts if frame.pts is None else frame.pts
                if not frame.is_corrupt and ticks is not None:
                    return float(ticks * packet.time_base)
    return 0.0
