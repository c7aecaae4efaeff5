"""MediaPipe calculator graphs around the two BlazePose networks of the mediapipe wheel.

The wheel's ready-made solution follows one person through time, and its tasks interface needs a bundle to be
downloaded. Both networks lie in the wheel, so they are run here by graphs of their own: one finds where people are in
an image, the other finds 33 landmarks in a turned square around one of them. Neither carries anything from one image
to the next.

Source: V. Bazarevsky et al., BlazePose: On-device Real-time Body Pose Tracking, 2020, arXiv:2006.10204; the constants
are those of mediapipe/modules/pose_detection/pose_detection_cpu.pbtxt (Apache-2.0).
"""

from __future__ import annotations

import hashlib
import importlib.util
import math
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from poses import UsageError

LANDMARKS = 33
MODEL_FILES = (
    "mediapipe/modules/pose_detection/pose_detection.tflite",
    "mediapipe/modules/pose_landmark/pose_landmark_full.tflite",
)

_PROPOSAL_GRAPH = """
input_stream: "image"
output_stream: "detections"
node {
  calculator: "ImageToTensorCalculator"
  input_stream: "IMAGE:image"
  output_stream: "TENSORS:input"
  output_stream: "LETTERBOX_PADDING:padding"
  options { [mediapipe.ImageToTensorCalculatorOptions.ext] {
    output_tensor_width: 224 output_tensor_height: 224 keep_aspect_ratio: true
    output_tensor_float_range { min: -1.0 max: 1.0 } border_mode: BORDER_ZERO } }
}
node {
  calculator: "InferenceCalculator"
  input_stream: "TENSORS:input"
  output_stream: "TENSORS:output"
  options { [mediapipe.InferenceCalculatorOptions.ext] {
    model_path: "%(model)s" delegate { xnnpack { num_threads: 1 } } } }
}
node {
  calculator: "SsdAnchorsCalculator"
  output_side_packet: "anchors"
  options { [mediapipe.SsdAnchorsCalculatorOptions.ext] {
    num_layers: 5 min_scale: 0.1484375 max_scale: 0.75 input_size_height: 224 input_size_width: 224
    anchor_offset_x: 0.5 anchor_offset_y: 0.5 strides: [8, 16, 32, 32, 32] aspect_ratios: 1.0
    fixed_anchor_size: true } }
}
node {
  calculator: "TensorsToDetectionsCalculator"
  input_stream: "TENSORS:output"
  input_side_packet: "ANCHORS:anchors"
  output_stream: "DETECTIONS:all"
  options { [mediapipe.TensorsToDetectionsCalculatorOptions.ext] {
    num_classes: 1 num_boxes: 2254 num_coords: 12 box_coord_offset: 0 keypoint_coord_offset: 4 num_keypoints: 4
    num_values_per_keypoint: 2 sigmoid_score: true score_clipping_thresh: 100.0 reverse_output_order: true
    x_scale: 224.0 y_scale: 224.0 h_scale: 224.0 w_scale: 224.0 min_score_thresh: %(min_score)g } }
}
node {
  calculator: "NonMaxSuppressionCalculator"
  input_stream: "all"
  output_stream: "single"
  options { [mediapipe.NonMaxSuppressionCalculatorOptions.ext] {
    min_suppression_threshold: 0.3 overlap_type: INTERSECTION_OVER_UNION algorithm: WEIGHTED } }
}
node {
  calculator: "DetectionLetterboxRemovalCalculator"
  input_stream: "DETECTIONS:single"
  input_stream: "LETTERBOX_PADDING:padding"
  output_stream: "DETECTIONS:detections"
}
"""

_LANDMARK_GRAPH = """
input_stream: "image"
input_stream: "roi"
output_stream: "landmarks"
output_stream: "alignment"
input_side_packet: "model_complexity"
node {
  calculator: "PoseLandmarkByRoiCpu"
  input_side_packet: "MODEL_COMPLEXITY:model_complexity"
  input_stream: "IMAGE:image"
  input_stream: "ROI:roi"
  output_stream: "LANDMARKS:landmarks"
  output_stream: "AUXILIARY_LANDMARKS:alignment"
}
"""


@dataclass(frozen=True)
class Proposal:
    """A person supposed somewhere in a frame: the middle of the hips and a point on the circle around the body.

    The circle's radius is half the person's extent, the direction from hips to point is that of the upright body.
    All values in pixels of the frame; `score` 0 to 1.
    """

    x_px: float
    y_px: float
    edge_x_px: float
    edge_y_px: float
    score: float

    @property
    def radius_px(self) -> float:
        return math.hypot(self.edge_x_px - self.x_px, self.edge_y_px - self.y_px)


@dataclass(frozen=True)
class Landmarks:
    """BlazePose's 33 landmarks of one person.

    Attributes
    ----------
    points_px : (33, 2) float64 in pixels of the frame.
    visibility, presence : (33,) float64, 0 to 1: not hidden, and inside of the square that was looked at.
    alignment : where the person is by the landmarks, a better guess than the proposal they came from.
    """

    points_px: np.ndarray
    visibility: np.ndarray
    presence: np.ndarray
    alignment: Proposal


