"""Training of the cascaded pyramid network.

Source: Chen et al., "Cascaded Pyramid Network for Multi-Person Pose Estimation" (CVPR 2018, arXiv 1711.07319), 3.2
and 4.1; section 5.2 of Pavllo et al. (2019) for fine-tuning: ground-truth boxes, batch norm kept on.

Shape letters: B people, J joints, h and w of the crop; heatmaps are a quarter as large.
"""

from __future__ import annotations

import logging
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
import torch
from torch import Tensor, nn

from detectors.base import KEYPOINT_DECODINGS
from detectors.checkpoints import load_metadata, load_state
from detectors.coco_data import PIXEL_MIDDLE, KeypointDataset
from detectors.cpn import public_card
from detectors.cpn_model import ARCHITECTURES, CascadedPyramidNetwork, CpnArchitecture
from detectors.crops import CropGeometry, crop_from_heatmap, heatmap_from_crop
from detectors.training.augment import crop_from_image, draw_view, recolour, show, warp
from detectors.training.config import FinetuneConfig
from detectors.training.data import load_dataset, spread, view_generator
from detectors.training.metrics import figures
from detectors.training.reinitialise import begins_with, freeze, start_from
from detectors.training.targets import (
    gaussian_heatmaps,
    hard_keypoint_loss,
    heatmap_loss,
    inside,
    mean_keypoint_loss,
)
from detectors.weights import resolve_weights
from poses import UsageError

log = logging.getLogger(__name__)
STRIDE = 4
"""Pixels of the crop to a pixel of the heatmap, along each axis."""
LAST_BATCH_NORMS = (*(f"global_net.predict.{level}.5" for level in range(4)), "refine_net.final_predict.2")
"""Batch norms after which a heatmap is given out."""


@dataclass(frozen=True)
class CropExample:
    """One person as the network sees it.

    Attributes
    ----------
    image : (h, w, 3) uint8 BGR crop.
    keypoints : (J, 2) float32 in heatmap pixels; NaN where not labelled.
    visible : (J,) bool, labelled as visible.
    """

    image: np.ndarray
    keypoints: np.ndarray
    visible: np.ndarray


