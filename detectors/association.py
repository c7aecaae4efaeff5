"""Which detections of successive frames are the same person.

Shape letters: N detections, A active tracklets, P people in a frame, J joints.
"""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
from scipy.optimize import linear_sum_assignment

from detectors.oks import joint_sigmas, keypoint_boxes, pairwise_iou, pairwise_oks, person_size_px
from detectors.tracking_options import TrackingOptions
from poses import Detections

OKS_PART = 0.6
"""Share of the keypoints in the likeness; the rest is overlap of boxes, which survives badly placed limbs."""
TOLERANCE_PER_S = 6.0
"""By how much the OKS tolerance grows with each second unseen: limbs move."""
VELOCITY_WINDOW_S = 0.2
CONFIRMED_FRAMES = 3
TENTATIVE_GAP_S = 0.2
"""A tracklet of fewer frames than that chooses after the confirmed ones, and ends when unseen for this long."""
MAX_PREDICTION_S = 0.3
"""Velocity is trusted no longer than this: people stop and turn."""


@dataclass
class Tracklet:
    """Detections of one person: row indices into `Detections`, in the order of frames."""

    rows: list[int] = field(default_factory=list)

    @property
    def confirmed(self) -> bool:
        return len(self.rows) >= CONFIRMED_FRAMES

    def array(self) -> np.ndarray:
        return np.array(self.rows, dtype=np.int64)


def body_centre_px(keypoints_px: np.ndarray) -> np.ndarray:
    """(..., J, 2) -> (..., 2) middle of the box around the known keypoints."""
    boxes = keypoint_boxes(keypoints_px)
    return 0.5 * (boxes[..., :2] + boxes[..., 2:])


def velocity_px_s(keypoints_px: np.ndarray, times_s: np.ndarray) -> np.ndarray:
    """Mean velocity (2,) of a body, pixels a second, from (F, J, 2) keypoints at (F,) times; 0 for a single frame.

    The median over joints, so that a joint which jumped does not carry the body away.
    """
    if len(times_s) < 2:
        return np.zeros(2)
    moved = (keypoints_px[-1] - keypoints_px[0])[np.isfinite(keypoints_px[[0, -1]]).all(axis=(0, 2))]
    return np.median(moved, axis=0) / (times_s[-1] - times_s[0]) if len(moved) else np.zeros(2)


def associate(detections: Detections, timestamps_s: np.ndarray, options: TrackingOptions) -> list[Tracklet]:
    """Link detections frame by frame: optimal assignment on keypoint and box likeness after constant-velocity motion.

    A tracklet that is not seen for `max_gap_s` ends. Tracklets of one or two frames, which are often false alarms or
    somebody twice, choose among what the others leave. Every detection is in exactly one tracklet.
    """
    step_s = float(np.median(np.diff(timestamps_s))) if len(timestamps_s) > 1 else 0.0
    patience_s = {True: options.max_gap_s, False: min(options.max_gap_s, max(TENTATIVE_GAP_S, 1.5 * step_s))}
    active: list[Tracklet] = []
    finished: list[Tracklet] = []
    bounds = np.searchsorted(detections.frame, np.arange(len(timestamps_s) + 1))
    for frame in np.unique(detections.frame).tolist():
        now_s = timestamps_s[frame]
        still: list[Tracklet] = []
        for tracklet in active:
            unseen_s = now_s - timestamps_s[detections.frame[tracklet.rows[-1]]]
            (still if unseen_s <= patience_s[tracklet.confirmed] else finished).append(tracklet)
        active = still
        rows = np.arange(bounds[frame], bounds[frame + 1])
        for chosen in ([t for t in active if t.confirmed], [t for t in active if not t.confirmed]):
            if not chosen or not len(rows):
                continue
            likeness = _likeness(detections, timestamps_s, chosen, rows, now_s)
            pairs = zip(*linear_sum_assignment(-likeness), strict=True)
            matched = [(a, p) for a, p in pairs if likeness[a, p] >= options.min_similarity]
            for a, p in matched:
                chosen[a].rows.append(int(rows[p]))
            rows = np.delete(rows, [p for _, p in matched])
        active += [Tracklet([row]) for row in rows.tolist()]
    return finished + active


def _likeness(
    detections: Detections, timestamps_s: np.ndarray, active: list[Tracklet], rows: np.ndarray, now_s: float
) -> np.ndarray:
    """(A, P) likeness of the tracklets' predicted poses and the frame's detections, 0 to 1."""
    found = detections.keypoints_px[rows].astype(np.float64)
    found_boxes = keypoint_boxes(found)
    mirrored = found[:, detections.skeleton.mirror]
    sigmas = joint_sigmas(detections.skeleton)
    likeness = np.zeros((len(active), len(rows)))
    for a, tracklet in enumerate(active):
        predicted, unseen_s = _predict(detections, timestamps_s, tracklet, now_s)
        tolerance = 1.0 + TOLERANCE_PER_S * unseen_s
        # A detector that exchanges left and right still sees the same person.
        oks = np.maximum(
            pairwise_oks(predicted[None], found, sigmas, tolerance)[0],
            pairwise_oks(predicted[None], mirrored, sigmas, tolerance)[0],
        )
        iou = pairwise_iou(keypoint_boxes(predicted[None]), found_boxes)[0]
        likeness[a] = OKS_PART * oks + (1 - OKS_PART) * iou
    return likeness


def _predict(
    detections: Detections, timestamps_s: np.ndarray, tracklet: Tracklet, now_s: float
) -> tuple[np.ndarray, float]:
    """Keypoints (J, 2) expected at `now_s`, and the seconds since the person was seen."""
    recent = np.array(tracklet.rows[-30:])
    times_s = timestamps_s[detections.frame[recent]]
    recent = recent[times_s >= times_s[-1] - VELOCITY_WINDOW_S]
    times_s = timestamps_s[detections.frame[recent]]
    keypoints = detections.keypoints_px[recent].astype(np.float64)
    unseen_s = float(now_s - times_s[-1])
    shift = velocity_px_s(keypoints, times_s) * min(unseen_s, MAX_PREDICTION_S)
    # A wild velocity from one bad frame must not throw the prediction farther than half a body.
    longest = 0.5 * float(person_size_px(keypoints[-1]))
    length = float(np.hypot(*shift))
    if length > longest:
        shift = shift * (longest / length)
    return keypoints[-1] + shift, unseen_s
