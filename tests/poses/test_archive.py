from __future__ import annotations

import os
import resource
import signal
import zipfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO

import numpy as np
import pytest

from poses import InputError
from poses.archive import read_npz, write_atomically, write_npz

ARRAYS = {
    "points": np.arange(2400, dtype=np.float32).reshape(100, 8, 3),
    "name": np.array("person"),
    "frame": np.arange(100),
    "none": np.zeros((0, 17, 2), np.float32),
}


@contextmanager
def largest_file(size: int) -> Iterator[None]:
    """The kernel refuses to write past `size` bytes of any file."""
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    handler = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
        signal.signal(signal.SIGXFSZ, handler)


def fill_the_disk(stream: IO[bytes]) -> None:
    stream.write(b"half")
    with open("/dev/full", "wb", buffering=0) as full:
        full.write(b"more")


def test_round_trip_keeps_values_types_and_shapes(tmp_path: Path) -> None:
    write_npz(tmp_path / "a.npz", ARRAYS)
    back = read_npz(tmp_path / "a.npz", required=ARRAYS)
    assert set(back) == set(ARRAYS)
    for name, array in ARRAYS.items():
        assert back[name].dtype == array.dtype
        np.testing.assert_array_equal(back[name], array)
    # NumPy by itself reads it too.
    with np.load(tmp_path / "a.npz") as archive:
        assert archive["points"].shape == (100, 8, 3)


def test_same_arrays_give_the_same_bytes(tmp_path: Path) -> None:
    write_npz(tmp_path / "a.npz", ARRAYS)
    write_npz(tmp_path / "b.npz", {name: array.copy() for name, array in ARRAYS.items()})
    assert (tmp_path / "a.npz").read_bytes() == (tmp_path / "b.npz").read_bytes()
    with zipfile.ZipFile(tmp_path / "a.npz") as archive:
        assert {entry.date_time for entry in archive.infolist()} == {(1980, 1, 1, 0, 0, 0)}, "no clock in the file"


def test_objects_are_refused_before_anything_is_written(tmp_path: Path) -> None:
    with pytest.raises(TypeError, match="'people' holds Python objects"):
        write_npz(tmp_path / "a.npz", {"people": np.array([{"id": 1}], dtype=object)})
    assert list(tmp_path.iterdir()) == []


