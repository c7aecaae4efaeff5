"""Versions of this project and of what it runs on."""

from __future__ import annotations

import platform
import tomllib
from importlib import metadata
from pathlib import Path

PROJECT = "video-to-3d-poses"
_PACKAGES = (
    *("av", "mediapipe", "numpy", "opencv-contrib-python", "opencv-contrib-python-headless"),
    *("safetensors", "scipy", "torch"),
)


def project_version() -> str:
    """This project's version: that of the installation, or of the checkout it runs from."""
    try:
        return metadata.version(PROJECT)
    except metadata.PackageNotFoundError:
        text = (Path(__file__).parent.parent / "pyproject.toml").read_text(encoding="utf-8")
        return str(tomllib.loads(text)["project"]["version"])


def all_versions() -> dict[str, str]:
    """Name and version of the project, Python, and each package that shapes the results and is installed."""
    versions = {PROJECT: project_version(), "python": platform.python_version()}
    for package in _PACKAGES:
        try:
            versions[package] = metadata.version(package)
        except metadata.PackageNotFoundError:
            continue
    return versions
