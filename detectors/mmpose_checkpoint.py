"""Tensors out of OpenMMLab's checkpoints, of which everything else is left unread.

These files are pickles that hold, beside the tensors, the settings and the history of the training as objects of
OpenMMLab's own classes, which `torch.load(weights_only=True)` refuses. Here the pickle may name the few functions that
put tensors together; whatever else it names becomes an empty object, which nothing runs and which is thrown away.
"""

from __future__ import annotations

import collections
import pickle
import struct
import types
from collections.abc import Mapping
from pathlib import Path
from typing import IO, Any

import torch
from torch import Tensor

from detectors.checkpoints import load_state
from poses import InputError

_BROKEN = (OSError, RuntimeError, ValueError, EOFError, LookupError, TypeError, AttributeError, struct.error)


def load_checkpoint(path: Path) -> dict[str, Tensor]:
    """Tensors by name on the CPU, of an MMPose checkpoint or of a .safetensors file.

    ``state_dict`` is taken out and ``module.`` taken away. `InputError` where the file is missing, damaged, or holds no
    tensors.
    """
    if path.suffix == ".safetensors":
        return load_state(path)
    if not path.is_file():
        raise InputError(f"{path}: no such file")
    try:
        # Not weights_only, which cannot be told what to skip: `_READER` takes the place of pickle.
        loaded = torch.load(path, map_location="cpu", pickle_module=_READER, weights_only=False)
    except (pickle.UnpicklingError, *_BROKEN) as error:
        reason = (str(error).strip() or type(error).__name__).splitlines()[0][:200]
        raise InputError(f"{path}: not an MMPose checkpoint, or cut off ({reason})", "fetch it again") from None
    if isinstance(loaded, Mapping) and isinstance(loaded.get("state_dict"), Mapping):
        loaded = loaded["state_dict"]
    if not isinstance(loaded, Mapping):
        raise InputError(f"{path}: expected tensors by name, got {type(loaded).__name__.strip('_')}")
    state = {name: value for name, value in loaded.items() if isinstance(name, str) and isinstance(value, Tensor)}
    if not state or len(state) < len(loaded):
        raise InputError(f"{path}: expected tensors by name, got {len(loaded) - len(state)} other things")
    if all(name.startswith("module.") for name in state):
        state = {name.removeprefix("module."): value for name, value in state.items()}
    return state


class _Nothing:
    """Stands for an object of any other class: it takes what is done to it, and does nothing."""

    def __init__(self, *_arguments: Any, **_named: Any) -> None:
        pass

    def __call__(self, *_arguments: Any, **_named: Any) -> _Nothing:
        return self

    def __setstate__(self, _state: Any) -> None:
        pass

    def __setitem__(self, _key: Any, _value: Any) -> None:
        pass

    def __hash__(self) -> int:
        return id(self)

    def append(self, _item: Any) -> None:
        pass

    def extend(self, _items: Any) -> None:
        pass

    add = append


def _rebuild_tensor(*arguments: Any) -> Tensor:
    return torch._utils._rebuild_tensor_v2(*arguments)


def _rebuild_parameter(data: Tensor, requires_grad: bool, _hooks: Any) -> Tensor:
    return data


_ALLOWED: dict[tuple[str, str], Any] = {
    ("torch._utils", "_rebuild_tensor_v2"): _rebuild_tensor,
    ("torch._utils", "_rebuild_parameter"): _rebuild_parameter,
    ("collections", "OrderedDict"): collections.OrderedDict,
    ("torch", "Size"): torch.Size,
}


class _Unpickler(pickle.Unpickler):
    def find_class(self, module: str, name: str, /) -> Any:
        if module == "torch" and name.endswith("Storage") and name.isidentifier():
            # The older of PyTorch's two formats names the kinds of storage here.
            return getattr(torch, name, _Nothing)
        return _ALLOWED.get((module, name), _Nothing)


def _load(stream: IO[bytes], **options: Any) -> Any:
    return _Unpickler(stream, **options).load()


_READER = types.SimpleNamespace(__name__="restricted_pickle", Unpickler=_Unpickler, load=_load)
