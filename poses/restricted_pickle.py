"""Reading pickled arrays of numbers without running anything that the file says.

The field's archives hold dictionaries of arrays as pickled objects, and a pickle is a program: it may name any function
and have it called. Here a pickle may name only the few functions with which NumPy writes arrays, types and scalars,
and even these are not called: stand-ins collect what the file says and check it before an array is made.
"""

from __future__ import annotations

import pickle
import zipfile
import zlib
from pathlib import Path
from typing import IO, Any

import numpy as np

from poses.errors import InputError

_NUMBER_KINDS = "biufcSU"
_MODULES = ("numpy", "numpy.core.multiarray", "numpy._core.multiarray", "numpy.core.numeric", "numpy._core.numeric")


class ForbiddenPickleError(ValueError):
    """The pickle holds something other than arrays, numbers, text and plain containers."""


def load_plain(stream: IO[bytes]) -> Any:
    """Unpickle arrays, NumPy scalars, numbers, text, None, lists, tuples, dictionaries and sets; nothing else.

    `ForbiddenPickleError` names what else the pickle asks for, before anything of it is run. A pickle that is cut off
    or garbled raises it too.
    """
    try:
        return _resolve(_Unpickler(stream, encoding="latin1").load())
    except ForbiddenPickleError:
        raise
    except (pickle.UnpicklingError, EOFError, AttributeError, IndexError, KeyError, TypeError, ValueError) as error:
        raise ForbiddenPickleError(f"the pickled part is damaged ({error})") from None
    except (MemoryError, OverflowError, RecursionError) as error:
        raise ForbiddenPickleError(f"the pickled part is damaged ({type(error).__name__})") from None


def read_plain_npz(path: str | Path, remedy: str = "") -> dict[str, Any]:
    """Every entry of an npz archive: an array, or what a pickled one holds, read by `load_plain`.

    An object array without dimensions, in which NumPy keeps a dictionary, comes out as what it holds. `InputError`
    names the file that is missing, is no archive, is cut off, or holds more than array data, and gives the `remedy`.
    """
    path = Path(path)
    entries: dict[str, Any] = {}
    try:
        with zipfile.ZipFile(path) as archive:
            for name in archive.namelist():
                with archive.open(name) as stream:
                    entries[name.removesuffix(".npy")] = _read_entry(stream)
    except FileNotFoundError:
        raise InputError(f"{path}: no such file", remedy) from None
    except ForbiddenPickleError as error:
        raise InputError(f"{path}: {error}", remedy) from None
    except (OSError, ValueError, EOFError, NotImplementedError, RuntimeError, zipfile.BadZipFile, zlib.error) as error:
        raise InputError(f"{path}: not a readable npz archive, or cut off ({error})", remedy) from None
    return entries


def numpy_pickle_parts() -> list[Any]:
    """What NumPy's arrays and numbers are pickled with, for `torch.serialization.safe_globals`.

    Training programs leave them beside the tensors.
    """
    core = np.core if np.__version__ < "2" else np._core  # type: ignore[attr-defined]
    rebuild, scalar = core.multiarray._reconstruct, core.multiarray.scalar
    names = ("numpy.core.multiarray", "numpy._core.multiarray")
    return [
        *((rebuild, f"{name}._reconstruct") for name in names),
        *((scalar, f"{name}.scalar") for name in names),
        np.ndarray,
        np.dtype,
        *(type(np.dtype(kind)) for kind in ("?", "i1", "i2", "i4", "i8", "u1", "u2", "u4", "u8", "f2", "f4", "f8")),
    ]


def _read_entry(stream: IO[bytes]) -> Any:
    """One `.npy` member: an array, or what the pickle in it holds."""
    version = np.lib.format.read_magic(stream)
    if version == (1, 0):
        shape, fortran, dtype = np.lib.format.read_array_header_1_0(stream)
    elif version == (2, 0):
        shape, fortran, dtype = np.lib.format.read_array_header_2_0(stream)
    else:
        raise ValueError(f"npy format {version} is unknown")
    if dtype.hasobject:
        held = load_plain(stream)
        return held.item() if isinstance(held, np.ndarray) and held.shape == () else held
    data = stream.read()
    return np.frombuffer(data, dtype).reshape(shape, order="F" if fortran else "C").copy(order="K")


class _Unpickler(pickle.Unpickler):
    def find_class(self, module_name: str, global_name: str, /) -> Any:
        if module_name in _MODULES and global_name in _STAND_INS:
            return _STAND_INS[global_name]
        if (module_name, global_name) in _PLAIN:
            return _PLAIN[module_name, global_name]
        raise ForbiddenPickleError(f"the pickled part asks for {module_name}.{global_name}, which is not array data")

    def persistent_load(self, pid: Any) -> Any:
        raise ForbiddenPickleError("the pickled part refers to objects outside the file")


class _Sealed(type):
    """A class whose attributes stay as they are: a pickle may give anything that it names a new state."""

    def __setattr__(cls, name: str, value: object) -> None:
        raise ForbiddenPickleError(f"the pickled part changes {cls.__name__.strip('_')}")


