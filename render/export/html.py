"""A self-contained page with the people in 3D: play, scrub, turn, zoom. Opens from disk, fetches nothing."""

from __future__ import annotations

import base64
import json
from importlib.resources import files
from typing import Any

import numpy as np

from poses import Poses3D
from render.body import HEAD_RADIUS_M, body_of
from render.export.motion import Motion, motions
from render.floor import floor_height
from render.style import Color, Theme
from render.view import source_heading

_MISSING = -32768
_LARGEST = 32767
_VIEW_RAISE_RAD, _VIEW_TURN_RAD = 0.35, 0.6
_FLOOR_MARGIN_M = 1.0


def viewer_page(poses: Poses3D, title: str) -> str:
    """The page as text. Positions are kept to 1 mm, or coarser where people are more than 65 m apart."""
    page = files("render.export").joinpath("viewer.html").read_text(encoding="utf-8")
    # In a script element only this sequence could end the data early.
    clip = json.dumps(_clip(poses), separators=(",", ":"), allow_nan=False).replace("</", "<\\/")
    escaped = title.replace("&", "&amp;").replace("<", "&lt;")
    return page.replace("__TITLE__", escaped).replace("__CLIP__", clip)


def _clip(poses: Poses3D) -> dict[str, Any]:
    people = motions(poses)
    body = body_of(poses.skeleton)
    completed = [body.complete(motion.positions_m) for motion in people]
    everything = np.concatenate([points[motion.present] for points, motion in zip(completed, people, strict=True)])
    low, high = everything.min(axis=(0, 1)), everything.max(axis=(0, 1))
    origin = (low + high) / 2
    step_m = max(0.001, float((high - low).max()) / 2 / _LARGEST)
    floor_m = floor_height(poses, body.complete(poses.world_m().astype(np.float64)))
    joints = completed[0].shape[1]
    names = [*poses.skeleton.joints, *["between the shoulders"] * (joints - len(poses.skeleton))]
    radius = body.joint_radius_m
    theme = Theme()
    return {
        "rate_hz": people[0].rate_hz,
        "start_s": people[0].start_s,
        "frames": len(people[0]),
        "joints": names,
        "limbs": body.limbs.tolist(),
        "sides": list(body.limb_sides),
        "widths_m": [round(float(radius[a] + radius[b]), 4) for a, b in body.limbs],
        "head": None if body.head is None else {"joints": list(body.head), "radius_m": HEAD_RADIUS_M},
        "origin_m": [round(float(v), 6) for v in origin],
        "step_m": step_m,
        "floor": {
            "height_m": float(floor_m),
            "bounds_m": [
                *np.floor(low[:2] - _FLOOR_MARGIN_M).tolist(),
                *np.ceil(high[:2] + _FLOOR_MARGIN_M).tolist(),
            ],
        },
        "view": _view(poses, low, high),
        "people": [
            {
                "id": motion.person_id,
                "colors": {
                    side: _html(theme.people[number % len(theme.people)].of(side))
                    for side in ("left", "centre", "right")
                },
                "positions": _packed(motion, points, origin, step_m),
            }
            for number, (motion, points) in enumerate(zip(people, completed, strict=True))
        ],
    }


def _view(poses: Poses3D, low: np.ndarray, high: np.ndarray) -> dict[str, Any]:
    """Where the viewer looks from at first: turned a little away from the camera of the video."""
    heading = source_heading(poses.world_from_camera)
    return {
        "turn_rad": float(np.arctan2(heading[0], heading[1])) + _VIEW_TURN_RAD,
        "raise_rad": _VIEW_RAISE_RAD,
        "distance_m": float(np.clip(0.95 * np.linalg.norm(high - low), 3.0, 60.0)),
        "target_m": ((low + high) / 2).tolist(),
    }


def _packed(motion: Motion, points_m: np.ndarray, origin_m: np.ndarray, step_m: float) -> str:
    values = np.full(points_m.shape, _MISSING, "<i2")
    values[motion.present] = np.round((points_m[motion.present] - origin_m) / step_m).astype("<i2")
    return base64.b64encode(values.tobytes()).decode()


def _html(color: Color) -> str:
    blue, green, red = color
    return f"#{red:02X}{green:02X}{blue:02X}"
