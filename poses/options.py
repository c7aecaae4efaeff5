"""Options as frozen dataclasses: built from YAML, checked field by field, errors that name the nearest known option."""

from __future__ import annotations

import dataclasses
import difflib
import types
import typing
from collections.abc import Mapping
from pathlib import Path
from typing import Any, TypeVar

import yaml

from poses.errors import UsageError

T = TypeVar("T")


def options_from_mapping(cls: type[T], mapping: Any, where: str) -> T:
    """Build the dataclass `cls` (nested dataclasses too) from a mapping such as YAML gives.

    Fields that the mapping lacks keep their defaults. `UsageError` names `where` (a file or an option), the key, and
    the nearest known one; or the value, the type that was expected and the one that came.
    """
    if mapping is None:
        mapping = {}
    if not isinstance(mapping, Mapping):
        raise UsageError(f"{where}: expected options as 'name: value', got {type(mapping).__name__}")
    hints = typing.get_type_hints(cls)
    known = {field.name: field for field in dataclasses.fields(cls)}  # type: ignore[arg-type]
    values: dict[str, Any] = {}
    for key, value in mapping.items():
        if key not in known:
            near = difflib.get_close_matches(str(key), known, n=1, cutoff=0.0)
            raise UsageError(f"{where}: unknown option {key!r}", f"nearest known: {near[0]}" if near else "")
        values[key] = _convert(hints[key], value, f"{where}: {key}")
    try:
        return cls(**values)
    except TypeError as error:
        raise UsageError(f"{where}: {error}") from None
    except ValueError as error:
        raise UsageError(f"{where}: {error}") from None


def load_yaml(path: str | Path) -> Any:
    """Parse a YAML file safely; `UsageError` names the file and the line."""
    path = Path(path)
    try:
        return yaml.safe_load(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise UsageError(f"{path}: cannot read the configuration ({error.strerror})", "check --config") from None
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        raise UsageError(f"{path}: not valid YAML ({' '.join(str(error).split())})") from None


def parse_assignment(text: str, form: str = "name=value", example: str = "") -> tuple[str, Any]:
    """(name, value) of a `--set` option, the value as in YAML; `UsageError` where the text does not fit `form`."""
    name, equals, value = text.partition("=")
    if not equals or not name.strip():
        raise UsageError(f"--set {text}: expected {form}", f"for example --set {example}" if example else "")
    try:
        return name.strip(), yaml.safe_load(value)
    except yaml.YAMLError:
        raise UsageError(f"--set {text}: the value is not valid YAML") from None


def _convert(hint: Any, value: Any, where: str) -> Any:
    if dataclasses.is_dataclass(hint) and isinstance(hint, type):
        return options_from_mapping(hint, value, where)
    origin, arguments = typing.get_origin(hint), typing.get_args(hint)
    if origin in (typing.Union, types.UnionType):
        if value is None and type(None) in arguments:
            return None
        for argument in (a for a in arguments if a is not type(None)):
            try:
                return _convert(argument, value, where)
            except UsageError:
                continue
        names = " or ".join(getattr(a, "__name__", str(a)) for a in arguments)
        raise UsageError(f"{where}: expected {names}, got {value!r}")
    if origin is typing.Literal:
        if value not in arguments:
            raise UsageError(f"{where}: expected one of {', '.join(map(str, arguments))}, got {value!r}")
        return value
    if origin is tuple and isinstance(value, list | tuple):
        return tuple(_convert(arguments[0], item, where) for item in value)
    if origin is dict and isinstance(value, Mapping):
        return {str(key): _convert(arguments[1], item, f"{where}.{key}") for key, item in value.items()}
    if hint is float and isinstance(value, int) and not isinstance(value, bool):
        return float(value)
    wanted = origin or hint
    if not isinstance(value, wanted) or (isinstance(value, bool) and wanted is not bool):
        raise UsageError(f"{where}: expected {getattr(hint, '__name__', hint)}, got {value!r}")
    return value
