"""The training loop: steps, rows of the curve, evaluations, checkpoints."""

from __future__ import annotations

import logging
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch

from detectors.training.config import FinetuneConfig
from detectors.training.data import Order, Reader, step_seed
from detectors.training.metrics import FIGURES, PRIMARY
from detectors.training.run import FinetuneRun, Trainee
from poses import UsageError
from poses.curves import Curve
from poses.distributed import Ranks

log = logging.getLogger(__name__)

CHECKPOINT = "last.checkpoint"
_DTYPES = {"bf16": torch.bfloat16, "fp16": torch.float16}


def train_step(run: FinetuneRun, examples: Sequence[Any]) -> None:
    """One optimiser step of `run`, which is moved on by it."""
    config, ranks = run.config, run.ranks
    for group in run.optimiser.param_groups:
        group["lr"] = config.learning_rate_at(run.step)
    torch.manual_seed(step_seed(config.seed, run.step, ranks.rank))
    kind = ranks.device.split(":")[0]
    with torch.autocast(kind, dtype=_DTYPES.get(config.precision), enabled=config.precision != "fp32"):
        losses = run.trainee.losses(run.parallel, examples)
    terms = torch.stack([losses[name].float() for name in run.trainee.loss_names])
    run.optimiser.zero_grad(set_to_none=True)
    run.scaler.scale(terms.sum()).backward()
    if config.clip_gradient:
        run.scaler.unscale_(run.optimiser)
        torch.nn.utils.clip_grad_norm_(run.trainee.module.parameters(), config.clip_gradient)
    run.scaler.step(run.optimiser)
    run.scaler.update()
    run.sums += terms.detach().double()
    run.summed += 1
    run.step += 1


def train(
    config: FinetuneConfig, trainee: Trainee, output: Path, ranks: Ranks | None = None, resume: bool = False
) -> FinetuneRun:
    """Train to the last iteration of the schedule.

    Leaves in `output`: curve.csv, last.checkpoint, best.safetensors (lowest pixel error on the validation data, where
    there are any) and final.safetensors.

    Parameters
    ----------
    resume : go on from `output`/last.checkpoint. Without it such a file is a `UsageError`, so that nothing that was
        trained is overwritten.
    """
    ranks = ranks or Ranks()
    run = FinetuneRun(config, trainee, ranks)
    checkpoint = output / CHECKPOINT
    _begin(run, checkpoint, resume)
    curve = None
    if ranks.is_main:
        columns = ("seconds", "examples_per_s", "learning_rate", *trainee.loss_names, *FIGURES)
        events = output / "tensorboard" if config.tensorboard else None
        curve = Curve(output / "curve.csv", columns, run.step, events, counter="iteration")
    share = config.batch // ranks.world
    places = range(ranks.rank * share, (ranks.rank + 1) * share)
    reader = Reader(Order(trainee.examples, config.batch, config.seed), trainee.prepare, places, config.workers)
    trainee.module.train()
    saved = logged = time.monotonic()
    for examples in reader.steps(run.step, config.total_iterations):
        train_step(run, examples)
        evaluates = _is_due(run.step, config.evaluate_every, config.total_iterations)
        if evaluates or _is_due(run.step, config.log_every, config.total_iterations):
            logged = _add_row(run, curve, checkpoint, logged, evaluates)
        if ranks.is_main and time.monotonic() - saved >= config.save_every_s:
            run.save(checkpoint)
            saved = time.monotonic()
    if curve is not None:
        curve.close()
        run.save(checkpoint)
        run.export(output / "final.safetensors")
    return run


def _begin(run: FinetuneRun, checkpoint: Path, resume: bool) -> None:
    if resume and checkpoint.exists():
        run.load(checkpoint)
        log.info("going on after iteration %d of %s", run.step, checkpoint)
    elif checkpoint.exists():
        raise UsageError(f"{checkpoint} exists already", "go on from it with --resume, or choose another --output")


def _is_due(step: int, every: int, last: int) -> bool:
    return step == last or bool(every and step % every == 0)


def _add_row(run: FinetuneRun, curve: Curve | None, checkpoint: Path, logged: float, evaluates: bool) -> float:
    """Write a row of the curve; returns the time from which the next one counts."""
    run.require_finite(checkpoint)
    count = run.summed
    row = run.means()
    if curve is None:
        return time.monotonic()
    seconds = time.monotonic() - logged
    rate = run.config.learning_rate_at(run.step - 1)
    row = {
        "seconds": seconds,
        "examples_per_s": count * run.config.batch / max(seconds, 1e-9),
        "learning_rate": rate,
        **row,
    }
    if evaluates:
        figures = _evaluate(run)
        row |= figures
        if figures and figures[PRIMARY] < run.best_px:
            run.best_px = figures[PRIMARY]
            run.export(checkpoint.parent / "best.safetensors")
    curve.add(run.step, row)
    shown = ", ".join(f"{name} {value:.4g}" for name, value in row.items() if name != "seconds")
    log.info("iteration %d of %d: %s", run.step, run.config.total_iterations, shown)
    return time.monotonic()


def _evaluate(run: FinetuneRun) -> dict[str, float]:
    module = run.trainee.module
    module.eval()
    try:
        with torch.no_grad():
            return run.trainee.evaluate()
    finally:
        module.train()
