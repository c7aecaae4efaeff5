from __future__ import annotations

import math
from itertools import pairwise

import numpy as np
import pytest
import torch

from lifting.data.mocap import Clips
from lifting.data.sampling import WindowSampler, reversible
from poses import UsageError
from tests.motion import jumping_jack, walker


def counting_clips(lengths: dict[str, int]) -> Clips:
    """One keypoint: x is the clip's number, y the frame within the clip, z the frame within all clips."""
    start = np.concatenate([[0], np.cumsum(list(lengths.values()))])
    joints = np.zeros((start[-1], 1, 3), np.float32)
    for clip, (first, last) in enumerate(pairwise(start)):
        joints[first:last, 0, 0] = clip
        joints[first:last, 0, 1] = np.arange(last - first)
    joints[:, 0, 2] = np.arange(start[-1])
    return Clips(joints, start.astype(np.int64), tuple(lengths))


def draw(clips: Clips, count: int, frames: int, speed: tuple[float, float] = (1.0, 1.0), seed: int = 0) -> np.ndarray:
    weights = {name.split("/")[0]: 1.0 for name in clips.names}
    return WindowSampler(clips, weights).draw(count, frames, speed, torch.Generator().manual_seed(seed)).numpy()


def test_windows_lie_inside_one_clip() -> None:
    lengths = {"a/0": 30, "a/1": 7, "a/2": 200, "a/3": 1}
    windows = draw(counting_clips(lengths), 400, 21)
    assert windows.shape == (400, 21, 1, 3)
    clip = windows[:, 0, 0, 0].astype(int)
    assert (windows[..., 0] == clip[:, None, None]).all()
    length = np.array(list(lengths.values()))[clip]
    place = windows[:, :, 0, 1]
    assert (place >= 0).all()
    assert (place <= length[:, None] - 1).all()
    assert set(clip) >= {0, 1, 2}


def test_frames_follow_each_other_and_ends_are_repeated() -> None:
    place = draw(counting_clips({"a/0": 40}), 300, 21)[:, :, 0, 1]
    step = np.diff(place, axis=1)
    inside = (place[:, :-1] > 0) & (place[:, 1:] < 39)
    np.testing.assert_allclose(step[inside], 1.0, atol=1e-4)
    at_end = (place[:, :-1] == 39) | (place[:, 1:] == 0)
    assert (step[at_end] == 0).all()
    assert at_end.any()
    # The middle falls anywhere, to both ends.
    middle = place[:, 10]
    assert middle.min() < 2
    assert middle.max() > 37


def test_speed_is_within_its_bounds() -> None:
    place = draw(counting_clips({"a/0": 4000}), 400, 9, (0.8, 1.25))[:, :, 0, 1]
    inside = (place[:, 0] > 0) & (place[:, -1] < 3999)
    rate = np.diff(place[inside], axis=1)
    np.testing.assert_allclose(rate, rate[:, :1].repeat(8, axis=1), atol=2e-3)
    assert 0.8 - 1e-3 <= rate.min() < 0.82
    assert 1.23 < rate.max() <= 1.25 + 1e-3


def test_time_is_as_fine_late_in_the_archives_as_early() -> None:
    """Places are drawn in single precision, which resolves frame 800 000 to a sixteenth of a frame only."""
    place = draw(counting_clips({"a/0": 800_000, "b/0": 5000}), 200, 9, (0.8, 1.25))
    late = place[(place[:, 0, 0, 0] == 1) & (place[:, 0, 0, 1] > 0) & (place[:, -1, 0, 1] < 4999)]
    assert len(late) > 50
    rate = np.diff(late[:, :, 0, 1], axis=1)
    np.testing.assert_allclose(rate, rate[:, :1].repeat(8, axis=1), atol=2e-3)


def test_archives_by_weight_and_clips_by_length() -> None:
    clips = counting_clips({"a/0": 100, "a/1": 300, "b/0": 1000})
    windows = WindowSampler(clips, {"a": 3.0, "b": 1.0}).draw(4000, 3, (1.0, 1.0), torch.Generator().manual_seed(1))
    share = np.bincount(windows[:, 0, 0, 0].numpy().astype(int), minlength=3) / 4000
    for got, wanted in zip(share, [0.75 * 0.25, 0.75 * 0.75, 0.25], strict=True):
        assert abs(got - wanted) < 4 * math.sqrt(wanted * (1 - wanted) / 4000)


def test_same_seed_same_windows() -> None:
    clips = counting_clips({"a/0": 50, "a/1": 60})
    np.testing.assert_array_equal(draw(clips, 20, 5, seed=3), draw(clips, 20, 5, seed=3))
    assert (draw(clips, 20, 5, seed=3) != draw(clips, 20, 5, seed=4)).any()


@pytest.mark.parametrize("weights", [{"a": 1.0}, {"a": 1.0, "b": 1.0, "c": 1.0}, {}])
def test_weights_must_name_the_archives(weights: dict[str, float]) -> None:
    with pytest.raises(UsageError, match="the data hold a, b"):
        WindowSampler(counting_clips({"a/0": 5, "b/0": 5}), weights)


def test_a_share_of_the_windows_runs_backwards() -> None:
    joints = np.zeros((4000, 1, 3), np.float32)
    # Two millimetres a frame along y: slow enough for either way.
    joints[:, 0, 1] = 0.002 * np.arange(4000)
    clips = Clips(joints, np.array([0, 4000]), ("a/0",))

    def steps(share: float) -> np.ndarray:
        sampler = WindowSampler(clips, {"a": 1.0})
        windows = sampler.draw(1000, 9, (1.0, 1.0), torch.Generator().manual_seed(0), share)
        return np.diff(windows[:, :, 0, 1].numpy(), axis=1)[:, 4]

    np.testing.assert_allclose(np.abs(steps(0.3)), 0.002, atol=1e-4)
    assert (steps(0.0) > 0).all()
    assert (steps(1.0) < 0).all()
    assert abs((steps(0.3) < 0).mean() - 0.3) < 4 * math.sqrt(0.3 * 0.7 / 1000)


def test_flight_and_falls_do_not_run_backwards() -> None:
    time_s = np.arange(40) / 50
    standing = np.repeat(walker(0.02, 50), 40, axis=0)

    def moved(height_m: np.ndarray, feet_too: bool = True) -> np.ndarray:
        body = standing.copy()
        body[..., 2] += height_m[:, None] if feet_too else height_m[:, None] * (standing[..., 2] > 0.5)
        return body

    jump = np.clip(2.0 * (time_s - 0.2) - 9.81 / 2 * (time_s - 0.2) ** 2, 0, None)
    drop = -np.clip(9.81 / 2 * np.clip(time_s - 0.4, 0, None) ** 2, 0, 0.6)
    squat = 0.15 * np.cos(2 * np.pi * time_s / 1.2)
    cases = {
        "walk": (walker(0.8, 50), True),
        "jump": (moved(jump), False),
        "drop to the knees": (moved(drop, feet_too=False), False),
        "squat": (moved(squat, feet_too=False), True),
        "lift, slow": (moved(0.5 * time_s), True),
        "lift, fast": (moved(1.5 * time_s), False),
        "jumping jack": (jumping_jack(0.8, 50), False),
    }
    windows = torch.from_numpy(np.stack([body for body, _ in cases.values()])).float()
    got = dict(zip(cases, reversible(windows).tolist(), strict=True))
    assert got == {name: wanted for name, (_, wanted) in cases.items()}
    assert reversible(windows[:, :1]).all()
    assert reversible(windows[:, :2]).shape == (len(cases),)
