"""One video through all stages: runs what is not up to date, and leaves a report."""

from __future__ import annotations

import contextlib
import dataclasses
import time
from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

from detectors import tracking
from detectors.from_file import KeypointFile, find_keypoint_file
from pipeline import stages
from pipeline.cache import locked_folder, make_folder, remove_leftovers, stage_key
from pipeline.config import Config
from pipeline.container import check_video_file, file_sha256
from pipeline.export_stage import export_people, exports_key
from pipeline.models import Models
from pipeline.place import Place
from pipeline.progress import Progress, QuietProgress
from pipeline.report import StageRecord, build_report, write_report
from poses import Detections, InputError, Poses3D, Tracks, UserError, VideoInfo, artifact_key
from render.export import get_format
from render.theme import load_theme


@dataclass(frozen=True)
class Result:
    """The results of one video; the arrays are read from their files when first used."""

    place: Place
    report: dict[str, Any]

    @property
    def folder(self) -> Path:
        """The folder that holds every file."""
        return self.place.folder

    @property
    def movie(self) -> Path | None:
        """The MP4 (or what `render.format` says), None where none was rendered."""
        return None if self.report["stages"]["render"]["status"] == "skipped" else self.place.movie

    @cached_property
    def video(self) -> VideoInfo:
        """Frame times and size."""
        return VideoInfo.load(self.place.video)

    @cached_property
    def detections(self) -> Detections:
        """People found in single frames."""
        return Detections.load(self.place.detections)

    @cached_property
    def tracks(self) -> Tracks:
        """2D keypoints with identities."""
        return Tracks.load(self.place.tracks)

    @cached_property
    def poses(self) -> Poses3D:
        """People in 3D."""
        return Poses3D.load(self.place.poses)


def run_video(
    source: str | Path,
    output: str | Path,
    config: Config | None = None,
    *,
    name: str | None = None,
    force: bool = False,
    models: Models | None = None,
    progress: Progress | None = None,
) -> Result:
    """Find the people of a video in 3D; results go to `output`/`name`.

    Parameters
    ----------
    name : folder below `output` and stem of the MP4; the video's own stem if None.
    force : run every stage even where its result is up to date.
    models : shared by several videos; made and closed here if None.

    Raises
    ------
    UsageError : the configuration asks for something that cannot be.
    InputError : this video, or its folder, cannot be used. What was computed before stays, and so does a report.
    """
    config = config or Config()
    if models is None:
        with Models(config) as own:
            return run_video(source, output, config, name=name, force=force, models=own, progress=progress)
    source = Path(source)
    name = name or source.stem
    place = Place(source, name, Path(output) / name, config.render.format)
    check_video_file(source)
    if place.movie.resolve() == source.resolve():
        raise InputError(f"{source}: the movie of the results would take its place", "choose another folder with -o")
    make_folder(place.folder)
    with locked_folder(place.folder):
        remove_leftovers(place.folder)
        return _VideoRun(place, config, force, models, progress or QuietProgress()).go()


