"""The state of a training run on a dataset: networks, optimiser, place in the epoch; and its checkpoint."""

from __future__ import annotations

import logging
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from lifting.card import model_from
from lifting.dataset_recipe import DatasetRecipe
from lifting.dropout import use_bit_dropout
from lifting.frame_store import Windows
from lifting.model import Architecture, TemporalModel
from lifting.reference_checkpoint import load_reference_checkpoint, save_reference_checkpoint
from poses import InputError
from poses.checkpoints import read_checkpoint, write_checkpoint
from poses.distributed import Ranks

log = logging.getLogger(__name__)

SUMS = ("pose", "trajectory", "projection", "bone", "frames", "unlabelled_frames")
"""What is summed up over an epoch: each loss times its frames, and the frames."""


class Networks(nn.Module):
    """The pose network and, where one is trained, its trajectory twin, as one module."""

    def __init__(self, position: TemporalModel, trajectory: TemporalModel | None) -> None:
        super().__init__()
        self.position = position
        self.trajectory = trajectory
        setup = position.architecture
        self._receptive_field = 0 if setup.dense else setup.receptive_field

    def forward(self, keypoints: Tensor) -> tuple[Tensor, Tensor | None]:
        """(B, T, J, 2) to joints (B, T', K, 3) and root (B, T', 1, 3); one frame comes from the strided twin."""
        single = keypoints.shape[1] == self._receptive_field

        def run(model: TemporalModel) -> Tensor:
            return model.forward_single(keypoints) if single else model(keypoints)

        return run(self.position), None if self.trajectory is None else run(self.trajectory)

    def set_batch_norm_momentum(self, momentum: float) -> None:
        """Of both networks."""
        for model in (self.position, self.trajectory):
            if model is not None:
                model.set_batch_norm_momentum(momentum)


