from __future__ import annotations

from pathlib import Path

import pytest
import torch
from safetensors import safe_open
from safetensors.torch import load_file, save_file

from lifting.card import Card, load_weights, model_from, save_weights
from lifting.quantised import quantise, restore
from poses import InputError


def test_rounding_errs_by_half_a_step_of_its_channel_at_most() -> None:
    weight = torch.randn(5, 4, 3, generator=torch.Generator().manual_seed(1)) * torch.tensor(
        [1e-6, 1e-3, 1.0, 30.0, 1.0]
    ).view(5, 1, 1)
    weight[4] = 0
    bias = torch.randn(5)
    packed = quantise({"conv.weight": weight, "conv.bias": bias})
    assert packed["conv.weight"].dtype == torch.int8
    back = restore(packed)
    assert set(back) == {"conv.weight", "conv.bias"}
    assert torch.equal(back["conv.bias"], bias)
    step = weight.abs().amax(dim=(1, 2)) / 127
    assert ((back["conv.weight"] - weight).abs().amax(dim=(1, 2)) <= step * 0.5001).all()
    # The largest weight of a channel is kept.
    torch.testing.assert_close(back["conv.weight"].abs().amax(dim=(1, 2)), weight.abs().amax(dim=(1, 2)))


def test_file_of_half_the_size_answers_nearly_the_same(tmp_path: Path, small_card: Card) -> None:
    networks = model_from(small_card.position, 1).eval(), model_from(small_card.trajectory, 2).eval()
    paths = [tmp_path / "half.safetensors", tmp_path / "eight.safetensors"]
    for path, eight_bits in zip(paths, (False, True), strict=True):
        save_weights(path, small_card, *networks, eight_bits=eight_bits)
    sizes = [sum(t.nbytes for t in load_file(path).values()) for path in paths]
    assert sizes[1] < 0.7 * sizes[0]
    card, position, trajectory, _ = load_weights(paths[1])
    assert card == small_card
    seen = torch.randn(1, small_card.position.receptive_field, small_card.position.input_joints, 2)
    for loaded, made in zip((position, trajectory), networks, strict=True):
        wanted = made(seen).detach()
        assert (loaded(seen).detach() - wanted).norm() < 0.03 * wanted.norm()


def test_a_missing_scale_is_named(tmp_path: Path, small_card: Card) -> None:
    path = tmp_path / "w.safetensors"
    save_weights(path, small_card, model_from(small_card.position, 1), model_from(small_card.trajectory, 2), True)
    tensors = {n: t for n, t in load_file(path).items() if n != "position.shrink.weight.scale"}
    with safe_open(path, framework="pt") as archive:
        metadata = archive.metadata()
    save_file(tensors, path, metadata)
    with pytest.raises(InputError, match=r"lacks its scale 'position\.shrink\.weight\.scale'"):
        load_weights(path)
