"""Joining tracklets of one person, and dropping those that are nobody or somebody twice."""

from __future__ import annotations

import numpy as np

from detectors.association import MAX_PREDICTION_S, VELOCITY_WINDOW_S, Tracklet, body_centre_px, velocity_px_s
from detectors.oks import keypoint_boxes, pairwise_iou, person_size_px
from detectors.tracking_options import TrackingOptions
from poses import Detections

MAX_SIZE_RATIO = 1.6
REACH_SIZES = 0.5
REACH_SIZES_PER_S = 1.0
"""A person comes back within this many body sizes (plus this many a second unseen) of where motion led."""
DUPLICATE_IOU = 0.5


def relink(
    tracklets: list[Tracklet], detections: Detections, timestamps_s: np.ndarray, options: TrackingOptions
) -> list[Tracklet]:
    """Join ends of tracklets to starts of others where place, size and motion agree, the best agreement first.

    The gap may be up to `relink_s` (or `max_gap_s`, the longer of the two).
    """
    start_s = timestamps_s[[detections.frame[t.rows[0]] for t in tracklets]] if tracklets else np.zeros(0)
    end_s = timestamps_s[[detections.frame[t.rows[-1]] for t in tracklets]] if tracklets else np.zeros(0)
    unseen_s = start_s[None] - end_s[:, None]
    near = np.argwhere((unseen_s > 0) & (unseen_s <= max(options.relink_s, options.max_gap_s)))
    costs = [
        (_join_cost(tracklets[a], tracklets[b], float(unseen_s[a, b]), detections, timestamps_s), a, b)
        for a, b in near.tolist()
    ]
    follower: dict[int, int] = {}
    for cost, a, b in sorted(costs):
        if np.isfinite(cost) and a not in follower and b not in follower.values():
            follower[a] = b
    joined = []
    for first in set(range(len(tracklets))) - set(follower.values()):
        rows, at = list(tracklets[first].rows), first
        while at in follower:
            at = follower[at]
            rows += tracklets[at].rows
        joined.append(Tracklet(rows))
    return joined


def _join_cost(
    first: Tracklet, second: Tracklet, unseen_s: float, detections: Detections, timestamps_s: np.ndarray
) -> float:
    """How badly `second` continues `first`: 0 to 1, infinite where it cannot."""
    end, start = first.rows[-1], second.rows[0]
    sizes = person_size_px(detections.keypoints_px[[end, start]].astype(np.float64))
    if sizes.min() <= 0 or sizes.max() / sizes.min() > MAX_SIZE_RATIO:
        return np.inf
    size = float(sizes.mean())
    trusted_s = min(unseen_s, MAX_PREDICTION_S)
    before, v_before = _end_motion(first.array(), detections, timestamps_s, last=True)
    after, v_after = _end_motion(second.array(), detections, timestamps_s, last=False)
    # Forward from the end, backward from the start: the mean of the two misses.
    miss = 0.5 * (
        np.hypot(*(before + v_before * trusted_s - after)) + np.hypot(*(after - v_after * trusted_s - before))
    )
    reach = size * (REACH_SIZES + REACH_SIZES_PER_S * unseen_s)
    return float(miss / reach) if miss <= reach else np.inf


def _end_motion(
    rows: np.ndarray, detections: Detections, timestamps_s: np.ndarray, last: bool
) -> tuple[np.ndarray, np.ndarray]:
    """Centre (2,) and velocity (2,) of a tracklet at its last or first frame."""
    times_s = timestamps_s[detections.frame[rows]]
    near = times_s >= times_s[-1] - VELOCITY_WINDOW_S if last else times_s <= times_s[0] + VELOCITY_WINDOW_S
    keypoints = detections.keypoints_px[rows[near]].astype(np.float64)
    return body_centre_px(keypoints[-1 if last else 0]), velocity_px_s(keypoints, times_s[near])


def drop_duplicates(tracklets: list[Tracklet], detections: Detections) -> list[Tracklet]:
    """Remove tracklets that for at least half their frames cover the box of a longer one."""
    kept: list[Tracklet] = []
    boxes = keypoint_boxes(detections.keypoints_px.astype(np.float64))
    for tracklet in sorted(tracklets, key=lambda t: (-len(t.rows), t.rows[0])):
        rows = tracklet.array()
        if all(_shared_part(rows, other.array(), detections.frame, boxes) < 0.5 for other in kept):
            kept.append(tracklet)
    return kept


def _shared_part(rows: np.ndarray, others: np.ndarray, frame: np.ndarray, boxes: np.ndarray) -> float:
    """Part of `rows` whose box overlaps that of `others` in the same frame."""
    if frame[rows[0]] > frame[others[-1]] or frame[rows[-1]] < frame[others[0]]:
        return 0.0
    _, mine, theirs = np.intersect1d(frame[rows], frame[others], assume_unique=True, return_indices=True)
    overlap = [
        pairwise_iou(boxes[[a]], boxes[[b]])[0, 0] >= DUPLICATE_IOU
        for a, b in zip(rows[mine], others[theirs], strict=True)
    ]
    return sum(overlap) / len(rows)


def drop_short(
    tracklets: list[Tracklet], detections: Detections, timestamps_s: np.ndarray, options: TrackingOptions
) -> list[Tracklet]:
    """Keep people seen for `min_length_s` (or half of a shorter video) with a mean score of `min_mean_score`."""
    step_s = float(np.median(np.diff(timestamps_s))) if len(timestamps_s) > 1 else 1.0
    needed_s = min(options.min_length_s, 0.5 * len(timestamps_s) * step_s)
    return [
        t
        for t in tracklets
        if len(t.rows) * step_s >= needed_s - 1e-9 and detections.score[t.array()].mean() >= options.min_mean_score
    ]
