from __future__ import annotations

import dataclasses
from pathlib import Path

import numpy as np
import pytest

from lifting.data.knees import STRAIGHT_DEG, knee_offset_deg, straighten_knees, without_knee_offsets
from lifting.data.mocap import KEYPOINTS, Clips, concatenate
from lifting.recipe import Recipe
from lifting.recipe_clips import recipe_clips, with_further_procedural
from tests.lifting.archives import write_archive

FRAMES = 4000
LEFT, RIGHT = ([KEYPOINTS.index(f"{side}_{name}") for name in ("hip", "knee", "ankle")] for side in ("left", "right"))


def standing(bend_deg: np.ndarray, heading_rad: float = 0.7, thigh_lean_deg: float = 10.0) -> np.ndarray:
    """(F, 22, 3) people facing `heading_rad` whose knees bend by (F,) degrees."""
    forward = np.array([np.cos(heading_rad), np.sin(heading_rad), 0.0])
    leftward = np.array([-np.sin(heading_rad), np.cos(heading_rad), 0.0])
    joints = np.zeros((len(bend_deg), len(KEYPOINTS), 3))
    lean = np.radians(thigh_lean_deg)
    for (hip, knee, ankle), side in ((LEFT, 1), (RIGHT, -1)):
        joints[:, hip] = 0.13 * side * leftward + [0, 0, 0.9]
        shin = lean - np.radians(bend_deg)[:, None]
        joints[:, knee] = joints[:, hip] + 0.44 * (np.sin(lean) * forward - [0, 0, np.cos(lean)])
        joints[:, ankle] = joints[:, knee] + 0.45 * (np.sin(shin) * forward - np.cos(shin) * np.array([0, 0, 1.0]))
    return joints


def bends(joints: np.ndarray, leg: list[int] = LEFT) -> np.ndarray:
    """(F,) degrees."""
    hip, knee, ankle = leg
    thigh, shin = joints[:, knee] - joints[:, hip], joints[:, ankle] - joints[:, knee]
    cosine = (thigh * shin).sum(1) / np.linalg.norm(thigh, axis=1) / np.linalg.norm(shin, axis=1)
    return np.degrees(np.arccos(cosine.clip(-1, 1)))


def walking(offset_deg: float) -> np.ndarray:
    """(F,) bends of knees that straighten to `STRAIGHT_DEG`, on a skeleton with an offset."""
    swing = np.maximum(0, np.sin(np.arange(FRAMES) / 7)) ** 2
    return offset_deg + STRAIGHT_DEG + 50 * np.where(swing > 0.1, swing, 0.0)


@pytest.mark.parametrize("heading_rad", [0.7, 2.0, -2.5])
@pytest.mark.parametrize("offset_deg", [0.0, 6.0, 15.0])
def test_the_offset_of_a_skeleton_is_found(offset_deg: float, heading_rad: float) -> None:
    assert knee_offset_deg(standing(walking(offset_deg), heading_rad)) == pytest.approx(offset_deg, abs=0.01)


def test_crouching_lying_and_few_people_say_nothing() -> None:
    assert knee_offset_deg(standing(walking(40.0), thigh_lean_deg=30)) == 0
    lying = standing(walking(15.0))[..., [2, 1, 0]]
    assert knee_offset_deg(lying) == 0
    assert knee_offset_deg(standing(walking(15.0))[:1000]) == 0


def test_knees_bend_by_that_much_less_and_never_the_other_way() -> None:
    bent = standing(np.array([1.0, 5.0, 12.0, 30.0, 120.0]))
    straight = straighten_knees(bent, 12.0)
    for leg in (LEFT, RIGHT):
        np.testing.assert_allclose(bends(straight, leg)[3:], [18, 108], atol=0.1)
        assert (bends(straight, leg)[:3] < [1.01, 1.0, 1.5]).all()
        for end, start in ((leg[1], leg[0]), (leg[2], leg[1])):
            before, after = (np.linalg.norm(j[:, end] - j[:, start], axis=1) for j in (bent, straight))
            np.testing.assert_allclose(after, before, atol=1e-9)
        # Which way a knee points stays.
        forward = np.cross(bent[:, leg[1]] - bent[:, leg[0]], bent[:, leg[2]] - bent[:, leg[1]])
        now = np.cross(straight[:, leg[1]] - straight[:, leg[0]], straight[:, leg[2]] - straight[:, leg[1]])
        assert ((forward * now).sum(axis=1) > 0).all()
    others = [k for k in range(len(KEYPOINTS)) if k not in (*LEFT[1:], *RIGHT[1:])]
    np.testing.assert_array_equal(straight[:, others], bent[:, others])


def test_the_foot_stays_nearly_where_it_was() -> None:
    bent = standing(np.full(3, 20.0))
    moved = straighten_knees(bent, 15.0)[:, LEFT[2]] - bent[:, LEFT[2]]
    assert np.linalg.norm(moved, axis=1).max() < 0.015


def clips_of(archive: str, joints: np.ndarray) -> Clips:
    return Clips(
        joints.astype(np.float32), np.array([0, len(joints) // 2, len(joints)]), (f"{archive}/a", f"{archive}/b")
    )


def test_each_archive_by_its_own_offset() -> None:
    clips = concatenate([clips_of("good", standing(walking(0.0))), clips_of("bent", standing(walking(10.0)))])
    straight = without_knee_offsets(clips)
    assert straight.names == clips.names
    np.testing.assert_allclose(straight.joints_m[:FRAMES], clips.joints_m[:FRAMES], atol=1e-6)
    far = walking(10.0) > 30
    change = bends(clips.joints_m[FRAMES:])[far] - bends(straight.joints_m[FRAMES:])[far]
    np.testing.assert_allclose(change, 10, atol=0.2)


def test_a_recipe_says_whether(tmp_path: Path) -> None:
    write_archive(tmp_path / "mine.npz", {"one": standing(walking(10.0))})
    recipe = Recipe("t", "", "", "", archive_weights={"mine": 1.0, "procedural": 0.1}, procedural_hours=0.002)
    knees = [np.quantile(bends(recipe_clips(r, tmp_path).clip(0)), 0.1)
             for r in (recipe, dataclasses.replace(recipe, straighten_knees=True))]  # fmt: skip
    assert knees[0] == pytest.approx(STRAIGHT_DEG + 10, abs=0.3)
    assert knees[1] == pytest.approx(STRAIGHT_DEG, abs=0.6)
    recipe = dataclasses.replace(recipe, further_procedural_hours=0.03)
    bent, straight = (
        with_further_procedural(
            dataclasses.replace(recipe, straighten_knees=on), clips_of("mine", standing(walking(0.0)))
        )
        for on in (False, True)
    )
    assert np.quantile(bends(straight.joints_m[FRAMES:]), 0.05) < np.quantile(bends(bent.joints_m[FRAMES:]), 0.05) - 3
