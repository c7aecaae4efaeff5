"""The registered detectors `cpn` and `hourglass`: random weights to disk and back, and files that are not theirs."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
import pytest
import torch
from torch import nn

from detectors import DetectorOptions, create_detector, detector_names
from detectors.checkpoints import save_state, sha256_of
from detectors.cpn import public_card
from detectors.cpn_model import ARCHITECTURES as CPN
from detectors.cpn_model import CascadedPyramidNetwork, CpnArchitecture
from detectors.heatmap_card import HeatmapCard
from detectors.hourglass_model import ARCHITECTURES as HOURGLASS
from detectors.hourglass_model import StackedHourglass
from detectors.top_down import TopDown
from poses import COCO17, H36M17, MPII16, InputError, UsageError

TWO_PEOPLE = Path(__file__).parents[1] / "data" / "two_people.jpg"


def cpn(joints: int = 17) -> CascadedPyramidNetwork:
    torch.manual_seed(joints)
    return CascadedPyramidNetwork(CpnArchitecture.named("small", joints)).eval()


def hourglass() -> StackedHourglass:
    torch.manual_seed(0)
    return StackedHourglass(HOURGLASS["small"]).eval()


def public_file(network: nn.Module, path: Path) -> Path:
    """As the training programs of both public repositories write it: parallel training's names, among other things."""
    state = {f"module.{name}": tensor for name, tensor in network.state_dict().items()}
    torch.save({"epoch": 40, "arch": "x", "state_dict": state, "best_acc": np.float64(0.7)}, path)
    return path


def create(name: str, path: Path | None, **options: object) -> TopDown:
    chosen: dict[str, object] = {"tiles": "none", "min_score": 0.0, "weights": path and str(path)}
    made = create_detector(name, "cpu", DetectorOptions(**(chosen | options)))  # type: ignore[arg-type]
    assert isinstance(made, TopDown)
    return made


def test_both_are_registered() -> None:
    assert {"cpn", "hourglass"} <= set(detector_names())


@pytest.mark.parametrize(("name", "width", "height"), [("cpn", 288, 384), ("hourglass", 256, 256)])
def test_a_public_file_on_boxes_of_blazepose(tmp_path: Path, name: str, width: int, height: int) -> None:
    network = cpn() if name == "cpn" else hourglass()
    detector = create(name, public_file(network, tmp_path / "w.pth.tar"), tiles="fine")
    image = cv2.imread(str(TWO_PEOPLE))
    (people, nobody) = detector.detect([image, np.zeros_like(image)])
    people_detector = create_detector("blazepose", "cpu", DetectorOptions(tiles="fine", min_score=0.0))
    (expected,) = people_detector.detect([image])
    people_detector.close()
    detector.close()
    assert detector.skeleton is (COCO17 if name == "cpn" else MPII16)
    assert len(expected) == len(people) == 2
    assert sorted(people.box_px.tolist()) == sorted(expected.box_px.tolist())
    assert people.keypoints_px.shape == (2, len(detector.skeleton), 2)
    assert np.isfinite(people.keypoints_px).all()
    # The padded box of the network's shape holds every heatmap pixel.
    for keypoints, box in zip(people.keypoints_px, people.box_px, strict=True):
        scale = 1.25 * max((box[2] - box[0]) / width, (box[3] - box[1]) / height)
        reach = 0.5 * scale * np.array([width, height])
        assert (np.abs(keypoints - 0.5 * (box[:2] + box[2:])) <= reach).all()
    assert len(nobody) == 0


def test_the_file_s_numbers_are_those_that_compute(tmp_path: Path) -> None:
    network = cpn()
    detector = create("cpn", public_file(network, tmp_path / "w.pth.tar"))
    crops = np.random.default_rng(0).integers(0, 256, (1, 384, 288, 3), dtype=np.uint8)
    # What the public program feeds: RGB from 0 to 1, less the mean of each colour.
    rgb = crops[0, :, :, ::-1].astype(np.float64) / 255 - np.array([122.7717, 115.9465, 102.9801]) / 255
    with torch.inference_mode():
        expected = network.heatmaps(torch.from_numpy(rgb.transpose(2, 0, 1).copy()).float()[None])
    torch.testing.assert_close(detector.heatmaps(crops), expected, rtol=1e-3, atol=1e-2)
    detector.close()


