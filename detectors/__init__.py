"""From frames to 2D keypoints with identities. Packages that a detector adapts are imported when it is created."""

from detectors import blazepose as _blazepose
from detectors import cpn as _cpn
from detectors import from_file as _from_file
from detectors import hourglass as _hourglass
from detectors import keypointrcnn as _keypointrcnn
from detectors import maskrcnn_d2 as _maskrcnn_d2
from detectors import mmpose as _mmpose
from detectors import rtmpose as _rtmpose
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

del _keypointrcnn, _maskrcnn_d2
del _cpn, _hourglass
del _blazepose, _from_file, _mmpose, _rtmpose
