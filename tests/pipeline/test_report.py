from __future__ import annotations

import math
from pathlib import Path

import numpy as np
import pytest

from lifting.ground import ground
from pipeline import Config
from pipeline.place import Place
from pipeline.report import find_warnings
from poses import Intrinsics, Poses3D
from tests.motion import camera_from_world, poses_of, transform_points, walker

CAMERA = Intrinsics.from_fov(math.radians(60), 1280, 720)


def standing_before(roll_deg: float) -> Poses3D:
    camera = camera_from_world(0.4, -0.1, math.radians(roll_deg))
    joints = transform_points(camera, np.repeat(walker(1.0, 30)[6:7], 60, axis=0))
    return poses_of(joints, np.arange(60) / 30, CAMERA)


@pytest.mark.parametrize(("roll_deg", "told"), [(0.0, False), (25.0, True), (-25.0, True)])
def test_a_camera_that_seems_to_lean_is_told_of(roll_deg: float, told: bool, tmp_path: Path) -> None:
    def notes(poses: Poses3D) -> str:
        return "\n".join(find_warnings(Place(tmp_path / "a.mp4", "a", tmp_path), Config(), None, None, poses, {}))

    poses = standing_before(roll_deg)
    assert ("seems to lean" in notes(ground(poses))) == told
    if told:
        asked = float(notes(ground(poses)).split("--roll ")[-1].split()[0])
        assert asked == pytest.approx(roll_deg, abs=5)
    # Whoever has said it need not be told.
    assert "seems to lean" not in notes(ground(poses, roll_rad=math.radians(roll_deg)))
