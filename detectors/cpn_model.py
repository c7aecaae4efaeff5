"""The cascaded pyramid network (CPN): a ResNet, GlobalNet over its pyramid of features, RefineNet over that.

Source: Chen et al., "Cascaded Pyramid Network for Multi-Person Pose Estimation" (CVPR 2018, arXiv 1711.07319).
Modules bear the names that the public PyTorch checkpoints (github.com/GengDavid/pytorch-cpn) have, ResNet's are also
those of torchvision; where a number stands in a name, it is the place in those files.

Shape letters: N people, J joints, C channels, H and W of the input. Heatmaps are H/4 high and W/4 wide.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import torch
import torch.nn.functional as F
from torch import Tensor, nn

LEVELS = 4
INPUT_MULTIPLE = 32
"""Height and width of the input must be multiples of this, the stride of the deepest features."""


@dataclass(frozen=True)
class CpnArchitecture:
    """Sizes of the network; the defaults are CPN-50 of the paper.

    Attributes
    ----------
    joints : heatmaps.
    blocks : residual blocks in each of ResNet's four layers.
    width : channels after ResNet's first convolution; a layer has 4, 8, 16, 32 times as many.
    pyramid : channels of GlobalNet's features; RefineNet's blocks are half as wide inside.
    """

    joints: int = 17
    blocks: tuple[int, int, int, int] = (3, 4, 6, 3)
    width: int = 64
    pyramid: int = 256

    @classmethod
    def named(cls, name: str, joints: int = 17) -> CpnArchitecture:
        """One of `ARCHITECTURES`; `KeyError` for another name."""
        return replace(ARCHITECTURES[name], joints=joints)

    @classmethod
    def of_state(cls, state: Mapping[str, Tensor]) -> CpnArchitecture:
        """What the tensors of a file belong to; what it does not tell is as in CPN-50."""

        def channels(name: str, default: int) -> int:
            return state[name].shape[0] if name in state and state[name].ndim else default

        def count(layer: int, default: int) -> int:
            return sum(f"resnet.layer{layer}.{i}.conv1.weight" in state for i in range(64)) or default

        usual = cls()
        first, second, third, fourth = (count(i + 1, usual.blocks[i]) for i in range(LEVELS))
        return cls(
            channels("refine_net.final_predict.1.weight", usual.joints),
            (first, second, third, fourth),
            channels("resnet.conv1.weight", usual.width),
            channels("global_net.laterals.0.0.weight", usual.pyramid),
        )


ARCHITECTURES = {
    "r50": CpnArchitecture(),
    "r101": CpnArchitecture(blocks=(3, 4, 23, 3)),
    "small": CpnArchitecture(blocks=(1, 1, 1, 1), width=16, pyramid=64),
}
"""`small` is for tests and for proofs that training works: 0.8 million parameters instead of 27 million."""


class Bottleneck(nn.Module):
    """Convolutions of 1, 3 and 1 pixels with a short cut, which has a convolution where `shortcut` says so."""

    def __init__(self, channels: int, inside: int, out: int, stride: int, shortcut: bool) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(channels, inside, 1, bias=False)
        self.bn1 = nn.BatchNorm2d(inside)
        self.conv2 = nn.Conv2d(inside, inside, 3, stride, padding=1, bias=False)
        self.bn2 = nn.BatchNorm2d(inside)
        self.conv3 = nn.Conv2d(inside, out, 1, bias=False)
        self.bn3 = nn.BatchNorm2d(out)
        self.downsample = (
            nn.Sequential(nn.Conv2d(channels, out, 1, stride, bias=False), nn.BatchNorm2d(out)) if shortcut else None
        )

    def forward(self, x: Tensor) -> Tensor:
        y = F.relu(self.bn1(self.conv1(x)))
        y = F.relu(self.bn2(self.conv2(y)))
        y = self.bn3(self.conv3(y))
        return F.relu(y + (x if self.downsample is None else self.downsample(x)))


class ResNet(nn.Module):
    """(N, 3, H, W) -> features of its four layers, deepest first: strides 32, 16, 8, 4."""

    def __init__(self, blocks: Sequence[int], width: int) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(3, width, 7, stride=2, padding=3, bias=False)
        self.bn1 = nn.BatchNorm2d(width)
        channels = width
        for level, count in enumerate(blocks):
            inside, out = width * 2**level, 4 * width * 2**level
            layer = nn.Sequential()
            for block in range(count):
                stride = 2 if level and not block else 1
                layer.append(Bottleneck(channels, inside, out, stride, shortcut=not block))
                channels = out
            setattr(self, f"layer{level + 1}", layer)

    def forward(self, x: Tensor) -> list[Tensor]:
        x = F.max_pool2d(F.relu(self.bn1(self.conv1(x))), 3, stride=2, padding=1)
        features = []
        for level in range(LEVELS):
            x = getattr(self, f"layer{level + 1}")(x)
            features.append(x)
        return features[::-1]


class _Resize(nn.Module):
    """Bilinear with corners aligned, as the public checkpoints were trained; keeps a place among numbered layers."""

    def forward(self, x: Tensor, size_hw: tuple[int, int]) -> Tensor:
        return F.interpolate(x, size=size_hw, mode="bilinear", align_corners=True)


class _Layers(nn.ModuleList):
    """Layers one after the other, those that change the size of the map to `size_hw`."""

    def forward(self, x: Tensor, size_hw: tuple[int, int]) -> Tensor:
        for layer in self:
            x = layer(x, size_hw) if isinstance(layer, _Resize) else layer(x)
        return x


class GlobalNet(nn.Module):
    """ResNet's features, deepest first -> the pyramid's features and a set of heatmaps from each, deepest first."""

    def __init__(self, channels: Sequence[int], pyramid: int, joints: int) -> None:
        super().__init__()
        self.laterals = nn.ModuleList(
            nn.Sequential(nn.Conv2d(c, pyramid, 1, bias=False), nn.BatchNorm2d(pyramid), nn.ReLU()) for c in channels
        )
        self.upsamples = nn.ModuleList(
            _Layers([_Resize(), nn.Conv2d(pyramid, pyramid, 1, bias=False), nn.BatchNorm2d(pyramid)])
            for _ in channels[1:]
        )
        self.predict = nn.ModuleList(
            _Layers(
                [
                    nn.Conv2d(pyramid, pyramid, 1, bias=False),
                    nn.BatchNorm2d(pyramid),
                    nn.ReLU(),
                    nn.Conv2d(pyramid, joints, 3, padding=1, bias=False),
                    _Resize(),
                    nn.BatchNorm2d(joints),
                ]
            )
            for _ in channels
        )

    def forward(self, features: Sequence[Tensor]) -> tuple[list[Tensor], list[Tensor]]:
        pyramid: list[Tensor] = []
        for level, feature in enumerate(features):
            lateral = self.laterals[level](feature)
            if level:
                lateral = lateral + self.upsamples[level - 1](pyramid[-1], _size(lateral))
            pyramid.append(lateral)
        size = _size(features[-1])
        return pyramid, [predict(p, size) for predict, p in zip(self.predict, pyramid, strict=True)]


class RefineNet(nn.Module):
    """The pyramid's features, deepest first -> (N, J, H/4, W/4) heatmaps; the deeper the feature, the more blocks."""

    def __init__(self, pyramid: int, joints: int) -> None:
        super().__init__()
        inside = pyramid // 2
        self.cascade = nn.ModuleList(
            _Layers(
                [Bottleneck(pyramid, inside, pyramid, 1, shortcut=True) for _ in range(LEVELS - 1 - level)]
                + [_Resize()]
            )
            for level in range(LEVELS)
        )
        self.final_predict = nn.Sequential(
            Bottleneck(LEVELS * pyramid, inside, pyramid, 1, shortcut=True),
            nn.Conv2d(pyramid, joints, 3, padding=1, bias=False),
            nn.BatchNorm2d(joints),
        )

    def forward(self, pyramid: Sequence[Tensor]) -> Tensor:
        size = _size(pyramid[-1])
        refined = [layers(p, size) for layers, p in zip(self.cascade, pyramid, strict=True)]
        return self.final_predict(torch.cat(refined, dim=1))


