"""A training recipe: every number that `lifting.train` needs, as `configs/lifting/*.yaml` gives it."""

from __future__ import annotations

from dataclasses import dataclass, field

from lifting.data.keypoint_noise import KeypointNoise
from lifting.data.virtual_cameras import CameraRange
from lifting.model import Architecture
from lifting.person_frame import EXTRA_POINTS
from poses import COCO17, H36M17


@dataclass(frozen=True)
class Recipe:
    """Fields carry their own help."""

    name: str = field(metadata={"help": "name of the weights"})
    summary: str = field(metadata={"help": "one line for the card"})
    licence: str = field(metadata={"help": "licence of the weights, which follows from the data's"})
    trained_on: str = field(metadata={"help": "the data, for the card"})
    archive_weights: dict[str, float] = field(metadata={"help": "share of the windows drawn from each archive"})
    held_out_share: float = field(default=0.08, metadata={"help": "share of the recordings kept for evaluation"})
    filter_widths: tuple[int, ...] = field(default=(3, 3, 3, 3), metadata={"help": "temporal filter widths"})
    causal: bool = field(default=False, metadata={"help": "see only frames up to the present one"})
    position_channels: int = field(default=512, metadata={"help": "width of the pose network"})
    trajectory_channels: int = field(default=256, metadata={"help": "width of the trajectory network"})
    dropout: float = field(default=0.1, metadata={"help": "dropout of both networks"})
    steps: int = field(default=8000, metadata={"help": "optimiser steps"})
    sequences: int = field(default=512, metadata={"help": "different sequences a step"})
    frames_out: int = field(default=2, metadata={"help": "consecutive frames of output of each; two give a velocity"})
    learning_rate: float = field(default=1e-3, metadata={"help": "at the first step"})
    learning_rate_end: float = field(
        default=1.65e-5, metadata={"help": "at the last; the paper's 0.95^80 of the first"}
    )
    momentum_start: float = field(default=0.1, metadata={"help": "batch-norm momentum at the first step"})
    momentum_end: float = field(default=0.001, metadata={"help": "and at the last"})
    average_decay: float = field(default=0.999, metadata={"help": "exponential moving average of the weights"})
    velocity_weight: float = field(default=3.0, metadata={"help": "weight of the velocity error in the pose's loss"})
    seed: int = field(default=1, metadata={"help": "the same seed gives the same file"})
    cameras: CameraRange = field(default=CameraRange(), metadata={"help": "virtual cameras and bodies"})
    noise: KeypointNoise = field(default=KeypointNoise(), metadata={"help": "errors of the keypoints"})

    def architectures(self) -> tuple[Architecture, Architecture]:
        """Of the pose network and of its twin for the trajectory."""

        def architecture(joints_out: int, channels: int) -> Architecture:
            points = len(COCO17) + EXTRA_POINTS
            return Architecture(points, joints_out, self.filter_widths, channels, self.dropout, self.causal)

        return (
            architecture(len(H36M17), self.position_channels),
            architecture(1, self.trajectory_channels),
        )
