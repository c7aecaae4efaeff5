"""MMPose's networks with random weights, saved and loaded back.

Run in the environment that docs/detectors.md describes; elsewhere only what needs no MMPose is tested.
"""

from __future__ import annotations

import importlib.util
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from detectors import DetectorOptions, create_detector, register
from detectors.base import Detector, FrameDetections
from detectors.mmpose import MMPose, match_skeleton
from poses import COCO17, H36M17, InputError, UsageError
from poses.skeleton import HALPE26, MPII16

INSTALLED = importlib.util.find_spec("mmpose") is not None
needs_mmpose = pytest.mark.skipif(not INSTALLED, reason="mmpose is not installed: it needs an environment of its own")

SMALL = "rtmpose-t_8xb256-420e_body8-256x192"
HALPE = "rtmpose-t_8xb1024-700e_body8-halpe26-256x192"
HEATMAPS = "td-hm_mobilenetv2_8xb64-210e_coco-256x192"
ONE_STAGE = "rtmo-t_8xb32-600e_body7-416x416"
BLUE, GREEN = (255, 0, 0), (0, 255, 0)


class ColorBoxes:
    """A detector of boxes: what is pure blue or pure green is a person."""

    name = "color-boxes"
    skeleton = COCO17
    weights_sha256 = "0" * 64

    def detect(self, frames: Sequence[np.ndarray]) -> list[FrameDetections]:
        return [self._find(frame) for frame in frames]

    def _find(self, frame: np.ndarray) -> FrameDetections:
        boxes = []
        for color in (BLUE, GREEN):
            rows, columns = np.nonzero((frame == color).all(axis=-1))
            if len(rows):
                boxes.append([columns.min(), rows.min(), columns.max() + 1, rows.max() + 1])
        count = len(boxes)
        box = np.array(boxes, np.float32).reshape(count, 4)
        return FrameDetections(
            box, np.ones(count, np.float32), np.zeros((count, 17, 2), np.float32), np.ones((count, 17), np.float32)
        )

    def close(self) -> None:
        pass


@register("color-boxes", "for these tests")
def _create(device: str, options: DetectorOptions) -> Detector:
    return ColorBoxes()


def random_checkpoint(model: str, folder: Path) -> Path:
    """Weights of a configuration of MMPose, random, as MMPose publishes them."""
    from mmpose.apis import init_model

    from detectors.mmpose import find_config

    torch.manual_seed(0)
    network = init_model(str(find_config(model)), None, "cpu")
    state = network.state_dict()
    for name in ("head.cls_x.weight", "head.cls_y.weight"):
        if name in state:
            # Scores, which are the largest logits, below 1.
            state[name] *= 0.01
    path = folder / f"{model}.pth"
    meta = {"dataset_meta": {"sigmas": np.ones(17)}, "epoch": np.int64(3)}
    torch.save({"meta": meta, "state_dict": state}, path, _use_new_zipfile_serialization=False)
    return path


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("checkpoints")


@pytest.fixture(scope="module")
def checkpoint(folder: Path) -> Path:
    return random_checkpoint(SMALL, folder)


def options(model: str | None, checkpoint: Path, **more: object) -> DetectorOptions:
    fields = {"model": model, "weights": str(checkpoint), "boxes": "color-boxes", "min_score": 0.0, **more}
    return DetectorOptions(**fields)  # type: ignore[arg-type]


@pytest.fixture(scope="module")
def detector(checkpoint: Path) -> Iterator[Detector]:
    made = create_detector("mmpose", options=options(SMALL, checkpoint))
    yield made
    made.close()


