"""One ONNX file, ready to run: ONNX Runtime on the CPU or on a CUDA device."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from poses import InputError, UsageError

INSTALL = "pip install 'video-to-3d-poses[rtmpose]'"
INSTALL_GPU = "pip uninstall onnxruntime && pip install onnxruntime-gpu"
_ONLY_ERRORS = 3
_DEVICES = {"cpu": "CPUExecutionProvider", "cuda": "CUDAExecutionProvider"}


class OnnxSession:
    """A network with one image input (N, 3, H, W) float32 and any number of outputs.

    Attributes
    ----------
    path : the file.
    size_hw : height and width of the input where the file fixes them, else None.
    batch : images that the file wants at a time; None where it takes any number.
    """

    def __init__(self, path: Path, device: str = "cpu") -> None:
        runtime = _import_runtime()
        self.path = path
        options = runtime.SessionOptions()
        options.log_severity_level = _ONLY_ERRORS
        provider = _provider(runtime, device)
        kind, _, index = device.partition(":")
        settings = [(provider, {"device_id": int(index)})] if kind == "cuda" and index else [provider]
        try:
            self._session = runtime.InferenceSession(str(path), options, providers=settings)
        except _runtime_errors(runtime) as error:
            raise InputError(f"{path}: not a network that ONNX Runtime can run ({_first_line(error)})") from None
        # ONNX Runtime goes on with the CPU, with no more than a line in its log, where CUDA's libraries do not load.
        if self._session.get_providers()[0] != provider:
            raise UsageError(
                f"device {device!r}: ONNX Runtime could not start {provider}",
                "check CUDA's and cuDNN's versions against those that this onnxruntime-gpu needs, or use --device cpu",
            )
        inputs = self._session.get_inputs()
        shape = inputs[0].shape if len(inputs) == 1 else []
        if len(shape) != 4 or inputs[0].type != "tensor(float)" or _fixed(shape[1]) not in (3, None):
            got = ", ".join(f"{i.name} {i.shape} {i.type}" for i in inputs)
            raise InputError(f"{path}: expected one input (N, 3, H, W) of float32, got {got}")
        self._input = inputs[0].name
        self.batch = _fixed(shape[0])
        height, width = _fixed(shape[2]), _fixed(shape[3])
        self.size_hw = (height, width) if height and width else None
        self.outputs = [(o.name, tuple(_fixed(s) for s in o.shape)) for o in self._session.get_outputs()]

    def output_shapes(self, usual_hw: tuple[int, int]) -> list[tuple[int, ...]]:
        """Shapes of the outputs for one blank image: files often leave in the open what they always give.

        `usual_hw` is the size of the image where the file does not fix it.
        """
        blank = np.zeros((self.batch or 1, 3, *(self.size_hw or usual_hw)), np.float32)
        return [(1, *output.shape[1:]) for output in self.run(blank)]

    def run(self, images: np.ndarray) -> list[np.ndarray]:
        """All outputs for (N, 3, H, W) float32; N is cut into pieces where the file fixes it, outputs are joined."""
        images = np.ascontiguousarray(images, np.float32)
        step = self.batch or max(1, len(images))
        if len(images) % step:
            raise ValueError(f"{self.path} takes {step} images at a time, got {len(images)}")
        try:
            pieces = [self._session.run(None, {self._input: images[i : i + step]}) for i in range(0, len(images), step)]
        except _runtime_errors(_import_runtime()) as error:
            raise InputError(f"{self.path}: ONNX Runtime could not run it ({_first_line(error)})") from None
        return [np.concatenate(parts) for parts in zip(*pieces, strict=True)]


def _import_runtime() -> Any:
    try:
        import onnxruntime
    except ImportError:
        raise UsageError("the package onnxruntime is not installed", INSTALL) from None
    return onnxruntime


def _provider(runtime: Any, device: str) -> str:
    kind, _, index = device.partition(":")
    if kind not in _DEVICES or (index and not index.isdigit()):
        raise UsageError(f"ONNX Runtime runs on cpu or cuda here, got device {device!r}", "use --device cpu")
    provider = _DEVICES[kind]
    if provider not in runtime.get_available_providers():
        raise UsageError(f"device {device!r}: the installed ONNX Runtime has no {provider}", INSTALL_GPU)
    return provider


def _runtime_errors(runtime: Any) -> tuple[type[Exception], ...]:
    """Its exceptions, which share no base class of their own."""
    state = runtime.capi.onnxruntime_pybind11_state
    names = ("Fail", "InvalidArgument", "InvalidGraph", "InvalidProtobuf", "NoModel", "NoSuchFile", "NotImplemented")
    found = [getattr(state, name) for name in (*names, "RuntimeException", "EPFail") if hasattr(state, name)]
    return (*found, ValueError)


def _first_line(error: Exception) -> str:
    return str(error).strip().splitlines()[0][:200] if str(error).strip() else type(error).__name__


def _fixed(size: Any) -> int | None:
    """A dimension that the file fixes; ONNX gives free ones a name, or nothing."""
    return size if isinstance(size, int) and size > 0 else None
