"""Motion without recordings: key poses within a body's limits, solved by inverse kinematics and joined smoothly."""

from lifting.data.procedural.archive import make_archive

__all__ = ["make_archive"]
