"""Which joints of a BVH file are which: by the naming families of the common programs, or by the user's list.

Hips, knees, ankles, shoulders, elbows, wrists and the head are told by name. Spine and neck are what lies between them
in the tree, so that any number of bones there will do.
"""

from __future__ import annotations

import dataclasses
import difflib
import re
from collections.abc import Mapping
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path

from lifting.data.bvh_file import BvhMotion
from poses import InputError, UsageError
from poses.options import load_yaml

_PARTS = {
    "hip": ("upleg", "upperleg", "thigh", "femur", "hip"),
    "knee": ("leg", "lowerleg", "lowleg", "shin", "calf", "tibia", "knee"),
    "ankle": ("ankle", "foot"),
    "shoulder": ("arm", "upperarm", "uparm", "humerus", "shldr", "shoulder"),
    "elbow": ("forearm", "lowerarm", "lowarm", "radius", "elbow"),
    "wrist": ("wrist", "hand"),
}
"""What programs call a joint, by ours; the first that a file has is taken. A "shoulder" is the shoulder joint only
where nothing is called an arm (else it is the collar bone), a "foot" the ankle only where there is no ankle."""

_SIDES = {"left": "left", "l": "left", "right": "right", "r": "right"}

_PREFIXES = frozenset(
    ("mixamorig", "character", "bip", "def", "org", "armature", "cc", "base", "b", "c", "j", "jt", "jnt")
)

ROLES = (*(f"{side}_{part}" for side in ("left", "right") for part in _PARTS), "head")
"""The joints that are told by name."""

_CHAINS = (("hip", "knee", "ankle"), ("shoulder", "elbow", "wrist"))

_CMU = ("LHipJoint", "Spine1", "Neck", "LeftShoulder", "RightShoulder", "LeftHand", "RightHand")
CMU_WRIST = 1.3
"""Forearm over what CMU's BVH conversion leaves of it; an estimate, which gives Human3.6M's ratio to the upper arm."""


@dataclass(frozen=True)
class Figure:
    """Nodes of a file that make a person.

    Attributes
    ----------
    named : node of each of `ROLES`.
    spine : nodes from the last one that both hips share to the last one that both shoulders share, the chest.
    neck : nodes from the chest to the head.
    toes : a joint that hangs on each ankle, left and right, where there is one.
    """

    named: dict[str, int]
    spine: tuple[int, ...]
    neck: tuple[int, ...]
    toes: tuple[int, ...]

    @property
    def nodes(self) -> list[int]:
        """All of them, each once."""
        return list(dict.fromkeys([*self.named.values(), *self.spine, *self.neck, *self.toes]))


def load_joint_names(path: Path) -> dict[str, str]:
    """The user's list, YAML of ``left_hip: <name in the file>``; any of `ROLES`. `UsageError` names what is unknown."""
    content = load_yaml(path)
    if not isinstance(content, Mapping) or not all(isinstance(name, str) for name in content.values()):
        raise UsageError(f"{path}: expected lines such as 'left_hip: LeftUpLeg'")
    for role in content:
        if role not in ROLES:
            near = difflib.get_close_matches(str(role), ROLES, n=1, cutoff=0.0)
            raise UsageError(f"{path}: unknown joint {role!r}", f"nearest known: {near[0]}")
    return {str(role): str(name) for role, name in content.items()}


def find_figure(motion: BvhMotion, names: Mapping[str, str] | None = None) -> Figure:
    """The person in a file, `names` first, then the naming families.

    `InputError` lists the joints that were not found and those that the file has, or says which of those found do not
    hang together as a body's joints do.
    """
    named = _found_by_name(motion) | _found_by_list(motion, names or {})
    missing = [role for role in ROLES if role not in named]
    if missing:
        have = ", ".join(node.name for node in motion.nodes if node.name)
        raise InputError(
            f"{motion.path}: no joint is known as {', '.join(missing)}; the file has {have}",
            "name them in a YAML file and give it with --joints",
        )
    for chain in _CHAINS:
        for side in ("left", "right"):
            for upper, lower in pairwise(chain):
                _require_below(motion, named, f"{side}_{upper}", f"{side}_{lower}")
    spine_end = _last_shared(motion, named["left_shoulder"], named["right_shoulder"])
    spine_start = _last_shared(motion, named["left_hip"], named["right_hip"])
    way = motion.path_to(spine_end)
    spine = way[way.index(spine_start) :] if spine_start in way else [spine_end]
    to_head = motion.path_to(named["head"])
    if spine_end not in to_head or spine_end == named["head"]:
        raise _not_a_body(motion, named, "head", "left_shoulder")
    # An end site may only carry the shin on.
    toes = [[c for c in motion.children(named[f"{s}_ankle"]) if motion.nodes[c].name][:1] for s in ("left", "right")]
    return Figure(
        named,
        tuple(spine),
        tuple(to_head[to_head.index(spine_end) :]),
        tuple(node for child in toes for node in child),
    )


