"""The file formats by name, and writing poses in them."""

from __future__ import annotations

import io
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from poses import UsageError
from poses.archive import write_atomically, write_npz
from render.export.bvh import write_bvh
from render.export.c3d import c3d_bytes
from render.export.gltf import glb_bytes
from render.export.html import viewer_page
from render.export.keypoints import keypoint_entries
from render.export.motion import Motion, motions, require_people
from render.export.opensim import write_mot, write_trc
from render.export.packages import needed
from render.export.rerun import write_rerun
from render.export.rig import make_rig, solve
from render.export.source import Source
from render.export.tables import write_angles_csv, write_csv, write_json
from render.export.usd import usd_bytes


@dataclass(frozen=True)
class Format:
    """A file format.

    Attributes
    ----------
    suffix : of the files, with a dot.
    summary : a line for the user.
    write : (source, path of the file asked for) to the paths written.
    package : (module, extra of ours) that writing needs; None where nothing more is needed.
    """

    suffix: str
    summary: str
    write: Callable[[Source, Path], list[Path]]
    package: tuple[str, str] | None = None

    def check_package(self) -> None:
        """`UsageError` names the command that installs what is missing: better before hours of work than after."""
        if self.package is not None:
            needed(*self.package)


def export(source: Source, name: str, path: str | Path) -> list[Path]:
    """Write `source` in the format `name`; returns the files, more than one where the format holds one person.

    `UsageError` lists the formats there are; `InputError` where a file cannot be written or there
    is nothing to write.
    """
    known = get_format(name)
    require_people(source.poses)
    return known.write(source, Path(path))


def get_format(name: str) -> Format:
    """The format of that name; `UsageError` lists the known ones."""
    if name not in FORMATS:
        raise UsageError(f"unknown format {name!r}", f"known: {', '.join(FORMATS)}")
    return FORMATS[name]


def format_of(path: str | Path) -> str:
    """The format that a file name's ending stands for; `UsageError` lists the endings."""
    fitting = [name for name, known in FORMATS.items() if str(path).lower().endswith(known.suffix)]
    if fitting:
        return max(fitting, key=lambda name: len(FORMATS[name].suffix))
    endings = ", ".join(known.suffix for known in FORMATS.values())
    raise UsageError(f"{path}: no format has this ending", f"known: {endings}; or name the format with --to")


def _text(path: Path, write: Callable[..., None], *arguments: Any) -> Path:
    """Write the file that `write(stream, *arguments)` describes."""
    text = io.StringIO(newline="")
    write(text, *arguments)
    write_atomically(path, lambda stream: stream.write(text.getvalue().encode()))
    return path


def _binary(content: bytes, path: Path) -> Path:
    write_atomically(path, lambda stream: stream.write(content))
    return path


def _each_person(people: list[Motion], path: Path) -> list[tuple[Motion, Path]]:
    """A file for each person, numbered where there are several."""
    if len(people) == 1:
        return [(people[0], path)]
    return [(motion, path.with_stem(f"{path.stem}_person{motion.person_id}")) for motion in people]


def _write_bvh(source: Source, path: Path) -> list[Path]:
    written = []
    for motion, own in _each_person(motions(source.poses), path):
        rig, spans = make_rig(motion), motion.spans()
        for number, span in enumerate(spans):
            # BVH has no gaps: each span is a file. The number at the end is the frame at which it begins.
            part = own if len(spans) == 1 else own.with_stem(f"{own.stem}_part{number}_frame{span.start}")
            solved = solve(rig, motion.part(span))
            written.append(_text(part, write_bvh, rig, solved, motion.rate_hz))
    return written


def _write_trc(source: Source, path: Path) -> list[Path]:
    people = _each_person(motions(source.poses), path)
    return [_text(own, write_trc, motion, own.name) for motion, own in people]


def _write_mot(source: Source, path: Path) -> list[Path]:
    people = _each_person(motions(source.poses), path)
    return [_text(own, write_mot, motion, own.stem) for motion, own in people]


