"""A lifter adapted to one video by the terms of section 4 for data without labels: back-projection and bone lengths.

The people of a video are few, and each keeps her body. So the last layers of a copy of both networks are fitted to the
video itself, all people together, for a moment: the pose moved by the trajectory must fall on the keypoints, each
person's bones keep one length, the same left and right, and no answer goes far from what it was. What the layers
before give stays as it is, so it is computed once, and a step costs next to nothing.

The paper compares mean bone lengths of labelled and unlabelled data. Here nothing is labelled: the goal is the mean
length that the unchanged network gives each bone, the same left and right, so that the scale cannot drift.

Nothing is random: the same keypoints give the same weights.

Shape letters: N frames of all people together, V views of a frame (itself and, with flip averaging, its mirror image),
C channels, J keypoints, K joints, S joints that both have.
"""

from __future__ import annotations

import copy
import logging
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor, nn

from lifting.canonical import REFERENCE_FOCAL
from lifting.inference import flip as mirror_image
from lifting.lifter import Lifter
from lifting.model import TemporalModel
from lifting.parallel import one_thread
from lifting.person_frame import EXTRA_POINTS, PersonFrame, normalise
from lifting.root import trusted_joints
from poses import Skeleton

log = logging.getLogger(__name__)

_CHUNK_FRAMES = 2048
_SMALLEST_DEPTH_M = 0.3


@dataclass(frozen=True)
class Adaptation:
    """How a lifter is adapted; the values were chosen on held-out clips and a recording that no result reports on.

    Attributes
    ----------
    steps : of Adam over all frames at once.
    step_m : how far a step may move a joint, about, at first.
    bone_weight : of the bone lengths' error beside that of the back-projection.
    stay_m : a mean square distance from the first answer of this, squared, costs as much as this distance in the
        back-projection.
    robust_m : the back-projection's error of a keypoint counts hardly more beyond this distance at the person.
    keypoints : frames with fewer observed keypoints are left out.
    frames : the most that are fitted; of more, evenly many are taken.
    """

    steps: int = 120
    step_m: float = 0.03
    bone_weight: float = 1.5
    stay_m: float = 0.08
    robust_m: float = 0.05
    keypoints: int = 4
    frames: int = 3000

    def __post_init__(self) -> None:
        if min(self.steps, self.keypoints, self.frames) < 1:
            raise ValueError(f"steps, keypoints and frames must be at least 1, got {self}")


@dataclass(frozen=True)
class Stretch:
    """One person in unbroken frames at the lifter's rate.

    Attributes
    ----------
    person : her number; the bones of all her stretches are the same.
    keypoints : (T, J, 2) canonical, without NaN.
    weights : (T, J) how much each keypoint counts; 0 for one that was not observed.
    """

    person: int
    keypoints: np.ndarray
    weights: np.ndarray


def adapt(
    lifter: Lifter, stretches: Sequence[Stretch], flip: bool = True, adaptation: Adaptation | None = None
) -> Lifter:
    """A lifter whose last layers are fitted to these people; `lifter` and its file stay as they are.

    `flip` says whether answers will be averaged with those to the mirror image. Where too little was observed to fit
    anything, the answer is `lifter` itself.
    """
    adaptation = adaptation or Adaptation()
    clip = _Clip.of(lifter, stretches, flip, adaptation)
    if clip is None:
        log.info("the lifter is not adapted: no frame has %d observed keypoints", adaptation.keypoints)
        return lifter
    position, trajectory = (copy.deepcopy(network) for network in lifter.networks)
    heads = (
        _Head(position.shrink, clip.pose_features, lifter.output_skeleton.mirror, adaptation.step_m),
        _Head(trajectory.shrink, clip.root_features, np.array([0]), adaptation.step_m),
    )
    with one_thread():
        before, after = _fit(clip, heads, lifter.output_skeleton, adaptation)
    log.info("adapted the lifter to the video: loss %.1f mm, before %.1f mm", 1000 * after, 1000 * before)
    return lifter.with_networks(position, trajectory, "adapted to the video")