class CascadedPyramidNetwork(nn.Module):
    """(N, 3, H, W) images -> GlobalNet's heatmaps, deepest first, and RefineNet's: all (N, J, H/4, W/4).

    H and W are multiples of `INPUT_MULTIPLE`: 384 and 288 for the weights of the paper, 256 and 192 for the small ones.
    """

    def __init__(self, architecture: CpnArchitecture | None = None) -> None:
        super().__init__()
        self.architecture = a = architecture or CpnArchitecture()
        self.resnet = ResNet(a.blocks, a.width)
        self.global_net = GlobalNet([a.width * c for c in (32, 16, 8, 4)], a.pyramid, a.joints)
        self.refine_net = RefineNet(a.pyramid, a.joints)
        for module in self.modules():
            if isinstance(module, nn.Conv2d):
                nn.init.kaiming_normal_(module.weight, mode="fan_out", nonlinearity="relu")

    def forward(self, images: Tensor) -> tuple[list[Tensor], Tensor]:
        pyramid, heatmaps = self.global_net(self.resnet(images))
        return heatmaps, self.refine_net(pyramid)

    def heatmaps(self, images: Tensor) -> Tensor:
        """Those that count in use: RefineNet's."""
        pyramid, _ = self.global_net(self.resnet(images))
        return self.refine_net(pyramid)


def without_upsample_biases(state: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """The tensors of a file for this network; those of a public file from before September 2018 are converted.

    There GlobalNet's upsampling convolutions had biases. The batch norm behind each takes the mean away, so a bias
    is the same as a mean that is smaller by it.
    """
    converted = dict(state)
    for name, bias in state.items():
        mean = name.removesuffix("1.bias") + "2.running_mean"
        if name.startswith("global_net.upsamples.") and name.endswith(".1.bias") and mean in state:
            converted[mean] = state[mean] - bias
            del converted[name]
    return converted


def _size(features: Tensor) -> tuple[int, int]:
    return features.shape[-2], features.shape[-1]
