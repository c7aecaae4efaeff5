"""What each ingredient of the bundled lifters' recipe is worth: small networks, each ingredient switched off in turn.

PYTHONPATH=. python benchmarks/lifter_ablations.py --data ARCHIVES --output RUNS [--steps N] [--device cuda]

All runs are measured on the same held-out clips, with the cameras and the keypoint errors of the whole recipe. Each
leaves its weights below RUNS and a line in RUNS/results.jsonl; what stands there is not made again. At the end comes
the table of docs/weights.md.
"""

from __future__ import annotations

import argparse
import dataclasses
import json
import logging
import sys
from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Any

from lifting.card import Card, save_weights
from lifting.data.mocap import Clips, split
from lifting.evaluate_clips import evaluate_clips
from lifting.lifter import Lifter
from lifting.recipe import Recipe, load_recipe
from lifting.recipe_clips import PROCEDURAL, recipe_clips, with_further_procedural
from lifting.train import train
from poses.commands import run_command

log = logging.getLogger("ablations")

CONFIG = Path("configs/lifting/wild_81f.yaml")
SMALL: dict[str, Any] = {
    "filter_widths": (3, 3, 3),
    "position_channels": 256,
    "trajectory_channels": 128,
    "start_from": None,
    "learning_rate": 0.001,
    "momentum_start": 0.1,
}
"""One stage from nothing, at the first stage's rate, with all that the second has."""

Change = Callable[[Recipe, Clips], Recipe]


def _by_frames(recipe: Recipe, clips: Clips) -> Recipe:
    """Archives in the share of their frames, and none that is made."""
    frames: dict[str, float] = {}
    for index, name in enumerate(clips.names):
        archive = name.split("/")[0]
        frames[archive] = frames.get(archive, 0.0) + float(len(clips.clip(index)))
    return dataclasses.replace(recipe, archive_weights={name: frames[name] for name in recipe.archive_weights})


def _without_procedural(recipe: Recipe, _: Clips) -> Recipe:
    kept = {name: weight for name, weight in recipe.archive_weights.items() if name != PROCEDURAL}
    return dataclasses.replace(recipe, archive_weights=kept)


