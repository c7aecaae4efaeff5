"""Agreement, jitter and missed frames in closed form; the command on a tiny video."""

import json
from pathlib import Path

import numpy as np
import pytest

from detectors.agreement import agreement, common_joints, jitter
from detectors.base import FrameDetections
from detectors.compare import DetectorRun, main, options_of, summarise, write_movie
from detectors.movie import MovieWriter, read_movie
from detectors.oks import COCO_SIGMAS
from poses import COCO17, H36M17, Skeleton, UsageError

BODY = np.stack([np.arange(17) % 4 * 12.0, np.arange(17) // 4 * 20.0], axis=-1)
SIZE = float(np.hypot(36, 80))


def people(*offsets: tuple[float, float], skeleton: Skeleton = COCO17) -> FrameDetections:
    body = BODY if skeleton is COCO17 else in_order(skeleton)
    points = np.array([body + offset for offset in offsets], np.float32).reshape(-1, 17, 2)
    count = len(points)
    return FrameDetections(
        np.zeros((count, 4), np.float32), np.ones(count, np.float32), points, np.ones((count, 17), np.float32)
    )


def in_order(skeleton: Skeleton) -> np.ndarray:
    """`BODY`'s joints by name; those that COCO has not at a corner."""
    body = np.zeros((17, 2))
    for number, joint in enumerate(skeleton.joints):
        if joint in COCO17.joints:
            body[number] = BODY[COCO17.index(joint)]
    return body


def test_jitter_of_a_body_that_shakes_is_four_times_its_amplitude() -> None:
    """x = (-1)^t a has the second difference 4 a; straight motion has none."""
    shaking = [people((0.5 * (-1) ** t, 0.0)) for t in range(8)]
    pixels, share = jitter(shaking, COCO17)
    assert pixels == pytest.approx(2.0, rel=1e-4)
    assert share == pytest.approx(2.0 / SIZE, rel=1e-4)
    assert jitter([people((2.0 * t, 1.0 * t)) for t in range(8)], COCO17)[0] == pytest.approx(0, abs=1e-4)
    assert jitter([people((0, 0)), people(), people((0, 0))], COCO17) == (None, None)


def test_people_who_change_places_in_the_list_are_followed() -> None:
    frames = [people((0, 0), (300, 0)), people((300, 0), (0, 0)), people((0, 0), (300, 0))]
    assert jitter(frames, COCO17)[0] == pytest.approx(0, abs=1e-4)


def test_agreement_is_the_oks_of_the_offset() -> None:
    first = [people((0, 0), (300, 0)), people((0, 0))]
    second = [people((302, 0), (2, 0)), people()]
    oks, matched = agreement(first, second, COCO17, COCO17)
    expected = np.exp(-4 / (2 * (2 * COCO_SIGMAS * 0.5 * SIZE) ** 2)).mean()
    assert oks == pytest.approx(expected, rel=1e-3)
    assert matched == pytest.approx(4 / 5)
    assert agreement([people()], [people()], COCO17, COCO17) == (None, None)


def test_across_skeletons_only_joints_with_a_side_are_compared() -> None:
    pairs = common_joints(COCO17, H36M17)
    assert {COCO17.joints[a] for a, _ in pairs} == {H36M17.joints[b] for _, b in pairs}
    assert len(pairs) == 12
    oks, matched = agreement([people((0, 0))], [people((0, 0), skeleton=H36M17)], COCO17, H36M17)
    assert (oks, matched) == (pytest.approx(1), 1)


def test_missed_and_short_frames_are_counted_against_the_others() -> None:
    first = DetectorRun("a", COCO17, [people((0, 0)), people(), people(), people((0, 0), (300, 0))], 0.1, 2.0)
    second = DetectorRun("b", COCO17, [people((0, 0)), people((0, 0)), people(), people((0, 0))], 0.1, 0.5)
    summary = summarise([first, second])
    a, b = summary["detectors"]["a"], summary["detectors"]["b"]
    assert (a["missed_frames"], a["short_frames"], a["frames_per_second"]) == (1, 1, 2.0)
    assert (b["missed_frames"], b["short_frames"], b["people_a_frame"]) == (0, 1, 0.75)
    (pair,) = summary["agreement"]
    assert pair["matched_share"] == pytest.approx(4 / 6)
    json.dumps(summary, allow_nan=False)


def video(path: Path, frames: int = 4) -> Path:
    writer = MovieWriter(path, 96, 64)
    for frame in range(frames):
        writer.write(np.full((64, 96, 3), 40 + 10 * frame, np.uint8), frame / 25)
    writer.finish()
    return path


def test_the_movie_shows_each_detector_beside_the_other(tmp_path: Path) -> None:
    source = video(tmp_path / "v.mp4")
    found = [people((10, -10))] * 4
    runs = [DetectorRun("a", COCO17, found, 0, 1), DetectorRun("b", COCO17, [people()] * 4, 0, 1)]
    write_movie(tmp_path / "compare.mp4", runs, source, 4, 1)
    frames = [image for _, image in read_movie(tmp_path / "compare.mp4")]
    assert len(frames) == 4
    assert frames[0].shape == (64 + 28, 2 * 96, 3)
    left, right = frames[0][28:, :96].astype(int), frames[0][28:, 96:].astype(int)
    assert (np.abs(left - 40).max(axis=-1) > 60).sum() > 100
    assert (np.abs(right - 40).max(axis=-1) > 30).sum() == 0


def test_options_may_be_set_for_one_detector_only() -> None:
    settings = ["tiles=none", "cpn.flip_test=true", "cpn.tiles=coarse"]
    assert options_of("cpn", settings).tiles == "coarse"
    assert options_of("cpn", settings).flip_test
    assert options_of("blazepose", settings).tiles == "none"
    assert not options_of("blazepose", settings).flip_test
    with pytest.raises(UsageError, match="nearest known: tiles"):
        options_of("cpn", ["tile=none"])


def test_the_command_leaves_table_json_and_movie(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    source = video(tmp_path / "v.mp4")
    out = tmp_path / "out"
    assert main([str(source), "--detectors", "blazepose", "--frames", "2", "-o", str(out), "--set", "tiles=none"]) == 0
    assert "missed_frames" in capsys.readouterr().out
    assert json.loads((out / "compare.json").read_text())["detectors"]["blazepose"]["frames"] == 2
    assert len(list(read_movie(out / "compare.mp4"))) == 2


def test_mistakes_are_one_line(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    source = video(tmp_path / "v.mp4", 1)
    (tmp_path / "empty.mp4").write_bytes(b"")
    (tmp_path / "text.mp4").write_text("no video")
    out = ["-o", str(tmp_path / "out")]
    assert main([str(source), "--detectors", "nobody", *out]) == 2
    assert main([str(source), "--detectors", "blazepose,blazepose", *out]) == 2
    assert main([str(source), "--detectors", "blazepose", "--set", "cpn.model=x", *out]) == 2
    for name in ("none.mp4", "empty.mp4", "text.mp4"):
        assert main([str(tmp_path / name), "--detectors", "blazepose", *out]) == 1
    lines = capsys.readouterr().err.strip().splitlines()
    assert len(lines) == 6
    assert all(name in line for name, line in zip(("none.mp4", "empty.mp4", "text.mp4"), lines[3:], strict=True))


def test_a_movie_that_an_error_ends_leaves_nothing(tmp_path: Path) -> None:
    def interrupted() -> None:
        with MovieWriter(tmp_path / "a.mp4", 96, 64) as writer:
            writer.write(np.zeros((64, 96, 3), np.uint8), 0.0)
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        interrupted()
    assert not list(tmp_path.iterdir())
