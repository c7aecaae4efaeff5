"""Top-down geometry, flip test, batches and selection, with networks whose heatmaps are known."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from detectors.base import DetectorOptions, FrameDetections
from detectors.cpn_model import ARCHITECTURES, CascadedPyramidNetwork, CpnArchitecture
from detectors.heatmap_card import HeatmapCard
from detectors.top_down import TopDown, people_detector
from poses import COCO17, MPII16, Skeleton, UsageError

INPUT_HW = (128, 96)
CARD = HeatmapCard("cpn", COCO17, INPUT_HW, sigma=2.0)


class Boxes:
    """Finds the people it was told of, frame by frame."""

    name = "boxes"
    skeleton = COCO17
    weights_sha256 = "0" * 64

    def __init__(self, frames: Sequence[Sequence[Sequence[float]]]) -> None:
        self.boxes = [np.array(boxes, np.float32).reshape(-1, 4) for boxes in frames]
        self.closed = False

    def detect(self, frames: Sequence[np.ndarray]) -> list[FrameDetections]:
        return [
            FrameDetections(
                b, np.ones(len(b), np.float32), np.zeros((len(b), 17, 2), np.float32), np.ones((len(b), 17))
            )
            for b in self.boxes[: len(frames)]
        ]

    def close(self) -> None:
        self.closed = True


class Brightness(nn.Module):
    """Its heatmaps are the picture itself, a quarter as large: a joint is where the picture is bright.

    Left joints are sought in the right half of the crop, right joints in the left half, as in a person seen from the
    front; the others in all of it. `shift` moves every heatmap to the right, as a network with a bias would.
    """

    def __init__(self, skeleton: Skeleton = COCO17, shift: int = 0) -> None:
        super().__init__()
        self.sides, self.shift = skeleton.sides, shift
        self.calls: list[int] = []

    def heatmaps(self, images: Tensor) -> Tensor:
        self.calls.append(len(images))
        pooled = F.avg_pool2d(images.mean(1), 4).roll(self.shift, -1)
        half = pooled.shape[-1] // 2
        right = (torch.arange(pooled.shape[-1]) >= half).float()
        weight = {"left": right, "right": 1 - right, "centre": torch.ones_like(right)}
        return torch.stack([pooled * weight[side] for side in self.sides], dim=1)


def spots(size_hw: tuple[int, int], places: Sequence[tuple[float, float]], sigma: float) -> np.ndarray:
    """A black picture with a Gaussian spot at each place (x, y from the corner of the picture)."""
    columns, rows = np.meshgrid(np.arange(size_hw[1]) + 0.5, np.arange(size_hw[0]) + 0.5)
    picture = np.zeros(size_hw)
    for x, y in places:
        picture = np.maximum(picture, np.exp(-((columns - x) ** 2 + (rows - y) ** 2) / (2 * sigma**2)))
    return np.round(255 * picture).astype(np.uint8)[..., None].repeat(3, axis=2)


def detector(network: nn.Module, boxes: Boxes, card: HeatmapCard = CARD, **options: object) -> TopDown:
    chosen = DetectorOptions(**({"min_score": 0.0, "box_padding": 0.25} | options))  # type: ignore[arg-type]
    return TopDown("cpn", network, card, boxes, "cpu", chosen, "1" * 64)


LEFT, RIGHT = COCO17.index("left_wrist"), COCO17.index("right_wrist")


@pytest.mark.parametrize("size_hw", [(480, 800), (800, 450)])
@pytest.mark.parametrize(("decoding", "tolerance"), [("soft", 0.06), ("hard", 0.36)])
@pytest.mark.parametrize("flip_test", [False, True])
def test_joints_come_back_to_where_they_are_in_the_frame(
    size_hw: tuple[int, int], decoding: str, tolerance: float, flip_test: bool
) -> None:
    # 400 high and padded by a quarter: 500 / 128 pixels of the frame to one of the crop, 4 of those to a heatmap's.
    box = [60.0, 40.0, 310.0, 440.0]
    heatmap_px = 4 * 500 / 128
    left, right = (251.3, 210.8), (112.9, 318.4)
    frame = spots(size_hw, [left, right], 2 * heatmap_px)
    (found,) = detector(Brightness(), Boxes([[box]]), keypoint_decoding=decoding, flip_test=flip_test).detect([frame])
    assert found.box_px.tolist() == [box]
    assert np.abs(found.keypoints_px[0, LEFT] - left).max() < tolerance * heatmap_px
    assert np.abs(found.keypoints_px[0, RIGHT] - right).max() < tolerance * heatmap_px
    # The middle of the spot may lie half a heatmap's pixel from the middle of the nearest one along both axes.
    assert (found.keypoint_score[0, [LEFT, RIGHT]] > np.exp(-2 * 0.5**2 / (2 * 2**2)) - 0.02).all()


def test_a_person_cut_by_the_border_of_the_frame() -> None:
    place = (6.0, 200.0)
    heatmap_px = 4 * 500 / 128
    frame = spots((480, 640), [place], 2 * heatmap_px)
    (found,) = detector(Brightness(), Boxes([[[-90.0, 40.0, 110.0, 440.0]]])).detect([frame])
    # Beyond the border there is no light, so the spot's middle is seen somewhat inside.
    assert np.abs(found.keypoints_px[0, RIGHT] - place).max() < 0.8 * heatmap_px


def test_the_flip_test_takes_away_a_shift_to_one_side() -> None:
    place = (200.0, 200.0)
    heatmap_px = 4 * 500 / 128
    frame = spots((480, 640), [place], 2 * heatmap_px)
    boxes = Boxes([[[50.0, 40.0, 350.0, 440.0]]])
    nose = COCO17.index("nose")
    (single,) = detector(Brightness(shift=1), boxes).detect([frame])
    (both,) = detector(Brightness(shift=1), boxes, flip_test=True).detect([frame])
    assert single.keypoints_px[0, nose, 0] == pytest.approx(place[0] + heatmap_px, abs=1)
    assert both.keypoints_px[0, nose, 0] == pytest.approx(place[0], abs=1)


@pytest.mark.parametrize("skeleton", [COCO17, MPII16])
def test_several_people_in_several_frames_and_frames_without_anyone(skeleton: Skeleton) -> None:
    places = [[(100.0, 150.0), (330.0, 240.0)], [], [(500.0, 120.0)]]
    boxes = [[[x - 60, y - 90, x + 60, y + 90] for x, y in frame] for frame in places]
    card = HeatmapCard("hourglass", skeleton, (128, 96), sigma=2.0)
    frames = [spots((400, 600), frame, 14) for frame in places]
    top_down = detector(Brightness(skeleton), Boxes(boxes), card)
    found = top_down.detect(frames)
    assert [len(people) for people in found] == [2, 0, 1]
    assert [people.keypoints_px.shape[1] for people in found] == [len(skeleton)] * 3
    middle = [j for j, side in enumerate(skeleton.sides) if side == "centre"]
    for people, expected in zip(found, places, strict=True):
        for keypoints, box in zip(people.keypoints_px, people.box_px, strict=True):
            place = expected[int(np.argmin([abs(x - (box[0] + box[2]) / 2) for x, _ in expected]))]
            assert np.abs(keypoints[middle] - place).max() < 1
    assert top_down.detect([]) == []
    assert top_down.detect([np.zeros((0, 0, 3), np.uint8)][:0]) == []


def test_batch_equals_one_by_one() -> None:
    torch.manual_seed(0)
    network = CascadedPyramidNetwork(CpnArchitecture(blocks=(1, 1, 1, 1), width=4, pyramid=16))
    rng = np.random.default_rng(0)
    frames = [rng.integers(0, 256, (240, 320, 3), dtype=np.uint8) for _ in range(4)]
    boxes = [[[10, 20, 90, 200], [150, 30, 300, 220]], [], [[60, 60, 200, 230]], [[0, 0, 320, 240], [5, 5, 50, 90]]]
    together = detector(network, Boxes(boxes), flip_test=True).detect(frames)
    for i, frame in enumerate(frames):
        (alone,) = detector(network, Boxes([boxes[i]]), flip_test=True).detect([frame])
        assert np.array_equal(alone.keypoints_px, together[i].keypoints_px)
        assert np.array_equal(alone.keypoint_score, together[i].keypoint_score)
    in_batches = detector(network, Boxes(boxes), flip_test=True)
    in_batches.batch = 3
    for one, other in zip(in_batches.detect(frames), together, strict=True):
        assert np.allclose(one.keypoints_px, other.keypoints_px, atol=0.01)


def test_people_of_all_frames_share_batches() -> None:
    network = Brightness()
    top_down = detector(network, Boxes([[[0, 0, 50, 90]] * 2, [], [[60, 0, 99, 99]] * 3]))
    top_down.batch = 4
    top_down.detect([np.zeros((100, 100, 3), np.uint8)] * 3)
    assert network.calls == [4, 1]


def test_bf16_stays_close_to_fp32() -> None:
    torch.manual_seed(0)
    network = CascadedPyramidNetwork(ARCHITECTURES["small"])
    crops = np.random.default_rng(0).integers(0, 256, (2, *INPUT_HW, 3), dtype=np.uint8)
    exact = detector(network, Boxes([])).heatmaps(crops)
    rough = detector(network, Boxes([]), precision="bf16").heatmaps(crops)
    assert rough.dtype == torch.float32
    difference = float((rough - exact).std() / exact.std())
    assert 0 < difference < 0.1


def test_scores_people_and_their_order() -> None:
    frame = spots((300, 900), [(150.0, 150.0), (450.0, 150.0), (750.0, 150.0)], 14)
    frame[:, 300:600] //= 2
    frame[:, 600:] = frame[:, 600:] // 4 * 3
    boxes = Boxes([[[x - 60, 60, x + 60, 240] for x in (150, 450, 750)]])
    (every,) = detector(Brightness(), boxes).detect([frame])
    assert every.box_px[:, 0].tolist() == [90, 690, 390]
    assert (np.diff(every.score) < 0).all()
    assert every.score == pytest.approx(every.keypoint_score.mean(axis=1))
    assert every.keypoint_score[:, 0] / every.keypoint_score[0, 0] == pytest.approx([1, 0.75, 0.5], abs=0.02)
    (best,) = detector(Brightness(), boxes, max_people=1).detect([frame])
    assert best.box_px[:, 0].tolist() == [90]
    (sure,) = detector(Brightness(), boxes, min_score=float(every.score[1])).detect([frame])
    assert len(sure) == 2


def test_one_person_in_two_boxes_is_found_once() -> None:
    frame = spots((300, 300), [(190.0, 100.0), (115.0, 200.0)], 14)
    (found,) = detector(Brightness(), Boxes([[[90, 60, 210, 240], [88, 62, 209, 241]]])).detect([frame])
    assert len(found) == 1
    (found,) = detector(Brightness(), Boxes([[[90, 60, 210, 240], [150, 60, 210, 150]]])).detect([frame])
    assert len(found) == 2


def test_boxes_that_hold_nothing_of_the_frame_are_passed_over() -> None:
    nonsense: list[list[float]] = [
        [50, 50, 50, 90],
        [np.nan, 0, 10, 10],
        [400, 0, 500, 100],
        [20, 20, 10, 10],
        [-50, -50, -1, -1],
    ]
    good = [90.0, 60.0, 210.0, 240.0]
    frame = spots((300, 300), [(150.0, 150.0)], 14)
    (found,) = detector(Brightness(), Boxes([[*nonsense, good]])).detect([frame])
    assert found.box_px.tolist() == [good]


@pytest.mark.parametrize("frame", [np.zeros((0, 10, 3), np.uint8), np.zeros((9, 9), np.uint8), np.zeros((9, 9, 3))])
def test_frames_that_are_none_are_refused(frame: np.ndarray) -> None:
    with pytest.raises(ValueError, match="uint8"):
        detector(Brightness(), Boxes([[]])).detect([frame])


def test_hash_names_all_that_changes_what_is_found() -> None:
    other_boxes = Boxes([])
    other_boxes.weights_sha256 = "2" * 64
    other_card = HeatmapCard("cpn", COCO17, INPUT_HW, sigma=1.7)
    hashes = {
        detector(Brightness(), Boxes([])).weights_sha256,
        detector(Brightness(), other_boxes).weights_sha256,
        detector(Brightness(), Boxes([]), other_card).weights_sha256,
        TopDown("cpn", Brightness(), CARD, Boxes([]), "cpu", DetectorOptions(), "3" * 64).weights_sha256,
    }
    assert len(hashes) == 4
    assert detector(Brightness(), Boxes([])).weights_sha256 in hashes


def test_what_cannot_be_is_refused() -> None:
    with pytest.raises(UsageError, match=r"fp16.*bf16 or fp32"):
        detector(Brightness(), Boxes([]), precision="fp16")
    with pytest.raises(UsageError, match=r"'cuda:99' cannot be had"):
        TopDown("cpn", Brightness(), CARD, Boxes([]), "cuda:99", DetectorOptions(), "1" * 64)
    with pytest.raises(UsageError, match=r"hourglass cannot find the people for cpn"):
        people_detector("cpn", "cpu", DetectorOptions(boxes="hourglass"))
    with pytest.raises(UsageError, match=r"unknown detector 'nobody'"):
        people_detector("cpn", "cpu", DetectorOptions(boxes="nobody"))


def test_closing_closes_the_other_detector() -> None:
    boxes = Boxes([])
    detector(Brightness(), boxes).close()
    assert boxes.closed
