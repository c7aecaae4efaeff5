from __future__ import annotations

import dataclasses
from pathlib import Path

import pytest

from lifting.recipe import Recipe
from lifting.recipe_clips import recipe_clips, with_folders, with_further_procedural
from poses import UsageError
from tests.lifting.archives import write_archive
from tests.motion import walker

RECIPE = Recipe(
    name="t", summary="", licence="", trained_on="", archive_weights={"walks": 1.0, "procedural": 0.5},
    procedural_hours=0.002,
)  # fmt: skip


@pytest.fixture
def data(tmp_path: Path) -> Path:
    write_archive(tmp_path / "walks.npz", {"one": walker(1.0, 50)})
    return tmp_path


def archives(names: tuple[str, ...]) -> set[str]:
    return {name.split("/")[0] for name in names}


def test_procedural_motion_is_made_where_the_data_hold_none(data: Path) -> None:
    clips = recipe_clips(RECIPE, data)
    assert archives(clips.names) == {"walks", "procedural"}
    made = sum(len(clips.clip(i)) for i, name in enumerate(clips.names) if name.startswith("procedural"))
    assert made >= 0.002 * 3600 * 50


def test_procedural_motion_of_the_data_is_read(data: Path) -> None:
    write_archive(data / "procedural.npz", {"mine": walker(1.0, 50)})
    assert recipe_clips(RECIPE, data).names == ("procedural/mine", "walks/one")


def test_further_procedural_motion_is_other_motion_for_training(data: Path) -> None:
    clips = recipe_clips(RECIPE, data)
    more = with_further_procedural(dataclasses.replace(RECIPE, further_procedural_hours=0.002), clips)
    added = [more.clip(i) for i in range(len(clips), len(more))]
    assert sum(map(len, added)) >= 0.002 * 3600 * 50
    assert archives(more.names[len(clips) :]) == {"procedural"}
    first = {clips.clip(i)[:50].tobytes() for i in range(len(clips))}
    assert not first & {clip[:50].tobytes() for clip in added}
    assert with_further_procedural(RECIPE, clips) is clips
    without = dataclasses.replace(RECIPE, archive_weights={"walks": 1.0}, further_procedural_hours=0.002)
    assert with_further_procedural(without, clips) is clips


def test_folders_join_with_their_shares(tmp_path: Path) -> None:
    (tmp_path / "mine").mkdir()
    recipe, folders = with_folders(RECIPE, [str(tmp_path / "mine")])
    assert recipe.archive_weights == {**RECIPE.archive_weights, "mine": 0.15}
    assert folders == [tmp_path / "mine"]
    recipe, _ = with_folders(RECIPE, [f"{tmp_path / 'mine'}=0.4"])
    assert recipe.archive_weights["mine"] == 0.4


@pytest.mark.parametrize("share", ["0", "much", "-1"])
def test_shares_are_numbers_above_zero(tmp_path: Path, share: str) -> None:
    (tmp_path / "mine").mkdir()
    with pytest.raises(UsageError, match="expected FOLDER or FOLDER=SHARE"):
        with_folders(RECIPE, [f"{tmp_path / 'mine'}={share}"])


def test_what_is_no_folder_and_what_is_named_twice_is_refused(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="there is no folder"):
        with_folders(RECIPE, [str(tmp_path / "none")])
    (tmp_path / "walks").mkdir()
    with pytest.raises(UsageError, match="has an archive of that name"):
        with_folders(RECIPE, [str(tmp_path / "walks")])
