"""Checkpoints of the reference implementation (facebookresearch/VideoPose3D): read safely, and written.

A checkpoint is a dictionary of `epoch`, `lr`, `optimizer`, `random_state`, `model_pos` (tensors of the pose network)
and, after semi-supervised training, `model_traj` (of its twin for the trajectory) and `random_state_semi`.

python -m lifting.reference_checkpoint FILE                     says what it holds
python -m lifting.reference_checkpoint WEIGHTS --export FILE    writes our weights in that form
"""

from __future__ import annotations

import argparse
import logging
import pickle
import struct
import sys
from collections import OrderedDict
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from lifting.card import load_weights
from lifting.model import Architecture, TemporalModel
from poses import InputError
from poses.archive import write_atomically
from poses.commands import run_command
from poses.restricted_pickle import numpy_pickle_parts

log = logging.getLogger(__name__)


class _Inert:
    """Stands for NumPy's random generators: keeps what the file says of them, makes and runs nothing."""

    def __init__(self, *arguments: Any) -> None:
        self.state: Any = None

    def __setstate__(self, state: Any) -> None:
        self.state = state


_GENERATOR_NAMES = (
    "numpy.random._pickle.__randomstate_ctor",
    "numpy.random._pickle.__bit_generator_ctor",
    "numpy.random.__RandomState_ctor",
    "numpy.random._mt19937.MT19937",
)

# What PyTorch's reader raises, depending on where a file breaks off or is damaged.
_BROKEN = (
    *(OSError, RuntimeError, ValueError, EOFError, LookupError, TypeError, AttributeError, AssertionError),
    *(OverflowError, MemoryError, struct.error),
)


@dataclass(frozen=True)
class ReferenceCheckpoint:
    """What a checkpoint holds.

    Attributes
    ----------
    position : the pose network, in eval mode.
    trajectory : its twin for the trajectory, or None.
    epoch : epochs that it was trained for.
    lr : learning rate of the next epoch, NaN where the file does not say.
    optimizer : state of the optimiser over the parameters of both networks in our order, or None.
    random_state : the tuple of `numpy.random.RandomState.get_state` that orders the next epoch, or None.
    """

    position: TemporalModel
    trajectory: TemporalModel | None
    epoch: int
    lr: float
    optimizer: dict[str, Any] | None
    random_state: tuple[Any, ...] | None


def load_reference_checkpoint(
    path: str | Path,
    causal: bool = False,
    filter_widths: tuple[int, ...] | None = None,
    dense: bool | None = None,
) -> ReferenceCheckpoint:
    """Read a checkpoint without running anything that stands in it.

    The architecture is that of the tensors, but for what they do not show: `causal`, and `dense` where both readings
    are possible (None takes kernels that grow exactly as dense ones would for dense). `InputError` names the file and
    what is wrong: not a checkpoint, code in it, tensors missing or of another shape, or an architecture that is not
    `filter_widths`.
    """
    path = Path(path)
    content = _load(path)
    if not isinstance(content, dict) or not isinstance(content.get("model_pos"), Mapping):
        held = ", ".join(map(str, content)) if isinstance(content, dict) else type(content).__name__
        raise InputError(f"{path}: expected a checkpoint with model_pos, it holds {held or 'nothing'}")
    position = _network(path, "model_pos", content["model_pos"], causal, dense)
    trajectory = None
    if isinstance(content.get("model_traj"), Mapping):
        trajectory = _network(path, "model_traj", content["model_traj"], causal, dense)
    found = position.architecture.filter_widths
    if filter_widths is not None and found != tuple(filter_widths):
        wanted, has = (",".join(map(str, widths)) for widths in (filter_widths, found))
        raise InputError(f"{path}: holds a network of architecture {has}, not {wanted}", f"use --architecture {has}")
    return ReferenceCheckpoint(
        position,
        trajectory,
        epoch=int(content.get("epoch", 0)),
        lr=float(content.get("lr", float("nan"))),
        optimizer=_optimizer(path, content, position, trajectory),
        random_state=_random_state(content.get("random_state")),
    )


