"""What reruns when, and what a run leaves behind, on a real clip through the real stages."""

from __future__ import annotations

import dataclasses
import hashlib
import json
import math
import os
from pathlib import Path

import cv2
import numpy as np
import pytest

from pipeline import Config, Result, run_video
from pipeline.cache import STAGE_VERSIONS, locked_folder, make_folder, stage_key
from pipeline.models import Models, resolve_device
from pipeline.stages import choose_intrinsics, keep_people
from poses import COCO17, InputError, Tracks, UsageError, artifact_key
from tests.pipeline.runs import ran
from tests.videos import clip, images_by_ffmpeg, pattern, write

STAGES = ["decode", "detect", "track", "lift", "ground", "render"]


def with_options(config: Config, **flags: object) -> Config:
    """`config` with options changed; double underscores stand for dots."""
    for name, value in flags.items():
        section, _, option = name.rpartition("__")
        if section:
            changed = dataclasses.replace(getattr(config, section), **{option: value})
            config = dataclasses.replace(config, **{section: changed})
        else:
            config = dataclasses.replace(config, **{option: value})  # type: ignore[arg-type]
    return config


def test_first_run_does_everything_and_leaves_the_files(finished: Result) -> None:
    assert ran(finished) == STAGES
    names = sorted(path.name for path in finished.folder.iterdir() if not path.name.startswith("."))
    assert names == ["detections.npz", "people.mp4", "poses3d.npz", "report.json", "tracks.npz", "video.npz"]
    assert not (finished.folder / ".detections").exists()


def test_rows_of_the_artifacts_agree(finished: Result) -> None:
    assert len(finished.video) == 12
    assert len(finished.tracks.people()) >= 1
    np.testing.assert_array_equal(finished.poses.person_id, finished.tracks.person_id)
    np.testing.assert_array_equal(finished.poses.timestamps_s, finished.video.timestamps_s[finished.poses.frame])
    assert finished.movie is not None
    picture = cv2.VideoCapture(str(finished.movie))
    width, height = (int(picture.get(which)) for which in (cv2.CAP_PROP_FRAME_WIDTH, cv2.CAP_PROP_FRAME_HEIGHT))
    picture.release()
    assert len(images_by_ffmpeg(finished.movie, width, height)) == 12


def test_report_tells_what_was_found(finished: Result, people_clip: Path, config: Config) -> None:
    report = json.loads((finished.folder / "report.json").read_text())
    assert report == finished.report
    assert report["status"] == "done"
    assert report["input"]["sha256"] == hashlib.sha256(people_clip.read_bytes()).hexdigest()
    assert [person["id"] for person in report["people"]] == finished.tracks.people()
    assert report["options"] == json.loads(json.dumps(dataclasses.asdict(config)))
    assert report["camera"]["source"] == "assumed"
    assert any("60 degrees were assumed" in warning for warning in report["warnings"])
    assert report["stages"]["detect"]["frames_per_second"] > 0
    assert report["weights"]["lifter"]["licence"] == "none"
    own = str(Path(__file__).parent.parent.parent)
    assert own not in (finished.folder / "report.json").read_text()


def test_second_run_does_nothing(copy: Path, people_clip: Path, config: Config, models: Models) -> None:
    before = {path: path.stat().st_mtime_ns for path in (copy / "people").iterdir() if path.name != "report.json"}
    again = run_video(people_clip, copy, config, models=models)
    assert ran(again) == []
    assert {path: path.stat().st_mtime_ns for path in before} == before
    # The time that the long stage took when it ran is still on record.
    assert again.report["stages"]["detect"]["seconds"] > 0


@pytest.mark.parametrize(
    ("flags", "expected"),
    [
        ({"device": "auto", "batch_frames": 3}, []),
        ({"render__crf": 30.0}, ["render"]),
        ({"camera__pitch_deg": -5.0}, ["ground", "render"]),
        ({"camera__roll_deg": 0.0}, ["ground", "render"]),
        ({"camera__roll_deg": 20.0}, ["lift", "ground", "render"]),
        ({"camera__fov_deg": 50.0}, ["lift", "ground", "render"]),
        ({"lift__flip": False}, ["lift", "ground", "render"]),
        ({"people": 1}, ["track", "lift", "ground", "render"]),
        ({"track__smooth": False}, ["track", "lift", "ground", "render"]),
        ({"detect__max_people": 9}, ["detect", "track", "lift", "ground", "render"]),
        ({"decode__end_s": 0.3}, STAGES),
    ],
)
def test_changed_option_reruns_only_what_depends_on_it(
    flags: dict[str, object], expected: list[str], copy: Path, people_clip: Path, config: Config
) -> None:
    result = run_video(people_clip, copy, with_options(config, **flags))
    assert ran(result) == expected


