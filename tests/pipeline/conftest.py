"""Small inputs for whole runs: a short clip of people, and an untrained lifter (these tests are about the road)."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path

import ffmpeg
import pytest

from lifting.card import Card, model_from, save_weights
from lifting.recipe import Recipe
from pipeline import Config, Result, resolve_config, run_video
from pipeline.models import Models
from tests.pipeline.runs import SHORT
from tests.videos import write

PEOPLE = Path(__file__).parent.parent / "data" / "two_people.jpg"
CLIP_FRAMES = 80
"""Two full chunks of detections and a part of a third."""


@pytest.fixture(scope="session")
def lifter_file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A lifter of the project's own architecture with seeded random weights: quick, and the same at every run."""
    recipe = Recipe("tiny", "untrained", "none", "nothing", {}, filter_widths=(3, 3), position_channels=16)
    position, trajectory = recipe.architectures()
    path = tmp_path_factory.mktemp("weights") / "tiny.safetensors"
    card = Card("tiny", "untrained", "none", "nothing", position, trajectory)
    save_weights(path, card, model_from(position, seed=1), model_from(trajectory, seed=2))
    return path


@pytest.fixture(scope="session")
def people_clip(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Some seconds of a picture of people that drifts sideways, as a camera that pans would show it."""
    picture = (
        ffmpeg.input(str(PEOPLE), loop=1, framerate=30)
        .filter("scale", 360, -2)
        .filter("crop", 320, "ih", "20+20*sin(n/20)", 0)
    )
    path = tmp_path_factory.mktemp("clips") / "people.mp4"
    return write(path, picture, vcodec="libx264", pix_fmt="yuv420p", vframes=CLIP_FRAMES)


@pytest.fixture(scope="session")
def config(lifter_file: Path) -> Config:
    """Of a short run with a small movie."""
    return resolve_config(flags={**SHORT, "render.width_px": 320, "lifter": str(lifter_file)})


@pytest.fixture(scope="session")
def models(config: Config) -> Iterator[Models]:
    """Those of `config`, loaded once."""
    with Models(config) as made:
        yield made


@pytest.fixture(scope="session")
def finished(people_clip: Path, config: Config, models: Models, tmp_path_factory: pytest.TempPathFactory) -> Result:
    """A run of `config`, to look at; `copy` has one to change."""
    return run_video(people_clip, tmp_path_factory.mktemp("finished"), config, models=models)


@pytest.fixture
def copy(finished: Result, tmp_path: Path) -> Path:
    """An output folder that holds the finished run."""
    shutil.copytree(finished.folder, tmp_path / finished.place.name)
    return tmp_path