def save_reference_checkpoint(
    path: str | Path,
    position: TemporalModel,
    trajectory: TemporalModel | None = None,
    epoch: int = 0,
    lr: float = 0.001,
    optimizer: dict[str, Any] | None = None,
    random_state: tuple[Any, ...] | None = None,
) -> None:
    """Write what the reference's `--evaluate` and `--resume` load, atomically.

    `optimizer` is the state of one over the parameters of both networks in our order (it is put into the reference's),
    `random_state` is as of `numpy.random.RandomState.get_state`.
    """
    generator = np.random.RandomState(1234)
    if random_state is not None:
        generator.set_state(random_state)

    def tensors(model: TemporalModel | None) -> OrderedDict[str, Tensor] | None:
        if model is None:
            return None
        state = model.state_dict()
        return OrderedDict((name, state[name].detach().cpu()) for name in sorted(state, key=_place_in_reference))

    models = [model for model in (position, trajectory) if model is not None]
    if optimizer is not None:
        theirs = [sorted((name for name, _ in m.named_parameters()), key=_place_in_reference) for m in models]
        optimizer = _renumber(
            optimizer, _names(models), [(i, name) for i, names in enumerate(theirs) for name in names]
        )
    content = {
        "epoch": epoch,
        "lr": lr,
        "random_state": generator,
        "optimizer": optimizer,
        "model_pos": tensors(position),
        "random_state_semi": None,
    }
    if trajectory is not None:
        # The reference's evaluation loads whatever stands under this key, None too.
        content["model_traj"] = tensors(trajectory)
    write_atomically(path, lambda stream: torch.save(content, stream))


def _place_in_reference(name: str) -> int:
    """Sorts (stably) names of our tensors into the order of the reference's modules, by which optimisers count."""
    return ("expand_bn", "shrink", "expand_conv", "layers_conv", "layers_bn").index(name.split(".")[0])


def _names(models: list[TemporalModel]) -> list[tuple[int, str]]:
    return [(index, name) for index, model in enumerate(models) for name, _ in model.named_parameters()]


def _renumber(state: dict[str, Any], old: list[tuple[int, str]], new: list[tuple[int, str]]) -> dict[str, Any]:
    """An optimiser's state whose parameters, numbered in the order `old`, are numbered in the order `new`."""
    number = {old.index(name): place for place, name in enumerate(new)}
    moved = {number[i]: values for i, values in sorted(state["state"].items(), key=lambda item: number[item[0]])}
    (group,) = state["param_groups"]
    return {"state": moved, "param_groups": [{**group, "params": list(range(len(new)))}]}


def _optimizer(
    path: Path, content: dict[str, Any], position: TemporalModel, trajectory: TemporalModel | None
) -> dict[str, Any] | None:
    state = content.get("optimizer")
    if state is None:
        return None
    models = [model for model in (position, trajectory) if model is not None]
    ours = _names(models)
    # The tensors stand in the file in the order of its modules.
    theirs = [
        (index, name)
        for index, key in enumerate(("model_pos", "model_traj")[: len(models)])
        for name in content[key]
        if (index, name) in ours
    ]
    try:
        numbers = list(state["param_groups"][0]["params"])
        if numbers != list(range(len(theirs))):
            log.warning("%s: its optimiser is not over the parameters of its networks, left out", path)
            return None
        return _renumber(state, theirs, ours)
    except (KeyError, IndexError, TypeError, ValueError) as error:
        raise InputError(f"{path}: optimizer is not the state of one ({error})") from None


