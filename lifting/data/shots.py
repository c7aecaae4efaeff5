"""Where virtual cameras stand, what they aim at, how they move, and what of the person their picture holds.

Shape letters: B sequences, T frames, K = 22 motion-capture keypoints. Lengths in metres, angles in radians unless a
name says otherwise; the world has z up and the floor at 0.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field

import torch
from torch import Tensor
from torch.nn.functional import avg_pool1d, interpolate

from lifting.data.mocap import RATE_HZ

_DEGREE = math.pi / 180
_NEAREST_ROOT_M = 1.3
_NEAREST_JOINT_M = 0.5
_MARGIN = 1.04
_HALF_BODY_M = 5.0
_PERSON_M = 1.7
_SMALLEST_SHARE = 0.1
_LEAST_SEEN = 9


@dataclass(frozen=True)
class CameraRange:
    """Where virtual cameras stand. Angles in degrees and lengths in metres, as a person writes them in YAML.

    With `aimed` false, cameras stand still and their angles are independent, as when the first bundled weights,
    `mocap-81f`, were trained (with a `distance_m` of 1.8 to 12, `roll_deg` 5, `tilted_share` 0.05): `pitch_deg`,
    `steep_share`, `offset_deg`, `distance_m` and the rolls count; heights, lenses, pictures and movement do not.
    """

    distance_m: tuple[float, ...] = field(default=(1.5, 15.0), metadata={"help": "nearest and farthest, log-uniform"})
    aimed: bool = field(default=True, metadata={"help": "cameras that people hold and aim; false: independent angles"})
    height_m: tuple[float, ...] = field(default=(1.4, 0.35), metadata={"help": "usual height, mean and deviation"})
    low_share: float = field(default=0.12, metadata={"help": "share of cameras 0.1 to 0.7 m above the floor"})
    high_share: float = field(default=0.18, metadata={"help": "share of cameras 2.2 to 8 m above the floor"})
    speed: tuple[float, ...] = field(default=(0.8, 1.25), metadata={"help": "slowest and fastest replay"})
    largest_pitch_deg: tuple[float, ...] = field(default=(-60.0, 40.0), metadata={"help": "steepest, down and up"})
    aim_deg: float = field(default=2.0, metadata={"help": "deviation of the aim, beyond the framing's own choice"})
    roll_deg: float = field(default=4.0, metadata={"help": "standard deviation"})
    tilted_share: float = field(default=0.1, metadata={"help": "share of cameras with a roll from all of -30 to +30"})
    lens_deg: tuple[float, ...] = field(
        default=(65.0, 10.0), metadata={"help": "usual field of view of the longer side, mean and deviation"}
    )
    wide_share: float = field(default=0.15, metadata={"help": "share of ultra-wide lenses, 80 to 110 degrees"})
    tele_share: float = field(default=0.15, metadata={"help": "share of long lenses, 20 to 50 degrees"})
    portrait_share: float = field(default=0.35, metadata={"help": "share of upright pictures"})
    square_share: float = field(default=0.1, metadata={"help": "share of square pictures"})
    edge_share: float = field(default=0.2, metadata={"help": "share of people whole, but at the picture's edge"})
    half_share: float = field(default=0.12, metadata={"help": "share of people cut by the lower edge of the picture"})
    side_share: float = field(default=0.06, metadata={"help": "share of people cut by its left or right edge"})
    shake_share: float = field(default=0.6, metadata={"help": "share of cameras held in the hand"})
    shake_deg: float = field(default=0.5, metadata={"help": "deviation of the hand's shake and drift"})
    pan_share: float = field(default=0.15, metadata={"help": "share of slow pans"})
    pan_deg_s: float = field(default=8.0, metadata={"help": "deviation of a pan's speed"})
    track_share: float = field(default=0.2, metadata={"help": "share of cameras turned to follow the person"})
    dolly_share: float = field(default=0.1, metadata={"help": "share of cameras that move along with the person"})
    pitch_deg: tuple[float, ...] = field(default=(-8.0, 12.0), metadata={"help": "not aimed: mean and deviation"})
    steep_share: float = field(default=0.2, metadata={"help": "not aimed: share with a pitch from all of -60 to +25"})
    offset_deg: tuple[float, ...] = field(
        default=(25.0, 14.0), metadata={"help": "not aimed: largest angle off the optical axis"}
    )


@dataclass(frozen=True)
class Shots:
    """One camera a sequence.

    Attributes
    ----------
    rotation : (B, T, 3, 3) from world axes to camera axes (x right, y down, z forward).
    position_m : (B, T, 3) in the world.
    half_picture : (B, 2) tangents of half the horizontal and half the vertical field of view.
    whole : (B,) bool, the whole person is meant to be in the picture throughout.
    """

    rotation: Tensor
    position_m: Tensor
    half_picture: Tensor
    whole: Tensor

    def seen(self, joints_m: Tensor) -> Tensor:
        """World points (B, T, K, 3) in the camera's axes, each frame in its own."""
        x, y, z = (joints_m - self.position_m[:, :, None]).unbind(dim=-1)
        # Products of 3 x 3 matrices one by one are slow on CPUs.
        rows = self.rotation[:, :, None].unbind(dim=-2)
        return torch.stack([r[..., 0] * x + r[..., 1] * y + r[..., 2] * z for r in rows], dim=-1)


