"""Rigs solved from positions, and the files that hold rigs, read back by other programs' readers."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from poses import COCO17, H36M17, UsageError
from render.export import Source, export, motions
from render.export.rig import Rig, make_rig, solve
from tests.render.moving_bodies import poses_of, turn, two_people, walking, y_up


def solved(body: np.ndarray) -> tuple[Rig, np.ndarray, np.ndarray]:
    """The rig, its joint positions by forward kinematics, and its rotations."""
    (motion,) = motions(poses_of({0: (np.arange(len(body)), body)}))
    rig = make_rig(motion)
    moved = solve(rig, motion)
    return rig, moved.positions_m(rig), moved.rotations


def test_joints_come_back_where_they_were() -> None:
    body = walking(60)
    _, positions, _ = solved(body)
    # Spine, hip and shoulders are not rigid to one another in this body; hip and chest take their median offsets.
    assert np.linalg.norm(positions - y_up(body), axis=-1).max() < 0.01


def test_rotations_are_rotations_and_do_not_jump() -> None:
    _, _, rotations = solved(walking(90))
    np.testing.assert_allclose(
        rotations @ rotations.transpose(0, 1, 3, 2), np.broadcast_to(np.eye(3), rotations.shape), atol=1e-9
    )
    np.testing.assert_allclose(np.linalg.det(rotations), 1, atol=1e-9)
    step = rotations[1:] @ rotations[:-1].transpose(0, 1, 3, 2)
    angle = np.arccos(np.clip((np.trace(step, axis1=2, axis2=3) - 1) / 2, -1, 1))
    assert np.degrees(angle).max() < 20


@pytest.mark.parametrize("side", ["left", "right"])
def test_knees_and_elbows_are_hinges_about_one_axis(side: str) -> None:
    _, _, rotations = solved(walking(60))
    knee = rotations[:, H36M17.index(f"{side}_knee")]
    # A bent knee takes the shank (down, -y) back (-z): a turn about the person's left (+x).
    np.testing.assert_allclose(knee @ [1.0, 0, 0], np.tile([1.0, 0, 0], (60, 1)), atol=5e-3)
    assert (knee[:, 2, 1] > 0).all()
    elbow = rotations[:, H36M17.index(f"{side}_elbow")]
    np.testing.assert_allclose(elbow @ [0, 1.0, 0], np.tile([0, 1.0, 0], (60, 1)), atol=5e-3)


def test_straight_limbs_take_their_twist_from_the_frames_in_between() -> None:
    body = walking(31)
    hip, knee, ankle = H36M17.indices("left_hip", "left_knee", "left_ankle")
    thigh = body[:, knee] - body[:, hip]
    body[10:20, ankle] = body[10:20, knee] + 0.4 * thigh[10:20] / np.linalg.norm(thigh[10:20], axis=1, keepdims=True)
    _, positions, rotations = solved(body)
    assert np.linalg.norm(positions - y_up(body), axis=-1).max() < 0.01
    twist = rotations[1:, hip] @ rotations[:-1, hip].transpose(0, 2, 1)
    assert np.degrees(np.arccos(np.clip((np.trace(twist, axis1=1, axis2=2) - 1) / 2, -1, 1))).max() < 15


def test_a_body_lying_or_upside_down_is_solved_as_well() -> None:
    body = walking(20)
    for axis, angle in (("x", np.pi / 2), ("y", np.pi), ("x", -np.pi / 2)):
        turned = np.einsum("ij,tkj->tki", turn(axis, np.array(angle)), body)
        _, positions, _ = solved(turned)
        assert np.linalg.norm(positions - y_up(turned), axis=-1).max() < 0.01


def test_skeletons_that_are_not_one_tree_are_refused() -> None:
    poses = poses_of({0: (np.arange(3), walking(3))})
    (motion,) = motions(poses)
    with pytest.raises(UsageError, match="coco17"):
        make_rig(type(motion)(0, 0.0, 30.0, motion.positions_m, COCO17))


def test_bvh_read_by_pybvh_has_the_joints_within_a_centimetre(tmp_path: Path) -> None:
    pybvh = pytest.importorskip("pybvh", reason="pybvh reads the files back")
    poses, truth = two_people()
    files = export(Source(poses), "bvh", tmp_path / "clip.bvh")
    assert [f.name for f in files] == [
        "clip_person0.bvh",
        "clip_person1_part0_frame10.bvh",
        "clip_person1_part1_frame40.bvh",
    ]
    wanted = [truth[0], truth[1][10:25], truth[1][40:55]]
    for path, body in zip(files, wanted, strict=True):
        clip = pybvh.read_bvh_file(str(path))
        assert clip.frame_time == pytest.approx(1 / 30)
        order = [list(clip.joint_names).index(joint) for joint in H36M17.joints]
        read_m = np.asarray(clip.joint_positions())[:, order] / 100
        assert np.linalg.norm(read_m - y_up(body), axis=-1).max() < 0.01


def test_bvh_is_the_same_bytes_again(tmp_path: Path) -> None:
    poses, _ = two_people()
    for first, second in zip(
        export(Source(poses), "bvh", tmp_path / "a.bvh"), export(Source(poses), "bvh", tmp_path / "b.bvh"), strict=True
    ):
        assert first.read_bytes() == second.read_bytes()


def test_glb_opens_in_trimesh_and_moves_as_the_people_do(tmp_path: Path) -> None:
    trimesh = pytest.importorskip("trimesh", reason="trimesh reads the file back")
    pytest.importorskip("pygltflib", reason="writes GLB")
    poses, truth = two_people()
    (path,) = export(Source(poses), "glb", tmp_path / "clip.glb")
    scene = trimesh.load(path)
    assert {"person 0", "person 1", "left_knee"} <= set(scene.graph.nodes)
    assert len(scene.geometry) >= 2
    document, buffer = read_glb(path)
    people = {document["nodes"][n]["name"]: n for n in document["scenes"][0]["nodes"]}
    for person, body in truth.items():
        present = np.isfinite(body).all(axis=(1, 2))
        times, positions = animated_positions(document, buffer, document["nodes"][people[f"person {person}"]])
        np.testing.assert_allclose(times, np.flatnonzero(present) / 30, atol=1e-5)
        assert np.linalg.norm(positions - y_up(body[present]), axis=-1).max() < 0.01
    scales = [c for c in document["animations"][0]["channels"] if c["target"]["path"] == "scale"]
    assert [c["target"]["node"] for c in scales] == [people["person 1"]]
    sampler = document["animations"][0]["samplers"][scales[0]["sampler"]]
    assert sampler["interpolation"] == "STEP"
    changes = accessor(document, buffer, sampler["input"]) * 30
    np.testing.assert_allclose(changes, [0, 10, 25, 40, 55], atol=1e-4)
    np.testing.assert_allclose(accessor(document, buffer, sampler["output"])[:, 0], [0, 1, 0, 1, 0])


def read_glb(path: Path) -> tuple[dict, bytes]:
    """The two chunks of a GLB file, read by its specification."""
    import json
    import struct

    content = path.read_bytes()
    magic, version, length = struct.unpack("<4sII", content[:12])
    assert (magic, version, length) == (b"glTF", 2, len(content))
    size, kind = struct.unpack("<I4s", content[12:20])
    assert kind == b"JSON"
    return json.loads(content[20 : 20 + size]), content[28 + size :]


def accessor(document: dict, buffer: bytes, number: int) -> np.ndarray:
    """The numbers of an accessor."""
    entry = document["accessors"][number]
    view = document["bufferViews"][entry["bufferView"]]
    start = view.get("byteOffset", 0) + (entry.get("byteOffset") or 0)
    width = {"SCALAR": 1, "VEC3": 3, "VEC4": 4}[entry["type"]]
    values = np.frombuffer(buffer, "<f4", entry["count"] * width, start)
    return values if width == 1 else values.reshape(-1, width)


def animated_positions(document: dict, buffer: bytes, person: dict) -> tuple[np.ndarray, np.ndarray]:
    """(T,) times and (T, 17, 3) joints of a person, following nodes and channels down from the person's node."""
    samplers = document["animations"][0]["samplers"]
    moved = {
        (c["target"]["node"], c["target"]["path"]): samplers[c["sampler"]]
        for c in document["animations"][0]["channels"]
    }
    (root,) = person["children"]
    times = accessor(document, buffer, moved[root, "rotation"]["input"])
    places: dict[str, np.ndarray] = {}

    def visit(node: int, turned: np.ndarray, at: np.ndarray) -> None:
        entry = document["nodes"][node]
        shift = (
            accessor(document, buffer, moved[node, "translation"]["output"])
            if (node, "translation") in moved
            else np.tile(entry["translation"], (len(times), 1))
        )
        here = at + np.einsum("tij,tj->ti", turned, shift)
        x, y, z, w = accessor(document, buffer, moved[node, "rotation"]["output"]).T
        own = np.stack(
            [
                np.stack([1 - 2 * (y * y + z * z), 2 * (x * y - z * w), 2 * (x * z + y * w)], -1),
                np.stack([2 * (x * y + z * w), 1 - 2 * (x * x + z * z), 2 * (y * z - x * w)], -1),
                np.stack([2 * (x * z - y * w), 2 * (y * z + x * w), 1 - 2 * (x * x + y * y)], -1),
            ],
            -2,
        )
        places[entry["name"]] = here
        for child in entry.get("children") or []:
            visit(child, turned @ own, here)

    visit(root, np.tile(np.eye(3), (len(times), 1, 1)), np.zeros((len(times), 3)))
    return times, np.stack([places[joint] for joint in H36M17.joints], axis=1)


