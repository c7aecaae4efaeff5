"""Several videos one after the other with the same models; one that fails does not stop the rest."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from detectors.from_file import check_for_many
from pipeline.cache import make_folder
from pipeline.config import Config
from pipeline.inputs import VideoInput
from pipeline.models import Models
from pipeline.progress import Progress
from pipeline.run import run_video
from poses import InputError, UsageError, UserError


@dataclass(frozen=True)
class Outcome:
    """How one video of a batch went.

    Attributes
    ----------
    input, name, folder : as named, and where its results lie; None for a name that led to no video.
    status : `done`, `cached` (everything was up to date) or `failed`.
    people : number of people found, None where it failed.
    movie : the MP4, None where none was rendered.
    error : the reason in one line, None where it did not fail.
    """

    input: str | None
    name: str | None
    status: str
    people: int | None
    folder: str | None
    movie: str | None
    seconds: float
    error: str | None = None


def run_batch(
    inputs: Sequence[VideoInput],
    input_errors: Sequence[InputError],
    output: str | Path,
    config: Config,
    force: bool,
    progress: Progress,
) -> list[Outcome]:
    """Run every input; results go to `output`/<name>.

    `input_errors` are those of names that led to no video at all; they fail like videos that cannot be used.
    `UsageError` or `InputError` only for what concerns all of them: the output folder, the camera, the models.
    """
    output = Path(output)
    if config.camera.file is not None and not Path(config.camera.file).is_file():
        raise UsageError(f"{config.camera.file}: no such camera file", "check --camera")
    outcomes = [Outcome(None, None, "failed", None, None, None, 0.0, str(error)) for error in input_errors]
    for outcome in outcomes:
        progress.event("error", name=None, input=None, message=outcome.error)
    if not inputs:
        return outcomes
    with Models(config) as models:
        models.prepare()
        if config.detect.file is not None:
            check_for_many(config.detect.file, len(inputs))
        make_folder(output)
        for number, video in enumerate(inputs, start=1):
            progress.event(
                "start",
                input=str(video.path),
                name=video.name,
                number=number,
                count=len(inputs),
                folder=str(output / video.name),
            )
            outcome = _run_one(video, output, config, force, models, progress)
            if outcome.error is not None:
                progress.event("error", name=video.name, input=outcome.input, message=outcome.error)
            outcomes.append(outcome)
    return outcomes


def _run_one(
    video: VideoInput, output: Path, config: Config, force: bool, models: Models, progress: Progress
) -> Outcome:
    began_s = time.perf_counter()
    common: dict[str, Any] = {"input": str(video.path), "name": video.name, "folder": str(output / video.name)}
    try:
        try:
            result = run_video(
                video.path, output, config, name=video.name, force=force, models=models, progress=progress
            )
        except BrokenPipeError:
            # Not this video's fault: whoever read our output has gone.
            raise
        except OSError as error:
            # What the rooms do not foresee, such as a disk that fills up while a folder is made or listed.
            where = error.filename or output / video.name
            raise InputError(
                f"{where}: {error.strerror or error}",
                "check the disk and its free space, then run the same command again",
            ) from None
    except UserError as error:
        seconds = round(time.perf_counter() - began_s, 3)
        return Outcome(**common, status="failed", people=None, movie=None, seconds=seconds, error=str(error))
    stages = result.report["stages"].values()
    return Outcome(
        **common,
        status="done" if any(stage["status"] == "ran" for stage in stages) else "cached",
        people=len(result.report["people"]),
        movie=None if result.movie is None else str(result.movie),
        seconds=round(time.perf_counter() - began_s, 3),
    )
