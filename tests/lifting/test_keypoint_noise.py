from __future__ import annotations

import dataclasses
import sys
import time
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor

from lifting.data.keypoint_noise import KeypointNoise, add_keypoint_noise
from poses import COCO17, H36M17, Skeleton, UsageError
from poses.options import load_yaml, options_from_mapping
from tests.lifting.noise_people import EVEN, FRAMES, RATE_HZ, all_joints, noisy, seen, standing

SKELETONS = (COCO17, H36M17)


@pytest.mark.parametrize("skeleton", SKELETONS, ids=lambda s: s.name)
def test_zero_strength_changes_nothing(skeleton: Skeleton) -> None:
    exact = seen(skeleton, facing=-1.0)
    torch.testing.assert_close(noisy(exact, skeleton), exact.keypoints)


@pytest.mark.parametrize("skeleton", SKELETONS, ids=lambda s: s.name)
def test_the_default_gives_finite_keypoints_and_leaves_its_input_alone(skeleton: Skeleton) -> None:
    exact = seen(skeleton)
    exact.outside[:, 20:40, -1] = True
    exact.outside[:, :, -3] = True
    before = [getattr(exact, item.name).clone() for item in dataclasses.fields(exact)]
    shown = add_keypoint_noise(exact, skeleton, KeypointNoise(), RATE_HZ, torch.Generator().manual_seed(0))
    assert shown.shape == exact.keypoints.shape
    assert shown.isfinite().all()
    for item, value in zip(dataclasses.fields(exact), before, strict=True):
        assert torch.equal(getattr(exact, item.name), value), item.name


def test_same_seed_same_noise() -> None:
    def shown(seed: int) -> Tensor:
        return add_keypoint_noise(seen(), COCO17, KeypointNoise(), RATE_HZ, torch.Generator().manual_seed(seed))

    assert torch.equal(shown(1), shown(1))
    assert not torch.equal(shown(1), shown(2))


@pytest.mark.parametrize("kind", ["wander", "bias"])
def test_errors_scale_with_the_person(kind: str) -> None:
    small, large = seen(height=0.5), seen(height=2.0)
    strength: Any = {kind: all_joints(0.01)}
    error = noisy(small, **strength) - small.keypoints
    torch.testing.assert_close(noisy(large, **strength) - large.keypoints, 4 * error, atol=1e-5, rtol=0)


@pytest.mark.parametrize("skeleton", SKELETONS, ids=lambda s: s.name)
def test_wander_has_the_deviation_of_the_table(skeleton: Skeleton) -> None:
    exact, wander = seen(skeleton), {**all_joints(0.01), "wrist": 0.02}
    error = noisy(exact, skeleton, wander=wander, **EVEN) - exact.keypoints
    for joint, expected in (("left_wrist", 0.02), ("right_wrist", 0.02), ("left_knee", 0.01)):
        assert error[:, :, skeleton.index(joint)].std() == pytest.approx(expected, rel=0.05), joint


def test_spreads_leave_the_mean_square_and_make_heavy_tails() -> None:
    exact = seen(batch=2000)
    spread = {"person_spread": 0.3, "joint_spread": 0.3, "burst_spread": 0.4}
    error = noisy(exact, wander=all_joints(0.01), **{**EVEN, **spread}) - exact.keypoints
    assert error.square().mean().sqrt() == pytest.approx(0.01, rel=0.05)
    kurtosis = error.pow(4).mean() / error.square().mean() ** 2
    # E[exp(4 s)] / E[exp(2 s)]^2 of a normal s is exp(4 variance); a normal variable alone has 3.
    expected = 3 * torch.tensor(4 * (0.3**2 + 0.3**2 + 0.4**2)).exp()
    assert kurtosis == pytest.approx(float(expected), rel=0.3)


def test_autocorrelation_is_the_sum_of_the_given_exponentials() -> None:
    exact = seen(batch=2000)
    shape: dict[str, Any] = {"wander_times_s": (0.1, 0.8), "wander_shares": (0.4, 0.4)}
    error = noisy(exact, wander=all_joints(0.01), **shape, **EVEN) - exact.keypoints
    for lag in (1, 5, 25):
        expected = sum(0.4 * float(torch.tensor(-lag / RATE_HZ / t).exp()) for t in (0.1, 0.8))
        measured = (error[:, lag:] * error[:, :-lag]).mean() / error.square().mean()
        assert measured == pytest.approx(expected, abs=0.02), f"lag {lag}"