def infer_architecture(tensors: Mapping[str, Tensor], causal: bool = False, dense: bool | None = None) -> Architecture:
    """The architecture of tensors of these names and shapes; `KeyError` or `ValueError` if there is none."""
    expand, shrink = tensors["expand_conv.weight"], tensors["shrink.weight"]
    kernels = [expand.shape[2]]
    while (name := f"layers_conv.{2 * (len(kernels) - 1)}.weight") in tensors:
        kernels.append(tensors[name].shape[2])
    as_dense = _dense_widths(kernels)
    if dense and as_dense is None:
        raise ValueError(f"kernels of widths {kernels} are not those of a dense network")
    if dense is None:
        dense = as_dense is not None and len(kernels) > 1 and as_dense != tuple(kernels)
    widths = as_dense if dense and as_dense is not None else tuple(kernels)
    return Architecture(expand.shape[1] // 2, shrink.shape[0] // 3, widths, expand.shape[0], causal=causal, dense=dense)


def _dense_widths(kernels: list[int]) -> tuple[int, ...] | None:
    """Filter widths whose undilated kernels these are, or None: a kernel is (width - 1) x frames so far + 1."""
    widths: list[int] = []
    dilation = 1
    for kernel in kernels:
        if (kernel - 1) % (2 * dilation):
            return None
        widths.append((kernel - 1) // dilation + 1)
        dilation *= widths[-1]
    return tuple(widths)


def _network(path: Path, key: str, tensors: Mapping[str, Tensor], causal: bool, dense: bool | None) -> TemporalModel:
    try:
        model = TemporalModel(infer_architecture(tensors, causal, dense))
    except KeyError as error:
        raise InputError(f"{path}: {key} lacks the tensor {error.args[0]}", "is it one of VideoPose3D?") from None
    except (ValueError, IndexError, AttributeError) as error:
        raise InputError(f"{path}: {key} is not a network of VideoPose3D ({error})") from None
    wanted = model.state_dict()
    for name, tensor in wanted.items():
        # Batch norm did not count batches before PyTorch 0.4.1; inference does not need the count.
        if name not in tensors and not name.endswith("num_batches_tracked"):
            raise InputError(f"{path}: {key} lacks the tensor {name}")
        if name in tensors and tensors[name].shape != tensor.shape:
            shapes = f"{tuple(tensors[name].shape)}, expected {tuple(tensor.shape)}"
            raise InputError(f"{path}: tensor {name} of {key} has shape {shapes}")
    unknown = sorted(tensors.keys() - wanted.keys())
    if unknown:
        raise InputError(f"{path}: {key} holds the unknown tensor {unknown[0]}")
    model.load_state_dict(dict(tensors), strict=False)
    log.info("%s: %s is %s", path, key, model.architecture)
    return model.eval()


def _load(path: Path) -> Any:
    allowed = [*numpy_pickle_parts(), *((_Inert, name) for name in _GENERATOR_NAMES)]
    try:
        with torch.serialization.safe_globals(allowed):
            return torch.load(path, map_location="cpu", weights_only=True)
    except FileNotFoundError:
        raise InputError(f"{path}: no such file") from None
    except pickle.UnpicklingError as error:
        reason = next((line.strip() for line in str(error).splitlines() if "GLOBAL" in line or "reduce" in line), "")
        if not reason:
            reason = str(error).split(". ")[0]
            raise InputError(f"{path}: not a checkpoint of PyTorch, or cut off ({reason[:200]})") from None
        raise InputError(
            f"{path}: refused, it holds more than tensors, numbers and random states ({reason})",
            "loading it would run code; take the checkpoint from its authors' page",
        ) from None
    except _BROKEN as error:
        reason = str(error).split(". ")[0]
        raise InputError(f"{path}: not a checkpoint of PyTorch, or cut off ({reason[:200]})") from None


def _random_state(saved: Any) -> tuple[Any, ...] | None:
    state = saved.state if isinstance(saved, _Inert) else saved
    if isinstance(state, tuple):
        return state
    try:
        inner = state["state"]
        return state["bit_generator"], inner["key"], inner["pos"], state["has_gauss"], state["gauss"]
    except (KeyError, TypeError):
        return None


def main(arguments: list[str] | None = None) -> int:
    """Command line; returns the exit code."""
    parser = argparse.ArgumentParser(
        prog="python -m lifting.reference_checkpoint",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("file", type=Path, help="a checkpoint, or with --export our weights (*.safetensors)")
    parser.add_argument("--export", type=Path, metavar="FILE", help="write the weights in the reference's form")
    options = parser.parse_args(arguments)
    return run_command(lambda: _run(options))


def _run(options: argparse.Namespace) -> None:
    if options.export:
        card, position, trajectory, _ = load_weights(options.file)
        save_reference_checkpoint(options.export, position, trajectory)
        print(f"{options.export}: {card.name}, {card.position.input_joints} points in")
        return
    checkpoint = load_reference_checkpoint(options.file)
    print(f"epoch {checkpoint.epoch}, learning rate {checkpoint.lr:g}")
    for name, model in (("model_pos", checkpoint.position), ("model_traj", checkpoint.trajectory)):
        if model is not None:
            setup = model.architecture
            kind = "dense" if setup.dense else "dilated"
            widths = ",".join(map(str, setup.filter_widths))
            print(
                f"{name}: architecture {widths}, {kind}, {setup.channels} channels, {setup.input_joints} keypoints in, "
                f"{setup.output_joints} joints out, receptive field {setup.receptive_field}"
            )


if __name__ == "__main__":
    sys.exit(main())
