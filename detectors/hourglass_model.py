"""The stacked hourglass network.

Source: Newell, Yang, Deng, "Stacked Hourglass Networks for Human Pose Estimation" (ECCV 2016, arXiv 1603.06937).
Modules bear the names that the public PyTorch checkpoints (github.com/bearpaw/pytorch-pose, and the ports that follow
it) have; where a number stands in a name, it is the place in those files.

Shape letters: N people, J joints, C channels, H and W of the input. Heatmaps are H/4 high and W/4 wide.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace

import torch.nn.functional as F
from torch import Tensor, nn

DEPTH = 4
"""How often an hourglass halves its map."""
INPUT_MULTIPLE = 4 * 2**DEPTH
"""Height and width of the input must be multiples of this."""


@dataclass(frozen=True)
class HourglassArchitecture:
    """Sizes of the network; the defaults are eight stacks.

    Attributes
    ----------
    joints : heatmaps.
    stacks : hourglasses one after the other.
    blocks : residual blocks at each place of an hourglass.
    width : channels of the maps inside a block; between blocks there are twice as many.
    """

    joints: int = 16
    stacks: int = 8
    blocks: int = 1
    width: int = 128

    @classmethod
    def named(cls, name: str, joints: int = 16) -> HourglassArchitecture:
        """One of `ARCHITECTURES`; `KeyError` for another name."""
        return replace(ARCHITECTURES[name], joints=joints)

    @classmethod
    def of_state(cls, state: Mapping[str, Tensor]) -> HourglassArchitecture:
        """What the tensors of a file belong to; what it does not tell is as in the eight stacks."""
        usual = cls()
        last = state.get("score.0.weight")
        return cls(
            joints=last.shape[0] if last is not None and last.ndim else usual.joints,
            stacks=sum(f"score.{i}.weight" in state for i in range(64)) or usual.stacks,
            blocks=sum(f"hg.0.hg.0.0.{i}.conv1.weight" in state for i in range(64)) or usual.blocks,
            width=last.shape[1] // 2 if last is not None and last.ndim == 4 else usual.width,
        )


ARCHITECTURES = {
    "hg2": HourglassArchitecture(stacks=2),
    "hg8": HourglassArchitecture(),
    "small": HourglassArchitecture(stacks=2, width=16),
}
"""`small` is for tests."""


class Residual(nn.Module):
    """Batch norm, ReLU, convolution: three times, of 1, 3 and 1 pixels; twice `inside` channels come out."""

    def __init__(self, channels: int, inside: int) -> None:
        super().__init__()
        self.bn1 = nn.BatchNorm2d(channels)
        self.conv1 = nn.Conv2d(channels, inside, 1)
        self.bn2 = nn.BatchNorm2d(inside)
        self.conv2 = nn.Conv2d(inside, inside, 3, padding=1)
        self.bn3 = nn.BatchNorm2d(inside)
        self.conv3 = nn.Conv2d(inside, 2 * inside, 1)
        self.downsample = nn.Sequential(nn.Conv2d(channels, 2 * inside, 1)) if channels != 2 * inside else None

    def forward(self, x: Tensor) -> Tensor:
        y = self.conv1(F.relu(self.bn1(x)))
        y = self.conv2(F.relu(self.bn2(y)))
        y = self.conv3(F.relu(self.bn3(y)))
        return y + (x if self.downsample is None else self.downsample(x))


def _residuals(count: int, width: int) -> nn.Sequential:
    return nn.Sequential(*(Residual(2 * width, width) for _ in range(count)))


class Hourglass(nn.Module):
    """(N, C, h, w) -> the same, seen at `DEPTH` + 1 scales. Level 0 is the coarsest."""

    def __init__(self, blocks: int, width: int) -> None:
        super().__init__()
        # At each level: beside the coarser scales, before them, after them; at the coarsest also between.
        self.hg = nn.ModuleList(
            nn.ModuleList(_residuals(blocks, width) for _ in range(3 if level else 4)) for level in range(DEPTH)
        )

    def forward(self, x: Tensor) -> Tensor:
        return self._at(DEPTH - 1, x)

    def _at(self, level: int, x: Tensor) -> Tensor:
        places = self.hg[level]
        assert isinstance(places, nn.ModuleList)
        beside, before, after = places[0], places[1], places[2]
        coarse = before(F.max_pool2d(x, 2))
        coarse = self._at(level - 1, coarse) if level else places[3](coarse)
        return beside(x) + F.interpolate(after(coarse), scale_factor=2, mode="nearest")


class StackedHourglass(nn.Module):
    """(N, 3, H, W) images -> (N, J, H/4, W/4) heatmaps of every stack, the last one's last.

    H and W are multiples of `INPUT_MULTIPLE`: 256 and 256 for the weights of the paper.
    """

    def __init__(self, architecture: HourglassArchitecture | None = None) -> None:
        super().__init__()
        self.architecture = a = architecture or HourglassArchitecture()
        channels = 2 * a.width
        self.conv1 = nn.Conv2d(3, a.width // 2, 7, stride=2, padding=3)
        self.bn1 = nn.BatchNorm2d(a.width // 2)
        self.layer1 = nn.Sequential(Residual(a.width // 2, a.width // 2))
        self.layer2 = nn.Sequential(Residual(a.width, a.width))
        self.layer3 = nn.Sequential(Residual(channels, a.width))
        self.hg = nn.ModuleList(Hourglass(a.blocks, a.width) for _ in range(a.stacks))
        self.res = nn.ModuleList(_residuals(a.blocks, a.width) for _ in range(a.stacks))
        self.fc = nn.ModuleList(
            nn.Sequential(nn.Conv2d(channels, channels, 1), nn.BatchNorm2d(channels), nn.ReLU())
            for _ in range(a.stacks)
        )
        self.score = nn.ModuleList(nn.Conv2d(channels, a.joints, 1) for _ in range(a.stacks))
        # What a stack hands on to the next: its features and its heatmaps.
        self.fc_ = nn.ModuleList(nn.Conv2d(channels, channels, 1) for _ in range(a.stacks - 1))
        self.score_ = nn.ModuleList(nn.Conv2d(a.joints, channels, 1) for _ in range(a.stacks - 1))

    def forward(self, images: Tensor) -> list[Tensor]:
        x = F.relu(self.bn1(self.conv1(images)))
        x = self.layer3(self.layer2(F.max_pool2d(self.layer1(x), 2)))
        heatmaps: list[Tensor] = []
        for stack, hourglass in enumerate(self.hg):
            y = self.fc[stack](self.res[stack](hourglass(x)))
            heatmaps.append(self.score[stack](y))
            if stack + 1 < len(self.hg):
                x = x + self.fc_[stack](y) + self.score_[stack](heatmaps[-1])
        return heatmaps

    def heatmaps(self, images: Tensor) -> Tensor:
        """Those that count in use: the last stack's."""
        return self.forward(images)[-1]