def test_joints_of_a_limb_err_together() -> None:
    exact = seen(batch=1000)
    error = noisy(exact, wander=all_joints(0.01), common=0.4, common_face=0.9, **EVEN) - exact.keypoints

    def correlation(first: str, second: str) -> float:
        a, b = error[:, :, COCO17.index(first)], error[:, :, COCO17.index(second)]
        return float((a * b).mean() / (a.std() * b.std()))

    assert correlation("left_elbow", "left_wrist") == pytest.approx(0.4, abs=0.03)
    assert correlation("nose", "left_eye") == pytest.approx(0.9, abs=0.03)
    assert correlation("left_wrist", "right_wrist") == pytest.approx(0.0, abs=0.03)


def test_views_differ_and_the_face_is_lost_from_behind() -> None:
    def deviation(facing: float, joint: str) -> float:
        exact = seen(facing=facing)
        strength: Any = {**EVEN, "wander_by_view": (3.0, 2.0, 1.0), "hidden_face": 0.05}
        error = noisy(exact, wander=all_joints(0.01), **strength) - exact.keypoints
        return float(error[:, :, COCO17.index(joint)].std())

    assert deviation(1.0, "left_hip") == pytest.approx(0.01, rel=0.1)
    assert deviation(-0.5, "left_hip") == pytest.approx(0.025, rel=0.1)
    assert deviation(-1.0, "nose") == pytest.approx(0.08, rel=0.1)


def test_joints_behind_the_trunk_and_beyond_the_edge_err_more() -> None:
    exact = seen()
    exact.keypoints[:, :, COCO17.index("right_wrist")] = exact.keypoints[:, :, COCO17.index("nose")] + torch.tensor(
        [0.0, 0.2]
    )
    exact.keypoints[:, :, COCO17.index("left_wrist")] = exact.keypoints[:, :, COCO17.index("right_wrist")]
    exact.outside[:, :, COCO17.index("left_ankle")] = True
    strength: dict[str, Any] = {**EVEN, "hidden": 3.0, "outside": 5.0}
    deviation = (noisy(exact, wander=all_joints(0.01), **strength) - exact.keypoints).std(dim=(0, 1, 3))
    expected = {"right_wrist": 0.03, "left_wrist": 0.01, "left_ankle": 0.05, "right_ankle": 0.01}
    for joint, value in expected.items():
        assert deviation[COCO17.index(joint)] == pytest.approx(value, rel=0.1), joint


@pytest.mark.parametrize(("shown_share", "factor"), [(1.0, 1.0), (0.16 / 0.3, 2.5), (0.02, 4.0)])
def test_trunks_that_point_at_the_camera_make_larger_errors(shown_share: float, factor: float) -> None:
    # The trunk is 0.3 long and upright.
    exact = seen()
    exact.keypoints[..., 1] *= shown_share
    strength: dict[str, Any] = {**EVEN, "wander_foreshortened": 4.0}
    error = noisy(exact, wander=all_joints(0.01), **strength) - exact.keypoints
    assert error.std() == pytest.approx(0.01 * factor, rel=0.05)


@pytest.mark.parametrize("skeleton", SKELETONS, ids=lambda s: s.name)
def test_hips_and_shoulders_move_along_the_trunk_and_across(skeleton: Skeleton) -> None:
    exact = seen(skeleton)
    strength: dict[str, Any] = {"hip_width": (0.7, 0.0), "hip_shift": (0.1, 0.0), "shoulder_width": (1.1, 0.0)}
    shown = noisy(exact, skeleton, **strength)[0, 0] - exact.keypoints[0, 0] + standing(skeleton)
    # The trunk is 0.3 long and points up, so that y falls.
    wanted = {"left_hip": (0.056, -0.03), "right_hip": (-0.056, -0.03), "left_shoulder": (0.121, -0.3)}
    for joint, place in wanted.items():
        torch.testing.assert_close(shown[skeleton.index(joint)], torch.tensor(place), msg=joint)