def _fit(clip: _Clip, heads: tuple[_Head, _Head], skeleton: Skeleton, adaptation: Adaptation) -> tuple[float, float]:
    """Fit the last layers in place; returns the loss before, and before the last step."""
    optimiser = torch.optim.Adam([{"params": head.parameters} for head in heads], betas=(0.9, 0.99))
    terms = _Terms(clip, skeleton, *_answer(clip, heads), adaptation)
    losses: list[float] = []
    for step in range(adaptation.steps):
        for group, head in zip(optimiser.param_groups, heads, strict=True):
            # Full steps for the first half, then ever smaller ones.
            group["lr"] = head.rate * min(1.0, 2 * (1 - step / adaptation.steps))
        optimiser.zero_grad()
        loss = terms(*_answer(clip, heads))
        loss.backward()
        optimiser.step()
        losses.append(float(loss.detach()))
    return losses[0], losses[-1]


@dataclass(frozen=True)
class _Clip:
    """What is fitted, frames of all stretches one after the other.

    Attributes
    ----------
    pose_features, root_features : (V, N, C) what the last layers see.
    frame : (N,) the cameras that look at the person.
    rays : (N, S, 2) of the keypoints. weights : (N, S), their mean 1.
    joints : S indices among the lifted ones. people : (N,) bool of each person.
    """

    pose_features: Tensor
    root_features: Tensor
    frame: PersonFrame
    rays: Tensor
    weights: Tensor
    joints: list[int]
    people: list[Tensor]

    @classmethod
    def of(cls, lifter: Lifter, stretches: Sequence[Stretch], flip: bool, adaptation: Adaptation) -> _Clip | None:
        own, lifted, trust = trusted_joints(lifter.input_skeleton)
        every = -(-sum(len(stretch.keypoints) for stretch in stretches) // adaptation.frames)
        parts: list[tuple[Tensor, ...]] = []
        person: list[int] = []
        for stretch in stretches:
            fit = np.flatnonzero((stretch.weights[:, own] > 0).sum(axis=1) >= adaptation.keypoints)[::every]
            if not len(fit):
                continue
            points, frame = normalise(torch.from_numpy(stretch.keypoints.astype(np.float32)), lifter.input_skeleton)
            views = [points, mirror_image(points, _points_mirror(lifter))] if flip else [points]
            pose, root = (_features(network, torch.stack(views), lifter.device)[:, fit] for network in lifter.networks)
            rays, weights = stretch.keypoints[fit][:, own] / REFERENCE_FOCAL, stretch.weights[fit][:, own] * trust
            shared = (torch.from_numpy(a.astype(np.float32)) for a in (rays, weights))
            parts.append((pose.transpose(0, 1), root.transpose(0, 1), frame.rotation[fit], frame.spread[fit], *shared))
            person += [stretch.person] * len(fit)
        if not parts:
            return None
        pose, root, rotation, spread, rays_, weights_ = (torch.cat(column) for column in zip(*parts, strict=True))
        number = torch.tensor(person)
        return cls(
            pose.transpose(0, 1).contiguous(),
            root.transpose(0, 1).contiguous(),
            PersonFrame(rotation, spread),
            rays_,
            weights_ / weights_.mean(),
            lifted,
            [number == one for one in number.unique()],
        )


def _points_mirror(lifter: Lifter) -> np.ndarray:
    count = len(lifter.input_skeleton)
    return np.concatenate([lifter.input_skeleton.mirror, count + np.arange(EXTRA_POINTS)])


def _features(network: TemporalModel, points: Tensor, device: str) -> Tensor:
    """What the last layer sees of sequences (V, T, J + 2, 2), both ends repeated: (V, T, C) on the CPU."""
    before, after = network.architecture.padding
    frames = points.shape[1]
    at = torch.arange(-before, frames + after).clamp(0, frames - 1)
    points = points[:, at].to(device)
    network = copy.deepcopy(network).to(device).eval()
    with torch.no_grad():
        chunks = [
            network.features(points[:, first : first + _CHUNK_FRAMES + before + after]).cpu()
            for first in range(0, frames, _CHUNK_FRAMES)
        ]
    return torch.cat(chunks, dim=2).transpose(1, 2)


class _Head:
    """The last layer of a network over features that do not change.

    Parameters
    ----------
    layer : is fitted in place. features : (V, N, C). mirror : which joint takes each one's place in the mirror image.
    step_m : how far one step moves an answer, about.
    """

    def __init__(self, layer: nn.Conv1d, features: Tensor, mirror: np.ndarray, step_m: float) -> None:
        self.parameters = list(layer.parameters())
        # Adam moves every weight by the rate, whatever the features' size.
        self.rate = step_m / float(features.abs().sum(dim=-1).mean() + 1)
        self._layer, self._features = layer, features
        self._mirror = torch.from_numpy(mirror.copy())

    def __call__(self) -> Tensor:
        """(N, K, 3), the mean over the views."""
        answer = nn.functional.linear(self._features, self._layer.weight[..., 0], self._layer.bias)
        answer = answer.unflatten(-1, (-1, 3))
        if len(answer) == 1:
            return answer[0]
        return (answer[0] + answer[1][:, self._mirror] * answer.new_tensor([-1, 1, 1])) / 2


def _answer(clip: _Clip, heads: tuple[_Head, _Head]) -> tuple[Tensor, Tensor]:
    """Joints relative to the root (N, K, 3) and the root (N, 1, 3) in the camera frame."""
    positions, root = clip.frame.positions_to_camera(heads[0]()), clip.frame.root_to_camera(heads[1]())
    return positions - positions[:, :1], root


class _Terms:
    """The loss, in metres: back-projection, bone lengths, and how far the answers went from the first ones."""

    def __init__(
        self, clip: _Clip, skeleton: Skeleton, positions_m: Tensor, root_m: Tensor, adaptation: Adaptation
    ) -> None:
        self._clip, self._options = clip, adaptation
        self._bones = torch.from_numpy(skeleton.bones)
        self._first = positions_m.detach()
        self._depth = root_m.detach()[..., 2:].clamp(min=_SMALLEST_DEPTH_M)
        lengths = self._lengths(self._first)
        self._goal = torch.zeros_like(lengths)
        for rows in clip.people:
            mean = lengths[rows].mean(dim=0)
            self._goal[rows] = (mean + mean[_mirrored_bones(skeleton)]) / 2

    def _lengths(self, positions_m: Tensor) -> Tensor:
        return (positions_m[:, self._bones[:, 0]] - positions_m[:, self._bones[:, 1]]).norm(dim=-1)

    def __call__(self, positions_m: Tensor, root_m: Tensor) -> Tensor:
        return (
            self.back_projection(positions_m, root_m)
            + self._options.bone_weight * (self._lengths(positions_m) - self._goal).abs().mean()
            + (positions_m - self._first).square().sum(dim=-1).mean() / self._options.stay_m
        )

    def back_projection(self, positions_m: Tensor, root_m: Tensor) -> Tensor:
        """Mean distance between joints and keypoints across the view at the person; far ones count hardly more.

        Geman and McClure's robust function, a soft step, times twice its width so that it is in metres.
        """
        joints = (positions_m + root_m)[:, self._clip.joints]
        seen = joints[..., :2] / joints[..., 2:].clamp(min=_SMALLEST_DEPTH_M / 3)
        square = ((seen - self._clip.rays) * self._depth).square().sum(dim=-1)
        width = self._options.robust_m
        return (self._clip.weights * 2 * width * square / (square + width**2)).mean()


def _mirrored_bones(skeleton: Skeleton) -> Tensor:
    """(bones,) number of the bone on the other side, of `skeleton.bones`."""
    pairs = [frozenset(map(int, bone)) for bone in skeleton.bones]
    return torch.tensor([pairs.index(frozenset(int(skeleton.mirror[j]) for j in pair)) for pair in pairs])
