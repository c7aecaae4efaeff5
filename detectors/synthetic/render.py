"""Drawing a stage frame by frame, with the exact truth of what each frame shows.

Pixel coordinates count from the picture's corner: the first pixel's centre lies at (0.5, 0.5).
Shape letters: T frames, P people, J joints.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import cv2
import numpy as np

from detectors.coco_writing import inside_picture
from detectors.synthetic.body import FACE, MATERIALS
from detectors.synthetic.motion import Motion
from detectors.synthetic.paint import paint
from detectors.synthetic.raycast import Canvas, RoundCone, Surface, draw, pixel_rays
from detectors.synthetic.stage import ClipOptions, Person, Stage, random_stage
from detectors.synthetic.surroundings import draw_cuboid, random_texture
from poses import COCO17, H36M17, Intrinsics

_H36M_OF_COCO = np.array([H36M17.index(joint) for joint in COCO17.joints[len(FACE) :]])

_CLEARANCE_M = {"hip": 0.17, "knee": 0.09, "ankle": 0.09, "spine": 0.16, "thorax": 0.13, "neck": 0.14, "head": 0.13,
                "shoulder": 0.09, "elbow": 0.075, "wrist": 0.06, "nose": 0.03, "eye": 0.045, "ear": 0.05}  # fmt: skip
"""How far before a joint the surface of its own limb may lie; a limb that points at the camera hides its far joint."""

_AMBIENT, _DIFFUSE = 0.52, 0.68
_SHADOW = 0.45
_NOISE_LEVEL = 2.2
_NOISE_ROOM = 64


def _clearances(joints: Sequence[str]) -> np.ndarray:
    return np.array([_CLEARANCE_M[joint.rsplit("_", 1)[-1]] for joint in joints])


@dataclass(frozen=True)
class FrameTruth:
    """What one drawn frame shows of each person.

    Attributes
    ----------
    visible_h36m, visible_coco : (P, 17) bool, in the picture and not hidden by anybody, including the person.
    box_px : (P, 4) x1, y1, x2, y2 around the part of the body that lies in the picture, hidden or not; NaN for none.
    area_px : (P,) pixels of that part.
    visible_share : (P,) share of them that is seen; 0 where there are none.
    """

    visible_h36m: np.ndarray
    visible_coco: np.ndarray
    box_px: np.ndarray
    area_px: np.ndarray
    visible_share: np.ndarray


class Scene:
    """A clip that is drawn frame by frame; the same stage and options give the same pictures.

    Attributes
    ----------
    keypoints_h36m_px, keypoints_coco_px : (T, P, 17, 2) float64 exact joints in pixels, NaN behind the camera. They
        may lie outside of the picture.
    positions_m, coco_positions_m : (T, P, 17, 3) the same joints in the camera frame, metres.
    """

    def __init__(self, stage: Stage, options: ClipOptions) -> None:
        self.stage, self.options = stage, options
        frames = options.frames
        self._camera_from_world = np.linalg.inv(stage.world_from_camera)
        people = stage.people
        body = np.stack([p.motion.joints_m for p in people], axis=1) if people else np.zeros((frames, 0, 17, 3))
        face = np.stack([p.body.face_m for p in people], axis=1) if people else np.zeros((frames, 0, len(FACE), 3))
        coco = np.concatenate([face, body[:, :, _H36M_OF_COCO]], axis=2)
        self.positions_m, self.coco_positions_m = (self._to_camera(points) for points in (body, coco))
        self.keypoints_h36m_px = self.camera.project(self.positions_m)
        self.keypoints_coco_px = self.camera.project(self.coco_positions_m)

    @classmethod
    def random(cls, seed: int, motions: Sequence[Motion] | None = None, options: ClipOptions | None = None) -> Scene:
        """A scene drawn from a seed, with clips drawn from `motions`, or built-in motion for None."""
        options = options or ClipOptions()
        return cls(random_stage(seed, motions, options), options)

    @property
    def camera(self) -> Intrinsics:
        """Intrinsics without distortion; the principal point is the middle of the picture."""
        return self.stage.camera

    @property
    def timestamps_s(self) -> np.ndarray:
        """(T,) seconds."""
        return np.arange(self.options.frames) / self.options.fps

    def draw(self, frame: int) -> tuple[np.ndarray, FrameTruth]:
        """(H, W, 3) uint8 BGR picture of one frame, and its truth."""
        canvas = self._empty_canvas()
        people = self.stage.people
        limbs = [person.body.limbs(frame, self._camera_from_world) for person in people]
        self._cast_shadows(canvas, frame)
        silhouettes = np.zeros((len(people), *canvas.depth_m.shape), bool)
        for number, person in enumerate(people):
            for index, limb in enumerate(limbs[number]):
                self._draw_limb(canvas, person, index, limb, silhouettes[number], number + 1)
        return self._finish(canvas, frame), self._truth(canvas, frame, silhouettes)

    def _to_camera(self, world_m: np.ndarray) -> np.ndarray:
        return world_m @ self._camera_from_world[:3, :3].T + self._camera_from_world[:3, 3]

    @cached_property
    def _light(self) -> np.ndarray:
        return (self._camera_from_world[:3, :3] @ self.stage.light).astype(np.float32)

    @cached_property
    def _up(self) -> np.ndarray:
        return self._camera_from_world[:3, 2].astype(np.float32)

    @cached_property
    def _gloss(self) -> np.ndarray:
        """(3,) the normal that mirrors the light into the camera."""
        half = self._light.astype(np.float64) - [0, 0, 1]
        return (half / np.linalg.norm(half)).astype(np.float32)

    @cached_property
    def _sensor_noise(self) -> np.ndarray:
        """Noise for more than a picture; each frame takes it from another place."""
        shape = (self.options.height + _NOISE_ROOM, self.options.width + _NOISE_ROOM, 3)
        noise = np.random.default_rng(self.stage.seed).normal(0, _NOISE_LEVEL, shape)
        return np.rint(noise).astype(np.int16)

    @cached_property
    def _still(self) -> tuple[Canvas, np.ndarray]:
        """The picture without people, and (H, W) float32 how much of the floor's light a shadow may take."""
        options, camera, fine = self.options, self.camera, self.options.supersampling
        rays_x = pixel_rays(options.width, camera.fx, camera.cx, fine)
        rays_y = pixel_rays(options.height, camera.fy, camera.cy, fine)
        shape = (len(rays_y), len(rays_x))
        canvas = Canvas(
            np.zeros((*shape, 3), np.uint8),
            np.full(shape, np.inf, np.float32),
            np.zeros(shape, np.uint8),
            rays_x,
            rays_y,
        )
        floor = self.stage.surroundings.draw(canvas, self.stage.world_from_camera)
        bare = canvas.depth_m.copy()
        rng = np.random.default_rng(self.stage.seed)
        for box in self.stage.boxes:
            texture = random_texture(rng, str(rng.choice(["planks", "plaster", "paper", "carpet"])))
            draw_cuboid(box, texture, canvas, self.stage.world_from_camera, self.stage.light)
        return canvas, (floor & (bare == canvas.depth_m)).astype(np.float32) * _SHADOW

    def _empty_canvas(self) -> Canvas:
        still = self._still[0]
        return Canvas(still.colour.copy(), still.depth_m.copy(), still.owner.copy(), still.ray_x, still.ray_y)

    def _cast_shadows(self, canvas: Canvas, frame: int) -> None:
        """Darken the floor where limbs keep the light away: thick lines on the floor, softened."""
        fine = self.options.supersampling
        coarse = np.zeros((self.options.height, self.options.width), np.uint8)
        light = self.stage.light
        for person in self.stage.people:
            ends = np.stack([person.body.starts[frame], person.body.ends[frame]])
            fallen = ends - np.maximum(ends[..., 2:], 0) / light[2] * light
            seen = self._to_camera(fallen)
            pixels = self.camera.project(seen)
            ok = np.isfinite(pixels).all(axis=(0, 2)) & (seen[..., 2] > 0.3).all(axis=0)
            for n in np.flatnonzero(ok & (np.abs(pixels) < 4000).all(axis=(0, 2))).tolist():
                width = max(1, round(1.7 * person.body.radii[n].mean() * self.camera.fx / seen[:, n, 2].mean()))
                first, second = np.floor(pixels[:, n]).astype(int).tolist()
                cv2.line(coarse, first, second, (255,), min(width, 255))
        x, y, w, h = cv2.boundingRect(coarse)
        if not w:
            return
        margin = 6
        top, left = max(0, y - margin), max(0, x - margin)
        bottom, right = min(coarse.shape[0], y + h + margin), min(coarse.shape[1], x + w + margin)
        soft = cv2.GaussianBlur(coarse[top:bottom, left:right], (0, 0), 1.8).astype(np.float32) / 255
        spread = cv2.resize(soft, None, fx=fine, fy=fine, interpolation=cv2.INTER_LINEAR)
        part = np.s_[top * fine : bottom * fine, left * fine : right * fine]
        keep = (1 - spread * self._still[1][part])[..., None]
        canvas.colour[part] = np.asarray(canvas.colour[part] * keep, np.uint8)

    def _draw_limb(
        self, canvas: Canvas, person: Person, index: int, limb: RoundCone, silhouette: np.ndarray, owner: int
    ) -> None:
        body = person.body
        material, offset = int(body.materials[index]), body.offsets_m[index].astype(np.float32)
        glossy = MATERIALS[material] in ("skin", "head", "hair", "shoe")

        def shade(surface: Surface) -> np.ndarray:
            colour = paint(material, surface.local_m + offset, person.size, int(body.side[index]), person.clothes)
            facing = surface.normal @ self._light
            bright = _AMBIENT * (0.78 + 0.22 * (surface.normal @ self._up)) + _DIFFUSE * np.clip(
                (facing + 0.15) / 1.15, 0, 1
            )
            # Edges seen aslant are a little darker, which parts a limb from the one behind it.
            bright *= 0.72 + 0.28 * np.clip(-1.25 * surface.normal[:, 2], 0, 1)
            lit = colour * bright[:, None]
            if glossy:
                lit += 38 * np.clip(surface.normal @ self._gloss, 0, 1)[:, None] ** 18
            return lit

        draw(limb, canvas, shade, silhouette, owner)

    def _finish(self, canvas: Canvas, frame: int) -> np.ndarray:
        """Small pixels to pixels, exposure and the sensor's noise."""
        size = (self.options.width, self.options.height)
        image = (
            cv2.resize(canvas.colour, size, interpolation=cv2.INTER_AREA)
            if self.options.supersampling > 1
            else canvas.colour
        )
        y, x = np.random.default_rng((self.stage.seed, frame)).integers(0, _NOISE_ROOM, 2).tolist()
        noise = self._sensor_noise[y : y + size[1], x : x + size[0]]
        return np.asarray(cv2.add(image, noise, dtype=cv2.CV_8U))

    def _truth(self, canvas: Canvas, frame: int, silhouettes: np.ndarray) -> FrameTruth:
        fine, people = self.options.supersampling, len(silhouettes)
        boxes, area, share = np.full((people, 4), np.nan), np.zeros(people), np.zeros(people)
        for number, silhouette in enumerate(silhouettes):
            count = np.count_nonzero(silhouette)
            if not count:
                continue
            rows, columns = (np.flatnonzero(silhouette.any(axis=axis)) for axis in (1, 0))
            corners = np.array([columns[0], rows[0], columns[-1] + 1, rows[-1] + 1])
            boxes[number] = corners / fine
            area[number] = count / fine**2
            share[number] = np.count_nonzero(canvas.owner == number + 1) / count
        girth = np.array([person.girth * person.size for person in self.stage.people])
        return FrameTruth(
            self._visible(canvas, self.keypoints_h36m_px[frame], self.positions_m[frame], H36M17.joints, girth),
            self._visible(canvas, self.keypoints_coco_px[frame], self.coco_positions_m[frame], COCO17.joints, girth),
            boxes,
            area,
            share,
        )

    def _visible(
        self, canvas: Canvas, pixels: np.ndarray, points_m: np.ndarray, joints: Sequence[str], girth: np.ndarray
    ) -> np.ndarray:
        """(P, J) by the depth test: nothing is drawn nearer than the surface of the joint's own limb may be."""
        inside = inside_picture(pixels, self.options.width, self.options.height)
        fine = self.options.supersampling
        with np.errstate(invalid="ignore"):
            small = np.where(inside[..., None], pixels * fine, 0).astype(int)
        nearest = canvas.depth_m[small[..., 1], small[..., 0]]
        return inside & (nearest > points_m[..., 2] - _clearances(joints) * girth[:, None])


