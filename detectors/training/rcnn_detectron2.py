"""Training of detectron2's keypoint R-CNN."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from detectors import maskrcnn_d2
from detectors.checkpoints import load_metadata
from detectors.rcnn_card import choose_model
from detectors.rcnn_heads import RcnnNetwork
from detectors.training.config import FinetuneConfig
from detectors.training.rcnn import boxes_and_keypoints, fresh_card, image_tensor, weights_path
from detectors.training.rcnn_examples import ImageExample
from detectors.training.reinitialise import freeze, start_from
from poses import InputError


class Detectron2Library:
    """detectron2's `GeneralizedRCNN` as a `detectors.training.rcnn.RcnnLibrary`; batch norm is frozen there."""

    name = maskrcnn_d2.NAME
    loss_names: tuple[str, ...] = ("loss_rpn_cls", "loss_rpn_loc", "loss_cls", "loss_box_reg", "loss_keypoint")

    def __init__(self, config: FinetuneConfig, device: str) -> None:
        path = weights_path(config)
        model = config.model or maskrcnn_d2.USUAL_MODEL
        state: dict[str, Tensor] = {}
        if path is not None:
            state = maskrcnn_d2.load_weights(path)
            usual = maskrcnn_d2.depth_of(state)
            model = choose_model(config.model, load_metadata(path), maskrcnn_d2.MODELS, usual, path)
        self.card = fresh_card(config, model)
        self.device = torch.device(device)
        module: Any = maskrcnn_d2.build_network(self.card, device)
        module.roi_heads.batch_size_per_image = config.proposals
        if path is not None:
            start_from(module, state, path, config.reinitialise, maskrcnn_d2.without_computed)
        freeze(module, config.frozen)
        self.module: nn.Module = module
        self._sides = config.image_sides

    def losses(self, model: nn.Module, examples: Sequence[ImageExample]) -> dict[str, Tensor]:
        """Of detectron2, images scaled to a side drawn for each."""
        from detectron2.data.transforms import ResizeShortestEdge
        from detectron2.structures import Boxes, Instances, Keypoints
        from detectron2.utils.events import EventStorage

        inputs: list[dict[str, Any]] = []
        for example in examples:
            # From PyTorch's generator, which the step has seeded; detectron2 would take NumPy's global one.
            side = self._sides[int(torch.randint(len(self._sides), ()))]
            resize = ResizeShortestEdge([side, side], self.card.max_size_px).get_transform(example.image)
            image = np.asarray(resize.apply_image(example.image))
            ratio = image.shape[1] / example.image.shape[1], image.shape[0] / example.image.shape[0]
            boxes, keypoints = boxes_and_keypoints(example, self.device)
            people = Instances(image.shape[:2])
            people.gt_boxes = Boxes(boxes * boxes.new_tensor([*ratio, *ratio]))
            people.gt_classes = torch.zeros(len(boxes), dtype=torch.int64, device=self.device)
            people.gt_keypoints = Keypoints(keypoints * keypoints.new_tensor([*ratio, 1.0]))
            inputs.append({"image": image_tensor(image), "instances": people})
        # detectron2's heads report to a storage, which must be open; what they report is not used.
        with EventStorage():
            try:
                losses: dict[str, Tensor] = model(inputs)
            except FloatingPointError as error:
                raise InputError(
                    f"detectron2: {error}", "lower learning_rates, or set warmup_iterations or clip_gradient"
                ) from None
        return losses

    def network(self) -> RcnnNetwork:
        """In evaluation mode, images at the card's size."""
        return maskrcnn_d2.Detectron2Network(self.module, self.device, self.card)
