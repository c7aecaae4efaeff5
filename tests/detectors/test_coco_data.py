"""COCO-keypoints JSON read as samples, and every lack in it named."""

import copy
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from detectors.coco_data import KeypointDataset, read_image
from poses import COCO17, H36M17, InputError, UsageError
from tests.detectors.keypoint_data import HEIGHT, WIDTH, content, write


def test_samples_have_the_files_boxes_keypoints_and_marks(tmp_path: Path) -> None:
    data = content()
    data["annotations"][1]["keypoints"][3:9] = [0, 0, 0, 31, 7, 1]
    dataset = KeypointDataset.load(write(tmp_path, data), tmp_path)
    assert (len(dataset), dataset.skeleton) == (2, COCO17)
    first, second = dataset[0], dataset[1]
    assert first.image_path == tmp_path / "0.png"
    np.testing.assert_allclose(first.box_px, [8, 3, 28, 43])
    np.testing.assert_allclose(first.keypoints_px[16], [26, 37])
    assert np.isnan(second.keypoints_px[1]).all()
    assert second.visibility[:4].tolist() == [2, 0, 1, 2]
    assert dataset.read_image(1).shape == (HEIGHT, WIDTH, 3)
    assert {number: len(people) for number, people in dataset.by_image().items()} == {10: 1, 11: 1}


def test_any_known_skeleton_is_recognised_by_its_joints(tmp_path: Path) -> None:
    path = write(tmp_path, content(H36M17))
    assert KeypointDataset.load(path, tmp_path).skeleton is H36M17
    assert KeypointDataset.load(path, tmp_path, H36M17).skeleton is H36M17
    with pytest.raises(UsageError, match="not those of coco17"):
        KeypointDataset.load(path, tmp_path, COCO17)


def test_crowds_and_people_without_labels_are_no_samples(tmp_path: Path) -> None:
    data = content(images=3)
    data["annotations"][0] |= {"iscrowd": 1, "keypoints": []}
    data["annotations"][1]["keypoints"] = [0] * 51
    dataset = KeypointDataset.load(write(tmp_path, data), tmp_path)
    assert [sample.image_id for sample in dataset.samples] == [12]
    assert len(dataset.images) == 3


def drop(*place: Any) -> Callable[[dict], None]:
    def change(data: dict) -> None:
        for step in place[:-1]:
            data = data[step]
        del data[place[-1]]

    return change


def put(value: Any, *place: Any) -> Callable[[dict], None]:
    def change(data: dict) -> None:
        for step in place[:-1]:
            data = data[step]
        data[place[-1]] = value

    return change


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (drop("annotations"), "expected a list 'annotations', got only categories, images"),
        (put({}, "images"), "expected a list 'images', got dict"),
        (drop("categories", 0, "keypoints"), "no category lists its keypoints"),
        (put(["a", "b"], "categories", 0, "keypoints"), "no known skeleton: a, b"),
        (drop("images", 1, "width"), "images\\[1\\]: lacks 'width'"),
        (put(0, "images", 1, "height"), "images\\[1\\] \\(1.png\\): size 64x0"),
        (put("../1.png", "images", 1, "file_name"), "below the folder of images"),
        (put("none.png", "images", 1, "file_name"), "none.png: no such image"),
        (put(10, "images", 1, "id"), "id 10 occurs more than once"),
        (drop("annotations", 0, "keypoints"), "annotations\\[0\\]: lacks 'keypoints'"),
        (drop("annotations", 1, "bbox"), "annotations\\[1\\]: lacks 'bbox'"),
        (drop("annotations", 1, "image_id"), "annotations\\[1\\]: lacks 'image_id'"),
        (put([1, 2, 2], "annotations", 1, "keypoints"), "expected 51 finite numbers, got 3 values"),
        (put([1, 2, 0, 5], "annotations", 1, "bbox"), "bbox has size 0x5"),
        (put(99, "annotations", 1, "image_id"), "image_id 99 is not among the images"),
        (put(7, "annotations", 1, "keypoints", 2), "must be 0, 1 or 2"),
    ],
)
def test_what_is_wrong_is_named(tmp_path: Path, change: Callable[[dict], None], words: str) -> None:
    data = copy.deepcopy(content())
    path = write(tmp_path, data)
    change(data)
    path.write_text(json.dumps(data))
    with pytest.raises(InputError, match=words):
        KeypointDataset.load(path, tmp_path)


def test_files_that_are_no_json_and_pictures_that_are_none_are_named(tmp_path: Path) -> None:
    path = write(tmp_path, content())
    whole = path.read_text()
    for text, words in ((whole[:-9], "not JSON, or cut off"), ("[]", "got a list"), ("", "not JSON")):
        path.write_text(text)
        with pytest.raises(InputError, match=words):
            KeypointDataset.load(path, tmp_path)
    path.write_text(whole)
    with pytest.raises(InputError, match="no such file"):
        KeypointDataset.load(tmp_path / "none.json", tmp_path)
    with pytest.raises(InputError, match="no such folder of images"):
        KeypointDataset.load(path, tmp_path / "none")
    (tmp_path / "1.png").write_bytes(b"")
    with pytest.raises(InputError, match=r"1\.png: the image is empty"):
        KeypointDataset.load(path, tmp_path)
    (tmp_path / "1.png").write_bytes(b"not a picture")
    with pytest.raises(InputError, match="not a readable image"):
        read_image(tmp_path / "1.png")
    with pytest.raises(InputError, match="say 32x32 pixels, the image has 64x48"):
        read_image(tmp_path / "0.png", 32, 32)
