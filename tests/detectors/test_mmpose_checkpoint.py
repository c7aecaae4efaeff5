"""Tensors out of checkpoints that hold objects of other classes beside them."""

from __future__ import annotations

import collections
import pickle
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import save_file

from detectors.mmpose_checkpoint import load_checkpoint
from poses import InputError


class History:
    """Stands for MMEngine's classes: pickled with a state, appended to, and with numbers of NumPy inside."""

    def __init__(self) -> None:
        self.values = np.arange(4.0)
        self.kept = {"mean": np.float64(2.5)}


class Intruder:
    """What unpickling it plainly would run."""

    def __init__(self, trace: Path) -> None:
        self.trace = trace

    def __reduce__(self) -> tuple[object, ...]:
        return Path.touch, (self.trace,)


STATE = collections.OrderedDict(
    weight=torch.arange(6.0).reshape(2, 3), transposed=torch.arange(6.0).reshape(2, 3).T, count=torch.tensor(7)
)


@pytest.mark.parametrize("zipped", [True, False])
@pytest.mark.parametrize("prefix", ["", "module."])
def test_tensors_and_nothing_else(tmp_path: Path, zipped: bool, prefix: str) -> None:
    path, trace = tmp_path / "net.pth", tmp_path / "trace"
    content = {
        "meta": {"dataset_meta": {"sigmas": np.ones(17), "name": {"nose"}}, "history": History()},
        "message_hub": Intruder(trace),
        "state_dict": collections.OrderedDict((prefix + name, value) for name, value in STATE.items()),
    }
    torch.save(content, path, _use_new_zipfile_serialization=zipped)
    state = load_checkpoint(path)
    assert list(state) == list(STATE)
    assert all(torch.equal(state[name], STATE[name]) for name in STATE)
    assert not trace.exists()
    with path.open("rb") as stream:
        assert b"touch" in stream.read()


def test_parameters_and_bare_tensors(tmp_path: Path) -> None:
    torch.save({"weight": torch.nn.Parameter(STATE["weight"])}, tmp_path / "a.pth")
    assert torch.equal(load_checkpoint(tmp_path / "a.pth")["weight"], STATE["weight"])
    save_file({"weight": STATE["weight"]}, tmp_path / "a.safetensors")
    assert torch.equal(load_checkpoint(tmp_path / "a.safetensors")["weight"], STATE["weight"])


def test_what_is_no_checkpoint(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="no such file"):
        load_checkpoint(tmp_path / "absent.pth")
    torch.save({"state_dict": dict(STATE)}, tmp_path / "whole.pth")
    (tmp_path / "cut.pth").write_bytes((tmp_path / "whole.pth").read_bytes()[:-200])
    (tmp_path / "text.pth").write_text("<html>not found</html>")
    (tmp_path / "plain.pth").write_bytes(pickle.dumps({"state_dict": {}}))
    for name in ("cut", "text", "plain"):
        with pytest.raises(InputError, match=rf"{name}\.pth: not an MMPose checkpoint"):
            load_checkpoint(tmp_path / f"{name}.pth")
    trace = tmp_path / "trace"
    torch.save(Intruder(trace), tmp_path / "intruder.pth")
    torch.save({"state_dict": {"weight": Intruder(trace)}}, tmp_path / "hidden.pth")
    for name in ("intruder", "hidden"):
        with pytest.raises(InputError, match="expected tensors by name"):
            load_checkpoint(tmp_path / f"{name}.pth")
    assert not trace.exists()
