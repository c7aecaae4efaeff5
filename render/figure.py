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
from render.body import HEAD_RADIUS_M, body_of
from render.export.motion import Motion, motions
from render.joint_angles import ANGLES, joint_angles
from render.style import LIGHT, to_hex

if TYPE_CHECKING:
    from matplotlib.figure import Figure

ENDINGS = (".pdf", ".svg", ".png")
PLOTS = ("angles", "speeds", "confidence")
_PANEL_IN = 2.4
_WIDTH_IN = 6.4
# Okabe and Ito, "Color Universal Design" (2008), without yellow, which white paper swallows.
_LINES = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#000000")
_DASHES = (0, (3.2, 1.4))
_FAINT = "#D0D4DA"
_FILLED_IN = "#ECEEF1"
_SMALL_PT, _TEXT_PT = 7, 8
_RAISE_DEG, _TURN_DEG = 12, -60
_LIMB_M = 0.07
_USUAL_ANGLES = ("left_knee_flexion", "right_knee_flexion", "left_elbow_flexion", "right_elbow_flexion")
_USUAL_JOINTS = ("hip", "left_wrist", "right_wrist")

Lines = tuple[np.ndarray, dict[str, np.ndarray]]
"""Times in seconds (T,), and values (T,) by name."""


def poses_figure(poses: Poses3D, frames: Sequence[int], people: Sequence[int] | None = None) -> Figure:
    """A panel a frame with everybody in it, in metres, equally scaled; `UsageError` for a frame without people."""
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
    low, high = np.nanmin(shown, axis=0) - HEAD_RADIUS_M, np.nanmax(shown, axis=0) + HEAD_RADIUS_M
    figure = _new_figure((_PANEL_IN * len(frames), _PANEL_IN * 1.1))
    for column, (frame, rows) in enumerate(rows_of.items()):
        axes: Any = figure.add_subplot(1, len(frames), column + 1, projection="3d")
        _set_box(axes, low, high)
        _draw_people(axes, poses, world_m, rows, points_a_metre=0.6 * 72 * _PANEL_IN / float((high - low).max()))
        axes.set_title(f"frame {frame}, {_time_of(poses, frame):.2f} s", fontsize=_TEXT_PT, pad=0)
    return figure


def _draw_people(axes: Any, poses: Poses3D, world_m: np.ndarray, rows: np.ndarray, points_a_metre: float) -> None:
    """Limbs and heads, the farthest first: matplotlib would draw lines in the order in which they are added."""
    from matplotlib import patheffects

    body = body_of(poses.skeleton)
    width = float(np.clip(_LIMB_M * points_a_metre, 1.2, 5))
    edge = patheffects.Stroke(linewidth=width + 1, foreground=to_hex(LIGHT.outline))
    raised, turned = np.radians([_RAISE_DEG, _TURN_DEG])
    towards = np.array([np.cos(raised) * np.cos(turned), np.cos(raised) * np.sin(turned), np.sin(raised)])
    parts = []
    for row in rows:
        shades = LIGHT.person(poses.people().index(int(poses.person_id[row])))
        parts += [(world_m[row, limb], shades.of(side)) for limb, side in zip(body.limbs, body.limb_sides, strict=True)]
        if body.head is not None:
            parts.append((world_m[row, list(body.head)].mean(axis=0, keepdims=True), shades.centre))
    parts.sort(key=lambda part: float(np.nan_to_num((part[0] @ towards).mean())))
    for order, (points, shade) in enumerate(parts):
        style: dict[str, Any] = {"color": to_hex(shade), "zorder": 10 + order}
        if len(points) == 1:
            size = 2 * HEAD_RADIUS_M * points_a_metre
            style |= {
                "marker": "o",
                "markersize": size,
                "markeredgecolor": to_hex(LIGHT.outline),
                "markeredgewidth": 0.5,
            }
        else:
            style |= {"linewidth": width, "solid_capstyle": "round", "path_effects": [edge, patheffects.Normal()]}
        axes.plot(*points.T, **style)


