"""From 2D tracks to 3D people: canonical coordinates, regular time, the networks, the root, and back to the frames.

Shape letters: T frames of the video, R rows, S samples on the lifter's time grid, J joints.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import partial

import numpy as np

from lifting.adapt import Stretch, adapt
from lifting.bones import set_bone_lengths, typical_bone_lengths
from lifting.canonical import REFERENCE_FOCAL, regular_times, resample, to_canonical, unrolled_from_camera
from lifting.fast import Precision
from lifting.lifter import Lifter
from lifting.lifter_input import to_input_skeleton
from lifting.root import refine_root
from lifting.unseen import fill_unseen_joints, unseen_for_long
from poses import Intrinsics, Poses3D, Tracks, UsageError


@dataclass(frozen=True)
class LiftOptions:
    """Options of the lift stage."""

    flip: bool = field(default=True, metadata={"help": "average with the lifted mirror image (slower, more accurate)"})
    refine_root: bool = field(
        default=True, metadata={"help": "move the root so that the 3D joints fall on the 2D keypoints"}
    )
    precision: Precision = field(
        default="fp32",
        metadata={"help": "of the networks: bf16 where CPU or GPU computes in it, fp16 on GPUs (--lift-precision)"},
    )
    adapt: bool = field(
        default=False,
        metadata={"help": "first fit the lifter's last layers to this video, by back-projection and bones (--adapt)"},
    )
    steady_bones: float = field(
        default=1.0,
        metadata={"help": "how far a person's bones are brought to one length, from 0 (as lifted) to 1 (exactly)"},
    )

    def __post_init__(self) -> None:
        if not 0 <= self.steady_bones <= 1:
            raise ValueError(f"steady_bones must lie between 0 and 1, got {self.steady_bones:g}")


def lift(
    tracks: Tracks,
    timestamps_s: np.ndarray,
    intrinsics: Intrinsics,
    intrinsics_source: str,
    lifter: Lifter,
    options: LiftOptions | None = None,
    roll_rad: float = 0.0,
) -> Poses3D:
    """Lift every person of `tracks`, whose frames are at `timestamps_s` (T,).

    By `roll_rad`, where it is known, verticals lean to the right in the picture (`lifting.ground.up_from_angles`): the
    lifter then sees people as a camera without roll does, and its answers are turned back.

    Keypoints of another skeleton than the lifter was trained for are converted where that is possible, else
    `UsageError`. The world is the camera turned upright until `lifting.ground.ground` refines it. `ValueError` when
    `options` ask for another precision than `lifter` was loaded with.
    """
    if options is not None and options.precision != lifter.precision:
        raise ValueError(f"the lifter was loaded for {lifter.precision}, the options say {options.precision}")
    options = options or LiftOptions()
    tracks = to_input_skeleton(tracks, lifter)
    rows, joints = len(tracks), len(lifter.output_skeleton)
    positions = np.zeros((rows, joints, 3), np.float32)
    root = np.zeros((rows, 3), np.float32)
    times = timestamps_s[tracks.frame] if rows else np.zeros(0)
    segments = unbroken_segments(tracks)
    grids = [regular_times(times[segment], lifter.card.rate_hz) for segment in segments]
    stretches = [
        _stretch(tracks, segment, times[segment], grid, intrinsics, roll_rad)
        for segment, grid in zip(segments, grids, strict=True)
    ]
    check_adaptable(lifter, options)
    if options.adapt:
        lifter = adapt(lifter, stretches, options.flip)
    lifted = [lifter(stretch.keypoints, options.flip) for stretch in stretches]
    bodies = {
        person: typical_bone_lengths(
            np.concatenate([own for (own, _), s in zip(lifted, stretches, strict=True) if s.person == person]),
            lifter.output_skeleton,
        )
        for person in tracks.people()
    }
    unrolled = unrolled_from_camera(roll_rad)
    for segment, stretch, grid, (relative, path) in zip(segments, stretches, grids, lifted, strict=True):
        body = bodies[stretch.person]
        steady = partial(
            set_bone_lengths, lengths_m=body, skeleton=lifter.output_skeleton, strength=options.steady_bones
        )
        if options.refine_root:
            rays = stretch.keypoints / REFERENCE_FOCAL
            path = refine_root(path, steady(relative), rays, stretch.weights, lifter.input_skeleton)
        # Lengths are set last: what lies between two moments of the grid is not of their lengths.
        positions[segment] = steady(resample(relative, grid, times[segment])) @ unrolled
        root[segment] = resample(path, grid, times[segment]) @ unrolled
    return Poses3D(
        person_id=tracks.person_id,
        frame=tracks.frame,
        timestamps_s=times,
        positions_m=positions,
        root_m=root,
        observed=tracks.observed.any(axis=1),
        world_from_camera=CAMERA_UPRIGHT,
        up_source="camera",
        root_source=_root_source(lifter, options),
        intrinsics=intrinsics,
        intrinsics_source=intrinsics_source,
        weights=lifter.label,
        skeleton=lifter.output_skeleton,
    )


def check_adaptable(lifter: Lifter, options: LiftOptions) -> None:
    """`UsageError` where the options ask for an adaptation that this lifter does not allow."""
    if options.adapt and not lifter.adaptable:
        raise UsageError(
            f"lifter {lifter.card.name} cannot be adapted to a video (--adapt)",
            "leave --adapt out, or take a bundled one",
        )


def _root_source(lifter: Lifter, options: LiftOptions) -> str:
    if not lifter.gives_root:
        return "reprojection"
    return "trajectory+reprojection" if options.refine_root else "trajectory"


CAMERA_UPRIGHT = np.array([[1.0, 0, 0, 0], [0, 0, 1, 0], [0, -1, 0, 0], [0, 0, 0, 1]])
"""Camera axes (x right, y down, z forward) to world axes (x right, y forward, z up): a level camera at the origin."""


def unbroken_segments(tracks: Tracks) -> list[np.ndarray]:
    """Rows of each person, cut where frames are missing: each segment is one person in consecutive frames."""
    segments: list[np.ndarray] = []
    for person in tracks.people():
        rows = tracks.rows_of(person)
        segments += np.split(rows, np.flatnonzero(np.diff(tracks.frame[rows]) != 1) + 1)
    return segments


def _stretch(
    tracks: Tracks,
    segment: np.ndarray,
    times_s: np.ndarray,
    grid_s: np.ndarray,
    intrinsics: Intrinsics,
    roll_rad: float,
) -> Stretch:
    """The rows `segment`, seen at `times_s` (T,), as the networks see them at `grid_s` (S,)."""
    keypoints = to_canonical(tracks.keypoints_px[segment], intrinsics, roll_rad)
    observed = tracks.observed[segment]
    unseen = unseen_for_long(observed, times_s)
    keypoints[unseen] = np.nan
    keypoints = fill_unseen_joints(keypoints, tracks.skeleton)
    scores = np.where(observed & ~unseen, tracks.keypoint_score[segment], 0.0)
    return Stretch(
        person=int(tracks.person_id[segment[0]]),
        keypoints=resample(keypoints, times_s, grid_s),
        weights=np.stack([np.interp(grid_s, times_s, column) for column in scores.T], axis=1),
    )
