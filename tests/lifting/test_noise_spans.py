from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch

from detectors.smoothing import whittaker
from lifting.data.noise_paths import smooth_noise, smoothing_matrix
from lifting.data.noise_spans import bridge, fill_unseen, mean_length_s, random_spans
from lifting.unseen import fill_unseen_joints
from poses import COCO17, H36M17, Skeleton
from tests.lifting.noise_people import FRAMES, RATE_HZ, noisy, seen, standing

ARMS = COCO17.indices("left_shoulder", "left_elbow", "left_wrist")
LEGS = COCO17.indices("left_hip", "left_knee", "left_ankle")
FACE = COCO17.indices("left_eye", "left_ear")


def exchanged(facing: float, **strength: Any) -> torch.Tensor:
    """(B, T, J) joints that stand in their twin's place."""
    exact = seen(facing=facing, batch=2000)
    shown = noisy(exact, **strength) - exact.keypoints + standing()
    twin = standing()[torch.from_numpy(COCO17.mirror)]
    apart = (twin - standing()).norm(dim=-1) > 0
    return ((shown - twin).norm(dim=-1) < 1e-4) & apart


@pytest.mark.parametrize(("facing", "expected"), [(-1.0, 0.20), (0.0, 0.10), (0.5, 0.07), (1.0, 0.04)])
def test_share_of_time_with_exchanged_sides_goes_by_view(facing: float, expected: float) -> None:
    swapped = exchanged(facing, swapped_legs=(0.20, 0.10, 0.04))
    # Spans may overlap, which happens in half the square of the share.
    assert swapped[..., LEGS].float().mean() == pytest.approx(expected, rel=0.2)
    assert not swapped[..., [*ARMS, *FACE]].any()


def test_all_sides_are_exchanged_together() -> None:
    swapped = exchanged(-1.0, swapped_all=(0.1, 0.0, 0.0))
    assert 0.05 < swapped[..., ARMS].float().mean() < 0.15
    assert torch.equal(swapped[..., ARMS], swapped[..., LEGS])
    assert torch.equal(swapped[..., ARMS][..., :2], swapped[..., FACE])


def test_lost_limbs_are_bridged_by_straight_lines() -> None:
    exact = seen()
    shown = noisy(exact, lost_rate_hz=0.3, lost_by_view=(1.0, 1.0, 1.0))
    moved = (shown - exact.keypoints).norm(dim=-1) > 1e-6
    assert moved.any()
    assert not moved[..., COCO17.indices("left_shoulder", "right_hip")].any()
    checked = 0
    for b, j in torch.nonzero(moved.any(dim=1)).tolist():
        span = torch.nonzero(moved[b, :, j])[:, 0]
        if len(span) < 3 or len(span) != span[-1] - span[0] + 1 or span[0] == 0 or span[-1] == FRAMES - 1:
            continue
        line = shown[b, span[0] - 1 : span[-1] + 2, j]
        assert line.diff(dim=0).diff(dim=0).abs().max() < 1e-5
        checked += 1
    assert checked > 20


def test_bridge_of_missing_joints_by_hand() -> None:
    keypoints = torch.zeros(1, 6, 2, 2)
    keypoints[0, :, 0, 0] = torch.tensor([0.0, 9.0, 9.0, 3.0, 4.0, 9.0])
    keypoints[0, :, 1, 1] = 7.0
    missing = torch.zeros(1, 6, 2, dtype=torch.bool)
    missing[0, [1, 2, 5], 0] = True
    missing[0, :, 1] = True
    trunk = torch.zeros(1, 6, 2)
    trunk[0, 5] = torch.tensor([0.5, 0.25])
    filled = bridge(keypoints, missing, trunk)
    assert filled[0, :, 0, 0].tolist() == pytest.approx([0, 1, 2, 3, 4, 4.5])
    assert filled[0, 5, 0, 1] == pytest.approx(0.25), "held relative to the trunk"
    assert (filled[0, :, 1, 1] == 7.0).all(), "nothing is known about a joint that is never seen"
    assert keypoints[0, 1, 0, 0] == 9.0, "the input is left alone"


def test_joints_astray_come_back() -> None:
    exact = seen(batch=2000)
    error = (noisy(exact, outlier_rate_hz=0.1, outlier_size=0.1, outlier_s=(0.1, 0.4)) - exact.keypoints).norm(dim=-1)
    hit = error > 1e-5
    assert hit.float().mean() == pytest.approx(0.1 * mean_length_s((0.1, 0.4)), rel=0.2)
    assert error[hit].mean() == pytest.approx(0.1 * (np.pi / 2) ** 0.5, rel=0.05), "mean of a Rayleigh distribution"


