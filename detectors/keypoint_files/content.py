"""What a file of keypoints says, whatever its form, and how a reader collects it person by person.

Shape letters: N people over all frames, J joints.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from poses import BLAZEPOSE33, COCO17, HALPE26, MPII16, InputError, Skeleton
from poses.artifacts import require_shape

BY_COUNT: dict[int, Skeleton] = {16: MPII16, 17: COCO17, 26: HALPE26, 33: BLAZEPOSE33, 133: COCO17, 136: HALPE26}
"""Skeleton by how many keypoints a person has, for forms that do not name them. Of COCO-WholeBody's 133 and of Halpe's
136 the first 17 and 26 are the body; 17 are always taken for COCO's."""


@dataclass(frozen=True)
class FileKeypoints:
    """People as a file has them, in the order of frames.

    Attributes
    ----------
    form : what kind of file it is, for messages.
    skeleton : the order of the J keypoints.
    frame : (N,) int64 number of the video's frame, from 0.
    box_px : (N, 4) float32 x1, y1, x2, y2; NaN where the file has none.
    score : (N,) float32 confidence in the person, 0 to 1.
    keypoints_px : (N, J, 2) float32, NaN where a keypoint is missing.
    keypoint_score : (N, J) float32, 0 to 1.
    frames : number of frames that the file has an entry for, where it has one for each; else None.
    size_px : width and height of the video, where the file says them; else None.
    """

    form: str
    skeleton: Skeleton
    frame: np.ndarray
    box_px: np.ndarray
    score: np.ndarray
    keypoints_px: np.ndarray
    keypoint_score: np.ndarray
    frames: int | None = None
    size_px: tuple[int, int] | None = None

    def __post_init__(self) -> None:
        people, joints = len(self.frame), len(self.skeleton)
        require_shape("FileKeypoints", "box_px", self.box_px, (people, 4))
        require_shape("FileKeypoints", "score", self.score, (people,))
        require_shape("FileKeypoints", "keypoints_px", self.keypoints_px, (people, joints, 2))
        require_shape("FileKeypoints", "keypoint_score", self.keypoint_score, (people, joints))


