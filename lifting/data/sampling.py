"""Windows cut at random from motion-capture clips. Shapes: B sequences, T frames, K keypoints."""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import Tensor

from lifting.data.mocap import RATE_HZ, Clips
from poses import UsageError

LARGEST_RISE_M = 0.12
"""Of the lowest keypoint within a window: standing on the toes, but no flight."""

LARGEST_FALL_M_S2 = 4.0
"""Of the root, averaged over 0.1 s: well below free fall, whose reverse would be a push from nothing."""

SLOW_M_S = 1.0
"""The fastest keypoint of windows that may run backwards whatever they show."""


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

    def draw(
        self,
        count: int,
        frames: int,
        speed: tuple[float, ...],
        generator: torch.Generator,
        reverse_share: float = 0.0,
    ) -> Tensor:
        """(B, T, K, 3) windows on the generator's device, which the archives move to at the first call.

        Beyond a clip's ends its first and last frame are repeated, as when lifting. `reverse_share` of the windows
        run backwards if physics allows (`reversible`).
        """
        device = generator.device
        if self._joints.device != device:
            self._joints, self._start, self._probability = (
                tensor.to(device) for tensor in (self._joints, self._start, self._probability)
            )
        clip = torch.multinomial(self._probability, count, replacement=True, generator=generator)
        first = self._start[clip][:, None]
        last = self._start[clip + 1][:, None] - 1 - first
        slow, fast = speed
        rate = slow + (fast - slow) * torch.rand(count, generator=generator, device=device)
        # The window's middle falls anywhere in the clip. Time counts from the clip's start: single precision could
        # not place a frame among the hundreds of thousands of all clips.
        middle = last[:, 0] * torch.rand(count, generator=generator, device=device)
        time = middle[:, None] + rate[:, None] * (torch.arange(frames, device=device) - (frames - 1) / 2)
        time = torch.minimum(time.clamp(min=0), last)
        low = time.floor().long()
        high = torch.minimum(low + 1, last)
        share = (time - low)[..., None, None].float()
        windows = self._joints[first + low] * (1 - share) + self._joints[first + high] * share
        if reverse_share <= 0:
            return windows
        reverse = torch.rand(count, generator=generator, device=device) < reverse_share
        return torch.where((reverse & reversible(windows)).view(-1, 1, 1, 1), windows.flip(1), windows)


def reversible(windows: Tensor) -> Tensor:
    """(B,) which windows (B, T, K, 3) at 50 Hz could have happened backwards.

    Those in which somebody always touches the floor (the lowest keypoint rises by less than 12 cm) and never falls (the
    root's downward acceleration stays below 4 m/s²); and those that are slow throughout (below 1 m/s).
    """
    frames = windows.shape[1]
    if frames < 2:
        return windows.new_ones(len(windows), dtype=torch.bool)
    lowest = windows[..., 2].amin(dim=2)
    grounded = lowest.amax(dim=1) - lowest.amin(dim=1) < LARGEST_RISE_M
    slow = (windows.diff(dim=1).norm(dim=-1).amax(dim=(1, 2)) * RATE_HZ) < SLOW_M_S
    step = min(5, (frames - 1) // 2)
    if step == 0:
        return grounded | slow
    height = windows[:, :, 0, 2]
    bend = height[:, 2 * step :] - 2 * height[:, step:-step] + height[:, : -2 * step]
    falls = (-bend * (RATE_HZ / step) ** 2).amax(dim=1) > LARGEST_FALL_M_S2
    return (grounded & ~falls) | slow
