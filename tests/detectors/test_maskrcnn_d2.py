"""`maskrcnn-d2` against detectron2 itself, with random weights that were saved and loaded back."""

from __future__ import annotations

import pickle
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

pytest.importorskip("detectron2", reason="detectron2 is not installed (it is built from source)")

from detectron2.config import get_cfg
from detectron2.data.transforms import ResizeShortestEdge
from detectron2.structures import heatmaps_to_keypoints

from detectors import DetectorOptions, create_detector
from detectors.checkpoints import save_state
from detectors.decoding import decode_heatmaps
from detectors.maskrcnn_d2 import Detectron2Network, build_config, build_network
from detectors.rcnn_card import RcnnCard
from detectors.rcnn_heads import KeypointRcnn
from poses import COCO17, H36M17, InputError, UsageError
from tests.detectors.rcnn_case import expectation, gaussian_logits, picture, pixels_of_heatmap, shortfall

SMALL = RcnnCard("R_50", min_size_px=128, max_size_px=240, keypoint_channels=(32, 32))
OPTIONS = DetectorOptions(min_score=0.3, max_people=5)
SIZES = {"landscape": (400, 230), "portrait": (230, 400), "square and small": (90, 90)}


def tame(network: Any, widen: float = 8.0) -> Any:
    """Random weights whose residual branches do not add up beyond all bounds, and that find large boxes."""
    with torch.no_grad():
        for stage in ("res2", "res3", "res4", "res5"):
            for block in getattr(network.backbone.bottom_up, stage):
                block.conv3.norm.weight.fill_(0.2)
        network.roi_heads.box_predictor.bbox_pred.bias[2:4] = widen
    return network.eval()


def random_network(card: RcnnCard, widen: float = 8.0) -> Any:
    torch.manual_seed(0)
    return tame(build_network(card, "cpu", OPTIONS.min_score, OPTIONS.max_people), widen)


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
    network = random_network(SMALL, widen=100)
    with torch.no_grad():
        network.proposal_generator.rpn_head.anchor_deltas.bias.view(-1, 4)[:, 2:] = 100
    save_state(path, network.state_dict(), SMALL.metadata())
    return str(path)


def result_of(library: Any, frame: np.ndarray, min_size: int = 128, max_size: int = 240) -> Any:
    """detectron2's own result for a BGR frame, in the frame, prepared as its DefaultPredictor does."""
    scaled = ResizeShortestEdge([min_size, min_size], max_size).get_transform(frame).apply_image(frame)
    image = torch.as_tensor(scaled.astype("float32").transpose(2, 0, 1))
    with torch.no_grad():
        (found,) = library([{"image": image, "height": frame.shape[0], "width": frame.shape[1]}])
    return found["instances"]


@pytest.mark.parametrize("decoding", ["soft", "hard"])
@pytest.mark.parametrize("size", SIZES)
def test_several_people_are_where_detectron2_finds_them(library: Any, weights: str, size: str, decoding: str) -> None:
    frame = picture(*SIZES[size], seed=1)
    detector = create_detector("maskrcnn-d2", "cpu", replace(OPTIONS, weights=weights, keypoint_decoding=decoding))
    (people,) = detector.detect([frame])
    theirs = result_of(library, frame)
    boxes, logits = theirs.pred_boxes.tensor.numpy(), theirs.pred_keypoint_heatmaps.numpy()
    assert len(people) == len(theirs) > 1
    assert detector.skeleton == COCO17
    assert people.keypoints_px.shape == (len(people), 17, 2)
    np.testing.assert_allclose(people.box_px, boxes, atol=0.01)
    np.testing.assert_allclose(people.score, theirs.scores.numpy(), atol=1e-5)
    assert (people.box_px >= 0).all()
    assert (people.box_px <= np.array([*SIZES[size], *SIZES[size]]) + 0.01).all()
    assert ((people.keypoint_score > 0) & (people.keypoint_score <= 1)).all()
    if decoding == "hard":
        below_best = shortfall(logits, people.keypoints_px, people.box_px)
        assert np.median(below_best) < 0.06
        assert below_best.max() < 0.25
    else:
        expected = [expectation(logits[p], boxes[p]) for p in range(len(people))]
        np.testing.assert_allclose(people.keypoints_px, expected, atol=0.02)


