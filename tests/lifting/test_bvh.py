"""BVH folders as motion: keypoints of a person who is known in closed form, archives, training, the command line."""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import yaml
from scipy.spatial.transform import Rotation

from lifting import train
from lifting.card import load_weights
from lifting.data import bvh
from lifting.data.bvh import BvhOptions, cut, floor_m, load_bvh_folder, read_recording
from lifting.data.bvh_people import HIPS_OVER_LEG
from lifting.data.mocap import KEYPOINTS, load_archive, load_archives
from poses import InputError
from tests.lifting.bvh_writer import person_text, write_walk
from tests.motion import HIP_WIDTH, SHIN, SHOULDER_WIDTH, THIGH, walk_at

LIMBS = [
    k for k, name in enumerate(KEYPOINTS) if name.split("_")[-1] in ("knee", "ankle", "shoulder", "elbow", "wrist")
]
CENTRE = [KEYPOINTS.index(name) for name in ("hip", "left_hip", "right_hip")]
HEAD = [KEYPOINTS.index(name) for name in ("neck", "head", "nose", "left_eye", "right_eye", "left_ear", "right_ear")]
TIMES_S = np.arange(181) / 120


def clip_of(tmp_path: Path, text: str, units: str = "auto", up: str = "auto") -> np.ndarray:
    path = tmp_path / "clip.bvh"
    path.write_text(text)
    (clip,) = read_recording(path, "clip", BvhOptions(units, up)).clips
    return clip


def errors_mm(clip: np.ndarray, truth: np.ndarray) -> np.ndarray:
    """(K,) mean distance after the first hips are laid on each other on the floor."""
    assert clip.shape == truth.shape
    moved = truth - np.array([*truth[0, 0, :2], 0.0])
    return 1000 * np.linalg.norm(clip - moved, axis=-1).mean(axis=0)


def test_a_walker_comes_back(tmp_path: Path) -> None:
    truth = write_walk(tmp_path / "walk.bvh", heading_rad=0.4)
    recording = read_recording(tmp_path / "walk.bvh", "walk", BvhOptions())
    (clip,) = recording.clips
    errors = errors_mm(clip, truth)
    assert errors[LIMBS].max() < 0.5
    # The hips are set apart to a proportion that is nearly the walker's own.
    assert errors[CENTRE].max() < 1 + 500 * abs(HIPS_OVER_LEG * (THIGH + SHIN) - HIP_WIDTH)
    assert recording.widths_m == pytest.approx((0.18, SHOULDER_WIDTH), abs=0.1)
    # Spine, thorax and the place of the head on the neck are estimates.
    assert errors[KEYPOINTS.index("thorax")] < 10
    assert errors[KEYPOINTS.index("spine")] < 20


def y_up(p: np.ndarray) -> np.ndarray:
    return np.stack([p[..., 1], p[..., 2], p[..., 0]], axis=-1)


@pytest.mark.parametrize(
    ("unit_m", "to_file"),
    [
        (0.01, y_up),
        (1.0, y_up),
        (0.001, lambda p: p),
        (0.0254, lambda p: p),
        (0.0254 / 0.45, y_up),
        (0.01, lambda p: np.stack([p[..., 2], p[..., 0], p[..., 1]], axis=-1)),
        (0.01, lambda p: np.stack([p[..., 0], -p[..., 1], -p[..., 2]], axis=-1)),
        (1.0, lambda p: np.stack([p[..., 0], -p[..., 2], p[..., 1]], axis=-1)),
    ],
    ids=["cm y", "m y", "mm z", "inch z", "cmu y", "cm x", "cm -z", "m -y"],
)
def test_unit_and_up_axis_are_found(tmp_path: Path, unit_m: float, to_file: Callable[[np.ndarray], np.ndarray]) -> None:
    clip = clip_of(tmp_path, person_text(walk_at(TIMES_S), 120, unit_m=unit_m, to_file=to_file))
    truth = walk_at(np.arange(76) / 50)
    # The heading about the vertical is the axes' own; lengths, heights and the hand of the axes are not.
    np.testing.assert_allclose(clip[:, LIMBS, 2], truth[:, LIMBS, 2], atol=1e-3)
    turn = Rotation.align_vectors(*(c[:, LIMBS].reshape(-1, 3) - [*c[:, 0].mean(0)[:2], 0] for c in (truth, clip)))[0]
    np.testing.assert_allclose(turn.apply([0, 0, 1]), [0, 0, 1], atol=1e-3)
    turned = turn.apply((clip[:, LIMBS] - [*clip[:, 0].mean(0)[:2], 0]).reshape(-1, 3)).reshape(76, -1, 3)
    np.testing.assert_allclose(turned, truth[:, LIMBS] - [*truth[:, 0].mean(0)[:2], 0], atol=5e-3)