def camera_rotations(yaw: Tensor, pitch: Tensor, roll: Tensor) -> Tensor:
    """(..., 3, 3) rotations from world axes (z up) to camera axes (x right, y down, z forward); angles (...).

    Yaw turns about the vertical, positive pitch looks up, roll turns about the optical axis.
    """
    sy, cy, sp, cp, sr, cr = yaw.sin(), yaw.cos(), pitch.sin(), pitch.cos(), roll.sin(), roll.cos()
    right = torch.stack([cy, -sy, torch.zeros_like(sy)], dim=-1)
    down = torch.stack([sp * sy, sp * cy, -cp], dim=-1)
    ahead = torch.stack([cp * sy, cp * cy, sp], dim=-1)
    cr, sr = cr[..., None], sr[..., None]
    return torch.stack([cr * right - sr * down, sr * right + cr * down, ahead], dim=-2)


class _Dice:
    """Random numbers (B,) on the generator's device."""

    def __init__(self, count: int, generator: torch.Generator) -> None:
        self.count, self.generator, self.device = count, generator, generator.device

    def uniform(self, low: float = 0.0, high: float = 1.0) -> Tensor:
        return low + (high - low) * torch.rand(self.count, generator=self.generator, device=self.device)

    def log_uniform(self, low: float, high: float) -> Tensor:
        return self.uniform(math.log(low), math.log(high)).exp()

    def normal(self, mean: float, deviation: float) -> Tensor:
        return mean + deviation * torch.randn(self.count, generator=self.generator, device=self.device)

    def happens(self, share: float) -> Tensor:
        return self.uniform() < share

    def sign(self) -> Tensor:
        return torch.where(self.happens(0.5), 1.0, -1.0)

    def choice(self, *options: tuple[float, Tensor]) -> Tensor:
        """From (share, values) pairs; the last takes what is left."""
        die, below = self.uniform(), 0.0
        result = options[-1][1]
        for share, values in options[:-1]:
            result = torch.where((die >= below) & (die < below + share), values, result)
            below += share
        return result

    def slow(self, frames: int, hertz: float) -> Tensor:
        """(B, T) smooth noise of about unit variance that changes `hertz` times a second."""
        knots = max(2, math.ceil(frames / RATE_HZ * hertz) + 2)
        values = torch.randn((self.count, 1, knots), generator=self.generator, device=self.device)
        curve = interpolate(values, size=max(frames, 2), mode="linear", align_corners=True)
        return avg_pool1d(curve, 5, 1, padding=2, count_include_pad=False)[:, 0, :frames] * 1.2


