"""RTMPose on boxes of RTMDet or YOLOX, all as ONNX files: `--detector rtmpose`.

Networks and training: Jiang et al., "RTMPose: Real-Time Multi-Person Pose Estimation based on MMPose" (2023).
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from detectors.base import DetectorOptions, FrameDetections, check_frames
from detectors.checkpoints import sha256_of
from detectors.crops import CropGeometry
from detectors.oks import joint_sigmas, suppress_duplicates
from detectors.onnx_session import OnnxSession
from detectors.person_onnx import PersonBoxes
from detectors.registry import register
from detectors.simcc import decode_simcc, mirrored
from detectors.weights import CATALOGUE, resolve_weights
from poses import COCO17, InputError, Skeleton, UsageError
from poses.skeleton import HALPE26

VERSION = 1
"""Part of `weights_sha256`: raise it when a change here or in the modules above can change what is found."""

MODELS = tuple(name.removeprefix("rtmpose-") for name in CATALOGUE if name.startswith("rtmpose-"))
USUAL_MODEL = "m"
USUAL_BOXES = {"t": "yolox-tiny", "s": "yolox-s", "m": "yolox-m", "l": "yolox-l"}
"""Person detector for each size of RTMPose."""
MAX_CROPS = 32
"""People that are given to the network at a time."""

MAX_OKS = 0.9
"""Two boxes around one person give almost the same keypoints; the better of the two is kept."""

_SKELETONS = {len(skeleton): skeleton for skeleton in (COCO17, HALPE26)}
_USUAL_SIZE = (256, 192)
_IMAGENET_MEAN_RGB = np.array([123.675, 116.28, 103.53], np.float32)
_IMAGENET_DEVIATION_RGB = np.array([58.395, 57.12, 57.375], np.float32)


class RTMPose:
    """Boxes from the first network; keypoints from the second, in a crop around each box.

    The skeleton is COCO-17 or Halpe-26, by the number of keypoints that the second network gives. A frame's result
    depends on that frame alone: its people are one batch, and batches are never made over frames.
    """

    name = "rtmpose"
    skeleton: Skeleton

    def __init__(self, device: str = "cpu", options: DetectorOptions | None = None) -> None:
        self.options = options or DetectorOptions()
        if self.options.precision != "fp32":
            raise UsageError(
                f"detector rtmpose computes in its files' own precision, got precision {self.options.precision!r}",
                "use fp32",
            )
        boxes_path, pose_path = find_networks(self.options)
        self._pose = OnnxSession(pose_path, device)
        shapes = self._pose.output_shapes(_USUAL_SIZE)
        joints = _joints(shapes)
        if joints is None:
            raise InputError(
                f"{pose_path}: expected RTMPose's two outputs (N, J, bins) with J of "
                f"{' or '.join(map(str, sorted(_SKELETONS)))}, got {', '.join(map(str, shapes))}"
            )
        self.skeleton = _SKELETONS[joints]
        self._size_hw = self._pose.size_hw or _USUAL_SIZE
        self._persons = PersonBoxes(boxes_path, device)
        parts = f"rtmpose {VERSION} {sha256_of(boxes_path)} {sha256_of(pose_path)}"
        self.weights_sha256 = hashlib.sha256(parts.encode()).hexdigest()

    def detect(self, frames: Sequence[np.ndarray]) -> list[FrameDetections]:
        """Find people in (H, W, 3) uint8 BGR frames; `ValueError` on another shape or type."""
        check_frames(frames)
        return [self._detect_one(frame) for frame in frames]

    def close(self) -> None:
        del self._persons, self._pose

    def _detect_one(self, frame: np.ndarray) -> FrameDetections:
        box, _ = self._persons.find(frame)
        if not len(box):
            return FrameDetections.empty(len(self.skeleton))
        geometry = CropGeometry.from_boxes(box, self._size_hw, self.options.box_padding)
        points, keypoint_score = self._keypoints(geometry.crop(frame))
        points = geometry.to_image(points)
        score = keypoint_score.mean(axis=1)
        kept = suppress_duplicates(points, score, MAX_OKS, np.inf, np.inf, joint_sigmas(self.skeleton))
        kept = kept[score[kept] >= self.options.min_score][: self.options.max_people]
        found = FrameDetections(
            box.astype(np.float32),
            score.astype(np.float32),
            points.astype(np.float32),
            keypoint_score.astype(np.float32),
        )
        return found.select(kept)

    def _keypoints(self, crops: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """(N, h, w, 3) uint8 BGR crops -> (N, J, 2) x, y from each crop's corner, (N, J) scores."""
        images = (crops[..., ::-1].astype(np.float32) - _IMAGENET_MEAN_RGB) / _IMAGENET_DEVIATION_RGB
        images = images.transpose(0, 3, 1, 2)
        simcc_x, simcc_y = self._run(images)
        split = simcc_x.shape[-1] / self._size_hw[1]
        if self.options.flip_test:
            other_x, other_y = self._run(images[..., ::-1])
            simcc_x = 0.5 * (simcc_x + mirrored(other_x, split, self.skeleton.mirror))
            simcc_y = 0.5 * (simcc_y + other_y[:, self.skeleton.mirror])
        return decode_simcc(simcc_x, simcc_y, split, self.options.keypoint_decoding)

    def _run(self, images: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        pieces = [self._pose.run(images[i : i + MAX_CROPS]) for i in range(0, len(images), MAX_CROPS)]
        first, second = (np.concatenate(parts) for parts in zip(*pieces, strict=True))
        return first, second


def find_networks(options: DetectorOptions) -> tuple[Path, Path]:
    """The person detector's file and RTMPose's.

    `options.model` names RTMPose's size. `options.weights` instead: a folder that holds both as .onnx files, or one or
    two files or names of the catalogue with a comma between them, in any order; what is not given is the usual one.
    """
    if options.model is not None and options.model not in MODELS:
        raise UsageError(f"unknown model {options.model!r} of detector rtmpose", f"choose one of: {', '.join(MODELS)}")
    model = options.model or USUAL_MODEL
    boxes: str | None = USUAL_BOXES[model[0]]
    pose: str | None = f"rtmpose-{model}"
    for given in _given(options.weights):
        if is_pose_network(resolve_weights(given, None, "rtmpose")):
            if options.model is not None:
                raise UsageError(
                    f"both a model ({options.model}) and weights of one ({given}) are given", "leave one out"
                )
            pose = given
        else:
            boxes = given
    return resolve_weights(boxes, None, "rtmpose"), resolve_weights(pose, None, "rtmpose")


def _given(weights: str | None) -> list[str]:
    if weights is None:
        return []
    folder = Path(weights).expanduser()
    if folder.is_dir():
        files = sorted(folder.rglob("*.onnx"))
        kinds = [is_pose_network(file) for file in files]
        if sorted(kinds) != [False, True]:
            raise InputError(
                f"{folder}: expected one .onnx file of a person detector and one of RTMPose, found "
                f"{kinds.count(False)} and {kinds.count(True)}",
                "give the two files, with a comma between them",
            )
        return [str(file) for file in files]
    parts = [weights] if folder.exists() else [part for part in weights.split(",") if part]
    if len(parts) > 2:
        raise UsageError(f"expected at most two files for rtmpose, got {weights!r}", "give BOXES,KEYPOINTS")
    return parts


def is_pose_network(path: Path) -> bool:
    """Whether an ONNX file gives SimCC's lists: two outputs (N, J, bins) of the same, known J."""
    return _joints(OnnxSession(path).output_shapes(_USUAL_SIZE)) is not None


def _joints(shapes: Sequence[tuple[int, ...]]) -> int | None:
    """J of SimCC's two outputs, None if these are not such outputs."""
    if len(shapes) != 2 or any(len(shape) != 3 for shape in shapes):
        return None
    joints, bins = {shape[1] for shape in shapes}, min(shape[2] for shape in shapes)
    return joints.pop() if len(joints) == 1 and joints <= _SKELETONS.keys() and bins > 5 else None


@register("rtmpose", "RTMPose on YOLOX or RTMDet boxes (ONNX Runtime, CPU or CUDA), COCO-17 or Halpe-26")
def _create(device: str, options: DetectorOptions) -> RTMPose:
    return RTMPose(device, options)
