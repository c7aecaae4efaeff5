"""Fetching the sample clip, without a network: pip is pointed at a folder."""

from __future__ import annotations

import os
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

from pipeline.sample import MEMBER
from poses.cache import cache_folder


def fetch(folder: Path, wheels: Path) -> subprocess.CompletedProcess[str]:
    environment = {
        **{name: value for name, value in os.environ.items() if not name.startswith("PIP_")},
        "PIP_CONFIG_FILE": os.devnull,
        "PIP_NO_INDEX": "1",
        "PIP_FIND_LINKS": str(wheels),
        "POSES3D_CACHE": str(folder),
    }
    command = [sys.executable, "-m", "pipeline.sample"]
    return subprocess.run(command, capture_output=True, text=True, check=False, env=environment)


def test_no_network_is_one_line(tmp_path: Path) -> None:
    done = fetch(tmp_path / "cache", tmp_path)
    assert done.returncode == 1
    assert done.stdout == ""
    assert done.stderr.startswith("error: sports2d==0.8.34: pip could not download")
    assert done.stderr.count("\n") == 1


def test_another_clip_is_refused_and_not_kept(tmp_path: Path) -> None:
    with zipfile.ZipFile(tmp_path / "sports2d-0.8.34-py3-none-any.whl", "w") as wheel:
        wheel.writestr(MEMBER, b"another clip")
        wheel.writestr("sports2d-0.8.34.dist-info/METADATA", "Metadata-Version: 2.1\nName: sports2d\nVersion: 0.8.34\n")
        wheel.writestr("sports2d-0.8.34.dist-info/WHEEL", "Wheel-Version: 1.0\nTag: py3-none-any\n")
    done = fetch(tmp_path / "cache", tmp_path)
    assert done.returncode == 1
    assert "expected SHA-256 d9a66417" in done.stderr
    assert not list((tmp_path / "cache").rglob("*.mp4"))


def test_cache_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("POSES3D_CACHE", str(tmp_path))
    assert cache_folder() == tmp_path
    monkeypatch.delenv("POSES3D_CACHE")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    assert cache_folder() == tmp_path / "video-to-3d-poses"
