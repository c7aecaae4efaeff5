"""Any 2D network of MMPose, by its configuration and checkpoint: `--detector mmpose`.

MMPose 1.3 needs an environment of its own (docs/detectors.md says how to make it); it is imported when the detector is
made. `options.model` is a configuration: a file, the name of one that MMPose ships, or an alias of MMPose's. It is a
Python program that MMEngine runs, so use only those that you trust. `options.weights` is the checkpoint, of which
nothing is run.
"""

from __future__ import annotations

import hashlib
import warnings
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from detectors.base import Detector, DetectorOptions, FrameDetections, check_frames
from detectors.checkpoints import load_into, sha256_of
from detectors.oks import joint_sigmas, keypoint_boxes, suppress_duplicates
from detectors.registry import register
from detectors.weights import resolve_weights
from poses import InputError, Skeleton, UsageError
from poses.skeleton import SKELETONS

VERSION = 1
"""Part of `weights_sha256`: raise it when a change below can change what is found."""

TOP_DOWN, BOTTOM_UP = "TopdownPoseEstimator", "BottomupPoseEstimator"
MAX_PEOPLE_AT_ONCE = 32
MAX_OKS = 0.9
"""Two boxes around one person give almost the same keypoints; the better of the two is kept."""
BOX_PADDING = 0.08
"""Around the keypoints of networks that give no boxes."""

_OTHER_NAMES = {"root": "hip", "right_foot": "right_ankle", "left_foot": "left_ankle", "neck_base": "neck"}
"""What MMPose calls Human3.6M's joints -> what they are called here."""
_INSTALL = "MMPose needs an environment of its own: docs/detectors.md says how to make it"
# What MMEngine lets through from a configuration that is wrong, depending on where it is.
_WRONG_CONFIG = (OSError, SyntaxError, ValueError, LookupError, TypeError, AttributeError, ImportError, AssertionError)


class MMPose:
    """A 2D pose estimator of MMPose.

    Top-down networks take boxes from the detector `options.boxes`; the others find the people themselves. The network's
    keypoints are brought to the skeleton, of those that are known here, that has most of them by name. How heatmaps
    become places is the configuration's choice (its codec). A frame's result depends on that frame alone.
    """

    name = "mmpose"
    skeleton: Skeleton

    def __init__(self, device: str = "cpu", options: DetectorOptions | None = None) -> None:
        self.options = options or DetectorOptions()
        _require_options(self.options)
        # These import PyTorch, which `import detectors` does not.
        from detectors.mmpose_checkpoint import load_checkpoint
        from detectors.top_down import people_detector

        api = _import_mmpose()
        checkpoint = resolve_weights(self.options.weights, None, "mmpose")
        config = _read_config(find_config(str(self.options.model)), self.options)
        self._top_down = config.model.type == TOP_DOWN
        self._inference = api.inference_topdown if self._top_down else api.inference_bottomup
        self._model = _build(api, config, device)
        load_into(self._model, load_checkpoint(checkpoint), checkpoint)
        names = self._model.dataset_meta["keypoint_id2name"]
        self.skeleton, self._joints = match_skeleton([names[i] for i in range(len(names))])
        self._people: Detector | None = None
        if self._top_down:
            self._people = people_detector("mmpose", device, self.options)
        people = self._people.weights_sha256 if self._people else ""
        text = f"mmpose {VERSION} {config.pretty_text} {sha256_of(checkpoint)} {people}"
        self.weights_sha256 = hashlib.sha256(text.encode()).hexdigest()

    def detect(self, frames: Sequence[np.ndarray]) -> list[FrameDetections]:
        """Find people in (H, W, 3) uint8 BGR frames; `ValueError` on another shape or type."""
        check_frames(frames)
        if not frames:
            return []
        found = self._people.detect(frames) if self._people else [None] * len(frames)
        return [self._detect_one(f, None if p is None else p.box_px) for f, p in zip(frames, found, strict=True)]

    def close(self) -> None:
        if self._people:
            self._people.close()
        del self._model

    def _detect_one(self, frame: np.ndarray, box_px: np.ndarray | None) -> FrameDetections:
        parts = [self._arrays(sample) for sample in self._run(frame, box_px)]
        if not parts or not sum(len(points) for points, _, _ in parts):
            return FrameDetections.empty(len(self.skeleton))
        points, keypoint_score = (np.concatenate([part[i] for part in parts]) for i in (0, 1))
        if box_px is None:
            given = [box for _, _, box in parts if box is not None]
            box_px = np.concatenate(given) if len(given) == len(parts) else keypoint_boxes(points, BOX_PADDING)
        score = keypoint_score.mean(axis=1)
        kept = suppress_duplicates(points, score, MAX_OKS, np.inf, np.inf, joint_sigmas(self.skeleton))
        kept = kept[score[kept] >= self.options.min_score][: self.options.max_people]
        people = FrameDetections(*(a.astype(np.float32) for a in (box_px, score, points, keypoint_score)))
        return people.select(kept)

    def _run(self, frame: np.ndarray, box_px: np.ndarray | None) -> Iterator[Any]:
        """MMPose's data samples for a frame."""
        if box_px is None:
            yield from self._inference(self._model, frame)
            return
        # Without boxes MMPose takes the whole frame for one person.
        for start in range(0, len(box_px), MAX_PEOPLE_AT_ONCE):
            yield from self._inference(self._model, frame, box_px[start : start + MAX_PEOPLE_AT_ONCE])

    def _arrays(self, sample: Any) -> tuple[np.ndarray, np.ndarray, np.ndarray | None]:
        """(P, J, 2) keypoints from the frame's corner, (P, J) scores 0 to 1, and (P, 4) boxes where there are any."""
        instances = sample.pred_instances
        points = np.asarray(instances.keypoints, np.float64)[:, self._joints]
        score = np.clip(np.asarray(instances.keypoint_scores, np.float64)[:, self._joints], 0, 1)
        box = np.asarray(instances.bboxes, np.float64) if "bboxes" in instances else None
        # MMPose numbers pixels by their middles. A network that finds nobody may give a row of zeros.
        usable = np.isfinite(points).all(axis=(1, 2)) & (score.max(axis=1) > 0)
        return points[usable] + 0.5, score[usable], None if box is None else box[usable]


