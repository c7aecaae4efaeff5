from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import yaml
from matplotlib.image import imread

from lifting.data.coverage import (
    NEW_DEG,
    PoseClusters,
    archive_poses,
    bone_directions,
    effective_number,
    load_all,
    main,
    measure,
    nearest_deg,
    suggest_weights,
)
from lifting.data.mocap import KEYPOINTS
from tests.lifting.archives import write_archive
from tests.motion import jumping_jack, walker


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Archives: many walks, few of the same walks, and jumping jacks."""
    write_archive(tmp_path / "walks.npz", {f"w{i}": walker(2.0, 50, 1.2, 0.4 * i) for i in range(8)})
    write_archive(tmp_path / "again.npz", {f"w{i}": walker(2.0, 50, 1.2, 0.5 * i) for i in range(2)})
    write_archive(tmp_path / "jacks.npz", {f"j{i}": jumping_jack(2.0, 50, 0.3 * i) for i in range(2)})
    return tmp_path


def test_bone_directions_do_not_know_heading_place_or_size() -> None:
    one, other = walker(1.0, 50, 1.2, 0.3), 1.3 * walker(1.0, 50, 1.2, 2.1, (4.0, -2.0))
    np.testing.assert_allclose(bone_directions(one), bone_directions(other), atol=1e-5)
    directions = bone_directions(one).reshape(-1, 16, 3)
    np.testing.assert_allclose(np.linalg.norm(directions, axis=-1), 1, atol=1e-5)
    # The hips lie on the x axis of that frame, the left one in its direction; the thigh of one who stands points down.
    left = directions[:, KEYPOINTS.index("left_hip") - 1]
    np.testing.assert_allclose(left[:, 1], 0, atol=1e-5)
    assert (left[:, 0] > 0.9).all()
    assert (directions[:, KEYPOINTS.index("left_knee") - 1, 2] < -0.7).all()


@pytest.mark.parametrize(("counts", "wanted"), [([5, 5, 5, 5], 4.0), ([9, 0, 0], 1.0), ([2, 1, 1], 2 * np.sqrt(2))])
def test_effective_number_in_closed_form(counts: list[int], wanted: float) -> None:
    assert effective_number(np.array(counts)) == pytest.approx(wanted)


def test_distance_of_poses_is_the_angle_that_their_bones_were_turned_by() -> None:
    pose = np.tile([1.0, 0.0, 0.0], (1, 16)).astype(np.float32)
    angle = np.deg2rad(25)
    turned = np.tile([np.cos(angle), 0.0, np.sin(angle)], (1, 16)).astype(np.float32)
    away = -pose
    np.testing.assert_allclose(nearest_deg(pose, np.concatenate([away, turned])), [25], atol=1e-3)
    np.testing.assert_allclose(nearest_deg(pose, pose), [0], atol=0.1)
    assert nearest_deg(pose, pose[:0]) == [180]


def test_weights_of_archives_without_overlap_make_all_poses_equally_frequent() -> None:
    """One archive covers one cluster, the other three: the second gets three times the weight."""
    shares = np.array([[1, 0, 0, 0], [0, 1 / 3, 1 / 3, 1 / 3]])
    np.testing.assert_allclose(suggest_weights(shares, least=0.01), [0.25, 0.75], atol=1e-3)


def test_weights_stay_between_their_limits() -> None:
    shares = np.array([[0.25, 0.25, 0.25, 0.25], [1, 0, 0, 0], [0, 1, 0, 0]])
    np.testing.assert_allclose(suggest_weights(shares, least=0.05), [0.9, 0.05, 0.05], atol=2e-3)
    limited = suggest_weights(shares, least=0.05, most=np.array([0.6, 1.0, 1.0]))
    np.testing.assert_allclose(limited, [0.6, 0.2, 0.2], atol=2e-3)
    with pytest.raises(ValueError, match="no weights of 3 archives"):
        suggest_weights(shares, least=0.5)
    with pytest.raises(ValueError, match="no weights of 3 archives"):
        suggest_weights(shares, least=0.0, most=np.array([0.2, 0.2, 0.2]))


def test_what_others_have_too_is_not_new_and_weighs_little(folder: Path) -> None:
    poses = archive_poses(load_all(folder, None))
    assert {name: len(p) for name, p in poses.items()} == {"walks": 800, "again": 200, "jacks": 200}
    coverage = measure(poses, PoseClusters(poses, clusters=12), least=0.02, repeats=12)
    assert coverage["again"].new == 0
    assert coverage["walks"].new < 0.01
    assert coverage["jacks"].new > 0.5
    assert coverage["jacks"].weight > 1.5 * 200 / 1200
    assert sum(c.weight for c in coverage.values()) == pytest.approx(1)
    assert coverage["walks"].clusters >= 3
    assert 1 < coverage["walks"].effective < 12


def test_command_writes_weights_and_a_plot(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    output = folder / "out"
    output.mkdir()
    procedural = write_archive(output / "made.npz", {"a": jumping_jack(1.0, 50)})
    assert main(["--data", str(folder), "--procedural", str(procedural), "--output", str(output)]) == 0
    report = yaml.safe_load((output / "coverage.yaml").read_text())
    assert set(report["archive_weights"]) == {"walks", "again", "jacks", "made"}
    assert sum(report["archive_weights"].values()) == pytest.approx(1, abs=0.003)
    windows = report["windows"]
    assert windows["by weights"]["effective"] > windows["by frames"]["effective"]
    # Walking legs under the arms of a jumping jack are in no recording.
    assert windows["by weights"]["new"] < 0.02 < windows["recombined as well"]["new"]
    shown = capsys.readouterr().out
    assert "jacks" in shown
    assert "recombined as well" in shown
    picture = imread(output / "coverage.png")
    assert picture.shape[1] > 1000
    assert picture[..., :3].std() > 0.05
    assert NEW_DEG == 15.0


def test_mistakes_are_named(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--data", str(tmp_path)]) == 1
    assert "no motion-capture archives" in capsys.readouterr().err
    assert main(["--data", str(tmp_path / "none")]) == 1
    assert "expected a folder" in capsys.readouterr().err
    assert main(["--data", str(tmp_path), "--output", str(tmp_path / "none")]) == 1
    assert "make it first" in capsys.readouterr().err
    assert main(["--data", str(tmp_path), "--repeats", "0.5"]) == 2
