"""OKS AP, PCK and pixel error: perfect detections, and offsets whose errors are known in closed form."""

import json
import math
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest

from detectors.base import FrameDetections
from detectors.coco_data import KeypointDataset
from detectors.evaluate import evaluate, format_table, main
from detectors.keypoint_scores import KeypointScores, match_people
from detectors.oks import COCO_SIGMAS
from poses import COCO17, H36M17, Skeleton, UsageError
from tests.detectors.keypoint_data import content, write


class Shifted:
    """Finds what is labelled, moved by `offset_px`; nothing in the pictures listed in `blind`.

    Labels count from the middle of the first pixel, detections from the corner of the picture.
    """

    name = "shifted"
    weights_sha256 = ""

    def __init__(
        self, dataset: KeypointDataset, offset_px: tuple[float, float] = (0, 0), blind: Sequence[int] = ()
    ) -> None:
        self.skeleton: Skeleton = dataset.skeleton
        self._people = [dataset.by_image()[image.id] for image in dataset.images]
        self._offset, self._blind, self._next = np.array(offset_px, np.float32), blind, 0

    def detect(self, frames: Sequence[np.ndarray]) -> list[FrameDetections]:
        found = []
        for _ in frames:
            people = [] if self._next in self._blind else self._people[self._next]
            points = np.array([p.keypoints_px + 0.5 + self._offset for p in people], np.float32).reshape(-1, 17, 2)
            boxes = np.array([p.box_px for p in people], np.float32).reshape(-1, 4)
            found.append(
                FrameDetections(boxes, np.ones(len(people), np.float32), points, np.ones((len(people), 17), np.float32))
            )
            self._next += 1
        return found

    def close(self) -> None:
        pass


@pytest.fixture
def dataset(tmp_path: Path) -> KeypointDataset:
    data = content(images=4)
    for number, person in enumerate(data["annotations"]):
        # COCO's large people have more than 96² square pixels.
        person["area"] = 10_000.0 if number % 2 else 5_000.0
    return KeypointDataset.load(write(tmp_path, data), tmp_path)


def test_perfect_detections_have_ap_1_and_no_error(dataset: KeypointDataset) -> None:
    pytest.importorskip("pycocotools", reason="OKS AP needs pycocotools")
    result = evaluate(Shifted(dataset), dataset, dataset.images)
    for name in ("AP", "AP50", "AP75", "AR", "AP_medium", "AP_large", "pck", "found_share"):
        assert result[name] == pytest.approx(1.0), name
    assert result["mean_error_px"] == 0
    assert result["by_joint"]["left_knee"] == {"error_px": 0.0, "pck": 1.0}


def test_a_shift_gives_the_closed_form_of_oks_and_error(tmp_path: Path) -> None:
    """OKS = mean exp(-d² / (2 area (2 sigma)²)); AP is the share of the thresholds 0.5, 0.55 ... 0.95 below it."""
    pytest.importorskip("pycocotools", reason="OKS AP needs pycocotools")
    data = content(images=3)
    for person in data["annotations"]:
        person["area"] = 2_500.0
    dataset = KeypointDataset.load(write(tmp_path, data), tmp_path)
    for offset in ((1.5, 2.0), (2.4, 3.2)):
        length = math.hypot(*offset)
        oks = float(np.mean(np.exp(-(length**2) / (2 * 2_500.0 * (2 * COCO_SIGMAS) ** 2))))
        expected = np.mean(np.arange(0.5, 0.96, 0.05) <= oks)
        assert 0 < expected < 1
        result = evaluate(Shifted(dataset, offset), dataset, dataset.images)
        assert result["AP"] == pytest.approx(expected)
        assert result["mean_error_px"] == pytest.approx(length)
        assert result["median_error_px"] == pytest.approx(length)
        # The box's longer side is 40 pixels: correct within 2.
        assert result["pck"] == 0


