"""Colours and relative sizes of everything that is drawn.

Colours are BGR tuples of 0..255, as OpenCV takes them.
"""

from __future__ import annotations

from dataclasses import dataclass, field

Color = tuple[int, int, int]


def from_hex(code: str) -> Color:
    """BGR of an HTML colour such as ``#56B4E9``."""
    value = code.lstrip("#")
    red, green, blue = (int(value[i : i + 2], 16) for i in (0, 2, 4))
    return blue, green, red


def mix(first: Color, second: Color, share: float) -> Color:
    """`first` with `share` (0..1) of `second`."""
    blue, green, red = (round(a + (b - a) * share) for a, b in zip(first, second, strict=True))
    return blue, green, red


@dataclass(frozen=True)
class PersonColors:
    """The shades of one person: left limbs pale, right limbs deep, trunk and head between."""

    left: Color
    centre: Color
    right: Color

    def of(self, side: str) -> Color:
        """Colour of ``left``, ``centre`` or ``right``."""
        return {"left": self.left, "centre": self.centre, "right": self.right}[side]


def _person(left: str, centre: str, right: str) -> PersonColors:
    return PersonColors(from_hex(left), from_hex(centre), from_hex(right))


PEOPLE = (
    _person("#CDEBFF", "#5FB8F0", "#1F7FC4"),
    _person("#FFDC96", "#F5A31F", "#BF6300"),
    _person("#FFC4E2", "#D6559F", "#AF3583"),
    _person("#9FF0CB", "#1FA97C", "#00704F"),
    _person("#FFFDC8", "#F0E850", "#A39A00"),
    _person("#D6C8FF", "#8A68E8", "#5B3CC0"),
)
"""Sky blue, orange, magenta, green, yellow, violet; after six they repeat.

The hues follow Okabe and Ito, "Color Universal Design" (2008), with lightness spread further, so that neighbours in the
list stay apart in all three kinds of colour blindness (tested). Left and right differ in lightness, which all see.
"""


@dataclass(frozen=True)
class Theme:
    """Colours of the surroundings."""

    people: tuple[PersonColors, ...] = PEOPLE
    background: Color = field(default=from_hex("#171A21"))
    header: Color = field(default=from_hex("#0F1116"))
    floor: Color = field(default=from_hex("#222731"))
    grid: Color = field(default=from_hex("#3D4553"))
    outline: Color = field(default=from_hex("#0B0D11"))
    text: Color = field(default=from_hex("#E8EAEE"))
    faint_text: Color = field(default=from_hex("#8B93A1"))

    def person(self, person_id: int) -> PersonColors:
        """Shades of a person; the same identity has the same colours in every panel and every video."""
        return self.people[person_id % len(self.people)]


DARK = Theme()
