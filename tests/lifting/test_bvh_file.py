"""Reading BVH files: against closed forms, against another reader (pybvh), and malformed ones."""

from __future__ import annotations

import itertools
import re
from pathlib import Path

import numpy as np
import pytest

from lifting.data.bvh_file import forward_kinematics, read_bvh, rest_positions
from poses import InputError
from tests.lifting.bvh_writer import POSITIONS, ROTATIONS, Joint, bvh_text

ARM: list[Joint] = [
    ("Hips", -1, (0, 0, 0), (*POSITIONS, *ROTATIONS)),
    ("Upper", 0, (0, 10, 0), ("Zrotation", "Xrotation", "Yrotation")),
    ("Lower", 1, (5, 0, 0), ("Zrotation", "Xrotation", "Yrotation")),
]
ONE_FRAME = np.array([[1.0, 2, 3, 0, 0, 0, 90, 0, 0, 0, 0, 0]])
TEXT = bvh_text(ARM, ONE_FRAME)


def written(path: Path, text: str) -> Path:
    path.write_text(text)
    return path


def test_a_chain_in_closed_form(tmp_path: Path) -> None:
    motion = read_bvh(written(tmp_path / "arm.bvh", TEXT))
    assert [node.name for node in motion.nodes] == ["Hips", "Upper", "Lower", ""]
    assert (len(motion), motion.frame_time_s) == (1, 0.01)
    places, frames = forward_kinematics(motion, [0, 1, 2, 3])
    # The upper arm turns by 90 degrees about z: its x axis points along y, its y axis along -x.
    np.testing.assert_allclose(places[0], [[1, 2, 3], [1, 12, 3], [1, 17, 3], [-4, 17, 3]], atol=1e-12)
    np.testing.assert_allclose(frames[0, 2], [[0, -1, 0], [1, 0, 0], [0, 0, 1]], atol=1e-12)
    np.testing.assert_allclose(rest_positions(motion, [3]), [[5, 15, 0]])


def test_rotations_are_multiplied_in_the_order_of_the_channels(tmp_path: Path) -> None:
    # Rx(90) Rz(90) takes y first to -x, and then leaves it there; Rz(90) Rx(90) takes it to z, where it stays.
    for order, end in ((("X", "Z"), (-5, 0, 0)), (("Z", "X"), (0, 0, 5))):
        joints = [("Root", -1, (0, 0, 0), tuple(f"{axis}rotation" for axis in order))]
        motion = read_bvh(written(tmp_path / "r.bvh", bvh_text(joints, np.array([[90.0, 90.0]]))))
        np.testing.assert_allclose(forward_kinematics(motion, [1])[0][0, 0], end, atol=1e-12)


@pytest.mark.parametrize("added", [False, True])
def test_positions_below_the_root_are_whole_or_added_to_the_offset(tmp_path: Path, added: bool) -> None:
    joints = [("Root", -1, (0, 0, 0), POSITIONS), ("Spine", 0, (0, 10, 0), POSITIONS), ("Neck", 1, (0, 7, 0), ())]
    value = [0.5, 0.25, 0] if added else [0.5, 10.25, 0]
    motion = read_bvh(written(tmp_path / "p.bvh", bvh_text(joints, np.array([[1, 2, 3, *value]]))))
    assert motion.positions_add == added
    np.testing.assert_allclose(forward_kinematics(motion, [2])[0][0, 0], [1.5, 19.25, 3])


@pytest.mark.parametrize("seed", range(4))
def test_random_skeletons_against_another_reader(tmp_path: Path, seed: int) -> None:
    pybvh = pytest.importorskip("pybvh", reason="the other reader: pip install --no-deps pybvh")
    random = np.random.default_rng(seed)
    orders = list(itertools.permutations("XYZ"))
    joints: list[Joint] = []
    for index in range(12):
        parent = -1 if index == 0 else int(random.integers(max(0, index - 3), index))
        channels = tuple(f"{axis}rotation" for axis in orders[random.integers(6)])
        offset = [0.0, 0.0, 0.0] if index == 0 else random.normal(0, 10, 3).tolist()
        joints.append((f"j{index}", parent, offset, (*POSITIONS, *channels) if index == 0 else channels))
    values = random.uniform(-180, 180, (6, 6 + 3 * 11))
    path = written(tmp_path / "random.bvh", bvh_text(joints, values, 1 / 60))
    motion = read_bvh(path)
    other = pybvh.read_bvh_file(path)
    theirs = other.joint_positions()
    assert len(motion) == len(theirs) == 6
    named = [motion.indices(name)[0] for name in other.joint_names]
    assert len(named) == 12
    np.testing.assert_allclose(forward_kinematics(motion, named)[0], theirs, atol=1e-6)
    assert motion.frame_time_s == pytest.approx(other.frame_time, rel=1e-3)


