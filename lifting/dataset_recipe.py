"""Options of training on Human3.6M or HumanEva-I, with the paper's values as defaults (sections 5.3, A.5, A.6)."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

from lifting.data.datasets import Dataset, get_dataset
from lifting.model import Architecture
from poses import UsageError
from poses.options import options_from_mapping, parse_assignment

_DO_NOT_CHANGE_THE_WEIGHTS = ("evaluate_every", "evaluate_training", "export_every", "save_every_s", "tensorboard")


@dataclass(frozen=True)
class DatasetRecipe:
    """Fields carry their own help."""

    dataset: str = field(metadata={"help": "h36m or humaneva15"})
    keypoints: str = field(metadata={"help": "2D keypoints: data_2d_<dataset>_<keypoints>.npz, for example gt"})
    subjects_train: tuple[str, ...] | None = field(
        default=None, metadata={"help": "subjects with 3D labels to train on; the dataset's usual ones if null"}
    )
    subjects_test: tuple[str, ...] | None = field(
        default=None, metadata={"help": "subjects to evaluate on; the dataset's usual ones if null"}
    )
    actions: tuple[str, ...] | None = field(
        default=None, metadata={"help": "only actions whose names start so, in training and test; all if null"}
    )
    subset: float = field(
        default=1.0, metadata={"help": "share of each labelled sequence to train on, a contiguous stretch"}
    )
    downsample: int = field(
        default=1, metadata={"help": "keep every N-th frame of all data (5 makes 10 Hz of Human3.6M)"}
    )

    filter_widths: tuple[int, ...] = field(default=(3, 3, 3, 3, 3), metadata={"help": "temporal filter widths"})
    channels: int = field(default=1024, metadata={"help": "width of the networks"})
    dropout: float = field(default=0.25, metadata={"help": "probability of dropping an activation"})
    causal: bool = field(default=False, metadata={"help": "see only frames up to the present one"})
    dense: bool = field(default=False, metadata={"help": "dense convolutions instead of dilated ones"})
    trajectory: bool = field(
        default=False, metadata={"help": "train the trajectory network too (semi-supervised training always does)"}
    )

    epochs: int = field(default=80, metadata={"help": "times through the labelled data"})
    batch_frames: int = field(default=1024, metadata={"help": "labelled frames of output a step, over all processes"})
    stride: int = field(
        default=1, metadata={"help": "consecutive frames of output a chunk; 1 is fastest and best (appendix A.5)"}
    )
    learning_rate: float = field(default=1e-3, metadata={"help": "in the first epoch"})
    learning_rate_decay: float = field(default=0.95, metadata={"help": "factor from epoch to epoch"})
    momentum_start: float = field(default=0.1, metadata={"help": "batch-norm momentum in the first epoch"})
    momentum_end: float = field(default=0.001, metadata={"help": "and after the last; it falls exponentially"})
    flip_training: bool = field(default=True, metadata={"help": "train on the mirror image of each example too"})
    flip_test: bool = field(
        default=True, metadata={"help": "average with the mirrored input in the final table (not in the curve)"}
    )
    precision: Literal["fp32", "bf16", "fp16"] = field(
        default="fp32", metadata={"help": "of the matrix products; fp16 on GPUs alone, with loss scaling"}
    )
    seed: int = field(default=1, metadata={"help": "the same seed gives the same weights"})
    initial_weights: str | None = field(
        default=None, metadata={"help": "start with the weights of this file of the reference's form (fine-tuning)"}
    )
    continue_from: str | None = field(
        default=None,
        metadata={
            "help": "go on from this file of the reference's form: weights, epoch, and the optimiser if it is there"
        },
    )

    unlabelled_subjects: tuple[str, ...] = field(
        default=(), metadata={"help": "semi-supervised: subjects of whom only the 2D keypoints are used"}
    )
    unlabelled_tracks: tuple[str, ...] = field(
        default=(), metadata={"help": "semi-supervised: tracks.npz of the pipeline, or folders that hold some"}
    )
    warmup_epochs: int = field(
        default=1, metadata={"help": "semi-supervised: first epochs with the labelled data alone"}
    )
    projection: bool = field(default=True, metadata={"help": "semi-supervised: the back-projection term"})
    linear_projection: bool = field(
        default=False, metadata={"help": "semi-supervised: project without the lens distortion"}
    )
    bone_length: bool = field(default=True, metadata={"help": "semi-supervised: the bone-length term"})

    evaluate_every: int = field(default=1, metadata={"help": "epochs between evaluations for the curve; 0 for none"})
    evaluate_training: bool = field(default=False, metadata={"help": "evaluate on the labelled training data too"})
    export_every: int = field(
        default=0, metadata={"help": "epochs between exports of the weights, epoch_N.bin; 0 for none"}
    )
    save_every_s: float = field(
        default=600.0, metadata={"help": "seconds between checkpoints within an epoch (one is written after each)"}
    )
    tensorboard: bool = field(default=False, metadata={"help": "curves for TensorBoard too (a further package)"})

    def __post_init__(self) -> None:
        get_dataset(self.dataset)
        for name in ("downsample", "channels", "epochs", "stride"):
            if getattr(self, name) < 1:
                raise ValueError(f"{name} must be at least 1, got {getattr(self, name)}")
        for name in ("warmup_epochs", "evaluate_every", "export_every", "seed", "learning_rate", "save_every_s"):
            if getattr(self, name) < 0:
                raise ValueError(f"{name} must not be negative, got {getattr(self, name)}")
        for name in ("subset", "learning_rate_decay", "momentum_start", "momentum_end"):
            if not 0 < getattr(self, name) <= 1:
                raise ValueError(f"{name} must lie above 0 and at most 1, got {getattr(self, name):g}")
        if not 0 <= self.dropout < 1:
            raise ValueError(f"dropout must lie from 0 to below 1, got {self.dropout:g}")
        if self.batch_frames // self.stride < 2:
            raise ValueError(
                f"batch_frames {self.batch_frames} must hold at least two chunks of stride {self.stride} frames"
            )
        if not (self.projection or self.bone_length) and self.semi_supervised:
            raise ValueError("without projection and bone_length nothing is learnt from unlabelled data")
        if self.initial_weights is not None and self.continue_from is not None:
            raise ValueError("initial_weights and continue_from exclude each other")
        self.architectures(1, 1)

    @property
    def semi_supervised(self) -> bool:
        """Whether there are unlabelled data."""
        return bool(self.unlabelled_subjects or self.unlabelled_tracks)

    @property
    def data(self) -> Dataset:
        """The dataset's description."""
        return get_dataset(self.dataset)

    @property
    def chunks_per_batch(self) -> int:
        """Labelled chunks a step, over all processes."""
        return self.batch_frames // self.stride

    def architectures(self, input_joints: int, output_joints: int) -> tuple[Architecture, Architecture | None]:
        """Of the pose network, and of the trajectory network where one is trained."""
        pose = Architecture(
            input_joints, output_joints, self.filter_widths, self.channels, self.dropout, self.causal, self.dense
        )
        twin = dataclasses.replace(pose, output_joints=1)
        return pose, twin if self.trajectory or self.semi_supervised else None

    def learning_rate_at(self, epoch: int) -> float:
        """Learning rate of an epoch, counted from 0."""
        return self.learning_rate * self.learning_rate_decay**epoch

    def momentum_at(self, epoch: int) -> float:
        """Batch-norm momentum of an epoch, counted from 0."""
        return self.momentum_start * (self.momentum_end / self.momentum_start) ** (epoch / self.epochs)

    def fingerprint(self) -> str:
        """All that determines the weights, as text: checkpoints of other recipes are told apart by it."""
        values = dataclasses.asdict(self)
        return json.dumps({k: v for k, v in values.items() if k not in _DO_NOT_CHANGE_THE_WEIGHTS}, sort_keys=True)


def recipe_from(mapping: Any, assignments: Mapping[str, Any] | list[str], where: str) -> DatasetRecipe:
    """The recipe of a configuration's content, changed by `--set name=value` texts; `UsageError` says what is wrong."""
    if not isinstance(mapping, Mapping):
        raise UsageError(f"{where}: expected options as 'name: value', got {type(mapping).__name__}")
    changed = dict(assignments) if isinstance(assignments, Mapping) else dict(map(parse_assignment, assignments))
    merged = {**mapping, **changed}
    source = where + "".join(f", --set {name}" for name in changed)
    missing = [f.name for f in dataclasses.fields(DatasetRecipe) if f.default is dataclasses.MISSING]
    missing = [name for name in missing if name not in merged]
    if missing:
        raise UsageError(f"{source}: lacks {', '.join(missing)}")
    return options_from_mapping(DatasetRecipe, merged, source)
