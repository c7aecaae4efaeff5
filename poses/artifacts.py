"""What one stage hands to the next, in memory and as `.npz` on disk.

Shape letters: T frames of the video, N detections, R rows (one a person and frame), J joints.
"""

from __future__ import annotations

from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any, ClassVar, Self

import numpy as np

from poses.archive import read_npz, require_arrays, write_npz
from poses.camera import Intrinsics
from poses.errors import InputError, UsageError
from poses.skeleton import H36M17, Skeleton, get_skeleton

FORMAT_VERSION = 1


def require_shape(owner: str, name: str, array: np.ndarray, shape: tuple[int | None, ...]) -> None:
    """`ValueError` unless `array` has `shape`, where None stands for any size."""
    same = array.ndim == len(shape) and all(
        want is None or want == got for want, got in zip(shape, array.shape, strict=True)
    )
    if not same:
        wanted = ", ".join("any" if s is None else str(s) for s in shape)
        raise ValueError(f"{owner}.{name} must have shape ({wanted}), got {array.shape}")


class Artifact:
    """A frozen dataclass of arrays and plain values that can be saved and loaded.

    Scalars and strings are stored as 0-d arrays, the skeleton by its name, intrinsics as one vector.
    """

    kind: ClassVar[str]

    def save(self, path: str | Path, key: str = "") -> None:
        """Write atomically; `key` is the stage's cache key, kept in the file."""
        arrays: dict[str, np.ndarray] = {
            "kind": np.array(self.kind),
            "format_version": np.array(FORMAT_VERSION),
            "key": np.array(key),
        }
        for field in fields(self):  # type: ignore[arg-type]
            value = getattr(self, field.name)
            if isinstance(value, Skeleton):
                value = value.name
            elif isinstance(value, Intrinsics):
                value = _intrinsics_to_vector(value)
            arrays[field.name] = np.asarray(value)
        write_npz(path, arrays)

    @classmethod
    def load(cls, path: str | Path) -> Self:
        """Read what `save` wrote. `InputError` for another kind, version or shape, naming the file."""
        arrays = read_npz(path, required=["kind", "format_version"])
        found = f"{arrays['kind']} of format {arrays['format_version']}"
        if found != f"{cls.kind} of format {FORMAT_VERSION}":
            raise InputError(
                f"{path}: expected {cls.kind} of format {FORMAT_VERSION}, got {found}", "delete it and run again"
            )
        types = {field.name: field.type for field in fields(cls)}  # type: ignore[arg-type]
        require_arrays(path, arrays, types)
        try:
            return cls(**{name: _from_array(arrays[name], str(kind)) for name, kind in types.items()})
        except (TypeError, ValueError, UsageError) as error:
            raise InputError(f"{path}: {error}", "delete it and run again") from None


def artifact_key(path: str | Path) -> str | None:
    """The cache key that stands in an artifact, or None where there is no readable one."""
    try:
        return str(read_npz(path, required=["key"])["key"])
    except InputError:
        return None


def _from_array(array: np.ndarray, annotation: str) -> Any:
    """The value of a field with that annotation (text, as they are not evaluated here) from its array in the file."""
    if annotation == "np.ndarray":
        return array
    if annotation == "Skeleton":
        return get_skeleton(str(array))
    return _intrinsics_from_vector(array) if annotation == "Intrinsics" else array.item()


def _intrinsics_to_vector(camera: Intrinsics) -> np.ndarray:
    head = [camera.fx, camera.fy, camera.cx, camera.cy, camera.width, camera.height]
    return np.array([*head, *camera.distortion], dtype=np.float64)


def _intrinsics_from_vector(vector: np.ndarray) -> Intrinsics:
    if vector.ndim != 1 or len(vector) < 6:
        raise ValueError(f"intrinsics must have shape (at least 6), got {vector.shape}")
    fx, fy, cx, cy, width, height, *distortion = vector.tolist()
    return Intrinsics(fx, fy, cx, cy, int(width), int(height), tuple(distortion))


