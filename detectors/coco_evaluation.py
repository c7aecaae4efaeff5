"""OKS average precision and recall by pycocotools, COCO's own evaluation.

Source: https://cocodataset.org/#keypoints-eval. For joints that COCO has not the spreads are those of `detectors.oks`.
Shape letters: A people, J joints.
"""

from __future__ import annotations

import contextlib
import io
import json
import logging
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from detectors.base import FrameDetections
from detectors.coco_data import PIXEL_MIDDLE
from detectors.oks import joint_sigmas
from poses import Skeleton, UsageError

log = logging.getLogger(__name__)

STATISTICS = ("AP", "AP50", "AP75", "AP_medium", "AP_large", "AR", "AR50", "AR75", "AR_medium", "AR_large")


def require_pycocotools() -> None:
    """`UsageError` with the command that installs pycocotools where it is missing."""
    try:
        import pycocotools.cocoeval  # noqa: F401
    except ImportError:
        raise UsageError(
            "OKS AP needs the package pycocotools, which is not installed",
            "pip install 'video-to-3d-poses[evaluation]'",
        ) from None


def coco_results(found: Mapping[int, FrameDetections]) -> list[dict[str, Any]]:
    """Detections by image id as COCO's list of results. A keypoint that was not given is put at (0, 0)."""
    results: list[dict[str, Any]] = []
    for image_id, people in found.items():
        for person in range(len(people)):
            points = np.nan_to_num(people.keypoints_px[person].astype(np.float64) - PIXEL_MIDDLE, nan=0.0)
            rows = np.concatenate([points, people.keypoint_score[person][:, None]], axis=1)
            results.append(
                {
                    "image_id": image_id,
                    "category_id": 1,
                    "keypoints": [float(value) for value in rows.ravel()],
                    "score": float(people.score[person]),
                }
            )
    return results


def average_precision(
    annotations: Path, found: Mapping[int, FrameDetections], skeleton: Skeleton
) -> dict[str, float | None]:
    """The ten `STATISTICS`, 0 to 1; None where the file has nobody of that size.

    Parameters
    ----------
    annotations : a COCO-keypoints JSON that `KeypointDataset.load` accepts.
    found : detections in `skeleton`, the file's, by image id; only these pictures are evaluated.
    """
    require_pycocotools()
    from pycocotools.coco import COCO
    from pycocotools.cocoeval import COCOeval

    content = json.loads(annotations.read_text(encoding="utf-8"))
    category = next(c["id"] for c in content["categories"] if isinstance(c.get("keypoints"), list))
    truth, results = COCO(), COCO()
    # The package prints as it goes.
    with contextlib.redirect_stdout(io.StringIO()) as printed:
        truth.dataset = content | {"annotations": [_complete(entry) for entry in content["annotations"]]}
        truth.createIndex()
        listed = [result | {"category_id": category} for result in coco_results(found)]
        if not listed:
            return {name: (0.0 if truth.dataset["annotations"] else None) for name in STATISTICS}
        results = truth.loadRes(listed)
        evaluation = COCOeval(truth, results, "keypoints")
        evaluation.params.kpt_oks_sigmas = joint_sigmas(skeleton)
        evaluation.params.imgIds = sorted(found)
        evaluation.params.catIds = [category]
        evaluation.evaluate()
        evaluation.accumulate()
        evaluation.summarize()
    log.debug("%s", printed.getvalue())
    # -1 stands for a size that nobody has.
    return {
        name: (float(value) if value >= 0 else None) for name, value in zip(STATISTICS, evaluation.stats, strict=True)
    }


def _complete(entry: dict[str, Any]) -> dict[str, Any]:
    """An annotation with the fields that pycocotools counts on and other writers leave out."""
    box = entry.get("bbox", [0, 0, 0, 0])
    marks = entry.get("keypoints", [])[2::3]
    return {
        "area": box[2] * box[3],
        "iscrowd": 0,
        "num_keypoints": sum(mark > 0 for mark in marks),
        "keypoints": [],
    } | entry
