"""Errors like a detector's and its tracker's, added to true canonical keypoints.

The parameters are statistics of the default detector, measured by `python -m detectors.error_statistics`. Lengths are
fractions of the person's apparent standing height unless the help says otherwise.
Shape letters: B sequences, T frames, J joints of the skeleton, M spans that a sequence has at most.
"""

from __future__ import annotations

from dataclasses import dataclass, field, fields

import torch
from torch import Tensor

from lifting.data.noise_paths import along_time, path_matrix, smooth_noise, smoothing_matrix
from lifting.data.noise_spans import bridge, fill_unseen, joints_in_spans, mean_length_s, random_spans
from poses import Skeleton

__all__ = ["KeypointNoise", "Seen", "add_keypoint_noise", "smooth_noise"]

_PARENTS = {"elbow": "shoulder", "wrist": "elbow", "knee": "hip", "ankle": "knee"}
_ARM, _LEG, _FACE = ("elbow", "wrist"), ("knee", "ankle"), ("nose", "eye", "ear", "neck", "head")
_SWAPPED = {"arms": ("shoulder", "elbow", "wrist"), "legs": ("hip", "knee", "ankle"), "face": ("eye", "ear")}
_LIKE = {"pelvis": "hip", "spine": "hip", "thorax": "shoulder", "neck": "nose", "head": "ear"}
"""Joints of Human3.6M that the statistics do not have, and those whose errors theirs are like."""
_TRUNK_RADIUS, _LEG_RADIUS = 0.09, 0.045
"""Apparent heights within which trunk and legs hide what is behind them."""
_TRUNK_SHORT, _TRUNK_LONG = 0.1, 0.22
"""Lengths of the trunk in the picture, in apparent heights, between which the wander goes back to what is usual."""
_SINGLE_UNSEEN = 0.15
"""Chance of each joint in sequences in which single joints are never seen."""


