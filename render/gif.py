"""Animated GIF with one palette for the whole clip.

GIF shows 256 colours. They are chosen from all frames, so that nothing flickers from one palette to the next; the
frames wait in a lossless file on the disk until the last one is known, and memory stays the same however long the clip
is. FFmpeg's `palettegen` chooses (median cut), its `paletteuse` dithers with an ordered pattern, which stands still
where the picture does: error diffusion would crawl, and more than double the file.
"""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Iterator
from fractions import Fraction
from pathlib import Path
from typing import IO, Any

import av
import numpy as np
from av.container import OutputContainer
from av.filter import Graph
from av.video.stream import VideoStream

from render.encode import Frames
from render.movie import Durations

TICKS_PER_SECOND = 100
"""GIF's clock."""

SHORTEST_S = 0.03
"""Frames that come faster are left out: 30 frames a second keep all, 60 every second one. Browsers show frames of
less than 0.02 s much too slowly."""

_SPOOLS: tuple[tuple[str, str, dict[str, str]], ...] = (
    ("libx264rgb", "bgr24", {"qp": "0", "preset": "ultrafast"}),
    ("utvideo", "gbrp", {}),
)
"""Lossless codecs for the frames that wait, the smaller one first; the second is a part of every FFmpeg."""

_DITHERING = "dither=bayer:bayer_scale=4"
"""Weak enough that flat floors and backgrounds stay flat, strong enough for a smooth sky."""

_SAMPLE_STEP = 3
_COLORS_MASK = 0xFE


def encode_gif(temporary: Path, frames: Frames) -> None:
    """Write an endless GIF; times are kept to 1/100 s, counted from the first frame, and do not drift.

    The last frame is shown for the median interval. Raises `OSError` or `av.FFmpegError` where the disk is full.
    """
    palette = _Palette()
    durations = Durations(TICKS_PER_SECOND)
    with tempfile.TemporaryFile(dir=temporary.parent) as spool:
        _write_spool(spool, _thinned(frames, durations, palette))
        spool.seek(0)
        _write_gif(temporary, spool, palette.frame(), durations.usual)


class _Palette:
    """Collects colours of all frames. Its memory is bounded: colours are told apart to 7 bits a channel."""

    def __init__(self) -> None:
        self._graph: Graph | None = None
        self._feed: Callable[[Any], None] = lambda _: None

    def add(self, image: np.ndarray, ticks: int) -> None:
        """Note every ninth pixel."""
        frame = _frame(image[::_SAMPLE_STEP, ::_SAMPLE_STEP] & _COLORS_MASK, ticks)
        if self._graph is None:
            self._graph = Graph()
            source, sink = _source(self._graph, frame), self._graph.add("buffersink")
            # Without transparency the encoder could not leave out pixels that stay as they are.
            palette = self._graph.add("palettegen", "stats_mode=full:reserve_transparent=1")
            source.link_to(palette)
            palette.link_to(sink)
            self._graph.configure()
            self._feed = source.push
        self._feed(frame)
        # Nothing comes out before the end, but the filter takes what waits only when it is asked.
        for _ in _ready(self._graph):
            raise RuntimeError("palettegen gave a palette before the last frame")

    def frame(self) -> av.VideoFrame:
        """16 x 16 colours."""
        assert self._graph is not None, "the writer refuses to end without a frame"
        self._feed(None)
        frame = self._graph.vpull()
        assert isinstance(frame, av.VideoFrame)
        return frame


def _thinned(frames: Frames, durations: Durations, palette: _Palette) -> Iterator[tuple[np.ndarray, int]]:
    """The frames that are kept, with their times in ticks."""
    first_s = last_s = None
    for image, time_s in frames:
        if first_s is None or last_s is None:
            first_s = time_s
        elif time_s - last_s < SHORTEST_S - 0.001:
            continue
        last_s = time_s
        ticks = durations.add(time_s - first_s)
        palette.add(image, ticks)
        yield image, ticks


def _write_spool(spool: IO[bytes], frames: Iterator[tuple[np.ndarray, int]]) -> None:
    codec, pixels, options = next(known for known in _SPOOLS if known[0] in av.codecs_available)
    with av.open(spool, "w", format="nut") as container:
        stream: VideoStream | None = None
        for image, ticks in frames:
            if stream is None:
                stream = _add_stream(container, codec, options)
                stream.height, stream.width = image.shape[:2]
                stream.pix_fmt = pixels
            container.mux(stream.encode(_frame(image, ticks).reformat(format=pixels)))
        if stream is not None:
            container.mux(stream.encode(None))


def _write_gif(path: Path, spool: IO[bytes], palette: av.VideoFrame, last_ticks: int) -> None:
    options = {"loop": "0", "final_delay": str(last_ticks)}
    with av.open(spool, "r", format="nut") as waiting, av.open(str(path), "w", format="gif", options=options) as gif:
        waiting.streams.video[0].thread_type = "AUTO"
        stream: VideoStream | None = None
        for frame in _with_palette(waiting.decode(video=0), palette):
            if stream is None:
                stream = _add_stream(gif, "gif", {})
                stream.width, stream.height, stream.pix_fmt = frame.width, frame.height, "pal8"
            gif.mux(stream.encode(frame))
        if stream is not None:
            gif.mux(stream.encode(None))


def _add_stream(container: OutputContainer, codec: str, options: dict[str, str]) -> VideoStream:
    stream = container.add_stream(codec, rate=TICKS_PER_SECOND, options=options)
    assert isinstance(stream, VideoStream)
    return stream


def _with_palette(frames: Iterator[av.VideoFrame], palette: av.VideoFrame) -> Iterator[av.VideoFrame]:
    """Each frame in the palette's colours (pal8)."""
    graph = Graph()
    pushes: list[Callable[[Any], None]] = []
    for frame in frames:
        if not pushes:
            mapping, sink = graph.add("paletteuse", _DITHERING), graph.add("buffersink")
            for place, example in enumerate((frame, palette)):
                source = _source(graph, example)
                source.link_to(mapping, 0, place)
                pushes.append(source.push)
            mapping.link_to(sink)
            graph.configure()
            pushes[1](palette)
            pushes[1](None)
        assert frame.pts is not None
        assert frame.time_base is not None
        # The container of the waiting frames has a finer clock.
        frame.pts = round(frame.pts * frame.time_base * TICKS_PER_SECOND)
        frame.time_base = Fraction(1, TICKS_PER_SECOND)
        pushes[0](frame)
        yield from _ready(graph)
    if pushes:
        pushes[0](None)
        yield from _ready(graph)


def _ready(graph: Graph) -> Iterator[av.VideoFrame]:
    while True:
        try:
            frame = graph.vpull()
        except (av.error.BlockingIOError, av.error.EOFError):
            return
        assert isinstance(frame, av.VideoFrame)
        yield frame


def _source(graph: Graph, example: av.VideoFrame) -> Any:
    return graph.add_buffer(
        width=example.width, height=example.height, format=example.format, time_base=Fraction(1, TICKS_PER_SECOND)
    )


def _frame(image: np.ndarray, ticks: int) -> av.VideoFrame:
    frame = av.VideoFrame.from_ndarray(np.ascontiguousarray(image), format="bgr24")
    frame.pts, frame.time_base = ticks, Fraction(1, TICKS_PER_SECOND)
    return frame
