"""TRC (marker positions) and MOT (joint angles), text files of OpenSim, Visual3D and Mokka. Y up, one person each."""

from __future__ import annotations

from typing import TextIO

import numpy as np

from render.export.motion import Motion
from render.joint_angles import ANGLES, joint_angles

_MM = 1000.0


def write_trc(stream: TextIO, motion: Motion, name: str) -> None:
    """Joints as markers in millimetres; cells are empty where the person is missing, as OpenSim expects."""
    joints = motion.skeleton.joints
    rate = f"{motion.rate_hz:g}"
    count = len(motion)
    fields = ["DataRate", "CameraRate", "NumFrames", "NumMarkers", "Units", "OrigDataRate", "OrigDataStartFrame"]
    values = [rate, rate, str(count), str(len(joints)), "mm", rate, "1", str(count)]
    labels = "\t".join(f"{joint}\t\t" for joint in joints)
    axes = "\t".join(f"X{i}\tY{i}\tZ{i}" for i in range(1, len(joints) + 1))
    stream.write(f"PathFileType\t4\t(X/Y/Z)\t{name}\n")
    stream.write("\t".join([*fields, "OrigNumFrames"]) + "\n" + "\t".join(values) + "\n")
    stream.write(f"Frame#\tTime\t{labels}\n\t\t{axes}\n\n")
    for frame, points in enumerate(motion.y_up_m() * _MM):
        cells = [f"{v:.3f}" if np.isfinite(v) else "" for v in points.ravel()]
        stream.write("\t".join([str(frame + 1), f"{frame / motion.rate_hz:.6f}", *cells]) + "\n")


def write_mot(stream: TextIO, motion: Motion, name: str) -> None:
    """Joint angles in degrees and the hip's place in metres; nan where the person is missing."""
    angles = joint_angles(motion.positions_m, motion.skeleton)
    columns = {f"hip_t{axis}": motion.y_up_m()[:, 0, i] for i, axis in enumerate("xyz")}
    columns |= {angle: np.degrees(angles[angle]) for angle in ANGLES}
    stream.write(f"{name}\nversion=1\nnRows={len(motion)}\nnColumns={len(columns) + 1}\ninDegrees=yes\nendheader\n")
    stream.write("\t".join(["time", *columns]) + "\n")
    for frame, values in enumerate(np.stack(list(columns.values()), axis=1)):
        stream.write("\t".join([f"{frame / motion.rate_hz:.6f}", *(f"{v:.6f}" for v in values)]) + "\n")
