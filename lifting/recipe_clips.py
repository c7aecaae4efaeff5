"""The clips of a recipe: motion-capture archives, BVH folders, and motion that is made on the spot."""

from __future__ import annotations

import dataclasses
import logging
from collections.abc import Sequence
from pathlib import Path

from lifting.data.bvh import load_bvh_folder
from lifting.data.knees import without_knee_offsets
from lifting.data.mocap import Clips, concatenate, load_archives
from lifting.data.procedural import make_archive
from lifting.recipe import Recipe
from poses import UsageError

log = logging.getLogger(__name__)

PROCEDURAL = "procedural"
"""Name of the archive that is made rather than read, unless the folder holds one of that name."""

PROCEDURAL_SEED = 1
_FURTHER_SEED = 2
_USUAL_SHARE = 0.15


def recipe_clips(recipe: Recipe, folder: Path, additions: Sequence[Path] = ()) -> Clips:
    """All clips that the recipe's archive weights name, from `folder` and the added folders of BVH files.

    `InputError` where an archive is missing.
    """
    added = {_name(path) for path in additions}
    names = sorted(recipe.archive_weights.keys() - added)
    made = PROCEDURAL in names and not (folder / f"{PROCEDURAL}.npz").exists()
    recorded = [name for name in names if not (made and name == PROCEDURAL)]
    parts = [load_archives(folder, recorded)] if recorded else []
    if made:
        log.info("making %g hours of procedural motion", recipe.procedural_hours)
        parts.append(make_archive(PROCEDURAL_SEED, recipe.procedural_hours))
    return _prepared(recipe, concatenate([*parts, *(load_bvh_folder(path) for path in additions)]))


def _prepared(recipe: Recipe, clips: Clips) -> Clips:
    return without_knee_offsets(clips) if recipe.straighten_knees else clips


def with_further_procedural(recipe: Recipe, training: Clips) -> Clips:
    """The training clips and the recipe's `further_procedural_hours`, drawn with another seed than what is held out."""
    if not recipe.further_procedural_hours or PROCEDURAL not in recipe.archive_weights:
        return training
    log.info("making %g further hours of procedural motion", recipe.further_procedural_hours)
    further = make_archive(_FURTHER_SEED, recipe.further_procedural_hours)
    return concatenate([training, _prepared(recipe, further)])


def _name(folder: Path) -> str:
    return folder.resolve().name


def with_folders(recipe: Recipe, additions: Sequence[str]) -> tuple[Recipe, list[Path]]:
    """The recipe with further folders of BVH files, each ``FOLDER`` or ``FOLDER=SHARE``, and the folders.

    A share counts like those of the recipe's archives. `UsageError` where one is no folder, or its share no number.
    """
    weights, folders = dict(recipe.archive_weights), []
    for text in additions:
        path, equals, share = text.partition("=")
        try:
            weight = float(share) if equals else _USUAL_SHARE
        except ValueError:
            weight = 0.0
        if weight <= 0:
            raise UsageError(f"--add {text}: expected FOLDER or FOLDER=SHARE with a share above 0", "such as mine=0.2")
        folder = Path(path)
        if not folder.is_dir():
            raise UsageError(f"--add {text}: there is no folder {folder}", "give a folder of BVH files")
        if _name(folder) in weights:
            raise UsageError(f"--add {text}: the recipe has an archive of that name", "rename the folder")
        weights[_name(folder)] = weight
        folders.append(folder)
    return dataclasses.replace(recipe, archive_weights=weights), folders
