"""Real people in 3D from one view, measured against what four calibrated views together say.

python -m benchmarks.real_views [--scene single|multi] [--lifter NAME|FILE ...] [--keypoints detected truth ...]

Fetches the clips of Pose2Sim's wheel (51 MB) into the cache, detects the people in each view, and triangulates their
joints (the truth). Then each view by itself goes through tracker and lifter with its own intrinsics and is compared
with the truth in that camera's axes, over the twelve joints that COCO and Human3.6M both have; all are relative to the
middle of the hips. The last rows are the 3D landmarks that the detector's own package gives. Prints tables in Markdown.

Velocities and accelerations are given a frame of 50 Hz, whatever the clip's rate. "Without offsets" is P-MPJPE after
each joint's mean error in the body's own axes (over all views and frames) is taken off: the truth has the detector's
idea of where a joint is, which is not Human3.6M's.
"""

from __future__ import annotations

import argparse
import dataclasses
import json
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from benchmarks.real_clips import SCENES, Recording, load_scene, to_camera_axes, world_landmarks
from benchmarks.real_truth import BODY, Truth, find_truth
from detectors import TrackingOptions, track
from detectors.oks import person_size_px
from detectors.swaps import pairs_by_group
from lifting.ground import angles_from_up, ground
from lifting.lift import LiftOptions, lift
from lifting.lifter import Lifter
from lifting.metrics import lean_deg, mpjpe, n_mpjpe, p_mpjpe
from lifting.multiview import View, exchange_sides
from pipeline.progress import LogProgress
from poses import BLAZEPOSE33, COCO17, H36M17, Detections, Tracks
from poses.archive import write_atomically
from poses.cache import cache_folder
from poses.commands import run_command

KEYPOINTS = {
    "detected": "as the pipeline has them",
    "adapted": "detected, the lifter adapted to the view (--adapt)",
    "unrolled": "detected, the calibration's roll given (--roll)",
    "as-labelled": "detected, tracked without undoing of swaps",
    "true-sides": "detected, the sides put right by the truth",
    "truth": "the projected truth",
}
POSE_COLUMNS = {
    "mpjpe_mm": "MPJPE mm",
    "p_mpjpe_mm": "P-MPJPE mm",
    "n_mpjpe_mm": "N-MPJPE mm",
    "without_offsets_mm": "without offsets mm",
    "mpjve_mm": "MPJVE mm",
    "acceleration_mm": "accel. mm",
}
COLUMNS = {
    "frames": "frames",
    **POSE_COLUMNS,
    "root_percent": "root %",
    "lean_deg": "world leans °",
    "bone_std_mm": "bones ± mm",
    "mirrored_percent": "mirrored %",
}
RATE_HZ = 50.0
_PLAIN = TrackingOptions(undo_swaps=False, smooth=False, outlier_s=0.0)
_CLEARLY = 0.02
"""A group's sides are wrong where the other labelling is nearer to the truth by this part of the person's size."""
_BODY = COCO17.indices(*BODY)
_HIPS = [BODY.index("left_hip"), BODY.index("right_hip")]
_SHOULDERS = [BODY.index("left_shoulder"), BODY.index("right_shoulder")]
_MIRROR = [BODY.index(COCO17.joints[COCO17.mirror[COCO17.index(joint)]]) for joint in BODY]


@dataclass(frozen=True)
class Estimate:
    """What one method says about one person in one view.

    Attributes
    ----------
    frame : (N,) the frames it speaks of. joints_m : (N, 12, 3) in camera axes. absolute : whether the place counts too.
    lean_deg : by how much its world leans, where it has one.
    """

    frame: np.ndarray
    joints_m: np.ndarray
    absolute: bool
    lean_deg: float = float("nan")


def relative(joints_m: np.ndarray) -> np.ndarray:
    """Joints (..., 12, 3) about the middle of the hips."""
    return joints_m - joints_m[..., _HIPS, :].mean(axis=-2, keepdims=True)


def body_axes(joints_m: np.ndarray) -> np.ndarray:
    """(N, 3, 3) rows: to the person's left, up the trunk, ahead; of joints (N, 12, 3)."""
    up = joints_m[:, _SHOULDERS].mean(axis=1) - joints_m[:, _HIPS].mean(axis=1)
    up /= np.linalg.norm(up, axis=-1, keepdims=True)
    left = joints_m[:, _HIPS[0]] - joints_m[:, _HIPS[1]]
    left -= (left * up).sum(axis=-1, keepdims=True) * up
    left /= np.linalg.norm(left, axis=-1, keepdims=True)
    return np.stack([left, up, np.cross(left, up)], axis=1)


