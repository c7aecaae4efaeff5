from __future__ import annotations

import dataclasses
import math
from pathlib import Path

import cv2
import numpy as np
import pytest
import torch

from lifting.data.datasets import H36M
from lifting.data.project_truth import H36M_LAYOUT, layout_of
from lifting.data.reference_npz import KeypointLayout
from lifting.dataset_recipe import DatasetRecipe
from lifting.dataset_run import DatasetRun
from lifting.semi_supervised import (
    bone_length_loss,
    bones_of,
    input_skeleton,
    projection_loss,
    shared_joints,
)
from lifting.train_dataset import train_losses
from lifting.training_data import Batches, load_training_data
from lifting.unlabelled import find_tracks, load_tracks, screen_intrinsics, undistort_px
from poses import COCO17, H36M17, InputError, Intrinsics, Poses3D, Skeleton, Tracks, UsageError, VideoInfo
from poses.distributed import Ranks
from tests.lifting.small_dataset import write_dataset

SHARED = shared_joints(H36M17, H36M17)
CAMERA = H36M.cameras("S1")[0]


def people(count: int = 5, frames: int = 2) -> tuple[torch.Tensor, torch.Tensor]:
    """(B, T, 17, 3) joints relative to the root, (B, T, 1, 3) root, in front of the camera."""
    generator = torch.Generator().manual_seed(1)
    positions = 0.4 * torch.randn(count, frames, 17, 3, generator=generator)
    positions[:, :, 0] = 0
    return positions, torch.tensor([0.2, -0.1, 4.0]) + 0.3 * torch.randn(count, frames, 1, 3, generator=generator)


def intrinsics(count: int = 5) -> torch.Tensor:
    assert CAMERA.intrinsics is not None
    return torch.from_numpy(CAMERA.intrinsics).expand(count, -1)


def pictures(positions: torch.Tensor, root: torch.Tensor) -> torch.Tensor:
    """(B, T, 17, 2) on the screen, by the dataset's own formula in NumPy."""
    assert CAMERA.intrinsics is not None
    f, c, (k1, k2, k3), p = np.split(CAMERA.intrinsics.astype(np.float64), [2, 4, 7])
    joints = (positions + root).double().numpy()
    x = joints[..., :2] / joints[..., 2:]
    r2 = (x**2).sum(-1, keepdims=True)
    seen = f * (x * (1 + k1 * r2 + k2 * r2**2 + k3 * r2**3 + (p * x).sum(-1, keepdims=True)) + p * r2) + c
    return torch.from_numpy(seen.astype(np.float32))


def test_projection_loss_is_zero_for_exact_poses_and_the_mean_distance_otherwise() -> None:
    positions, root = people()
    seen = pictures(positions, root)
    assert projection_loss(positions, root, seen, intrinsics(), SHARED, linear=False) < 1e-6
    moved = seen + torch.tensor([0.03, 0.04])
    assert projection_loss(positions, root, moved, intrinsics(), SHARED, False) == pytest.approx(0.05, rel=1e-4)
    # The lens bends the picture, so without distortion the same poses do not fall on it.
    assert projection_loss(positions, root, seen, intrinsics(), SHARED, linear=True) > 1e-4


def test_bone_length_loss() -> None:
    positions, _ = people()
    bones = bones_of(H36M17, "cpu")
    assert len(bones) == 16
    turned = positions @ torch.linalg.qr(torch.randn(3, 3, generator=torch.Generator().manual_seed(2))).Q
    assert bone_length_loss(positions, turned, bones) < 1e-6, "turning a body keeps its bones"
    longer = positions * 1.5
    lengths = [
        np.mean(np.linalg.norm(positions[:, :, j] - positions[:, :, H36M17.parents[j]], axis=-1)) for j in range(1, 17)
    ]
    assert bone_length_loss(positions, longer, bones) == pytest.approx(0.5 * np.mean(lengths), rel=1e-5)
    assert bone_length_loss(longer, positions, bones) == pytest.approx(0.5 * np.mean(lengths), rel=1e-5)