def find_config(model: str) -> Path:
    """The file of a configuration: itself, or one that lies in the installed mmpose, by its name or an alias."""
    path = Path(model).expanduser()
    if path.is_file():
        return path
    import mmpose
    from mmpose.apis.inferencers.utils import get_model_aliases

    shipped = Path(mmpose.__file__).parent / ".mim" / "configs"
    found = sorted(shipped.rglob(f"{model.removesuffix('.py')}.py"))
    # Looking aliases up reads a hundred files.
    alias = "" if found else get_model_aliases("mmpose").get(model, "")
    found = found or (sorted(shipped.rglob(f"{alias}.py")) if alias else [])
    if not found:
        raise InputError(
            f"{model}: no such configuration, neither as a file nor in {shipped}",
            "give a file, or a name such as rtmpose-m_8xb256-420e_body8-256x192",
        )
    return found[0]


def match_skeleton(names: Sequence[str]) -> tuple[Skeleton, list[int]]:
    """The known skeleton with most joints, all of which are among `names`, and where in `names` each one is.

    `InputError` lists the names if they hold no skeleton that is known.
    """
    for renamed in (list(names), [_OTHER_NAMES.get(name, name) for name in names]):
        held = [s for s in SKELETONS.values() if set(s.joints) <= set(renamed)]
        if held:
            best = max(held, key=len)
            return best, [renamed.index(joint) for joint in best.joints]
    raise InputError(
        f"the configuration's keypoints are not those of a known skeleton: {', '.join(names)}",
        f"known: {', '.join(sorted(SKELETONS))}",
    )


def _require_options(options: DetectorOptions) -> None:
    if options.model is None:
        raise UsageError(
            "detector mmpose needs a configuration", "give a file, or a name of MMPose's, with --detector-model"
        )
    if options.weights is None:
        raise UsageError("detector mmpose needs a checkpoint", "give it with --detector-weights")
    if options.precision != "fp32":
        raise UsageError(f"detector mmpose computes in fp32, got precision {options.precision!r}", "use fp32")
    if options.keypoint_decoding != DetectorOptions.keypoint_decoding:
        raise UsageError(
            "how detector mmpose decodes heatmaps is its configuration's choice", "leave keypoint_decoding as it is"
        )
    if options.boxes == "mmpose":
        raise UsageError("detector mmpose cannot take its boxes from itself", "use another detector for boxes")


def _import_mmpose() -> Any:
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            import mmpose.apis
    # MMPose and MMDetection assert the versions of MMCV and MMEngine that they run with.
    except (ImportError, AssertionError) as error:
        reason = str(error).splitlines()[0][:200]
        raise UsageError(f"MMPose cannot be imported ({reason})", _INSTALL) from None
    return mmpose.apis


def _read_config(path: Path, options: DetectorOptions) -> Any:
    from mmengine.config import Config
    from mmengine.registry import init_default_scope

    try:
        config = Config.fromfile(path)
        init_default_scope(config.get("default_scope", "mmpose"))
        kind = config.model.type
        pipeline = config.test_dataloader.dataset.pipeline
    except _WRONG_CONFIG as error:
        raise InputError(f"{path}: not a configuration of MMPose ({type(error).__name__}: {error})") from None
    if kind not in (TOP_DOWN, BOTTOM_UP):
        raise InputError(f"{path}: expected a {TOP_DOWN} or a {BOTTOM_UP}, got {kind}")
    config.model.setdefault("test_cfg", {})["flip_test"] = options.flip_test
    for step in pipeline:
        if step.get("type") == "GetBBoxCenterScale":
            step["padding"] = 1 + options.box_padding
    # Weights of the backbone alone, which training begins with; MMEngine would fetch them.
    _drop_initial_weights(config.model)
    return config


def _drop_initial_weights(node: Any) -> None:
    """Take ``init_cfg`` of kind Pretrained out of a configuration, wherever in it."""
    if isinstance(node, Mapping):
        if isinstance(node.get("init_cfg"), Mapping) and node["init_cfg"].get("type") == "Pretrained":
            node["init_cfg"] = None  # type: ignore[index]
        for value in node.values():
            _drop_initial_weights(value)
    elif isinstance(node, list | tuple):
        for value in node:
            _drop_initial_weights(value)


def _build(api: Any, config: Any, device: str) -> Any:
    try:
        return api.init_model(config, None, device)
    except _WRONG_CONFIG as error:
        raise InputError(
            f"{config.filename}: MMPose cannot build this network ({type(error).__name__}: {error})"
        ) from None
    except RuntimeError as error:
        raise UsageError(f"device {device!r}: {str(error).splitlines()[0]}", "use --device cpu") from None


@register("mmpose", "any 2D network of MMPose, by configuration and checkpoint (an environment of its own)")
def _create(device: str, options: DetectorOptions) -> MMPose:
    return MMPose(device, options)
