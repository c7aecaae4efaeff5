"""Errors like a detector's, added to true canonical keypoints: jitter, drift, bias, outliers, lost joints, swaps.

All magnitudes are fractions of the person's apparent height. Shape letters: B sequences, T frames, J = 17 of COCO.
"""

from __future__ import annotations

from dataclasses import dataclass, field

import torch
from torch import Tensor

from poses import COCO17

_EASE = torch.ones(len(COCO17))
_EASE[COCO17.indices("left_wrist", "right_wrist", "left_ankle", "right_ankle")] = 1.5
_EASE[COCO17.indices("left_elbow", "right_elbow", "left_knee", "right_knee")] = 1.2

_FACE = COCO17.indices("nose", "left_eye", "right_eye", "left_ear", "right_ear")
_ARMS = [(COCO17.index(f"left_{j}"), COCO17.index(f"right_{j}")) for j in ("shoulder", "elbow", "wrist")]
_LEGS = [(COCO17.index(f"left_{j}"), COCO17.index(f"right_{j}")) for j in ("hip", "knee", "ankle")]
_GROUPS = (
    COCO17.indices("left_elbow", "left_wrist"),
    COCO17.indices("right_elbow", "right_wrist"),
    COCO17.indices("left_knee", "left_ankle"),
    COCO17.indices("right_knee", "right_ankle"),
    COCO17.indices("left_knee", "left_ankle", "right_knee", "right_ankle"),
    _FACE,
)


@dataclass(frozen=True)
class KeypointNoise:
    """How strong each kind of error is; every strength is scaled by a random factor of each sequence.

    Attributes are documented in the fields' help; lengths are fractions of the person's apparent height.
    """

    jitter: float = field(default=0.005, metadata={"help": "white noise a frame, standard deviation"})
    drift: float = field(default=0.008, metadata={"help": "slow wander over 0.2 to 0.8 s, standard deviation"})
    bias: float = field(default=0.008, metadata={"help": "constant offset of a joint over a sequence"})
    hidden_face: float = field(default=0.025, metadata={"help": "drift of the face where it looks away"})
    outliers: float = field(default=0.15, metadata={"help": "spans in which a joint jumps away, a second and person"})
    outlier_size: float = field(default=0.08, metadata={"help": "size of such a jump"})
    lost: float = field(default=0.25, metadata={"help": "spans in which a limb is lost and bridged, a second"})
    swaps: float = field(default=0.03, metadata={"help": "spans with left and right exchanged, a second"})
    wander_spread: float = field(default=0.5, metadata={"help": "spread of the random factor (log-normal)"})


def smooth_noise(shape: tuple[int, ...], frames: int, knots: int, generator: torch.Generator) -> Tensor:
    """Noise of unit variance that varies slowly: (B, T, ...) from `knots` random values, linear in between."""
    batch, *rest = shape
    values = torch.randn((batch, knots, *rest), generator=generator)
    position = torch.linspace(0, knots - 1.001, frames) + 0.0
    low = position.long()
    share = (position - low).view(1, -1, *[1] * len(rest))
    mixed = values[:, low] * (1 - share) + values[:, low + 1] * share
    return mixed / ((1 - share) ** 2 + share**2).sqrt()


