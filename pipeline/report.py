"""`report.json`: what ran, on what, with which options, what was found, and what the user should know."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import numpy as np

from detectors.from_file import KeypointFile
from detectors.registry import detector_summary
from detectors.tracking import count_swaps
from lifting.ground import angles_from_up
from pipeline.config import Config
from pipeline.models import Models
from pipeline.place import Place
from pipeline.versions import all_versions
from poses import Poses3D, Skeleton, Tracks, VideoInfo
from poses.archive import write_atomically

FORMAT_VERSION = 1
UP_NOTES = {
    "camera": "the world's up is the camera's own (nobody stands long enough): give --pitch and --roll if it tilts",
    "bodies": "the world's up is that of people who stand, good to about 5 degrees: give --pitch and --roll if you "
    "know them",
}
NOTED_ROLL_DEG = 10.0
"""A camera that seems to lean by more is worth telling."""


@dataclass(frozen=True)
class StageRecord:
    """How a stage went.

    Attributes
    ----------
    artifact : name of the file it writes.
    status : `ran`, `cached` (was up to date) or `skipped` (not asked for).
    key : its cache key.
    seconds, frames : how long it took for how many frames; None where it did not run or ran within another stage.
    """

    artifact: str
    status: str
    key: str
    seconds: float | None
    frames: int | None


def build_report(
    place: Place,
    config: Config,
    models: Models,
    records: Mapping[str, StageRecord],
    source_sha256: str,
    status: str,
    error: str | None = None,
    keypoint_file: KeypointFile | None = None,
) -> dict[str, Any]:
    """The report as plain JSON values; parts whose stage was not reached are null.

    Parameters
    ----------
    records : the stages so far, by name.
    status : `done` or `failed`, then with the `error`.
    keypoint_file : where the keypoints came from, where not from a detector.
    """
    info = VideoInfo.load(place.video) if "decode" in records and place.video.exists() else None
    tracks = Tracks.load(place.tracks) if "track" in records else None
    poses = Poses3D.load(place.poses) if "ground" in records else None
    return {
        "format_version": FORMAT_VERSION,
        "status": status,
        "error": error,
        "written": datetime.now(UTC).isoformat(timespec="seconds"),
        "input": {
            "path": str(place.source),
            "sha256": source_sha256,
            **(_describe_video(info) if info is not None else {}),
        },
        "people": _describe_people(tracks, info) if tracks is not None and info is not None else None,
        "swaps_undone": count_swaps(tracks) if tracks is not None else None,
        "warnings": find_warnings(place, config, info, tracks, poses, records),
        "camera": _describe_camera(poses) if poses is not None else None,
        "stages": _describe_stages(place, records),
        "device": {
            "asked": config.device,
            "detector": None if models.reads_file else models.detector_device,
            "lifter": models.device,
        },
        "weights": _describe_weights(config, models, keypoint_file, tracks.skeleton if tracks is not None else None),
        "options": config.as_dict(),
        "versions": all_versions(),
    }


def write_report(place: Place, report: Mapping[str, Any]) -> None:
    """Write `report.json` atomically; `InputError` where it cannot be written."""
    text = json.dumps(report, indent=2, allow_nan=False) + "\n"
    write_atomically(place.report, lambda stream: stream.write(text.encode()))


def find_warnings(
    place: Place,
    config: Config,
    info: VideoInfo | None,
    tracks: Tracks | None,
    poses: Poses3D | None,
    records: Mapping[str, StageRecord],
) -> list[str]:
    """What was missing or guessed, a sentence each."""
    notes = []
    if info is not None and info.undecodable_frames:
        notes.append(f"{info.undecodable_frames} frames could not be decoded and are missing ({len(info)} were read)")
    if tracks is not None and not len(tracks):
        notes.append("no people were found; the artifacts are empty")
    elif isinstance(config.people, int) and tracks is not None and len(tracks.people()) < config.people:
        notes.append(f"--people {config.people}: only {len(tracks.people())} were found")
    if poses is not None and len(poses):
        if poses.intrinsics_source == "assumed":
            notes.append(
                f"the camera's angle of view is not known, {_fov_deg(poses):.0f} degrees were assumed: distances scale "
                "with it; give --fov or --camera"
            )
        if poses.up_source in UP_NOTES:
            notes.append(UP_NOTES[poses.up_source])
        roll_deg = _angles_deg(poses)[1]
        if poses.up_source != "user" and abs(roll_deg) >= NOTED_ROLL_DEG:
            notes.append(
                f"the camera seems to lean by {roll_deg:.0f} degrees: if it does, --roll {roll_deg:.0f} makes poses "
                "more accurate"
            )
    render = records.get("render")
    if render is not None and render.status == "skipped" and place.movie.exists():
        notes.append(f"{place.movie.name} is from an earlier run, this one renders none")
    return notes


def _describe_video(info: VideoInfo) -> dict[str, Any]:
    return {
        "frames": len(info),
        "undecodable_frames": info.undecodable_frames,
        "first_s": float(info.timestamps_s[0]),
        "last_s": float(info.timestamps_s[-1]),
        "frames_per_second": round(info.fps, 4),
        "width": info.width,
        "height": info.height,
        "rotation_deg": info.rotation_deg,
        "codec": info.codec,
    }


def _describe_people(tracks: Tracks, info: VideoInfo) -> list[dict[str, Any]]:
    people = []
    for person in tracks.people():
        rows = tracks.rows_of(person)
        frames = tracks.frame[rows]
        people.append(
            {
                "id": person,
                "first_s": float(info.timestamps_s[frames[0]]),
                "last_s": float(info.timestamps_s[frames[-1]]),
                "frames": len(rows),
                "observed_share": round(float(np.mean(tracks.observed[rows])), 4),
            }
        )
    return people


def _describe_camera(poses: Poses3D) -> dict[str, Any]:
    camera = poses.intrinsics
    pitch_deg, roll_deg = _angles_deg(poses)
    return {
        "source": poses.intrinsics_source,
        "fx_px": camera.fx,
        "fy_px": camera.fy,
        "cx_px": camera.cx,
        "cy_px": camera.cy,
        "distortion": list(camera.distortion),
        "fov_deg": round(_fov_deg(poses), 3),
        "up_source": poses.up_source,
        "pitch_deg": round(pitch_deg, 3),
        "roll_deg": round(roll_deg, 3),
        "root_source": poses.root_source,
    }


def _angles_deg(poses: Poses3D) -> tuple[float, float]:
    """The camera's pitch and roll in the world of the results."""
    pitch, roll = angles_from_up(poses.up)
    return math.degrees(pitch), math.degrees(roll)