def _set_box(axes: Any, low: np.ndarray, high: np.ndarray) -> None:
    from matplotlib.ticker import MultipleLocator

    axes.set(xlim=(low[0], high[0]), ylim=(low[1], high[1]), zlim=(low[2], high[2]))
    axes.set_box_aspect(high - low, zoom=1.05)
    axes.patch.set_visible(False)  # would hide the labels of the panel before
    axes.view_init(elev=_RAISE_DEG, azim=_TURN_DEG)
    step_m = 0.5 if (high - low).max() < 2.5 else max(1.0, np.ceil((high - low).max() / 6))
    for axis, name, pad in ((axes.xaxis, "x (m)", -9), (axes.yaxis, "y (m)", -9), (axes.zaxis, "z (m)", -7)):
        axis.set_major_locator(MultipleLocator(step_m))
        axis.set_pane_color("white")
        axis.pane.set(edgecolor=_FAINT, linewidth=0.5)
        axis.line.set_linewidth(0.6)
        axis._axinfo["grid"] |= {"color": _FAINT, "linewidth": 0.5}
        axis.set_label_text(name, fontsize=_SMALL_PT)
        axis.labelpad = pad
    axes.tick_params(labelsize=_SMALL_PT - 1, pad=-3, width=0.6)
    axes.tick_params(axis="z", pad=-1)


