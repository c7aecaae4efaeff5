"""torchvision's keypoint R-CNN, ResNet with a feature pyramid: `--detector keypointrcnn`.

Needs nothing but pip: ``pip install 'video-to-3d-poses[torchvision]'``. PyTorch and torchvision are imported when the
detector is made, not with this module.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from detectors.base import DetectorOptions
from detectors.rcnn_card import RcnnCard, check_model, choose_model
from detectors.registry import register
from poses import UsageError

if TYPE_CHECKING:
    import torch
    from torch import Tensor, nn

    from detectors.rcnn_heads import KeypointRcnn

NAME = "keypointrcnn"
MODELS = ("resnet18", "resnet34", "resnet50", "resnet101")
"""Backbones; public COCO weights exist for resnet50 alone, the others are for fine-tuning."""
USUAL_MODEL = "resnet50"
USUAL_WEIGHTS = "keypointrcnn-r50"

_PERSON = 1
_COCO_V1_SHA256 = "fc266e95"
"""Beginning of the hash of torchvision's COCO_V1 weights: trained, and to be used, with batch norm's epsilon at 0."""


def build_network(
    card: RcnnCard, min_score: float = 0.05, max_people: int = 100, train_batch_norm: bool = False
) -> nn.Module:
    """A torchvision `KeypointRCNN` with random weights, in training mode, on the CPU.

    For `resnet50` and the other defaults of the card its tensors have the names and shapes of torchvision's
    `keypointrcnn_resnet50_fpn`. `min_score` and `max_people` act in evaluation mode. Batch norm is frozen, as is usual
    for fine-tuning; with `train_batch_norm` it is not, as training from random weights needs it: in evaluation mode
    both compute the same from the same tensors. `UsageError` without torchvision, and for an unknown model.
    """
    check_model(card.model, MODELS)
    require_torchvision()
    from torch.nn import BatchNorm2d
    from torchvision.models.detection import KeypointRCNN
    from torchvision.models.detection.backbone_utils import resnet_fpn_backbone
    from torchvision.models.detection.keypoint_rcnn import KeypointRCNNHeads, KeypointRCNNPredictor
    from torchvision.ops import FrozenBatchNorm2d

    norm = BatchNorm2d if train_batch_norm else FrozenBatchNorm2d
    backbone = resnet_fpn_backbone(
        backbone_name=card.model,
        weights=None,
        norm_layer=partial(norm, eps=card.batch_norm_eps),
        trainable_layers=5,
    )
    return KeypointRCNN(
        backbone,
        num_classes=2,
        min_size=card.min_size_px,
        max_size=card.max_size_px,
        box_score_thresh=min_score,
        box_detections_per_img=max_people,
        keypoint_head=KeypointRCNNHeads(backbone.out_channels, card.keypoint_channels),
        keypoint_predictor=KeypointRCNNPredictor(card.keypoint_channels[-1], len(card.keypoint_skeleton())),
    )


def require_torchvision() -> None:
    """`UsageError` where torchvision is missing, or was built for another PyTorch than the one that is installed."""
    try:
        import torchvision.ops  # noqa: F401
    except ImportError as error:
        missing = error.name or "torchvision"
        raise UsageError(
            f"detector {NAME} needs the package {missing}", "pip install 'video-to-3d-poses[torchvision]'"
        ) from None
    except RuntimeError as error:
        # The operators of a build for another PyTorch are not registered.
        import torch

        raise UsageError(
            f"detector {NAME}: the installed torchvision does not fit PyTorch {torch.__version__} ({error})",
            "install the torchvision that belongs to it: pip install 'video-to-3d-poses[torchvision]'",
        ) from None


class TorchvisionNetwork:
    """The parts of a `KeypointRCNN` as `detectors.rcnn_heads.RcnnNetwork`."""

    def __init__(self, module: Any, device: torch.device) -> None:
        self.device = device
        self._module = module.to(device).eval()

    def batch(self, frames: Sequence[np.ndarray]) -> Any:
        import torch

        rgb = [torch.from_numpy(np.ascontiguousarray(frame[:, :, ::-1])).to(self.device) for frame in frames]
        return self._module.transform([image.permute(2, 0, 1).float() / 255 for image in rgb])[0]

    def sizes_hw(self, batch: Any) -> list[tuple[int, int]]:
        sizes: list[tuple[int, int]] = batch.image_sizes
        return sizes

    def features(self, batch: Any) -> dict[str, Tensor]:
        features: dict[str, Tensor] = self._module.backbone(batch.tensors)
        return features

    def people(self, batch: Any, features: dict[str, Tensor]) -> tuple[list[Tensor], list[Tensor]]:
        heads = self._module.roi_heads
        proposals, _ = self._module.rpn(batch, features)
        pooled = heads.box_head(heads.box_roi_pool(features, proposals, batch.image_sizes))
        boxes, scores, labels = heads.postprocess_detections(*heads.box_predictor(pooled), proposals, batch.image_sizes)
        persons = [label == _PERSON for label in labels]
        return [b[p] for b, p in zip(boxes, persons, strict=True)], [s[p] for s, p in zip(scores, persons, strict=True)]

    def keypoint_logits(self, batch: Any, features: dict[str, Tensor], boxes: list[Tensor]) -> Tensor:
        heads = self._module.roi_heads
        pooled = heads.keypoint_roi_pool(features, boxes, batch.image_sizes)
        logits: Tensor = heads.keypoint_predictor(heads.keypoint_head(pooled))
        return logits


@register(NAME, "torchvision keypoint R-CNN, ResNet-50 FPN (extra [torchvision], CPU or GPU), COCO-17")
def create_keypointrcnn(device: str, options: DetectorOptions) -> KeypointRcnn:
    """The detector with its weights; see `detectors.weights.resolve_weights` for which they are."""
    check_model(options.model, MODELS)
    require_torchvision()
    from detectors.checkpoints import load_into, load_state, sha256_of
    from detectors.rcnn_heads import KeypointRcnn, check_device
    from detectors.weights import resolve_weights

    chosen = check_device(NAME, device, options.precision)
    path = resolve_weights(options.weights, USUAL_WEIGHTS, NAME)
    digest = sha256_of(path)
    card = card_of(path, digest, options.model)
    module = build_network(card, options.min_score, options.max_people)
    load_into(module, load_state(path), path, without_batch_counts)
    return KeypointRcnn(NAME, TorchvisionNetwork(module, chosen), card.keypoint_skeleton(), digest, options)


def card_of(path: Path, digest: str, model: str | None) -> RcnnCard:
    """What the weights in `path`, of that SHA-256, are; errors as of `choose_model` and `RcnnCard.updated`."""
    from detectors.checkpoints import load_metadata

    metadata = load_metadata(path)
    eps = 0.0 if digest.startswith(_COCO_V1_SHA256) else 1e-5
    card = RcnnCard(choose_model(model, metadata, MODELS, USUAL_MODEL, path), batch_norm_eps=eps)
    return card.updated(metadata, path)


def without_batch_counts(name: str) -> str | None:
    """Weights of a network whose batch norm was trained count batches; frozen batch norm has no such tensor."""
    return None if name.endswith("num_batches_tracked") else name