class Trap:
    """Unpickling it makes a folder."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self) -> tuple[object, tuple[str]]:
        return os.mkdir, (str(self.path),)


def test_pickled_objects_are_not_read(tmp_path: Path) -> None:
    sprung = tmp_path / "sprung"
    np.savez(tmp_path / "a.npz", people=np.array([Trap(sprung)], dtype=object))
    with pytest.raises(InputError, match=r"a\.npz: not a readable npz archive") as caught:
        read_npz(tmp_path / "a.npz")
    assert not sprung.exists()
    assert caught.value.remedy


def test_every_truncation_is_named(tmp_path: Path) -> None:
    path = tmp_path / "a.npz"
    write_npz(path, ARRAYS)
    whole = path.read_bytes()
    for length in range(0, len(whole), 37):
        path.write_bytes(whole[:length])
        with pytest.raises(InputError, match=r"a\.npz: "):
            read_npz(path, required=ARRAYS)


def test_damaged_bytes_give_the_arrays_or_an_input_error(tmp_path: Path) -> None:
    path = tmp_path / "a.npz"
    write_npz(path, ARRAYS)
    whole = path.read_bytes()
    refused = 0
    for place in range(0, len(whole), 11):
        damaged = bytearray(whole)
        damaged[place] ^= 0x5A
        path.write_bytes(damaged)
        try:
            read_npz(path)
        except InputError:
            refused += 1
    assert refused > len(whole) / 11 / 2


@pytest.mark.parametrize("content", [b"", b"PK\x03\x04", b"not an archive at all", b"\x93NUMPY"])
def test_other_files_are_refused(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "a.npz"
    path.write_bytes(content)
    with pytest.raises(InputError, match=r"a\.npz: not a readable npz archive"):
        read_npz(path)


def test_single_array_folder_and_missing_file_are_refused(tmp_path: Path) -> None:
    np.save(tmp_path / "single.npy", np.zeros(3))
    with pytest.raises(InputError, match=r"single\.npy: not a readable npz archive"):
        read_npz(tmp_path / "single.npy")
    with pytest.raises(InputError, match="not a readable npz archive"):
        read_npz(tmp_path)
    with pytest.raises(InputError, match=r"none\.npz: no such file"):
        read_npz(tmp_path / "none.npz")


def test_missing_arrays_are_listed(tmp_path: Path) -> None:
    write_npz(tmp_path / "a.npz", {"b": np.zeros(1), "a": np.zeros(1)})
    with pytest.raises(InputError, match=r"a\.npz: lacks c, d \(it holds a, b\)"):
        read_npz(tmp_path / "a.npz", required=["c", "a", "d"])
    np.savez(tmp_path / "empty.npz")
    with pytest.raises(InputError, match=r"lacks c \(it holds nothing\)"):
        read_npz(tmp_path / "empty.npz", required=["c"])


def test_full_disk_leaves_the_old_file(tmp_path: Path) -> None:
    path = tmp_path / "a.npz"
    path.write_bytes(b"old")
    with pytest.raises(InputError, match=r"a\.npz: cannot be written \(No space left on device\)") as caught:
        write_atomically(path, fill_the_disk)
    assert "free some space" in caught.value.remedy
    assert path.read_bytes() == b"old"
    assert list(tmp_path.iterdir()) == [path]


def test_file_that_grows_too_large_leaves_the_old_file(tmp_path: Path) -> None:
    path = tmp_path / "a.npz"
    write_npz(path, ARRAYS)
    old = path.read_bytes()
    noise = np.random.default_rng(0).random(50_000)
    with largest_file(10_000), pytest.raises(InputError, match=r"a\.npz: cannot be written \(File too large\)"):
        write_npz(path, {"noise": noise})
    assert path.read_bytes() == old
    assert list(tmp_path.iterdir()) == [path]


def test_folder_that_cannot_be_written(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="No such file or directory"):
        write_npz(tmp_path / "none" / "a.npz", ARRAYS)
    (tmp_path / "file").write_bytes(b"")
    with pytest.raises(InputError, match="Not a directory"):
        write_npz(tmp_path / "file" / "a.npz", ARRAYS)
    (tmp_path / "folder.npz").mkdir()
    with pytest.raises(InputError, match="Is a directory"):
        write_npz(tmp_path / "folder.npz", ARRAYS)
    assert sorted(p.name for p in tmp_path.iterdir()) == ["file", "folder.npz"]


@pytest.mark.skipif(os.geteuid() == 0, reason="the superuser may write anywhere")
def test_folder_without_permission(tmp_path: Path) -> None:
    tmp_path.chmod(0o500)
    with pytest.raises(InputError, match="Permission denied"):
        write_npz(tmp_path / "a.npz", ARRAYS)


def test_writer_that_raises_leaves_the_old_file(tmp_path: Path) -> None:
    path = tmp_path / "a.npz"
    path.write_bytes(b"old")

    def write(stream: IO[bytes]) -> None:
        stream.write(b"half of the new")
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        write_atomically(path, write)
    assert path.read_bytes() == b"old"
    assert list(tmp_path.iterdir()) == [path]


def test_readers_see_the_old_file_until_the_new_one_is_whole(tmp_path: Path) -> None:
    path = tmp_path / "a.npz"
    path.write_bytes(b"old")
    seen = []

    def write(stream: IO[bytes]) -> None:
        stream.write(b"new")
        stream.flush()
        seen.append(path.read_bytes())

    write_atomically(path, write)
    assert seen == [b"old"]
    assert path.read_bytes() == b"new"
    assert path.stat().st_mode & 0o777 == 0o644
