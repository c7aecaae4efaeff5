"""The keypoint R-CNNs: examples; and, where the libraries are installed, their training with real networks."""

import dataclasses
from pathlib import Path

import numpy as np
import pytest
import torch

from detectors import DetectorOptions, create_detector
from detectors.checkpoints import load_state
from detectors.coco_data import KeypointDataset
from detectors.finetune import make_trainee
from detectors.synthetic.export import ExportOptions, export_clips
from detectors.synthetic.stage import ClipOptions
from detectors.training.config import FinetuneConfig, config_from
from detectors.training.loop import train
from detectors.training.rcnn_examples import ImageExample, ImageExamples
from poses import H36M17


@pytest.fixture(scope="module")
def bodies(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Four pictures of two people each."""
    folder = tmp_path_factory.mktemp("people")
    options = ClipOptions(width=96, height=64, frames=4, fps=2.0, people=2, occluders=0, supersampling=1)
    export_clips(folder, None, options, ExportOptions(1, 5, movie=False))
    return folder


def config(bodies: Path, architecture: str, **changes: object) -> FinetuneConfig:
    data = {"annotations": str(bodies / "h36m17.json"), "images": str(bodies / "images")}
    values: dict[str, object] = {
        **{f"{part}_{name}": value for part in ("train", "validation") for name, value in data.items()},
        "architecture": architecture,
        "keypoint_channels": [16, 16],
        "proposals": 16,
        "batch": 2,
        "optimiser": "sgd",
        "learning_rates": [1e-4],
        "iterations": [3],
        "image_sides": [64],
        "image_side_max": 96,
        "save_every_s": 0.0,
        "workers": 1,
    }
    return config_from({**values, **changes}, [], "test")


def test_mirrored_images_carry_mirrored_people(bodies: Path) -> None:
    """Mirroring image, boxes and keypoints back gives the plain example, left and right joints exchanged."""
    dataset = KeypointDataset.load(bodies / "h36m17.json", bodies / "images", H36M17)
    examples = ImageExamples(dataset, config(bodies, "keypointrcnn", flip=1.0))
    plain, flipped = examples.plain(1), examples.prepare(1, step=0, place=0)
    assert (flipped.image == plain.image[:, ::-1]).all()
    mirrored = plain.keypoints_px[:, H36M17.mirror]
    assert flipped.keypoints_px[..., 0] == pytest.approx(96 - mirrored[..., 0], nan_ok=True)
    assert flipped.keypoints_px[..., 1] == pytest.approx(mirrored[..., 1], nan_ok=True)
    assert flipped.box_px[:, 0] == pytest.approx(96 - plain.box_px[:, 2], abs=1e-4)
    assert (flipped.box_px[:, 0] < flipped.box_px[:, 2]).all()


def test_unknown_keypoints_are_marked(bodies: Path) -> None:
    points = np.array([[[3.0, 4.0], [np.nan, np.nan]]], np.float32)
    example = ImageExample(np.zeros((8, 8, 3), np.uint8), np.zeros((1, 4), np.float32), points)
    assert example.marked_keypoints.tolist() == [[[3.0, 4.0, 2.0], [0.0, 0.0, 0.0]]]


@pytest.fixture(params=["keypointrcnn", "maskrcnn-d2"])
def architecture(request: pytest.FixtureRequest) -> str:
    package = {"keypointrcnn": "torchvision", "maskrcnn-d2": "detectron2"}[request.param]
    pytest.importorskip(package, reason=f"{request.param} needs {package}")
    return str(request.param)


MODELS = {"keypointrcnn": "resnet18", "maskrcnn-d2": "R_50"}
LAST = {"keypointrcnn": "roi_heads.keypoint_predictor", "maskrcnn-d2": "roi_heads.keypoint_head.score_lowres"}


def test_interrupted_ends_in_the_same_weights_and_the_detector_loads_them(
    bodies: Path, tmp_path: Path, architecture: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    # detectron2's frozen batch norm lets random activations grow large, hence the low rate.
    recipe = config(
        bodies, architecture, model=MODELS[architecture], validation_annotations=None, learning_rates=[1e-8]
    )
    for name in ("whole", "broken"):
        (tmp_path / name).mkdir()
    train(recipe, make_trainee(recipe, "cpu"), tmp_path / "whole")
    broken = make_trainee(recipe, "cpu")
    losses, calls = broken.losses, []

    def interrupted(*arguments: object) -> object:
        calls.append(1)
        if len(calls) == 3:
            raise KeyboardInterrupt
        return losses(*arguments)  # type: ignore[arg-type]

    monkeypatch.setattr(broken, "losses", interrupted)
    with pytest.raises(KeyboardInterrupt):
        train(recipe, broken, tmp_path / "broken")
    train(recipe, make_trainee(recipe, "cpu"), tmp_path / "broken", resume=True)
    ours, theirs = (load_state(tmp_path / name / "final.safetensors") for name in ("whole", "broken"))
    assert all(torch.equal(ours[name], theirs[name]) for name in ours)

    path = tmp_path / "whole/final.safetensors"
    detector = create_detector(architecture, "cpu", DetectorOptions(weights=str(path)))
    assert detector.skeleton == H36M17
    assert len(detector.detect([np.zeros((64, 96, 3), np.uint8)])) == 1
    detector.close()

    again = dataclasses.replace(recipe, weights=str(path), reinitialise=(LAST[architecture],), model=None, seed=2)
    started = make_trainee(again, "cpu").module.state_dict()
    for name, tensor in started.items():
        if name in ours:
            assert torch.equal(tensor, ours[name]) == (not name.startswith(LAST[architecture])), name


def test_losses_fall_on_one_picture(bodies: Path, architecture: str) -> None:
    """The keypoint head learns one picture by heart."""
    if architecture == "maskrcnn-d2":
        pytest.skip("detectron2's ResNet has frozen batch norm: from random weights it does not train")
    recipe = config(bodies, architecture, model=MODELS[architecture])
    trainee = make_trainee(recipe, "cpu")
    optimiser = torch.optim.Adam(trainee.module.parameters(), lr=1e-3)
    trainee.module.train()
    values = []
    for _ in range(12):
        torch.manual_seed(1)
        losses = trainee.losses(trainee.module, [trainee.prepare(0, 0, 0)])
        values.append(losses["loss_keypoint"].item())
        optimiser.zero_grad()
        torch.stack(list(losses.values())).sum().backward()
        optimiser.step()
    assert values[-1] < 0.7 * values[0]
