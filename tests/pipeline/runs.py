"""What tests of whole runs share."""

from __future__ import annotations

from pipeline import Result

SHORT = {"device": "cpu", "decode.end_s": 0.4, "track.min_length_s": 0.2, "detect.tiles": "none"}
"""Options of a run over twelve frames."""


def ran(result: Result) -> list[str]:
    """Names of the stages that ran."""
    return [name for name, stage in result.report["stages"].items() if stage["status"] == "ran"]
