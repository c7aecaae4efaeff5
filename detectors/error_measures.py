"""What the errors of keypoints are like: numbers from shown and true keypoints, whatever made the shown ones.

Everything is measured in windows of `WINDOW` frames at `RATE_HZ`, as the lifter is trained with them, in fractions of
the person's apparent standing height. Shape letters: N windows, W frames of one, J joints, P parts (joints without
their side).
"""

from __future__ import annotations

import itertools
from dataclasses import dataclass
from typing import Any

import numpy as np

from detectors.error_samples import Sample
from detectors.swaps import GROUPS
from poses import COCO17, InputError

RATE_HZ = 50.0
WINDOW = 82
LAGS = (1, 2, 5, 10, 25, 50)
QUANTILES = (0.25, 0.5, 0.75, 0.9, 0.97)
VIEWS = ("back", "side", "front")
PARTS = tuple(dict.fromkeys(j.removeprefix("left_").removeprefix("right_") for j in COCO17.joints))
_PART = np.array([PARTS.index(j.removeprefix("left_").removeprefix("right_")) for j in COCO17.joints])
_LIMBS = {"elbow": "shoulder", "wrist": "elbow", "knee": "hip", "ankle": "knee"}
_PAIRS = {
    group: [COCO17.indices(f"left_{n}", f"right_{n}") for n in names if f"left_{n}" in COCO17.joints]
    for group, names in GROUPS.items()
}
_TRUNK = {name: COCO17.indices(f"left_{name}", f"right_{name}") for name in ("hip", "shoulder")}
_APART = {"arms": 0.05, "legs": 0.04, "face": 0.02}
"""Where left and right are nearer than this on average, whether they are exchanged cannot be told."""
_TRUNK_BINS = (0.0, 0.15, 0.2, 0.25, 1.0)
"""Of the trunk's length in the picture, in apparent heights: a trunk that is seen at its full length has about 0.3."""
_NORMAL = 1.4826
"""Standard deviation of a normal distribution in medians of the absolute value."""


@dataclass(frozen=True)
class Windows:
    """Shown and true keypoints in windows.

    Attributes
    ----------
    truth, shown : (N, W, J, 2) apparent heights.
    outside, visible, observed : (N, W, J) bool, see `detectors.error_samples.Sample`.
    facing : (N, W), 1 front view, -1 back view.
    height_px : (N,).
    """

    truth: np.ndarray
    shown: np.ndarray
    outside: np.ndarray
    visible: np.ndarray
    observed: np.ndarray
    facing: np.ndarray
    height_px: np.ndarray