def add_keypoint_noise(
    keypoints: Tensor,
    height: Tensor,
    facing_away: Tensor,
    noise: KeypointNoise,
    rate_hz: float,
    generator: torch.Generator,
) -> Tensor:
    """Disturb canonical keypoints (B, T, J, 2) of people of apparent `height` (B,) who look away by (B, T) in 0..1."""
    batch, frames, joints, _ = keypoints.shape
    seconds = frames / rate_hz

    def strength(size: float) -> Tensor:
        spread = torch.exp(noise.wander_spread * torch.randn((batch, 1, 1, 1), generator=generator))
        return size * spread * height.view(-1, 1, 1, 1)

    ease = _EASE.view(1, 1, -1, 1)
    knots = max(3, int(seconds / 0.4) + 2)
    jitter = torch.randn(keypoints.shape, generator=generator)
    # Half of the sequences have been smoothed, as the tracker does.
    calm = torch.cat([jitter[:, :1], (jitter[:, :-2] + jitter[:, 1:-1] + jitter[:, 2:]) / 3, jitter[:, -1:]], dim=1)
    smoothed = torch.rand((batch, 1, 1, 1), generator=generator) < 0.5
    keypoints = keypoints + strength(noise.jitter) * ease * torch.where(smoothed, calm, jitter)
    keypoints = keypoints + strength(noise.drift) * ease * smooth_noise((batch, joints, 2), frames, knots, generator)
    keypoints = keypoints + strength(noise.bias) * ease * torch.randn((batch, 1, joints, 2), generator=generator)
    face = torch.zeros(joints)
    face[_FACE] = 1.0
    wander = smooth_noise((batch, joints, 2), frames, knots, generator)
    keypoints = keypoints + strength(noise.hidden_face) * face.view(1, 1, -1, 1) * facing_away[..., None, None] * wander
    keypoints = _add_outliers(keypoints, height, noise, seconds, generator)
    keypoints = _lose_limbs(keypoints, noise, seconds, generator)
    return _swap_sides(keypoints, noise, seconds, generator)


def _spans(
    expected: float, batch: int, frames: int, longest: int, generator: torch.Generator
) -> list[tuple[int, int, int]]:
    """Random (sequence, first frame, length): `expected` spans a sequence, 1 to `longest` frames each."""
    count = int(torch.poisson(torch.tensor(expected * batch), generator=generator))
    sequence = torch.randint(batch, (count,), generator=generator).tolist()
    first = torch.randint(frames, (count,), generator=generator).tolist()
    length = torch.randint(1, longest + 1, (count,), generator=generator).tolist()
    return [(b, t, min(n, frames - t)) for b, t, n in zip(sequence, first, length, strict=True)]


def _add_outliers(
    keypoints: Tensor, height: Tensor, noise: KeypointNoise, seconds: float, generator: torch.Generator
) -> Tensor:
    batch, frames, joints, _ = keypoints.shape
    keypoints = keypoints.clone()
    for b, t, n in _spans(noise.outliers * seconds, batch, frames, 8, generator):
        joint = int(torch.randint(joints, (1,), generator=generator))
        keypoints[b, t : t + n, joint] += noise.outlier_size * height[b] * torch.randn(2, generator=generator)
    return keypoints


def _lose_limbs(keypoints: Tensor, noise: KeypointNoise, seconds: float, generator: torch.Generator) -> Tensor:
    """Bridge lost spans by a straight line, as the tracker does, or hold the last place at an end."""
    batch, frames, _, _ = keypoints.shape
    for b, t, n in _spans(noise.lost * seconds, batch, frames, 40, generator):
        group = _GROUPS[int(torch.randint(len(_GROUPS), (1,), generator=generator))]
        # At an end of the sequence only one side is known, and is held.
        before, after = (t - 1, t + n) if 0 < t < frames - n else (t - 1, t - 1) if t > 0 else (n, n)
        if after >= frames:
            continue
        share = torch.linspace(0, 1, n + 2)[1:-1].view(-1, 1, 1)
        start, end = keypoints[b, before, group], keypoints[b, after, group]
        keypoints[b, t : t + n, group] = start * (1 - share) + end * share
    return keypoints


def _swap_sides(keypoints: Tensor, noise: KeypointNoise, seconds: float, generator: torch.Generator) -> Tensor:
    batch, frames, _, _ = keypoints.shape
    choices = (_ARMS, _LEGS, _ARMS + _LEGS)
    for b, t, n in _spans(noise.swaps * seconds, batch, frames, 40, generator):
        pairs = choices[int(torch.randint(3, (1,), generator=generator))]
        left, right = [p[0] for p in pairs], [p[1] for p in pairs]
        span = keypoints[b, t : t + n].clone()
        keypoints[b, t : t + n, left] = span[:, right]
        keypoints[b, t : t + n, right] = span[:, left]
    return keypoints
