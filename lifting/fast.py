"""The network for inference alone: batch norms folded, matrix products, frames in blocks, and lower precision.

A long sequence goes through in blocks of frames. Each convolution keeps the last frames of its input for the next
block, so that nothing is computed twice and memory does not grow with the sequence. Frames lie one after the other as
rows (frame x person, channel), so that each tap of a dilated convolution is a slice of rows and each layer a matrix
product.

Shape letters: B people, T frames, n frames of a block, J joints, C channels, R rows (n x B, people innermost).
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from itertools import pairwise
from typing import Literal

import torch
from torch import Tensor, nn

from lifting.minimal_filter import TAPS, TILE, MinimalFilter, Scratch
from lifting.model import TemporalModel
from lifting.parallel import map_in_threads
from poses import UsageError

Precision = Literal["fp32", "bf16", "fp16"]
PRECISIONS: tuple[Precision, ...] = ("fp32", "bf16", "fp16")

_DTYPES = {"fp32": torch.float32, "bf16": torch.bfloat16, "fp16": torch.float16}
_BLOCK_ROWS_CPU = 1458
_BLOCK_ROWS_GPU = 16384
_LARGEST_TILE_ROWS = 4096
_WORTH_FILLING = 0.65
_GATHERED_COLUMNS = 4096
# A part of a sequence computes a receptive field more than it answers for.
_PART_FIELDS = 8
_MOST_PARTS = 8


def check_precision(precision: str, device: str) -> None:
    """`UsageError` where the device is not there or does not compute in that precision."""
    if precision not in _DTYPES:
        raise UsageError(f"precision {precision}: unknown", f"choose one of {', '.join(PRECISIONS)}")
    kind, _, index = device.partition(":")
    if kind not in ("cpu", "cuda") or (index and (kind == "cpu" or not index.isdigit())):
        raise UsageError(f"--device {device}: no such kind of device", "choose cpu, cuda or cuda:N")
    if kind == "cuda" and not torch.cuda.is_available():
        raise UsageError(f"--device {device}: PyTorch finds no CUDA device here", "use --device cpu")
    if kind == "cuda" and int(index or 0) >= torch.cuda.device_count():
        raise UsageError(
            f"--device {device}: PyTorch finds {torch.cuda.device_count()} CUDA devices, counted from 0",
            "use --device cuda:0",
        )
    if kind == "cpu" and precision == "fp16":
        raise UsageError("precision fp16: CPUs do not compute in it", "choose bf16 or fp32, or --device cuda")
    if kind == "cpu" and precision == "bf16" and not cpu_has_bf16():
        raise UsageError("precision bf16: this CPU has neither AMX nor AVX-512 bf16", "choose fp32")
    if kind == "cuda" and precision == "bf16" and not torch.cuda.is_bf16_supported():
        raise UsageError(f"precision bf16: {torch.cuda.get_device_name(device)} lacks it", "choose fp16 or fp32")


def cpu_has_bf16() -> bool:
    """Whether the CPU multiplies bfloat16 in hardware."""
    return cpu_has_amx() or torch.cpu._is_avx512_bf16_supported()


def cpu_has_amx() -> bool:
    """Whether the CPU has matrix tiles (AMX)."""
    return torch.cpu._is_amx_tile_supported()


class FoldedConvolution:
    """A convolution over time with its batch norm folded in, and the ReLU behind it.

    Parameters
    ----------
    convolution, norm : of the trained network; norm in eval mode.
    dtype : in which the products are computed; sums over products of different taps and the bias are in float32.
    place : name of its place in the scratch memory; a convolution must not read from the place that it writes to.
    minimal : whether three-tap convolutions may use minimal filtering.
    """

    def __init__(
        self,
        convolution: nn.Module,
        norm: nn.Module,
        dtype: torch.dtype,
        device: str,
        place: str,
        minimal: bool = False,
    ) -> None:
        assert isinstance(convolution, nn.Conv1d)
        assert isinstance(norm, nn.BatchNorm1d)
        weight, bias = fold(convolution, norm)
        self.inputs, self.width = weight.shape[1:]
        self.dilation: int = convolution.dilation[0]
        self._place = place
        self._bias = bias.float().to(device)
        self._dtype = dtype
        group = max(1, _GATHERED_COLUMNS // self.inputs)
        flat = weight.permute(0, 2, 1)
        self._groups = [
            flat[:, first : first + group].flatten(1).to(device=device, dtype=dtype).contiguous()
            for first in range(0, self.width, group)
        ]
        self._minimal = MinimalFilter(weight, dtype, device) if minimal and self.width == TAPS else None

    @property
    def lost(self) -> int:
        """Frames of input beyond those of the output."""
        return (self.width - 1) * self.dilation

    def tile_frames(self) -> int:
        """Frames of which a block must hold a whole number for minimal filtering; 1 where that is not used."""
        return TILE * self.dilation if self._minimal else 1

    def __call__(self, window: Tensor, rows: int, people: int, scratch: Scratch) -> Tensor:
        """(R + lost x people, C_in) to R rows, float32, as (k, tiles, step, C_out) in `MinimalFilter`'s order.

        Where it is not used, k and tiles are 1 and step is R. The answer may lie in `scratch`.
        """
        step = self.dilation * people
        if self._minimal and rows % (TILE * step) == 0:
            answer = self._minimal(window, rows, step, scratch)
        else:
            answer = self._products(window, rows, step, scratch)[None, None]
        return answer.add_(self._bias).relu_()

    def _products(self, window: Tensor, rows: int, step: int, scratch: Scratch) -> Tensor:
        total = scratch.take(self._place, (rows, len(self._bias)))
        tap = 0
        for weight in self._groups:
            taps = weight.shape[1] // self.inputs
            if taps == 1 and window.dtype == self._dtype:
                gathered = window[tap * step : tap * step + rows]
            else:
                gathered = scratch.take("gathered", (rows, weight.shape[1]), self._dtype)
                for i in range(taps):
                    columns = gathered[:, i * self.inputs : (i + 1) * self.inputs]
                    columns.copy_(window[(tap + i) * step : (tap + i) * step + rows])
            if tap == 0 and self._dtype == torch.float32:
                torch.mm(gathered, weight.t(), out=total)
            else:
                product = scratch.take("product", tuple(total.shape), self._dtype)
                torch.mm(gathered, weight.t(), out=product)
                total = total.copy_(product) if tap == 0 else total.add_(product)
            tap += taps
        return total


def fold(convolution: nn.Conv1d, norm: nn.BatchNorm1d) -> tuple[Tensor, Tensor]:
    """Weight (C_out, C_in, width) and bias (C_out,), float64 on the CPU, that do what both do in eval mode."""
    assert norm.running_mean is not None
    assert norm.running_var is not None
    mean, variance, scale, shift = (
        t.detach().double().cpu() for t in (norm.running_mean, norm.running_var, norm.weight, norm.bias)
    )
    scale = scale / torch.sqrt(variance + norm.eps)
    return convolution.weight.detach().double().cpu() * scale[:, None, None], shift - mean * scale


class FastNetwork:
    """A trained `TemporalModel` ready for inference. Its weights are copied: later training does not change it.

    The first and the last layer and all sums are in float32, the products between them in `precision`.

    Parameters
    ----------
    model : the network.
    precision : fp32; bf16 on CPUs with AMX or AVX-512 bf16 and on GPUs; fp16 on GPUs. `UsageError` for others.
    device : cpu or cuda[:i].
    """

    def __init__(self, model: TemporalModel, precision: str = "fp32", device: str = "cpu") -> None:
        check_precision(precision, device)
        self.architecture = model.architecture
        self.precision = precision
        self.device = device
        dtype = _DTYPES[precision]
        # On matrix units products are so fast that the sums of minimal filtering would cost more than they save.
        minimal = device == "cpu" and not (precision == "bf16" and cpu_has_amx())
        self.expand = FoldedConvolution(model.expand_conv, model.expand_bn, torch.float32, device, "over time")
        layers = [
            FoldedConvolution(convolution, norm, dtype, device, ("over time", "pointwise")[index % 2], minimal)
            for index, (convolution, norm) in enumerate(zip(model.layers_conv, model.layers_bn, strict=True))
        ]
        self.blocks = list(zip(layers[::2], layers[1::2], strict=True))
        assert model.shrink.bias is not None
        self.shrink_weight = model.shrink.weight.detach()[:, :, 0].float().to(device).contiguous()
        self.shrink_bias = model.shrink.bias.detach().float().to(device)

    def tile_frames(self, people: int) -> int:
        """Frames in whole numbers of which minimal filtering serves every layer where these are not too many."""
        whole = 1
        for first, _ in self.blocks:
            together = math.lcm(whole, first.tile_frames())
            whole = together if together * people <= _LARGEST_TILE_ROWS else whole
        return whole

    def block_frames(self, people: int) -> int:
        """Frames of a block: as many as keep a layer's rows in the caches, and whole tiles."""
        rows = _BLOCK_ROWS_CPU if self.device == "cpu" else _BLOCK_ROWS_GPU
        tile = self.tile_frames(people)
        return tile * max(1, round(rows / (tile * people)))

    def predict(self, points: Tensor) -> Tensor:
        """(B, T, J_in, 2) to (B, T, J_out, 3) float32 on the CPU; both ends are padded by repeating their frame.

        On the CPU a long sequence goes through in parts, side by side, each with its share of PyTorch's threads.
        Memory beyond input and output does not depend on T. `ValueError` on another shape.
        """
        setup = self.architecture
        if points.ndim != 4 or points.shape[2:] != (setup.input_joints, 2):
            raise ValueError(f"expected keypoints of shape (B, T, {setup.input_joints}, 2), got {tuple(points.shape)}")
        people, frames = points.shape[:2]
        answer = torch.empty(frames, people, setup.output_joints * 3)
        if people and frames:
            map_in_threads(lambda part: self._predict_part(points, *part, answer), self._parts(frames))
        return answer.transpose(0, 1).reshape(people, frames, setup.output_joints, 3)

    def _parts(self, frames: int) -> list[tuple[int, int]]:
        """(first frame, end) of the parts that go side by side."""
        longest_useful = frames // (_PART_FIELDS * self.architecture.receptive_field)
        count = max(1, min(torch.get_num_threads(), _MOST_PARTS, longest_useful)) if self.device == "cpu" else 1
        # Every part but the first also goes through the frames before it that its first answer needs.
        before = self.architecture.padding[0]
        share = (frames + (count - 1) * before) / count
        bounds = [0, *(round(i * share - (i - 1) * before) for i in range(1, count)), frames]
        return list(pairwise(bounds))

    def _predict_part(self, points: Tensor, start: int, end: int, answer: Tensor) -> None:
        """Fill `answer` (T, B, J_out x 3) from `start` to `end`."""
        people, frames = points.shape[:2]
        before, late = self.architecture.padding
        first = max(0, start - before)
        with torch.inference_mode():
            stream = None
            # A symmetric network's answer comes as many frames late as it looks ahead.
            for arrived, size in self._blocks_of(people, first, end + late):
                at = torch.arange(arrived, arrived + size).clamp(max=frames - 1)
                block = points[:, at].to(self.device, torch.float32).flatten(2).transpose(0, 1)
                stream = stream or BlockStream(self, block[0], size)
                poses = stream.push(block)
                answered = arrived - late
                skipped = max(0, start - answered)
                poses = poses[skipped : end - answered]
                answer[answered + skipped : answered + skipped + len(poses)] = poses

    def _blocks_of(self, people: int, start: int, end: int) -> Iterator[tuple[int, int]]:
        """(first frame, frames) of each block from `start`, the longest block first, up to `end` or a bit further."""
        size, tile = self.block_frames(people), self.tile_frames(people)
        for first in range(start, end, size):
            left = min(size, end - first)
            # Tiles are so much faster that some frames too many are cheaper than no tiles.
            filled = math.ceil(left / tile) * tile
            yield first, filled if left > _WORTH_FILLING * filled else left


