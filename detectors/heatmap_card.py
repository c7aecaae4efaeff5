"""How a network that gives heatmaps is fed and read: what its weights alone do not tell.

Our own weights say it in their metadata; for the public files of a network its adapter knows.
Shape letters: N people, J joints, h and w of the crop.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from detectors.decoding import decode_heatmaps, softness_for
from poses import InputError, Skeleton, UserError, get_skeleton

ARCHITECTURE, SKELETON, INPUT, PEAK, SIGMA = "architecture", "skeleton", "input_hw", "heatmap_peak", "heatmap_sigma"
"""Keys of the metadata: texts such as ``cpn``, ``h36m17``, ``384x288`` (height, width), ``1`` and ``2`` (pixels)."""


@dataclass(frozen=True)
class HeatmapCard:
    """What goes into a network and what comes out.

    Attributes
    ----------
    architecture : registry name of the detector.
    skeleton : which joint each heatmap is of.
    input_hw : height and width of the crops in pixels.
    peak : the value that the network was taught for the middle of a joint.
    sigma : the standard deviation of the Gaussian that it was taught, in heatmap pixels.
    mean_rgb : taken away from the colours, which then are divided by 255.
    fill_mean : what lies outside of the image has the mean colour; otherwise it is black.
    """

    architecture: str
    skeleton: Skeleton
    input_hw: tuple[int, int]
    peak: float = 1.0
    sigma: float = 2.0
    mean_rgb: tuple[float, float, float] = (0.0, 0.0, 0.0)
    fill_mean: bool = True

    def metadata(self) -> dict[str, str]:
        """The texts for a file of weights; colours belong to the architecture."""
        height, width = self.input_hw
        return {
            ARCHITECTURE: self.architecture,
            SKELETON: self.skeleton.name,
            INPUT: f"{height}x{width}",
            PEAK: f"{self.peak:g}",
            SIGMA: f"{self.sigma:g}",
        }

    def with_metadata(self, metadata: Mapping[str, str], path: Path) -> HeatmapCard:
        """This card changed by what a file of weights says of itself; `InputError` where that cannot be.

        A file that says its skeleton but nothing of its heatmaps was taught a peak of 1 and 2 pixels.
        """
        named = metadata.get(ARCHITECTURE, self.architecture)
        if named != self.architecture:
            raise InputError(f"{path}: weights of {named}, not of {self.architecture}", f"use the detector {named}")
        if SKELETON not in metadata:
            return self
        try:
            return replace(
                self,
                skeleton=get_skeleton(metadata[SKELETON]),
                input_hw=_size(metadata[INPUT]) if INPUT in metadata else self.input_hw,
                peak=_above_zero(metadata.get(PEAK, "1")),
                sigma=_above_zero(metadata.get(SIGMA, "2")),
            )
        except (ValueError, UserError) as error:
            raise InputError(f"{path}: its metadata cannot be ({error})") from None

    @property
    def fill_bgr(self) -> tuple[float, float, float]:
        """What crops hold outside of the image."""
        red, green, blue = self.mean_rgb if self.fill_mean else (0.0, 0.0, 0.0)
        return blue, green, red

    def images(self, crops: np.ndarray, device: str = "cpu") -> Tensor:
        """(N, h, w, 3) uint8 BGR -> (N, 3, h, w) float32, as the network takes them."""
        bgr = torch.from_numpy(np.ascontiguousarray(crops)).to(device).permute(0, 3, 1, 2)
        mean = torch.tensor(self.mean_rgb, device=device).view(3, 1, 1)
        return (bgr.flip(1).float() - mean) / 255

    def decode(self, heatmaps: Tensor, method: str) -> tuple[Tensor, Tensor]:
        """(N, J, h/4, w/4) heatmaps -> places in heatmap pixels and scores, as `detectors.decoding.decode_heatmaps`."""
        beta, window = softness_for(self.sigma)
        return decode_heatmaps(heatmaps, method, beta=beta, window=window, peak=self.peak)


def _size(text: str) -> tuple[int, int]:
    match = re.fullmatch(r"(\d+)x(\d+)", text)
    if not match or not int(match[1]) or not int(match[2]):
        raise ValueError(f"{INPUT} must be HEIGHTxWIDTH, got {text!r}")
    return int(match[1]), int(match[2])


def _above_zero(text: str) -> float:
    value = float(text)
    if not 0 < value < float("inf"):
        raise ValueError(f"{PEAK} and {SIGMA} must be above 0, got {text!r}")
    return value
