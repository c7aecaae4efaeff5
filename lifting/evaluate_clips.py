"""Errors of a lifter on motion-capture clips before virtual cameras, in all and by what makes them easy or hard.

Shape letters: T frames, J keypoints.
"""

from __future__ import annotations

import dataclasses
import math
import re
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import torch

from lifting.adapt import Stretch, adapt
from lifting.bones import set_bone_lengths, typical_bone_lengths
from lifting.canonical import REFERENCE_FOCAL
from lifting.card import Card
from lifting.data.mocap import Clips
from lifting.data.virtual_cameras import Batch, film
from lifting.ground import ground
from lifting.lift import LiftOptions
from lifting.lifter import Lifter
from lifting.metrics import (
    acceleration_error,
    bone_length_variation,
    exchanged_sides,
    lean_deg,
    mpjpe,
    mpjve,
    n_mpjpe,
    p_mpjpe,
    root_error_ratio,
    side_length_difference,
)
from lifting.recipe import Recipe
from lifting.root import refine_root
from lifting.unseen import fill_unseen_joints
from poses import COCO17, H36M17, Intrinsics, Poses3D, Skeleton

LONGEST_FRAMES = 400
EVALUATION_SEED = 20_000_003
_CANONICAL = Intrinsics(REFERENCE_FOCAL, REFERENCE_FOCAL, 0.0, 0.0, 2, 2)

_COLUMNS = {
    "mpjpe_mm": "MPJPE",
    "p_mpjpe_mm": "P-MPJPE",
    "n_mpjpe_mm": "N-MPJPE",
    "mpjve_mm": "MPJVE",
    "acceleration_mm": "acc.",
    "root_percent": "root %",
    "root_refined_percent": "refined",
    "lean_deg": "lean °",
    "bone_variation_mm": "bones",
    "side_difference_mm": "L-R",
    "exchanged_percent": "swapped %",
    "frames": "frames",
}


@dataclass(frozen=True)
class Sequence:
    """A clip before a camera of its own: canonical keypoints (T, J, 2), joints (T, 17, 3), root (T, 3), up (3,).

    Up is the mean over time, in camera axes like the others. Keypoints that are not `seen` (J,) bool were filled in.
    `groups` are the rows of the table that it counts for, beside ``all``.
    """

    archive: str
    keypoints: np.ndarray
    positions_m: np.ndarray
    root_m: np.ndarray
    seen: np.ndarray
    up: np.ndarray
    groups: tuple[str, ...] = ()


def evaluation_sequences(
    clips: Clips, recipe: Recipe, noisy: bool = True, skeleton: Skeleton = COCO17, missing_joints: int = 0
) -> Iterator[Sequence]:
    """The start of each clip with the body as it was recorded; the same camera and noise at every call.

    `missing_joints` of the keypoints, others in each clip, are never seen in it, whatever the recipe's `unseen_share`.
    """
    noise = dataclasses.replace(recipe.noise, unseen_share=0.0) if noisy else None
    for index, name in enumerate(clips.names):
        generator = torch.Generator().manual_seed(EVALUATION_SEED + index)
        joints = torch.from_numpy(clips.clip(index)[:LONGEST_FRAMES].copy())[None]
        batch = film(joints, recipe.cameras, noise, generator, skeleton)
        keypoints, positions, root = (t[0].numpy() for t in (batch.keypoints, batch.positions_m, batch.root_m))
        seen = np.ones(len(skeleton), bool)
        if missing_joints:
            seen[torch.randperm(len(skeleton), generator=generator)[:missing_joints].numpy()] = False
            keypoints = fill_unseen_joints(np.where(seen[:, None], keypoints, np.nan), skeleton)
        up = batch.camera_from_world[0, :, :, 2].mean(dim=0).numpy()
        up /= np.linalg.norm(up)
        yield Sequence(name.split("/")[0], keypoints, positions, root[:, 0], seen, up, groups_of(name, batch))


def groups_of(name: str, batch: Batch) -> tuple[str, ...]:
    """The archive, the action where the clip is named by one, and how it was filmed."""
    archive, recording = name.split("~")[0].split("/", 1)
    action = re.sub(r"([_ ][a-z]*\d+)+$", "", recording)
    named = (f"action {archive}/{action}",) if re.search("[a-zA-Z]{3}", action) else ()
    distance_m = float(batch.root_m.norm(dim=-1).mean())
    pitch_deg = math.degrees(math.asin(float(batch.camera_from_world[0, :, 2, 2].mean().clamp(-1, 1))))
    outside = float(batch.exact.outside.float().mean())
    facing = float(batch.exact.facing.mean())
    return (
        f"archive {archive}",
        *named,
        "distance " + _bin(distance_m, (3, 6), ("below 3 m", "3 to 6 m", "above 6 m")),
        "camera " + _bin(-pitch_deg, (-10, 10, 25), ("looking up", "level", "10 to 25° down", "more than 25° down")),
        "joints outside " + _bin(outside, (1e-9, 0.2), ("none", "up to 20 %", "more than 20 %")),
        "seen from " + _bin(facing, (-0.5, 0.5), ("behind", "the side", "the front")),
    )


