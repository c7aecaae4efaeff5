"""MMPose's predictions: of its demos (`--save-predictions`) with names of keypoints, or of its inferencer without."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from detectors.keypoint_files.content import FileKeypoints, PersonCollector, field_of, list_of
from poses import InputError, Skeleton
from poses.skeleton import SKELETONS


def read_mmpose(path: Path, content: Any) -> FileKeypoints:
    """People of a parsed `{"meta_info": ..., "instance_info": [frames]}`, or of the list of frames alone.

    A frame is `{"frame_id": n, "instances": [people]}`; there must be one for each, counted from 0 or 1 without gaps.
    With names of keypoints these decide the skeleton, else their number does. `InputError` names the frame.
    """
    skeleton, order = None, None
    if isinstance(content, dict):
        about = content.get("meta_info")
        if isinstance(about, dict) and "keypoint_id2name" in about:
            skeleton, order = _by_name(path, about["keypoint_id2name"])
        content = field_of(path, "content", content, "instance_info")
    frames = list_of(path, "instance_info", content)
    people = PersonCollector(path, skeleton)
    base = 0
    for index, frame in enumerate(frames):
        where = f"frame {index}"
        number = field_of(path, where, frame, "frame_id")
        base = number if index == 0 else base
        if base not in (0, 1) or number != base + index:
            raise InputError(
                f"{path}: {where}: expected an entry for every frame, counted from 0 or 1, got frame_id {number!r}"
            )
        for person, entry in enumerate(list_of(path, where, field_of(path, where, frame, "instances"))):
            named = f"{where} person {person}"
            points = list_of(path, named, field_of(path, named, entry, "keypoints"))
            score = list_of(path, named, field_of(path, named, entry, "keypoint_scores"))
            if order is not None:
                if len(points) <= max(order) or len(score) != len(points):
                    raise InputError(
                        f"{path}: {named}: more keypoints are named than the {len(points)} places and {len(score)} "
                        "scores there are"
                    )
                points, score = [points[j] for j in order], [score[j] for j in order]
            people.add(index, points, score, named, entry.get("bbox"))
    return people.finish("MMPose JSON", frames=len(frames))


def _by_name(path: Path, names: Any) -> tuple[Skeleton, list[int]]:
    """The largest skeleton all of whose joints are among the names, and where each of them stands."""
    try:
        at = {str(name): int(index) for index, name in names.items()}
    except (AttributeError, TypeError, ValueError):
        raise InputError(f"{path}: meta_info: keypoint_id2name: expected number and name of each keypoint") from None
    known = [skeleton for skeleton in SKELETONS.values() if set(skeleton.joints) <= at.keys()]
    if not known:
        raise InputError(
            f"{path}: meta_info: keypoints {', '.join(at)} hold no known skeleton", f"known: {', '.join(SKELETONS)}"
        )
    skeleton = max(known, key=len)
    return skeleton, [at[joint] for joint in skeleton.joints]
