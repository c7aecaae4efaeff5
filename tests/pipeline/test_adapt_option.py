"""`--adapt`: part of the lift stage's key, and written down in what it changes."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from infer_video import build_parser, config_flags
from pipeline import resolve_config, run_video


def test_an_adapted_lifter_lifts_anew_and_says_so(people_clip: Path, lifter_file: Path, tmp_path: Path) -> None:
    flags = {
        "device": "cpu",
        "movie": False,
        "decode.end_s": 0.4,
        "track.min_length_s": 0.2,
        "detect.tiles": "none",
        "lifter": str(lifter_file),
    }
    plain = run_video(people_clip, tmp_path, resolve_config(flags=flags))
    before, label = plain.poses.positions_m, plain.poses.weights
    content = lifter_file.read_bytes()
    adapted = run_video(people_clip, tmp_path, resolve_config(flags={**flags, "lift.adapt": True}))
    assert adapted.report["stages"]["track"]["status"] == "cached"
    assert adapted.report["stages"]["lift"]["status"] == "ran"
    assert adapted.poses.weights == f"{label} adapted to the video"
    assert np.abs(adapted.poses.positions_m - before).max() > 1e-3
    assert lifter_file.read_bytes() == content
    again = run_video(people_clip, tmp_path, resolve_config(flags={**flags, "lift.adapt": True}))
    assert again.report["stages"]["lift"]["status"] == "cached"


def test_the_command_line_has_it_and_leaves_a_files_choice_alone() -> None:
    parser = build_parser()
    assert config_flags(parser.parse_args(["clip.mp4", "--adapt"])) == {"lift.adapt": True}
    assert config_flags(parser.parse_args(["clip.mp4"])) == {}