@pytest.mark.parametrize("side_px", [30.0, 100.0, 500.0])
def test_hard_agrees_with_detectron2_to_a_third_of_a_heatmap_pixel_and_half_a_frame_pixel(side_px: float) -> None:
    logits = gaussian_logits(np.random.default_rng(0).uniform(6, 49, (6, 17, 2)), 56)
    boxes = np.array([[10.3, 20.7, 10.3 + side_px, 20.7 + 1.7 * side_px]] * 6, np.float32)
    theirs = heatmaps_to_keypoints(logits, torch.from_numpy(boxes))[..., :2].numpy()
    decoded, _ = decode_heatmaps(logits, "hard", logits=True)
    ours = boxes[:, None, :2] + (decoded.numpy() + 0.5) / 56 * (boxes[:, None, 2:] - boxes[:, None, :2])
    assert pixels_of_heatmap(ours, theirs, boxes).max() < 0.3 + 0.5 * 56 / side_px


def test_a_frame_without_people(weights: str) -> None:
    detector = create_detector("maskrcnn-d2", "cpu", replace(OPTIONS, weights=weights, min_score=0.999))
    for people in detector.detect([picture(200, 120, 1), np.zeros((120, 200, 3), np.uint8)]):
        assert len(people) == 0
        assert people.keypoints_px.shape == (0, 17, 2)


def test_one_by_one_is_the_same_as_together(library: Any, weights: str) -> None:
    frames = [picture(300, 180, seed) for seed in range(3)]
    detector = create_detector("maskrcnn-d2", "cpu", replace(OPTIONS, weights=weights))
    together = detector.detect(frames)
    network = Detectron2Network(library, torch.device("cpu"), SMALL)
    batched = KeypointRcnn("maskrcnn-d2", network, COCO17, "", OPTIONS, batch_size=3).detect(frames)
    for frame, first, second in zip(frames, together, batched, strict=True):
        (alone,) = detector.detect([frame])
        for name in ("box_px", "score", "keypoints_px", "keypoint_score"):
            np.testing.assert_array_equal(getattr(alone, name), getattr(first, name))
            np.testing.assert_allclose(getattr(alone, name), getattr(second, name), atol=0.05)
    assert not np.array_equal(together[0].score, together[1].score)


def test_flip_test_makes_left_and_right_alike(one_person: str) -> None:
    frame = picture(300, 180, 5)
    apart = {}
    for flip in (False, True):
        detector = create_detector("maskrcnn-d2", "cpu", replace(OPTIONS, weights=one_person, flip_test=flip))
        straight, turned = detector.detect([frame, np.ascontiguousarray(frame[:, ::-1])])
        np.testing.assert_allclose(straight.box_px, [[0, 0, 300, 180]], atol=0.01)
        back = turned.keypoints_px[:, COCO17.mirror] * [-1, 1] + [300, 0]
        apart[flip] = abs(back - straight.keypoints_px).max()
    assert apart[True] < 0.05
    assert apart[False] > 5


def test_bf16_is_near_fp32_and_not_the_same(one_person: str) -> None:
    frame = picture(300, 180, 5)
    options = [replace(OPTIONS, weights=one_person, precision=precision) for precision in ("fp32", "bf16")]
    exact, rounded = (create_detector("maskrcnn-d2", "cpu", option).detect([frame])[0] for option in options)
    difference = abs(exact.keypoints_px - rounded.keypoints_px)
    assert difference.max() > 0
    assert np.median(difference) < 5


def test_weights_say_their_skeleton(tmp_path: Path) -> None:
    card = replace(SMALL, skeleton="h36m17")
    path = tmp_path / "h36m.safetensors"
    save_state(path, random_network(card).state_dict(), card.metadata())
    detector = create_detector("maskrcnn-d2", "cpu", replace(OPTIONS, weights=str(path)))
    (people,) = detector.detect([picture(300, 180, 1)])
    assert detector.skeleton == H36M17
    assert people.keypoints_px.shape[1:] == (17, 2)


