"""From arguments to videos with unique names."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from pipeline.inputs import VideoInput, collect_inputs


@pytest.fixture
def tree(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Folders with files that are named like videos; the current folder."""
    for name in (
        "a/walk.mp4",
        "a/run.MOV",
        "a/.hidden.mp4",
        "a/notes.txt",
        "a/deep/jump.mp4",
        "b/walk.mp4",
        "b/walk.avi",
    ):
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(b"x")
    (tmp_path / "empty").mkdir()
    (tmp_path / "a" / "folder.mp4").mkdir()
    monkeypatch.chdir(tmp_path)
    return tmp_path


def named(*arguments: str) -> dict[str, str]:
    videos, errors = collect_inputs(arguments)
    assert not errors
    assert len({video.name.casefold() for video in videos}) == len(videos)
    return {video.name: str(video.path) for video in videos}


@pytest.mark.usefixtures("tree")
def test_a_file_keeps_its_path_and_gives_its_stem() -> None:
    assert collect_inputs(["a/walk.mp4"]) == ([VideoInput(Path("a/walk.mp4"), "walk")], [])
    # A file that is named may end in anything; decoding tells whether it is a video.
    assert named("a/notes.txt") == {"notes": "a/notes.txt"}


@pytest.mark.usefixtures("tree")
def test_a_folder_gives_its_own_visible_videos_in_order() -> None:
    assert list(named("a").items()) == [("run", "a/run.MOV"), ("walk", "a/walk.mp4")]


@pytest.mark.usefixtures("tree")
def test_patterns_that_the_shell_left() -> None:
    assert named("a/*.MOV") == {"run": "a/run.MOV"}
    assert named("**/j*.mp4") == {"jump": "a/deep/jump.mp4"}


@pytest.mark.usefixtures("tree")
def test_same_stems_get_their_folder_s_name_then_a_number() -> None:
    assert named("a/walk.mp4", "a/run.MOV", "b/walk.mp4", "b/walk.avi") == {
        "a-walk": "a/walk.mp4",
        "run": "a/run.MOV",
        "b-walk": "b/walk.mp4",
        "b-walk-2": "b/walk.avi",
    }


def test_names_do_not_clash_where_case_is_ignored(tree: Path) -> None:
    (tree / "a" / "Walk.mkv").write_bytes(b"x")
    named("a", "b")


def test_a_number_never_takes_a_name_that_another_file_has(tree: Path) -> None:
    (tree / "b-walk-2.mp4").write_bytes(b"x")
    (tree / "b-walk.mp4").write_bytes(b"x")
    assert len(named("b", "b-walk-2.mp4", "b-walk.mp4")) == 4


@pytest.mark.usefixtures("tree")
def test_a_file_reached_twice_is_taken_once_and_where_first_named() -> None:
    assert list(named("a/walk.mp4", "a", "./a/../a/*.mp4").values()) == ["a/walk.mp4", "a/run.MOV"]


@pytest.mark.usefixtures("tree")
def test_unusable_inputs_do_not_stop_the_others() -> None:
    arguments = ["missing.mp4", "a/walk.mp4", "empty", "x*.mp4", "https://example.org/v.mp4", "rtsp://cam/1", ""]
    videos, errors = collect_inputs(arguments)
    assert [video.name for video in videos] == ["walk"]
    problems = [error.problem for error in errors]
    expected = ["no such file", "without videos", "no file matches", "only local", "only local", "no such file"]
    assert len(problems) == len(expected)
    for problem, words, argument in zip(problems, expected, [arguments[0], *arguments[2:]], strict=True):
        assert words in problem
        assert argument in problem
        assert "\n" not in problem
    assert all(error.remedy for error in errors)


@pytest.mark.parametrize("name", ["-rf.mp4", "a[1].mp4", "what?.mp4", "a:b.mp4", "http:x.mp4", "日本 é.mp4", "..x.mp4"])
def test_names_with_a_meaning_elsewhere_are_names(name: str, tree: Path) -> None:
    (tree / name).write_bytes(b"x")
    videos, errors = collect_inputs([name])
    assert not errors
    assert [str(video.path) for video in videos] == [name]
    # The folder for the results is no option, not hidden, and lies below the output folder.
    assert not videos[0].name.startswith((".", "-"))
    assert os.sep not in videos[0].name
    assert videos[0].name


@pytest.mark.parametrize("name", ["x" * 300 + ".mp4", "nul\0.mp4"])
def test_names_that_no_file_can_have(name: str) -> None:
    videos, errors = collect_inputs([name])
    assert not videos
    assert len(errors) == 1
