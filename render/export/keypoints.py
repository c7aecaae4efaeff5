"""Keypoints of a video's people as `lifting.data` reads them: the safe form of the field's `data_2d_*.npz`."""

from __future__ import annotations

from typing import Any

import numpy as np

from poses import InputError, Tracks
from poses.keypoint_archive import Positions2D, fill_frames, flat_entries, mirrored_pairs
from render.export.source import Source

ACTION = "custom"
"""What the reference implementation calls the only action of a video of one's own."""


def keypoint_entries(source: Source, name: str) -> dict[str, np.ndarray]:
    """The entries of an archive with a subject a person: `name`, or `name_person1` where there are several.

    Arrays are (T, J, 2) float32, pixels, for all frames of the video; where nothing was found they are bridged by
    straight lines, as the field's archives know no missing keypoints. `metadata` has, beside the layout of the
    keypoints, `video_metadata`: width, height and frames a second for each subject.

    `UsageError` without tracks; `InputError` where there is nobody, or a keypoint was never found.
    """
    tracks = source.require_tracks("keypoints")
    people = tracks.people()
    if not people:
        raise InputError("no people in these keypoints", "keep tracks.npz and poses3d.npz of one run together")
    frames = int(tracks.frame.max()) + 1 if source.video is None else len(source.video)
    # A slash would part a name in the archive.
    name = name.replace("/", "_")
    positions: Positions2D = {}
    for person in people:
        subject = name if len(people) == 1 else f"{name}_person{person}"
        positions[subject] = {ACTION: [_filled(tracks, person, frames)]}
    left, right = mirrored_pairs(tracks.skeleton.mirror, tracks.skeleton.sides)
    camera = source.poses.intrinsics
    about: dict[str, Any] = {"w": camera.width, "h": camera.height}
    if source.video is not None:
        about["fps"] = source.video.fps
    metadata = {
        "layout_name": tracks.skeleton.name.removesuffix("17"),
        "num_joints": len(tracks.skeleton),
        "keypoints_symmetry": [list(left), list(right)],
        "video_metadata": {subject: about for subject in positions},
    }
    return flat_entries(positions, metadata)


def _filled(tracks: Tracks, person: int, frames: int) -> np.ndarray:
    rows = tracks.rows_of(person)
    try:
        return fill_frames(tracks.frame[rows], tracks.keypoints_px[rows], frames)
    except ValueError as error:
        raise InputError(f"person {person}: {error}", "detect again with a lower threshold") from None
