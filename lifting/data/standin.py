"""A stand-in for Human3.6M in the reference implementation's files: its subjects, actions, cameras and skeleton.

The motion is other motion: Human3.6M may not be passed on. So that the road from its files to its tables can be run and
compared without it, this writes `data_3d_h36m.npz`, `data_2d_h36m_gt.npz` and `data_2d_h36m_noisy.npz` from
motion-capture archives. The names of the actions are only names here: what goes under "Sitting" need not be sitting.
Errors measured on these files are comparable with one another, not with the literature.

Shape letters: T frames, J = 17 joints.
"""

from __future__ import annotations

import argparse
import logging
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch

from lifting.data.datasets import H36M, H36M_ACTIONS, H36M_JOINTS, H36M_KEPT
from lifting.data.keypoint_noise import smooth_noise
from lifting.data.mocap import RATE_HZ, Clips, load_archives, split
from lifting.data.project_truth import H36M_LAYOUT, project_truth
from lifting.data.reference_npz import Positions2D, Positions3D, write_positions_2d, write_positions_3d
from poses import H36M17, InputError
from poses.commands import run_command

log = logging.getLogger("lifting.data.standin")

CORRUPT = ("S11", "Directions")
"""A recording that the field leaves out, because its video is damaged."""

TEST_SHARE = 0.3
"""Of the recordings, kept for the test subjects; no recording is performed by both sides."""

RADIUS_M = 1.4
BRIDGE_FRAMES = 40
SHORTEST_FRAMES = 60

# Bone lengths of the median subject, metres, by the name of the joint at the bone's far end without its side.
_BONES = {
    "hip": 0.133,
    "knee": 0.443,
    "ankle": 0.454,
    "spine": 0.233,
    "thorax": 0.257,
    "neck": 0.121,
    "head": 0.115,
    "shoulder": 0.151,
    "elbow": 0.279,
    "wrist": 0.252,
}

_TREE = tuple(zip(H36M17.joints, H36M17.parents, strict=True))

# Joints of the 32 that are not among the 17 repeat one of these (toes the ankle, hands the wrist, and so on).
_REPEATS = {
    4: 3,
    5: 3,
    9: 8,
    10: 8,
    11: 0,
    16: 13,
    20: 19,
    21: 19,
    22: 19,
    23: 19,
    24: 13,
    28: 27,
    29: 27,
    30: 27,
    31: 27,
}


@dataclass(frozen=True)
class KeypointErrors:
    """Errors of the noisy keypoints, pixels, as standard deviations; hands and feet get 1.5 times as much.

    Gaussian, of four kinds: `jitter` from frame to frame, `drift` over about half a second, `bias` of a joint over a
    sequence; and in `lost_share` of the time a joint wanders off by `lost`.
    """

    jitter: float = 2.0
    drift: float = 4.0
    bias: float = 3.0
    lost: float = 40.0
    lost_share: float = 0.02


def bone_lengths(subject: str, seed: int) -> np.ndarray:
    """(J,) length in metres of the bone from each joint's parent, 0 for the root; left and right alike."""
    generator = np.random.default_rng([seed, *subject.encode()])
    size = np.exp(0.05 * generator.standard_normal())
    own = {part: length * size * np.exp(0.03 * generator.standard_normal()) for part, length in _BONES.items()}
    return np.array([own[j.removeprefix("left_").removeprefix("right_")] if p >= 0 else 0.0 for j, p in _TREE])


def with_bone_lengths(joints_m: np.ndarray, lengths_m: np.ndarray) -> np.ndarray:
    """Joints (T, J, 3) with the same root and the same directions of the bones, of `lengths_m` (J,)."""
    posed = [joints_m[:, 0]]
    for joint, parent in enumerate(H36M17.parents[1:], start=1):
        bone = joints_m[:, joint] - joints_m[:, parent]
        direction = bone / np.maximum(np.linalg.norm(bone, axis=-1, keepdims=True), 1e-6)
        posed.append(posed[parent] + lengths_m[joint] * direction)
    return np.stack(posed, axis=1)


def pieces(clips: Clips) -> list[np.ndarray]:
    """Stretches (T, J, 3) of the clips that stay within `RADIUS_M` of their own middle, which becomes the origin."""
    found = []
    for index in range(len(clips)):
        clip = clips.clip(index)[:, : len(H36M17)]
        first = 0
        while len(clip) - first >= SHORTEST_FRAMES:
            ground = clip[first:, 0, :2]
            low, high = np.minimum.accumulate(ground), np.maximum.accumulate(ground)
            beyond = np.flatnonzero(np.linalg.norm(high - low, axis=1) > 2 * RADIUS_M)
            count = int(beyond[0]) if len(beyond) else len(ground)
            if count >= SHORTEST_FRAMES:
                piece = clip[first : first + count].copy()
                piece[..., :2] -= (low[count - 1] + high[count - 1]) / 2
                found.append(piece)
            first += count
    return found


