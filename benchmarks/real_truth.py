"""The true joints of the people in the calibrated clips, from all views together, and how good they are.

Shape letters: V views, F frames, J = 17 COCO joints.
"""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from benchmarks.real_clips import Recording
from detectors import TrackingOptions, track
from detectors.smoothing import whittaker
from detectors.swaps import pairs_by_group
from lifting.multiview import View, choose_sides, exchange_sides, refine_orientations, triangulate
from poses import COCO17
from poses.archive import write_npz

BODY = tuple(j for j in COCO17.joints if j.split("_")[-1] in ("shoulder", "elbow", "wrist", "hip", "knee", "ankle"))
"""Joints that COCO and Human3.6M both have under these names; they are compared."""
AGREE_PX = 15.0
"""A view agrees with a joint in space that lies within this distance of its keypoint."""
_RAW = TrackingOptions(undo_swaps=False, smooth=False, outlier_s=0.0)
_SMOOTHING_S = 0.025
_SAME_PERSON_PX = 50.0
_FILLED_WEIGHT = 0.02


@dataclass(frozen=True)
class Truth:
    """One person of a scene.

    Attributes
    ----------
    views : the cameras, their orientations refined.
    calibrated : the cameras as the calibration has them.
    times_s : (F,) float64.
    keypoints_px : (V, F, J, 2) what the detector gave, labelled as it gave them; NaN where nothing.
    score : (V, F, J).
    exchanged : (V, F, J) bool, where the detector had left and right exchanged.
    points_m : (F, J, 3) joints in the world, smoothed.
    valid : (F, J) bool, where at least two views agree with the joint.
    error_px : (V, F, J) distance of the joint before smoothing from its keypoint.
    """

    views: list[View]
    calibrated: list[View]
    times_s: np.ndarray
    keypoints_px: np.ndarray
    score: np.ndarray
    exchanged: np.ndarray
    points_m: np.ndarray
    valid: np.ndarray
    error_px: np.ndarray

    @property
    def usable(self) -> np.ndarray:
        """(F,) bool: all joints of the body are valid."""
        return self.valid[:, COCO17.indices(*BODY)].all(axis=1)

    def quality(self) -> dict[str, float]:
        """Residuals in pixels, spread of the bones' lengths over time in millimetres, share of usable frames."""
        body = COCO17.indices(*BODY)
        error = self.error_px[:, self.usable][:, :, body]
        bones = COCO17.bones[np.isin(COCO17.bones, body).all(axis=1)]
        lengths = np.linalg.norm(np.diff(self.points_m[self.usable][:, bones], axis=2)[:, :, 0], axis=-1)
        turns = [
            np.arccos(np.clip((np.trace(a.camera_from_world[:3, :3].T @ b.camera_from_world[:3, :3]) - 1) / 2, -1, 1))
            for a, b in zip(self.views, self.calibrated, strict=True)
        ]
        return {
            "residual_mean_px": float(np.nanmean(error)),
            "residual_median_px": float(np.nanmedian(error)),
            "bone_std_mm": float(1000 * lengths.std(axis=0).mean()),
            "usable_share": float(self.usable.mean()),
            "camera_turned_max_deg": float(np.degrees(max(turns))),
        }

    def save(self, path: Path) -> None:
        """Write everything as a plain npz; per view the arrays bear the camera's name."""
        arrays: dict[str, np.ndarray] = {
            "joints": np.array(COCO17.joints),
            "times_s": self.times_s,
            "world_m": self.points_m,
            "valid": self.valid,
        }
        for v, view in enumerate(self.views):
            camera = view.intrinsics
            arrays |= {
                f"{view.name}_detected_px": self.keypoints_px[v],
                f"{view.name}_detected_score": self.score[v],
                f"{view.name}_exchanged": self.exchanged[v],
                f"{view.name}_true_px": view.project(self.points_m),
                f"{view.name}_true_m": view.to_camera(self.points_m),
                f"{view.name}_error_px": self.error_px[v],
                f"{view.name}_camera_from_world": view.camera_from_world,
                f"{view.name}_intrinsics": np.array([camera.fx, camera.fy, camera.cx, camera.cy]),
                f"{view.name}_distortion": np.array(camera.distortion),
                f"{view.name}_size_px": np.array([camera.width, camera.height]),
            }
        write_npz(path, arrays)


