"""A training recipe: every number that `lifting.train` needs, as `configs/lifting/*.yaml` gives it."""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

from lifting.data.bodies import BodyRange
from lifting.data.keypoint_noise import KeypointNoise
from lifting.data.virtual_cameras import CameraRange
from lifting.model import Architecture
from lifting.optimiser import OptimiserName
from lifting.person_frame import EXTRA_POINTS
from poses import H36M17, Skeleton, UsageError, get_skeleton
from poses.options import load_yaml, options_from_mapping, parse_assignment


@dataclass(frozen=True)
class Recipe:
    """Fields carry their own help."""

    name: str = field(metadata={"help": "name of the weights"})
    summary: str = field(metadata={"help": "one line for the card"})
    licence: str = field(metadata={"help": "licence of the weights, which follows from the data's"})
    trained_on: str = field(metadata={"help": "the data, for the card"})
    archive_weights: dict[str, float] = field(metadata={"help": "share of the windows drawn from each archive"})
    input_skeleton: str = field(default="coco17", metadata={"help": "keypoints that the networks take"})
    start_from: str | None = field(
        default=None,
        metadata={
            "help": "weights to start from (lifting/transfer.py): a bundled name, a file, or a recipe beside this one, "
            "*.yaml, which is trained first"
        },
    )
    eight_bits: bool = field(default=False, metadata={"help": "write convolutions in eight bits: half the size"})
    procedural_hours: float = field(
        default=0.6, metadata={"help": "of motion made for the archive `procedural`, where the data hold none"}
    )
    further_procedural_hours: float = field(
        default=0.0, metadata={"help": "of it made beyond that, to train on; nothing of it is held out"}
    )
    held_out_share: float = field(default=0.08, metadata={"help": "share of the recordings kept for evaluation"})
    filter_widths: tuple[int, ...] = field(default=(3, 3, 3, 3), metadata={"help": "temporal filter widths"})
    causal: bool = field(default=False, metadata={"help": "see only frames up to the present one"})
    position_channels: int = field(default=512, metadata={"help": "width of the pose network"})
    trajectory_channels: int = field(default=256, metadata={"help": "width of the trajectory network"})
    dropout: float = field(default=0.1, metadata={"help": "dropout of both networks"})
    steps: int = field(default=8000, metadata={"help": "optimiser steps"})
    sequences: int = field(default=512, metadata={"help": "different sequences a step"})
    outputs: int = field(default=1, metadata={"help": "frames of output of each"})
    spacing: int | None = field(
        default=None,
        metadata={
            "help": "frames between them, the receptive field of some of the first layers (default: of all but one)"
        },
    )
    velocity_share: float = field(
        default=1.0, metadata={"help": "share of the sequences of which the next frames are lifted too, for velocities"}
    )
    optimiser: OptimiserName = field(default="amsgrad", metadata={"help": "amsgrad or muon (lifting/optimiser.py)"})
    muon_factor: float = field(default=10.0, metadata={"help": "Muon's learning rate, in that of the others"})
    learning_rate: float = field(default=1e-3, metadata={"help": "at the first step"})
    learning_rate_end: float = field(
        default=1.65e-5, metadata={"help": "at the last; the paper's 0.95^80 of the first"}
    )
    decay: Literal["exponential", "linear"] = field(
        default="exponential", metadata={"help": "of the learning rate; the paper's is exponential"}
    )
    momentum_start: float = field(default=0.1, metadata={"help": "batch-norm momentum at the first step"})
    momentum_end: float = field(default=0.001, metadata={"help": "and at the last"})
    average_decay: float = field(default=0.999, metadata={"help": "exponential moving average of the weights"})
    velocity_weight: float = field(default=3.0, metadata={"help": "weight of the velocity error in the pose's loss"})
    seed: int = field(default=1, metadata={"help": "the same seed gives the same file"})
    straighten_knees: bool = field(
        default=False, metadata={"help": "take out by how much an archive's skeleton bends straight legs"}
    )
    recombined_share: float = field(
        default=0.0, metadata={"help": "share of sequences with the upper body or the arms of another"}
    )
    reversed_share: float = field(default=0.0, metadata={"help": "share of sequences run backwards, if physics allows"})
    bodies: BodyRange = field(default=BodyRange(), metadata={"help": "proportions of the bodies"})
    cameras: CameraRange = field(default=CameraRange(), metadata={"help": "virtual cameras"})
    noise: KeypointNoise = field(default=KeypointNoise(), metadata={"help": "errors of the keypoints"})

    def __post_init__(self) -> None:
        possible = [math.prod(self.filter_widths[:layers]) for layers in range(len(self.filter_widths) + 1)]
        if self.spacing is not None and self.spacing not in possible:
            raise ValueError(f"spacing must be one of {', '.join(map(str, possible))}, got {self.spacing}")
        if self.outputs < 1 or not 0 <= self.velocity_share <= 1:
            raise ValueError(
                "outputs must be at least 1 and velocity_share lie between 0 and 1, "
                f"got {self.outputs} and {self.velocity_share:g}"
            )

    @property
    def output_spacing(self) -> int:
        """Frames between two frames of output."""
        return math.prod(self.filter_widths[:-1]) if self.spacing is None else self.spacing

    @property
    def sequence_frames(self) -> int:
        """Frames of a training sequence: of all that the frames of output and those after them depend on."""
        return math.prod(self.filter_widths) + (self.outputs - 1) * self.output_spacing + 1

    @property
    def skeleton(self) -> Skeleton:
        """Of the keypoints that the networks take."""
        return get_skeleton(self.input_skeleton)

    def architectures(self) -> tuple[Architecture, Architecture]:
        """Of the pose network and of its twin for the trajectory."""

        def architecture(joints_out: int, channels: int) -> Architecture:
            points = len(self.skeleton) + EXTRA_POINTS
            return Architecture(points, joints_out, self.filter_widths, channels, self.dropout, self.causal)

        return (
            architecture(len(H36M17), self.position_channels),
            architecture(1, self.trajectory_channels),
        )