def errors(estimate: Estimate, truth_m: np.ndarray, times_s: np.ndarray) -> dict[str, float]:
    """The columns of the table for one view; `truth_m` (F, 12, 3) in camera axes."""
    target = truth_m[estimate.frame]
    x, y = relative(estimate.joints_m), relative(target)
    as_given = np.linalg.norm(x - y, axis=-1).mean(axis=-1)
    as_mirrored = np.linalg.norm(x[:, _MIRROR] - y, axis=-1).mean(axis=-1)
    bones = np.array([(BODY.index(COCO17.joints[a]), BODY.index(COCO17.joints[b])) for a, b in _bones()])
    lengths = np.linalg.norm(x[:, bones[:, 0]] - x[:, bones[:, 1]], axis=-1)
    root = float("nan")
    if estimate.absolute:
        hips, true_hips = (a[:, _HIPS].mean(axis=1) for a in (estimate.joints_m, target))
        root = float((np.linalg.norm(hips - true_hips, axis=-1) / np.linalg.norm(true_hips, axis=-1)).mean())
    return {
        "frames": float(len(target)),
        "mpjpe_mm": 1000 * mpjpe(x, y),
        "p_mpjpe_mm": 1000 * p_mpjpe(x, y),
        "n_mpjpe_mm": 1000 * n_mpjpe(x, y),
        "mpjve_mm": 1000 * _difference(x - y, estimate.frame, times_s, 1),
        "acceleration_mm": 1000 * _difference(x - y, estimate.frame, times_s, 2),
        "root_percent": 100 * root,
        "lean_deg": estimate.lean_deg,
        "bone_std_mm": 1000 * float(lengths.std(axis=0).mean()),
        "mirrored_percent": 100 * float((as_mirrored < as_given).mean()),
    }


def _bones() -> np.ndarray:
    return COCO17.bones[np.isin(COCO17.bones, _BODY).all(axis=1)]


def _difference(error_m: np.ndarray, frame: np.ndarray, times_s: np.ndarray, order: int) -> float:
    """Mean length of the error's differences over successive frames, as if these were 1/50 s apart."""
    successive = frame[order:] - frame[:-order] == order
    steps = float(np.median(np.diff(times_s))) * RATE_HZ
    lengths = np.linalg.norm(np.diff(error_m, n=order, axis=0), axis=-1)[successive]
    return float(lengths.mean()) / steps**order if len(lengths) else float("nan")


def without_offsets(estimates: Sequence[Estimate], truths_m: Sequence[np.ndarray]) -> list[float]:
    """P-MPJPE in metres of each view after the mean error of each joint in the body's axes is taken off."""
    misses, axes = [], []
    for estimate, truth_m in zip(estimates, truths_m, strict=True):
        target = truth_m[estimate.frame]
        axes.append(body_axes(target))
        misses.append(np.einsum("nab,njb->nja", axes[-1], relative(estimate.joints_m) - relative(target)))
    offset = np.concatenate(misses).mean(axis=0)
    return [
        p_mpjpe(e.joints_m - np.einsum("nab,ja->njb", axis, offset), t[e.frame])
        for e, t, axis in zip(estimates, truths_m, axes, strict=True)
    ]


def tracks_for(kind: str, truth: Truth, v: int, recording: Recording) -> Tracks:
    """One person's keypoints in view `v`, by one of `KEYPOINTS`: rows of that person alone."""
    exact_px = truth.views[v].project(truth.points_m)
    frames = np.arange(len(truth.times_s))
    if kind == "truth":
        seen = np.isfinite(exact_px).all(axis=-1)
        return Tracks(
            person_id=np.zeros(len(frames), np.int64),
            frame=frames,
            keypoints_px=exact_px.astype(np.float32),
            keypoint_score=seen.astype(np.float32),
            observed=seen,
            swapped=np.zeros_like(seen),
            skeleton=COCO17,
        )
    detections = recording.detections
    options = TrackingOptions(undo_swaps=kind not in ("as-labelled", "true-sides"))
    if kind == "true-sides":
        one = slice(v, v + 1)
        keypoints_px = exchange_sides(truth.keypoints_px[one], truth.exchanged[one], COCO17)[0]
        score = exchange_sides(truth.score[one], truth.exchanged[one], COCO17)[0]
        detections = _detections_of(keypoints_px, score, detections)
    tracks = track(detections, recording.info.timestamps_s, options)
    return nearest_person(tracks, exact_px)


