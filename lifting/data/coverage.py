"""How much of the space of poses each motion-capture archive covers, and how to weigh archives by what they add.

python -m lifting.data.coverage --data ARCHIVES [--procedural FILE] [--output FOLDER]

Poses are compared by the directions of their bones in the frame of the hips' heading, so that bodies and headings do
not count. Writes a table, `coverage.yaml` with the suggested weights, and `coverage.png`.

Shape letters: F frames, D = 48 numbers of a pose (16 unit vectors), C clusters, A archives.
"""

from __future__ import annotations

import argparse
import logging
import sys
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
import yaml
from scipy.cluster.vq import kmeans2, vq

from lifting.data.mocap import KEYPOINTS, PARENTS, Clips, concatenate, load_archive
from lifting.data.recombine import recombine
from lifting.data.sampling import WindowSampler
from poses import H36M17, InputError, UsageError
from poses.archive import write_atomically
from poses.commands import run_command

log = logging.getLogger("lifting.data.coverage")

CLUSTERS = 200
LEAST_FRAMES = 50
"""A cluster with fewer frames of an archive does not count as covered by it."""

FITTED_FRAMES = 6000
"""Of each archive the clusters are fitted to at most so many frames, evenly spread."""

NEW_DEG = 15.0
"""A frame is new where its bones point this far, root of the mean square, from those of every known frame."""

RECOMBINED_SHARE = 0.5
_SEED = 1
_WINDOWS = 2000


@dataclass(frozen=True)
class Coverage:
    """What one archive covers.

    Attributes
    ----------
    frames : how many it has.
    clusters : those in which it has at least 50 frames.
    effective : exponential of the entropy of its frames over the clusters.
    new : share of its frames that no other archive has the like of.
    weight : suggested share of the training windows.
    """

    frames: int
    clusters: int
    effective: float
    new: float
    weight: float


def bone_directions(joints_m: np.ndarray) -> np.ndarray:
    """(F, 48) unit vectors of the 16 bones of Human3.6M's joints of (F, K, 3), turned to one heading of the hips."""
    bones = joints_m[:, 1 : len(H36M17)] - joints_m[:, list(PARENTS[1 : len(H36M17)])]
    bones = bones / np.maximum(np.linalg.norm(bones, axis=-1, keepdims=True), 1e-9)
    across = joints_m[:, KEYPOINTS.index("left_hip")] - joints_m[:, KEYPOINTS.index("right_hip")]
    heading = np.arctan2(across[:, 1], across[:, 0])[:, None]
    c, s = np.cos(heading), np.sin(heading)
    x, y, z = np.moveaxis(bones, -1, 0)
    return np.stack([c * x + s * y, c * y - s * x, z], axis=-1).reshape(len(bones), -1).astype(np.float32)


def effective_number(counts: np.ndarray) -> float:
    """Exponential of the entropy of counts or shares (C,): how many equally frequent clusters would be as varied."""
    share = counts[counts > 0] / counts.sum()
    return float(np.exp(-(share * np.log(share)).sum()))


def nearest_deg(poses: np.ndarray, known: np.ndarray) -> np.ndarray:
    """(F,) angle from each pose (F, D) to the nearest of `known` (N, D), root of the mean square over the bones."""
    if not len(known):
        return np.full(len(poses), 180.0)
    at = torch.from_numpy(known)
    chord = torch.cat([torch.cdist(part, at).amin(dim=1) for part in torch.from_numpy(poses).split(1000)]).numpy()
    return np.rad2deg(2 * np.arcsin(np.clip(chord / np.sqrt(poses.shape[1] / 3) / 2, 0, 1)))


def suggest_weights(
    shares: np.ndarray, least: float = 0.02, most: np.ndarray | None = None, steps: int = 600
) -> np.ndarray:
    """(A,) weights that give the mixture of cluster shares (A, C) the greatest entropy.

    Multiplicative updates by the gradient; no weight is below `least` or above `most` (A,), so that a small archive is
    not repeated over and over.
    """
    archives = len(shares)
    most = np.ones(archives) if most is None else np.maximum(most, least)
    if least * archives > 1 or most.sum() < 1:
        raise ValueError(f"no weights of {archives} archives lie between {least} and {most}")
    weights = np.full(archives, 1 / archives)
    for _ in range(steps):
        mixture = weights @ shares
        gradient = -shares @ np.log(np.maximum(mixture, 1e-12))
        weights = weights * np.exp(0.3 * (gradient - gradient.max()))
        weights = _between(weights / weights.sum(), least, most)
    return weights


