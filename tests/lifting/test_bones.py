from __future__ import annotations

import numpy as np
import pytest

from lifting.bones import LENGTH_QUANTILE, set_bone_lengths, typical_bone_lengths
from lifting.metrics import bone_lengths
from poses import H36M17
from tests.motion import walker

ROOT = H36M17.index("hip")


def body(frames: int = 40) -> np.ndarray:
    """(T, 17, 3) of a walker, relative to the hip."""
    joints = walker(frames / 50, 50)[:, : len(H36M17)]
    return joints - joints[:, :1]


def directions(positions_m: np.ndarray) -> np.ndarray:
    bones = positions_m[:, H36M17.bones[:, 0]] - positions_m[:, H36M17.bones[:, 1]]
    return bones / np.linalg.norm(bones, axis=-1, keepdims=True)


def test_lengths_by_hand() -> None:
    positions = np.zeros((5, 17, 3))
    knees, hips = H36M17.indices("left_knee", "right_knee"), H36M17.indices("left_hip", "right_hip")
    positions[:, knees[0], 1] = [0.40, 0.41, 0.42, 0.43, 0.44]
    positions[:, knees[1], 1] = 0.50
    lengths = typical_bone_lengths(positions, H36M17)
    left = 0.40 + 0.04 * LENGTH_QUANTILE
    np.testing.assert_allclose(lengths[knees], (left + 0.50) / 2)
    assert lengths[ROOT] == 0
    np.testing.assert_array_equal(lengths[hips], 0)


def test_lengths_are_set_and_directions_kept() -> None:
    positions = body()
    lengths = np.random.default_rng(1).uniform(0.1, 0.5, 17)
    steady = set_bone_lengths(positions, lengths, H36M17)
    np.testing.assert_allclose(bone_lengths(steady, H36M17), np.tile(lengths[H36M17.bones[:, 0]], (40, 1)))
    np.testing.assert_allclose(directions(steady), directions(positions), atol=1e-9)
    np.testing.assert_array_equal(steady[:, ROOT], 0)


@pytest.mark.parametrize("strength", [0.0, 0.3, 1.0])
def test_a_share_of_the_way(strength: float) -> None:
    positions = body()
    lengths = np.full(17, 0.3)
    own, new = (bone_lengths(p, H36M17) for p in (positions, set_bone_lengths(positions, lengths, H36M17, strength)))
    np.testing.assert_allclose(new, own + strength * (0.3 - own))


def test_a_steady_body_stays_as_it_is_and_is_not_written_to() -> None:
    positions = body()
    before = positions.copy()
    again = set_bone_lengths(positions, typical_bone_lengths(positions, H36M17), H36M17)
    np.testing.assert_allclose(again, positions, atol=2e-3)
    np.testing.assert_array_equal(positions, before)


def test_a_bone_without_length_stays_where_it_is() -> None:
    positions = body(3)
    wrist, elbow = H36M17.indices("left_wrist", "left_elbow")
    positions[1, wrist] = positions[1, elbow]
    steady = set_bone_lengths(positions, np.full(17, 0.3), H36M17)
    assert np.isfinite(steady).all()
    np.testing.assert_allclose(steady[1, wrist], steady[1, elbow])


def test_wobbling_bones_come_nearer_to_the_truth() -> None:
    truth = body(200)
    random = np.random.default_rng(3)
    factor = 1 + 0.06 * random.normal(size=(200, 17))
    wobbling = np.zeros_like(truth)
    for joint, parent in enumerate(H36M17.parents):
        if parent >= 0:
            wobbling[:, joint] = wobbling[:, parent] + (truth[:, joint] - truth[:, parent]) * factor[:, joint, None]
    steady = set_bone_lengths(wobbling, typical_bone_lengths(wobbling, H36M17), H36M17)
    before, after = (np.linalg.norm(p - truth, axis=-1).mean() for p in (wobbling, steady))
    assert after < 0.8 * before
