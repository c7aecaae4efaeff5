"""A small CPN on rendered bodies: examples, layers that start anew, resuming, and that it learns."""

from pathlib import Path

import numpy as np
import pytest
import torch

from detectors import DetectorOptions, create_detector
from detectors.checkpoints import load_metadata, load_state, save_state
from detectors.coco_data import KeypointDataset
from detectors.cpn_model import CascadedPyramidNetwork, CpnArchitecture
from detectors.finetune import main
from detectors.synthetic.export import ExportOptions, export_clips
from detectors.synthetic.stage import ClipOptions
from detectors.training.config import FinetuneConfig, config_from
from detectors.training.cpn import LAST_BATCH_NORMS, CpnTrainee
from detectors.training.loop import train
from detectors.training.metrics import jitter_px
from poses import COCO17, H36M17
from poses.options import load_yaml

RECIPE = Path(__file__).parents[3] / "configs/finetune/cpn_h36m.yaml"
LEAST_FACTOR = 4.0
"""By which the pixel error on people who were not trained on falls, at least."""


@pytest.fixture(scope="module")
def bodies(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Rendered people: 180 pictures to train on, 24 of others to test on, and clips of the latter in motion."""
    folder = tmp_path_factory.mktemp("bodies")
    for name, clips, seed, frames, fps in (
        ("train", 45, 1, 4, 2.0),
        ("test", 6, 9000, 4, 2.0),
        ("moving", 3, 9000, 9, 25.0),
    ):
        options = ClipOptions(width=96, height=96, frames=frames, fps=fps, people=1, occluders=0, supersampling=1)
        export_clips(folder / name, None, options, ExportOptions(clips, seed, movie=False))
    return folder


def config(bodies: Path, **changes: object) -> FinetuneConfig:
    values: dict[str, object] = {
        "architecture": "cpn",
        "model": "small",
        "skeleton": "h36m17",
        "train_annotations": str(bodies / "train/h36m17.json"),
        "train_images": str(bodies / "train/images"),
        "validation_annotations": str(bodies / "test/h36m17.json"),
        "validation_images": str(bodies / "test/images"),
        "input_hw": [96, 96],
        "heatmap_sigmas": [2.4, 2.0, 1.7, 1.5],
        "batch": 16,
        "learning_rates": [2e-3, 4e-4],
        "iterations": [4, 2],
        "scale": [0.9, 1.1],
        "rotation_degrees": 10.0,
        "evaluate_every": 0,
        "save_every_s": 0.0,
        "workers": 1,
    }
    return config_from({**values, **changes}, [], "test")


def test_targets_lie_where_the_picture_shows_them(bodies: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A white square drawn at a joint of the picture is at the joint's place in the heatmap, in any view."""
    trainee = CpnTrainee(config(bodies, scale=[0.7, 1.3], rotation_degrees=40.0), "cpu")
    sample = trainee._examples[0]
    joint = int(np.flatnonzero(sample.visibility == 2)[3])
    column, row = np.rint(sample.keypoints_px[joint]).astype(int)
    picture = np.zeros((96, 96, 3), np.uint8)
    picture[row - 2 : row + 3, column - 2 : column + 3] = 255
    monkeypatch.setattr(KeypointDataset, "read_image", lambda self, index: picture)
    seen = set()
    for step in range(12):
        example = trainee.prepare(0, step, 0)
        light = np.where(example.image[..., 1] > 128, example.image[..., 1], 0).astype(float)
        y, x = np.mgrid[:96, :96]
        centre = np.array([(light * x).sum(), (light * y).sum()]) / light.sum()
        # Four pixels of the crop to one of the heatmap, whole numbers at the middles in both.
        expected = [(c - 1.5) / 4 for c in centre]
        places = [(i, np.abs(point - expected).max()) for i, point in enumerate(example.keypoints)]
        nearest = min(places, key=lambda place: place[1])
        assert nearest[1] < 0.35
        seen.add(nearest[0])
    assert seen == {joint, int(H36M17.mirror[joint])}


def test_only_the_final_layers_start_anew(bodies: Path, tmp_path: Path) -> None:
    """The recipe's layers, on weights of 17 COCO joints: everything else is the file's."""
    torch.manual_seed(7)
    source = CascadedPyramidNetwork(CpnArchitecture.named("small", len(COCO17)))
    path = tmp_path / "coco.safetensors"
    save_state(path, source.state_dict(), {"architecture": "cpn", "skeleton": "coco17"})
    layers = load_yaml(RECIPE)["reinitialise"]
    network = CpnTrainee(config(bodies, model=None, weights=str(path), reinitialise=layers), "cpu").module
    final = [f"predict.{level}.{layer}" for level in range(4) for layer in (3, 5)]
    final += ["final_predict.1", "final_predict.2"]
    for name, tensor in source.state_dict().items():
        same = torch.equal(network.state_dict()[name], tensor)
        anew = any(f".{layer}." in name for layer in final) and not name.endswith(("running_mean", "running_var"))
        if not name.endswith("num_batches_tracked"):
            assert same == (not anew) or name.endswith(("running_mean", "running_var")), name


def test_public_weights_are_brought_to_a_peak_of_one(bodies: Path, tmp_path: Path) -> None:
    """Files without metadata were taught a peak of 255; kept final layers give the same heatmaps divided by it."""
    torch.manual_seed(7)
    source = CascadedPyramidNetwork(CpnArchitecture.named("small", 17)).eval()
    torch.save({"state_dict": source.state_dict()}, tmp_path / "public.pth")
    trainee = CpnTrainee(config(bodies, model=None, weights=str(tmp_path / "public.pth")), "cpu")
    image = torch.rand(1, 3, 96, 96)
    with torch.no_grad():
        levels, refined = source(image)
        ours_levels, ours_refined = trainee.module.eval()(image)
    assert torch.allclose(ours_refined, refined / 255, atol=1e-6)
    assert all(torch.allclose(a, b / 255, atol=1e-6) for a, b in zip(ours_levels, levels, strict=True))


def test_fresh_heatmaps_vary_as_their_targets(bodies: Path) -> None:
    """In training mode the last batch norms give each heatmap a mean and spread; a Gaussian's are known."""
    module = CpnTrainee(config(bodies), "cpu").module
    with torch.no_grad():
        levels, refined = module(torch.rand(4, 3, 96, 96))
    for heatmaps, sigma in zip([*levels, refined], (2.4, 2.0, 1.7, 1.5, 1.5), strict=True):
        mean = 2 * np.pi * sigma**2 / 24**2
        assert heatmaps.mean().item() == pytest.approx(mean, rel=1e-3)
        assert heatmaps.std().item() == pytest.approx((np.pi * sigma**2 / 24**2 - mean**2) ** 0.5, rel=0.02)
    assert len(LAST_BATCH_NORMS) == len(levels) + 1


def test_interrupted_ends_in_the_same_weights(bodies: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("whole", "broken"):
        (tmp_path / name).mkdir()
    recipe = config(bodies, validation_annotations=None)
    train(recipe, _trainee(recipe), tmp_path / "whole")
    broken = _trainee(recipe)
    calls = []
    losses = broken.losses

    def interrupted(*arguments: object) -> object:
        calls.append(1)
        if len(calls) == 4:
            raise KeyboardInterrupt
        return losses(*arguments)  # type: ignore[arg-type]

    monkeypatch.setattr(broken, "losses", interrupted)
    with pytest.raises(KeyboardInterrupt):
        train(recipe, broken, tmp_path / "broken")
    train(recipe, _trainee(recipe), tmp_path / "broken", resume=True)
    ours, theirs = (load_state(tmp_path / name / "final.safetensors") for name in ("whole", "broken"))
    assert all(torch.equal(ours[name], theirs[name]) for name in ours)


def _trainee(recipe: FinetuneConfig) -> CpnTrainee:
    torch.manual_seed(recipe.seed)
    return CpnTrainee(recipe, "cpu")


def jitter(trainee: CpnTrainee, bodies: Path) -> dict[str, float]:
    """By decoding, over the clips in motion."""
    moving = KeypointDataset.load(bodies / "moving/h36m17.json", bodies / "moving/images", H36M17)
    clips: dict[str, list[int]] = {}
    for index, sample in enumerate(moving.samples):
        clips.setdefault(sample.image_path.name.split("_frame_")[0], []).append(index)
    values: dict[str, list[float]] = {"soft": [], "hard": []}
    for indices in clips.values():
        truth = np.stack([moving[index].keypoints_px for index in indices])
        with torch.no_grad():
            found = [trainee.locate(moving.read_image(index), moving[index].box_px[None]) for index in indices]
        for decoding, jitters in values.items():
            jitters.append(jitter_px(np.concatenate([points[decoding] for points in found]), truth))
    return {decoding: float(np.mean(jitters)) for decoding, jitters in values.items()}


def test_it_learns_and_the_detector_loads_what_it_learnt(bodies: Path, tmp_path: Path) -> None:
    """The error on others' pictures falls by the stated factor; soft-argmax is below hard-argmax, in jitter too."""
    recipe = config(bodies, iterations=[85, 25], warmup_iterations=10, save_every_s=600.0, flip=0.5)
    trainee = _trainee(recipe)
    trainee.module.eval()
    with torch.no_grad():
        before = trainee.evaluate()
    train(recipe, trainee, tmp_path)
    trainee.module.eval()
    with torch.no_grad():
        after = trainee.evaluate()
    assert after["validation_soft_px"] < before["validation_soft_px"] / LEAST_FACTOR
    assert after["validation_soft_px"] < after["validation_hard_px"]
    jitters = jitter(trainee, bodies)
    assert jitters["soft"] < jitters["hard"]
    metadata = load_metadata(tmp_path / "final.safetensors")
    assert (metadata["architecture"], metadata["skeleton"], metadata["input_hw"]) == ("cpn", "h36m17", "96x96")
    detector = create_detector("cpn", "cpu", DetectorOptions(weights=str(tmp_path / "final.safetensors")))
    assert detector.skeleton == H36M17
    detector.close()


def test_mistakes_end_in_one_line(bodies: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "recipe.yaml"
    path.write_text("architecture: cpn\ntrain_annotations: nowhere.json\n")
    assert main(["--config", str(path), "--output", str(tmp_path / "run")]) == 1
    assert "nowhere.json: no such file" in capsys.readouterr().err
    assert main(["--config", str(path), "--output", str(tmp_path / "run"), "--set", "bacth=3"]) == 2
    assert "nearest known: batch" in capsys.readouterr().err
