"""The field's protocols on Human3.6M and HumanEva-I: errors action by action, averaged as the papers do.

An action's error is the mean over all frames of all its sequences (both takes, all cameras, all subjects); the average
is the mean over actions. Protocols 1, 2, 3 and the velocity error are those of Pavllo et al., section 5.1.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch

from lifting.data.sequences import PoseDataset, PoseSequence
from lifting.fast import FastNetwork
from lifting.inference import predict
from lifting.metrics import mpjpe, mpjve, n_mpjpe, p_mpjpe
from lifting.model import Architecture, TemporalModel
from poses import InputError

METRICS: dict[str, Callable[[np.ndarray, np.ndarray], float]] = {
    "mpjpe": mpjpe,
    "p_mpjpe": p_mpjpe,
    "n_mpjpe": n_mpjpe,
    "mpjve": mpjve,
}

HEADINGS = {"mpjpe": "MPJPE (1)", "p_mpjpe": "P-MPJPE (2)", "n_mpjpe": "N-MPJPE (3)", "mpjve": "MPJVE (mm/frame)"}


@dataclass(frozen=True)
class Figures:
    """One metric, millimetres (a frame for the velocity): the mean over actions, and each action."""

    average: float
    by_action: dict[str, float]


@dataclass(frozen=True)
class SequenceResult:
    """Errors of one sequence in millimetres, by metric; those that a single frame does not have are left out."""

    subject: str
    motion: str
    frames: int
    errors_mm: dict[str, float]


def require_model(path: Path, architecture: Architecture, data: PoseDataset, channels: int | None = None) -> None:
    """`InputError` that names the checkpoint when its network does not take these keypoints or give these joints."""
    for what, has, wants in (
        ("2D keypoints", architecture.input_joints, data.layout.joints),
        ("3D joints", architecture.output_joints, len(data.dataset.skeleton)),
    ):
        if has != wants:
            raise InputError(
                f"{path}: made for {has} {what}, {data.dataset.name} with "
                f"{data.layout.name or 'these'} keypoints has {wants}",
                "choose other --keypoints or another --checkpoint",
            )
    if channels is not None and architecture.channels != channels:
        raise InputError(f"{path}: has {architecture.channels} channels, not {channels}", "correct --channels")


def evaluate_sequences(
    model: TemporalModel | FastNetwork, data: PoseDataset, flip: bool = True
) -> Iterator[SequenceResult]:
    """Lift every labelled sequence and measure it; `flip` averages with the mirrored input (test-time augmentation)."""
    mirror = (data.layout.mirror, data.dataset.skeleton.mirror) if flip else None
    for sequence in data.sequences:
        predicted = predict(model, torch.from_numpy(sequence.keypoints), mirror).numpy()
        yield measure(sequence, predicted)


def measure(sequence: PoseSequence, predicted_m: np.ndarray) -> SequenceResult:
    """Errors of predicted joints (T, K, 3) of one sequence. `ValueError` when it is unlabelled."""
    if sequence.positions_m is None:
        raise ValueError(f"{sequence.subject}/{sequence.action} has no 3D to compare with")
    errors = {
        name: 1000 * metric(predicted_m, sequence.positions_m)
        for name, metric in METRICS.items()
        if len(sequence) > 1 or name != "mpjve"
    }
    return SequenceResult(sequence.subject, sequence.motion, len(sequence), errors)


def summarise(results: Iterable[SequenceResult]) -> dict[str, Figures]:
    """The action-wise table; actions in the order in which they come."""
    sums: dict[str, dict[str, list[float]]] = {name: {} for name in METRICS}
    for result in results:
        for name, error in result.errors_mm.items():
            total = sums[name].setdefault(result.motion, [0.0, 0.0])
            total[0] += error * result.frames
            total[1] += result.frames
    summary: dict[str, Figures] = {}
    for name, actions in sums.items():
        by_action = {motion: total / frames for motion, (total, frames) in actions.items()}
        average = float(np.mean(list(by_action.values()))) if by_action else float("nan")
        summary[name] = Figures(average, by_action)
    return summary


def format_summary(summary: dict[str, Figures]) -> str:
    """An aligned table in millimetres: a row an action, the average last."""
    lines = ["  ".join([f"{'action':<14}", *[f"{HEADINGS[name]:>16}" for name in summary]])]
    for motion in summary["mpjpe"].by_action:
        cells = [figures.by_action.get(motion, float("nan")) for figures in summary.values()]
        lines.append("  ".join([f"{motion:<14}", *[f"{cell:>16.2f}" for cell in cells]]))
    averages = [f"{figures.average:>16.2f}" for figures in summary.values()]
    lines.append("  ".join([f"{'average':<14}", *averages]))
    return "\n".join(lines)
