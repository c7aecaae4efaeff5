"""Convolution weights in eight bits: half the size of half precision, for files that live in a repository.

Each output channel has a scale of its own, so that rounding errs by at most 1/254 of the channel's largest weight.
"""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import Tensor

_LARGEST = 127
_SCALE = ".scale"


def quantise(tensors: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Convolution weights (C_out, C_in, width) as int8 beside ``<name>.scale`` (C_out, 1, 1); the others unchanged."""
    packed: dict[str, Tensor] = {}
    for name, tensor in tensors.items():
        if tensor.ndim != 3:
            packed[name] = tensor
            continue
        scale = tensor.float().abs().amax(dim=(1, 2), keepdim=True).clamp(min=1e-12) / _LARGEST
        packed[name] = (tensor.float() / scale).round().to(torch.int8)
        packed[name + _SCALE] = scale
    return packed


def restore(tensors: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Float32 tensors again; those that were not quantised are converted. `KeyError` where a scale is missing."""
    return {
        name: tensor.float() * tensors[name + _SCALE] if tensor.dtype == torch.int8 else tensor.float()
        for name, tensor in tensors.items()
        if not name.endswith(_SCALE)
    }