def test_limbs_are_stretched_along_their_bones() -> None:
    exact = seen()
    moved = (noisy(exact, limb_stretch={"ankle": -0.1}) - exact.keypoints)[0, 0]
    expected = -0.1 * (standing()[COCO17.index("left_ankle")] - standing()[COCO17.index("left_knee")])
    torch.testing.assert_close(moved[COCO17.index("left_ankle")], expected, atol=1e-6, rtol=1e-4)
    assert moved[COCO17.index("left_knee")].abs().max() < 1e-6


def test_constant_offsets_spread_over_sequences() -> None:
    exact = seen(batch=2000)
    error = noisy(exact, bias={**all_joints(0.0), "ear": 0.02}) - exact.keypoints
    assert error.diff(dim=1).abs().max() < 1e-6
    assert error[:, 0, COCO17.index("right_ear")].std() == pytest.approx(0.02, rel=0.05)
    assert error[:, 0, COCO17.index("nose")].abs().max() < 1e-6


def test_a_share_of_sequences_has_other_biases_and_another_none() -> None:
    exact = seen(batch=3000)
    strength: Any = {"hip_width": (0.5, 0.0), "other_width": (0.8, 1.0), "other_share": 0.4, "exact_share": 0.2}
    shown = noisy(exact, **strength)
    left, right = COCO17.indices("left_hip", "right_hip")
    width = (shown[:, 0, left, 0] - shown[:, 0, right, 0]) / (standing()[left, 0] - standing()[right, 0])
    assert ((width - 1.0).abs() < 1e-4).float().mean() == pytest.approx(0.2, abs=0.03)
    assert ((width - 0.5).abs() < 1e-4).float().mean() == pytest.approx(0.8 * 0.6, abs=0.03)


def test_smoothing_takes_out_the_fast_and_leaves_the_slow() -> None:
    exact = seen()
    strength: Any = {"wander": all_joints(0.01), "smoothed_share": 1.0, **EVEN}
    jitter = noisy(exact, wander_times_s=(), wander_shares=(), **strength) - exact.keypoints
    # A cutoff of 4 Hz of 25 leaves about a sixth of the variance of white noise.
    assert 0.3 < jitter[:, 10:-10].std() / 0.01 < 0.5
    drift = noisy(exact, wander_times_s=(2.0,), wander_shares=(1.0,), **strength) - exact.keypoints
    assert drift.std() == pytest.approx(0.01, rel=0.1)


@pytest.mark.parametrize("skeleton", SKELETONS, ids=lambda s: s.name)
def test_tables_without_a_joint_are_refused(skeleton: Skeleton) -> None:
    with pytest.raises(ValueError, match="no number for knee"):
        noisy(seen(skeleton), skeleton, wander={k: v for k, v in all_joints(0.01).items() if k != "knee"})


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ({"swapped_arms": (0.1, 0.2)}, "swapped_arms needs three numbers"),
        ({"wander_shares": (0.6, 0.6)}, "at most 1 together"),
        ({"lost_s": (0.0, 1.0)}, "lost_s needs a shortest"),
        ({"hip_width": (1.0,)}, "hip_width needs two numbers"),
    ],
)
def test_values_that_cannot_be_are_refused(wrong: dict[str, Any], message: str) -> None:
    with pytest.raises(UsageError, match=message):
        options_from_mapping(KeypointNoise, wrong, "noise")


def test_the_configuration_of_the_default_detector_is_the_default() -> None:
    path = Path(__file__).parents[2] / "configs" / "noise" / "blazepose.yaml"
    assert options_from_mapping(KeypointNoise, load_yaml(path), str(path)) == KeypointNoise()


def test_time_for_a_training_step(capsys: pytest.CaptureFixture[str]) -> None:
    exact, generator = seen(batch=512), torch.Generator().manual_seed(0)
    start_s = time.perf_counter()
    shown = add_keypoint_noise(exact, COCO17, KeypointNoise(), RATE_HZ, generator)
    elapsed_s = time.perf_counter() - start_s
    with capsys.disabled():
        sys.stdout.write(f"\nkeypoint noise: 512 sequences of {FRAMES} frames in {1000 * elapsed_s:.0f} ms\n")
    assert shown.isfinite().all()