def draw_shots(joints_m: Tensor, cameras: CameraRange, generator: torch.Generator) -> tuple[Shots, Tensor]:
    """A camera for each sequence of (B, T, K, 3), and the points in its axes."""
    dice = _Dice(len(joints_m), generator)
    if not cameras.aimed:
        shots = _independent(joints_m, cameras, dice)
        return shots, shots.seen(joints_m)
    frames = joints_m.shape[1]
    root = avg_pool1d(joints_m[:, :, 0].mT, 25, 1, padding=12, count_include_pad=False).mT
    anchor = root.mean(dim=1)
    yaw = dice.uniform(0, 2 * math.pi)
    view = torch.stack([yaw.sin(), yaw.cos()], dim=-1)
    half, framing = _pictures(cameras, dice), dice.uniform()
    half_body = framing < cameras.half_share
    side = (framing >= cameras.half_share) & (framing < cameras.half_share + cameras.side_share)
    height, level_m = _stand(anchor, root, view, half_body, cameras, dice)
    # Nobody films people who fill less than a tenth of the picture's longer side.
    largest = 0.5 * _PERSON_M / _SMALLEST_SHARE / level_m
    half = half * (largest / half.amax(dim=-1)).clamp(max=1)[:, None]
    # Who would leave the widest picture is followed, as people do.
    right_m = (root[..., :2] - anchor[:, None, :2]) @ torch.stack([view[:, 1], -view[:, 0]], dim=-1)[..., None]
    leaves = right_m.abs().amax(dim=(1, 2)) + 0.5 > level_m * half[:, 0].clamp(max=1.2)
    dolly = dice.happens(cameras.dolly_share)
    track = dice.happens(cameras.track_share) | leaves | dolly
    target = anchor[:, None] + torch.where(track.view(-1, 1, 1), root - anchor[:, None], 0.0)
    position = torch.cat([anchor[:, :2] - level_m[:, None] * view, height[:, None]], dim=-1)[:, None]
    ground = torch.tensor([1.0, 1.0, 0.0], device=joints_m.device)
    position = position + torch.where(dolly.view(-1, 1, 1), (root - anchor[:, None]) * ground, 0.0)
    off = _off_axis(half, half_body, side, level_m.hypot(height - anchor[:, 2]), cameras, dice)
    roll = dice.choice((cameras.tilted_share, dice.uniform(-30, 30)), (1.0, dice.normal(0, cameras.roll_deg)))
    rotation = _aim(target - position, off, roll.clamp(-30, 30) * _DEGREE, cameras, dice, frames)
    shots = Shots(rotation, position.expand(-1, frames, -1), half, ~(half_body | side))
    seen = shots.seen(joints_m)
    # Nobody passes through the lens: the camera steps back along its axis.
    back = (_NEAREST_JOINT_M - seen[..., 2].amin(dim=(1, 2))).clamp(min=0)[:, None, None]
    position = shots.position_m - back * rotation[:, :, 2]
    seen[..., 2] += back
    return Shots(rotation, position, _fit(seen, half, half_body, side, dice), shots.whole), seen


def _stand(
    anchor: Tensor, root: Tensor, view: Tensor, half_body: Tensor, cameras: CameraRange, dice: _Dice
) -> tuple[Tensor, Tensor]:
    """(B,) height of the camera and its level distance from the person's mean place."""
    height = dice.choice(
        (cameras.low_share, dice.uniform(0.1, 0.7)),
        (cameras.high_share, dice.log_uniform(2.2, 8.0)),
        (1.0, dice.normal(*cameras.height_m).clamp(0.3, 2.2)),
    )
    rise = (height - anchor[:, 2]).abs()
    down, up = (abs(a) * _DEGREE * 0.95 for a in cameras.largest_pitch_deg)
    steepest = torch.where(height > anchor[:, 2], down, up)
    # Nobody takes half-body shots from far away.
    near, far = cameras.distance_m
    distance = torch.where(
        half_body, dice.log_uniform(near, max(near, min(far, _HALF_BODY_M))), dice.log_uniform(near, far)
    )
    level_m = (distance.square() - rise.square()).clamp(min=0).sqrt()
    # Standing too steeply, or in the person's way, it moves away.
    level_m = torch.maximum(level_m, rise / steepest.tan())
    towards = ((root[..., :2] - anchor[:, None, :2]) @ view[..., None])[..., 0]
    return height, torch.maximum(level_m, _NEAREST_ROOT_M - towards.amin(dim=1))