def perform(supply: Iterator[np.ndarray], frames: int, lengths_m: np.ndarray, heading_rad: float) -> np.ndarray:
    """One sequence (T, J, 3) of `frames` frames: pieces one after the other, joined over `BRIDGE_FRAMES`."""
    joined = turn(next(supply), heading_rad)
    while len(joined) < frames:
        piece = next(supply)
        piece = turn(piece, _facing(joined[-1]) - _facing(piece[0]))
        joined = np.concatenate([joined, bridge(joined[-1], piece[0]), piece])
    posed = with_bone_lengths(joined[:frames], lengths_m)
    # The feet stand where they stood for another length of legs.
    feet = posed[:, H36M17.indices("left_ankle", "right_ankle"), 2].min()
    posed[..., 2] += 0.08 - feet
    return posed


def bridge(before_m: np.ndarray, after_m: np.ndarray) -> np.ndarray:
    """`BRIDGE_FRAMES` poses from one (J, 3) to another: the root on a straight line, each bone turning evenly.

    Slow at both ends. Bones are as long as those before; `with_bone_lengths` sets their length.
    """
    share = np.linspace(0, 1, BRIDGE_FRAMES + 2)[1:-1, None]
    share = share * share * (3 - 2 * share)
    posed = [before_m[0] * (1 - share) + after_m[0] * share]
    for joint, parent in enumerate(H36M17.parents[1:], start=1):
        start, end = before_m[joint] - before_m[parent], after_m[joint] - after_m[parent]
        length = np.linalg.norm(start)
        start, end = start / max(length, 1e-6), end / max(float(np.linalg.norm(end)), 1e-6)
        angle = np.arccos(np.clip(start @ end, -1, 1))
        across = end - (start @ end) * start
        across = across / max(float(np.linalg.norm(across)), 1e-6)
        posed.append(posed[parent] + length * (np.cos(share * angle) * start + np.sin(share * angle) * across))
    return np.stack(posed, axis=1)


def turn(joints_m: np.ndarray, angle_rad: float) -> np.ndarray:
    """Joints (..., 3) turned about the vertical through the origin."""
    cos, sin = np.cos(angle_rad), np.sin(angle_rad)
    return joints_m @ np.array([[cos, sin, 0], [-sin, cos, 0], [0, 0, 1]])


def _facing(joints_m: np.ndarray) -> float:
    hips = joints_m[H36M17.index("left_hip")] - joints_m[H36M17.index("right_hip")]
    return float(np.arctan2(hips[1], hips[0]))


def supply_of(clips: Clips, generator: np.random.Generator) -> Iterator[np.ndarray]:
    """Pieces without end: an archive at random, each as often as the others, then the next of its shuffled pieces."""
    archives = sorted({name.split("/", 1)[0] for name in clips.names})
    by_archive = []
    for archive in archives:
        own = pieces(clips.select([i for i, name in enumerate(clips.names) if name.startswith(f"{archive}/")]))
        if own:
            generator.shuffle(own)
            by_archive.append(own)
    if not by_archive:
        raise InputError(f"no clip holds {SHORTEST_FRAMES} frames in one place", "use other archives")
    at = [0] * len(by_archive)
    while True:
        which = int(generator.integers(len(by_archive)))
        yield by_archive[which][at[which] % len(by_archive[which])]
        at[which] += 1