def _write_c3d(source: Source, path: Path) -> list[Path]:
    return [_binary(c3d_bytes(motion), own) for motion, own in _each_person(motions(source.poses), path)]


def _write_npy(source: Source, path: Path) -> list[Path]:
    written = []
    poses = source.poses
    frames = int(poses.frame.max()) + 1
    for person in poses.people():
        rows = poses.rows_of(person)
        camera_m = np.full((frames, len(poses.skeleton), 3), np.nan, np.float32)
        camera_m[poses.frame[rows]] = poses.camera_m()[rows]
        own = path if len(poses.people()) == 1 else path.with_stem(f"{path.stem}_person{person}")
        content = io.BytesIO()
        np.save(content, camera_m, allow_pickle=False)
        written.append(_binary(content.getvalue(), own))
    return written


def _write_keypoints(source: Source, path: Path) -> list[Path]:
    write_npz(path, keypoint_entries(source, _stem(path, ".keypoints.npz")))
    return [path]


def _write_rerun(source: Source, path: Path) -> list[Path]:
    write_rerun(source, path)
    return [path]


def _stem(path: Path, suffix: str) -> str:
    """The name without a format's ending, which may have two dots."""
    return path.name.removesuffix(suffix) if path.name.endswith(suffix) else path.stem


FORMATS: dict[str, Format] = {
    "csv": Format(
        ".csv",
        "joint positions, one row a person and frame (metres, z up)",
        lambda source, path: [_text(path, write_csv, source.poses)],
    ),
    "angles": Format(
        ".angles.csv",
        "joint angles, one row a person and frame (degrees)",
        lambda source, path: [_text(path, write_angles_csv, source.poses)],
    ),
    "json": Format(
        ".json",
        "positions, keypoints and camera, laid out as COCO's (docs/exports.md)",
        lambda source, path: [_text(path, write_json, source.poses, source.tracks)],
    ),
    "html": Format(
        ".html",
        "a page that plays the people in 3D, to open in a browser",
        lambda source, path: [_binary(viewer_page(source, path.stem).encode(), path)],
    ),
    "html-video": Format(
        ".video.html",
        "the same page with a small copy of the video beside the 3D",
        lambda source, path: [_binary(viewer_page(source, _stem(path, ".video.html"), True).encode(), path)],
    ),
    "bvh": Format(".bvh", "animated skeleton for Blender, Maya, MotionBuilder, Unity", _write_bvh),
    "glb": Format(
        ".glb",
        "animated skeletons for the web and game engines (glTF 2.0; needs pygltflib)",
        lambda source, path: [_binary(glb_bytes(motions(source.poses)), path)],
        ("pygltflib", "export"),
    ),
    "trc": Format(".trc", "markers for OpenSim and Visual3D (millimetres, y up)", _write_trc),
    "mot": Format(".mot", "joint angles for OpenSim (degrees)", _write_mot),
    "c3d": Format(
        ".c3d", "points for Visual3D, Mokka, MATLAB (millimetres, y up; needs ezc3d)", _write_c3d, ("ezc3d", "export")
    ),
    "usda": Format(
        ".usda",
        "UsdSkel as text for Omniverse, Houdini (needs usd-core)",
        lambda source, path: [_binary(usd_bytes(motions(source.poses), ".usda"), path)],
        ("pxr.Usd", "usd"),
    ),
    "usdc": Format(
        ".usdc",
        "the same, binary and smaller",
        lambda source, path: [_binary(usd_bytes(motions(source.poses), ".usdc"), path)],
        ("pxr.Usd", "usd"),
    ),
    "npy": Format(".npy", "the reference implementation's export: (frames, 17, 3), camera axes, metres", _write_npy),
    "keypoints": Format(
        ".keypoints.npz",
        "2D keypoints for python -m lifting.data and, converted, the reference implementation (docs/exports.md)",
        _write_keypoints,
    ),
    "rerun": Format(
        ".rrd",
        "camera, pictures, 2D and 3D for the Rerun viewer (needs rerun-sdk)",
        _write_rerun,
        ("rerun", "rerun"),
    ),
}