@dataclass(frozen=True)
class VideoInfo(Artifact):
    """What the container says about a video: everything but the pixels (`video.npz`).

    Attributes
    ----------
    timestamps_s : (T,) float64, seconds since the video's first frame, one a decoded frame, strictly increasing.
    width, height : pixels, after rotation.
    rotation_deg : clockwise rotation from the stored to the shown picture: 0, 90, 180 or 270.
    nominal_fps : frames per second that the container announces (0 where it announces none).
    codec : name of the video codec.
    source_sha256 : hash of the file's bytes.
    undecodable_frames : packets or frames that could not be decoded and are missing.
    """

    kind: ClassVar[str] = "video"

    timestamps_s: np.ndarray
    width: int
    height: int
    rotation_deg: int
    nominal_fps: float
    codec: str
    source_sha256: str
    undecodable_frames: int

    def __post_init__(self) -> None:
        require_shape("VideoInfo", "timestamps_s", self.timestamps_s, (None,))
        if not (np.diff(self.timestamps_s) > 0).all():
            raise ValueError("VideoInfo.timestamps_s must increase strictly")

    def __len__(self) -> int:
        return len(self.timestamps_s)

    @property
    def fps(self) -> float:
        """Mean frames per second over the whole video; the nominal rate, else 30, for a single frame."""
        if len(self) < 2:
            return self.nominal_fps or 30.0
        return float((len(self) - 1) / (self.timestamps_s[-1] - self.timestamps_s[0]))


@dataclass(frozen=True)
class Detections(Artifact):
    """People found in single frames (`detections.npz`).

    Attributes
    ----------
    frame : (N,) int64 index into the video's frames, not decreasing.
    box_px : (N, 4) float32 x1, y1, x2, y2 in pixels.
    score : (N,) float32 confidence in the person, 0 to 1.
    keypoints_px : (N, J, 2) float32, NaN where a keypoint was not given.
    keypoint_score : (N, J) float32, 0 to 1.
    skeleton : the order of the J keypoints.
    detector : registry name of the detector.
    weights_sha256 : hash of its weights.
    """

    kind: ClassVar[str] = "detections"

    frame: np.ndarray
    box_px: np.ndarray
    score: np.ndarray
    keypoints_px: np.ndarray
    keypoint_score: np.ndarray
    skeleton: Skeleton
    detector: str
    weights_sha256: str

    def __post_init__(self) -> None:
        rows, joints = len(self.frame), len(self.skeleton)
        require_shape("Detections", "frame", self.frame, (None,))
        require_shape("Detections", "box_px", self.box_px, (rows, 4))
        require_shape("Detections", "score", self.score, (rows,))
        require_shape("Detections", "keypoints_px", self.keypoints_px, (rows, joints, 2))
        require_shape("Detections", "keypoint_score", self.keypoint_score, (rows, joints))

    def __len__(self) -> int:
        return len(self.frame)


class PersonRows:
    """One row a person and frame, sorted by person, then frame; a person's frames are unique."""

    person_id: np.ndarray

    def __len__(self) -> int:
        return len(self.person_id)

    def people(self) -> list[int]:
        """Identities in ascending order."""
        return np.unique(self.person_id).tolist()

    def rows_of(self, person: int) -> np.ndarray:
        """Indices of one person's rows, in the order of frames."""
        return np.flatnonzero(self.person_id == person)


@dataclass(frozen=True)
class Tracks(PersonRows, Artifact):
    """Keypoints with identities over time (`tracks.npz`), sorted by person, then frame; a person's frames are unique.

    Attributes
    ----------
    person_id : (R,) int64, 0 for the person seen longest, and so on.
    frame : (R,) int64 index into the video's frames.
    keypoints_px : (R, J, 2) float32.
    keypoint_score : (R, J) float32, 0 where filled in.
    observed : (R, J) bool, False where the position was filled in.
    swapped : (R, J) bool, True where the detector had left and right exchanged and this was undone.
    skeleton : the order of the J keypoints.
    """

    kind: ClassVar[str] = "tracks"

    person_id: np.ndarray
    frame: np.ndarray
    keypoints_px: np.ndarray
    keypoint_score: np.ndarray
    observed: np.ndarray
    swapped: np.ndarray
    skeleton: Skeleton

    def __post_init__(self) -> None:
        rows, joints = len(self.person_id), len(self.skeleton)
        require_shape("Tracks", "frame", self.frame, (rows,))
        require_shape("Tracks", "keypoints_px", self.keypoints_px, (rows, joints, 2))
        for name in ("keypoint_score", "observed", "swapped"):
            require_shape("Tracks", name, getattr(self, name), (rows, joints))