def time_figure(poses: Poses3D, tracks: Tracks | None, plot: str, shown: Sequence[str]) -> Figure:
    """A panel a person with a line for each angle (degrees), joint's speed (m/s) or keypoint's score over time.

    Both sides of a joint have one colour, the right one is dashed. Lines break where the person is missing; where she
    was not seen and the pose was filled in, the ground is grey. `UsageError` for an unknown plot or name.
    """
    if plot not in PLOTS:
        raise UsageError(f"--plot {plot}: unknown", f"known: {', '.join(PLOTS)}")
    if plot == "confidence":
        if tracks is None:
            raise UsageError("--plot confidence needs the keypoints' scores", "keep tracks.npz beside the poses")
        lines, label = _confidence_lines(poses, tracks, shown), "score"
    else:
        make, label = (_angle_lines, "angle (degrees)") if plot == "angles" else (_speed_lines, "speed (m/s)")
        lines = {motion.person_id: make(motion, shown) for motion in motions(poses)}
    figure = _new_figure((_WIDTH_IN, 0.6 + 1.7 * len(lines)))
    panels = figure.subplots(len(lines), 1, sharex=True, squeeze=False)[:, 0]
    for axes, (person, (times_s, values)) in zip(panels, lines.items(), strict=True):
        styles = _line_styles(list(values))
        for begin_s, end_s in _filled_in(poses, person):
            axes.axvspan(begin_s, end_s, color=_FILLED_IN, linewidth=0, zorder=0)
        for name, line in values.items():
            axes.plot(
                times_s, line, label=name.replace("_", " "), linewidth=1.2, solid_joinstyle="round", **styles[name]
            )
        axes.set_title(f"person {person}", fontsize=_TEXT_PT, loc="left")
        axes.set_ylabel(label, fontsize=_TEXT_PT)
        axes.tick_params(labelsize=_SMALL_PT, width=0.6)
        axes.grid(axis="y", color=_FAINT, linewidth=0.5)
        axes.set_axisbelow(True)
        axes.spines[["top", "right"]].set_visible(False)
        axes.spines[["left", "bottom"]].set_linewidth(0.6)
        if plot == "confidence":
            axes.set_ylim(0, 1.03)
        elif plot == "speeds":
            axes.set_ylim(bottom=0)
    panels[-1].set_xlabel("time (s)", fontsize=_TEXT_PT)
    panels[-1].margins(x=0.01)
    handles, names = panels[0].get_legend_handles_labels()
    if any(_filled_in(poses, person) for person in lines):
        from matplotlib.patches import Patch

        handles, names = [*handles, Patch(color=_FILLED_IN)], [*names, "not seen, filled in"]
    # Filled column by column: left and right of a joint come to stand one above the other.
    columns = len(names) if len(names) <= 4 else min(4, -(-len(names) // 2))
    figure.legend(handles, names, loc="outside upper center", ncols=columns, fontsize=_SMALL_PT, frameon=False)
    return figure


def _line_styles(names: Sequence[str]) -> dict[str, dict[str, Any]]:
    """Both sides of a joint in one colour, the right one dashed where the left one is shown too."""
    plain = {name: name.removeprefix("left_").removeprefix("right_") for name in names}
    colors = {kind: _LINES[i % len(_LINES)] for i, kind in enumerate(dict.fromkeys(plain.values()))}
    return {
        name: {
            "color": colors[kind],
            "linestyle": _DASHES if name.startswith("right_") and f"left_{kind}" in plain else "-",
        }
        for name, kind in plain.items()
    }


def _filled_in(poses: Poses3D, person: int) -> list[tuple[float, float]]:
    """The spans in seconds in which a person was not seen and her pose was filled in."""
    rows = poses.rows_of(person)
    times_s, guessed = poses.timestamps_s[rows], ~poses.observed[rows]
    edges = np.flatnonzero(np.diff(np.concatenate([[False], guessed, [False]]).astype(int))).reshape(-1, 2)
    middles = np.concatenate([times_s[:1], (times_s[1:] + times_s[:-1]) / 2, times_s[-1:]])
    return [(float(middles[first]), float(middles[last])) for first, last in edges]


def save_figure(figure: Figure, path: Path) -> None:
    """Write it in the format of the ending; `UsageError` lists the endings, `InputError` where it cannot be written."""
    if path.suffix.lower() not in ENDINGS:
        raise UsageError(
            f"{path}: no figure has the ending {path.suffix or '(none)'!r}", f"known: {', '.join(ENDINGS)}"
        )
    from matplotlib import rc_context

    content = io.BytesIO()
    # Without a date the same figure gives the same bytes.
    dated = {".pdf": {"CreationDate": None}, ".svg": {"Date": None}}.get(path.suffix.lower())
    # Type 42 puts the font itself into a PDF; many journals refuse matplotlib's own choice, Type 3.
    with rc_context({"pdf.fonttype": 42}):
        figure.savefig(content, format=path.suffix[1:].lower(), dpi=200, bbox_inches="tight", metadata=dated)
    write_atomically(path, lambda stream: stream.write(content.getvalue()))


def _new_figure(size_in: tuple[float, float]) -> Figure:
    from matplotlib.figure import Figure

    return Figure(figsize=size_in, layout="constrained")


def _angle_lines(motion: Motion, shown: Sequence[str]) -> Lines:
    names = _known(shown or _USUAL_ANGLES, ANGLES, "angle")
    angles = joint_angles(motion.positions_m, motion.skeleton)
    return motion.start_s + motion.times_s, {name: np.degrees(angles[name]) for name in names}


def _speed_lines(motion: Motion, shown: Sequence[str]) -> Lines:
    names = _known(shown or _USUAL_JOINTS, motion.skeleton.joints, "joint")
    if len(motion) < 2:
        raise InputError("speeds need at least two frames")
    speeds = np.linalg.norm(np.gradient(motion.positions_m, 1 / motion.rate_hz, axis=0), axis=-1)
    return motion.start_s + motion.times_s, {name: speeds[:, motion.skeleton.index(name)] for name in names}


def _confidence_lines(poses: Poses3D, tracks: Tracks, shown: Sequence[str]) -> dict[int, Lines]:
    """Scores of keypoints, broken where they were filled in; without names the mean, where any keypoint was seen."""
    names = _known(shown, tracks.skeleton.joints, "keypoint")
    lines = {}
    for person in tracks.people():
        rows = tracks.rows_of(person)
        frames = np.arange(tracks.frame[rows][0], tracks.frame[rows][-1] + 1)
        score = np.full((len(frames), len(tracks.skeleton)), np.nan)
        score[tracks.frame[rows] - frames[0]] = np.where(tracks.observed[rows], tracks.keypoint_score[rows], np.nan)
        chosen = {name: score[:, tracks.skeleton.index(name)] for name in names}
        # A keypoint that was not seen counts as 0 among those that were.
        mean = np.where(np.isfinite(score).any(axis=1), np.nan_to_num(score).mean(axis=1), np.nan)
        lines[person] = _times_of(poses, frames), chosen or {"mean over keypoints": mean}
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
