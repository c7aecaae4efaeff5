"""The keypoints that a lifter takes: those it was trained for, or such as become them joint by joint."""

from __future__ import annotations

import dataclasses
import logging

import numpy as np

from lifting.card import read_card
from lifting.lifter import Lifter, lifter_names, weights_path
from poses import Skeleton, Tracks, UsageError, conversions, convert_keypoints

log = logging.getLogger(__name__)

AUTO = "auto"
"""In place of a lifter's name: the bundled one that suits the keypoints."""


def bundled_lifter_for(skeleton: Skeleton) -> str:
    """Name of the bundled weights for these keypoints: symmetric, with the most frames; own joints before converted.

    `UsageError` where no bundled weights take them.
    """
    cards = {name: read_card(weights_path(name)) for name in lifter_names()}
    for wanted in (skeleton.name, *conversions(skeleton)):
        fitting = {
            name: card.position.receptive_field
            for name, card in cards.items()
            if card.input_skeleton == wanted and not card.position.causal
        }
        if fitting:
            return max(fitting, key=lambda name: (fitting[name], name))
    raise UsageError(
        f"no bundled lifter takes {skeleton.name} keypoints, nor what they can be converted to",
        "choose another --detector, or give --lifter a file",
    )


def check_input_skeleton(skeleton: Skeleton, lifter: Lifter) -> None:
    """`UsageError` unless keypoints of `skeleton` are the lifter's, or can be converted to them.

    It names the skeleton, the one that the lifter was trained for, and the conversions there are.
    """
    wanted = lifter.input_skeleton.name
    possible = conversions(skeleton)
    if wanted not in (skeleton.name, *possible):
        raise UsageError(
            f"lifter {lifter.card.name} was trained for {wanted} keypoints, the detector gives {skeleton.name}, "
            f"which can be converted to {', '.join(possible) or 'no other skeleton'}",
            "choose another --detector or --lifter",
        )


def to_input_skeleton(tracks: Tracks, lifter: Lifter) -> Tracks:
    """`tracks` with the lifter's keypoints: the same rows. `UsageError` as `check_input_skeleton`.

    A joint between two others is observed where both are.
    """
    check_input_skeleton(tracks.skeleton, lifter)
    source, target = tracks.skeleton, lifter.input_skeleton
    if source.name == target.name:
        return tracks
    log.info("converting %s keypoints to %s, which lifter %s takes", source.name, target.name, lifter.card.name)
    keypoints_px, score = convert_keypoints(tracks.keypoints_px, tracks.keypoint_score, source, target)
    masks = {
        name: np.asarray(convert_keypoints(tracks.keypoints_px, getattr(tracks, name), source, target)[1])
        for name in ("observed", "swapped")
    }
    return dataclasses.replace(tracks, keypoints_px=keypoints_px, keypoint_score=score, skeleton=target, **masks)
