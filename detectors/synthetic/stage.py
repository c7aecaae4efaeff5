"""Who stands where, before which camera, in which light: everything random about a clip, drawn from one seed.

Shape letters: T frames, P people.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from detectors.synthetic.body import Body, Build, build_body
from detectors.synthetic.motion import Motion
from detectors.synthetic.paint import Wardrobe, random_wardrobe
from detectors.synthetic.procedural import PROCEDURES
from detectors.synthetic.surroundings import Cuboid, Surroundings
from poses import Intrinsics, UsageError

_PERSONAL_SPACE_M = 0.6
_FILL = 0.97
"""Share of all joints that the camera's distance brings into the picture, before it is varied."""


@dataclass(frozen=True)
class ClipOptions:
    """What a clip is like; `UsageError` names a value that cannot be.

    Attributes
    ----------
    width, height : pixels.
    frames, fps : length and rate.
    people : in the scene; walking ones may leave the picture.
    occluders : boxes standing between the camera and people, at most.
    supersampling : small pixels a pixel's side; 1 is faster and has jagged edges.
    """

    width: int = 320
    height: int = 240
    frames: int = 50
    fps: float = 25.0
    people: int = 2
    occluders: int = 1
    supersampling: int = 2

    def __post_init__(self) -> None:
        for name, least in (("width", 16), ("height", 16), ("frames", 1), ("people", 0), ("occluders", 0)):
            if getattr(self, name) < least:
                raise UsageError(f"{name} must be at least {least}, got {getattr(self, name)}")
        if self.people > 100 or self.supersampling not in (1, 2, 3, 4) or not self.fps > 0:
            raise UsageError(
                "people must be at most 100, supersampling 1 to 4 and fps positive, "
                f"got {self.people}, {self.supersampling} and {self.fps:g}"
            )


@dataclass(frozen=True)
class Person:
    """One person: the motion at the clip's times, in place, its body and its clothes; `size` relative to an adult."""

    motion: Motion
    body: Body
    clothes: Wardrobe
    girth: float
    size: float


@dataclass(frozen=True)
class Stage:
    """All that a clip shows.

    Attributes
    ----------
    people : P of them.
    camera, world_from_camera : intrinsics, and (4, 4) place of the camera in the world (z up).
    light : (3,) unit vector towards the light, world.
    surroundings, boxes : what stands still; the texture of each box is drawn from `seed`.
    seed : of what is random in drawing.
    """

    people: tuple[Person, ...]
    camera: Intrinsics
    world_from_camera: np.ndarray
    light: np.ndarray
    surroundings: Surroundings
    boxes: tuple[Cuboid, ...]
    seed: int


def random_stage(seed: int, motions: Sequence[Motion] | None, options: ClipOptions) -> Stage:
    """A stage drawn from a seed; people move by clips drawn from `motions`, or by built-in motion for None."""
    rng = np.random.default_rng(seed)
    times_s = np.arange(options.frames) / options.fps
    acts = [_act(rng, motions, times_s) for _ in range(options.people)]
    placed = _place(rng, acts)
    people = []
    for motion in placed:
        girth = float(rng.uniform(0.88, 1.15))
        body = build_body(
            motion, Build(girth, str(rng.choice(["short", "short", "long", "none"], p=[0.35, 0.2, 0.33, 0.12])))
        )
        shin = np.median(np.linalg.norm(motion.joints_m[:, 5] - motion.joints_m[:, 6], axis=-1))
        people.append(Person(motion, body, random_wardrobe(rng), girth, float(np.clip(shin / 0.44, 0.5, 1.3))))
    joints = np.concatenate([p.motion.joints_m for p in people]) if people else np.array([[[0, 0, 0.9]]])
    camera, world_from_camera = _camera(rng, joints, options)
    light = _light(rng, world_from_camera)
    middle = joints[..., :2].reshape(-1, 2).mean(axis=0)
    reach = float(np.abs(joints[..., :2] - middle).max()) + 1.2
    surroundings = Surroundings(rng, (float(middle[0]), float(middle[1])), reach * math.sqrt(2))
    boxes = _boxes(rng, joints, world_from_camera[:3, 3], options.occluders)
    return Stage(tuple(people), camera, world_from_camera, light, surroundings, tuple(boxes), int(rng.integers(2**31)))


def look_at(eye: np.ndarray, target: np.ndarray, roll_rad: float = 0.0) -> np.ndarray:
    """(4, 4) world_from_camera of a camera at `eye` that looks at `target`; x right, y down, z forward."""
    forward = (target - eye) / np.linalg.norm(target - eye)
    right = np.cross(forward, [0.0, 0.0, 1.0])
    right /= np.linalg.norm(right)
    down = np.cross(forward, right)
    cosine, sine = math.cos(roll_rad), math.sin(roll_rad)
    matrix = np.eye(4)
    matrix[:3, :3] = np.stack([cosine * right + sine * down, cosine * down - sine * right, forward], axis=1)
    matrix[:3, 3] = eye
    return matrix


