"""Every option of a run, one frozen dataclass a stage. Each field carries its help text; the YAML has the same keys."""

from __future__ import annotations

import dataclasses
import math
import types
import typing
from dataclasses import dataclass, field
from typing import Any

from detectors.base import DetectorOptions
from detectors.tracking import TrackingOptions
from lifting.lift import LiftOptions
from poses import UsageError
from render.export import FORMATS, get_format
from render.options import RenderOptions

DEVICE_HELP = "auto, cpu, cuda or cuda:N; auto takes a GPU where there is one"


@dataclass(frozen=True)
class DecodeOptions:
    """Which part of the video is read."""

    start_s: float | None = field(
        default=None, metadata={"help": "seconds into the video to begin at; null: its start"}
    )
    end_s: float | None = field(default=None, metadata={"help": "seconds into the video to stop at; null: its end"})

    def __post_init__(self) -> None:
        for name in ("start_s", "end_s"):
            value = getattr(self, name)
            if value is not None and not (math.isfinite(value) and value >= 0):
                raise ValueError(f"{name} (--{name[:-2]}) must be a number of seconds of at least 0, got {value}")
        if self.start_s is not None and self.end_s is not None and self.end_s <= self.start_s:
            raise ValueError(f"end_s (--end {self.end_s:g}) must be later than start_s (--start {self.start_s:g})")


@dataclass(frozen=True)
class CameraOptions:
    """What is known of the camera; see docs/cameras.md."""

    file: str | None = field(
        default=None, metadata={"help": "YAML or JSON file with fx, fy, cx, cy in pixels, distortion (--camera)"}
    )
    fov_deg: float | None = field(
        default=None,
        metadata={"help": "angle of view along the frame's longer side in degrees (--fov); null: 60 is assumed"},
    )
    pitch_deg: float | None = field(
        default=None,
        metadata={"help": "degrees that the camera looks up, negative for down (--pitch); null: found from the video"},
    )
    roll_deg: float | None = field(
        default=None,
        metadata={
            "help": "degrees that verticals lean to the right in the picture (--roll); null: found from the video"
        },
    )

    def __post_init__(self) -> None:
        if self.fov_deg is not None and not 0 < self.fov_deg < 180:
            raise ValueError(f"fov_deg (--fov) must lie between 0 and 180 degrees, got {self.fov_deg:g}")
        for name, limit in (("pitch_deg", 90.0), ("roll_deg", 180.0)):
            value = getattr(self, name)
            if value is not None and not -limit <= value <= limit:
                raise ValueError(
                    f"{name} (--{name[:-4]}) must lie between {-limit:g} and {limit:g} degrees, got {value:g}"
                )


@dataclass(frozen=True)
class Config:
    """All options of a run, as resolved from the defaults, a YAML file and the command line."""

    device: str = field(default="auto", metadata={"help": DEVICE_HELP + " (--device)"})
    people: int | str = field(
        default="all", metadata={"help": "keep the N people seen longest, or all of them (--people)"}
    )
    detector: str = field(default="blazepose", metadata={"help": "what finds people and keypoints (--detector)"})
    lifter: str = field(
        default="auto",
        metadata={
            "help": "what lifts them to 3D (--lifter): bundled weights by name (python -m lifting.weights list), a "
            ".safetensors file, or auto for the bundled ones that suit the keypoints"
        },
    )
    movie: bool = field(default=True, metadata={"help": "draw the movie (false: --no-render)"})
    export: tuple[str, ...] = field(
        default=(),
        metadata={"help": f"files for other programs (--export): any of {', '.join(FORMATS)}; see docs/exports.md"},
    )
    batch_frames: int = field(
        default=8, metadata={"help": "frames handed to the detector at once, 1 to 32: speed and memory, not the result"}
    )
    decode: DecodeOptions = field(default_factory=DecodeOptions, metadata={"help": "Which part of the video is read."})
    detect: DetectorOptions = field(
        default_factory=DetectorOptions, metadata={"help": "How people are found in single frames."}
    )
    track: TrackingOptions = field(
        default_factory=TrackingOptions,
        metadata={"help": "How detections become people over time, and how their keypoints are cleaned."},
    )
    camera: CameraOptions = field(
        default_factory=CameraOptions, metadata={"help": "What is known of the camera; see docs/cameras.md."}
    )
    lift: LiftOptions = field(default_factory=LiftOptions, metadata={"help": "How keypoints become people in 3D."})
    render: RenderOptions = field(
        default_factory=RenderOptions,
        metadata={"help": "How the movie looks and how it is compressed; see docs/rendering.md."},
    )

    def __post_init__(self) -> None:
        if self.people != "all" and (isinstance(self.people, str) or self.people < 1):
            raise ValueError(f"people (--people) must be 'all' or a number of at least 1, got {self.people!r}")
        for name in self.export:
            get_format(name)
        if not 1 <= self.batch_frames <= 32:
            raise ValueError(f"batch_frames must lie between 1 and 32, got {self.batch_frames}")
        if self.camera.file is not None and self.camera.fov_deg is not None:
            raise UsageError(
                "camera.file (--camera) and camera.fov_deg (--fov) exclude each other",
                "give one, and set the other to null",
            )

    def as_dict(self) -> dict[str, Any]:
        """Plain nested dictionary of every option, for JSON and YAML."""
        plain = {**dataclasses.asdict(self), "export": list(self.export)}
        plain["render"]["views"] = list(self.render.views)
        return plain


def type_name(hint: Any) -> str:
    """How a field's type is written for a user: `float or null`."""
    if typing.get_origin(hint) in (typing.Union, types.UnionType):
        return " or ".join("null" if a is type(None) else type_name(a) for a in typing.get_args(hint))
    if typing.get_origin(hint) is typing.Literal:
        return " | ".join(map(str, typing.get_args(hint)))
    if typing.get_origin(hint) is tuple:
        return f"list of {type_name(typing.get_args(hint)[0])}"
    return {"str": "text", "int": "whole number", "float": "number", "bool": "true or false"}.get(
        getattr(hint, "__name__", ""), str(hint)
    )