class CpnTrainee:
    """CPN as a `detectors.training.run.Trainee`."""

    loss_names: tuple[str, ...] = ("loss_global", "loss_refine")

    def __init__(self, config: FinetuneConfig, device: str) -> None:
        self.config = config
        self.device = torch.device(device)
        self.size_hw = (config.input_hw[0], config.input_hw[1])
        self.heatmap_hw = (self.size_hw[0] // STRIDE, self.size_hw[1] // STRIDE)
        self.card = replace(
            public_card(self.size_hw), skeleton=config.joints, peak=1.0, sigma=config.heatmap_sigmas[-1]
        )
        self.module: nn.Module = build_network(config).to(self.device)
        self._examples = load_dataset(config.train_annotations, config.train_images, config.joints)
        self.examples = len(self._examples)
        self._validation: KeypointDataset | None = None
        if config.validation_annotations is not None:
            self._validation = load_dataset(config.validation_annotations, config.validation_images, config.joints)

    def prepare(self, index: int, step: int, place: int) -> CropExample:
        """The person in the true box, scaled, turned, mirrored and recoloured at random."""
        config, sample = self.config, self._examples[index]
        view = draw_view(
            view_generator(config.seed, step, place), config.scale, config.rotation_degrees, config.flip, config.colour
        )
        geometry = CropGeometry.from_boxes(sample.box_px[None], self.size_hw, config.box_padding)
        affine = crop_from_image(geometry, view)
        mirror = config.joints.mirror if view.flip else None
        points = show(sample.keypoints_px.astype(np.float64) + PIXEL_MIDDLE, affine, mirror)
        visible = sample.visibility == 2
        return CropExample(
            recolour(warp(self._examples.read_image(index), affine, self.size_hw, self.card.fill_bgr), view),
            heatmap_from_crop(points, self.heatmap_hw, self.size_hw).astype(np.float32),
            visible if mirror is None else visible[mirror],
        )

    def losses(self, model: nn.Module, examples: Sequence[CropExample]) -> dict[str, Tensor]:
        """Squared errors of the heatmaps: of GlobalNet's at all levels for visible joints, of RefineNet's for the
        hardest joints of each person, hidden ones too."""
        images = self.card.images(np.stack([example.image for example in examples]), str(self.device))
        points = torch.from_numpy(np.stack([example.keypoints for example in examples])).to(self.device)
        visible = torch.from_numpy(np.stack([example.visible for example in examples])).to(self.device)
        known = inside(points, self.heatmap_hw)
        levels, refined = model(images)
        targets = [gaussian_heatmaps(points, self.heatmap_hw, sigma) for sigma in self.config.heatmap_sigmas]
        shown = (known & visible).float()
        coarse = [
            mean_keypoint_loss(heatmap_loss(level.float(), target, shown), shown)
            for level, target in zip(levels, targets, strict=True)
        ]
        fine = heatmap_loss(refined.float(), targets[-1], known.float())
        scale = loss_scale(self.config.heatmap_sigmas[-1], self.heatmap_hw)
        return {
            "loss_global": scale * 0.5 * torch.stack(coarse).sum(),
            "loss_refine": scale * hard_keypoint_loss(fine, known.float(), self.config.hard_keypoints),
        }

    def evaluate(self) -> dict[str, float]:
        """Keypoints in the true boxes of the validation data."""
        if self._validation is None:
            return {}
        chosen = spread(len(self._validation), self.config.validation_people)
        boxes = np.stack([self._validation[index].box_px for index in chosen])
        found = [
            self.locate(self._validation.read_image(index), box[None]) for index, box in zip(chosen, boxes, strict=True)
        ]
        soft, hard = (np.concatenate([points[method] for points in found]) for method in KEYPOINT_DECODINGS)
        truth = np.stack([self._validation[index].keypoints_px for index in chosen]) + PIXEL_MIDDLE
        return figures(soft, hard, truth, boxes)

    def locate(self, image: np.ndarray, box_px: np.ndarray) -> dict[str, np.ndarray]:
        """By decoding: keypoints (P, J, 2) of the people in boxes (P, 4) of an image, in pixels from its corner."""
        geometry = CropGeometry.from_boxes(box_px, self.size_hw, self.config.box_padding)
        heatmaps = self.module(self.card.images(geometry.crop(image, self.card.fill_bgr), str(self.device)))[1]
        found = {}
        for method in KEYPOINT_DECODINGS:
            places = self.card.decode(heatmaps, method)[0].cpu().double().numpy()
            found[method] = geometry.to_image(crop_from_heatmap(places, self.heatmap_hw, self.size_hw))
        return found

    def metadata(self) -> dict[str, str]:
        """How the detector feeds and reads the network."""
        return self.card.metadata()


def loss_scale(sigma: float, heatmap_hw: tuple[int, int]) -> float:
    """Factor that makes the loss of an empty heatmap 1, whatever the size of the heatmap and the spread of the target.

    The square of a Gaussian of peak 1 sums up to pi times its variance.
    """
    return heatmap_hw[0] * heatmap_hw[1] / (np.pi * sigma**2)


def build_network(config: FinetuneConfig) -> CascadedPyramidNetwork:
    """The network with fresh weights, and those of the configuration in all layers that do not start anew.

    `UsageError` for an unknown variant, or one that is not the file's.
    """
    joints = len(config.joints)
    if config.weights is None:
        network = _fresh_network(named_architecture(config.model or "r50", joints), config)
    else:
        path = resolve_weights(config.weights, None, "cpn")
        state = load_state(path)
        architecture = replace(CpnArchitecture.of_state(state), joints=joints)
        if config.model is not None and architecture != named_architecture(config.model, joints):
            raise UsageError(f"{path} holds another network than model {config.model}", "leave the model out")
        network = _fresh_network(architecture, config)
        start_from(network, state, path, config.reinitialise)
        _scale_heatmaps(network, 1 / public_card().with_metadata(load_metadata(path), path).peak, config.reinitialise)
    freeze(network, config.frozen)
    return network


def named_architecture(name: str, joints: int) -> CpnArchitecture:
    """`UsageError` lists the variants there are."""
    if name not in ARCHITECTURES:
        raise UsageError(f"unknown model {name!r}", f"choose one of: {', '.join(ARCHITECTURES)}")
    return CpnArchitecture.named(name, joints)


def _fresh_network(architecture: CpnArchitecture, config: FinetuneConfig) -> CascadedPyramidNetwork:
    """Random weights whose heatmaps vary as much as their targets do.

    With Adam a weight moves by about the learning rate a step: at 5e-5 a batch norm that starts at 1 would need most of
    the schedule to get down to the targets' standard deviation, about 0.06.
    """
    network = CascadedPyramidNetwork(architecture)
    area = config.input_hw[0] * config.input_hw[1] / STRIDE**2
    for name, sigma in zip(LAST_BATCH_NORMS, (*config.heatmap_sigmas, config.heatmap_sigmas[-1]), strict=True):
        mean, square = 2 * np.pi * sigma**2 / area, np.pi * sigma**2 / area
        weight, bias = network.get_submodule(name).parameters()
        nn.init.constant_(weight, (square - mean**2) ** 0.5)
        nn.init.constant_(bias, mean)
    return network


def _scale_heatmaps(network: nn.Module, factor: float, reinitialised: Sequence[str]) -> None:
    """Bring the heatmaps of weights that were taught another peak to a peak of 1, where they do not start anew."""
    for name in LAST_BATCH_NORMS:
        if factor != 1 and not begins_with(name, reinitialised):
            for parameter in network.get_submodule(name).parameters():
                parameter.data.mul_(factor)
