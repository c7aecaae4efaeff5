"""Biovision hierarchy files (BVH): reading them, and forward kinematics.

The format is that of the University of Wisconsin's description (Biovision, 1990s): a tree of joints with offsets and
channels, then a line of channel values a frame. Rotations are Euler angles in degrees that are multiplied in the order
in which the channels stand: ``Zrotation Xrotation Yrotation`` is Rz Rx Ry, applied to column vectors.

Shape letters: T frames, N nodes (joints and end sites), C channels.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import numpy as np
from scipy.spatial.transform import Rotation

from poses import InputError

_CHANNELS = {f"{axis}{kind}".lower(): (kind, axis) for axis in "XYZ" for kind in ("position", "rotation")}

_MOST_NODES = 500


@dataclass(frozen=True)
class Node:
    """A joint, or the end site of a chain.

    Attributes
    ----------
    name : as in the file; empty for an end site.
    parent : index of the parent, -1 for the root.
    offset : (3,) from the parent, in the file's unit.
    channels : such as ``("position", "X")``, in the file's order.
    """

    name: str
    parent: int
    offset: tuple[float, float, float]
    channels: tuple[tuple[str, str], ...]


@dataclass(frozen=True)
class BvhMotion:
    """A file's content.

    Attributes
    ----------
    path : where it was read.
    nodes : (N,) parents before their children.
    values : (T, C) float64 channel values, degrees and the file's unit of length.
    frame_time_s : from frame to frame.
    """

    path: Path
    nodes: tuple[Node, ...]
    values: np.ndarray
    frame_time_s: float

    def __len__(self) -> int:
        return len(self.values)

    def indices(self, name: str) -> list[int]:
        """Every node of that name, in the file's order."""
        return [index for index, node in enumerate(self.nodes) if node.name == name and name]

    def children(self, node: int) -> list[int]:
        """Indices of its children."""
        return [index for index, other in enumerate(self.nodes) if other.parent == node]

    def path_to(self, node: int) -> list[int]:
        """Indices from the root to the node, both included."""
        way = [node]
        while (parent := self.nodes[way[-1]].parent) >= 0:
            way.append(parent)
        return way[::-1]

    @cached_property
    def first_channel(self) -> tuple[int, ...]:
        """(N,) column of `values` where each node's channels begin."""
        counts = [len(node.channels) for node in self.nodes]
        return tuple(int(c) for c in np.cumsum([0, *counts[:-1]]))

    @cached_property
    def positions_add(self) -> bool:
        """Whether position channels below the root are added to the offsets instead of taking their place.

        Most programs (MotionBuilder, Blender, Mixamo's exports) write whole positions, some differences from the
        offset, and the file does not say which. Differences are small: each joint votes for them where its values are
        below half its offset.
        """
        votes = 0
        for index, node in enumerate(self.nodes):
            columns, axes = self._position_columns(index)
            if node.parent >= 0 and columns:
                half = np.abs(np.array(node.offset)[axes]).sum() / 2
                votes += int(np.sign(half - np.abs(self.values[:, columns]).sum(axis=1).mean()))
        return votes > 0

    def _position_columns(self, index: int) -> tuple[list[int], list[int]]:
        """Columns of a node's position channels and the axis of each."""
        first = self.first_channel[index]
        found = [(first + i, "XYZ".index(a)) for i, (k, a) in enumerate(self.nodes[index].channels) if k == "position"]
        return [column for column, _ in found], [axis for _, axis in found]

    def local_offset(self, index: int) -> np.ndarray:
        """(T, 3) place of a node in its parent's frame. The root's position channels take its offset's place."""
        node = self.nodes[index]
        place = np.tile(np.array(node.offset), (len(self), 1))
        columns, axes = self._position_columns(index)
        if columns:
            added = node.parent >= 0 and self.positions_add
            place[:, axes] = self.values[:, columns] + (place[:, axes] if added else 0.0)
        return place

    def local_rotation(self, index: int) -> np.ndarray:
        """(T, 3, 3) rotation of a node's frame in its parent's."""
        first = self.first_channel[index]
        columns = [first + i for i, (kind, _) in enumerate(self.nodes[index].channels) if kind == "rotation"]
        order = "".join(axis for kind, axis in self.nodes[index].channels if kind == "rotation")
        if not order:
            return np.tile(np.eye(3), (len(self), 1, 1))
        # Upper case: about the axes as they have been turned so far.
        return np.asarray(Rotation.from_euler(order, self.values[:, columns], degrees=True).as_matrix())