def nearest_person(tracks: Tracks, exact_px: np.ndarray) -> Tracks:
    """The rows of the person whose keypoints are the nearest to `exact_px` (F, 17, 2) for most frames."""
    trunk = COCO17.indices("left_shoulder", "right_shoulder", "left_hip", "right_hip")

    def distance(person: int) -> float:
        rows = tracks.rows_of(person)
        # The middle: it is the same whichever side is which.
        away = (tracks.keypoints_px[rows][:, trunk] - exact_px[tracks.frame[rows]][:, trunk]).mean(axis=1)
        return float(np.nanmedian(np.linalg.norm(away, axis=-1))) * len(exact_px) / len(rows)

    rows = tracks.rows_of(min(tracks.people(), key=distance))
    names = [field.name for field in dataclasses.fields(tracks) if field.name != "skeleton"]
    return dataclasses.replace(tracks, **{name: getattr(tracks, name)[rows] for name in names})


def _detections_of(keypoints_px: np.ndarray, score: np.ndarray, like: Detections) -> Detections:
    frame = np.flatnonzero(np.isfinite(keypoints_px).all(axis=-1).any(axis=1))
    points = keypoints_px[frame].astype(np.float32)
    box = np.concatenate([np.nanmin(points, axis=1), np.nanmax(points, axis=1)], axis=1)
    mean = score[frame].mean(axis=1).astype(np.float32)
    return Detections(frame, box, mean, points, score[frame].astype(np.float32), COCO17, like.detector, "")


def wrong_sides(keypoints_px: np.ndarray, exact_px: np.ndarray, size_px: float) -> dict[str, np.ndarray]:
    """Of arms and legs, (F,) bool: frames (F, 17, 2) whose exchanged labelling is clearly nearer to the truth."""
    wrong = {}
    for group, pairs in pairs_by_group(COCO17).items():
        joints, twins = pairs.ravel(), COCO17.mirror[pairs.ravel()]
        near, far = (np.linalg.norm(keypoints_px[:, k] - exact_px[:, joints], axis=-1) for k in (joints, twins))
        wrong[group] = np.nan_to_num(np.nanmean(near - far, axis=1)) > _CLEARLY * size_px
    return {group: wrong[group] for group in ("arms", "legs")}


def lifted(tracks: Tracks, truth: Truth, view: View, lifter: Lifter, kind: str) -> Estimate:
    """What the lifter makes of one person's tracks in a view, in the frames in which the truth is known."""
    options = LiftOptions(adapt=kind == "adapted")
    # The calibration's world has z up.
    true_up = view.camera_from_world[:3, 2]
    roll_rad = angles_from_up(true_up)[1] if kind == "unrolled" else 0.0
    poses = lift(tracks, truth.times_s, view.intrinsics, "file", lifter, options, roll_rad)
    keep = truth.usable[poses.frame]
    joints_m = poses.camera_m()[keep][:, H36M17.indices(*BODY)].astype(float)
    return Estimate(poses.frame[keep], joints_m, absolute=True, lean_deg=lean_deg(ground(poses).up, true_up))


def landmarks(recording: Recording, truth: Truth, v: int) -> Estimate | None:
    """MediaPipe's world landmarks of this person, turned to the camera's axes; None where it follows somebody else."""
    world_m, pixels_px = world_landmarks(recording.video, recording.video.with_suffix(".mediapipe.npz"))
    order = BLAZEPOSE33.indices(*BODY)
    exact_px = truth.views[v].project(truth.points_m)[:, _BODY]
    middle = np.linalg.norm((pixels_px[:, order] - exact_px).mean(axis=1), axis=-1)
    near = truth.usable & (np.nan_to_num(middle, nan=np.inf) < 0.1 * np.median(person_size_px(exact_px)))
    if near.mean() < 0.2:
        return None
    frame = np.flatnonzero(near)
    middle_px = pixels_px[frame][:, order][:, _HIPS].mean(axis=1)
    turned = to_camera_axes(world_m[frame][:, order], middle_px, truth.views[v].intrinsics)
    return Estimate(frame, turned, False)


