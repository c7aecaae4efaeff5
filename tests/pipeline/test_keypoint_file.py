"""Whole runs with keypoints that another program computed (`--detector file`), and keypoints that do not fit."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

import infer_video
from detectors import DetectorOptions, FrameDetections
from detectors.registry import _FACTORIES
from pipeline import Config, resolve_config, run_video
from poses import HALPE26, MPII16, Detections, InputError, Skeleton, Tracks, UsageError
from tests.detectors.keypoint_writers import mmpose_frames, results, truth, write_json
from tests.pipeline.command import run_command
from tests.videos import pattern, write

FRAMES = 24
SIZE = (640, 360)


def small_truth(skeleton: Skeleton = HALPE26) -> tuple[np.ndarray, np.ndarray]:
    """Two people in pixels of the clip, half the size of the truth's."""
    points, score = truth(skeleton, FRAMES)
    return points / 2, score


@pytest.fixture(scope="module")
def video(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("clips")
    return write(folder / "walk.mp4", pattern(*SIZE, FRAMES), vcodec="libx264", pix_fmt="yuv420p")


def config_for(keypoints: Path, lifter_file: Path, **more: object) -> Config:
    flags = {
        **{"device": "cpu", "detector": "file", "detect.file": str(keypoints), "lifter": str(lifter_file)},
        **{"movie": False, "track.smooth": False, "track.outlier_s": 0.0},
        **more,
    }
    return resolve_config(flags=flags)


def statuses(report: dict) -> dict[str, str]:
    return {name: stage["status"] for name, stage in report["stages"].items()}


def test_a_run_end_to_end_through_the_command(video: Path, lifter_file: Path, tmp_path: Path) -> None:
    """Halpe-26 keypoints of two people come out as they went in, are converted, lifted and drawn."""
    points, score = small_truth()
    write_json(tmp_path / "walk.json", mmpose_frames(points, score, 1))
    arguments = [video, "-o", "out", "--detector", "file", "--keypoints", "walk.json", "--lifter", lifter_file]
    arguments += ["--device", "cpu", "--set", "render.width_px=320", "--set", "track.smooth=false"]
    run = run_command(arguments, tmp_path)
    assert run.returncode == 0, run.stderr
    assert "2 people" in run.stdout
    assert "converting halpe26 keypoints to coco17" in run.stderr
    folder = tmp_path / "out" / "walk"
    detections, tracks = Detections.load(folder / "detections.npz"), Tracks.load(folder / "tracks.npz")
    assert (detections.skeleton, tracks.skeleton) == (HALPE26, HALPE26)
    assert len(detections) == len(tracks) == 2 * FRAMES
    for person in tracks.people():
        rows = tracks.rows_of(person)
        away = np.abs(tracks.keypoints_px[rows][:, None] - points.astype(np.float32)).max(axis=(0, 2, 3))
        assert away.min() < 1e-3
    report = json.loads((folder / "report.json").read_text())
    assert report["status"] == "done"
    assert report["weights"]["detector"]["keypoints"] == "walk.json"
    assert report["weights"]["detector"]["sha256"] == detections.weights_sha256
    assert report["device"]["detector"] is None
    assert (folder / "walk.mp4").stat().st_size > 1000
    again = run_command(arguments, tmp_path)
    assert "up to date" in again.stdout
    write_json(tmp_path / "walk.json", mmpose_frames(points + 1, score, 1))
    assert "up to date" not in run_command(arguments, tmp_path).stdout


def test_what_the_content_and_options_change_is_read_again(video: Path, lifter_file: Path, tmp_path: Path) -> None:
    points, score = small_truth()
    path = write_json(tmp_path / "a.json", results(points, score))
    first = run_video(video, tmp_path / "out", config_for(path, lifter_file))
    assert set(statuses(first.report).values()) == {"ran", "skipped"}
    moved = write_json(tmp_path / "sub.json", results(points, score))
    path.unlink()
    moved.rename(path)
    same = run_video(video, tmp_path / "out", config_for(path, lifter_file))
    assert set(statuses(same.report).values()) == {"cached", "skipped"}
    fewer = run_video(video, tmp_path / "out", config_for(path, lifter_file, **{"detect.max_people": 1}))
    assert statuses(fewer.report)["decode"] == "cached"
    assert statuses(fewer.report)["detect"] == "ran"
    assert len(fewer.detections) == FRAMES


def test_a_part_of_the_video_takes_the_keypoints_of_its_frames(video: Path, lifter_file: Path, tmp_path: Path) -> None:
    points, score = small_truth()
    path = write_json(tmp_path / "a.json", results(points[:, :1], score[:, :1]))
    part = run_video(
        video, tmp_path / "out", config_for(path, lifter_file, **{"decode.start_s": 0.2, "decode.end_s": 0.6})
    )
    # Thirty frames a second: 0.2 s is frame 6, and frame 18 at 0.6 s is no longer in it.
    assert part.detections.frame.tolist() == list(range(12))
    np.testing.assert_allclose(part.detections.keypoints_px, points[6:18, 0], rtol=1e-5)


def test_detections_of_an_earlier_run_go_in_as_they_came_out(video: Path, lifter_file: Path, tmp_path: Path) -> None:
    points, score = small_truth()
    path = write_json(tmp_path / "a.json", results(points, score))
    first = run_video(video, tmp_path / "first", config_for(path, lifter_file))
    second = run_video(video, tmp_path / "second", config_for(first.place.detections, lifter_file))
    for name in ("keypoints_px", "keypoint_score", "box_px", "score", "frame"):
        np.testing.assert_array_equal(getattr(second.detections, name), getattr(first.detections, name))
    np.testing.assert_array_equal(second.poses.positions_m, first.poses.positions_m)


def test_a_folder_of_files_for_several_videos(
    video: Path, lifter_file: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    points, score = small_truth()
    folder = tmp_path / "keypoints"
    folder.mkdir()
    write_json(folder / "walk.json", results(points, score))
    other = tmp_path / "unknown.mp4"
    other.write_bytes(video.read_bytes())
    arguments = ["-o", str(tmp_path / "out"), "--detector", "file", "--device", "cpu", "--no-render"]
    arguments += ["--lifter", str(lifter_file)]
    assert infer_video.main([str(video), str(other), *arguments, "--keypoints", str(folder)]) == 1
    shown = capsys.readouterr()
    assert "walk.mp4: 2 people" in shown.out
    assert "1 of 2 inputs failed" in shown.out
    report = json.loads((tmp_path / "out" / "unknown" / "report.json").read_text())
    assert report["status"] == "failed"
    assert "expected one file of keypoints for unknown.mp4, named unknown.*, found nothing" in report["error"]
    one = str(folder / "walk.json")
    assert infer_video.main([str(video), str(other), *arguments, "--keypoints", one]) == 2
    assert "one file of keypoints for 2 videos" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        (["--detector", "file"], "--keypoints FILE_OR_FOLDER"),
        (
            ["--keypoints", "a.json"],
            "--keypoints a.json: detector blazepose looks for keypoints itself: add --detector",
        ),
        (["--detector", "file", "--keypoints", "absent.json"], "absent.json: no such file or folder of keypoints"),
        (["--keypoint-decoding", "medium"], "unknown keypoint_decoding 'medium': choose one of: soft, hard"),
        (["--min-score", "2"], "min_score must lie between 0 and 1, got 2"),
        (["--max-people", "0"], "max_people must be at least 1, got 0"),
    ],
)
def test_wrong_options_are_wrong_usage(
    video: Path,
    lifter_file: Path,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    arguments: list[str],
    expected: str,
) -> None:
    arguments = [str(video), "-o", str(tmp_path / "out"), "--device", "cpu", "--lifter", str(lifter_file), *arguments]
    assert infer_video.main(arguments) == 2
    assert expected in capsys.readouterr().err
    assert not (tmp_path / "out").exists()


