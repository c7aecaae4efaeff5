from __future__ import annotations

import dataclasses
import hashlib
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from safetensors import safe_open
from safetensors.torch import load_file, save_file

from lifting.card import Card, load_weights, model_from, save_weights
from lifting.lifter import Lifter, lifter_names
from lifting.model import TemporalModel
from poses import InputError, UsageError
from tests.motion import camera_from_world, coco_joints, transform_points, walker


def networks(card: Card) -> tuple[TemporalModel, TemporalModel]:
    return model_from(card.position, 1), model_from(card.trajectory, 2)


def rewrite(path: Path, card: dict[str, Any] | None = None, **tensors: torch.Tensor | None) -> Path:
    """Change the card's fields or some tensors of a weights file, by the safetensors library alone."""
    with safe_open(path, framework="pt") as archive:
        changed = {**json.loads(archive.metadata()["card"]), **(card or {})}
    kept = {**load_file(path), **{name.replace("__", "."): tensor for name, tensor in tensors.items()}}
    save_file({n: t for n, t in kept.items() if t is not None}, path, {"card": json.dumps(changed)})
    return path


def test_round_trip_in_half_precision(small_weights: Path, small_card: Card) -> None:
    card, position, trajectory, sha256 = load_weights(small_weights)
    assert card == small_card
    assert sha256 == hashlib.sha256(small_weights.read_bytes()).hexdigest()
    for loaded, made in zip((position, trajectory), networks(small_card), strict=True):
        assert not loaded.training
        for name, tensor in made.state_dict().items():
            if tensor.is_floating_point():
                got = loaded.state_dict()[name]
                assert got.dtype == torch.float32
                # Half precision has a mantissa of 11 bits.
                torch.testing.assert_close(got, tensor, atol=1e-7, rtol=2**-11)


def test_file_is_plain_safetensors(small_weights: Path) -> None:
    tensors = load_file(small_weights)
    assert {t.dtype for t in tensors.values()} == {torch.float16}
    assert {name.split(".")[0] for name in tensors} == {"position", "trajectory"}
    with safe_open(small_weights, framework="pt") as archive:
        card = json.loads(archive.metadata()["card"])
    assert (card["licence"], card["measured"]) == ("CC0", {"mpjpe_mm": 321.5})


def test_same_networks_give_the_same_bytes(tmp_path: Path, small_weights: Path, small_card: Card) -> None:
    again = tmp_path / "again.safetensors"
    save_weights(again, small_card, *networks(small_card))
    assert again.read_bytes() == small_weights.read_bytes()
    other = model_from(small_card.position, 7)
    assert not torch.equal(other.expand_conv.weight, networks(small_card)[0].expand_conv.weight)


def test_fresh_networks_leave_the_global_seed_alone(small_card: Card) -> None:
    torch.manual_seed(5)
    wanted = torch.rand(3)
    torch.manual_seed(5)
    model_from(small_card.position, 1)
    assert torch.equal(torch.rand(3), wanted)


def refused(path: Path, message: str) -> None:
    with pytest.raises(InputError, match=message) as caught:
        load_weights(path)
    assert str(path) in str(caught.value)


def test_other_files_are_refused(tmp_path: Path, small_weights: Path) -> None:
    refused(tmp_path / "none.safetensors", "cannot read the lifter's weights")
    refused(tmp_path, "cannot read the lifter's weights")
    whole = small_weights.read_bytes()
    for content in (b"", b"hello, this is text", whole[:-1], whole[: len(whole) // 2], b"\x80\x02}q\x00."):
        small_weights.write_bytes(content)
        refused(small_weights, "expected a safetensors file with a card")


def test_no_card_or_a_broken_one_is_refused(tmp_path: Path, small_weights: Path) -> None:
    tensors = load_file(small_weights)
    bare = tmp_path / "bare.safetensors"
    save_file(tensors, bare)
    refused(bare, "holds tensors but no card")
    for text in ("{", "[1]", "{}", '{"name": 3}'):
        save_file(tensors, bare, {"card": text})
        refused(bare, "the card cannot be read")


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"speed": 3}, "unknown option 'speed'"),
        ({"rate_hz": "fast"}, "rate_hz: expected float"),
        ({"normalisation": "screen-width"}, "wants screen-width keypoints"),
        ({"reference_focal": 2.0}, "at reference focal length 2"),
        ({"input_skeleton": "mpii16"}, "takes mpii16"),
        ({"input_skeleton": "coco18"}, "takes coco18"),
        ({"output_skeleton": "coco17"}, "gives coco17"),
    ],
)
def test_cards_this_version_cannot_serve(small_weights: Path, change: dict[str, Any], message: str) -> None:
    refused(rewrite(small_weights, change), message)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"filter_widths": [3, 3, 3]}, "tensors of the position network do not fit its card"),
        ({"filter_widths": [3]}, "tensors of the position network"),
        ({"filter_widths": [2, 3]}, "filter widths must be odd"),
        ({"channels": 32}, "tensors of the position network"),
        ({"input_joints": 17}, r"as \[17, 19\] points"),
        ({"output_joints": 16}, r"as \[16, 1\] joints"),
    ],
)
def test_architecture_that_the_tensors_do_not_fit(
    small_weights: Path, small_card: Card, change: dict[str, Any], message: str
) -> None:
    position = {**dataclasses.asdict(small_card.position), **change}
    refused(rewrite(small_weights, {"position": position}), message)


def test_missing_extra_and_misshapen_tensors(small_weights: Path) -> None:
    whole = small_weights.read_bytes()
    refused(rewrite(small_weights, trajectory__shrink__bias=None), r"1 tensors of the trajectory .* shrink\.bias")
    small_weights.write_bytes(whole)
    refused(rewrite(small_weights, position__extra=torch.zeros(1)), "1 tensors of the position .* extra")
    small_weights.write_bytes(whole)
    refused(rewrite(small_weights, position__shrink__bias=torch.zeros(3)), r"position .* shrink\.bias")


def test_lifter_by_path_name_or_not_at_all(small_weights: Path) -> None:
    lifter = Lifter.load(str(small_weights))
    digest = hashlib.sha256(small_weights.read_bytes()).hexdigest()
    assert (lifter.label, lifter.weights_sha256) == (f"small sha256:{digest}", digest)
    assert (lifter.input_skeleton.name, lifter.output_skeleton.name) == ("coco17", "h36m17")
    with pytest.raises(UsageError, match="'nobody' is neither a bundled one nor a file: bundled:") as caught:
        Lifter.load("nobody")
    assert all(name in str(caught.value) for name in lifter_names())
    assert "small" not in lifter_names()


def test_mirrored_keypoints_give_mirrored_people(small_lifter: Lifter) -> None:
    joints = coco_joints(transform_points(camera_from_world(0.9, -0.2), walker(1.0, 50, start_m=(0.5, 0.8))))
    keypoints = 2.29 * joints[..., :2] / joints[..., 2:]
    positions, root = small_lifter(keypoints)
    twin = small_lifter.input_skeleton.mirror
    mirrored, mirrored_root = small_lifter(keypoints[:, twin] * np.array([-1.0, 1.0]))
    flip = np.array([-1.0, 1.0, 1.0])
    np.testing.assert_allclose(mirrored, positions[:, small_lifter.output_skeleton.mirror] * flip, atol=1e-4)
    np.testing.assert_allclose(mirrored_root, root * flip, rtol=1e-4, atol=1e-3)
    assert (positions[:, 0] == 0).all()
    alone, _ = small_lifter(keypoints[:, twin] * np.array([-1.0, 1.0]), flip=False)
    assert np.abs(alone - mirrored).max() > 1e-3