@dataclass(frozen=True)
class KeypointNoise:
    """The errors of the default detector after tracking; fields carry their own help.

    Tables go by joint without its side; three numbers are for back, side and front view, linear in between; two are a
    mean and a spread (standard deviation), or a least and a greatest value.
    """

    wander: dict[str, float] = field(
        default_factory=lambda: {
            "nose": 0.014, "eye": 0.012, "ear": 0.011, "shoulder": 0.013, "elbow": 0.018, "wrist": 0.018,
            "hip": 0.015, "knee": 0.016, "ankle": 0.016,
        },
        metadata={"help": "errors that change within a sequence, root of the mean square, by joint"},
    )  # fmt: skip
    wander_times_s: tuple[float, ...] = field(default=(0.15, 0.6), metadata={"help": "their correlation times"})
    wander_shares: tuple[float, ...] = field(
        default=(0.55, 0.42), metadata={"help": "share of the variance with each time; the rest is white jitter"}
    )
    wander_by_view: tuple[float, ...] = field(default=(1.15, 1.4, 0.9), metadata={"help": "factor by view"})
    wander_foreshortened: float = field(
        default=5.0, metadata={"help": "factor where the trunk points at the camera; 1 where its length is seen"}
    )
    hidden: float = field(default=3.0, metadata={"help": "factor for joints behind the trunk or the other limb"})
    hidden_face: float = field(default=0.01, metadata={"help": "wander of the face in back view, added"})
    outside: float = field(default=6.0, metadata={"help": "factor for joints beyond the picture's edge"})
    largest: float = field(default=0.2, metadata={"help": "deviation that the product of all factors stays below"})
    common: float = field(default=0.35, metadata={"help": "share of the variance that the joints of a limb share"})
    common_face: float = field(default=0.75, metadata={"help": "the same of the face"})
    person_spread: float = field(default=0.7, metadata={"help": "deviation of the log of a sequence's factor"})
    joint_spread: float = field(default=0.4, metadata={"help": "deviation of the log of a joint's factor in one"})
    burst_spread: float = field(default=0.5, metadata={"help": "deviation of the log of a joint's factor over time"})
    burst_s: float = field(default=0.3, metadata={"help": "time between independent values of the last"})

    hip_width: tuple[float, ...] = field(default=(0.72, 0.08), metadata={"help": "share of the true width"})
    shoulder_width: tuple[float, ...] = field(default=(0.90, 0.065), metadata={"help": "the same of the shoulders"})
    hip_shift: tuple[float, ...] = field(
        default=(-0.01, 0.03), metadata={"help": "shift towards the shoulders, in trunk lengths"}
    )
    shoulder_shift: tuple[float, ...] = field(default=(0.0, 0.02), metadata={"help": "the same of the shoulders"})
    limb_stretch: dict[str, float] = field(
        default_factory=lambda: {"elbow": -0.05, "wrist": -0.02, "knee": 0.0, "ankle": -0.04},
        metadata={"help": "mean shift along the bone from the joint's parent, as share of the bone, by joint"},
    )
    limb_spread: float = field(default=0.035, metadata={"help": "spread of that"})
    bias: dict[str, float] = field(
        default_factory=lambda: {
            "nose": 0.014, "eye": 0.011, "ear": 0.012, "shoulder": 0.006, "elbow": 0.008, "wrist": 0.006,
            "hip": 0.007, "knee": 0.005, "ankle": 0.005,
        },
        metadata={"help": "constant offset over a sequence, spread of a coordinate, by joint"},
    )  # fmt: skip

    outlier_rate_hz: float = field(default=0.03, metadata={"help": "spans in which a joint is astray, each joint's"})
    outlier_s: tuple[float, ...] = field(default=(0.06, 0.6), metadata={"help": "their least and greatest length"})
    outlier_size: float = field(default=0.08, metadata={"help": "deviation of a coordinate in them"})
    lost_rate_hz: float = field(default=0.8, metadata={"help": "spans in which a limb or the face is lost"})
    lost_by_view: tuple[float, ...] = field(default=(1.2, 1.3, 0.3), metadata={"help": "factor of their rate, by view"})
    lost_s: tuple[float, ...] = field(default=(0.04, 0.8), metadata={"help": "their least and greatest length"})
    lost_outside: float = field(default=0.5, metadata={"help": "share of the joints beyond the edge that are lost"})
    lost_hidden: float = field(default=0.35, metadata={"help": "the same of joints behind the trunk or other limb"})
    swapped_all: tuple[float, ...] = field(default=(0.1, 0.02, 0.015), metadata={"help": "share of time, by view"})
    swapped_arms: tuple[float, ...] = field(default=(0.02, 0.015, 0.005), metadata={"help": "of the arms alone"})
    swapped_legs: tuple[float, ...] = field(default=(0.015, 0.06, 0.005), metadata={"help": "of the legs alone"})
    swapped_face: tuple[float, ...] = field(default=(0.01, 0.01, 0.004), metadata={"help": "of the face alone"})
    swapped_s: tuple[float, ...] = field(default=(0.06, 2.0), metadata={"help": "least and greatest length"})

    smoothed_share: float = field(default=0.85, metadata={"help": "share of sequences that the tracker smooths"})
    smoothing_s: float = field(default=0.04, metadata={"help": "its strength, as in the tracker's options"})
    other_share: float = field(
        default=0.25, metadata={"help": "share of sequences with the biases of any detector instead of this one's"}
    )
    other_width: tuple[float, ...] = field(
        default=(0.6, 1.15), metadata={"help": "their least and greatest width of hips and shoulders"}
    )
    other_shift: float = field(default=0.08, metadata={"help": "spread of their shift along the trunk"})
    exact_share: float = field(default=0.1, metadata={"help": "share of sequences with exact joints but for wander"})
    exact_wander: float = field(default=0.1, metadata={"help": "factor of their wander"})
    unseen_share: float = field(
        default=0.0,
        metadata={"help": "share of sequences in which some joints, such as both legs, are not seen, some of the time"},
    )

    def __post_init__(self) -> None:
        by_view = [item.name for item in fields(self) if item.name.startswith("swapped_") and item.name != "swapped_s"]
        for name in ("wander_by_view", "lost_by_view", *by_view):
            if len(getattr(self, name)) != 3:
                raise ValueError(f"{name} needs three numbers: back, side and front view; got {getattr(self, name)}")
        if len(self.wander_times_s) != len(self.wander_shares) or not 0 <= sum(self.wander_shares) <= 1:
            raise ValueError(
                f"wander_shares needs one share for each of {len(self.wander_times_s)} times, at most 1 together, "
                f"got {self.wander_shares}"
            )
        for name in ("hip_width", "shoulder_width", "hip_shift", "shoulder_shift", "other_width",
                     "outlier_s", "lost_s", "swapped_s"):  # fmt: skip
            if len(getattr(self, name)) != 2:
                raise ValueError(f"{name} needs two numbers, got {getattr(self, name)}")
        for name in ("outlier_s", "lost_s", "swapped_s"):
            if not 0 < getattr(self, name)[0] <= getattr(self, name)[1]:
                raise ValueError(f"{name} needs a shortest and a longest time above 0, got {getattr(self, name)}")


