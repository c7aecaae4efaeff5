"""Training data for detectors from a dataset's videos: COCO-keypoints JSON and the pictures it speaks of.

python -m detectors.prepare h36m --videos DIR --data data_2d_h36m_gt.npz --output DIR [--every 50] [--subjects S1,S5]

Shape letters: T frames, J joints.
"""

from __future__ import annotations

import argparse
import logging
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from detectors.coco_data import PIXEL_MIDDLE
from detectors.coco_writing import coco_annotation, coco_category, inside_picture, save_image, write_json
from detectors.movie import read_movie
from detectors.oks import keypoint_boxes
from detectors.projected_archive import read_projected
from poses import H36M17, InputError, UsageError
from poses.commands import run_command
from poses.keypoint_archive import Positions2D

log = logging.getLogger("detectors.prepare")

H36M_CAMERAS = ("54138969", "55011271", "58860488", "60457274")
"""In the order in which the field's archives list a subject's cameras."""

_RENAMED = (("TakingPhoto", "Photo"), ("WalkingDog", "WalkDog"))
_PROJECTED = "data_2d_h36m_gt.npz"

BOX_PADDING = 0.08
"""Of the longer side of the joints' box, added on each side: head, hands and feet reach beyond the joints."""

AREA_SHARE = 0.53
"""Area of a person as a part of the box, where no outline is known; usual for datasets without segmentation."""

MOST_FRAMES_APART = 25
"""Videos of Human3.6M have up to a few frames more than their motion capture; half a second is another recording."""


@dataclass(frozen=True)
class H36mVideo:
    """One video: its subject, its action as the field's archives call it, and which of the four cameras."""

    path: Path
    subject: str
    action: str
    camera: int


def find_h36m_videos(folder: Path, subjects: Sequence[str] | None = None) -> list[H36mVideo]:
    """Videos `<folder>/S1/Videos/Directions 1.54138969.mp4` (or directly in `S1`), sorted by subject, action, camera.

    Files of unknown cameras, and `_ALL`, which is none of the actions, are left out. `InputError` names a subject
    without videos.
    """
    if not folder.is_dir():
        raise InputError(f"{folder}: no such folder", "check --videos")
    names = list(subjects) if subjects else sorted(p.name for p in folder.glob("S*") if p.is_dir())
    found: list[H36mVideo] = []
    for subject in names:
        own: list[H36mVideo] = []
        for path in sorted([*(folder / subject / "Videos").glob("*.mp4"), *(folder / subject).glob("*.mp4")]):
            action, _, camera = path.stem.rpartition(".")
            if camera in H36M_CAMERAS and not action.startswith("_ALL"):
                action = action.replace("_", " ")
                for theirs, ours in _RENAMED:
                    action = action.replace(theirs, ours)
                own.append(H36mVideo(path, subject, action, H36M_CAMERAS.index(camera)))
        if not own:
            raise InputError(
                f"{folder / subject}: holds no video named <action>.<one of {', '.join(H36M_CAMERAS)}>.mp4",
                "unpack the dataset's videos there, or choose other --subjects",
            )
        found += own
    if not found:
        raise InputError(f"{folder}: holds no folder of a subject (S1, S5, ...)", "check --videos")
    return found


