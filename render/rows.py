"""Finding the rows of a frame among the rows of an artifact, and what is known of their joints."""

from __future__ import annotations

import numpy as np

from poses import Poses3D, Tracks


class RowsByFrame:
    """The rows (one a person and frame) of each frame, in ascending order of person.

    Parameters
    ----------
    frame, person_id : (R,) int64 as in the artifacts.
    """

    def __init__(self, frame: np.ndarray, person_id: np.ndarray) -> None:
        self._order = np.lexsort((person_id, frame))
        self._frames = frame[self._order]

    def of(self, frame: int) -> np.ndarray:
        """Indices of the rows of a frame."""
        first, last = np.searchsorted(self._frames, (frame, frame + 1))
        return self._order[first:last]


def observed_joints(poses: Poses3D, tracks: Tracks | None) -> np.ndarray:
    """(R, J) bool for the rows and joints of `poses`: was the joint seen in the video, or filled in?

    A joint that the tracks have under the same name is taken from there. The others (spine, head, ...; all of them
    without tracks) have no keypoint of their own and count as seen where anything of the person was.
    """
    observed = np.repeat(poses.observed[:, None], len(poses.skeleton), axis=1)
    if tracks is None:
        return observed
    row_of = {key: row for row, key in enumerate(zip(tracks.person_id.tolist(), tracks.frame.tolist(), strict=True))}
    keys = zip(poses.person_id.tolist(), poses.frame.tolist(), strict=True)
    matches = [(row, row_of[key]) for row, key in enumerate(keys) if key in row_of]
    shared = [name for name in poses.skeleton.joints if name in tracks.skeleton.joints]
    if matches and shared:
        rows, track_rows = np.array(matches).T
        seen = tracks.observed[track_rows][:, tracks.skeleton.indices(*shared)]
        observed[np.ix_(rows, poses.skeleton.indices(*shared))] &= seen
    return observed
