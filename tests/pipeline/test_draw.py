"""`python -m pipeline.draw`: a finished result drawn again, with and without its video."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import av
import cv2
import ffmpeg
import numpy as np
import pytest

from pipeline.decode import scan_video
from pipeline.draw import build_parser, main
from poses import Poses3D
from render import RenderOptions
from tests.render.conftest import stage
from tests.videos import clip, images_by_ffmpeg, pattern, remux, tone, write

SIZE = (64, 48)
FRAMES = 20


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder of results made by hand, of frames 5 to 19 of a clip: `walk/`, and beside it `walk.mp4`."""
    folder = tmp_path_factory.mktemp("drawn")
    # Frame by frame a little lighter, so that a picture tells which frame it is of.
    grey = f"nullsrc=s={SIZE[0]}x{SIZE[1]}:r=30:d={FRAMES / 30},geq=lum='20+10*N':cb=128:cr=128"
    video = ffmpeg.input(grey, f="lavfi")
    source = write(folder / "walk.mp4", video, tone(0.7), vcodec="libx264", pix_fmt="yuv420p", acodec="aac", crf=5)
    info = scan_video(source, 0.16, None, "hash")
    x = np.linspace(-0.5, 0.5, len(info))
    people = stage(np.stack([np.stack([x, 0 * x + 4, 0 * x], 1), np.stack([x + 1, 0 * x + 5, 0 * x], 1)]), size=SIZE)
    result = folder / "walk"
    result.mkdir()
    info.save(result / "video.npz")
    people.tracks.save(result / "tracks.npz")
    times = info.timestamps_s[people.poses.frame]
    replace(people.poses, timestamps_s=times).save(result / "poses3d.npz")
    decode = {"start_s": 0.16, "end_s": None}
    report = {"input": {"path": str(source)}, "options": {"decode": decode}}
    (result / "report.json").write_text(json.dumps(report))
    return folder


def run(folder: Path, *arguments: str) -> int:
    return main([str(folder / "walk"), "--width", "320", *arguments])


def frames_of(path: Path) -> int:
    with av.open(str(path)) as container:
        return sum(1 for _ in container.decode(video=0))


def test_every_option_of_the_picture_has_a_flag() -> None:
    text = build_parser().format_help()
    for flag in ("--layout", "--views", "--view-camera", "--theme", "--width", "--orbit", "--no-labels", "--boxes"):
        assert flag in text
    given = build_parser().parse_args(["folder", "-o", "x.mp4"])
    assert set(vars(given)) >= set(RenderOptions.__dataclass_fields__)


