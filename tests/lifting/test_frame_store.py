from __future__ import annotations

import numpy as np
import pytest
import torch

from lifting.data.cameras import project
from lifting.data.project_truth import H36M_LAYOUT
from lifting.data.sequences import PoseDataset, PoseSequence
from lifting.frame_store import EndlessOrder, FrameStore, epoch_order
from poses import H36M17
from tests.lifting.small_dataset import random_dataset

LENGTHS = [7, 1, 12, 4]


def examples(data: PoseDataset, stride: int) -> list[tuple[PoseSequence, int]]:
    """(sequence, first frame) of every chunk, one after the other; the overhang is split evenly, the odd one last."""
    found = []
    for sequence in data.sequences:
        count = -(-len(sequence) // stride)
        before = (count * stride - len(sequence)) // 2
        found += [(sequence, number * stride - before) for number in range(count)]
    return found


def clamped(array: np.ndarray, first: int, last: int) -> np.ndarray:
    return np.stack([array[min(max(frame, 0), len(array) - 1)] for frame in range(first, last)])


@pytest.mark.parametrize("stride", [1, 3, 5])
@pytest.mark.parametrize("padding", [(0, 0), (4, 4), (8, 0)])
def test_windows_are_those_of_a_loop_over_samples(stride: int, padding: tuple[int, int]) -> None:
    data = random_dataset(LENGTHS)
    store = FrameStore(data)
    chunks = store.chunks(stride)
    wanted = examples(data, stride)
    assert len(chunks) == len(wanted)
    which = torch.randperm(len(chunks), generator=torch.Generator().manual_seed(3))
    windows = store.windows(chunks, which, padding)
    assert windows.positions_m is not None
    assert windows.root_m is not None
    assert windows.intrinsics is not None
    assert windows.keypoints.shape == (len(chunks), padding[0] + stride + padding[1], 17, 2)
    for row, index in enumerate(which.tolist()):
        sequence, start = wanted[index]
        assert sequence.positions_m is not None
        assert sequence.root_m is not None
        seen = clamped(sequence.keypoints, start - padding[0], start + stride + padding[1])
        assert np.array_equal(windows.keypoints[row].numpy(), seen)
        assert np.array_equal(windows.positions_m[row].numpy(), clamped(sequence.positions_m, start, start + stride))
        assert np.array_equal(windows.root_m[row, :, 0].numpy(), clamped(sequence.root_m, start, start + stride))
        assert np.array_equal(windows.intrinsics[row].numpy(), sequence.intrinsics)


def test_every_frame_is_the_output_of_one_chunk_and_of_one_mirrored() -> None:
    data = random_dataset(LENGTHS)
    assert len(FrameStore(data).chunks(1)) == sum(LENGTHS)
    assert len(FrameStore(data, mirrored=True).chunks(1)) == 2 * sum(LENGTHS)


def test_mirrored_copies() -> None:
    data = random_dataset(LENGTHS)
    store = FrameStore(data, mirrored=True)
    chunks = store.chunks(1)
    count = len(chunks) // 2
    plain, mirrored = (store.windows(chunks, torch.arange(count) + n, (2, 2)) for n in (0, count))
    left, right = H36M17.indices("left_wrist", "right_wrist")
    assert torch.equal(mirrored.keypoints[..., left, 0], -plain.keypoints[..., right, 0])
    assert torch.equal(mirrored.keypoints[..., left, 1], plain.keypoints[..., right, 1])
    assert plain.positions_m is not None
    assert mirrored.positions_m is not None
    assert torch.equal(mirrored.positions_m[..., right, 0], -plain.positions_m[..., left, 0])
    assert torch.equal(mirrored.positions_m[..., right, 1:], plain.positions_m[..., left, 1:])
    assert plain.root_m is not None
    assert mirrored.root_m is not None
    assert torch.equal(mirrored.root_m, plain.root_m * torch.tensor([-1.0, 1.0, 1.0]))


def test_the_mirrored_camera_shows_the_mirrored_picture() -> None:
    store = FrameStore(random_dataset([5, 5, 5, 5]), mirrored=True)
    chunks = store.chunks(1)
    plain, mirrored = (store.windows(chunks, torch.arange(20) + n) for n in (0, 20))
    assert plain.intrinsics is not None
    assert mirrored.intrinsics is not None
    points = torch.rand(20, 1, 17, 3, generator=torch.Generator().manual_seed(1)) + torch.tensor([-0.5, -0.5, 3.0])
    turned = points * torch.tensor([-1.0, 1.0, 1.0])
    seen = project(points, plain.intrinsics) * torch.tensor([-1.0, 1.0])
    assert torch.allclose(project(turned, mirrored.intrinsics), seen, atol=1e-6)
    # Without the camera's mirror image it is another picture: the principal points are off the middle.
    assert not torch.allclose(project(turned, plain.intrinsics), seen, atol=1e-3)


def test_what_is_not_there_is_none() -> None:
    windows = FrameStore(random_dataset([6], labelled=False), mirrored=True)
    batch = windows.windows(windows.chunks(), torch.arange(3))
    assert batch.positions_m is None
    assert batch.root_m is None
    assert batch.intrinsics is not None
    with pytest.raises(ValueError, match="without sequences"):
        FrameStore(PoseDataset(random_dataset([6]).dataset, H36M_LAYOUT, (), 50.0))


def test_orders_are_permutations_that_depend_on_their_numbers_alone() -> None:
    first = epoch_order(100, 1, 2, 3)
    assert sorted(first.tolist()) == list(range(100))
    assert torch.equal(first, epoch_order(100, 1, 2, 3))
    assert not torch.equal(first, epoch_order(100, 1, 2, 4))
    assert not torch.equal(first, epoch_order(100, 2, 2, 3))


def test_the_endless_stream_gives_every_example_as_often_wherever_it_is_entered() -> None:
    whole = EndlessOrder(7, 1).take(0, 21).view(3, 7)
    for part in whole:
        assert sorted(part.tolist()) == list(range(7))
    assert not torch.equal(whole[0], whole[1])
    assert torch.equal(EndlessOrder(7, 1).take(5, 10), whole.flatten()[5:15])
    assert len(EndlessOrder(7, 1).take(3, 0)) == 0
