"""Configuration from layers: defaults, then a YAML file, then the command line; and its documented YAML form."""

from __future__ import annotations

import dataclasses
import io
import textwrap
import typing
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import yaml

from pipeline.config import Config, type_name
from poses import UsageError
from poses.options import load_yaml, options_from_mapping, parse_assignment

_HEADER = """\
Every option of infer_video.py with its default. Copy the lines to change into a file of your own and give it with
--config FILE; on the command line --set section.name=value sets any of them and comes last.
"""


def resolve_config(
    path: str | Path | None = None,
    flags: Mapping[str, Any] | None = None,
    assignments: Sequence[str] = (),
) -> Config:
    """Build the configuration: defaults < the YAML file `path` < `flags` < `assignments`.

    Parameters
    ----------
    flags : dotted names and values of the command line's own options, for example ``{"decode.start_s": 2.0}``.
    assignments : texts of the form ``section.name=value`` (``--set``), the value written as in YAML.

    `UsageError` names the layer, the option and what was expected.
    """
    layers: list[tuple[str, dict[str, Any]]] = []
    if path is not None:
        layers.append((str(path), _as_mapping(load_yaml(path), str(path))))
    if flags:
        layers.append(("command line", _nested(flags)))
    for text in assignments:
        name, value = parse_assignment(text, "section.name=value", "detect.min_score=0.6")
        layers.append((f"--set {text}", _nested({name: value})))
    merged: dict[str, Any] = {}
    for where, layer in layers:
        _build(layer, where)
        _merge(merged, layer)
    return _build(merged, " and ".join(where for where, _ in layers) or "defaults")


def _build(mapping: Mapping[str, Any], where: str) -> Config:
    try:
        return options_from_mapping(Config, mapping, where)
    except UsageError as error:
        if error.problem.startswith(where):
            raise
        # A room's own check of a value knows its name, but not the file that it stands in.
        raise UsageError(f"{where}: {error.problem}", error.remedy) from None


def document_config(config: Config | None = None) -> str:
    """The YAML text of a configuration (the defaults if None), each option preceded by its help."""
    config = config or Config()
    text = io.StringIO()
    _comment(text, _HEADER, "")
    _write_fields(text, config, "")
    return text.getvalue()


def _write_fields(text: io.StringIO, section: Any, indent: str) -> None:
    hints = typing.get_type_hints(type(section))
    for entry in dataclasses.fields(section):
        value = getattr(section, entry.name)
        text.write("\n" if not indent else "")
        if dataclasses.is_dataclass(value):
            _comment(text, entry.metadata["help"], indent)
            text.write(f"{indent}{entry.name}:\n")
            _write_fields(text, value, indent + "  ")
        else:
            _comment(text, f"{entry.metadata['help']} [{type_name(hints[entry.name])}]", indent)
            text.write(f"{indent}{entry.name}: {_plain(value)}\n")


def _comment(text: io.StringIO, comment: str, indent: str) -> None:
    for line in textwrap.wrap(comment, 118 - len(indent)):
        text.write(f"{indent}# {line}\n")


def _plain(value: Any) -> str:
    if isinstance(value, tuple):
        value = list(value)
    dumped: str = yaml.safe_dump(value, default_flow_style=True, width=1000)
    return dumped.removesuffix("\n").removesuffix("\n...").strip()


def _as_mapping(data: Any, where: str) -> dict[str, Any]:
    if data is None:
        return {}
    if not isinstance(data, Mapping):
        raise UsageError(f"{where}: expected options as 'name: value', got {type(data).__name__}")
    return dict(data)


def _nested(flat: Mapping[str, Any]) -> dict[str, Any]:
    nested: dict[str, Any] = {}
    for name, value in flat.items():
        *outer, last = name.split(".")
        inner = nested
        for part in outer:
            inner = inner.setdefault(part, {})
        inner[last] = value
    return nested


def _merge(base: dict[str, Any], layer: Mapping[str, Any]) -> None:
    for key, value in layer.items():
        if isinstance(value, Mapping) and isinstance(base.get(key), dict):
            _merge(base[key], value)
        elif isinstance(value, Mapping):
            base[key] = dict(value)
        elif not (value is None and isinstance(base.get(key), dict)):
            base[key] = value
