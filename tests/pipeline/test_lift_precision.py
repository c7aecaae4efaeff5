"""The lifter's precision as an option of a run: checked before the long stages, and part of the lift stage's key."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from infer_video import main
from lifting.fast import cpu_has_bf16
from pipeline import resolve_config, run_video
from pipeline.models import Models
from poses import UsageError
from tests.pipeline.runs import SHORT


@pytest.mark.skipif(not cpu_has_bf16(), reason="this CPU does not multiply bfloat16")
def test_another_precision_lifts_anew_and_changes_the_poses_a_little(
    people_clip: Path, lifter_file: Path, tmp_path: Path
) -> None:
    flags = {**SHORT, "movie": False, "lifter": str(lifter_file)}
    exact = run_video(people_clip, tmp_path, resolve_config(flags=flags))
    before = exact.poses.positions_m
    coarse = run_video(people_clip, tmp_path, resolve_config(flags={**flags, "lift.precision": "bf16"}))
    status = {name: stage["status"] for name, stage in coarse.report["stages"].items()}
    assert status == {
        "decode": "cached", "detect": "cached", "track": "cached", "lift": "ran", "ground": "ran", "render": "skipped",
    }  # fmt: skip
    assert len(before) > 0
    assert 0 < np.abs(coarse.poses.positions_m - before).max() < 0.05
    report = json.loads((coarse.folder / "report.json").read_text())
    assert report["options"]["lift"]["precision"] == "bf16"


def test_a_precision_that_cannot_be_is_refused_before_anything_runs(
    people_clip: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(UsageError, match="precision fp16: CPUs"):
        Models(resolve_config(flags={"device": "cpu", "lift.precision": "fp16"}))
    arguments = [str(people_clip), "-o", str(tmp_path / "out"), "--device", "cpu"]
    assert main([*arguments, "--lift-precision", "fp16"]) == 2
    assert "precision fp16: CPUs do not compute in it: choose bf16 or fp32" in capsys.readouterr().err
    assert not list(tmp_path.rglob("*.npz"))
    assert main([*arguments, "--lift-precision", "half"]) == 2
    assert "lift: precision: expected one of fp32, bf16, fp16, got 'half'" in capsys.readouterr().err
