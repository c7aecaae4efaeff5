from __future__ import annotations

import numpy as np
import pytest
import torch
from torch import Tensor

from lifting.data.mocap import KEYPOINTS, PARENTS
from lifting.data.recombine import UPPER_SHARE, penetration_m, recombine
from tests.motion import jumping_jack, walker

LOWER = [KEYPOINTS.index(n) for n in KEYPOINTS if n.endswith(("hip", "knee", "ankle"))]
UPPER = [k for k in range(22) if k not in LOWER]
LEFT_ARM, RIGHT_ARM = ([KEYPOINTS.index(f"{s}_{j}") for j in ("elbow", "wrist")] for s in ("left", "right"))


def people(count: int = 40) -> Tensor:
    """(B, 30, 22, 3) walkers and jumpers, each with a heading, a speed and a phase of its own."""
    moving = [
        walker(1.6, 50, 0.8 + 0.02 * i, 0.3 * i)[i:][:30] if i % 2 else jumping_jack(1.6, 50, 0.3 * i)[i:][:30]
        for i in range(count)
    ]
    return torch.from_numpy(np.stack(moving)).float()


def seeded(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def changed(before: Tensor, after: Tensor) -> Tensor:
    return (after - before).abs().amax(dim=(1, 2, 3)) > 1e-6


def shape_of(joints: Tensor, which: list[int]) -> Tensor:
    """(B, T, n, n) distances between some keypoints: they do not change when these move as one."""
    return torch.cdist(joints[:, :, which], joints[:, :, which])


def arms_changed(before: Tensor, after: Tensor) -> Tensor:
    """(B,) whether only joints of the arms have moved."""
    rest = [k for k in range(22) if k not in LEFT_ARM + RIGHT_ARM]
    return changed(before, after) & ((after - before)[:, :, rest].abs().amax(dim=(1, 2, 3)) < 1e-5)


def test_share_zero_changes_nothing() -> None:
    joints = people(6)
    assert torch.equal(recombine(joints, 0.0, seeded()), joints)
    assert torch.equal(recombine(joints[:1], 1.0, seeded()), joints[:1])


def test_lower_bodies_and_their_paths_stay() -> None:
    joints = people()
    new = recombine(joints, 0.8, seeded())
    torch.testing.assert_close(new[:, :, LOWER], joints[:, :, LOWER], atol=1e-6, rtol=0)
    share = changed(joints, new).float().mean()
    assert 0.4 < share <= 0.8
    torch.testing.assert_close(recombine(joints, 0.8, seeded()), new)
    assert not torch.equal(recombine(joints, 0.8, seeded(1)), new)


def test_upper_bodies_are_those_of_one_other_sequence_at_the_same_time() -> None:
    joints = people()
    new = recombine(joints, 1.0, seeded())
    uppers = changed(joints, new) & ~arms_changed(joints, new)
    assert uppers.sum() >= 5
    assert uppers.float().mean() <= UPPER_SHARE
    known = shape_of(joints, UPPER)
    for index in uppers.nonzero()[:, 0].tolist():
        difference = (shape_of(new[index : index + 1], UPPER) - known).abs().amax(dim=(1, 2, 3))
        donor = int(difference.argmin())
        assert donor != index
        assert difference[donor] < 1e-4
        # And no mirror image of it: the heading of hips and of shoulders differ as they do in the donor.
        torch.testing.assert_close(twist(new[index]), twist(joints[donor]), atol=1e-3, rtol=0)


def twist(joints: Tensor) -> Tensor:
    """(T,) heading of the shoulders from that of the hips, radians."""

    def heading(part: str) -> Tensor:
        across = joints[:, KEYPOINTS.index(f"left_{part}")] - joints[:, KEYPOINTS.index(f"right_{part}")]
        return torch.atan2(across[:, 1], across[:, 0])

    difference = heading("shoulder") - heading("hip")
    return torch.atan2(difference.sin(), difference.cos())


def test_arms_bend_like_those_of_another_sequence_of_the_same_or_the_other_side() -> None:
    joints = people()
    new = recombine(joints, 1.0, seeded())

    def bend(of: Tensor, side: str) -> Tensor:
        shoulder, elbow, wrist = (of[..., KEYPOINTS.index(f"{side}_{j}"), :] for j in ("shoulder", "elbow", "wrist"))
        return torch.nn.functional.cosine_similarity(elbow - shoulder, wrist - elbow, dim=-1)

    def hang(of: Tensor, side: str) -> Tensor:
        """Angle between upper arm and chest: a mirror image keeps it."""
        upper = of[..., KEYPOINTS.index(f"{side}_elbow"), :] - of[..., KEYPOINTS.index(f"{side}_shoulder"), :]
        chest = of[..., KEYPOINTS.index("thorax"), :] - of[..., KEYPOINTS.index("spine"), :]
        return torch.nn.functional.cosine_similarity(upper, chest, dim=-1)

    sides, kinds = ("left", "right"), set()
    for index in arms_changed(joints, new).nonzero()[:, 0].tolist():
        for side in sides:
            wrist = KEYPOINTS.index(f"{side}_wrist")
            if (new[index, :, wrist] - joints[index, :, wrist]).abs().max() < 1e-6:
                continue
            difference = {
                other: (bend(joints, other) - bend(new[index], side)).abs().amax(dim=1)
                + (hang(joints, other) - hang(new[index], side)).abs().amax(dim=1)
                for other in sides
            }
            nearest = min(sides, key=lambda other: float(difference[other].min()))
            assert difference[nearest].min() < 1e-3
            kinds.add(nearest == side)
    assert kinds == {True, False}, "arms of the same side and mirrored ones"


def test_those_who_lie_get_no_upper_body_of_those_who_stand() -> None:
    standing = people(20)
    lying = standing.clone()
    lying[..., 2], lying[..., 0] = standing[..., 0] * 0.1, standing[..., 2]
    both = torch.cat([standing, lying])
    new = recombine(both, 1.0, seeded())
    high = new[:, :, KEYPOINTS.index("thorax"), 2] - new[:, :, 0, 2]
    assert (high[:20] > 0.3).all()
    assert (high[20:] < 0.3).all()


@pytest.mark.parametrize(
    ("wrist", "depth"),
    [
        ((0.0, 0.0, 1.2), 0.10),
        ((0.10, 0.0, 1.2), 0.0),
        ((0.30, 0.0, 1.4), -0.20),
        ((0.13, 0.04, 0.7), 0.03),
    ],
)
def test_depth_of_a_wrist_in_trunk_and_thigh_by_hand(wrist: tuple[float, float, float], depth: float) -> None:
    """A body that stands upright, trunk on the z axis, thighs 0.13 m beside it; both arms end in one point."""
    at = KEYPOINTS.index
    joints = torch.zeros(1, 4, 22, 3)
    joints[..., 2] = 5.0
    for name, place in {
        "hip": (0, 0, 1.0), "left_hip": (0.13, 0, 1.0), "right_hip": (-0.13, 0, 1.0), "left_knee": (0.13, 0, 0.5),
        "right_knee": (-0.13, 0, 0.5), "spine": (0, 0, 1.2), "thorax": (0, 0, 1.5), "neck": (0, 0, 1.7),
        "head": (0, 0, 1.8),
    }.items():  # fmt: skip
        joints[:, :, at(name)] = torch.tensor(place, dtype=torch.float32)
    # Elbow and wrist in one place: forearm and hand are there as well.
    joints[:, :, LEFT_ARM + RIGHT_ARM] = torch.tensor(wrist)
    assert penetration_m(joints).item() == pytest.approx(depth, abs=1e-5)


def test_hands_go_no_deeper_into_the_body_than_in_the_recordings() -> None:
    """Half of the people are much wider: arms of the narrow ones would be inside them, and the other way round fit."""
    joints = people()
    narrow = joints.clone()
    for side, arm in (("left", LEFT_ARM), ("right", RIGHT_ARM)):
        shoulder = KEYPOINTS.index(f"{side}_shoulder")
        inwards = joints[:, :, KEYPOINTS.index("thorax")] - joints[:, :, shoulder]
        for k in [shoulder, *arm]:
            narrow[:, :, k] += 0.6 * inwards
    mixed = torch.where((torch.arange(len(joints)) % 4 < 2).view(-1, 1, 1, 1), joints, narrow)
    new = recombine(mixed, 1.0, seeded())
    assert changed(mixed, new).any()
    assert penetration_m(new).max() <= penetration_m(mixed).clamp(min=0).max() + 0.021


def test_bones_keep_the_lengths_of_one_of_the_bodies() -> None:
    joints = people()
    new = recombine(joints, 1.0, seeded())
    for k in range(1, 22):
        before, after = ((j[:, :, k] - j[:, :, PARENTS[k]]).norm(dim=-1) for j in (joints, new))
        torch.testing.assert_close(after, before, atol=1e-4, rtol=0)
