"""The detector `cpn`: a cascaded pyramid network on boxes of another one. PyTorch is imported when it is made."""

from __future__ import annotations

from typing import TYPE_CHECKING

from detectors.base import DetectorOptions
from detectors.registry import register
from poses import COCO17, UsageError

if TYPE_CHECKING:
    from torch import Tensor, nn

    from detectors.heatmap_card import HeatmapCard
    from detectors.top_down import TopDown

MODELS = {
    "r50-384x288": ("r50", (384, 288)),
    "r101-384x288": ("r101", (384, 288)),
    "r50-256x192": ("r50", (256, 192)),
    "r101-256x192": ("r101", (256, 192)),
}
"""Variants by name: ResNet, and height and width of the crops."""


def public_card(input_hw: tuple[int, int] = (384, 288)) -> HeatmapCard:
    """How the public PyTorch checkpoints were trained (github.com/GengDavid/pytorch-cpn).

    Ours are fed with the same colours.
    """
    from detectors.heatmap_card import HeatmapCard

    return HeatmapCard(
        architecture="cpn",
        skeleton=COCO17,
        input_hw=input_hw,
        peak=255.0,
        sigma=1.7,
        mean_rgb=(122.7717, 115.9465, 102.9801),
    )


@register("cpn", "cascaded pyramid network, boxes from another detector, weights from a file, COCO-17 or fine-tuned")
def _create(device: str, options: DetectorOptions) -> TopDown:
    if options.model is not None and options.model not in MODELS:
        raise UsageError(f"unknown model {options.model!r} of cpn", f"choose one of: {', '.join(MODELS)}")
    if options.weights is None:
        raise UsageError(
            "detector cpn needs a file of weights",
            "give it with --detector-weights: a public PyTorch checkpoint (github.com/GengDavid/pytorch-cpn), or one "
            "from python -m detectors.finetune",
        )
    from detectors.cpn_model import (
        INPUT_MULTIPLE,
        CascadedPyramidNetwork,
        CpnArchitecture,
        without_upsample_biases,
    )
    from detectors.heatmap_weights import create_top_down

    def build(state: dict[str, Tensor]) -> tuple[nn.Module, int]:
        architecture = CpnArchitecture.of_state(state)
        if options.model is not None:
            architecture = CpnArchitecture.named(MODELS[options.model][0], architecture.joints)
        return CascadedPyramidNetwork(architecture), architecture.joints

    input_hw = MODELS[options.model][1] if options.model else None
    return create_top_down(public_card(), build, input_hw, INPUT_MULTIPLE, device, options, without_upsample_biases)
