"""detectron2's keypoint R-CNN (Mask R-CNN with a keypoint head), ResNet-101 or -50 FPN: `--detector maskrcnn-d2`.

detectron2 has no package on PyPI and is built from source; PyTorch and detectron2 are imported when the detector is
made, not with this module. Of detectron2 neither the model zoo (which needs an old setuptools) nor the data loaders are
used.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from detectors.base import DetectorOptions
from detectors.rcnn_card import RcnnCard, check_model, choose_model
from detectors.registry import register
from poses import InputError, UsageError

if TYPE_CHECKING:
    import torch
    from torch import Tensor, nn

    from detectors.rcnn_heads import KeypointRcnn

NAME = "maskrcnn-d2"
MODELS = ("R_50", "R_101")
USUAL_MODEL = "R_101"
USUAL_WEIGHTS = {"R_50": "maskrcnn-d2-r50", "R_101": "maskrcnn-d2-r101"}

INSTALL_PAGE = "https://detectron2.readthedocs.io/en/latest/tutorials/install.html"

# Tensors of old checkpoints that the network computes from its configuration.
_COMPUTED = ("anchor_generator.cell_anchors", "pixel_mean", "pixel_std")


def build_config(card: RcnnCard, device: str = "cpu", min_score: float = 0.05, max_people: int = 100) -> Any:
    """detectron2's configuration of `COCO-Keypoints/keypoint_rcnn_R_*_FPN_3x`, changed by what the card says.

    `min_score` and `max_people` act in evaluation mode. `UsageError` without detectron2, and for an unknown model.
    """
    check_model(card.model, MODELS)
    require_detectron2()
    from detectron2.config import get_cfg

    config = get_cfg()
    model = config.MODEL
    model.DEVICE = device
    model.KEYPOINT_ON = True
    model.BACKBONE.NAME = "build_resnet_fpn_backbone"
    model.RESNETS.DEPTH = int(card.model.removeprefix("R_"))
    model.RESNETS.OUT_FEATURES = ["res2", "res3", "res4", "res5"]
    model.FPN.IN_FEATURES = ["res2", "res3", "res4", "res5"]
    model.ANCHOR_GENERATOR.SIZES = [[32], [64], [128], [256], [512]]
    model.ANCHOR_GENERATOR.ASPECT_RATIOS = [[0.5, 1.0, 2.0]]
    model.RPN.IN_FEATURES = ["p2", "p3", "p4", "p5", "p6"]
    model.RPN.PRE_NMS_TOPK_TRAIN = 2000
    model.RPN.PRE_NMS_TOPK_TEST = 1000
    model.RPN.POST_NMS_TOPK_TRAIN = 1500
    model.RPN.POST_NMS_TOPK_TEST = 1000
    model.ROI_HEADS.NAME = "StandardROIHeads"
    model.ROI_HEADS.IN_FEATURES = ["p2", "p3", "p4", "p5"]
    model.ROI_HEADS.NUM_CLASSES = 1
    model.ROI_HEADS.SCORE_THRESH_TEST = min_score
    model.ROI_BOX_HEAD.NAME = "FastRCNNConvFCHead"
    model.ROI_BOX_HEAD.NUM_FC = 2
    model.ROI_BOX_HEAD.POOLER_RESOLUTION = 7
    model.ROI_BOX_HEAD.SMOOTH_L1_BETA = 0.5
    model.ROI_KEYPOINT_HEAD.CONV_DIMS = list(card.keypoint_channels)
    model.ROI_KEYPOINT_HEAD.NUM_KEYPOINTS = len(card.keypoint_skeleton())
    config.INPUT.MIN_SIZE_TEST = card.min_size_px
    config.INPUT.MAX_SIZE_TEST = card.max_size_px
    config.TEST.DETECTIONS_PER_IMAGE = max_people
    return config


def build_network(card: RcnnCard, device: str = "cpu", min_score: float = 0.05, max_people: int = 100) -> nn.Module:
    """A detectron2 `GeneralizedRCNN` with random weights, in training mode; arguments and errors as `build_config`."""
    config = build_config(card, device, min_score, max_people)
    from detectron2.modeling import build_model

    network: nn.Module = build_model(config)
    return network


def load_weights(path: Path) -> dict[str, Tensor]:
    """Tensors by name of a file of the model zoo (.pkl, arrays in a pickle), or of one that torch or we wrote.

    `InputError` where it is damaged or holds anything that would have to be run.
    """
    from detectors.checkpoints import load_state

    return _load_zoo_file(path) if path.suffix == ".pkl" else load_state(path)


def require_detectron2() -> None:
    """`UsageError` where detectron2 is missing, or was built against another PyTorch."""
    try:
        import detectron2._C
        import detectron2.modeling  # noqa: F401
    except ImportError as error:
        raise UsageError(
            f"detector {NAME} needs the package detectron2, which is built from source ({error})",
            f"install it beside the PyTorch that you use, as {INSTALL_PAGE} says",
        ) from None


class Detectron2Network:
    """The parts of a `GeneralizedRCNN` as `detectors.rcnn_heads.RcnnNetwork`."""

    def __init__(self, module: Any, device: torch.device, card: RcnnCard) -> None:
        from detectron2.data.transforms import ResizeShortestEdge

        self.device = device
        self._module = module.eval()
        self._resize = ResizeShortestEdge([card.min_size_px] * 2, card.max_size_px)

    def batch(self, frames: Sequence[np.ndarray]) -> Any:
        import torch

        scaled = [self._resize.get_transform(frame).apply_image(frame) for frame in frames]
        images = [torch.as_tensor(image.astype(np.float32).transpose(2, 0, 1)) for image in scaled]
        return self._module.preprocess_image([{"image": image} for image in images])

    def sizes_hw(self, batch: Any) -> list[tuple[int, int]]:
        return [(int(height), int(width)) for height, width in batch.image_sizes]

    def features(self, batch: Any) -> dict[str, Tensor]:
        features: dict[str, Tensor] = self._module.backbone(batch.tensor)
        return features

    def people(self, batch: Any, features: dict[str, Tensor]) -> tuple[list[Tensor], list[Tensor]]:
        heads = self._module.roi_heads
        proposals, _ = self._module.proposal_generator(batch, features, None)
        chosen = [features[name] for name in heads.box_in_features]
        pooled = heads.box_head(heads.box_pooler(chosen, [p.proposal_boxes for p in proposals]))
        people, _ = heads.box_predictor.inference(heads.box_predictor(pooled), proposals)
        # An empty box has no inside for keypoints; detectron2 drops them too, at its end.
        people = [p[p.pred_boxes.nonempty()] for p in people]
        return [p.pred_boxes.tensor for p in people], [p.scores for p in people]

    def keypoint_logits(self, batch: Any, features: dict[str, Tensor], boxes: list[Tensor]) -> Tensor:
        from detectron2.structures import Boxes

        heads = self._module.roi_heads
        chosen = [features[name] for name in heads.keypoint_in_features]
        logits: Tensor = heads.keypoint_head.layers(heads.keypoint_pooler(chosen, [Boxes(b) for b in boxes]))
        return logits


@register(NAME, "detectron2 keypoint R-CNN, R-101 FPN or R-50 FPN (built from source, CPU or GPU), COCO-17")
def create_maskrcnn_d2(device: str, options: DetectorOptions) -> KeypointRcnn:
    """The detector with its weights; see `detectors.weights.resolve_weights` for which they are."""
    check_model(options.model, MODELS)
    require_detectron2()
    from detectors.checkpoints import load_into, load_metadata, sha256_of
    from detectors.rcnn_heads import KeypointRcnn, check_device
    from detectors.weights import resolve_weights

    chosen = check_device(NAME, device, options.precision)
    path = resolve_weights(options.weights, USUAL_WEIGHTS[options.model or USUAL_MODEL], NAME)
    state = load_weights(path)
    metadata = load_metadata(path)
    card = RcnnCard(choose_model(options.model, metadata, MODELS, depth_of(state), path)).updated(metadata, path)
    module = build_network(card, str(chosen), options.min_score, options.max_people)
    load_into(module, state, path, without_computed)
    network = Detectron2Network(module, chosen, card)
    return KeypointRcnn(NAME, network, card.keypoint_skeleton(), sha256_of(path), options)


def depth_of(state: Mapping[str, Tensor]) -> str:
    """The variant that tensors belong to: the fourth stage has 6 blocks in ResNet-50 and 23 in ResNet-101."""
    return "R_101" if any(name.startswith("backbone.bottom_up.res4.22.") for name in state) else "R_50"


def without_computed(name: str) -> str | None:
    return None if any(part in name for part in _COMPUTED) else name


def _load_zoo_file(path: Path) -> dict[str, Tensor]:
    import torch

    from poses.restricted_pickle import ForbiddenPickleError, load_plain

    try:
        with path.open("rb") as stream:
            held = load_plain(stream)
    except OSError as error:
        raise InputError(f"{path}: cannot be read ({error.strerror})") from None
    except ForbiddenPickleError as error:
        raise InputError(f"{path}: refused, {error}", "fetch it again, or take it from its authors' page") from None
    arrays = held.get("model", held) if isinstance(held, dict) else held
    if not isinstance(arrays, dict) or not arrays:
        raise InputError(f"{path}: expected arrays by name, got {type(arrays).__name__}")
    for name, value in arrays.items():
        if not isinstance(name, str) or not isinstance(value, np.ndarray) or value.dtype.kind not in "biuf":
            raise InputError(f"{path}: expected arrays by name, but {str(name)[:80]!r} is {type(value).__name__}")
    return {name: torch.from_numpy(value) for name, value in arrays.items()}
