"""A self-contained page with the people in 3D, beside the video if wanted. Opens from disk, fetches nothing."""

from __future__ import annotations

import base64
import html
import json
import re
from importlib.resources import files
from typing import Any

import numpy as np

from poses import Poses3D, Tracks
from render.body import HEAD_RADIUS_M, Body, body_of
from render.export.html_video import small_copy, small_size
from render.export.source import Source
from render.floor import floor_height
from render.style import THEMES, Theme, to_hex
from render.view import source_heading

_MISSING = -32768
_LARGEST = 32767
_FLOOR_MARGIN_M = 1.0
_BEYOND_PICTURE = 2.0  # keypoints may lie outside the picture, up to this share of its longer side
_SCRIPTS = ("viewer_clip.js", "viewer_scene.js", "viewer_picture.js", "viewer_player.js", "viewer_controls.js")


def viewer_page(source: Source, title: str, with_video: bool = False) -> str:
    """The page as text; `with_video` puts a small copy of the video into it, with the keypoints drawn over it.

    Its frames are those of the video. Positions are kept to 1 mm, or coarser where people are more than 65 m apart;
    keypoints to 1/16000 of the picture.

    Some position must be finite. `UsageError` where the video is wanted but not at hand.
    """
    clip = _clip(source, with_video)
    video = ""
    if with_video:
        size = clip["video"]["width"], clip["video"]["height"]
        video = base64.b64encode(small_copy(source.pictures("html-video"), size)).decode()
    parts = {
        "TITLE": html.escape(title),
        "STYLE": "\n".join(_css(name, theme) for name, theme in THEMES.items()) + "\n" + _asset("viewer.css"),
        # In a script element only this sequence could end the data early.
        "CLIP": json.dumps(clip, separators=(",", ":"), allow_nan=False).replace("</", "<\\/"),
        "VIDEO": video,
        "SCRIPTS": "\n".join(_asset(name) for name in _SCRIPTS),
    }
    # In one pass, so that nothing in a title can stand for another part.
    return re.sub(r"__([A-Z]+)__", lambda found: parts[found[1]], _asset("viewer.html"))


def _asset(name: str) -> str:
    return files("render.export").joinpath(name).read_text(encoding="utf-8")


def _css(name: str, theme: Theme) -> str:
    colors = {
        "background": theme.background,
        "panel": theme.header,
        "floor": theme.floor,
        "grid": theme.grid,
        "edge": theme.outline,
        "text": theme.text,
        "faint": theme.faint_text,
    }
    listed = " ".join(f"--{key}: {to_hex(color)};" for key, color in colors.items())
    return f':root[data-theme="{name}"] {{ {listed} }}'


def _clip(source: Source, with_video: bool) -> dict[str, Any]:
    poses = source.poses
    first_frame, times_s = _timeline(source, whole=with_video)
    body = body_of(poses.skeleton)
    world_m = body.complete(poses.world_m().astype(np.float64))
    world_m[~np.isfinite(world_m)] = np.nan
    low, high = np.nanmin(world_m, axis=(0, 1)), np.nanmax(world_m, axis=(0, 1))
    origin = (low + high) / 2
    step_m = max(0.001, float((high - low).max()) / 2 / _LARGEST)
    joints = world_m.shape[1]
    names = [*poses.skeleton.joints, *["between the shoulders"] * (joints - len(poses.skeleton))]
    radius = body.joint_radius_m
    tracks = source.tracks if with_video else None
    clip: dict[str, Any] = {
        "first_frame": first_frame,
        "times_s": [round(float(t), 5) for t in times_s],
        "joints": names,
        **_limbs(body),
        "widths_m": [round(float(radius[a] + radius[b]), 4) for a, b in body.limbs],
        "head": None if body.head is None else {"joints": list(body.head), "radius_m": HEAD_RADIUS_M},
        "origin_m": [round(float(v), 6) for v in origin],
        "step_m": step_m,
        "floor": {
            "height_m": float(floor_height(poses, world_m)),
            "bounds_m": [
                *np.floor(low[:2] - _FLOOR_MARGIN_M).tolist(),
                *np.ceil(high[:2] + _FLOOR_MARGIN_M).tolist(),
            ],
        },
        "camera": _camera_angles(poses),
        "video": None,
        "keypoints": None,
        "people": [],
    }
    # Units of a keypoint on the page: whole numbers of `step` pixels of the small copy.
    scale, step = 1.0, 1.0
    if with_video:
        # Where pictures are not at hand, `Source.pictures` says so; the camera has their size as well.
        width, height = small_size(poses.intrinsics.width, poses.intrinsics.height)
        clip["video"] = {"width": width, "height": height}
        scale, step = width / poses.intrinsics.width, _BEYOND_PICTURE * max(width, height) / _LARGEST
    if tracks is not None:
        flat = body_of(tracks.skeleton, head_as_ball=False)
        clip["keypoints"] = {**_limbs(flat), "step_px": step, "count": len(flat.joint_sides)}
        clip["keypoints"]["joint_sides"] = list(flat.joint_sides)
        clip["keypoints"]["drawn"] = list(flat.drawn_joints)
    for person in sorted({*poses.people(), *(tracks.people() if tracks is not None else [])}):
        rows = poses.rows_of(person)
        at = poses.frame[rows] - first_frame
        # Rows whose positions are all missing may lie outside the time that is shown.
        inside = (at >= 0) & (at < len(times_s))
        packed = _packed((world_m[rows] - origin) / step_m, at, inside, len(times_s))
        about = {"id": person, "colors": {name: _colors(theme, person) for name, theme in THEMES.items()}}
        observed = _flags(poses.observed[rows][:, None], at, inside, len(times_s))
        flat_data = {} if tracks is None else _flat(tracks, person, scale / step, len(times_s))
        clip["people"].append({**about, "positions": packed, "observed": observed, **flat_data})
    return clip


