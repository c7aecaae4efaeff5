"""Checkpoints of the reference implementation as lifters: `--lifter pretrained_h36m_detectron_coco.bin`.

Its networks take keypoints in the image's own coordinates, -1 to 1 over the width, of Human3.6M's cameras. Canonical
coordinates have just the focal length of those cameras, so that any camera's keypoints become such. Most of its
checkpoints hold no trajectory network: the root is then the place at which the joints fall on the keypoints.
"""

from __future__ import annotations

import hashlib
from pathlib import Path

import numpy as np
import torch

from lifting.canonical import REFERENCE_FOCAL
from lifting.card import Card
from lifting.inference import predict
from lifting.lifter import Lifter
from lifting.model import TemporalModel
from lifting.reference_checkpoint import load_reference_checkpoint
from lifting.root import WEAK_WEIGHT, refine_root, reprojection_root, trusted_joints
from poses import COCO17, H36M17, InputError

_USUAL_DEPTH_M = 4.0


class ReferenceLifter(Lifter):
    """Lifts with the networks of a checkpoint in the reference's form; used like any `Lifter`.

    Parameters
    ----------
    card : `normalisation` is ``screen``; `trajectory` is the pose network's architecture where there is no trajectory.
    position, trajectory : the networks; the latter may be None.
    """

    def __init__(
        self,
        card: Card,
        position: TemporalModel,
        trajectory: TemporalModel | None,
        sha256: str,
        device: str,
        precision: str = "fp32",
    ) -> None:
        super().__init__(card, position, trajectory or position, sha256, device, precision)
        self.gives_root = trajectory is not None
        self.adaptable = False

    @classmethod
    def load_checkpoint(cls, path: Path, device: str = "cpu", precision: str = "fp32") -> ReferenceLifter:
        """A checkpoint by its path; whether it is causal, and which 17 keypoints it takes, its name has to say.

        ``causal`` in the name means causal; ``coco`` means COCO's keypoints, else they are Human3.6M's. `InputError`
        where the file is no such checkpoint or its network takes or gives other numbers of joints.
        """
        name = path.stem.lower()
        checkpoint = load_reference_checkpoint(path, causal="causal" in name)
        architecture = checkpoint.position.architecture
        skeleton = COCO17 if "coco" in name else H36M17
        if (architecture.input_joints, architecture.output_joints) != (len(skeleton), len(H36M17)):
            raise InputError(
                f"{path}: takes {architecture.input_joints} keypoints and gives {architecture.output_joints} joints, "
                f"a lifter needs {len(skeleton)} of {skeleton.name} and {len(H36M17)} of {H36M17.name}"
            )
        trajectory = checkpoint.trajectory
        card = Card(
            name=path.stem,
            summary=f"checkpoint of the reference implementation; {architecture.receptive_field} frames",
            licence="see where the file comes from (the reference implementation's: CC BY-NC 4.0)",
            trained_on="not recorded in the file",
            position=architecture,
            trajectory=architecture if trajectory is None else trajectory.architecture,
            input_skeleton=skeleton.name,
            normalisation="screen",
        )
        digest = hashlib.sha256(path.read_bytes()).hexdigest()
        return cls(card, checkpoint.position, trajectory, digest, device, precision)

    def __call__(self, keypoints: np.ndarray, flip: bool = True) -> tuple[np.ndarray, np.ndarray]:
        """Canonical keypoints (T, J_in, 2) to joints (T, J_out, 3) relative to the root and root (T, 3), metres."""
        points = torch.from_numpy(np.ascontiguousarray(keypoints, dtype=np.float32))
        into = self.input_skeleton.mirror
        answer = predict(self._position, points, (into, self.output_skeleton.mirror) if flip else None)
        positions: np.ndarray = (answer - answer[:, :1]).numpy()
        if self.gives_root:
            root = predict(self._trajectory, points, (into, np.array([0])) if flip else None)
            return positions, root[:, 0].numpy()
        return positions, self._root_on(keypoints / REFERENCE_FOCAL, positions)

    def _root_on(self, rays: np.ndarray, positions_m: np.ndarray) -> np.ndarray:
        """Where the joints fall on the rays (T, J_in, 2): (T, 3), smooth in time."""
        keypoints, joints, trust = trusted_joints(self.input_skeleton)
        weights = np.broadcast_to(trust, (len(rays), len(trust)))
        solved, _ = reprojection_root(positions_m[:, joints], rays[:, keypoints], weights)
        depth = solved[:, 2]
        usable = np.isfinite(depth) & (depth > 0)
        usual = float(np.median(depth[usable])) if usable.any() else _USUAL_DEPTH_M
        prior = np.stack([np.zeros(len(rays)), np.zeros(len(rays)), np.full(len(rays), usual)], axis=1)
        scores = np.ones(rays.shape[:2])
        return refine_root(prior, positions_m, rays, scores, self.input_skeleton, network_weight=WEAK_WEIGHT)
