from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from lifting.data.mocap import KEYPOINTS, PARENTS, Clips, is_held_out, load_archive, load_archives, split
from poses import H36M17, InputError
from tests.lifting.archives import archive_arrays, write_archive
from tests.motion import walker

WALKS = {"walk_fast_1": walker(1.0, 50, 1.4), "walk_slow": walker(0.6, 50, 0.8), "jog": walker(0.5, 50, 1.5)}


def named(*names: str) -> Clips:
    """Clips of one frame, frame i at height i."""
    joints = np.zeros((len(names), 22, 3), np.float32)
    joints[:, :, 2] = np.arange(len(names))[:, None]
    return Clips(joints, np.arange(len(names) + 1), names)


def test_archive_in_metres_clip_by_clip(tmp_path: Path) -> None:
    clips = load_archive(write_archive(tmp_path / "walks.npz", WALKS))
    assert clips.names == ("walks/walk_fast_1", "walks/walk_slow", "walks/jog")
    assert len(clips) == 3
    for index, walk in enumerate(WALKS.values()):
        assert np.abs(clips.clip(index) - walk).max() <= 0.0005 + 1e-6, "rounded to millimetres"
    assert clips.joints_m.dtype == np.float32


def test_several_archives_one_after_the_other(tmp_path: Path) -> None:
    write_archive(tmp_path / "b.npz", {"x": WALKS["jog"]})
    write_archive(tmp_path / "a.npz", WALKS)
    clips = load_archives(tmp_path, ["b", "a"])
    assert clips.names == ("b/x", "a/walk_fast_1", "a/walk_slow", "a/jog")
    np.testing.assert_array_equal(clips.clip(0), clips.clip(3))
    with pytest.raises(InputError, match=r"c\.npz: no such file"):
        load_archives(tmp_path, ["a", "c"])


def shortened(arrays: dict[str, Any], name: str, count: int) -> dict[str, Any]:
    return {**arrays, name: arrays[name][:count]}


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda a: {k: v for k, v in a.items() if k != "clip_start"}, "lacks clip_start"),
        (lambda a: {**a, "joints": a["joints"][:, :17]}, r"shape \(frames, 22, 3\), got \(105, 17, 3\)"),
        (lambda a: {**a, "joints": a["joints"].reshape(105, 66)}, r"got \(105, 66\)"),
        (lambda a: {**a, "joints": np.full((105, 22, 3), np.nan)}, "joints must be whole millimetres, got float64"),
        (lambda a: {**a, "fps": np.array(60)}, "expected 50 frames per second, got 60"),
        (lambda a: shortened(a, "joints", 100), "does not fit 3 clips and 100 frames"),
        (lambda a: shortened(a, "clip_name", 2), "does not fit 2 clips and 105 frames"),
        (lambda a: shortened(a, "clip_start", 0), "does not fit"),
        (lambda a: {**a, "clip_start": np.array([5, 50, 80, 105])}, "does not fit"),
        (lambda a: {**a, "clip_start": np.array([0, 80, 50, 105])}, "does not fit"),
        (lambda a: {**a, "keypoint": a["keypoint"][::-1]}, "keypoints are not those of the format"),
    ],
)
def test_other_formats_are_refused(tmp_path: Path, change: Any, message: str) -> None:
    np.savez(tmp_path / "odd.npz", **change(archive_arrays(WALKS)))
    with pytest.raises(InputError, match=message) as caught:
        load_archive(tmp_path / "odd.npz")
    assert "odd.npz" in str(caught.value)


@pytest.mark.parametrize("share", [0.0, 0.3, 0.98])
def test_archive_that_is_cut_off(tmp_path: Path, share: float) -> None:
    whole = write_archive(tmp_path / "whole.npz", WALKS).read_bytes()
    (tmp_path / "cut.npz").write_bytes(whole[: int(share * len(whole))])
    with pytest.raises(InputError, match=r"cut\.npz: not a readable npz archive"):
        load_archive(tmp_path / "cut.npz")


def test_keypoints_begin_with_human36m() -> None:
    assert KEYPOINTS[:17] == H36M17.joints
    assert PARENTS[:17] == H36M17.parents
    assert all(KEYPOINTS[PARENTS[k]] == "neck" for k in range(17, 22))


def test_select_keeps_the_order_asked_for() -> None:
    chosen = named("a/0", "a/1", "a/2").select([2, 0])
    assert chosen.names == ("a/2", "a/0")
    assert chosen.clip(0)[0, 0, 2] == 2
    assert chosen.clip(1)[0, 0, 2] == 0
    assert len(named("a/0").select([])) == 0


def test_split_is_a_partition_by_whole_recordings() -> None:
    names = [
        f"cmu/{subject:02d}_{take:02d}~{part}" for subject in range(20) for take in range(10) for part in (1, 2, 3)
    ]
    training, held = split(named(*names), 0.3)
    assert sorted(training.names + held.names) == sorted(names)
    kept = {name.split("~")[0] for name in training.names}
    assert not kept & {name.split("~")[0] for name in held.names}
    for clips in (training, held):
        assert [clips.clip(i)[0, 0, 2] for i in range(len(clips))] == [names.index(name) for name in clips.names]


def test_share_is_held_out() -> None:
    names = [f"cmu/{subject:03d}_{take:02d}" for subject in range(100) for take in range(40)]
    share = sum(is_held_out(name, 0.2) for name in names) / len(names)
    # Four standard deviations of a binomial.
    assert abs(share - 0.2) < 4 * np.sqrt(0.2 * 0.8 / len(names))
    assert not any(is_held_out(name, 0.0) for name in names)
    assert all(is_held_out(name, 1.0) for name in names)
    # A larger share holds out more, and all of the smaller one.
    assert all(is_held_out(name, 0.4) for name in names if is_held_out(name, 0.2))


def test_repetitions_of_a_motion_stay_together() -> None:
    sides = set()
    for motion in ("depositFloorR", "kickLFront", "squat", "walk back", "dash", "jog", "throw", "lieDown"):
        side = {is_held_out(f"hdm05/mm_{motion}_{number:03d}{part}", 0.5) for number in range(9) for part in ("", "~2")}
        assert len(side) == 1
        sides |= side
    assert sides == {False, True}
    assert len({is_held_out(f"cmu/49_{number:02d}", 0.5) for number in range(30)}) == 2, "these are different motions"
    assert len({is_held_out(f"{archive}/walk_01", 0.5) for archive in "abcdefghij"}) == 2


def test_adding_archives_moves_no_clip() -> None:
    first = [f"cmu/{i:03d}" for i in range(60)]
    _, before = split(named(*first), 0.3)
    _, after = split(named(*[f"more/dance{i}" for i in range(40)], *first), 0.3)
    assert [name for name in after.names if name.startswith("cmu")] == list(before.names)


def test_split_never_changes() -> None:
    """A quarter is held out: those for which the output of `printf cmu/06 | sha256sum` begins with 0, 1, 2 or 3."""
    names = [f"cmu/{i:02d}" for i in range(20)]
    assert [name for name in names if is_held_out(name, 0.25)] == ["cmu/06", "cmu/14", "cmu/19"]
