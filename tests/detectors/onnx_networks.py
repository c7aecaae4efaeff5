"""ONNX files for tests, with the inputs and outputs of the published ones.

Some have random weights. Others compute something that a test knows the answer to: where the pixels of a colour are.
Shape letters: N images, J joints, h and w of the input.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

PEOPLE_BGR = ((255, 0, 0), (0, 255, 0), (0, 0, 255))
"""`color_boxes` finds a person as the pixels of one of these colours."""
MEAN_RGB = np.array([123.675, 116.28, 103.53], np.float32)
DEVIATION_RGB = np.array([58.395, 57.12, 57.375], np.float32)


def joint_colors(joints: int) -> np.ndarray:
    """(J, 3) BGR: a colour for each joint, at least 40 apart in one channel, and none of a person's."""
    steps = np.array([80, 120, 160])
    return np.stack(np.meshgrid(steps, steps, steps), axis=-1).reshape(-1, 3)[:joints]


class _Graph:
    """Nodes in the order in which they are added; each returns the name of its output."""

    def __init__(self) -> None:
        self.nodes: list[onnx.NodeProto] = []
        self.constants: list[onnx.TensorProto] = []

    def constant(self, value: np.ndarray | list[int]) -> str:
        array = np.asarray(value, np.int64) if isinstance(value, list) else np.asarray(value, np.float32)
        name = f"c{len(self.constants)}"
        self.constants.append(numpy_helper.from_array(array, name))
        return name

    def add(self, kind: str, *inputs: str, output: str = "", **attributes: Any) -> str:
        output = output or f"v{len(self.nodes)}"
        self.nodes.append(helper.make_node(kind, list(inputs), [output], **attributes))
        return output

    def save(self, path: Path, input_shape: list[Any], outputs: dict[str, list[Any]]) -> Path:
        graph = helper.make_graph(
            self.nodes,
            "test",
            [helper.make_tensor_value_info("input", TensorProto.FLOAT, input_shape)],
            [helper.make_tensor_value_info(n, TensorProto.FLOAT, shape) for n, shape in outputs.items()],
            self.constants,
        )
        model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
        onnx.checker.check_model(model)
        path.parent.mkdir(parents=True, exist_ok=True)
        onnx.save(model, str(path))
        return path


def color_boxes(path: Path, size_hw: tuple[int, int], normalised: bool = False) -> Path:
    """A person detector with suppression in its graph: ``dets`` (1, 3, 5) around each colour of `PEOPLE_BGR`.

    The box reaches from the first to the end of the last pixel of the colour; without such pixels the score is 0.
    `normalised`: takes RTMDet's input, ImageNet's mean and deviation in the order BGR. A fourth row has label 1.
    """
    graph = _Graph()
    image = "input"
    if normalised:
        deviation, mean = (graph.constant(v[::-1].reshape(1, 3, 1, 1)) for v in (DEVIATION_RGB, MEAN_RGB))
        image = graph.add("Add", graph.add("Mul", "input", deviation), mean)
    # 1 for a pixel of the pure colour, 0 for grey and everything that is not bright in one channel alone.
    weights = graph.constant((1.5 * np.eye(3) - 0.5).reshape(3, 3, 1, 1) / 100)
    pure = graph.add("Relu", graph.add("Sub", graph.add("Conv", image, weights), graph.constant(np.array(1.5))))
    found = graph.add("Sign", pure)
    rows = []
    for axis, size in ((2, size_hw[1]), (3, size_hw[0])):
        line = graph.add("ReduceMax", found, axes=[axis], keepdims=0)
        count = np.arange(size, dtype=np.float32)
        after = graph.add("ReduceMax", graph.add("Mul", line, graph.constant(count + 1)), axes=[2], keepdims=1)
        before = graph.add("ReduceMax", graph.add("Mul", line, graph.constant(size - count)), axes=[2], keepdims=1)
        rows.append((graph.add("Sub", graph.constant(np.array(float(size))), before), after))
    score = graph.add("ReduceMax", found, axes=[2, 3], keepdims=0)
    score = graph.add("Mul", graph.add("Unsqueeze", score, graph.constant([2])), graph.constant(np.array(0.9)))
    (x1, x2), (y1, y2) = rows
    people = graph.add("Concat", x1, y1, x2, y2, score, axis=2)
    bicycle = graph.constant(np.array([[[0, 0, 50, 50, 0.95]]]))
    graph.add("Concat", people, bicycle, output="dets", axis=1)
    graph.add("Identity", graph.constant(np.array([[0, 0, 0, 1.0]])), output="labels")
    return graph.save(path, [1, 3, *size_hw], {"dets": [1, "count", 5], "labels": [1, "count"]})


