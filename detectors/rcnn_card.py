"""What a file of weights of a keypoint R-CNN says of itself: the metadata of its safetensors file."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from poses import InputError, Skeleton, UsageError, get_skeleton


@dataclass(frozen=True)
class RcnnCard:
    """Everything that is needed to build the network again; the defaults are those of the public COCO weights.

    Attributes
    ----------
    model : variant, as `DetectorOptions.model` names it.
    skeleton : name of the order of the keypoints.
    min_size_px, max_size_px : frames are scaled until their short side has `min_size_px`, or their long side
        `max_size_px` where that is less.
    keypoint_channels : output channels of the convolutions of the keypoint head.
    batch_norm_eps : added to the variance in the backbone's batch norm (torchvision).
    """

    model: str
    skeleton: str = "coco17"
    min_size_px: int = 800
    max_size_px: int = 1333
    keypoint_channels: tuple[int, ...] = (512,) * 8
    batch_norm_eps: float = 1e-5

    def keypoint_skeleton(self) -> Skeleton:
        """The skeleton itself; `UsageError` for an unknown name."""
        return get_skeleton(self.skeleton)

    def metadata(self) -> dict[str, str]:
        """For `detectors.checkpoints.save_state`."""
        return {
            **{name: str(value) for name, value in dataclasses.asdict(self).items()},
            "keypoint_channels": ",".join(map(str, self.keypoint_channels)),
        }

    def updated(self, metadata: Mapping[str, str], path: str | Path) -> RcnnCard:
        """With what the metadata of the file `path` says instead; `InputError` for what cannot be."""
        changes: dict[str, object] = {}
        for item in dataclasses.fields(self):
            text = metadata.get(item.name)
            if text is None:
                continue
            try:
                changes[item.name] = _parse(item.name, text)
            except ValueError:
                raise InputError(f"{path}: its metadata give {item.name} as {text[:80]!r}") from None
        try:
            card = dataclasses.replace(self, **changes)  # type: ignore[arg-type]
            card.keypoint_skeleton()
        except UsageError as error:
            raise InputError(f"{path}: {error.problem}", error.remedy) from None
        return card


def _parse(name: str, text: str) -> object:
    if name in ("model", "skeleton"):
        return text
    if name == "keypoint_channels":
        channels = tuple(int(part) for part in text.split(","))
        if min(channels) < 1:
            raise ValueError(text)
        return channels
    number = float(text) if name == "batch_norm_eps" else int(text)
    if number < (0 if name == "batch_norm_eps" else 1):
        raise ValueError(text)
    return number


def choose_model(asked: str | None, metadata: Mapping[str, str], known: tuple[str, ...], usual: str, path: Path) -> str:
    """The variant of the network: what the file says, what was asked for, or the usual one.

    `UsageError` where an unknown one was asked for, or another than the file's.
    """
    check_model(asked, known)
    told = metadata.get("model")
    if told is None:
        return asked or usual
    if told not in known:
        raise InputError(f"{path}: its metadata give the model {told[:80]!r}, known: {', '.join(known)}")
    if asked not in (None, told):
        raise UsageError(f"{path} holds weights of model {told}, not {asked}", "leave the model out, or give that one")
    return told


def check_model(asked: str | None, known: tuple[str, ...]) -> None:
    """`UsageError` where an unknown variant was asked for."""
    if asked is not None and asked not in known:
        raise UsageError(f"unknown model {asked!r}", f"choose one of: {', '.join(known)}")
