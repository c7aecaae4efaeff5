"""Pictures of people in 2D and 3D: the overlay, the 3D view, and the MP4 of both."""

from render.video import RenderOptions, render_video

__all__ = ["RenderOptions", "render_video"]
