"""A contact sheet of procedural motion: one row an action, some moments from the front left and from the side."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np

from lifting.data.mocap import KEYPOINTS, PARENTS, Clips
from poses.archive import write_atomically

CELL_PX = 150
_SCALE_PX = 68.0
"""Pixels a metre."""

_LEFT_BGR, _RIGHT_BGR, _MIDDLE_BGR = (200, 90, 20), (40, 60, 210), (70, 70, 70)
_GROUND_BGR = (205, 205, 205)


def draw_sheet(clips: Clips, moments: int = 8) -> np.ndarray:
    """(H, W, 3) picture: left limbs blue, right ones red; each moment from ahead and, beside it, from its right."""
    actions: dict[str, list[int]] = {}
    for index, name in enumerate(clips.names):
        actions.setdefault(name.split("/")[1].rsplit("_", 1)[0], []).append(index)
    rows = []
    for action, indices in actions.items():
        shown = [indices[i * len(indices) // 2] for i in range(min(2, len(indices)))]
        row = np.full((CELL_PX, 90 + 2 * moments * (CELL_PX // 2 + 25), 3), 255, np.uint8)
        cv2.putText(row, action, (4, CELL_PX // 2), cv2.FONT_HERSHEY_SIMPLEX, 0.4, (0, 0, 0), 1, cv2.LINE_AA)
        each = moments // len(shown)
        for place in range(moments):
            clip = clips.clip(shown[min(place // each, len(shown) - 1)])
            frame = clip[(place % each) * (len(clip) - 1) // max(each - 1, 1)]
            for view, turn_rad in enumerate((np.radians(20), np.radians(-75))):
                left = 90 + (2 * place + view) * (CELL_PX // 2 + 25)
                _draw(row[:, left : left + CELL_PX // 2 + 25], frame, facing_rad(clip[0]) + turn_rad)
        rows.append(row)
    return np.concatenate(rows)


def facing_rad(joints_m: np.ndarray) -> float:
    """Heading of a pose (K, 3): the hips' axis, left to right, a quarter turn on."""
    across = joints_m[KEYPOINTS.index("left_hip")] - joints_m[KEYPOINTS.index("right_hip")]
    return float(np.arctan2(-across[0], across[1]))


def _draw(cell: np.ndarray, joints_m: np.ndarray, camera_rad: float) -> None:
    """Seen by a camera that stands in the direction `camera_rad` of the person, a little from above."""
    toward = np.array([np.cos(camera_rad), np.sin(camera_rad), 0.0])
    right = np.array([-np.sin(camera_rad), np.cos(camera_rad), 0.0])
    up = np.array([0.0, 0.0, 0.97]) - 0.24 * toward
    middle = joints_m[:, :2].mean(axis=0)
    # Who is on a step is drawn as if on the ground.
    lowest = float(joints_m[:, 2].min())
    centred = joints_m - np.array([*middle, lowest - 0.08 if lowest > 0.15 else 0.0])
    x = cell.shape[1] / 2 + _SCALE_PX * centred @ right
    y = cell.shape[0] - 22 - _SCALE_PX * centred @ up
    points = np.round(16 * np.stack([x, y], axis=-1)).astype(int)
    cv2.line(cell, (6, cell.shape[0] - 22), (cell.shape[1] - 6, cell.shape[0] - 22), _GROUND_BGR, 1)
    depth = centred @ toward
    bones = [(joint, parent) for joint, parent in enumerate(PARENTS) if parent >= 0]
    for joint, parent in sorted(bones, key=lambda bone: depth[list(bone)].mean()):
        name = KEYPOINTS[joint]
        colour = _LEFT_BGR if name.startswith("left") else _RIGHT_BGR if name.startswith("right") else _MIDDLE_BGR
        width = 1 if joint >= 17 else 2
        cv2.line(cell, points[parent].tolist(), points[joint].tolist(), colour, width, cv2.LINE_AA, 4)


def write_sheet(path: Path, clips: Clips) -> None:
    """As a PNG."""
    _, encoded = cv2.imencode(".png", draw_sheet(clips))
    write_atomically(path, lambda stream: stream.write(encoded.tobytes()))
