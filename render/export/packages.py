"""Optional packages, imported when an export needs them."""

from __future__ import annotations

import importlib
from typing import Any

from poses import UsageError


def needed(module: str, extra: str) -> Any:
    """The module; `UsageError` names the command that installs it where it is missing."""
    try:
        return importlib.import_module(module)
    except ImportError as error:
        raise UsageError(
            f"this export needs the package {module.partition('.')[0]} ({error})",
            f"pip install 'video-to-3d-poses[{extra}]', or pip install -e '.[{extra}]' in a checkout",
        ) from None
