"""Running the network over whole sequences: replication padding at the ends, flip averaging, bounded memory.

Shape letters: T frames, J joints.
"""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor

from lifting.fast import FastNetwork
from lifting.model import TemporalModel

CHUNK_FRAMES = 2048


def predict(
    model: TemporalModel | FastNetwork,
    points: Tensor,
    mirror: tuple[np.ndarray, np.ndarray] | None = None,
    device: str = "cpu",
) -> Tensor:
    """Run the network over one sequence of points (T, J_in, 2): (T, J_out, 3) float32 on the CPU.

    Both ends are padded by repeating the first and the last frame (section 3). With `mirror`, which joint takes each
    joint's place in the input's and in the output's mirror image, the result is averaged with that of the mirrored
    input, mirrored back (test-time flip augmentation, section 5.3).

    A `FastNetwork` gives the same in a fraction of the time, on its own device and in its own precision; a
    `TemporalModel` runs as it is, in eval mode.
    """
    batch = points[None] if mirror is None else torch.stack([points, flip(points, mirror[0])])
    if isinstance(model, FastNetwork):
        answer = model.predict(batch)
    else:
        answer = _predict_plainly(model, batch.to(device)).float().cpu()
    return answer[0] if mirror is None else (answer[0] + flip(answer[1], mirror[1])) / 2


def flip(points: Tensor, mirror: np.ndarray) -> Tensor:
    """The mirror image of (T, J, 2 or 3): x changes sign, and each joint takes the place that `mirror` says."""
    signs = points.new_ones(points.shape[-1])
    signs[0] = -1
    return points[:, torch.from_numpy(mirror)] * signs


def _predict_plainly(model: TemporalModel, points: Tensor) -> Tensor:
    before, after = model.architecture.padding
    frames = points.shape[1]
    x = torch.cat([points[:, :1].expand(-1, before, -1, -1), points, points[:, -1:].expand(-1, after, -1, -1)], dim=1)
    with torch.inference_mode():
        starts = range(0, frames, CHUNK_FRAMES)
        return torch.cat([model(x[:, first : first + CHUNK_FRAMES + before + after]) for first in starts], dim=1)