@pytest.mark.parametrize("suffix", ["usda", "usdc"])
def test_usd_read_by_usdskel_has_the_joints_within_a_centimetre(tmp_path: Path, suffix: str) -> None:
    pytest.importorskip("pxr", reason="usd-core writes and reads USD")
    from pxr import Usd, UsdGeom, UsdSkel

    poses, truth = two_people()
    (path,) = export(Source(poses), suffix, tmp_path / f"clip.{suffix}")
    stage = Usd.Stage.Open(str(path))
    assert UsdGeom.GetStageUpAxis(stage) == "Y"
    assert UsdGeom.GetStageMetersPerUnit(stage) == 1.0
    assert stage.GetTimeCodesPerSecond() == pytest.approx(30)
    cache = UsdSkel.Cache()
    for person, body in truth.items():
        root = UsdSkel.Root(stage.GetPrimAtPath(f"/People/Person_{person}"))
        cache.Populate(root, Usd.PrimDefaultPredicate)
        skeleton = UsdSkel.Skeleton(stage.GetPrimAtPath(f"/People/Person_{person}/Skeleton"))
        query = cache.GetSkelQuery(skeleton)
        names = [name.rpartition("/")[2] for name in query.GetJointOrder()]
        for frame in (12, 24, 41, 54):
            transforms = query.ComputeJointSkelTransforms(Usd.TimeCode(frame))
            read_m = np.array([list(t.ExtractTranslation()) for t in transforms])[
                [names.index(j) for j in H36M17.joints]
            ]
            assert np.linalg.norm(read_m - y_up(body[frame]), axis=-1).max() < 0.01
        visible = [UsdGeom.Imageable(root).ComputeVisibility(Usd.TimeCode(f)) != "invisible" for f in range(60)]
        assert visible == np.isfinite(body).all(axis=(1, 2)).tolist()