def _act(rng: np.random.Generator, motions: Sequence[Motion] | None, times_s: np.ndarray) -> Motion:
    """One person's motion at the clip's times, from a random place of a random clip."""
    if motions is None:
        procedure = PROCEDURES[str(rng.choice(list(PROCEDURES)))]
        return procedure(times_s + rng.uniform(0, 2), rng)
    if not motions:
        raise UsageError("motions: an empty list", "give at least one motion, or None for built-in ones")
    motion = motions[int(rng.integers(len(motions)))]
    spare_s = max(motion.duration_s - float(times_s[-1]), 0.0)
    return motion.at(times_s + rng.uniform(0, spare_s))


def _place(rng: np.random.Generator, acts: list[Motion]) -> list[Motion]:
    """Turned and placed so that people keep apart, as far as 40 trials find."""
    placed: list[Motion] = []
    for motion in acts:
        scale = float(rng.uniform(0.90, 1.06))
        best, best_distance = None, -1.0
        for trial in range(40):
            radius = (0.35 + 0.03 * trial) * math.sqrt(len(acts) - 1 + 1e-9) * 1.6
            angle = rng.uniform(0, 2 * math.pi)
            spot = (radius * math.cos(angle), radius * math.sin(angle))
            candidate = motion.placed(rng.uniform(0, 2 * math.pi), spot, scale)
            gaps = [np.linalg.norm(candidate.joints_m[:, 0, :2] - p.joints_m[:, 0, :2], axis=-1).min() for p in placed]
            distance = float(min(gaps, default=np.inf))
            if distance > best_distance:
                best, best_distance = candidate, distance
            if distance > _PERSONAL_SPACE_M:
                break
        assert best is not None
        placed.append(best)
    return placed


def _camera(rng: np.random.Generator, joints: np.ndarray, options: ClipOptions) -> tuple[Intrinsics, np.ndarray]:
    fov = math.radians(rng.uniform(42, 68))
    camera = Intrinsics.from_fov(fov, options.width, options.height)
    points = joints[:: max(1, len(joints) // 40)].reshape(-1, 3)
    low, high = points.min(axis=0), points.max(axis=0)
    target = 0.5 * (low + high)
    target[:2] += rng.normal(0, 0.10, 2)
    target[2] = np.clip(target[2] + rng.normal(0, 0.1), 0.3, 1.2)
    azimuth, roll = rng.uniform(0, 2 * math.pi), rng.normal(0, math.radians(2.5))
    height = rng.uniform(0.6, 2.3)
    pose = np.eye(4)
    for distance in np.linspace(1.8, 9.0, 49):
        eye = target + distance * np.array([math.cos(azimuth), math.sin(azimuth), 0])
        eye[2] = height
        pose = look_at(eye, target, roll)
        pixels = camera.project((points - eye) @ pose[:3, :3])
        with np.errstate(invalid="ignore"):
            inside = ((pixels > 0) & (pixels < (options.width, options.height))).all(axis=-1)
        if inside.mean() >= _FILL:
            break
    eye = target + rng.uniform(0.92, 1.35) * (pose[:3, 3] - target)
    eye[2] = max(eye[2], 0.4)
    return camera, look_at(eye, target, roll)


def _light(rng: np.random.Generator, world_from_camera: np.ndarray) -> np.ndarray:
    """From above, mostly from the camera's side, so that few people are black before a bright wall."""
    toward_camera = -world_from_camera[:3, 2]
    azimuth = math.atan2(toward_camera[1], toward_camera[0]) + rng.uniform(-1.9, 1.9)
    elevation = rng.uniform(math.radians(30), math.radians(65))
    return np.array(
        [math.cos(elevation) * math.cos(azimuth), math.cos(elevation) * math.sin(azimuth), math.sin(elevation)]
    )


def _boxes(rng: np.random.Generator, joints: np.ndarray, eye: np.ndarray, occluders: int) -> list[Cuboid]:
    """Boxes before people and behind them, none where somebody walks."""
    boxes: list[Cuboid] = []
    ground = joints[..., :2].reshape(-1, 2)
    behind = int(rng.integers(0, 3))
    for number in range(int(rng.integers(0, occluders + 1)) + behind):
        in_front = number >= behind
        for _ in range(12):
            at = ground[rng.integers(len(ground))]
            part = rng.uniform(0.45, 0.85) if in_front else rng.uniform(1.2, 1.7)
            base = eye[:2] + part * (at - eye[:2]) + rng.normal(0, 0.25 if in_front else 0.8, 2)
            half = (rng.uniform(0.12, 0.35), rng.uniform(0.12, 0.35), rng.uniform(0.15, 0.5))
            room = math.hypot(half[0], half[1])
            clear = np.linalg.norm(ground - base, axis=-1).min() > room + 0.25
            if clear and np.linalg.norm(base - eye[:2]) > room + 0.5:
                boxes.append(Cuboid((float(base[0]), float(base[1])), half, float(rng.uniform(0, math.pi))))
                break
    return boxes
