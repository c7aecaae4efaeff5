"""Targets and losses against closed forms."""

import math

import pytest
import torch

from detectors.training.targets import gaussian_heatmaps, hard_keypoint_loss, heatmap_loss, inside, mean_keypoint_loss

POINT = torch.tensor([[[20.25, 11.75]]])


def test_gaussian_has_its_centre_spread_and_mass() -> None:
    """The moments of the drawn Gaussian are those of the continuous one."""
    heatmap = gaussian_heatmaps(POINT, (32, 48), sigma=2.0)[0, 0].double()
    y, x = torch.meshgrid(torch.arange(32.0), torch.arange(48.0), indexing="ij")
    mass = heatmap.sum().item()
    assert mass == pytest.approx(2 * math.pi * 4.0, rel=1e-4)
    assert (heatmap * x).sum().item() / mass == pytest.approx(20.25, abs=1e-3)
    assert (heatmap * y).sum().item() / mass == pytest.approx(11.75, abs=1e-3)
    assert (heatmap * (x - 20.25) ** 2).sum().item() / mass == pytest.approx(4.0, rel=1e-3)


def test_gaussian_at_a_pixel_has_peak_one() -> None:
    heatmap = gaussian_heatmaps(torch.tensor([[[5.0, 3.0]]]), (8, 12), sigma=1.5)[0, 0]
    assert heatmap[3, 5].item() == 1.0
    assert heatmap[3, 7].item() == pytest.approx(math.exp(-0.5 * (2 / 1.5) ** 2))


def test_unknown_joint_has_an_empty_heatmap() -> None:
    assert not gaussian_heatmaps(torch.full((1, 1, 2), float("nan")), (8, 12), sigma=1.5).any()


def test_inside_takes_the_whole_of_the_outer_pixels() -> None:
    points = torch.tensor([[[-0.4, 0.0], [-0.6, 0.0], [11.4, 7.4], [11.6, 7.0], [float("nan"), 1.0]]])
    assert inside(points, (8, 12)).tolist() == [[True, False, True, False, False]]


def test_heatmap_loss_is_the_mean_square_a_joint() -> None:
    heatmaps = torch.zeros(1, 3, 2, 2)
    heatmaps[0, 1] = 3.0
    heatmaps[0, 2] = 5.0
    weight = torch.tensor([[1.0, 1.0, 0.0]])
    assert heatmap_loss(heatmaps, torch.ones_like(heatmaps), weight).tolist() == [[1.0, 4.0, 0.0]]


def test_mean_loss_leaves_unknown_joints_out() -> None:
    losses = torch.tensor([[1.0, 5.0, 0.0], [3.0, 0.0, 0.0]])
    weight = torch.tensor([[1.0, 1.0, 0.0], [1.0, 0.0, 0.0]])
    assert mean_keypoint_loss(losses, weight).item() == pytest.approx(3.0)


def test_hard_keypoints_are_the_worst_of_each_person() -> None:
    """Person 0: the two worst of four are 4 and 3. Person 1 knows one joint, 2. Person 2 knows none."""
    losses = torch.tensor([[1.0, 4.0, 2.0, 3.0], [2.0, 9.0, 9.0, 9.0], [7.0, 7.0, 7.0, 7.0]], requires_grad=True)
    weight = torch.tensor([[1.0, 1.0, 1.0, 1.0], [1.0, 0.0, 0.0, 0.0], [0.0, 0.0, 0.0, 0.0]])
    loss = hard_keypoint_loss(losses, weight, count=2)
    assert loss.item() == pytest.approx((3.5 + 2.0) / 2)
    loss.backward()
    assert losses.grad is not None
    assert losses.grad.tolist() == [[0.0, 0.25, 0.0, 0.25], [0.5, 0.0, 0.0, 0.0], [0.0, 0.0, 0.0, 0.0]]


def test_all_keypoints_hard_is_the_mean() -> None:
    losses, weight = torch.rand(5, 7), torch.ones(5, 7)
    assert hard_keypoint_loss(losses, weight, 7).item() == pytest.approx(mean_keypoint_loss(losses, weight).item())
