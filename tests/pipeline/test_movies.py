"""The pipeline's movie in other formats and layouts: only the render stage runs again."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import av
import pytest

from pipeline import Config, run_video
from pipeline.cache import remove_leftovers
from pipeline.models import Models
from poses import UsageError
from tests.pipeline.runs import ran


def looking(config: Config, **options: object) -> Config:
    return dataclasses.replace(config, render=dataclasses.replace(config.render, **options))  # type: ignore[arg-type]


def test_another_layout_renders_only(copy: Path, people_clip: Path, config: Config, models: Models) -> None:
    sizes = []
    for options in ({"layout": "stacked"}, {"layout": "scene", "views": ("front", "side"), "camera": "orbit"}):
        result = run_video(people_clip, copy, looking(config, **options), models=models)
        assert ran(result) == ["render"]
        assert result.movie is not None
        with av.open(str(result.movie)) as container:
            sizes.append((container.streams.video[0].width, container.streams.video[0].height))
            assert container.streams.video[0].frames == 12
        assert ran(run_video(people_clip, copy, looking(config, **options), models=models)) == []
    assert max(sizes[0]) <= 322
    assert sizes[1] == (320, 180)


@pytest.mark.parametrize(("name", "ending"), [("gif", ".gif"), ("webm", ".webm"), ("png", "_frames")])
def test_other_formats_are_cached_too(
    copy: Path, people_clip: Path, config: Config, models: Models, name: str, ending: str
) -> None:
    asked = looking(config, format=name)
    result = run_video(people_clip, copy, asked, models=models)
    assert ran(result) == ["render"]
    assert result.movie == copy / "people" / f"people{ending}"
    assert result.report["stages"]["render"]["artifact"] == f"people{ending}"
    assert ran(run_video(people_clip, copy, asked, models=models)) == []
    if name == "png":
        images = sorted(result.movie.glob("*.png"))
        assert len(images) == 12
        images[3].unlink()
        assert ran(run_video(people_clip, copy, asked, models=models)) == ["render"]


def test_a_stylesheet_counts_by_its_content(
    copy: Path, people_clip: Path, config: Config, models: Models, tmp_path: Path
) -> None:
    sheets = [tmp_path / name for name in ("one.yaml", "same.yaml", "other.yaml")]
    for sheet, width in zip(sheets, (1.5, 1.5, 0.7), strict=True):
        sheet.write_text(f"base: light\nline_width: {width}\n")
    stages = [ran(run_video(people_clip, copy, looking(config, theme=str(s)), models=models)) for s in sheets]
    assert stages == [["render"], [], ["render"]]


def test_a_missing_stylesheet_shows_before_anything_runs(
    tmp_path: Path, people_clip: Path, config: Config, models: Models
) -> None:
    with pytest.raises(UsageError, match=r"absent\.yaml.*known: dark, light"):
        run_video(people_clip, tmp_path, looking(config, theme="absent.yaml"), models=models)
    assert not (tmp_path / "people" / "video.npz").exists()


def test_folders_of_a_killed_run_are_removed(tmp_path: Path) -> None:
    left = tmp_path / ".people_frames.abc.tmp"
    left.mkdir()
    (left / "000001.png").write_bytes(b"x")
    (tmp_path / ".people.mp4.abc.tmp").write_bytes(b"x")
    (tmp_path / "people.mp4").write_bytes(b"x")
    remove_leftovers(tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == ["people.mp4"]
