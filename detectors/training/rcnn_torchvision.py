"""Training of torchvision's keypoint R-CNN."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor, nn

from detectors import keypointrcnn
from detectors.checkpoints import load_state, sha256_of
from detectors.rcnn_heads import RcnnNetwork
from detectors.training.config import FinetuneConfig
from detectors.training.rcnn import boxes_and_keypoints, fresh_card, image_tensor, weights_path
from detectors.training.rcnn_examples import ImageExample
from detectors.training.reinitialise import freeze, start_from


class TorchvisionLibrary:
    """torchvision's `KeypointRCNN` as a `detectors.training.rcnn.RcnnLibrary`.

    From public or own weights batch norm stays frozen, as Detectron fine-tunes; from random weights it is trained.
    """

    name = keypointrcnn.NAME
    loss_names: tuple[str, ...] = (
        "loss_objectness",
        "loss_rpn_box_reg",
        "loss_classifier",
        "loss_box_reg",
        "loss_keypoint",
    )

    def __init__(self, config: FinetuneConfig, device: str) -> None:
        path = weights_path(config)
        self.card = fresh_card(config, config.model or keypointrcnn.USUAL_MODEL)
        if path is not None:
            found = keypointrcnn.card_of(path, sha256_of(path), config.model)
            self.card = dataclasses.replace(
                self.card,
                model=found.model,
                keypoint_channels=found.keypoint_channels,
                batch_norm_eps=found.batch_norm_eps,
            )
        self.device = torch.device(device)
        module: Any = keypointrcnn.build_network(self.card, train_batch_norm=path is None)
        if path is not None:
            start_from(module, load_state(path), path, config.reinitialise, keypointrcnn.without_batch_counts)
        module.roi_heads.fg_bg_sampler.batch_size_per_image = config.proposals
        freeze(module, config.frozen)
        # The scaling of images is the network's own; it draws one of these sides for each image.
        self._sides = config.image_sides
        self.module: nn.Module = module.to(self.device)

    def losses(self, model: nn.Module, examples: Sequence[ImageExample]) -> dict[str, Tensor]:
        """Of torchvision."""
        images, targets = [], []
        for example in examples:
            image = image_tensor(example.image[:, :, ::-1]).to(self.device)
            boxes, keypoints = boxes_and_keypoints(example, self.device)
            labels = torch.ones(len(boxes), dtype=torch.int64, device=self.device)
            images.append(image.float() / 255)
            targets.append({"boxes": boxes, "labels": labels, "keypoints": keypoints})
        transform: Any = self.module.transform
        transform.min_size = self._sides
        losses: dict[str, Tensor] = model(images, targets)
        return losses

    def network(self) -> RcnnNetwork:
        """In evaluation mode, images at the card's size."""
        transform: Any = self.module.transform
        transform.min_size = (self.card.min_size_px,)
        return keypointrcnn.TorchvisionNetwork(self.module, self.device)
