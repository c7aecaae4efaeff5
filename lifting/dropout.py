"""Dropout whose random numbers cost a quarter on CPUs, where PyTorch draws one generator output for each element."""

from __future__ import annotations

import torch
from torch import Tensor, nn

_LEVELS = 2**16


class BitDropout(nn.Module):
    """Drops activations with a probability, rounded to 1/65536, while training; the rest is scaled up in turn.

    Each 64-bit output of PyTorch's default generator decides on four elements. Without parameters or buffers, so a
    network's `state_dict` is the same as with `torch.nn.Dropout`.
    """

    def __init__(self, probability: float) -> None:
        super().__init__()
        self._dropped = round(probability * _LEVELS)

    def forward(self, x: Tensor) -> Tensor:
        """Any shape, on the CPU."""
        if not self.training or not self._dropped:
            return x
        drawn = torch.empty((x.numel() + 3) // 4, dtype=torch.int64).random_(-(2**63), None)
        kept = drawn.view(torch.int16)[: x.numel()].view(x.shape) >= self._dropped - _LEVELS // 2
        return x * kept.to(x.dtype).mul_(_LEVELS / (_LEVELS - self._dropped))


def use_bit_dropout(network: nn.Module) -> None:
    """Replace the dropout (`drop`) of a `TemporalModel` by this one."""
    plain = network.get_submodule("drop")
    assert isinstance(plain, nn.Dropout)
    network.add_module("drop", BitDropout(plain.p))
