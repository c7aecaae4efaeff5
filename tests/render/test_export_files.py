"""Tables, TRC, MOT, C3D and NPY read back; the command; bad input."""

import csv
import json
from pathlib import Path

import numpy as np
import pytest

from poses import COCO17, H36M17, InputError, Poses3D, Tracks, UsageError
from poses.archive import write_npz
from render.export import FORMATS, Source, export, format_of
from render.export.__main__ import main
from render.joint_angles import joint_angles
from tests.render.moving_bodies import poses_of, two_people, walking, y_up


def tracks_like(poses: Poses3D) -> Tracks:
    shape = (len(poses), len(COCO17))
    points = np.arange(np.prod(shape) * 2, dtype=np.float32).reshape(*shape, 2)
    return Tracks(
        person_id=poses.person_id,
        frame=poses.frame,
        keypoints_px=points,
        keypoint_score=np.full(shape, 0.5, np.float32),
        observed=np.ones(shape, bool),
        swapped=np.zeros(shape, bool),
        skeleton=COCO17,
    )


def test_csv_has_each_pose_at_its_time(tmp_path: Path) -> None:
    poses, truth = two_people()
    (path,) = export(Source(poses), "csv", tmp_path / "a.csv")
    with path.open(newline="") as stream:
        rows = list(csv.DictReader(stream))
    assert len(rows) == 60 + 30
    assert [(int(r["frame"]), int(r["person"])) for r in rows[10:13]] == [(10, 0), (10, 1), (11, 0)]
    for row in rows:
        person, frame = int(row["person"]), int(row["frame"])
        assert float(row["time_s"]) == pytest.approx(frame / 30, abs=1e-6)
        read = [[float(row[f"{joint}_{axis}_m"]) for axis in "xyz"] for joint in H36M17.joints]
        np.testing.assert_allclose(read, truth[person][frame], atol=2e-5)


def test_missing_joints_are_empty_cells_and_nulls(tmp_path: Path) -> None:
    body = walking(2)
    body[1, H36M17.index("left_wrist")] = np.nan
    poses = poses_of({0: (np.arange(2), body)})
    (path,) = export(Source(poses), "csv", tmp_path / "a.csv")
    with path.open(newline="") as stream:
        rows = list(csv.DictReader(stream))
    assert rows[0]["left_wrist_x_m"] != ""
    assert rows[1]["left_wrist_x_m"] == ""
    (path,) = export(Source(poses), "json", tmp_path / "a.json")
    annotation = json.loads(path.read_text())["annotations"][1]
    at = 3 * H36M17.index("left_wrist")
    assert annotation["keypoints_3d_m"][at : at + 3] == [None] * 3
    assert None not in annotation["keypoints_3d_m"][:at]


def test_json_joins_poses_with_keypoints_of_the_same_person_and_frame(tmp_path: Path) -> None:
    poses, truth = two_people()
    tracks = tracks_like(poses)
    (path,) = export(Source(poses, tracks), "json", tmp_path / "a.json")
    document = json.loads(path.read_text())
    assert [c["keypoints"] for c in document["categories"]] == [list(H36M17.joints), list(COCO17.joints)]
    assert document["info"]["up"] == "z"
    assert len(document["annotations"]) == 90
    for annotation in document["annotations"][::7]:
        person, frame = annotation["person_id"], annotation["frame"]
        np.testing.assert_allclose(np.reshape(annotation["keypoints_3d_m"], (-1, 3)), truth[person][frame], atol=2e-5)
        (row,) = np.flatnonzero((tracks.person_id == person) & (tracks.frame == frame))
        read = np.reshape(annotation["keypoints_px"], (-1, 3))
        np.testing.assert_allclose(read[:, :2], tracks.keypoints_px[row])
        assert set(read[:, 2]) == {0.5}


def test_trc_follows_its_specification(tmp_path: Path) -> None:
    poses, truth = two_people()
    paths = export(Source(poses), "trc", tmp_path / "a.trc")
    assert [p.name for p in paths] == ["a_person0.trc", "a_person1.trc"]
    for person, path in enumerate(paths):
        lines = path.read_text().split("\n")
        assert lines[0].split("\t")[:3] == ["PathFileType", "4", "(X/Y/Z)"]
        header = dict(zip(lines[1].split("\t"), lines[2].split("\t"), strict=True))
        assert (header["DataRate"], header["NumFrames"], header["NumMarkers"], header["Units"]) == (
            "30",
            "60",
            "17",
            "mm",
        )
        names = lines[3].split("\t")
        assert [names[2 + 3 * j] for j in range(17)] == list(H36M17.joints)
        assert lines[4].split("\t")[2:5] == ["X1", "Y1", "Z1"]
        table = [line.split("\t") for line in lines[6:66]]
        assert {len(row) for row in table} == {2 + 51}
        read = np.array([[float(cell) if cell else np.nan for cell in row] for row in table])
        np.testing.assert_allclose(read[:, 1], np.arange(60) / 30, atol=1e-6)
        np.testing.assert_allclose(read[:, 2:].reshape(60, 17, 3) / 1000, y_up(truth[person]), atol=2e-6)


