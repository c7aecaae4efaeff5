"""Starting a training from trained networks: more frames, other keypoints, or causal instead of symmetric.

A temporal network of five filter widths is one of four with a residual block more, a causal one is the symmetric one
that answers late, and one for other keypoints differs in its first layer. So trained weights are a better start than
random ones, although some of the work is left to do.
"""

from __future__ import annotations

import torch

from lifting.model import TemporalModel
from lifting.person_frame import EXTRA_POINTS
from poses import InputError, Skeleton

_NEW_BLOCK_GAIN = 0.05
"""Of a new residual block's last batch norm: all but the identity, yet not zero, where ReLU passes no gradient."""


def transfer(
    source: TemporalModel, target: TemporalModel, source_skeleton: Skeleton, target_skeleton: Skeleton, where: str
) -> None:
    """Copy the weights of `source` into `target`, in place.

    Further blocks of `target` begin as near the identity. Joints of its input that `source` lacks keep their random
    weights; the others, and the extra points, take their own. `InputError` names `where` the source came from when
    channels, filter widths or outputs differ.
    """
    old, new = source.architecture, target.architecture
    known = old.filter_widths == new.filter_widths[: len(old.filter_widths)]
    if not known or old.dense or new.dense or (old.channels, old.output_joints) != (new.channels, new.output_joints):
        raise InputError(
            f"{where}: filter widths {old.filter_widths}, {old.channels} channels and {old.output_joints} joints "
            f"cannot become {new.filter_widths}, {new.channels} channels and {new.output_joints} joints",
            "the widths must begin with those of the weights to start from, channels and outputs be the same",
        )
    state = {name: tensor for name, tensor in source.state_dict().items() if name != "expand_conv.weight"}
    target.load_state_dict(state, strict=False)
    with torch.no_grad():
        for block in range(len(old.filter_widths) - 1, len(new.filter_widths) - 1):
            target.layers_bn[2 * block + 1].weight.fill_(_NEW_BLOCK_GAIN)  # type: ignore[operator]
        _copy_first_layer(source, target, source_skeleton, target_skeleton)


def _copy_first_layer(
    source: TemporalModel, target: TemporalModel, source_skeleton: Skeleton, target_skeleton: Skeleton
) -> None:
    pairs = [
        (source_skeleton.index(joint), target_skeleton.index(joint))
        for joint in target_skeleton.joints
        if joint in source_skeleton.joints
    ]
    pairs += [(len(source_skeleton) + extra, len(target_skeleton) + extra) for extra in range(EXTRA_POINTS)]
    for theirs, ours in pairs:
        for axis in (0, 1):
            target.expand_conv.weight[:, 2 * ours + axis] = source.expand_conv.weight[:, 2 * theirs + axis]
