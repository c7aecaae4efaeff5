"""The parts below procedural motion: kinematics, inverse kinematics, joint ranges, volume; closed forms and samples."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.spatial.transform import Rotation

from lifting.data.mocap import KEYPOINTS, RATE_HZ
from lifting.data.procedural.ik import reach
from lifting.data.procedural.keys import Key, Target, bump, centre_of_mass_m, channels, plausible, solve, tabulate
from lifting.data.procedural.limits import beyond_rad, hip_angles
from lifting.data.procedural.skeleton import LIMBS, LOWER_M, UPPER_M, limb_channels, pose
from lifting.data.procedural.timing import minimum_jerk, timeline
from lifting.data.procedural.volume import ALLOWED_M, NAMES, PAIRS, RADII_M, capsules, excess_m


def at(name: str) -> int:
    return KEYPOINTS.index(name)


def keypoints(**angles: object) -> dict[str, np.ndarray]:
    """Places by name of one pose."""
    joints = pose(channels((0, 0, 1), **angles)[None]).keypoints_m()[0]  # type: ignore[arg-type]
    return dict(zip(KEYPOINTS, joints, strict=True))


STRAIGHT = ((0, 0, 0, 0), (0, 0, 0, 0))


def test_the_neutral_pose_hangs_down() -> None:
    joints = keypoints(legs=STRAIGHT, arms=STRAIGHT)
    np.testing.assert_allclose(joints["left_ankle"], [0, 0.126, 1 - 0.405 - 0.434], atol=1e-12)
    np.testing.assert_allclose(joints["right_ankle"], [0, -0.126, 1 - 0.405 - 0.434], atol=1e-12)
    np.testing.assert_allclose(joints["left_shoulder"] - joints["left_wrist"], [0, 0, 0.585], atol=1e-12)
    assert joints["thorax"][2] == pytest.approx(1 + 0.2195 + 0.2898)
    assert joints["nose"][0] > joints["neck"][0] > joints["thorax"][0]


def test_angles_turn_the_way_their_names_say() -> None:
    knee = keypoints(legs=((90, 0, 0, 90), (0, 30, 0, 0)), arms=STRAIGHT)
    np.testing.assert_allclose(knee["left_knee"] - knee["left_hip"], [0.405, 0, 0], atol=1e-12)
    np.testing.assert_allclose(knee["left_ankle"] - knee["left_knee"], [0, 0, -0.434], atol=1e-12)
    assert knee["right_knee"][1] == pytest.approx(-0.126 - 0.405 * np.sin(np.radians(30)))
    arm = keypoints(legs=STRAIGHT, arms=((0, 0, 0, 90), (0, 90, 0, 0)))
    np.testing.assert_allclose(arm["left_wrist"] - arm["left_elbow"], [0.284, 0, 0], atol=1e-12)
    np.testing.assert_allclose(arm["right_elbow"] - arm["right_shoulder"], [0, -0.301, 0], atol=1e-12)
    outward = keypoints(legs=STRAIGHT, arms=((0, 0, 90, 90), (0, 0, 90, 90)))
    assert outward["left_wrist"][1] - outward["left_elbow"][1] == pytest.approx(0.284)
    assert outward["right_wrist"][1] - outward["right_elbow"][1] == pytest.approx(-0.284)
    bent = keypoints(lumbar=(40, 0, 0))
    assert bent["thorax"][0] > 0.1
    assert keypoints(chest=(0, 15, 0))["left_shoulder"][2] < keypoints(chest=(0, 15, 0))["right_shoulder"][2]
    assert keypoints(neck=(0, 0, 60))["nose"][1] > 0.05
    supine = keypoints(pelvis=(0, -90, 0))
    assert supine["nose"][2] > supine["left_ear"][2]
    assert supine["head"][0] < -0.5
    on_left_side = keypoints(pelvis=(0, -90, 0, 90))
    assert on_left_side["left_hip"][2] < on_left_side["right_hip"][2]


def random_channels(count: int, seed: int = 0) -> np.ndarray:
    rng = np.random.default_rng(seed)
    found = channels()[None].repeat(count, axis=0)
    found[:, 3:12] = rng.uniform(-0.3, 0.3, (count, 9))
    found[:, 12:28] = rng.uniform(-0.4, 1.6, (count, 16))
    found[:, 15:28:4] = rng.uniform(0.1, 2.2, (count, 4))
    found[:, 28:] = Rotation.random(count, random_state=seed).as_quat()
    return found


def test_channels_come_back_from_the_frames() -> None:
    drawn = random_channels(200)
    np.testing.assert_allclose(limb_channels(pose(drawn)).reshape(200, 16), drawn[:, 12:28], atol=1e-9)


@pytest.mark.parametrize("limb", range(4))
def test_a_reachable_target_is_reached_with_bones_kept(limb: int) -> None:
    rng = np.random.default_rng(limb)
    body = pose(random_channels(50, limb))
    for row in range(50):
        length = rng.uniform(0.45, 0.95) * (UPPER_M[limb] + LOWER_M[limb])
        away = Rotation.random(random_state=row).apply([0, 0, length])
        place = tuple(float(x) for x in body.socket[row, limb] + away)
        held: list[Target | None] = [None] * 4
        held[limb] = Target("world", place)  # type: ignore[arg-type]
        one = pose(random_channels(50, limb)[row : row + 1])
        targets = tabulate([Key(channels(), tuple(held))]).targets(np.array([0]))  # type: ignore[arg-type]
        solved = reach(one, targets).keypoints_m()[0]
        side, part = LIMBS[limb].split("_")
        names = ("hip", "knee", "ankle") if part == "leg" else ("shoulder", "elbow", "wrist")
        top, middle, end = (solved[at(f"{side}_{name}")] for name in names)
        # Limbs stop softly short of their full length.
        np.testing.assert_allclose(end, place, atol=2e-4 if part == "leg" else 1.2e-3)
        assert np.linalg.norm(middle - top) == pytest.approx(UPPER_M[limb])
        assert np.linalg.norm(end - middle) == pytest.approx(LOWER_M[limb])


def test_hip_angles_are_those_of_flexion_then_abduction_then_rotation() -> None:
    rng = np.random.default_rng(3)
    body = pose(random_channels(60))
    flexion, abduction, outward = rng.uniform(-0.5, 1.9, 60), rng.uniform(-0.4, 0.8, 60), rng.uniform(-0.7, 0.9, 60)
    for index, sign in ((0, 1), (1, -1)):
        turn = Rotation.from_euler("YXZ", np.stack([-flexion, sign * abduction, sign * outward], axis=1))
        body.upper[:, index] = body.base[:, index] @ turn.as_matrix()
        np.testing.assert_allclose(
            hip_angles(body)[:, index, :3], np.stack([flexion, abduction, outward], 1), atol=1e-9
        )


def test_ranges_are_noticed() -> None:
    def beyond_deg(legs: object = STRAIGHT, arms: object = ((0, 10, 0, 10), (0, 10, 0, 10))) -> float:
        return float(np.degrees(beyond_rad(pose(channels(legs=legs, arms=arms)[None]))[0]))  # type: ignore[arg-type]

    assert beyond_deg() <= 0
    assert beyond_deg(((135, 0, 0, 90), (0, 0, 0, 0))) == pytest.approx(10)
    assert beyond_deg(((0, 0, 0, 0), (-50, 0, 0, 0))) == pytest.approx(20)
    assert beyond_deg(((0, 0, 0, 160), (0, 0, 0, 0))) == pytest.approx(5)
    assert beyond_deg(arms=((-80, 5, 0, 0), (0, 10, 0, 10))) > 19.9
    assert beyond_deg(arms=((0, 10, 0, 10), (0, 10, 0, 155))) == pytest.approx(5)


def test_overlaps_agree_with_sampled_capsules() -> None:
    body = pose(random_channels(40, 5))
    starts, stops = capsules(body)
    share = np.linspace(0, 1, 60)[:, None]
    excess = excess_m(body)
    for column, (i, j) in enumerate(PAIRS):
        for row in range(0, 40, 4):
            one = starts[row, i] + share * (stops[row, i] - starts[row, i])
            other = starts[row, j] + share * (stops[row, j] - starts[row, j])
            apart = np.linalg.norm(one[:, None] - other[None], axis=-1).min()
            overlap = RADII_M[NAMES[i]] + RADII_M[NAMES[j]] - apart - ALLOWED_M[column]
            assert excess[row, column] == pytest.approx(overlap, abs=0.006)


def test_a_hand_in_the_belly_is_turned_down_and_a_squat_is_balanced() -> None:
    feet = (Target("world", (0.0, 0.15, 0.08)), Target("world", (0.0, -0.15, 0.08)))
    legs = ((80, 10, 12, 100), (80, 10, 12, 100))
    squat = Key(channels((0, 0, 0.6), (0, 35, 0), (10, 0, 0), legs=legs), (*feet, None, None), balance=True)
    inside = Target("pelvis", (0.0, 0.0, 0.15))
    through = Key(channels(), (*feet, inside, None), balance=True)
    table = solve(tabulate([squat, through]))
    assert plausible(table).tolist() == [True, False]
    body = reach(pose(table.channels), table.targets(np.arange(2)))
    # Over the middle of the feet, which is some way ahead of the ankles.
    assert centre_of_mass_m(body)[0, :2] == pytest.approx([0.05, 0.0], abs=0.01)
    assert body.end[0, 0] == pytest.approx([0.0, 0.15, 0.08], abs=1e-4)


def test_moves_rest_at_both_ends() -> None:
    share = np.linspace(0, 1, 1001)
    way = minimum_jerk(share)
    assert (way[0], way[-1], way[500]) == pytest.approx((0, 1, 0.5))
    # The speed's peak of a minimum-jerk movement is 1.875 times the mean.
    assert np.diff(way).max() * 1000 == pytest.approx(1.875, abs=1e-3)
    assert max(np.diff(way)[0], np.diff(way)[-1]) < 1e-7
    assert bump(np.array([0.0, 0.5, 1.0])).tolist() == [0, 1, 0]


def test_a_timeline_holds_and_moves() -> None:
    keys = [Key(channels(), move_s=9, hold_s=0.5), Key(channels(), move_s=1.0, hold_s=0.2)]
    line = timeline([keys], [100], np.random.default_rng(0))
    assert (line.share[:25, 0] == 0).all()
    assert line.share[50, 0] == pytest.approx(0.5, abs=0.02)
    assert (line.at[round(1.5 * RATE_HZ) :] == 1).all()
    assert np.diff(line.share[:75], axis=0).min() >= 0