def cut_windows(samples: list[Sample], stride: int = WINDOW // 2) -> tuple[Windows, np.ndarray]:
    """Windows in which the person was followed throughout, and (N, W, J) depth in metres; `InputError` for none."""
    rows: list[tuple[np.ndarray, ...]] = []
    for sample in samples:
        frames = len(sample.facing)
        times_s = np.arange(frames) / sample.fps
        to_s = np.arange(int(times_s[-1] * RATE_HZ) + 1) / RATE_HZ
        near = np.rint(to_s * sample.fps).astype(int).clip(0, frames - 1)

        def at(values: np.ndarray, times_s: np.ndarray = times_s, to_s: np.ndarray = to_s) -> np.ndarray:
            flat = values.reshape(len(values), -1)
            columns = [np.interp(to_s, times_s, column) for column in flat.T]
            return np.stack(columns, axis=-1).reshape(len(to_s), *values.shape[1:])

        truth, shown = at(sample.truth_px / sample.height_px), at(sample.tracked_px / sample.height_px)
        values = (truth, shown, sample.outside[near], sample.visible[near], sample.observed[near],
                  at(sample.facing), at(sample.depth_m))  # fmt: skip
        whole = np.isfinite(shown).all(axis=(1, 2)) & np.isfinite(truth).all(axis=(1, 2))
        for start, end in _runs(whole[None]):
            for first in range(start, end - WINDOW + 1, stride):
                window = slice(first, first + WINDOW)
                rows.append((*(v[window] for v in values), np.array(sample.height_px)))
    if not rows:
        raise InputError(f"nobody was followed for {WINDOW / RATE_HZ:.2g} s", "draw more or longer clips")
    truth, shown, outside, visible, observed, facing, depth_m, height_px = map(np.stack, zip(*rows, strict=True))
    return Windows(truth, shown, outside, visible, observed, facing, height_px), depth_m


def view_weights(facing: np.ndarray) -> np.ndarray:
    """(..., 3) how much each frame is a back, side and front view: 1 at -1, 0 and 1, linear in between."""
    return np.stack([np.clip(-facing, 0, 1), 1 - np.abs(facing).clip(0, 1), np.clip(facing, 0, 1)], axis=-1)


def by_view(values: np.ndarray, facing: np.ndarray, known: np.ndarray) -> dict[str, float]:
    """Value at each view by least squares: `values`, `facing` and `known` (bool) of one shape; never negative."""
    weights = view_weights(facing)[known]
    if known.sum() < 10:
        return dict.fromkeys(VIEWS, float("nan"))
    found = np.linalg.lstsq(weights, values[known].astype(float), rcond=None)[0]
    return {view: round(max(float(v), 0.0), 5) for view, v in zip(VIEWS, found, strict=True)}


def exchanged(windows: Windows) -> tuple[dict[str, np.ndarray], dict[str, np.ndarray]]:
    """For each group (N, W) bool: left and right are exchanged, and whether that can be told."""
    swapped, known = {}, {}
    for group, pairs in _PAIRS.items():
        index = np.array(pairs)
        own = windows.truth[:, :, index]
        shown = windows.shown[:, :, index]
        straight = np.linalg.norm(shown - own, axis=-1).mean(axis=(-1, -2))
        crossed = np.linalg.norm(shown - own[..., ::-1, :], axis=-1).mean(axis=(-1, -2))
        apart = np.linalg.norm(own[..., 0, :] - own[..., 1, :], axis=-1).mean(axis=-1)
        inside = ~windows.outside[:, :, index].any(axis=(-1, -2))
        known[group] = (apart > _APART[group]) & inside & (np.minimum(straight, crossed) < 1.0 * apart)
        swapped[group] = known[group] & (crossed < 0.7 * straight)
    return swapped, known


def _runs(mask: np.ndarray) -> list[tuple[int, int]]:
    """First and end of each run of True in the rows of (N, W)."""
    edges = np.diff(np.pad(mask.astype(int), ((0, 0), (1, 1))), axis=1)
    return [
        (int(first), int(end))
        for row in edges
        for first, end in zip(np.flatnonzero(row == 1), np.flatnonzero(row == -1), strict=True)
    ]


def _runs_s(mask: np.ndarray, rate_hz: float = RATE_HZ) -> list[float]:
    """Lengths of those runs in seconds."""
    return [(end - first) / rate_hz for first, end in _runs(mask)]


def _spread(values: np.ndarray) -> tuple[float, float]:
    """Median and robust standard deviation of the finite ones."""
    values = values[np.isfinite(values)]
    if not len(values):
        return float("nan"), float("nan")
    middle = float(np.median(values))
    return round(middle, 5), round(_NORMAL * float(np.median(np.abs(values - middle))), 5)


def _slope(value: np.ndarray, axis: np.ndarray, weight: np.ndarray) -> np.ndarray:
    """(N,) least-squares factor of `axis` (N, W, 2) in `value`, of the frames with `weight` (N, W)."""
    with np.errstate(invalid="ignore", divide="ignore"):
        factor = ((value * axis).sum(-1) * weight).sum(1) / ((axis * axis).sum(-1) * weight).sum(1)
    enough = (weight.sum(1) > WINDOW / 4) & (((axis * axis).sum(-1) * weight).sum(1) / weight.sum(1).clip(1) > 0.05**2)
    return np.where(enough, factor, np.nan)


def quantiles(values: np.ndarray) -> list[float]:
    """`QUANTILES` of the finite ones."""
    values = values[np.isfinite(values)]
    return [round(float(q), 5) for q in np.quantile(values, QUANTILES)] if len(values) else []


def measure(windows: Windows) -> dict[str, Any]:
    """All numbers, for JSON. Lengths are apparent heights, times seconds."""
    swapped, known = exchanged(windows)
    result: dict[str, Any] = {"windows": len(windows.truth), "swaps": _swaps(swapped, known, windows.facing)}
    # The other errors are measured as if the sides had been put right.
    shown = windows.shown.copy()
    for group, pairs in _PAIRS.items():
        for left, right in pairs:
            a, b = shown[:, :, left].copy(), shown[:, :, right].copy()
            shown[:, :, left] = np.where(swapped[group][..., None], b, a)
            shown[:, :, right] = np.where(swapped[group][..., None], a, b)
    error = shown - windows.truth
    distance = np.linalg.norm(error, axis=-1)
    result["error_quantiles"] = _by_part(distance, ~windows.outside)
    result["error_by_trunk_length"] = _by_trunk_length(windows, distance)
    bias, explained = _bias(windows, shown)
    result["bias"] = bias
    inside = ~windows.outside
    rest = error - explained
    weight = np.where(inside & windows.visible, 1.0, 1e-3)[..., None]
    offset = (rest * weight).sum(axis=1, keepdims=True) / weight.sum(axis=1, keepdims=True)
    seen_enough = (inside & windows.visible).mean(axis=1) > 0.5
    result["bias"]["offset"] = {
        part: [
            _spread(np.where(seen_enough, offset[:, 0, :, c], np.nan)[:, p == _PART].ravel()) for c in (0, 1)
        ]
        for p, part in enumerate(PARTS)
    }  # fmt: skip
    rest = rest - offset
    size = np.linalg.norm(rest, axis=-1)
    result["wander_quantiles"] = _by_part(size, inside)
    result["wander_visible_quantiles"] = _by_part(size, inside & windows.visible)
    result["wander_hidden_quantiles"] = _by_part(size, inside & ~windows.visible)
    result["wander_outside_quantiles"] = _by_part(size, windows.outside)
    result["wander_by_view"] = {
        name: by_view(
            size[..., joints], np.repeat(windows.facing[..., None], int(joints.sum()), -1),
            inside[..., joints] & (size[..., joints] < 0.15),
        )
        for name, joints in {"face": _PART < 3, "limbs_and_trunk": _PART >= 3}.items()
    }  # fmt: skip
    result["autocorrelation"] = _autocorrelation(rest, inside)
    result["spread"] = _log_spreads(size, inside)
    result["common"] = _common(rest, inside)
    return result


def _by_part(size: np.ndarray, counted: np.ndarray) -> dict[str, list[float]]:
    masked = np.where(counted, size, np.nan)
    return {part: quantiles(masked[..., p == _PART]) for p, part in enumerate(PARTS)}


def _by_trunk_length(windows: Windows, size: np.ndarray) -> list[dict[str, Any]]:
    """Quantiles of the errors `size` (N, W, J) in bins of the trunk's length in the picture."""
    length = np.linalg.norm(_trunk(windows.truth), axis=-1)
    rows = []
    for low, high in itertools.pairwise(_TRUNK_BINS):
        hit = (length >= low) & (length < high)
        rows.append({"from": low, "to": high, "frames": int(hit.sum()),
                     "error_quantiles": quantiles(size[hit][~windows.outside[hit]])})  # fmt: skip
    return rows


def _swaps(swapped: dict[str, np.ndarray], known: dict[str, np.ndarray], facing: np.ndarray) -> dict[str, Any]:
    both = swapped["arms"] & swapped["legs"]
    both_known = known["arms"] & known["legs"]
    kinds = {"all": (both, both_known)} | {
        group: (swapped[group] & ~both, known[group]) for group in ("arms", "legs", "face")
    }
    # With arms and legs the face goes as well: alone is what differs from the shoulders.
    kinds["face"] = (swapped["face"] & ~swapped["arms"], known["face"] & known["arms"])
    return {
        kind: {
            "share": round(float(hit[told].mean()), 5) if told.any() else None,
            "by_view": by_view(hit, facing, told),
            "frames_told": int(told.sum()),
            "runs": len(runs := _runs_s(hit)),
            "run_s": quantiles(np.array(runs)),
            "windows_throughout": round(float((hit.sum(1) >= 0.95 * told.sum(1).clip(1)).mean()), 5),
        }
        for kind, (hit, told) in kinds.items()
    }


def _bias(windows: Windows, shown: np.ndarray) -> tuple[dict[str, Any], np.ndarray]:
    """Biases along body axes, and the error that they explain (N, W, J, 2)."""
    truth, error = windows.truth, shown - windows.truth
    explained = np.zeros_like(error)
    good = np.where(~windows.outside & (np.linalg.norm(error, axis=-1) < 0.15), 1.0, 0.0)
    trunk = _trunk(truth)
    found: dict[str, Any] = {}
    for name, (left, right) in _TRUNK.items():
        weight = good[:, :, [left, right]].min(axis=-1)
        half = 0.5 * (truth[:, :, left] - truth[:, :, right])
        width = _slope(0.5 * (shown[:, :, left] - shown[:, :, right]), half, weight)
        shift = _slope(error[:, :, [left, right]].mean(axis=2), trunk, weight)
        found[f"{name}_width"], found[f"{name}_shift"] = _spread(width), _spread(shift)
        found[f"{name}_width_by_view"] = {
            view: _spread(np.where(mask, width, np.nan))[0]
            for view, mask in zip(VIEWS, _three(windows.facing), strict=True)
        }
        along = np.nan_to_num(shift)[:, None, None] * trunk
        wide = np.nan_to_num(width - 1)[:, None, None] * half
        explained[:, :, left], explained[:, :, right] = along + wide, along - wide
    for name, parent in _LIMBS.items():
        stretches = []
        for side in ("left", "right"):
            joint, base = COCO17.index(f"{side}_{name}"), COCO17.index(f"{side}_{parent}")
            bone = truth[:, :, joint] - truth[:, :, base]
            stretch = _slope(error[:, :, joint], bone, good[:, :, joint])
            stretches.append(stretch)
            explained[:, :, joint] = np.nan_to_num(stretch)[:, None, None] * bone
        found[f"{name}_stretch"] = _spread(np.concatenate(stretches))
    for name, axis in (("along_trunk", trunk), ("across", truth[:, :, 5] - truth[:, :, 6])):
        found[f"face_{name}"] = {
            part: _spread(np.stack([_slope(error[:, :, j], axis, good[:, :, j]) for j in np.flatnonzero(p == _PART)]))
            for p, part in enumerate(PARTS[:3])
        }  # fmt: skip
    return found, explained


def _trunk(truth: np.ndarray) -> np.ndarray:
    """(N, W, 2) from the middle of the hips to that of the shoulders."""
    return truth[:, :, _TRUNK["shoulder"]].mean(axis=2) - truth[:, :, _TRUNK["hip"]].mean(axis=2)


def _three(facing: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    mean = facing.mean(axis=1)
    return mean < -0.6, np.abs(mean) < 0.4, mean > 0.6


def _autocorrelation(rest: np.ndarray, inside: np.ndarray) -> dict[str, list[float]]:
    """At `LAGS` frames, each window's and joint's error scaled to the same size first."""
    scale = np.sqrt((rest**2).mean(axis=(1, 3), keepdims=True)).clip(1e-9)
    scaled = rest / scale
    whole = inside.all(axis=1)
    result = {}
    for p, part in enumerate(PARTS):
        joints = p == _PART
        chosen = scaled[:, :, joints].transpose(0, 2, 1, 3)[whole[:, joints]]
        result[part] = [round(float((chosen[:, lag:] * chosen[:, :-lag]).mean()), 4) for lag in LAGS]
    return result


def _log_spreads(size: np.ndarray, inside: np.ndarray) -> dict[str, float]:
    """Deviations of the log of an error's usual size: over windows, over joints in one, and over time in one."""
    logs = np.log(size.clip(1e-5))
    for joint in range(logs.shape[2]):
        if inside[..., joint].any():
            logs[..., joint] -= np.median(logs[..., joint][inside[..., joint]])
    frames = inside.sum(axis=1)
    of_joint = np.where(frames > 0, np.where(inside, logs, 0.0).sum(axis=1) / frames.clip(1), np.nan)
    of_window = np.nanmean(of_joint, axis=1)
    return {
        "window": round(float(np.nanstd(of_window)), 4),
        "joint": round(float(np.nanstd(of_joint - of_window[:, None])), 4),
        "time": round(float(np.nanstd(np.where(inside, logs - of_joint[:, None], np.nan))), 4),
    }


def _common(rest: np.ndarray, inside: np.ndarray) -> dict[str, float]:
    """Correlation of the errors of joints that belong together."""
    pairs = {"eye_nose": ("left_eye", "nose"), "ear_nose": ("left_ear", "nose"),
             "elbow_wrist": ("left_elbow", "left_wrist"), "knee_ankle": ("left_knee", "left_ankle"),
             "shoulders": ("left_shoulder", "right_shoulder"),
             "hips": ("left_hip", "right_hip"), "shoulder_elbow": ("left_shoulder", "left_elbow"),
             "hip_knee": ("left_hip", "left_knee"), "wrists": ("left_wrist", "right_wrist")}  # fmt: skip
    found = {}
    for name, (a, b) in pairs.items():
        i, j = COCO17.index(a), COCO17.index(b)
        both = (inside[:, :, i] & inside[:, :, j]).all(axis=1)
        x, y = rest[both][:, :, i], rest[both][:, :, j]
        scale = np.sqrt((x**2).mean(axis=(1, 2)) * (y**2).mean(axis=(1, 2))).clip(1e-12)
        found[name] = round(float(((x * y).mean(axis=(1, 2)) / scale).mean()), 4)
    return found


def missing(samples: list[Sample]) -> dict[str, Any]:
    """How often and how long a joint was not given, or taken out, while the person was followed."""
    result: dict[str, Any] = {}
    gone, outside, hidden, facing, runs = [], [], [], [], []
    for sample in samples:
        followed = np.isfinite(sample.tracked_px).all(axis=(1, 2))
        lost = ~sample.observed[followed]
        gone.append(lost)
        outside.append(sample.outside[followed])
        hidden.append(~sample.visible[followed] & ~sample.outside[followed])
        facing.append(sample.facing[followed])
        runs += _runs_s((lost & ~sample.outside[followed]).T, sample.fps)
    lost, out, hid, front = map(np.concatenate, (gone, outside, hidden, facing))
    for name, mask in {"visible": ~out & ~hid, "hidden": hid, "outside": out}.items():
        result[name] = {
            part: round(float(lost[mask & (p == _PART)].mean()), 4) if (mask & (p == _PART)).any() else None
            for p, part in enumerate(PARTS)
        }
    result["by_view"] = by_view(lost.mean(axis=1), front, ~out.any(axis=1))
    result["run_s"] = quantiles(np.array(runs))
    result["not_followed"] = round(
        float(np.concatenate([~np.isfinite(s.tracked_px).all(axis=(1, 2)) for s in samples]).mean()), 4
    )
    return result


def score_against_error(samples: list[Sample]) -> list[dict[str, Any]]:
    """Quantiles of the detector's error in bins of its score."""
    score = np.concatenate([s.detected_score for s in samples]).ravel()
    error = np.concatenate([np.linalg.norm(s.detected_px - s.truth_px, axis=-1) / s.height_px for s in samples]).ravel()
    edges = (0, 0.1, 0.3, 0.5, 0.7, 0.9, 0.97, 1.001)
    rows: list[dict[str, Any]] = []
    for low, high in itertools.pairwise(edges):
        hit = (score >= low) & (score < high)
        share = float(hit.sum() / max(int(np.isfinite(score).sum()), 1))
        rows.append({"from": low, "share": round(share, 4), "error_quantiles": quantiles(error[hit])})
    return rows
