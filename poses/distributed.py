"""The processes that train together: `torchrun --nproc-per-node N -m lifting.train ...` starts N of them.

Not imported by `poses` itself, since it needs torch.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import NoReturn

import torch
import torch.distributed as dist
from torch import Tensor, nn

from poses import UsageError


@dataclass(frozen=True)
class Ranks:
    """This process among those that train together.

    Attributes
    ----------
    rank, world : this one's number, and how many there are.
    device : where this one computes.
    """

    rank: int = 0
    world: int = 1
    device: str = "cpu"

    @property
    def is_main(self) -> bool:
        """Whether this process writes the files."""
        return self.rank == 0

    def part(self, examples: Tensor) -> Tensor:
        """This process's share of a batch's examples (B, ...); the shares differ by one at most."""
        return examples.tensor_split(self.world)[self.rank]

    def total(self, values: Tensor) -> Tensor:
        """The sum over all processes."""
        if self.world > 1:
            values = values.clone()
            dist.all_reduce(values)
        return values

    def same_buffers(self, module: nn.Module) -> None:
        """Give all processes the buffers (running means and variances) of the first."""
        if self.world > 1:
            for buffer in module.buffers():
                dist.broadcast(buffer, 0)

    def wrap(self, module: nn.Module) -> nn.Module:
        """The module with gradients averaged over the processes; changes it in place on GPUs.

        On GPUs batch norm uses the statistics of the whole batch (SyncBatchNorm); on CPUs, where PyTorch has no such
        layer, each process normalises its part by the part's own statistics.
        """
        if self.world == 1:
            return module
        if self.device.startswith("cuda"):
            module = nn.SyncBatchNorm.convert_sync_batchnorm(module)
            return nn.parallel.DistributedDataParallel(
                module, device_ids=[torch.device(self.device).index], gradient_as_bucket_view=True
            )
        return nn.parallel.DistributedDataParallel(module, gradient_as_bucket_view=True)


@contextmanager
def joined(device: str) -> Iterator[Ranks]:
    """Join the processes that torchrun started, gloo on CPUs, nccl on GPUs; without torchrun, this one alone."""
    world = int(os.environ.get("WORLD_SIZE", "1"))
    if device.startswith("cuda"):
        wanted = torch.device(device).index or 0
        if wanted >= torch.cuda.device_count():
            raise UsageError(
                f"--device {device}: this machine has {torch.cuda.device_count()} usable GPUs", "use --device cpu"
            )
    if world == 1:
        yield Ranks(device=device)
        return
    if device.startswith("cuda"):
        device = f"cuda:{os.environ['LOCAL_RANK']}"
        torch.cuda.set_device(device)
    dist.init_process_group("nccl" if device.startswith("cuda") else "gloo")
    try:
        yield Ranks(dist.get_rank(), world, device)
        dist.barrier()
    finally:
        if device.startswith("cuda"):
            dist.destroy_process_group()


def leave(code: int) -> NoReturn:
    """End the process with that exit code.

    One of several leaves without tearing anything down: gloo's threads may still run then, and taking them down aborts
    the process about once in ten times, after all its work is done.
    """
    if int(os.environ.get("WORLD_SIZE", "1")) > 1:
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(code)
    sys.exit(code)
