"""Running the network over whole sequences: replication padding at the ends, flip averaging, bounded memory.

Shape letters: T frames, J joints.
"""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor

from lifting.model import TemporalModel

CHUNK_FRAMES = 2048


def predict(
    model: TemporalModel,
    points: Tensor,
    mirror: tuple[np.ndarray, np.ndarray] | None = None,
    device: str = "cpu",
) -> Tensor:
    """Run the network over one sequence of points (T, J_in, 2): (T, J_out, 3) float32 on the CPU.

    Both ends are padded by repeating the first and the last frame (section 3). With `mirror`, which joint takes each
    joint's place in the input's and in the output's mirror image, the result is averaged with that of the mirrored
    input, mirrored back (test-time flip augmentation, section 5.3).
    """
    before, after = model.architecture.padding
    x = points.to(device)
    x = torch.cat([x[:1].expand(before, -1, -1), x, x[-1:].expand(after, -1, -1)])
    outputs = []
    with torch.inference_mode():
        for first in range(0, len(points), CHUNK_FRAMES):
            window = x[first : first + CHUNK_FRAMES + before + after]
            outputs.append(model(window[None])[0] if mirror is None else _with_flip(model, window, *mirror))
    return torch.cat(outputs).float().cpu()


def _with_flip(model: TemporalModel, window: Tensor, mirror_in: np.ndarray, mirror_out: np.ndarray) -> Tensor:
    flipped = window[:, torch.from_numpy(mirror_in)] * window.new_tensor([-1.0, 1.0])
    straight, back = model(torch.stack([window, flipped]))
    return (straight + back[:, torch.from_numpy(mirror_out)] * back.new_tensor([-1.0, 1.0, 1.0])) / 2
