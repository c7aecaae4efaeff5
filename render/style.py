"""Colours and relative sizes of everything that is drawn: the themes `DARK` and `LIGHT`, and what a theme is.

Colours are BGR tuples of 0..255, as OpenCV takes them. Stylesheets are read in `render.theme`.
"""

from __future__ import annotations

from dataclasses import dataclass, field

Color = tuple[int, int, int]


def from_hex(code: str) -> Color:
    """BGR of an HTML colour such as ``#56B4E9``."""
    value = code.lstrip("#")
    red, green, blue = (int(value[i : i + 2], 16) for i in (0, 2, 4))
    return blue, green, red


def to_hex(color: Color) -> str:
    """``#RRGGBB`` of a BGR colour."""
    blue, green, red = color
    return f"#{red:02X}{green:02X}{blue:02X}"


def contrast(first: Color, second: Color) -> float:
    """Contrast ratio of two colours, 1 to 21 (WCAG 2.2, "contrast ratio"); text wants at least 4.5."""
    lighter, darker = sorted((_luminance(first), _luminance(second)), reverse=True)
    return (lighter + 0.05) / (darker + 0.05)


def _luminance(color: Color) -> float:
    """Relative luminance of sRGB, 0 to 1 (WCAG 2.2, "relative luminance")."""
    shares = [value / 255 for value in color]
    blue, green, red = (v / 12.92 if v <= 0.04045 else ((v + 0.055) / 1.055) ** 2.4 for v in shares)
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue


def mix(first: Color, second: Color, share: float) -> Color:
    """`first` with `share` (0..1) of `second`."""
    # Written out, because it is called a hundred times a frame.
    return (
        round(first[0] + (second[0] - first[0]) * share),
        round(first[1] + (second[1] - first[1]) * share),
        round(first[2] + (second[2] - first[2]) * share),
    )


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

PEOPLE_ON_LIGHT = (
    _person("#90BDEC", "#1590D8", "#005482"),
    _person("#FBA77D", "#CC5A18", "#923600"),
    _person("#E99CC6", "#B63E88", "#86105F"),
    _person("#8FC4A9", "#177A54", "#005437"),
    _person("#DABF6F", "#BFA000", "#705D00"),
    _person("#BDA6FE", "#6A56DC", "#3930A8"),
)
"""The same hues on a light ground: pale limbs darker than the floor, deep limbs lighter than their edge (tested)."""

RANGES = {
    "line_width": (0.3, 3.0),
    "joint_size": (0.0, 3.0),
    "outline_width": (0.0, 4.0),
    "text_size": (0.6, 2.5),
    "shadow": (0.0, 1.0),
}
"""The numbers of a theme, and the smallest and largest value of each."""


@dataclass(frozen=True)
class Theme:
    """Colours of people and surroundings, and factors on the sizes that the drawing would choose by itself.

    Attributes
    ----------
    people : shades of person 0, 1, ...; from the beginning again after the last.
    background : around the floor of the 3D view; with distance, and where they were filled in, people fade into it.
    header : ground of the line above the panels.
    floor, grid : ground of the 3D view and its metre lines.
    outline : edge of limbs and joints in both panels, and ink of the numbers above the heads.
    text, faint_text : on header, background and floor.
    line_width : factor on the thickness of limbs (and of trails and lines).
    joint_size : factor on the radius of the discs at joints; 0 for none.
    outline_width : factor on the edge of limbs and joints; 0 for none.
    text_size : factor on the height of all text.
    shadow : how much of the floor's light a shadow takes, 0 (no shadow) to 1 (black).

    Raises `ValueError` without people, or for a number outside its range (`RANGES`).
    """

    people: tuple[PersonColors, ...] = PEOPLE
    background: Color = field(default=from_hex("#171A21"))
    header: Color = field(default=from_hex("#0F1116"))
    floor: Color = field(default=from_hex("#222731"))
    grid: Color = field(default=from_hex("#3D4553"))
    outline: Color = field(default=from_hex("#0B0D11"))
    text: Color = field(default=from_hex("#E8EAEE"))
    faint_text: Color = field(default=from_hex("#8B93A1"))
    line_width: float = 1.0
    joint_size: float = 1.0
    outline_width: float = 1.0
    text_size: float = 1.0
    shadow: float = 0.5

    def __post_init__(self) -> None:
        if not self.people:
            raise ValueError("a theme needs the colours of at least one person")
        for name, (low, high) in RANGES.items():
            if not low <= getattr(self, name) <= high:
                raise ValueError(f"{name} must lie between {low:g} and {high:g}, got {getattr(self, name)}")

    def person(self, person_id: int) -> PersonColors:
        """Shades of a person; the same identity has the same colours in every panel and every video."""
        return self.people[person_id % len(self.people)]

    def ink_on(self, ground: Color) -> Color:
        """The outline's colour or white, whichever reads better on `ground`."""
        white = (255, 255, 255)
        return max((self.outline, white), key=lambda ink: contrast(ink, ground))


DARK = Theme()
"""Light on dark: for screens, and beside most videos."""

LIGHT = Theme(
    people=PEOPLE_ON_LIGHT,
    background=from_hex("#FAFBFC"),
    header=from_hex("#E4E8EE"),
    floor=from_hex("#EEF1F5"),
    grid=from_hex("#C2C9D4"),
    outline=from_hex("#12151B"),
    text=from_hex("#1B2028"),
    faint_text=from_hex("#59616E"),
    shadow=0.25,
)
"""Dark on light: for papers, slides and bright rooms."""

THEMES = {"dark": DARK, "light": LIGHT}
"""The themes that are known by name."""
