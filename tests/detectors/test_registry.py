"""Detectors by name, and what is needed to list them."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from detectors import DetectorOptions, create_detector, detector_names, register
from poses import UsageError

ROOT = Path(__file__).parents[2]


def test_default_is_registered() -> None:
    assert "blazepose" in detector_names()
    assert detector_names() == sorted(detector_names())


def test_duplicate_name_raises() -> None:
    with pytest.raises(ValueError, match="blazepose"):
        register("blazepose", "again")(lambda device, options: create_detector("blazepose"))


def test_unknown_name_lists_the_choices() -> None:
    with pytest.raises(UsageError, match=r"no-such.*blazepose"):
        create_detector("no-such")


@pytest.mark.parametrize("wrong", [{"min_score": 1.5}, {"max_people": 0}, {"tiles": "tiny"}])
def test_options_are_checked(wrong: dict[str, object]) -> None:
    with pytest.raises(UsageError, match=next(iter(wrong))):
        DetectorOptions(**wrong)  # type: ignore[arg-type]


def test_import_does_not_need_mediapipe_and_its_absence_is_explained() -> None:
    # None in sys.modules is how Python marks a module that cannot be imported.
    script = (
        "import sys; sys.modules['mediapipe'] = None\n"
        "import detectors\n"
        "from poses import UsageError\n"
        "try: detectors.create_detector('blazepose')\n"
        "except UsageError as error: print(error)\n"
    )
    run = subprocess.run([sys.executable, "-c", script], cwd=ROOT, capture_output=True, text=True, check=True)
    assert "pip install mediapipe" in run.stdout


def test_import_loads_no_heavy_package() -> None:
    script = "import sys, detectors; print(sorted({'mediapipe', 'torch', 'jax', 'matplotlib'} & set(sys.modules)))"
    run = subprocess.run([sys.executable, "-c", script], cwd=ROOT, capture_output=True, text=True, check=True)
    assert run.stdout.strip() == "[]"
