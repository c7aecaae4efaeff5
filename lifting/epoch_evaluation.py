"""Errors of a network in training on whole sequences, as means over frames; for the curve, not for tables.

The field's tables average over actions instead (`lifting.evaluate_dataset`).
"""

from __future__ import annotations

import torch

from lifting.data.sequences import PoseDataset, PoseSequence
from lifting.dataset_run import Networks
from lifting.fast import FastNetwork
from lifting.inference import predict
from lifting.losses import mpjpe_loss, velocity_loss
from lifting.semi_supervised import SharedJoints, projection_loss
from poses.distributed import Ranks

_METRICS = ("mpjpe_mm", "mpjve_mm", "root_mm", "projection")


def epoch_errors(networks: Networks, data: PoseDataset, ranks: Ranks, shared: SharedJoints | None) -> dict[str, float]:
    """MPJPE and velocity error; with a trajectory network the root's error; with `shared` that of the back-projection.

    Millimetres (a frame for the velocity), on the screen for the projection (with lens distortion), without test-time
    augmentation. The processes share the sequences. The networks are left in eval mode.
    """
    networks.eval()
    ranks.same_buffers(networks)
    position = FastNetwork(networks.position, device=ranks.device)
    trajectory = None if networks.trajectory is None else FastNetwork(networks.trajectory, device=ranks.device)
    totals = torch.zeros(2, len(_METRICS), dtype=torch.float64)
    for sequence in data.sequences[ranks.rank :: ranks.world]:
        for name, (value, count) in _sequence_errors(position, trajectory, sequence, shared).items():
            totals[:, _METRICS.index(name)] += torch.tensor([value * count, count], dtype=torch.float64)
    sums, counts = ranks.total(totals.to(ranks.device)).cpu()
    return {n: float(s / c) for n, s, c in zip(_METRICS, sums, counts, strict=True) if c > 0}


def _sequence_errors(
    position: FastNetwork, trajectory: FastNetwork | None, sequence: PoseSequence, shared: SharedJoints | None
) -> dict[str, tuple[float, int]]:
    """(mean, number of frames) by metric."""
    assert sequence.positions_m is not None
    assert sequence.root_m is not None
    frames = len(sequence)
    keypoints = torch.from_numpy(sequence.keypoints)
    truth = torch.from_numpy(sequence.positions_m)[None]
    positions = predict(position, keypoints)[None]
    errors: dict[str, tuple[float, int]] = {"mpjpe_mm": (1000 * float(mpjpe_loss(positions, truth)), frames)}
    if frames > 1:
        errors["mpjve_mm"] = (1000 * float(velocity_loss(positions, truth)), frames)
    if trajectory is not None:
        root = predict(trajectory, keypoints)[None]
        true_root = torch.from_numpy(sequence.root_m)[None, :, None]
        errors["root_mm"] = (1000 * float(mpjpe_loss(root, true_root)), frames)
        if shared is not None and sequence.intrinsics is not None:
            camera = torch.from_numpy(sequence.intrinsics)[None]
            loss = projection_loss(positions, root, keypoints[None], camera, shared, linear=False)
            errors["projection"] = (float(loss), frames)
    return errors