def test_habits_of_other_programs(tmp_path: Path) -> None:
    spaced = TEXT.replace("Upper", "Bip01 L UpperArm").replace("ROOT Hips\n{", "ROOT Hips {").replace("\n", "\r\n")
    spaced = spaced.replace("Frames: ", "Frames:\t").replace("End Site", "End site").replace("Xposition", "XPOSITION")
    path = tmp_path / "habits.bvh"
    path.write_bytes(b"\xef\xbb\xbf\r\n" + spaced.encode() + b"\r\n\r\n")
    motion = read_bvh(path)
    assert motion.nodes[1].name == "Bip01 L UpperArm"
    np.testing.assert_array_equal(motion.values, ONE_FRAME)


@pytest.mark.parametrize(
    ("old", "new", "line", "problem"),
    [
        ("HIERARCHY", "<html>", 1, "expected HIERARCHY, got '<html>': is this a BVH file"),
        ("ROOT Hips", "JOINT Hips", 2, "expected ROOT and a name, got 'JOINT Hips'"),
        ("ROOT Hips", "ROOT", 2, "expected a name after ROOT"),
        ("OFFSET 0.0 10.0 0.0", "OFFSET 0.0 10.0", 8, "expected OFFSET and three numbers, got 'OFFSET 0.0 10.0'"),
        ("OFFSET 0.0 10.0 0.0", "OFFSET 0.0 1,0 0.0", 8, "expected a number, got '1,0'"),
        ("CHANNELS 3 Z", "CHANNELS 2 Z", 9, "Upper announces 2 channels and names 3"),
        ("Zrotation Xrotation Yrotation\n\t\tJ", "Zrotation Xrot Yrotation\n\t\tJ", 9, "unknown channel 'xrot'"),
        (
            "Zrotation Xrotation Yrotation\n\t\tJ",
            "Zrotation Xrotation Zrotation\n\t\tJ",
            9,
            "a channel of Upper stands",
        ),
        ("JOINT Lower", "BONE Lower", 10, "expected JOINT, End Site or '}' in Upper, got 'BONE Lower'"),
        ("MOTION", "ROOT Other\n{", 21, "a second ROOT: keep one person a file"),
        ("MOTION", "}\nMOTION", 21, "expected MOTION, got '}': the braces"),
        ("Frames: 1", "Frames: 1.5", 22, "expected a whole number of frames of at least 1, got 1.5"),
        ("Frames: 1", "Frames: many", 22, "expected a number, got 'many'"),
        ("Frames: 1", "Frame Time: 1", 22, "expected 'Frames: <number>', got 'Frame Time: 1'"),
        ("Frames: 1", "Frames: 3", 24, "3 frames announced, 1 found: the file is cut off"),
        ("Frames: 1", "Frames: 99999999999", 24, "99999999999 frames announced, 1 found"),
        ("Frame Time: 0.01", "Frame Time: 0", 23, "the frame time must be a positive number of seconds, got 0"),
        ("1.0 2.0 3.0", "1.0 2.0", 24, "expected 12 channel values, got 11: the file may be cut off"),
        ("1.0 2.0 3.0", "1.0 2.0 x", 24, "expected a number, got 'x'"),
        ("1.0 2.0 3.0", "1.0 2.0 nan", 24, "a channel value is not a finite number"),
        ("1.0 2.0 3.0", "0 0 0 0 0 0 0 0 0 0 0 0\n1.0 2.0 3.0", 25, "more lines than the 1 frames announced"),
    ],
)
def test_malformed_files_are_named_with_the_line(tmp_path: Path, old: str, new: str, line: int, problem: str) -> None:
    assert old in TEXT
    path = written(tmp_path / "bad.bvh", TEXT.replace(old, new, 1))
    with pytest.raises(InputError) as caught:
        read_bvh(path)
    assert str(caught.value).startswith(f"{path}, line {line}: {problem}"), str(caught.value)


def test_a_file_cut_off_anywhere_is_refused(tmp_path: Path) -> None:
    for word in re.finditer(r"\S+", TEXT):
        with pytest.raises(InputError, match=r"cut\.bvh, line \d+: "):
            read_bvh(written(tmp_path / "cut.bvh", TEXT[: word.start()]))
    with pytest.raises(InputError, match=r"none\.bvh: cannot be read \(No such file"):
        read_bvh(tmp_path / "none.bvh")
    (tmp_path / "binary.bvh").write_bytes(bytes(range(256)))
    with pytest.raises(InputError, match=r"binary\.bvh, line \d+: expected HIERARCHY"):
        read_bvh(tmp_path / "binary.bvh")
    deep = "HIERARCHY\nROOT r\n" + "{\nOFFSET 0 0 0\nCHANNELS 0\nJOINT j\n" * 5000
    with pytest.raises(InputError, match=r"deep\.bvh, line \d+: (more than 500 joints|expected CHANNELS)"):
        read_bvh(written(tmp_path / "deep.bvh", deep.replace("CHANNELS 0", "CHANNELS 1 Xrotation")))
