"""The recipes, their schedules, and what is said of wrong ones."""

from pathlib import Path

import pytest

from detectors.training.config import FinetuneConfig, config_from
from poses import UsageError
from poses.options import load_yaml

CONFIGS = Path(__file__).parents[3] / "configs/finetune"
MINIMAL = {"architecture": "cpn", "train_annotations": "a.json"}


def recipe(name: str) -> FinetuneConfig:
    path = CONFIGS / name
    return config_from(load_yaml(path), [], str(path))


def test_cpn_recipe_is_the_papers() -> None:
    """Section 5.2: batch 32; 5e-5, 5e-6, 5e-7 for 6k, 4k, 2k iterations."""
    config = recipe("cpn_h36m.yaml")
    assert (config.architecture, config.batch, config.skeleton) == ("cpn", 32, "h36m17")
    assert config.total_iterations == 12_000
    rates = [config.learning_rate_at(step) for step in (0, 5_999, 6_000, 9_999, 10_000, 11_999)]
    assert rates == [5e-5, 5e-5, 5e-6, 5e-6, 5e-7, 5e-7]


@pytest.mark.parametrize("name", ["maskrcnn_h36m.yaml", "keypointrcnn_h36m.yaml"])
def test_rcnn_recipes_are_the_papers(name: str) -> None:
    """Section 5.2: 1e-3, 1e-4, 1e-5 for 60k, 10k, 10k iterations."""
    config = recipe(name)
    assert config.optimiser == "sgd"
    assert config.total_iterations == 80_000
    rates = [config.learning_rate_at(step) for step in (0, 59_999, 60_000, 69_999, 70_000, 79_999)]
    assert rates == [1e-3, 1e-3, 1e-4, 1e-4, 1e-5, 1e-5]


def test_warmup_rises_linearly() -> None:
    config = config_from({**MINIMAL, "learning_rates": [0.1], "iterations": [20], "warmup_iterations": 4}, [], "x")
    assert [config.learning_rate_at(step) for step in range(6)] == pytest.approx([0.025, 0.05, 0.075, 0.1, 0.1, 0.1])


def test_set_changes_a_value() -> None:
    assert config_from(MINIMAL, ["batch=4", "seed=7"], "x").batch == 4


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"architecture": "yolo"}, ["architecture", "cpn", "'yolo'"]),
        ({"bach": 3}, ["bach", "nearest known: batch"]),
        ({"batch": "many"}, ["batch", "int", "'many'"]),
        ({"iterations": [10]}, ["learning_rates and iterations", "3 and 1"]),
        ({"skeleton": "octopus"}, ["octopus", "h36m17"]),
        ({"flip": 1.5}, ["flip", "1.5"]),
        ({"scale": [2.0, 1.0]}, ["scale", "[2.0, 1.0]"]),
        ({"reinitialise": ["head"]}, ["reinitialise", "weights"]),
        ({"batch": 0}, ["batch", "at least 1"]),
    ],
)
def test_mistakes_are_named(changes: dict[str, object], words: list[str]) -> None:
    with pytest.raises(UsageError) as error:
        config_from({**MINIMAL, **changes}, [], "some.yaml")
    assert "some.yaml" in str(error.value)
    for word in words:
        assert word in str(error.value)


def test_missing_options_are_named() -> None:
    with pytest.raises(UsageError, match=r"some\.yaml: lacks train_annotations"):
        config_from({"architecture": "cpn"}, [], "some.yaml")


def test_fingerprint_tells_what_matters() -> None:
    base = config_from(MINIMAL, [], "x")
    assert base.fingerprint() == config_from(MINIMAL, ["workers=7", "log_every=3"], "x").fingerprint()
    assert base.fingerprint() != config_from(MINIMAL, ["seed=7"], "x").fingerprint()
