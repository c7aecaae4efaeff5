"""Which file belongs to a video, whether its keypoints fit, and what becomes detections."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from detectors import DetectorOptions, create_detector
from detectors.from_file import VideoFrames, check_for_many, find_keypoint_file, read_detections
from poses import COCO17, InputError, UsageError
from tests.detectors.keypoint_writers import (
    FRAMES,
    OPENPOSE_25,
    SIZE,
    mmpose_frames,
    results,
    truth,
    write_custom,
    write_json,
    write_openpose,
)

POINTS, SCORE = truth()
ALL = DetectorOptions(min_score=0.0)
WHOLE = VideoFrames("clip.mp4", *SIZE, total=FRAMES, first=0, kept=FRAMES)


def test_people_become_detections_best_first(tmp_path: Path) -> None:
    score = np.broadcast_to(np.array([0.6, 0.9])[:, None], SCORE.shape)
    file = find_keypoint_file(write_json(tmp_path / "a.json", results(POINTS, score)), "clip.mp4")
    found = read_detections(file, WHOLE, ALL)
    assert found.frame.tolist() == np.repeat(np.arange(FRAMES), 2).tolist()
    np.testing.assert_allclose(found.score, np.tile([0.9, 0.6], FRAMES), rtol=1e-6)
    np.testing.assert_allclose(found.keypoints_px, POINTS[:, ::-1].reshape(-1, 17, 2), rtol=1e-6)
    assert (found.detector, found.skeleton, found.weights_sha256) == ("file", COCO17, file.sha256)
    for name in ("box_px", "score", "keypoints_px", "keypoint_score"):
        assert getattr(found, name).dtype == np.float32
    best = read_detections(file, WHOLE, DetectorOptions(max_people=1))
    np.testing.assert_allclose(best.keypoints_px, POINTS[:, 1], rtol=1e-6)
    sure = read_detections(file, WHOLE, DetectorOptions(min_score=0.7))
    np.testing.assert_allclose(sure.score, 0.9, rtol=1e-6)
    assert len(sure) == FRAMES


def test_boxes_that_lack_are_drawn_around_the_keypoints(tmp_path: Path) -> None:
    file = find_keypoint_file(write_openpose(tmp_path / "json", POINTS, SCORE, OPENPOSE_25), "clip.mp4")
    found = read_detections(file, WHOLE, ALL)
    low, high = found.keypoints_px.min(axis=1), found.keypoints_px.max(axis=1)
    assert (found.box_px[:, :2] < low).all()
    assert (found.box_px[:, 2:] > high).all()


def test_a_part_of_the_video_takes_its_own_frames(tmp_path: Path) -> None:
    file = find_keypoint_file(write_json(tmp_path / "a.json", mmpose_frames(POINTS, SCORE, 0)), "clip.mp4")
    found = read_detections(file, VideoFrames("clip.mp4", *SIZE, total=FRAMES, first=2, kept=3), ALL)
    assert found.frame.tolist() == [0, 0, 1, 1, 2, 2]
    wanted = np.sort(POINTS[2:5].reshape(3, 2, 34), axis=1)
    np.testing.assert_allclose(np.sort(found.keypoints_px.reshape(3, 2, 34), axis=1), wanted, rtol=1e-6)


@pytest.mark.parametrize("name", ["clip.json", "clip.mp4.npz", "clip"])
def test_a_folder_with_a_file_for_each_video(tmp_path: Path, name: str) -> None:
    places = {
        "clip.json": lambda path: write_json(path, results(POINTS, SCORE)),
        "clip.mp4.npz": lambda path: write_custom(path, {"clip": POINTS[:, 0]}),
        "clip": lambda path: write_openpose(path, POINTS, SCORE, OPENPOSE_25),
    }
    path = places[name](tmp_path / name)
    write_json(tmp_path / "clipped.json", [])
    file = find_keypoint_file(tmp_path, Path("videos") / "clip.mp4")
    assert file.path == path
    assert len(read_detections(file, WHOLE, ALL)) in (FRAMES, 2 * FRAMES)


def test_a_folder_in_which_nothing_or_too_much_fits(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="absent: no such file or folder of keypoints: check --keypoints"):
        find_keypoint_file(tmp_path / "absent", "clip.mp4")
    with pytest.raises(
        InputError, match=r"expected one file of keypoints for clip\.mp4, named clip\.\*, found nothing"
    ):
        find_keypoint_file(tmp_path, "clip.mp4")
    for name in ("clip.json", "clip.npz"):
        write_json(tmp_path / name, [])
    with pytest.raises(InputError, match=r"found clip\.json and clip\.npz"):
        find_keypoint_file(tmp_path, "clip.mp4")


def test_one_json_for_several_videos_is_wrong_usage(tmp_path: Path) -> None:
    path = write_json(tmp_path / "a.json", results(POINTS, SCORE))
    check_for_many(path, 1)
    check_for_many(tmp_path, 3)
    with pytest.raises(UsageError, match=r"a\.json: one file of keypoints for 3 videos: give a folder"):
        check_for_many(path, 3)


def test_the_hash_is_of_the_content(tmp_path: Path) -> None:
    path = write_json(tmp_path / "a.json", results(POINTS, SCORE))
    first = find_keypoint_file(path, "clip.mp4").sha256
    assert find_keypoint_file(path, "clip.mp4").sha256 == first
    assert find_keypoint_file(write_json(tmp_path / "b.json", results(POINTS, SCORE)), "clip.mp4").sha256 == first
    write_json(path, results(POINTS, SCORE)[1:])
    assert find_keypoint_file(path, "clip.mp4").sha256 != first
    folder = write_openpose(tmp_path / "json", POINTS, SCORE, OPENPOSE_25)
    before = find_keypoint_file(folder, "clip.mp4").sha256
    write_json(folder / "clip_000000000003_keypoints.json", {"people": []})
    assert find_keypoint_file(folder, "clip.mp4").sha256 != before


@pytest.mark.parametrize(
    ("points", "video", "message"),
    [
        (POINTS, {"total": 5}, r"keypoints of frame 5, but clip\.mp4 has frames 0 to 4"),
        (POINTS, {"width": 320, "height": 180}, r"% of the keypoints lie outside of the 320x180 pixels of clip\.mp4"),
        (POINTS / (1280, 720), {}, r"keypoints in parts of the picture's size \(none above 0\.\d\d\), not in pixels"),
    ],
)
def test_keypoints_of_another_video(tmp_path: Path, points: np.ndarray, video: dict[str, int], message: str) -> None:
    file = find_keypoint_file(write_json(tmp_path / "a.json", results(points, SCORE)), "clip.mp4")
    frames = {"width": SIZE[0], "height": SIZE[1], "total": FRAMES, "first": 0, "kept": FRAMES, **video}
    with pytest.raises(InputError, match=rf"a\.json: .*{message}"):
        read_detections(file, VideoFrames("clip.mp4", **frames), ALL)


def test_frames_counted_from_one(tmp_path: Path) -> None:
    entries = [{**e, "image_id": e["image_id"] + 1} for e in results(POINTS, SCORE)]
    file = find_keypoint_file(write_json(tmp_path / "a.json", entries), "clip.mp4")
    with pytest.raises(InputError, match=r"frame 6, .* frames 0 to 5; they seem to be counted from 1: subtract 1"):
        read_detections(file, WHOLE, ALL)


@pytest.mark.parametrize("frames", [FRAMES - 1, FRAMES + 1])
def test_an_entry_for_each_frame_must_be_as_many_as_the_video_has(tmp_path: Path, frames: int) -> None:
    points, score = truth(frames=frames)
    for path in (
        write_json(tmp_path / "a.json", mmpose_frames(points, score, 0)),
        write_openpose(tmp_path / "json", points, score, OPENPOSE_25),
        write_custom(tmp_path / "a.npz", {"clip": points[:, 0]}),
    ):
        with pytest.raises(InputError, match=rf"keypoints of {frames} frames, but clip\.mp4 has {FRAMES}"):
            read_detections(find_keypoint_file(path, "clip.mp4"), WHOLE, ALL)


def test_another_size_that_the_file_itself_says(tmp_path: Path) -> None:
    path = write_custom(tmp_path / "a.npz", {"clip": POINTS[:, 0]}, size=(640, 480))
    with pytest.raises(InputError, match=r"a video of 640x480 pixels, but clip\.mp4 has 1280x720"):
        read_detections(find_keypoint_file(path, "clip.mp4"), WHOLE, ALL)


def test_it_is_no_detector_of_single_frames() -> None:
    with pytest.raises(UsageError, match=r"reads the keypoints of a video .* --detector file --keypoints FILE"):
        create_detector("file")
