"""Lifter weights on disk: safetensors with a card, JSON in the file's metadata, that says what they are."""

from __future__ import annotations

import contextlib
import dataclasses
import hashlib
import json
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save
from torch import Tensor

from lifting.canonical import REFERENCE_FOCAL
from lifting.model import Architecture, TemporalModel
from lifting.person_frame import EXTRA_POINTS
from lifting.quantised import quantise, restore
from poses import COCO17, H36M17, InputError, UsageError
from poses.archive import write_atomically
from poses.options import options_from_mapping

INPUT_SKELETONS = (COCO17, H36M17)
"""Keypoints that a lifter may take."""


@dataclass(frozen=True)
class Card:
    """What a weights file is, what it expects and what it was measured to do."""

    name: str
    summary: str
    licence: str
    trained_on: str
    position: Architecture
    trajectory: Architecture
    input_skeleton: str = "coco17"
    output_skeleton: str = "h36m17"
    normalisation: str = "person"
    reference_focal: float = REFERENCE_FOCAL
    rate_hz: float = 50.0
    measured: dict[str, float] = field(default_factory=dict)


def save_weights(
    path: str | Path, card: Card, position: TemporalModel, trajectory: TemporalModel, eight_bits: bool = False
) -> None:
    """Write both networks with their card, atomically: in half precision, or with convolutions in eight bits."""
    tensors: dict[str, Tensor] = {}
    for prefix, model in (("position", position), ("trajectory", trajectory)):
        for name, tensor in model.state_dict().items():
            if tensor.is_floating_point():
                tensors[f"{prefix}.{name}"] = tensor.detach().cpu().contiguous()
    tensors = quantise(tensors) if eight_bits else tensors
    # The scales of eight bits stay as they are: half precision ends at 6e-5.
    tensors = {n: t if t.dtype == torch.int8 or n.endswith(".scale") else t.half() for n, t in tensors.items()}
    metadata = {"card": json.dumps(dataclasses.asdict(card), sort_keys=True)}
    data = save(tensors, metadata)
    write_atomically(path, lambda stream: stream.write(data))


def load_weights(path: str | Path) -> tuple[Card, TemporalModel, TemporalModel, str]:
    """(card, position network, trajectory network, SHA-256 of the file); the networks are float32, in eval mode.

    `InputError` names the file and what is wrong: not safetensors, no card, a card this version cannot serve, or
    tensors that do not fit the card's architecture.
    """
    path = Path(path)
    digest = _hash(path)
    try:
        with _opened(path) as archive:
            card = _card_of(path, archive)
            tensors = restore({name: archive.get_tensor(name) for name in archive.keys()})  # noqa: SIM118
    except KeyError as error:
        raise InputError(f"{path}: an eight-bit tensor lacks its scale {error}", "get the file again") from None
    _require_served(path, card)
    position = _fill(path, "position", card.position, tensors)
    trajectory = _fill(path, "trajectory", card.trajectory, tensors)
    return card, position, trajectory, digest


def read_card(path: str | Path) -> Card:
    """Only the card of a weights file; `InputError` as `load_weights`."""
    with _opened(Path(path)) as archive:
        return _card_of(Path(path), archive)


def _hash(path: Path) -> str:
    try:
        return hashlib.sha256(path.read_bytes()).hexdigest()
    except OSError as error:
        raise _unreadable(path, error) from None


def _unreadable(path: Path, error: OSError) -> InputError:
    return InputError(f"{path}: cannot read the lifter's weights ({error.strerror or error})")


@contextlib.contextmanager
def _opened(path: Path) -> Iterator[Any]:
    try:
        with safe_open(path, framework="pt") as archive:
            yield archive
    except OSError as error:
        raise _unreadable(path, error) from None
    except SafetensorError as error:
        raise InputError(f"{path}: expected a safetensors file with a card ({error})", "see docs/lifting.md") from None


def _card_of(path: Path, archive: Any) -> Card:
    metadata: dict[str, Any] = archive.metadata() or {}
    if "card" not in metadata:
        raise InputError(f"{path}: holds tensors but no card", "see docs/lifting.md for files that can be used")
    try:
        card = options_from_mapping(Card, json.loads(metadata["card"]), f"{path}: card")
    except (UsageError, json.JSONDecodeError) as error:
        raise InputError(f"{path}: the card cannot be read ({error})") from None
    if card.normalisation != "person" or card.reference_focal != REFERENCE_FOCAL:
        raise InputError(
            f"{path}: wants {card.normalisation} keypoints at reference focal length {card.reference_focal:g}, "
            f"this version gives person-centred ones at {REFERENCE_FOCAL:g}"
        )
    return card


def _require_served(path: Path, card: Card) -> None:
    """`InputError` unless the networks take and give the points that this version feeds and reads."""
    points = {skeleton.name: len(skeleton) + EXTRA_POINTS for skeleton in INPUT_SKELETONS}
    taken, into = card.input_skeleton, [card.position.input_joints, card.trajectory.input_joints]
    given, out = card.output_skeleton, [card.position.output_joints, card.trajectory.output_joints]
    if into != [points.get(taken)] * 2 or (given, out) != (H36M17.name, [len(H36M17), 1]):
        served = " or ".join(f"{name} as {[count, count]}" for name, count in points.items())
        raise InputError(
            f"{path}: takes {taken} as {into} points and gives {given} as {out} joints (pose, trajectory network), "
            f"this version needs {served}, and {H36M17.name} as {[len(H36M17), 1]}"
        )


def _fill(path: Path, prefix: str, architecture: Architecture, tensors: dict[str, Tensor]) -> TemporalModel:
    model = TemporalModel(architecture)
    own = {name.removeprefix(f"{prefix}."): t for name, t in tensors.items() if name.startswith(f"{prefix}.")}
    wanted = {name: t for name, t in model.state_dict().items() if t.is_floating_point()}
    wrong = sorted(
        {n for n in own.keys() ^ wanted.keys()}
        | {n for n in own.keys() & wanted.keys() if own[n].shape != wanted[n].shape}
    )
    if wrong:
        raise InputError(
            f"{path}: {len(wrong)} tensors of the {prefix} network do not fit its card, for example {wrong[0]}"
        )
    model.load_state_dict(own, strict=False)
    return model.eval()


def model_from(architecture: Architecture, seed: int) -> TemporalModel:
    """A freshly initialised network; the same seed gives the same weights."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        return TemporalModel(architecture)