@dataclass(frozen=True)
class Seen:
    """What a perfect detector would see, and how hard it is to see.

    Attributes
    ----------
    keypoints : (B, T, J, 2) exact, canonical.
    depth_m : (B, T, J) distance of each joint along the optical axis.
    height : (B,) the person's apparent standing height in canonical units.
    facing : (B, T) cosine between the trunk's front and the direction to the camera: 1 front view, -1 back view.
    outside : (B, T, J) bool, the joint is beyond the picture's edge.
    """

    keypoints: Tensor
    depth_m: Tensor
    height: Tensor
    facing: Tensor
    outside: Tensor


def add_keypoint_noise(
    seen: Seen,
    skeleton: Skeleton,
    noise: KeypointNoise,
    rate_hz: float,
    generator: torch.Generator,
) -> Tensor:
    """Disturb the keypoints of `seen` as a detector and its tracker would: (B, T, J, 2), canonical.

    In the order in which errors come about: the detector's bias, wandering errors, joints astray and exchanged sides;
    then the tracker bridges what is missing and smooths, and joints that are never seen are filled in. Everything is on
    the generator's device, without loops over sequences, frames or spans. The skeleton needs hips, shoulders and limbs
    by their names.
    """
    parts = _Parts(skeleton, noise, generator.device)
    batch, frames = seen.keypoints.shape[:2]

    def chosen(share: float) -> Tensor:
        return torch.rand((batch, 1, 1, 1), generator=generator, device=generator.device) < share

    exact = chosen(noise.exact_share)
    behind = _hidden(seen, parts)
    error = _bias(seen, parts, noise, generator) + _astray(seen, parts, noise, rate_hz, generator)
    wander = _wander(seen, behind, parts, noise, rate_hz, generator)
    keypoints = seen.keypoints + torch.where(exact, noise.exact_wander * wander, wander + error)
    swapped = _swapped(seen, parts, noise, rate_hz, generator) & ~exact[..., 0]
    missing = _missing(seen, behind, parts, noise, rate_hz, generator) & ~exact[..., 0]
    b, t, j = swapped.nonzero(as_tuple=True)
    keypoints = keypoints.index_put((b, t, j), keypoints[b, t, parts.mirror[j]])
    keypoints = bridge(keypoints, missing, 0.5 * (_middle(keypoints, parts.hips) + _middle(keypoints, parts.shoulders)))
    smoothed = along_time(smoothing_matrix(frames, rate_hz, noise.smoothing_s), keypoints)
    shown = torch.where(chosen(noise.smoothed_share), smoothed, keypoints)
    if noise.unseen_share <= 0:
        return shown
    unseen, when = _unseen(batch, frames, parts, noise.unseen_share, generator)
    return torch.where(when, fill_unseen(shown, unseen, parts.tree), shown)


def by_view(values: tuple[float, ...], facing: Tensor) -> Tensor:
    """(back, side, front), linear in between, at each `facing` from -1 to 1."""
    back, side, front = values
    return side + torch.where(facing > 0, (front - side) * facing, (side - back) * facing)


