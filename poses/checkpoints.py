"""Checkpoints of trainings: written whole or not at all, read without running anything that is in them."""

from __future__ import annotations

import pickle
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch

from poses.archive import write_atomically
from poses.errors import InputError


def write_checkpoint(path: Path, state: dict[str, Any]) -> None:
    """Write a dict of tensors, numbers and text."""
    write_atomically(path, lambda stream: torch.save(state, stream))


def read_checkpoint(path: Path, required: Sequence[str]) -> dict[str, Any]:
    """What `write_checkpoint` wrote, on the CPU; `InputError` when it is cut off, something else, or lacks an entry."""
    try:
        state = torch.load(path, map_location="cpu", weights_only=True)
        missing = [name for name in required if name not in state]
    except (OSError, RuntimeError, ValueError, EOFError, LookupError, TypeError, pickle.UnpicklingError) as error:
        reason = " ".join(str(error).split()).split(". ")[0]
        raise InputError(f"{path}: not a readable checkpoint ({reason})", "delete it to start again") from None
    if missing:
        raise InputError(f"{path}: not a readable checkpoint (no {', '.join(missing)})", "delete it to start again")
    return dict(state)
