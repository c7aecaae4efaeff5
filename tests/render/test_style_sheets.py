"""Stylesheets: what they change, what they leave, and every mistake in one line."""

from __future__ import annotations

from dataclasses import fields
from pathlib import Path

import pytest

from poses import UsageError
from render.style import DARK, LIGHT, RANGES, Theme, contrast
from render.theme import COLORS, KEYS, load_theme

ROOT = Path(__file__).parents[2]


def sheet(folder: Path, text: str) -> str:
    path = folder / "mine.yaml"
    path.write_text(text, encoding="utf-8")
    return str(path)


def test_themes_by_name() -> None:
    assert load_theme("dark") == DARK
    assert load_theme("light") == LIGHT


def test_an_empty_sheet_is_its_base(tmp_path: Path) -> None:
    assert load_theme(sheet(tmp_path, "")) == DARK
    assert load_theme(sheet(tmp_path, "base: light")) == LIGHT


def test_a_sheet_changes_what_it_names_and_nothing_else(tmp_path: Path) -> None:
    theme = load_theme(
        sheet(tmp_path, 'base: light\nfaint_text: "#102030"\nline_width: 2\npeople:\n'
              '  - {left: "#A0B0C0", centre: "#8090a0", right: "#607080"}\n')
    )  # fmt: skip
    assert theme.faint_text == (0x30, 0x20, 0x10)
    assert theme.line_width == 2.0
    assert [theme.person(4).of(side) for side in ("left", "centre", "right")] == [
        (0xC0, 0xB0, 0xA0),
        (0xA0, 0x90, 0x80),
        (0x80, 0x70, 0x60),
    ]
    for field in fields(Theme):
        if field.name not in ("faint_text", "line_width", "people"):
            assert getattr(theme, field.name) == getattr(LIGHT, field.name)


def test_every_part_of_a_theme_has_its_key(tmp_path: Path) -> None:
    assert {"base", *(field.name for field in fields(Theme))} == set(KEYS)
    for key in COLORS:
        assert getattr(load_theme(sheet(tmp_path, f"{key}: '#010203'")), key) == (3, 2, 1)
    for key, (low, high) in RANGES.items():
        for value in (low, high):
            assert getattr(load_theme(sheet(tmp_path, f"{key}: {value}")), key) == value


def test_the_example_differs_from_its_base_and_can_be_read() -> None:
    theme = load_theme(str(ROOT / "configs" / "render" / "paper.yaml"))
    assert theme.background == (255, 255, 255)
    assert theme.line_width > 1
    assert len(theme.people) == 4
    for ground in (theme.header, theme.background, theme.floor):
        assert min(contrast(theme.text, ground), contrast(theme.faint_text, ground)) >= 4.5


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("bakground: '#000000'", r"unknown key 'bakground' \(its value is '#000000'\): known: base, background"),
        ("base: sepia", "base: expected the name of a theme, got 'sepia': known: dark, light"),
        ("base: [light]", "base: expected the name of a theme, got \\['light'\\]"),
        # Without quotation marks YAML sees a comment, and the value is nothing.
        ("floor: #102030", "floor: expected a colour as \"#RRGGBB\", got nothing: with its quotation marks"),
        ("floor: '#12345'", "floor: expected a colour as \"#RRGGBB\", got '#12345'"),
        ("floor: 102030", "floor: expected a colour .* got 102030"),
        ("floor: white", "floor: expected a colour .* got 'white'"),
        ("line_width: 9", "line_width: expected a number between 0.3 and 3, got 9"),
        ("line_width: wide", "line_width: expected a number between 0.3 and 3, got 'wide'"),
        ("text_size: true", "text_size: expected a number between 0.6 and 2.5, got True"),
        ("joint_size: .nan", "joint_size: expected a number between 0 and 3, got nan"),
        ("people: []", "people: expected a list of people's colours, got \\[\\]: for example"),
        ("people: {left: '#000000'}", "people: expected a list of people's colours, got {'left'"),
        ("people: ['#000000']", "people\\[0\\]: expected left, centre and right, got '#000000'"),
        ("people: [{left: '#000000', right: '#000000'}]", "people\\[0\\]: centre is missing"),
        ("people: [{left: '#000000', middle: '#000000'}]", "people\\[0\\]: unknown key 'middle': known: left, centre"),
        ("people: [{left: 1, centre: '#000000', right: '#000000'}]", "people\\[0\\].left: expected a colour .* got 1"),
        ("- dark", "expected a stylesheet as 'key: value', got \\['dark'\\]: known: base"),
        ("light", "expected a stylesheet as 'key: value', got 'light'"),
        ("base: [", "not valid YAML"),
        ("base: !!python/object/apply:os.getcwd []", "not valid YAML"),
    ],
)  # fmt: skip
def test_mistakes_name_file_key_and_value(tmp_path: Path, text: str, said: str) -> None:
    path = sheet(tmp_path, text)
    with pytest.raises(UsageError, match=rf"mine\.yaml: {said}") as caught:
        load_theme(path)
    assert str(caught.value).startswith(path)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("name", ["drak", "styles/none.yaml", "Dark"])
def test_neither_a_theme_nor_a_file(name: str) -> None:
    with pytest.raises(UsageError, match=rf"theme '{name}': no theme .* known: dark, light, or a YAML file"):
        load_theme(name)


def test_a_folder_is_no_stylesheet(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="no theme has this name, and no file either"):
        load_theme(str(tmp_path))
