"""What moves the weights: AMSGrad as in the paper, or Muon for the convolutions between first and last layer.

Muon (K. Jordan et al., *Muon: an optimizer for hidden layers in neural networks*, 2024) makes the update of a matrix
orthogonal, so that all its directions learn at the same pace. On the motion-capture recipe it needed about half the
steps of AMSGrad for the same training error (docs/weights.md).
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, Literal

import torch
from torch import nn

from lifting.model import TemporalModel
from poses import UsageError

_NEWTON_SCHULZ_STEPS = 3
"""Of the usual five: two fifths less work, and no worse on the motion-capture recipe."""

OptimiserName = Literal["amsgrad", "muon"]


class Optimiser:
    """One step for all weights of some networks.

    Parameters
    ----------
    models : the networks.
    name : ``amsgrad``, or ``muon``: the latter for the hidden convolutions, plain Adam for all the rest.
    learning_rate : of Adam; Muon's is `muon_factor` times as large.

    `UsageError` where this PyTorch has no Muon.
    """

    def __init__(
        self, models: Iterable[TemporalModel], name: OptimiserName, learning_rate: float, muon_factor: float = 10.0
    ) -> None:
        models = list(models)
        self._hidden = [_weight(layer) for model in models for layer in model.layers_conv] if name == "muon" else []
        chosen = {id(weight) for weight in self._hidden}
        others = [weight for model in models for weight in model.parameters() if id(weight) not in chosen]
        self._parts: list[tuple[float, torch.optim.Optimizer]] = [
            (1.0, torch.optim.Adam(others, lr=learning_rate, amsgrad=name == "amsgrad"))
        ]
        # PyTorch's Muon takes matrices: views of the convolutions' weights, which lie in the same memory.
        self._views = [nn.Parameter(weight.detach().flatten(1)) for weight in self._hidden]
        if self._views:
            if not hasattr(torch.optim, "Muon"):
                raise UsageError(f"PyTorch {torch.__version__} has no Muon", "install torch>=2.9, or choose amsgrad")
            muon = torch.optim.Muon(
                self._views,
                lr=muon_factor * learning_rate,
                weight_decay=0.0,
                adjust_lr_fn="match_rms_adamw",
                ns_steps=_NEWTON_SCHULZ_STEPS,
            )
            self._parts.append((muon_factor, muon))

    def set_learning_rate(self, rate: float) -> None:
        """Of the next steps."""
        for factor, part in self._parts:
            for group in part.param_groups:
                group["lr"] = factor * rate

    def zero_grad(self) -> None:
        """Forget the gradients."""
        for _, part in self._parts:
            part.zero_grad(set_to_none=True)
        for weight in self._hidden:
            weight.grad = None

    def step(self) -> None:
        """Move the weights along their gradients."""
        for weight, view in zip(self._hidden, self._views, strict=True):
            view.grad = None if weight.grad is None else weight.grad.flatten(1)
        for _, part in self._parts:
            part.step()

    def state_dict(self) -> dict[str, Any]:
        """All that `load_state_dict` needs to go on."""
        return {str(i): part.state_dict() for i, (_, part) in enumerate(self._parts)}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Go on from a saved state; `KeyError` where it belongs to another kind of optimiser."""
        for i, (_, part) in enumerate(self._parts):
            part.load_state_dict(state[str(i)])


def _weight(layer: nn.Module) -> nn.Parameter:
    weight = layer.weight
    assert isinstance(weight, nn.Parameter)
    return weight