def test_unit_and_axis_that_the_user_gives(tmp_path: Path) -> None:
    giant = person_text(5 * walk_at(TIMES_S), 120)
    with pytest.raises(InputError, match=r"clip\.bvh: thigh and shin are 44\d\.\d+ units long.*--units"):
        clip_of(tmp_path, giant)
    clip = clip_of(tmp_path, giant, units="0.002", up="y")
    assert errors_mm(clip, walk_at(np.arange(76) / 50))[LIMBS].max() < 1
    lying = walk_at(TIMES_S) @ np.array([[0.0, 0, 1], [0, 1, 0], [-1, 0, 0]])
    upright_first = np.concatenate([walk_at(TIMES_S[:1]), lying])
    with pytest.raises(InputError, match=r"y is up in the rest pose and -?[xz] in the motion: say it with --up"):
        clip_of(tmp_path, person_text(upright_first, 120))


@pytest.mark.parametrize("rate_hz", [24, 30, 60, 100, 240])
def test_any_rate_becomes_fifty(tmp_path: Path, rate_hz: int) -> None:
    text = person_text(walk_at(np.arange(2 * rate_hz + 1) / rate_hz), rate_hz)
    clip = clip_of(tmp_path, text.replace(f"Frame Time: {1 / rate_hz}", f"Frame Time: {1 / rate_hz:.6f}"))
    truth = walk_at(np.arange(101) / 50)
    assert abs(len(clip) - 101) <= 1
    assert errors_mm(clip[:100], truth[:100])[LIMBS].max() < 10


@pytest.mark.parametrize("own_axes", [False, True], ids=["rest pose", "no rest pose"])
def test_the_face_turns_with_the_head(tmp_path: Path, own_axes: bool) -> None:
    truth = np.repeat(walk_at(np.zeros(1)), 60, axis=0)
    yaw_deg = np.linspace(-60, 60, 60)
    turns = Rotation.from_euler("y", yaw_deg[:, None], degrees=True)
    clip = clip_of(tmp_path, person_text(truth, 50, head_turns=turns, own_axes=own_axes))
    ears = truth[:, [KEYPOINTS.index("left_ear"), KEYPOINTS.index("right_ear")]].mean(axis=1, keepdims=True)
    turn = Rotation.from_euler("z", yaw_deg[:, None], degrees=True)
    face = np.stack([turn.apply(truth[:, k] - ears[:, 0]) for k in HEAD], axis=1)
    # The shape of the face is exact and its height on the neck an estimate. Straight ahead is where hips and shoulders
    # of the rest pose face, which in this walker's stance are turned by a degree; without a rest pose it is where the
    # trunk faces over the recording, and this one leans.
    own = clip[:, [KEYPOINTS.index("left_ear"), KEYPOINTS.index("right_ear")]].mean(axis=1, keepdims=True)
    np.testing.assert_allclose(clip[:, HEAD] - own, face, atol=0.02 if own_axes else 0.003)
    np.testing.assert_allclose(own - clip[:, :1], ears - truth[:, :1], atol=0.04)


