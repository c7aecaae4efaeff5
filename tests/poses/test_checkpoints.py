from __future__ import annotations

from pathlib import Path

import pytest
import torch

from poses import InputError
from poses.checkpoints import read_checkpoint, write_checkpoint


class Surprise:
    """Runs something when it is unpickled."""

    def __reduce__(self) -> tuple[object, tuple[str]]:
        return print, ("unpickled",)


def test_what_was_written_is_read(tmp_path: Path) -> None:
    path = tmp_path / "run.checkpoint"
    write_checkpoint(path, {"step": 7, "weights": {"first": torch.arange(3.0)}, "recipe": "{}"})
    state = read_checkpoint(path, ["step", "weights"])
    assert (state["step"], state["recipe"]) == (7, "{}")
    assert torch.equal(state["weights"]["first"], torch.arange(3.0))


@pytest.mark.parametrize(
    "content", [b"", b"nothing of the kind", {"steps": 7}, torch.zeros(3), 5, {"step": Surprise()}]
)
def test_whatever_else_is_refused_by_name(tmp_path: Path, content: object, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "run.checkpoint"
    if isinstance(content, bytes):
        path.write_bytes(content)
    else:
        torch.save(content, path)
    with pytest.raises(InputError, match=r"run\.checkpoint: not a readable checkpoint") as caught:
        read_checkpoint(path, ["step"])
    assert "delete it to start again" in str(caught.value)
    assert "unpickled" not in capsys.readouterr().out


def test_one_that_was_cut_off_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "run.checkpoint"
    write_checkpoint(path, {"step": 7, "weights": torch.zeros(1000)})
    path.write_bytes(path.read_bytes()[:-500])
    with pytest.raises(InputError, match="not a readable checkpoint"):
        read_checkpoint(path, ["step"])
