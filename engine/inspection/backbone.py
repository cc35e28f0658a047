"""The network whose features are compared, cut off after the last layer that is used.

Steps 1 and 2 of PatchCore (section 3.1, https://arxiv.org/abs/2106.08265): features of intermediate layers, each
averaged over its 3x3 neighbourhood, the coarser layers brought to the size of the finest, side by side: one vector a
patch.
"""

import functools
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from engine.errors import SightlineError
from engine.inspection.knobs import AUTO, FitKnobs

MEAN, DEVIATION = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)
"""ImageNet's, of RGB in 0..1; what the networks of torchvision were trained with."""
DEFAULT = "mobilenet_v2"
LAYERS: dict[str, tuple[str, ...]] = {
    "mobilenet_v2": ("features.6", "features.13"),
    "resnet18": ("layer2", "layer3"),
    "resnet34": ("layer2", "layer3"),
    "resnet50": ("layer2", "layer3"),
    "wide_resnet50_2": ("layer2", "layer3"),
}
"""The usual layers; of any other network those of stride 8 and 16 are found by running it once."""
TITLES = {
    "mobilenet_v2": "MobileNetV2",
    "resnet18": "ResNet-18",
    "wide_resnet50_2": "Wide-ResNet-50-2",
}


@dataclass(frozen=True, slots=True)
class Backbone:
    """A truncated network that gives patch features.

    Attributes:
        name: of the network.
        layers: whose features are used, finest first.
        weights: what its weights are called.
        module: torch module: (n, 3, H, W) float32 RGB 0..1 -> (n, h, w, d) float32; its `width` is d.
    """

    name: str
    layers: tuple[str, ...]
    weights: str
    module: Any


def title_of(name: str) -> str:
    """A backbone's name as a person reads it."""
    return TITLES.get(name, name)


def make_backbone(knobs: FitKnobs) -> Backbone:
    """The backbone that the knobs ask for, with its weights.

    Raises:
        SightlineError: no such network or layer, or its weights are not here.
    """
    from engine.weights.networks import pretrained_network

    name = DEFAULT if knobs.backbone == AUTO else knobs.backbone
    network, weights = pretrained_network(name, knobs.weights)
    layers = knobs.layers or LAYERS.get(name) or usual_layers(network, name)
    return Backbone(name, tuple(layers), weights, patch_features(network, name, layers))


def rebuild_backbone(name: str, layers: Sequence[str], weights: str, tensors: dict[str, Any]) -> Backbone:
    """The backbone of a kept model, filled with the model's own tensors.

    Raises:
        SightlineError: they do not fit.
    """
    from engine.weights.networks import build_network

    module = patch_features(build_network(name, None), name, layers)
    try:
        module.load_state_dict(tensors)
    except RuntimeError:
        raise SightlineError(
            f"The kept weights do not fit {name}: the model is damaged or from another version; fit it again."
        ) from None
    return Backbone(name, tuple(layers), weights, module)


def patch_features(network: Any, name: str, layers: Sequence[str]) -> Any:
    """Wrap a network so that it gives (n, h, w, d) patch features and nothing after its last wanted layer is computed.

    Raises:
        SightlineError: it has no such layer, or one without spatial extent.
    """
    import torch
    from torchvision.models.feature_extraction import create_feature_extractor

    known = dict(network.named_modules())
    unknown = [layer for layer in layers if layer not in known]
    if unknown or not layers:
        some = ", ".join([key for key in known if key and key.count(".") < 2][:8])
        raise SightlineError(f"{name} has no layer {', '.join(unknown) or '“”'}; it has {some} and more.")
    try:
        cut = create_feature_extractor(network, list(layers)).eval()
        with torch.no_grad():
            tried = cut(torch.zeros(1, 3, 224, 224))
    except Exception:
        raise SightlineError(
            f"The layers {', '.join(layers)} cannot be taken out of {name}; choose others, or another backbone."
        ) from None
    module = _module_class()(cut, layers).eval()
    for parameter in module.parameters():
        parameter.requires_grad = False
    # a square picture gives square maps, unless the channels come last (Swin)
    flat = [layer for layer in layers if tried[layer].ndim != 4 or tried[layer].shape[2] != tried[layer].shape[3]]
    if flat:
        raise SightlineError(f"The layer {flat[0]} of {name} has no spatial extent; choose one before the pooling.")
    module.width = sum(tried[layer].shape[1] for layer in layers)
    return module


@functools.cache
def _module_class() -> Any:
    """The class is made when torch is wanted: this file is imported without it."""
    import torch
    from torch import nn
    from torch.nn import functional as functions

    class PatchFeatures(nn.Module):  # type: ignore[misc]
        """Normalise, run, average locally, stack."""

        mean: torch.Tensor
        deviation: torch.Tensor

        def __init__(self, network: nn.Module, layers: Sequence[str]) -> None:
            super().__init__()
            self.network = network
            self.layers = list(layers)
            self.register_buffer("mean", torch.tensor(MEAN).view(1, 3, 1, 1), persistent=False)
            self.register_buffer("deviation", torch.tensor(DEVIATION).view(1, 3, 1, 1), persistent=False)

        def forward(self, batch: torch.Tensor) -> torch.Tensor:
            features = self.network((batch - self.mean) / self.deviation)
            maps = [functions.avg_pool2d(features[layer], 3, 1, 1) for layer in self.layers]
            size = maps[0].shape[-2:]
            maps = [maps[0], *(functions.interpolate(one, size=size, mode="bilinear") for one in maps[1:])]
            return torch.cat(maps, 1).permute(0, 2, 3, 1)

    return PatchFeatures


def usual_layers(network: Any, name: str) -> tuple[str, ...]:
    """The last modules of stride 8 and of stride 16, of any network, found by running it once.

    Raises:
        SightlineError: there are none.
    """
    import torch

    side, found = 256, {}
    hooks = []

    def note(layer: str) -> Any:
        def hook(_module: Any, _given: Any, out: Any) -> None:
            if isinstance(out, torch.Tensor) and out.ndim == 4 and out.shape[1] > 3 and side % out.shape[-1] == 0:
                found[side // out.shape[-1]] = layer

        return hook

    try:
        for layer, module in network.named_modules():
            if layer and layer.count(".") < 2:
                hooks.append(module.register_forward_hook(note(layer)))
        with torch.no_grad():
            network(torch.zeros(1, 3, side, side))
    except (RuntimeError, AssertionError):
        found = {}
    finally:
        for hook in hooks:
            hook.remove()
    layers = tuple(found[stride] for stride in (8, 16) if stride in found)
    if not layers:
        raise SightlineError(f"No layers of {name} suit patches of 8 or 16 pixels; name some with --layers.")
    return layers