def test_people_who_are_not_found_count_against_recall_and_pck(dataset: KeypointDataset) -> None:
    pytest.importorskip("pycocotools", reason="OKS AP needs pycocotools")
    result = evaluate(Shifted(dataset, (1.0, 0.0), blind=[1]), dataset, dataset.images)
    assert result["found_share"] == pytest.approx(0.75)
    assert result["pck"] == pytest.approx(0.75)
    assert result["AR50"] == pytest.approx(0.75)
    assert result["mean_error_px"] == pytest.approx(1.0)
    nobody = evaluate(Shifted(dataset, blind=range(4)), dataset, dataset.images)
    assert (nobody["AP"], nobody["found_share"], nobody["mean_error_px"]) == (0, 0, None)
    assert "-" in format_table({"soft": nobody})


def test_pck_and_errors_of_single_joints() -> None:
    scores = KeypointScores(COCO17)
    truth = np.stack([10.0 + 5 * np.arange(17), 3.0 * np.arange(17)], axis=-1)[None]
    truth[0, 3] = np.nan
    found = truth.copy()
    found[0, 5] += (0, 4.9)
    found[0, 6] += (0, 5.1)
    found[0, 7] = np.nan
    scores.add(found, truth, np.array([[0.0, 0.0, 100.0, 80.0]]))
    summary = scores.summary()
    joints = summary["by_joint"]
    assert joints["left_shoulder"] == {"error_px": pytest.approx(4.9), "pck": 1.0}
    assert joints["right_shoulder"] == {"error_px": pytest.approx(5.1), "pck": 0.0}
    assert joints["left_elbow"] == {"error_px": None, "pck": 0.0}
    assert joints["left_ear"] == {"error_px": None, "pck": None}
    assert summary["pck"] == pytest.approx(14 / 16)
    assert summary["mean_error_px"] == pytest.approx(10 / 15)


def test_people_are_matched_to_the_nearest_whatever_their_order() -> None:
    grid = np.stack([np.arange(17) % 4 * 10.0, np.arange(17) // 4 * 20.0], axis=-1)
    labelled = np.stack([grid, grid + np.array([200.0, 0.0]), grid + np.array([400.0, 0.0])])
    found = labelled[[2, 0]] + 1.0
    assert match_people(found, labelled, COCO_SIGMAS) == [(0, 2), (1, 0)]
    assert match_people(found + 1000, labelled, COCO_SIGMAS) == []


def test_a_skeleton_that_cannot_be_had_is_refused_before_the_work(tmp_path: Path, dataset: KeypointDataset) -> None:
    (tmp_path / "h36m").mkdir()
    other = KeypointDataset.load(write(tmp_path / "h36m", content(H36M17)), tmp_path / "h36m")
    with pytest.raises(UsageError, match=r"coco17.*h36m17"):
        evaluate(Shifted(dataset), other, other.images)


def test_the_command_writes_a_table_and_json(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    pytest.importorskip("pycocotools", reason="OKS AP needs pycocotools")
    path = write(tmp_path, content())
    out = tmp_path / "out.json"
    arguments = ["--detector", "blazepose", "--data", str(path), "--images", str(tmp_path), "--set", "tiles=none"]
    assert main([*arguments, "--keypoint-decoding", "soft", "hard", "--limit", "1", "--json", str(out)]) == 0
    table = capsys.readouterr().out
    assert "mean_error_px" in table
    assert "left_wrist" in table
    results = json.loads(out.read_text())["results"]
    # Grey pictures hold nobody.
    assert results["soft"]["AP"] == results["hard"]["AP"] == 0


def test_wrong_names_and_files_are_one_line(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    pytest.importorskip("pycocotools", reason="OKS AP needs pycocotools")
    path = write(tmp_path, content())
    base = ["--data", str(path), "--images", str(tmp_path)]
    assert main(["--detector", "nobody", *base]) == 2
    assert main(["--detector", "blazepose", "--set", "tile=none", *base]) == 2
    assert main(["--detector", "blazepose", "--data", str(tmp_path / "x.json"), "--images", str(tmp_path)]) == 1
    lines = capsys.readouterr().err.strip().splitlines()
    assert len(lines) == 3
    assert "choose one of" in lines[0]
    assert "nearest known: tiles" in lines[1]
