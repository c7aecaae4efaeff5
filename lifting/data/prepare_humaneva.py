"""HumanEva-I from its MATLAB export: joints, projections, and the frames in which motion capture failed.

The export (docs/datasets.md) holds, for each split and subject, `<action>_<trial>.mat` with `poses_3d` (T, 15, 3) in
millimetres and `poses_2d` (3, T, 15, 2) in pixels, one a colour camera. Frames whose motion capture is invalid are NaN.
"""

from __future__ import annotations

import logging
import zlib
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np

from lifting.data.datasets import HUMANEVA
from lifting.data.project_truth import layout_of
from lifting.data.reference_npz import Positions2D, Positions3D
from poses import InputError
from poses.skeleton import HUMANEVA15

log = logging.getLogger(__name__)

HUMANEVA_LAYOUT = layout_of("humaneva15", HUMANEVA15.mirror, HUMANEVA15.sides)


def from_matlab(source: Path) -> tuple[Positions3D, Positions2D]:
    """Read `<source>/{Train,Validate}/S*/*.mat`: (positions, projections), both cut into chunks of valid frames.

    Chunk i of "Walking 1" is "Walking 1 chunk<i>", where i counts the invalid stretches too, as in the published
    archives. `InputError` names the folder, or the file, the variable and its shape.
    """
    positions: Positions3D = {}
    projections: Positions2D = {}
    for subject in (*HUMANEVA.train_subjects, *HUMANEVA.test_subjects):
        files = sorted((source / subject).glob("*.mat"))
        if not files:
            raise InputError(f"{source / subject}: holds no .mat file", "export the dataset first (docs/datasets.md)")
        positions[subject], projections[subject] = {}, {}
        for path in files:
            world, views = _read(path)
            action = path.stem.replace("_", " ")
            for name, frames in chunks(np.isfinite(world).all(axis=(1, 2))):
                positions[subject][f"{action} {name}"] = world[frames].astype(np.float32) / 1000
                projections[subject][f"{action} {name}"] = [view[frames].astype(np.float32) for view in views]
    return positions, projections


def chunks(valid: np.ndarray) -> list[tuple[str, slice]]:
    """(name, frames) of each unbroken stretch of True in (T,); names count the stretches of False too.

    For example 111001 gives chunk0 of 0:3 and chunk2 of 5:6.
    """
    bounds = [0, *(np.flatnonzero(np.diff(valid.astype(int))) + 1).tolist(), len(valid)]
    stretches = [slice(first, last) for first, last in pairwise(bounds) if first < last]
    return [(f"chunk{index}", stretch) for index, stretch in enumerate(stretches) if valid[stretch.start]]


def _read(path: Path) -> tuple[np.ndarray, np.ndarray]:
    """((T, 15, 3), (3, T, 15, 2)) of one file."""
    from scipy.io import loadmat
    from scipy.io.matlab import MatReadError

    try:
        content: dict[str, Any] = loadmat(path, variable_names=["poses_3d", "poses_2d"])
    except (OSError, ValueError, TypeError, NotImplementedError, MatReadError, zlib.error) as error:
        raise InputError(f"{path}: not a readable .mat file of MATLAB 5 to 7.2 ({error})") from None
    for name, dimensions in (("poses_3d", 3), ("poses_2d", 4)):
        if name not in content or content[name].ndim != dimensions:
            got = content[name].shape if name in content else "nothing"
            raise InputError(f"{path}: {name}: expected {dimensions} dimensions, got {got}")
    world, views = content["poses_3d"], content["poses_2d"]
    joints, cameras = len(HUMANEVA15), len(HUMANEVA.cameras("Train/S1"))
    if world.shape[1:] != (joints, 3):
        raise InputError(f"{path}: poses_3d: expected (frames, {joints}, 3), got {world.shape}", "export 15 joints")
    if views.shape != (cameras, len(world), joints, 2):
        raise InputError(
            f"{path}: poses_2d: expected ({cameras}, {len(world)}, {joints}, 2) to go with poses_3d, got {views.shape}"
        )
    broken = np.isfinite(world).all(axis=(1, 2)) != np.isfinite(views).all(axis=(0, 2, 3))
    if broken.any():
        raise InputError(
            f"{path}: poses_3d {world.shape} and poses_2d {views.shape} differ in which frames are valid, "
            f"first in frame {np.flatnonzero(broken)[0]}"
        )
    return world, views
