"""The detector: an Ultralytics YOLO, on a CPU through OpenVINO, on CUDA and MPS through torch."""

import os
import platform
import sys
from collections import deque
from collections.abc import Sequence
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol, Self

import numpy as np
from numpy.typing import NDArray

from engine.errors import SightlineError
from engine.job import Job, Notice, Progress, drive
from engine.tracking.decode import Head, decode
from engine.tracking.knobs import TrackKnobs
from engine.tracking.late_boxes import LateBoxes
from engine.tracking.letterbox import Letterbox
from engine.tracking.types import Detections, Floats, Ints
from engine.weights.load import NetworkInfo, YoloNetwork

Image = NDArray[np.uint8]
DEVICES = ("auto", "cpu", "cuda", "mps")


class Run(Protocol):
    """A network somewhere: pictures in, raw outputs out, up to `depth` under way."""

    depth: int
    text: str
    fixed: tuple[int, int] | None

    def prepare(self, outer: tuple[int, int], alone: bool) -> None: ...

    def start(self, image: Image, box: Letterbox, alone: bool) -> Any: ...

    def wait(self, started: Any) -> Sequence[Floats]: ...

    def close(self) -> None: ...


@dataclass(frozen=True, slots=True, eq=False)
class _UnderWay:
    started: Any
    box: Letterbox
    knobs: TrackKnobs


class Detector:
    """Finds things in pictures. Used from one thread; closed when done.

    Attributes:
        names: class index -> class name, as the weights say.
        task: "detect", "segment" (detections have outlines) or "pose" (they have keypoints).
        runtime: what runs it where, for people ("OpenVINO, CPU").
        weights: the file or folder it was loaded from.
        depth: how many pictures may be under way between `submit` and `collect`.
    """

    def __init__(self, weights: Path, info: NetworkInfo, run: Run, late: LateBoxes | None = None) -> None:
        self.weights = weights
        self.names = info.names
        self.task = info.task
        self.runtime = run.text
        self.depth = run.depth
        self._info = info
        self._run = run
        self._head = Head(
            len(info.names), info.extra, info.end_to_end, info.keypoints, masks=info.mask_coefficients > 0, late=late
        )
        self._under_way: deque[_UnderWay] = deque()
        self._wanted: tuple[tuple[str, ...], Ints | None] = ((), None)

    def detect(self, image: Image, knobs: TrackKnobs) -> Detections:
        """What is in one picture; nothing else may be under way.

        Args:
            image: (H, W, 3) uint8, BGR.
            knobs: confidence, iou, size and classes are used.

        Raises:
            SightlineError: `knobs.classes` names a class that the weights do not know.
        """
        self.submit(image, knobs, alone=True)
        return self.collect()

    def submit(self, image: Image, knobs: TrackKnobs, alone: bool = False) -> None:
        """Begin to look for things in a picture; at most `depth` pictures may be under way.

        Args:
            image: (H, W, 3) uint8, BGR; not kept.
            knobs: as `detect`.
            alone: it will be collected before another is submitted (a live source): it is ready sooner, but fewer
                pictures are ready in a second.

        Raises:
            SightlineError: as `detect`.
            RuntimeError: `depth` pictures are under way already.
        """
        self.class_rows(knobs.classes)
        if len(self._under_way) >= self.depth:
            raise RuntimeError(f"{self.depth} pictures are under way: collect one first")
        box = self._letterbox(image.shape[0], image.shape[1], knobs.size)
        self._under_way.append(_UnderWay(self._run.start(image, box, alone), box, knobs))

    def collect(self) -> Detections:
        """Wait for the picture that was submitted first, and give what is in it."""
        oldest = self._under_way.popleft()
        outputs = self._run.wait(oldest.started)
        knobs = oldest.knobs
        wanted = self.class_rows(knobs.classes)
        return decode(outputs, self._head, oldest.box, knobs.confidence, knobs.iou, wanted)

    def prepare(self, width: int, height: int, knobs: TrackKnobs, alone: bool = False) -> None:
        """Compile for pictures of this size now, so that the first one does not wait for it (about half a second)."""
        self._run.prepare(self._letterbox(height, width, knobs.size).outer, alone)

    def class_rows(self, classes: tuple[str, ...]) -> Ints | None:
        """The indices of these class names; None for no name at all, which means every class.

        Raises:
            SightlineError: a name that the weights do not know.
        """
        if self._wanted[0] == classes:
            return self._wanted[1]
        index = {name.casefold(): row for row, name in self.names.items()}
        rows = []
        for name in classes:
            row = index.get(name.strip().casefold())
            if row is None:
                known = ", ".join(list(self.names.values())[:5])
                more = f" and {len(self.names) - 5} more" if len(self.names) > 5 else ""
                raise SightlineError(f"{self.weights.name} knows no class “{name}”: it knows {known}{more}.")
            rows.append(row)
        found = np.array(sorted(rows), np.int64) if rows else None
        self._wanted = (classes, found)
        return found

    def close(self) -> None:
        """Let go of the network; twice is harmless."""
        self._under_way.clear()
        self._run.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_error: object) -> None:
        self.close()

    def _letterbox(self, height: int, width: int, size: int) -> Letterbox:
        # a network that picks its own best 300 boxes needs an input that has as many
        least = 2 * self._info.stride if self._info.end_to_end else self._info.stride
        return Letterbox.fit((height, width), size, self._info.stride, self._run.fixed, least)


