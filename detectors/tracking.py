"""From detections in single frames to people over time: identities, exchanged sides, gaps, smoothing.

Shape letters: T frames of the video, F frames of one person, J joints.
"""

from __future__ import annotations

import logging

import numpy as np

from detectors.association import associate
from detectors.cleaning import fill_gaps, find_outliers
from detectors.linking import drop_duplicates, drop_short, relink
from detectors.smoothing import smooth_keypoints
from detectors.swaps import exchange, find_swaps
from detectors.tracking_options import TrackingOptions
from poses import Detections, Tracks

__all__ = ["TrackingOptions", "count_swaps", "track"]

logger = logging.getLogger(__name__)

VERSION = 2

_FILLED_WEIGHT = 0.05
"""Weight of filled-in positions in smoothing: enough to hold the curve in a gap, too little to bend it beside one."""


def track(detections: Detections, timestamps_s: np.ndarray, options: TrackingOptions | None = None) -> Tracks:
    """Give the people of a video their identities and clean their keypoints.

    In order: association from frame to frame, joining of interrupted tracklets, removal of duplicates and of the
    short and doubtful; then for each person exchanged sides undone, jumps and low scores taken out, gaps up to
    `max_gap_s` filled, smoothing. A person has no rows in longer gaps, and is cleaned on both sides of them apart.

    Parameters
    ----------
    detections : people in single frames.
    timestamps_s : (T,) time of each frame of the video; all lengths of time are measured in it.

    Returns
    -------
    All people, the one seen in most frames first; a joint that was never seen in a stretch is NaN there.
    `ValueError` where a detection's frame has no time.
    """
    options = options or TrackingOptions()
    timestamps_s = np.asarray(timestamps_s, dtype=np.float64)
    if len(detections) and (detections.frame.min() < 0 or detections.frame.max() >= len(timestamps_s)):
        raise ValueError(f"detections reach frame {detections.frame.max()}, but there are {len(timestamps_s)} times")
    if (np.diff(detections.frame) < 0).any():
        raise ValueError("Detections.frame must not decrease")
    tracklets = associate(detections, timestamps_s, options)
    tracklets = relink(drop_duplicates(tracklets, detections), detections, timestamps_s, options)
    tracklets = drop_short(tracklets, detections, timestamps_s, options)
    tracklets.sort(key=lambda t: (-len(t.rows), t.rows[0]))
    pieces = [
        _clean(detections, rows, timestamps_s, options, person)
        for person, tracklet in enumerate(tracklets)
        for rows in _stretches(tracklet.array(), detections.frame, timestamps_s, options.max_gap_s)
    ]
    logger.info("%d people in %d rows from %d detections", len(tracklets), sum(map(len, pieces)), len(detections))
    return _concatenate(pieces, detections)


def count_swaps(tracks: Tracks) -> int:
    """Number of spans (a person's successive rows) in which left and right of any joints were exchanged back."""
    spans = 0
    for person in tracks.people():
        rows = tracks.rows_of(person)
        swapped = tracks.swapped[rows].any(axis=1)
        joined = np.concatenate([[False], (np.diff(tracks.frame[rows]) == 1) & swapped[:-1]])
        spans += int((swapped & ~joined).sum())
    return spans


def _stretches(rows: np.ndarray, frame: np.ndarray, timestamps_s: np.ndarray, max_gap_s: float) -> list[np.ndarray]:
    """A person's detections cut where they are more than `max_gap_s` apart."""
    return np.split(rows, np.flatnonzero(np.diff(timestamps_s[frame[rows]]) > max_gap_s) + 1)


def _clean(
    detections: Detections, rows: np.ndarray, timestamps_s: np.ndarray, options: TrackingOptions, person: int
) -> Tracks:
    """One stretch of one person, a row for every frame from its first to its last."""
    skeleton = detections.skeleton
    seen_frames = detections.frame[rows]
    seen_px = detections.keypoints_px[rows].astype(np.float64)
    seen_score = np.nan_to_num(detections.keypoint_score[rows].astype(np.float64))
    missing = (seen_score < options.min_keypoint_score) | ~np.isfinite(seen_px).all(axis=-1)
    seen_px[missing] = np.nan
    seen_swapped = np.zeros(missing.shape, dtype=bool)
    if options.undo_swaps:
        seen_swapped = find_swaps(seen_px, seen_score, timestamps_s[seen_frames], skeleton)
        seen_px = exchange(seen_px, seen_swapped, skeleton)
        seen_score = exchange(seen_score, seen_swapped, skeleton)
    seen_px[find_outliers(seen_px, timestamps_s[seen_frames], options.outlier_s)] = np.nan

    frames = np.arange(seen_frames[0], seen_frames[-1] + 1)
    times_s = timestamps_s[frames]
    at = seen_frames - frames[0]
    keypoints_px = np.full((len(frames), len(skeleton), 2), np.nan)
    keypoints_px[at] = seen_px
    score = np.zeros(keypoints_px.shape[:2])
    score[at] = seen_score
    observed = np.isfinite(keypoints_px).all(axis=-1)
    score[~observed] = 0.0
    # A frame without a look lies in a swapped span when the looks on both sides do.
    before = np.searchsorted(at, np.arange(len(frames)), side="right") - 1
    after = np.searchsorted(at, np.arange(len(frames)))
    swapped = seen_swapped[before] & seen_swapped[after]
    keypoints_px = fill_gaps(keypoints_px, times_s, options.max_gap_s, skeleton)
    if options.smooth:
        weight = np.where(observed, score**2, _FILLED_WEIGHT)
        keypoints_px = smooth_keypoints(keypoints_px, weight, times_s, options.smoothing_s)
    return Tracks(
        person_id=np.full(len(frames), person, dtype=np.int64),
        frame=frames.astype(np.int64),
        keypoints_px=keypoints_px.astype(np.float32),
        keypoint_score=score.astype(np.float32),
        observed=observed,
        swapped=swapped,
        skeleton=skeleton,
    )


def _concatenate(pieces: list[Tracks], detections: Detections) -> Tracks:
    joints = len(detections.skeleton)
    empty = Tracks(
        person_id=np.zeros(0, np.int64),
        frame=np.zeros(0, np.int64),
        keypoints_px=np.zeros((0, joints, 2), np.float32),
        keypoint_score=np.zeros((0, joints), np.float32),
        observed=np.zeros((0, joints), bool),
        swapped=np.zeros((0, joints), bool),
        skeleton=detections.skeleton,
    )
    names = ("person_id", "frame", "keypoints_px", "keypoint_score", "observed", "swapped")
    joined = {name: np.concatenate([getattr(piece, name) for piece in [empty, *pieces]]) for name in names}
    return Tracks(**joined, skeleton=detections.skeleton)
