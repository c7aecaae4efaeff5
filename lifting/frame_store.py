"""Sequences laid end to end in tensors on the device, and windows gathered from them by index.

A batch of windows costs one gather, whatever the number of sequences that it comes from: no loop over samples.

Shape letters: N frames of all sequences, S sequences, M chunks, B windows, T frames of a window, J keypoints, K joints.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from lifting.data.cameras import mirror_intrinsics
from lifting.data.sequences import PoseDataset, PoseSequence


@dataclass(frozen=True)
class Chunks:
    """Stretches of `stride` frames of output, one a training example.

    Attributes
    ----------
    start : (M,) int64 index of the first frame of output; may lie before its sequence's first frame, and a chunk's end
        beyond the last: there the end frame is repeated.
    sequence : (M,) int64 index of the sequence.
    stride : frames of output of each.
    """

    start: Tensor
    sequence: Tensor
    stride: int

    def __len__(self) -> int:
        return len(self.start)


@dataclass(frozen=True)
class Windows:
    """Training examples. What the sequences lack is None.

    Attributes
    ----------
    keypoints : (B, T, J, 2) screen coordinates: the frames of output with those before and after that the network sees.
    positions_m : (B, stride, K, 3) joints relative to the root.
    root_m : (B, stride, 1, 3) the root in the camera frame.
    intrinsics : (B, 9) of each window's camera (`lifting.data.cameras.INTRINSICS`).
    """

    keypoints: Tensor
    positions_m: Tensor | None
    root_m: Tensor | None
    intrinsics: Tensor | None

    def __len__(self) -> int:
        return len(self.keypoints)


class FrameStore:
    """All frames of a dataset in tensors on one device.

    With `mirrored` each sequence stands there twice, as it is and mirrored: keypoints and joints negated along x with
    left and right exchanged, and the camera mirrored too. That doubles the memory (Human3.6M's five training subjects:
    1.1 GB in all) and spares the work at every step.

    Parameters
    ----------
    data : the sequences. 3D and intrinsics are kept where every sequence has them. `ValueError` if there is none.
    """

    def __init__(self, data: PoseDataset, device: str = "cpu", mirrored: bool = False) -> None:
        sequences = data.sequences
        if not sequences:
            raise ValueError("a dataset without sequences cannot be trained on")
        keypoints = torch.from_numpy(np.concatenate([s.keypoints for s in sequences]))
        positions = _together(sequences, "positions_m")
        root = _together(sequences, "root_m")
        intrinsics = None
        if all(s.intrinsics is not None for s in sequences):
            intrinsics = torch.from_numpy(np.stack([s.intrinsics for s in sequences if s.intrinsics is not None]))
        lengths = torch.tensor([len(s) for s in sequences])
        if mirrored:
            keypoints = torch.cat([keypoints, mirror(keypoints, data.layout.mirror)])
            if positions is not None and root is not None:
                positions = torch.cat([positions, mirror(positions, data.dataset.skeleton.mirror)])
                root = torch.cat([root, mirror(root[:, None], np.array([0]))[:, 0]])
            if intrinsics is not None:
                intrinsics = torch.cat([intrinsics, mirror_intrinsics(intrinsics)])
            lengths = lengths.repeat(2)
        self.keypoints = keypoints.to(device)
        self.positions_m = None if positions is None else positions.to(device)
        self.root_m = None if root is None else root.to(device)
        self.intrinsics = None if intrinsics is None else intrinsics.to(device)
        self._first = (lengths.cumsum(0) - lengths).to(device)
        self._last = (lengths.cumsum(0) - 1).to(device)

    def __len__(self) -> int:
        """Frames, mirrored ones included."""
        return len(self.keypoints)

    def chunks(self, stride: int = 1) -> Chunks:
        """Every sequence cut into chunks of `stride` frames; what does not divide evenly overhangs on both sides."""
        lengths = self._last - self._first + 1
        counts = (lengths + stride - 1) // stride
        sequence = torch.repeat_interleave(torch.arange(len(counts), device=counts.device), counts)
        number = torch.arange(len(sequence), device=counts.device) - (counts.cumsum(0) - counts)[sequence]
        overhang = (counts * stride - lengths) // 2
        return Chunks(self._first[sequence] + number * stride - overhang[sequence], sequence, stride)

    def windows(self, chunks: Chunks, which: Tensor, padding: tuple[int, int] = (0, 0)) -> Windows:
        """The chunks `which` (B,) with `padding` frames before and after; a sequence's end frames are repeated."""
        which = which.to(chunks.start.device)
        sequence = chunks.sequence[which]
        offsets = torch.arange(-padding[0], chunks.stride + padding[1], device=which.device)
        frames = chunks.start[which][:, None] + offsets
        frames = torch.clamp(frames, self._first[sequence][:, None], self._last[sequence][:, None])
        inner = frames[:, padding[0] : padding[0] + chunks.stride]
        root = _gather(self.root_m, inner)
        return Windows(
            keypoints=self.keypoints[frames],
            positions_m=_gather(self.positions_m, inner),
            root_m=None if root is None else root[:, :, None],
            intrinsics=_gather(self.intrinsics, sequence),
        )


def mirror(values: Tensor, twins: np.ndarray) -> Tensor:
    """Points (..., J, 2 or 3) in the mirror: x negated, each joint replaced by its twin (J,)."""
    sign = torch.ones(values.shape[-1])
    sign[0] = -1
    return values[..., torch.from_numpy(np.asarray(twins)), :] * sign


def seed_of(*numbers: int) -> int:
    """One well-mixed seed from several numbers such as a run's seed, the epoch and the step."""
    return int(np.random.SeedSequence(numbers).generate_state(1, np.uint64)[0]) >> 1


def epoch_order(count: int, *numbers: int) -> Tensor:
    """(count,) a permutation that depends on `numbers` (seed, epoch, ...) alone."""
    return torch.randperm(count, generator=torch.Generator().manual_seed(seed_of(*numbers)))


class EndlessOrder:
    """The positions of a stream that goes through `count` examples again and again, in a new order each time."""

    def __init__(self, count: int, *numbers: int) -> None:
        self._count = count
        self._numbers = numbers
        self._round = -1
        self._order = torch.empty(0, dtype=torch.int64)

    def take(self, first: int, length: int) -> Tensor:
        """(length,) examples at positions `first` and on of the stream, wherever it was read before."""
        parts = []
        while length > 0:
            number, at = divmod(first, self._count)
            if number != self._round:
                self._round, self._order = number, epoch_order(self._count, *self._numbers, number)
            part = self._order[at : at + length]
            parts.append(part)
            first, length = first + len(part), length - len(part)
        return torch.cat(parts) if parts else self._order[:0]


def _together(sequences: Sequence[PoseSequence], name: str) -> Tensor | None:
    arrays = [getattr(sequence, name) for sequence in sequences]
    return None if any(array is None for array in arrays) else torch.from_numpy(np.concatenate(arrays))


def _gather(values: Tensor | None, index: Tensor) -> Tensor | None:
    return None if values is None else values[index]
