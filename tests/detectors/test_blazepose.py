"""The default detector on pictures of real people; the oracle is joints marked by hand."""

from __future__ import annotations

import hashlib
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import cv2
import numpy as np
import pytest

from detectors import DetectorOptions, create_detector
from detectors.base import Detector, FrameDetections
from detectors.oks import person_size_px
from poses import COCO17, UsageError

DATA = Path(__file__).parents[1] / "data"

MAN = {
    "nose": (173, 103),
    "right_shoulder": (113, 152),
    "left_shoulder": (201, 150),
    "right_elbow": (97, 213),
    "left_elbow": (213, 207),
    "right_wrist": (90, 262),
    "left_wrist": (222, 257),
    "right_knee": (127, 330),
    "left_knee": (181, 328),
    "right_ankle": (130, 410),
    "left_ankle": (178, 410),
}
"""Pixels in one_person.jpg: he faces the camera, so his right is at the image's left."""
WOMAN = {
    "nose": (775, 376),
    "left_shoulder": (806, 408),
    "left_elbow": (822, 455),
    "left_wrist": (840, 495),
    "right_wrist": (738, 482),
    "left_knee": (760, 540),
    "left_ankle": (763, 605),
    "right_knee": (806, 546),
    "right_ankle": (850, 592),
}
"""Pixels in two_people.jpg: she walks to the left, so her left side is the near one."""


@pytest.fixture(scope="module")
def detector() -> Iterator[Detector]:
    made = create_detector("blazepose")
    yield made
    made.close()


def picture(name: str) -> np.ndarray:
    image = cv2.imread(str(DATA / name))
    assert image is not None
    return image


def misses(found: FrameDetections, person: int, marks: dict[str, tuple[int, int]]) -> np.ndarray:
    """Distance of each marked joint, in body sizes."""
    joints = COCO17.indices(*marks)
    away = found.keypoints_px[person, joints] - np.array(list(marks.values()))
    return np.hypot(*away.T) / person_size_px(found.keypoints_px[person])


def same(a: FrameDetections, b: FrameDetections) -> bool:
    names = ("box_px", "score", "keypoints_px", "keypoint_score")
    return all(np.array_equal(getattr(a, n), getattr(b, n)) for n in names)


def test_joints_lie_where_a_person_marked_them(detector: Detector) -> None:
    (found,) = detector.detect([picture("one_person.jpg")])
    assert len(found) == 1
    assert found.score[0] > 0.7
    away = misses(found, 0, MAN)
    assert away.max() < 0.06
    assert away.mean() < 0.03


def test_both_people_of_a_wide_picture_are_found(detector: Detector) -> None:
    (found,) = detector.detect([picture("two_people.jpg")])
    assert len(found) == 2
    middle_x = found.box_px[:, [0, 2]].mean(axis=1)
    woman = int(middle_x.argmax())
    away = misses(found, woman, WOMAN)
    assert away.max() < 0.08
    assert away.mean() < 0.04
    # The crop one_person.jpg begins at (480, 20) of the video's 1768 pixels, scaled here by 1180 / 1768.
    scale = 1180 / 1768
    man = {joint: (round((x + 480) * scale), round((y + 20) * scale)) for joint, (x, y) in MAN.items()}
    assert misses(found, 1 - woman, man).mean() < 0.035


def test_boxes_hold_their_keypoints(detector: Detector) -> None:
    (found,) = detector.detect([picture("two_people.jpg")])
    low, high = found.box_px[:, None, :2], found.box_px[:, None, 2:]
    assert ((found.keypoints_px > low) & (found.keypoints_px < high)).all()
    assert (found.keypoint_score >= 0).all()
    assert (found.keypoint_score <= 1).all()


def test_small_people_need_tiles() -> None:
    image = picture("two_people.jpg")
    counts = {}
    for tiles in ("none", "coarse", "fine"):
        detector = create_detector("blazepose", options=DetectorOptions(tiles=tiles))
        counts[tiles] = len(detector.detect([image])[0])
        detector.close()
    assert counts["none"] < counts["coarse"] == counts["fine"] == 2


