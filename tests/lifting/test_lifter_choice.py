from __future__ import annotations

import dataclasses
from pathlib import Path

import pytest

from lifting import lifter, lifter_input
from lifting.card import Card, model_from, save_weights
from lifting.lifter_input import bundled_lifter_for
from lifting.model import Architecture
from lifting.person_frame import EXTRA_POINTS
from poses import BLAZEPOSE33, COCO17, H36M17, UsageError, conversions
from poses.skeleton import MPII16


def write(folder: Path, name: str, skeleton: str, widths: tuple[int, ...], causal: bool = False) -> None:
    position = Architecture(17 + EXTRA_POINTS, 17, widths, channels=4, causal=causal)
    trajectory = dataclasses.replace(position, output_joints=1)
    card = Card(name, "", "", "", position, trajectory, input_skeleton=skeleton)
    save_weights(folder / f"{name}.safetensors", card, model_from(position, 1), model_from(trajectory, 2))


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setattr(lifter, "WEIGHTS_FOLDER", tmp_path)
    write(tmp_path, "short", "coco17", (3, 3))
    write(tmp_path, "long", "coco17", (3, 3, 3))
    write(tmp_path, "live", "coco17", (3, 3, 3, 3), causal=True)
    return tmp_path


def test_the_longest_symmetric_one_for_these_keypoints(folder: Path) -> None:
    assert bundled_lifter_for(COCO17) == "long"
    write(folder, "other", "h36m17", (3, 3))
    assert bundled_lifter_for(H36M17) == "other"
    assert bundled_lifter_for(COCO17) == "long"


def test_keypoints_that_can_be_converted_serve(folder: Path) -> None:
    assert "coco17" in conversions(BLAZEPOSE33)
    assert bundled_lifter_for(BLAZEPOSE33) == "long"


def test_no_lifter_for_these_keypoints_is_said(folder: Path) -> None:
    assert "coco17" not in conversions(MPII16)
    if "h36m17" in conversions(MPII16):
        write(folder, "other", "h36m17", (3, 3))
        assert bundled_lifter_for(MPII16) == "other"
    else:
        with pytest.raises(UsageError, match="no bundled lifter takes mpii16 keypoints"):
            bundled_lifter_for(MPII16)


def test_auto_is_no_name_of_weights() -> None:
    assert lifter_input.AUTO not in lifter.lifter_names()
