"""Pictures of shaded, limbed people with the exact truth about them: training and measurement without data."""

from detectors.synthetic.motion import Motion, load_archives, load_motions
from detectors.synthetic.procedural import procedural_motion
from detectors.synthetic.render import FrameTruth, Scene, SyntheticClip, render_clip
from detectors.synthetic.stage import ClipOptions

__all__ = [
    "ClipOptions",
    "FrameTruth",
    "Motion",
    "Scene",
    "SyntheticClip",
    "load_archives",
    "load_motions",
    "procedural_motion",
    "render_clip",
]
