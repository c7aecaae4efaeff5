"""Two results of one video, or a result and ground truth: whose is whose, and how far apart their joints are.

Shape letters: T frames of the video, R rows (person and frame), J joints, A and B people of the two results.
"""

from __future__ import annotations

import logging
from dataclasses import dataclass, replace

import numpy as np
from scipy.optimize import linear_sum_assignment

from poses import InputError, Poses3D, UsageError, convert_keypoints

logger = logging.getLogger(__name__)

FARTHEST = 0.4
"""Roots farther apart than this share of their distance from the camera are not of one person.

One camera errs along its line of sight, in proportion to the distance; so the limit is a share.
"""

_USUAL_INTERVAL_S = 1 / 30
_PER_ROW = ("person_id", "frame", "timestamps_s", "positions_m", "root_m", "observed")


@dataclass(frozen=True)
class Comparison:
    """Another result beside the one that is drawn.

    Attributes
    ----------
    poses : the other result with the frames, world axes and joints of the first, in which a person who was matched
        bears the first result's number, and everybody else one that nobody there has.
    people : number in the first result of each person who was matched, and the number she had in the other.
    distance_mm : (T,) mean distance of the joints of all matched people in a frame, their roots laid on each other
        (MPJPE of the frame); NaN where nobody is in both.
    mean_mm : the same over all joints of all frames together; NaN where nobody was matched.
    names : of the two results, for captions.
    """

    poses: Poses3D
    people: dict[int, int]
    distance_mm: np.ndarray
    mean_mm: float
    names: tuple[str, str]


def compare(
    poses: Poses3D, other: Poses3D, timestamps_s: np.ndarray, names: tuple[str, str] = ("this", "other")
) -> Comparison:
    """Match the people of two results by the median distance of their roots in the camera frame.

    Frames are the same where their times in the video are, so a result of a part of it fits as well.

    Parameters
    ----------
    timestamps_s : (T,) time of each frame of the video that `poses` index.
    names : of the two results, for messages and captions.

    Raises
    ------
    InputError : the two share no frame with people, or their skeletons have no joints in common.
    """
    theirs = _with_frames_of(timestamps_s, _with_joints_of(poses, other, names))
    if not np.isin(theirs.frame, poses.frame).any():
        raise InputError(
            f"{names[1]}: shares no frame with {names[0]} ({_span(other)} against {_span(poses)})",
            "compare results of the same video",
        )
    if _shape_differs(poses, other):
        logger.warning("%s and %s come from pictures of different shape: of one video?", *names)
    people = _match(poses, theirs)
    if not people:
        logger.warning("%s and %s: nobody is at the same place in both", *names)
    number = {b: a for a, b in people.items()}
    free = max([*poses.people(), -1]) + 1
    for person in theirs.people():
        number.setdefault(person, free + sum(new >= free for new in number.values()))
    ids = np.array([number[person] for person in theirs.person_id.tolist()], dtype=np.int64)
    order = np.lexsort((theirs.frame, ids))
    theirs = replace(theirs, person_id=ids, world_from_camera=poses.world_from_camera)
    theirs = _rows(theirs, order)
    distance_mm, mean_mm = _distances(poses, theirs, set(people), len(timestamps_s))
    return Comparison(theirs, people, distance_mm, mean_mm, names)


def _with_joints_of(poses: Poses3D, other: Poses3D, names: tuple[str, str]) -> Poses3D:
    if other.skeleton == poses.skeleton:
        return other
    known = np.isfinite(other.positions_m).all(axis=-1)
    try:
        positions, _ = convert_keypoints(other.positions_m, known, other.skeleton, poses.skeleton)
    except UsageError as error:
        raise InputError(f"{names[1]}: its joints differ from those of {names[0]} ({error})") from None
    return replace(other, positions_m=positions, skeleton=poses.skeleton)