def find_truth(recordings: Sequence[Recording]) -> list[Truth]:
    """The people that all views show, best seen first; the cameras' orientations are refined on all of them."""
    calibrated = [recording.view for recording in recordings]
    groups = [pairs.ravel() for pairs in pairs_by_group(COCO17).values()]
    people = _match_people(recordings)
    sided = []
    for keypoints_px, score in people:
        exchanged = choose_sides(keypoints_px, score, calibrated, COCO17, groups)
        sided.append((exchange_sides(keypoints_px, exchanged, COCO17), exchange_sides(score, exchanged, COCO17)))
    body = COCO17.indices(*BODY)
    views = refine_orientations(
        np.concatenate([keypoints_px[:, :, body] for keypoints_px, _ in sided], axis=1),
        np.concatenate([score[:, :, body] for _, score in sided], axis=1),
        calibrated,
    )
    times_s = recordings[0].info.timestamps_s
    return [_truth_of(k, s, views, calibrated, times_s, groups) for k, s in people]


def _truth_of(
    keypoints_px: np.ndarray,
    score: np.ndarray,
    views: list[View],
    calibrated: list[View],
    times_s: np.ndarray,
    groups: Sequence[np.ndarray],
) -> Truth:
    exchanged = choose_sides(keypoints_px, score, views, COCO17, groups)
    result = triangulate(
        exchange_sides(keypoints_px, exchanged, COCO17), exchange_sides(score, exchanged, COCO17), views
    )
    agrees = result.error_px < AGREE_PX
    valid = agrees.sum(axis=0) >= 2
    # A joint that two views agree on is bent the less by noise the more views agree.
    weight = np.where(valid, agrees.sum(axis=0) / len(views), _FILLED_WEIGHT)
    points = result.points_m.copy()
    for joint in range(len(COCO17)):
        known = valid[:, joint]
        if known.sum() < 2:
            valid[:, joint] = False
            continue
        for c in range(3):
            points[~known, joint, c] = np.interp(times_s[~known], times_s[known], points[known, joint, c])
        points[:, joint] = whittaker(points[:, joint], weight[:, joint], times_s, _SMOOTHING_S)
    return Truth(views, calibrated, times_s, keypoints_px, score, exchanged, points, valid, result.error_px)


def _match_people(recordings: Sequence[Recording]) -> list[tuple[np.ndarray, np.ndarray]]:
    """Keypoints (V, F, J, 2) and score (V, F, J) of each person, followed through each view and matched between them.

    Of all ways to take a person from each view, those whose trunks meet best in space.
    """
    tracked = [_people_of(recording) for recording in recordings]
    views = [recording.view for recording in recordings]
    halves = [COCO17.indices("left_shoulder", "right_shoulder"), COCO17.indices("left_hip", "right_hip")]
    rated = []
    for combination in itertools.product(*[range(len(people)) for people in tracked]):
        chosen = [tracked[v][person] for v, person in enumerate(combination)]
        keypoints_px, score = (np.stack(arrays)[:, ::5] for arrays in zip(*chosen, strict=True))
        # Middles of shoulders and hips are the same whichever side is which.
        middles = np.stack([keypoints_px[:, :, half].mean(axis=2) for half in halves], axis=2)
        error = triangulate(middles, np.stack([score[:, :, half].min(axis=2) for half in halves], axis=2), views)
        # The median over time: where people hide each other a track may lie on the other one for a while.
        each = np.median(np.nan_to_num(error.error_px, nan=500.0), axis=1)
        rated.append((float(np.minimum(each, 500.0).mean()), combination))
    people: list[tuple[int, ...]] = []
    for rate, combination in sorted(rated):
        taken = any(a == b for other in people for a, b in zip(other, combination, strict=True))
        if rate < _SAME_PERSON_PX and not taken:
            people.append(combination)
    return [
        (
            np.stack([tracked[v][person][0] for v, person in enumerate(combination)]),
            np.stack([tracked[v][person][1] for v, person in enumerate(combination)]),
        )
        for combination in people
    ]


def _people_of(recording: Recording) -> list[tuple[np.ndarray, np.ndarray]]:
    """Each tracked person's keypoints (F, J, 2), NaN where not observed, and score (F, J)."""
    frames = len(recording.info)
    tracks = track(recording.detections, recording.info.timestamps_s, _RAW)
    people = []
    for person in tracks.people():
        rows = tracks.rows_of(person)
        keypoints_px = np.full((frames, len(COCO17), 2), np.nan)
        score = np.zeros((frames, len(COCO17)))
        observed = tracks.observed[rows]
        keypoints_px[tracks.frame[rows]] = np.where(observed[..., None], tracks.keypoints_px[rows], np.nan)
        score[tracks.frame[rows]] = np.where(observed, tracks.keypoint_score[rows], 0.0)
        people.append((keypoints_px, score))
    return people
