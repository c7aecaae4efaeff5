"""How the process gets its memory from the system."""

from __future__ import annotations

import ctypes
import platform

_TRIM_THRESHOLD, _MMAP_MAX = -1, -4
"""Options of glibc's `mallopt` (malloc.h)."""


def keep_freed_memory() -> None:
    """Let glibc reuse large freed blocks instead of returning them to the system; elsewhere nothing happens.

    A training step on the CPU allocates and frees the same hundreds of megabytes again and again. By default glibc maps
    such blocks anew each time, and the kernel fills every page with zeros: a tenth of the step and more.
    """
    if platform.libc_ver()[0] == "glibc":
        library = ctypes.CDLL(None)
        library.mallopt(_MMAP_MAX, 0)
        library.mallopt(_TRIM_THRESHOLD, 2**31 - 1)
