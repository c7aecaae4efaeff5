"""A recording for the Rerun viewer through rerun-sdk: camera, pictures, people in 2D and 3D, on two time lines."""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import cv2
import numpy as np

from poses import InputError, Poses3D, Tracks
from poses.archive import write_atomically
from render.body import HEAD_RADIUS_M, Body, body_of
from render.export.html_video import shrink, small_size
from render.export.packages import needed
from render.export.source import Source
from render.floor import floor_height
from render.rows import RowsByFrame
from render.style import DARK, Color, PersonColors, mix

_JPEG_QUALITY = 75
_TRAIL_S = 2.0
_FLOOR_MARGIN_M = 1.0
_FLOOR_RADIUS_M, _TRAIL_RADIUS_M, _LIMB_PX, _JOINT_PX = 0.004, 0.008, 2.0, 3.0
_CAMERA_PLANE_M = 1.0
_CAMERA = "world/camera"
_PICTURE = "world/camera/picture"


def write_rerun(source: Source, path: Path) -> None:
    """Write `path`, an `.rrd`. Frames are those of the video, on the time lines `frame` and `time` (seconds).

    `world` (z up, metres) holds the camera with its intrinsics, the floor, and each person's joints, limbs and trail of
    the last two seconds; `world/camera/picture` the pictures, where they are at hand, and the keypoints. Pictures are
    stored small, as JPEG; intrinsics and keypoints are in the pixels of the video all the same where there are none,
    and in those of the small pictures where there are some. What is missing in a frame is cleared.

    Some position must be finite. `UsageError` where rerun-sdk is not installed.
    """
    rerun = needed("rerun", "rerun")
    # It writes to a path, in a thread; the file appears when it is complete.
    with tempfile.TemporaryDirectory() as folder:
        temporary = Path(folder, "recording.rrd")
        recording = rerun.RecordingStream("video-to-3d-poses")
        try:
            recording.save(os.fspath(temporary), default_blueprint=_blueprint())
            recording.send_recording_name(path.stem)
            _Recorder(rerun, recording, source).record()
        finally:
            recording.disconnect()
        if not temporary.is_file() or not temporary.stat().st_size:
            raise InputError(f"{temporary}: cannot be written", "free some space for temporary files")
        with temporary.open("rb") as stream:
            write_atomically(path, lambda target: shutil.copyfileobj(stream, target))


def _blueprint() -> Any:
    """The panels that the viewer opens with: the picture beside the scene."""
    layout = needed("rerun.blueprint", "rerun")
    picture = layout.Spatial2DView(origin=_PICTURE, name="Video")
    scene = layout.Spatial3DView(
        origin="world",
        name="People in 3D",
        background=_rgb(DARK.background),
        # The recording has the floor where it is.
        line_grid=needed("rerun.blueprint.archetypes", "rerun").LineGrid3D(visible=False),
    )
    return layout.Blueprint(layout.Horizontal(picture, scene), layout.TimePanel(state="collapsed"))


