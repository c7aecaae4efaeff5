"""`keypointrcnn` against torchvision itself, with random weights that were saved and loaded back."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

try:
    import torchvision.ops  # noqa: F401
except (ImportError, RuntimeError) as error:
    pytest.skip(f"torchvision cannot be used ({error})", allow_module_level=True)

from torchvision.models.detection import KeypointRCNN_ResNet50_FPN_Weights, keypointrcnn_resnet50_fpn
from torchvision.models.detection.roi_heads import heatmaps_to_keypoints

from detectors import DetectorOptions, create_detector
from detectors.checkpoints import save_state
from detectors.decoding import decode_heatmaps
from detectors.keypointrcnn import _COCO_V1_SHA256, TorchvisionNetwork, build_network
from detectors.rcnn_card import RcnnCard
from detectors.rcnn_heads import KeypointRcnn, check_device
from detectors.weights import CATALOGUE
from poses import COCO17, H36M17, InputError, UsageError
from tests.detectors.rcnn_case import (
    expectation,
    gaussian_logits,
    picture,
    pixels_of_heatmap,
    shortfall,
)

SMALL = RcnnCard("resnet18", min_size_px=128, max_size_px=240, keypoint_channels=(32, 32))
OPTIONS = DetectorOptions(min_score=0.3, max_people=5)
SIZES = {"landscape": (400, 230), "portrait": (230, 400), "square and small": (90, 90)}


def random_network(card: RcnnCard, widen: float = 8.0) -> Any:
    """Random weights; `widen` makes the boxes larger, because those of random weights are tiny."""
    torch.manual_seed(3)
    network: Any = build_network(card, OPTIONS.min_score, OPTIONS.max_people).eval()
    with torch.no_grad():
        network.roi_heads.box_predictor.bbox_pred.bias[6:8] = widen
    return network


@pytest.fixture(scope="module")
def library() -> Any:
    return random_network(SMALL)


@pytest.fixture(scope="module")
def weights(library: Any, tmp_path_factory: pytest.TempPathFactory) -> str:
    path = tmp_path_factory.mktemp("weights") / "small.safetensors"
    save_state(path, library.state_dict(), SMALL.metadata())
    return str(path)


@pytest.fixture(scope="module")
def one_person(tmp_path_factory: pytest.TempPathFactory) -> str:
    """Weights that find one person as large as the frame, whatever the frame shows."""
    path = tmp_path_factory.mktemp("weights") / "one.safetensors"
    save_state(path, random_network(SMALL, widen=100).state_dict(), SMALL.metadata())
    return str(path)


def logits_of(library: Any, frame: np.ndarray) -> tuple[dict[str, np.ndarray], np.ndarray]:
    """torchvision's own result for a BGR frame, in the frame, and the logits that it came from."""
    seen = []
    hook = library.roi_heads.keypoint_predictor.register_forward_hook(lambda _module, _given, out: seen.append(out))
    image = torch.from_numpy(frame[:, :, ::-1].copy()).permute(2, 0, 1).float() / 255
    with torch.inference_mode():
        (found,) = library([image])
    hook.remove()
    return {name: value.numpy() for name, value in found.items()}, seen[0].numpy()


@pytest.mark.parametrize("decoding", ["soft", "hard"])
@pytest.mark.parametrize("size", SIZES)
def test_several_people_are_where_torchvision_finds_them(library: Any, weights: str, size: str, decoding: str) -> None:
    frame = picture(*SIZES[size], seed=1)
    detector = create_detector("keypointrcnn", "cpu", replace(OPTIONS, weights=weights, keypoint_decoding=decoding))
    (people,) = detector.detect([frame])
    theirs, logits = logits_of(library, frame)
    assert len(people) == 5
    assert detector.skeleton == COCO17
    assert people.keypoints_px.shape == (5, 17, 2)
    np.testing.assert_allclose(people.box_px, theirs["boxes"], atol=0.01)
    np.testing.assert_allclose(people.score, theirs["scores"], atol=1e-5)
    assert (people.box_px >= 0).all()
    assert (people.box_px <= np.array([*SIZES[size], *SIZES[size]]) + 0.01).all()
    assert ((people.keypoint_score > 0) & (people.keypoint_score <= 1)).all()
    if decoding == "hard":
        below_best = shortfall(logits, people.keypoints_px, people.box_px)
        assert np.median(below_best) < 0.06
        assert below_best.max() < 0.25
    else:
        expected = [expectation(logits[p], theirs["boxes"][p]) for p in range(5)]
        np.testing.assert_allclose(people.keypoints_px, expected, atol=0.02)


