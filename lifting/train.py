"""Train the pose network and its trajectory twin on motion capture before virtual cameras.

python -m lifting.train --config configs/lifting/mocap_81f.yaml --data ARCHIVES --output weights.safetensors

A configuration with `dataset:` trains on Human3.6M or HumanEva-I instead (`lifting.train_dataset`).
"""

from __future__ import annotations

import argparse
import copy
import dataclasses
import json
import logging
import math
import pickle
import time
from pathlib import Path

import torch
from torch import Tensor

from lifting import train_dataset
from lifting.card import Card, model_from, save_weights
from lifting.data.mocap import Clips, load_archives, split
from lifting.data.sampling import WindowSampler
from lifting.data.virtual_cameras import Batch, film, mirror_bodies, vary_proportions
from lifting.evaluate import evaluate_clips, format_table
from lifting.lifter import Lifter
from lifting.losses import mpjpe_loss, velocity_loss, wmpjpe_loss
from lifting.model import TemporalModel
from lifting.person_frame import normalise
from lifting.recipe import Recipe
from poses import InputError, UsageError
from poses.archive import write_atomically
from poses.commands import run_command
from poses.distributed import leave
from poses.options import load_yaml, options_from_mapping

log = logging.getLogger("lifting.train")


def make_batch(sampler: WindowSampler, recipe: Recipe, step: int) -> Batch:
    """The sequences of one step; they depend on the seed and the step alone, so that a resumed run sees the same."""
    generator = torch.Generator().manual_seed(recipe.seed * 1_000_003 + step)
    frames = math.prod(recipe.filter_widths) - 1 + recipe.frames_out
    joints = sampler.draw(recipe.sequences, frames, recipe.cameras.speed, generator)
    joints = mirror_bodies(joints, torch.rand(len(joints), generator=generator) < 0.5)
    joints = vary_proportions(joints, recipe.cameras.size_spread, recipe.cameras.bone_spread, generator)
    return film(joints, recipe.cameras, recipe.noise, generator)


def update_average(average: TemporalModel, model: TemporalModel, decay: float) -> None:
    """Move every floating-point tensor of `average` towards `model`'s."""
    theirs = model.state_dict()
    with torch.no_grad():
        for name, tensor in average.state_dict().items():
            if tensor.is_floating_point():
                tensor.lerp_(theirs[name].float(), 1 - decay)


class Run:
    """Everything of a training run that changes, and its checkpoint."""

    def __init__(self, recipe: Recipe, device: str) -> None:
        position, trajectory = recipe.architectures()
        self.recipe = recipe
        self.step = 0
        self.position = model_from(position, recipe.seed).to(device)
        self.trajectory = model_from(trajectory, recipe.seed + 1).to(device)
        self.average_position = copy.deepcopy(self.position).eval()
        self.average_trajectory = copy.deepcopy(self.trajectory).eval()
        parameters = [*self.position.parameters(), *self.trajectory.parameters()]
        self.optimiser = torch.optim.Adam(parameters, lr=recipe.learning_rate, amsgrad=True)

    def _parts(self) -> dict[str, torch.nn.Module | torch.optim.Optimizer]:
        return {
            "position": self.position,
            "trajectory": self.trajectory,
            "average_position": self.average_position,
            "average_trajectory": self.average_trajectory,
            "optimiser": self.optimiser,
        }

    def save(self, path: Path) -> None:
        """Write the checkpoint atomically."""
        state = {name: part.state_dict() for name, part in self._parts().items()}
        state["step"] = self.step  # type: ignore[assignment]
        state["recipe"] = json.dumps(dataclasses.asdict(self.recipe), sort_keys=True)  # type: ignore[assignment]
        write_atomically(path, lambda stream: torch.save(state, stream))

    def load(self, path: Path) -> None:
        """Go on from a checkpoint; `InputError` when it belongs to another recipe."""
        try:
            state = torch.load(path, map_location="cpu", weights_only=True)
            recipe, step = state["recipe"], state["step"]
        except (OSError, RuntimeError, ValueError, EOFError, LookupError, TypeError, pickle.UnpicklingError) as error:
            raise InputError(f"{path}: not a readable checkpoint ({error})", "delete it to start again") from None
        if recipe != json.dumps(dataclasses.asdict(self.recipe), sort_keys=True):
            raise InputError(f"{path}: the checkpoint belongs to another recipe", "delete it to start again")
        for name, part in self._parts().items():
            part.load_state_dict(state[name])
        self.step = step


