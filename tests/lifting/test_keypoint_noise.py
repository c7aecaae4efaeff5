from __future__ import annotations

import dataclasses
from typing import Any

import pytest
import torch
from torch import Tensor

from lifting.data.keypoint_noise import KeypointNoise, add_keypoint_noise, smooth_noise
from poses import COCO17

NONE = KeypointNoise(jitter=0, drift=0, bias=0, hidden_face=0, outliers=0, lost=0, swaps=0)
BATCH, FRAMES = 64, 100


def moving() -> Tensor:
    """(B, T, 17, 2) joints on parabolas of their own: no straight line is hidden among them."""
    random = torch.Generator().manual_seed(9)
    time = torch.linspace(-1, 1, FRAMES).view(1, -1, 1, 1)
    start, speed, bend = torch.randn((3, BATCH, 1, 17, 2), generator=random)
    return start + speed * time + bend * time**2


def noisy(
    height: float = 1.0, away: float = 0.0, seed: int = 0, keypoints: Tensor | None = None, **strength: Any
) -> Tensor:
    noise = dataclasses.replace(NONE, **strength)
    return add_keypoint_noise(
        moving() if keypoints is None else keypoints,
        torch.full((BATCH,), height),
        torch.full((BATCH, FRAMES), away),
        noise,
        50.0,
        torch.Generator().manual_seed(seed),
    )


def strengths(kind: str, strength: float) -> dict[str, Any]:
    return {kind: strength}


def test_zero_strength_changes_nothing() -> None:
    assert torch.equal(noisy(away=1.0), moving())


def test_input_is_left_alone() -> None:
    keypoints = moving()
    noisy(keypoints=keypoints, jitter=0.1, outliers=2.0, lost=2.0, swaps=2.0)
    assert torch.equal(keypoints, moving())


def test_same_seed_same_noise() -> None:
    every: dict[str, Any] = dataclasses.asdict(KeypointNoise())
    assert torch.equal(noisy(seed=1, **every), noisy(seed=1, **every))
    assert not torch.equal(noisy(seed=1, **every), noisy(seed=2, **every))


@pytest.mark.parametrize("kind", ["jitter", "drift", "bias", "hidden_face"])
def test_magnitudes_scale_with_height_and_strength(kind: str) -> None:
    def error(height: float, strength: float) -> Tensor:
        return noisy(height, 1.0, **strengths(kind, strength)) - moving()

    torch.testing.assert_close(error(2.0, 0.01), 2 * error(1.0, 0.01), atol=1e-5, rtol=0)
    torch.testing.assert_close(error(1.0, 0.03), 3 * error(1.0, 0.01), atol=1e-5, rtol=0)


@pytest.mark.parametrize("kind", ["jitter", "drift", "bias"])
def test_deviation_is_the_strength(kind: str) -> None:
    error = noisy(wander_spread=0.0, **strengths(kind, 0.01)) - moving()
    nose, wrist = error[:, :, COCO17.index("nose")], error[:, :, COCO17.index("left_wrist")]
    # Half of the jitter is smoothed over three frames, to 1 / sqrt(3).
    share = ((1 + 1 / 3) / 2) ** 0.5 if kind == "jitter" else 1.0
    assert nose.square().mean().sqrt() == pytest.approx(0.01 * share, rel=0.2)
    assert wrist.square().mean().sqrt() == pytest.approx(0.015 * share, rel=0.2), "wrists are harder"


def test_how_fast_each_kind_changes() -> None:
    def roughness(kind: str) -> float:
        error = noisy(**strengths(kind, 0.01)) - moving()
        return float(error.diff(dim=1).square().mean() / error.square().mean())

    assert roughness("bias") < 1e-6
    assert 1e-4 < roughness("drift") < 0.05
    assert roughness("jitter") > 0.5


def test_hidden_face_moves_the_face_of_those_who_look_away() -> None:
    assert torch.equal(noisy(away=0.0, hidden_face=0.05), moving())
    error = (noisy(away=1.0, hidden_face=0.05) - moving()).abs().amax(dim=(0, 1, 3))
    assert (error[:5] > 0.01).all()
    assert (error[5:] == 0).all()


def test_outliers_are_rare_short_and_of_one_joint() -> None:
    error = (noisy(outliers=0.5, outlier_size=0.1) - moving()).norm(dim=-1)
    hit = error > 1e-6
    # 0.5 a second over 64 sequences of 2 s: 64 spans of 4.5 frames on average.
    assert 64 * 4.5 / 2 < hit.sum() < 64 * 4.5 * 2
    assert error[hit].mean() == pytest.approx(0.125, rel=0.3), "mean length of a normal vector of deviation 0.1"


def test_lost_limbs_are_bridged_by_straight_lines() -> None:
    shown, truth = noisy(lost=0.05), moving()
    lost = (shown - truth).norm(dim=-1) > 1e-6
    assert lost.any()
    together = {tuple(COCO17.indices("left_elbow", "left_wrist")), tuple(COCO17.indices("right_knee", "right_ankle"))}
    found = set()
    for b in torch.nonzero(lost.any(dim=(1, 2)))[:, 0]:
        joints = torch.nonzero(lost[b].any(dim=0))[:, 0]
        found.add(tuple(joints.tolist()))
        for joint in joints:
            span = torch.nonzero(lost[b, :, joint])[:, 0]
            if len(span) != span[-1] - span[0] + 1 or span[0] == 0 or span[-1] == FRAMES - 1:
                continue
            line = shown[b, span[0] - 1 : span[-1] + 2, joint]
            share = torch.linspace(0, 1, len(line))[:, None]
            wanted = truth[b, span[0] - 1, joint] * (1 - share) + truth[b, span[-1] + 1, joint] * share
            torch.testing.assert_close(line, wanted, atol=1e-4, rtol=0)
    assert found & together, "an elbow goes with its wrist, a knee with its ankle"
    assert not any(joint in group for group in found for joint in COCO17.indices("left_shoulder", "right_hip"))


def test_swaps_exchange_left_and_right_and_nothing_else() -> None:
    shown, truth = noisy(swaps=0.2), moving()
    moved = (shown - truth).norm(dim=-1) > 1e-6
    assert moved.any()
    twin = torch.from_numpy(COCO17.mirror)
    torch.testing.assert_close(shown[moved], truth[:, :, twin][moved])
    assert torch.equal(moved, moved[:, :, twin])
    assert not moved[:, :, :5].any(), "the face is not swapped"


def test_smooth_noise_has_unit_variance_throughout() -> None:
    noise = smooth_noise((4000, 2), 31, 4, torch.Generator().manual_seed(1))
    assert noise.shape == (4000, 31, 2)
    torch.testing.assert_close(noise.std(dim=(0, 2)), torch.ones(31), atol=0.05, rtol=0)
    assert noise.diff(dim=1).abs().max() < 1.0
