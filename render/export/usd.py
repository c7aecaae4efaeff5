"""USD through usd-core: every person a UsdSkel skeleton with an animation. Y up, metres."""

from __future__ import annotations

import os
import tempfile
from pathlib import Path
from typing import Any

import numpy as np
from scipy.spatial.transform import Rotation

from render.export.motion import Motion
from render.export.packages import needed
from render.export.rig import Rig, make_rig, solve


def usd_bytes(people: list[Motion], suffix: str) -> bytes:
    """The file's content as `.usda` (text) or `.usdc` (binary); `UsageError` where usd-core is not installed.

    Time codes are frames. A person is invisible while missing.
    """
    usd = needed("pxr.Usd", "usd")
    geometry = needed("pxr.UsdGeom", "usd")
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, f"motion{suffix}")
        stage = usd.Stage.CreateNew(os.fspath(path))
        geometry.SetStageUpAxis(stage, geometry.Tokens.y)
        geometry.SetStageMetersPerUnit(stage, 1.0)
        stage.SetTimeCodesPerSecond(people[0].rate_hz)
        stage.SetFramesPerSecond(people[0].rate_hz)
        stage.SetStartTimeCode(0)
        stage.SetEndTimeCode(len(people[0]) - 1)
        scene = geometry.Xform.Define(stage, "/People")
        stage.SetDefaultPrim(scene.GetPrim())
        for motion in people:
            _add_person(stage, motion)
        stage.GetRootLayer().Save()
        return path.read_bytes()


def _add_person(stage: Any, motion: Motion) -> None:
    skel, geometry = needed("pxr.UsdSkel", "usd"), needed("pxr.UsdGeom", "usd")
    gf, vt = needed("pxr.Gf", "usd"), needed("pxr.Vt", "usd")
    rig = make_rig(motion)
    paths = _joint_paths(rig)
    at = f"/People/Person_{motion.person_id}"
    root = skel.Root.Define(stage, at)
    skeleton = skel.Skeleton.Define(stage, f"{at}/Skeleton")
    skeleton.CreateJointsAttr(paths)
    skeleton.CreateRestTransformsAttr(vt.Matrix4dArray([_translation(gf, offset) for offset in rig.offsets_m]))
    places = np.zeros((len(rig.joints), 3))
    for joint, parent in enumerate(rig.parents):
        places[joint] = rig.offsets_m[joint] + (places[parent] if parent >= 0 else 0)
    skeleton.CreateBindTransformsAttr(vt.Matrix4dArray([_translation(gf, place) for place in places]))
    animation = skel.Animation.Define(stage, f"{at}/Skeleton/Animation")
    animation.CreateJointsAttr(paths)
    animation.CreateScalesAttr(vt.Vec3hArray([gf.Vec3h(1, 1, 1)] * len(rig.joints)))
    turns, shifts = animation.CreateRotationsAttr(), animation.CreateTranslationsAttr()
    for span in motion.spans():
        part = solve(rig, motion.part(span))
        quaternions = Rotation.from_matrix(part.rotations.reshape(-1, 3, 3)).as_quat().reshape(len(part.root_m), -1, 4)
        for i, (root_m, joints) in enumerate(zip(part.root_m, quaternions, strict=True)):
            moved = [root_m, *rig.offsets_m[1:]]
            turns.Set(vt.QuatfArray([gf.Quatf(*map(float, (w, x, y, z))) for x, y, z, w in joints]), span.start + i)
            shifts.Set(vt.Vec3fArray([gf.Vec3f(*map(float, offset)) for offset in moved]), span.start + i)
    skel.BindingAPI.Apply(skeleton.GetPrim()).CreateAnimationSourceRel().SetTargets([animation.GetPath()])
    if not motion.present.all():
        visibility = geometry.Imageable(root).CreateVisibilityAttr()
        for frame in np.flatnonzero(np.diff(motion.present.astype(int), prepend=-1)):
            visibility.Set("inherited" if motion.present[frame] else "invisible", int(frame))


def _joint_paths(rig: Rig) -> list[str]:
    paths: list[str] = []
    for joint, parent in zip(rig.joints, rig.parents, strict=True):
        paths.append(joint if parent < 0 else f"{paths[parent]}/{joint}")
    return paths


def _translation(gf: Any, offset_m: np.ndarray) -> Any:
    return gf.Matrix4d().SetTranslate(gf.Vec3d(*map(float, offset_m)))
