"""A YOLO network run by OpenVINO on a CPU: converted once, kept, compiled for the shapes that come."""

import hashlib
import json
import shutil
import tempfile
import warnings
from collections import OrderedDict
from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from importlib.metadata import version
from pathlib import Path
from types import MethodType
from typing import Any

import numpy as np
from numpy.typing import NDArray

from engine import runtime
from engine.errors import SightlineError
from engine.job import Job
from engine.tracking.late_boxes import LateBoxes
from engine.tracking.letterbox import PADDING, Letterbox
from engine.tracking.types import Floats
from engine.weights.exported import Export
from engine.weights.load import NetworkInfo, YoloNetwork, names_of

Image = NDArray[np.uint8]
_LAYOUT = 2
"""Raised when what is kept on disk changes."""
_SHAPES_KEPT = 4


def kept_folder(weights: Path) -> Path:
    """Where the conversion of this file is kept: named by its content and by the versions that convert it."""
    with weights.open("rb") as file:
        digest = hashlib.file_digest(file, "sha256").hexdigest()
    versions = f"u{version('ultralytics')}-o{version('openvino')}-{_LAYOUT}"
    return runtime.weights_folder() / "openvino" / f"{weights.stem}-{digest[:16]}-{versions}"


@dataclass(frozen=True, slots=True)
class Converted:
    """A network for OpenVINO.

    Attributes:
        info: what is known of it.
        model: the OpenVINO model, for input of any height and width.
        late: what works its boxes out, where the model gives scores and features alone.
    """

    info: NetworkInfo
    model: Any
    late: LateBoxes | None = None


def read_kept(folder: Path) -> Converted | None:
    """The kept network; None where there is none, or it is damaged (it is then removed)."""
    import openvino

    try:
        about = json.loads((folder / "network.json").read_text(encoding="utf-8"))
        for name, digest in about["sha256"].items():
            with (folder / name).open("rb") as file:
                if hashlib.file_digest(file, "sha256").hexdigest() != digest:
                    raise ValueError(f"{name} is damaged")
        model = openvino.Core().read_model(folder / "network.xml")
        late = None
        if "boxes.npz" in about["sha256"]:
            with np.load(folder / "boxes.npz", allow_pickle=False) as arrays:
                late = LateBoxes.from_arrays(dict(arrays))
        return Converted(_info_from(about["network"]), model, late)
    except FileNotFoundError:
        if not folder.exists():
            return None
    except (OSError, ValueError, KeyError, TypeError, AttributeError, RuntimeError):
        pass
    shutil.rmtree(folder, ignore_errors=True)
    return None


def keep(folder: Path, network: Converted) -> None:
    """Write a converted network beside its final place and rename it; a second process that was faster wins.

    Raises:
        OSError: it cannot be written.
    """
    import openvino

    folder.parent.mkdir(parents=True, exist_ok=True)
    part = Path(tempfile.mkdtemp(prefix=".part-", dir=folder.parent))
    try:
        try:
            openvino.save_model(network.model, part / "network.xml", compress_to_fp16=False)
        except RuntimeError as error:  # how OpenVINO says that a disk is full
            raise OSError(str(error)) from None
        if network.late is not None:
            arrays: dict[str, Any] = network.late.arrays()
            np.savez(part / "boxes.npz", **arrays)
        digests = {file.name: hashlib.sha256(file.read_bytes()).hexdigest() for file in part.iterdir()}
        about = {"network": asdict(network.info), "sha256": digests}
        (part / "network.json").write_text(json.dumps(about), encoding="utf-8")
        try:
            part.rename(folder)
        except OSError:
            if not (folder / "network.json").is_file():
                raise
    finally:
        shutil.rmtree(part, ignore_errors=True)


def _info_from(about: dict[str, Any]) -> NetworkInfo:
    info = NetworkInfo(**about)
    pair = (info.keypoints[0], info.keypoints[1]) if info.keypoints else None
    return replace(info, names=names_of(info.names), keypoints=pair)


def convert(network: YoloNetwork) -> Job[Converted]:
    """A YOLO for OpenVINO; yields None between its steps. Its boxes are worked out late where that is possible."""
    import openvino
    import torch

    head = network.module.model[-1]
    # small, since torch prepares each layer for each shape, but with more than the 300 boxes that YOLO26 picks from
    example = torch.zeros(1, 3, 128, 192)
    # anchors follow the input's shape instead of being remembered from the last one
    head.dynamic = True
    late = LateBoxes.of_head(head)
    if late is not None:
        head.forward = MethodType(_scores_and_features, head)
    try:
        with torch.no_grad():
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")
                traced = torch.jit.trace(network.module, example, strict=False, check_trace=False)
            yield None
            model = openvino.convert_model(traced, input=[1, 3, -1, -1], example_input=example)
            return Converted(network.info, model, late)
    finally:
        head.dynamic, head.shape = False, None
        vars(head).pop("forward", None)


def _scores_and_features(head: Any, levels: list[Any]) -> tuple[Any, ...]:
    """Instead of the forward step of a YOLO head: the best score of each place, all scores, and the features."""
    import torch

    scores = torch.cat([branch(level).flatten(2) for branch, level in zip(head.cv3, levels, strict=True)], 2).sigmoid()
    return (scores.amax(1), scores, *(level.permute(0, 2, 3, 1) for level in levels))


