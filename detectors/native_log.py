"""Keeps the start-up chatter of a native library off the terminal without hiding its errors."""

from __future__ import annotations

import contextlib
import logging
import os
import re
import sys
import tempfile
from collections.abc import Iterator

logger = logging.getLogger(__name__)

_CHATTER = re.compile(rb"^(I\d{4} |I0000 |INFO: |WARNING: All log messages before absl|W\d{4} )")


@contextlib.contextmanager
def native_log_to_logger() -> Iterator[None]:
    """Inside the block, what native code writes to standard error is held back.

    Afterwards information and warnings in the format of absl/glog go to this module's logger at debug level; anything
    else (errors, other writers) goes to standard error as it came.
    """
    sys.stderr.flush()
    saved = os.dup(2)
    try:
        with tempfile.TemporaryFile() as held:
            os.dup2(held.fileno(), 2)
            try:
                yield
            finally:
                os.dup2(saved, 2)
                held.seek(0)
                for line in held:
                    if _CHATTER.match(line):
                        logger.debug("%s", line.decode(errors="replace").rstrip())
                    else:
                        os.write(2, line)
    finally:
        os.close(saved)