def _fov_deg(poses: Poses3D) -> float:
    camera = poses.intrinsics
    focal = camera.fx if camera.width >= camera.height else camera.fy
    return 2 * math.degrees(math.atan(max(camera.width, camera.height) / 2 / focal))


def _describe_stages(place: Place, records: Mapping[str, StageRecord]) -> dict[str, Any]:
    earlier = _earlier_stages(place)
    described = {}
    for stage, record in records.items():
        seconds, rate = record.seconds, None
        if record.seconds is not None and record.frames is not None:
            rate = round(record.frames / max(record.seconds, 1e-9), 3)
        elif record.status == "cached" and earlier.get(stage, {}).get("key") == record.key:
            # The time that it took when it ran stays on record.
            seconds, rate = earlier[stage].get("seconds"), earlier[stage].get("frames_per_second")
        described[stage] = {
            "artifact": record.artifact,
            "status": record.status,
            "seconds": None if seconds is None else round(seconds, 3),
            "frames_per_second": rate,
            "key": record.key,
        }
    return described


def _earlier_stages(place: Place) -> dict[str, dict[str, Any]]:
    try:
        stages = json.loads(place.report.read_text(encoding="utf-8"))["stages"]
    except (OSError, ValueError, KeyError, TypeError):
        return {}
    return stages if isinstance(stages, dict) else {}


def _describe_weights(
    config: Config, models: Models, keypoint_file: KeypointFile | None, skeleton: Skeleton | None
) -> dict[str, Any]:
    lifter = models.lifter(skeleton)
    card = lifter.card
    if models.reads_file:
        detector = {
            "name": config.detector,
            "sha256": None if keypoint_file is None else keypoint_file.sha256,
            "keypoints": None if keypoint_file is None else str(keypoint_file.path),
        }
    else:
        detector = {"name": models.detector().name, "sha256": models.detector().weights_sha256}
    return {
        "detector": {**detector, "summary": detector_summary(config.detector)},
        "lifter": {
            "label": lifter.label,
            "sha256": lifter.weights_sha256,
            "summary": card.summary,
            "licence": card.licence,
            "trained_on": card.trained_on,
            "measured": card.measured,
        },
    }
