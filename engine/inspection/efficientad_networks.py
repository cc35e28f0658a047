"""EfficientAD's three networks and its losses, on plain dictionaries of tensors: anomalib's numbers without its import.

Batzner, Heckler and König, "EfficientAD", WACV 2024, https://arxiv.org/abs/2303.14535; the reference is anomalib 2.7's
`torch_model.py`, whose names for the weights ("teacher.conv1.weight") these are. No padding, maps padded afterwards.

The patch description network (PDN) sees 33 x 33 pixels at a stride of 4. It has no padding, so what it gives for a cut
of a picture at a multiple of 4 pixels is a cut of what it gives for the picture; training on cuts rests on that.
"""

import math
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

Tensor = Any
Tensors = Mapping[str, Tensor]

CHANNELS = 384
"""Numbers that the teacher gives for a patch; the student gives twice as many."""
SIZES = ("small", "medium")
STRIDE, SIGHT = 4, 33
MARGIN = 4
"""Cells by which a map of the PDN is smaller than the picture's quarter, on each side."""
AE_SIDE = 256
"""The encoder's last layer is as large as what it sees of 256 pixels; a smaller picture is enlarged for it."""
MEAN, DEVIATION = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)

# name -> (output channels, input channels, kernel side); None stands for the PDN's output
_PDN: Mapping[str, Mapping[str, tuple[int | None, int | None, int]]] = {
    "small": {
        "conv1": (128, 3, 4), "conv2": (256, 128, 4), "conv3": (256, 256, 3), "conv4": (None, 256, 4),
    },
    "medium": {
        "conv1": (256, 3, 4), "conv2": (512, 256, 4), "conv3": (512, 512, 1), "conv4": (512, 512, 3),
        "conv5": (None, 512, 4), "conv6": (None, None, 1),
    },
}  # fmt: skip
_ENCODER = {
    "enconv1": (32, 3, 4), "enconv2": (32, 32, 4), "enconv3": (64, 32, 4),
    "enconv4": (64, 64, 4), "enconv5": (64, 64, 4), "enconv6": (64, 64, 8),
}  # fmt: skip
_DECODER = {f"deconv{i}": (64, 64, 4) for i in range(1, 7)} | {"deconv7": (64, 64, 3), "deconv8": (CHANNELS, 64, 3)}


