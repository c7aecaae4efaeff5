"""The default detector: BlazePose, several people, from the models that lie in the mediapipe wheel."""

from __future__ import annotations

import os
import queue
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor

import cv2
import numpy as np

from detectors.base import DetectorOptions, FrameDetections, check_frames
from detectors.blazepose_graph import BlazePoseGraphs, Landmarks, Proposal, models_sha256
from detectors.native_log import native_log_to_logger
from detectors.oks import keypoint_boxes, suppress_duplicates
from detectors.registry import register
from detectors.tiles import tile_layout
from poses import BLAZEPOSE33, COCO17, UsageError

VERSION = 1
"""Part of `weights_sha256`: raise it when a change below can change what is found."""

MIN_PROPOSAL_SCORE = 0.35
SAME_PERSON_DISTANCE = 0.35
"""Proposals nearer than this part of the larger radius, and of like radius, are one person seen in several tiles."""
MAX_WORKERS = 4
MAX_OKS = 0.6
MAX_IOU = 0.75
MAX_INSIDE = 0.8
BOX_PADDING = 0.08

_COCO_FROM_BLAZEPOSE = np.array(BLAZEPOSE33.indices(*COCO17.joints))


class BlazePose:
    """BlazePose on the whole frame and on overlapping squares of it, merged; COCO-17 keypoints.

    Each frame is searched for people by the first network (in every tile of `options.tiles`), the second network finds
    33 landmarks around each, once more around where the first look put the body, and people found twice are merged.
    A frame's result depends on that frame alone and is the same to the bit on one machine.
    """

    name = "blazepose"
    skeleton = COCO17

    def __init__(self, options: DetectorOptions | None = None) -> None:
        self.options = options or DetectorOptions()
        self.weights_sha256 = models_sha256(f"blazepose {VERSION} ")
        # Not on every system can a process be asked which cores it may use.
        cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
        workers = min(MAX_WORKERS, cores)
        self._graphs: queue.SimpleQueue[BlazePoseGraphs] = queue.SimpleQueue()
        self._workers = workers
        with native_log_to_logger():
            for _ in range(workers):
                graphs = BlazePoseGraphs(MIN_PROPOSAL_SCORE)
                blank = graphs.image(np.zeros((64, 64, 3), np.uint8))
                # The native code writes its warnings at the first image, which should happen in here.
                graphs.propose(blank, 0, 0, 64, 64)
                graphs.landmarks(blank, 64, 64, Proposal(32, 32, 32, 8, 1.0))
                self._graphs.put(graphs)
        self._pool = ThreadPoolExecutor(workers, thread_name_prefix="blazepose")

    def detect(self, frames: Sequence[np.ndarray]) -> list[FrameDetections]:
        """Find people in (H, W, 3) uint8 BGR frames; `ValueError` on another shape or type."""
        check_frames(frames)
        return list(self._pool.map(self._detect_one, frames))

    def close(self) -> None:
        self._pool.shutdown()
        for _ in range(self._workers):
            self._graphs.get().close()

    def _detect_one(self, frame: np.ndarray) -> FrameDetections:
        graphs = self._graphs.get()
        try:
            people = self._people(graphs, cv2.cvtColor(frame, cv2.COLOR_BGR2RGB))
        finally:
            self._graphs.put(graphs)
        if not people:
            return FrameDetections.empty(len(COCO17))
        keypoints_px = np.stack([p.points_px for p in people])[:, _COCO_FROM_BLAZEPOSE]
        keypoint_score = np.stack([p.visibility * p.presence for p in people])[:, _COCO_FROM_BLAZEPOSE]
        score = keypoint_score.mean(axis=1)
        # Fits to a part of a body, or turned upside down, can have keypoints as sure of themselves as the right one's,
        # but come from worse proposals.
        rank = score * np.array([p.alignment.score for p in people])
        kept = suppress_duplicates(keypoints_px, rank, MAX_OKS, MAX_IOU, MAX_INSIDE)
        kept = kept[score[kept] >= self.options.min_score][: self.options.max_people]
        found = FrameDetections(
            keypoint_boxes(keypoints_px, BOX_PADDING).astype(np.float32),
            score.astype(np.float32),
            keypoints_px.astype(np.float32),
            keypoint_score.astype(np.float32),
        )
        return found.select(kept)

    def _people(self, graphs: BlazePoseGraphs, rgb: np.ndarray) -> list[Landmarks]:
        height, width = rgb.shape[:2]
        image = graphs.image(rgb)
        proposals: list[Proposal] = []
        for tile in tile_layout(width, height, self.options.tiles):
            whole = (tile.width, tile.height) == (width, height)
            part = image if whole else graphs.image(rgb[tile.y : tile.y + tile.height, tile.x : tile.x + tile.width])
            proposals += graphs.propose(part, tile.x, tile.y, tile.width, tile.height)
        people = []
        for proposal in merge_proposals(proposals):
            first = graphs.landmarks(image, width, height, proposal)
            second = first and graphs.landmarks(image, width, height, first.alignment)
            if second is not None:
                people.append(second)
        return people


def merge_proposals(proposals: Sequence[Proposal]) -> list[Proposal]:
    """The best-scored proposal of each person, best first; a person seen in several tiles is proposed several times."""
    kept: list[Proposal] = []
    for candidate in sorted(proposals, key=lambda p: -p.score):
        if candidate.radius_px > 0 and not any(_same_person(candidate, k) for k in kept):
            kept.append(candidate)
    return kept


def _same_person(a: Proposal, b: Proposal) -> bool:
    larger = max(a.radius_px, b.radius_px)
    distance = float(np.hypot(a.x_px - b.x_px, a.y_px - b.y_px))
    return distance < SAME_PERSON_DISTANCE * larger and min(a.radius_px, b.radius_px) > 0.5 * larger


@register("blazepose", "BlazePose (mediapipe wheel, CPU, nothing to download), several people, COCO-17")
def _create(device: str, options: DetectorOptions) -> BlazePose:
    if device != "cpu":
        raise UsageError(f"detector blazepose runs on the CPU only, got device {device!r}", "use --device cpu")
    return BlazePose(options)
