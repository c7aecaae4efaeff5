"""Which examples a step sees, read ahead by threads. All of it depends on the seed and the step alone.

So an interrupted run sees what it would have seen, and so do several processes that share a batch.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from typing import Generic, TypeVar

import numpy as np

from detectors.coco_data import KeypointDataset
from poses import InputError, Skeleton

T = TypeVar("T")

_ORDER, _VIEW, _STEP = 1, 2, 3


def order_generator(seed: int, epoch: int) -> np.random.Generator:
    """For the order of the examples in one pass through the data."""
    return np.random.default_rng([seed, _ORDER, epoch])


def view_generator(seed: int, step: int, place: int) -> np.random.Generator:
    """For the augmentation of the example at `place` in the batch of a step."""
    return np.random.default_rng([seed, _VIEW, step, place])


def step_seed(seed: int, step: int, rank: int) -> int:
    """Of PyTorch's own random numbers in a step (dropout, the R-CNNs' choice of proposals)."""
    return int(np.random.SeedSequence([seed, _STEP, step, rank]).generate_state(1)[0])


class Order:
    """Examples in random order, each once before any comes again.

    Parameters
    ----------
    count : of examples.
    batch : examples a step.
    """

    def __init__(self, count: int, batch: int, seed: int) -> None:
        self.count, self.batch, self.seed = count, batch, seed
        self._epoch = -1
        self._permutation = np.zeros(0, np.int64)

    def of_step(self, step: int) -> list[int]:
        """The indices of a step's examples."""
        return [self._at(step * self.batch + place) for place in range(self.batch)]

    def _at(self, position: int) -> int:
        epoch, place = divmod(position, self.count)
        if epoch != self._epoch:
            self._epoch = epoch
            self._permutation = order_generator(self.seed, epoch).permutation(self.count)
        return int(self._permutation[place])


class Reader(Generic[T]):
    """Prepares the examples of coming steps in threads, in order.

    Parameters
    ----------
    order : which examples a step has.
    prepare : (index, step, place in the batch) to the prepared example; runs in a thread.
    places : the places of the batch that this process prepares.
    workers : threads.
    """

    AHEAD = 3
    """Steps that are read before they are needed."""

    def __init__(self, order: Order, prepare: Callable[[int, int, int], T], places: range, workers: int) -> None:
        self.order, self.prepare, self.places, self.workers = order, prepare, places, workers

    def steps(self, first: int, last: int) -> Iterator[list[T]]:
        """The prepared examples of the steps from `first` to before `last`."""
        with ThreadPoolExecutor(self.workers, thread_name_prefix="examples") as pool:
            waiting: deque[list[Future[T]]] = deque()

            def submit(step: int) -> None:
                indices = self.order.of_step(step)
                waiting.append([pool.submit(self.prepare, indices[place], step, place) for place in self.places])

            try:
                for step in range(first, min(first + self.AHEAD, last)):
                    submit(step)
                for step in range(first, last):
                    if step + self.AHEAD < last:
                        submit(step + self.AHEAD)
                    yield [future.result() for future in waiting.popleft()]
            finally:
                for futures in waiting:
                    for future in futures:
                        future.cancel()


def load_dataset(annotations: str, images: str | None, skeleton: Skeleton) -> KeypointDataset:
    """A COCO JSON with its images beside it or below `images`; `InputError` also where nobody is labelled in it."""
    path = Path(annotations)
    dataset = KeypointDataset.load(path, path.parent if images is None else images, skeleton)
    if not len(dataset):
        raise InputError(f"{path}: nobody in it has a labelled keypoint", "see docs/finetuning.md")
    return dataset


def spread(count: int, wanted: int) -> list[int]:
    """At most `wanted` of `count` indices, spread evenly; 0 for all."""
    if not wanted or wanted >= count:
        return list(range(count))
    return np.linspace(0, count - 1, wanted).round().astype(int).tolist()
