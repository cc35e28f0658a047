"""How far patches are from the nearest patch of a memory bank: exact search, one matrix product after the other.

|x - y|^2 = |x|^2 - 2 x.y + |y|^2. The bank is cut into pieces whose products stay in cache, and of each only the
minimum is kept; only where a neighbour's place is wanted (one patch a picture) is it looked for.
"""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from engine import runtime
from engine.inspection.runtime import hint_of

Array = NDArray[np.float32]
_PIECE = 1536
"""Rows of the bank a piece; 12,288 x 128 in 8 pieces took 15.7 ms where one piece took 19.2 and torch 59.5."""


class Nearest:
    """Searches one memory bank.

    Args:
        bank: (m, d) float32.
        device: "cpu", "cuda" or "mps".
        precision: "float32", or "bfloat16" on a CPU (approximate).
    """

    def __init__(self, bank: Array, device: str = "cpu", precision: str = "float32") -> None:
        # distances stay the same when all points move together, and the products lose less
        self.mean: Array = bank.mean(0)
        self.bank = bank
        self._centred = bank - self.mean
        self._squares: Array = np.square(self._centred).sum(1)
        self._device, self._hint = device, hint_of(precision)
        self._compiled: dict[int, Any] = {}
        self._on_device: Any = None

    def distances(self, patches: Array) -> Array:
        """(n,) float32: from each of (n, d) patches to its nearest in the bank."""
        patches = np.ascontiguousarray(patches, np.float32)
        centred = patches - self.mean
        least = self._least_on_cpu(centred) if self._device == "cpu" else self._least_on_device(centred)
        found: Array = np.sqrt(np.maximum(least + np.square(centred).sum(1), 0))
        return found

    def neighbours(
        self, patch: Array, count: int, leave_out: NDArray[np.bool_] | None = None
    ) -> tuple[Array, NDArray[np.int64]]:
        """Distances and rows of the `count` nearest of one patch (d,), nearest first; rows may be left out."""
        offsets = self._squares - 2 * (self._centred @ (patch - self.mean))
        if leave_out is not None:
            offsets[leave_out] = np.inf
            count = min(count, int((~leave_out).sum()))
        count = min(count, len(offsets))
        rows = np.argpartition(offsets, count - 1)[:count]
        exact: Array = np.linalg.norm(self.bank[rows] - patch, axis=1)
        order = np.argsort(exact, kind="stable")
        return exact[order], rows[order].astype(np.int64)

    def distances_without(self, patches: Array, leave_out: NDArray[np.bool_]) -> Array:
        """(n,) float32, as `distances`, to the nearest of the rows that are not left out (at least one)."""
        kept, centred = ~leave_out, patches - self.mean
        products = centred @ self._centred[kept].T
        products *= -2
        products += self._squares[kept]
        found: Array = np.sqrt(np.maximum(products.min(1) + np.square(centred).sum(1), 0))
        return found

    def _least_on_cpu(self, centred: Array) -> Array:
        request = self._compiled.get(len(centred))
        if request is None:
            request = self._compile(len(centred))
        least: Array = request.infer([centred], share_inputs=True)[0].copy()
        return least

    def _compile(self, rows: int) -> Any:
        import openvino
        from openvino import opset13 as ops

        wanted = ops.parameter([rows, self.bank.shape[1]], np.float32)
        least: Any = None
        for piece in np.array_split(np.arange(len(self.bank)), max(1, round(len(self.bank) / _PIECE))):
            products = ops.matmul(wanted, ops.constant(np.ascontiguousarray(-2 * self._centred[piece])), False, True)
            offsets = ops.add(products, ops.constant(self._squares[piece][None]))
            own = ops.reduce_min(offsets, ops.constant(np.array([1])), False)
            least = own if least is None else ops.minimum(least, own)
        options = {
            "INFERENCE_PRECISION_HINT": self._hint,
            "PERFORMANCE_HINT": "LATENCY",
            "INFERENCE_NUM_THREADS": runtime.cores(),
        }
        model = openvino.Model([least.output(0)], [wanted])
        request = openvino.Core().compile_model(model, "CPU", options).create_infer_request()
        if len(self._compiled) > 3:
            self._compiled.clear()
        self._compiled[rows] = request
        return request

    def _least_on_device(self, centred: Array) -> Array:
        import torch

        if self._on_device is None:
            bank, squares = torch.from_numpy(self._centred), torch.from_numpy(self._squares)
            self._on_device = bank.to(self._device), squares.to(self._device)
        bank, squares = self._on_device
        with torch.inference_mode():
            parts = [
                torch.addmm(squares, part, bank.T, alpha=-2).amin(1)
                for part in torch.from_numpy(centred).to(self._device).split(2048)
            ]
            least: Array = torch.cat(parts).cpu().numpy()
        return least
