"""Poses as files that other programs open: see `render.export.formats`."""

from render.export.formats import FORMATS, Format, export, format_of, get_format
from render.export.motion import Motion, motions
from render.export.source import Images, Source

__all__ = ["FORMATS", "Format", "Images", "Motion", "Source", "export", "format_of", "get_format", "motions"]
