"""A lifter made wrong on purpose, adapted to people whose keypoints are known."""

from __future__ import annotations

import hashlib
import math
from pathlib import Path

import numpy as np
import pytest
import torch

from lifting.adapt import Adaptation, Stretch, adapt
from lifting.canonical import REFERENCE_FOCAL, to_canonical
from lifting.card import read_card
from lifting.lift import LiftOptions, lift
from lifting.lifter import Lifter, lifter_names, weights_path
from lifting.metrics import bone_length_variation, bone_lengths, mpjpe, side_length_difference
from lifting.unseen import fill_unseen_joints
from poses import COCO17, H36M17, Intrinsics, Poses3D, Tracks
from tests.motion import (
    camera_from_world,
    coco_joints,
    coco_keypoints,
    h36m_joints,
    jumping_jack,
    tracks_of,
    transform_points,
    walker,
)

CAMERA = Intrinsics.from_fov(math.radians(60), 1280, 720)
SHARED = [joint for joint in COCO17.joints if joint in H36M17.joints]

bundled = pytest.mark.skipif(not lifter_names(), reason="no weights lie in lifting/weights")


def bundled_name() -> str:
    """Of the bundled lifters of COCO's keypoints the one that sees the fewest frames, which is the quickest."""
    cards = {name: read_card(weights_path(name)) for name in lifter_names()}
    names = [name for name, card in cards.items() if card.input_skeleton == COCO17.name and not card.position.causal]
    return min(names, key=lambda name: (cards[name].position.receptive_field, name))


def people_m(frames: int = 60) -> list[np.ndarray]:
    """Two people (T, K, 3) in the camera frame, at 50 Hz."""
    camera = camera_from_world(0.6, -0.1)
    walking = walker(frames / 50, 50.0, start_m=(-1.0, 0.0))
    jumping = jumping_jack(frames / 50, 50.0, math.pi) + np.array([0.6, 0.8, 0.0])
    return [transform_points(camera, joints) for joints in (walking, jumping)]


def stretches(people: list[np.ndarray]) -> list[Stretch]:
    """Exact keypoints, all observed."""
    return [
        Stretch(person, to_canonical(coco_keypoints(joints, CAMERA), CAMERA), np.ones((len(joints), len(COCO17))))
        for person, joints in enumerate(people)
    ]


def wrong_lifter(error: float = 0.1, seed: int = 3) -> Lifter:
    """A bundled lifter with the last layers' weights moved at random by about this part of their size."""
    lifter = Lifter.load(bundled_name())
    generator = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for network in lifter.networks:
            weight = network.shrink.weight
            weight += error * weight.std() * torch.randn(weight.shape, generator=generator)
    return lifter.with_networks(*lifter.networks, "spoilt")


def off_the_picture_m(lifter: Lifter, sequence: Stretch, truth_m: np.ndarray) -> float:
    """Mean distance of the lifted joints' directions from the true ones', at the person's distance."""
    positions, root = lifter(sequence.keypoints)
    lifted = (positions + root[:, None])[:, H36M17.indices(*SHARED)]
    true = coco_joints(truth_m)[:, COCO17.indices(*SHARED)]
    apart = lifted[..., :2] / lifted[..., 2:] - true[..., :2] / true[..., 2:]
    return float(np.linalg.norm(apart, axis=-1).mean() * truth_m[..., 2].mean())


@bundled
def test_a_spoilt_lifter_comes_back_to_the_keypoints_and_to_rigid_bones() -> None:
    people = people_m()
    given = stretches(people)
    spoilt = wrong_lifter()
    adapted = adapt(spoilt, given)
    for sequence, truth_m in zip(given, people, strict=True):
        before, after = (lifter(sequence.keypoints)[0] for lifter in (spoilt, adapted))
        target = h36m_joints(truth_m)
        target = target - target[:, :1]
        assert mpjpe(after, target) < mpjpe(before, target)
        assert off_the_picture_m(adapted, sequence, truth_m) < 0.6 * off_the_picture_m(spoilt, sequence, truth_m)
        assert bone_length_variation(after, H36M17) < 0.7 * bone_length_variation(before, H36M17)
        assert side_length_difference(after, H36M17) < 0.7 * side_length_difference(before, H36M17)
        # The scale is that of the lifter before.
        assert bone_lengths(after, H36M17).mean() == pytest.approx(bone_lengths(before, H36M17).mean(), rel=0.02)


@bundled
def test_more_steps_do_not_change_the_scale() -> None:
    given = stretches(people_m()[:1])
    lifter = Lifter.load(bundled_name())
    long = adapt(lifter, given, adaptation=Adaptation(steps=360))
    lengths = [bone_lengths(one(given[0].keypoints)[0], H36M17).mean() for one in (lifter, long)]
    assert lengths[1] == pytest.approx(lengths[0], rel=0.02)
    depths = [one(given[0].keypoints)[1][:, 2].mean() for one in (lifter, long)]
    assert depths[1] == pytest.approx(depths[0], rel=0.1)


@bundled
def test_the_file_and_the_lifter_stay_as_they_are() -> None:
    name = bundled_name()
    path, given = weights_path(name), stretches(people_m(30)[:1])
    digest = hashlib.sha256(path.read_bytes()).hexdigest()
    lifter = Lifter.load(name)
    before = lifter(given[0].keypoints)
    state = [tensor.clone() for network in lifter.networks for tensor in network.state_dict().values()]
    adapted = adapt(lifter, given)
    assert not np.array_equal(adapted(given[0].keypoints)[0], before[0])
    for old, new in zip(before, lifter(given[0].keypoints), strict=True):
        np.testing.assert_array_equal(old, new)
    now = [tensor for network in lifter.networks for tensor in network.state_dict().values()]
    assert all(torch.equal(old, new) for old, new in zip(state, now, strict=True))
    assert hashlib.sha256(path.read_bytes()).hexdigest() == digest
    assert (adapted.label, adapted.weights_sha256) == (f"{lifter.label} adapted to the video", digest)


