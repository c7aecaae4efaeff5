"""Themes by name, and stylesheets: a YAML file that changes some colours and sizes of a theme.

    base: light
    background: "#FFFFFF"
    people:
      - {left: "#90BDEC", centre: "#1590D8", right: "#005482"}
    line_width: 1.3

Every key may be left out; docs/rendering.md says what each one means.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from poses import UsageError
from poses.options import load_yaml
from render.style import RANGES, THEMES, Color, PersonColors, Theme, from_hex

COLORS = ("background", "header", "floor", "grid", "outline", "text", "faint_text")
KEYS = ("base", *COLORS, "people", *RANGES)
_SHADES = ("left", "centre", "right")
_HEX = re.compile(r"#[0-9a-fA-F]{6}")


def load_theme(name_or_path: str) -> Theme:
    """The theme called ``dark`` or ``light``, or that of a stylesheet; what the sheet leaves out is its base's (dark).

    `UsageError` names the file, the key, the value and what is known or expected.
    """
    if name_or_path in THEMES:
        return THEMES[name_or_path]
    path = Path(name_or_path)
    if not path.is_file():
        raise UsageError(
            f"theme {name_or_path!r}: no theme has this name, and no file either",
            f"known: {', '.join(THEMES)}, or a YAML file such as configs/render/paper.yaml",
        )
    sheet = load_yaml(path)
    if sheet is None:
        sheet = {}
    if not isinstance(sheet, Mapping):
        raise UsageError(f"{path}: expected a stylesheet as 'key: value', got {_shown(sheet)}", _known_keys())
    for key in sheet:
        if key not in KEYS:
            raise UsageError(f"{path}: unknown key {key!r} (its value is {_shown(sheet[key])})", _known_keys())
    base = sheet.get("base", "dark")
    if not isinstance(base, str) or base not in THEMES:
        raise UsageError(
            f"{path}: base: expected the name of a theme, got {_shown(base)}", f"known: {', '.join(THEMES)}"
        )
    changes: dict[str, Any] = {}
    for key, value in sheet.items():
        if key in COLORS:
            changes[key] = _color(value, f"{path}: {key}")
        elif key in RANGES:
            changes[key] = _number(value, f"{path}: {key}", *RANGES[key])
        elif key == "people":
            changes[key] = _people(value, f"{path}: people")
    return replace(THEMES[base], **changes)


def _color(value: Any, where: str) -> Color:
    if not isinstance(value, str) or not _HEX.fullmatch(value):
        raise UsageError(
            f'{where}: expected a colour as "#RRGGBB", got {_shown(value)}',
            "with its quotation marks: YAML takes what follows a bare # for a comment",
        )
    return from_hex(value)


def _number(value: Any, where: str, low: float, high: float) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float) or not low <= value <= high:
        raise UsageError(
            f"{where}: expected a number between {low:g} and {high:g}, got {_shown(value)}",
            "a size of 1 changes nothing",
        )
    return float(value)


def _people(value: Any, where: str) -> tuple[PersonColors, ...]:
    example = 'for example - {left: "#90BDEC", centre: "#1590D8", right: "#005482"}'
    if not isinstance(value, list) or not value:
        raise UsageError(f"{where}: expected a list of people's colours, got {_shown(value)}", example)
    return tuple(_person(entry, f"{where}[{number}]", example) for number, entry in enumerate(value))


def _person(value: Any, where: str, example: str) -> PersonColors:
    if not isinstance(value, Mapping):
        raise UsageError(f"{where}: expected left, centre and right, got {_shown(value)}", example)
    for key in value:
        if key not in _SHADES:
            raise UsageError(f"{where}: unknown key {key!r}", f"known: {', '.join(_SHADES)}")
    for shade in _SHADES:
        if shade not in value:
            raise UsageError(f"{where}: {shade} is missing, got {_shown(value)}", example)
    return PersonColors(**{shade: _color(value[shade], f"{where}.{shade}") for shade in _SHADES})


def _known_keys() -> str:
    return f"known: {', '.join(KEYS)}"


def _shown(value: Any) -> str:
    """A value as an error message shows it: nothing for YAML's null, long ones cut off."""
    if value is None:
        return "nothing"
    text = repr(value)
    return text if len(text) <= 60 else text[:57] + "..."
