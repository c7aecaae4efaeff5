"""Frame by frame against whole sequences."""

import numpy as np
import pytest
import torch
from torch.utils.flop_counter import FlopCounterMode

from lifting.inference import predict
from lifting.model import Architecture
from lifting.profile import profile
from lifting.streaming import StreamingLifter
from poses import UsageError
from tests.lifting.networks import moving_points, seasoned

CAUSAL = [
    Architecture(6, 4, (3, 3, 3), 16, causal=True),
    Architecture(6, 4, (3, 5, 1), 16, causal=True),
    Architecture(6, 4, (3, 3), 16, causal=True, dense=True),
]
SYMMETRIC = [Architecture(6, 4, (3, 3, 3), 16), Architecture(6, 4, (5, 3), 16, dense=True), Architecture(6, 4, (1,), 8)]


@pytest.mark.parametrize("architecture", CAUSAL)
def test_causal_network_equals_the_whole_sequence_at_every_frame(architecture: Architecture) -> None:
    model = seasoned(architecture)
    points = moving_points(80, 6, people=3)
    lifter = StreamingLifter(model, people=3)
    assert lifter.latency_frames == 0
    wanted = torch.stack([predict(model, person) for person in points], dim=1).numpy()
    for frame in range(80):
        answer = lifter.push(points[:, frame].numpy())
        assert answer is not None
        np.testing.assert_allclose(answer, wanted[frame], atol=1e-5)
    assert lifter.flush().shape == (0, 3, 4, 3)


@pytest.mark.parametrize("architecture", SYMMETRIC)
@pytest.mark.parametrize("frames", [1, 7, 60])
def test_symmetric_network_equals_the_whole_sequence_late(architecture: Architecture, frames: int) -> None:
    model = seasoned(architecture)
    points = moving_points(frames, 6, people=2)
    lifter = StreamingLifter(model, people=2)
    answers = [lifter.push(points[:, frame]) for frame in range(frames)]
    late = architecture.receptive_field // 2
    assert [answer is None for answer in answers] == [frame < late for frame in range(frames)]
    whole = np.concatenate([*[answer[None] for answer in answers if answer is not None], lifter.flush()])
    wanted = torch.stack([predict(model, person) for person in points], dim=1).numpy()
    np.testing.assert_allclose(whole, wanted, atol=1e-5)


@pytest.mark.parametrize("latency", [0, 4, 12])
def test_smaller_latency_lets_the_newest_frame_stand_still(latency: int) -> None:
    model = seasoned(SYMMETRIC[0])
    points = moving_points(30, 6)[0]
    lifter = StreamingLifter(model, latency_frames=latency)
    for newest in range(30):
        answer = lifter.push(points[None, newest])
        if newest < latency:
            assert answer is None
            continue
        # The end of a sequence is padded by its last frame: the same as standing still.
        wanted = predict(model, points[: newest + 1])[newest - latency].numpy()
        assert answer is not None
        np.testing.assert_allclose(answer[0], wanted, atol=1e-5)
    np.testing.assert_allclose(lifter.flush()[:, 0], predict(model, points)[30 - latency :].numpy(), atol=1e-5)


def test_after_flush_a_new_sequence_begins() -> None:
    model = seasoned(SYMMETRIC[0])
    first, second = moving_points(20, 6), moving_points(20, 6, seed=5)
    lifter = StreamingLifter(model)
    for frame in range(20):
        lifter.push(first[:, frame])
    lifter.flush()
    assert lifter.flush().shape == (0, 1, 4, 3)
    for frame in range(20):
        lifter.push(second[:, frame])
    np.testing.assert_allclose(lifter.flush()[-1, 0], predict(model, second[0])[-1].numpy(), atol=1e-5)


@pytest.mark.parametrize(("architecture", "latency"), [(CAUSAL[0], 0), (SYMMETRIC[0], None), (SYMMETRIC[0], 3)])
def test_work_and_memory_are_the_same_for_every_frame(architecture: Architecture, latency: int | None) -> None:
    lifter = StreamingLifter(seasoned(architecture), latency_frames=latency)
    points = moving_points(120, 6)
    work, held = [], []
    for frame in range(120):
        with FlopCounterMode(display=False) as counter:
            lifter.push(points[:, frame])
        work.append(counter.get_total_flops())
        held.append(lifter.state_bytes())
    assert len(set(work[20:])) == 1
    assert len(set(held)) == 1
    standing_still = 0 if latency in (0, None) else architecture.receptive_field // 2 - 3
    assert work[-1] == profile(architecture).flops_per_frame * (1 + standing_still)


def test_what_does_not_fit_is_refused() -> None:
    with pytest.raises(UsageError, match="from 0 to 13"):
        StreamingLifter(seasoned(SYMMETRIC[0]), latency_frames=14)
    with pytest.raises(UsageError, match="from 0 to 0"):
        StreamingLifter(seasoned(CAUSAL[0]), latency_frames=1)
    with pytest.raises(ValueError, match=r"\(2, 6, 2\), got \(1, 6, 2\)"):
        StreamingLifter(seasoned(CAUSAL[0]), people=2).push(np.zeros((1, 6, 2)))
