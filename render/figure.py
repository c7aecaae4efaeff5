"""Figures for publications, through matplotlib: poses at chosen frames, and angles, speeds and confidence over time.

`python -m render.figure poses3d.npz --frames 10,20,30 -o figure.pdf`
`python -m render.figure poses3d.npz --plot angles --show left_knee_flexion,right_knee_flexion -o knees.pdf`

The ending of the file says the format: pdf and svg are drawn in vectors, png in 200 dots an inch.
"""

from __future__ import annotations

import argparse
import io
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from poses import InputError, Poses3D, Tracks, UsageError
from poses.archive import write_atomically
from poses.commands import run_command
from render.body import body_of
from render.export.motion import Motion, motions
from render.joint_angles import ANGLES, joint_angles
from render.style import PEOPLE, Color

if TYPE_CHECKING:
    from matplotlib.figure import Figure

ENDINGS = (".pdf", ".svg", ".png")
PLOTS = ("angles", "speeds", "confidence")
_PANEL_IN = 2.4
# Okabe and Ito, "Color Universal Design" (2008), without yellow, which white paper swallows.
_LINES = ("#0072B2", "#E69F00", "#009E73", "#CC79A7", "#D55E00", "#56B4E9", "#000000")
_EDGE = "#404040"
_RAISE_DEG, _TURN_DEG = 12, -60
_USUAL_ANGLES = ("left_knee_flexion", "right_knee_flexion", "left_elbow_flexion", "right_elbow_flexion")
_USUAL_JOINTS = ("hip", "left_wrist", "right_wrist")


def poses_figure(poses: Poses3D, frames: Sequence[int], people: Sequence[int] | None = None) -> Figure:
    """A panel a frame with everybody in it, in metres, equally scaled; `UsageError` for a frame without people."""
    from matplotlib import patheffects

    # Pale limbs need an edge on white paper.
    edged = [patheffects.Stroke(linewidth=3, foreground=_EDGE), patheffects.Normal()]
    figure = _new_figure((_PANEL_IN * len(frames), _PANEL_IN * 1.15))
    body = body_of(poses.skeleton)
    world_m = body.complete(poses.world_m().astype(np.float64))
    asked = np.isin(poses.person_id, poses.people() if people is None else list(people))
    rows_of = {frame: np.flatnonzero((poses.frame == frame) & asked) for frame in frames}
    for frame, rows in rows_of.items():
        if not np.isfinite(world_m[rows]).any():
            there = np.unique(poses.frame[asked])
            between = f"they are there in frames {there.min()} to {there.max()}" if len(there) else "they never are"
            raise UsageError(f"--frames: nobody is there in frame {frame}", f"{between}, some perhaps not in each")
    shown = world_m[np.concatenate(list(rows_of.values()))].reshape(-1, 3)
    low, high = np.nanmin(shown, axis=0), np.nanmax(shown, axis=0)
    for column, (frame, rows) in enumerate(rows_of.items()):
        axes: Any = figure.add_subplot(1, len(frames), column + 1, projection="3d")
        for row in rows:
            shades = PEOPLE[poses.people().index(int(poses.person_id[row])) % len(PEOPLE)]
            for (a, b), side in zip(body.limbs, body.limb_sides, strict=True):
                ends = world_m[row, [a, b]]
                color = _rgb(shades.of(side))
                axes.plot(*ends.T, color=color, linewidth=2, solid_capstyle="round", path_effects=edged)
        axes.set(xlim=(low[0], high[0]), ylim=(low[1], high[1]), zlim=(low[2], high[2]))
        axes.set_box_aspect(np.maximum(high - low, 0.3))
        axes.view_init(elev=_RAISE_DEG, azim=_TURN_DEG)
        axes.tick_params(labelsize=5, pad=-2)
        axes.locator_params(nbins=4)
        axes.set_title(f"frame {frame}, {_time_of(poses, frame):.2f} s", fontsize=8)
    return figure


def time_figure(poses: Poses3D, tracks: Tracks | None, plot: str, shown: Sequence[str]) -> Figure:
    """A panel a person with a line for each angle (degrees), joint's speed (m/s) or keypoint's score over time.

    Lines break where the person is missing. `UsageError` for an unknown plot or name.
    """
    if plot not in PLOTS:
        raise UsageError(f"--plot {plot}: unknown", f"known: {', '.join(PLOTS)}")
    if plot == "confidence":
        if tracks is None:
            raise UsageError("--plot confidence needs the keypoints' scores", "keep tracks.npz beside the poses")
        lines, label = _confidence_lines(poses, tracks, shown), "keypoint score"
    else:
        make, label = (_angle_lines, "degrees") if plot == "angles" else (_speed_lines, "m/s")
        lines = {motion.person_id: make(motion, shown) for motion in motions(poses)}
    figure = _new_figure((6.4, 2.1 * len(lines)))
    for row, (person, (times_s, values)) in enumerate(lines.items()):
        axes = figure.add_subplot(len(lines), 1, row + 1)
        axes.set_prop_cycle(color=_LINES)
        for name, line in values.items():
            axes.plot(times_s, line, label=name.replace("_", " "), linewidth=1.2)
        axes.set_title(f"person {person}", fontsize=8, loc="left")
        axes.set_ylabel(label, fontsize=8)
        axes.tick_params(labelsize=7)
        axes.spines[["top", "right"]].set_visible(False)
        axes.legend(fontsize=6, frameon=False, ncols=2)
    figure.axes[-1].set_xlabel("seconds", fontsize=8)
    return figure


