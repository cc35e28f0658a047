"""A fitted model as one network for other programs: a prepared picture in, its raw score and map out.

FILE.onnx, or FILE.xml and FILE.bin (OpenVINO); and FILE.onnx.json or FILE.xml.json, which says how a picture is
prepared and what the numbers mean. They get their names only after the network has been run and agrees with the model.
"""

import copy
import errno
import functools
import importlib.util
import json
import os
import shutil
import warnings
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import cv2
import numpy as np

from engine.errors import SightlineError
from engine.inspection.efficientad import EfficientAd
from engine.inspection.model import FittedModel
from engine.inspection.patchcore import SIGMA, PatchCore
from engine.inspection.types import Image
from engine.job import Job, Notice, Progress

FORMAT = 1
KINDS = {"onnx": ".onnx", "openvino": ".xml"}
_TOLERANCE = 1e-4
_TOLERANCE_BF16 = 0.05
_PIECE = 4096
"""Rows of the memory bank that are compared at once: (784, 4096) distances are 12 MiB."""
_OPSET = 17


@dataclass(frozen=True, slots=True)
class Exported:
    """A network that was written.

    Attributes:
        path: of the network; its description lies beside it, with .json behind the name.
        kind: "onnx" or "openvino".
        size: height, width of the pictures it takes; 0 where they are free.
        difference: the largest from the model itself, in raw units, on the picture that it was tried with.
    """

    path: Path
    kind: str
    size: tuple[int, int]
    difference: float


def export_model(model: FittedModel, path: Path | str, kind: str = "") -> Job[Exported]:
    """Write a model as one network: yields `Progress` and `Notice`.

    The network takes `picture`, (1, 3, h, w) float32, RGB, 0..1, resized and cropped as the description says (the
    normalisation is in the network), and gives `raw`, (1,) float32, and `map`, (1, h, w) float32, both in the method's
    own units.

    Args:
        model: a PatchCore or an EfficientAD.
        path: where to; its suffix is made to fit.
        kind: "onnx" or "openvino"; "" takes it from the suffix.

    Raises:
        SightlineError: the method has no such network, a package is missing, the file cannot be written, or what was
            written does not agree with the model.
    """
    path = Path(path).expanduser()
    kind = kind or next((name for name, suffix in KINDS.items() if path.suffix.lower() == suffix), "")
    if kind not in KINDS:
        raise SightlineError(f"{path.name} says no kind of network: let its name end in {' or '.join(KINDS.values())}.")
    if path.suffix.lower() != KINDS[kind]:
        path = path.with_name(path.name + KINDS[kind])
    if kind == "onnx" and importlib.util.find_spec("onnx") is None:
        raise SightlineError(
            f"{path.name} needs the package onnx, which is not installed: run `uv pip install onnx`, or export to "
            "OpenVINO (.xml)."
        )
    if path.is_dir():
        raise SightlineError(f"{path} is a folder: give the network another name.")
    if not path.absolute().parent.is_dir():
        raise SightlineError(f"There is no folder {path.absolute().parent}: make it, or export {path.name} elsewhere.")
    part = path.with_name(f".{path.stem}.{os.getpid()}.part")
    try:
        part.mkdir(exist_ok=True)
        try:
            return (yield from _export(model, part, path, kind))
        finally:
            shutil.rmtree(part, ignore_errors=True)
    except OSError as error:
        raise _sentence(path, error) from None


def _export(model: FittedModel, part: Path, path: Path, kind: str) -> Job[Exported]:
    what = f"Exporting {model.card.name}"
    yield Progress(what, 0, 4)
    network = _network(model)
    image = _sample(model)
    height, width = model.preparation.cut(image).tiles.shape[1:3]
    free = model.card.knobs.keep_shape
    yield Progress(what, 1, 4)
    made = part / path.name
    _convert(network, made, kind, (height, width), free)
    yield Progress(what, 2, 4)
    difference, limit = _difference(model, made, image)
    if difference > limit:
        raise SightlineError(
            f"The exported network differs from {model.card.name} by {difference:.2g} in its scores, so it was not "
            "kept: export it in the other format."
        )
    yield Progress(what, 3, 4)
    if model.card.knobs.precision != "float32":
        yield Notice(f"{model.card.name} compares in {model.card.knobs.precision}; the network does in float32.")
    size = (0, 0) if free else (height, width)
    text = json.dumps(_description(model, path, kind, size, difference), ensure_ascii=False, indent=1, allow_nan=False)
    (part / f"{path.name}.json").write_text(text + "\n", encoding="utf-8")
    # what the network's own file refers to comes first, the file itself last
    for file in sorted(part.iterdir(), key=lambda file: file.name == path.name):
        file.replace(path.with_name(file.name))
    yield Progress(what, 4, 4)
    return Exported(path, kind, size, difference)


