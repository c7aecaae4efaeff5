"""The default detector's own 3D and ours on drawn people, whose joints are known exactly.

PYTHONPATH=. python -m benchmarks.rendered_bodies --data ARCHIVES [--lifter NAME|FILE ...] [--clips N] [--output FOLDER]

Draws one person a clip, moving as in a held-out clip of the motion-capture archives or by procedural motion, before a
random camera; finds the person with the pipeline's detector and tracker and lifts the keypoints with each lifter and
the true intrinsics; and runs MediaPipe's Pose solution on the same video for its 3D world landmarks. All are compared
in the camera's axes over the twelve joints that COCO and Human3.6M both have, relative to the middle of the hips, in
the frames in which every method has an answer. "Exact keypoints" are the projected joints instead of detected ones.

The truth is motion capture's idea of where joints are, which the lifters are trained on and MediaPipe is not. "Without
offsets" is P-MPJPE after each joint's mean error in the body's own axes (over all clips) is taken off from each method.
Velocities and accelerations are given a frame of 50 Hz, as in benchmarks/real_views.py; the clips have 25 Hz, so what
jumps at random from frame to frame counts for half and a quarter of what it would in clips of 50 Hz. Videos,
detections and landmarks are kept in the folder, so that another lifter is measured in seconds. Prints tables in
Markdown.
"""

from __future__ import annotations

import argparse
import json
import logging
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from benchmarks.real_clips import to_camera_axes
from benchmarks.real_truth import BODY
from benchmarks.real_views import POSE_COLUMNS, RATE_HZ, body_axes, relative
from benchmarks.rendered_clips import Look, RenderedClip, look_at_clips
from detectors import track
from lifting.lift import lift
from lifting.lifter import Lifter
from lifting.metrics import exchanged_sides, n_mpjpe, p_mpjpe
from poses import BLAZEPOSE33, COCO17, H36M17, Tracks, UsageError
from poses.archive import write_atomically
from poses.cache import cache_folder
from poses.commands import run_command

COLUMNS = {
    **POSE_COLUMNS,
    "exchanged_percent": "exchanged %",
    "root_percent": "root %",
}
MEDIAPIPE = "MediaPipe's 3D"
ELSEWHERE = 0.25
"""An answer whose trunk lies farther than this part of the person's height from the true one is of something else."""
VIEWS = {"back view": (-1.0, -0.5), "side view": (-0.5, 0.5), "front view": (0.5, 1.0)}
_JOINTS = H36M17.indices(*BODY)
_TRUNK = ("left_shoulder", "right_shoulder", "left_hip", "right_hip")
_HIPS = [BODY.index("left_hip"), BODY.index("right_hip")]


@dataclass(frozen=True)
class Answer:
    """What one method says about one clip: `joints_m` (F, 12, 3) in the camera's axes, NaN in frames without an answer.

    `absolute` : whether the place counts too.
    """

    joints_m: np.ndarray
    absolute: bool

    @property
    def known(self) -> np.ndarray:
        """(F,) bool."""
        return np.isfinite(self.joints_m).all(axis=(1, 2))


def trunk_miss(keypoints_px: np.ndarray, exact_px: np.ndarray, height_px: float) -> np.ndarray:
    """Distance of the trunk's middle (..., 4, 2) from the true one as part of the person's height; the labelling of
    left and right does not matter."""
    away = keypoints_px.mean(axis=-2) - exact_px.mean(axis=-2)
    return np.asarray(np.linalg.norm(away, axis=-1) / height_px)


def nearest_rows(tracks: Tracks, clip: RenderedClip) -> tuple[np.ndarray, np.ndarray]:
    """Frames in which somebody was tracked where the person is, and the row of the nearest one in each."""
    trunk = COCO17.indices(*_TRUNK)
    miss = trunk_miss(tracks.keypoints_px[:, trunk], clip.keypoints_px[tracks.frame][:, trunk], clip.height_px)
    best: dict[int, int] = {}
    for row in np.argsort(np.nan_to_num(miss, nan=np.inf), kind="stable").tolist():
        if miss[row] < ELSEWHERE:
            best.setdefault(int(tracks.frame[row]), row)
    frames = sorted(best)
    return np.array(frames, np.int64), np.array([best[frame] for frame in frames], np.int64)


