"""Spans of time in which something goes wrong, and what the tracker makes of missing keypoints.

Shape letters: B sequences, T frames, J joints, M spans that a sequence has at most.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor


def random_spans(
    rate: Tensor, length_s: tuple[float, float], frames: int, rate_hz: float, generator: torch.Generator
) -> Tensor:
    """(B, M, T) bool: spans that begin at random at `rate` (B, T) a second and last `length_s`, log-uniform.

    `rate` is looked up at the middle of the part of a span that is within the sequence, so that a span may have begun
    before the first frame. Spans may overlap; those that do not happen are all False.
    """
    batch, device = len(rate), generator.device
    short, long = length_s
    most = float(rate.max())
    window_s = frames / rate_hz + long
    expected = most * window_s
    slots = math.ceil(expected + 4 * math.sqrt(expected))
    if slots == 0:
        return torch.zeros((batch, 0, frames), dtype=torch.bool, device=device)
    count = torch.poisson(torch.full((batch, 1), expected, device=device), generator=generator)
    draw = torch.rand((3, batch, slots), generator=generator, device=device)
    length = rate_hz * short * (long / short) ** draw[0]
    first = -long * rate_hz + draw[1] * window_s * rate_hz
    end = first + length
    middle = (0.5 * (first.clamp(min=0) + end.clamp(max=frames))).long().clamp(0, frames - 1)
    happens = (torch.arange(slots, device=device) < count) & (draw[2] * most < rate.gather(1, middle))
    time = torch.arange(frames, device=device).view(1, 1, -1)
    return happens[..., None] & (time >= first[..., None]) & (time < end[..., None])


def mean_length_s(length_s: tuple[float, float]) -> float:
    """Mean of a log-uniform length."""
    short, long = length_s
    return (long - short) / math.log(long / short) if long > short else short


def joints_in_spans(spans: Tensor, groups: Tensor, generator: torch.Generator) -> Tensor:
    """(B, T, J) bool: each of the spans (B, M, T) hits one of the `groups` (G, J) bool of joints."""
    which = torch.randint(len(groups), spans.shape[:2], generator=generator, device=spans.device)
    return torch.einsum("bmt,bmj->btj", spans.float(), groups[which].float()) > 0.5


def bridge(keypoints: Tensor, missing: Tensor, trunk: Tensor) -> Tensor:
    """Keypoints (B, T, J, 2) with those that are `missing` (B, T, J) filled in as the tracker does.

    By a straight line between the frames before and after; where there is only one side, with the place relative to
    the `trunk` (B, T, 2) held. A joint that is missing throughout stays as it is.
    """
    frames, joints = keypoints.shape[1:3]
    time = torch.arange(frames, dtype=torch.int32, device=keypoints.device).view(1, -1, 1)
    # Only the missing ones are worked on: they are few.
    b, t, j = missing.nonzero(as_tuple=True)
    before = torch.where(missing, -1, time).cummax(dim=1).values[b, t, j].long()
    after = torch.where(missing, frames, time).flip(1).cummin(dim=1).values.flip(1)[b, t, j].long()
    first, last = torch.where(before >= 0, before, after), torch.where(after < frames, after, before)
    known = (before >= 0) | (after < frames)
    b, t, j, first, last = b[known], t[known], j[known], first[known], last[known]
    flat = keypoints.reshape(-1, 2)
    start, end = flat[(b * frames + first) * joints + j], flat[(b * frames + last) * joints + j]
    share = ((t - first) / (last - first).clamp(min=1))[:, None]
    # With one side only, the place relative to the trunk is held.
    moved = torch.where((first == last)[:, None], trunk[b, t] - trunk[b, first], 0.0)
    bridged = flat.clone()
    bridged[(b * frames + t) * joints + j] = start * (1 - share) + end * share + moved
    return bridged.view(keypoints.shape)


def fill_unseen(keypoints: Tensor, unseen: Tensor, parents: Tensor) -> Tensor:
    """Keypoints (B, T, J, 2) of which `unseen` (B, J) are never seen, filled in as before lifting.

    By the nearest seen joint up the tree of `parents` (J,), else by the middle of the seen ones
    (`lifting.unseen.fill_unseen_joints`). Where nothing would be seen, everything is.
    """
    unseen = unseen & ~unseen.all(dim=1, keepdim=True)
    source = torch.arange(len(parents), device=keypoints.device).expand_as(unseen)
    for _ in range(len(parents)):
        above = parents[source]
        source = torch.where(unseen.gather(1, source) & (above >= 0), above, source)
    filled = keypoints.gather(2, source[:, None, :, None].expand_as(keypoints))
    seen = (~unseen).to(keypoints)[:, None, :, None]
    middle = (keypoints * seen).sum(dim=2, keepdim=True) / seen.sum(dim=2, keepdim=True)
    return torch.where(unseen.gather(1, source)[:, None, :, None], middle, filled)