def _pictures(cameras: CameraRange, dice: _Dice) -> Tensor:
    """(B, 2) tangents of half the horizontal and vertical field of view."""
    lens = dice.choice(
        (cameras.wide_share, dice.uniform(80, 110)),
        (cameras.tele_share, dice.uniform(20, 50)),
        (1.0, dice.normal(*cameras.lens_deg).clamp(45, 85)),
    )
    longer = (lens / 2 * _DEGREE).tan()
    shorter = longer * dice.choice((0.6, torch.full_like(lens, 9 / 16)), (0.4, torch.full_like(lens, 3 / 4)))
    landscape, portrait = torch.stack([longer, shorter], dim=-1), torch.stack([shorter, longer], dim=-1)
    shape = dice.uniform()[:, None]
    portrait = torch.where(shape < cameras.portrait_share, portrait, landscape)
    is_square = shape > 1 - cameras.square_share
    return torch.where(is_square, shorter[:, None], portrait)


def _off_axis(
    half: Tensor, half_body: Tensor, side: Tensor, distance_m: Tensor, cameras: CameraRange, dice: _Dice
) -> Tensor:
    """(B, 2) where in the picture the person's root is to lie: angles right of and below the optical axis."""
    angle = half.atan()
    body = torch.stack([(0.45 / distance_m).atan(), (0.95 / distance_m).atan()], dim=-1)
    slack = (angle - body).clamp(min=0)
    at_edge = dice.happens(cameras.edge_share)
    usual_x, edge_x = dice.normal(0, 0.3).clamp(-1, 1), dice.sign() * dice.uniform(0.8, 1.0)
    x = torch.where(at_edge, edge_x, usual_x) * slack[:, 0]
    y = torch.where(at_edge, dice.uniform(-1, 1), dice.normal(0, 0.3).clamp(-1, 1)) * slack[:, 1]
    # Half-body shots aim at the chest or the face; those cut at the side have the person at that edge.
    y = torch.where(half_body, (dice.uniform(0.2, 0.7) / distance_m).atan(), y)
    x = torch.where(half_body, usual_x * body[:, 0], x)
    x = torch.where(side, dice.sign() * angle[:, 0], x)
    error = torch.stack([dice.normal(0, cameras.aim_deg), dice.normal(0, cameras.aim_deg)], dim=-1)
    return torch.stack([x, y], dim=-1) + error * _DEGREE


def _aim(line: Tensor, off: Tensor, roll: Tensor, cameras: CameraRange, dice: _Dice, frames: int) -> Tensor:
    """(B, T, 3, 3) rotations that look along `line` (B, T, 3) up to `off` (B, 2) in the rolled picture, and move."""
    c, s = roll.cos(), roll.sin()
    right, down = c * off[:, 0] + s * off[:, 1], c * off[:, 1] - s * off[:, 0]
    yaw = torch.atan2(line[..., 0], line[..., 1]) - right[:, None]
    lowest, highest = (a * _DEGREE for a in cameras.largest_pitch_deg)
    pitch = (torch.atan2(line[..., 2], line[..., :2].norm(dim=-1)) + down[:, None]).clamp(lowest, highest)
    time_s = (torch.arange(frames, device=line.device) - (frames - 1) / 2) / RATE_HZ
    speed = torch.where(dice.happens(cameras.pan_share), dice.normal(0, cameras.pan_deg_s) * _DEGREE, 0.0)
    yaw = yaw + speed[:, None] * time_s
    pitch = pitch + 0.2 * dice.normal(0, 1)[:, None] * speed[:, None] * time_s
    size = torch.where(dice.happens(cameras.shake_share), dice.uniform(0.3, 1.7) * cameras.shake_deg * _DEGREE, 0.0)

    def shake() -> Tensor:
        return size[:, None] * (0.9 * dice.slow(frames, 0.8) + 0.3 * dice.slow(frames, 6.0))

    return camera_rotations(yaw + shake(), pitch + shake(), roll[:, None] + 0.6 * shake())


