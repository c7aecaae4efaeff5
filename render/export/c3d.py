"""C3D through ezc3d: joints as points for Visual3D, Mokka and MATLAB. Y up, millimetres, one person each."""

from __future__ import annotations

import os
import tempfile
from pathlib import Path

import numpy as np

from poses import InputError
from render.export.motion import Motion
from render.export.packages import needed

_MM = 1000.0


def c3d_bytes(motion: Motion) -> bytes:
    """The file's content; frames in which the person is missing have residual -1, which readers take for no point.

    `UsageError` where ezc3d is not installed.
    """
    ezc3d = needed("ezc3d", "export")
    document = ezc3d.c3d()
    joints = list(motion.skeleton.joints)
    points = np.ones((4, len(joints), len(motion)))
    points[:3] = motion.y_up_m().transpose(2, 1, 0) * _MM
    parameters = document["parameters"]
    parameters["POINT"]["UNITS"]["value"] = ["mm"]
    parameters["POINT"]["RATE"]["value"] = [motion.rate_hz]
    parameters["POINT"]["LABELS"]["value"] = joints
    document.add_parameter("POINT", "X_SCREEN", ["+X"])
    document.add_parameter("POINT", "Y_SCREEN", ["+Y"])
    document["data"]["points"] = points
    residuals = np.where(np.isfinite(points[0]), 0.0, -1.0)[None]
    document["data"]["meta_points"]["residuals"] = residuals
    # ezc3d writes to a path and says nothing where it cannot.
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "motion.c3d")
        document.write(os.fspath(path))
        if not path.is_file():
            raise InputError(f"{path}: cannot be written", "free some space for temporary files")
        return path.read_bytes()
