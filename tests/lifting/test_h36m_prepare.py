from __future__ import annotations

import io
import sys
import zipfile
from pathlib import Path

import numpy as np
import pytest

from lifting.data.datasets import H36M, H36M_ACTIONS
from lifting.data.prepare import main
from lifting.data.reference_npz import read_positions_2d, read_positions_3d, write_positions_3d
from lifting.data.sequences import load_dataset
from poses import COCO17, Detections, Tracks

RANDOM = np.random.default_rng(6)
NAMES = [f"{action}{take}" for action in H36M_ACTIONS for take in ("", " 1")]
MILLIMETRES = {name: RANDOM.normal(0, 500, (3, 32, 3)).astype(np.float32) for name in NAMES}


def original_name(action: str) -> str:
    return action.replace("Photo", "TakingPhoto").replace("WalkDog", "WalkingDog")


def write_cdf(folder: Path) -> None:
    cdfwrite = pytest.importorskip("cdflib.cdfwrite")
    folder.mkdir(parents=True)
    for name, joints in MILLIMETRES.items():
        file = cdfwrite.CDF(str(folder / f"{original_name(name)}.cdf"))
        about = {"Variable": "Pose", "Data_Type": 44, "Num_Elements": 1, "Rec_Vary": True, "Dim_Sizes": [3, 96]}
        file.write_var(about, var_data=joints.reshape(1, 3, 96))
        file.close()


def write_h5(path: Path, subject: str) -> None:
    h5py = pytest.importorskip("h5py")
    with zipfile.ZipFile(path, "w") as archive:
        for name, joints in MILLIMETRES.items():
            memory = io.BytesIO()
            with h5py.File(memory, "w") as file:
                file["3D_positions"] = joints.reshape(3, 96).T.astype(np.float64)
            archive.writestr(f"h36m/{subject}/MyPoses/3D_positions/{name}.h5", memory.getvalue())
            archive.writestr(f"h36m/{subject}/StackedHourglass/{name.replace(' ', '_')}.54138969.h5", b"something else")


def check(folder: Path, subject: str) -> None:
    positions = read_positions_3d(folder / "data_3d_h36m.npz")
    views, layout = read_positions_2d(folder / "data_2d_h36m_gt.npz")
    expected = [name for name in NAMES if (subject, name) != ("S11", "Directions")]
    assert list(positions) == list(views) == [subject]
    assert sorted(positions[subject]) == sorted(views[subject]) == sorted(expected)
    assert layout.joints == 17
    for name in expected:
        np.testing.assert_allclose(positions[subject][name], MILLIMETRES[name] / 1000, rtol=1e-6)


def test_from_cdf(tmp_path: Path) -> None:
    write_cdf(tmp_path / "source" / "S11" / "MyPoseFeatures" / "D3_Positions")
    arguments = ["h36m", "--from", "cdf", str(tmp_path / "source"), "--output", str(tmp_path / "out")]
    assert main([*arguments, "--subjects", "S11"]) == 0
    check(tmp_path / "out", "S11")


@pytest.mark.parametrize("unpacked", [False, True])
def test_from_h5(tmp_path: Path, unpacked: bool) -> None:
    source = tmp_path / "h36m.zip"
    write_h5(source, "S5")
    if unpacked:
        zipfile.ZipFile(source).extractall(tmp_path / "unpacked")
        source = tmp_path / "unpacked"
    arguments = ["h36m", "--from", "h5", str(source), "--output", str(tmp_path / "out"), "--subjects", "S5"]
    assert main(arguments) == 0
    check(tmp_path / "out", "S5")


def test_from_npz_to_the_safe_form(tmp_path: Path) -> None:
    world = {"S1": {"Walking": RANDOM.normal(0, 0.5, (4, 32, 3)).astype(np.float32)}}
    write_positions_3d(tmp_path / "published.npz", world)
    arguments = ["h36m", "--from", "npz", str(tmp_path / "published.npz"), "--output", str(tmp_path / "out"), "--safe"]
    assert main(arguments) == 0
    with np.load(tmp_path / "out" / "data_3d_h36m.npz", allow_pickle=False) as archive:
        np.testing.assert_array_equal(archive["S1/Walking"], world["S1"]["Walking"])
    data = load_dataset(H36M, tmp_path / "out", "gt", ["S1"])
    assert [len(sequence) for sequence in data.sequences] == [4, 4, 4, 4]


def test_conversion_from_the_command_line(tmp_path: Path) -> None:
    world = {"S1": {"Walking": RANDOM.normal(0, 0.5, (4, 32, 3)).astype(np.float32)}}
    published, safe, back = (tmp_path / name for name in ("published.npz", "safe.npz", "back.npz"))
    write_positions_3d(published, world)
    assert main(["convert", str(published), str(safe)]) == 0
    assert main(["convert", str(safe), str(back), "--published"]) == 0
    assert safe.read_bytes() != published.read_bytes() == back.read_bytes()