def test_force_reruns_all_and_gives_the_same_bytes(
    copy: Path, finished: Result, people_clip: Path, config: Config, models: Models
) -> None:
    result = run_video(people_clip, copy, config, models=models, force=True)
    assert ran(result) == STAGES
    for name in ("video.npz", "detections.npz", "tracks.npz", "poses3d.npz"):
        assert (result.folder / name).read_bytes() == (finished.folder / name).read_bytes(), name


def test_ground_alone_gives_what_a_full_run_gives(
    copy: Path, tmp_path_factory: pytest.TempPathFactory, people_clip: Path, config: Config, models: Models
) -> None:
    tilted = with_options(config, camera__pitch_deg=-20.0, movie=False)
    changed = run_video(people_clip, copy, tilted, models=models)
    fresh = run_video(people_clip, tmp_path_factory.mktemp("fresh"), tilted, models=models)
    assert ran(changed) == ["ground"]
    assert (changed.folder / "poses3d.npz").read_bytes() == (fresh.folder / "poses3d.npz").read_bytes()
    assert changed.poses.up_source == "user"
    # Looking 20 degrees down, the world's up leans towards the camera: its z in camera axes is -sin(20 degrees).
    assert changed.poses.world_from_camera[2, 2] == pytest.approx(-math.sin(math.radians(20)))


@pytest.mark.parametrize("damage", ["missing", "truncated"])
def test_lost_artifact_is_made_again(
    damage: str, copy: Path, finished: Result, people_clip: Path, config: Config, models: Models
) -> None:
    tracks = copy / "people" / "tracks.npz"
    if damage == "missing":
        tracks.unlink()
    else:
        tracks.write_bytes(tracks.read_bytes()[:-100])
    result = run_video(people_clip, copy, config, models=models)
    assert ran(result) == ["track"]
    assert tracks.read_bytes() == (finished.folder / "tracks.npz").read_bytes()


def test_lost_video_artifact_needs_no_detection(
    copy: Path, finished: Result, people_clip: Path, config: Config, models: Models
) -> None:
    (copy / "people" / "video.npz").unlink()
    assert ran(run_video(people_clip, copy, config, models=models)) == ["decode"]
    assert (copy / "people" / "video.npz").read_bytes() == (finished.folder / "video.npz").read_bytes()


def test_changed_movie_is_rendered_again(copy: Path, people_clip: Path, config: Config, models: Models) -> None:
    with (copy / "people" / "people.mp4").open("ab") as stream:
        stream.write(b"x")
    assert ran(run_video(people_clip, copy, config, models=models)) == ["render"]


def test_movie_of_an_earlier_run_is_pointed_out(copy: Path, people_clip: Path, config: Config, models: Models) -> None:
    result = run_video(people_clip, copy, with_options(config, movie=False), models=models)
    assert result.movie is None
    assert any("people.mp4 is from an earlier run" in warning for warning in result.report["warnings"])


def test_camera_file_counts_by_its_content(copy: Path, people_clip: Path, config: Config, models: Models) -> None:
    camera = copy / "camera.yaml"
    with_camera = with_options(config, camera__file=str(camera), movie=False)
    camera.write_text("{fx: 300, fy: 300, cx: 160, cy: 120}")
    assert ran(run_video(people_clip, copy, with_camera, models=models)) == ["lift", "ground"]
    camera.write_text("{cy: 120, cx: 160, fy: 300, fx: 300.0}")
    assert ran(run_video(people_clip, copy, with_camera, models=models)) == []
    camera.write_text("{fx: 310, fy: 300, cx: 160, cy: 120}")
    result = run_video(people_clip, copy, with_camera, models=models)
    assert ran(result) == ["lift", "ground"]
    assert result.report["camera"]["source"] == "file"
    assert result.report["camera"]["fx_px"] == 310


def test_failure_keeps_what_was_computed_and_is_reported(
    copy: Path, people_clip: Path, config: Config, models: Models
) -> None:
    absent = with_options(config, camera__file=str(copy / "absent.yaml"))
    with pytest.raises(InputError, match=r"absent\.yaml"):
        run_video(people_clip, copy, absent, models=models)
    report = json.loads((copy / "people" / "report.json").read_text())
    assert report["status"] == "failed"
    assert "absent.yaml" in report["error"]
    assert report["stages"]["track"]["status"] == "cached"
    assert ran(run_video(people_clip, copy, config, models=models)) == []


def test_leftovers_of_a_killed_run_are_removed(copy: Path, people_clip: Path, config: Config, models: Models) -> None:
    leftover = copy / "people" / ".tracks.npz.abc123.tmp"
    leftover.write_bytes(b"half")
    run_video(people_clip, copy, config, models=models)
    assert not leftover.exists()


