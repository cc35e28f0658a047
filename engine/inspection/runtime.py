"""Runs patch features: through OpenVINO on a processor (3 to 4 times as fast as torch there), torch elsewhere."""

import warnings
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from engine import runtime

Array = NDArray[np.float32]


class Network(Protocol):
    """(n, 3, H, W) float32 RGB 0..1 -> (n, h, w, d) float32."""

    title: str

    def __call__(self, batch: Array) -> Array: ...


def hint_of(precision: str) -> str:
    """OpenVINO's word for a precision; float32 is asked for, or a processor with AMX would take bfloat16 by itself."""
    return "bf16" if precision == "bfloat16" else "f32"


def run_on(module: Any, device: str, precision: str = "float32") -> Network:
    """A torch module as something to call with arrays.

    Args:
        module: in evaluation mode.
        device: "cpu", "cuda" or "mps".
        precision: "float32", or "bfloat16" on a CPU that has it: faster, the scores differ in the third digit.
    """
    return _OpenVino(module, precision) if device == "cpu" else _Torch(module, device)


class _Torch:
    def __init__(self, module: Any, device: str) -> None:
        self.title = f"torch, {device.upper()}"
        self._module, self._device = module.to(device), device

    def __call__(self, batch: Array) -> Array:
        import torch

        with torch.inference_mode():
            out: Array = self._module(torch.from_numpy(batch).to(self._device)).cpu().numpy()
        return out


class _OpenVino:
    """One compiled network a shape of input: OpenVINO plans better for a shape that it knows."""

    _KEPT = 4

    def __init__(self, module: Any, precision: str) -> None:
        import openvino

        self.title = "OpenVINO, CPU"
        self._hint = hint_of(precision)
        self._model = to_openvino(module)
        self._core = openvino.Core()
        self._compiled: dict[tuple[int, ...], Any] = {}

    def __call__(self, batch: Array) -> Array:
        request = self._compiled.get(batch.shape)
        if request is None:
            request = self._compile(batch.shape)
        out: Array = request.infer([batch], share_inputs=True)[0].copy()
        return out

    def _compile(self, shape: tuple[int, ...]) -> Any:
        model = self._model.clone()
        model.reshape(list(shape))
        options = {
            "INFERENCE_PRECISION_HINT": self._hint,
            "PERFORMANCE_HINT": "LATENCY",
            "INFERENCE_NUM_THREADS": runtime.cores(),
        }
        request = self._core.compile_model(model, "CPU", options).create_infer_request()
        while len(self._compiled) >= self._KEPT:
            self._compiled.pop(next(iter(self._compiled)))
        self._compiled[shape] = request
        return request


def to_openvino(module: Any) -> Any:
    """A torch module as an `openvino.Model` whose batch, height and width are free."""
    import openvino
    import torch

    with torch.no_grad(), warnings.catch_warnings():
        # torch means to retire the tracing that OpenVINO converts through
        warnings.simplefilter("ignore")
        return openvino.convert_model(module, example_input=torch.zeros(1, 3, 224, 224), input=[-1, 3, -1, -1])