def output_side(side: int) -> int:
    """Cells that the PDN gives for a picture of this many pixels; under 1 where it is too small."""
    return (((side - 3) // 2 - 3) // 2) - 5


def _convolutions(prefix: str, layers: Mapping[str, tuple[Any, Any, int]], out: int) -> dict[str, tuple[int, ...]]:
    shapes: dict[str, tuple[int, ...]] = {}
    for name, (outputs, inputs, side) in layers.items():
        shapes[f"{prefix}.{name}.weight"] = (outputs or out, inputs or out, side, side)
        shapes[f"{prefix}.{name}.bias"] = (outputs or out,)
    return shapes


def shapes_of(part: str, size: str) -> dict[str, tuple[int, ...]]:
    """Name -> shape of every weight of "teacher", "student" or "ae"."""
    if part == "ae":
        return _convolutions("ae.encoder", _ENCODER, CHANNELS) | _convolutions("ae.decoder", _DECODER, CHANNELS)
    return _convolutions(part, _PDN[size], CHANNELS * (2 if part == "student" else 1))


def fresh(part: str, size: str, seed: int, *, lively: bool = False) -> dict[str, Tensor]:
    """New weights, float32, drawn as torch draws a convolution's: uniformly within 1 / sqrt(inputs).

    Args:
        part: "teacher", "student" or "ae".
        size: "small" or "medium".
        seed: the same seed gives the same weights.
        lively: sqrt(6) times as large and without bias (He et al.), so that signals do not fade on their way: a short
            training has no time to grow them.
    """
    import torch

    generator = torch.Generator().manual_seed(seed)
    weights: dict[str, Tensor] = {}
    inputs = 1
    for name, shape in shapes_of(part, size).items():
        bias = len(shape) == 1
        inputs = inputs if bias else math.prod(shape[1:])  # a bias follows its weight
        drawn = torch.empty(shape).uniform_(-1, 1, generator=generator) / math.sqrt(inputs)
        weights[name] = drawn * (0.0 if bias else math.sqrt(6)) if lively else drawn
    return weights


def levelled(weights: Tensors, part: str, x: Tensor, last: float = 0.3) -> dict[str, Tensor]:
    """The weights of a PDN scaled so that every channel of every layer has mean 0 and spread 1 on these pictures.

    Data-dependent initialisation (Salimans and Kingma, https://arxiv.org/abs/1602.07868): a short training gets as far
    with it as one twice as long without.

    Args:
        weights: fresh ones.
        part: "teacher" or "student".
        x: (n, 3, h, w) RGB 0..1.
        last: the spread of what the network gives.
    """
    import torch
    import torch.nn.functional as f

    medium = f"{part}.conv6.weight" in weights
    found = dict(weights)
    with torch.no_grad():
        x = normalised(x)
        for number in range(1, 7 if medium else 5):
            name = f"{part}.conv{number}"
            x = f.conv2d(x, weights[f"{name}.weight"], weights[f"{name}.bias"])
            middle = x.mean((0, 2, 3))
            spread = x.std((0, 2, 3)).clamp(min=1e-4) / (last if number == (6 if medium else 4) else 1.0)
            found[f"{name}.weight"] = weights[f"{name}.weight"] / spread[:, None, None, None]
            found[f"{name}.bias"] = (weights[f"{name}.bias"] - middle) / spread
            x = f.relu((x - middle[None, :, None, None]) / spread[None, :, None, None])
            x = f.avg_pool2d(x, 2) if number < 3 else x
    return found


def placed(weights: Tensors, device: str) -> dict[str, Tensor]:
    """The same on a device, laid out channels last, in which convolutions are 1.5 to 3 times as fast on a CPU."""
    import torch

    return {
        name: value.to(device, memory_format=torch.channels_last if value.ndim == 4 else torch.contiguous_format)
        for name, value in weights.items()
    }


def picture_tensor(batch: NDArray[np.float32], device: str) -> Tensor:
    """(n, 3, h, w) float32 RGB 0..1 as a tensor on the device, channels last."""
    import torch

    return torch.from_numpy(np.ascontiguousarray(batch)).to(device, memory_format=torch.channels_last)


def normalised(x: Tensor) -> Tensor:
    """(n, 3, h, w) RGB 0..1 by ImageNet's mean and deviation."""
    return (x - x.new_tensor(MEAN)[None, :, None, None]) / x.new_tensor(DEVIATION)[None, :, None, None]


def pdn(weights: Tensors, part: str, x: Tensor, channels: slice = slice(None)) -> Tensor:
    """What the patch description network gives for pictures.

    Args:
        weights: hold those of `part`.
        part: "teacher" or "student".
        x: (n, 3, h, w) RGB 0..1.
        channels: which of the output's are wanted; the others are not computed.

    Returns:
        (n, channels, output_side(h), output_side(w)).
    """
    import torch.nn.functional as f

    medium = f"{part}.conv6.weight" in weights
    x = normalised(x)
    for number in range(1, 6 if medium else 4):
        x = f.relu(f.conv2d(x, weights[f"{part}.conv{number}.weight"], weights[f"{part}.conv{number}.bias"]))
        if number < 3:
            x = f.avg_pool2d(x, 2)
    last = f"{part}.conv{6 if medium else 4}"
    return f.conv2d(x, weights[f"{last}.weight"][channels], weights[f"{last}.bias"][channels])


def autoencoder(weights: Tensors, x: Tensor, generator: Any = None) -> Tensor:
    """What the autoencoder expects the teacher to give for pictures.

    Args:
        weights: hold those of "ae".
        x: (n, 3, h, w) RGB 0..1. Under 256 pixels the encoder sees it enlarged, which anomalib cannot do.
        generator: of torch, where its dropout draws from (while training); None switches dropout off.

    Returns:
        (n, CHANNELS, ceil(h / 4) - 8, ceil(w / 4) - 8).
    """
    import torch.nn.functional as f

    h, w = int(x.shape[-2]), int(x.shape[-1])
    x = normalised(x)
    if min(h, w) < AE_SIDE:
        x = f.interpolate(x, size=(max(h, AE_SIDE), max(w, AE_SIDE)), mode="bilinear")
    for number in range(1, 7):
        name = f"ae.encoder.enconv{number}"
        last = number == 6
        x = f.conv2d(
            x, weights[f"{name}.weight"], weights[f"{name}.bias"], stride=1 if last else 2, padding=0 if last else 1
        )
        x = x if last else f.relu(x)
    for number, side in enumerate(_decoder_sides(h, w), 1):
        name = f"ae.decoder.deconv{number}"
        x = f.interpolate(x, size=side, mode="bilinear")
        x = f.relu(f.conv2d(x, weights[f"{name}.weight"], weights[f"{name}.bias"], padding=2 if number < 7 else 1))
        if generator is not None and number < 7:
            x = x * x.new_empty(x.shape).bernoulli_(0.8, generator=generator).div_(0.8)
    return f.conv2d(x, weights["ae.decoder.deconv8.weight"], weights["ae.decoder.deconv8.bias"], padding=1)


def _decoder_sides(h: int, w: int) -> list[tuple[int, int]]:
    sides: Sequence[Callable[[int], int]] = (
        lambda n: n // 64 - 1,
        lambda n: n // 32,
        lambda n: n // 16 - 1,
        lambda n: n // 8,
        lambda n: n // 4 - 1,
        lambda n: n // 2 - 1,
        lambda n: math.ceil(n / 4) - 2 * MARGIN,
    )
    return [(max(1, side(h)), max(1, side(w))) for side in sides]


def hard_loss(difference: Tensor) -> Tensor:
    """The mean of the largest thousandth of the squared differences, of any shape: the paper's hard feature loss.

    Those at or above the 0.999 quantile, as the reference takes them, without sorting all.
    """
    squared = difference.float().square().flatten()
    count = squared.numel() - math.ceil(0.999 * (squared.numel() - 1))
    return squared.topk(count, sorted=False).values.mean()


def maps(weights: Tensors, x: Tensor) -> tuple[Tensor, Tensor]:
    """Both anomaly maps before they are brought to one scale.

    Args:
        weights: of "teacher", "student" and "ae", and "mean_std.mean", "mean_std.std" (1, CHANNELS, 1, 1).
        x: (n, 3, h, w) RGB 0..1.

    Returns:
        Student against teacher (what is locally odd), student against autoencoder (what does not belong together);
        each (n, 1, h, w) float32, 0 in the 16 pixels of the border that no patch has its middle in.
    """
    import torch.nn.functional as f

    teacher = (pdn(weights, "teacher", x) - weights["mean_std.mean"]) / weights["mean_std.std"]
    student = pdn(weights, "student", x)
    expected = autoencoder(weights, x)
    both = (teacher - student[:, :CHANNELS], expected - student[:, CHANNELS:])
    small = [f.pad(one.float().square().mean(1, keepdim=True), (MARGIN,) * 4) for one in both]
    local, logical = (f.interpolate(one, size=x.shape[-2:], mode="bilinear") for one in small)
    return local, logical


def combined(weights: Tensors, local: Tensor, logical: Tensor) -> Tensor:
    """Half of each map, scaled so that 0 and 0.1 are the 0.9 and 0.995 quantiles of good pictures."""
    scaled = [
        0.1 * (one - weights[f"quantiles.qa_{key}"]) / (weights[f"quantiles.qb_{key}"] - weights[f"quantiles.qa_{key}"])
        for one, key in ((local, "st"), (logical, "ae"))
    ]
    return 0.5 * scaled[0] + 0.5 * scaled[1]


def quantiles_of(key: str, found: Sequence[Tensor], generator: Any) -> dict[str, Tensor]:
    """The 0.9 and 0.995 quantiles of raw maps of good pictures, "quantiles.qa_KEY" and "quantiles.qb_KEY"."""
    import torch

    flat = torch.cat([one.flatten() for one in found])
    most = 1 << 24  # torch.quantile takes no more
    if flat.numel() > most:
        flat = flat[torch.randperm(flat.numel(), generator=generator)[:most]]
    return {f"quantiles.{name}_{key}": torch.quantile(flat, q) for name, q in (("qa", 0.9), ("qb", 0.995))}
