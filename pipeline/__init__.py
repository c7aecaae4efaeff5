"""The road from a video to people in 3D: decode, detect, track, lift, ground, render; cached, resumable, in batches.

The names below load on first use, so that importing one module of this room does not load torch and the detectors.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from pipeline.config import Config
    from pipeline.config_file import resolve_config
    from pipeline.run import Result, run_video

__all__ = ["Config", "Result", "resolve_config", "run_video"]

_HOMES = {
    "Config": "pipeline.config",
    "Result": "pipeline.run",
    "resolve_config": "pipeline.config_file",
    "run_video": "pipeline.run",
}


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module 'pipeline' has no attribute {name!r}")
    import importlib

    return getattr(importlib.import_module(_HOMES[name]), name)
