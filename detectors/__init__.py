"""From frames to 2D keypoints with identities. Packages that a detector adapts are imported when it is created."""

from detectors import blazepose as _blazepose
from detectors.base import Detector, DetectorOptions, FrameDetections
from detectors.registry import create_detector, detector_names, detector_summary, register
from detectors.tracking import TrackingOptions, count_swaps, track

__all__ = [
    "Detector",
    "DetectorOptions",
    "FrameDetections",
    "TrackingOptions",
    "count_swaps",
    "create_detector",
    "detector_names",
    "detector_summary",
    "register",
    "track",
]

del _blazepose