def _in_large_steps(recipe: Recipe, _: Clips) -> Recipe:
    return dataclasses.replace(recipe, steps=recipe.steps // 4, sequences=recipe.sequences * 4)


def _part(name: str, **values: Any) -> Change:
    return lambda recipe, _: dataclasses.replace(recipe, **{name: dataclasses.replace(getattr(recipe, name), **values)})


def _whole(**values: Any) -> Change:
    return lambda recipe, _: dataclasses.replace(recipe, **values)


def _scaled(factor: float) -> Change:
    def change(recipe: Recipe, _: Clips) -> Recipe:
        channels = {
            name: round(factor * getattr(recipe, name)) for name in ("position_channels", "trajectory_channels")
        }
        return dataclasses.replace(recipe, **channels)

    return change


NO_SWAPS = {f"swapped_{part}": (0.0, 0.0, 0.0) for part in ("all", "arms", "legs", "face")}
NOISE_GUESSED = {
    "hidden": 1.0,
    "outside": 1.0,
    "hip_width": (1.0, 0.0),
    "shoulder_width": (1.0, 0.0),
    "hip_shift": (0.0, 0.0),
    "shoulder_shift": (0.0, 0.0),
    "limb_stretch": dict.fromkeys(("elbow", "wrist", "knee", "ankle"), 0.0),
    "other_share": 0.0,
    "lost_rate_hz": 0.0,
    "lost_outside": 0.0,
    "lost_hidden": 0.0,
    "outlier_rate_hz": 0.0,
    "wander_times_s": (),
    "wander_shares": (),
    "wander_foreshortened": 1.0,
    "unseen_share": 0.0,
    **NO_SWAPS,
}
OLD_BODIES = {"own_share": 1.0}
OLD_CAMERAS = {"aimed": False, "distance_m": (1.8, 12.0)}

WHOLE = "whole recipe"
MISSING = 3
"""Keypoints that are never seen in the measuring of one column."""

ABLATIONS: dict[str, tuple[Change, ...]] = {
    WHOLE: (),
    "plain recipe: none of these": (
        _without_procedural,
        _by_frames,
        _part("bodies", **OLD_BODIES),
        _part("cameras", **OLD_CAMERAS),
        _part("noise", **NOISE_GUESSED),
        _whole(recombined_share=0.0, reversed_share=0.0, velocity_weight=0.0, optimiser="amsgrad", decay="exponential"),
        _whole(straighten_knees=False),
    ),
    "no procedural motion": (_without_procedural,),
    "a quarter of the procedural motion": (_whole(further_procedural_hours=0.0),),
    "archives by their frames": (_by_frames,),
    "bodies as recorded": (_part("bodies", **OLD_BODIES),),
    "no recombination, no reversal": (_whole(recombined_share=0.0, reversed_share=0.0),),
    "cameras at eye level, no edges": (_part("cameras", **OLD_CAMERAS),),
    "white keypoint noise": (_part("noise", **NOISE_GUESSED),),
    "no exchanged sides": (_part("noise", **NO_SWAPS),),
    "no unseen joints": (_part("noise", unseen_share=0.0),),
    "errors of a foreshortened trunk as of others": (_part("noise", wander_foreshortened=1.0),),
    "knees as recorded": (_whole(straighten_knees=False),),
    "no velocity loss": (_whole(velocity_weight=0.0),),
    "a quarter of the steps, four times as large": (_in_large_steps,),
    "one frame of output of a sequence": (_whole(outputs=1),),
    "AMSGrad, exponential decay": (_whole(optimiser="amsgrad", decay="exponential"),),
    "half the channels": (_scaled(0.5),),
    "twice the channels": (_scaled(2.0),),
    "four times the channels": (_scaled(4.0),),
    "81 frames": (_whole(filter_widths=(3, 3, 3, 3)),),
}


class Study:
    """Variants of one recipe, all measured on the same held-out clips with the same cameras and keypoint errors."""

    def __init__(self, judge: Recipe, data: Path, output: Path, every: int, device: str) -> None:
        self._judge, self._data, self._output, self._device = judge, data, output, device
        self._split, self._training = cache(self._split_clips), cache(self._all_training_clips)
        self.recorded, held_out = self._split(judge.straighten_knees)
        self._held_out = held_out.select(range(0, len(held_out), every))

    def _split_clips(self, straighten_knees: bool) -> tuple[Clips, Clips]:
        """Those to train on, without those made beyond the archives, and those held out."""
        recipe = dataclasses.replace(self._judge, straighten_knees=straighten_knees)
        return split(recipe_clips(recipe, self._data), recipe.held_out_share)

    def _all_training_clips(self, straighten_knees: bool, further_procedural_hours: float) -> Clips:
        recipe = dataclasses.replace(
            self._judge, straighten_knees=straighten_knees, further_procedural_hours=further_procedural_hours
        )
        return with_further_procedural(recipe, self._split(straighten_knees)[0])

    def training_clips(self, recipe: Recipe) -> Clips:
        """Of the recipe's archives, with its knees and its procedural motion."""
        clips = self._training(recipe.straighten_knees, recipe.further_procedural_hours)
        kept = [index for index, clip in enumerate(clips.names) if clip.split("/")[0] in recipe.archive_weights]
        return clips.select(kept)

    def run(self, name: str, recipe: Recipe) -> dict[str, Any]:
        """Train one variant, keep its weights, and return its figures, a line of the table."""
        stem = "".join(c if c.isalnum() else "_" for c in name)
        clips = self.training_clips(recipe)
        trained = train(recipe, clips, self._output / f"{stem}.checkpoint", self._device)
        path = self._output / f"{stem}.safetensors"
        card = Card(
            name=stem,
            summary=name,
            licence=recipe.licence,
            trained_on=recipe.trained_on,
            position=trained.position.architecture,
            trajectory=trained.trajectory.architecture,
        )
        save_weights(path, card, trained.average_position, trained.average_trajectory)
        lifter = Lifter.load(str(path))
        return {
            "name": name,
            **self._figures(lifter),
            "recorded, joints missing": self._figures(lifter, MISSING)["recorded"],
        }

    def _figures(self, lifter: Lifter, missing_joints: int = 0) -> dict[str, dict[str, float]]:
        results = evaluate_clips(lifter, self._held_out, self._judge, missing_joints=missing_joints)
        made = f"archive {PROCEDURAL}"
        recorded = [row for group, row in results.items() if group.startswith("archive ") and group != made]
        frames = sum(row["frames"] for row in recorded)
        means = {key: sum(row[key] * row["frames"] for row in recorded) / frames for key in results["all"]}
        return {"recorded": means, "procedural": results[made]}


def _run(options: argparse.Namespace) -> None:
    options.output.mkdir(parents=True, exist_ok=True)
    judge = load_recipe(CONFIG)
    base = dataclasses.replace(judge, steps=options.steps, sequences=options.sequences, **SMALL)
    study = Study(judge, options.data, options.output, options.every, options.device)
    results = options.output / "results.jsonl"
    again = {f"{WHOLE}, seed {seed}": (_whole(seed=seed),) for seed in range(2, options.seeds + 1)}
    for name, changes in {**ABLATIONS, **again}.items():
        if name in {line["name"] for line in _lines(results)}:
            continue
        recipe = base
        for change in changes:
            recipe = change(recipe, study.recorded)
        log.info("%s", name)
        line = study.run(name, recipe)
        with results.open("a", encoding="utf-8") as stream:
            stream.write(json.dumps(line) + "\n")
    sys.stdout.write(table(_lines(results)) + "\n")


def _lines(path: Path) -> list[dict[str, Any]]:
    if not path.exists():
        return []
    return [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]


def table(lines: list[dict[str, Any]]) -> str:
    """A Markdown table, a row a variant."""
    columns = [
        ("recorded", "mpjpe_mm", "MPJPE"),
        ("recorded", "p_mpjpe_mm", "P-MPJPE"),
        ("recorded", "mpjve_mm", "MPJVE"),
        ("recorded", "exchanged_percent", "sides exchanged, %"),
        ("recorded", "root_refined_percent", "root, %"),
        ("recorded, joints missing", "p_mpjpe_mm", f"P-MPJPE, {MISSING} of 17 never seen"),
        ("procedural", "mpjpe_mm", "procedural MPJPE"),
        ("procedural", "p_mpjpe_mm", "procedural P-MPJPE"),
    ]
    rows = ["| | " + " | ".join(title for *_, title in columns) + " |", "|---" * (len(columns) + 1) + "|"]
    for line in lines:
        cells = [f"{line[part][key]:.1f}" for part, key, _ in columns]
        rows.append(f"| {line['name']} | " + " | ".join(cells) + " |")
    return "\n".join(rows)


def main(arguments: list[str] | None = None) -> int:
    """Command line; returns the exit code."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n\n")[0])
    parser.add_argument("--data", type=Path, required=True, help="folder with the motion-capture archives")
    parser.add_argument("--output", type=Path, required=True, help="folder of the runs")
    parser.add_argument("--steps", type=int, default=1000, help="optimiser steps a run (default: 1000)")
    parser.add_argument("--sequences", type=int, default=64, help="sequences a step (default: 64)")
    parser.add_argument(
        "--every", type=int, default=3, metavar="N", help="measure on every N-th held-out clip (default: 3)"
    )
    parser.add_argument("--seeds", type=int, default=1, help="of the whole recipe: what lies between them is chance")
    parser.add_argument("--device", default="cpu", help="cpu or cuda[:i] (default: cpu)")
    options = parser.parse_args(arguments)
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(message)s", datefmt="%H:%M:%S")
    return run_command(lambda: _run(options))


if __name__ == "__main__":
    sys.exit(main())
