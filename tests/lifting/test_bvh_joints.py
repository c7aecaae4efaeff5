"""Which joints are which: naming families, the user's list, and skeletons that are none."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest

from lifting.data.bvh_file import BvhMotion, forward_kinematics, read_bvh
from lifting.data.bvh_joints import ROLES, find_figure, load_joint_names, repair_cmu
from poses import InputError, UsageError
from tests.lifting.bvh_writer import Joint, bvh_text

LIMBS = ("hip", "knee", "ankle", "shoulder", "elbow", "wrist")

# Names of hip, knee, ankle, collar bone, shoulder, elbow, wrist on the left and on the right, and of the head.
FAMILIES = {
    "cmu, motionbuilder, lafan": (
        "LeftUpLeg LeftLeg LeftFoot LeftShoulder LeftArm LeftForeArm LeftHand",
        "RightUpLeg RightLeg RightFoot RightShoulder RightArm RightForeArm RightHand",
        "Head",
    ),
    "mixamo": (
        "mixamorig:LeftUpLeg mixamorig:LeftLeg mixamorig:LeftFoot mixamorig:LeftShoulder mixamorig:LeftArm "
        "mixamorig:LeftForeArm mixamorig:LeftHand",
        "mixamorig:RightUpLeg mixamorig:RightLeg mixamorig:RightFoot mixamorig:RightShoulder mixamorig:RightArm "
        "mixamorig:RightForeArm mixamorig:RightHand",
        "mixamorig:Head",
    ),
    "rokoko": (
        "LeftThigh LeftShin LeftFoot LeftShoulder LeftArm LeftForeArm LeftHand",
        "RightThigh RightShin RightFoot RightShoulder RightArm RightForeArm RightHand",
        "Head",
    ),
    "xsens": (
        "LeftHip LeftKnee LeftAnkle LeftCollar LeftShoulder LeftElbow LeftWrist",
        "RightHip RightKnee RightAnkle RightCollar RightShoulder RightElbow RightWrist",
        "Head",
    ),
    "biovision": (
        "LeftUpLeg LeftLowLeg LeftFoot LeftCollar LeftUpArm LeftLowArm LeftHand",
        "RightUpLeg RightLowLeg RightFoot RightCollar RightUpArm RightLowArm RightHand",
        "Head",
    ),
    "blender": (
        "thigh.L shin.L foot.L shoulder.L upper_arm.L forearm.L hand.L",
        "thigh.R shin.R foot.R shoulder.R upper_arm.R forearm.R hand.R",
        "head",
    ),
    "bandai": (
        "UpperLeg_L LowerLeg_L Foot_L Shoulder_L UpperArm_L LowerArm_L Hand_L",
        "UpperLeg_R LowerLeg_R Foot_R Shoulder_R UpperArm_R LowerArm_R Hand_R",
        "Head",
    ),
    "3ds max, truebones": (
        "Bip01 L Thigh|Bip01 L Calf|Bip01 L Foot|Bip01 L Clavicle|Bip01 L UpperArm|Bip01 L Forearm|Bip01 L Hand",
        "Bip01 R Thigh|Bip01 R Calf|Bip01 R Foot|Bip01 R Clavicle|Bip01 R UpperArm|Bip01 R Forearm|Bip01 R Hand",
        "Bip01 Head",
    ),
    "daz, poser": (
        "lThigh lShin lFoot lCollar lShldr lForeArm lHand",
        "rThigh rShin rFoot rCollar rShldr rForeArm rHand",
        "head",
    ),
    "smpl": (
        "L_Hip L_Knee L_Ankle L_Collar L_Shoulder L_Elbow L_Wrist",
        "R_Hip R_Knee R_Ankle R_Collar R_Shoulder R_Elbow R_Wrist",
        "Head",
    ),
    "unreal": (
        "thigh_l calf_l foot_l clavicle_l upperarm_l lowerarm_l hand_l",
        "thigh_r calf_r foot_r clavicle_r upperarm_r lowerarm_r hand_r",
        "head",
    ),
    "makehuman": (
        "upperleg01.L lowerleg01.L foot.L clavicle.L upperarm01.L lowerarm01.L wrist.L",
        "upperleg01.R lowerleg01.R foot.R clavicle.R upperarm01.R lowerarm01.R wrist.R",
        "head",
    ),
    "acclaim": (
        "lfemur ltibia lfoot lclavicle lhumerus lradius lwrist",
        "rfemur rtibia rfoot rclavicle rhumerus rradius rwrist",
        "head",
    ),
    "vrm": (
        "J_Bip_L_UpperLeg J_Bip_L_LowerLeg J_Bip_L_Foot J_Bip_L_Shoulder J_Bip_L_UpperArm J_Bip_L_LowerArm "
        "J_Bip_L_Hand",
        "J_Bip_R_UpperLeg J_Bip_R_LowerLeg J_Bip_R_Foot J_Bip_R_Shoulder J_Bip_R_UpperArm J_Bip_R_LowerArm "
        "J_Bip_R_Hand",
        "J_Bip_C_Head",
    ),
}  # fmt: skip


def skeleton(left: str, right: str, head: str) -> list[Joint]:
    """Root, two bones of spine, neck and head, legs and arms with toes and fingers."""

    def joint(name: str, parent: int) -> int:
        joints.append((name, parent, (0, 1, 0), ("Xrotation",)))
        return len(joints) - 1

    joints: list[Joint] = []
    root = joint("Pelvis_Root", -1)
    chest = joint("Chest", joint("Lumbar", root))
    joint(head, joint("Neck", chest))
    for side, names in (("Left", left), ("Right", right)):
        hip, knee, ankle, collar, shoulder, elbow, wrist = names.split("|" if "|" in names else None)
        joint(f"{side}ToeBase", joint(ankle, joint(knee, joint(hip, root))))
        joint(f"{side}HandIndex1", joint(wrist, joint(elbow, joint(shoulder, joint(collar, chest)))))
    return joints


def read(tmp_path: Path, joints: Sequence[Joint]) -> BvhMotion:
    path = tmp_path / "file.bvh"
    path.write_text(bvh_text(joints, np.zeros((1, sum(len(joint[3]) for joint in joints)))))
    return read_bvh(path)


@pytest.mark.parametrize("family", FAMILIES)
def test_naming_families(tmp_path: Path, family: str) -> None:
    left, right, head = FAMILIES[family]
    motion = read(tmp_path, skeleton(left, right, head))
    figure = find_figure(motion)
    names = {role: motion.nodes[node].name for role, node in figure.named.items()}
    expected = {"head": head}
    for side, words in (("left", left), ("right", right)):
        hip, knee, ankle, _, shoulder, elbow, wrist = words.split("|" if "|" in words else None)
        own = zip(LIMBS, (hip, knee, ankle, shoulder, elbow, wrist), strict=True)
        expected |= {f"{side}_{part}": name for part, name in own}
    assert names == expected
    assert [motion.nodes[node].name for node in figure.spine] == ["Pelvis_Root", "Lumbar", "Chest"]
    assert [motion.nodes[node].name for node in figure.neck] == ["Chest", "Neck", head]
    assert [motion.nodes[node].name for node in figure.toes] == ["LeftToeBase", "RightToeBase"]


def test_the_users_list_comes_first(tmp_path: Path) -> None:
    left, right, _ = FAMILIES["rokoko"]
    motion = read(tmp_path, skeleton(left.replace("LeftThigh", "bone17"), right, "Kopf"))
    with pytest.raises(InputError, match=r"no joint is known as left_hip, head; the file has Pelvis_Root, .*Kopf"):
        find_figure(motion)
    path = tmp_path / "names.yaml"
    path.write_text("left_hip: bone17\nhead: Kopf\n")
    figure = find_figure(motion, load_joint_names(path))
    assert [motion.nodes[figure.named[role]].name for role in ("left_hip", "head")] == ["bone17", "Kopf"]
    assert set(figure.named) == set(ROLES)
    path.write_text("left_hip: bone18\n")
    with pytest.raises(InputError, match=r"left_hip is said to be 'bone18', of which the file has none: .*bone17"):
        find_figure(motion, load_joint_names(path))


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("left_hipp: a", "unknown joint 'left_hipp': nearest known: left_hip"),
        ("- left_hip", "expected lines such as 'left_hip: LeftUpLeg'"),
        ("left_hip: 3", "expected lines such as"),
        ("left_hip: [", "not valid YAML"),
    ],
)
def test_lists_that_are_none(tmp_path: Path, text: str, problem: str) -> None:
    path = tmp_path / "names.yaml"
    path.write_text(text)
    with pytest.raises(UsageError, match=rf"names\.yaml: {problem}"):
        load_joint_names(path)


def test_joints_that_do_not_hang_together(tmp_path: Path) -> None:
    left, right, head = FAMILIES["rokoko"]
    motion = read(tmp_path, skeleton(left, right, head))
    with pytest.raises(InputError, match=r"left_ankle \(RightFoot\) does not hang on left_knee \(LeftShin\)"):
        find_figure(motion, {"left_ankle": "RightFoot"})
    with pytest.raises(InputError, match=r"head \(LeftToeBase\) does not hang on left_shoulder \(LeftArm\)"):
        find_figure(motion, {"head": "LeftToeBase"})


def test_the_conversion_of_cmu_gets_its_lost_bones_back(tmp_path: Path) -> None:
    left, right, _ = FAMILIES["cmu, motionbuilder, lafan"]
    whole: list[Joint] = [
        ("Spine1" if name == "Chest" else name, parent, offset, channels)
        for name, parent, offset, channels in skeleton(left, right, "Head")
    ]
    whole += [("LHipJoint", 0, (0, 0, 0), ()), ("RHipJoint", 0, (0, 0, 0), ())]
    motion = read(tmp_path, whole)
    assert repair_cmu(motion) is motion, "nothing is lost"
    lost = dict.fromkeys(("Neck", "LeftShoulder", "RightShoulder"), (0.0, 0.0, 0.0)) | {"Spine1": (0.0, 2.0, 0.5)}
    as_converted: list[Joint] = [
        (name, parent, lost.get(name, offset), channels) for name, parent, offset, channels in whole
    ]
    repaired = repair_cmu(read(tmp_path, as_converted))
    chest, collar = (repaired.indices(name)[0] for name in ("Spine1", "LeftShoulder"))
    places = forward_kinematics(repaired, [chest, collar])[0]
    np.testing.assert_allclose(places[0, 1] - places[0, 0], [0, 2, 0.5])
    assert repaired.nodes[repaired.indices("LeftHand")[0]].offset == pytest.approx((0, 1.3, 0))
