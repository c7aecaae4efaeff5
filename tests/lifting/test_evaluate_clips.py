from __future__ import annotations

import dataclasses

import numpy as np
import pytest
import torch

from lifting.data.keypoint_noise import Seen
from lifting.data.mocap import Clips
from lifting.data.virtual_cameras import Batch
from lifting.evaluate_clips import evaluate_clips, evaluation_sequences, format_table, groups_of
from lifting.lifter import Lifter
from lifting.recipe import Recipe
from poses import COCO17, H36M17
from tests.motion import walker

RECIPE = Recipe(name="t", summary="", licence="", trained_on="", archive_weights={"a": 1.0})
WALK = walker(2.0, 50.0).astype(np.float32)
CLIPS = Clips(
    np.concatenate([WALK, WALK[:60]]), np.array([0, len(WALK), len(WALK) + 60]), ("a/turnLeft_001", "b/49_04~2")
)


def test_keypoints_are_those_of_the_lifters_skeleton() -> None:
    for skeleton in (COCO17, H36M17):
        first = next(evaluation_sequences(CLIPS, RECIPE, noisy=False, skeleton=skeleton))
        wrist = first.positions_m[:, H36M17.index("left_wrist")] + first.root_m
        seen = first.keypoints[:, skeleton.index("left_wrist")]
        # Canonical coordinates: 2.29 focal lengths.
        np.testing.assert_allclose(seen, 2.29 * wrist[:, :2] / wrist[:, 2:], rtol=1e-4, atol=1e-4)


def test_groups_say_how_a_clip_was_filmed() -> None:
    first, second = evaluation_sequences(CLIPS, RECIPE)
    assert {"archive a", "action a/turnLeft"} <= set(first.groups)
    assert "archive b" in second.groups
    assert not any(group.startswith("action") for group in second.groups)
    distance = np.linalg.norm(first.root_m, axis=-1).mean()
    wanted = "below 3 m" if distance < 3 else "3 to 6 m" if distance < 6 else "above 6 m"
    assert f"distance {wanted}" in first.groups


@pytest.mark.parametrize(
    ("down_deg", "wanted"), [(-20, "looking up"), (0, "level"), (20, "10 to 25° down"), (40, "more")]
)
def test_a_camera_that_looks_down_is_called_so(down_deg: float, wanted: str) -> None:
    first = next(iter(evaluation_sequences(CLIPS, RECIPE)))
    angle = torch.tensor(np.radians(down_deg))
    # Rows are the camera's right, down and forward in a world with z up.
    s, c = float(angle.sin()), float(angle.cos())
    rotation = torch.tensor([[1.0, 0.0, 0.0], [0.0, -s, -c], [0.0, c, -s]])
    frames = len(first.root_m)
    shape = (1, frames, 17)
    none, nowhere = torch.zeros(1, frames), torch.zeros(*shape, 2)
    exact = Seen(nowhere, torch.ones(shape), torch.ones(1), facing=none, outside=torch.zeros(shape, dtype=torch.bool))
    batch = Batch(
        nowhere,
        torch.zeros(*shape, 3),
        torch.full((1, frames, 1, 3), 2.0),
        exact,
        rotation.expand(1, frames, 3, 3),
    )
    groups = groups_of("a/x", batch)
    assert any(group.startswith(f"camera {wanted}") for group in groups)
    assert "joints outside none" in groups
    assert "seen from the side" in groups


def test_whether_joints_are_never_seen_is_for_the_measuring_to_say() -> None:
    noise = dataclasses.replace(RECIPE.noise, unseen_share=1.0)
    first, again = (next(evaluation_sequences(CLIPS, r)) for r in (RECIPE, dataclasses.replace(RECIPE, noise=noise)))
    np.testing.assert_array_equal(first.keypoints, again.keypoints)


def test_missing_joints_are_filled_from_their_neighbours() -> None:
    whole, holed = (next(evaluation_sequences(CLIPS, RECIPE, missing_joints=count)) for count in (0, 3))
    assert np.isfinite(holed.keypoints).all()
    changed = np.flatnonzero(np.abs(whole.keypoints - holed.keypoints).max(axis=(0, 2)) > 0)
    assert len(changed) == 3
    np.testing.assert_array_equal(np.flatnonzero(~holed.seen), changed)
    assert whole.seen.all()


def test_all_is_the_mean_over_frames(small_lifter: Lifter) -> None:
    results = evaluate_clips(small_lifter, CLIPS, dataclasses.replace(RECIPE))
    a, b, everything = results["archive a"], results["archive b"], results["all"]
    assert (a["frames"], b["frames"]) == (len(WALK), 60)
    for name in ("mpjpe_mm", "acceleration_mm", "root_percent"):
        mean = (a[name] * a["frames"] + b[name] * b["frames"]) / (a["frames"] + b["frames"])
        assert everything[name] == pytest.approx(mean)
    lines = format_table(results).splitlines()
    assert lines[1].startswith("all")
    assert not any(line.startswith("action") for line in lines)
    assert any(line.startswith("action a/turnLeft") for line in format_table(results, actions=True).splitlines())


def test_a_lifter_is_adapted_to_each_clip_anew(small_lifter: Lifter) -> None:
    def figures(clips: Clips, adapted: bool) -> dict[str, dict[str, float]]:
        return evaluate_clips(small_lifter, clips, RECIPE, steady_bones=0.0, adapted=adapted)

    before, adapted = figures(CLIPS, adapted=False), figures(CLIPS, adapted=True)
    assert adapted["all"]["bone_variation_mm"] < 0.8 * before["all"]["bone_variation_mm"]
    # The first clip has nothing of another one, and the lifter is what it was.
    assert figures(CLIPS.select([0]), adapted=True)["archive a"] == adapted["archive a"]
    assert figures(CLIPS, adapted=False) == before
