"""Boxes around people, from RTMDet's or YOLOX's ONNX files.

The image is scaled to fit the network's input, top left, and the rest is filled with grey 114, as in the training of
both. YOLOX takes values from 0 to 255 as they are; RTMDet takes them normalised by ImageNet's mean and deviation, both
in the order blue, green, red. Sources: Ge et al., "YOLOX" (2021); Lyu et al., "RTMDet" (2022), and the
`data_preprocessor` of their configurations.
Outputs that are understood, told apart by their shapes:

- ``dets`` (1, N, 5) x1, y1, x2, y2, score and ``labels`` (1, N): suppression is in the graph, as MMDeploy exports;
- (1, N, 4) boxes and (1, N, C) scores: boxes in input pixels, suppression is done here;
- (1, N, 5 + C): YOLOX's raw maps at strides 8, 16 and 32 (centre, log size, objectness, C classes).

Class 0 is the person in all of them.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np

from detectors.onnx_session import OnnxSession
from poses import InputError

GREY = 114
STRIDES = (8, 16, 32)
MIN_SCORE = 0.3
"""Boxes of a lower score are no people; the value of OpenMMLab's demonstrations."""
MAX_IOU = 0.45
MAX_LOG_SIZE = 16.0
"""Of YOLOX's raw sizes: e^16 strides are beyond any image, and e^90 is beyond float32."""

_IMAGENET_MEAN_BGR = np.array([103.53, 116.28, 123.675], np.float32)
_IMAGENET_DEVIATION_BGR = np.array([57.375, 57.12, 58.395], np.float32)
_USUAL_SIZE = (640, 640)


@dataclass(frozen=True)
class Letterbox:
    """An (H, W, 3) image scaled to fit an (h, w) input, top left.

    Attributes
    ----------
    image : (h, w, 3) uint8.
    image_per_input : (2,) pixels of the image to a pixel of the input, along x and y; they differ by rounding only.
    """

    image: np.ndarray
    image_per_input: np.ndarray

    @classmethod
    def fit(cls, frame: np.ndarray, size_hw: tuple[int, int]) -> Letterbox:
        """Scale with its shape kept and fill up with grey."""
        height, width = frame.shape[:2]
        scale = min(size_hw[0] / height, size_hw[1] / width)
        inner_h, inner_w = (max(1, min(s, round(n * scale))) for s, n in zip(size_hw, (height, width), strict=True))
        image = np.full((*size_hw, 3), GREY, np.uint8)
        image[:inner_h, :inner_w] = cv2.resize(frame, (inner_w, inner_h), interpolation=cv2.INTER_LINEAR)
        return cls(image, np.array([width / inner_w, height / inner_h]))

    def to_image(self, box: np.ndarray) -> np.ndarray:
        """(N, 4) x1, y1, x2, y2 of the input, measured from its corner -> of the image."""
        return box * np.tile(self.image_per_input, 2)