def scene(shape: tuple[int, int], *boxes: tuple[int, int, int, int]) -> np.ndarray:
    """Two people at most: boxes with an edge of their colour and a picture inside, the same wherever the box is."""
    frame = np.full((*shape, 3), 40, np.uint8)
    for number, ((x1, y1, x2, y2), color) in enumerate(zip(boxes, (BLUE, GREEN), strict=False)):
        inside = np.random.default_rng(number).integers(0, 200, ((y2 - y1) // 16 + 1, (x2 - x1) // 16 + 1, 3))
        frame[y1:y2, x1:x2] = np.kron(inside, np.ones((16, 16, 1)))[: y2 - y1, : x2 - x1]
        frame[[y1, y2 - 1], x1:x2] = color
        frame[y1:y2, [x1, x2 - 1]] = color
    return frame


def same(a: FrameDetections, b: FrameDetections) -> bool:
    names = ("box_px", "score", "keypoints_px", "keypoint_score")
    return all(np.array_equal(getattr(a, n), getattr(b, n)) for n in names)


def test_skeletons_by_name() -> None:
    assert match_skeleton(COCO17.joints) == (COCO17, list(range(17)))
    assert match_skeleton(HALPE26.joints) == (HALPE26, list(range(26)))
    turned = MPII16.joints[::-1]
    skeleton, index = match_skeleton(turned)
    assert skeleton is MPII16
    assert [turned[i] for i in index] == list(MPII16.joints)
    # Human3.6M as MMPose names it, and COCO's whole body, which begins with COCO's 17.
    h36m: tuple[str, ...] = (
        "root",
        "right_hip",
        "right_knee",
        "right_foot",
        "left_hip",
        "left_knee",
        "left_foot",
        "spine",
        "thorax",
    )
    h36m += ("neck_base", "head", "left_shoulder", "left_elbow", "left_wrist", "right_shoulder", "right_elbow")
    assert match_skeleton((*h36m, "right_wrist")) == (H36M17, list(range(17)))
    assert match_skeleton((*COCO17.joints, "left_big_toe", "face-0")) == (COCO17, list(range(17)))
    with pytest.raises(InputError, match=r"not those of a known skeleton: paw, tail.*coco17"):
        match_skeleton(("paw", "tail"))


def refused(**fields: object) -> str:
    with pytest.raises((InputError, UsageError)) as caught:
        create_detector("mmpose", options=DetectorOptions(**fields))  # type: ignore[arg-type]
    return str(caught.value)


def test_options_that_cannot_be_served() -> None:
    assert "needs a configuration" in refused(weights="a.pth")
    assert "needs a checkpoint" in refused(model=SMALL)
    given = {"model": SMALL, "weights": "a.pth"}
    assert "computes in fp32" in refused(**given, precision="bf16")
    assert "configuration's choice" in refused(**given, keypoint_decoding="hard")
    assert "from itself" in refused(**given, boxes="mmpose")


@pytest.mark.skipif(INSTALLED, reason="mmpose is installed")
def test_without_mmpose() -> None:
    message = refused(model=SMALL, weights="a.pth")
    assert "MMPose cannot be imported" in message
    assert "docs/detectors.md" in message


@needs_mmpose
def test_several_people_and_none(detector: Detector) -> None:
    frames = [scene((480, 640), (50, 60, 200, 420), (330, 100, 560, 400)), scene((480, 640))]
    two, none = detector.detect(frames)
    assert detector.skeleton is COCO17
    assert two.keypoints_px.shape == (2, 17, 2)
    assert sorted(two.box_px[:, 0].tolist()) == [50, 330]
    assert np.all(np.diff(two.score) <= 0)
    assert len(none) == 0
    assert none.keypoints_px.shape == (0, 17, 2)
    assert detector.detect([]) == []
    # Random weights put keypoints anywhere in the crop, which is a quarter larger than the box or more.
    middle = 0.5 * (two.box_px[:, :2] + two.box_px[:, 2:])
    extent = two.box_px[:, 2:] - two.box_px[:, :2]
    assert np.all(np.abs(two.keypoints_px - middle[:, None]) <= 0.7 * extent.max(axis=1)[:, None, None])


@needs_mmpose
@pytest.mark.parametrize("model", [SMALL, HEATMAPS])
def test_keypoints_move_with_the_person(folder: Path, model: str) -> None:
    made = MMPose("cpu", options(model, random_checkpoint(model, folder)))
    landscape, portrait = scene((480, 640), (90, 60, 250, 400)), scene((900, 420), (230, 501, 390, 841))
    (a,), (b,) = made.detect([landscape]), made.detect([portrait])
    assert a.keypoints_px[0].std() > 2
    assert np.abs(b.keypoints_px - a.keypoints_px - [140, 441]).max() < 1e-3
    made.close()


@needs_mmpose
def test_batch_equals_one_by_one(detector: Detector) -> None:
    frames = [
        scene((480, 640), (50, 60, 200, 420), (330, 100, 560, 400)),
        scene((480, 640)),
        scene((480, 640), (300, 10, 500, 470)),
    ]
    together = detector.detect(frames)
    assert all(same(a, detector.detect([f])[0]) for a, f in zip(together, frames, strict=True))
    assert all(same(a, b) for a, b in zip(reversed(together), detector.detect(frames[::-1]), strict=True))


@needs_mmpose
def test_options_reach_mmpose(checkpoint: Path) -> None:
    frame = scene((480, 640), (50, 60, 200, 420), (330, 100, 560, 400))
    found = {}
    changes: dict[str, dict[str, Any]] = {"usual": {}, "flip": {"flip_test": True}, "wide": {"box_padding": 0.6}}
    for name, more in changes.items():
        made = MMPose("cpu", options(SMALL, checkpoint, **more))
        (found[name],) = made.detect([frame])
        made.close()
    usual = found["usual"].keypoints_px
    assert np.abs(found["flip"].keypoints_px - usual).max() > 1
    assert np.abs(found["wide"].keypoints_px - usual).max() > 1
    made = MMPose("cpu", options(SMALL, checkpoint, max_people=1))
    assert len(made.detect([frame])[0]) == 1
    made.options = options(SMALL, checkpoint, min_score=0.99)
    assert len(made.detect([frame])[0]) == 0


@needs_mmpose
def test_halpe_and_a_network_without_boxes(folder: Path) -> None:
    halpe = MMPose("cpu", options(HALPE, random_checkpoint(HALPE, folder)))
    (found,) = halpe.detect([scene((300, 300), (50, 60, 200, 270))])
    assert halpe.skeleton is HALPE26
    assert found.keypoints_px.shape == (1, 26, 2)
    alone = MMPose("cpu", options(ONE_STAGE, random_checkpoint(ONE_STAGE, folder), max_people=5))
    first, second = alone.detect([scene((300, 400), (50, 60, 200, 270)), scene((300, 400))])
    assert alone.skeleton is COCO17
    for found in (first, second):
        assert found.keypoints_px.shape[1:] == (17, 2)
        assert len(found) <= 5


@needs_mmpose
def test_aliases_and_hashes(checkpoint: Path, folder: Path) -> None:
    a = MMPose("cpu", options(SMALL, checkpoint))
    b = MMPose("cpu", options(f"{SMALL}.py", checkpoint))
    c = MMPose("cpu", options(SMALL, checkpoint, box_padding=0.3))
    assert a.weights_sha256 == b.weights_sha256 != c.weights_sha256


@needs_mmpose
def test_wrong_input(checkpoint: Path, tmp_path: Path) -> None:
    def message(model: str, weights: Path) -> str:
        return refused(model=model, weights=str(weights), boxes="color-boxes")

    assert "no such configuration" in message("nosuch", checkpoint)
    assert "not weights of this network" in message(HALPE, checkpoint)
    assert "unexpected" in message(HEATMAPS, checkpoint)
    broken = tmp_path / "broken.py"
    broken.write_text("model = dict(")
    assert "not a configuration of MMPose" in message(str(broken), checkpoint)
    broken.write_text("model = dict(type='PoseLifter')\ntest_dataloader = dict(dataset=dict(pipeline=[]))")
    assert "got PoseLifter" in message(str(broken), checkpoint)
    broken.write_text("model = dict(type='TopdownPoseEstimator')\ntest_dataloader = dict(dataset=dict(pipeline=[]))")
    assert "cannot build this network" in message(str(broken), checkpoint)


@needs_mmpose
def test_rtmpose_in_onnx_runtime_finds_the_same(checkpoint: Path, tmp_path: Path) -> None:
    """The network as an ONNX file, in our own session with our own crops and decoding, against MMPose's."""
    pytest.importorskip("onnxruntime")
    pytest.importorskip("onnx")
    from detectors.rtmpose import RTMPose
    from tests.detectors.onnx_networks import color_boxes

    made = MMPose("cpu", options(SMALL, checkpoint, box_padding=0.0))
    made._model.forward = made._model._forward
    torch.onnx.export(
        made._model,
        (torch.zeros(1, 3, 256, 192),),
        str(tmp_path / "pose.onnx"),
        opset_version=17,
        input_names=["input"],
        output_names=["simcc_x", "simcc_y"],
    )
    del made._model.forward
    color_boxes(tmp_path / "yolox.onnx", (320, 320))
    ours = RTMPose("cpu", options(None, tmp_path, box_padding=0.0, keypoint_decoding="hard"))
    # The size of the network's input, so that both cut out the same pixels.
    frame = scene((320, 320))
    frame[30:286, 80:272] = BLUE
    frame[40:276, 90:262] = np.random.default_rng(3).integers(0, 90, (236, 172, 3))
    (a,), (b,) = made.detect([frame]), ours.detect([frame])
    assert np.array_equal(a.box_px, b.box_px)
    assert np.abs(a.keypoints_px - b.keypoints_px).max() < 1e-3
    assert np.abs(a.keypoint_score - b.keypoint_score).max() < 1e-4