def test_mot_has_degrees_and_nan_while_the_person_is_missing(tmp_path: Path) -> None:
    poses, truth = two_people()
    _, path = export(Source(poses), "mot", tmp_path / "a.mot")
    head, body = path.read_text().split("endheader\n")
    assert "inDegrees=yes" in head
    assert "nRows=60" in head
    columns, *rows = [line.split("\t") for line in body.strip().split("\n")]
    assert f"nColumns={len(columns)}" in head
    values = dict(zip(columns, np.array(rows, float).T, strict=True))
    wanted = np.degrees(joint_angles(truth[1], H36M17)["left_knee_flexion"])
    np.testing.assert_allclose(values["left_knee_flexion"], wanted, atol=1e-2)
    np.testing.assert_allclose(values["hip_ty"], truth[1][:, 0, 2], atol=1e-5)


def test_c3d_is_read_by_an_independent_reader(tmp_path: Path) -> None:
    c3d = pytest.importorskip("c3d", reason="the package c3d reads the file back")
    pytest.importorskip("ezc3d", reason="writes C3D")
    poses, truth = two_people()
    for person, path in enumerate(export(Source(poses), "c3d", tmp_path / "a.c3d")):
        with path.open("rb") as stream:
            reader = c3d.Reader(stream)
            assert reader.point_rate == 30
            assert [label.strip() for label in reader.point_labels] == list(H36M17.joints)
            assert reader.get("POINT:UNITS").string_value.strip() == "mm"
            assert reader.get("POINT:Y_SCREEN").string_value.strip() == "+Y"
            frames = np.stack([points for _, points, _ in reader.read_frames()])
        missing = frames[..., 3] < 0
        assert missing.all(axis=1).tolist() == np.isnan(truth[person]).all(axis=(1, 2)).tolist()
        np.testing.assert_allclose(frames[..., :3][~missing] / 1000, y_up(truth[person])[~missing], atol=1e-5)


def test_npy_is_the_reference_s_shape_in_camera_axes(tmp_path: Path) -> None:
    poses, truth = two_people()
    paths = export(Source(poses), "npy", tmp_path / "a.npy")
    read = np.load(paths[0], allow_pickle=False)
    assert read.shape == (60, 17, 3)
    np.testing.assert_allclose(read, truth[0], atol=1e-5)
    second = np.load(paths[1], allow_pickle=False)
    np.testing.assert_allclose(second, truth[1], atol=1e-5)


def test_endings_name_formats() -> None:
    assert {name: format_of(f"walk{known.suffix}") for name, known in FORMATS.items()} == {n: n for n in FORMATS}
    with pytest.raises(UsageError, match=r"walk\.fbx.*\.bvh"):
        format_of("walk.fbx")


def test_the_command_writes_beside_the_poses(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    poses, _ = two_people()
    folder = tmp_path / "clip"
    folder.mkdir()
    poses.save(folder / "poses3d.npz", "key")
    tracks_like(poses).save(folder / "tracks.npz", "key")
    assert main([str(folder / "poses3d.npz"), "--to", "csv,json,bvh"]) == 0
    written = capsys.readouterr().out.split()
    assert [Path(w).name for w in written][:3] == ["clip.csv", "clip.json", "clip_person0.bvh"]
    assert all(Path(w).is_file() for w in written)
    assert "keypoints_px" in (folder / "clip.json").read_text()
    assert main([str(folder / "poses3d.npz"), "-o", str(tmp_path / "walk.trc")]) == 0
    assert (tmp_path / "walk_person1.trc").is_file()


@pytest.mark.parametrize(
    ("arguments", "code", "said"),
    [
        (["{}", "--to", "fbx"], 2, "known: csv"),
        (["{}"], 2, "--to"),
        (["{}", "-o", "walk.fbx"], 2, ".bvh"),
        (["{}", "--to", "csv,bvh", "-o", "walk.csv"], 2, "one file"),
        (["absent.npz", "--to", "csv"], 1, "absent.npz: no such file"),
        (["{}", "--to", "csv", "-o", "no/such/folder/walk.csv"], 1, "cannot be written"),
    ],
)
def test_mistakes_are_one_line_and_an_exit_code(
    arguments: list[str], code: int, said: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "poses3d.npz"
    two_people()[0].save(path, "key")
    assert main([argument.format(path) for argument in arguments]) == code
    message = capsys.readouterr().err
    assert said in message
    assert message.count("\n") == 1


def test_another_kind_of_file_is_refused_by_name(tmp_path: Path) -> None:
    path = tmp_path / "poses3d.npz"
    write_npz(path, {"positions_3d": np.zeros(3)})
    assert main([str(path), "--to", "csv"]) == 1


def test_nobody_leaves_no_file_behind(tmp_path: Path) -> None:
    poses = poses_of({0: (np.arange(2), np.full((2, 17, 3), np.nan))})
    poses.save(tmp_path / "poses3d.npz", "key")
    assert main([str(tmp_path / "poses3d.npz"), "--to", "bvh"]) != 0
    assert [p.name for p in tmp_path.iterdir()] == ["poses3d.npz"]


def test_a_missing_package_is_named_with_its_extra(tmp_path: Path) -> None:
    from render.export.packages import needed

    with pytest.raises(UsageError, match=r"no_such_package.*\[export\]"):
        needed("no_such_package", "export")


def test_read_only_folders_are_named(tmp_path: Path) -> None:
    poses, _ = two_people()
    blocked = tmp_path / "file"
    blocked.write_text("")
    with pytest.raises(InputError, match="cannot be written"):
        export(Source(poses), "csv", blocked / "walk.csv")
