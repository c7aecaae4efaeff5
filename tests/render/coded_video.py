"""A video whose pictures tell their number, and people whose place tells the frame: do the two belong together?"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace

import numpy as np

from poses import COCO17, Intrinsics, Tracks, VideoInfo
from render.export import Source
from tests.render.moving_bodies import two_people

FRAMES, WIDTH, HEIGHT, BITS = 60, 320, 240, 6
BAR_PX = 50
"""A picture's number stands in bars at its lower edge, white for 1, the lowest bit on the left."""


def uneven_times_s() -> np.ndarray:
    """(60,) times of a camera whose rate changes: from 20 to 60 ms a frame."""
    return np.concatenate([[0.0], np.cumsum(0.04 + 0.02 * np.sin(np.arange(FRAMES - 1)))])


def picture(number: int) -> np.ndarray:
    """(240, 320, 3) uint8: grey, with the bars."""
    image: np.ndarray = np.full((HEIGHT, WIDTH, 3), 110, np.uint8)
    image[-BAR_PX:] = 0
    for bit in range(BITS):
        if number >> bit & 1:
            image[-BAR_PX:, bit * BAR_PX : (bit + 1) * BAR_PX] = 255
    return image


def number_of(image: np.ndarray) -> int:
    """The number that a picture (H, W, 3) of any size tells."""
    height, width = image.shape[:2]
    row = image[int(height * (1 - BAR_PX / 2 / HEIGHT))]
    middles = [int((bit + 0.5) * BAR_PX / WIDTH * width) for bit in range(BITS)]
    return sum(int(row[x].mean() > 128) << bit for bit, x in enumerate(middles))


def place_px(person: int, frame: int) -> float:
    """Where a person's keypoints stand along x in a frame."""
    return 40.0 + 4.0 * frame if person == 0 else 290.0 - 4.0 * frame


def coded_source(count: int = FRAMES) -> Source:
    """Two people (person 1 comes and goes) with keypoints, and a video of `count` pictures."""
    poses = two_people()[0]
    rows = len(poses)
    times_s = uneven_times_s()
    keypoints = np.zeros((rows, 17, 2), np.float32)
    for row, (person, frame) in enumerate(zip(poses.person_id.tolist(), poses.frame.tolist(), strict=True)):
        # Straight up, so that the middle of what is drawn is the place; the two people at two heights.
        keypoints[row, :, 0] = place_px(person, frame)
        keypoints[row, :, 1] = np.linspace(30, 90, 17) + 90 * person
    seen = np.ones((rows, 17), bool)
    tracks = Tracks(poses.person_id, poses.frame, keypoints, seen.astype(np.float32), seen, ~seen, COCO17)
    camera = Intrinsics.from_fov(1.0, WIDTH, HEIGHT)
    poses = replace(poses, timestamps_s=times_s[poses.frame], intrinsics=camera)
    video = VideoInfo(times_s, WIDTH, HEIGHT, 0, 25.0, "h264", "none", 0)

    @contextmanager
    def images() -> Iterator[Iterator[np.ndarray]]:
        yield (picture(number) for number in range(count))

    return Source(poses, tracks, video, images)
