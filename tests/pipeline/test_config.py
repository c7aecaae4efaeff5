"""Configuration: the documented defaults, the order of the layers, and errors that name what is wrong."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import Any

import pytest
import yaml

from pipeline.config import Config
from pipeline.config_file import document_config, resolve_config
from poses import UsageError

DEFAULT_YAML = Path(__file__).parent.parent.parent / "configs" / "default.yaml"


def plain(value: Any) -> Any:
    """Tuples as lists, as YAML has them."""
    if isinstance(value, dict):
        return {key: plain(item) for key, item in value.items()}
    return [plain(item) for item in value] if isinstance(value, list | tuple) else value


def test_default_yaml_has_every_option_with_its_default() -> None:
    """Where this fails after a change of options: python infer_video.py --print-config > configs/default.yaml"""
    assert yaml.safe_load(DEFAULT_YAML.read_text()) == plain(dataclasses.asdict(Config()))
    assert DEFAULT_YAML.read_text() == document_config()


def test_default_yaml_explains_every_line() -> None:
    lines = DEFAULT_YAML.read_text().splitlines()
    for number, line in enumerate(lines):
        if line.strip() and not line.strip().startswith("#"):
            assert lines[number - 1].strip().startswith("#"), line


def test_every_option_carries_help() -> None:
    config = Config()
    sections = [config, *(v for v in vars(config).values() if dataclasses.is_dataclass(v))]
    assert len(sections) == 7
    for section in sections:
        for entry in dataclasses.fields(section):
            assert len(entry.metadata["help"]) > 10, entry.name


def test_documented_configuration_reads_back(tmp_path: Path) -> None:
    config = resolve_config(flags={"people": 2, "camera.fov_deg": 68.5}, assignments=["render.width_px=1280"])
    path = tmp_path / "mine.yaml"
    path.write_text(document_config(config))
    assert resolve_config(path) == config != Config()


def test_layers_override_each_other_in_order(tmp_path: Path) -> None:
    path = tmp_path / "mine.yaml"
    path.write_text("device: cpu\npeople: 3\ndecode:\n  start_s: 1\n  end_s: 9\ndetect:\n")
    config = resolve_config(path, {"decode.start_s": 2.0, "people": 2}, ["people=1", "track.smooth=false"])
    assert (config.device, config.people, config.track.smooth) == ("cpu", 1, False)
    assert (config.decode.start_s, config.decode.end_s) == (2.0, 9.0)
    assert config.detect == Config().detect
    assert resolve_config(path).people == 3


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("detekt:\n  min_score: 1\n", ["mine.yaml", "detekt", "detect"]),
        ("detect:\n  min_scor: 0.5\n", ["mine.yaml", "min_scor", "min_score"]),
        ("detect:\n  min_score: high\n", ["mine.yaml", "min_score", "float", "'high'"]),
        ("detect:\n  min_score: 7\n", ["mine.yaml", "min_score", "7"]),
        ("detect: 3\n", ["mine.yaml", "detect", "int"]),
        ("movie: 1\n", ["mine.yaml", "movie", "bool", "1"]),
        ("people: 0\n", ["mine.yaml", "--people", "0"]),
        ("people: some\n", ["mine.yaml", "'all'", "'some'"]),
        ("people: true\n", ["mine.yaml", "people", "True"]),
        ("decode:\n  start_s: 5\n  end_s: 5\n", ["mine.yaml", "--end 5", "--start 5"]),
        ("decode:\n  start_s: -1\n", ["mine.yaml", "--start", "-1"]),
        ("decode:\n  start_s: .nan\n", ["mine.yaml", "--start", "nan"]),
        ("camera:\n  fov_deg: 180\n", ["mine.yaml", "--fov", "180"]),
        ("camera:\n  pitch_deg: 100\n", ["mine.yaml", "--pitch", "100"]),
        ("camera:\n  file: a.yaml\n  fov_deg: 60\n", ["mine.yaml", "--camera", "--fov"]),
        ("batch_frames: 0\n", ["mine.yaml", "batch_frames", "0"]),
        ("- device\n", ["mine.yaml", "list"]),
        ("device: [cpu\n", ["mine.yaml", "YAML"]),
        ("device: !!python/object/apply:os.getcwd []\n", ["mine.yaml", "YAML"]),
    ],
)
def test_wrong_yaml_is_refused_by_name(tmp_path: Path, text: str, expected: list[str]) -> None:
    path = tmp_path / "mine.yaml"
    path.write_text(text)
    with pytest.raises(UsageError) as caught:
        resolve_config(path)
    message = str(caught.value)
    assert all(part in message for part in expected), message
    assert "\n" not in message


@pytest.mark.parametrize(
    ("assignment", "expected"),
    [
        ("people", "expected section.name=value"),
        ("=3", "expected section.name=value"),
        ("render.widht_px=3", "nearest known: width_px"),
        ("render.width_px.more=3", "width_px"),
        ("people=[", "not valid YAML"),
    ],
)
def test_wrong_assignment_is_refused_by_name(assignment: str, expected: str) -> None:
    with pytest.raises(UsageError) as caught:
        resolve_config(assignments=[assignment])
    assert f"--set {assignment}" in str(caught.value)
    assert expected in str(caught.value)


def test_conflict_between_layers_names_both(tmp_path: Path) -> None:
    path = tmp_path / "mine.yaml"
    path.write_text("camera:\n  fov_deg: 60\n")
    with pytest.raises(UsageError) as caught:
        resolve_config(path, {"camera.file": "camera.yaml"})
    assert "mine.yaml" in str(caught.value)
    assert "command line" in str(caught.value)
    assert resolve_config(path, {"camera.file": "camera.yaml"}, ["camera.fov_deg=null"]).camera.fov_deg is None


def test_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"absent\.yaml"):
        resolve_config(tmp_path / "absent.yaml")
