from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from lifting.data.datasets import H36M, H36M_ACTIONS, H36M_KEPT
from lifting.data.mocap import Clips, is_held_out
from lifting.data.reference_npz import read_positions_2d, read_positions_3d
from lifting.data.sequences import load_dataset
from lifting.data.standin import (
    TEST_SHARE,
    bone_lengths,
    bridge,
    perform,
    pieces,
    turn,
    with_bone_lengths,
    write_standin,
)
from poses import H36M17
from tests.motion import jumping_jack, walker


def recordings() -> Clips:
    """Twelve walks, each at a speed of its own, and jumping jacks; long enough to leave the cameras' view."""
    bodies = [walker(4, 50, speed_m_s=0.8 + 0.05 * n, heading_rad=n) for n in range(12)]
    bodies += [jumping_jack(3, 50, heading_rad=n, period_s=2 + 0.05 * n) for n in range(12)]
    start = np.concatenate([[0], np.cumsum([len(body) for body in bodies])])
    names = [f"walks/{n:02d}" for n in range(12)] + [f"jacks/{n:02d}" for n in range(12)]
    return Clips(np.concatenate(bodies).astype(np.float32), start, tuple(names))


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("standin")
    write_standin(folder, recordings(), frames=12_000, seed=3)
    return folder


def test_subjects_and_actions_are_human36ms(folder: Path) -> None:
    positions = read_positions_3d(folder / "data_3d_h36m.npz")
    assert list(positions) == ["S1", "S5", "S6", "S7", "S8", "S9", "S11"]
    names = {f"{action}{take}" for action in H36M_ACTIONS for take in ("", " 1")}
    for subject, actions in positions.items():
        assert set(actions) == (names - {"Directions"} if subject == "S11" else names)
        assert all(joints.dtype == np.float32 and joints.shape[1:] == (32, 3) for joints in actions.values())
    frames = sum(len(joints) for actions in positions.values() for joints in actions.values())
    assert 0.9 * 12_000 < frames < 1.1 * 12_000


def test_each_subject_has_one_body(folder: Path) -> None:
    lengths = {}
    for subject, actions in read_positions_3d(folder / "data_3d_h36m.npz").items():
        joints = np.concatenate(list(actions.values()))[:, list(H36M_KEPT)]
        bones = np.linalg.norm(joints[:, H36M17.bones[:, 0]] - joints[:, H36M17.bones[:, 1]], axis=-1)
        np.testing.assert_allclose(bones, np.broadcast_to(bones[0], bones.shape), atol=1e-5)
        lengths[subject] = dict(zip(H36M17.bones[:, 0].tolist(), bones[0].tolist(), strict=True))
        for joint, length in lengths[subject].items():
            assert length == pytest.approx(lengths[subject][int(H36M17.mirror[joint])], abs=1e-5)
    knees = [of_subject[H36M17.index("left_knee")] for of_subject in lengths.values()]
    assert len({round(length, 4) for length in knees}) == 7
    assert all(0.35 < length < 0.55 for length in knees)


def test_people_stay_in_the_pictures_and_move_without_jumps(folder: Path) -> None:
    data = load_dataset(H36M, folder, "gt", ["S1", "S9"])
    for sequence in data.sequences:
        assert np.abs(sequence.keypoints).max() < 1.2
        assert sequence.positions_m is not None
        assert np.linalg.norm(np.diff(sequence.positions_m, axis=0), axis=-1).max(initial=0) < 0.2


def test_feet_touch_the_floor(folder: Path) -> None:
    ankles = H36M17.indices("left_ankle", "right_ankle")
    for action, joints in read_positions_3d(folder / "data_3d_h36m.npz")["S6"].items():
        assert joints[:, list(H36M_KEPT)][:, ankles, 2].min() == pytest.approx(0.08, abs=1e-4), action


def test_noisy_keypoints_are_near_the_truth_and_some_are_longer(folder: Path) -> None:
    truth = read_positions_2d(folder / "data_2d_h36m_gt.npz")[0]
    noisy = read_positions_2d(folder / "data_2d_h36m_noisy.npz")[0]
    errors, longer = [], 0
    for subject, actions in truth.items():
        for action, views in actions.items():
            for exact, view in zip(views, noisy[subject][action], strict=True):
                assert len(exact) <= len(view) <= len(exact) + 3
                longer += len(view) > len(exact)
                errors.append(np.linalg.norm(view[: len(exact)] - exact, axis=-1))
    error = np.concatenate(errors)
    assert longer > 30
    assert 5 < np.median(error) < 9
    wrist, elbow = (np.median(error[:, H36M17.index(joint)]) for joint in ("left_wrist", "left_elbow"))
    assert wrist / elbow == pytest.approx(1.5, abs=0.15)


