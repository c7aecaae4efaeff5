"""What training the keypoint R-CNNs of torchvision and detectron2 has in common.

Source: He et al., "Mask R-CNN" (2017), section 5; the libraries compute the losses.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Protocol

import numpy as np
import torch
from torch import Tensor, nn

from detectors.base import KEYPOINT_DECODINGS, DetectorOptions, FrameDetections
from detectors.decoding import decode_heatmaps
from detectors.keypoint_scores import match_people
from detectors.oks import joint_sigmas
from detectors.rcnn_card import RcnnCard
from detectors.rcnn_heads import KeypointRcnn, RcnnNetwork
from detectors.training.config import FinetuneConfig
from detectors.training.data import load_dataset, spread
from detectors.training.metrics import figures
from detectors.training.rcnn_examples import ImageExample, ImageExamples, people_arrays

LEAST_SCORE = 0.05


class RcnnLibrary(Protocol):
    """What differs between the libraries.

    Attributes
    ----------
    name : of the detector, and of the architecture in a configuration.
    module : the network, on its device.
    card : what the weights file says of itself.
    loss_names : the terms of the loss.
    """

    name: str
    module: nn.Module
    card: RcnnCard
    loss_names: tuple[str, ...]

    def losses(self, model: nn.Module, examples: Sequence[ImageExample]) -> dict[str, Tensor]:
        """The losses by name; `model` is the module, possibly wrapped."""
        ...

    def network(self) -> RcnnNetwork:
        """For inference."""
        ...


class RcnnTrainee:
    """A `detectors.training.run.Trainee` around a library's network."""

    def __init__(self, config: FinetuneConfig, library: RcnnLibrary) -> None:
        self.library = library
        self.module = library.module
        self.loss_names = library.loss_names
        self.config = config
        self._examples = ImageExamples(
            load_dataset(config.train_annotations, config.train_images, config.joints), config
        )
        self.examples = len(self._examples)
        self._validation: ImageExamples | None = None
        if config.validation_annotations is not None:
            dataset = load_dataset(config.validation_annotations, config.validation_images, config.joints)
            self._validation = ImageExamples(dataset, config)

    def prepare(self, index: int, step: int, place: int) -> ImageExample:
        """An image with its people, mirrored and recoloured at random."""
        return self._examples.prepare(index, step, place)

    def losses(self, model: nn.Module, examples: Sequence[ImageExample]) -> dict[str, Tensor]:
        """The library's losses."""
        return self.library.losses(model, examples)

    def evaluate(self) -> dict[str, float]:
        """Detect in the validation images with both decodings; people are matched to the true ones by OKS."""
        if self._validation is None:
            return {}
        people = self._validation.people
        count = sum(map(len, people))
        share = min(1.0, self.config.validation_people / count) if self.config.validation_people else 1.0
        chosen = spread(len(people), max(1, round(share * len(people))))
        rows: list[tuple[np.ndarray, ...]] = []
        detectors = [self._detector(decoding) for decoding in KEYPOINT_DECODINGS]
        for index in chosen:
            box, truth = people_arrays(people[index])
            image = self._validation.plain(index).image
            rows.append((*(self._matched(detector.detect([image])[0], truth) for detector in detectors), truth, box))
        return figures(*(np.concatenate(column) for column in zip(*rows, strict=True)))

    def locate(self, image: np.ndarray, box_px: np.ndarray) -> dict[str, np.ndarray]:
        """By decoding: keypoints (P, J, 2) of the people in boxes (P, 4) of an image, in pixels from its corner."""
        network = self.library.network()
        batch = network.batch([image])
        height, width = network.sizes_hw(batch)[0]
        scale = np.array([width / image.shape[1], height / image.shape[0]] * 2)
        boxes = torch.from_numpy((box_px * scale).astype(np.float32)).to(network.device)
        logits = network.keypoint_logits(batch, network.features(batch), [boxes])
        extent = (box_px[:, None, 2:] - box_px[:, None, :2]) / np.array(logits.shape[:-3:-1])
        found = {}
        for method in KEYPOINT_DECODINGS:
            places = decode_heatmaps(logits, method, logits=True)[0].cpu().double().numpy()
            found[method] = box_px[:, None, :2] + (places + 0.5) * extent
        return found

    def metadata(self) -> dict[str, str]:
        """The card of the detector, and the architecture's name."""
        return {"architecture": self.library.name, **self.library.card.metadata()}

    def _detector(self, decoding: str) -> KeypointRcnn:
        options = DetectorOptions(min_score=LEAST_SCORE, keypoint_decoding=decoding)
        return KeypointRcnn(self.library.name, self.library.network(), self.config.joints, "", options)

    def _matched(self, found: FrameDetections, truth: np.ndarray) -> np.ndarray:
        """(P, J, 2) keypoints found for each true person, NaN for none."""
        points = np.full(truth.shape, np.nan, np.float32)
        for a, b in match_people(found.keypoints_px, truth, joint_sigmas(self.config.joints)):
            points[b] = found.keypoints_px[a]
        return points


def fresh_card(config: FinetuneConfig, model: str) -> RcnnCard:
    """The card of a network as the configuration describes it."""
    return RcnnCard(
        model,
        skeleton=config.skeleton,
        min_size_px=config.image_sides[-1],
        max_size_px=config.image_side_max,
        keypoint_channels=config.keypoint_channels,
    )


def boxes_and_keypoints(example: ImageExample, device: torch.device) -> tuple[Tensor, Tensor]:
    """Boxes (P, 4) and marked keypoints (P, J, 3) on the device."""
    return torch.from_numpy(example.box_px).to(device), torch.from_numpy(example.marked_keypoints).to(device)


def image_tensor(image: np.ndarray) -> Tensor:
    """(H, W, 3) BGR to (3, H, W) of the same order and type."""
    return torch.from_numpy(np.ascontiguousarray(image.transpose(2, 0, 1)))


def weights_path(config: FinetuneConfig) -> Path | None:
    """The file of the configuration's weights; None to start from random ones. `InputError` where it is missing."""
    if config.weights is None:
        return None
    from detectors.weights import resolve_weights

    return resolve_weights(config.weights, None, config.architecture)