def _between(weights: np.ndarray, least: float, most: np.ndarray) -> np.ndarray:
    """The weights times one factor, cut off at both limits, with the factor that makes their sum 1 (bisection)."""
    low, high = 0.0, 2.0 / weights.min()
    for _ in range(40):
        factor = (low + high) / 2
        low, high = (factor, high) if np.clip(factor * weights, least, most).sum() < 1 else (low, factor)
    clipped = np.clip(high * weights, least, most)
    return clipped / clipped.sum()


class PoseClusters:
    """k-means clusters of bone directions, fitted to frames of all archives alike.

    Parameters
    ----------
    poses : (F, D) by archive.
    """

    def __init__(self, poses: dict[str, np.ndarray], clusters: int = CLUSTERS, seed: int = _SEED) -> None:
        fitted = np.concatenate([thin(p, FITTED_FRAMES) for p in poses.values()]).astype(np.float64)
        clusters = min(clusters, len(fitted))
        self.centres = kmeans2(fitted, clusters, iter=20, minit="++", seed=seed)[0].astype(np.float32)

    def counts(self, poses: np.ndarray) -> np.ndarray:
        """(C,) frames of (F, D) in each cluster."""
        return np.bincount(vq(poses, self.centres)[0], minlength=len(self.centres))


def thin(poses: np.ndarray, most: int) -> np.ndarray:
    """At most so many rows, evenly spread."""
    return poses[:: max(1, -(-len(poses) // most))]


def measure(poses: dict[str, np.ndarray], clusters: PoseClusters, least: float, repeats: float) -> dict[str, Coverage]:
    """Coverage of each archive's poses (F, D); no archive is to be drawn `repeats` times as often as it has frames."""
    counts = {name: clusters.counts(p) for name, p in poses.items()}
    frames = np.array([len(p) for p in poses.values()])
    shares = np.stack([c / c.sum() for c in counts.values()])
    weights = suggest_weights(shares, min(least, 1 / len(poses)), repeats * frames / frames.sum())
    few = {name: thin(p, FITTED_FRAMES) for name, p in poses.items()}
    result = {}
    for (name, count), weight in zip(counts.items(), weights, strict=True):
        others = [p for other, p in few.items() if other != name]
        known = np.concatenate(others) if others else few[name][:0]
        new = nearest_deg(thin(poses[name], 2000), known) > NEW_DEG
        covered = int((count >= LEAST_FRAMES).sum())
        result[name] = Coverage(len(poses[name]), covered, effective_number(count), float(new.mean()), float(weight))
    return result


@dataclass(frozen=True)
class Mixture:
    """Frames as training draws them.

    Attributes
    ----------
    name : for table and plot.
    shares : (C,) of the clusters.
    unlike_deg : (F,) angle from each frame to the nearest recorded one.
    """

    name: str
    shares: np.ndarray
    unlike_deg: np.ndarray

    @property
    def effective(self) -> float:
        """Effective number of its clusters."""
        return effective_number(self.shares)

    @property
    def new(self) -> float:
        """Share of frames unlike all recorded ones."""
        return float((self.unlike_deg > NEW_DEG).mean())


def mixtures(clips: Clips, clusters: PoseClusters, weights: dict[str, float], known: np.ndarray) -> list[Mixture]:
    """Windows drawn by frames alone, by the weights, and by the weights with half of them recombined."""
    by_frames: dict[str, float] = {}
    for name, length in zip(clips.names, np.diff(clips.start), strict=True):
        by_frames[name.split("/")[0]] = by_frames.get(name.split("/")[0], 0.0) + float(length)
    result = []
    for name, of, recombined in (
        ("by frames", by_frames, 0.0),
        ("by weights", weights, 0.0),
        ("recombined as well", weights, RECOMBINED_SHARE),
    ):
        generator = torch.Generator().manual_seed(_SEED)
        windows = WindowSampler(clips, of).draw(_WINDOWS, 25, (1.0, 1.0), generator)
        windows = recombine(windows, recombined, generator)
        poses = bone_directions(windows[:, ::6].flatten(0, 1).numpy())
        counts = clusters.counts(poses)
        result.append(Mixture(name, counts / counts.sum(), nearest_deg(thin(poses, 2000), known)))
    return result


def format_table(coverage: dict[str, Coverage]) -> str:
    """One line an archive."""
    width = max(len(name) for name in coverage)
    lines = [f"{'archive':<{width}}  frames  clusters  effective  new %  weight"]
    for name, c in coverage.items():
        lines.append(
            f"{name:<{width}}  {c.frames:6d}  {c.clusters:8d}  {c.effective:9.1f}  {100 * c.new:5.1f}  {c.weight:6.3f}"
        )
    return "\n".join(lines)


def load_all(folder: Path, procedural: Path | None) -> Clips:
    """All archives of a folder, and one more file."""
    if not folder.is_dir():
        raise InputError(f"{folder}: expected a folder of motion-capture archives", "check --data")
    paths = sorted(folder.glob("*.npz")) + ([procedural] if procedural else [])
    if not paths:
        raise InputError(f"{folder}: no motion-capture archives (*.npz) in it", "check --data")
    return concatenate([load_archive(path) for path in paths])


def archive_poses(clips: Clips) -> dict[str, np.ndarray]:
    """(F, D) bone directions by archive."""
    archives = np.repeat([name.split("/")[0] for name in clips.names], np.diff(clips.start))
    return {name: bone_directions(clips.joints_m[archives == name]) for name in dict.fromkeys(archives.tolist())}


def main(arguments: list[str] | None = None) -> int:
    """Command line; returns the exit code."""
    parser = argparse.ArgumentParser(prog="python -m lifting.data.coverage", description=__doc__.split("\n")[0])
    parser.add_argument("--data", type=Path, required=True, help="folder with the motion-capture archives (*.npz)")
    parser.add_argument("--procedural", type=Path, help="an archive of procedural motion to count as well")
    parser.add_argument("--output", type=Path, default=Path("."), help="folder for coverage.yaml and coverage.png")
    parser.add_argument("--least", type=float, default=0.02, help="least weight of an archive (default: 0.02)")
    parser.add_argument(
        "--repeats", type=float, default=12.0, help="most often that an archive's frames are drawn, on average 1"
    )
    options = parser.parse_args(arguments)
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(message)s", datefmt="%H:%M:%S")
    return run_command(lambda: _run(options))


def _run(options: argparse.Namespace) -> None:
    # It needs matplotlib.
    from lifting.data.coverage_plot import plot_coverage

    if not 0 <= options.least < 1 or options.repeats < 1:
        raise UsageError("--least must lie in 0 to 1, --repeats be at least 1", "leave them out for the defaults")
    if not options.output.is_dir():
        raise InputError(f"{options.output}: there is no such folder", "make it first")
    clips = load_all(options.data, options.procedural)
    poses = archive_poses(clips)
    log.info("%d archives, %d frames; fitting %d clusters", len(poses), len(clips.joints_m), CLUSTERS)
    clusters = PoseClusters(poses)
    coverage = measure(poses, clusters, options.least, options.repeats)
    weights = {name: round(c.weight, 3) for name, c in coverage.items()}
    known = np.concatenate([thin(p, FITTED_FRAMES) for p in poses.values()])
    drawn = mixtures(clips, clusters, weights, known)
    report = {
        "archive_weights": weights,
        "archives": {
            name: {
                "frames": c.frames,
                "clusters": c.clusters,
                "effective": round(c.effective, 1),
                "new": round(c.new, 3),
            }
            for name, c in coverage.items()
        },
        "windows": {m.name: {"effective": round(m.effective, 1), "new": round(m.new, 3)} for m in drawn},
    }
    text = yaml.safe_dump(report, sort_keys=False).encode()
    write_atomically(options.output / "coverage.yaml", lambda stream: stream.write(text))
    plot_coverage(options.output / "coverage.png", coverage, drawn)
    sys.stdout.write(format_table(coverage) + "\n")
    for m in drawn:
        sys.stdout.write(
            f"windows {m.name}: {m.effective:.1f} effective, {100 * m.new:.1f} % unlike any frame of the archives\n"
        )


if __name__ == "__main__":
    raise SystemExit(main())
