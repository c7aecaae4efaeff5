"""Decoding one video file into frames with times, and counting the frames that are missing."""

from __future__ import annotations

import heapq
import itertools
import logging
import math
from collections.abc import Iterator
from dataclasses import dataclass, field
from fractions import Fraction
from pathlib import Path

import av.error
from av.container import InputContainer
from av.packet import Packet
from av.video.frame import VideoFrame
from av.video.stream import VideoStream

from pipeline.container import CONVERT_REMEDY, open_container, picture_stream
from pipeline.timestamps import FrameClock
from poses.errors import InputError, UsageError

logger = logging.getLogger(__name__)

INDEXED_DEMUXERS = frozenset({"mov", "matroska"})
"""Containers whose timestamps and index can be trusted for seeking and for telling which frames never came out."""

UNDATED_DEMUXERS = frozenset({"avi"})
"""Containers that date packets only by the order of decoding, which is not that of showing."""

FALLBACK_FPS = 30.0
MAX_READ_ERRORS = 1000
"""Consecutive errors of the demuxer after which the rest of a file is given up (it might never reach the end)."""


class FrameSource:
    """The frames of one file between `start_s` (included) and `end_s` (excluded), in the order they are shown.

    Damaged frames are left out and counted; nothing is raised for them unless none is left.

    Raises
    ------
    InputError : the file cannot be opened, has no frame that can be decoded, or none in the span asked for.
    UsageError : the span makes no sense.
    """

    def __init__(self, path: str | Path, start_s: float | None = None, end_s: float | None = None) -> None:
        self.path = Path(path)
        self.start_s = _checked_time("--start", start_s, 0.0)
        self.end_s = _checked_time("--end", end_s, math.inf)
        if self.end_s <= self.start_s:
            raise UsageError(
                f"--end must be later than --start, got {self.start_s:g} s to {self.end_s:g} s", "change one of them"
            )
        self._container, self._stream = self._open()
        rate = self._stream.average_rate or self._stream.guessed_rate
        self.nominal_fps = float(rate or 0)
        self.codec = self._stream.codec_context.name
        demuxer = set(self._container.format.name.split(","))
        self._indexed = bool(INDEXED_DEMUXERS & demuxer)
        self._undated = bool(UNDATED_DEMUXERS & demuxer)
        self._clock = self._new_clock(None)
        self._tally = _Tally()
        self._last_s: float | None = None
        self._kept = 0
        self.undecodable_frames = 0

    def close(self) -> None:
        """Close the file. May be called again."""
        self._container.close()

    @property
    def pixel_aspect(self) -> Fraction | None:
        """Width over height of a pixel ; None where the file says nothing."""
        return self._stream.sample_aspect_ratio

    def estimated_frames(self) -> int | None:
        """About how many frames will come, from the container's header; None where it does not tell."""
        stream, container = self._stream, self._container
        duration_s: float | None = None
        if stream.duration and stream.time_base:
            duration_s = float(stream.duration * stream.time_base)
        elif container.duration:
            duration_s = container.duration / av.time_base
        if self.start_s == 0 and self.end_s == math.inf and stream.frames:
            return stream.frames
        if not duration_s or not self.nominal_fps:
            return None
        return max(0, round((min(self.end_s, duration_s) - self.start_s) * self.nominal_fps))

    def __iter__(self) -> Iterator[tuple[float, VideoFrame]]:
        """(seconds since the video's first frame, decoded frame); one pass."""
        try:
            for frame in self._frames_from_before_start():
                time_s = self._clock.stamp(self._ticks(frame))
                if time_s is None:
                    self._tally.received.discard(frame.pts)
                    continue
                self._last_s = time_s
                if time_s >= self.end_s:
                    break
                if time_s >= self.start_s:
                    self._kept += 1
                    yield time_s, frame
            self._require_frames()
        finally:
            self.undecodable_frames = self._undecodable()
            self.close()

    def _open(self) -> tuple[InputContainer, VideoStream]:
        container = open_container(self.path)
        try:
            stream = picture_stream(container, self.path)
        except InputError:
            container.close()
            raise
        stream.thread_type = "AUTO"
        return container, stream

    def _new_clock(self, origin: int | None) -> FrameClock:
        fps = self.nominal_fps or FALLBACK_FPS
        assert self._stream.time_base is not None
        return FrameClock(self._stream.time_base, 1 / fps, self._indexed, origin)

    def _frames_from_before_start(self) -> Iterator[VideoFrame]:
        sought = self._sought() if self.start_s > 0 and self._indexed else None
        return sought or self._from_beginning()

    def _sought(self) -> Iterator[VideoFrame] | None:
        """Frames from a key frame at or before the start; None where only the beginning will do.

        Decoding from a key frame is only sure to give what decoding everything gives for the frames shown after it:
        pictures shown before it may lean on earlier ones (open GOPs). So the key frame's own time decides, not where
        the container says the seek went, and a seek that went too far is repeated further back.
        """
        first = next(self._decoded(), None)
        origin = None if first is None else first.pts
        if origin is None or self._stream.time_base is None:
            return None
        self._clock = self._new_clock(origin)
        ticks_a_second = 1 / self._stream.time_base
        target = origin + math.floor(self.start_s * ticks_a_second)
        back = 0
        while target - back > origin:
            try:
                self._container.seek(target - back, stream=self._stream)
            except (av.error.FFmpegError, OSError) as error:
                logger.debug("%s: cannot seek (%s); decoding from the beginning", self.path, error)
                return None
            frames = self._decoded()
            key = next((frame for frame in frames if frame.key_frame), None)
            if key is not None and key.pts is not None and key.pts <= target:
                return itertools.chain([key], frames)
            back = max(2 * back, math.ceil(ticks_a_second))
        return None

    def _from_beginning(self) -> Iterator[VideoFrame]:
        if self._tally.packets:
            self._container.close()
            self._container, self._stream = self._open()
            self._clock = self._new_clock(None)
        return self._decoded()

    def _ticks(self, frame: VideoFrame) -> int | None:
        if not self._undated:
            return frame.dts if frame.pts is None else frame.pts
        # As many pictures are shown as were decoded: the n-th one shown gets the n-th decoding time. At a key frame
        # the times of pictures that were lost before it are passed over.
        waiting = self._tally.waiting_dts
        while frame.key_frame and waiting and waiting[0] < (frame.pts or 0):
            heapq.heappop(waiting)
        return heapq.heappop(waiting) if waiting else None

    def _decoded(self) -> Iterator[VideoFrame]:
        """Frames from where the demuxer stands, with a new tally."""
        tally = self._tally = _Tally()
        for packet in self._packets():
            tally.add_packet(packet)
            if self._undated and packet.dts is not None and packet.size:
                # A label that comes back on the packet's picture.
                packet.pts = packet.dts
                heapq.heappush(tally.waiting_dts, packet.dts)
            if packet.is_corrupt and packet.size and self._indexed:
                # The file ends inside this packet. Fed to the decoder it would spoil the frames still held there.
                tally.errors += 1
                continue
            try:
                frames = packet.decode()
            except (av.error.FFmpegError, OSError) as error:
                logger.debug("%s: a packet cannot be decoded (%s)", self.path, error)
                tally.errors += 1
                continue
            for frame in frames:
                if frame.is_corrupt:
                    tally.errors += 1
                    continue
                tally.received.add(frame.pts)
                yield frame
        tally.reached_end = True

    def _packets(self) -> Iterator[Packet]:
        """Packets, ending in the empty one that flushes the decoder; unreadable ones are counted and passed over."""
        packets = self._container.demux(self._stream)
        failures = 0
        while failures < MAX_READ_ERRORS:
            try:
                packet = next(packets, None)
            except (av.error.FFmpegError, OSError) as error:
                logger.debug("%s: a packet cannot be read (%s)", self.path, error)
                failures += 1
                # A generator that raised is spent; a new one goes on where the demuxer stands.
                packets = self._container.demux(self._stream)
                continue
            if packet is None:
                break
            self._tally.errors += failures
            failures = 0
            yield packet
        self._tally.errors += min(failures, 1)

    def _require_frames(self) -> None:
        if self._kept:
            return
        if self._last_s is None:
            raise InputError(
                f"{self.path}: no frame can be decoded (codec {self.codec}, {self._undecodable()} damaged)",
                CONVERT_REMEDY,
            )
        if self._last_s < self.start_s:
            raise InputError(
                f"{self.path}: --start {self.start_s:g} s lies beyond the video's last frame at {self._last_s:.3f} s",
                "choose an earlier start",
            )
        raise InputError(
            f"{self.path}: no frame between {self.start_s:g} s and {self.end_s:g} s", "choose a longer span"
        )

    def _undecodable(self) -> int:
        """Frames missing from the span.

        Where the container dates every picture, these are the packets whose picture never came out, and the entries
        of an MP4's index that the file ends before. Elsewhere they are the errors met.
        """
        tally, clock = self._tally, self._clock
        if not clock.knows_origin:
            return max(tally.errors, tally.packets)
        # VP8 keeps reference pictures that are never shown in packets of their own.
        if not self._indexed or self.codec == "vp8":
            return tally.errors
        # Pictures lost before the first one that came out have negative times.
        earliest_s = self.start_s or -math.inf

        def in_span(ticks: int) -> bool:
            return earliest_s <= clock.seconds(ticks) < self.end_s

        lost = sum(map(in_span, tally.sent - tally.received))
        if tally.reached_end and tally.last_dts is not None:
            entries = self._stream.index_entries
            for number in range(len(entries) - 1, -1, -1):
                entry = entries[number]
                if entry.timestamp <= tally.last_dts:
                    break
                lost += in_span(entry.timestamp) and not entry.is_discard
        return lost


@dataclass
class _Tally:
    """What went into the decoder and what came out, since the last seek.

    `sent` and `received` hold presentation timestamps; `waiting_dts` is a heap of decoding times not yet given out.
    """

    packets: int = 0
    errors: int = 0
    sent: set[int] = field(default_factory=set)
    received: set[int | None] = field(default_factory=set)
    last_dts: int | None = None
    waiting_dts: list[int] = field(default_factory=list)
    reached_end: bool = False

    def add_packet(self, packet: Packet) -> None:
        if not packet.size:
            return
        self.packets += 1
        if packet.dts is not None:
            self.last_dts = packet.dts
        if packet.pts is not None and not packet.is_discard:
            self.sent.add(packet.pts)


def _checked_time(option: str, value: float | None, default: float) -> float:
    if value is None:
        return default
    if not value >= 0:
        raise UsageError(f"{option} takes seconds from 0 on, got {value:g}", "leave it out for the whole video")
    return float(value)