def test_mirrored_picture_gives_mirrored_people(detector: Detector) -> None:
    image = picture("one_person.jpg")
    (found,) = detector.detect([np.ascontiguousarray(image[:, ::-1])])
    mirrored = {joint: (image.shape[1] - 1 - x, y) for joint, (x, y) in MAN.items()}
    exchanged = {COCO17.joints[COCO17.mirror[COCO17.index(joint)]]: xy for joint, xy in mirrored.items()}
    assert len(found) == 1
    assert misses(found, 0, exchanged).mean() < 0.03
    assert misses(found, 0, mirrored).mean() > 0.1


def test_portrait_frame(detector: Detector) -> None:
    image = cv2.copyMakeBorder(picture("one_person.jpg"), 250, 110, 0, 0, cv2.BORDER_REPLICATE)
    assert image.shape[0] > 2 * image.shape[1]
    (found,) = detector.detect([image])
    assert len(found) == 1
    assert misses(found, 0, {joint: (x, y + 250) for joint, (x, y) in MAN.items()}).mean() < 0.03


@pytest.mark.parametrize("size", [(1, 1), (16, 16), (2, 300), (720, 405)])
def test_frame_without_people(detector: Detector, size: tuple[int, int]) -> None:
    (found,) = detector.detect([np.full((*size, 3), 128, np.uint8)])
    assert len(found) == 0
    assert found.keypoints_px.shape == (0, 17, 2)


def test_no_frames(detector: Detector) -> None:
    assert detector.detect([]) == []


def test_result_depends_on_the_frame_alone(detector: Detector) -> None:
    two = picture("two_people.jpg")
    other = np.ascontiguousarray(two[:, ::-1])
    alone = [detector.detect([frame])[0] for frame in (two, other)]
    forth = detector.detect([two, other, two, two])
    back = detector.detect([other, two])
    assert all(same(a, alone[i]) for a, i in zip(forth, (0, 1, 0, 0), strict=True))
    assert same(back[0], alone[1])
    assert same(back[1], alone[0])


def test_another_process_finds_the_same_bytes_and_is_quiet(detector: Detector) -> None:
    path = DATA / "two_people.jpg"
    script = (
        "import cv2, hashlib, sys; from detectors import create_detector; d = create_detector('blazepose');"
        "f = d.detect([cv2.imread(sys.argv[1])])[0]; d.close();"
        "print(hashlib.sha256(f.keypoints_px.tobytes() + f.keypoint_score.tobytes()).hexdigest())"
    )
    run = subprocess.run(
        [sys.executable, "-c", script, str(path)], cwd=DATA.parents[1], capture_output=True, text=True, check=True
    )
    (found,) = detector.detect([picture("two_people.jpg")])
    digest = hashlib.sha256(found.keypoints_px.tobytes() + found.keypoint_score.tobytes()).hexdigest()
    assert run.stdout.strip() == digest
    assert run.stderr == ""


def test_options_limit_people() -> None:
    detector = create_detector("blazepose", options=DetectorOptions(max_people=1))
    (one,) = detector.detect([picture("two_people.jpg")])
    detector.close()
    assert len(one) == 1
    picky = create_detector("blazepose", options=DetectorOptions(min_score=0.999))
    (none,) = picky.detect([picture("two_people.jpg")])
    picky.close()
    assert len(none) == 0


@pytest.mark.parametrize(
    "frame", [np.zeros((9, 9), np.uint8), np.zeros((9, 9, 3), float), np.zeros((0, 9, 3), np.uint8)]
)
def test_what_is_not_a_frame_is_refused(detector: Detector, frame: np.ndarray) -> None:
    with pytest.raises(ValueError, match="must be"):
        detector.detect([frame])


def test_absent_device_is_an_error() -> None:
    with pytest.raises(UsageError, match="cuda"):
        create_detector("blazepose", device="cuda")