@pytest.mark.parametrize("longer", [1.001, 1.5])
def test_gradient_of_the_bone_length_loss(longer: float) -> None:
    """Every bone of a half is stretched or shortened along itself, by the same amount however far apart the means."""
    labelled, _ = people()
    unlabelled = (longer * labelled[:3]).requires_grad_()
    labelled = labelled.requires_grad_()
    mean = [
        (half[:, :, 1:] - half[:, :, H36M17.parents[1:]]).norm(dim=-1).mean((0, 1)) for half in (labelled, unlabelled)
    ]
    signs = np.sign((mean[0] - mean[1]).detach().numpy())
    bone_length_loss(labelled, unlabelled, bones_of(H36M17, "cpu")).backward()
    for half, sign in ((labelled, 1), (unlabelled, -1)):
        joints = half.detach().double().numpy()
        expected = np.zeros_like(joints)
        for joint, parent in list(enumerate(H36M17.parents))[1:]:
            bone = joints[:, :, joint] - joints[:, :, parent]
            along = bone / np.linalg.norm(bone, axis=-1, keepdims=True)
            push = sign * signs[joint - 1] * along / (16 * joints.shape[0] * joints.shape[1])
            expected[:, :, joint] += push
            expected[:, :, parent] -= push
        assert half.grad is not None
        np.testing.assert_allclose(half.grad.numpy(), expected, atol=1e-7)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_dataset(tmp_path_factory.mktemp("h36m"))


def recipe(**changes: object) -> DatasetRecipe:
    small = DatasetRecipe(
        "h36m",
        "gt",
        subjects_train=("S1",),
        subjects_test=("S9",),
        unlabelled_subjects=("S5",),
        filter_widths=(3,),
        channels=8,
        dropout=0.0,
        batch_frames=32,
        warmup_epochs=0,
        epochs=2,
    )
    return dataclasses.replace(small, **changes)  # type: ignore[arg-type]


@pytest.mark.parametrize(("projection", "bone_length"), [(True, False), (False, True), (True, True)])
def test_gradients_reach_the_unlabelled_half_through_these_terms_alone(
    folder: Path, projection: bool, bone_length: bool
) -> None:
    chosen = recipe(projection=projection, bone_length=bone_length)
    batches = Batches(chosen, load_training_data(chosen, folder), (1, 1), Ranks())
    labelled, unlabelled, _ = batches.batch(0, 0, with_unlabelled=True)
    assert unlabelled is not None
    count = len(labelled)
    assert len(unlabelled) == count, "half and half"
    generator = torch.Generator().manual_seed(1)
    positions = torch.randn(2 * count, 1, 17, 3, generator=generator).requires_grad_()
    root = (torch.randn(2 * count, 1, 1, 3, generator=generator) + torch.tensor([0, 0, 5.0])).requires_grad_()
    losses = train_losses(chosen, positions, root, labelled, unlabelled, SHARED, before=1)
    (losses["pose"] + losses["trajectory"]).backward(retain_graph=True)
    assert positions.grad is not None
    assert root.grad is not None
    assert not positions.grad[count:].any(), "supervised terms"
    assert not root.grad[count:].any()
    assert positions.grad[:count].any()
    positions.grad.zero_()
    root.grad.zero_()
    assert set(losses) == {"pose", "trajectory"} | ({"projection"} if projection else set()) | (
        {"bone"} if bone_length else set()
    )
    sum(losses[name] for name in ("projection", "bone") if name in losses).backward()  # type: ignore[union-attr]
    assert positions.grad[count:].any()
    assert bool(root.grad[count:].any()) == projection, "bones say nothing of the place"
    assert bool(positions.grad[:count].any()) == bone_length, "the projection leaves the labelled half alone"


def test_warm_up_uses_the_labelled_half_alone(folder: Path) -> None:
    chosen = recipe(warmup_epochs=1)
    data = load_training_data(chosen, folder)
    batches = Batches(chosen, data, (1, 1), Ranks())
    assert batches.batch(0, 0, with_unlabelled=False)[1] is None
    run = DatasetRun(chosen, 17, 17, 0, Ranks())
    assert run.networks.trajectory is not None, "semi-supervised training needs the trajectory"


def test_joints_are_matched_by_name() -> None:
    assert input_skeleton(H36M_LAYOUT) == H36M17
    coco = layout_of("coco", COCO17.mirror, COCO17.sides)
    assert input_skeleton(coco) == COCO17
    shared = shared_joints(COCO17, H36M17)
    assert len(shared.joints) == 12
    assert [COCO17.joints[i] for i in shared.keypoints] == [H36M17.joints[i] for i in shared.joints]
    with pytest.raises(UsageError, match="16, left ones"):
        input_skeleton(KeypointLayout("mpii", 16, (1,), (2,)))
    with pytest.raises(UsageError, match="share no joint"):
        shared_joints(COCO17, Skeleton("other", ("tail",), (-1,), ()))


LENS = Intrinsics(900.0, 880.0, 650.0, 350.0, 1280, 720, (-0.2, 0.05, 0.001, -0.002))