def make_positions(clips: Clips, frames: int, seed: int) -> Positions3D:
    """Motion for every subject and action, about `frames` frames together: (T, 32, 3), world frame, metres."""
    train, test = split(clips, TEST_SHARE)
    generator = np.random.default_rng(seed)
    supplies = {False: supply_of(train, generator), True: supply_of(test, generator)}
    subjects = [*H36M.train_subjects, *H36M.test_subjects]
    mean_frames = max(frames // (len(subjects) * 2 * len(H36M_ACTIONS) - 1), 2)
    positions: Positions3D = {}
    for subject in subjects:
        lengths = bone_lengths(subject, seed)
        positions[subject] = {}
        for action in (f"{name}{take}" for name in H36M_ACTIONS for take in ("", " 1")):
            if (subject, action) == CORRUPT:
                continue
            count = int(mean_frames * generator.uniform(0.7, 1.3))
            supply = supplies[subject in H36M.test_subjects]
            joints = perform(supply, count, lengths, generator.uniform(0, 2 * np.pi))
            positions[subject][action] = with_32_joints(joints).astype(np.float32)
    return positions


def with_32_joints(joints_m: np.ndarray) -> np.ndarray:
    """(T, 17, 3) to the (T, 32, 3) of Human3.6M's files; the other 15 repeat a neighbour."""
    full = np.empty((len(joints_m), H36M_JOINTS, 3), joints_m.dtype)
    full[:, list(H36M_KEPT)] = joints_m
    full[:, list(_REPEATS)] = full[:, list(_REPEATS.values())]
    return full


def disturb(truth: Positions2D, errors: KeypointErrors, seed: int) -> Positions2D:
    """Keypoints as a detector might give them; every tenth view is a few frames longer, as some videos are."""
    generator = torch.Generator().manual_seed(seed)
    ease = torch.ones(len(H36M17), 1)
    ease[H36M17.indices("left_wrist", "right_wrist", "left_ankle", "right_ankle")] = 1.5
    noisy: Positions2D = {}
    number = 0
    for subject, actions in truth.items():
        noisy[subject] = {}
        for action, views in actions.items():
            noisy[subject][action] = []
            for view in views:
                number += 1
                extra = number % 4 if number % 10 == 0 else 0
                longer = np.concatenate([view, np.repeat(view[-1:], extra, axis=0)])
                noisy[subject][action].append(_disturb_view(torch.from_numpy(longer), errors, ease, generator))
    return noisy


def _disturb_view(
    view: torch.Tensor, errors: KeypointErrors, ease: torch.Tensor, generator: torch.Generator
) -> np.ndarray:
    frames, joints, _ = view.shape
    knots = max(3, int(frames / RATE_HZ / 0.4) + 2)
    noise = errors.jitter * torch.randn(view.shape, generator=generator)
    noise = noise + errors.drift * smooth_noise((1, joints, 2), frames, knots, generator)[0]
    noise = noise + errors.bias * torch.randn((1, joints, 2), generator=generator)
    astray = smooth_noise((1, joints, 1), frames, knots, generator)[0]
    wander = errors.lost * smooth_noise((1, joints, 2), frames, knots, generator)[0]
    threshold = torch.distributions.Normal(0.0, 1.0).icdf(torch.tensor(1 - errors.lost_share))
    return (view + ease * torch.where(astray > threshold, wander, noise)).numpy()


def write_standin(folder: Path, clips: Clips, frames: int, seed: int) -> None:
    """Write the three archives below `folder`; the same clips, size and seed give the same files."""
    folder.mkdir(parents=True, exist_ok=True)
    positions = make_positions(clips, frames, seed)
    write_positions_3d(folder / "data_3d_h36m.npz", positions)
    truth = project_truth(positions)
    write_positions_2d(folder / "data_2d_h36m_gt.npz", truth, H36M_LAYOUT)
    write_positions_2d(folder / "data_2d_h36m_noisy.npz", disturb(truth, KeypointErrors(), seed), H36M_LAYOUT)
    total = sum(len(array) for actions in positions.values() for array in actions.values())
    log.info("%s: %d frames of motion, four cameras", folder, total)


def main(arguments: list[str] | None = None) -> int:
    """Command line; returns the exit code."""
    parser = argparse.ArgumentParser(prog="python -m lifting.data.standin", description=__doc__.split("\n\n")[0])
    parser.add_argument("--mocap", type=Path, required=True, help="folder with the motion-capture archives (*.npz)")
    parser.add_argument("--output", type=Path, required=True, help="folder to write the three archives to")
    parser.add_argument("--frames", type=int, default=60_000, help="frames of motion, about (default: %(default)s)")
    parser.add_argument("--seed", type=int, default=1, help="the same seed gives the same files (default: 1)")
    options = parser.parse_args(arguments)
    logging.basicConfig(level=logging.INFO, format="%(message)s")
    return run_command(lambda: _run(options))


def _run(options: argparse.Namespace) -> None:
    paths = sorted(options.mocap.glob("*.npz"))
    if not paths:
        raise InputError(f"{options.mocap}: holds no motion-capture archive (*.npz)", "check --mocap")
    clips = load_archives(options.mocap, [path.stem for path in paths])
    write_standin(options.output, clips, options.frames, options.seed)


if __name__ == "__main__":
    sys.exit(main())
