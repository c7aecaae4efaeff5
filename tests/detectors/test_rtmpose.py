"""RTMPose and its person detectors in ONNX Runtime; the oracles are networks that find colours drawn by the test."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
import pytest

pytest.importorskip("onnxruntime", reason="onnxruntime is not installed (extra rtmpose)")
pytest.importorskip("onnx", reason="onnx, which writes the test's networks, is not installed")

from detectors import DetectorOptions, create_detector
from detectors.base import Detector, FrameDetections
from detectors.person_onnx import PersonBoxes, decode_yolox
from detectors.rtmpose import RTMPose
from poses import COCO17, InputError, Skeleton, UsageError
from poses.skeleton import HALPE26
from tests.detectors.onnx_networks import (
    PEOPLE_BGR,
    color_boxes,
    color_cells,
    color_joints,
    joint_colors,
    random_joints,
)

GREY = (20, 20, 20)


def draw_person(frame: np.ndarray, box: tuple[int, int, int, int], person: int, skeleton: Skeleton) -> np.ndarray:
    """Fill the box x1, y1, x2, y2 with a person's colour, put a disc for each joint into it; returns their middles.

    Middles are (J, 2) measured from the corner of the frame; joints get a place by their number, four in a row, and
    a little off it, so that the errors of cutting discs into pixels average out.
    """
    rng = np.random.default_rng(person)
    x1, y1, x2, y2 = box
    frame[y1:y2, x1:x2] = PEOPLE_BGR[person]
    rows = -(-len(skeleton) // 4)
    pitch_x, pitch_y = (x2 - x1) / 4, (y2 - y1) / rows
    radius = round(0.35 * min(pitch_x, pitch_y))
    middles = []
    for joint, color in enumerate(joint_colors(len(skeleton))):
        off = 0.08 * rng.uniform(-1, 1, 2)
        pixel = (round(x1 + pitch_x * (joint % 4 + 0.5 + off[0])), round(y1 + pitch_y * (joint // 4 + 0.5 + off[1])))
        cv2.circle(frame, pixel, radius, color.tolist(), thickness=-1)
        middles.append((pixel[0] + 0.5, pixel[1] + 0.5))
    return np.array(middles)


def make(folder: Path, skeleton: Skeleton = COCO17, boxes: str = "yolox", **options: object) -> RTMPose:
    normalised = boxes == "rtmdet"
    color_boxes(folder / boxes / "end2end.onnx", (320, 320), normalised)
    color_joints(folder / "pose" / "end2end.onnx", len(skeleton), (256, 192))
    return RTMPose("cpu", DetectorOptions(weights=str(folder), **options))  # type: ignore[arg-type]


def same(a: FrameDetections, b: FrameDetections) -> bool:
    names = ("box_px", "score", "keypoints_px", "keypoint_score")
    return all(np.array_equal(getattr(a, n), getattr(b, n)) for n in names)


@pytest.mark.parametrize("shape", [(480, 640), (900, 400), (320, 320), (200, 171), (1080, 1920)])
@pytest.mark.parametrize("boxes", ["yolox", "rtmdet"])
def test_boxes_in_the_frame(tmp_path: Path, shape: tuple[int, int], boxes: str) -> None:
    height, width = shape
    frame = np.full((height, width, 3), GREY, np.uint8)
    wanted = np.array([0.1, 0.2, 0.4, 0.9]) * [width, height, width, height]
    x1, y1, x2, y2 = wanted.round().astype(int)
    frame[y1:y2, x1:x2] = PEOPLE_BGR[1]
    finder = PersonBoxes(color_boxes(tmp_path / f"{boxes}.onnx", (320, 320), boxes == "rtmdet"))
    box, score = finder.find(frame)
    # A pixel of the network's input covers this many of the frame, and belongs to the colour or does not.
    pixel = max(height, width) / 320
    assert box.shape == (1, 4)
    assert np.abs(box[0] - [x1, y1, x2, y2]).max() <= max(1.0, pixel)
    assert score[0] == pytest.approx(0.9)


@pytest.mark.parametrize("stride", [8, 16, 32])
def test_raw_yolox(tmp_path: Path, stride: int) -> None:
    size, log_size = (256, 320), (1.0, 1.5)
    finder = PersonBoxes(color_cells(tmp_path / "yolox.onnx", size, stride, log_size))
    # Twice the size of the input, so a pixel there is two here.
    frame = np.zeros((512, 640, 3), np.uint8)
    # In the first row of cells, so that the box reaches out of the frame and is cut.
    row, column = 0, 320 // stride // 3
    frame[2 * row * stride : 2 * (row + 1) * stride, 2 * column * stride : 2 * (column + 1) * stride] = 255
    box, score = finder.find(frame)
    middle = 2 * stride * np.array([column + 0.5, row + 0.5])
    half = stride * np.exp(log_size)
    limit = np.array([640, 512])
    assert np.allclose(box, [[*np.maximum(middle - half, 0), *np.minimum(middle + half, limit)]], atol=0.01)
    assert score == pytest.approx([1.0], abs=1e-5)


def test_raw_yolox_keeps_one_of_two_that_overlap(tmp_path: Path) -> None:
    finder = PersonBoxes(color_cells(tmp_path / "yolox.onnx", (256, 256), 16, (1.5, 1.5)))
    frame = np.zeros((256, 256, 3), np.uint8)
    frame[112:128, 112:128] = 255
    frame[112:128, 128:144] = 200
    frame[208:224, 16:32] = 255
    box, score = finder.find(frame)
    assert len(box) == 2
    assert score == pytest.approx([1.0, 1.0], abs=1e-5)


def test_raw_map_of_another_size_is_refused() -> None:
    with pytest.raises(InputError, match="gives 2100 cells, got 7"):
        decode_yolox(np.zeros((7, 85), np.float32), (320, 320))


@pytest.mark.parametrize("skeleton", [COCO17, HALPE26])
@pytest.mark.parametrize("boxes", ["yolox", "rtmdet"])
@pytest.mark.parametrize("decoding", ["soft", "hard"])
def test_keypoints_where_they_were_drawn(tmp_path: Path, skeleton: Skeleton, boxes: str, decoding: str) -> None:
    detector = make(tmp_path, skeleton, boxes, keypoint_decoding=decoding)
    frame = np.full((720, 960, 3), GREY, np.uint8)
    drawn = draw_person(frame, (300, 60, 640, 660), 0, skeleton)
    (found,) = detector.detect([frame])
    assert detector.skeleton is skeleton
    assert found.keypoints_px.shape == (1, len(skeleton), 2)
    # A pixel of the crop covers 2.9 of the frame. Half a pixel too much or too little on the way would show.
    pixel = 600 * 1.25 / 256
    away = found.keypoints_px[0] - drawn
    assert np.abs(away).max() < (0.2 if decoding == "soft" else 0.45) * pixel
    assert np.abs(away.mean(axis=0)).max() < 0.1 * pixel
    assert found.keypoint_score.min() > 0.99
    detector.close()


def test_several_people_best_first(tmp_path: Path) -> None:
    detector = make(tmp_path)
    frame = np.full((500, 1300, 3), GREY, np.uint8)
    # So far apart that none reaches into another's crop, where its joints would be taken for the other's.
    places = ((20, 40, 250, 470), (520, 30, 750, 480), (1020, 60, 1250, 440))
    drawn = [draw_person(frame, box, person, COCO17) for person, box in enumerate(places)]
    # The second person's first row of joints is hidden.
    frame[30:130, 520:750] = PEOPLE_BGR[1]
    (found,) = detector.detect([frame])
    order = [int(np.abs(found.box_px[i, 0] - [box[0] for box in places]).argmin()) for i in range(3)]
    assert sorted(order) == [0, 1, 2]
    assert order[2] == 1
    assert found.score[:2] == pytest.approx([1, 1], abs=0.01)
    assert found.score[2] < 0.9
    for place, person in enumerate(order[:2]):
        assert np.abs(found.keypoints_px[place] - drawn[person]).max() < 0.2 * 450 * 1.25 / 256
    detector.options = DetectorOptions(max_people=2)
    assert len(detector.detect([frame])[0]) == 2
    detector.options = DetectorOptions(min_score=0.9)
    assert len(detector.detect([frame])[0]) == 2


def test_two_boxes_around_one_person(tmp_path: Path) -> None:
    """Boxes of little overlap, which suppression by boxes leaves, but the same joints in both crops."""
    detector = make(tmp_path)
    frame = np.full((500, 500, 3), GREY, np.uint8)
    drawn = draw_person(frame, (150, 100, 350, 400), 0, COCO17)
    frame[450:452, 10:12] = frame[20:22, 488:490] = PEOPLE_BGR[1]
    (found,) = detector.detect([frame])
    assert len(found) == 1
    assert np.abs(found.keypoints_px[0] - drawn).max() < 0.3 * 500 * 1.25 / 192


def test_padding_shows_what_is_outside_of_the_box(tmp_path: Path) -> None:
    frame = np.full((500, 500, 3), GREY, np.uint8)
    draw_person(frame, (150, 100, 350, 400), 0, COCO17)
    # The box ends here; the last row of joints is below it, on the background's colour.
    frame[340:, 150:350][(frame[340:, 150:350] == PEOPLE_BGR[0]).all(axis=-1)] = GREY
    seen = {}
    for padding in (0.0, 0.5):
        (found,) = make(tmp_path / str(padding), box_padding=padding).detect([frame])
        assert found.box_px[0, 3] == pytest.approx(340, abs=2)
        seen[padding] = found.keypoint_score[0, 16]
    assert seen[0.0] < 0.2
    assert seen[0.5] > 0.99


def test_portrait_frame_and_a_person_at_its_edge(tmp_path: Path) -> None:
    detector = make(tmp_path)
    frame = np.full((1280, 500, 3), GREY, np.uint8)
    drawn = draw_person(frame, (250, 700, 500, 1280), 2, COCO17)
    (found,) = detector.detect([frame])
    assert np.abs(found.keypoints_px[0] - drawn).max() < 0.2 * 580 * 1.25 / 256
    assert np.abs(found.box_px[0] - [250, 700, 500, 1280]).max() <= 1280 / 320


@pytest.mark.parametrize("shape", [(1, 1), (2, 300), (480, 640)])
def test_empty_frame(tmp_path: Path, shape: tuple[int, int]) -> None:
    detector = make(tmp_path)
    (found,) = detector.detect([np.full((*shape, 3), GREY, np.uint8)])
    assert len(found) == 0
    assert found.keypoints_px.shape == (0, 17, 2)
    assert detector.detect([]) == []


def test_batch_equals_one_by_one(tmp_path: Path) -> None:
    color_boxes(tmp_path / "yolox.onnx", (320, 320))
    random_joints(tmp_path / "pose.onnx", 17, (256, 192))
    detector = RTMPose("cpu", DetectorOptions(weights=str(tmp_path), min_score=0.0))
    rng = np.random.default_rng(1)
    frames = [rng.integers(0, 90, (240, 320, 3), dtype=np.uint8) for _ in range(3)]
    for number, frame in enumerate(frames):
        for person in range(number):
            frame[40:200, 20 + 100 * person : 90 + 100 * person] = PEOPLE_BGR[person]
    together = detector.detect(frames)
    assert [len(found) for found in together] == [0, 1, 2]
    assert all(same(a, detector.detect([f])[0]) for a, f in zip(together, frames, strict=True))
    assert all(same(a, b) for a, b in zip(reversed(together), detector.detect(frames[::-1]), strict=True))


def test_files_that_take_one_image_at_a_time(tmp_path: Path) -> None:
    frame = np.full((500, 1000, 3), GREY, np.uint8)
    for person, box in enumerate(((20, 40, 300, 470), (350, 30, 620, 480))):
        draw_person(frame, box, person, COCO17)
    boxes = color_boxes(tmp_path / "yolox.onnx", (320, 320))
    found = []
    for batch in ("batch", 1):
        pose = color_joints(tmp_path / f"{batch}.onnx", 17, (256, 192), batch)
        found += RTMPose("cpu", DetectorOptions(weights=f"{pose},{boxes}")).detect([frame])
    assert len(found[0]) == 2
    assert np.allclose(found[0].keypoints_px, found[1].keypoints_px, atol=1e-3)


def test_flip_test_sees_no_sides(tmp_path: Path) -> None:
    """Averaged with its mirror image, any network's result for a mirrored frame is the mirrored result."""
    color_boxes(tmp_path / "yolox.onnx", (320, 320))
    random_joints(tmp_path / "pose.onnx", 17, (256, 192))
    rng = np.random.default_rng(2)
    frame = np.full((320, 320, 3), GREY, np.uint8)
    # As large as the network's input, so that cutting out does not scale, which would not be exactly symmetric.
    frame[40:296, 60:252] = PEOPLE_BGR[0]
    frame[44:292, 64:248] = cv2.GaussianBlur(rng.integers(0, 255, (248, 184, 3), dtype=np.uint8), (0, 0), 3)
    results = []
    for flip in (True, False):
        options = DetectorOptions(weights=str(tmp_path), min_score=0.0, flip_test=flip, box_padding=0)
        detector = RTMPose("cpu", options)
        (seen,), (turned,) = detector.detect([frame]), detector.detect([np.ascontiguousarray(frame[:, ::-1])])
        back = turned.keypoints_px[0, COCO17.mirror] * [-1, 1] + [320, 0]
        results.append(np.abs(seen.keypoints_px[0] - back))
    assert results[0].max() < 0.02
    assert results[1].max() > 1.0