def lifted(tracks: Tracks, clip: RenderedClip, lifter: Lifter) -> Answer:
    """What the lifter makes of the person's tracks, each tracked identity by itself."""
    poses = lift(tracks, clip.times_s, clip.camera, "file", lifter)
    joints_m = np.full((len(clip.times_s), len(BODY), 3), np.nan)
    frames, rows = nearest_rows(tracks, clip)
    joints_m[frames] = poses.camera_m()[rows][:, _JOINTS]
    return Answer(joints_m, True)


def exact_tracks(clip: RenderedClip) -> Tracks:
    """The person's exact keypoints, as if a detector had found them all."""
    frames = np.arange(len(clip.times_s))
    seen = np.isfinite(clip.keypoints_px).all(axis=-1)
    return Tracks(
        person_id=np.zeros(len(frames), np.int64),
        frame=frames,
        keypoints_px=clip.keypoints_px.astype(np.float32),
        keypoint_score=seen.astype(np.float32),
        observed=seen,
        swapped=np.zeros_like(seen),
        skeleton=COCO17,
    )


def mediapipe(look: Look) -> Answer:
    """MediaPipe's world landmarks, turned to the camera's axes, in the frames in which it follows the person."""
    clip, order, trunk = look.clip, BLAZEPOSE33.indices(*BODY), BLAZEPOSE33.indices(*_TRUNK)
    exact_px = clip.keypoints_px[:, COCO17.indices(*_TRUNK)]
    miss = trunk_miss(look.landmarks_px[:, trunk], exact_px, clip.height_px)
    near = np.flatnonzero(np.nan_to_num(miss, nan=np.inf) < ELSEWHERE)
    joints_m = np.full((len(clip.times_s), len(BODY), 3), np.nan)
    middle_px = look.landmarks_px[near][:, order][:, _HIPS].mean(axis=1)
    joints_m[near] = to_camera_axes(look.landmarks_m[near][:, order], middle_px, clip.camera)
    return Answer(joints_m, False)


def frame_errors(answer: Answer, truth_m: np.ndarray, common: np.ndarray, times_s: np.ndarray) -> dict[str, np.ndarray]:
    """(F,) of each error of one clip but "without offsets", NaN in frames that are not `common` (F,) bool.

    `truth_m` (F, 12, 3) in the camera's axes. An error of velocity stands at the later of its two frames, one of
    acceleration at the last of its three; all of them have to be common.
    """
    frames = np.flatnonzero(common)
    result = {name: np.full(len(common), np.nan) for name in COLUMNS if name != "without_offsets_mm"}
    x, y = relative(answer.joints_m), relative(truth_m)
    result["mpjpe_mm"][frames] = 1000 * np.linalg.norm(x - y, axis=-1).mean(axis=-1)[frames]
    result["p_mpjpe_mm"][frames] = [1000 * p_mpjpe(x[f], y[f]) for f in frames]
    result["n_mpjpe_mm"][frames] = [1000 * n_mpjpe(x[f], y[f]) for f in frames]
    result["exchanged_percent"][frames] = [
        100 * exchanged_sides(_in_coco(x[f : f + 1]), _in_coco(y[f : f + 1]), COCO17) for f in frames
    ]
    miss = np.where(common[:, None, None], x - y, np.nan)
    steps = float(np.median(np.diff(times_s))) * RATE_HZ
    for name, order in (("mpjve_mm", 1), ("acceleration_mm", 2)):
        change = np.linalg.norm(np.diff(miss, n=order, axis=0), axis=-1).mean(axis=-1)
        result[name][order:] = 1000 * change / steps**order
    if answer.absolute:
        hips, true_hips = (a[:, _HIPS].mean(axis=1) for a in (answer.joints_m, truth_m))
        ratio = np.linalg.norm(hips - true_hips, axis=-1) / np.linalg.norm(true_hips, axis=-1)
        result["root_percent"][frames] = 100 * ratio[frames]
    return result


def _in_coco(joints_m: np.ndarray) -> np.ndarray:
    """(F, 12, 3) -> (F, 17, 3), the face unknown."""
    whole = np.full((len(joints_m), len(COCO17), 3), np.nan)
    whole[:, COCO17.indices(*BODY)] = joints_m
    return whole