@pytest.mark.parametrize("side_px", [30.0, 100.0, 500.0])
def test_decoding_agrees_with_torchvisions_to_a_third_of_a_heatmap_pixel_and_half_a_frame_pixel(side_px: float) -> None:
    places = np.random.default_rng(0).uniform(6, 49, (6, 17, 2))
    logits = gaussian_logits(places, 56)
    boxes = np.array([[10.3, 20.7, 10.3 + side_px, 20.7 + 1.7 * side_px]] * 6, np.float32)
    theirs = heatmaps_to_keypoints(logits, torch.from_numpy(boxes))[0][..., :2].numpy()
    extent = boxes[:, None, 2:] - boxes[:, None, :2]
    truth = boxes[:, None, :2] + (places + 0.5) / 56 * extent
    for method, from_truth in (("hard", 0.26), ("soft", 0.005)):
        decoded, score = decode_heatmaps(logits, method, logits=True)
        ours = boxes[:, None, :2] + (decoded.numpy() + 0.5) / 56 * extent
        assert pixels_of_heatmap(ours, theirs, boxes).max() < 0.3 + 0.5 * 56 / side_px
        assert pixels_of_heatmap(ours, truth, boxes).max() < from_truth
        # Of a Gaussian of 2 pixels, 79 % lie within 2.5 pixels along each axis where the peak is on a pixel.
        assert 0.55 < score.min() <= score.max() < 0.79**2 + 0.01


def test_a_frame_without_people(weights: str) -> None:
    detector = create_detector("keypointrcnn", "cpu", replace(OPTIONS, weights=weights, min_score=0.99))
    for people in detector.detect([picture(200, 120, 1), np.zeros((120, 200, 3), np.uint8)]):
        assert len(people) == 0
        assert people.keypoints_px.shape == (0, 17, 2)
    assert detector.detect([]) == []


def test_one_by_one_is_the_same_as_together(library: Any, weights: str) -> None:
    frames = [picture(300, 180, seed) for seed in range(3)]
    detector = create_detector("keypointrcnn", "cpu", replace(OPTIONS, weights=weights))
    together = detector.detect(frames)
    batched = KeypointRcnn(
        "keypointrcnn", TorchvisionNetwork(library, torch.device("cpu")), COCO17, "", OPTIONS, batch_size=3
    ).detect(frames)
    for frame, first, second in zip(frames, together, batched, strict=True):
        (alone,) = detector.detect([frame])
        for name in ("box_px", "score", "keypoints_px", "keypoint_score"):
            np.testing.assert_array_equal(getattr(alone, name), getattr(first, name))
            np.testing.assert_allclose(getattr(alone, name), getattr(second, name), atol=0.05)
    assert not np.array_equal(together[0].keypoints_px, together[1].keypoints_px)


def test_flip_test_makes_left_and_right_alike(one_person: str) -> None:
    frame = picture(300, 180, 5)
    mirrored = np.ascontiguousarray(frame[:, ::-1])
    apart = {}
    for flip in (False, True):
        detector = create_detector("keypointrcnn", "cpu", replace(OPTIONS, weights=one_person, flip_test=flip))
        straight, turned = detector.detect([frame, mirrored])
        np.testing.assert_allclose(straight.box_px, [[0, 0, 300, 180]], atol=0.01)
        back = turned.keypoints_px[:, COCO17.mirror] * [-1, 1] + [300, 0]
        apart[flip] = abs(back - straight.keypoints_px).max()
    assert apart[True] < 0.05
    assert apart[False] > 5


def test_bf16_is_near_fp32_and_not_the_same(one_person: str) -> None:
    frame = picture(300, 180, 5)
    exact, rounded = (
        create_detector("keypointrcnn", "cpu", replace(OPTIONS, weights=one_person, precision=precision)).detect(
            [frame]
        )[0]
        for precision in ("fp32", "bf16")
    )
    difference = abs(exact.keypoints_px - rounded.keypoints_px).max()
    assert 0 < difference < 5


def test_more_score_and_fewer_people_can_be_asked_for(weights: str) -> None:
    frame = picture(400, 230, 1)
    (five,) = create_detector("keypointrcnn", "cpu", replace(OPTIONS, weights=weights)).detect([frame])
    (two,) = create_detector("keypointrcnn", "cpu", replace(OPTIONS, weights=weights, max_people=2)).detect([frame])
    np.testing.assert_array_equal(two.box_px, five.box_px[:2])
    between = float(five.score[1:3].mean())
    (above,) = create_detector("keypointrcnn", "cpu", replace(OPTIONS, weights=weights, min_score=between)).detect(
        [frame]
    )
    np.testing.assert_array_equal(above.score, five.score[:2])