def test_sides_that_are_exchanged_are_said(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    walk = walk_at(TIMES_S)
    clip_of(tmp_path, person_text(walk, 120))
    assert "toes" not in caplog.text
    clip_of(tmp_path, person_text(walk, 120, sides_exchanged=True))
    assert "clip.bvh: the toes point backwards; left and right may be exchanged" in caplog.text


def test_recordings_are_cut_where_they_jump() -> None:
    walk = walk_at(np.arange(150) / 50)
    broken = walk.copy()
    broken[80:] += [1.0, 0, 0]
    first, second = cut(broken)
    # Frames 79 and 80 jump; eight around them go too.
    np.testing.assert_array_equal(first, walk[:71])
    np.testing.assert_array_equal(second, broken[89:])
    assert [len(part) for part in cut(walk)] == [150]
    broken[20:40, 5] += np.random.default_rng(1).normal(0, 1, (20, 3))
    assert cut(broken) == [], "mostly jumps"
    assert cut(walk[:24]) == []


def test_the_floor() -> None:
    walk = walk_at(np.arange(100) / 50)
    assert floor_m(walk, 0.897) == 0, "the file's own"
    assert floor_m(walk + np.array([0, 0, 3.0]), 0.897) == pytest.approx(3.0, abs=0.02)
    assert floor_m(walk - np.array([0, 0, 1.0]), 0.897) == pytest.approx(-1.0, abs=0.02)


def test_the_command_writes_an_archive_like_the_folder_itself(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder, archives = tmp_path / "mine", tmp_path / "archives"
    names = ["day0/walk 0", "day1/walk 1"]
    truths = [write_walk(folder / f"{name}.BVH", 1.0 + i, heading_rad=i) for i, name in enumerate(names)]
    command = [str(folder), "--output", str(archives), "--licence", "CC0"]
    assert bvh.main(command) == 1
    assert "archives: no such folder" in capsys.readouterr().err
    archives.mkdir()
    assert bvh.main(command) == 0
    clips = load_archive(archives / "mine.npz")
    assert clips.names == tuple(f"mine/{name}" for name in names)
    for index, truth in enumerate(truths):
        assert errors_mm(clips.clip(index), truth)[LIMBS].max() < 1
    arrays = np.load(archives / "mine.npz")
    assert (str(arrays["licence"]), str(arrays["source"]), arrays["raw_width"].shape) == ("CC0", "mine", (2, 2))
    from_folder = load_bvh_folder(folder)
    assert from_folder.names == clips.names
    np.testing.assert_array_equal(from_folder.start, clips.start)
    assert np.abs(from_folder.joints_m - clips.joints_m).max() <= 0.0005 + 1e-6
    # Where there is no archive of that name, the folder serves.
    np.testing.assert_array_equal(load_archives(tmp_path, ["mine"]).joints_m, from_folder.joints_m)


@pytest.mark.parametrize(
    ("options", "code", "problem"),
    [
        (["--units", "feet"], 2, "--units feet: unknown: choose auto, m, cm, mm, inch, cmu, or metres a unit"),
        (["--joints", "nowhere.yaml"], 2, "nowhere.yaml: cannot read the configuration"),
        (["--units", "m"], 1, r"walk\.bvh: thigh and shin are 89\.\d m long then: correct --units"),
    ],
)
def test_mistakes_are_named(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], options: list[str], code: int, problem: str
) -> None:
    write_walk(tmp_path / "mine" / "walk.bvh")
    assert bvh.main([str(tmp_path / "mine"), "--output", str(tmp_path), *options]) == code
    error = capsys.readouterr().err
    assert error.startswith("error: ")
    assert error.count("\n") == 1
    assert re.search(problem, error)


def test_folders_without_motion(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="nowhere: no such folder"):
        load_bvh_folder(tmp_path / "nowhere")
    with pytest.raises(InputError, match=r"holds no \.bvh file"):
        load_bvh_folder(tmp_path)
    write_walk(tmp_path / "short.bvh", seconds=0.3)
    with pytest.raises(InputError, match="no recording is long enough to train on"):
        load_bvh_folder(tmp_path)
    (tmp_path / "bad.bvh").write_text("HIERARCHY\n")
    with pytest.raises(InputError, match=r"bad\.bvh, line 1: the file ends where ROOT was expected"):
        load_bvh_folder(tmp_path)


def test_a_recipe_trains_on_the_folder(tmp_path: Path) -> None:
    for i in range(3):
        write_walk(tmp_path / "mine" / f"walk{'abc'[i]}.bvh", heading_rad=i)
    values = {
        "name": "own", "summary": "s", "licence": "CC0", "trained_on": "own motion", "archive_weights": {"mine": 1.0},
        "held_out_share": 0.0, "filter_widths": [3, 3], "position_channels": 8, "trajectory_channels": 8, "steps": 2,
        "sequences": 4,
    }  # fmt: skip
    (tmp_path / "recipe.yaml").write_text(yaml.safe_dump(values))
    output = tmp_path / "own.safetensors"
    arguments = ["--config", str(tmp_path / "recipe.yaml"), "--data", str(tmp_path), "--output", str(output)]
    assert train.main(arguments) == 0
    assert dataclasses.asdict(load_weights(output)[0])["trained_on"] == "own motion"
