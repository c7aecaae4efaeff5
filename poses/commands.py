"""What all commands do alike: a user's mistake becomes one line on stderr and an exit code."""

from __future__ import annotations

import sys
from collections.abc import Callable

from poses.errors import UserError


def run_command(work: Callable[[], object]) -> int:
    """Call `work`; returns 0, or the error's exit code after ``error: ...`` on stderr. Other errors pass through."""
    try:
        work()
    except UserError as error:
        sys.stderr.write(f"error: {error}\n")
        return error.exit_code
    return 0
