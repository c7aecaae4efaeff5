"""`--export`: files beside the MP4, written again only when they must be."""

from __future__ import annotations

import csv
import dataclasses
from pathlib import Path

import numpy as np
import pytest

from pipeline import Config, Result, resolve_config, run_video
from pipeline.models import Models
from poses import InputError, UsageError
from tests.pipeline.runs import SHORT


@pytest.fixture(scope="module")
def config(lifter_file: Path) -> Config:
    return resolve_config(flags={**SHORT, "movie": False, "lifter": str(lifter_file), "export": ["csv", "bvh", "html"]})


@pytest.fixture(scope="module")
def finished(people_clip: Path, config: Config, tmp_path_factory: pytest.TempPathFactory) -> Result:
    return run_video(people_clip, tmp_path_factory.mktemp("exported"), config)


def visible(folder: Path) -> set[str]:
    return {path.name for path in folder.iterdir() if not path.name.startswith(".")}


def test_files_hold_what_the_artifact_holds(finished: Result) -> None:
    assert finished.report["stages"]["export"]["status"] == "ran"
    assert {"people.csv", "people.html"} <= visible(finished.folder)
    assert len(list(finished.folder.glob("people*.bvh"))) >= len(finished.poses.people())
    with (finished.folder / "people.csv").open(newline="") as stream:
        rows = list(csv.DictReader(stream))
    hip_z = sorted(float(row["hip_z_m"]) for row in rows)
    np.testing.assert_allclose(hip_z, np.sort(finished.poses.world_m()[:, 0, 2]), atol=1e-5)


def test_written_again_only_when_changed_lost_or_asked_otherwise(
    finished: Result, people_clip: Path, config: Config
) -> None:
    output = finished.folder.parent

    def status(changed: Config) -> str:
        return run_video(people_clip, output, changed).report["stages"]["export"]["status"]

    assert status(config) == "cached"
    (finished.folder / "people.csv").unlink()
    assert status(config) == "ran"
    assert (finished.folder / "people.csv").is_file()
    fewer = dataclasses.replace(config, export=("csv",))
    assert status(fewer) == "ran"
    assert not list(finished.folder.glob("*.bvh"))
    tilted = dataclasses.replace(fewer, camera=dataclasses.replace(config.camera, pitch_deg=-20.0))
    before = (finished.folder / "people.csv").read_text()
    assert status(tilted) == "ran"
    assert (finished.folder / "people.csv").read_text() != before


def test_unknown_formats_are_refused_before_any_work() -> None:
    with pytest.raises(UsageError, match=r"fbx.*bvh"):
        resolve_config(flags={"export": ["csv", "fbx"]})


def test_a_video_named_report_keeps_its_report(people_clip: Path, config: Config, tmp_path: Path) -> None:
    asked = dataclasses.replace(config, export=("json",))
    with Models(asked) as models, pytest.raises(InputError, match=r"report\.json"):
        run_video(people_clip, tmp_path, asked, name="report", models=models)
    assert '"status": "failed"' in (tmp_path / "report" / "report.json").read_text()