def test_our_own_file_says_skeleton_and_size(tmp_path: Path) -> None:
    card = HeatmapCard("cpn", H36M17, (128, 96), peak=1.0, sigma=2.0)
    path = tmp_path / "ours.safetensors"
    save_state(path, cpn().state_dict(), card.metadata())
    detector = create("cpn", path)
    assert detector.skeleton is H36M17
    assert detector.card.input_hw == (128, 96)
    assert (detector.card.peak, detector.card.sigma) == (1.0, 2.0)
    assert detector.card.mean_rgb == public_card().mean_rgb
    assert detector.heatmaps(np.zeros((1, 128, 96, 3), np.uint8)).shape == (1, 17, 32, 24)
    detector.close()
    with pytest.raises(UsageError, match=r"model r50-384x288.*trained for 128x96"):
        create("cpn", path, model="r50-384x288")


def test_hash_follows_the_file(tmp_path: Path) -> None:
    hashes = set()
    for joints_seed in (1, 2):
        torch.manual_seed(joints_seed)
        path = public_file(CascadedPyramidNetwork(CPN["small"]), tmp_path / f"{joints_seed}.pth")
        detector = create("cpn", path)
        hashes.add(detector.weights_sha256)
        assert detector.weights_sha256 != sha256_of(path)
        detector.close()
    assert len(hashes) == 2


@pytest.mark.parametrize("name", ["cpn", "hourglass"])
def test_without_weights_it_is_said_where_they_come_from(name: str) -> None:
    with pytest.raises(UsageError, match=rf"{name} needs a file of weights.*--detector-weights.*github\.com"):
        create(name, None)
    with pytest.raises(UsageError, match=rf"unknown model 'huge' of {name}: choose one of"):
        create(name, None, model="huge")
    with pytest.raises(InputError, match=r"none\.pth: no such file"):
        create(name, Path("none.pth"))


def test_weights_of_another_network_are_refused_by_count_and_example(tmp_path: Path) -> None:
    path = public_file(hourglass(), tmp_path / "hg.pth")
    with pytest.raises(InputError, match=r"hg\.pth: not weights.* missing \(such as resnet.*unexpected \(such as "):
        create("cpn", path)
    path = public_file(cpn(), tmp_path / "cpn.pth")
    with pytest.raises(InputError, match=r"cpn\.pth: not weights.* missing \(such as .*unexpected \(such as resnet"):
        create("hourglass", path)
    with pytest.raises(InputError, match=r"cpn\.pth: not weights.* of another shape \(such as resnet\.conv1\.weight"):
        create("cpn", path, model="r50-384x288")
    path = public_file(hourglass(), tmp_path / "hg.pth")
    with pytest.raises(InputError, match=r"hg\.pth: not weights.* missing \(such as hg\.2\."):
        create("hourglass", path, model="hg8")


def test_skeleton_and_heatmaps_must_agree(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"16 heatmaps, but the skeleton coco17 has 17.*metadata skeleton"):
        create("cpn", public_file(cpn(16), tmp_path / "w.pth"))
    path = tmp_path / "w.safetensors"
    save_state(path, cpn(16).state_dict(), {"skeleton": "mpii16"})
    detector = create("cpn", path)
    assert detector.skeleton is MPII16
    # Our files are taught a peak of 1 where they do not say another one.
    assert (detector.card.peak, detector.card.input_hw) == (1.0, (384, 288))
    detector.close()


@pytest.mark.parametrize(
    ("metadata", "message"),
    [
        ({"architecture": "keypointrcnn"}, "weights of keypointrcnn, not of cpn: use the detector keypointrcnn"),
        ({"skeleton": "octopus8"}, "unknown skeleton 'octopus8'"),
        ({"skeleton": "coco17", "input_hw": "384"}, "must be HEIGHTxWIDTH, got '384'"),
        ({"skeleton": "coco17", "input_hw": "100x96"}, "multiples of 32"),
        ({"skeleton": "coco17", "heatmap_peak": "0"}, "must be above 0"),
        ({"skeleton": "coco17", "heatmap_sigma": "wide"}, "could not convert"),
    ],
)
def test_metadata_that_cannot_be_are_named(tmp_path: Path, metadata: dict[str, str], message: str) -> None:
    path = tmp_path / "w.safetensors"
    save_state(path, cpn().state_dict(), metadata)
    with pytest.raises(InputError, match=rf"w\.safetensors: .*{message}"):
        create("cpn", path)


def test_code_in_the_file_is_refused(tmp_path: Path) -> None:
    torch.save({"state_dict": cpn().state_dict(), "optimizer": torch.optim.SGD}, tmp_path / "w.pth")
    with pytest.raises(InputError, match=r"w\.pth: refused, .*SGD"):
        create("cpn", tmp_path / "w.pth")
