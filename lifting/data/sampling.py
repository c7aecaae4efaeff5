"""Windows cut at random from motion-capture clips. Shapes: B sequences, T frames, K keypoints."""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import Tensor

from lifting.data.mocap import Clips
from poses import UsageError


class WindowSampler:
    """Draws windows of T frames: an archive by its weight, a clip by its length, then the place and the speed.

    Parameters
    ----------
    clips : all clips.
    weights : share of the windows for each archive; `UsageError` names an archive that has no clips or no weight.
    """

    def __init__(self, clips: Clips, weights: Mapping[str, float]) -> None:
        archives = [name.split("/", 1)[0] for name in clips.names]
        if set(archives) != set(weights):
            raise UsageError(
                f"archive weights are given for {', '.join(sorted(weights))}, "
                f"the data hold {', '.join(sorted(set(archives)))}"
            )
        self._joints = torch.from_numpy(clips.joints_m)
        self._start = torch.from_numpy(clips.start)
        lengths = (self._start[1:] - self._start[:-1]).double()
        of_archive: dict[str, float] = {}
        for archive, length in zip(archives, lengths.tolist(), strict=True):
            of_archive[archive] = of_archive.get(archive, 0.0) + length
        total = sum(weights.values())
        share = torch.tensor([weights[a] / total / of_archive[a] for a in archives], dtype=torch.float64)
        self._probability = share * lengths

    def draw(self, count: int, frames: int, speed: tuple[float, ...], generator: torch.Generator) -> Tensor:
        """(B, T, K, 3) windows; beyond a clip's ends its first and last frame are repeated, as when lifting."""
        clip = torch.multinomial(self._probability, count, replacement=True, generator=generator)
        first = self._start[clip][:, None]
        last = self._start[clip + 1][:, None] - 1 - first
        slow, fast = speed
        rate = slow + (fast - slow) * torch.rand(count, generator=generator)
        # The window's middle falls anywhere in the clip. Time counts from the clip's start: single precision could
        # not place a frame among the hundreds of thousands of all clips.
        middle = last[:, 0] * torch.rand(count, generator=generator)
        time = middle[:, None] + rate[:, None] * (torch.arange(frames) - (frames - 1) / 2)
        time = torch.minimum(time.clamp(min=0), last)
        low = time.floor().long()
        high = torch.minimum(low + 1, last)
        share = (time - low)[..., None, None].float()
        return self._joints[first + low] * (1 - share) + self._joints[first + high] * share