def schedule(recipe: Recipe, step: int) -> tuple[float, float]:
    """(learning rate, batch-norm momentum) of a step, both decaying exponentially over the run."""
    done = step / max(recipe.steps - 1, 1)
    rate = recipe.learning_rate * (recipe.learning_rate_end / recipe.learning_rate) ** done
    return rate, recipe.momentum_start * (recipe.momentum_end / recipe.momentum_start) ** done


def train_step(run: Run, batch: Batch, device: str) -> Tensor:
    """One optimiser step; returns (pose error, velocity error, weighted root error) in metres, (1,) ratio."""
    recipe = run.recipe
    rate, momentum = schedule(recipe, run.step)
    for group in run.optimiser.param_groups:
        group["lr"] = rate
    architecture = run.position.architecture
    points, frame = normalise(batch.keypoints.to(device))
    before = architecture.padding[0]
    inner = slice(before, before + recipe.frames_out)
    frame = frame.inner(inner)
    windows = torch.cat([points[:, i : i + architecture.receptive_field] for i in range(recipe.frames_out)])
    positions, root = batch.positions_m[:, inner].to(device), batch.root_m[:, inner].to(device)
    for model in (run.position, run.trajectory):
        model.train()
        model.set_batch_norm_momentum(momentum)
    # Dropout too depends on the step alone, so that an interrupted run ends in the same weights.
    torch.manual_seed(recipe.seed * 1_000_003 + run.step)
    with torch.autocast(device.split(":")[0], dtype=torch.bfloat16):
        answer, root_answer = (
            torch.cat(model.forward_single(windows).chunk(recipe.frames_out), dim=1)
            for model in (run.position, run.trajectory)
        )
    predicted = frame.positions_to_camera(answer.float())
    pose = mpjpe_loss(predicted, positions)
    velocity = velocity_loss(predicted, positions)
    trajectory = wmpjpe_loss(frame.root_to_camera(root_answer.float()), root)
    run.optimiser.zero_grad(set_to_none=True)
    (pose + recipe.velocity_weight * velocity + trajectory).backward()
    run.optimiser.step()
    run.step += 1
    decay = min(recipe.average_decay, (1 + run.step) / (10 + run.step))
    update_average(run.average_position, run.position, decay)
    update_average(run.average_trajectory, run.trajectory, decay)
    return torch.stack([pose, velocity, trajectory]).detach().cpu()


def train(recipe: Recipe, clips: Clips, checkpoint: Path, device: str = "cpu", save_every_s: float = 120.0) -> Run:
    """Train to the recipe's last step, from `checkpoint` where it exists; the curve goes to a CSV beside it."""
    run = Run(recipe, device)
    if checkpoint.exists():
        run.load(checkpoint)
        log.info("going on from step %d of %s", run.step, checkpoint)
    sampler = WindowSampler(clips, recipe.archive_weights)
    curve = checkpoint.with_suffix(".csv")
    _start_curve(curve, run.step)
    recent: list[Tensor] = []
    saved = started = time.monotonic()
    while run.step < recipe.steps:
        recent.append(train_step(run, make_batch(sampler, recipe, run.step), device))
        if run.step % 50 == 0 or run.step == recipe.steps:
            pose, velocity, root = torch.stack(recent).mean(0).tolist()
            speed = len(recent) / (time.monotonic() - started)
            line = f"{run.step},{1000 * pose:.2f},{1000 * velocity:.3f},{root:.4f},{speed:.2f}"
            log.info("step %s of %d", line, recipe.steps)
            with curve.open("a", encoding="utf-8") as stream:
                stream.write(line + "\n")
            recent, started = [], time.monotonic()
        if time.monotonic() - saved > save_every_s:
            run.save(checkpoint)
            saved = time.monotonic()
    run.save(checkpoint)
    return run