def test_incomplete_subject(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    folder = tmp_path / "source" / "S1" / "MyPoseFeatures" / "D3_Positions"
    write_cdf(folder)
    (folder / "Eating.cdf").unlink()
    arguments = ["h36m", "--from", "cdf", str(tmp_path / "source"), "--output", str(tmp_path / "out")]
    assert main([*arguments, "--subjects", "S1"]) == 1
    error = capsys.readouterr().err
    assert "expected 30 .cdf files (15 actions, each twice), found 29" in error
    assert str(folder) in error


def test_damaged_files(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    folder = tmp_path / "source" / "S1" / "MyPoseFeatures" / "D3_Positions"
    write_cdf(folder)
    whole = (folder / "Eating.cdf").read_bytes()
    (folder / "Eating.cdf").write_bytes(whole[:300])
    cdf = ["h36m", "--from", "cdf", str(tmp_path / "source"), "--output", str(tmp_path / "out"), "--subjects", "S1"]
    assert main(cdf) == 1
    assert "Eating.cdf: not a readable CDF file" in capsys.readouterr().err
    (tmp_path / "h36m.zip").write_bytes(b"PK nothing")
    assert main(["h36m", "--from", "h5", str(tmp_path / "h36m.zip"), "--output", str(tmp_path / "out")]) == 1
    assert "h36m.zip: neither a folder nor a readable zip archive" in capsys.readouterr().err
    assert not list((tmp_path / "out").glob("*.npz"))


@pytest.mark.parametrize(("form", "package"), [("cdf", "cdflib"), ("h5", "h5py")])
def test_missing_package_names_the_command(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], form: str, package: str
) -> None:
    monkeypatch.setitem(sys.modules, package, None)
    assert main(["h36m", "--from", form, str(tmp_path), "--output", str(tmp_path / "out")]) == 2
    assert f"pip install {package}" in capsys.readouterr().err


def test_unknown_subject_is_a_usage_error(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    arguments = ["h36m", "--from", "npz", "x", "--output", str(tmp_path), "--subjects", "S1,S13"]
    assert main(arguments) == 2
    assert "--subjects: 'S1,S13'" in capsys.readouterr().err


def tracks_of_walk(keypoints: np.ndarray, frames: np.ndarray) -> Tracks:
    rows = len(frames)
    return Tracks(
        person_id=np.zeros(rows, np.int64),
        frame=frames,
        keypoints_px=keypoints.astype(np.float32),
        keypoint_score=np.ones((rows, 17), np.float32),
        observed=np.ones((rows, 17), bool),
        swapped=np.zeros((rows, 17), bool),
        skeleton=COCO17,
    )


def test_keypoints_of_our_own_pipeline(tmp_path: Path) -> None:
    straight = np.arange(6.0)[:, None, None] + np.arange(34.0).reshape(17, 2)
    frames = np.array([0, 1, 3, 5])
    for camera in H36M.cameras("S1"):
        folder = tmp_path / "results" / "S1" / f"WalkingDog 1.{camera.name}"
        folder.mkdir(parents=True)
        tracks_of_walk(straight[frames], frames).save(folder / "tracks.npz")
    for camera in H36M.cameras("S1"):
        other = tmp_path / "results" / "S1" / f"Eating.{camera.name}"
        other.mkdir()
        # A second person with a lower score must not be taken.
        score = np.tile(np.array([0.2, 0.9], np.float32), 4)
        keypoints = np.stack([straight[frames] + 100, straight[frames]], axis=1).reshape(8, 17, 2)
        detections = Detections(
            frame=np.repeat(frames, 2),
            box_px=np.zeros((8, 4), np.float32),
            score=score,
            keypoints_px=keypoints.astype(np.float32),
            keypoint_score=np.ones((8, 17), np.float32),
            skeleton=COCO17,
            detector="test",
            weights_sha256="",
        )
        detections.save(other / "detections.npz")
    arguments = ["keypoints", "ours", str(tmp_path / "results"), "--output", str(tmp_path / "out"), "--subjects", "S1"]
    assert main(arguments) == 0
    views, layout = read_positions_2d(tmp_path / "out" / "data_2d_h36m_ours.npz")
    assert layout.name == "coco"
    assert layout.mirror.tolist() == COCO17.mirror.tolist()
    assert set(views["S1"]) == {"WalkDog 1", "Eating"}
    for action in views["S1"].values():
        for view in action:
            np.testing.assert_allclose(view, straight, atol=1e-5)


def test_own_keypoints_of_humaneva_are_refused_with_the_way_out(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    arguments = ["keypoints", "ours", str(tmp_path), "--output", str(tmp_path / "out"), "--dataset", "humaneva15"]
    assert main(arguments) == 2
    error = capsys.readouterr().err
    assert "cannot be prepared for humaneva15" in error
    assert "data_2d_humaneva15_detectron_pt_coco.npz" in error
    assert not list(tmp_path.rglob("*.npz"))


def test_keypoints_without_all_cameras(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    folder = tmp_path / "results" / "S1" / "Eating.54138969"
    folder.mkdir(parents=True)
    tracks_of_walk(np.zeros((2, 17, 2)), np.arange(2)).save(folder / "tracks.npz")
    arguments = ["keypoints", "ours", str(tmp_path / "results"), "--output", str(tmp_path / "out"), "--subjects", "S1"]
    assert main(arguments) == 1
    assert "Eating lacks camera 55011271, 58860488, 60457274" in capsys.readouterr().err
    folder.rename(folder.with_name("Eating.left"))
    assert main(arguments) == 1
    assert "expected a folder named <action>.<one of 54138969" in capsys.readouterr().err
