"""Keypoint R-CNN of any library as a detector: people, then their keypoints from the logits of the keypoint head.

The libraries decode the head's 56 x 56 logits by the best pixel; here `detectors.decoding` does it, soft or hard.
Source: He et al., "Mask R-CNN" (2017), section 5.

Shape letters: F frames, P people of one frame, R people of all frames, J joints, h and w rows and columns of a heatmap.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager, nullcontext
from typing import Any, Protocol

import numpy as np
import torch
from torch import Tensor

from detectors.base import DetectorOptions, FrameDetections, check_frames
from detectors.decoding import decode_heatmaps
from poses import Skeleton, UsageError

VERSION = 1
"""Part of `weights_sha256`: raise it when a change here or in an adapter can change what is found."""

GPU_BATCH = 8
"""Frames computed at a time on a GPU. On the CPU it is one: more gain nothing there, and so a frame's result does not
depend on its neighbours to the last bit."""

_PRECISIONS = {"bf16": torch.bfloat16, "fp16": torch.float16}


class RcnnNetwork(Protocol):
    """What differs between the libraries. Boxes are x1, y1, x2, y2 in pixels of the scaled frames.

    `Batch` and `Features` are the library's own: they are handed back as they came.
    """

    device: torch.device

    def batch(self, frames: Sequence[np.ndarray]) -> Any:
        """Scale, normalise and pad (H, W, 3) uint8 BGR frames."""
        ...

    def sizes_hw(self, batch: Any) -> list[tuple[int, int]]:
        """Height and width of each frame after scaling, before padding."""
        ...

    def features(self, batch: Any) -> dict[str, Tensor]:
        """The backbone's maps by name."""
        ...

    def people(self, batch: Any, features: dict[str, Tensor]) -> tuple[list[Tensor], list[Tensor]]:
        """For each frame boxes (P, 4) and scores (P,), best first: above `min_score`, at most `max_people`."""
        ...

    def keypoint_logits(self, batch: Any, features: dict[str, Tensor], boxes: list[Tensor]) -> Tensor:
        """(R, J, h, w) logits over the boxes of all frames, one frame's after another's."""
        ...


class KeypointRcnn:
    """A detector around an `RcnnNetwork`.

    A person's score, on which `min_score` acts, is the box's probability. A keypoint's is the softmax probability of
    its heatmap within two pixels of the best one: 0 to 1, low where the head hesitates between places. Boxes and
    keypoints are in pixels of the frame. Boxes are computed in fp32; backbone and keypoint head in the precision asked.
    """

    def __init__(
        self,
        name: str,
        network: RcnnNetwork,
        skeleton: Skeleton,
        file_sha256: str,
        options: DetectorOptions,
        batch_size: int | None = None,
    ) -> None:
        self.name = name
        self.skeleton = skeleton
        self.options = options
        self.weights_sha256 = hashlib.sha256(f"{name} {VERSION} {file_sha256}".encode()).hexdigest()
        self._network: RcnnNetwork | None = network
        self._batch_size = batch_size or (1 if network.device.type == "cpu" else GPU_BATCH)
        self._mirror = torch.from_numpy(skeleton.mirror).to(network.device)

    def detect(self, frames: Sequence[np.ndarray]) -> list[FrameDetections]:
        """Find people in (H, W, 3) uint8 BGR frames; `ValueError` on another shape or type."""
        check_frames(frames)
        step = self._batch_size
        return [found for i in range(0, len(frames), step) for found in self._detect_batch(frames[i : i + step])]

    def close(self) -> None:
        """Release the network's memory."""
        self._network = None

    @torch.inference_mode()
    def _detect_batch(self, frames: Sequence[np.ndarray]) -> Iterator[FrameDetections]:
        network = self._network
        if network is None:
            raise ValueError(f"detector {self.name} is closed")
        batch = network.batch(frames)
        features = self._features(network, batch)
        boxes, scores = network.people(batch, features)
        if not sum(map(len, boxes)):
            return iter([FrameDetections.empty(len(self.skeleton)) for _ in frames])
        logits = self._logits(network, batch, features, boxes)
        if self.options.flip_test:
            logits = 0.5 * (logits + self._mirrored_logits(network, frames, boxes))
        places, keypoint_scores = decode_heatmaps(logits, self.options.keypoint_decoding, logits=True)
        sizes = network.sizes_hw(batch)
        return iter(
            _in_frame(frame, size, *parts)
            for frame, size, *parts in zip(
                frames,
                sizes,
                boxes,
                scores,
                *(tensor.split([len(b) for b in boxes]) for tensor in (_relative(places, logits), keypoint_scores)),
                strict=True,
            )
        )

    def _features(self, network: RcnnNetwork, batch: Any) -> dict[str, Tensor]:
        with self._autocast(network.device):
            features = network.features(batch)
        return {name: value.float() for name, value in features.items()}

    def _logits(self, network: RcnnNetwork, batch: Any, features: dict[str, Tensor], boxes: list[Tensor]) -> Tensor:
        with self._autocast(network.device):
            return network.keypoint_logits(batch, features, boxes).float()

    def _mirrored_logits(self, network: RcnnNetwork, frames: Sequence[np.ndarray], boxes: list[Tensor]) -> Tensor:
        """(R, J, h, w) logits of the mirrored frames in the same boxes, mirrored back."""
        batch = network.batch([np.ascontiguousarray(frame[:, ::-1]) for frame in frames])
        turned = []
        for box, (_, width) in zip(boxes, network.sizes_hw(batch), strict=True):
            x1, y1, x2, y2 = box.unbind(-1)
            turned.append(torch.stack([width - x2, y1, width - x1, y2], dim=-1))
        logits = self._logits(network, batch, self._features(network, batch), turned)
        return logits.flip(-1)[:, self._mirror]

    def _autocast(self, device: torch.device) -> AbstractContextManager[Any]:
        if self.options.precision == "fp32":
            return nullcontext()
        return torch.autocast(device.type, _PRECISIONS[self.options.precision])


