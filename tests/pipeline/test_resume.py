"""A run that is killed at any moment goes on where it stood and ends in the same bytes as one that was not."""

from __future__ import annotations

import shutil
import signal
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest

from detectors import Detector, DetectorOptions, create_detector
from pipeline.decode import VideoReader
from pipeline.detect_stage import ChunkStore, detect_video
from poses import Detections, VideoInfo
from tests.pipeline.command import run_command, run_until

ARTIFACTS = ("video.npz", "detections.npz", "tracks.npz", "poses3d.npz")
CHUNK_FRAMES, FRAMES = 8, 21
OPTIONS = ["--device", "cpu", "--no-render", "--set", "detect.tiles=none"]


def test_killed_runs_end_in_the_same_bytes(people_clip: Path, lifter_file: Path, tmp_path: Path) -> None:
    command = [people_clip, *OPTIONS, "--lifter", lifter_file, "-o"]
    undisturbed = run_command([*command, "undisturbed"], tmp_path)
    assert undisturbed.returncode == 0, undisturbed.stderr

    folder = tmp_path / "killed" / "people"
    first, second = folder / ".detections" / "000000.npz", folder / ".detections" / "000001.npz"
    moments: list[tuple[Callable[[], bool], signal.Signals]] = [
        (first.exists, signal.SIGKILL),
        (second.exists, signal.SIGINT),
        ((folder / "tracks.npz").exists, signal.SIGKILL),
    ]
    first_written_ns = None
    for moment, end_with in moments:
        code, log = run_until([*command, "killed"], tmp_path, moment, end_with)
        if end_with == signal.SIGINT:
            assert code == 130
            assert "the same command goes on where this run stopped" in log
            assert "Traceback" not in log
        else:
            # A stage may end before the signal arrives; then the run is simply done.
            assert code in (-signal.SIGKILL, 0)
        if first.exists():
            first_written_ns = first_written_ns or first.stat().st_mtime_ns
            assert first.stat().st_mtime_ns == first_written_ns, "the first chunk was detected again"
    assert first_written_ns is not None

    last = run_command([*command, "killed"], tmp_path)
    assert last.returncode == 0, last.stderr
    for name in ARTIFACTS:
        assert (folder / name).read_bytes() == (tmp_path / "undisturbed" / "people" / name).read_bytes(), name
    assert {path.name for path in folder.iterdir()} == {*ARTIFACTS, "report.json"}


class Tally:
    """A step that counts what was detected and what was skipped."""

    def __init__(self) -> None:
        self.detected = self.skipped = 0

    def advance(self, frames: int = 1) -> None:
        self.detected += frames

    def skip(self, frames: int = 1) -> None:
        self.skipped += frames

    def __enter__(self) -> Tally:
        return self

    def __exit__(self, *_: object) -> None:
        pass


@pytest.fixture(scope="module")
def detector() -> Iterator[Detector]:
    made = create_detector("blazepose", options=DetectorOptions(tiles="none"))
    yield made
    made.close()


@pytest.fixture(scope="module")
def full(
    people_clip: Path, detector: Detector, tmp_path_factory: pytest.TempPathFactory
) -> tuple[Path, VideoInfo, Detections]:
    """A folder with all chunks of the clip, and what came out of it."""
    folder = tmp_path_factory.mktemp("chunks") / ".detections"
    info, detections = detect(people_clip, detector, folder, "key", Tally())
    return folder, info, detections


def detect(
    clip: Path, detector: Detector, folder: Path, key: str, tally: Tally, batch_frames: int = 3
) -> tuple[VideoInfo, Detections]:
    with VideoReader(clip, end_s=(FRAMES - 0.5) / 30) as reader:
        return detect_video(reader, detector, ChunkStore(folder, key, CHUNK_FRAMES), batch_frames, tally)


def assert_same(found: Detections, expected: Detections) -> None:
    for name in ("frame", "box_px", "score", "keypoints_px", "keypoint_score"):
        np.testing.assert_array_equal(getattr(found, name), getattr(expected, name), name)


def test_chunks_hold_all_frames_in_order(full: tuple[Path, VideoInfo, Detections], detector: Detector) -> None:
    folder, info, detections = full
    assert sorted(path.name for path in folder.iterdir()) == ["000000.npz", "000001.npz", "000002.npz"]
    assert len(info) == FRAMES
    assert len(detections) > FRAMES / 2
    assert (np.diff(detections.frame) >= 0).all()
    for chunk in range(3):
        frames = Detections.load(folder / f"{chunk:06d}.npz").frame
        assert frames.min() >= chunk * CHUNK_FRAMES
        assert frames.max() < (chunk + 1) * CHUNK_FRAMES


def test_detections_are_those_of_the_frame(
    full: tuple[Path, VideoInfo, Detections], people_clip: Path, detector: Detector
) -> None:
    with VideoReader(people_clip) as reader:
        frame = next(frame for frame in reader if frame.index == CHUNK_FRAMES + 5)
    alone = detector.detect([frame.image])[0]
    rows = full[2].frame == frame.index
    np.testing.assert_array_equal(full[2].keypoints_px[rows], alone.keypoints_px)


@pytest.mark.parametrize(
    ("lost", "key", "skipped"),
    [
        (["000002.npz"], "key", 2 * CHUNK_FRAMES),
        (["000001.npz"], "key", CHUNK_FRAMES),
        ([], "key", FRAMES),
        (["000001.npz", "000002.npz"], "another key", 0),
    ],
)
def test_only_missing_chunks_are_detected(
    lost: list[str],
    key: str,
    skipped: int,
    full: tuple[Path, VideoInfo, Detections],
    people_clip: Path,
    detector: Detector,
    tmp_path: Path,
) -> None:
    folder = tmp_path / ".detections"
    shutil.copytree(full[0], folder)
    for name in lost:
        (folder / name).unlink()
    tally = Tally()
    info, detections = detect(people_clip, detector, folder, key, tally)
    assert (tally.skipped, tally.detected) == (skipped, FRAMES - skipped)
    assert_same(detections, full[2])
    np.testing.assert_array_equal(info.timestamps_s, full[1].timestamps_s)


def test_damaged_and_foreign_chunks_are_replaced(
    full: tuple[Path, VideoInfo, Detections], people_clip: Path, detector: Detector, tmp_path: Path
) -> None:
    folder = tmp_path / ".detections"
    shutil.copytree(full[0], folder)
    damaged = folder / "000001.npz"
    damaged.write_bytes(damaged.read_bytes()[:-50])
    (folder / ".000003.npz.abc.tmp").write_bytes(b"half")
    tally = Tally()
    _, detections = detect(people_clip, detector, folder, "key", tally, batch_frames=5)
    assert tally.skipped == CHUNK_FRAMES
    assert_same(detections, full[2])
    assert sorted(path.name for path in folder.iterdir()) == ["000000.npz", "000001.npz", "000002.npz"]