@dataclass(frozen=True)
class Poses3D(PersonRows, Artifact):
    """People in 3D (`poses3d.npz`): the same rows as `Tracks`.

    Attributes
    ----------
    person_id, frame : (R,) int64, as in `Tracks`.
    timestamps_s : (R,) float64, time of each row.
    positions_m : (R, J, 3) float32, joints relative to the root (the hip), camera axes, metres.
    root_m : (R, 3) float32, the root in the camera frame, metres.
    observed : (R,) bool, False where no keypoint of the row was observed.
    world_from_camera : (4, 4) float64, camera frame to world frame (z up, metres).
    up_source : where the world's up comes from: `camera`, `bodies`, `contacts` or `user`.
    root_source : how the root was found, for example `trajectory+reprojection`.
    intrinsics : the camera that was used.
    intrinsics_source : `file`, `fov` or `assumed`.
    weights : name and SHA-256 of the lifter's weights.
    skeleton : the order of the J joints.
    """

    kind: ClassVar[str] = "poses3d"

    person_id: np.ndarray
    frame: np.ndarray
    timestamps_s: np.ndarray
    positions_m: np.ndarray
    root_m: np.ndarray
    observed: np.ndarray
    world_from_camera: np.ndarray
    up_source: str
    root_source: str
    intrinsics: Intrinsics
    intrinsics_source: str
    weights: str
    skeleton: Skeleton

    def __post_init__(self) -> None:
        rows, joints = len(self.person_id), len(self.skeleton)
        for name in ("frame", "timestamps_s", "observed"):
            require_shape("Poses3D", name, getattr(self, name), (rows,))
        require_shape("Poses3D", "positions_m", self.positions_m, (rows, joints, 3))
        require_shape("Poses3D", "root_m", self.root_m, (rows, 3))
        require_shape("Poses3D", "world_from_camera", self.world_from_camera, (4, 4))

    @classmethod
    def of_joints(
        cls,
        joints_m: np.ndarray,
        person_id: np.ndarray,
        frame: np.ndarray,
        timestamps_s: np.ndarray,
        intrinsics: Intrinsics,
        world_from_camera: np.ndarray | None = None,
    ) -> Self:
        """People whose Human3.6M joints (R, 17, 3) are known in the camera frame, metres, rather than lifted.

        Without `world_from_camera`, which `lifting.ground.ground` finds, the world is the camera frame.
        """
        return cls(
            person_id=person_id.astype(np.int64),
            frame=frame.astype(np.int64),
            timestamps_s=timestamps_s.astype(np.float64),
            positions_m=(joints_m - joints_m[:, :1]).astype(np.float32),
            root_m=joints_m[:, 0].astype(np.float32),
            observed=np.ones(len(joints_m), bool),
            world_from_camera=np.eye(4) if world_from_camera is None else world_from_camera,
            up_source="camera" if world_from_camera is None else "user",
            root_source="known",
            intrinsics=intrinsics,
            intrinsics_source="file",
            weights="none",
            skeleton=H36M17,
        )

    @property
    def up(self) -> np.ndarray:
        """(3,) the world's up in camera axes."""
        return self.world_from_camera[2, :3]

    def camera_m(self) -> np.ndarray:
        """(R, J, 3) joints in the camera frame, metres."""
        return self.positions_m + self.root_m[:, None]

    def world_m(self) -> np.ndarray:
        """(R, J, 3) joints in the world frame (z up), metres."""
        rotation, offset = self.world_from_camera[:3, :3], self.world_from_camera[:3, 3]
        return (self.camera_m() @ rotation.T + offset).astype(np.float32)
