"""The state of a fine-tuning run: weights, optimiser, place in the schedule; and its checkpoint."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Protocol

import torch
from torch import Tensor, nn

from detectors.checkpoints import save_state
from detectors.training.config import FinetuneConfig
from poses import InputError, UsageError
from poses.checkpoints import read_checkpoint, write_checkpoint
from poses.distributed import Ranks

log = logging.getLogger(__name__)

FORMAT = "video-to-3d-poses detector"
"""In the metadata of the weights that fine-tuning writes."""


class Trainee(Protocol):
    """A detector's network, its examples and its losses: what the loop trains.

    Attributes
    ----------
    module : the network, on its device.
    examples : number of training examples: people, or images.
    loss_names : the terms of the loss, whose sum is minimised.
    """

    module: nn.Module
    examples: int
    loss_names: tuple[str, ...]

    def prepare(self, index: int, step: int, place: int) -> Any:
        """Read and augment an example for its place in a step's batch; called from threads."""
        ...

    def losses(self, model: nn.Module, examples: Sequence[Any]) -> dict[str, Tensor]:
        """Mean losses by name; `model` is `module`, possibly wrapped so that gradients are averaged over processes."""
        ...

    def evaluate(self) -> dict[str, float]:
        """Figures on the validation data by name (of `detectors.training.metrics.FIGURES`); empty without any."""
        ...

    def metadata(self) -> dict[str, str]:
        """What a weights file says of itself, so that the detector can load it."""
        ...


class FinetuneRun:
    """Everything of a run that changes.

    Attributes
    ----------
    step : iterations done. All that is random depends on the seed and this, so it is the state of the random numbers.
    sums, summed : losses added up since the last row of the curve, and over how many iterations.
    best_px : lowest pixel error of an evaluation.
    """

    def __init__(self, config: FinetuneConfig, trainee: Trainee, ranks: Ranks) -> None:
        if config.batch % ranks.world:
            raise UsageError(f"batch {config.batch} cannot be shared by {ranks.world} processes", "change --set batch=")
        if config.precision == "fp16" and not ranks.device.startswith("cuda"):
            raise UsageError("precision fp16 trains on GPUs alone", "use --set precision=bf16 or fp32")
        self.config, self.trainee, self.ranks = config, trainee, ranks
        self.parallel = ranks.wrap(trainee.module)
        self.optimiser = make_optimiser(trainee.module, config)
        self.scaler = torch.amp.GradScaler(ranks.device.split(":")[0], enabled=config.precision == "fp16")
        self.step = 0
        self.sums = torch.zeros(len(trainee.loss_names), dtype=torch.float64, device=ranks.device)
        self.summed = 0
        self.best_px = float("inf")

    def save(self, path: Path) -> None:
        """Write the checkpoint atomically; `InputError`, and nothing written, when the training has diverged."""
        self.require_finite(path)
        state: dict[str, Any] = {
            "network": self.trainee.module.state_dict(),
            "optimiser": self.optimiser.state_dict(),
            "scaler": self.scaler.state_dict(),
            "step": self.step,
            "sums": self.sums.cpu(),
            "summed": self.summed,
            "best_px": self.best_px,
            "config": self.config.fingerprint(),
            "examples": self.trainee.examples,
            "world": self.ranks.world,
        }
        write_checkpoint(path, state)

    def load(self, path: Path) -> None:
        """Go on from a checkpoint. `InputError` when it is cut off, or belongs to another configuration or data."""
        state = read_checkpoint(path, ["config", "examples", "world", "network", "optimiser", "scaler", "step"])
        found, examples, world = state["config"], state["examples"], state["world"]
        other = "choose another --output to start again"
        if found != self.config.fingerprint():
            raise InputError(f"{path}: the checkpoint belongs to another configuration", other)
        if examples != self.trainee.examples:
            raise InputError(
                f"{path}: the checkpoint was trained on {examples} examples, the data hold {self.trainee.examples}",
                other,
            )
        if world != self.ranks.world:
            log.warning(
                "%s was made by %d processes, these are %d: other random numbers", path, world, self.ranks.world
            )
        self.trainee.module.load_state_dict(state["network"])
        self.optimiser.load_state_dict(state["optimiser"])
        self.scaler.load_state_dict(state["scaler"])
        self.step, self.summed, self.best_px = state["step"], state["summed"], state["best_px"]
        # The first process saved its own share of the sums.
        self.sums = state["sums"].to(self.ranks.device) * (1 if self.ranks.is_main else 0)

    def export(self, path: Path) -> None:
        """Write the weights for the detector, with what they are in the metadata, atomically."""
        metadata = {"format": FORMAT, "iterations": str(self.step), "config": self.config.fingerprint()}
        save_state(path, self.trainee.module.state_dict(), metadata | self.trainee.metadata())

    def require_finite(self, where: Path) -> None:
        """`InputError` when a loss has become NaN or infinite."""
        if not bool(self.sums.isfinite().all()):
            raise InputError(
                f"{where.parent}: the loss is no longer a finite number at iteration {self.step}",
                "lower learning_rates, set warmup_iterations or clip_gradient, or use precision bf16 or fp32",
            )

    def means(self) -> dict[str, float]:
        """Mean losses since the last call, over all processes; the sums start anew."""
        totals = self.ranks.total(self.sums) / (max(self.summed, 1) * self.ranks.world)
        self.sums = torch.zeros_like(self.sums)
        self.summed = 0
        return dict(zip(self.trainee.loss_names, totals.tolist(), strict=True))


def make_optimiser(module: nn.Module, config: FinetuneConfig) -> torch.optim.Optimizer:
    """Of the parameters that are trained."""
    parameters = [p for p in module.parameters() if p.requires_grad]
    if config.optimiser == "sgd":
        return torch.optim.SGD(parameters, lr=config.learning_rates[0], momentum=0.9, weight_decay=config.weight_decay)
    return torch.optim.Adam(parameters, lr=config.learning_rates[0], weight_decay=config.weight_decay)