def test_same_seed_same_files(tmp_path: Path) -> None:
    for name, seed in (("first", 3), ("again", 3), ("other", 4)):
        write_standin(tmp_path / name, recordings(), frames=2_000, seed=seed)
    for path in (tmp_path / "first").iterdir():
        assert (tmp_path / "again" / path.name).read_bytes() == path.read_bytes()
        assert (tmp_path / "other" / path.name).read_bytes() != path.read_bytes()


def test_no_recording_is_on_both_sides(folder: Path) -> None:
    # Each walk has its own step length: the hips' path tells which recording a sequence begins with.
    clips = recordings()
    begins = {
        False: [clips.clip(i) for i, name in enumerate(clips.names) if not is_held_out(name, TEST_SHARE)],
        True: [clips.clip(i) for i, name in enumerate(clips.names) if is_held_out(name, TEST_SHARE)],
    }
    positions = read_positions_3d(folder / "data_3d_h36m.npz")
    for subject, actions in positions.items():
        for joints in actions.values():
            heights = joints[:30, 0, 2] - joints[0, 0, 2]
            distance = {side: min(_closest(clip[:, 0, 2], heights) for clip in own) for side, own in begins.items()}
            assert min(distance, key=lambda side: distance[side]) == (subject in H36M.test_subjects)


def _closest(path: np.ndarray, begin: np.ndarray) -> float:
    """How near the differences of `begin` come to those of a stretch of `path`."""
    windows = np.lib.stride_tricks.sliding_window_view(path, len(begin))
    return float(np.abs(windows - windows[:, :1] - begin).mean(axis=1).min())


def test_bone_lengths_are_set_and_directions_kept() -> None:
    joints = walker(1, 50)[:, :17]
    lengths = np.linspace(0.1, 0.5, 17)
    posed = with_bone_lengths(joints, lengths)
    np.testing.assert_array_equal(posed[:, 0], joints[:, 0])
    for joint, parent in H36M17.bones:
        bone, before = posed[:, joint] - posed[:, parent], joints[:, joint] - joints[:, parent]
        np.testing.assert_allclose(np.linalg.norm(bone, axis=-1), lengths[joint], atol=1e-9)
        cosine = (bone * before).sum(-1) / np.linalg.norm(bone, axis=-1) / np.linalg.norm(before, axis=-1)
        np.testing.assert_allclose(cosine, 1, atol=1e-9)


def test_a_bridge_leads_from_pose_to_pose() -> None:
    before, after = jumping_jack(3, 50)[0, :17], turn(jumping_jack(3, 50)[30, :17], 0.4) + np.array([0.5, 0, 0])
    way = np.concatenate([before[None], bridge(before, after), after[None]])
    bones = way[:, H36M17.bones[:, 0]] - way[:, H36M17.bones[:, 1]]
    lengths = np.linalg.norm(bones, axis=-1)
    np.testing.assert_allclose(lengths, np.broadcast_to(lengths[0], lengths.shape), atol=1e-9)
    steps = np.linalg.norm(np.diff(way, axis=0), axis=-1)
    assert steps.max() < 0.08
    assert steps[[0, -1]].max() < 0.2 * steps.max()


def test_long_sequences_join_pieces() -> None:
    found = pieces(recordings())
    sequence = perform(iter(found), 400, bone_lengths("S1", 3), 0.0)
    assert sequence.shape == (400, 17, 3)
    assert len(found[0]) < 400
    assert np.linalg.norm(np.diff(sequence, axis=0), axis=-1).max() < 0.2


def test_pieces_stay_in_one_place_and_lose_nothing_on_the_way() -> None:
    clips = recordings()
    found = pieces(clips)
    for piece in found:
        extent = np.ptp(piece[:, 0, :2], axis=0)
        assert np.linalg.norm(extent) <= 2.81
        np.testing.assert_allclose((piece[:, 0, :2].max(axis=0) + piece[:, 0, :2].min(axis=0)) / 2, 0, atol=1e-5)
    assert sum(map(len, found)) > 0.6 * len(clips.joints_m)


def test_turning_is_about_the_vertical() -> None:
    quarter = turn(np.array([[1.0, 0, 5]]), np.pi / 2)
    np.testing.assert_allclose(quarter, [[0, 1, 5]], atol=1e-12)