def test_chosen_by_name_and_hashed(tmp_path: Path) -> None:
    make(tmp_path / "a")
    make(tmp_path / "b")
    random_joints(tmp_path / "b" / "pose" / "end2end.onnx", 17, (256, 192))
    hashes = []
    for folder in ("a", "a", "b"):
        detector: Detector = create_detector("rtmpose", options=DetectorOptions(weights=str(tmp_path / folder)))
        assert isinstance(detector, Detector)
        hashes.append(detector.weights_sha256)
        detector.close()
    assert hashes[0] == hashes[1] != hashes[2]


def refused(**options: object) -> str:
    with pytest.raises((InputError, UsageError)) as caught:
        create_detector("rtmpose", options=DetectorOptions(**options))  # type: ignore[arg-type]
    return str(caught.value)


def test_what_cannot_be_had(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("POSES3D_CACHE", str(tmp_path / "cache"))
    assert "python -m detectors.weights get yolox-m" in refused()
    assert "python -m detectors.weights get yolox-tiny" in refused(model="t")
    assert "choose one of: t, s, m, l, m-384" in refused(model="xxl")
    assert "precision 'fp16'" in refused(precision="fp16")
    boxes = color_boxes(tmp_path / "yolox.onnx", (320, 320))
    pose = color_joints(tmp_path / "pose.onnx", 17, (256, 192))
    assert "python -m detectors.weights get rtmpose-m" in refused(weights=str(boxes))
    assert "leave one out" in refused(weights=f"{boxes},{pose}", model="s")
    assert "at most two files" in refused(weights=f"{boxes},{pose},{pose}")
    with pytest.raises(UsageError, match="device 'mps'"):
        create_detector("rtmpose", "mps", DetectorOptions(weights=f"{boxes},{pose}"))


def test_files_that_are_no_such_networks(tmp_path: Path) -> None:
    boxes = color_boxes(tmp_path / "yolox.onnx", (320, 320))
    pose = color_joints(tmp_path / "pose" / "net.onnx", 17, (256, 192))
    broken = tmp_path / "broken" / "net.onnx"
    broken.parent.mkdir()
    broken.write_bytes(pose.read_bytes()[:2000])
    assert "not a network that ONNX Runtime can run" in refused(weights=f"{boxes},{broken}")
    unnamed = color_boxes(tmp_path / "other" / "net.onnx", (320, 320))
    assert "cannot tell whether this is RTMDet or YOLOX" in refused(weights=f"{unnamed},{pose}")
    assert "found 2 and 0" in refused(weights=str(_two_detectors(tmp_path / "two")))
    fifteen = color_joints(tmp_path / "fifteen" / "yolox.onnx", 15, (256, 192))
    detector = RTMPose("cpu", DetectorOptions(weights=f"{fifteen},{pose}"))
    with pytest.raises(InputError, match="not the outputs of a person detector"):
        detector.detect([np.zeros((64, 64, 3), np.uint8)])


def _two_detectors(folder: Path) -> Path:
    color_boxes(folder / "yolox.onnx", (320, 320))
    color_boxes(folder / "rtmdet.onnx", (320, 320))
    return folder


@pytest.mark.parametrize("frame", [np.zeros((9, 9), np.uint8), np.zeros((9, 9, 3)), np.zeros((0, 9, 3), np.uint8)])
def test_what_is_not_a_frame_is_refused(tmp_path: Path, frame: np.ndarray) -> None:
    with pytest.raises(ValueError, match="must be"):
        make(tmp_path).detect([frame])
