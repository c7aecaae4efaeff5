"""The whole road on rendered people: video, keypoints of a fine-tuned detector, tracks, 3D, against the known truth.

python benchmarks/end_to_end_synthetic.py --weights RUN/final.safetensors [--motion DIR] [--boxes truth|blazepose]

The weights are a CPN's of COCO-17 joints, for example of benchmarks/finetune_synthetic.py. Prints a table in Markdown.
"""

from __future__ import annotations

import argparse
import tempfile
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from detectors import Detector, DetectorOptions, FrameDetections, TrackingOptions, create_detector, track
from detectors.movie import MovieWriter, read_movie
from detectors.synthetic.motion import Motion, load_archives
from detectors.synthetic.render import SyntheticClip, render_clip
from detectors.synthetic.stage import ClipOptions
from detectors.top_down import TopDown
from lifting.lift import lift
from lifting.lifter import Lifter
from poses import COCO17, Detections, Tracks, UsageError

SEED = 2_000_000
TRACKING = TrackingOptions(min_mean_score=0.02, min_keypoint_score=0.02, min_similarity=0.05)
"""A detector that was trained for minutes gives low scores; one person is known to be there."""


class TrueBoxes:
    """A `Detector` that knows where the one person of a clip is, frame after frame; it gives no keypoints."""

    name = "truth"
    skeleton = COCO17
    weights_sha256 = ""

    def __init__(self, box_px: np.ndarray) -> None:
        self._boxes = iter(box_px.astype(np.float32))

    def detect(self, frames: Sequence[np.ndarray]) -> list[FrameDetections]:
        """The next frames' boxes; nobody where the person is out of the picture."""
        found = []
        for _ in frames:
            box = next(self._boxes)
            person = FrameDetections(
                box[:, :], np.ones(1, np.float32), np.full((1, 17, 2), np.nan, np.float32), np.ones((1, 17), np.float32)
            )
            found.append(person if np.isfinite(box).all() else FrameDetections.empty(17))
        return found

    def close(self) -> None:
        """Nothing to release."""


def to_detections(found: list[FrameDetections], detector: str) -> Detections:
    """Frames' people as one table."""
    frame = np.repeat(np.arange(len(found)), [len(people) for people in found])
    parts = {
        name: np.concatenate([getattr(people, name) for people in found])
        for name in ("box_px", "score", "keypoints_px", "keypoint_score")
    }
    return Detections(frame=frame, **parts, skeleton=COCO17, detector=detector, weights_sha256="")


def exact_detections(clip: SyntheticClip) -> Detections:
    """What a perfect detector would give."""
    keypoints = clip.keypoints_coco_px[:, :1].astype(np.float32)
    one = np.ones((len(keypoints), 1), np.float32)
    box = np.nan_to_num(clip.box_px[:, :1]).astype(np.float32)
    frames = [
        FrameDetections(b, s, k, np.ones((1, 17), np.float32)) for b, s, k in zip(box, one, keypoints, strict=True)
    ]
    return to_detections(frames, "exact")


def detect(clip: SyntheticClip, folder: Path, options: DetectorOptions, boxes: str) -> Detections:
    """Write the clip as MP4, decode it, and find the person in every frame."""
    path = folder / "clip.mp4"
    writer = MovieWriter(path, clip.frames.shape[2], clip.frames.shape[1])
    for image, time_s in zip(clip.frames, clip.timestamps_s.tolist(), strict=True):
        writer.write(image, time_s)
    writer.finish()
    detector = create_detector("cpn", "cpu", options)
    assert isinstance(detector, TopDown)
    if boxes == "truth":
        detector.close()
        people: Detector = TrueBoxes(clip.box_px[:, :1])
        detector.people = people
    try:
        return to_detections([detector.detect([frame])[0] for _, frame in read_movie(path)], "cpn")
    finally:
        detector.close()


def longest_person(tracks: Tracks) -> np.ndarray:
    """Rows of the person who is seen in most frames."""
    return max((tracks.rows_of(person) for person in tracks.people()), key=len, default=np.zeros(0, int))


def errors(clip: SyntheticClip, detections: Detections, lifter: Lifter) -> tuple[np.ndarray, ...]:
    """Of every frame in which the person was followed: mean pixel error (F,), MPJPE (F,) and the root's error (F,) in
    millimetres; and the share of frames."""
    tracks = track(detections, clip.timestamps_s, TRACKING)
    rows = longest_person(tracks)
    if not len(rows):
        return np.zeros(0), np.zeros(0), np.zeros(0), np.zeros(1)
    poses = lift(tracks, clip.timestamps_s, clip.camera, "file", lifter)
    frame = tracks.frame[rows]
    pixels = np.linalg.norm(tracks.keypoints_px[rows] - clip.keypoints_coco_px[frame, 0], axis=-1)
    truth = clip.positions_m[frame, 0]
    lifted = np.linalg.norm(poses.positions_m[rows] - (truth - truth[:, :1]), axis=-1)
    root = np.linalg.norm(poses.root_m[rows] - truth[:, 0], axis=-1)
    return np.nanmean(pixels, axis=1), 1000 * lifted.mean(axis=1), 1000 * root, np.array([len(rows) / len(clip.frames)])


def main() -> None:
    """Render, run the road on each clip, print the means."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--weights", required=True, help="CPN weights of COCO-17 joints")
    parser.add_argument("--motion", type=Path, nargs="*", default=[], help="motion-capture archives or their folder")
    parser.add_argument("--clips", type=int, default=8, help="rendered clips of one person (8)")
    parser.add_argument("--frames", type=int, default=75, help="frames a clip, at 25 a second (75)")
    parser.add_argument("--boxes", choices=("truth", "blazepose"), default="truth", help="who finds the person's box")
    parser.add_argument("--lifter", default="wild-243f", help="weights of the lifter (wild-243f)")
    options = parser.parse_args()
    motions: Sequence[Motion] | None = load_archives(options.motion) if options.motion else None
    lifter = Lifter.load(options.lifter)
    if lifter.input_skeleton != COCO17:
        raise UsageError(f"lifter {options.lifter} takes {lifter.input_skeleton.name}", "choose one for coco17")
    collected: dict[str, list[tuple[np.ndarray, ...]]] = {}
    clip_options = ClipOptions(384, 320, options.frames, 25.0, people=1, occluders=1)
    for number in range(options.clips):
        clip = render_clip(SEED + number, motions, clip_options)
        roads = {"exact keypoints": exact_detections(clip)}
        with tempfile.TemporaryDirectory() as folder:
            for decoding in ("soft", "hard"):
                settings = DetectorOptions(
                    min_score=0.0, weights=options.weights, keypoint_decoding=decoding, boxes="blazepose"
                )
                roads[f"cpn, {decoding}-argmax"] = detect(clip, Path(folder), settings, options.boxes)
        for name, detections in roads.items():
            collected.setdefault(name, []).append(errors(clip, detections, lifter))
    print(f"{options.clips} clips of {options.frames} frames, boxes: {options.boxes}, lifter: {options.lifter}\n")
    print("| keypoints | error px | MPJPE mm | root mm | frames followed |\n|---|---|---|---|---|")
    for name, rows in collected.items():
        columns = [np.concatenate(column) for column in zip(*rows, strict=True)]
        if not len(columns[0]):
            print(f"| {name} | nobody was followed | | | 0 % |")
            continue
        pixels, lifted, root, share = (column.mean() for column in columns)
        print(f"| {name} | {pixels:.1f} | {lifted:.1f} | {root:.0f} | {100 * share:.0f} % |")


if __name__ == "__main__":
    main()
