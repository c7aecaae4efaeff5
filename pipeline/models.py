"""The detector and the lifter of a run: made once, on the device that was asked for, and used for every video."""

from __future__ import annotations

import logging
import re
from pathlib import Path
from types import TracebackType
from typing import Self

from detectors import from_file
from detectors.base import Detector
from detectors.registry import create_detector
from lifting.fast import check_precision
from lifting.lift import check_adaptable
from lifting.lifter import Lifter
from lifting.lifter_input import AUTO, bundled_lifter_for, check_input_skeleton
from pipeline.config import DEVICE_HELP, Config
from poses import COCO17, Skeleton, UsageError

logger = logging.getLogger(__name__)


def resolve_device(asked: str) -> str:
    """`cpu` or `cuda:N`; only `auto` may choose the CPU. `UsageError` where what was asked is unknown or absent."""
    if asked == "cpu":
        return "cpu"
    if asked != "auto" and not re.fullmatch(r"cuda(:\d+)?", asked):
        raise UsageError(f"--device {asked}: no such kind of device", f"choose {DEVICE_HELP}")
    import torch

    count = torch.cuda.device_count() if torch.cuda.is_available() else 0
    if asked == "auto":
        return "cuda:0" if count else "cpu"
    index = int(asked.partition(":")[2] or 0)
    if index >= count:
        found = f"{count} of them" if count else "none"
        raise UsageError(
            f"--device {asked}: this PyTorch ({torch.__version__}) finds {found} (CUDA devices count from 0)",
            "use --device cpu, or install a CUDA build of PyTorch and a driver",
        )
    return f"cuda:{index}"


class Models:
    """Makes each model when it is first needed and keeps it; a context manager that closes them."""

    def __init__(self, config: Config) -> None:
        self._config = config
        self.device = resolve_device(config.device)
        # Before detection, which takes long, and not after it.
        check_precision(config.lift.precision, self.device)
        self.detector_device = self.device
        self._detector: Detector | None = None
        self._lifters: dict[str, Lifter] = {}

    @property
    def reads_file(self) -> bool:
        """Whether the keypoints come from a file, so that there is no detector to make."""
        return self._config.detector == from_file.NAME

    def prepare(self) -> None:
        """Make both models, so that what cannot be had is known before the first long stage.

        `UsageError` also where the lifter cannot take the detector's keypoints, and where a file of keypoints is
        missing or given to a detector that looks for itself.
        """
        file = self._config.detect.file
        if self.reads_file and file is None:
            raise UsageError("--detector file needs to know the file", "give --keypoints FILE_OR_FOLDER")
        if not self.reads_file and file is not None:
            raise UsageError(
                f"--keypoints {file}: detector {self._config.detector} looks for keypoints itself",
                "add --detector file, or leave --keypoints out",
            )
        lifter = self.lifter()
        check_adaptable(lifter, self._config.lift)
        if file is None:
            check_input_skeleton(self.detector().skeleton, lifter)
        elif not Path(file).exists():
            raise UsageError(f"{file}: no such file or folder of keypoints", "check --keypoints")

    def detector(self) -> Detector:
        """The detector; `UsageError` lists the known names."""
        if self._detector is None:
            self._detector = self._make_detector()
            if self._config.device == "auto":
                logger.info("--device auto took %s", self.summary)
        return self._detector

    def _make_detector(self) -> Detector:
        config = self._config
        try:
            return create_detector(config.detector, device=self.device, options=config.detect)
        except UsageError:
            # Only `auto` leaves the choice to us; a detector that runs on the CPU alone refuses every other device.
            if self._config.device != "auto" or self.device == "cpu":
                raise
        self.detector_device = "cpu"
        return create_detector(config.detector, device="cpu", options=config.detect)

    @property
    def summary(self) -> str:
        """The device that was taken, or both where the detector's is another."""
        if self.detector_device == self.device:
            return self.device
        return f"{self.device} for lifting and {self.detector_device} for detection"

    def lifter(self, skeleton: Skeleton | None = None) -> Lifter:
        """The lifter; `UsageError` or `InputError` where its weights cannot be used.

        Where the choice is ours it depends on the keypoints' `skeleton`, without it the detector's.
        """
        name = self._config.lifter
        if name == AUTO:
            # A file's keypoints are known when it has been read.
            seen = COCO17 if self.reads_file else self.detector().skeleton
            name = bundled_lifter_for(skeleton or seen)
        if name not in self._lifters:
            self._lifters[name] = Lifter.load(name, self.device, self._config.lift.precision)
        return self._lifters[name]

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._detector is not None:
            self._detector.close()
            self._detector = None
        self._lifters.clear()
