"""Procedural motion, measured on the keypoints alone: bones, joints, contacts, meaning of the actions, the archive."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from lifting.data.mocap import KEYPOINTS, PARENTS, RATE_HZ, Clips, is_held_out, load_archive
from lifting.data.procedural.__main__ import main
from lifting.data.procedural.actions import ACTIONS
from lifting.data.procedural.archive import clip_name, make_archive, make_clips, mirrored

RIGID = ("thorax", "neck", "head", "nose", "left_eye", "right_eye", "left_ear", "right_ear")


def at(name: str) -> int:
    return KEYPOINTS.index(name)


@pytest.fixture(scope="module")
def clips() -> Clips:
    """A clip of each action."""
    return make_archive(seed=3, hours=0.04)


def of(clips: Clips, action: str) -> list[np.ndarray]:
    found = [clips.clip(i) for i, name in enumerate(clips.names) if name.split("/")[1].rsplit("_", 1)[0] == action]
    assert found
    return found


def unit(vectors: np.ndarray) -> np.ndarray:
    return np.asarray(vectors / np.linalg.norm(vectors, axis=-1, keepdims=True))


def bend_deg(clip: np.ndarray, upper: str, middle: str, lower: str) -> np.ndarray:
    """0 where straight."""
    one, other = (unit(clip[:, at(b)] - clip[:, at(a)]) for a, b in ((upper, middle), (middle, lower)))
    return np.degrees(np.arccos(np.clip((one * other).sum(-1), -1, 1)))


def trunk_deg(clip: np.ndarray) -> np.ndarray:
    """Of the line from hip to thorax, from the vertical."""
    return np.degrees(np.arccos(unit(clip[:, at("thorax")] - clip[:, at("hip")])[:, 2]))


def forward(clip: np.ndarray, part: str) -> np.ndarray:
    """(T, 3) ahead of the hips or the shoulders: their axis to the left, crossed with the trunk upward."""
    across = clip[:, at(f"left_{part}")] - clip[:, at(f"right_{part}")]
    return unit(np.cross(across, clip[:, at("thorax")] - clip[:, at("hip")]))


def test_every_action_is_there_and_names_tell_it(clips: Clips) -> None:
    assert {name.split("/")[1].rsplit("_", 1)[0] for name in clips.names} == set(ACTIONS)
    assert len(set(clips.names)) == len(clips)
    lengths_s = np.diff(clips.start) / RATE_HZ
    assert lengths_s.min() >= 3.9
    assert lengths_s.max() <= 12.1
    assert lengths_s.sum() / 3600 == pytest.approx(26 * 8 / 3600, rel=0.3)


def test_bones_keep_their_length(clips: Clips) -> None:
    joints = clips.joints_m.astype(np.float64)
    bones = joints - joints[:, [max(parent, 0) for parent in PARENTS]]
    lengths = np.linalg.norm(bones, axis=-1)[:, [i for i, parent in enumerate(PARENTS) if parent >= 0]]
    # What single precision leaves of constant lengths, metres from the origin.
    assert np.ptp(lengths, axis=0).max() < 3e-6
    names = {KEYPOINTS[i]: float(np.median(length)) for i, length in zip(range(1, 22), lengths.T, strict=True)}
    medians = {"left_knee": 0.405, "left_ankle": 0.434, "spine": 0.221, "thorax": 0.291, "neck": 0.106, "head": 0.115,
               "left_elbow": 0.301, "left_wrist": 0.284, "left_hip": 0.126}  # fmt: skip
    for name, length_m in medians.items():
        assert names[name] == pytest.approx(length_m, abs=0.002), name


def test_the_face_is_rigid_on_the_head(clips: Clips) -> None:
    head = clips.joints_m[:, [at(name) for name in RIGID[1:]]].astype(np.float64)
    apart = np.linalg.norm(head[:, :, None] - head[:, None], axis=-1)
    assert np.ptp(apart, axis=0).max() < 3e-6
    middle = (head[:, 5] + head[:, 6]) / 2
    # Offsets of the archives' README: nose tip 0.120 ahead of the ears and 0.020 below, ears 0.005 behind.
    assert np.linalg.norm(head[:, 2] - middle, axis=-1) == pytest.approx(np.hypot(0.125, 0.020), abs=1e-5)


def test_knees_and_elbows_bend_the_right_way_and_not_too_far(clips: Clips) -> None:
    for index in range(len(clips)):
        clip = clips.clip(index).astype(np.float64)
        for side in ("left", "right"):
            knee = bend_deg(clip, f"{side}_hip", f"{side}_knee", f"{side}_ankle")
            elbow = bend_deg(clip, f"{side}_shoulder", f"{side}_elbow", f"{side}_wrist")
            assert knee.max() < 156, clips.names[index]
            assert elbow.max() < 151, clips.names[index]
            thigh = unit(clip[:, at(f"{side}_knee")] - clip[:, at(f"{side}_hip")])
            shin = unit(clip[:, at(f"{side}_ankle")] - clip[:, at(f"{side}_knee")])
            # A knee that bends backward turns about an axis to the body's left; hip rotation turns that axis by less
            # than a right angle.
            left = unit(clip[:, at("left_hip")] - clip[:, at("right_hip")])
            axis = np.cross(thigh, shin)
            bent = (knee > 25) & (np.abs((thigh * left).sum(-1)) < 0.3)
            assert ((axis[bent] * left[bent]).sum(-1) > -0.2).all(), (clips.names[index], side)


def test_left_is_left_and_the_nose_is_ahead(clips: Clips) -> None:
    for index, name in enumerate(clips.names):
        clip = clips.clip(index).astype(np.float64)
        nose = unit(clip[:, at("nose")] - (clip[:, at("left_ear")] + clip[:, at("right_ear")]) / 2)
        assert ((nose * forward(clip, "shoulder")).sum(-1)).mean() > 0.2, name
        assert ((forward(clip, "hip") * forward(clip, "shoulder")).sum(-1)).min() > 0.2, name
        # Eyes: the left one on the side of the left ear.
        eyes = clip[:, at("left_eye")] - clip[:, at("right_eye")]
        assert ((eyes * (clip[:, at("left_ear")] - clip[:, at("right_ear")])).sum(-1) > 0).all()


def test_most_walkers_walk_ahead_the_others_straight_back_or_aside() -> None:
    ahead = []
    for clip in make_clips("walk", ACTIONS["walk"], 10, np.random.default_rng(1)):
        moved = np.diff(clip[::25, at("hip"), :2], axis=0)
        facing = forward(clip, "hip")[::25][:-1, :2]
        ahead.append(float((unit(moved) * unit(facing)).sum(-1).mean()))
    assert sum(value > 0.95 for value in ahead) >= 5
    assert all(value > 0.95 or value < -0.95 or abs(value) < 0.3 for value in ahead)


def test_motion_is_smooth_and_never_dead_still(clips: Clips) -> None:
    for index, name in enumerate(clips.names):
        clip = clips.clip(index).astype(np.float64)
        assert np.linalg.norm(np.diff(clip, n=2, axis=0), axis=-1).max() < 0.05, name
        speed = np.linalg.norm(np.diff(clip, axis=0), axis=-1) * RATE_HZ
        assert speed.max() < 6.0, name
        assert speed[:, at("hip")].max() < 2.5, name
        # Somewhere on the body, at any moment, half a millimetre a second at least.
        assert speed.max(axis=1).min() > 5e-4, name


def test_the_floor_holds(clips: Clips) -> None:
    for index, name in enumerate(clips.names):
        assert clips.clip(index)[..., 2].min() > -0.01, name


@pytest.mark.parametrize("action", ["squat", "bend", "lift", "push_up", "sit_up"])
def test_planted_feet_do_not_slide(clips: Clips, action: str) -> None:
    for clip in of(clips, action):
        feet = clip[:, [at("left_ankle"), at("right_ankle")], :2].astype(np.float64)
        seconds = len(clip) / RATE_HZ
        assert np.linalg.norm(np.ptp(feet, axis=0), axis=-1).max() < 0.012 * seconds


def test_standing_feet_of_walkers_stay(clips: Clips) -> None:
    for clip in of(clips, "walk") + of(clips, "stairs"):
        speed = np.linalg.norm(np.diff(clip[:, [at("left_ankle"), at("right_ankle")]], axis=0), axis=-1) * RATE_HZ
        # One foot at a time moves; the other may roll over its toes.
        assert np.percentile(speed.min(axis=1), 95) < 0.2


@pytest.mark.parametrize(
    ("action", "low_m", "high_m"),
    [("sit", 0.35, 0.9), ("sit_on_floor", 0.05, 0.15), ("kneel", 0.2, 0.5), ("crawl", 0.35, 0.5), ("lie", 0.05, 0.25)],
)
def test_hips_are_as_high_as_the_action_says(clips: Clips, action: str, low_m: float, high_m: float) -> None:
    for clip in of(clips, action):
        height = clip[:, at("hip"), 2]
        assert low_m < height.min()
        assert height.max() < high_m


def test_actions_mean_what_they_are_called(clips: Clips) -> None:
    for clip in of(clips, "lie") + of(clips, "roll"):
        assert np.median(trunk_deg(clip)) > 65
    for clip in of(clips, "crawl"):
        assert np.median(trunk_deg(clip)) > 55
        assert clip[:, [at("left_wrist"), at("right_wrist")], 2].min(axis=1).max() < 0.12
        assert clip[:, [at("left_knee"), at("right_knee")], 2].min(axis=1).max() < 0.15
    for clip in of(clips, "sit") + of(clips, "sit_on_floor"):
        assert np.median(trunk_deg(clip)) < 45
    for clip in of(clips, "kneel"):
        assert clip[:, [at("left_knee"), at("right_knee")], 2].max() < 0.11
    for clip in of(clips, "get_up"):
        assert np.ptp(clip[:, at("thorax"), 2]) > 0.6
    for clip in of(clips, "push_up"):
        assert np.ptp(clip[:, at("thorax"), 2]) > 0.1
        assert np.ptp(clip[:, at("left_wrist"), :2], axis=0).max() < 0.03
    jacks = [
        clip[:, [at("left_wrist"), at("right_wrist")], 2] - clip[:, [at("head")], 2]
        for clip in of(clips, "jumping_jack")
    ]
    assert all(above.max() > 0 > above.min() for above in jacks)


def test_reaching_goes_over_the_head_and_to_the_floor() -> None:
    reaches = make_clips("reach", ACTIONS["reach"], 12, np.random.default_rng(2))
    wrists = np.concatenate([clip[:, [at("left_wrist"), at("right_wrist")], 2] for clip in reaches])
    heads = np.concatenate([clip[:, at("head"), 2] for clip in reaches])
    assert (wrists.max(axis=1) > heads + 0.15).mean() > 0.03
    assert wrists.min() < 0.5


@pytest.mark.parametrize(
    ("one", "other", "least_m"),
    [
        (("left_elbow", "left_wrist"), ("right_elbow", "right_wrist"), 0.035),
        (("left_knee", "left_ankle"), ("right_knee", "right_ankle"), 0.055),
        (("left_elbow", "left_wrist"), ("left_hip", "left_knee"), 0.05),
        (("right_elbow", "right_wrist"), ("hip", "spine"), 0.06),
        (("left_elbow", "left_wrist"), ("neck", "head"), 0.05),
    ],
)
def test_limbs_do_not_pass_through_each_other(
    clips: Clips, one: tuple[str, str], other: tuple[str, str], least_m: float
) -> None:
    """Sampled on the keypoints: the radii less what soft parts may overlap; thighs count from where they part."""
    share = np.linspace(0, 1, 12)[:, None, None]
    thigh = np.linspace(0.3, 1, 12)[:, None, None]
    joints = clips.joints_m[::3]
    first = joints[:, at(one[0])] + share * (joints[:, at(one[1])] - joints[:, at(one[0])])
    along = thigh if other[0].endswith("hip") and other[0] != "hip" else share
    second = joints[:, at(other[0])] + along * (joints[:, at(other[1])] - joints[:, at(other[0])])
    apart = np.linalg.norm(first[:, None] - second[None], axis=-1).min(axis=(0, 1))
    assert apart.min() > least_m


def test_mirroring_exchanges_the_sides() -> None:
    clip = np.random.default_rng(0).normal(size=(3, 22, 3))
    other = mirrored(clip)
    np.testing.assert_allclose(other[:, at("left_wrist")], clip[:, at("right_wrist")] * [1, -1, 1])
    np.testing.assert_allclose(other[:, at("nose")], clip[:, at("nose")] * [1, -1, 1])
    np.testing.assert_allclose(mirrored(other), clip)


def test_a_twelfth_of_each_action_is_held_out_by_its_name() -> None:
    for action in ACTIONS:
        held = [is_held_out(clip_name(action, number), 0.08) for number in range(24)]
        assert sum(held) == 2
        # The name alone decides: letters keep the clips of an action from being one recording.
        assert held[0] is False


def test_the_command_writes_an_archive_that_loads(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path, sheet = tmp_path / "procedural.npz", tmp_path / "sheet.png"
    assert (
        main(["--hours", "0.01", "--seed", "5", "--actions", "plank,sit", "-o", str(path), "--sheet", str(sheet)]) == 0
    )
    assert "clips" in capsys.readouterr().out
    loaded, made = load_archive(path), make_archive(5, 0.01, ["plank", "sit"])
    # The same seed gives the same clips; the file holds whole millimetres.
    assert loaded.names == made.names
    np.testing.assert_array_equal(loaded.start, made.start)
    assert np.abs(loaded.joints_m - made.joints_m).max() < 0.00051
    assert sheet.read_bytes()[:4] == b"\x89PNG"
    other = make_archive(6, 0.01, ["plank", "sit"])
    assert other.joints_m.shape != made.joints_m.shape or not np.array_equal(other.joints_m, made.joints_m)


@pytest.mark.parametrize(
    ("arguments", "names"),
    [
        (["--hours", "0", "-o", "a.npz"], "--hours"),
        (["--seed", "-1", "-o", "a.npz"], "--seed"),
        (["--actions", "sit,fly", "-o", "a.npz"], "fly"),
        (["-o", "none/a.npz"], "none"),
    ],
)
def test_mistakes_are_named(arguments: list[str], names: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(arguments) in (1, 2)
    assert names in capsys.readouterr().err