def color_cells(path: Path, size_hw: tuple[int, int], stride: int, log_size: tuple[float, float]) -> Path:
    """A YOLOX without decoding: (1, cells, 5 + 2) at strides 8, 16 and 32.

    A cell of `stride` that is white is a person in its middle, of `log_size`; one that is half white is a doubtful one.
    """
    graph = _Graph()
    blocks = []
    for step in (8, 16, 32):
        mean = graph.add("AveragePool", "input", kernel_shape=[step, step], strides=[step, step])
        weights = np.full((1, 3, 1, 1), 1 / (3 * 255) if step == stride else 0)
        objectness = graph.add("Conv", mean, graph.constant(weights))
        column = graph.add("Reshape", objectness, graph.constant([1, -1, 1]))
        cells = (size_hw[0] // step) * (size_hw[1] // step)
        fixed = np.tile(np.array([0.5, 0.5, *log_size]), (1, cells, 1))
        classes = np.tile(np.array([1.0, 0.2]), (1, cells, 1))
        blocks.append(graph.add("Concat", graph.constant(fixed), column, graph.constant(classes), axis=2))
    graph.add("Concat", *blocks, output="output", axis=1)
    return graph.save(path, [1, 3, *size_hw], {"output": [1, "cells", 7]})


def color_joints(path: Path, joints: int, size_hw: tuple[int, int], batch: object = "batch") -> Path:
    """An RTMPose that finds discs of `joint_colors`: SimCC's two outputs, two bins to a pixel.

    The logits are Gaussians of five bins around the middle of the joint's colour, all 0 where there is none of it.
    """
    height, width = size_hw
    graph = _Graph()
    deviation, mean = (graph.constant(v.reshape(1, 3, 1, 1)) for v in (DEVIATION_RGB, MEAN_RGB))
    rgb = graph.add("Add", graph.add("Mul", "input", deviation), mean)
    wanted = joint_colors(joints)[:, ::-1]
    copies = graph.constant(np.tile(np.eye(3), (joints, 1)).reshape(3 * joints, 3, 1, 1))
    away = graph.add("Abs", graph.add("Conv", rgb, copies, graph.constant(-wanted.reshape(-1))))
    weights = graph.constant(np.full((joints, 3, 1, 1), -1 / 20))
    match = graph.add("Relu", graph.add("Conv", away, weights, graph.constant(np.ones(joints)), group=joints))
    tiny = graph.constant(np.array(1e-6))
    for name, axis, size in (("simcc_x", 2, width), ("simcc_y", 3, height)):
        # Less than four pixels of a colour are where two others meet.
        few = graph.constant(np.array(4 / size_hw[axis - 2]))
        line = graph.add("Relu", graph.add("Sub", graph.add("ReduceMean", match, axes=[axis], keepdims=0), few))
        total = graph.add("Add", graph.add("MatMul", line, graph.constant(np.ones((size, 1)))), tiny)
        pixel = graph.constant(np.arange(size).reshape(size, 1))
        middle = graph.add("Div", graph.add("MatMul", line, pixel), total)
        away = graph.add("Sub", graph.constant(np.arange(2 * size) / 2), middle)
        gaussian = graph.add("Exp", graph.add("Mul", graph.add("Mul", away, away), graph.constant(np.array(-1 / 12.5))))
        there = graph.add("Sign", graph.add("ReduceMax", line, axes=[2], keepdims=1))
        graph.add("Mul", gaussian, there, output=name)
    # As in the published files: how many joints and bins there are is left in the open.
    return graph.save(path, [batch, 3, *size_hw], {"simcc_x": ["n", "a", "b"], "simcc_y": ["n", "c", "d"]})


def random_joints(path: Path, joints: int, size_hw: tuple[int, int], seed: int = 0) -> Path:
    """An RTMPose of random weights: a convolution, means over rows and columns, and a matrix for each output."""
    rng = np.random.default_rng(seed)
    graph = _Graph()
    weights = graph.constant(rng.normal(0, 0.1, (joints, 3, 7, 7)))
    features = graph.add("Relu", graph.add("Conv", "input", weights, strides=[4, 4], pads=[3, 3, 3, 3]))
    for name, axis, size in (("simcc_x", 2, size_hw[1]), ("simcc_y", 3, size_hw[0])):
        line = graph.add("ReduceMean", features, axes=[axis], keepdims=0)
        matrix = rng.normal(0, 0.1, (size // 4, 2 * size))
        # The last bin, half a pixel outside, is never the best: it alone has no counterpart in the mirror image.
        matrix[:, -1] = -1
        graph.add("MatMul", line, graph.constant(matrix), output=name)
    shapes: dict[str, list[object]] = {
        "simcc_x": ["n", joints, 2 * size_hw[1]],
        "simcc_y": ["n", joints, 2 * size_hw[0]],
    }
    return graph.save(path, ["batch", 3, *size_hw], shapes)