def compare(
    recordings: list[Recording], truth: Truth, lifters: Sequence[Lifter], kinds: Sequence[str]
) -> Iterator[tuple[str, str, dict[str, float]]]:
    """View, method and errors, one row each, and a mean over the views for each method."""
    in_camera = [view.to_camera(truth.points_m)[:, _BODY] for view in truth.views]
    methods: dict[str, list[Estimate | None]] = {}
    for kind in kinds:
        tracked = [tracks_for(kind, truth, v, recording) for v, recording in enumerate(recordings)]
        for lifter in lifters:
            methods[f"{lifter.card.name}, {kind}"] = [
                lifted(tracks, truth, view, lifter, kind) for tracks, view in zip(tracked, truth.views, strict=True)
            ]
    methods["MediaPipe's 3D"] = [landmarks(recording, truth, v) for v, recording in enumerate(recordings)]
    for method, estimates in methods.items():
        present = [(v, e) for v, e in enumerate(estimates) if e is not None and len(e.frame) > 2]
        if not present:
            continue
        corrected = without_offsets([e for _, e in present], [in_camera[v] for v, _ in present])
        rows = []
        for (v, estimate), value in zip(present, corrected, strict=True):
            rows.append(errors(estimate, in_camera[v], truth.times_s) | {"without_offsets_mm": 1000 * value})
            yield truth.views[v].name, method, rows[-1]
        yield "mean", method, {name: float(np.mean([row[name] for row in rows])) for name in rows[0]}


def side_rows(recordings: list[Recording], truth: Truth) -> Iterator[tuple[str, dict[str, int]]]:
    """Of each view: frames with wrong sides as the detector labels them and after the tracker."""
    for v, recording in enumerate(recordings):
        exact_px = truth.views[v].project(truth.points_m)
        size_px = float(np.median(person_size_px(exact_px)))
        row: dict[str, int] = {}
        tracked = nearest_person(track(recording.detections, truth.times_s), exact_px)
        plain = nearest_person(track(recording.detections, truth.times_s, _PLAIN), exact_px)
        for when, tracks in (("detected", plain), ("tracked", tracked)):
            wrong = wrong_sides(tracks.keypoints_px, exact_px[tracks.frame], size_px)
            row |= {f"{group}, {when}": int(frames.sum()) for group, frames in wrong.items()}
        yield truth.views[v].name, row


def run(options: argparse.Namespace) -> None:
    lifters = [Lifter.load(name) for name in options.lifter]
    results = []
    for scene in options.scene:
        recordings = load_scene(scene, options.folder, LogProgress(), options.detector)
        for number, truth in enumerate(find_truth(recordings)):
            if options.truth is not None:
                options.truth.mkdir(parents=True, exist_ok=True)
                truth.save(options.truth / f"truth_{scene}_{number}.npz")
            results.append(
                {
                    "scene": scene,
                    "person": number,
                    "truth": truth.quality(),
                    "sides": dict(side_rows(recordings, truth)),
                    "rows": list(compare(recordings, truth, lifters, options.keypoints)),
                }
            )
            write_tables(results[-1])
    if options.json is not None:
        content = json.dumps(results, indent=2) + "\n"
        write_atomically(options.json, lambda stream: stream.write(content.encode()))


def write_tables(result: dict) -> None:
    """One person's tables on stdout."""
    print(f"\n## {result['scene']}, person {result['person']}\n")
    print("Truth: " + ", ".join(f"{name} {value:.2f}" for name, value in result["truth"].items()))
    names = list(next(iter(result["sides"].values())))
    print("\n| frames with wrong sides | " + " | ".join(names) + " |\n" + "|---" * (len(names) + 1) + "|")
    for view, row in result["sides"].items():
        print(f"| {view} | " + " | ".join(str(row[name]) for name in names) + " |")
    print("\n| view | method | " + " | ".join(COLUMNS.values()) + " |\n" + "|---" * (len(COLUMNS) + 2) + "|")
    for view, method, row in result["rows"]:
        cells = ["" if np.isnan(row[c]) else f"{row[c]:.{0 if c == 'frames' else 1}f}" for c in COLUMNS]
        print(f"| {view} | {method} | " + " | ".join(cells) + " |")


def main(arguments: list[str] | None = None) -> int:
    """Print the tables; exit code 1 and one line on stderr where the clips cannot be had."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--scene", nargs="+", choices=list(SCENES), default=["single"], help="recordings (single)")
    parser.add_argument("--lifter", nargs="+", default=["wild-243f"], metavar="NAME|FILE", help="weights to compare")
    parser.add_argument(
        "--keypoints",
        nargs="+",
        choices=list(KEYPOINTS),
        default=["detected"],
        help="; ".join(f"{name}: {meaning}" for name, meaning in KEYPOINTS.items()),
    )
    parser.add_argument("--detector", default="blazepose", help="what finds the keypoints of COCO's joints (blazepose)")
    parser.add_argument("--folder", type=Path, default=cache_folder() / "real_views", help="clips and detections")
    parser.add_argument("--truth", type=Path, metavar="FOLDER", help="write the true joints there")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write all numbers there")
    options = parser.parse_args(arguments)
    return run_command(lambda: run(options))


if __name__ == "__main__":
    sys.exit(main())
