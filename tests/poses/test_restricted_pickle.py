"""What may stand in a pickle that is read, and what is refused before it runs."""

from __future__ import annotations

import os
import pickle
from collections import OrderedDict
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from poses import InputError
from poses.restricted_pickle import ForbiddenPickleError, load_plain, read_plain_npz


@pytest.mark.parametrize("protocol", range(6))
@pytest.mark.parametrize(
    "value",
    [
        {"a": [1, 2.5, None, True, "ä", b"\x00\xff", (1, 2), 3 + 4j], 5: {1, 2}},
        np.arange(24.0).reshape(2, 3, 4),
        np.asfortranarray(np.arange(6, dtype=">f4").reshape(2, 3)),
        np.array(["left", "right"]),
        np.array({"S1": [1, 2]}, dtype=object),
        [np.float32(2.5), np.int64(-3), np.bool_(True)],
        np.zeros((0, 17, 2)),
    ],
    ids=["plain", "array", "fortran", "text", "object", "scalars", "empty"],
)
def test_reads_what_numpy_pickles(tmp_path: Path, value: Any, protocol: int) -> None:
    path = tmp_path / "a.pickle"
    path.write_bytes(pickle.dumps(value, protocol))
    with path.open("rb") as stream:
        read = load_plain(stream)
    np.testing.assert_equal(read, value)
    assert type(read) is type(value)


@pytest.mark.parametrize("protocol", range(6))
def test_ordered_dictionaries_come_out_plain(tmp_path: Path, protocol: int) -> None:
    path = tmp_path / "a.pickle"
    path.write_bytes(pickle.dumps(OrderedDict(b=np.arange(3), a=OrderedDict(x=1)), protocol))
    with path.open("rb") as stream:
        read = load_plain(stream)
    assert type(read) is type(read["a"]) is dict
    assert list(read) == ["b", "a"]
    np.testing.assert_equal(read, {"b": np.arange(3), "a": {"x": 1}})


@pytest.mark.parametrize(
    ("program", "named"),
    [
        (b"cos\nsystem\n(S'true'\ntR.", "os.system"),
        (b"cbuiltins\neval\n(S'1'\ntR.", "builtins.eval"),
        (b"cnumpy\nload\n(S'x'\ntR.", "numpy.load"),
        (b"cnumpy.core.multiarray\nscalar.__class__\n.", "scalar.__class__"),
        (b"cnumpy\ndtype\n(S'V8'\nI0\nI1\ntR.", "V8"),
        (b"cnumpy\nndarray\n((I4\nttR.", "numpy.ndarray"),
        (b"c_codecs\nencode\n(S'x'\nS'rot13'\ntR.", "rot13"),
        (b"Pid\n.", "outside the file"),
        # Gives the class that stands for ndarray another __init__.
        (b"cnumpy\nndarray\n(N(S'__init__'\ncbuiltins\nset\ndtb.", "changes NdArray"),
        (pickle.dumps(np.zeros(2, dtype=[("a", "O"), ("b", "f4")])), "not numbers"),
        (pickle.dumps(np.zeros(4))[:-20], "damaged"),
    ],
)
def test_refuses_everything_else(tmp_path: Path, program: bytes, named: str) -> None:
    path = tmp_path / "a.pickle"
    path.write_bytes(program)
    with path.open("rb") as stream, pytest.raises(ForbiddenPickleError, match=named):
        load_plain(stream)


def test_array_that_does_not_fit_its_bytes_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "a.pickle"
    path.write_bytes(pickle.dumps(np.zeros(4, np.float32), 3).replace(b"K\x04\x85", b"K\x05\x85"))
    with path.open("rb") as stream, pytest.raises(ForbiddenPickleError, match="damaged"):
        load_plain(stream)


class Bomb:
    """Unpickling this makes a folder."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self) -> tuple[Any, tuple[str]]:
        return os.mkdir, (str(self.path),)


def test_archive_of_arrays_and_pickled_objects(tmp_path: Path) -> None:
    numbers = np.asfortranarray(np.arange(6.0).reshape(2, 3))
    ragged = np.array([[[], np.ones((2, 5))], [[], np.zeros((1, 5))]], dtype=object)
    held: Any = {"w": 640}
    np.savez_compressed(tmp_path / "a.npz", numbers=numbers, held=held, ragged=ragged)
    read = read_plain_npz(tmp_path / "a.npz")
    assert sorted(read) == ["held", "numbers", "ragged"]
    assert read["held"] == {"w": 640}
    np.testing.assert_array_equal(read["numbers"], numbers)
    assert read["ragged"].shape == (2, 2)
    np.testing.assert_array_equal(read["ragged"][0, 1], np.ones((2, 5)))


def test_archive_that_cannot_be_read_is_named_with_the_remedy(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"absent\.npz: no such file: make it"):
        read_plain_npz(tmp_path / "absent.npz", "make it")
    (tmp_path / "text.npz").write_text("no archive")
    with pytest.raises(InputError, match=r"text\.npz: not a readable npz archive.*: make it"):
        read_plain_npz(tmp_path / "text.npz", "make it")


def test_archive_that_runs_something_is_refused(tmp_path: Path) -> None:
    trap = tmp_path / "trap"
    boxes: Any = {"a": Bomb(trap)}
    np.savez_compressed(tmp_path / "a.npz", boxes=boxes)
    with pytest.raises(InputError, match=r"a\.npz: .*posix\.mkdir"):
        read_plain_npz(tmp_path / "a.npz")
    assert not trap.exists()
