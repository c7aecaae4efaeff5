"""Detectors by name."""

from __future__ import annotations

from collections.abc import Callable

from detectors.base import Detector, DetectorOptions
from poses import UsageError

Factory = Callable[[str, DetectorOptions], Detector]

_FACTORIES: dict[str, tuple[Factory, str]] = {}


def register(name: str, summary: str) -> Callable[[Factory], Factory]:
    """Decorator that enters a factory `(device, options) -> Detector` as `name`; `ValueError` on a duplicate."""

    def enter(factory: Factory) -> Factory:
        if name in _FACTORIES:
            raise ValueError(f"a detector named {name!r} is registered already")
        _FACTORIES[name] = (factory, summary)
        return factory

    return enter


def create_detector(name: str, device: str = "cpu", options: DetectorOptions | None = None) -> Detector:
    """Make a detector; `UsageError` lists the names there are, or says what is missing for this one."""
    if name not in _FACTORIES:
        raise UsageError(f"unknown detector {name!r}", f"choose one of: {', '.join(detector_names())}")
    return _FACTORIES[name][0](device, options or DetectorOptions())


def detector_names() -> list[str]:
    """Registered names in alphabetical order."""
    return sorted(_FACTORIES)


def detector_summary(name: str) -> str:
    """One line about a registered detector."""
    return _FACTORIES[name][1]
