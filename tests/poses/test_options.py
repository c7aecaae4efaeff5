from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

import pytest

from poses import UsageError
from poses.options import load_yaml, options_from_mapping


@dataclass(frozen=True)
class Inner:
    width_px: int = 640
    label: str = "a"


@dataclass(frozen=True)
class Outer:
    rate_hz: float = 50.0
    flip: bool = True
    mode: Literal["fast", "exact"] = "fast"
    widths: tuple[int, ...] = (3, 3)
    limit: float | None = None
    name_or_number: int | str = 0
    inner: Inner = Inner()
    shares: dict[str, float] = field(default_factory=dict)
    maybe_inner: Inner | None = None

    def __post_init__(self) -> None:
        if self.rate_hz <= 0:
            raise ValueError(f"rate_hz must be positive, got {self.rate_hz}")


@dataclass(frozen=True)
class Needed:
    path: str


def build(mapping: Any) -> Outer:
    return options_from_mapping(Outer, mapping, "run.yaml")


def test_defaults_stay_where_nothing_is_given() -> None:
    assert build(None) == build({}) == Outer()


def test_every_kind_of_value() -> None:
    built = build(
        {
            "rate_hz": 25,
            "flip": False,
            "mode": "exact",
            "widths": [3, 5, 7],
            "limit": 2,
            "name_or_number": "left",
            "inner": {"width_px": 320},
            "shares": {"a": 1, "b": 0.5},
            "maybe_inner": {"label": "b"},
        }
    )
    assert built == Outer(
        25.0, False, "exact", (3, 5, 7), 2.0, "left", Inner(320, "a"), {"a": 1.0, "b": 0.5}, Inner(640, "b")
    )
    assert type(built.rate_hz) is float, "a whole number serves as a float"
    assert type(built.shares["a"]) is float
    assert build({"limit": None, "maybe_inner": None}) == Outer()


@pytest.mark.parametrize(
    ("mapping", "message"),
    [
        ({"rate_hs": 30}, r"run\.yaml: unknown option 'rate_hs': nearest known: rate_hz"),
        ({"Flip": True}, "nearest known: flip"),
        ({"inner": {"widht_px": 3}}, r"run\.yaml: inner: unknown option 'widht_px': nearest known: width_px"),
        ({3: 4}, "unknown option 3"),
        ([1, 2], "expected options as 'name: value', got list"),
        ("fast", "got str"),
        ({"inner": 3}, r"run\.yaml: inner: expected options as 'name: value', got int"),
        ({"rate_hz": "fifty"}, r"run\.yaml: rate_hz: expected float, got 'fifty'"),
        ({"rate_hz": True}, "rate_hz: expected float, got True"),
        ({"rate_hz": None}, "rate_hz: expected float, got None"),
        ({"rate_hz": -1}, r"run\.yaml: rate_hz must be positive, got -1\.0"),
        ({"flip": 1}, "flip: expected bool, got 1"),
        ({"flip": "yes"}, "flip: expected bool, got 'yes'"),
        ({"mode": "slow"}, "mode: expected one of fast, exact, got 'slow'"),
        ({"mode": ["fast"]}, "mode: expected one of fast, exact"),
        ({"widths": 3}, "widths: expected tuple.*got 3"),
        ({"widths": [3, "x"]}, "widths: expected int, got 'x'"),
        ({"widths": [3, True]}, "widths: expected int, got True"),
        ({"widths": "33"}, "widths: expected tuple"),
        ({"limit": "none"}, "limit: expected float or None.*got 'none'"),
        ({"name_or_number": 1.5}, r"name_or_number: expected int or str, got 1\.5"),
        ({"inner": {"width_px": 3.5}}, r"run\.yaml: inner: width_px: expected int, got 3\.5"),
        ({"shares": [1]}, "shares: expected dict"),
        ({"shares": {"a": "much"}}, r"shares\.a: expected float, got 'much'"),
    ],
)
def test_wrong_options(mapping: Any, message: str) -> None:
    with pytest.raises(UsageError, match=message):
        build(mapping)


def test_option_that_must_be_given() -> None:
    with pytest.raises(UsageError, match=r"run\.yaml: .*path"):
        options_from_mapping(Needed, {}, "run.yaml")
    assert options_from_mapping(Needed, {"path": "x"}, "run.yaml") == Needed("x")


def test_yaml_file(tmp_path: Path) -> None:
    path = tmp_path / "run.yaml"
    path.write_text("rate_hz: 30\nwidths: [5]\ninner:\n  label: ü\n", encoding="utf-8")
    assert build(load_yaml(path)) == Outer(rate_hz=30.0, widths=(5,), inner=Inner(label="ü"))
    path.write_text("")
    assert build(load_yaml(path)) == Outer()


@pytest.mark.parametrize("content", [b"a: [1,\n", b"\x80\x81", b"!!python/object/apply:os.mkdir [x]\n"])
def test_text_that_is_not_plain_yaml(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "run.yaml"
    path.write_bytes(content)
    with pytest.raises(UsageError, match=r"run\.yaml: not valid YAML"):
        load_yaml(path)
    assert list(tmp_path.iterdir()) == [path]


def test_file_and_line_are_named(tmp_path: Path) -> None:
    path = tmp_path / "run.yaml"
    path.write_text("a: 1\nb: [2\nc: 3\n")
    with pytest.raises(UsageError, match="line 3"):
        load_yaml(path)
    with pytest.raises(UsageError, match=r"none\.yaml: cannot read the configuration \(No such file"):
        load_yaml(tmp_path / "none.yaml")
