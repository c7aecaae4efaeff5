"""Exports that hold the video: its pictures come from the same frames as the people."""

from __future__ import annotations

import base64
import io
import json
import re
from pathlib import Path

import av
import cv2
import numpy as np

from pipeline import resolve_config, run_video
from pipeline.decode import VideoReader
from poses.keypoint_archive import KIND
from poses.restricted_pickle import read_plain_npz

START_S, END_S = 0.3, 0.8


def test_the_page_shows_the_frames_that_were_analysed(people_clip: Path, lifter_file: Path, tmp_path: Path) -> None:
    flags = {
        "device": "cpu",
        "decode.start_s": START_S,
        "decode.end_s": END_S,
        "track.min_length_s": 0.2,
        "detect.tiles": "none",
        "movie": False,
        "lifter": str(lifter_file),
        "export": ["html-video", "keypoints"],
    }
    result = run_video(people_clip, tmp_path, resolve_config(flags=flags))
    page = (result.folder / "people.video.html").read_text()
    clip = re.search(r'<script id="clip" type="application/json">(.*?)</script>', page, re.S)
    video = re.search(r'<script id="video-data" type="text/plain">(.*?)</script>', page)
    assert clip is not None
    assert video is not None
    data = json.loads(clip[1])
    np.testing.assert_allclose(data["times_s"], result.video.timestamps_s, atol=1e-5)
    assert data["times_s"][0] >= START_S - 1e-6
    assert {person["id"] for person in data["people"]} == set(result.tracks.people())

    with av.open(io.BytesIO(base64.b64decode(video[1])), "r") as container:
        copies = [frame.to_ndarray(format="bgr24") for frame in container.decode(container.streams.video[0])]
    with VideoReader(people_clip, START_S, END_S) as reader:
        sources = [frame.image for frame in reader]
    assert len(copies) == len(sources) == len(data["times_s"])
    # The picture drifts sideways, by about a pixel a frame: the source's frame that is most alike says which one it is.
    height, width = copies[0].shape[:2]
    small = np.stack([cv2.resize(image, (width, height), interpolation=cv2.INTER_AREA) for image in sources])
    for number in (0, len(sources) // 2, len(sources) - 1):
        apart = abs(small.astype(int) - copies[number]).mean(axis=(1, 2, 3))
        assert abs(int(apart.argmin()) - number) <= 1

    entries = read_plain_npz(result.folder / "people.keypoints.npz")
    assert str(entries["format"]) == KIND
    arrays = [array for name, array in entries.items() if name.endswith("/custom/0")]
    assert len(arrays) == len(result.tracks.people())
    assert all(len(array) == len(sources) for array in arrays)
