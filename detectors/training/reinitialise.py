"""Starting from weights, with some layers anew and some that stay as they are."""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from torch import Tensor, nn

from detectors.checkpoints import load_into
from poses import UsageError

log = logging.getLogger(__name__)


def begins_with(name: str, layers: Sequence[str]) -> bool:
    """Whether a parameter's name is one of `layers` or lies below it: ``a.b`` is above ``a.b.weight``, not ``a.bc``."""
    return any(name == layer or name.startswith(layer + ".") for layer in layers)


def require_layers(module: nn.Module, layers: Sequence[str], option: str) -> None:
    """`UsageError` names those of `layers` that no tensor of the module belongs to, and the layers there are."""
    names = list(module.state_dict())
    for layer in layers:
        if not any(begins_with(name, [layer]) for name in names):
            tops = sorted({".".join(name.split(".")[:3]) for name in names})
            raise UsageError(f"{option}: there is no layer {layer!r}", f"layers begin with: {', '.join(tops[:40])}")


def start_from(
    module: nn.Module,
    state: Mapping[str, Tensor],
    path: str | Path,
    reinitialise: Sequence[str] = (),
    rename: Callable[[str], str | None] | None = None,
) -> None:
    """Put weights from a file into a fresh module, but not into the layers `reinitialise`, which keep their fresh ones.

    Those layers of the file may be of another shape (another skeleton) or missing. `InputError` where anything else
    does not fit, `UsageError` where `reinitialise` names a layer that is not there.
    """
    require_layers(module, reinitialise, "reinitialise")
    renamed: dict[str, Tensor] = {}
    for name, tensor in state.items():
        own = rename(name) if rename else name
        if own is not None:
            renamed[own] = tensor
    fresh = {name: tensor for name, tensor in module.state_dict().items() if begins_with(name, reinitialise)}
    kept = {name: tensor for name, tensor in renamed.items() if not begins_with(name, reinitialise)}
    load_into(module, kept | fresh, path)
    if fresh:
        log.info("%d tensors start anew (%s)", len(fresh), ", ".join(reinitialise))


def freeze(module: nn.Module, layers: Sequence[str]) -> None:
    """Leave the parameters of these layers as they are in training; `UsageError` for a layer that is not there."""
    require_layers(module, layers, "frozen")
    for name, parameter in module.named_parameters():
        if begins_with(name, layers):
            parameter.requires_grad_(False)
