"""What a 2D keypoint detector takes and gives.

Shape letters: P people in one frame, J joints.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Protocol, runtime_checkable

import numpy as np

from poses import Detections, Skeleton, UsageError
from poses.artifacts import require_shape

TILE_LAYOUTS = ("none", "coarse", "fine")
KEYPOINT_DECODINGS = ("soft", "hard")
PRECISIONS = ("fp32", "bf16", "fp16")


@dataclass(frozen=True)
class FrameDetections:
    """The people found in one frame, best first.

    Attributes
    ----------
    box_px : (P, 4) float32 x1, y1, x2, y2 in pixels of the frame.
    score : (P,) float32 confidence in the person, 0 to 1.
    keypoints_px : (P, J, 2) float32, NaN where a keypoint was not given. May lie outside of the frame.
    keypoint_score : (P, J) float32, 0 to 1.
    """

    box_px: np.ndarray
    score: np.ndarray
    keypoints_px: np.ndarray
    keypoint_score: np.ndarray

    def __post_init__(self) -> None:
        people, joints = self.keypoint_score.shape if self.keypoint_score.ndim == 2 else (len(self.score), None)
        require_shape("FrameDetections", "box_px", self.box_px, (people, 4))
        require_shape("FrameDetections", "score", self.score, (people,))
        require_shape("FrameDetections", "keypoints_px", self.keypoints_px, (people, joints, 2))
        require_shape("FrameDetections", "keypoint_score", self.keypoint_score, (people, joints))

    def __len__(self) -> int:
        return len(self.score)

    @classmethod
    def empty(cls, joints: int) -> FrameDetections:
        """A frame without people."""
        shapes = ((0, 4), (0,), (0, joints, 2), (0, joints))
        return cls(*(np.zeros(shape, np.float32) for shape in shapes))

    def select(self, index: np.ndarray) -> FrameDetections:
        """The people at `index`, in that order."""
        return FrameDetections(
            self.box_px[index], self.score[index], self.keypoints_px[index], self.keypoint_score[index]
        )


def check_frames(frames: Sequence[np.ndarray]) -> None:
    """`ValueError` where one is not (H, W, 3) uint8, or empty."""
    for frame in frames:
        if frame.ndim != 3 or frame.shape[2] != 3 or frame.dtype != np.uint8 or not frame.size:
            raise ValueError(f"a frame must be (H, W, 3) uint8, got {frame.shape} {frame.dtype}")


@dataclass(frozen=True)
class DetectorOptions:
    """What every detector understands; `UsageError` names a value that cannot be."""

    min_score: float = field(default=0.5, metadata={"help": "drop people of a lower score, 0 to 1 (--min-score)"})
    max_people: int = field(
        default=10, metadata={"help": "keep at most this many people a frame, the best ones (--max-people)"}
    )
    tiles: str = field(
        default="fine",
        metadata={
            "help": "search the whole frame only (none), or also overlapping squares of its short side (coarse) "
            "or of 0.7 of it (fine): finds smaller people, costs time"
        },
    )

    model: str | None = field(
        default=None,
        metadata={"help": "variant of the detector, such as m of rtmpose; null: its usual one (--detector-model)"},
    )
    weights: str | None = field(
        default=None,
        metadata={
            "help": "file of weights, or a name of `python -m detectors.weights list`; null: the usual one "
            "(--detector-weights)"
        },
    )
    boxes: str = field(
        default="blazepose", metadata={"help": "detector that finds the people for cpn, hourglass and mmpose (--boxes)"}
    )
    keypoint_decoding: str = field(
        default="soft",
        metadata={
            "help": "heatmaps to places: soft (expectation) or hard (best pixel), where there are any "
            "(--keypoint-decoding)"
        },
    )
    flip_test: bool = field(
        default=False,
        metadata={"help": "average with the mirrored image's heatmaps: better, half as fast (--flip-test)"},
    )
    box_padding: float = field(
        default=0.25, metadata={"help": "part of a box that is added around it before keypoints are sought in it"}
    )
    precision: str = field(default="fp32", metadata={"help": "fp32, or bf16 or fp16 where the device computes in it"})
    file: str | None = field(
        default=None,
        metadata={
            "help": "for `file`: keypoints computed elsewhere, a file or a folder with one for each video (--keypoints)"
        },
    )

    def __post_init__(self) -> None:
        if not 0 <= self.min_score <= 1:
            raise UsageError(f"min_score must lie between 0 and 1, got {self.min_score}")
        if self.max_people < 1:
            raise UsageError(f"max_people must be at least 1, got {self.max_people}")
        if not 0 <= self.box_padding <= 2:
            raise UsageError(f"box_padding must lie between 0 and 2, got {self.box_padding}")
        for name, known in (
            ("tiles", TILE_LAYOUTS),
            ("keypoint_decoding", KEYPOINT_DECODINGS),
            ("precision", PRECISIONS),
        ):
            if getattr(self, name) not in known:
                raise UsageError(f"unknown {name} {getattr(self, name)!r}", f"choose one of: {', '.join(known)}")


@runtime_checkable
class Detector(Protocol):
    """Finds people and their keypoints in single frames.

    Attributes
    ----------
    name : registry name.
    skeleton : the order of the keypoints.
    weights_sha256 : hash of everything but the options that can change what is found.
    """

    name: str
    skeleton: Skeleton
    weights_sha256: str

    def detect(self, frames: Sequence[np.ndarray]) -> list[FrameDetections]:
        """Find people in (H, W, 3) uint8 BGR frames of one size; a frame's result depends on that frame alone."""
        ...

    def close(self) -> None:
        """Release what the detector holds; it cannot be used afterwards."""
        ...


def detections_of_frames(found: Sequence[tuple[int, FrameDetections]], detector: Detector) -> Detections:
    """Rows of several frames as one artifact; (frame index, its people) in the order of frames."""
    joints = len(detector.skeleton)
    people = [result for _, result in found]
    return Detections(
        frame=np.repeat(
            np.array([index for index, _ in found], dtype=np.int64), [len(result.score) for result in people]
        ),
        box_px=_stack([result.box_px for result in people], (4,)),
        score=_stack([result.score for result in people], ()),
        keypoints_px=_stack([result.keypoints_px for result in people], (joints, 2)),
        keypoint_score=_stack([result.keypoint_score for result in people], (joints,)),
        skeleton=detector.skeleton,
        detector=detector.name,
        weights_sha256=detector.weights_sha256,
    )


def _stack(arrays: Sequence[np.ndarray], tail: tuple[int, ...]) -> np.ndarray:
    return np.concatenate([np.zeros((0, *tail), dtype=np.float32), *arrays]).astype(np.float32)
