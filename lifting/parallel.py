"""PyTorch work on several threads of Python, each with its share of PyTorch's own threads.

One large product on n threads waits at its end for the slowest of them, and everything between two products waits too.
Where the work falls into independent parts, n parts of one thread each wait only once.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

import torch

Item = TypeVar("Item")
Result = TypeVar("Result")


@contextlib.contextmanager
def one_thread() -> Iterator[None]:
    """Many small products: on one thread of PyTorch they do not wait for each other, least of all on a busy machine."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(threads)


def map_in_threads(function: Callable[[Item], Result], items: Iterable[Item]) -> list[Result]:
    """`function` of each item, in order, all at once; PyTorch's threads are divided among them.

    The number of threads belongs to each thread and, for those that start later, to the process: it is put back at
    the end. Other threads that begin to use PyTorch meanwhile get the smaller number.
    """
    items = list(items)
    if len(items) < 2:
        return [function(item) for item in items]
    threads = torch.get_num_threads()
    share = max(1, threads // len(items))
    try:
        with ThreadPoolExecutor(len(items), initializer=torch.set_num_threads, initargs=(share,)) as pool:
            return list(pool.map(function, items))
    finally:
        torch.set_num_threads(threads)