class _Parts:
    """The joints of a skeleton by what they are, and their numbers from the tables."""

    def __init__(self, skeleton: Skeleton, noise: KeypointNoise, device: torch.device) -> None:
        names = [joint.removeprefix(f"{s}_") for joint, s in zip(skeleton.joints, skeleton.sides, strict=True)]
        middle = [s == "centre" for s in skeleton.sides]
        # A hip in the middle is the pelvis.
        self.names = ["pelvis" if n == "hip" and m else n for n, m in zip(names, middle, strict=True)]
        self.sides, self.device = skeleton.sides, device
        self.hips = skeleton.indices("left_hip", "right_hip")
        self.shoulders = skeleton.indices("left_shoulder", "right_shoulder")
        self.mirror = torch.from_numpy(skeleton.mirror).to(device)
        self.parent = {
            j: skeleton.index(f"{self.sides[j]}_{_PARENTS[n]}") for j, n in enumerate(self.names) if n in _PARENTS
        }
        legs = [j for j in self.parent if self.names[j] in _LEG]
        self.other_leg = {j: [k for k in legs if j in legs and self.sides[k] != self.sides[j]] for j in self.parent}
        self.wander, self.bias = self._table(noise.wander), self._table(noise.bias)
        self.tree = torch.tensor(skeleton.parents, device=device)
        self.face = self._where(*_FACE)
        limbs = [self._where(*limb, side=side) for limb in (_ARM, _LEG) for side in ("left", "right")]
        self.losable = torch.stack([*limbs, self._where(*_LEG), self.face])
        self.unseen = torch.stack([*limbs[:2], self._where(*_LEG), self._where("ankle"), self.face])
        groups = [
            self._where(*limb, side=side)
            for limb in (("shoulder", *_ARM), ("hip", *_LEG))
            for side in ("left", "right")
        ]
        together = torch.stack([*groups, self.face]).float()
        common = torch.where(self.face, noise.common_face, noise.common) * together.any(dim=0)
        self.mixing = torch.cat([torch.diag((1 - common).sqrt()), together * common.sqrt()])
        self.swappable = {kind: self._where(*joints) & ~self._where(side="centre") for kind, joints in _SWAPPED.items()}

    def _table(self, values: dict[str, float]) -> Tensor:
        found = [values.get(name, values.get(_LIKE.get(name, name))) for name in self.names]
        if lacking := [name for name, value in zip(self.names, found, strict=True) if value is None]:
            raise ValueError(f"the noise has no number for {', '.join(lacking)}, only for {', '.join(values)}")
        return torch.tensor(found, device=self.device)

    def _where(self, *names: str, side: str | None = None) -> Tensor:
        found = [(not names or n in names) and side in (None, s) for n, s in zip(self.names, self.sides, strict=True)]
        return torch.tensor(found, device=self.device)


def _middle(values: Tensor, pair: list[int]) -> Tensor:
    return 0.5 * (values[:, :, pair[0]] + values[:, :, pair[1]])


def _bias(seen: Seen, parts: _Parts, noise: KeypointNoise, generator: torch.Generator) -> Tensor:
    """(B, T, J, 2) from the exact keypoints to where a detector puts them, the same way over a sequence."""
    exact, batch, joints = seen.keypoints, len(seen.keypoints), len(parts.names)

    def normal(*shape: int) -> Tensor:
        return torch.randn((batch, *shape), generator=generator, device=generator.device)

    def uniform(low: float, high: float) -> Tensor:
        return low + (high - low) * torch.rand((batch, 1, 1), generator=generator, device=generator.device)

    other = uniform(0, 1) < noise.other_share
    offset = parts.bias.view(1, 1, -1, 1) * seen.height.view(-1, 1, 1, 1) * normal(1, joints, 2)
    bias = offset.expand(exact.shape).clone()
    spread = noise.limb_spread * normal(joints, 1, 1)
    for joint, parent in parts.parent.items():
        stretch = torch.where(other, 0.0, noise.limb_stretch.get(parts.names[joint], 0.0)) + spread[:, joint]
        bias[:, :, joint] += stretch * (exact[:, :, joint] - exact[:, :, parent])
    trunk = _middle(exact, parts.shoulders) - _middle(exact, parts.hips)
    for (left, right), width, shift in (
        (parts.hips, noise.hip_width, noise.hip_shift),
        (parts.shoulders, noise.shoulder_width, noise.shoulder_shift),
    ):
        share = torch.where(other, uniform(*noise.other_width), width[0] + width[1] * normal(1, 1))
        along = torch.where(other, noise.other_shift * normal(1, 1), shift[0] + shift[1] * normal(1, 1)) * trunk
        across = 0.5 * (share - 1) * (exact[:, :, left] - exact[:, :, right])
        bias[:, :, left] += along + across
        bias[:, :, right] += along - across
    return bias


