"""Pictures of people in 2D and 3D: the overlay, the 3D views, and the movie of both."""

from render.compare import Comparison, compare
from render.options import RenderOptions
from render.video import render_video

__all__ = ["Comparison", "RenderOptions", "compare", "render_video"]
