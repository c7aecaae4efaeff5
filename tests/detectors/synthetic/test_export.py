"""The command's files, read back by other programs' readers."""

import json
from pathlib import Path

import cv2
import numpy as np
import pytest

from detectors.coco_data import KeypointDataset
from detectors.movie import read_movie
from detectors.synthetic.__main__ import main
from poses import COCO17, H36M17


def test_the_command_writes_pictures_movie_json_and_truth_that_agree(tmp_path: Path) -> None:
    arguments = [
        "--output",
        str(tmp_path),
        "--clips",
        "2",
        "--frames",
        "4",
        "--every",
        "2",
        "--size",
        "96x64",
        "--seed",
        "5",
    ]
    assert main(arguments) == 0
    h36m = KeypointDataset.load(tmp_path / "h36m17.json", tmp_path / "images")
    coco = KeypointDataset.load(tmp_path / "coco17.json", tmp_path / "images")
    assert (h36m.skeleton, coco.skeleton) == (H36M17, COCO17)
    assert len(h36m.images) == len(coco.images) == 4
    with np.load(tmp_path / "clip_00001.npz") as truth:
        keypoints, visible = truth["keypoints_h36m_px"][2], truth["visible_h36m"][2]
        image_id = 4
        rows = json.loads((tmp_path / "h36m17.json").read_text())["annotations"]
        for row in (r for r in rows if r["image_id"] == image_id and r["num_keypoints"]):
            listed = np.array(row["keypoints"]).reshape(17, 3)
            labelled = listed[:, 2] > 0
            np.testing.assert_allclose(listed[labelled, :2], keypoints[row["person_id"]][labelled] - 0.5, atol=1e-3)
            np.testing.assert_array_equal(listed[labelled, 2] == 2, visible[row["person_id"]][labelled])
            box = truth["box_px"][2, row["person_id"]]
            np.testing.assert_allclose(row["bbox"], [*box[:2], *(box[2:] - box[:2])], atol=1e-3)
        assert truth["positions_m"].shape == (4, 2, 17, 3)
        fx, fy, cx, cy = truth["intrinsics"][:4]
        matrix = np.array([[fx, 0, cx], [0, fy, cy], [0, 0, 1]])
        seen = cv2.projectPoints(
            truth["positions_m"][2, 0].astype(float), np.zeros(3), np.zeros(3), matrix, np.zeros(4)
        )[0]
        np.testing.assert_allclose(seen[:, 0], keypoints[0], atol=1e-2)
    frames = list(read_movie(tmp_path / "clip_00001.mp4"))
    assert [time_s for time_s, _ in frames] == pytest.approx([0, 0.04, 0.08, 0.12], abs=1e-3)
    picture = cv2.imread(str(tmp_path / "images" / "clip_00001_frame_00002.jpg"))
    # Both are lossy; a frame beside it differs more.
    assert np.abs(frames[2][1].astype(int) - picture).mean() < 6


def test_wrong_sizes_and_missing_archives_are_one_line(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["-o", str(tmp_path), "--size", "20"]) == 2
    assert main(["-o", str(tmp_path), "--size", "33x32"]) == 2
    assert main(["-o", str(tmp_path), "--clips", "0"]) == 2
    assert main(["-o", str(tmp_path), "--motion", str(tmp_path / "none.npz")]) == 1
    assert capsys.readouterr().err.count("error: ") == 4
