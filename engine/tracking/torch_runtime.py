"""A YOLO network run by torch: on CUDA and MPS, and on a CPU where OpenVINO cannot."""

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from engine.tracking.letterbox import PADDING, Letterbox
from engine.tracking.types import Floats
from engine.weights.load import YoloNetwork

Image = NDArray[np.uint8]


class TorchRun:
    """One network on one torch device. It runs at once when it is started; `wait` only hands the result over."""

    depth = 1
    fixed: tuple[int, int] | None = None

    def __init__(self, network: YoloNetwork, device: str) -> None:
        self._device = device
        self._module: Any = network.module.to(device)
        self.text = f"torch, {'CPU' if device == 'cpu' else device}"
        self._buffers: dict[Letterbox, Image] = {}

    def prepare(self, outer: tuple[int, int], alone: bool) -> None:
        """Nothing is compiled ahead."""

    def start(self, image: Image, box: Letterbox, alone: bool) -> Sequence[Floats]:
        """Run the network on a picture (H, W, 3) uint8, BGR, laid into its input; `alone` changes nothing here."""
        import torch

        if box not in self._buffers:
            if len(self._buffers) >= 4:
                self._buffers.clear()
            self._buffers[box] = np.full((*box.outer, 3), PADDING, np.uint8)
        batch = self._buffers[box]
        box.paste(image, batch)
        with torch.inference_mode():
            tensor = torch.from_numpy(batch).to(self._device)
            tensor = tensor.permute(2, 0, 1).flip(0).unsqueeze(0).float().div_(255.0)
            outputs = self._module(tensor)
            outputs = outputs if isinstance(outputs, list | tuple) else (outputs,)
            return [output.float().cpu().numpy() for output in outputs]

    def wait(self, started: Sequence[Floats]) -> Sequence[Floats]:
        """The outputs of what was started."""
        return started

    def close(self) -> None:
        """Let go of the network and of the device's memory."""
        self._module = None
        self._buffers.clear()
        if self._device.startswith("cuda"):
            import torch

            torch.cuda.empty_cache()