@pytest.mark.parametrize("model", ["R_50", "R_101"])
def test_files_like_those_of_the_model_zoo(model: str, tmp_path: Path) -> None:
    network = random_network(RcnnCard(model))
    arrays = {name: value.numpy() for name, value in network.state_dict().items()}
    # Old files hold what the network now computes.
    arrays["pixel_mean"] = np.zeros((3, 1, 1), np.float32)
    arrays["proposal_generator.anchor_generator.cell_anchors.0"] = np.zeros((3, 4), np.float32)
    path = tmp_path / "model_final_123456.pkl"
    path.write_bytes(pickle.dumps({"model": arrays, "__author__": "Detectron2 Model Zoo"}, protocol=2))
    detector = create_detector("maskrcnn-d2", "cpu", replace(OPTIONS, weights=str(path)))
    loaded = detector._network._module.state_dict()  # type: ignore[attr-defined]
    assert all(torch.equal(value, loaded[name]) for name, value in network.state_dict().items())
    if model == "R_101":
        with pytest.raises(InputError, match=r"\d+ unexpected \(such as backbone\.bottom_up\.res4"):
            create_detector("maskrcnn-d2", "cpu", replace(OPTIONS, weights=str(path), model="R_50"))


@pytest.mark.parametrize("model", ["R_50", "R_101"])
def test_the_configuration_is_that_of_the_model_zoo(model: str) -> None:
    zoo = pytest.importorskip(
        "detectron2.model_zoo", reason="detectron2's model zoo needs setuptools<81", exc_type=ImportError
    )
    theirs = get_cfg()
    theirs.merge_from_file(zoo.get_config_file(f"COCO-Keypoints/keypoint_rcnn_{model}_FPN_3x.yaml"))
    ours = build_config(RcnnCard(model))
    # Of no meaning for this network: where it comes from and runs, and the mask head, which is off.
    for config in (theirs, ours):
        for name in ("WEIGHTS", "DEVICE", "ROI_MASK_HEAD"):
            config.MODEL.pop(name)
    theirs.MODEL.ROI_KEYPOINT_HEAD.CONV_DIMS = list(theirs.MODEL.ROI_KEYPOINT_HEAD.CONV_DIMS)
    assert ours.MODEL == theirs.MODEL
    for name in ("FORMAT", "MIN_SIZE_TEST", "MAX_SIZE_TEST"):
        assert ours.INPUT[name] == theirs.INPUT[name]
    assert ours.TEST.DETECTIONS_PER_IMAGE == theirs.TEST.DETECTIONS_PER_IMAGE


class Runs:
    def __reduce__(self) -> tuple[Any, tuple[str, ...]]:
        return print, ("run",)


def test_bad_files_of_weights(weights: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    code, cut, text = tmp_path / "code.pkl", tmp_path / "cut.pkl", tmp_path / "text.pkl"
    code.write_bytes(pickle.dumps({"model": {"backbone": Runs()}}))
    cut.write_bytes(pickle.dumps({"model": {"backbone": np.zeros(1000)}})[:500])
    text.write_bytes(pickle.dumps({"model": {"backbone": "weights"}}))
    for path, problem in ((code, "print"), (cut, "damaged"), (text, "'backbone' is str")):
        with pytest.raises(InputError, match=rf"{path.name}.*{problem}"):
            create_detector("maskrcnn-d2", "cpu", replace(OPTIONS, weights=str(path)))
    assert "run" not in capsys.readouterr().out
    with pytest.raises(UsageError, match="R_50, not R_101"):
        create_detector("maskrcnn-d2", "cpu", replace(OPTIONS, weights=weights, model="R_101"))


def test_missing_weights_say_where_to_get_them(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("POSES3D_CACHE", str(tmp_path))
    for model, name in ((None, "maskrcnn-d2-r101"), ("R_50", "maskrcnn-d2-r50")):
        with pytest.raises(InputError, match=rf"python -m detectors\.weights get {name}"):
            create_detector("maskrcnn-d2", "cpu", DetectorOptions(model=model))