def load_detector(weights: str | Path, device: str = "auto") -> Job[Detector]:
    """Load a detector: yields `Progress` and `Notice`, returns the `Detector`.

    Args:
        weights: a .pt or .onnx file, an OpenVINO folder or .xml file, or the name of a file in a folder of weights.
        device: "auto", "cpu", "cuda" or "mps"; auto takes the fastest there is.

    Raises:
        SightlineError: the weights cannot be found or used, or there is no such device.
    """
    from engine.tracking import openvino_runtime as on_cpu
    from engine.weights.exported import is_export, read_export
    from engine.weights.fetch import find_weights
    from engine.weights.load import load_yolo, refuse_at_sight

    path = find_weights(weights)
    what = f"Loading {path.name}"
    yield Progress(what)
    if is_export(path):
        if device in ("cuda", "mps"):
            raise SightlineError(
                f"{path} is an export, which runs on the CPU alone: choose the device cpu, or a .pt file."
            )
        exported = on_cpu.read_model(read_export(path))
        return Detector(path, exported.info, on_cpu.OpenVinoRun(exported.model))
    refuse_at_sight(path)
    where = choose_device(device)
    if where == "cpu":
        kept = on_cpu.read_kept(on_cpu.kept_folder(path))
        if kept is not None:
            return Detector(path, kept.info, on_cpu.OpenVinoRun(kept.model), kept.late)
    yield Progress(what)
    network = load_yolo(path)
    if where == "cpu":
        return (yield from _on_cpu(path, network))
    from engine.tracking.torch_runtime import TorchRun

    return Detector(path, network.info, TorchRun(network, where))


def _on_cpu(path: Path, network: YoloNetwork) -> Job[Detector]:
    """Convert a network for OpenVINO and keep that; run it by torch where OpenVINO cannot."""
    from engine.tracking import openvino_runtime as on_cpu
    from engine.tracking.torch_runtime import TorchRun

    what = f"Converting {path.name} for this CPU, once"
    yield Progress(what)
    try:
        with closing(on_cpu.convert(network)) as steps:
            next(steps)
            yield Progress(what)
            converted = drive(steps)
        run = on_cpu.OpenVinoRun(converted.model)
        run.prepare((384, 640), alone=False)
    except Exception as error:
        yield Notice(f"OpenVINO cannot run {path.name} ({_first_line(error)}); torch runs it, more slowly.")
        return Detector(path, network.info, TorchRun(network, "cpu"))
    folder = on_cpu.kept_folder(path)
    try:
        on_cpu.keep(folder, converted)
    except OSError as error:
        yield Notice(
            f"The converted network could not be kept in {folder.parent} ({_first_line(error)}); "
            "it will be converted again next time."
        )
    return Detector(path, network.info, run, converted.late)


def choose_device(device: str) -> str:
    """What `device` means on this machine: "cpu", "cuda:0" or "mps".

    Raises:
        SightlineError: there is no such device.
    """
    if device not in DEVICES:
        raise SightlineError(f"There is no device “{device}”: choose {', '.join(DEVICES[:-1])} or {DEVICES[-1]}.")
    # torch takes seconds to import and is not wanted where no accelerator can be
    if device == "cpu" or (device == "auto" and not _may_have_accelerator()):
        return "cpu"
    import torch

    if device in ("auto", "cuda") and torch.cuda.is_available():
        return "cuda:0"
    if device in ("auto", "mps") and torch.backends.mps.is_available():
        return "mps"
    if device == "auto":
        return "cpu"
    name = {"cuda": "NVIDIA graphics card that torch can use (cuda)", "mps": "Apple graphics processor (mps)"}[device]
    raise SightlineError(f"This machine has no {name}: choose the device cpu or auto.")


def _may_have_accelerator() -> bool:
    if sys.platform == "darwin":
        return platform.machine() == "arm64"
    if sys.platform == "win32":
        return (Path(os.environ.get("SYSTEMROOT", "C:/Windows")) / "System32" / "nvcuda.dll").exists()
    # the driver's device, WSL's, and Jetson's
    return any(Path(device).exists() for device in ("/dev/nvidiactl", "/dev/dxg", "/dev/nvhost-gpu"))


def _first_line(error: Exception) -> str:
    return (str(error).strip().splitlines() or [type(error).__name__])[0][:120]
