"""The vocabulary of the project: skeletons, cameras, artifacts and errors. Imports no other room."""

from poses.artifacts import Detections, Poses3D, Tracks, VideoInfo, artifact_key
from poses.camera import Intrinsics
from poses.conversion import conversions, convert_keypoints
from poses.errors import InputError, UsageError, UserError
from poses.skeleton import BLAZEPOSE33, COCO17, H36M17, HALPE26, MPII16, Skeleton, get_skeleton

__all__ = [
    "BLAZEPOSE33",
    "COCO17",
    "H36M17",
    "HALPE26",
    "MPII16",
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
    "conversions",
    "convert_keypoints",
    "get_skeleton",
]
