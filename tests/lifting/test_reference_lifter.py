"""Checkpoints of the reference implementation as lifters."""

from __future__ import annotations

import dataclasses
import shutil
from pathlib import Path

import numpy as np
import pytest
import torch

from lifting.canonical import REFERENCE_FOCAL, to_canonical
from lifting.card import model_from
from lifting.inference import predict
from lifting.lift import LiftOptions, lift
from lifting.lifter import Lifter
from lifting.model import Architecture
from lifting.reference_checkpoint import load_reference_checkpoint, save_reference_checkpoint
from lifting.reference_lifter import ReferenceLifter
from poses import COCO17, H36M17, InputError, Intrinsics, UsageError
from tests.motion import camera_from_world, coco_keypoints, h36m_joints, tracks_of, transform_points, walker

SMALL = Architecture(17, 17, (3, 3), channels=16, dropout=0.0)
STORED = Path(__file__).parents[1] / "data"


def checkpoint(path: Path, trajectory: bool = False, position: Architecture = SMALL) -> Path:
    twin = model_from(dataclasses.replace(position, output_joints=1), 2).eval() if trajectory else None
    save_reference_checkpoint(path, model_from(position, 1).eval(), twin)
    return path


def test_the_network_sees_the_image_coordinates_of_human36ms_cameras(tmp_path: Path) -> None:
    lifter = Lifter.load(str(checkpoint(tmp_path / "pretrained_coco.bin")))
    assert isinstance(lifter, ReferenceLifter)
    assert lifter.input_skeleton == COCO17
    # A camera of Human3.6M: 1145 px, 1000 x 1000. The reference maps its width to -1 to 1.
    camera = Intrinsics(1145.0, 1145.0, 500.0, 500.0, 1000, 1000)
    pixels = np.random.default_rng(1).uniform(200, 800, (30, 17, 2))
    screen = pixels / 1000 * 2 - 1
    np.testing.assert_allclose(to_canonical(pixels, camera), screen, atol=2e-3)
    model = load_reference_checkpoint(tmp_path / "pretrained_coco.bin").position
    wanted = predict(model, torch.from_numpy(screen.astype(np.float32)), (COCO17.mirror, H36M17.mirror)).numpy()
    got, _ = lifter(screen)
    np.testing.assert_allclose(got, wanted - wanted[:, :1], atol=1e-5)


def test_keypoints_are_human36ms_unless_the_name_says_coco(tmp_path: Path) -> None:
    assert Lifter.load(str(checkpoint(tmp_path / "pretrained_h36m_cpn.bin"))).input_skeleton == H36M17
    assert Lifter.load(str(checkpoint(tmp_path / "h36m_detectron_COCO.pt"))).input_skeleton == COCO17


def test_causal_by_name(tmp_path: Path) -> None:
    lifter = Lifter.load(str(checkpoint(tmp_path / "h36m_causal.bin")))
    keypoints = np.random.default_rng(1).normal(size=(40, 17, 2)) * 0.2
    changed = keypoints.copy()
    changed[20:] += 0.3
    assert np.abs(lifter(changed)[0][:20] - lifter(keypoints)[0][:20]).max() < 1e-6


class Exact(ReferenceLifter):
    """Knows the answer, so that only the root is found."""

    answer: np.ndarray

    def __call__(self, keypoints: np.ndarray, flip: bool = True) -> tuple[np.ndarray, np.ndarray]:
        return self.answer, self._root_on(keypoints / REFERENCE_FOCAL, self.answer)


def test_without_a_trajectory_the_root_lies_where_the_joints_fall_on_the_keypoints(tmp_path: Path) -> None:
    lifter = Exact.load_checkpoint(checkpoint(tmp_path / "coco.bin"))
    assert isinstance(lifter, Exact)
    joints = transform_points(camera_from_world(0.7, distance_m=4.0), walker(2.0, 50.0))
    truth = h36m_joints(joints)
    lifter.answer = truth - truth[:, :1]
    camera = Intrinsics.from_fov(1.0, 1280, 720)
    _, root = lifter(to_canonical(coco_keypoints(joints, camera), camera))
    apart = np.linalg.norm(root - truth[:, 0], axis=-1) / np.linalg.norm(truth[:, 0], axis=-1)
    assert apart.mean() < 0.05


def test_lifting_says_where_the_root_comes_from(tmp_path: Path) -> None:
    joints = transform_points(camera_from_world(0.7, distance_m=4.0), walker(1.0, 50.0))
    camera = Intrinsics.from_fov(1.0, 1280, 720)
    tracks = tracks_of(coco_keypoints(joints, camera))
    times = np.arange(len(joints)) / 50
    for trajectory, wanted in ((False, "reprojection"), (True, "trajectory+reprojection")):
        lifter = Lifter.load(str(checkpoint(tmp_path / f"coco{trajectory}.bin", trajectory)))
        poses = lift(tracks, times, camera, "file", lifter)
        assert poses.root_source == wanted
        assert np.isfinite(poses.root_m).all()
        assert (poses.root_m[:, 2] > 0).all()
        with pytest.raises(UsageError, match="cannot be adapted"):
            lift(tracks, times, camera, "file", lifter, LiftOptions(adapt=True))


def test_files_that_cannot_serve_are_named(tmp_path: Path) -> None:
    odd = checkpoint(tmp_path / "humaneva.bin", position=dataclasses.replace(SMALL, input_joints=15, output_joints=15))
    with pytest.raises(InputError, match=r"humaneva\.bin: takes 15 keypoints and gives 15 joints"):
        Lifter.load(str(odd))
    (tmp_path / "text.bin").write_text("text")
    with pytest.raises(InputError, match=r"text\.bin"):
        Lifter.load(str(tmp_path / "text.bin"))


def test_a_file_that_the_reference_wrote_lifts(tmp_path: Path) -> None:
    path = tmp_path / "reference_symmetric_coco.bin"
    shutil.copy(STORED / "reference_symmetric.bin", path)
    positions, root = Lifter.load(str(path))(np.random.default_rng(1).normal(size=(40, 17, 2)) * 0.2)
    assert positions.shape == (40, 17, 3)
    assert np.isfinite(root).all()
