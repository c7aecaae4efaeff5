"""Train the pose network and its trajectory twin on motion capture before virtual cameras.

python -m lifting.train --config configs/lifting/wild_243f.yaml --data ARCHIVES --output weights.safetensors

A configuration with `dataset:` trains on Human3.6M or HumanEva-I instead (`lifting.train_dataset`).
"""

from __future__ import annotations

import argparse
import copy
import dataclasses
import json
import logging
import time
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from lifting import train_dataset
from lifting.card import Card, load_weights, model_from, save_weights
from lifting.data.bodies import vary_bodies
from lifting.data.mocap import Clips, split
from lifting.data.recombine import recombine
from lifting.data.sampling import WindowSampler
from lifting.data.virtual_cameras import Batch, film, mirror_bodies
from lifting.evaluate_clips import evaluate_clips, format_table
from lifting.lifter import Lifter, weights_path
from lifting.losses import mpjpe_loss, velocity_loss, wmpjpe_loss
from lifting.model import TemporalModel
from lifting.optimiser import Optimiser
from lifting.person_frame import PersonFrame, normalise
from lifting.recipe import Recipe, load_recipe
from lifting.recipe_clips import recipe_clips, with_folders, with_further_procedural
from lifting.transfer import transfer
from poses import InputError, UsageError, get_skeleton
from poses.checkpoints import read_checkpoint, write_checkpoint
from poses.commands import run_command
from poses.distributed import leave
from poses.options import load_yaml

log = logging.getLogger("lifting.train")


def make_batch(sampler: WindowSampler, recipe: Recipe, step: int, device: str = "cpu") -> Batch:
    """The sequences of one step; they depend on the seed and the step alone, so that a resumed run sees the same."""
    generator = torch.Generator(device).manual_seed(recipe.seed * 1_000_003 + step)
    joints = sampler.draw(
        recipe.sequences, recipe.sequence_frames, recipe.cameras.speed, generator, recipe.reversed_share
    )
    joints = recombine(joints, recipe.recombined_share, generator)
    joints = mirror_bodies(joints, torch.rand(len(joints), generator=generator, device=device) < 0.5)
    joints = vary_bodies(joints, recipe.bodies, generator)
    return film(joints, recipe.cameras, recipe.noise, generator, recipe.skeleton)


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
        self.optimiser = Optimiser(
            (self.position, self.trajectory), recipe.optimiser, recipe.learning_rate, recipe.muon_factor
        )

    def start_from(self, path: Path) -> None:
        """Begin with the weights of a file, as far as they fit; `InputError` where they cannot serve."""
        card, position, trajectory, _ = load_weights(path)
        theirs, ours = get_skeleton(card.input_skeleton), self.recipe.skeleton
        with torch.no_grad():
            for source, target, average in (
                (position, self.position, self.average_position),
                (trajectory, self.trajectory, self.average_trajectory),
            ):
                transfer(source, target, theirs, ours, str(path))
                average.load_state_dict(target.state_dict())

    def _parts(self) -> dict[str, torch.nn.Module | Optimiser]:
        return {
            "position": self.position,
            "trajectory": self.trajectory,
            "average_position": self.average_position,
            "average_trajectory": self.average_trajectory,
            "optimiser": self.optimiser,
        }

    def save(self, path: Path) -> None:
        """Write the checkpoint atomically."""
        state: dict[str, Any] = {name: part.state_dict() for name, part in self._parts().items()}
        state["step"] = self.step
        state["recipe"] = json.dumps(dataclasses.asdict(self.recipe), sort_keys=True)
        write_checkpoint(path, state)

    def load(self, path: Path) -> None:
        """Go on from a checkpoint; `InputError` when it belongs to another recipe."""
        state = read_checkpoint(path, ["recipe", "step", *self._parts()])
        if state["recipe"] != json.dumps(dataclasses.asdict(self.recipe), sort_keys=True):
            raise InputError(f"{path}: the checkpoint belongs to another recipe", "delete it to start again")
        for name, part in self._parts().items():
            part.load_state_dict(state[name])
        self.step = state["step"]


def schedule(recipe: Recipe, step: int) -> tuple[float, float]:
    """(learning rate, batch-norm momentum) of a step, both decaying over the run, the momentum exponentially."""
    done = step / max(recipe.steps - 1, 1)
    first, last = recipe.learning_rate, recipe.learning_rate_end
    rate = first * (last / first) ** done if recipe.decay == "exponential" else first + (last - first) * done
    return rate, recipe.momentum_start * (recipe.momentum_end / recipe.momentum_start) ** done