def load_recipe(path: Path, assignments: Iterable[str] = ()) -> Recipe:
    """The recipe of a YAML file with fields changed by ``name=value``, nested ones by ``noise.name=value``.

    A file may begin with ``base: other.yaml``: it then says only in what it differs from that file beside it.
    `UsageError` names the file or the assignment, and the nearest known field.
    """
    mapping = _load_with_base(path, ())
    if isinstance(mapping, dict):
        for text in assignments:
            name, value = parse_assignment(text, example="cameras.aimed=false")
            place = mapping
            *sections, last = name.split(".")
            for section in sections:
                place = place.setdefault(section, {})
            place[last] = value
    return options_from_mapping(Recipe, mapping, str(path))


def _load_with_base(path: Path, users: tuple[Path, ...]) -> Any:
    mapping = load_yaml(path) or {}
    if not isinstance(mapping, dict) or "base" not in mapping:
        return mapping
    base = path.with_name(str(mapping.pop("base")))
    if base in (path, *users):
        raise UsageError(f"{path}: its base {base.name} is based on it in turn", "break the circle")
    below = _load_with_base(base, (path, *users))
    return _merged(below, mapping) if isinstance(below, dict) else mapping


def _merged(below: dict[str, Any], above: dict[str, Any]) -> dict[str, Any]:
    both = {
        key: _merged(below[key], above[key]) for key in below.keys() & above.keys() if _are_sections(below, above, key)
    }
    return {**below, **above, **both}


def _are_sections(below: dict[str, Any], above: dict[str, Any], key: str) -> bool:
    # A table such as that of the archives is replaced as a whole.
    return key in ("bodies", "cameras", "noise") and isinstance(below[key], dict) and isinstance(above[key], dict)
