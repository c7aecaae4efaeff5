"""The people of one result as the 3D views draw them: where every joint is in the world, and what is known of it."""

from __future__ import annotations

import numpy as np

from poses import Poses3D, Tracks
from render.body import body_of
from render.rows import RowsByFrame, observed_joints


class Cast:
    """People in the world, whoever looks at them. R rows (person and frame), J joints with those that `Body` adds.

    Parameters
    ----------
    tracks : tells which joints were seen; None where this is not known of single joints.
    neutral : drawn in greys instead of the colours of people: the other one of two results in one scene.

    Attributes
    ----------
    world_m : (R, J, 3) float64 joints, NaN where unknown.
    root_m : (R, 3) float64 roots in the world.
    seen : (R, J) bool, False where a joint was filled in.
    """

    def __init__(self, poses: Poses3D, tracks: Tracks | None = None, neutral: bool = False) -> None:
        self.poses, self.neutral = poses, neutral
        self.body = body_of(poses.skeleton)
        self.world_m = self.body.complete(poses.world_m().astype(np.float64))
        self.seen = self.body.complete_seen(observed_joints(poses, tracks))
        rotation, offset = poses.world_from_camera[:3, :3], poses.world_from_camera[:3, 3]
        self.root_m = poses.root_m.astype(np.float64) @ rotation.T + offset
        self.rows = RowsByFrame(poses.frame, poses.person_id)
        self.rows_of_person = {person: poses.rows_of(person) for person in poses.people()}
