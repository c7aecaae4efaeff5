"""What needs neither torchvision nor detectron2: cards of weights, and what is said without those packages."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from detectors import DetectorOptions, create_detector
from detectors.rcnn_card import RcnnCard, choose_model
from poses import H36M17, InputError, UsageError

ROOT = Path(__file__).parents[2]
KNOWN = ("small", "large")


def test_a_card_comes_back_from_its_metadata() -> None:
    card = RcnnCard("resnet18", "h36m17", 256, 512, (64, 32), 0.001)
    assert RcnnCard("resnet50").updated(card.metadata(), "file") == card
    assert card.keypoint_skeleton() == H36M17


def test_metadata_of_other_things_change_nothing() -> None:
    assert RcnnCard("resnet50").updated({"format": "pt", "licence": "MIT"}, "file") == RcnnCard("resnet50")


@pytest.mark.parametrize(
    "wrong",
    [
        {"skeleton": "octopus"},
        {"min_size_px": "0"},
        {"max_size_px": "many"},
        {"keypoint_channels": ""},
        {"keypoint_channels": "64,0"},
        {"batch_norm_eps": "-1"},
    ],
)
def test_metadata_that_cannot_be_name_the_file(wrong: dict[str, str]) -> None:
    with pytest.raises(InputError, match=rf"my\.safetensors.*{next(iter(wrong.values())) or 'keypoint_channels'}"):
        RcnnCard("resnet50").updated(wrong, "my.safetensors")


def test_the_model_is_the_files_then_the_one_asked_for_then_the_usual() -> None:
    path = Path("my.safetensors")
    assert choose_model(None, {"model": "large"}, KNOWN, "small", path) == "large"
    assert choose_model("large", {"model": "large"}, KNOWN, "small", path) == "large"
    assert choose_model("large", {}, KNOWN, "small", path) == "large"
    assert choose_model(None, {}, KNOWN, "small", path) == "small"
    with pytest.raises(UsageError, match="large, not small"):
        choose_model("small", {"model": "large"}, KNOWN, "small", path)
    with pytest.raises(InputError, match=r"my\.safetensors.*huge.*small, large"):
        choose_model(None, {"model": "huge"}, KNOWN, "small", path)


@pytest.mark.parametrize("name", ["keypointrcnn", "maskrcnn-d2"])
def test_an_unknown_model_lists_the_known(name: str) -> None:
    with pytest.raises(UsageError, match=r"'vgg'.*choose one of: (resnet18|R_50), (resnet34|R_101)"):
        create_detector(name, options=DetectorOptions(model="vgg"))


@pytest.mark.parametrize(
    ("name", "package", "remedy"),
    [
        ("keypointrcnn", "torchvision", "pip install 'video-to-3d-poses[torchvision]'"),
        ("maskrcnn-d2", "detectron2", "https://detectron2.readthedocs.io/en/latest/tutorials/install.html"),
    ],
)
def test_a_missing_package_is_named_with_what_installs_it(name: str, package: str, remedy: str) -> None:
    # None in sys.modules is how Python marks a module that cannot be imported.
    script = (
        f"import sys; sys.modules[{package!r}] = None\n"
        "from detectors import create_detector\n"
        "from poses import UsageError\n"
        f"try: create_detector({name!r})\n"
        "except UsageError as error: print(error)\n"
    )
    run = subprocess.run([sys.executable, "-c", script], cwd=ROOT, capture_output=True, text=True, check=True)
    assert package in run.stdout
    assert remedy in run.stdout