class PersonBoxes:
    """People's boxes in a frame.

    `InputError` if the outputs are none of those above, or if it cannot be told which network the file is.
    """

    def __init__(self, path: Path, device: str = "cpu") -> None:
        self._session = OnnxSession(path, device)
        self._size_hw = self._session.size_hw or _USUAL_SIZE
        self._normalise = _is_rtmdet(path, self._session)

    def find(self, frame: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """(H, W, 3) uint8 BGR -> (P, 4) float64 boxes within the frame, (P,) scores from 0 to 1; best first."""
        letterbox = Letterbox.fit(frame, self._size_hw)
        image = letterbox.image.astype(np.float32)
        if self._normalise:
            image = (image - _IMAGENET_MEAN_BGR) / _IMAGENET_DEVIATION_BGR
        box, score = self._decode(self._session.run(image.transpose(2, 0, 1)[None]))
        box = np.clip(letterbox.to_image(box), 0, np.tile(frame.shape[1::-1], 2))
        wide = (box[:, 2] - box[:, 0] >= 1) & (box[:, 3] - box[:, 1] >= 1)
        kept = np.flatnonzero(wide & (score >= MIN_SCORE))
        kept = kept[np.argsort(-score[kept], kind="stable")]
        return box[kept], score[kept]

    def _decode(self, outputs: list[np.ndarray]) -> tuple[np.ndarray, np.ndarray]:
        boxes = next((o[0] for o in outputs if o.ndim == 3 and o.shape[2] in (4, 5)), None)
        if boxes is not None and boxes.shape[1] == 5:
            labels = next((o[0] for o in outputs if o.ndim == 2), np.zeros(len(boxes)))
            found = boxes[labels == 0].astype(np.float64)
            return _finite(found[:, :4], found[:, 4])
        if boxes is not None and len(outputs) == 2:
            scores = next((o[0] for o in outputs if o[0] is not boxes and len(o[0]) == len(boxes)), None)
            if scores is not None and scores.ndim == 2:
                return _suppress(*_finite(boxes.astype(np.float64), scores[:, 0].astype(np.float64)))
        if len(outputs) == 1 and outputs[0].ndim == 3 and outputs[0].shape[2] > 5:
            return _suppress(*_finite(*decode_yolox(outputs[0][0], self._size_hw)))
        shapes = ", ".join(str(o.shape) for o in outputs)
        raise InputError(
            f"{self._session.path}: not the outputs of a person detector, got {shapes}",
            "expected dets (1, N, 5) and labels (1, N), or YOLOX's (1, N, 5 + classes)",
        )


def decode_yolox(raw: np.ndarray, size_hw: tuple[int, int]) -> tuple[np.ndarray, np.ndarray]:
    """YOLOX's raw map (N, 5 + C) -> (N, 4) x1, y1, x2, y2 in pixels of the input, (N,) person scores.

    Rows run over the cells of stride 8, then 16, then 32, row by row of the image. `InputError` where N does not fit.
    """
    cells, strides = [], []
    for stride in STRIDES:
        rows, columns = np.mgrid[: size_hw[0] // stride, : size_hw[1] // stride]
        cells.append(np.stack([columns.ravel(), rows.ravel()], axis=1))
        strides.append(np.full((rows.size, 1), stride))
    cell, stride_px = np.concatenate(cells), np.concatenate(strides)
    if len(cell) != len(raw):
        raise InputError(f"a YOLOX for inputs of {size_hw} gives {len(cell)} cells, got {len(raw)}")
    values = raw.astype(np.float64)
    centre = (values[:, :2] + cell) * stride_px
    half = 0.5 * np.exp(np.minimum(values[:, 2:4], MAX_LOG_SIZE)) * stride_px
    return np.concatenate([centre - half, centre + half], axis=1), values[:, 4] * values[:, 5]


def _suppress(box: np.ndarray, score: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Greedy non-maximum suppression of boxes that overlap by more than `MAX_IOU`."""
    xywh = np.concatenate([box[:, :2], box[:, 2:] - box[:, :2]], axis=1)
    kept = np.asarray(cv2.dnn.NMSBoxes(xywh.tolist(), score.tolist(), MIN_SCORE, MAX_IOU), dtype=np.intp).ravel()
    return box[kept], score[kept]


def _finite(box: np.ndarray, score: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    usable = np.isfinite(box).all(axis=1) & np.isfinite(score)
    return box[usable], score[usable]


def _is_rtmdet(path: Path, session: OnnxSession) -> bool:
    """Which of the two a file is: they take different values, and MMDeploy gives both the same outputs."""
    shapes = [shape for _, shape in session.outputs]
    if len(shapes) == 1 and len(shapes[0]) == 3 and (shapes[0][2] or 0) > 5:
        return False
    # OpenMMLab calls every file end2end.onnx and names the folder after the network.
    for name in (path.name.lower(), path.parent.name.lower()):
        kinds = [kind for kind in ("rtmdet", "yolox") if kind in name]
        if len(kinds) == 1:
            return kinds[0] == "rtmdet"
    raise InputError(
        f"{path}: cannot tell whether this is RTMDet or YOLOX", "let the file's or its folder's name say it"
    )
