"""Ground-truth keypoints of Human3.6M: its 17 joints, projected into its four cameras with their distortion."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from lifting.data.datasets import H36M
from lifting.data.reference_npz import KeypointLayout, Positions2D
from poses import H36M17
from poses.keypoint_archive import mirrored_pairs


def layout_of(skeleton_name: str, mirror: np.ndarray, sides: tuple[str, ...]) -> KeypointLayout:
    """The layout of keypoints that are a skeleton's joints."""
    return KeypointLayout(skeleton_name, len(sides), *mirrored_pairs(mirror, sides))


H36M_LAYOUT = layout_of("h36m", H36M17.mirror, H36M17.sides)


def project_truth(positions: Mapping[str, Mapping[str, np.ndarray]]) -> Positions2D:
    """World joints, (T, 32, 3) or (T, 17, 3) by subject and action, to pixels (T, 17, 2) in each camera, float32."""
    kept = list(H36M.kept)
    truth: Positions2D = {}
    for subject, actions in positions.items():
        truth[subject] = {}
        for action, world in actions.items():
            joints = world[:, kept] if world.shape[1] == H36M.joints_in_file else world
            cameras = H36M.cameras(subject)
            truth[subject][action] = [c.project_px(c.to_camera(joints)).astype(np.float32) for c in cameras]
    return truth