def without_offsets(
    answers: Sequence[Answer], truths_m: Sequence[np.ndarray], common: Sequence[np.ndarray]
) -> list[np.ndarray]:
    """Of each clip, P-MPJPE (F,) in millimetres after the mean error of each joint in the body's axes is taken off."""
    axes = [body_axes(truth_m) for truth_m in truths_m]
    misses = [
        np.einsum("nab,njb->nja", axis, relative(a.joints_m) - relative(t))[c]
        for a, t, c, axis in zip(answers, truths_m, common, axes, strict=True)
    ]
    offset = np.concatenate(misses).mean(axis=0)
    result = []
    for answer, truth_m, both, axis in zip(answers, truths_m, common, axes, strict=True):
        corrected = relative(answer.joints_m) - np.einsum("nab,ja->njb", axis, offset)
        errors = np.full(len(both), np.nan)
        errors[both] = [1000 * p_mpjpe(corrected[f], truth_m[f]) for f in np.flatnonzero(both)]
        result.append(errors)
    return result


def load_lifters(names: Sequence[str]) -> dict[str, Lifter]:
    """Lifters by what they are called in the tables: the end of the path where that tells them apart."""
    short = {name: Path(name).stem for name in names}
    clear = len(set(short.values())) == len(short)
    return {short[name] if clear else name: Lifter.load(name) for name in short}


def answers_of(looks: Sequence[Look], lifters: Mapping[str, Lifter]) -> dict[str, list[Answer]]:
    """By method, what it says about each clip; MediaPipe is the last."""
    tracked = [track(look.detections, look.clip.times_s) for look in looks]
    methods: dict[str, list[Answer]] = {}
    for name, lifter in lifters.items():
        pairs = list(zip(tracked, looks, strict=True))
        methods[name] = [lifted(tracks, look.clip, lifter) for tracks, look in pairs]
        methods[f"{name}, exact keypoints"] = [lifted(exact_tracks(look.clip), look.clip, lifter) for look in looks]
    return methods | {MEDIAPIPE: [mediapipe(look) for look in looks]}


def groups_of(clips: Sequence[RenderedClip]) -> dict[str, list[np.ndarray]]:
    """By group, the frames (F,) bool of each clip that belong to it."""
    groups = {"all": [np.ones(len(clip.times_s), bool) for clip in clips]}
    for group in ("recorded", "procedural"):
        groups[group] = [np.full(len(clip.times_s), clip.group == group) for clip in clips]
    for view, (low, high) in VIEWS.items():
        groups[view] = [(low <= c.facing) & ((c.facing < high) | (high == 1.0)) for c in clips]
    return groups


def measure(clips: Sequence[RenderedClip], methods: Mapping[str, Sequence[Answer]]) -> list[dict]:
    """One row for each group and method: means over the frames in which all methods have an answer.

    `ahead_of_mediapipe` : in how many of the clips P-MPJPE is lower than MediaPipe's.
    """
    truths_m = [clip.joints_m[:, _JOINTS] for clip in clips]
    common = [np.logical_and.reduce([m[i].known for m in methods.values()]) for i in range(len(clips))]
    if not any(frames.any() for frames in common):
        raise UsageError("no frame in which every method has an answer", "draw more clips with --clips")
    errors = {}
    for method, answers in methods.items():
        errors[method] = [
            frame_errors(a, t, c, clip.times_s) for a, t, c, clip in zip(answers, truths_m, common, clips, strict=True)
        ]
        for clip_errors, values in zip(errors[method], without_offsets(answers, truths_m, common), strict=True):
            clip_errors["without_offsets_mm"] = values
    rows = []
    for group, members in groups_of(clips).items():
        masks = {i: members[i] & common[i] for i in range(len(clips)) if (members[i] & common[i]).any()}
        for method in methods if masks else ():
            parts = {i: {c: errors[method][i][c][mask] for c in COLUMNS} for i, mask in masks.items()}
            theirs = {i: _mean(errors[MEDIAPIPE][i]["p_mpjpe_mm"][mask]) for i, mask in masks.items()}
            rows.append(
                {
                    "group": group,
                    "method": method,
                    **{c: _mean(np.concatenate([part[c] for part in parts.values()])) for c in COLUMNS},
                    "frames": int(sum(mask.sum() for mask in masks.values())),
                    "clips": len(masks),
                    "ahead_of_mediapipe": sum(_mean(parts[i]["p_mpjpe_mm"]) < theirs[i] for i in masks),
                    "by_clip": {clips[i].name: {c: _mean(part[c]) for c in COLUMNS} for i, part in parts.items()},
                }
            )
    return rows