class DatasetRun:
    """Everything of a run that changes.

    Attributes
    ----------
    networks : the weights; `parallel` is the same module with gradients averaged over the processes.
    epoch, step : epochs done, and steps done of the present one. All that is random in a step depends on the seed and
        these alone, so they are the state of the random numbers too.
    sums : (6,) float64 of the present epoch, see `SUMS`; of this process's share.
    best_mm : lowest MPJPE of an evaluation.
    """

    def __init__(self, recipe: DatasetRecipe, input_joints: int, output_joints: int, frames: int, ranks: Ranks) -> None:
        position, trajectory = recipe.architectures(input_joints, output_joints)
        twin = None if trajectory is None else model_from(trajectory, recipe.seed + 1)
        self.recipe = recipe
        self.ranks = ranks
        self.networks = Networks(model_from(position, recipe.seed), twin).to(ranks.device)
        if ranks.device == "cpu":
            for model in self.networks.children():
                use_bit_dropout(model)
        self.parallel = ranks.wrap(self.networks)
        self.optimiser = torch.optim.Adam(self.networks.parameters(), lr=recipe.learning_rate, amsgrad=True, fused=True)
        self.scaler = torch.amp.GradScaler(ranks.device.split(":")[0], enabled=recipe.precision == "fp16")
        self.epoch = 0
        self.step = 0
        self.sums = torch.zeros(len(SUMS), dtype=torch.float64, device=ranks.device)
        self.best_mm = float("inf")
        self._frames = frames

    def save(self, path: Path) -> None:
        """Write the checkpoint atomically; `InputError`, and nothing written, when the training has diverged."""
        self.require_finite(path)
        state: dict[str, Any] = {
            "networks": self.networks.state_dict(),
            "optimiser": self.optimiser.state_dict(),
            "scaler": self.scaler.state_dict(),
            "epoch": self.epoch,
            "step": self.step,
            "sums": self.sums.cpu(),
            "best_mm": self.best_mm,
            "recipe": self.recipe.fingerprint(),
            "frames": self._frames,
            "world": self.ranks.world,
        }
        write_checkpoint(path, state)

    def load(self, path: Path) -> None:
        """Go on from a checkpoint. `InputError` when it is cut off, or belongs to another recipe or other data."""
        state = read_checkpoint(path, ["recipe", "frames", "world", "networks", "optimiser", "scaler", "epoch", "step"])
        recipe, frames, world = state["recipe"], state["frames"], state["world"]
        other = "delete it, or choose another --output, to start again"
        if recipe != self.recipe.fingerprint():
            raise InputError(f"{path}: the checkpoint belongs to another recipe", other)
        if frames != self._frames:
            raise InputError(
                f"{path}: the checkpoint was trained on {frames} frames, the data hold {self._frames}", other
            )
        if world != self.ranks.world:
            log.warning(
                "%s was made by %d processes, these are %d: not the same random numbers", path, world, self.ranks.world
            )
        self.networks.load_state_dict(state["networks"])
        self.optimiser.load_state_dict(state["optimiser"])
        self.scaler.load_state_dict(state["scaler"])
        self.epoch, self.step, self.best_mm = state["epoch"], state["step"], state["best_mm"]
        self.sums = state["sums"].to(self.ranks.device)
        if not self.ranks.is_main:
            # The first process saved its own share of the sums.
            self.sums = torch.zeros_like(self.sums)

    def start_from(self, path: Path, go_on: bool) -> None:
        """Take the weights of a checkpoint of the reference's form; with `go_on` its epoch and optimiser too.

        `InputError` when its networks are of another shape: another architecture, or another keypoint layout.
        """
        wanted = self.networks.position.architecture
        found = load_reference_checkpoint(path, wanted.causal, wanted.filter_widths, wanted.dense)
        for own, theirs in ((self.networks.position, found.position), (self.networks.trajectory, found.trajectory)):
            if own is not None and theirs is not None:
                _require_same(path, own.architecture, theirs.architecture)
                own.load_state_dict(theirs.state_dict())
        if self.networks.trajectory is not None and found.trajectory is None:
            log.warning("%s holds no trajectory network, it starts untrained", path)
        if go_on:
            self.epoch = found.epoch
            if found.optimizer is not None:
                self._load_reference_optimiser(path, found.optimizer)
            else:
                log.warning("%s holds no optimiser, it starts anew", path)

    def _load_reference_optimiser(self, path: Path, saved: dict[str, Any]) -> None:
        own = list(self.networks.parameters())
        try:
            shapes = [tuple(saved["state"][number]["exp_avg"].shape) for number in range(len(own))]
            if shapes != [tuple(parameter.shape) for parameter in own]:
                raise ValueError("tensors of other shapes")
            self.optimiser.load_state_dict({**self.optimiser.state_dict(), "state": saved["state"]})
        except (LookupError, TypeError, ValueError, AttributeError) as error:
            raise InputError(
                f"{path}: its optimiser does not fit these networks ({type(error).__name__}: {error})",
                "use initial_weights for the weights alone",
            ) from None

    def export(self, path: Path, with_optimiser: bool = False) -> None:
        """Write the weights in the reference implementation's form, atomically; `with_optimiser` to go on from them."""
        networks, rate = self.networks, self.recipe.learning_rate_at(self.epoch)
        state = self.optimiser.state_dict() if with_optimiser else None
        save_reference_checkpoint(path, networks.position, networks.trajectory, self.epoch, rate, state)

    def require_finite(self, where: Path) -> None:
        """`InputError` when a loss has become NaN or infinite."""
        if not bool(self.sums.isfinite().all()):
            raise InputError(
                f"{where.parent}: the loss is no longer a finite number in epoch {self.epoch + 1}, step {self.step}",
                "lower learning_rate, or use precision bf16 or fp32",
            )

    def record(self, losses: dict[str, Tensor], labelled: Windows, unlabelled: Windows | None) -> None:
        """Add a step's losses to the sums, without waiting for the device."""
        frames = [0 if part is None else len(part) * self.recipe.stride for part in (labelled, unlabelled)]
        own = {"pose": frames[0], "trajectory": frames[0], "projection": frames[1], "bone": frames[1]}
        terms = [losses[name] * frames if name in losses else self.sums.new_zeros(()) for name, frames in own.items()]
        self.sums += torch.stack([*(term.double() for term in terms), *self.sums.new_tensor(frames)])

    def means(self) -> dict[str, float]:
        """Mean losses of the present epoch so far, over all processes; the trajectory a ratio, lengths in metres."""
        sums = dict(zip(SUMS, self.ranks.total(self.sums).tolist(), strict=True))
        frames, unlabelled = sums["frames"], sums["unlabelled_frames"]
        means = {"pose": sums["pose"] / max(frames, 1)}
        if self.networks.trajectory is not None:
            means["trajectory"] = sums["trajectory"] / max(frames, 1)
        if unlabelled:
            wanted = {"projection": self.recipe.projection, "bone": self.recipe.bone_length}
            means |= {name: sums[name] / unlabelled for name, used in wanted.items() if used}
        return means


def _require_same(path: Path, wanted: Architecture, found: Architecture) -> None:
    def text(a: Architecture) -> str:
        return f"{a.input_joints} keypoints in, {a.output_joints} joints out, {a.channels} channels"

    if text(wanted) != text(found):
        raise InputError(
            f"{path}: holds a network of {text(found)}; the keypoints and the recipe ask for {text(wanted)}",
            "choose other keypoints, channels, or another checkpoint",
        )