def forward_kinematics(motion: BvhMotion, wanted: Sequence[int]) -> tuple[np.ndarray, np.ndarray]:
    """Places (T, wanted, 3) and frames (T, wanted, 3, 3) of some nodes in the world; columns are a frame's axes."""
    needed = sorted({ancestor for node in wanted for ancestor in motion.path_to(node)})
    places: dict[int, np.ndarray] = {}
    turns: dict[int, np.ndarray] = {}
    for index in needed:
        place, turn = motion.local_offset(index), motion.local_rotation(index)
        parent = motion.nodes[index].parent
        if parent >= 0:
            place = places[parent] + np.einsum("tij,tj->ti", turns[parent], place)
            turn = turns[parent] @ turn
        places[index], turns[index] = place, turn
    return np.stack([places[node] for node in wanted], 1), np.stack([turns[node] for node in wanted], 1)


def rest_positions(motion: BvhMotion, wanted: Sequence[int]) -> np.ndarray:
    """(wanted, 3) places of some nodes with all angles zero, the root at its offset."""
    offsets = np.array([node.offset for node in motion.nodes])
    return np.stack([offsets[motion.path_to(node)].sum(axis=0) for node in wanted])


def read_bvh(path: str | Path) -> BvhMotion:
    """Read a BVH file; `InputError` names the file, the line, what was expected and what came."""
    path = Path(path)
    try:
        content = path.read_bytes()
    except OSError as error:
        raise InputError(f"{path}: cannot be read ({error.strerror})") from None
    return _Parser(path, content).parse()