def _with_frames_of(timestamps_s: np.ndarray, other: Poses3D) -> Poses3D:
    """Rows whose time is that of a frame, to half the usual interval, with its index; one a person and frame."""
    if len(timestamps_s) == 0 or len(other) == 0:
        return _rows(other, np.zeros(0, np.int64))
    interval_s = float(np.median(np.diff(timestamps_s))) if len(timestamps_s) > 1 else _USUAL_INTERVAL_S
    after = np.clip(np.searchsorted(timestamps_s, other.timestamps_s), 1, max(len(timestamps_s) - 1, 1))
    candidates = np.stack([after - 1, np.minimum(after, len(timestamps_s) - 1)])
    away_s = np.abs(timestamps_s[candidates] - other.timestamps_s)
    best = away_s.argmin(axis=0)
    rows = np.arange(len(other))
    frame, away_s = candidates[best, rows], away_s[best, rows]
    # The nearest in time first, so that it is the one that is kept.
    order = np.lexsort((away_s, frame, other.person_id))
    _, first = np.unique(np.stack([other.person_id, frame])[:, order], axis=1, return_index=True)
    kept = order[first]
    kept = np.sort(kept[away_s[kept] <= 0.5 * interval_s])
    return _rows(replace(other, frame=frame), kept)


def _rows(poses: Poses3D, rows: np.ndarray) -> Poses3D:
    return replace(poses, **{name: getattr(poses, name)[rows] for name in _PER_ROW})


def _match(poses: Poses3D, other: Poses3D) -> dict[int, int]:
    """Person of the first: person of the other, so that the sum of median distances is least."""
    mine, theirs = poses.people(), other.people()
    cost = np.full((len(mine), len(theirs)), np.inf)
    for i, a in enumerate(mine):
        for j, b in enumerate(theirs):
            rows_a, rows_b = poses.rows_of(a), other.rows_of(b)
            _, first, second = np.intersect1d(poses.frame[rows_a], other.frame[rows_b], return_indices=True)
            root, root_b = poses.root_m[rows_a[first]], other.root_m[rows_b[second]]
            apart = np.linalg.norm(root - root_b, axis=1) / np.linalg.norm(root, axis=1)
            apart = apart[np.isfinite(apart)]
            if len(apart):
                cost[i, j] = np.median(apart)
    possible = cost <= FARTHEST
    # Dearer than any pairing of all others, so that as many are matched as can be.
    chosen = linear_sum_assignment(np.where(possible, cost, 1.0 + FARTHEST * max(cost.shape)))
    return {mine[i]: theirs[j] for i, j in zip(*chosen, strict=True) if possible[i, j]}


def _distances(poses: Poses3D, other: Poses3D, people: set[int], count: int) -> tuple[np.ndarray, float]:
    """(T,) mean joint distance of each frame in millimetres, and that over all frames."""
    total, joints = np.zeros(count), np.zeros(count)
    for person in people:
        rows, rows_b = poses.rows_of(person), other.rows_of(person)
        shared, first, second = np.intersect1d(poses.frame[rows], other.frame[rows_b], return_indices=True)
        apart = np.linalg.norm(poses.positions_m[rows[first]] - other.positions_m[rows_b[second]], axis=-1)
        known = np.isfinite(apart)
        total[shared] += np.where(known, apart, 0.0).sum(axis=1)
        joints[shared] += known.sum(axis=1)
    with np.errstate(invalid="ignore"):
        return 1000 * total / joints, float(1000 * total.sum() / joints.sum()) if joints.any() else float("nan")


def _shape_differs(poses: Poses3D, other: Poses3D) -> bool:
    first, second = (camera.width / camera.height for camera in (poses.intrinsics, other.intrinsics))
    return abs(first / second - 1) > 0.01


def _span(poses: Poses3D) -> str:
    if not len(poses):
        return "nobody"
    return f"{poses.timestamps_s.min():.2f} to {poses.timestamps_s.max():.2f} s"