def test_video_without_people_gives_empty_artifacts_and_a_movie(tmp_path: Path, config: Config, models: Models) -> None:
    source = write(tmp_path / "empty.mp4", pattern(160, 120, frames=5).filter("hue", s=0).filter("gblur", sigma=20))
    result = run_video(source, tmp_path / "out", config, models=models)
    assert len(result.detections) == len(result.tracks) == len(result.poses) == 0
    assert result.report["people"] == []
    assert any("no people were found" in warning for warning in result.report["warnings"])
    assert result.movie is not None
    assert result.movie.stat().st_size > 1000


def test_one_frame_is_a_video(tmp_path: Path, people_clip: Path, config: Config, models: Models) -> None:
    single = with_options(config, decode__end_s=0.02, track__min_length_s=0.0)
    result = run_video(people_clip, tmp_path, single, models=models)
    assert len(result.video) == 1
    assert result.movie is not None


def test_results_never_replace_the_input(tmp_path: Path, config: Config, models: Models) -> None:
    source = tmp_path / "walk" / "walk.mp4"
    source.parent.mkdir()
    clip(source, frames=3)
    before = source.read_bytes()
    with pytest.raises(InputError, match="take its place"):
        run_video(source, tmp_path, config, models=models)
    assert source.read_bytes() == before


def test_folder_is_held_by_one_run(copy: Path, people_clip: Path, config: Config, models: Models) -> None:
    with locked_folder(copy / "people"), pytest.raises(InputError, match="another run is writing here"):
        run_video(people_clip, copy, config, models=models)
    assert ran(run_video(people_clip, copy, config, models=models)) == []


def test_key_is_the_hash_of_canonical_json() -> None:
    version = STAGE_VERSIONS["track"]
    text = f'{{"options":{{"a":1,"b":null}},"source":"s","stage":"track","version":{version},"weights":"w"}}'
    assert stage_key("track", "s", {"b": None, "a": 1}, "w") == hashlib.sha256(text.encode()).hexdigest()


def test_each_artifact_bears_its_key(finished: Result) -> None:
    stages = finished.report["stages"]
    for stage in ("decode", "detect", "track"):
        assert artifact_key(finished.folder / stages[stage]["artifact"]) == stages[stage]["key"]
    assert artifact_key(finished.folder / "poses3d.npz") == f"{stages['lift']['key']}+{stages['ground']['key']}"


def test_keep_people_takes_those_seen_longest() -> None:
    person = np.repeat([0, 1, 2], [4, 3, 2])
    frame = np.concatenate([np.arange(4), np.arange(3), np.arange(2)])
    shape = (9, len(COCO17))
    tracks = Tracks(
        person,
        frame,
        np.arange(9 * 34, dtype=np.float32).reshape(*shape, 2),
        np.ones(shape, np.float32),
        np.ones(shape, bool),
        np.zeros(shape, bool),
        COCO17,
    )
    kept = keep_people(tracks, 2)
    assert kept.person_id.tolist() == [0] * 4 + [1] * 3
    np.testing.assert_array_equal(kept.keypoints_px, tracks.keypoints_px[:7])
    assert len(keep_people(tracks, 5)) == 9


def test_fov_is_measured_along_the_longer_side(finished: Result, config: Config) -> None:
    info = dataclasses.replace(finished.video, width=200, height=400)
    camera, source = choose_intrinsics(dataclasses.replace(config.camera, fov_deg=90.0), info)
    assert source == "fov"
    # tan(45 degrees) = 1: the focal length is half the longer side.
    assert (camera.fx, camera.fy, camera.cx, camera.cy) == pytest.approx((200, 200, 100, 200))


@pytest.mark.parametrize("device", ["gpu", "cuda:x", "cuda:99", "CPU"])
def test_unknown_or_absent_device_is_refused(device: str) -> None:
    with pytest.raises(UsageError, match=device):
        resolve_device(device)


def test_file_in_the_place_of_the_folder(tmp_path: Path) -> None:
    (tmp_path / "out").write_text("")
    for path in (tmp_path / "out", tmp_path / "out" / "below"):
        with pytest.raises(UsageError, match="not a folder"):
            make_folder(path)


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write anywhere")
def test_folder_without_permission(tmp_path: Path) -> None:
    tmp_path.chmod(0o500)
    with pytest.raises(InputError, match="-o"):
        make_folder(tmp_path / "out")


@pytest.mark.skipif(not Path("/proc/self").exists(), reason="needs a folder that not even root can write to")
def test_folder_that_nobody_can_write() -> None:
    with pytest.raises(InputError, match="/proc/out"):
        make_folder("/proc/out")