def read_model(export: Export) -> Converted:
    """An exported network; what is known of it is completed from the shapes of its outputs.

    Raises:
        SightlineError: it cannot be read, or its outputs are not those of a YOLO.
    """
    import openvino

    try:
        model = openvino.Core().read_model(export.file)
    except RuntimeError:
        raise SightlineError(
            f"{export.file} is damaged or of a version that OpenVINO {version('openvino')} cannot read: "
            "export it again."
        ) from None
    shapes = [[d.get_length() if d.is_static else -1 for d in out.get_partial_shape()] for out in model.outputs]
    boxes = next((shape for shape in shapes if len(shape) == 3), None)
    prototypes = next((shape for shape in shapes if len(shape) == 4), None)
    inputs = model.inputs
    if boxes is None or len(inputs) != 1 or len(inputs[0].get_partial_shape()) != 4:
        raise SightlineError(f"{export.file} is not a YOLO network: its outputs have the shapes {shapes}.")
    task = export.task or ("segment" if prototypes else "detect")
    masks = prototypes[1] if prototypes and task == "segment" else 0
    extra = masks + (export.keypoints[0] * export.keypoints[1] if export.keypoints and task == "pose" else 0)
    names = export.names
    end_to_end = boxes[2] == 6 + extra and boxes[1] != 4 + len(names or ()) + extra
    if names is None:
        # without names the classes are numbered; a network that gives final boxes does not tell how many there are
        names = {i: f"class {i}" for i in range(80 if end_to_end else max(boxes[1] - 4 - extra, 0))}
    if not end_to_end and (not names or boxes[1] != 4 + len(names) + extra):
        raise SightlineError(
            f"{export.file} is not a YOLO network for {len(names)} classes: its outputs have the shapes {shapes}."
        )
    keypoints = export.keypoints if task == "pose" else None
    return Converted(NetworkInfo(task, names, export.stride, end_to_end, keypoints, masks), model)


@dataclass(slots=True)
class _Slot:
    request: Any
    batch: Image
    box: Letterbox | None = None


@dataclass(slots=True)
class _Compiled:
    slots: list[_Slot]
    next: int = 0


class OpenVinoRun:
    """One network on the CPU. Up to `depth` pictures may be under way; each shape of input is compiled once."""

    def __init__(self, model: Any) -> None:
        import openvino

        # on two cores two pictures keep both busy while the reader works; with more, one more waits in line
        self.depth = 2 if runtime.cores() <= 2 else 3
        self._core = openvino.Core()
        self._model = model
        shape = model.input(0).get_partial_shape()
        self.fixed: tuple[int, int] | None = None
        if shape.rank.is_static and len(shape) == 4 and shape[2].is_static and shape[3].is_static:
            self.fixed = (shape[2].get_length(), shape[3].get_length())
        self._compiled: OrderedDict[tuple[int, int, bool], _Compiled] = OrderedDict()
        self.text = "OpenVINO, CPU"

    def prepare(self, outer: tuple[int, int], alone: bool) -> None:
        """Compile for an input of (height, width), unless that was done."""
        self._for_shape(outer, alone)

    def start(self, image: Image, box: Letterbox, alone: bool) -> Any:
        """Lay a picture into the next free input and begin to run the network on it.

        Args:
            image: (H, W, 3) uint8, BGR.
            box: where it lies in the input.
            alone: all cores work on this picture, which is ready sooner; else two pictures share them, and more of
                them are ready in a second.
        """
        compiled = self._for_shape(box.outer, alone)
        slot = compiled.slots[compiled.next]
        compiled.next = (compiled.next + 1) % len(compiled.slots)
        if slot.box != box:
            slot.batch.fill(PADDING)
            slot.box = box
        box.paste(image, slot.batch[0])
        slot.request.start_async()
        return slot.request

    def wait(self, started: Any) -> Sequence[Floats]:
        """The outputs of what was started; valid until `depth` more are started."""
        started.wait()
        return sorted((tensor.data for tensor in started.output_tensors), key=np.ndim)

    def close(self) -> None:
        """Let go of the network."""
        for compiled in self._compiled.values():
            for slot in compiled.slots:
                # a buffer must outlive what still reads it
                slot.request.wait()
        self._compiled.clear()
        self._model = None

    def _for_shape(self, outer: tuple[int, int], alone: bool) -> _Compiled:
        key = (*outer, alone)
        found = self._compiled.get(key)
        if found is not None:
            self._compiled.move_to_end(key)
            return found
        while len(self._compiled) >= _SHAPES_KEPT:
            self._compiled.popitem(last=False)
        found = self._compiled[key] = self._compile(outer, alone)
        return found

    def _compile(self, outer: tuple[int, int], alone: bool) -> _Compiled:
        import openvino
        from openvino.preprocess import ColorFormat, PrePostProcessor

        # uint8, BGR, rows of pixels go in: scaling and colour order are part of the compiled network
        steps = PrePostProcessor(self._model.clone())
        tensor = steps.input(0).tensor()
        tensor.set_element_type(openvino.Type.u8).set_layout(openvino.Layout("NHWC"))
        tensor.set_color_format(ColorFormat.BGR)
        steps.input(0).model().set_layout(openvino.Layout("NCHW"))
        steps.input(0).preprocess().convert_element_type(openvino.Type.f32).convert_color(ColorFormat.RGB).scale(255.0)
        model = steps.build()
        model.reshape([1, *outer, 3])
        options = {
            "NUM_STREAMS": "1" if alone else "2",
            "INFERENCE_NUM_THREADS": runtime.cores(),
            # threads that stay on their core wait for whoever else works there: the tracker, the decoder
            "ENABLE_CPU_PINNING": False,
        }
        compiled = self._core.compile_model(model, "CPU", options)
        slots = []
        for _ in range(self.depth):
            request = compiled.create_infer_request()
            batch = np.full((1, *outer, 3), PADDING, np.uint8)
            request.set_input_tensor(openvino.Tensor(batch, shared_memory=True))
            slots.append(_Slot(request, batch))
        return _Compiled(slots)