def write_tracks(folder: Path, lens: Intrinsics | None, skeleton: Skeleton = COCO17, fps: float = 25.0) -> np.ndarray:
    """A person who moves on straight lines for 2 s before `lens`; returns the joints in the camera frame (T, J, 3)."""
    folder.mkdir()
    frames = np.arange(50)
    start = np.random.default_rng(1).uniform(-0.8, 0.8, (len(skeleton), 3)) + np.array([0.1, 0, 4])
    joints = start + 0.2 * (frames / fps)[:, None, None] * [1, 0.2, 0]
    camera = lens or Intrinsics.from_fov(math.radians(60), 1280, 720)
    shape = (len(frames), len(skeleton))
    known = np.ones(shape, bool)
    Tracks(
        np.zeros(50, np.int64),
        frames,
        camera.project(joints).astype(np.float32),
        np.ones(shape, np.float32),
        known,
        ~known,
        skeleton,
    ).save(folder / "tracks.npz")
    if lens is None:
        VideoInfo(frames / fps, 1280, 720, 0, fps, "h264", "", 0).save(folder / "video.npz")
    else:
        nothing = np.zeros((50, 17, 3), np.float32)
        Poses3D(
            np.zeros(50, np.int64), frames, frames / fps, nothing, nothing[:, 0], known.any(1),
            np.eye(4), "camera", "none", lens, "file", "none", H36M17,
        ).save(folder / "poses3d.npz")  # fmt: skip
    return joints


@pytest.mark.parametrize("lens", [LENS, None])
def test_own_videos_come_out_as_the_dataset_would_show_them(tmp_path: Path, lens: Intrinsics | None) -> None:
    joints = write_tracks(tmp_path / "clip", lens)
    (path,) = find_tracks([str(tmp_path)])
    (sequence,) = load_tracks(path, COCO17, 50.0)
    assert sequence.positions_m is None
    assert len(sequence) == 99, "49 / 25 s at 50 Hz, both ends"
    assert sequence.intrinsics is not None
    # Exact joints in the camera frame fall on the keypoints through the intrinsics that are handed on.
    exact = torch.from_numpy(joints).float()[:, None]
    camera = torch.from_numpy(sequence.intrinsics).expand(50, -1)
    seen = torch.from_numpy(sequence.keypoints[::2])[:, None]
    same = shared_joints(COCO17, COCO17)
    assert projection_loss(exact, torch.zeros(50, 1, 1, 3), seen, camera, same, False) < 2e-4


def test_distortion_is_that_of_opencv() -> None:
    points = np.array([[100.0, 50.0], [640.0, 360.0], [1200.0, 700.0]])
    straight = undistort_px(points, LENS)
    rays = np.concatenate([(straight - [LENS.cx, LENS.cy]) / [LENS.fx, LENS.fy], np.ones((3, 1))], axis=1)
    bent = cv2.projectPoints(rays, np.zeros(3), np.zeros(3), LENS.matrix, np.array(LENS.distortion))[0][:, 0]
    assert np.abs(bent - points).max() < 1e-4
    assert np.abs(straight - points).max() > 5
    assert not screen_intrinsics(LENS)[4:].any()


def test_tracks_that_cannot_serve_are_refused_by_name(tmp_path: Path) -> None:
    write_tracks(tmp_path / "clip", LENS)
    with pytest.raises(InputError, match=r"tracks\.npz: .*h36m17 keypoints.*coco17 without hip, spine"):
        load_tracks(tmp_path / "clip" / "tracks.npz", H36M17, 50.0)
    (tmp_path / "clip" / "poses3d.npz").unlink()
    with pytest.raises(InputError, match=r"poses3d\.npz or video\.npz"):
        load_tracks(tmp_path / "clip" / "tracks.npz", COCO17, 50.0)
    (tmp_path / "empty").mkdir()
    with pytest.raises(InputError, match=r"empty: holds no tracks\.npz"):
        find_tracks([str(tmp_path / "empty")])


def test_own_videos_join_the_unlabelled_half(tmp_path: Path, folder: Path) -> None:
    write_tracks(tmp_path / "clip", LENS, H36M17)
    data = load_training_data(recipe(unlabelled_subjects=(), unlabelled_tracks=(str(tmp_path),)), folder)
    assert data.unlabelled is not None
    assert [len(s) for s in data.unlabelled.sequences] == [99]
    both = load_training_data(recipe(unlabelled_tracks=(str(tmp_path),)), folder)
    assert both.unlabelled is not None
    assert len(both.unlabelled) == 8 + 1
