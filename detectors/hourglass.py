"""The detector `hourglass`: a stacked hourglass on boxes of another one. PyTorch is imported when it is made."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from detectors.base import DetectorOptions
from detectors.registry import register
from poses import MPII16, UsageError

if TYPE_CHECKING:
    from torch import Tensor, nn

    from detectors.heatmap_card import HeatmapCard
    from detectors.top_down import TopDown

MODELS = {"hg2": 2, "hg8": 8}
"""Variants by name: how many stacks."""


def public_card() -> HeatmapCard:
    """How the public PyTorch checkpoints were trained (github.com/bearpaw/pytorch-pose)."""
    from detectors.heatmap_card import HeatmapCard

    return HeatmapCard(
        architecture="hourglass",
        skeleton=MPII16,
        input_hw=(256, 256),
        peak=1.0,
        sigma=1.0,
        mean_rgb=(0.4404 * 255, 0.4440 * 255, 0.4327 * 255),
        fill_mean=False,
    )


@register("hourglass", "stacked hourglass, boxes from another detector, weights from a file, MPII-16")
def _create(device: str, options: DetectorOptions) -> TopDown:
    if options.model is not None and options.model not in MODELS:
        raise UsageError(f"unknown model {options.model!r} of hourglass", f"choose one of: {', '.join(MODELS)}")
    if options.weights is None:
        raise UsageError(
            "detector hourglass needs a file of weights",
            "give it with --detector-weights: a public PyTorch checkpoint (github.com/bearpaw/pytorch-pose)",
        )
    from detectors.heatmap_weights import create_top_down
    from detectors.hourglass_model import INPUT_MULTIPLE, HourglassArchitecture, StackedHourglass

    def build(state: dict[str, Tensor]) -> tuple[nn.Module, int]:
        architecture = HourglassArchitecture.of_state(state)
        if options.model is not None:
            # Files of two stacks exist with one block at each place and with four.
            architecture = replace(architecture, stacks=MODELS[options.model])
        return StackedHourglass(architecture), architecture.joints

    return create_top_down(public_card(), build, None, INPUT_MULTIPLE, device, options)
