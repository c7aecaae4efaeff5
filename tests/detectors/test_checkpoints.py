"""Weights from files that PyTorch and safetensors wrote, and from files that are none."""

from __future__ import annotations

import argparse
import hashlib
from collections import OrderedDict
from pathlib import Path

import numpy as np
import pytest
import safetensors.torch
import torch
from torch import nn

from detectors.checkpoints import load_into, load_metadata, load_state, save_state, sha256_of
from poses import InputError


def network(channels: int = 4) -> nn.Sequential:
    return nn.Sequential(OrderedDict(first=nn.Conv2d(3, channels, 3), norm=nn.BatchNorm2d(channels)))


def same(a: dict[str, torch.Tensor], b: dict[str, torch.Tensor]) -> bool:
    return a.keys() == b.keys() and all(torch.equal(a[k], b[k]) for k in a)


@pytest.mark.parametrize("wrapping", ["plain", "state_dict", "model", "parallel"])
@pytest.mark.parametrize("zipped", [True, False])
def test_what_torch_wrote_is_found(tmp_path: Path, wrapping: str, zipped: bool) -> None:
    state = network().state_dict()
    content = {
        "plain": dict(state),
        "state_dict": {"epoch": 3, "state_dict": state, "optimizer": {"lr": 0.1}, "best_acc": np.float64(0.5)},
        "model": {"model": dict(state), "iteration": 7},
        "parallel": {"epoch": 3, "state_dict": {f"module.{k}": v for k, v in state.items()}},
    }[wrapping]
    torch.save(content, tmp_path / "w.pth.tar", _use_new_zipfile_serialization=zipped)
    assert same(load_state(tmp_path / "w.pth.tar"), state)
    assert load_metadata(tmp_path / "w.pth.tar") == {}


def test_safetensors_and_what_they_say_of_themselves(tmp_path: Path) -> None:
    state = network().state_dict()
    safetensors.torch.save_file(state, tmp_path / "theirs.safetensors", metadata={"skeleton": "h36m17"})
    save_state(tmp_path / "ours.safetensors", state, {"skeleton": "h36m17"})
    for name in ("theirs", "ours"):
        assert same(load_state(tmp_path / f"{name}.safetensors"), state)
        assert load_metadata(tmp_path / f"{name}.safetensors") == {"skeleton": "h36m17"}


def test_arrays_count_as_tensors(tmp_path: Path) -> None:
    torch.save({"weight": np.arange(3.0)}, tmp_path / "w.pth")
    assert load_state(tmp_path / "w.pth")["weight"].tolist() == [0, 1, 2]


class _Touches:
    """Unpickled by a careless reader, it makes a file."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self) -> tuple[object, ...]:
        return (open, (str(self.path), "w"))


@pytest.mark.parametrize("zipped", [True, False])
def test_code_in_a_pickle_is_refused_and_not_run(tmp_path: Path, zipped: bool) -> None:
    trace = tmp_path / "ran"
    torch.save(
        {"state_dict": network().state_dict(), "extra": _Touches(trace)},
        tmp_path / "w.pth",
        _use_new_zipfile_serialization=zipped,
    )
    with pytest.raises(InputError, match=r"w\.pth: refused.*open.*would run code"):
        load_state(tmp_path / "w.pth")
    assert not trace.exists()


def test_objects_of_a_program_are_refused(tmp_path: Path) -> None:
    torch.save({"args": argparse.Namespace(lr=1), "model": network().state_dict()}, tmp_path / "w.pth")
    with pytest.raises(InputError, match=r"w\.pth: refused.*Namespace"):
        load_state(tmp_path / "w.pth")


@pytest.mark.parametrize("suffix", ["pth", "safetensors"])
@pytest.mark.parametrize("keep", [0.0, 0.001, 0.5, 0.95])
def test_a_file_cut_off_is_named(tmp_path: Path, suffix: str, keep: float) -> None:
    path = tmp_path / f"w.{suffix}"
    state = {"weight": torch.zeros(2000)}
    if suffix == "pth":
        torch.save(state, path)
    else:
        safetensors.torch.save_file(state, path)
    content = path.read_bytes()
    path.write_bytes(content[: int(len(content) * keep)])
    with pytest.raises(InputError, match=rf"w\.{suffix}: not a .*cut off"):
        load_state(path)


def test_other_files_are_named(tmp_path: Path) -> None:
    (tmp_path / "page.pth").write_text("<html>404</html>")
    with pytest.raises(InputError, match=r"page\.pth: not a file of PyTorch's weights"):
        load_state(tmp_path / "page.pth")
    with pytest.raises(InputError, match=r"none\.pth: no such file"):
        load_state(tmp_path / "none.pth")
    with pytest.raises(InputError, match=r"none\.safetensors: no such file"):
        load_state(tmp_path / "none.safetensors")
    torch.save([1, 2], tmp_path / "list.pth")
    with pytest.raises(InputError, match=r"list\.pth: expected tensors by name, got list"):
        load_state(tmp_path / "list.pth")
    torch.save({"epoch": 3}, tmp_path / "epoch.pth")
    with pytest.raises(InputError, match=r"epoch\.pth: .*'epoch' is int"):
        load_state(tmp_path / "epoch.pth")


def test_load_into_takes_all_and_renames() -> None:
    torch.manual_seed(0)
    source, target = network(), network()
    named = {f"old.{name}": value for name, value in source.state_dict().items()} | {"old.head": torch.zeros(1)}
    load_into(target, named, "w.pth", lambda n: None if n == "old.head" else n.removeprefix("old."))
    assert same(dict(target.state_dict()), dict(source.state_dict()))
    without_count = {k: v for k, v in source.state_dict().items() if not k.endswith("num_batches_tracked")}
    load_into(network(), without_count, "w.pth")


def test_what_does_not_fit_is_counted_with_an_example() -> None:
    state = dict(network(5).state_dict())
    del state["norm.bias"]
    state |= {"head.a": torch.zeros(1), "head.b": torch.zeros(1)}
    with pytest.raises(InputError) as caught:
        load_into(network(4), state, "w.pth")
    message = str(caught.value)
    assert message.startswith("w.pth: not weights of this network; of its 7 tensors: ")
    assert "1 missing (such as norm.bias)" in message
    assert "2 unexpected (such as head.a)" in message
    assert "5 of another shape (such as first.weight, (5, 3, 3, 3) instead of (4, 3, 3, 3))" in message


def test_hash_is_that_of_the_bytes(tmp_path: Path) -> None:
    (tmp_path / "w").write_bytes(b"abc")
    assert sha256_of(tmp_path / "w") == hashlib.sha256(b"abc").hexdigest()
    with pytest.raises(InputError, match="cannot be read"):
        sha256_of(tmp_path / "none")
