from __future__ import annotations

import dataclasses

import numpy as np
import pytest
import torch
from torch import Tensor

from lifting.data.bodies import (
    BodyRange,
    bone_vectors,
    draw_bone_lengths,
    draw_statures,
    joints_from_bones,
    standing_height_m,
    vary_bodies,
)
from lifting.data.mocap import KEYPOINTS, PARENTS
from tests.motion import jumping_jack, walker

SET = BodyRange(own_share=0.0)
AS_RECORDED = BodyRange(own_share=1.0, own_size_spread=0.0, own_bone_spread=0.0)


def people(count: int = 12) -> Tensor:
    """(B, 40, 22, 3) walkers and jumpers with different headings."""
    moving = [walker(0.8, 50, 1.2, 0.5 * i) if i % 2 else jumping_jack(0.8, 50, 0.5 * i) for i in range(count)]
    return torch.from_numpy(np.stack(moving)).float()


def seeded(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def lengths(joints: Tensor) -> dict[str, Tensor]:
    """(B, T) length of the bone that ends in each keypoint, by name."""
    return {
        name: (joints[:, :, k] - joints[:, :, PARENTS[k]]).norm(dim=-1) for k, name in enumerate(KEYPOINTS) if k > 0
    }


def statures(count: int = 4000, **ranges: float) -> np.ndarray:
    return draw_statures(count, dataclasses.replace(BodyRange(), **ranges), seeded()).numpy()  # type: ignore[arg-type]


def test_bones_have_the_drawn_lengths_throughout_and_left_equals_right() -> None:
    joints = people()
    stretched = joints.clone()
    # A recording with one long arm and bones that change over time leaves nothing of that.
    stretched[:, :, KEYPOINTS.index("left_wrist")] *= 1.1
    of = lengths(vary_bodies(stretched, SET, seeded()))
    drawn = seeded()
    wanted = draw_bone_lengths(draw_statures(len(joints), SET, drawn), SET, drawn)
    for k, name in enumerate(KEYPOINTS):
        if k:
            torch.testing.assert_close(of[name], wanted[:, k, None].expand(-1, 40), atol=1e-5, rtol=0)
        if name.startswith("left_"):
            torch.testing.assert_close(of[name], of[name.replace("left_", "right_")], atol=1e-5, rtol=0)


def test_directions_of_bones_stay() -> None:
    joints = people()
    varied = vary_bodies(joints, BodyRange(), seeded())
    for k in range(1, 22):
        before, after = (j[:, :, k] - j[:, :, PARENTS[k]] for j in (joints, varied))
        assert (1 - torch.nn.functional.cosine_similarity(before, after, dim=-1)).max() < 1e-4, KEYPOINTS[k]


def test_root_travels_in_proportion_to_the_legs_and_feet_keep_their_height() -> None:
    joints = people()
    varied = vary_bodies(joints, SET, seeded())
    before, after = lengths(joints), lengths(varied)
    leg = ((after["left_knee"] + after["left_ankle"]) / (before["left_knee"] + before["left_ankle"]))[:, 0]
    assert leg.max() / leg.min() > 1.2
    travelled, recorded = (j[:, -1, 0, :2] - j[:, 0, 0, :2] for j in (varied, joints))
    torch.testing.assert_close(travelled, leg[:, None] * recorded, atol=1e-4, rtol=0)
    torch.testing.assert_close(varied[..., 2].amin((1, 2)), leg * joints[..., 2].amin((1, 2)), atol=1e-5, rtol=0)
    # A standing foot floats or slides only by as much as thigh and shin change differently.
    ankle = KEYPOINTS.index("left_ankle")
    off = (varied[:, :, ankle, 2] - leg[:, None] * joints[:, :, ankle, 2]).abs()
    assert off.max() < 0.03


def test_recordings_own_proportions_are_kept_where_asked_for() -> None:
    joints = people()
    torch.testing.assert_close(vary_bodies(joints, AS_RECORDED, seeded()), joints, atol=2e-5, rtol=0)
    varied = lengths(vary_bodies(joints, dataclasses.replace(AS_RECORDED, own_size_spread=0.05), seeded()))
    factor = torch.stack([varied[name][:, 0] / lengths(joints)[name][:, 0] for name in ("spine", "nose", "left_wrist")])
    torch.testing.assert_close(factor, factor[:1].expand_as(factor), atol=1e-4, rtol=0)
    assert 0.02 < factor[0].log().std() < 0.1


def test_statures_of_children_and_adults() -> None:
    everyone = statures()
    assert everyone.min() >= 1.05
    assert everyone.max() <= 2.05
    adults = statures(child_share=0.0)
    assert abs(adults.mean() - 1.70) < 0.01
    assert abs(adults.std() - 0.10) < 0.01
    children = statures(child_share=1.0)
    assert children.max() <= 1.55
    # Evenly spread: the deviation of a uniform variable.
    assert abs(children.std() - 0.5 / np.sqrt(12)) < 0.01


@pytest.mark.parametrize("stature", [1.05, 1.4, 1.76, 2.05])
def test_upright_bones_add_up_to_the_stature(stature: float) -> None:
    wanted = torch.full((50,), stature)
    drawn = draw_bone_lengths(wanted, SET, seeded())
    # The bones of a body that stands upright, one along z each.
    bones = torch.zeros(50, 1, 22, 3)
    bones[:, 0, :, 2] = drawn
    torch.testing.assert_close(standing_height_m(joints_from_bones(bones)), wanted)


def test_mean_adult_has_human36ms_proportions_and_children_short_legs_and_large_heads() -> None:
    alike = dataclasses.replace(SET, spread=0.0)
    adult, child = draw_bone_lengths(torch.tensor([1.76, 1.05]), alike, seeded())
    at = KEYPOINTS.index
    published = {"left_knee": 0.443, "right_ankle": 0.454, "thorax": 0.257, "left_elbow": 0.279, "right_wrist": 0.252}
    for name, length in published.items():
        assert adult[at(name)] == pytest.approx(length, abs=1e-3)
    share = (child / 1.05) / (adult / 1.76)
    assert share[at("left_knee")] == pytest.approx(0.90, abs=0.02)
    assert share[at("left_wrist")] == pytest.approx(0.95, abs=0.02)
    assert share[at("head")] == pytest.approx(1.42, abs=0.05)
    assert child[at("nose")] / adult[at("nose")] == pytest.approx(float(child[at("head")] / adult[at("head")]))


def test_proportions_spread_like_peoples() -> None:
    drawn = draw_bone_lengths(torch.full((4000,), 1.7), SET, seeded())
    deviation = (drawn / drawn.mean(dim=0)).std(dim=0)
    at = KEYPOINTS.index
    assert 0.02 < deviation[at("left_knee")] < 0.05
    assert 0.03 < deviation[at("left_wrist")] < 0.06
    assert 0.06 < deviation[at("left_shoulder")] < 0.09


def test_bone_vectors_and_back() -> None:
    joints = people(3)
    torch.testing.assert_close(joints_from_bones(bone_vectors(joints)), joints)


def test_same_seed_same_bodies() -> None:
    first, again = (vary_bodies(people(), BodyRange(), seeded(4)) for _ in range(2))
    assert torch.equal(first, again)
    assert not torch.equal(first, vary_bodies(people(), BodyRange(), seeded(5)))