class _DType(metaclass=_Sealed):
    """What `numpy.dtype(...)` would be; only numbers, text and object."""

    def __init__(self, code: str, align: bool = False, copy: bool = False) -> None:
        if not isinstance(code, str) or not (code == "O8" or code == "O" or code[:1] in _NUMBER_KINDS):
            raise ForbiddenPickleError(f"the pickled part holds an array of type {code!r}, not numbers")
        self.value = np.dtype("O") if code.startswith("O") else np.dtype(code)

    def __setstate__(self, state: tuple[Any, ...]) -> None:
        _version, order, subtype, names, fields, size, *_ = state
        if subtype is not None or names is not None or fields is not None:
            raise ForbiddenPickleError("the pickled part holds structured arrays")
        if self.value.kind in "SU" and size > 0:
            self.value = np.dtype(f"{self.value.kind}{size // (4 if self.value.kind == 'U' else 1)}")
        if order in ("<", ">"):
            self.value = self.value.newbyteorder(order)


class _Array(metaclass=_Sealed):
    """What `_reconstruct` begins and its state fills: an array."""

    value: np.ndarray

    def __init__(self, kind: Any = None, shape: Any = None, code: Any = None) -> None:
        if kind is not _NdArray:
            raise ForbiddenPickleError("the pickled part holds a subclass of array")

    def __setstate__(self, state: tuple[Any, ...]) -> None:
        *_version, shape, dtype, fortran, raw = state
        self.value = _make_array(raw, dtype, shape, "F" if fortran else "C")


class _NdArray(metaclass=_Sealed):
    """Stands for the class `numpy.ndarray`, which pickles name and never call."""

    def __init__(self, *_arguments: Any) -> None:
        raise ForbiddenPickleError("the pickled part calls numpy.ndarray")


class _Scalar(metaclass=_Sealed):
    """What `scalar(dtype, bytes)` would be."""

    def __init__(self, dtype: Any, raw: Any) -> None:
        self.value = _make_array(raw, dtype, (), "C")[()]


class _FromBuffer(metaclass=_Sealed):
    """What `_frombuffer(bytes, dtype, shape, order)` would be (pickle protocol 5)."""

    def __init__(self, raw: Any, dtype: Any, shape: Any, order: str) -> None:
        self.value = _make_array(raw, dtype, shape, order)


def _make_array(raw: Any, dtype: Any, shape: Any, order: str) -> np.ndarray:
    if not isinstance(dtype, _DType):
        raise ForbiddenPickleError("the pickled part holds an array without a type")
    if not isinstance(shape, tuple) or not all(isinstance(size, int) and size >= 0 for size in shape):
        raise ForbiddenPickleError(f"the pickled part holds an array of shape {shape!r}")
    if order not in ("C", "F"):
        raise ForbiddenPickleError(f"the pickled part holds an array in order {order!r}")
    if dtype.value.hasobject:
        if not isinstance(raw, list) or len(raw) != int(np.prod(shape)):
            raise ForbiddenPickleError("the pickled part holds an array of objects that does not fit its shape")
        array = np.empty(len(raw), dtype=object)
        for index, item in enumerate(raw):
            array[index] = _resolve(item)
        return array.reshape(shape, order="F" if order == "F" else "C")
    data = raw.encode("latin1") if isinstance(raw, str) else raw
    if not isinstance(data, bytes | bytearray):
        raise ForbiddenPickleError("the pickled part holds an array without data")
    # A copy, because arrays over a file's bytes cannot be written to.
    return np.frombuffer(data, dtype.value).reshape(shape, order="F" if order == "F" else "C").copy(order="K")


def _latin1_bytes(text: str, encoding: str) -> bytes:
    """`_codecs.encode` as pickles of protocol 2 use it to hold bytes."""
    if encoding != "latin1":
        raise ForbiddenPickleError(f"the pickled part encodes text as {encoding!r}")
    return text.encode("latin1")


def _no_bytes() -> bytes:
    """`bytes()` as pickles of protocol 2 use it for an empty array's data."""
    return b""


def _ordered_dict(pairs: Any = ()) -> dict[Any, Any]:
    """What `collections.OrderedDict(pairs)` would be: a plain dictionary, which keeps its order too."""
    return dict(pairs)


def _resolve(value: Any) -> Any:
    """Arrays and scalars in place of their stand-ins, down through the containers."""
    if isinstance(value, _Array | _Scalar | _FromBuffer):
        if not hasattr(value, "value"):
            raise ForbiddenPickleError("the pickled part holds an array without data")
        return value.value
    if isinstance(value, dict):
        return {_resolve(key): _resolve(item) for key, item in value.items()}
    if isinstance(value, list | tuple | set | frozenset):
        return type(value)(_resolve(item) for item in value)
    if value is None or isinstance(value, str | bytes | bytearray | int | float | complex):
        return value
    raise ForbiddenPickleError(f"the pickled part holds {type(value).__name__.strip('_')}, which is not array data")


_STAND_INS: dict[str, Any] = {
    "dtype": _DType,
    "ndarray": _NdArray,
    "_reconstruct": _Array,
    "scalar": _Scalar,
    "_frombuffer": _FromBuffer,
}

_PLAIN: dict[tuple[str, str], Any] = {
    ("_codecs", "encode"): _latin1_bytes,
    ("__builtin__", "bytes"): _no_bytes,
    ("builtins", "bytes"): _no_bytes,
    ("collections", "OrderedDict"): _ordered_dict,
    **{
        (module, name): kind
        for module in ("builtins", "__builtin__")
        for name, kind in (("set", set), ("frozenset", frozenset), ("complex", complex))
    },
}