def _wander(
    seen: Seen, behind: Tensor, parts: _Parts, noise: KeypointNoise, rate_hz: float, generator: torch.Generator
) -> Tensor:
    """(B, T, J, 2) errors that change over time, larger where a joint is hard to see."""
    batch, frames, joints, _ = seen.keypoints.shape

    def normal(*shape: int) -> Tensor:
        return torch.randn((batch, *shape), generator=generator, device=generator.device)

    white = normal(frames, 2, len(parts.mixing)) @ parts.mixing
    paths = along_time(path_matrix(frames, rate_hz, noise.wander_times_s, noise.wander_shares), white)
    knots = max(2, round(frames / rate_hz / noise.burst_s) + 2)
    factor = noise.burst_spread * smooth_noise((batch, joints), frames, knots, generator)
    factor += noise.person_spread * normal(1, 1) + noise.joint_spread * normal(1, joints)
    # Log-normal factors of unit mean square.
    factor -= noise.burst_spread**2 + noise.person_spread**2 + noise.joint_spread**2
    size = by_view(noise.wander_by_view, seen.facing)[..., None] * parts.wander
    size += noise.hidden_face * (-seen.facing).clamp(0, 1)[..., None] * parts.face
    size *= _foreshortened(seen, parts, noise)[..., None]
    size *= factor.exp_() * torch.where(behind, noise.hidden, 1.0) * torch.where(seen.outside, noise.outside, 1.0)
    size *= seen.height.view(-1, 1, 1) / (1 + (size / noise.largest) ** 2).sqrt()
    return size[..., None] * paths.transpose(-1, -2)


def _foreshortened(seen: Seen, parts: _Parts, noise: KeypointNoise) -> Tensor:
    """(B, T) factor of the wander by how much of the trunk's length is seen."""
    trunk = _middle(seen.keypoints, parts.hips) - _middle(seen.keypoints, parts.shoulders)
    length = trunk.square().sum(dim=-1).sqrt() / seen.height[:, None]
    share = ((_TRUNK_LONG - length) / (_TRUNK_LONG - _TRUNK_SHORT)).clamp(0, 1)
    return 1 + (noise.wander_foreshortened - 1) * share


def _hidden(seen: Seen, parts: _Parts) -> Tensor:
    """(B, T, J) bool: joints of the limbs that lie behind the trunk, or a leg's behind the other leg."""
    # A contiguous (B, T) plane for each joint's x, y and depth: four times as fast as strides of J.
    place = torch.cat([seen.keypoints, seen.depth_m[..., None]], dim=-1).permute(2, 3, 0, 1).contiguous()
    bottom, top = (0.5 * (place[pair[0]] + place[pair[1]]) for pair in (parts.hips, parts.shoulders))
    # The trunk hides from its middle on, over its whole length.
    trunk_depth = 0.5 * (bottom[2] + top[2])
    radius2 = seen.height[:, None] ** 2
    hidden = torch.zeros((len(parts.names), *seen.facing.shape), dtype=torch.bool, device=place.device)
    for joint in parts.parent:
        distance2, _ = _from_bone(place[joint], bottom, top)
        found = (distance2 < _TRUNK_RADIUS**2 * radius2) & (place[joint, 2] > trunk_depth + 0.02)
        for far in parts.other_leg[joint]:
            near = parts.parent[far]
            distance2, depth = _from_bone(place[joint], place[near], place[far])
            found |= (distance2 < _LEG_RADIUS**2 * radius2) & (place[joint, 2] > depth + 0.04)
        hidden[joint] = found
    return hidden.permute(1, 2, 0).contiguous()