class BlockStream:
    """The state of one run over a sequence: for each convolution over time, the last frames of its input.

    It starts as if the first frame had stood still for ever before.

    Parameters
    ----------
    network : what runs.
    first : (B, J_in x 2) the first frame.
    block_frames : the most frames that one `push` may bring.
    """

    def __init__(self, network: FastNetwork, first: Tensor, block_frames: int) -> None:
        self.network = network
        self.people = len(first)
        self.block_frames = block_frames
        self._layers = [network.expand, *(block[0] for block in network.blocks)]
        self._scratch = Scratch(first.device)
        self._windows = [
            first.new_empty((layer.lost + block_frames) * self.people, layer.inputs) for layer in self._layers
        ]
        frame = first
        for index, (layer, window) in enumerate(zip(self._layers, self._windows, strict=True)):
            window[: (layer.lost + 1) * self.people] = frame.repeat(layer.lost + 1, 1)
            frame = self._advance(index, self.people, None)

    def state_bytes(self) -> int:
        """Memory that the stream holds, whatever the length of the sequence."""
        return sum(window.numel() * window.element_size() for window in self._windows)

    def fork(self, block_frames: int) -> BlockStream:
        """A stream in the same state that goes its own way."""
        twin = object.__new__(BlockStream)
        twin.network, twin.people, twin.block_frames, twin._layers = (
            self.network,
            self.people,
            block_frames,
            self._layers,
        )
        twin._scratch = Scratch(self._windows[0].device)
        twin._windows = []
        for layer, window in zip(self._layers, self._windows, strict=True):
            kept = layer.lost * self.people
            own = window.new_empty(kept + block_frames * self.people, layer.inputs)
            own[:kept] = window[:kept]
            twin._windows.append(own)
        return twin

    def push(self, frames: Tensor) -> Tensor:
        """The next frames (n, B, J_in x 2) to answers (n, B, J_out x 3); n at most `block_frames`.

        With a causal network the answers belong to these frames, with a symmetric one to the frames half a receptive
        field earlier.
        """
        count = len(frames)
        if count > self.block_frames:
            raise ValueError(f"{count} frames are more than the {self.block_frames} of a block")
        rows = count * self.people
        first = self._layers[0].lost * self.people
        self._windows[0][first : first + rows] = frames.flatten(0, 1)
        for index in range(len(self._layers) - 1):
            following = self._layers[index + 1].lost * self.people
            self._advance(index, rows, self._windows[index + 1][following : following + rows])
            self._keep(index, rows)
        last = len(self._layers) - 1
        hidden = self._advance(last, rows, None)
        self._keep(last, rows)
        answer = nn.functional.linear(hidden, self.network.shrink_weight, self.network.shrink_bias)
        return answer.view(count, self.people, -1)

    def _advance(self, index: int, rows: int, out: Tensor | None) -> Tensor:
        """Run layer `index` (with its 1x1 convolution and residual, but for the first) on `rows` new rows."""
        layer = self._layers[index]
        window = self._windows[index]
        hidden = layer(window, rows, self.people, self._scratch)
        if index == 0:
            hidden = hidden.view(rows, -1)
            return hidden if out is None else out.copy_(hidden)
        pointwise = self.network.blocks[index - 1][1]
        branch = pointwise(hidden.view(rows, -1), rows, 1, self._scratch).view(hidden.shape).transpose(0, 1)
        before = layer.lost if self.network.architecture.causal else layer.lost // 2
        residual = window[before * self.people :][:rows]
        result = self._scratch.take("last", tuple(residual.shape)) if out is None else out
        torch.add(residual.view(branch.shape), branch, out=result.view(branch.shape))
        return result

    def _keep(self, index: int, rows: int) -> None:
        """Move the last frames of the window to its beginning, where the next block expects them."""
        kept = self._layers[index].lost * self.people
        last = self._windows[index][rows : rows + kept]
        # A copy on to itself is undefined.
        self._windows[index][:kept] = last.clone() if rows < kept else last
