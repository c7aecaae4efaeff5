"""Each form of keypoint file, written as its own program writes it, gives back the truth."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from detectors.keypoint_files import FileKeypoints, read_keypoint_file
from poses import COCO17, HALPE26, MPII16, InputError, Skeleton
from tests.detectors.keypoint_writers import (
    FRAMES,
    HALPE_NAMES,
    OPENPOSE_18,
    OPENPOSE_25,
    SIZE,
    mmpose_frames,
    mmpose_meta,
    results,
    truth,
    write_custom,
    write_json,
    write_openpose,
    write_reference_output,
)
from tests.detectors.walker import detections_of

VIDEO = "clip.mp4"
POINTS, SCORE = truth()


def check(found: FileKeypoints, points: np.ndarray, score: np.ndarray, skeleton: Skeleton = COCO17) -> None:
    frames, people, joints = score.shape
    assert found.skeleton == skeleton
    assert found.frame.tolist() == np.repeat(np.arange(frames), people).tolist()
    np.testing.assert_allclose(found.keypoints_px, points.reshape(-1, joints, 2), rtol=1e-6)
    np.testing.assert_allclose(found.keypoint_score, score.reshape(-1, joints), rtol=1e-6)
    np.testing.assert_allclose(found.score, score.reshape(-1, joints).mean(axis=1), rtol=1e-6)


def check_boxes(found: FileKeypoints, points: np.ndarray) -> None:
    flat = points.reshape(-1, *points.shape[2:])
    np.testing.assert_allclose(found.box_px, np.concatenate([flat.min(axis=1), flat.max(axis=1)], axis=1), rtol=1e-6)


@pytest.mark.parametrize("alphapose", [False, True])
def test_results_json(tmp_path: Path, alphapose: bool) -> None:
    path = write_json(tmp_path / "a.json", results(POINTS, SCORE, alphapose)[::-1])
    found = read_keypoint_file(path, VIDEO)
    people = POINTS[:, ::-1], SCORE[:, ::-1]
    check(found, *people)
    check_boxes(found, people[0])
    assert found.form == ("AlphaPose results JSON" if alphapose else "COCO results JSON")
    assert (found.frames, found.size_px) == (None, None)


@pytest.mark.parametrize(("count", "skeleton"), [(26, HALPE26), (136, HALPE26), (133, COCO17), (16, MPII16)])
def test_the_number_of_keypoints_tells_the_skeleton(tmp_path: Path, count: int, skeleton: Skeleton) -> None:
    points, score = truth(skeleton)
    rest = np.full((FRAMES, 2, count - len(skeleton), 2), 100.0)
    more, more_score = np.concatenate([points, rest], axis=2), np.concatenate([score, rest[..., 0] * 0], axis=2)
    check(
        read_keypoint_file(write_json(tmp_path / "a.json", results(more, more_score)), VIDEO), points, score, skeleton
    )


def test_results_of_other_things_than_people_are_left_out(tmp_path: Path) -> None:
    entries = [*results(POINTS, SCORE), {"image_id": 0, "category_id": 3, "keypoints": [1, 2, 3]}]
    check(read_keypoint_file(write_json(tmp_path / "a.json", entries), VIDEO), POINTS, SCORE)


def test_a_file_of_nobody(tmp_path: Path) -> None:
    found = read_keypoint_file(write_json(tmp_path / "a.json", []), VIDEO)
    assert len(found.frame) == 0
    assert found.keypoints_px.shape == (0, 17, 2)


def test_scores_above_one_count_as_one(tmp_path: Path) -> None:
    found = read_keypoint_file(write_json(tmp_path / "a.json", results(POINTS, SCORE * 4, True)), VIDEO)
    assert (found.keypoint_score == 1).all()


@pytest.mark.parametrize("joints", [OPENPOSE_25, OPENPOSE_18], ids=["BODY_25", "COCO-18"])
def test_openpose(tmp_path: Path, joints: list[str]) -> None:
    found = read_keypoint_file(write_openpose(tmp_path / "json", POINTS, SCORE, joints), VIDEO)
    check(found, POINTS, SCORE)
    assert np.isnan(found.box_px).all()
    assert found.frames == FRAMES


def test_openpose_missing_keypoints_and_people(tmp_path: Path) -> None:
    points = POINTS.copy()
    points[2, 0, 9] = np.nan
    points[3, 1] = np.nan
    found = read_keypoint_file(write_openpose(tmp_path / "json", points, SCORE, OPENPOSE_25), VIDEO)
    # The second person of frame 3 has no keypoint at all, and is nobody.
    assert found.frame.tolist() == [0, 0, 1, 1, 2, 2, 3, 4, 4, 5, 5]
    assert np.argwhere(np.isnan(found.keypoints_px).any(axis=-1)).tolist() == [[4, 9]]
    assert found.keypoint_score[4, 9] == 0
    # As sure of the person as of the keypoints that were seen.
    assert found.score[4] == pytest.approx(np.delete(SCORE[2, 0], 9).mean())


def test_openpose_folder_of_several_videos(tmp_path: Path) -> None:
    write_openpose(tmp_path / "json", POINTS[:4] + 7, SCORE[:4], OPENPOSE_25, "other")
    write_openpose(tmp_path / "json", POINTS, SCORE, OPENPOSE_25, "clip")
    check(read_keypoint_file(tmp_path / "json", VIDEO), POINTS, SCORE)


@pytest.mark.parametrize("first", [0, 1])
def test_mmpose_without_names(tmp_path: Path, first: int) -> None:
    found = read_keypoint_file(write_json(tmp_path / "a.json", mmpose_frames(POINTS, SCORE, first)), VIDEO)
    check(found, POINTS, SCORE)
    check_boxes(found, POINTS)
    assert found.frames == FRAMES


def test_mmpose_by_the_names_of_keypoints(tmp_path: Path) -> None:
    points, score = truth(HALPE26)
    order = np.random.default_rng(1).permutation(26)
    content = {
        "meta_info": mmpose_meta([HALPE_NAMES[j] for j in order]),
        "instance_info": mmpose_frames(points[:, :, order], score[:, :, order], 1),
    }
    check(read_keypoint_file(write_json(tmp_path / "a.json", content), VIDEO), points, score, HALPE26)


def test_output_of_the_references_inference(tmp_path: Path) -> None:
    people = np.random.default_rng(0).uniform(0.7, 1, (FRAMES, 2))
    found = read_keypoint_file(write_reference_output(tmp_path / "clip.mp4.npz", POINTS, people, empty=2), VIDEO)
    kept = [0, 1, 3, 4, 5]
    assert found.frame.tolist() == np.repeat(kept, 2).tolist()
    np.testing.assert_allclose(found.keypoints_px, POINTS[kept].reshape(-1, 17, 2), rtol=1e-6)
    np.testing.assert_allclose(found.score, people[kept].ravel(), rtol=1e-6)
    np.testing.assert_allclose(found.keypoint_score, np.repeat(people[kept].reshape(-1, 1), 17, axis=1), rtol=1e-6)
    check_boxes(found, POINTS[kept])
    assert (found.frames, found.size_px) == (FRAMES, SIZE)


@pytest.mark.parametrize("name", ["clip", "clip.mp4"])
def test_the_references_custom_keypoints(tmp_path: Path, name: str) -> None:
    path = write_custom(tmp_path / "data_2d_custom_mine.npz", {"other.mp4": POINTS[:3, 1], name: POINTS[:, 0]})
    found = read_keypoint_file(path, VIDEO)
    check(found, POINTS[:, :1], np.ones((FRAMES, 1, 17)))
    assert (found.frames, found.size_px) == (FRAMES, SIZE)
    with pytest.raises(InputError, match=rf"mine\.npz: has no keypoints of third\.mp4, only of other\.mp4, {name}"):
        read_keypoint_file(path, "third.mp4")


@pytest.mark.parametrize("skeleton", [COCO17, MPII16], ids=lambda s: s.name)
def test_detections_of_this_project(tmp_path: Path, skeleton: Skeleton) -> None:
    points, _ = truth(skeleton)
    detections = detections_of([points[:, 0], points[:, 1]], skeleton=skeleton)
    detections.save(tmp_path / "detections.npz")
    found = read_keypoint_file(tmp_path / "detections.npz", VIDEO)
    assert found.skeleton == skeleton
    for name in ("frame", "box_px", "score", "keypoints_px", "keypoint_score"):
        np.testing.assert_array_equal(getattr(found, name), getattr(detections, name))


@pytest.mark.parametrize(
    ("entry", "changes", "message"),
    [
        (3, {"keypoints": ...}, r"entry 3: lacks 'keypoints' \(it holds image_id, category_id, bbox, score"),
        (3, {"image_id": ...}, "entry 3: lacks 'image_id'"),
        (0, {"image_id": "front.jpg"}, "entry 0: image_id: expected the frame's number.*'front.jpg'"),
        (0, {"image_id": -1}, "entry 0: image_id: .* got -1"),
        (1, {"keypoints": [1.0] * 50}, "entry 1: expected 3 numbers a keypoint.*50 numbers"),
        (1, {"keypoints": [1.0] * 48}, r"entry 1: expected 17 keypoints \(coco17\), got 16"),
        (0, {"keypoints": [1.0] * 3}, r"entry 0: 1 keypoints are no known skeleton: .*17 \(coco17"),
        (2, {"keypoints": ["a"] * 51}, "entry 2: expected numbers, got"),
        (2, {"keypoints": None}, "entry 2: expected 3 numbers a keypoint"),
        (2, {"bbox": [1, 2, 3]}, "entry 2: expected a box of 4 numbers, got 3"),
    ],
)
def test_entry_that_lacks_or_confuses_is_named(
    tmp_path: Path, entry: int, changes: dict[str, Any], message: str
) -> None:
    entries = results(POINTS, SCORE)
    entries[entry] = {k: v for k, v in {**entries[entry], **changes}.items() if v is not ...}
    path = write_json(tmp_path / "a.json", entries)
    with pytest.raises(InputError, match=message) as caught:
        read_keypoint_file(path, VIDEO)
    assert str(caught.value).startswith(str(path))


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ([{"image_id": 0, "keypoints": [1.0] * 51}, 5], "entry 1: expected an object with 'image_id', got int"),
        ({"annotations": [], "images": []}, r"no known form of keypoints \(an object with annotations, images"),
        ({"people": []}, "one frame of OpenPose: name the folder"),
        ("text", r"no known form of keypoints \(str\): expected detections.npz"),
        ({"instance_info": [{"instances": []}]}, "frame 0: lacks 'frame_id'"),
        ([{"frame_id": 0, "instances": [{}]}], "frame 0 person 0: lacks 'keypoints'"),
        ([{"frame_id": 2, "instances": []}], "frame 0: expected an entry for every frame, .* frame_id 2"),
        (
            {"meta_info": mmpose_meta(["tail", "paw"]), "instance_info": []},
            "keypoints tail, paw hold no known skeleton: known: coco17",
        ),
    ],
)
def test_json_of_another_form_is_named(tmp_path: Path, content: Any, message: str) -> None:
    path = write_json(tmp_path / "a.json", content)
    with pytest.raises(InputError, match=message) as caught:
        read_keypoint_file(path, VIDEO)
    assert str(caught.value).startswith(str(path))


def test_json_that_is_cut_off(tmp_path: Path) -> None:
    path = write_json(tmp_path / "a.json", results(POINTS, SCORE))
    path.write_text(path.read_text()[:-40])
    with pytest.raises(InputError, match=r"a\.json: not valid JSON, or cut off"):
        read_keypoint_file(path, VIDEO)


def test_openpose_folders_that_do_not_fit(tmp_path: Path) -> None:
    folder = write_openpose(tmp_path / "json", POINTS, SCORE, OPENPOSE_25)
    third = folder / "clip_000000000003_keypoints.json"
    whole = third.read_text()
    third.unlink()
    with pytest.raises(InputError, match="a file for every frame, counted from 0, but frame 3 has none"):
        read_keypoint_file(folder, VIDEO)
    content = json.loads(whole)
    content["people"][1]["pose_keypoints_2d"] = [1.0] * 45
    write_json(third, content)
    with pytest.raises(InputError, match=rf"{third.name} person 1: expected 75 or 54 numbers .*got 45"):
        read_keypoint_file(folder, VIDEO)
    write_json(third, {"version": 1.3})
    with pytest.raises(InputError, match=rf"{third.name}: content: lacks 'people'"):
        read_keypoint_file(folder, VIDEO)
    third.write_text(whole)
    (folder / "clip_3_keypoints.json").write_text(whole)
    with pytest.raises(InputError, match="both frame 3"):
        read_keypoint_file(folder, VIDEO)


def test_npz_of_no_known_form(tmp_path: Path) -> None:
    np.savez(tmp_path / "a.npz", poses=np.zeros(3))
    with pytest.raises(InputError, match=r"a\.npz: no known form of keypoints \(it holds poses\)"):
        read_keypoint_file(tmp_path / "a.npz", VIDEO)
    (tmp_path / "notes.txt").write_text("hello")
    with pytest.raises(InputError, match=r"notes\.txt: not a file of keypoints: expected detections\.npz"):
        read_keypoint_file(tmp_path / "notes.txt", VIDEO)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ({"boxes": np.zeros((2, 2))}, "lacks keypoints"),
        ({"boxes": np.zeros((2, 2)), "keypoints": np.zeros((3, 2))}, "boxes of 2 frames but keypoints of 3"),
        ({"boxes": np.zeros((2, 1)), "keypoints": np.zeros((2, 1))}, "frame 0: boxes: expected arrays for background"),
        ({"boxes": np.zeros((1, 2, 3, 5)), "keypoints": np.zeros((1, 2, 3, 4, 16))}, r"\(3, 5\) and \(3, 4, 16\)"),
        ({"positions_2d": np.zeros(3)}, "expected positions_2d and metadata as dictionaries"),
    ],
)
def test_reference_files_that_do_not_fit(tmp_path: Path, content: dict[str, np.ndarray], message: str) -> None:
    np.savez(tmp_path / "a.npz", allow_pickle=True, **content)
    with pytest.raises(InputError, match=rf"a\.npz: .*{message}"):
        read_keypoint_file(tmp_path / "a.npz", VIDEO)


def test_layout_whose_sides_are_not_the_skeletons_is_refused(tmp_path: Path) -> None:
    positions: Any = {"clip": {"custom": [POINTS[:, 0]]}}
    metadata: Any = {"layout_name": "coco", "num_joints": 17, "keypoints_symmetry": [[4, 5, 6], [1, 2, 3]]}
    np.savez(tmp_path / "a.npz", positions_2d=positions, metadata=metadata)
    with pytest.raises(InputError, match=r"layout 'coco' of 17 keypoints, left ones \[4, 5, 6\], is no known skeleton"):
        read_keypoint_file(tmp_path / "a.npz", VIDEO)