def mediapipe_root() -> Path:
    """The folder that holds the package `mediapipe`; `UsageError` names the command that installs it."""
    spec = importlib.util.find_spec("mediapipe")
    if spec is None or not spec.submodule_search_locations:
        raise UsageError(
            "detector blazepose needs the package mediapipe, which is not installed", "pip install mediapipe==0.10.21"
        )
    return Path(spec.submodule_search_locations[0]).parent


def models_sha256(salt: str) -> str:
    """Hash of the two networks' files and `salt`; `UsageError` where the wheel lacks one."""
    digest = hashlib.sha256(salt.encode())
    for name in MODEL_FILES:
        path = mediapipe_root() / name
        if not path.is_file():
            raise UsageError(f"the installed mediapipe lacks {name}", "pip install mediapipe==0.10.21")
        digest.update(path.read_bytes())
    return digest.hexdigest()


class _Graph:
    """A running calculator graph that takes one packet a stream and gives what comes out for it."""

    def __init__(self, config: str, outputs: tuple[str, ...], side_packets: dict[str, Any]) -> None:
        from mediapipe.python._framework_bindings import calculator_graph

        self._graph = calculator_graph.CalculatorGraph(graph_config=config)
        self._results: dict[str, Any] = {}
        for name in outputs:
            self._graph.observe_output_stream(name, self._results.__setitem__, True)
        self._graph.start_run(side_packets)
        self._step = 0

    def run(self, **packets: Any) -> dict[str, Any]:
        """Send one packet to each named stream, wait, and return the packets of the output streams by name."""
        # Streams want increasing times; the networks make nothing of them.
        self._step += 1
        self._results.clear()
        for name, packet in packets.items():
            self._graph.add_packet_to_input_stream(name, packet.at(self._step))
        self._graph.wait_until_idle()
        return {name: packet for name, packet in self._results.items() if not packet.is_empty()}

    def close(self) -> None:
        self._graph.close_all_packet_sources()
        self._graph.wait_until_done()


class BlazePoseGraphs:
    """Both networks, ready to run; not for use from several threads at once.

    Parameters
    ----------
    min_proposal_score : proposals below are not given.
    """

    def __init__(self, min_proposal_score: float) -> None:
        from mediapipe.python import packet_creator, packet_getter
        from mediapipe.python._framework_bindings import image_frame, resource_util

        resource_util.set_resource_dir(str(mediapipe_root()))
        self._create, self._get = packet_creator, packet_getter
        self._srgb = image_frame.ImageFormat.SRGB
        proposal_graph = _PROPOSAL_GRAPH % {"model": MODEL_FILES[0], "min_score": min_proposal_score}
        self._proposals = _Graph(proposal_graph, ("detections",), {})
        full_model = {"model_complexity": packet_creator.create_int(1)}
        self._landmarks = _Graph(_LANDMARK_GRAPH, ("landmarks", "alignment"), full_model)

    def image(self, rgb: np.ndarray) -> Any:
        """(H, W, 3) uint8 RGB -> a packet that both networks take (a copy)."""
        return self._create.create_image_frame(np.ascontiguousarray(rgb), image_format=self._srgb)

    def propose(self, image: Any, x_px: int, y_px: int, width: int, height: int) -> list[Proposal]:
        """People supposed in an image of `width` x `height` pixels whose corner lies at (x, y) of the frame."""
        packet = self._proposals.run(image=image).get("detections")
        found = self._get.get_proto_list(packet) if packet is not None else []
        proposals = []
        for detection in found:
            hips, edge = detection.location_data.relative_keypoints[:2]
            proposals.append(
                Proposal(
                    x_px + hips.x * width,
                    y_px + hips.y * height,
                    x_px + edge.x * width,
                    y_px + edge.y * height,
                    float(detection.score[0]),
                )
            )
        return proposals

    def landmarks(self, image: Any, width: int, height: int, at: Proposal) -> Landmarks | None:
        """Landmarks in the turned square around a proposal in an image; None where the network sees no person."""
        from mediapipe.framework.formats import rect_pb2

        side = 2 * 1.25 * at.radius_px
        roi = rect_pb2.NormalizedRect(
            x_center=at.x_px / width,
            y_center=at.y_px / height,
            width=side / width,
            height=side / height,
            rotation=math.pi / 2 - math.atan2(at.y_px - at.edge_y_px, at.edge_x_px - at.x_px),
        )
        packets = self._landmarks.run(image=image, roi=self._create.create_proto(roi))
        if "landmarks" not in packets or "alignment" not in packets:
            return None
        points = self._get.get_proto(packets["landmarks"]).landmark
        hips, edge = self._get.get_proto(packets["alignment"]).landmark[:2]
        values = np.array([(p.x * width, p.y * height, p.visibility, p.presence) for p in points])
        alignment = Proposal(hips.x * width, hips.y * height, edge.x * width, edge.y * height, at.score)
        return Landmarks(values[:, :2], values[:, 2], values[:, 3], alignment)

    def close(self) -> None:
        self._proposals.close()
        self._landmarks.close()
