"""The networks that can be trained, by name: each ends in dropout and one linear layer, its head."""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from engine.errors import SightlineError
from engine.weights.networks import pretrained_network
from engine.weights.preprocessing import Preprocessing


@dataclass(frozen=True, slots=True)
class NetworkKind:
    """What there is to know of a network before it is built.

    Attributes:
        title: as a person reads it.
        size: usual side of its square, pixels.
        elsewhere: its name in torchvision; "" for Sightline's own.
        tail: the attribute that is replaced by a new head.
        width: numbers that the head takes in.
    """

    title: str
    size: int
    elsewhere: str
    tail: str
    width: int


KINDS: Mapping[str, NetworkKind] = {
    "small_cnn": NetworkKind("Small CNN", 64, "", "head", 64),
    "mobilenet_v2": NetworkKind("MobileNetV2", 224, "mobilenet_v2", "classifier", 1280),
    "squeezenet": NetworkKind("SqueezeNet 1.1", 224, "squeezenet1_1", "classifier", 512),
    "resnet18": NetworkKind("ResNet-18", 224, "resnet18", "fc", 512),
}
"""The networks by name."""

_MARGIN = 8 / 7
"""The shorter side of a picture before its middle is cut, in sizes of the square: ImageNet's 256 to 224."""
_SHARPNESS = 4.0
"""Of the smooth maximum: 0 would be the average."""


def kind_of(name: str) -> NetworkKind:
    """What there is to know of a network.

    Raises:
        SightlineError: there is no such network.
    """
    if name not in KINDS:
        raise SightlineError(f"There is no network {name} to train: choose of {', '.join(KINDS)}.")
    return KINDS[name]


def build(
    name: str, classes: int, pretrained: str | Path | None = None, *, size: int = 0, dropout: float = 0.2
) -> tuple[Any, Preprocessing]:
    """A network with a new head.

    Args:
        name: one of `KINDS`.
        classes: how many the head tells apart, 2 or more.
        pretrained: None begins with random numbers (torch's generator decides which); "" looks for the network's
            weights on this machine; else a file of them. The head is random in any case.
        size: side of the square that it sees, pixels; 0 is its usual one.
        dropout: of the head, 0..1.

    Returns:
        A torch module for (n, 3, size, size) float32, (n, classes) logits out, in evaluation mode, its parameters
        free to learn; and how its pictures are made.

    Raises:
        SightlineError: no such network, or its weights are not here or do not fit.
    """
    kind = kind_of(name)
    if pretrained is None:
        module = _small_cnn(kind.width) if name == "small_cnn" else _torchvision(kind.elsewhere)
    elif not kind.elsewhere:
        raise SightlineError(
            f"{kind.title} is Sightline's own and has no pretrained weights: leave --pretrained out, "
            "or choose mobilenet_v2."
        )
    else:
        module, _ = pretrained_network(kind.elsewhere, pretrained)
    for parameter in module.parameters():
        parameter.requires_grad = True
    setattr(module, kind.tail, _head(kind, classes, dropout))
    side = size or kind.size
    # what was learned elsewhere saw the middle of pictures; our own sees all of a square one
    return module.eval(), Preprocessing(side, round(side * _MARGIN) if kind.elsewhere else side)


def head(module: Any, name: str) -> Any:
    """The last linear layer of a network that `build` made: what learns first, and what a new set of classes needs.

    Args:
        module: of `build`.
        name: the same one.

    Returns:
        A `torch.nn.Linear`: (n, width) -> (n, classes).
    """
    return getattr(module, kind_of(name).tail)[-1]


def set_dropout(module: Any, name: str, share: float) -> None:
    """Let the head do without another share of its features."""
    getattr(module, kind_of(name).tail)[-2].p = share


def features(module: Any, name: str, batch: Any) -> Any:
    """What the head sees of a batch, without its dropout, as the layers below it are now.

    Args:
        module: of `build`, in evaluation mode.
        name: the same one.
        batch: (n, 3, size, size) float32 tensor.

    Returns:
        (n, width) float32 tensor, on the batch's device, without a gradient.
    """
    import torch

    seen: list[Any] = []
    hook = head(module, name).register_forward_pre_hook(lambda _layer, given: seen.append(given[0]))
    try:
        with torch.no_grad():
            module(batch)
    finally:
        hook.remove()
    return seen[0]


def norms(module: Any) -> list[Any]:
    """The layers that keep running statistics of what they have seen."""
    from torch.nn.modules.batchnorm import _BatchNorm

    return [layer for layer in module.modules() if isinstance(layer, _BatchNorm)]


def parameters(module: Any) -> int:
    """How many numbers a network learns."""
    return sum(parameter.numel() for parameter in module.parameters())


def _torchvision(name: str) -> Any:
    import torchvision

    return torchvision.models.get_model(name, weights=None)


def _small_cnn(width: int) -> Any:
    """Four 3x3 convolutions, each seeing half as finely as the one before; then the smooth maximum over all places.

    A picture of any size fits. No activation works in place, so that every layer can be looked into afterwards.
    """
    from collections import OrderedDict

    from torch import nn

    layers: list[Any] = []
    inside = 3
    for outside in (width // 8, width // 4, width // 2, width):
        if layers:
            layers.append(nn.MaxPool2d(2))
        layers += [nn.Conv2d(inside, outside, 3, padding=1, bias=False), nn.BatchNorm2d(outside), nn.ReLU()]
        inside = outside
    return nn.Sequential(OrderedDict(features=nn.Sequential(*layers), pool=_smooth_maximum(), head=nn.Identity()))


def _smooth_maximum() -> Any:
    """The log of the mean of exponentials over all places, (n, c, h, w) -> (n, c): between average and maximum.

    A small thing before a large ground is not averaged away, and unlike with the maximum all places learn (Pinheiro and
    Collobert 2015, arXiv 1411.6228). As with an average, the gradient of a channel adds up to 1 over its places: the
    weights of Grad-CAM are those of the head.
    """
    import torch
    from torch import nn

    class SmoothMaximum(nn.Module):  # type: ignore[misc]
        def forward(self, seen: Any) -> Any:
            places = seen.shape[-2] * seen.shape[-1]
            return (torch.logsumexp(seen * _SHARPNESS, (-2, -1)) - math.log(places)) / _SHARPNESS

    return SmoothMaximum()


def _head(kind: NetworkKind, classes: int, dropout: float) -> Any:
    from torch import nn

    last: list[Any] = [nn.Dropout(dropout), nn.Linear(kind.width, classes)]
    nn.init.zeros_(last[-1].bias)
    if kind.elsewhere.startswith("squeezenet"):
        # torchvision's ends in a convolution, a ReLU that silences logits, and the average
        last = [nn.AdaptiveAvgPool2d(1), nn.Flatten(), *last]
    return nn.Sequential(*last)