@pytest.mark.parametrize("flip", [True, False])
def test_only_the_last_layers_change_and_again_in_the_same_way(small_lifter: Lifter, flip: bool) -> None:
    given = stretches(people_m(40))
    first, again = (adapt(small_lifter, given, flip) for _ in range(2))
    for old, one, other in zip(small_lifter.networks, first.networks, again.networks, strict=True):
        for name, tensor in one.state_dict().items():
            assert torch.equal(tensor, other.state_dict()[name]), name
            assert torch.equal(tensor, old.state_dict()[name]) == (not name.startswith("shrink")), name


def test_one_goal_for_all_stretches_of_a_person(small_lifter: Lifter) -> None:
    # The same frames as one stretch and as two with no frame between them see the same but for the ends.
    whole = stretches(people_m(120)[:1])[0]
    parts = [Stretch(0, whole.keypoints[rows], whole.weights[rows]) for rows in (slice(60), slice(60, None))]
    strangers = [parts[0], Stretch(1, parts[1].keypoints, parts[1].weights)]
    together, cut, apart = (adapt(small_lifter, given) for given in ([whole], parts, strangers))
    answers = [one(whole.keypoints)[0] for one in (together, cut, apart)]
    assert np.abs(answers[1] - answers[0]).max() < 0.5 * np.abs(answers[2] - answers[0]).max()


@bundled
def test_keypoints_that_were_not_observed_do_not_count() -> None:
    sequence, spoilt = stretches(people_m(40)[:1])[0], wrong_lifter()
    wrist = COCO17.index("left_wrist")
    weights = sequence.weights.copy()
    weights[:, wrist] = 0
    hidden = adapt(spoilt, [Stretch(0, sequence.keypoints, weights)])
    seen = adapt(spoilt, [sequence])

    def miss(lifter: Lifter) -> float:
        positions, root = lifter(sequence.keypoints)
        joint = (positions + root[:, None])[:, H36M17.index("left_wrist")]
        return float(np.abs(joint[:, :2] / joint[:, 2:] - sequence.keypoints[:, wrist] / REFERENCE_FOCAL).mean())

    assert miss(seen) < 0.7 * miss(hidden)


def test_of_many_frames_some_are_fitted(small_lifter: Lifter) -> None:
    given = stretches(people_m(200))
    every = adapt(small_lifter, given)
    some = adapt(small_lifter, given, adaptation=Adaptation(frames=100))
    for sequence in given:
        first, close, far = (one(sequence.keypoints)[0] for one in (every, some, small_lifter))
        assert 0 < mpjpe(close, first) < 0.3 * mpjpe(far, first)


def lifted(tracks: Tracks, lifter: Lifter, rate_hz: float = 30.0, adapted: bool = True) -> Poses3D:
    times_s = np.arange(tracks.frame.max() + 1) / rate_hz
    return lift(tracks, times_s, CAMERA, "fov", lifter, LiftOptions(adapt=adapted, steady_bones=0))


@pytest.mark.parametrize("frames", [1, 2, 3])
def test_short_tracks(small_lifter: Lifter, frames: int) -> None:
    poses = lifted(tracks_of(coco_keypoints(people_m(frames)[0], CAMERA)), small_lifter)
    assert poses.positions_m.shape == (frames, 17, 3)
    assert np.isfinite(poses.camera_m()).all()
    assert poses.weights == f"{small_lifter.label} adapted to the video"


def test_nothing_observed_leaves_the_lifter_as_it_is(small_lifter: Lifter, caplog: pytest.LogCaptureFixture) -> None:
    tracks = tracks_of(np.full((20, 17, 2), np.nan, np.float32))
    with caplog.at_level("INFO", "lifting"):
        poses = lifted(tracks, small_lifter)
    np.testing.assert_array_equal(poses.positions_m, lifted(tracks, small_lifter, adapted=False).positions_m)
    assert poses.weights == small_lifter.label
    assert "not adapted: no frame has 4 observed keypoints" in caplog.text
    assert adapt(small_lifter, []) is small_lifter


def test_keypoints_missing_for_ever_or_for_a_while(small_lifter: Lifter) -> None:
    keypoints = coco_keypoints(people_m(40)[0], CAMERA)
    keypoints[:, COCO17.indices("left_knee", "left_ankle", "right_ankle")] = np.nan
    keypoints[10:13] = np.nan
    poses = lifted(tracks_of(keypoints), small_lifter)
    assert np.isfinite(poses.camera_m()).all()
    filled = fill_unseen_joints(to_canonical(keypoints, CAMERA), COCO17)
    assert np.isfinite(filled).all()


def test_adapted_by_default_is_not(small_lifter: Lifter, small_weights: Path) -> None:
    tracks = tracks_of(coco_keypoints(people_m(30)[0], CAMERA))
    assert not LiftOptions().adapt
    plain, changed = (lifted(tracks, small_lifter, 50.0, adapted) for adapted in (False, True))
    assert plain.weights == small_lifter.label
    np.testing.assert_allclose(plain.positions_m, small_lifter(to_canonical(tracks.keypoints_px, CAMERA))[0], atol=1e-5)
    assert mpjpe(plain.positions_m, changed.positions_m) > 1e-3
    assert Lifter.load(str(small_weights)).label == small_lifter.label