class _VideoRun:
    """The state of one run: which stages ran or were up to date so far."""

    def __init__(self, place: Place, config: Config, force: bool, models: Models, progress: Progress) -> None:
        self.place, self.config, self.force = place, config, force
        self.models, self.progress = models, progress
        self.records: dict[str, StageRecord] = {}
        self.look = dataclasses.asdict(config.render)
        self.source_sha256 = ""
        self.keypoint_file: KeypointFile | None = None

    def go(self) -> Result:
        try:
            if self.config.movie:
                # A stylesheet's content counts, not its name; and a mistake in it should show before the long stages.
                self.look["theme"] = dataclasses.asdict(load_theme(self.config.render.theme))
            self.source_sha256 = file_sha256(self.place.source)
            self.models.prepare()
            for name in self.config.export:
                get_format(name).check_package()
            if self.config.detect.file is None:
                self._decode_and_detect()
            else:
                self._read_keypoints(self.config.detect.file)
            self._track()
            self._lift_and_ground()
            self._render()
            self._export()
        except UserError as error:
            self._report_failure(error)
            raise
        report = self._report("done")
        write_report(self.place, report)
        if any(record.status == "ran" for record in self.records.values()):
            for message in report["warnings"]:
                self.progress.event("warning", name=self.place.name, message=message)
        return Result(self.place, report)

    def _decode_and_detect(self) -> None:
        config, place, detector = self.config, self.place, self.models.detector()
        decode_key = stage_key("decode", self.source_sha256, dataclasses.asdict(config.decode))
        options = {"detector": config.detector, **dataclasses.asdict(config.detect)}
        detect_key = stage_key("detect", decode_key, options, detector.weights_sha256)
        decoded = self._fresh("decode", place.video, decode_key)
        if self._fresh("detect", place.detections, detect_key):
            if not decoded:
                self._time(
                    "decode",
                    place.video,
                    decode_key,
                    lambda: stages.decode_video(place, self.source_sha256, config.decode, decode_key),
                )
            return
        if not decoded:
            self.records["decode"] = StageRecord(place.video.name, "ran", decode_key, None, None)
        self._time(
            "detect",
            place.detections,
            detect_key,
            lambda: stages.detect_people(
                place,
                self.source_sha256,
                config.decode,
                detector,
                config.batch_frames,
                (decode_key, detect_key),
                self.progress,
            ),
        )

    def _read_keypoints(self, location: str) -> None:
        """In place of detecting: what another program found in this video."""
        config, place = self.config, self.place
        self.keypoint_file = file = find_keypoint_file(location, place.source)
        decode_key = stage_key("decode", self.source_sha256, dataclasses.asdict(config.decode))
        # Where the file lies does not matter, what it holds does; and some forms hold several videos by name.
        options = {
            "detector": config.detector,
            "video": place.source.name,
            "min_score": config.detect.min_score,
            "max_people": config.detect.max_people,
        }
        detect_key = stage_key("detect", decode_key, options, file.sha256)
        if not self._fresh("decode", place.video, decode_key):
            self._time(
                "decode",
                place.video,
                decode_key,
                lambda: stages.decode_video(place, self.source_sha256, config.decode, decode_key),
            )
        if not self._fresh("detect", place.detections, detect_key):
            self._time(
                "detect",
                place.detections,
                detect_key,
                lambda: stages.read_keypoints(place, file, config.decode, config.detect, detect_key),
            )

    def _track(self) -> None:
        options, people = self.config.track, self.config.people
        content = {"people": people, "tracking": tracking.VERSION, **dataclasses.asdict(options)}
        key = stage_key("track", self.records["detect"].key, content)
        if not self._fresh("track", self.place.tracks, key):
            self._time("track", self.place.tracks, key, lambda: stages.track_people(self.place, options, people, key))

    def _lift_and_ground(self) -> None:
        place, options = self.place, self.config.lift
        lifter = self.models.lifter(Tracks.load(place.tracks).skeleton)
        intrinsics, source = stages.choose_intrinsics(self.config.camera, VideoInfo.load(place.video))
        angles = (self.config.camera.pitch_deg, self.config.camera.roll_deg)
        camera: dict[str, object] = {"intrinsics": dataclasses.asdict(intrinsics), "source": source}
        if angles[1]:
            camera["roll_deg"] = angles[1]
        content = {"camera": camera, "lifter": lifter.label, **dataclasses.asdict(options)}
        lift_key = stage_key("lift", self.records["track"].key, content, lifter.weights_sha256)
        ground_key = stage_key("ground", lift_key, {"pitch_deg": angles[0], "roll_deg": angles[1]})
        # One file holds what both stages give, so it bears both keys: a new pitch needs no new lifting.
        key = f"{lift_key}+{ground_key}"
        lifted = not self.force and (artifact_key(place.poses) or "").startswith(f"{lift_key}+")
        if not lifted:
            self._time(
                "lift",
                place.poses,
                lift_key,
                lambda: stages.lift_people(place, options, (intrinsics, source), angles, lifter, key),
            )
            self.records["ground"] = StageRecord(place.poses.name, "ran", ground_key, None, None)
            return
        self._note_fresh("lift", place.poses, lift_key)
        if artifact_key(place.poses) == key:
            self._note_fresh("ground", place.poses, ground_key)
        else:
            self._time("ground", place.poses, ground_key, lambda: stages.ground_people(place, angles, key))

    def _render(self) -> None:
        place, options = self.place, self.config.render
        key = stage_key("render", self.records["ground"].key, self.look)
        if not self.config.movie:
            self.records["render"] = StageRecord(place.movie.name, "skipped", key, None, None)
        elif not self.force and stages.movie_key(place) == key:
            self._note_fresh("render", place.movie, key)
        else:
            self._time(
                "render",
                place.movie,
                key,
                lambda: stages.render_movie(place, self.config.decode, options, key, self.progress),
            )

    def _export(self) -> None:
        place, names = self.place, self.config.export
        if not names:
            return
        key = stage_key("export", self.records["ground"].key, {"formats": sorted(names), "name": place.name})
        artifact = f"{place.name}.*"
        if not len(Poses3D.load(place.poses)):
            self.records["export"] = StageRecord(artifact, "skipped", key, None, None)
        elif not self.force and exports_key(place) == key:
            self._note_fresh("export", Path(artifact), key)
        else:
            self._time("export", Path(artifact), key, lambda: export_people(place, names, self.config.decode, key))

    def _fresh(self, stage: str, path: Path, key: str) -> bool:
        if self.force or artifact_key(path) != key:
            return False
        self._note_fresh(stage, path, key)
        return True

    def _note_fresh(self, stage: str, path: Path, key: str) -> None:
        self.records[stage] = StageRecord(path.name, "cached", key, None, None)
        self.progress.event(
            "stage", name=self.place.name, stage=stage, status="cached", artifact=path.name, seconds=None
        )

    def _time(self, stage: str, path: Path, key: str, work: Callable[[], int]) -> None:
        began_s = time.perf_counter()
        frames = work()
        seconds = time.perf_counter() - began_s
        self.records[stage] = StageRecord(path.name, "ran", key, seconds, frames)
        self.progress.event(
            "stage", name=self.place.name, stage=stage, status="ran", artifact=path.name, seconds=round(seconds, 3)
        )

    def _report(self, status: str, error: str | None = None) -> dict[str, Any]:
        return build_report(
            self.place,
            self.config,
            self.models,
            self.records,
            self.source_sha256,
            status,
            error,
            keypoint_file=self.keypoint_file,
        )

    def _report_failure(self, error: UserError) -> None:
        try:
            write_report(self.place, self._report("failed", str(error)))
        except UserError:
            # A full disk takes no report either, and the error that is on its way says so. One that tells of an
            # earlier run would mislead.
            with contextlib.suppress(OSError):
                self.place.report.unlink(missing_ok=True)
