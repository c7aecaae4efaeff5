"""Top-down detection: another detector finds the people, a heatmap network finds each one's keypoints in a crop.

Shape letters: N people over all frames, P people in one frame, J joints, h and w of a crop.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import replace
from typing import Protocol

import numpy as np
import torch
from torch import Tensor, nn

from detectors.base import Detector, DetectorOptions, FrameDetections, check_frames
from detectors.crops import CropGeometry, crop_from_heatmap
from detectors.heatmap_card import HeatmapCard
from detectors.oks import joint_sigmas, suppress_duplicates
from detectors.registry import create_detector
from poses import UsageError

VERSION = 1
"""Part of `weights_sha256`: raise it when a change below can change what is found."""
BATCH = 16
"""Crops that go through the network together on a GPU. On a CPU one at a time is as fast, and what is found in a frame
then is the same to the bit whatever other frames come with it."""
MAX_OKS = 0.9
"""Two boxes around one person give almost the same keypoints; the better of the two is kept."""
TOP_DOWN = ("cpn", "hourglass", "mmpose")
_CPU_ONLY = ("blazepose",)
_DTYPES = {"bf16": torch.bfloat16, "fp16": torch.float16}


class HeatmapNetwork(Protocol):
    """What `TopDown` asks of a network, besides being an `nn.Module`."""

    def heatmaps(self, images: Tensor) -> Tensor:
        """(N, 3, h, w) images -> (N, J, h/4, w/4) heatmaps."""
        ...


class TopDown:
    """Keypoints of the people that `people` finds, by a heatmap network.

    A person's score is the mean over the keypoints' scores; those below `min_score` are dropped, then at most
    `max_people` kept, best first. `box_px` is the box that the other detector gave.

    Parameters
    ----------
    network : an `nn.Module` with `heatmaps`; goes to the device, in evaluation mode.
    card : how it is fed and read.
    people : who finds the boxes; `close` closes it too.
    network_sha256 : hash of the network's weights.

    Attributes
    ----------
    batch : crops that go through the network together.
    """

    def __init__(
        self,
        name: str,
        network: nn.Module,
        card: HeatmapCard,
        people: Detector,
        device: str,
        options: DetectorOptions,
        network_sha256: str,
    ) -> None:
        require_precision(device, options.precision)
        self.name = name
        self.skeleton = card.skeleton
        self.card, self.people, self.device, self.options = card, people, device, options
        # A third less time for convolutions on CPUs, and what the matrix units of GPUs take.
        self.network = network.to(device, memory_format=torch.channels_last).eval()  # type: ignore[call-overload]
        self.batch = 1 if torch.device(device).type == "cpu" else BATCH
        self._heatmaps_of: Callable[[Tensor], Tensor] = network.heatmaps  # type: ignore[assignment]
        text = f"{name} {VERSION} {network_sha256} {sorted(card.metadata().items())} {people.weights_sha256}"
        self.weights_sha256 = hashlib.sha256(text.encode()).hexdigest()
        self._mirror = torch.as_tensor(card.skeleton.mirror, device=device)
        self._sigmas = joint_sigmas(card.skeleton)

    def detect(self, frames: Sequence[np.ndarray]) -> list[FrameDetections]:
        """Find people in (H, W, 3) uint8 BGR frames; `ValueError` on another shape or type."""
        check_frames(frames)
        if not frames:
            return []
        found = [_usable(people, frame.shape) for people, frame in zip(self.people.detect(frames), frames, strict=True)]
        geometries = [
            CropGeometry.from_boxes(people.box_px, self.card.input_hw, self.options.box_padding) for people in found
        ]
        crops = [g.crop(frame, self.card.fill_bgr) for g, frame in zip(geometries, frames, strict=True)]
        points, score = self.keypoints(np.concatenate(crops))
        ends = np.cumsum([len(g) for g in geometries])[:-1]
        return [
            self._select(people.box_px, geometry.to_image(p), s)
            for people, geometry, p, s in zip(
                found, geometries, np.split(points, ends), np.split(score, ends), strict=True
            )
        ]

    def keypoints(self, crops: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """(N, h, w, 3) uint8 BGR crops -> (N, J, 2) x, y in crop pixels from the corner, and (N, J) scores 0 to 1."""
        joints = len(self.skeleton)
        points, score = np.zeros((len(crops), joints, 2)), np.zeros((len(crops), joints), np.float32)
        for start in range(0, len(crops), self.batch):
            part = slice(start, start + self.batch)
            heatmaps = self.heatmaps(crops[part])
            places, peaks = self.card.decode(heatmaps, self.options.keypoint_decoding)
            size = (heatmaps.shape[2], heatmaps.shape[3])
            points[part] = crop_from_heatmap(places.cpu().numpy().astype(np.float64), size, self.card.input_hw)
            score[part] = peaks.cpu().numpy()
        return points, score

    @torch.inference_mode()
    def heatmaps(self, crops: np.ndarray) -> Tensor:
        """(N, J, h/4, w/4) float32 heatmaps of the crops, all at once; with the flip test, averaged over both views."""
        images = self.card.images(crops, self.device)
        with self._autocast():
            maps = self._heatmaps_of(images).float()
            if self.options.flip_test:
                mirrored = self._heatmaps_of(images.flip(-1)).float()
                maps = 0.5 * (maps + mirrored.flip(-1)[:, self._mirror])
        return maps

    def close(self) -> None:
        self.people.close()

    def _autocast(self) -> AbstractContextManager[object]:
        if self.options.precision == "fp32":
            return nullcontext()
        return torch.autocast(torch.device(self.device).type, _DTYPES[self.options.precision])

    def _select(self, box_px: np.ndarray, keypoints_px: np.ndarray, keypoint_score: np.ndarray) -> FrameDetections:
        score = keypoint_score.mean(axis=1)
        people = FrameDetections(
            box_px.astype(np.float32), score, keypoints_px.astype(np.float32), keypoint_score.astype(np.float32)
        )
        kept = suppress_duplicates(keypoints_px, score, MAX_OKS, np.inf, np.inf, self._sigmas)
        return people.select(kept[score[kept] >= self.options.min_score][: self.options.max_people])


def people_detector(name: str, device: str, options: DetectorOptions) -> Detector:
    """The detector `options.boxes` that finds the people for the detector `name`.

    It has its usual weights and precision. `UsageError` where it is top-down itself or cannot be had.
    """
    if options.boxes in TOP_DOWN:
        raise UsageError(
            f"{options.boxes} cannot find the people for {name}: it needs their boxes itself",
            "choose another detector for boxes, such as blazepose",
        )
    # BlazePose computes on the CPU whatever device the keypoints are found on.
    where = "cpu" if options.boxes in _CPU_ONLY else device
    usual = replace(options, model=None, weights=None, precision="fp32", flip_test=False)
    return create_detector(options.boxes, where, usual)


def require_precision(device: str, precision: str) -> None:
    """`UsageError` where the device cannot be had or does not compute in `precision`."""
    try:
        kind = torch.device(device).type
        torch.zeros(1, device=device)
    except (RuntimeError, AssertionError) as error:
        reason = str(error).splitlines()[0]
        raise UsageError(f"device {device!r} cannot be had ({reason})", "use --device cpu, or auto") from None
    if precision == "fp16" and kind == "cpu":
        raise UsageError("precision fp16 is for GPUs, not for the CPU", "use bf16 or fp32")
    if precision == "bf16" and kind == "cuda" and not torch.cuda.is_bf16_supported():
        raise UsageError(f"the GPU {device} does not compute in bf16", "use fp16 or fp32")


def _usable(people: FrameDetections, shape: tuple[int, ...]) -> FrameDetections:
    """Those whose box has an inside and something of the frame in it: other programs' files hold all sorts."""
    low = np.maximum(people.box_px[:, :2], 0)
    high = np.minimum(people.box_px[:, 2:], [shape[1], shape[0]])
    return people.select(np.flatnonzero((high > low).all(axis=1) & np.isfinite(people.box_px).all(axis=1)))