def _start_curve(curve: Path, step: int) -> None:
    """Write the head of the curve, and of an older curve what lies before `step`, from where the run goes on."""
    try:
        rows = curve.read_text(encoding="utf-8").splitlines()[1:] if step and curve.exists() else []
        kept = [row for row in rows if int(row.split(",")[0]) <= step]
        head = "step,mpjpe_mm,mpjve_mm,wmpjpe_ratio,steps_per_s"
        curve.write_text("\n".join([head, *kept]) + "\n", encoding="utf-8")
    except (OSError, ValueError) as error:
        raise InputError(f"{curve}: cannot go on with this file ({error})", "choose another --checkpoint") from None


def _names_a_dataset(arguments: list[str] | None) -> bool:
    """Whether the configuration has a `dataset:`. One that cannot be read has none: that is reported further on."""
    parser = argparse.ArgumentParser(add_help=False)
    parser.add_argument("--config")
    path = parser.parse_known_args(arguments)[0].config
    try:
        content = None if path is None else load_yaml(path)
    except UsageError:
        return False
    return isinstance(content, dict) and "dataset" in content


def main(arguments: list[str] | None = None) -> int:
    """Command line; returns the exit code."""
    if _names_a_dataset(arguments):
        return train_dataset.main(arguments)
    parser = argparse.ArgumentParser(prog="python -m lifting.train", description=__doc__)
    parser.add_argument("--config", type=Path, required=True, help="recipe, for example configs/lifting/mocap_81f.yaml")
    parser.add_argument("--data", type=Path, required=True, help="folder with the motion-capture archives (*.npz)")
    parser.add_argument("--output", type=Path, required=True, help="weights to write, *.safetensors")
    parser.add_argument("--checkpoint", type=Path, help="to resume from (default: beside the output, *.checkpoint)")
    parser.add_argument("--device", default="cpu", help="cpu or cuda[:i] (default: cpu)")
    options = parser.parse_args(arguments)
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(message)s", datefmt="%H:%M:%S")
    return run_command(lambda: _run(options))


def _run(options: argparse.Namespace) -> None:
    recipe = options_from_mapping(Recipe, load_yaml(options.config), str(options.config))
    clips, held_out = split(load_archives(options.data, sorted(recipe.archive_weights)), recipe.held_out_share)
    log.info("%d clips to train on, %d held out", len(clips), len(held_out))
    if not options.output.parent.is_dir():
        raise InputError(f"{options.output}: there is no folder {options.output.parent}", "make it first")
    checkpoint = options.checkpoint or options.output.with_suffix(".checkpoint")
    run = train(recipe, clips, checkpoint, options.device)
    card = Card(
        name=recipe.name,
        summary=recipe.summary,
        licence=recipe.licence,
        trained_on=recipe.trained_on,
        position=run.position.architecture,
        trajectory=run.trajectory.architecture,
    )
    save_weights(options.output, card, run.average_position, run.average_trajectory)
    if len(held_out):
        # Measured as saved, in half precision, then written again with the figures on the card.
        results = evaluate_clips(Lifter.load(str(options.output)), held_out, recipe)
        log.info("held-out clips:\n%s", format_table(results))
        measured = {name: round(value, 2) for name, value in results["all"].items()}
        card = dataclasses.replace(card, measured=measured)
        save_weights(options.output, card, run.average_position, run.average_trajectory)
    log.info("%s: %s", options.output, json.dumps(card.measured))


if __name__ == "__main__":
    leave(main())