def save_figure(figure: Figure, path: Path) -> None:
    """Write it in the format of the ending; `UsageError` lists the endings, `InputError` where it cannot be written."""
    if path.suffix.lower() not in ENDINGS:
        raise UsageError(
            f"{path}: no figure has the ending {path.suffix or '(none)'!r}", f"known: {', '.join(ENDINGS)}"
        )
    content = io.BytesIO()
    # Without a date the same figure gives the same bytes.
    dated = {".pdf": {"CreationDate": None}, ".svg": {"Date": None}}.get(path.suffix.lower())
    figure.savefig(content, format=path.suffix[1:].lower(), dpi=200, metadata=dated)
    write_atomically(path, lambda stream: stream.write(content.getvalue()))


def _new_figure(size_in: tuple[float, float]) -> Figure:
    from matplotlib.figure import Figure

    return Figure(figsize=size_in, layout="constrained")


def _angle_lines(motion: Motion, shown: Sequence[str]) -> tuple[np.ndarray, dict[str, np.ndarray]]:
    names = _known(shown or _USUAL_ANGLES, ANGLES, "angle")
    angles = joint_angles(motion.positions_m, motion.skeleton)
    return motion.start_s + motion.times_s, {name: np.degrees(angles[name]) for name in names}


def _speed_lines(motion: Motion, shown: Sequence[str]) -> tuple[np.ndarray, dict[str, np.ndarray]]:
    names = _known(shown or _USUAL_JOINTS, motion.skeleton.joints, "joint")
    if len(motion) < 2:
        raise InputError("speeds need at least two frames")
    speeds = np.linalg.norm(np.gradient(motion.positions_m, 1 / motion.rate_hz, axis=0), axis=-1)
    return motion.start_s + motion.times_s, {name: speeds[:, motion.skeleton.index(name)] for name in names}


def _confidence_lines(
    poses: Poses3D, tracks: Tracks, shown: Sequence[str]
) -> dict[int, tuple[np.ndarray, dict[str, np.ndarray]]]:
    names = _known(shown, tracks.skeleton.joints, "keypoint")
    lines = {}
    for person in tracks.people():
        rows = tracks.rows_of(person)
        frames = np.arange(tracks.frame[rows][0], tracks.frame[rows][-1] + 1)
        score = np.full((len(frames), len(tracks.skeleton)), np.nan)
        score[tracks.frame[rows] - frames[0]] = tracks.keypoint_score[rows]
        chosen = {name: score[:, tracks.skeleton.index(name)] for name in names}
        lines[person] = _times_of(poses, frames), chosen or {"mean over keypoints": score.mean(axis=1)}
    return lines


def _times_of(poses: Poses3D, frames: np.ndarray) -> np.ndarray:
    known, first = np.unique(poses.frame, return_index=True)
    return np.interp(frames, known, poses.timestamps_s[first])


def _time_of(poses: Poses3D, frame: int) -> float:
    return float(poses.timestamps_s[poses.frame == frame][0])


def _known(names: Sequence[str], known: Sequence[str], kind: str) -> Sequence[str]:
    for name in names:
        if name not in known:
            raise UsageError(f"--show: no {kind} is called {name!r}", f"known: {', '.join(known)}")
    return names


def _rgb(color: Color) -> tuple[float, float, float]:
    blue, green, red = color
    return red / 255, green / 255, blue / 255


def _numbers(text: str) -> list[int]:
    try:
        return [int(part) for part in text.split(",")]
    except ValueError:
        raise argparse.ArgumentTypeError(f"expected whole numbers with commas between, got {text!r}") from None


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command; returns 0, 1 where the poses cannot be used, 2 for wrong usage."""
    parser = argparse.ArgumentParser(prog="python -m render.figure", description="Draw a figure for a publication.")
    parser.add_argument("poses", type=Path, help="poses3d.npz of a run; tracks.npz beside it gives confidence")
    what = parser.add_mutually_exclusive_group(required=True)
    what.add_argument(
        "--frames", type=_numbers, metavar="10,20", help="poses of these frames of the video, side by side"
    )
    what.add_argument("--plot", choices=PLOTS, help="what is drawn over time")
    parser.add_argument("--show", default="", metavar="A,B", help="which angles, joints or keypoints to plot")
    parser.add_argument("--people", type=_numbers, metavar="0,1", help="only these people in --frames")
    parser.add_argument("-o", "--output", type=Path, required=True, metavar="FILE", help="figure.pdf, .svg or .png")
    options = parser.parse_args(arguments)
    return run_command(lambda: _draw(options))


def _draw(options: argparse.Namespace) -> None:
    poses = Poses3D.load(options.poses)
    if not len(poses):
        raise InputError(f"{options.poses}: no people in these poses", "there is nothing to draw")
    if options.frames is not None:
        figure = poses_figure(poses, options.frames, options.people)
    else:
        beside = options.poses.with_name("tracks.npz")
        tracks = Tracks.load(beside) if beside.is_file() else None
        shown = [name.strip() for name in options.show.split(",") if name.strip()]
        figure = time_figure(poses, tracks, options.plot, shown)
    save_figure(figure, options.output)
    sys.stdout.write(f"{options.output}\n")


if __name__ == "__main__":
    sys.exit(main())