@dataclass(frozen=True)
class SyntheticClip:
    """A drawn clip and its truth.

    Attributes
    ----------
    frames : (T, H, W, 3) uint8 BGR.
    timestamps_s : (T,).
    camera, world_from_camera : intrinsics and (4, 4) pose; the world is z up, metres.
    keypoints_h36m_px, keypoints_coco_px, positions_m : see `Scene`.
    visible_h36m, visible_coco, box_px, area_px, visible_share : as in `FrameTruth`, with T before P.
    """

    frames: np.ndarray
    timestamps_s: np.ndarray
    camera: Intrinsics
    world_from_camera: np.ndarray
    keypoints_h36m_px: np.ndarray
    keypoints_coco_px: np.ndarray
    positions_m: np.ndarray
    visible_h36m: np.ndarray
    visible_coco: np.ndarray
    box_px: np.ndarray
    area_px: np.ndarray
    visible_share: np.ndarray


def render_clip(
    seed: int, motions: Sequence[Motion] | None = None, options: ClipOptions | None = None
) -> SyntheticClip:
    """Draw a whole clip; `Scene.random` draws the same frame by frame, without the memory."""
    scene = Scene.random(seed, motions, options)
    drawn = [scene.draw(frame) for frame in range(scene.options.frames)]
    return SyntheticClip(
        np.stack([image for image, _ in drawn]),
        scene.timestamps_s,
        scene.camera,
        scene.stage.world_from_camera,
        scene.keypoints_h36m_px,
        scene.keypoints_coco_px,
        scene.positions_m,
        *(
            np.stack([getattr(truth, name) for _, truth in drawn])
            for name in ("visible_h36m", "visible_coco", "box_px", "area_px", "visible_share")
        ),
    )
