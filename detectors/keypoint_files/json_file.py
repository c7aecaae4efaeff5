"""Reading JSON with errors for a user."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from poses import InputError


def load_json(path: Path) -> Any:
    """The parsed file; `InputError` names the file, and the line where it is not JSON."""
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise InputError(f"{path}: cannot be read ({error.strerror})", "check --keypoints") from None
    except (ValueError, RecursionError) as error:
        raise InputError(f"{path}: not valid JSON, or cut off ({error})") from None
