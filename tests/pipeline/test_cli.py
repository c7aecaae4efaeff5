"""The command line as users meet it: exit codes, one-line errors, JSON lines, and inputs that cannot be used."""

from __future__ import annotations

import io
import json
import re
import subprocess
import time
from pathlib import Path

import pytest

import infer_video
from pipeline.progress import CountingStep, TerminalProgress
from pipeline.versions import project_version
from tests.pipeline.command import COMMAND, run_command
from tests.videos import clip, tone, write

QUICK = ["--device", "cpu", "--set", "detect.tiles=none", "--set", "render.width_px=320", "--end", "0.25"]


def test_help_is_quick_and_shows_examples() -> None:
    began_s = time.perf_counter()
    shown = subprocess.run([*COMMAND, "--help"], capture_output=True, text=True, check=True).stdout
    assert time.perf_counter() - began_s < 2, "--help must not load torch or mediapipe"
    for part in ("-o out/", "--people", "--camera", "--json", "Exit code: 0"):
        assert part in shown


def test_version(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as caught:
        infer_video.main(["--version"])
    assert caught.value.code == 0
    assert project_version() in capsys.readouterr().out


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        ([], "name at least one video"),
        (["a.mp4"], "-o out/"),
        (["a.mp4", "-o", "out", "--people", "0"], "'all' or a number of at least 1, got '0'"),
        (["a.mp4", "-o", "out", "--people", "two"], "got 'two'"),
        (["a.mp4", "-o", "out", "--start", "soon"], "--start"),
        (["a.mp4", "-o", "out", "-v", "-q"], "not allowed with"),
        (["a.mp4", "-o", "out", "--no-such-option"], "--no-such-option"),
    ],
)
def test_wrong_grammar_is_wrong_usage(arguments: list[str], expected: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as caught:
        infer_video.main(arguments)
    assert caught.value.code == 2
    assert expected in capsys.readouterr().err


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        (["--start", "5", "--end", "5"], ["--end 5", "--start 5"]),
        (["--start", "-1"], ["--start", "-1"]),
        (["--camera", "c.yaml", "--fov", "60"], ["--camera", "--fov"]),
        (["--fov", "0"], ["--fov", "0"]),
        (["--set", "render.widht_px=3"], ["widht_px", "width_px"]),
        (["--config", "absent.yaml"], ["absent.yaml", "No such file"]),
        (["--device", "cuda:99"], ["cuda:99", "--device cpu"]),
        (["--device", "tpu"], ["tpu", "cuda"]),
        (["--detector", "nobody"], ["nobody", "blazepose"]),
        (["--lifter", "nobody"], ["nobody"]),
        (["--camera", "absent.yaml"], ["absent.yaml", "--camera"]),
    ],
)
def test_wrong_options_are_wrong_usage_in_one_line(
    arguments: list[str], expected: list[str], people_clip: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    output = tmp_path / "out"
    assert infer_video.main([str(people_clip), "-o", str(output), *arguments]) == 2
    shown = capsys.readouterr()
    errors = [line for line in shown.err.splitlines() if "error:" in line]
    assert len(errors) == 1
    assert all(part in errors[0] for part in expected), errors
    assert shown.out == ""
    assert not output.exists()


def test_unknown_option_in_yaml_names_file_and_nearest(
    people_clip: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    mine = tmp_path / "mine.yaml"
    mine.write_text("render:\n  widht_px: 640\n")
    assert infer_video.main([str(people_clip), "-o", str(tmp_path / "out"), "--config", str(mine)]) == 2
    error = capsys.readouterr().err
    assert str(mine) in error
    assert "nearest known: width_px" in error


def test_output_that_is_a_file_is_wrong_usage(
    people_clip: Path, lifter_file: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    output = tmp_path / "out"
    output.write_text("mine")
    assert infer_video.main([str(people_clip), "-o", str(output), "--lifter", str(lifter_file)]) == 2
    assert f"{output}: is or lies below a file" in capsys.readouterr().err
    assert output.read_text() == "mine"


@pytest.mark.skipif(not Path("/proc/self").exists(), reason="needs a folder that not even root can write to")
def test_output_that_cannot_be_made_fails(
    people_clip: Path, lifter_file: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert infer_video.main([str(people_clip), "-o", "/proc/out", "--lifter", str(lifter_file)]) == 1
    error = capsys.readouterr().err
    assert "/proc/out" in error
    assert "-o" in error


def test_bar_shows_rate_and_time_left() -> None:
    stream = io.StringIO()
    with TerminalProgress(stream).step("walk", "detect", total=40) as step:
        step.skip(10)
        for _ in range(15):
            time.sleep(0.02)
            step.advance()
    assert re.search(r"walk: detect: +\d+%\|.*\| \d+/40 \[\d+:\d+<\d+:\d+, .*frames/s", stream.getvalue())


def test_rate_leaves_out_what_an_earlier_run_did() -> None:
    step = CountingStep(total=1000, period_s=60.0)
    step.skip(500)
    time.sleep(0.2)
    step.advance(10)
    assert step.done == 510
    assert 10 < step.rate_fps <= 50, "10 frames in 0.2 s or a little more"
    assert step.left_s == pytest.approx(490 / step.rate_fps, rel=0.1)


def test_print_config_shows_what_was_resolved(capsys: pytest.CaptureFixture[str]) -> None:
    assert infer_video.main(["--print-config", "--no-render", "--people", "2", "--pitch", "-4"]) == 0
    shown = capsys.readouterr().out
    assert all(line in shown.splitlines() for line in ("movie: false", "people: 2", "  pitch_deg: -4.0"))


def test_names_that_begin_with_a_dash_are_names() -> None:
    parsed = infer_video.build_parser().parse_args(["-o", "out", "--force", "--", "-clip.mp4", "--help"])
    assert parsed.inputs == ["-clip.mp4", "--help"]
    assert parsed.force


def test_bad_inputs_fail_by_name_and_the_rest_goes_on(people_clip: Path, lifter_file: Path, tmp_path: Path) -> None:
    bad = {name: tmp_path / name for name in ("text.mp4", "cut.mp4", "zero.mp4", "audio.mp4", "absent.mp4", "folder")}
    bad["text.mp4"].write_text("this is no video\n" * 50)
    bad["cut.mp4"].write_bytes(clip(tmp_path / "whole.mp4").read_bytes()[:800])
    bad["zero.mp4"].touch()
    write(bad["audio.mp4"], tone())
    bad["folder"].mkdir()
    good = tmp_path / "good.mp4"
    good.write_bytes(people_clip.read_bytes())

    done = run_command(
        [*bad.values(), good, "-o", "out", "--lifter", lifter_file, *QUICK, "--people", "1", "--fov", "70"], tmp_path
    )
    assert done.returncode == 1
    assert "Traceback" not in done.stderr
    for path in bad.values():
        lines = [line for line in done.stderr.splitlines() if f"{path}" in line and "into out" not in line]
        assert len(lines) == 1, (path, done.stderr)
        assert len(lines[0].split(": ")) >= 3, "the file, the problem, the remedy"
    assert f"{good}: 1 person, results in out/good" in done.stdout
    assert "6 of 7 inputs failed" in done.stdout
    assert (tmp_path / "out" / "good" / "good.mp4").exists()
    assert "frames/s" in done.stderr, "plain progress lines where there is no terminal"


def test_json_is_all_that_stands_on_stdout(people_clip: Path, lifter_file: Path, tmp_path: Path) -> None:
    arguments = ["absent.mp4", people_clip, "-o", "out", "--lifter", lifter_file, *QUICK, "--no-render", "--json"]
    done = run_command(arguments, tmp_path)
    assert done.returncode == 1
    events = [json.loads(line) for line in done.stdout.splitlines()]
    kinds = [event["event"] for event in events]
    assert kinds[0] == "error"
    assert kinds[-1] == "summary"
    assert "absent.mp4" in events[0]["message"]
    progress = [event for event in events if event["event"] == "progress" and event["stage"] == "detect"]
    assert progress[-1]["done"] == 8
    assert progress[-1]["frames_per_second"] > 0
    assert [e["status"] for e in events if e["event"] == "stage" and e["stage"] == "lift"] == ["ran"]
    summary = events[-1]
    assert summary["failed"] == 1
    assert [outcome["status"] for outcome in summary["inputs"]] == ["failed", "done"]
    assert summary["inputs"][1]["folder"] == "out/people"

    again = run_command(arguments[1:-1], tmp_path)
    assert again.returncode == 0
    assert again.stdout.count("was up to date") == 1
    assert "people: detect is up to date (detections.npz)" in again.stderr


def test_full_disk_is_one_line_and_keeps_what_was_computed(
    people_clip: Path, lifter_file: Path, tmp_path: Path
) -> None:
    arguments = [people_clip, "-o", "out", "--lifter", lifter_file, *QUICK]
    nothing = run_command(arguments, tmp_path, largest_file_bytes=700)
    assert nothing.returncode == 1
    assert "Traceback" not in nothing.stderr
    assert "free some space" in nothing.stderr
    assert not list((tmp_path / "out" / "people").glob("*.npz"))

    quiet = run_command([*arguments, "--no-render", "--quiet"], tmp_path)
    assert (quiet.returncode, quiet.stdout, quiet.stderr) == (0, "", "")
    folder = tmp_path / "out" / "people"
    kept = {path: path.read_bytes() for path in folder.glob("*.npz")}
    assert len(kept) == 4
    largest = max(len(content) for content in kept.values())
    movie = run_command(arguments, tmp_path, largest_file_bytes=largest)
    assert movie.returncode == 1
    assert "Traceback" not in movie.stderr
    assert "people.mp4: cannot be written" in movie.stderr
    assert {path: path.read_bytes() for path in folder.glob("*.npz")} == kept
    assert not (folder / "people.mp4").exists()
    assert not list(folder.glob(".*.tmp"))