@dataclass
class PersonCollector:
    """Gathers people one by one and checks each; errors name the file and the entry.

    Attributes
    ----------
    path : the file, for messages.
    skeleton : the order of the keypoints, None until the first person shows how many there are.
    """

    path: Path
    skeleton: Skeleton | None = None
    _frame: list[int] = field(default_factory=list)
    _box: list[np.ndarray] = field(default_factory=list)
    _score: list[float] = field(default_factory=list)
    _points: list[np.ndarray] = field(default_factory=list)
    _point_score: list[np.ndarray] = field(default_factory=list)

    def add_flat(self, frame: int, values: Any, where: str, box: Any = None) -> None:
        """A person as x1, y1, score1, x2, ...; `box` as x1, y1, x2, y2 or None."""
        array = _numbers(self.path, where, values)
        if array.ndim != 1 or len(array) % 3 or not len(array):
            raise InputError(
                f"{self.path}: {where}: expected 3 numbers a keypoint (x, y, score), got {array.size} numbers"
            )
        triples = array.reshape(-1, 3)
        self.add(frame, triples[:, :2], triples[:, 2], where, box)

    def add(self, frame: int, points: Any, score: Any, where: str, box: Any = None, person: Any = None) -> None:
        """A person of `frame` with (K, 2) points and (K,) scores.

        A keypoint at exactly (0, 0) with score 0, or that is not a number, is missing. Scores above 1, as some networks
        give, count as 1. Without a score of the `person` it is the mean over the keypoints that are there. The first
        person decides the skeleton, unless it was given.
        """
        points, score = _numbers(self.path, f"{where} keypoints", points), _numbers(self.path, f"{where} scores", score)
        if points.ndim != 2 or points.shape[1] != 2 or score.shape != points.shape[:1]:
            raise InputError(
                f"{self.path}: {where}: expected (keypoints, 2) places and as many scores, "
                f"got {points.shape} and {score.shape}"
            )
        joints = len(self._skeleton_for(len(points), where))
        points, score = points[:joints].copy(), np.clip(np.nan_to_num(score[:joints]), 0.0, 1.0)
        missing = ~np.isfinite(points).all(axis=1) | ((points == 0).all(axis=1) & (score == 0))
        points[missing], score[missing] = np.nan, 0.0
        if missing.all():
            return
        edges = np.full(4, np.nan) if box is None else _numbers(self.path, f"{where} box", box).reshape(-1)
        if edges.shape != (4,):
            raise InputError(f"{self.path}: {where}: expected a box of 4 numbers, got {edges.size}")
        self._frame.append(frame)
        self._box.append(edges)
        self._points.append(points)
        self._point_score.append(score)
        self._score.append(float(np.clip(score[~missing].mean() if person is None else person, 0.0, 1.0)))

    def finish(self, form: str, frames: int | None = None, size_px: tuple[int, int] | None = None) -> FileKeypoints:
        """All people added, sorted by frame; COCO-17 where there is nobody to tell from."""
        skeleton = self.skeleton or COCO17
        joints = len(skeleton)
        frame = np.array(self._frame, dtype=np.int64)
        order = np.argsort(frame, kind="stable")

        def stacked(rows: Sequence[Any], shape: tuple[int, ...]) -> np.ndarray:
            return np.array(rows, dtype=np.float32).reshape(len(frame), *shape)[order]

        return FileKeypoints(
            form=form,
            skeleton=skeleton,
            frame=frame[order],
            box_px=stacked(self._box, (4,)),
            score=stacked(self._score, ()),
            keypoints_px=stacked(self._points, (joints, 2)),
            keypoint_score=stacked(self._point_score, (joints,)),
            frames=frames,
            size_px=size_px,
        )

    def _skeleton_for(self, count: int, where: str) -> Skeleton:
        if self.skeleton is None:
            if count not in BY_COUNT:
                known = ", ".join(f"{n} ({s.name})" for n, s in BY_COUNT.items())
                raise InputError(f"{self.path}: {where}: {count} keypoints are no known skeleton", f"known: {known}")
            self.skeleton = BY_COUNT[count]
        if count != len(self.skeleton) and BY_COUNT.get(count) != self.skeleton:
            raise InputError(
                f"{self.path}: {where}: expected {len(self.skeleton)} keypoints ({self.skeleton.name}), got {count}"
            )
        return self.skeleton


def field_of(path: Path, where: str, entry: Any, name: str) -> Any:
    """`entry[name]` of a JSON object; `InputError` names the entry, and what it holds instead."""
    if not isinstance(entry, dict):
        raise InputError(f"{path}: {where}: expected an object with {name!r}, got {type(entry).__name__}")
    if name not in entry:
        raise InputError(f"{path}: {where}: lacks {name!r} (it holds {', '.join(map(str, entry)) or 'nothing'})")
    return entry[name]


def list_of(path: Path, where: str, value: Any) -> list[Any]:
    """`value`, which must be a list; `InputError` names the entry."""
    if not isinstance(value, list):
        raise InputError(f"{path}: {where}: expected a list, got {type(value).__name__}")
    return value


def box_from_width(path: Path, where: str, box: Any) -> np.ndarray:
    """x, y, width, height -> (4,) x1, y1, x2, y2."""
    edges = _numbers(path, f"{where} box", box).reshape(-1)
    if edges.shape != (4,):
        raise InputError(f"{path}: {where}: expected a box of 4 numbers, got {edges.size}")
    return np.concatenate([edges[:2], edges[:2] + edges[2:]])


def _numbers(path: Path, where: str, values: Any) -> np.ndarray:
    try:
        # A None, as some writers put for NaN, becomes NaN.
        return np.asarray(values, dtype=np.float64)
    except (TypeError, ValueError):
        raise InputError(f"{path}: {where}: expected numbers, got {_shortened(values)}") from None


def _shortened(value: Any) -> str:
    text = repr(value)
    return text if len(text) <= 60 else f"{text[:57]}..."
