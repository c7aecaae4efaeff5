"""GLB (binary glTF 2.0) through pygltflib: every person an animated skeleton in one scene. Y up, metres, seconds.

Each joint is a node; each bone a slim solid that hangs on its joint, so that viewers without a skeleton display show
the person too. While a person is missing her root is scaled to nothing.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from scipy.spatial.transform import Rotation

from render.export.motion import Motion
from render.export.packages import needed
from render.export.rig import make_rig, solve

_FLOAT, _VERTICES = 5126, 34962
_COLORS = ((0.34, 0.71, 0.91), (0.90, 0.62, 0.0), (0.80, 0.47, 0.65), (0.0, 0.62, 0.45), (0.94, 0.89, 0.26))
# A solid of eight faces from the joint to the end of its bone, widest near the joint (as 3D programs draw bones).
_WIDEST, _HALF_WIDTH = 0.15, 0.09
_FACES = np.array([[0, 1, 2], [0, 2, 3], [0, 3, 4], [0, 4, 1], [5, 2, 1], [5, 3, 2], [5, 4, 3], [5, 1, 4]])


def glb_bytes(people: list[Motion]) -> bytes:
    """The file's content; `UsageError` where pygltflib is not installed."""
    writer = _Writer(needed("pygltflib", "export"))
    for number, motion in enumerate(people):
        writer.add_person(motion, _COLORS[number % len(_COLORS)])
    return writer.content()


class _Writer:
    """Collects nodes, meshes, channels and their numbers in one buffer."""

    def __init__(self, gltf: Any) -> None:
        self._gltf = gltf
        self._file = gltf.GLTF2(asset=gltf.Asset(version="2.0", generator="video-to-3d-poses"))
        self._file.scenes = [gltf.Scene(nodes=[])]
        self._file.scene = 0
        self._animation = gltf.Animation(name="motion", channels=[], samplers=[])
        self._buffer = bytearray()

    def add_person(self, motion: Motion, color: tuple[float, float, float]) -> None:
        gltf, file = self._gltf, self._file
        rig = make_rig(motion)
        material = len(file.materials)
        surface = gltf.PbrMetallicRoughness(baseColorFactor=[*color, 1.0], metallicFactor=0.0, roughnessFactor=0.7)
        file.materials.append(gltf.Material(name=f"person {motion.person_id}", pbrMetallicRoughness=surface))
        first = len(file.nodes)
        for joint, name in enumerate(rig.joints):
            children = [first + child for child in rig.children(joint)]
            node = gltf.Node(name=name, translation=rig.offsets_m[joint].tolist(), children=children)
            if rig.children(joint):
                node.mesh = self._bones(name, rig.offsets_m[rig.children(joint)], material)
            file.nodes.append(node)
        file.nodes.append(gltf.Node(name=f"person {motion.person_id}", children=[first]))
        person = len(file.nodes) - 1
        file.scenes[0].nodes.append(person)
        solved = [solve(rig, motion.part(span)) for span in motion.spans()]
        clock = self._accessor(motion.times_s[motion.present], "SCALAR", limits=True)
        root_m = np.concatenate([part.root_m for part in solved])
        self._channel(first, "translation", clock, self._accessor(root_m, "VEC3"))
        for joint in range(len(rig.joints)):
            turns = Rotation.from_matrix(np.concatenate([part.rotations[:, joint] for part in solved])).as_quat()
            self._channel(first + joint, "rotation", clock, self._accessor(_continuous(turns), "VEC4"))
        if not motion.present.all():
            changes = np.flatnonzero(np.diff(motion.present.astype(int), prepend=-1))
            scales = np.repeat(motion.present[changes].astype(float)[:, None], 3, axis=1)
            clock = self._accessor(motion.times_s[changes], "SCALAR", limits=True)
            self._channel(person, "scale", clock, self._accessor(scales, "VEC3"), "STEP")

    def _bones(self, name: str, ends_m: np.ndarray, material: int) -> int:
        """A mesh with one solid for each bone that begins at a joint."""
        gltf = self._gltf
        corners: list[np.ndarray] = []
        faces: list[np.ndarray] = []
        for end in ends_m:
            faces.append(_FACES + 6 * len(corners))
            corners.append(_solid(end))
        # Every face has its own corners, so that it is shaded flat.
        triangles = np.concatenate(corners)[np.concatenate(faces)]
        normals = np.cross(triangles[:, 1] - triangles[:, 0], triangles[:, 2] - triangles[:, 0])
        normals /= np.maximum(np.linalg.norm(normals, axis=1, keepdims=True), 1e-12)
        attributes = gltf.Attributes(
            POSITION=self._accessor(triangles.reshape(-1, 3), "VEC3", limits=True, target=_VERTICES),
            NORMAL=self._accessor(np.repeat(normals, 3, axis=0), "VEC3", target=_VERTICES),
        )
        self._file.meshes.append(
            gltf.Mesh(name=name, primitives=[gltf.Primitive(attributes=attributes, material=material)])
        )
        return len(self._file.meshes) - 1

    def _channel(self, node: int, path: str, clock: int, values: int, interpolation: str = "LINEAR") -> None:
        gltf = self._gltf
        self._animation.samplers.append(gltf.AnimationSampler(input=clock, output=values, interpolation=interpolation))
        target = gltf.AnimationChannelTarget(node=node, path=path)
        self._animation.channels.append(gltf.AnimationChannel(sampler=len(self._animation.samplers) - 1, target=target))

    def _accessor(self, values: np.ndarray, kind: str, limits: bool = False, target: int | None = None) -> int:
        values = np.ascontiguousarray(values, np.float32)
        view = self._gltf.BufferView(buffer=0, byteOffset=len(self._buffer), byteLength=values.nbytes, target=target)
        self._buffer += values.tobytes()
        self._file.bufferViews.append(view)
        accessor = self._gltf.Accessor(
            bufferView=len(self._file.bufferViews) - 1, componentType=_FLOAT, count=len(values), type=kind
        )
        if limits:
            flat = values.reshape(len(values), -1)
            accessor.min, accessor.max = flat.min(axis=0).tolist(), flat.max(axis=0).tolist()
        self._file.accessors.append(accessor)
        return len(self._file.accessors) - 1

    def content(self) -> bytes:
        self._file.animations = [self._animation]
        self._file.buffers = [self._gltf.Buffer(byteLength=len(self._buffer))]
        self._file.set_binary_blob(bytes(self._buffer))
        return b"".join(self._file.save_to_bytes())


def _solid(end_m: np.ndarray) -> np.ndarray:
    """(6, 3) corners of a bone's solid from the origin to `end_m`."""
    length = float(np.linalg.norm(end_m))
    along = end_m / max(length, 1e-9)
    across = np.cross(along, [0.0, 0.0, 1.0] if abs(along[2]) < 0.9 else [1.0, 0.0, 0.0])
    across /= np.linalg.norm(across)
    other = np.cross(along, across)
    ring = np.stack([across, other, -across, -other]) * length * _HALF_WIDTH + end_m * _WIDEST
    return np.concatenate([np.zeros((1, 3)), ring, end_m[None]])


def _continuous(quaternions: np.ndarray) -> np.ndarray:
    """(T, 4) the same rotations with signs such that interpolation takes the short way."""
    flips = np.where((quaternions[1:] * quaternions[:-1]).sum(axis=1) < 0, -1.0, 1.0)
    return quaternions * np.cumprod(np.concatenate([[1.0], flips]))[:, None]
