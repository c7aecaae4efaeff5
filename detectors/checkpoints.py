"""Weights from files, safely: safetensors, and PyTorch's files without running any code that they may hold.

PyTorch is imported when a file is read: detectors that do without it take `sha256_of` from here.
"""

from __future__ import annotations

import hashlib
import logging
import pickle
import struct
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import safetensors

from poses import InputError
from poses.archive import write_atomically
from poses.restricted_pickle import numpy_pickle_parts

if TYPE_CHECKING:
    from torch import Tensor, nn

log = logging.getLogger(__name__)

WRAPPERS = ("state_dict", "model")
"""Keys under which training programs keep the tensors, beside the epoch and the optimizer's state."""

# What PyTorch's reader raises, depending on where a file breaks off or is damaged.
_BROKEN = (
    *(OSError, RuntimeError, ValueError, EOFError, LookupError, TypeError, AttributeError, AssertionError),
    *(OverflowError, MemoryError, struct.error),
)


def load_state(path: str | Path) -> dict[str, Tensor]:
    """Tensors by name, on the CPU, of a .safetensors file or of one that `torch.save` wrote.

    Tensors inside ``{"state_dict": ...}`` or ``{"model": ...}`` are taken out, and ``module.``, which parallel training
    puts before every name, is taken away. `InputError` where the file is missing, cut off, no such file at all, or
    holds anything that would have to be run.
    """
    import torch

    path = Path(path)
    loaded = _load_safetensors(path)[0] if path.suffix == ".safetensors" else _load_torch(path)
    for wrapper in WRAPPERS:
        if isinstance(loaded, Mapping) and isinstance(loaded.get(wrapper), Mapping):
            loaded = loaded[wrapper]
    if not isinstance(loaded, Mapping) or not loaded:
        raise InputError(f"{path}: expected tensors by name, got {type(loaded).__name__}")
    state: dict[str, Tensor] = {}
    for name, value in loaded.items():
        value = torch.from_numpy(value) if isinstance(value, np.ndarray) and value.dtype.kind in "biuf" else value
        if not isinstance(name, str) or not isinstance(value, torch.Tensor):
            raise InputError(f"{path}: expected tensors by name, but {str(name)[:80]!r} is {type(value).__name__}")
        state[name] = value
    if all(name.startswith("module.") for name in state):
        state = {name.removeprefix("module."): value for name, value in state.items()}
    return state


def load_metadata(path: str | Path) -> dict[str, str]:
    """What a .safetensors file says of itself, such as ``skeleton``; empty for other files. `InputError` as above."""
    path = Path(path)
    return _load_safetensors(path)[1] if path.suffix == ".safetensors" else {}


def save_state(path: str | Path, state: Mapping[str, Tensor], metadata: Mapping[str, str] | None = None) -> None:
    """Write tensors by name and `metadata` as a .safetensors file, whole or not at all."""
    from safetensors.torch import save

    tensors = {name: value.detach().cpu().contiguous() for name, value in state.items()}
    content = save(tensors, metadata=dict(metadata or {}))
    write_atomically(Path(path), lambda stream: stream.write(content))


def load_into(
    module: nn.Module,
    state: Mapping[str, Tensor],
    path: str | Path,
    rename: Callable[[str], str | None] | None = None,
) -> None:
    """Put `state` into `module`, all of it and nothing else.

    `rename` gives the module's name for a file's name, or None for a tensor that is left out on purpose. `InputError`
    tells how many tensors are missing, unexpected or of another shape, with an example of each; `path` stands in it.
    """
    named: dict[str, Tensor] = {}
    for name, value in state.items():
        new = rename(name) if rename else name
        if new is not None:
            named[new] = value
    wanted = module.state_dict()
    # Batch norm did not count batches before PyTorch 0.4.1; inference does not need the count.
    missing = [n for n in wanted if n not in named and not n.endswith("num_batches_tracked")]
    unexpected = [n for n in named if n not in wanted]
    misshaped = [n for n in wanted if n in named and named[n].shape != wanted[n].shape]
    problems = []
    if missing:
        problems.append(f"{len(missing)} missing (such as {missing[0]})")
    if unexpected:
        problems.append(f"{len(unexpected)} unexpected (such as {unexpected[0]})")
    if misshaped:
        name = misshaped[0]
        shapes = f"{tuple(named[name].shape)} instead of {tuple(wanted[name].shape)}"
        problems.append(f"{len(misshaped)} of another shape (such as {name}, {shapes})")
    if problems:
        raise InputError(
            f"{path}: not weights of this network; of its {len(wanted)} tensors: {', '.join(problems)}",
            "give the weights of this architecture, or the variant of the detector that the weights belong to",
        )
    module.load_state_dict(named, strict=False)
    log.info("%s: %d tensors", path, len(named))


def sha256_of(path: str | Path) -> str:
    """SHA-256 of a file's bytes, in hexadecimal; `InputError` where there is no such file."""
    try:
        with Path(path).open("rb") as stream:
            return hashlib.file_digest(stream, "sha256").hexdigest()
    except OSError as error:
        raise InputError(f"{path}: cannot be read ({error.strerror})") from None


def _load_safetensors(path: Path) -> tuple[dict[str, Tensor], dict[str, str]]:
    if not path.is_file():
        raise InputError(f"{path}: no such file")
    try:
        with safetensors.safe_open(path, framework="pt", device="cpu") as file:
            return {name: file.get_tensor(name) for name in file.keys()}, dict(file.metadata() or {})  # noqa: SIM118
    except (safetensors.SafetensorError, OSError, ValueError) as error:
        reason = str(error)[:200]
        raise InputError(f"{path}: not a safetensors file, or cut off ({reason})", "fetch it again") from None


def _load_torch(path: Path) -> Any:
    import torch

    if not path.is_file():
        raise InputError(f"{path}: no such file")
    try:
        with torch.serialization.safe_globals(numpy_pickle_parts()):
            return torch.load(path, map_location="cpu", weights_only=True)
    except pickle.UnpicklingError as error:
        reason = next((line.strip() for line in str(error).splitlines() if "GLOBAL" in line or "reduce" in line), "")
        if reason:
            raise InputError(
                f"{path}: refused, it holds more than tensors and numbers ({reason[:200]})",
                "loading it would run code; take the weights from their authors' page, or save only the state_dict",
            ) from None
        raise _broken(path, error) from None
    except _BROKEN as error:
        raise _broken(path, error) from None


def _broken(path: Path, error: BaseException) -> InputError:
    reason = str(error).split(". ")[0][:200]
    return InputError(f"{path}: not a file of PyTorch's weights, or cut off ({reason})", "fetch it again")