class _Recorder:
    """Logs a source frame by frame."""

    def __init__(self, rerun: Any, recording: Any, source: Source) -> None:
        self._rr, self._recording, self._source = rerun, recording, source
        poses, camera = source.poses, source.poses.intrinsics
        self._size = camera.width, camera.height
        if source.images is not None:
            self._size = small_size(*self._size)
        self._scale = self._size[0] / camera.width
        self._body = body_of(poses.skeleton, head_as_ball=False)
        world_m = poses.world_m().astype(np.float64)
        world_m[~np.isfinite(world_m)] = np.nan
        self._world_m = self._body.complete(world_m)
        self._floor_m = floor_height(poses, self._world_m)
        self._there: set[str] = set()

    def record(self) -> None:
        """Everything."""
        self._log_stage()
        poses, tracks = self._source.poses, self._source.tracks
        in_3d = RowsByFrame(poses.frame, poses.person_id)
        in_2d = None if tracks is None else RowsByFrame(tracks.frame, tracks.person_id)
        for frame, time_s, image in self._frames():
            self._recording.set_time("frame", sequence=frame)
            self._recording.set_time("time", duration=time_s)
            before, self._there = self._there, set()
            if image is not None:
                self._log_picture(image)
            for row in in_3d.of(frame):
                self._log_person(int(row))
            if tracks is not None and in_2d is not None:
                for row in in_2d.of(frame):
                    self._log_keypoints(tracks, int(row))
            # Each by itself: not every reader lets the clearing of an entity reach those below it.
            for gone in sorted(before - self._there):
                self._rr.log(gone, self._rr.Clear(recursive=False), recording=self._recording)

    def _frames(self) -> Iterator[tuple[int, float, np.ndarray | None]]:
        """Every frame with its time and, where the video is at hand, its picture."""
        source = self._source
        if source.images is not None:
            for frame, (image, time_s) in enumerate(source.pictures("rerun")):
                yield frame, time_s, image
        elif source.video is not None:
            for frame, time_s in enumerate(source.video.timestamps_s):
                yield frame, float(time_s), None
        else:
            known, row = np.unique(source.poses.frame, return_index=True)
            every = np.arange(int(known[0]), int(known[-1]) + 1)
            for frame, time_s in zip(every, np.interp(every, known, source.poses.timestamps_s[row]), strict=True):
                yield int(frame), float(time_s), None

    def _log_static(self, entity: str, content: Any) -> None:
        self._rr.log(entity, content, recording=self._recording, static=True)

    def _log(self, entity: str, content: Any) -> None:
        """What is there in this frame, and cleared in the next one that has nothing for it."""
        self._rr.log(entity, content, recording=self._recording)
        self._there.add(entity)

    def _log_stage(self) -> None:
        """What does not change: axes, camera, floor."""
        rr, poses = self._rr, self._source.poses
        matrix = poses.intrinsics.matrix
        matrix[:2] *= self._scale
        self._log_static("world", rr.ViewCoordinates.RIGHT_HAND_Z_UP)
        placed = poses.world_from_camera
        self._log_static(_CAMERA, rr.Transform3D(translation=placed[:3, 3], mat3x3=placed[:3, :3]))
        pinhole = rr.Pinhole(
            image_from_camera=matrix,
            resolution=self._size,
            camera_xyz=rr.ViewCoordinates.RDF,
            image_plane_distance=_CAMERA_PLANE_M,
        )
        self._log_static(_PICTURE, pinhole)
        strips = _grid(self._world_m, self._floor_m)
        grid = rr.LineStrips3D(strips, radii=_FLOOR_RADIUS_M, colors=_rgb(mix(DARK.grid, DARK.faint_text, 0.4)))
        self._log_static("world/floor", grid)

    def _log_picture(self, image: np.ndarray) -> None:
        encoded, content = cv2.imencode(".jpg", shrink(image, self._size), [cv2.IMWRITE_JPEG_QUALITY, _JPEG_QUALITY])
        assert encoded, "OpenCV encodes every 8-bit picture as JPEG"
        self._log(_PICTURE, self._rr.EncodedImage(contents=content.tobytes(), media_type="image/jpeg"))

    def _log_person(self, row: int) -> None:
        """One person in one frame of the poses, as far as joints are known."""
        rr, poses, body = self._rr, self._source.poses, self._body
        points = self._world_m[row]
        known = np.isfinite(points).all(axis=1)
        if not known.any():
            return
        person = int(poses.person_id[row])
        entity, colors = f"world/person_{person}", DARK.person(person)
        joints = np.flatnonzero(known[: len(poses.skeleton)])
        names = [poses.skeleton.joints[joint] for joint in joints]
        radii = body.joint_radius_m
        self._log(
            f"{entity}/joints",
            rr.Points3D(
                points[joints],
                radii=radii[joints],
                colors=[_rgb(colors.of(body.joint_sides[joint])) for joint in joints],
                labels=names,
                show_labels=False,
            ),
        )
        limbs = _known_limbs(body, known)
        self._log(
            f"{entity}/limbs",
            rr.LineStrips3D(
                points[body.limbs[limbs]],
                radii=radii[body.limbs[limbs]].mean(axis=1) * 0.8,
                colors=_limb_colors(body, limbs, colors),
            ),
        )
        top = points[known][np.argmax(points[known][:, 2])] + (0, 0, 2 * HEAD_RADIUS_M)
        name = rr.Points3D([top], radii=0.01, colors=_rgb(colors.centre), labels=[f"person {person}"], show_labels=True)
        self._log(f"{entity}/name", name)
        self._log(f"{entity}/trail", self._trail(poses, row, colors))

    def _trail(self, poses: Poses3D, row: int, colors: PersonColors) -> Any:
        """The way of the root on the floor in the last two seconds, in pieces where the person was missing."""
        # Rows are sorted by person, then frame.
        first = int(np.searchsorted(poses.person_id, poses.person_id[row]))
        first += int(np.searchsorted(poses.timestamps_s[first : row + 1], poses.timestamps_s[row] - _TRAIL_S))
        way = self._world_m[first : row + 1, 0].copy()
        way[:, 2] = self._floor_m
        known = np.isfinite(way).all(axis=1)
        apart = (np.diff(poses.frame[first : row + 1]) > 1) | ~known[1:] | ~known[:-1]
        pieces = [piece for piece in np.split(way, np.flatnonzero(apart) + 1) if len(piece) > 1]
        return self._rr.LineStrips3D(pieces, radii=_TRAIL_RADIUS_M, colors=_rgb(colors.centre))

    def _log_keypoints(self, tracks: Tracks, row: int) -> None:
        """The same for a row of the tracks, in the picture."""
        rr, body = self._rr, body_of(tracks.skeleton, head_as_ball=False)
        points = body.complete(tracks.keypoints_px[row].astype(np.float64)) * self._scale
        known = np.isfinite(points).all(axis=1)
        if not known.any():
            return
        person = int(tracks.person_id[row])
        entity, colors = f"{_PICTURE}/person_{person}", DARK.person(person)
        joints = np.flatnonzero(known[: len(tracks.skeleton)])
        self._log(
            f"{entity}/keypoints",
            rr.Points2D(
                points[joints],
                radii=rr.Radius.ui_points(_JOINT_PX),
                colors=[_rgb(colors.of(body.joint_sides[joint])) for joint in joints],
                labels=[tracks.skeleton.joints[joint] for joint in joints],
                show_labels=False,
            ),
        )
        limbs = _known_limbs(body, known)
        strips = rr.LineStrips2D(
            points[body.limbs[limbs]],
            radii=rr.Radius.ui_points(_LIMB_PX),
            colors=_limb_colors(body, limbs, colors),
        )
        self._log(f"{entity}/limbs", strips)


def _known_limbs(body: Body, known: np.ndarray) -> np.ndarray:
    """Indices of the limbs of which both ends are known."""
    return np.flatnonzero(known[body.limbs].all(axis=1))


def _limb_colors(body: Body, limbs: np.ndarray, colors: PersonColors) -> list[tuple[int, int, int]]:
    return [_rgb(colors.of(body.limb_sides[limb])) for limb in limbs]


def _grid(world_m: np.ndarray, height_m: float) -> list[list[tuple[float, float, float]]]:
    """Lines a metre apart below everybody."""
    low = np.floor(np.nanmin(world_m[..., :2], axis=(0, 1)) - _FLOOR_MARGIN_M)
    high = np.ceil(np.nanmax(world_m[..., :2], axis=(0, 1)) + _FLOOR_MARGIN_M)
    (x0, y0), (x1, y1) = low.tolist(), high.tolist()
    lines = [[(x, y0, height_m), (x, y1, height_m)] for x in np.arange(x0, x1 + 0.5).tolist()]
    return lines + [[(x0, y, height_m), (x1, y, height_m)] for y in np.arange(y0, y1 + 0.5).tolist()]


def _rgb(color: Color) -> tuple[int, int, int]:
    blue, green, red = color
    return red, green, blue
