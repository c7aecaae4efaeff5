"""The picture of `lifting.data.coverage`: what each archive covers, and what weights and recombination add."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

from lifting.data.coverage import NEW_DEG, Coverage, Mixture
from poses.archive import write_atomically

_COLOURS = ("#999999", "#1b6ca8", "#d95f02")


def plot_coverage(path: Path, coverage: dict[str, Coverage], mixtures: list[Mixture]) -> None:
    """Write a PNG: archives as bars, clusters by frequency, and how far drawn poses are from recorded ones."""
    figure = Figure(figsize=(15, 5), dpi=120, layout="constrained")
    FigureCanvasAgg(figure)
    bars, curves, distances = figure.subplots(1, 3, width_ratios=(1.1, 1, 1))
    _bars(bars, coverage)
    _curves(curves, mixtures)
    _distances(distances, mixtures)
    for axes in (bars, curves, distances):
        axes.spines[["top", "right"]].set_visible(False)
    write_atomically(path, lambda stream: figure.savefig(stream, format="png"))


def _bars(axes: Axes, coverage: dict[str, Coverage]) -> None:
    names = list(coverage)
    place = np.arange(len(names))
    frames = sum(c.frames for c in coverage.values())
    axes.barh(
        place - 0.2, [c.frames / frames for c in coverage.values()], 0.36, color=_COLOURS[0], label="of the frames"
    )
    axes.barh(place + 0.2, [c.weight for c in coverage.values()], 0.36, color=_COLOURS[1], label="suggested weight")
    for at, c in zip(place, coverage.values(), strict=True):
        end = max(c.weight, c.frames / frames)
        axes.text(end + 0.01, at, f"{c.effective:.0f} effective, {100 * c.new:.0f} % new", va="center", fontsize=8)
    axes.set_yticks(place, names)
    axes.invert_yaxis()
    axes.set_xlim(0, 1.35 * max(max(c.weight, c.frames / frames) for c in coverage.values()))
    axes.set_xlabel("share")
    axes.set_title("Archives: share, effective clusters, new frames", fontsize=10)
    axes.legend(frameon=False, loc="lower right", fontsize=8)


def _curves(axes: Axes, mixtures: list[Mixture]) -> None:
    for mixture, colour in zip(mixtures, _COLOURS, strict=True):
        share = np.sort(mixture.shares)[::-1]
        effective = np.exp(-(share[share > 0] * np.log(share[share > 0])).sum())
        axes.plot(
            np.arange(1, len(share) + 1), np.cumsum(share), color=colour, label=f"{mixture.name}: {effective:.0f}"
        )
    axes.plot([0, len(share)], [0, 1], color="#cccccc", lw=0.8, ls="--")
    axes.set_xlabel("clusters of poses, the most frequent first")
    axes.set_ylabel("share of the windows' frames in them")
    axes.set_ylim(0, 1.02)
    axes.set_xlim(0, len(share))
    axes.set_title("How evenly poses are drawn", fontsize=10)
    axes.legend(frameon=False, loc="lower right", fontsize=8, title="effective number", title_fontsize=8)


def _distances(axes: Axes, mixtures: list[Mixture]) -> None:
    degrees = np.linspace(0, 45, 91)
    for mixture, colour in zip(mixtures, _COLOURS, strict=True):
        beyond = [(mixture.unlike_deg > d).mean() for d in degrees]
        axes.plot(
            degrees, beyond, color=colour, label=f"{mixture.name}: {100 * mixture.new:.1f} % beyond {NEW_DEG:.0f}°"
        )
    axes.axvline(NEW_DEG, color="#cccccc", lw=0.8, ls="--")
    axes.set_xlabel("angle to the nearest frame of the archives, degrees")
    axes.set_ylabel("share of the windows' frames that differ by more")
    axes.set_xlim(0, 45)
    axes.set_ylim(0, 1.02)
    axes.set_title("How unlike the archives poses are", fontsize=10)
    axes.legend(frameon=False, loc="upper right", fontsize=8)
