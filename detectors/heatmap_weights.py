"""From a file of weights to a top-down detector."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace

from torch import Tensor, nn

from detectors.base import DetectorOptions
from detectors.checkpoints import load_into, load_metadata, load_state, sha256_of
from detectors.heatmap_card import INPUT, HeatmapCard
from detectors.top_down import TopDown, people_detector, require_precision
from detectors.weights import resolve_weights
from poses import InputError, UsageError


def create_top_down(
    public: HeatmapCard,
    build: Callable[[dict[str, Tensor]], tuple[nn.Module, int]],
    input_hw: tuple[int, int] | None,
    input_multiple: int,
    device: str,
    options: DetectorOptions,
    convert: Callable[[Mapping[str, Tensor]], dict[str, Tensor]] = dict,
) -> TopDown:
    """The detector of the file `options.weights`.

    Parameters
    ----------
    public : the card of files without metadata.
    build : makes the network that a file's tensors belong to, and says how many heatmaps it gives.
    input_hw : size of the crops that the user chose, None for the file's own, or else that of `public`.
    input_multiple : height and width of the crops must be multiples of this.
    convert : brings the tensors of older files into the form of `build`'s network.

    `InputError` where the file is not weights of this network, `UsageError` where the device cannot do what is asked.
    """
    require_precision(device, options.precision)
    path = resolve_weights(options.weights, None, public.architecture)
    metadata = load_metadata(path)
    card = public.with_metadata(metadata, path)
    if input_hw is not None:
        if INPUT in metadata and card.input_hw != input_hw:
            size = f"{card.input_hw[0]}x{card.input_hw[1]}"
            raise UsageError(f"model {options.model}: the weights {path} were trained for {size}", "leave model out")
        card = replace(card, input_hw=input_hw)
    if card.input_hw[0] % input_multiple or card.input_hw[1] % input_multiple:
        raise InputError(f"{path}: its {INPUT} must be multiples of {input_multiple}, got {card.input_hw}")
    state = convert(load_state(path))
    network, joints = build(state)
    load_into(network, state, path)
    if joints != len(card.skeleton):
        raise InputError(
            f"{path}: {joints} heatmaps, but the skeleton {card.skeleton.name} has {len(card.skeleton)} joints",
            "weights of another skeleton must say so: metadata skeleton in a .safetensors file",
        )
    people = people_detector(public.architecture, device, options)
    return TopDown(public.architecture, network, card, people, device, options, sha256_of(path))
