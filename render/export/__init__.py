"""Poses as files that other programs open: see `render.export.formats`."""

from render.export.formats import FORMATS, Format, Source, export, format_of, get_format
from render.export.motion import Motion, motions

__all__ = ["FORMATS", "Format", "Motion", "Source", "export", "format_of", "get_format", "motions"]
