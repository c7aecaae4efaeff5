"""The network of Pavllo et al., CVPR 2019, section 3: dilated temporal convolutions over 2D keypoint sequences.

Shape letters: B batch, T frames, J joints, C channels.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from torch import Tensor, nn


@dataclass(frozen=True)
class Architecture:
    """What determines the shape of a `TemporalModel`.

    Attributes
    ----------
    input_joints, output_joints : number of 2D keypoints in and of 3D joints out (1 for the trajectory).
    filter_widths : width of each temporal convolution; block i is dilated by the product of the widths before it.
    channels : C of every hidden layer.
    dropout : probability of dropping an activation while training.
    causal : whether only frames up to the present one are seen.
    dense : whether each dilated convolution is replaced by an undilated one over the same frames, and so with many
        more weights ("without dilation" in table 5 of the paper).
    """

    input_joints: int
    output_joints: int
    filter_widths: tuple[int, ...] = (3, 3, 3, 3)
    channels: int = 1024
    dropout: float = 0.25
    causal: bool = False
    dense: bool = False

    def __post_init__(self) -> None:
        if not self.filter_widths or any(width < 1 or width % 2 == 0 for width in self.filter_widths):
            raise ValueError(f"filter widths must be odd and positive, got {self.filter_widths}")

    @property
    def receptive_field(self) -> int:
        """Frames of input that one frame of output depends on."""
        return math.prod(self.filter_widths)

    @property
    def convolutions(self) -> tuple[tuple[int, int], ...]:
        """(kernel width, dilation) of each temporal convolution, the expanding one first."""
        kernels = []
        dilation = 1
        for width in self.filter_widths:
            kernels.append(((width - 1) * dilation + 1, 1) if self.dense else (width, dilation))
            dilation *= width
        return tuple(kernels)

    @property
    def padding(self) -> tuple[int, int]:
        """Frames to repeat before the first and after the last one so that T frames give T poses."""
        around = self.receptive_field - 1
        return (around, 0) if self.causal else (around // 2, around // 2)


class TemporalModel(nn.Module):
    """2D keypoints (B, T, J_in, 2) to 3D joints (B, T - receptive field + 1, J_out, 3); convolutions are unpadded.

    Section 3 of the paper: an expanding convolution, then for each further filter width a residual block of a dilated
    convolution and a 1x1 convolution, each with batch norm, ReLU and dropout, and a last 1x1 convolution. Residuals
    are cut to the frames that remain. Parameter names are those of the authors' checkpoints.
    """

    def __init__(self, architecture: Architecture) -> None:
        super().__init__()
        self.architecture = architecture
        channels = architecture.channels
        (first, _), *others = architecture.convolutions
        self.expand_conv = nn.Conv1d(architecture.input_joints * 2, channels, first, bias=False)
        self.expand_bn = nn.BatchNorm1d(channels)
        convolutions: list[nn.Module] = []
        for width, dilation in others:
            convolutions += [
                nn.Conv1d(channels, channels, width, dilation=dilation, bias=False),
                nn.Conv1d(channels, channels, 1, bias=False),
            ]
        self.layers_conv = nn.ModuleList(convolutions)
        self.layers_bn = nn.ModuleList(nn.BatchNorm1d(channels) for _ in convolutions)
        self.drop = nn.Dropout(architecture.dropout)
        self.shrink = nn.Conv1d(channels, architecture.output_joints * 3, 1)

    def set_batch_norm_momentum(self, momentum: float) -> None:
        """Set the weight of a new batch in every running mean and variance (decays while training, section 5.3)."""
        for layer in (self.expand_bn, *self.layers_bn):
            layer.momentum = momentum

    def forward(self, keypoints: Tensor) -> Tensor:
        """(B, T, J_in, 2) to (B, T - receptive field + 1, J_out, 3). `ValueError` if it does not fit."""
        x = self.shrink(self.features(keypoints)).transpose(1, 2)
        return x.reshape(x.shape[0], x.shape[1], self.architecture.output_joints, 3)

    def features(self, keypoints: Tensor) -> Tensor:
        """What the last layer sees: (B, T, J_in, 2) to (B, C, T - receptive field + 1). `ValueError` as `forward`."""
        setup = self.architecture
        if keypoints.ndim != 4 or keypoints.shape[2:] != (setup.input_joints, 2):
            raise ValueError(
                f"expected keypoints of shape (B, T, {setup.input_joints}, 2), got {tuple(keypoints.shape)}"
            )
        if keypoints.shape[1] < setup.receptive_field:
            raise ValueError(
                f"{keypoints.shape[1]} frames are fewer than the receptive field of {setup.receptive_field}"
            )
        x = keypoints.flatten(2).transpose(1, 2)
        x = self.drop(torch.relu(self.expand_bn(self.expand_conv(x))))
        for block, (width, dilation) in enumerate(setup.convolutions[1:]):
            lost = (width - 1) * dilation
            before = lost if setup.causal else lost // 2
            residual = x[:, :, before : x.shape[2] - (lost - before)]
            for layer in (2 * block, 2 * block + 1):
                x = self.drop(torch.relu(self.layers_bn[layer](self.layers_conv[layer](x))))
            x = residual + x
        return x

    def forward_single(self, keypoints: Tensor) -> Tensor:
        """One frame of output from exactly one receptive field: (B, receptive field, J_in, 2) to (B, 1, J_out, 3).

        As `forward_spaced`, where the spacing does not matter.
        """
        frames = self.architecture.receptive_field
        if keypoints.shape[1] != frames:
            raise ValueError(f"expected one receptive field of {frames} frames, got {keypoints.shape[1]}")
        return self.forward_spaced(keypoints, frames)

    def forward_spaced(self, keypoints: Tensor, spacing: int) -> Tensor:
        """n frames of output, `spacing` apart: (B, receptive field + (n - 1) spacing, J_in, 2) to (B, n, J_out, 3).

        The same as every `spacing`-th frame of `forward` with the same weights, but convolutions up to a receptive
        field of `spacing` move by their own width instead of being dilated (appendix A.6), and the later ones see only
        the frames that are left: nothing is computed that no frame of output needs, and what several need, once. Each
        layer becomes one matrix product. One frame takes a twentieth of the work of `forward`; of three frames that
        are 27 apart, with a receptive field of 81, each takes three fifths of that. `ValueError` if the input does not
        fit, for a `spacing` that is not the receptive field of the first layers, or for dense convolutions, which
        leave out no frame that a stride could skip.
        """
        setup = self.architecture
        fields = [math.prod(setup.filter_widths[:layers]) for layers in range(len(setup.filter_widths) + 1)]
        if setup.dense:
            raise ValueError("dense convolutions have no strided twin, use forward")
        if spacing not in fields:
            raise ValueError(f"the spacing must be one of {', '.join(map(str, fields))}, got {spacing}")
        further = keypoints.shape[1] - setup.receptive_field
        if keypoints.shape[2:] != (setup.input_joints, 2) or further < 0 or further % spacing:
            raise ValueError(
                f"expected keypoints of shape (B, {setup.receptive_field} + n x {spacing}, {setup.input_joints}, 2), "
                f"got {tuple(keypoints.shape)}"
            )
        x = keypoints.flatten(2)
        apart = 1
        for block, (width, dilation) in enumerate(setup.convolutions):
            # The frames of x are `apart`; a convolution that moves by its width leaves every width-th of them.
            if dilation < spacing:
                taps = x.unflatten(1, (-1, width)).unbind(dim=2)
                apart *= width
            else:
                step = dilation // apart
                left = x.shape[1] - (width - 1) * step
                taps = tuple(x[:, first : first + left] for first in range(0, width * step, step))
            if block == 0:
                x = self._product(taps, self.expand_conv, self.expand_bn)
                continue
            residual = taps[width - 1 if setup.causal else width // 2]
            for layer in (2 * block - 2, 2 * block - 1):
                x = self._product(taps, self.layers_conv[layer], self.layers_bn[layer])
                taps = (x,)
            x = residual + x
        x = nn.functional.linear(x, self.shrink.weight[:, :, 0], self.shrink.bias)
        return x.unflatten(2, (setup.output_joints, 3))

    def _product(self, taps: tuple[Tensor, ...], convolution: nn.Module, norm: nn.Module) -> Tensor:
        """The taps of a convolution, (B, T, C_in) each, to (B, T, C_out), with batch norm, ReLU and dropout."""
        weight: Tensor = convolution.weight  # type: ignore[assignment]
        gathered = torch.cat(taps, dim=-1)
        y = nn.functional.linear(gathered.flatten(0, 1), weight.permute(0, 2, 1).flatten(1))
        return self.drop(torch.relu(norm(y))).unflatten(0, gathered.shape[:2])
