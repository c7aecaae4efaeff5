"""A pose network and its trajectory twin, loaded from a bundled or a user's weights file."""

from __future__ import annotations

import logging
from pathlib import Path

import numpy as np
import torch

from lifting.card import Card, load_weights
from lifting.fast import FastNetwork
from lifting.inference import predict
from lifting.model import TemporalModel
from lifting.person_frame import EXTRA_POINTS, normalise
from poses import UsageError, get_skeleton

log = logging.getLogger(__name__)

REFERENCE_SUFFIXES = (".bin", ".pt", ".pth")
"""Endings of checkpoints in the reference implementation's form."""

WEIGHTS_FOLDER = Path(__file__).parent / "weights"


def lifter_names() -> list[str]:
    """Names of the bundled weights."""
    return sorted(path.stem for path in WEIGHTS_FOLDER.glob("*.safetensors"))


def weights_path(name_or_path: str) -> Path:
    """The file of bundled weights, or the path as it is; `UsageError` lists the names where it is neither."""
    if name_or_path in lifter_names():
        return WEIGHTS_FOLDER / f"{name_or_path}.safetensors"
    path = Path(name_or_path)
    if not path.is_file():
        raise UsageError(
            f"lifter {name_or_path!r} is neither a bundled one nor a file", f"bundled: {', '.join(lifter_names())}"
        )
    return path


class Lifter:
    """Lifts canonical keypoints at `card.rate_hz` to root-relative joints and the root's place.

    Attributes
    ----------
    card : what the weights are and expect.
    label : name and SHA-256, as results record them.
    weights_sha256 : hash of the weights file.
    precision : in which the products are computed.
    networks : the pose network and its trajectory twin as they were loaded, float32; not to be changed.
    gives_root : whether the root comes from a network, and not from the keypoints alone.
    adaptable : whether `lifting.adapt` can fit it to a video.
    """

    gives_root = True
    adaptable = True

    def __init__(
        self,
        card: Card,
        position: TemporalModel,
        trajectory: TemporalModel,
        sha256: str,
        device: str,
        precision: str = "fp32",
    ) -> None:
        self.card = card
        self.weights_sha256 = sha256
        self.label = f"{card.name} sha256:{sha256}"
        self.input_skeleton = get_skeleton(card.input_skeleton)
        self.output_skeleton = get_skeleton(card.output_skeleton)
        self.device = device
        self.precision = precision
        self.networks = (position, trajectory)
        self._position = FastNetwork(position, precision, device)
        # A checkpoint without a trajectory network stands in for its own twin, which is never asked.
        same = trajectory is position
        self._trajectory = self._position if same else FastNetwork(trajectory, precision, device)

    @classmethod
    def load(cls, name_or_path: str, device: str = "cpu", precision: str = "fp32") -> Lifter:
        """Bundled weights by name, or a file by path, to compute in `precision` (see `FastNetwork`).

        `UsageError` lists the names or says why this device does not do that precision; `InputError` says what is
        wrong with the file.
        """
        path = weights_path(name_or_path)
        if path.suffix.lower() in REFERENCE_SUFFIXES:
            # It is a lifter too, and so needs what stands here.
            from lifting.reference_lifter import ReferenceLifter

            return ReferenceLifter.load_checkpoint(path, device, precision)
        card, position, trajectory, sha256 = load_weights(path)
        log.debug("lifter %s from %s", card.name, path)
        return cls(card, position, trajectory, sha256, device, precision)

    def with_networks(self, position: TemporalModel, trajectory: TemporalModel, change: str) -> Lifter:
        """The same lifter with changed networks; its label says the `change`."""
        other = Lifter(self.card, position, trajectory, self.weights_sha256, self.device, self.precision)
        other.label = f"{self.label} {change}"
        return other

    def __call__(self, keypoints: np.ndarray, flip: bool = True) -> tuple[np.ndarray, np.ndarray]:
        """Canonical keypoints (T, J_in, 2) to joints (T, J_out, 3) relative to the root and root (T, 3), metres."""
        points, frame = normalise(
            torch.from_numpy(np.ascontiguousarray(keypoints, dtype=np.float32)), self.input_skeleton
        )
        into = np.concatenate([self.input_skeleton.mirror, len(self.input_skeleton) + np.arange(EXTRA_POINTS)])
        pose_mirror = (into, self.output_skeleton.mirror) if flip else None
        root_mirror = (into, np.array([0])) if flip else None
        answer = predict(self._position, points, pose_mirror)
        root_answer = predict(self._trajectory, points, root_mirror)
        positions = frame.positions_to_camera(answer)
        return (positions - positions[:, :1]).numpy(), frame.root_to_camera(root_answer)[:, 0].numpy()