class _Parser:
    """Goes through the lines once; `number` is that of the last line that was taken."""

    def __init__(self, path: Path, content: bytes) -> None:
        self.path = path
        self.number = 0
        # Only names of joints are not ASCII; Latin-1 reads any byte.
        try:
            text = content.decode("utf-8-sig")
        except UnicodeDecodeError:
            text = content.decode("latin-1")
        self._lines = self._split(text)
        self.nodes: list[Node] = []

    def _split(self, text: str) -> Iterator[str]:
        """Lines that hold something; braces stand alone."""
        for number, line in enumerate(text.splitlines(), start=1):
            for part in re.split(r"([{}])", line):
                if part.strip():
                    self.number = number
                    yield part.strip()

    def error(self, problem: str, remedy: str = "") -> InputError:
        return InputError(f"{self.path}, line {self.number}: {problem}", remedy)

    def next(self, expected: str) -> str:
        line = next(self._lines, None)
        if line is None:
            raise self.error(f"the file ends where {expected} was expected", "it is cut off; export it again")
        return line

    def expect(self, word: str) -> None:
        line = self.next(word)
        if line.upper() != word:
            raise self.error(
                f"expected {word}, got {line[:60]!r}", "is this a BVH file?" if word == "HIERARCHY" else ""
            )

    def parse(self) -> BvhMotion:
        self.expect("HIERARCHY")
        line = self.next("ROOT")
        if line.split()[0].upper() != "ROOT":
            raise self.error(f"expected ROOT and a name, got {line[:60]!r}")
        self.joint(line, -1)
        line = self.next("MOTION")
        if line.split()[0].upper() == "ROOT":
            raise self.error("a second ROOT", "keep one person a file")
        if line.upper() != "MOTION":
            raise self.error(f"expected MOTION, got {line[:60]!r}", "the braces before it may not match")
        frames = self.header(r"frames\s*:\s*(\S+)", "'Frames: <number>'")
        if frames != int(frames) or frames < 1:
            raise self.error(f"expected a whole number of frames of at least 1, got {frames:g}")
        frame_time_s = self.header(r"frame\s+time\s*:\s*(\S+)", "'Frame Time: <seconds>'")
        if not frame_time_s > 0:
            raise self.error(f"the frame time must be a positive number of seconds, got {frame_time_s:g}")
        return BvhMotion(self.path, tuple(self.nodes), self.values(int(frames)), frame_time_s)

    def joint(self, line: str, parent: int) -> None:
        """A joint and all below it."""
        if len(self.nodes) > _MOST_NODES:
            raise self.error(f"more than {_MOST_NODES} joints", "keep one person a file")
        name = line.split(maxsplit=1)[1].strip() if len(line.split()) > 1 else ""
        if not name:
            raise self.error(f"expected a name after {line.split()[0]}")
        self.expect("{")
        offset = self.offset()
        index = len(self.nodes)
        self.nodes.append(Node(name, parent, offset, self.channels(name)))
        while (line := self.next(f"the '}}' of {name}")) != "}":
            word = line.split()[0].upper()
            if word == "JOINT":
                self.joint(line, index)
            elif word == "END":
                self.expect("{")
                self.nodes.append(Node("", index, self.offset(), ()))
                self.expect("}")
            else:
                raise self.error(f"expected JOINT, End Site or '}}' in {name}, got {line[:60]!r}")

    def offset(self) -> tuple[float, float, float]:
        words = self.next("OFFSET").split()
        if words[0].upper() != "OFFSET" or len(words) != 4:
            raise self.error(f"expected OFFSET and three numbers, got {' '.join(words)[:60]!r}")
        x, y, z = (self.finite(word) for word in words[1:])
        return x, y, z

    def channels(self, name: str) -> tuple[tuple[str, str], ...]:
        words = self.next("CHANNELS").split()
        if words[0].upper() != "CHANNELS" or len(words) < 2:
            raise self.error(f"expected CHANNELS, their number and their names, got {' '.join(words)[:60]!r}")
        count, names = self.finite(words[1]), [word.lower() for word in words[2:]]
        if count != len(names):
            raise self.error(f"{name} announces {words[1]} channels and names {len(names)}")
        unknown = [word for word in names if word not in _CHANNELS]
        if unknown or len(set(names)) != len(names):
            problem = f"unknown channel {unknown[0]!r}" if unknown else f"a channel of {name} stands twice"
            raise self.error(problem, "expected Xposition, Yposition, Zposition, Xrotation, Yrotation, Zrotation")
        return tuple(_CHANNELS[word] for word in names)

    def header(self, pattern: str, expected: str) -> float:
        line = self.next(expected)
        found = re.fullmatch(pattern, line, re.IGNORECASE)
        if found is None:
            raise self.error(f"expected {expected}, got {line[:60]!r}")
        return self.finite(found[1])

    def values(self, frames: int) -> np.ndarray:
        """(T, C) of the motion block."""
        count = sum(len(node.channels) for node in self.nodes)
        rows = np.empty((min(frames, 10_000_000 // max(count, 1) + 1), count))
        taken = 0
        for line in self._lines:
            words = line.split()
            if taken == frames:
                raise self.error(f"more lines than the {frames} frames announced", "correct 'Frames:' or export again")
            if len(words) != count:
                raise self.error(
                    f"expected {count} channel values, got {len(words)}", "the file may be cut off; export it again"
                )
            if taken == len(rows):
                rows = np.concatenate([rows, np.empty((min(len(rows), frames - taken), count))])
            try:
                rows[taken] = [float(word) for word in words]
            except ValueError:
                for word in words:
                    self.finite(word)
            if not np.isfinite(rows[taken]).all():
                raise self.error("a channel value is not a finite number", "export it again")
            taken += 1
        if taken < frames:
            raise self.error(f"{frames} frames announced, {taken} found", "the file is cut off; export it again")
        return rows

    def finite(self, word: str) -> float:
        try:
            value = float(word)
        except ValueError:
            value = math.nan
        if not math.isfinite(value):
            raise self.error(f"expected a number, got {word[:60]!r}")
        return value