def losses(run: Run, batch: Batch, device: str) -> tuple[Tensor, Tensor, Tensor]:
    """(pose error, velocity error, weighted root error) of a step's sequences: metres, metres a frame, a ratio."""
    recipe = run.recipe
    points, frame = normalise(batch.keypoints.to(device), recipe.skeleton)
    # Below the frames of output, the next ones of some sequences: two neighbours have a velocity.
    neighbours = round(recipe.velocity_share * len(points))
    first, spacing = run.position.architecture.padding[0], recipe.output_spacing
    end = first + (recipe.outputs - 1) * spacing + 1

    def at_outputs(values: Tensor) -> Tensor:
        """(B, T, ...) to (B + neighbours, outputs, ...)."""
        return torch.cat([values[:, first:end:spacing], values[:neighbours, first + 1 : end + 1 : spacing]])

    positions, root = at_outputs(batch.positions_m.to(device)), at_outputs(batch.root_m.to(device))
    frame = PersonFrame(at_outputs(frame.rotation), at_outputs(frame.spread))
    windows = torch.cat([points[:, :-1], points[:neighbours, 1:]])
    with torch.autocast(device.split(":")[0], dtype=torch.bfloat16):
        answer, root_answer = (model.forward_spaced(windows, spacing) for model in (run.position, run.trajectory))
    predicted = frame.positions_to_camera(answer.float())
    pose = mpjpe_loss(predicted, positions)
    velocity = torch.zeros_like(pose)
    if neighbours:
        pairs = (torch.stack([p[:neighbours], p[-neighbours:]], dim=1) for p in (predicted, positions))
        velocity = velocity_loss(*pairs)
    return pose, velocity, wmpjpe_loss(frame.root_to_camera(root_answer.float()), root)


def train_step(run: Run, batch: Batch, device: str) -> Tensor:
    """One optimiser step; returns (3,) the `losses` before it, on the CPU."""
    recipe = run.recipe
    rate, momentum = schedule(recipe, run.step)
    run.optimiser.set_learning_rate(rate)
    for model in (run.position, run.trajectory):
        model.train()
        model.set_batch_norm_momentum(momentum)
    # Dropout too depends on the step alone, so that an interrupted run ends in the same weights.
    torch.manual_seed(recipe.seed * 1_000_003 + run.step)
    pose, velocity, trajectory = losses(run, batch, device)
    run.optimiser.zero_grad()
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
    elif recipe.start_from is not None:
        run.start_from(weights_path(recipe.start_from))
        log.info("starting from the weights of %s", recipe.start_from)
    sampler = WindowSampler(clips, recipe.archive_weights)
    curve = checkpoint.with_suffix(".csv")
    _start_curve(curve, run.step)
    recent: list[Tensor] = []
    saved = started = time.monotonic()
    while run.step < recipe.steps:
        recent.append(train_step(run, make_batch(sampler, recipe, run.step, device), device))
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
    parser.add_argument("--config", type=Path, required=True, help="recipe, such as configs/lifting/wild_243f.yaml")
    parser.add_argument("--data", type=Path, required=True, help="folder with the motion-capture archives (*.npz)")
    parser.add_argument(
        "--add",
        metavar="FOLDER[=SHARE]",
        action="append",
        default=[],
        help="train on a folder of BVH files, too; its share counts like the recipe's (default: 0.15)",
    )
    parser.add_argument("--set", metavar="NAME=VALUE", action="append", default=[], help="change a field of the recipe")
    parser.add_argument("--output", type=Path, required=True, help="weights to write, *.safetensors")
    parser.add_argument("--checkpoint", type=Path, help="to resume from (default: beside the output, *.checkpoint)")
    parser.add_argument("--device", default="cpu", help="cpu or cuda[:i] (default: cpu)")
    options = parser.parse_args(arguments)
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(message)s", datefmt="%H:%M:%S")
    return run_command(lambda: _run(options))


def _run(options: argparse.Namespace) -> None:
    _train_recipe(options, options.config, options.output, options.checkpoint)


def _train_recipe(options: argparse.Namespace, config: Path, output: Path, checkpoint: Path | None = None) -> None:
    """Train the recipe of `config` into `output`, after the recipe that it starts from, if that has not been."""
    recipe, folders = with_folders(load_recipe(config, options.set), options.add)
    if not output.parent.is_dir():
        raise InputError(f"{output}: there is no folder {output.parent}", "make it first")
    if recipe.start_from is not None and recipe.start_from.endswith(".yaml"):
        before = config.with_name(recipe.start_from)
        first = output.with_name(f"{load_recipe(before).name}.safetensors")
        if not first.exists():
            log.info("%s starts from %s, which is trained first", config, before)
            _train_recipe(options, before, first)
        recipe = dataclasses.replace(recipe, start_from=str(first))
    clips, held_out = split(recipe_clips(recipe, options.data, folders), recipe.held_out_share)
    clips = with_further_procedural(recipe, clips)
    log.info("%d clips to train on, %d held out", len(clips), len(held_out))
    run = train(recipe, clips, checkpoint or output.with_suffix(".checkpoint"), options.device)
    card = Card(
        name=recipe.name,
        summary=recipe.summary,
        licence=recipe.licence,
        trained_on=recipe.trained_on,
        position=run.position.architecture,
        trajectory=run.trajectory.architecture,
        input_skeleton=recipe.input_skeleton,
    )
    save_weights(output, card, run.average_position, run.average_trajectory, recipe.eight_bits)
    if len(held_out):
        # Measured as saved, in half precision, then written again with the figures on the card.
        # The networks alone: bones are steadied over a whole video, for which a live picture does not wait.
        results = evaluate_clips(Lifter.load(str(output)), held_out, recipe, steady_bones=0)
        log.info("held-out clips:\n%s", format_table(results))
        measured = {name: round(value, 2) for name, value in results["all"].items()}
        card = dataclasses.replace(card, measured=measured)
        save_weights(output, card, run.average_position, run.average_trajectory, recipe.eight_bits)
    log.info("%s: %s", output, json.dumps(card.measured))


if __name__ == "__main__":
    leave(main())