def _network(model: FittedModel) -> Any:
    """The whole method as a torch module on the CPU: (1, 3, h, w) float32 -> (1,), (1, h, w)."""
    scorer = model.scorer
    if isinstance(scorer, PatchCore):
        backbone = copy.deepcopy(scorer.backbone.module).cpu()
        return _whole_patchcore()(backbone, scorer.bank, scorer.neighbours).eval()
    if isinstance(scorer, EfficientAd):
        return scorer.module()
    raise SightlineError(f"{model.card.method} cannot be exported: fit a PatchCore or an EfficientAD for that.")


@functools.cache
def _whole_patchcore() -> Any:
    """The class is made when torch is wanted: this file is imported without it."""
    import torch
    from torch import nn
    from torch.nn import functional as functions

    class WholePatchCore(nn.Module):  # type: ignore[misc]
        """`PatchCore.score` of one picture; the steps are numbered as there."""

        def __init__(self, backbone: nn.Module, bank: Any, neighbours: int) -> None:
            super().__init__()
            self.backbone = backbone
            self.neighbours = min(neighbours, len(bank))
            middle = bank.mean(0)
            self.register_buffer("bank", torch.from_numpy(bank))
            # distances stay the same when all points move together, and the products lose less
            self.register_buffer("middle", torch.from_numpy(middle))
            self.register_buffer("centred", torch.from_numpy(bank - middle))
            self.register_buffer("squares", torch.from_numpy(np.square(bank - middle).sum(1)))
            self.reach = 2 * int(4.0 * SIGMA + 0.5) + 1
            kernel = torch.from_numpy(cv2.getGaussianKernel(self.reach, SIGMA, cv2.CV_32F))
            self.register_buffer("kernel", kernel.reshape(1, 1, -1, 1))

        def forward(self, picture: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
            features = self.backbone(picture)  # 3.1
            patches = features.reshape(-1, self.bank.shape[1])
            centred = patches - self.middle
            least = torch.stack(
                [
                    (squares - 2 * (centred @ rows.T)).amin(1)
                    for rows, squares in zip(self.centred.split(_PIECE), self.squares.split(_PIECE), strict=True)
                ]
            ).amin(0)
            distances = (least + centred.square().sum(1)).clamp(min=0).sqrt()  # 3.3, distance to m*
            strange = distances.reshape(1, 1, features.shape[1], features.shape[2])
            spread = _spread(_spread(strange, 2, picture.shape[2]), 3, picture.shape[3])
            edge = self.reach // 2
            padded = functions.pad(spread, (edge, edge, edge, edge), mode="reflect")
            smooth = functions.conv2d(functions.conv2d(padded, self.kernel), self.kernel.transpose(2, 3))
            return self._score(distances, patches), smooth[:, 0]

        def _score(self, distances: torch.Tensor, patches: torch.Tensor) -> torch.Tensor:
            largest, strangest = distances.max(0, keepdim=True)  # s*, m^test,*
            if self.neighbours == 1:
                return largest
            patch = patches.index_select(0, strangest)
            apart = (self.bank - patch).square().sum(1)
            nearest = self.bank.index_select(0, apart.argmin(0, keepdim=True))  # m*
            beside = (self.bank - nearest).square().sum(1)
            around = beside.topk(self.neighbours, largest=False).indices  # N_b(m*)
            away = (self.bank.index_select(0, around) - patch).square().sum(1).sqrt()
            own = (nearest - patch).square().sum(1).sqrt()
            share = (own - away.max()).exp() / (away - away.max()).exp().sum()
            return (1 - share) * largest

    def _spread(values: torch.Tensor, axis: int, pixels: Any) -> torch.Tensor:
        # runtimes round a "nearest" interpolation differently where the sizes do not divide
        count = values.shape[axis]
        places = (torch.arange(pixels, dtype=torch.float32) * (count / pixels)).long().clamp(max=count - 1)
        return values.index_select(axis, places)

    return WholePatchCore


def _convert(network: Any, path: Path, kind: str, size: tuple[int, int], free: bool) -> None:
    import torch

    example = torch.zeros(1, 3, *size)
    with torch.no_grad(), warnings.catch_warnings():
        # torch means to retire the tracing that both ways go through
        warnings.simplefilter("ignore")
        if kind == "onnx":
            axes = {"picture": {2: "height", 3: "width"}, "map": {1: "height", 2: "width"}} if free else None
            torch.onnx.export(
                network, (example,), str(path), dynamo=False, opset_version=_OPSET, input_names=["picture"],
                output_names=["raw", "map"], dynamic_axes=axes,
            )  # fmt: skip
            return
        import openvino

        shape = [1, 3, -1, -1] if free else [1, 3, *size]
        model = openvino.convert_model(network, example_input=example, input=shape)
        model.inputs[0].get_tensor().set_names({"picture"})
        for output, name in zip(model.outputs, ("raw", "map"), strict=True):
            output.get_tensor().set_names({name})
        openvino.save_model(model, str(path), compress_to_fp16=False)


def _sample(model: FittedModel) -> Image:
    """A picture to try the network with: a training picture under noise, so that no patch is one of the bank's own."""
    side = max(64, model.card.knobs.size)
    image = model._training_picture(0) if model.sources else None
    if image is None:
        image = np.full((side, side, 3), 128, np.uint8)
    noise = np.random.default_rng(0).integers(0, 256, image.shape, dtype=np.uint8)
    mixed: Image = cv2.addWeighted(image, 0.6, cv2.GaussianBlur(noise, (0, 0), 1.5), 0.4, 0)
    return mixed


def _difference(model: FittedModel, path: Path, image: Image) -> tuple[float, float]:
    """How far the network is from the model on a picture, and how far it may be."""
    import openvino

    # a processor with AMX would take bfloat16 by itself
    compiled = openvino.Core().compile_model(str(path), "CPU", {"INFERENCE_PRECISION_HINT": "f32"})
    cut = model.preparation.cut(image)
    found: list[Sequence[Any]] = []
    for tile in cut.batch:
        answer = compiled(np.ascontiguousarray(tile[None]))
        found.append((answer["raw"].copy(), answer["map"].copy()))
    raw = max(float(one[0][0]) for one in found)
    whole = model.preparation.paste(cut, np.concatenate([one[1] for one in found]))
    verdict = model.examine(image)
    apart = np.nanmax(np.abs(whole - verdict.raw_map))
    tolerance = _TOLERANCE if model.card.knobs.precision == "float32" else _TOLERANCE_BF16
    size = max(1.0, abs(verdict.raw), float(np.abs(verdict.raw_map).max()))
    return max(abs(raw - verdict.raw), float(apart)), tolerance * size


def _description(model: FittedModel, path: Path, kind: str, size: tuple[int, int], difference: float) -> dict[str, Any]:
    card, knobs = model.card, model.card.knobs
    shape = [side or None for side in size]
    return {
        "sightline": "exported anomaly model",
        "format": FORMAT,
        "network": path.name,
        "kind": kind,
        "name": card.name,
        "method": card.method,
        "backbone": card.backbone,
        "category": card.category,
        "fitted": card.fitted,
        "picture": {
            "shape": [1, 3, *shape], "type": "float32", "colours": "RGB", "range": [0, 1], "normalised": "inside",
            "region": list(knobs.region), "tile": knobs.tile, "size": knobs.size, "crop": knobs.crop,
            "keep_shape": knobs.keep_shape,
        },
        "raw": {"shape": [1], "say": "the picture's score; of several tiles the highest counts"},
        "map": {"shape": [1, *shape], "say": "raw values of the prepared picture's pixels"},
        "calibration": asdict(card.calibration),
        "calibrated": "z = (raw - centre) / scale; score = 0.5 + 0.5 * z / (1 + abs(z))",
        "threshold": card.threshold,
        "difference": difference,
        "versions": dict(card.versions),
    }  # fmt: skip


def _sentence(path: Path, error: OSError) -> SightlineError:
    if error.errno in (errno.ENOSPC, getattr(errno, "EDQUOT", errno.ENOSPC)):
        return SightlineError(f"There is no space left for {path}: free some, or export it elsewhere.")
    reason = (error.strerror or "the system refused").lower()
    return SightlineError(f"{path} cannot be written ({reason}): export it elsewhere.")