def _mean(values: np.ndarray) -> float:
    known = values[np.isfinite(values)]
    return float(known.mean()) if len(known) else float("nan")


def missed_frames(clips: Sequence[RenderedClip], methods: Mapping[str, Sequence[Answer]]) -> list[dict]:
    """One row for each group: its frames, and how many of them each method has no answer for."""
    rows = []
    for group, frames in groups_of(clips).items():
        missed = {m: int(sum((f & ~a.known).sum() for f, a in zip(frames, methods[m], strict=True))) for m in methods}
        rows.append({"group": group, "frames": int(sum(f.sum() for f in frames)), "missed": missed})
    return rows


def write_tables(rows: Sequence[dict], missed: Sequence[dict]) -> None:
    """Both tables on stdout."""
    titles = [*COLUMNS.values(), "P-MPJPE below MediaPipe's"]
    print("| group | method | " + " | ".join(titles) + " |\n" + "|---" * (len(titles) + 2) + "|")
    for row in rows:
        cells = ["" if np.isnan(row[name]) else f"{row[name]:.1f}" for name in COLUMNS]
        cells.append("" if row["method"] == MEDIAPIPE else f"{row['ahead_of_mediapipe']} of {row['clips']} clips")
        print(f"| {row['group']} | {row['method']} | " + " | ".join(cells) + " |")
    methods = [name for name in missed[0]["missed"] if "exact" not in name]
    print("\n| group | frames | compared | " + " | ".join(f"{name}: missed" for name in methods) + " |")
    print("|---" * (len(methods) + 3) + "|")
    compared = {row["group"]: row["frames"] for row in rows}
    for row in missed:
        counts = " | ".join(str(row["missed"][name]) for name in methods)
        print(f"| {row['group']} | {row['frames']} | {compared.get(row['group'], 0)} | {counts} |")


def run(options: argparse.Namespace) -> None:
    """Draw, detect, lift, compare. `UsageError` and `InputError` as everywhere."""
    if options.clips < 1 or options.frames < 40:
        raise UsageError(f"--clips {options.clips} --frames {options.frames}: at least 1 clip and 40 frames are needed")
    lifters = load_lifters(options.lifter)
    looks = look_at_clips(options.output, options.data, options.clips, options.frames, "blazepose")
    clips = [look.clip for look in looks]
    methods = answers_of(looks, lifters)
    rows, missed = measure(clips, methods), missed_frames(clips, methods)
    write_tables(rows, missed)
    if options.json is not None:
        content = json.dumps({"rows": rows, "missed": missed}, indent=2) + "\n"
        write_atomically(options.json, lambda stream: stream.write(content.encode()))


def main(arguments: list[str] | None = None) -> int:
    """Print the tables; exit code 1 and one line on stderr where the archives cannot be used."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument(
        "--data", type=Path, nargs="+", required=True, metavar="ARCHIVES", help="archives, or folders of them"
    )
    parser.add_argument("--lifter", nargs="+", default=["wild-243f"], metavar="NAME|FILE", help="weights to compare")
    parser.add_argument("--clips", type=int, default=40, metavar="N", help="clips, half of them procedural (40)")
    parser.add_argument("--frames", type=int, default=80, help="of a clip at 25 a second, at most (80)")
    parser.add_argument(
        "--output", type=Path, default=cache_folder() / "rendered_bodies", help="folder of clips and detections"
    )
    parser.add_argument("--json", type=Path, metavar="FILE", help="write all numbers there, by clip too")
    options = parser.parse_args(arguments)
    logging.basicConfig(format="%(message)s", stream=sys.stderr)
    logging.getLogger("benchmarks").setLevel(logging.INFO)
    return run_command(lambda: run(options))


if __name__ == "__main__":
    sys.exit(main())
