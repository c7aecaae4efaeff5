"""The semi-supervised terms of section 4: back-projection and bone lengths, for data without 3D labels.

Shape letters: B windows, T frames, J keypoints, K joints.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from lifting.data.cameras import project
from lifting.data.reference_npz import KeypointLayout
from lifting.losses import mpjpe_loss
from poses import Skeleton, UsageError
from poses.skeleton import SKELETONS


@dataclass(frozen=True)
class SharedJoints:
    """The joints that the network's input and its output both have, by name.

    Attributes
    ----------
    keypoints : index of each among the 2D keypoints.
    joints : index of each among the 3D joints.
    """

    keypoints: tuple[int, ...]
    joints: tuple[int, ...]


def input_skeleton(layout: KeypointLayout) -> Skeleton:
    """The skeleton whose joints a layout's keypoints are; archives call it by its name or by that without the number.

    `UsageError` for a layout that is none of the known skeletons.
    """
    for skeleton in SKELETONS.values():
        plain = skeleton.name.rstrip("0123456789")
        if layout.joints == len(skeleton) and layout.name in (skeleton.name, plain, ""):
            left = {j for j, side in enumerate(skeleton.sides) if side == "left"}
            if set(layout.left) == left and all(layout.mirror == skeleton.mirror):
                return skeleton
    raise UsageError(
        f"keypoints {layout.name or 'without a name'!r} ({layout.joints}, left ones {layout.left}) "
        f"are none of the known skeletons ({', '.join(SKELETONS)}), so their joints cannot be told by name",
        "for semi-supervised training use keypoints of one of them",
    )


def shared_joints(given: Skeleton, lifted: Skeleton) -> SharedJoints:
    """Joints of the same name in both; `UsageError` where there is none."""
    names = [name for name in given.joints if name in lifted.joints]
    if not names:
        raise UsageError(f"skeletons {given.name} and {lifted.name} share no joint, so nothing can be projected back")
    return SharedJoints(tuple(given.indices(*names)), tuple(lifted.indices(*names)))


def projection_loss(
    positions_m: Tensor, root_m: Tensor, keypoints: Tensor, intrinsics: Tensor, shared: SharedJoints, linear: bool
) -> Tensor:
    """Mean distance on the screen between the keypoints and the predicted people, projected back.

    Parameters
    ----------
    positions_m, root_m : (B, T, K, 3) joints relative to the root, (B, T, 1, 3) the root in the camera frame.
    keypoints, intrinsics : (B, T, J, 2) and (B, 9), in screen coordinates.
    linear : leave the lens distortion out.
    """
    joints = (positions_m + root_m)[:, :, list(shared.joints)]
    return mpjpe_loss(project(joints, intrinsics, linear), keypoints[:, :, list(shared.keypoints)])


def bone_length_loss(labelled_m: Tensor, unlabelled_m: Tensor, bones: Tensor) -> Tensor:
    """Mean over the bones of how much their mean lengths differ between two sets of predictions, metres.

    Section 4's constraint on the skeletons of the unlabelled half: predicted joints (B, T, K, 3) of both halves,
    `bones` (bones, 2) pairs of joints. The lengths are Euclidean (L2) and their difference enters as its absolute
    value, as in the reference implementation.
    """

    def mean_lengths(joints: Tensor) -> Tensor:
        return (joints[:, :, bones[:, 0]] - joints[:, :, bones[:, 1]]).norm(dim=-1).mean(dim=(0, 1))

    return (mean_lengths(labelled_m) - mean_lengths(unlabelled_m)).abs().mean()


def bones_of(skeleton: Skeleton, device: str) -> Tensor:
    """(bones, 2) int64 on the device."""
    return torch.from_numpy(skeleton.bones).to(device)
