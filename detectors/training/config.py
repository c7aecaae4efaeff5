"""Options of fine-tuning a detector, with the paper's recipes in configs/finetune/ (section 5.2 of the paper)."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

from poses import Skeleton, UsageError, get_skeleton
from poses.options import options_from_mapping, parse_assignment

ARCHITECTURES = ("cpn", "keypointrcnn", "maskrcnn-d2")

_DO_NOT_CHANGE_THE_WEIGHTS = (
    "validation_annotations",
    "validation_images",
    "validation_people",
    "evaluate_every",
    "log_every",
    "save_every_s",
    "workers",
    "tensorboard",
)


@dataclass(frozen=True)
class FinetuneConfig:
    """Fields carry their own help. An iteration is one step of the optimiser."""

    architecture: Literal["cpn", "keypointrcnn", "maskrcnn-d2"] = field(metadata={"help": "what is trained"})
    train_annotations: str = field(metadata={"help": "COCO-keypoints JSON to train on"})
    train_images: str | None = field(
        default=None, metadata={"help": "folder of its images; null: the names start at the JSON's own folder"}
    )
    validation_annotations: str | None = field(
        default=None, metadata={"help": "COCO-keypoints JSON that is evaluated while training; null for none"}
    )
    validation_images: str | None = field(default=None, metadata={"help": "folder of its images, as above"})
    validation_people: int = field(
        default=1000, metadata={"help": "evaluate on at most this many people, spread evenly; 0 for all"}
    )
    skeleton: str = field(default="h36m17", metadata={"help": "joints to find, which the JSON's category names"})
    model: str | None = field(default=None, metadata={"help": "variant of the architecture; null: its usual one"})
    weights: str | None = field(
        default=None, metadata={"help": "start from this file or catalogue name; null: from random weights"}
    )
    reinitialise: tuple[str, ...] = field(
        default=(), metadata={"help": "layers (beginnings of parameter names) that start anew instead"}
    )
    frozen: tuple[str, ...] = field(
        default=(), metadata={"help": "layers (beginnings of parameter names) that are not trained"}
    )

    batch: int = field(default=32, metadata={"help": "people (cpn) or images a step, over all processes"})
    learning_rates: tuple[float, ...] = field(default=(5e-5, 5e-6, 5e-7), metadata={"help": "one after the other"})
    iterations: tuple[int, ...] = field(
        default=(6000, 4000, 2000), metadata={"help": "how many iterations each learning rate lasts"}
    )
    warmup_iterations: int = field(
        default=0, metadata={"help": "the first learning rate is reached linearly over so many iterations"}
    )
    optimiser: Literal["sgd", "adam"] = field(default="adam", metadata={"help": "adam, or sgd with momentum 0.9"})
    weight_decay: float = field(default=1e-5, metadata={"help": "L2 penalty of the optimiser"})
    clip_gradient: float = field(default=0.0, metadata={"help": "largest norm of the gradient; 0: not clipped"})
    precision: Literal["fp32", "bf16", "fp16"] = field(
        default="fp32", metadata={"help": "of the matrix products (AMP); fp16 on GPUs alone, with loss scaling"}
    )
    seed: int = field(default=1, metadata={"help": "the same seed gives the same weights"})

    scale: tuple[float, ...] = field(
        default=(0.7, 1.35), metadata={"help": "augmentation: least and largest factor on the person's size"}
    )
    rotation_degrees: float = field(default=45.0, metadata={"help": "augmentation: largest rotation (cpn)"})
    flip: float = field(default=0.5, metadata={"help": "augmentation: probability of the mirror image"})
    colour: float = field(
        default=0.0, metadata={"help": "augmentation: largest change of brightness and contrast, as a part of 1"}
    )
    box_padding: float = field(default=0.25, metadata={"help": "part of the box that is added around it (cpn)"})
    hard_keypoints: int = field(
        default=8, metadata={"help": "online hard keypoint mining: the worst so many of a person count (cpn)"}
    )
    input_hw: tuple[int, ...] = field(default=(384, 288), metadata={"help": "height and width of a crop (cpn)"})
    heatmap_sigmas: tuple[float, ...] = field(
        default=(3.8, 2.9, 2.3, 1.7),
        metadata={"help": "spread of the targets in heatmap pixels, GlobalNet's deepest level first; the last is also "
                  "RefineNet's (cpn)"},
    )  # fmt: skip
    image_sides: tuple[int, ...] = field(
        default=(640, 672, 704, 736, 768, 800),
        metadata={"help": "augmentation: short sides in pixels, one is drawn for each step (R-CNNs)"},
    )
    image_side_max: int = field(default=1333, metadata={"help": "longest side of an image in pixels (R-CNNs)"})

    keypoint_channels: tuple[int, ...] = field(
        default=(512,) * 8, metadata={"help": "convolutions of the keypoint head; fewer are faster (R-CNNs)"}
    )

    proposals: int = field(
        default=512, metadata={"help": "proposals of an image from which the box head learns (R-CNNs)"}
    )

    evaluate_every: int = field(default=1000, metadata={"help": "iterations between evaluations; 0: at the end alone"})
    log_every: int = field(default=50, metadata={"help": "iterations between rows of the curve"})
    save_every_s: float = field(default=600.0, metadata={"help": "seconds between checkpoints"})
    workers: int = field(default=2, metadata={"help": "threads a process that read and prepare images"})
    tensorboard: bool = field(default=False, metadata={"help": "curves for TensorBoard too (a further package)"})

    def __post_init__(self) -> None:
        try:
            get_skeleton(self.skeleton)
        except UsageError as error:
            raise ValueError(str(error)) from None
        if len(self.learning_rates) != len(self.iterations) or not self.iterations:
            raise ValueError(
                f"learning_rates and iterations belong together, got {len(self.learning_rates)} and "
                f"{len(self.iterations)}"
            )
        if min(self.iterations) < 1 or min(self.learning_rates) <= 0:
            raise ValueError("every learning rate must be above 0 and last at least one iteration")
        for name in ("batch", "log_every", "workers", "hard_keypoints", "proposals", "image_side_max"):
            if getattr(self, name) < 1:
                raise ValueError(f"{name} must be at least 1, got {getattr(self, name)}")
        for name in (
            *("validation_people", "warmup_iterations", "weight_decay", "clip_gradient", "seed", "evaluate_every"),
            *("save_every_s", "rotation_degrees", "box_padding"),
        ):
            if getattr(self, name) < 0:
                raise ValueError(f"{name} must not be negative, got {getattr(self, name)}")
        if not (0 <= self.flip <= 1 and 0 <= self.colour < 1):
            raise ValueError(f"flip must lie from 0 to 1 and colour below 1, got {self.flip:g} and {self.colour:g}")
        if len(self.scale) != 2 or not 0 < self.scale[0] <= self.scale[1]:
            raise ValueError(f"scale takes the least and the largest factor, got {list(self.scale)}")
        if len(self.input_hw) != 2 or any(side < 32 or side % 32 for side in self.input_hw):
            raise ValueError(f"input_hw takes height and width, multiples of 32, got {list(self.input_hw)}")
        if len(self.heatmap_sigmas) != 4 or min(self.heatmap_sigmas) <= 0:
            raise ValueError(f"heatmap_sigmas takes four numbers above 0, got {list(self.heatmap_sigmas)}")
        if not self.image_sides or min(self.image_sides) < 1:
            raise ValueError(f"image_sides takes sizes in pixels, got {list(self.image_sides)}")
        if self.reinitialise and self.weights is None:
            raise ValueError("reinitialise asks for weights to start from: without, all layers start anew")

    @property
    def joints(self) -> Skeleton:
        """The skeleton that is learnt."""
        return get_skeleton(self.skeleton)

    @property
    def total_iterations(self) -> int:
        """Of the whole run."""
        return sum(self.iterations)

    def learning_rate_at(self, step: int) -> float:
        """Learning rate of an iteration, counted from 0."""
        warmup = min(1.0, (step + 1) / self.warmup_iterations) if self.warmup_iterations else 1.0
        end = 0
        for rate, length in zip(self.learning_rates, self.iterations, strict=True):
            end += length
            if step < end:
                return rate * warmup
        return self.learning_rates[-1]

    def fingerprint(self) -> str:
        """All that determines the weights, as text: checkpoints of other configurations are told apart by it."""
        values = dataclasses.asdict(self)
        return json.dumps({k: v for k, v in values.items() if k not in _DO_NOT_CHANGE_THE_WEIGHTS}, sort_keys=True)


def config_from(mapping: Any, assignments: list[str], where: str) -> FinetuneConfig:
    """A file's content, changed by `--set name=value` texts; `UsageError` says what is wrong and where."""
    if not isinstance(mapping, Mapping):
        raise UsageError(f"{where}: expected options as 'name: value', got {type(mapping).__name__}")
    changed = dict(parse_assignment(text, example="batch=16") for text in assignments)
    merged = {**mapping, **changed}
    source = where + "".join(f", --set {name}" for name in changed)
    required = [f.name for f in dataclasses.fields(FinetuneConfig) if f.default is dataclasses.MISSING]
    missing = [name for name in required if name not in merged]
    if missing:
        raise UsageError(f"{source}: lacks {', '.join(missing)}")
    return options_from_mapping(FinetuneConfig, merged, source)