def _fit(seen: Tensor, half: Tensor, half_body: Tensor, side: Tensor, dice: _Dice) -> Tensor:
    """(B, 2) the picture zoomed so that the whole person is in it throughout, or is cut where she is to be cut."""
    rays = seen[..., :2] / seen[..., 2:]
    off = (rays.abs() / half[:, None, None]).amax(dim=-1)
    needed = off.amax(dim=(1, 2)) * _MARGIN
    # Nobody is detected of whom nothing is seen: so many keypoints are in the picture at all times.
    least = torch.cat([off[:, ::4], off[:, -1:]], dim=1).kthvalue(_LEAST_SEEN, dim=2).values.amax(dim=1) * _MARGIN
    low, high = rays.mean(dim=1).amin(dim=1), rays.mean(dim=1).amax(dim=1)
    cut = dice.uniform(0.3, 0.9)
    lower_edge = (high[:, 1] - (0.6 - 0.5 * cut) * (high[:, 1] - low[:, 1])) / half[:, 1]
    lower_edge = torch.maximum(lower_edge, -_MARGIN * low[:, 1] / half[:, 1])
    middle = (low[:, 0] + high[:, 0]) / 2
    inner, outer = torch.where(middle > 0, low[:, 0], -high[:, 0]), torch.where(middle > 0, high[:, 0], -low[:, 0])
    side_edge = (inner + cut * (outer - inner)) / half[:, 0]
    narrowest = math.tan(10 * _DEGREE) / half.amax(dim=-1)
    zoom = torch.where(
        half_body,
        torch.maximum(lower_edge, least),
        torch.where(side, torch.maximum(side_edge, least), needed.clamp(min=1)),
    )
    return half * torch.maximum(zoom, narrowest)[:, None]


def _independent(joints_m: Tensor, cameras: CameraRange, dice: _Dice) -> Shots:
    """Cameras of independent angles that stand still; the person is never cut."""
    frames = joints_m.shape[1]
    pitch = dice.choice(
        (cameras.steep_share, dice.uniform(-60, 25)), (1.0, dice.normal(*cameras.pitch_deg).clamp(-60, 30))
    )
    roll = dice.choice((cameras.tilted_share, dice.uniform(-30, 30)), (1.0, dice.normal(0, cameras.roll_deg)))
    rotation = camera_rotations(dice.uniform(0, 2 * math.pi), pitch * _DEGREE, roll * _DEGREE)
    distance = dice.log_uniform(*cameras.distance_m)
    right, down = (dice.uniform(-limit, limit) * _DEGREE for limit in cameras.offset_deg)
    centre = torch.stack([right.tan(), down.tan(), torch.ones_like(right)], dim=-1) * distance[:, None]
    anchor = joints_m[:, :, 0].mean(dim=1)
    depth = ((joints_m - anchor[:, None, None]) @ rotation[:, None, 2, :, None])[..., 0]
    # A body that walks towards the camera must not pass through it.
    nearest = (depth.amin(dim=(1, 2)) + distance).clamp(max=0.8)
    centre = centre * (1 + (0.8 - nearest) / distance)[:, None]
    position = anchor - (rotation.mT @ centre[..., None])[..., 0]
    unlimited = torch.full((len(joints_m), 2), math.inf, device=joints_m.device)
    whole = torch.ones(len(joints_m), dtype=torch.bool, device=joints_m.device)
    return Shots(
        rotation[:, None].expand(-1, frames, -1, -1), position[:, None].expand(-1, frames, -1), unlimited, whole
    )