def side_and_part(name: str) -> tuple[str, str]:
    """("left" | "right" | "", part) of a joint's name: ``mixamorig:LeftUpLeg`` is left, upleg; ``thigh.L`` left, thigh.

    Prefixes of rigs and numbers are left out.
    """
    words = [w.lower() for w in re.findall(r"[A-Z]+(?![a-z])|[A-Z]?[a-z]+", name.split(":")[-1])]
    while len(words) > 1 and words[0] in _PREFIXES:
        words = words[1:]
    sides = [word for word in words if word in _SIDES]
    if sides:
        words.remove(sides[0])
        return _SIDES[sides[0]], "".join(words)
    part = "".join(words)
    # The names of Acclaim's skeletons: lfemur, rtibia.
    if part[:1] in _SIDES and any(part[1:] in known for known in _PARTS.values()):
        return _SIDES[part[0]], part[1:]
    return "", part


def repair_cmu(motion: BvhMotion) -> BvhMotion:
    """Give the BVH conversion of CMU's recordings the two bones that it lost; other files come back as they are.

    There neck and collar bones start where the thorax bone should start, and the hand where the second bone of the
    forearm should. The thorax bone gets the length of the one below it (in CMU's own skeletons the three are nearly
    equal), the forearm is lengthened by `CMU_WRIST`; as in the bundled weights' training data.
    """
    index = {node.name: i for i, node in enumerate(motion.nodes)}
    if not all(name in index for name in _CMU):
        return motion
    on_thorax = [index[name] for name in ("Neck", "LeftShoulder", "RightShoulder")]
    chest = index["Spine1"]
    lost = all(motion.nodes[i].parent == chest and not any(motion.nodes[i].offset) for i in on_thorax)
    if not lost:
        return motion
    nodes = list(motion.nodes)
    for i in on_thorax:
        nodes[i] = dataclasses.replace(nodes[i], offset=nodes[chest].offset)
    for i in (index["LeftHand"], index["RightHand"]):
        x, y, z = (CMU_WRIST * value for value in nodes[i].offset)
        nodes[i] = dataclasses.replace(nodes[i], offset=(x, y, z))
    return dataclasses.replace(motion, nodes=tuple(nodes))


def _found_by_name(motion: BvhMotion) -> dict[str, int]:
    by_part: dict[tuple[str, str], int] = {}
    for index, node in enumerate(motion.nodes):
        if node.name:
            # Of several bones of one name (upperarm01, upperarm02) the first is where the joint is.
            by_part.setdefault(side_and_part(node.name), index)
    found: dict[str, int] = {}
    for side in ("left", "right"):
        for part, known in _PARTS.items():
            there = [by_part[side, name] for name in known if (side, name) in by_part]
            if there:
                found[f"{side}_{part}"] = there[0]
    if ("", "head") in by_part:
        found["head"] = by_part["", "head"]
    return found


def _found_by_list(motion: BvhMotion, names: Mapping[str, str]) -> dict[str, int]:
    found = {}
    for role, name in names.items():
        indices = motion.indices(name)
        if len(indices) != 1:
            known = [node.name for node in motion.nodes if node.name]
            near = difflib.get_close_matches(name, known, n=1, cutoff=0.0)
            raise InputError(
                f"{motion.path}: {role} is said to be {name!r}, of which the file has {len(indices) or 'none'}",
                f"correct --joints; nearest: {near[0]}",
            )
        found[role] = indices[0]
    return found


def _last_shared(motion: BvhMotion, one: int, other: int) -> int:
    others = set(motion.path_to(other))
    return next(node for node in reversed(motion.path_to(one)) if node in others)


def _require_below(motion: BvhMotion, named: Mapping[str, int], upper: str, lower: str) -> None:
    if named[upper] not in motion.path_to(named[lower])[:-1]:
        raise _not_a_body(motion, named, lower, upper)


def _not_a_body(motion: BvhMotion, named: Mapping[str, int], lower: str, upper: str) -> InputError:
    def text(role: str) -> str:
        return f"{role} ({motion.nodes[named[role]].name})"

    return InputError(
        f"{motion.path}: {text(lower)} does not hang on {text(upper)} as a body's joints do",
        "name the joints in a YAML file and give it with --joints",
    )