def check_device(detector: str, device: str, precision: str) -> torch.device:
    """The device; `UsageError` where it is not there, or does not compute in `precision`."""
    try:
        chosen = torch.device(device)
    except RuntimeError:
        raise UsageError(f"unknown device {device!r}", "choose cpu, cuda or cuda:N") from None
    if chosen.type not in ("cpu", "cuda"):
        raise UsageError(f"detector {detector} runs on cpu or cuda, got device {device!r}", "use --device cpu")
    if chosen.type == "cuda" and (chosen.index or 0) >= torch.cuda.device_count():
        raise UsageError(
            f"device {device}: this PyTorch ({torch.__version__}) finds {torch.cuda.device_count()} GPUs",
            "use --device cpu",
        )
    if precision == "fp16" and chosen.type == "cpu":
        raise UsageError("precision fp16 needs a GPU", "use precision fp32 or bf16, or --device cuda")
    return chosen


def _relative(places: Tensor, logits: Tensor) -> Tensor:
    """(R, J, 2) heatmap pixels, integers being centres -> parts of the box's width and height, 0 to 1 from its corner.

    Training rounds a keypoint down to its heatmap pixel, so a pixel stands for its middle (Heckbert's c = d + 0.5).
    """
    return (places + 0.5) / torch.tensor(logits.shape[:-3:-1], dtype=places.dtype, device=places.device)


def _in_frame(
    frame: np.ndarray, size_hw: tuple[int, int], box: Tensor, score: Tensor, place: Tensor, keypoint_score: Tensor
) -> FrameDetections:
    """From boxes (P, 4) in the scaled frame and places (P, J, 2) in them to pixels of the frame."""
    height, width = frame.shape[:2]
    frame_per_scaled = np.array([width / size_hw[1], height / size_hw[0]])
    corners = box.double().cpu().numpy().reshape(-1, 2, 2) * frame_per_scaled
    low, extent = corners[:, :1], corners[:, 1:] - corners[:, :1]
    keypoints_px = low + place.double().cpu().numpy() * extent
    return FrameDetections(
        corners.reshape(-1, 4).astype(np.float32),
        score.float().cpu().numpy(),
        keypoints_px.astype(np.float32),
        keypoint_score.float().cpu().numpy(),
    )