def test_joints_beyond_the_edge_are_held() -> None:
    exact = seen()
    wrist = COCO17.index("left_wrist")
    exact.outside[:, 50:, wrist] = True
    shown = noisy(exact, lost_outside=1.0)
    corners = COCO17.indices("left_shoulder", "right_shoulder", "left_hip", "right_hip")
    place = shown[:, :, wrist] - exact.keypoints[:, :, corners].mean(dim=2)
    torch.testing.assert_close(place[:, 50:], place[:, 49:50].expand(-1, FRAMES - 50, -1))


def test_spans_cover_their_share_of_time_evenly() -> None:
    rate = torch.full((8000, FRAMES), 0.2)
    spans = random_spans(rate, (0.2, 3.0), FRAMES, RATE_HZ, torch.Generator().manual_seed(3))
    cover = spans.sum(dim=1).float().mean(dim=0)
    expected = 0.2 * mean_length_s((0.2, 3.0))
    assert cover.mean() == pytest.approx(expected, rel=0.05)
    torch.testing.assert_close(cover, torch.full_like(cover, expected), atol=0.1 * expected, rtol=0)
    assert mean_length_s((0.5, 0.5)) == 0.5
    assert random_spans(0 * rate, (0.2, 3.0), FRAMES, RATE_HZ, torch.Generator()).shape == (8000, 0, FRAMES)


def test_smoothing_is_the_trackers() -> None:
    values = np.random.default_rng(0).normal(size=(FRAMES, 3)).cumsum(axis=0)
    ours = smoothing_matrix(FRAMES, RATE_HZ, 0.04).numpy() @ values
    theirs = whittaker(values, np.ones(FRAMES), np.arange(FRAMES) / RATE_HZ, 0.04)
    # At its ends the tracker's goes by the time that a frame stands for, here all are alike.
    np.testing.assert_allclose(ours[10:-10], theirs[10:-10], atol=0.02 * np.ptp(values))
    np.testing.assert_allclose(smoothing_matrix(3, RATE_HZ, 0.04).numpy(), np.eye(3))


def test_smooth_noise_has_unit_variance_throughout() -> None:
    noise = smooth_noise((4000, 2), 31, 4, torch.Generator().manual_seed(1))
    assert noise.shape == (4000, 31, 2)
    torch.testing.assert_close(noise.std(dim=(0, 2)), torch.ones(31), atol=0.05, rtol=0)
    assert noise.diff(dim=1).abs().max() < 1.0


@pytest.mark.parametrize("skeleton", [COCO17, H36M17], ids=lambda s: s.name)
def test_unseen_joints_are_filled_as_before_lifting(skeleton: Skeleton) -> None:
    random = torch.Generator().manual_seed(4)
    keypoints = torch.randn((40, 6, len(skeleton), 2), generator=random)
    unseen = torch.rand((40, len(skeleton)), generator=random) < torch.linspace(0, 0.9, 40)[:, None]
    unseen[:3] = torch.tensor([[False], [True], [False]])
    filled = fill_unseen(keypoints, unseen, torch.tensor(skeleton.parents))
    # Who has no joint at all is not a person: left as it is.
    torch.testing.assert_close(filled[:3], keypoints[:3])
    for points, gone, got in zip(keypoints[3:], unseen[3:], filled[3:], strict=True):
        if gone.all():
            continue
        given = points.numpy().copy()
        given[:, gone.numpy()] = np.nan
        np.testing.assert_allclose(got.numpy(), fill_unseen_joints(given, skeleton), atol=1e-6)


def test_parts_of_the_body_are_not_seen_in_a_share_of_the_sequences() -> None:
    exact = seen(batch=4000)
    gone = (noisy(exact, unseen_share=0.3) - exact.keypoints).norm(dim=-1) > 1e-6
    missing = gone.any(dim=1)
    assert missing.any(dim=1).float().mean() == pytest.approx(0.3, abs=0.03)
    legs = COCO17.indices("left_knee", "left_ankle", "right_knee", "right_ankle")
    others = [joint for joint in range(17) if joint not in legs]
    only_legs = missing[:, legs].all(dim=1) & ~missing[:, others].any(dim=1)
    # Half of the sequences lack one of five parts.
    assert only_legs.float().mean() == pytest.approx(0.3 / 2 / 5, abs=0.01)


def test_half_of_what_is_not_seen_comes_or_goes_at_some_moment() -> None:
    exact = seen(batch=4000)
    gone = (noisy(exact, unseen_share=1.0) - exact.keypoints).norm(dim=-1) > 1e-6
    some = gone.any(dim=2)
    assert torch.equal(gone, gone.any(dim=1, keepdim=True) & some[..., None]), "the same joints all the time"
    some = some[some.any(dim=1)]
    changes = some.int().diff(dim=1).abs().sum(dim=1)
    assert changes.max() == 1
    assert (changes == 0).float().mean() == pytest.approx(0.5, abs=0.03)
    goes, comes = ((some[:, -1] == ends) & (changes == 1) for ends in (True, False))
    assert goes.sum() == pytest.approx(int(comes.sum()), rel=0.15)
    assert some[goes].float().mean() == pytest.approx(0.5, abs=0.05), "any moment"