def _from_bone(place: Tensor, start: Tensor, end: Tensor) -> tuple[Tensor, Tensor]:
    """Squared distance in the picture of places (3, B, T) from a bone, and its depth there: (B, T) each."""
    x, y, deeper = end - start
    away_x, away_y = place[0] - start[0], place[1] - start[1]
    part = ((away_x * x + away_y * y) / (x * x + y * y).clamp(min=1e-9)).clamp(0, 1)
    return (away_x - part * x) ** 2 + (away_y - part * y) ** 2, start[2] + part * deeper


def _astray(seen: Seen, parts: _Parts, noise: KeypointNoise, rate_hz: float, generator: torch.Generator) -> Tensor:
    """(B, T, J, 2) offsets of joints that are somewhere else for a while."""
    batch, frames, joints, _ = seen.keypoints.shape
    rate = torch.full((batch, frames), joints * noise.outlier_rate_hz, device=generator.device)
    spans = random_spans(rate, _pair(noise.outlier_s), frames, rate_hz, generator)
    astray = joints_in_spans(spans, torch.eye(joints, dtype=torch.bool, device=generator.device), generator)
    size = noise.outlier_size * seen.height.view(-1, 1, 1, 1)
    offset = size * torch.randn((batch, 1, joints, 2), generator=generator, device=generator.device)
    return astray[..., None] * offset


def _swapped(seen: Seen, parts: _Parts, noise: KeypointNoise, rate_hz: float, generator: torch.Generator) -> Tensor:
    """(B, T, J) bool: joints whose sides are exchanged."""
    length = _pair(noise.swapped_s)
    frames = seen.keypoints.shape[1]
    everything = torch.stack(list(parts.swappable.values())).any(dim=0)
    swapped = torch.zeros(seen.outside.shape, dtype=torch.bool, device=generator.device)
    kinds = {"all": everything, **parts.swappable}
    for kind, joints in kinds.items():
        rate = by_view(getattr(noise, f"swapped_{kind}"), seen.facing).clamp(min=0) / mean_length_s(length)
        spans = random_spans(rate, length, frames, rate_hz, generator).any(dim=1)
        swapped = swapped ^ (spans[..., None] & joints)
    return swapped


def _missing(
    seen: Seen, behind: Tensor, parts: _Parts, noise: KeypointNoise, rate_hz: float, generator: torch.Generator
) -> Tensor:
    """(B, T, J) bool: joints that the detector does not give, in spans and beyond the picture's edge."""
    batch, frames, joints, _ = seen.keypoints.shape
    rate = noise.lost_rate_hz * by_view(noise.lost_by_view, seen.facing).clamp(min=0)
    spans = random_spans(rate, _pair(noise.lost_s), frames, rate_hz, generator)
    lost = joints_in_spans(spans, parts.losable, generator)
    luck = torch.rand((batch, 1, joints), generator=generator, device=generator.device)
    return lost | (seen.outside & (luck < noise.lost_outside)) | (behind & (luck < noise.lost_hidden))


def _unseen(batch: int, frames: int, parts: _Parts, share: float, generator: torch.Generator) -> tuple[Tensor, Tensor]:
    """(B, J) bool joints that go unseen: a part of the body, or each by chance; (B, T, 1, 1) bool, when.

    Half of the sequences lack them throughout, the others up to some moment or from then on.
    """
    device = generator.device
    draw = torch.rand((5, batch, 1), generator=generator, device=device)
    which = torch.randint(len(parts.unseen), (batch,), generator=generator, device=device)
    single = torch.rand((batch, len(parts.names)), generator=generator, device=device) < _SINGLE_UNSEEN
    joints = torch.where(draw[1] < 0.5, parts.unseen[which], single) & (draw[0] < share)
    later = torch.arange(frames, device=device) >= draw[4] * frames
    when = (draw[2] < 0.5) | (later == (draw[3] < 0.5))
    return joints, when[..., None, None]


def _pair(values: tuple[float, ...]) -> tuple[float, float]:
    first, second = values
    return first, second