def prepare_h36m(
    videos: Sequence[H36mVideo], keypoints: Positions2D, data: Path, output: Path, every: int
) -> dict[str, Any]:
    """Extract every `every`-th frame into `output/images`; gives the COCO-keypoints content.

    Of a video without keypoints a warning is logged (the damaged Directions of S11 has none); `InputError` names a
    subject that the keypoints lack altogether, a video whose length does not fit, and a folder that cannot be written.
    """
    images: list[dict[str, Any]] = []
    people: list[dict[str, Any]] = []
    try:
        (output / "images").mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise InputError(f"{output}: cannot be made ({error.strerror})", "choose another --output") from None
    for video in videos:
        if video.subject not in keypoints:
            raise InputError(
                f"{data}: lacks subject {video.subject}", f"it has {', '.join(sorted(keypoints))}; see --subjects"
            )
        cameras = keypoints[video.subject].get(video.action)
        if cameras is None or video.camera >= len(cameras):
            log.warning("%s: left out, %s has no keypoints of it", video.path, data.name)
            continue
        for frame, image, points in _frames(video, cameras[video.camera], every):
            height, width = image.shape[:2]
            labelled = inside_picture(points, width, height)
            if not labelled.any():
                continue
            file = f"{video.subject}_{video.action.replace(' ', '_')}.{H36M_CAMERAS[video.camera]}_{frame:06d}.jpg"
            save_image(output / "images" / file, image, quality=95)
            number = len(images) + 1
            images.append({"id": number, "file_name": file, "width": width, "height": height,
                           "subject": video.subject, "action": video.action, "frame": frame})  # fmt: skip
            box = clipped_box(points, width, height)
            area = AREA_SHARE * float((box[2] - box[0]) * (box[3] - box[1]))
            # Motion capture knows where a joint is, not whether it is seen.
            people.append(coco_annotation(number, number, box, area, points, labelled, labelled))
        log.info("%s: done, %d pictures so far", video.path.name, len(images))
    if not images:
        raise InputError(f"{data}: fits none of the {len(videos)} videos", "check --videos and --data")
    return {
        "info": {"description": f"Human3.6M, every {every}th frame; boxes around the projected joints"},
        "images": images,
        "annotations": people,
        "categories": [coco_category(H36M17)],
    }


def clipped_box(points: np.ndarray, width: int, height: int) -> np.ndarray:
    """(4,) x1, y1, x2, y2 around joints (J, 2), `BOX_PADDING` wider on each side, within the picture."""
    box = keypoint_boxes(points.astype(np.float64), BOX_PADDING)
    return np.clip(box, 0, [width, height, width, height])


def _frames(video: H36mVideo, points: np.ndarray, every: int) -> Iterator[tuple[int, np.ndarray, np.ndarray]]:
    """(frame, picture, (J, 2) joints from the picture's corner) of every n-th frame that both have.

    The dataset's calibration, as COCO's annotations, is taken to put whole numbers at the middles of pixels.
    """
    count = 0
    for count, (_, image) in enumerate(read_movie(video.path), start=1):
        frame = count - 1
        if frame % every == 0 and frame < len(points):
            yield frame, image, points[frame] + PIXEL_MIDDLE
    if abs(count - len(points)) > MOST_FRAMES_APART:
        raise InputError(
            f"{video.path}: has {count} frames, its keypoints {len(points)}",
            "use the dataset's own videos at 50 frames a second, uncut",
        )


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m detectors.prepare", description=(__doc__ or "").splitlines()[0])
    commands = parser.add_subparsers(dest="dataset", required=True)
    h36m = commands.add_parser("h36m", help="Human3.6M's videos and its projected joints")
    h36m.add_argument("--videos", type=Path, required=True, help="folder with S1/Videos/<action>.<camera>.mp4, S5/...")
    h36m.add_argument(
        "--data", type=Path, required=True,
        help=f"{_PROJECTED}, or the folder that holds it: python -m lifting.data.prepare h36m writes it",
    )  # fmt: skip
    h36m.add_argument("--output", "-o", type=Path, required=True, help="folder for images/ and annotations.json")
    h36m.add_argument("--every", type=int, default=50, help="take every N-th frame (default 50: one a second)")
    h36m.add_argument("--subjects", help="for example S1,S5,S6,S7,S8 (default: all folders)")
    return parser


def run(arguments: list[str] | None = None) -> None:
    """Parse arguments and prepare."""
    options = _parser().parse_args(arguments)
    if options.every < 1:
        raise UsageError(f"--every must be at least 1, got {options.every}")
    data = options.data / _PROJECTED if options.data.is_dir() else options.data
    subjects = [name.strip() for name in options.subjects.split(",") if name.strip()] if options.subjects else None
    videos = find_h36m_videos(options.videos, subjects)
    content = prepare_h36m(videos, read_projected(data, len(H36M17)), data, options.output, options.every)
    path = options.output / "annotations.json"
    write_json(path, content)
    sys.stdout.write(f"{path}: {len(content['images'])} pictures of {len(videos)} videos\n")


def main(arguments: list[str] | None = None) -> int:
    """The command; gives its exit code."""
    logging.basicConfig(level=logging.INFO, format="%(levelname)s: %(message)s")
    return run_command(lambda: run(arguments))


if __name__ == "__main__":
    sys.exit(main())
