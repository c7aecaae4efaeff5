"""Decoding and detecting in one pass over the video, kept in chunks so that a killed run goes on where it stood."""

from __future__ import annotations

import logging
import shutil
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from detectors.base import Detector, FrameDetections, detections_of_frames
from pipeline.cache import make_folder
from pipeline.decode import Frame, VideoReader
from pipeline.progress import Step
from poses import Detections, InputError, VideoInfo, artifact_key

CHUNK_FRAMES = 32
"""Frames a chunk: at a few frames a second on a CPU, a kill costs some seconds."""

logger = logging.getLogger(__name__)


class ChunkStore:
    """Detections of consecutive spans of `chunk_frames` frames, one file each, all bearing one cache key."""

    def __init__(self, folder: Path, key: str, chunk_frames: int = CHUNK_FRAMES) -> None:
        self._folder = folder
        self._key = f"{key} {chunk_frames}"
        self.chunk_frames = chunk_frames

    def path(self, chunk: int) -> Path:
        """The file of a chunk."""
        return self._folder / f"{chunk:06d}.npz"

    def open(self) -> int:
        """Make the folder, delete what another key or a damaged file left, and return how many leading chunks stand."""
        make_folder(self._folder)
        count = 0
        while artifact_key(self.path(count)) == self._key:
            count += 1
        kept = {self.path(chunk) for chunk in range(count)}
        for stale in self._folder.iterdir():
            if stale not in kept:
                stale.unlink()
        return count

    def write(self, chunk: int, detections: Detections) -> None:
        """Keep a chunk, atomically."""
        detections.save(self.path(chunk), self._key)

    def read(self, count: int) -> list[Detections]:
        """The first `count` chunks."""
        return [Detections.load(self.path(chunk)) for chunk in range(count)]

    def remove(self) -> None:
        """Delete the folder and what is in it."""
        shutil.rmtree(self._folder, ignore_errors=True)


def detect_video(
    reader: VideoReader,
    detector: Detector,
    store: ChunkStore,
    batch_frames: int,
    step: Step,
) -> tuple[VideoInfo, Detections]:
    """Run the detector over every frame of `reader` that no chunk of `store` holds yet.

    Batches never cross a chunk's border, so a resumed run hands the detector the same batches as one in a single go.

    Returns what the container says, and the detections of all frames.
    """
    standing = store.open()
    if standing:
        logger.info("going on after frame %d, where an earlier run stopped", standing * store.chunk_frames)
    batch: list[Frame] = []
    found: list[tuple[int, FrameDetections]] = []
    chunks = standing

    def detect_batch() -> None:
        results = detector.detect([frame.image for frame in batch])
        found.extend((frame.index, result) for frame, result in zip(batch, results, strict=True))
        step.advance(len(batch))
        batch.clear()

    def close_chunk() -> None:
        nonlocal chunks
        store.write(chunks, detections_of_frames(found, detector))
        found.clear()
        chunks += 1

    for frame in reader:
        if frame.index < standing * store.chunk_frames:
            step.skip()
            continue
        batch.append(frame)
        ends_chunk = (frame.index + 1) % store.chunk_frames == 0
        if ends_chunk or len(batch) == batch_frames:
            detect_batch()
        if ends_chunk:
            close_chunk()
    if batch:
        detect_batch()
    if found:
        close_chunk()
    return reader.info(), concatenate(store.read(chunks))


def concatenate(parts: Sequence[Detections]) -> Detections:
    """Chunks of one video, in order, as one artifact."""
    if not parts:
        raise InputError("no frame was detected", "delete the output folder and run again")
    first = parts[0]
    return Detections(
        frame=np.concatenate([part.frame for part in parts]),
        box_px=np.concatenate([part.box_px for part in parts]),
        score=np.concatenate([part.score for part in parts]),
        keypoints_px=np.concatenate([part.keypoints_px for part in parts]),
        keypoint_score=np.concatenate([part.keypoint_score for part in parts]),
        skeleton=first.skeleton,
        detector=first.detector,
        weights_sha256=first.weights_sha256,
    )
