"""Keypoints as an archive: read by `lifting.data`, and turned into the reference implementation's form by the docs."""

from __future__ import annotations

import re
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from lifting.data.reference_npz import KeypointLayout, read_positions_2d
from poses import InputError
from poses.restricted_pickle import read_plain_npz
from render.export import Source, export
from tests.render.coded_video import FRAMES, HEIGHT, WIDTH, coded_source, place_px

DOCS = Path(__file__).parent.parent.parent / "docs" / "exports.md"
COCO_LEFT, COCO_RIGHT = (1, 3, 5, 7, 9, 11, 13, 15), (2, 4, 6, 8, 10, 12, 14, 16)


def written(source: Source, folder: Path) -> Path:
    (path,) = export(source, "keypoints", folder / "clip.keypoints.npz")
    return path


def test_lifting_reads_every_person_in_every_frame(tmp_path: Path) -> None:
    positions, layout = read_positions_2d(written(coded_source(), tmp_path))
    assert layout == KeypointLayout("coco", 17, COCO_LEFT, COCO_RIGHT)
    assert sorted(positions) == ["clip_person0", "clip_person1"]
    (first,), (second,) = positions["clip_person0"]["custom"], positions["clip_person1"]["custom"]
    assert first.shape == second.shape == (FRAMES, 17, 2)
    np.testing.assert_allclose(first[:, 3, 0], [place_px(0, frame) for frame in range(FRAMES)])
    # Person 1 is in frames 10 to 24 and 40 to 54: held before and after, on a straight line between.
    held = np.clip(np.arange(FRAMES), 10, 54)
    np.testing.assert_allclose(second[:, 3, 0], [place_px(1, frame) for frame in held], atol=1e-3)


def test_one_person_has_the_name_of_the_video(tmp_path: Path) -> None:
    source = coded_source()
    assert source.tracks is not None
    keep = source.tracks.person_id == 0
    rows = ("person_id", "frame", "keypoints_px", "keypoint_score", "observed", "swapped")
    alone = replace(source.tracks, **{name: getattr(source.tracks, name)[keep] for name in rows})
    positions, _ = read_positions_2d(written(replace(source, tracks=alone), tmp_path))
    assert list(positions) == ["clip"]


def test_a_keypoint_that_was_never_found_is_named(tmp_path: Path) -> None:
    source = coded_source()
    assert source.tracks is not None
    keypoints = source.tracks.keypoints_px.copy()
    keypoints[source.tracks.person_id == 1, 4] = np.nan
    with pytest.raises(InputError, match="person 1: keypoint 4 was found in no frame"):
        written(replace(source, tracks=replace(source.tracks, keypoints_px=keypoints)), tmp_path)
    assert list(tmp_path.iterdir()) == []


def test_lines_of_the_docs_make_the_reference_s_archive(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The lines run as they stand there; the result is read without running what its pickle says."""
    found = re.search(r"```python\n([^`]*data_2d_custom_clip[^`]*)```", DOCS.read_text(encoding="utf-8"))
    assert found is not None
    plain = written(coded_source(), tmp_path)
    monkeypatch.chdir(tmp_path)
    exec(compile(found[1], "docs/exports.md", "exec"), {})
    entries = read_plain_npz(tmp_path / "data_2d_custom_clip.npz")
    assert set(entries) == {"positions_2d", "metadata"}
    # What the reference's loader and its `run.py` look up: subject, action, list of cameras; and these keys.
    keypoints = entries["positions_2d"]["clip_person0"]["custom"][0]
    assert keypoints.shape == (FRAMES, 17, 2)
    assert keypoints.dtype == np.float32
    metadata = entries["metadata"]
    assert metadata["layout_name"] == "coco"
    assert metadata["num_joints"] == 17
    assert metadata["keypoints_symmetry"] == [list(COCO_LEFT), list(COCO_RIGHT)]
    about = metadata["video_metadata"]["clip_person0"]
    assert (about["w"], about["h"]) == (WIDTH, HEIGHT)
    assert about["fps"] == pytest.approx(25, abs=1)
    # And our own reader takes it for what it is.
    converted, plain_form = read_positions_2d(tmp_path / "data_2d_custom_clip.npz"), read_positions_2d(plain)
    assert converted[1] == plain_form[1]
    np.testing.assert_array_equal(converted[0]["clip_person1"]["custom"], plain_form[0]["clip_person1"]["custom"])