def _bin(value: float, bounds: tuple[float, ...], names: tuple[str, ...]) -> str:
    return names[int(np.searchsorted(bounds, value, side="right"))]


def sequence_errors(
    positions_m: np.ndarray, root_m: np.ndarray, root_refined_m: np.ndarray, truth: Sequence
) -> dict[str, float]:
    """Errors of one sequence in millimetres (a frame, a frame squared), of the root in percent of its distance.

    And by how many degrees the world leans in which `lifting.ground` would put these people.
    """
    target = truth.positions_m
    return {
        "mpjpe_mm": 1000 * mpjpe(positions_m, target),
        "p_mpjpe_mm": 1000 * p_mpjpe(positions_m, target),
        "n_mpjpe_mm": 1000 * n_mpjpe(positions_m, target),
        "mpjve_mm": 1000 * mpjve(positions_m, target),
        "acceleration_mm": 1000 * acceleration_error(positions_m, target),
        "root_percent": 100 * root_error_ratio(root_m, truth.root_m),
        "root_refined_percent": 100 * root_error_ratio(root_refined_m, truth.root_m),
        "lean_deg": lean_deg(_found_up(positions_m, root_refined_m), truth.up),
        "bone_variation_mm": 1000 * bone_length_variation(positions_m, H36M17),
        "side_difference_mm": 1000 * side_length_difference(positions_m, H36M17),
        "exchanged_percent": 100 * exchanged_sides(positions_m, target, H36M17),
    }


def _found_up(positions_m: np.ndarray, root_m: np.ndarray) -> np.ndarray:
    """(3,) up in camera axes as `lifting.ground` finds it for a video of this one person."""
    frames = np.arange(len(root_m))
    joints_m = positions_m + root_m[:, None]
    return ground(Poses3D.of_joints(joints_m, np.zeros_like(frames), frames, frames / Card.rate_hz, _CANONICAL)).up


def evaluate_clips(
    lifter: Lifter,
    clips: Clips,
    recipe: Recipe,
    noisy: bool = True,
    missing_joints: int = 0,
    steady_bones: float = LiftOptions.steady_bones,
    adapted: bool = False,
) -> dict[str, dict[str, float]]:
    """Errors over ``all`` clips and by group, as means over frames; keys of the inner dicts as `sequence_errors`.

    The bones are those that a video's results have by default; with `steady_bones` 0, those of the networks. `adapted`
    fits the lifter to each clip first (`lifting.adapt`).
    """
    sums: dict[str, dict[str, float]] = {}
    frames: dict[str, int] = {}
    for truth in evaluation_sequences(clips, recipe, noisy, lifter.input_skeleton, missing_joints):
        scores = np.broadcast_to(truth.seen.astype(float), truth.keypoints.shape[:2])
        fitted = adapt(lifter, [Stretch(0, truth.keypoints, scores)]) if adapted else lifter
        positions, root = fitted(truth.keypoints)
        lengths = typical_bone_lengths(positions, H36M17)
        positions = set_bone_lengths(positions, lengths, H36M17, steady_bones)
        refined = refine_root(root, positions, truth.keypoints / REFERENCE_FOCAL, scores, lifter.input_skeleton)
        errors = sequence_errors(positions, root, refined, truth)
        for group in ("all", *truth.groups):
            total = sums.setdefault(group, dict.fromkeys(errors, 0.0))
            for name, value in errors.items():
                total[name] += value * len(root)
            frames[group] = frames.get(group, 0) + len(root)
    return {
        group: {name: value / frames[group] for name, value in total.items()} | {"frames": float(frames[group])}
        for group, total in sums.items()
    }


def format_table(results: dict[str, dict[str, float]], actions: bool = False) -> str:
    """The results as an aligned table, ``all`` first; rows of single actions only where they are asked for."""
    groups = ["all", *sorted(group for group in results if group != "all")]
    groups = [group for group in groups if actions or not group.startswith("action ")]
    width = max(len(group) for group in groups)
    lines = [f"{'':<{width}}" + "".join(f"{title:>11}" for title in _COLUMNS.values())]
    for group in groups:
        cells = [f"{results[group][c]:>11.0f}" if c == "frames" else f"{results[group][c]:>11.2f}" for c in _COLUMNS]
        lines.append(f"{group:<{width}}" + "".join(cells))
    return "\n".join(lines)