def test_the_video_is_drawn_frame_by_frame(made: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """The overlay shows the very frames that the results are of: those of the part of the video, not its first."""
    path = tmp_path / "out.mp4"
    assert run(made, "-o", str(path), "--layout", "overlay", "--no-labels", "--crf", "1", "--frames", "2-6") == 0
    assert capsys.readouterr().out.splitlines() == [str(path)]
    height = cv2.VideoCapture(str(path)).get(cv2.CAP_PROP_FRAME_HEIGHT)
    drawn = images_by_ffmpeg(path, 320, int(height))
    source = images_by_ffmpeg(made / "walk.mp4", *SIZE)
    shown = drawn[:, -8:, :8].mean(axis=(1, 2, 3))
    expected = source[5 + 2 : 5 + 7, -2:, :2].mean(axis=(1, 2, 3))
    assert (np.diff(expected) > 8).all()
    np.testing.assert_allclose(shown, expected, atol=3)


def test_scene_needs_no_video(made: Path, tmp_path: Path) -> None:
    alone = tmp_path / "walk"
    alone.mkdir()
    for name in ("video.npz", "tracks.npz", "poses3d.npz"):
        (alone / name).write_bytes((made / "walk" / name).read_bytes())
    path = tmp_path / "out.webm"
    assert run(tmp_path, "-o", str(path), "--layout", "scene", "--views", "angle,top", "--start", "0.3") == 0
    info = scan_video(made / "walk.mp4", 0.16, None, "hash")
    assert frames_of(path) == int((info.timestamps_s >= 0.3).sum())


def test_missing_video_says_what_to_do(made: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    alone = tmp_path / "walk"
    alone.mkdir()
    for name in ("video.npz", "tracks.npz", "poses3d.npz"):
        (alone / name).write_bytes((made / "walk" / name).read_bytes())
    assert run(tmp_path, "-o", str(tmp_path / "out.mp4")) == 1
    assert "name it with --video, or draw without it: --layout scene" in capsys.readouterr().err
    assert run(tmp_path, "-o", str(tmp_path / "out.mp4"), "--video", str(clip(tmp_path / "other.mp4"))) == 0
    small = write(tmp_path / "small.mp4", pattern(32, 32, FRAMES), vcodec="libx264", pix_fmt="yuv420p")
    assert run(tmp_path, "-o", str(tmp_path / "out.mp4"), "--video", str(small)) == 1
    assert "32x32 pixels, but the results are of a video with 64x48" in capsys.readouterr().err


def test_sound_of_the_source(made: Path, tmp_path: Path) -> None:
    path = tmp_path / "out.mp4"
    assert run(made, "-o", str(path), "--sound") == 0
    with av.open(str(path)) as container:
        assert len(container.streams.audio) == 1
        last = max(frame.time for frame in container.decode(audio=0) if frame.time is not None)
    # The part begins at 0.17 s of 0.7.
    assert 0.35 < last < 0.55


def test_still_and_sheet(made: Path, tmp_path: Path) -> None:
    assert run(made, "-o", str(tmp_path / "still.png"), "--still", "3", "--layout", "scene") == 0
    still = cv2.imread(str(tmp_path / "still.png"))
    assert still.shape == (180, 320, 3)
    assert run(made, "-o", str(tmp_path / "sheet.png"), "--sheet", "6", "--width", "640") == 0
    sheet = cv2.imread(str(tmp_path / "sheet.png"))
    assert sheet.shape[1] == 640
    assert sheet.std() > 10


def test_compare_prints_the_mean_distance(made: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """All joints but the root 34 mm off: 34 * 16 / 17 = 32 mm."""
    poses = Poses3D.load(made / "walk" / "poses3d.npz")
    positions = poses.positions_m.copy()
    positions[:, 1:, 1] += 0.034
    (tmp_path / "other").mkdir()
    replace(poses, positions_m=positions).save(tmp_path / "other" / "poses3d.npz")
    for comparison in ("together", "beside"):
        path = tmp_path / f"{comparison}.gif"
        arguments = ["--compare", str(tmp_path / "other"), "--comparison", comparison, "--frames", "0-3"]
        assert run(made, "-o", str(path), *arguments) == 0
        out = capsys.readouterr().out
        assert "mean joint distance 32.0 mm (people of walk in other: 0 is 0, 1 is 1)" in out
        assert path.stat().st_size > 1000


def test_poses_of_another_video(made: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    poses = Poses3D.load(made / "walk" / "poses3d.npz")
    other = tmp_path / "truth.npz"
    replace(poses, timestamps_s=poses.timestamps_s + 60).save(other)
    assert run(made, "-o", str(tmp_path / "out.mp4"), "--compare", str(other)) == 1
    message = capsys.readouterr().err
    assert "truth.npz: truth: shares no frame with walk" in message
    assert "compare results of the same video" in message
    assert run(made, "-o", str(tmp_path / "out.mp4"), "--compare", str(tmp_path / "absent.npz")) == 1
    assert "absent.npz: no such file" in capsys.readouterr().err
    assert not (tmp_path / "out.mp4").exists()


@pytest.mark.parametrize(
    ("arguments", "code", "message"),
    [
        (["-o", "x.avi"], 2, "no output format has this ending: known: .mp4, .webm, .gif"),
        (["-o", "x.mp4", "--layout", "below"], 2, "known: auto, side-by-side, stacked, overlay, scene"),
        (["-o", "x.mp4", "--views", "back"], 2, "known: angle, front, side, top, camera"),
        (["-o", "x.mp4", "--width", "wide"], 2, "--width wide: expected a whole number"),
        (["-o", "x.mp4", "--theme", "blue"], 2, "known: dark, light"),
        (["-o", "x.mp4", "--frames", "3-99"], 2, "it has frames 0 to 14"),
        (["-o", "x.mp4", "--start", "3"], 2, "the result goes from 0.17 to 0.63 s"),
        (["-o", "x.mp4", "--still", "3"], 2, "a still needs one of the endings"),
        (["-o", "x.png", "--sheet", "0"], 2, "expected at least one picture"),
        (["-o", "x.gif", "--sound"], 2, "gif holds no sound"),
        (["-o", "absent/x.mp4"], 1, "cannot be written"),
    ],
)
def test_mistakes(
    made: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    arguments: list[str],
    code: int,
    message: str,
) -> None:
    monkeypatch.chdir(tmp_path)
    assert run(made, *arguments) == code
    assert message in capsys.readouterr().err
    assert not list(tmp_path.iterdir())


def test_nothing_that_is_read_is_written_over(made: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    copy = remux(made / "walk.mp4", tmp_path / "copy.mp4")
    before = copy.read_bytes()
    assert run(made, "-o", str(copy), "--video", str(copy)) == 2
    assert "would take the place of what is drawn" in capsys.readouterr().err
    assert copy.read_bytes() == before


def test_a_folder_without_results(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main([str(tmp_path), "-o", str(tmp_path / "x.mp4")]) == 1
    assert "holds no poses3d.npz" in capsys.readouterr().err


def test_configuration_and_flags(made: Path, tmp_path: Path) -> None:
    """The file's layout holds, its width gives way to the flag."""
    config = tmp_path / "mine.yaml"
    config.write_text("render:\n  layout: scene\n  width_px: 640\n")
    assert run(made, "-o", str(tmp_path / "still.png"), "--still", "0", "--config", str(config)) == 0
    assert cv2.imread(str(tmp_path / "still.png")).shape == (180, 320, 3)