def _timeline(source: Source, whole: bool) -> tuple[int, np.ndarray]:
    """The first frame of the page and the (T,) times of its frames: the whole video, or from the first to the last
    frame in which anybody is."""
    poses = source.poses
    somebody = np.isfinite(poses.world_m()).any(axis=(1, 2))
    first, last = int(poses.frame[somebody].min()), int(poses.frame[somebody].max())
    if source.video is not None:
        times_s = source.video.timestamps_s
        return (0, times_s) if whole else (first, times_s[first : last + 1])
    frame, row = np.unique(poses.frame, return_index=True)
    return first, np.interp(np.arange(first, last + 1), frame, poses.timestamps_s[row])


def _limbs(body: Body) -> dict[str, Any]:
    return {"limbs": body.limbs.tolist(), "sides": list(body.limb_sides)}


def _camera_angles(poses: Poses3D) -> dict[str, float]:
    """Where the video's camera looks: about the vertical (0 along y, towards x) and below the horizon."""
    heading = source_heading(poses.world_from_camera)
    down = -float(poses.up[2])
    return {
        "turn_rad": float(np.arctan2(heading[0], heading[1])),
        "raise_rad": float(np.arcsin(np.clip(down, -1, 1))),
    }


def _colors(theme: Theme, person: int) -> dict[str, str]:
    shades = theme.person(person)
    return {side: to_hex(shades.of(side)) for side in ("left", "centre", "right")}


def _flat(tracks: Tracks, person: int, steps_per_px: float, frames: int) -> dict[str, str]:
    """The keypoints of a person in all frames of the video, and which of them were seen."""
    body = body_of(tracks.skeleton, head_as_ball=False)
    rows = tracks.rows_of(person)
    at = tracks.frame[rows]
    inside = np.ones(len(at), bool)
    points = body.complete(tracks.keypoints_px[rows].astype(np.float64)) * steps_per_px
    return {
        "keypoints": _packed(points, at, inside, frames),
        "seen": _flags(body.complete_seen(tracks.observed[rows]), at, inside, frames),
    }


def _packed(values: np.ndarray, at: np.ndarray, inside: np.ndarray, frames: int) -> str:
    """Values (rows, J, D) of the frames `at` as 16-bit whole numbers for all frames; missing is -32768."""
    packed = np.full((frames, *values.shape[1:]), _MISSING, "<i2")
    known = np.isfinite(values).all(axis=-1, keepdims=True)
    whole = np.round(np.clip(np.where(known, values, 0), -_LARGEST, _LARGEST))
    packed[at[inside]] = np.where(known, whole, _MISSING)[inside].astype("<i2")
    return base64.b64encode(packed.tobytes()).decode()


def _flags(values: np.ndarray, at: np.ndarray, inside: np.ndarray, frames: int) -> str:
    """Flags (rows, K) of the frames `at` as bytes for all frames; 0 elsewhere."""
    packed: np.ndarray = np.zeros((frames, values.shape[1]), np.uint8)
    packed[at[inside]] = values[inside]
    return base64.b64encode(packed.tobytes()).decode()
