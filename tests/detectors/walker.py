"""A walking body made of closed forms, seen by a pinhole camera: the oracle of the tracking tests.

Shape letters: T frames, J joints.
"""

from __future__ import annotations

import numpy as np

from poses import COCO17, Detections, Intrinsics, Skeleton

CAMERA = Intrinsics(1000.0, 1000.0, 640.0, 360.0, 1280, 720)


_BESIDE = {
    "eye_inner": ("eye", -0.015, 0.0, 0.0),
    "eye_outer": ("eye", 0.015, 0.0, -0.01),
    "mouth": ("eye", -0.01, -0.07, 0.02),
    "pinky": ("wrist", 0.03, -0.08, -0.03),
    "index": ("wrist", 0.02, -0.1, 0.02),
    "thumb": ("wrist", -0.01, -0.05, 0.04),
    "heel": ("ankle", 0.0, -0.05, -0.06),
    "foot_index": ("ankle", 0.02, -0.06, 0.15),
    "big_toe": ("ankle", 0.0, -0.06, 0.16),
    "small_toe": ("ankle", 0.05, -0.06, 0.13),
}
"""Places beside another joint: metres outward, up and ahead of it."""
_IN_THE_MIDDLE = {
    **{"hip": 0.94, "pelvis": 0.94, "spine": 1.17, "thorax": 1.42, "upper_neck": 1.5, "neck": 1.54},
    **{"head": 1.78, "head_top": 1.78},
}
"""Heights in metres of places between left and right."""


def walk(
    times_s: np.ndarray,
    heading_rad: np.ndarray | float = 0.0,
    start_m: tuple[float, float] = (0.0, 5.0),
    speed_m_s: float = 0.0,
    steps_hz: float = 0.9,
    skeleton: Skeleton = COCO17,
) -> np.ndarray:
    """(T, J, 2) pixels of a body of any skeleton that walks in the camera's world (x right, y down, z forward).

    Heading 0 looks into the camera (left side at image right), pi/2 to the image's right. `speed_m_s` moves it along
    x; the legs and arms swing at `steps_hz` in any case.
    """
    heading = np.broadcast_to(np.asarray(heading_rad, dtype=float), times_s.shape)
    swing = np.sin(2 * np.pi * steps_hz * times_s)
    lift = np.maximum(0, np.cos(2 * np.pi * steps_hz * times_s))
    zero = np.zeros_like(times_s)
    # Body frame: side (to the person's left), height above ground, ahead.
    body: dict[str, tuple[np.ndarray, np.ndarray, np.ndarray]] = {"nose": (zero, zero + 1.62, zero + 0.12)}
    for sign, side in ((1, "left"), (-1, "right")):
        s = sign * swing
        body[f"{side}_eye"] = (zero + sign * 0.033, zero + 1.66, zero + 0.09)
        body[f"{side}_ear"] = (zero + sign * 0.075, zero + 1.63, zero)
        body[f"{side}_shoulder"] = (zero + sign * 0.19, zero + 1.42, -0.03 * s)
        body[f"{side}_elbow"] = (zero + sign * 0.24, zero + 1.13, -0.12 * s)
        body[f"{side}_wrist"] = (zero + sign * 0.22, 0.9 + 0.05 * np.abs(s), -0.28 * s + 0.05)
        body[f"{side}_hip"] = (zero + sign * 0.11, zero + 0.92, 0.02 * s)
        body[f"{side}_knee"] = (zero + sign * 0.1, 0.49 + 0.03 * lift, 0.17 * s + 0.04)
        body[f"{side}_ankle"] = (zero + sign * 0.1, 0.08 + 0.1 * np.maximum(0, sign * lift), 0.34 * s)
        for place, (near, out, up, ahead) in _BESIDE.items():
            beside = body[f"{side}_{near}"]
            body[f"{side}_{place}"] = (beside[0] + sign * out, beside[1] + up, beside[2] + ahead)
    for place, height in _IN_THE_MIDDLE.items():
        body[place] = (zero, zero + height, zero)
    points = np.stack([np.stack(body[j], axis=-1) for j in skeleton.joints], axis=1)
    side, height, ahead = points[..., 0], points[..., 1], points[..., 2]
    cos, sin = np.cos(heading)[:, None], np.sin(heading)[:, None]
    # Facing the camera, ahead is -z and the person's left is +x.
    x = side * cos + ahead * sin + start_m[0] + speed_m_s * times_s[:, None]
    z = side * sin - ahead * cos + start_m[1]
    return CAMERA.project(np.stack([x, 1.2 - height, z], axis=-1))


def detections_of(
    people_px: list[np.ndarray],
    keep: list[np.ndarray] | None = None,
    score: float = 0.9,
    skeleton: Skeleton = COCO17,
) -> Detections:
    """Detections of several (T, J, 2) people; `keep` says for each in which frames it was found."""
    rows = [
        (frame, person[frame])
        for frame in range(len(people_px[0]))
        for number, person in enumerate(people_px)
        if keep is None or keep[number][frame]
    ]
    frame = np.array([f for f, _ in rows], dtype=np.int64)
    keypoints = np.array([k for _, k in rows], dtype=np.float32).reshape(-1, len(skeleton), 2)
    boxes = np.concatenate([keypoints.min(axis=1), keypoints.max(axis=1)], axis=1).reshape(-1, 4)
    full = np.full((len(rows), len(skeleton)), score, np.float32)
    return Detections(frame, boxes, full[:, 0].copy(), keypoints, full, skeleton, "synthetic", "")
