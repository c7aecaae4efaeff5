"""How alike two sets of keypoints are: object keypoint similarity (OKS) and box overlap.

Shape letters: A and B people, J joints.
Source of the OKS and its constants: https://cocodataset.org/#keypoints-eval; of those for head, neck, pelvis and
feet: https://github.com/Fang-Haoshu/Halpe-FullBody
"""

from __future__ import annotations

import numpy as np

from poses import COCO17, Skeleton

SIGMAS = {
    "nose": 0.026,
    "eye": 0.025,
    "ear": 0.035,
    "shoulder": 0.079,
    "elbow": 0.072,
    "wrist": 0.062,
    "hip": 0.107,
    "knee": 0.087,
    "ankle": 0.089,
    # Halpe's own, which the same places under other names take over.
    "head": 0.026,
    "head_top": 0.026,
    "neck": 0.026,
    "upper_neck": 0.026,
    "pelvis": 0.066,
    "big_toe": 0.079,
    "small_toe": 0.079,
    "heel": 0.079,
    # Nobody measured these; they have those of what lies near.
    "thorax": 0.079,
    "spine": 0.107,
    "eye_inner": 0.025,
    "eye_outer": 0.025,
    "mouth": 0.026,
    "pinky": 0.062,
    "index": 0.062,
    "thumb": 0.062,
    "foot_index": 0.079,
}
"""Spread of human annotations of each keypoint, without its side, as a part of the person's size."""


def joint_sigmas(skeleton: Skeleton) -> np.ndarray:
    """(J,) spread of annotations of a skeleton's joints, by name; `KeyError` for a joint that `SIGMAS` lacks."""
    spreads = []
    for joint, side in zip(skeleton.joints, skeleton.sides, strict=True):
        name = joint if side == "centre" else joint.removeprefix(f"{side}_")
        # A hip in the middle is the pelvis, whose place is surer than that of the hips.
        spreads.append(SIGMAS["pelvis" if joint == "hip" else name])
    return np.array(spreads)


COCO_SIGMAS = joint_sigmas(COCO17)
"""(17,) the spreads of the COCO keypoints, as published."""


def person_size_px(keypoints_px: np.ndarray) -> np.ndarray:
    """(..., J, 2) keypoints -> (...) size: the diagonal of the box around the known keypoints; 0 for none."""
    known = np.isfinite(keypoints_px)
    low = np.where(known, keypoints_px, np.inf).min(axis=-2)
    high = np.where(known, keypoints_px, -np.inf).max(axis=-2)
    extent = np.where(np.isfinite(high - low), high - low, 0.0)
    return np.hypot(extent[..., 0], extent[..., 1])


def pairwise_oks(
    first_px: np.ndarray, second_px: np.ndarray, sigmas: np.ndarray = COCO_SIGMAS, tolerance: float = 1.0
) -> np.ndarray:
    """OKS of every pair of (A, J, 2) and (B, J, 2) keypoints -> (A, B) in 0 to 1.

    The scale is half the mean diagonal of both people's keypoint boxes (COCO takes the square root of the segment's
    area, which is about that). Joints that are NaN in either person do not count; no common joint gives 0.
    `tolerance` multiplies the sigmas: above 1 for people that moved between the two.
    """
    scale = 0.25 * (person_size_px(first_px)[:, None] + person_size_px(second_px)[None])
    distance2 = ((first_px[:, None] - second_px[None]) ** 2).sum(-1)
    common = np.isfinite(distance2)
    spread = 2 * tolerance * sigmas * np.maximum(scale, 1e-6)[..., None]
    likeness = np.where(common, np.exp(-np.where(common, distance2, 0.0) / (2 * spread**2)), 0.0)
    return likeness.sum(-1) / np.maximum(common.sum(-1), 1)


def pairwise_iou(first_px: np.ndarray, second_px: np.ndarray) -> np.ndarray:
    """Intersection over union of every pair of (A, 4) and (B, 4) boxes x1, y1, x2, y2 -> (A, B) in 0 to 1."""
    low = np.maximum(first_px[:, None, :2], second_px[None, :, :2])
    high = np.minimum(first_px[:, None, 2:], second_px[None, :, 2:])
    inter = np.clip(high - low, 0, None).prod(-1)
    area_a, area_b = ((b[:, 2:] - b[:, :2]).clip(0).prod(-1) for b in (first_px, second_px))
    union = area_a[:, None] + area_b[None] - inter
    return inter / np.maximum(union, 1e-9)


def keypoint_boxes(keypoints_px: np.ndarray, padding: float = 0.0) -> np.ndarray:
    """(..., J, 2) keypoints -> (..., 4) box around the known ones, each side moved out by `padding` of the longer side.

    NaN where no keypoint is known.
    """
    known = np.isfinite(keypoints_px)
    low = np.where(known, keypoints_px, np.inf).min(axis=-2)
    high = np.where(known, keypoints_px, -np.inf).max(axis=-2)
    low, high = np.where(np.isfinite(low), low, np.nan), np.where(np.isfinite(high), high, np.nan)
    margin = padding * (high - low).max(axis=-1, keepdims=True)
    return np.concatenate([low - margin, high + margin], axis=-1)


def suppress_duplicates(
    keypoints_px: np.ndarray,
    rank: np.ndarray,
    max_oks: float,
    max_iou: float,
    max_inside: float,
    sigmas: np.ndarray = COCO_SIGMAS,
) -> np.ndarray:
    """Greedy non-maximum suppression: indices of the people kept, best first.

    A person is dropped when a better one is more alike than `max_oks` by keypoints, overlaps more than `max_iou` by
    box, or when more than `max_inside` of the smaller box of both lies in the other. (A, J, 2) keypoints, (A,) rank;
    ties go to the earlier person. `sigmas` (J,) as in `pairwise_oks`.
    """
    order = np.argsort(-rank, kind="stable")
    oks = pairwise_oks(keypoints_px, keypoints_px, sigmas)
    boxes = keypoint_boxes(keypoints_px)
    iou = pairwise_iou(boxes, boxes)
    area = (boxes[:, 2:] - boxes[:, :2]).prod(axis=1)
    inter = iou * (area[:, None] + area[None]) / (1 + iou)
    inside = inter / np.maximum(np.minimum(area[:, None], area[None]), 1e-9)
    alike = (oks > max_oks) | (iou > max_iou) | (inside > max_inside)
    kept: list[int] = []
    for candidate in order.tolist():
        if not alike[candidate, kept].any():
            kept.append(candidate)
    return np.array(kept, dtype=np.int64)