def test_weights_say_their_skeleton_and_count_in_the_hash(weights: str, tmp_path: Path) -> None:
    card = replace(SMALL, skeleton="h36m17")
    path = tmp_path / "h36m.safetensors"
    save_state(path, random_network(card).state_dict(), card.metadata())
    detector = create_detector("keypointrcnn", "cpu", replace(OPTIONS, weights=str(path)))
    (people,) = detector.detect([picture(300, 180, 1)])
    assert detector.skeleton == H36M17
    assert people.keypoints_px.shape[1:] == (17, 2)
    other = create_detector("keypointrcnn", "cpu", replace(OPTIONS, weights=weights))
    again = create_detector("keypointrcnn", "cpu", replace(OPTIONS, weights=weights))
    assert other.weights_sha256 == again.weights_sha256 != detector.weights_sha256


def test_torchvisions_own_network_and_its_file_of_weights(tmp_path: Path) -> None:
    torch.manual_seed(0)
    theirs = keypointrcnn_resnet50_fpn(
        weights=None, weights_backbone=None, min_size=128, box_score_thresh=0.3, box_detections_per_img=3
    ).eval()
    for name, parameter in theirs.named_parameters():
        # Without trained normalisation the residual branches would add up beyond all bounds.
        if name.endswith("bn3.weight"):
            torch.nn.init.constant_(parameter, 0.2)
    for name, buffer in theirs.named_buffers():
        if name.endswith("running_var"):
            buffer.uniform_(0.5, 2.0)
    path = tmp_path / "theirs.safetensors"
    save_state(path, theirs.state_dict(), {"min_size_px": "128"})
    detector = create_detector("keypointrcnn", "cpu", replace(OPTIONS, weights=str(path), max_people=3))
    frame = picture(60, 40, 2)
    (people,) = detector.detect([frame])
    found, _ = logits_of(theirs, frame)
    assert len(people) == 3
    np.testing.assert_allclose(people.box_px, found["boxes"], atol=0.01)


def test_the_published_weights_are_those_that_torchvision_publishes() -> None:
    # Their batch norm's epsilon is known by the hash, so it must be the hash of that file.
    published = KeypointRCNN_ResNet50_FPN_Weights.COCO_V1.url
    assert CATALOGUE["keypointrcnn-r50"].url == published
    assert f"-{_COCO_V1_SHA256}.pth" in published


def test_weights_of_another_network_are_refused_with_numbers(weights: str, tmp_path: Path) -> None:
    path = tmp_path / "other.pth"
    state = build_network(replace(SMALL, model="resnet34")).state_dict()
    torch.save(state, path)
    with pytest.raises(InputError, match=r"other\.pth.*\d+ missing \(such as backbone.*\d+ of another shape"):
        create_detector("keypointrcnn", "cpu", replace(OPTIONS, weights=str(path)))
    with pytest.raises(UsageError, match="resnet18, not resnet50"):
        create_detector("keypointrcnn", "cpu", replace(OPTIONS, weights=weights, model="resnet50"))


def test_missing_weights_say_where_to_get_them(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("POSES3D_CACHE", str(tmp_path))
    with pytest.raises(InputError, match=r"python -m detectors\.weights get keypointrcnn-r50"):
        create_detector("keypointrcnn")


@pytest.mark.parametrize("frame", [np.zeros((0, 10, 3), np.uint8), np.zeros((9, 9), np.uint8), np.zeros((9, 9, 3))])
def test_what_is_no_frame_is_refused(weights: str, frame: np.ndarray) -> None:
    detector = create_detector("keypointrcnn", "cpu", replace(OPTIONS, weights=weights))
    with pytest.raises(ValueError, match=r"\(H, W, 3\) uint8"):
        detector.detect([frame])


def test_devices_and_precisions_that_are_not_there() -> None:
    with pytest.raises(UsageError, match="fp16 needs a GPU"):
        check_device("keypointrcnn", "cpu", "fp16")
    with pytest.raises(UsageError, match="finds"):
        check_device("keypointrcnn", "cuda:99", "fp32")
    with pytest.raises(UsageError, match="cpu or cuda"):
        check_device("keypointrcnn", "meta", "fp32")
    with pytest.raises(UsageError, match="abacus"):
        check_device("keypointrcnn", "abacus", "fp32")
