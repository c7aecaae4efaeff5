"""Writing drawn clips for training and measurement: pictures, a movie, COCO-keypoints JSON, and the 3D truth.

Shape letters: T frames, P people, J joints.
"""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import nullcontext
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from detectors.coco_writing import coco_annotation, coco_category, inside_picture, save_image, write_json
from detectors.movie import MovieWriter
from detectors.synthetic.motion import Motion
from detectors.synthetic.render import FrameTruth, Scene
from detectors.synthetic.stage import ClipOptions
from poses import COCO17, H36M17, InputError, Skeleton
from poses.archive import write_npz

IMAGES = "images"
MIN_VISIBLE_SHARE = 0.1
"""People of whom less is seen get no keypoints: COCO's evaluation then neither asks for them nor minds them."""


@dataclass(frozen=True)
class ExportOptions:
    """`clips` clips of seeds `seed`, `seed + 1`, ...; every `every`-th frame is a picture; `movie` writes MP4s."""

    clips: int = 1
    seed: int = 0
    every: int = 1
    image_format: str = "jpg"
    movie: bool = True


class _Annotations:
    """COCO-keypoints JSON of one skeleton under way."""

    def __init__(self, skeleton: Skeleton) -> None:
        self.skeleton = skeleton
        self.images: list[dict[str, Any]] = []
        self.people: list[dict[str, Any]] = []

    def add(self, image: dict[str, Any], pixels: np.ndarray, visible: np.ndarray, truth: FrameTruth) -> None:
        """One picture with `pixels` (P, J, 2) and `visible` (P, J)."""
        self.images.append(image)
        inside = inside_picture(pixels, image["width"], image["height"])
        for person in np.flatnonzero(np.isfinite(truth.box_px).all(axis=-1)).tolist():
            labelled = inside[person] & (truth.visible_share[person] >= MIN_VISIBLE_SHARE)
            annotation = coco_annotation(
                len(self.people) + 1,
                image["id"],
                truth.box_px[person],
                truth.area_px[person],
                pixels[person],
                labelled,
                visible[person],
            )
            self.people.append(
                annotation | {"person_id": person, "visible_share": round(float(truth.visible_share[person]), 4)}
            )

    def save(self, path: Path) -> None:
        content = {
            "info": {"description": "synthetic people, detectors.synthetic"},
            "images": self.images,
            "annotations": self.people,
            "categories": [coco_category(self.skeleton)],
        }
        write_json(path, content)


def export_clips(
    output: Path, motions: Sequence[Motion] | None, clip_options: ClipOptions, options: ExportOptions
) -> dict[str, int]:
    """Draw clips into a folder; gives how many pictures and people were written.

    Below `output`: `images/clip_00000_frame_00000.jpg`, `h36m17.json`, `coco17.json`, and for each clip
    `clip_00000.mp4` and `clip_00000.npz` (keypoints, visibility, boxes, 3D joints in the camera frame, intrinsics).
    `InputError` where the folder cannot be written.
    """
    try:
        (output / IMAGES).mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise InputError(f"{output}: cannot be made ({error.strerror})", "choose another --output") from None
    annotations = (_Annotations(H36M17), _Annotations(COCO17))
    for clip in range(options.clips):
        _export_clip(
            output, f"clip_{clip:05d}", Scene.random(options.seed + clip, motions, clip_options), options, annotations
        )
    for of_skeleton in annotations:
        of_skeleton.save(output / f"{of_skeleton.skeleton.name}.json")
    return {"pictures": len(annotations[0].images), "people": len(annotations[0].people)}


def _export_clip(
    output: Path, name: str, scene: Scene, options: ExportOptions, annotations: tuple[_Annotations, _Annotations]
) -> None:
    width, height = scene.options.width, scene.options.height
    truths: list[FrameTruth] = []
    with MovieWriter(output / f"{name}.mp4", width, height) if options.movie else nullcontext() as movie:
        for frame, time_s in enumerate(scene.timestamps_s.tolist()):
            image, truth = scene.draw(frame)
            truths.append(truth)
            if movie:
                movie.write(image, time_s)
            if frame % options.every:
                continue
            file = f"{name}_frame_{frame:05d}.{options.image_format}"
            save_image(output / IMAGES / file, image)
            row = {"id": len(annotations[0].images) + 1, "file_name": file, "width": width, "height": height,
                   "clip": name, "frame": frame}  # fmt: skip
            annotations[0].add(row, scene.keypoints_h36m_px[frame], truth.visible_h36m, truth)
            annotations[1].add(row, scene.keypoints_coco_px[frame], truth.visible_coco, truth)
    arrays = {key: np.stack([getattr(truth, key) for truth in truths]) for key in FrameTruth.__dataclass_fields__}
    camera = scene.camera
    write_npz(
        output / f"{name}.npz",
        arrays
        | {
            "timestamps_s": scene.timestamps_s,
            "keypoints_h36m_px": scene.keypoints_h36m_px.astype(np.float32),
            "keypoints_coco_px": scene.keypoints_coco_px.astype(np.float32),
            "positions_m": scene.positions_m.astype(np.float32),
            "intrinsics": np.array([camera.fx, camera.fy, camera.cx, camera.cy, camera.width, camera.height]),
            "world_from_camera": scene.stage.world_from_camera,
            "motion": np.array([person.motion.name for person in scene.stage.people], dtype=np.str_),
        },
    )
