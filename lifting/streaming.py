"""Lifting frame by frame, as a camera gives them: constant work and memory a frame.

Shape letters: B people, J joints, F frames.
"""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor

from lifting.fast import BlockStream, FastNetwork
from lifting.model import TemporalModel
from poses import UsageError


class StreamingLifter:
    """Runs a network over frames that come one at a time.

    A causal network answers each frame at once. A symmetric one looks half a receptive field ahead, and by default
    answers that many frames late; with a smaller `latency_frames` it takes the newest frame to stand still for as long
    as is missing, which costs a little accuracy, and the work of as many more frames (in one block) for each frame.

    At full latency, and for causal networks always, the answers are those of `lifting.inference.predict` over the whole
    sequence, to rounding: both ends are padded by repeating their frame.

    Parameters
    ----------
    model : the network; it is copied.
    people : B, lifted side by side.
    latency_frames : how many frames late the answer to a frame comes, from 0 to half the receptive field, which is the
        default. `UsageError` beyond, and for a causal network, which is never late.
    precision, device : as of `FastNetwork`.
    """

    def __init__(
        self,
        model: TemporalModel,
        people: int = 1,
        latency_frames: int | None = None,
        precision: str = "fp32",
        device: str = "cpu",
    ) -> None:
        self._network = FastNetwork(model, precision, device)
        ahead = model.architecture.padding[1]
        if latency_frames is not None and not 0 <= latency_frames <= ahead:
            raise UsageError(f"latency of {latency_frames} frames: this network's is from 0 to {ahead}")
        self.people = people
        self.latency_frames = ahead if latency_frames is None else latency_frames
        self._ahead = ahead
        self._pushed = 0
        self._stream: BlockStream | None = None
        self._newest = torch.empty(0)

    def push(self, points: np.ndarray | Tensor) -> np.ndarray | None:
        """The next frame (B, J_in, 2) to the joints (B, J_out, 3) of the frame `latency_frames` earlier.

        None while there is no such frame. `ValueError` on another shape.
        """
        setup = self._network.architecture
        if tuple(points.shape) != (self.people, setup.input_joints, 2):
            raise ValueError(
                f"expected points of shape ({self.people}, {setup.input_joints}, 2), got {tuple(points.shape)}"
            )
        with torch.inference_mode():
            self._newest = torch.as_tensor(points).to(self._network.device, torch.float32).reshape(1, self.people, -1)
            if self._stream is None:
                self._stream = BlockStream(self._network, self._newest[0], 1)
            answer = self._stream.push(self._newest)
            self._pushed += 1
            if self._pushed <= self.latency_frames:
                return None
            if self.latency_frames < self._ahead:
                answer = self._stand_still(self._ahead - self.latency_frames)[-1:]
            return self._joints(answer)[0]

    def flush(self) -> np.ndarray:
        """The joints (F, B, J_out, 3) of the frames not answered yet; the next `push` begins a new sequence.

        The newest frame is repeated for what the network looks ahead, as at the end of a whole sequence.
        """
        waiting = min(self.latency_frames, self._pushed)
        if not waiting:
            self._stream, self._pushed = None, 0
            return np.zeros((0, self.people, self._network.architecture.output_joints, 3), np.float32)
        with torch.inference_mode():
            answer = self._joints(self._stand_still(self._ahead)[-waiting:])
        self._stream, self._pushed = None, 0
        return answer

    def state_bytes(self) -> int:
        """Memory that the stream holds between frames; the same however long it runs."""
        return 0 if self._stream is None else self._stream.state_bytes()

    def _stand_still(self, frames: int) -> Tensor:
        """Answers (frames, B, J_out x 3) if the newest frame came `frames` more times; the stream itself stays."""
        assert self._stream is not None
        return self._stream.fork(frames).push(self._newest.expand(frames, -1, -1))

    def _joints(self, answer: Tensor) -> np.ndarray:
        return answer.view(len(answer), self.people, self._network.architecture.output_joints, 3).cpu().numpy().copy()
