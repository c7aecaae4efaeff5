"""Joint angles of poses made by hand, whose angles are known."""

import numpy as np
import pytest

from poses import COCO17, H36M17, UsageError
from render.joint_angles import ANGLES, joint_angles
from tests.render.moving_bodies import turn, walking

STRAIGHT = {
    "hip": (0, 0, 1.0),
    "right_hip": (-0.1, 0, 1.0),
    "right_knee": (-0.1, 0, 0.6),
    "right_ankle": (-0.1, 0, 0.2),
    "left_hip": (0.1, 0, 1.0),
    "left_knee": (0.1, 0, 0.6),
    "left_ankle": (0.1, 0, 0.2),
    "spine": (0, 0, 1.2),
    "thorax": (0, 0, 1.5),
    "neck": (0, 0, 1.6),
    "head": (0, 0, 1.7),
    "left_shoulder": (0.2, 0, 1.5),
    "left_elbow": (0.2, 0, 1.2),
    "left_wrist": (0.2, 0, 1.0),
    "right_shoulder": (-0.2, 0, 1.5),
    "right_elbow": (-0.2, 0, 1.2),
    "right_wrist": (-0.2, 0, 1.0),
}
"""Upright with arms hanging, facing -y (forward), left is +x: every angle is zero."""


def angles_deg(**moved: tuple[float, float, float]) -> dict[str, float]:
    """The angles of the straight pose with some joints moved by so much."""
    pose = np.array([np.add(STRAIGHT[joint], moved.get(joint, (0, 0, 0))) for joint in H36M17.joints])
    return {name: float(np.degrees(value[0])) for name, value in joint_angles(pose[None], H36M17).items()}


def test_standing_straight_has_no_angle() -> None:
    assert angles_deg() == pytest.approx(dict.fromkeys(ANGLES, 0.0), abs=1e-9)


@pytest.mark.parametrize(
    ("moved", "angle", "degrees"),
    [
        ({"right_knee": (0, -0.4, 0.4), "right_ankle": (0, -0.4, 0.4)}, "right_hip_flexion", 90),
        ({"left_knee": (0, 0.4, 0.0)}, "left_hip_flexion", -45),
        ({"left_knee": (0.4, 0, 0.0)}, "left_hip_abduction", 45),
        ({"right_knee": (-0.4, 0, 0.0)}, "right_hip_abduction", 45),
        ({"right_knee": (0.4, 0, 0.0)}, "right_hip_abduction", -45),
        ({"left_ankle": (0, 0.4, 0.4)}, "left_knee_flexion", 90),
        ({"right_ankle": (0, 0.0, 0.8)}, "right_knee_flexion", 180),
        ({"left_elbow": (0, -0.3, 0.3), "left_wrist": (0, -0.5, 0.5)}, "left_shoulder_flexion", 90),
        ({"right_elbow": (-0.3, 0, 0.3), "right_wrist": (-0.5, 0, 0.5)}, "right_shoulder_abduction", 90),
        ({"left_elbow": (0.3, 0, 0.0)}, "left_shoulder_abduction", 45),
        ({"right_wrist": (0, -0.2, 0.2)}, "right_elbow_flexion", 90),
        ({"head": (0, -0.2, 0.0)}, "neck_flexion", 45),
        ({"head": (0.2, 0, 0.0)}, "neck_bending", 45),
        ({"thorax": (0, -0.5, 0.0)}, "trunk_flexion", 45),
        ({"thorax": (0.5, 0, 0.0)}, "trunk_bending", 45),
        # The chest turned to the left: the left shoulder goes back, the right one forward.
        ({"left_shoulder": (-0.2, 0.2, 0), "right_shoulder": (0.2, -0.2, 0)}, "trunk_rotation", 90),
    ],
)
def test_one_angle_at_a_time(moved: dict[str, tuple[float, float, float]], angle: str, degrees: float) -> None:
    assert angles_deg(**moved)[angle] == pytest.approx(degrees, abs=1e-6)


def test_turning_and_moving_the_whole_body_changes_no_angle() -> None:
    body = walking(20)
    turned = np.einsum("ij,tkj->tki", turn("z", np.array(1.0)), body) + np.array([3.0, -2.0, 0.5])
    for name, value in joint_angles(body, H36M17).items():
        np.testing.assert_allclose(joint_angles(turned, H36M17)[name], value, atol=1e-9, err_msg=name)


def test_mirrored_body_has_mirrored_angles() -> None:
    body = walking(20)
    mirrored = (body * [-1.0, 1.0, 1.0])[:, H36M17.mirror]
    own, other = joint_angles(body, H36M17), joint_angles(mirrored, H36M17)
    np.testing.assert_allclose(other["left_hip_abduction"], own["right_hip_abduction"], atol=1e-9)
    np.testing.assert_allclose(other["left_elbow_flexion"], own["right_elbow_flexion"], atol=1e-9)
    np.testing.assert_allclose(other["trunk_rotation"], -own["trunk_rotation"], atol=1e-9)
    np.testing.assert_allclose(other["trunk_flexion"], own["trunk_flexion"], atol=1e-9)


def test_missing_joints_give_missing_angles_and_only_those() -> None:
    body = walking(3)
    body[1, H36M17.index("left_wrist")] = np.nan
    angles = joint_angles(body, H36M17)
    assert np.isnan(angles["left_elbow_flexion"]).tolist() == [False, True, False]
    assert np.isfinite(angles["right_elbow_flexion"]).all()


def test_a_skeleton_without_a_trunk_is_refused_by_name() -> None:
    with pytest.raises(UsageError, match=r"thorax.*coco17"):
        joint_angles(np.zeros((1, 17, 3)), COCO17)