def test_keypoints_of_another_video_fail_with_a_report(video: Path, lifter_file: Path, tmp_path: Path) -> None:
    points, score = truth(HALPE26, FRAMES + 1)
    path = write_json(tmp_path / "a.json", mmpose_frames(points / 2, score, 0))
    with pytest.raises(InputError, match=rf"keypoints of {FRAMES + 1} frames, but walk\.mp4 has {FRAMES}"):
        run_video(video, tmp_path / "out", config_for(path, lifter_file))
    report = json.loads((tmp_path / "out" / "walk" / "report.json").read_text())
    assert report["status"] == "failed"
    assert not (tmp_path / "out" / "walk" / "detections.npz").exists()


def test_keypoints_that_the_lifter_cannot_take_are_refused(video: Path, lifter_file: Path, tmp_path: Path) -> None:
    path = write_json(tmp_path / "a.json", results(*small_truth(MPII16)))
    with pytest.raises(UsageError, match=r"lifter tiny was trained for coco17 .* gives mpii16, .* no other skeleton"):
        run_video(video, tmp_path / "out", config_for(path, lifter_file))


def test_a_detector_that_does_not_fit_is_refused_before_it_runs(
    video: Path, lifter_file: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Mpii:
        name, skeleton, weights_sha256 = "test-mpii", MPII16, ""

        def detect(self, frames: object) -> list[FrameDetections]:
            raise AssertionError("must not run")

        def close(self) -> None:
            pass

    monkeypatch.setitem(_FACTORIES, "test-mpii", (lambda device, options: Mpii(), "for one test"))
    config = resolve_config(flags={"device": "cpu", "detector": "test-mpii", "lifter": str(lifter_file)})
    with pytest.raises(UsageError, match="trained for coco17 keypoints, the detector gives mpii16"):
        run_video(video, tmp_path / "out", config)


def test_shortcuts_set_the_options_of_detection() -> None:
    arguments = ["a.mp4", "-o", "out", "--detector", "cpn", "--boxes", "rtmpose", "--keypoint-decoding", "hard"]
    arguments += ["--min-score", "0.3", "--max-people", "2", "--detector-model", "m", "--detector-weights", "w.pth"]
    parsed = infer_video.build_parser().parse_args([*arguments, "--flip-test"])
    config = resolve_config(flags=infer_video.config_flags(parsed))
    assert config.detector == "cpn"
    assert config.detect == DetectorOptions(
        min_score=0.3,
        max_people=2,
        model="m",
        weights="w.pth",
        boxes="rtmpose",
        keypoint_decoding="hard",
        flip_test=True,
    )
    plain = infer_video.build_parser().parse_args(["a.mp4", "-o", "out"])
    assert infer_video.config_flags(plain) == {}


def test_detectors_are_listed(capsys: pytest.CaptureFixture[str]) -> None:
    assert infer_video.main(["--detector", "help"]) == 0
    listed = capsys.readouterr().out.splitlines()
    names = [line.split()[0] for line in listed]
    assert {"blazepose", "file"} <= set(names)
    assert all(len(line.split(maxsplit=1)) == 2 for line in listed)
