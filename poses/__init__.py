"""The vocabulary of the project: skeletons, cameras, artifacts and errors. Imports no other room."""

from poses.artifacts import Detections, Poses3D, Tracks, VideoInfo, artifact_key
from poses.camera import Intrinsics
from poses.errors import InputError, UsageError, UserError
from poses.skeleton import COCO17, H36M17, Skeleton, get_skeleton

__all__ = [
    "COCO17",
    "H36M17",
    "Detections",
    "InputError",
    "Intrinsics",
    "Poses3D",
    "Skeleton",
    "Tracks",
    "UsageError",
    "UserError",
    "VideoInfo",
    "artifact_key",
    "get_skeleton",
]
