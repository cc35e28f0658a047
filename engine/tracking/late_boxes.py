"""Boxes worked out late: only at the places of a picture where a network is sure of something.

A YOLO head works out a box for each of several thousand places and drops nearly all of them. Its box branch is an
eighth to a fifth of the whole network (YOLOv8n, YOLO11n). Here the network gives its scores and features, and the
branch, two 3x3 convolutions and one 1x1, is applied to the few places whose score is high enough: the same boxes.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from engine.tracking.types import Floats, Ints


@dataclass(frozen=True, slots=True)
class BoxBranch:
    """The box branch of one level of the head.

    Attributes:
        stride: pixels of the input from one place to the next.
        weights: of the three layers, (inputs, outputs) float32; the inputs of a 3x3 layer go row by row, then channels.
        biases: of the three layers, (outputs,) float32.
    """

    stride: int
    weights: tuple[Floats, Floats, Floats]
    biases: tuple[Floats, Floats, Floats]

    def distances(self, features: Floats, places: Ints) -> Floats:
        """What the branch gives at some places: (k, 4 * bins) float32.

        Args:
            features: (h, w, channels) float32.
            places: (k,) int64, row * w + column, each once.
        """
        height, width, channels = features.shape
        flat = features.reshape(-1, channels)
        outside = height * width
        # the second layer looks at 3x3 results of the first, which neighbours share: each is worked out once
        around = neighbours(places, height, width)
        needed = np.unique(around)
        needed = needed[needed < outside]
        seen = neighbours(needed, height, width)
        patches = flat[np.minimum(seen, outside - 1)]
        patches[seen == outside] = 0
        first = np.zeros((len(needed) + 1, len(self.biases[0])), np.float32)
        first[:-1] = silu(patches.reshape(len(needed), -1) @ self.weights[0] + self.biases[0])
        # what lies outside counts as nothing: the last row of zeros
        rows = np.searchsorted(needed, around)
        second = silu(first[rows].reshape(len(places), -1) @ self.weights[1] + self.biases[1])
        distances: Floats = second @ self.weights[2] + self.biases[2]
        return distances


@dataclass(frozen=True, slots=True)
class LateBoxes:
    """The box branches of a head, level by level.

    Attributes:
        levels: finest first, as the network's scores are ordered.
        bins: how many bins a distance is spread over (generalised focal loss, https://arxiv.org/abs/2006.04388).
    """

    levels: tuple[BoxBranch, ...]
    bins: int

    def boxes(self, features: Sequence[Floats], places: Ints) -> Floats:
        """The boxes at some places: (k, 4) float32, left, top, right, bottom in pixels of the input.

        Args:
            features: of each level, (h, w, channels) float32.
            places: (k,) int64, ascending, numbered through all levels.
        """
        out = np.empty((len(places), 4), np.float32)
        begin = 0
        for level, feature in zip(self.levels, features, strict=True):
            height, width, _ = feature.shape
            first, last = np.searchsorted(places, (begin, begin + height * width))
            here = places[first:last] - begin
            begin += height * width
            if not len(here):
                continue
            spread = level.distances(feature, here).reshape(-1, 4, self.bins)
            if self.bins > 1:
                spread = np.exp(spread - spread.max(axis=2, keepdims=True))
                distance = spread @ np.arange(self.bins, dtype=np.float32) / spread.sum(axis=2)
            else:
                distance = spread[..., 0]
            centre = np.stack([here % width, here // width], axis=1).astype(np.float32) + np.float32(0.5)
            out[first:last, :2] = (centre - distance[:, :2]) * level.stride
            out[first:last, 2:] = (centre + distance[:, 2:]) * level.stride
        return out

    def arrays(self) -> dict[str, NDArray[Any]]:
        """Everything as named arrays, for a file."""
        out: dict[str, NDArray[Any]] = {"bins": np.array(self.bins)}
        for i, level in enumerate(self.levels):
            out[f"{i}.stride"] = np.array(level.stride)
            for j in range(3):
                out[f"{i}.{j}.weight"], out[f"{i}.{j}.bias"] = level.weights[j], level.biases[j]
        return out

    @staticmethod
    def from_arrays(arrays: Mapping[str, NDArray[Any]]) -> "LateBoxes":
        """The opposite of `arrays`.

        Raises:
            KeyError: an array is missing.
        """
        levels: list[BoxBranch] = []
        while f"{len(levels)}.stride" in arrays:
            i = len(levels)
            weights, biases = ([arrays[f"{i}.{j}.{what}"] for j in range(3)] for what in ("weight", "bias"))
            levels.append(
                BoxBranch(
                    int(arrays[f"{i}.stride"]), (weights[0], weights[1], weights[2]), (biases[0], biases[1], biases[2])
                )
            )
        return LateBoxes(tuple(levels), int(arrays["bins"]))

    @staticmethod
    def of_head(head: Any) -> "LateBoxes | None":
        """The box branches of a fused torch head of Ultralytics; None where it is built in another way."""
        if type(head).__name__ != "Detect" or head.end2end:
            return None
        levels = []
        for branch, stride in zip(head.cv2, head.stride.tolist(), strict=True):
            layers = [getattr(branch[0], "conv", None), getattr(branch[1], "conv", None), branch[2]]
            if len(branch) != 3 or not all(_plain(layer, size) for layer, size in zip(layers, (3, 3, 1), strict=True)):
                return None
            if any(type(layer.act).__name__ != "SiLU" or hasattr(layer, "bn") for layer in branch[:2]):
                return None
            # (out, in, row, column) -> (row, column, in, out)
            weights = [layer.weight.detach().permute(2, 3, 1, 0).flatten(0, 2).contiguous().numpy() for layer in layers]
            biases = [layer.bias.detach().numpy() for layer in layers]
            levels.append(
                BoxBranch(int(stride), (weights[0], weights[1], weights[2]), (biases[0], biases[1], biases[2]))
            )
        return LateBoxes(tuple(levels), int(head.reg_max))


def _plain(layer: Any, size: int) -> bool:
    """Whether this is a convolution over size x size that keeps the picture's size."""
    return (
        layer is not None
        and layer.kernel_size == (size, size)
        and layer.padding == (size // 2, size // 2)
        and layer.stride == layer.dilation == (1, 1)
        and layer.groups == 1
        and layer.bias is not None
    )


def neighbours(places: Ints, height: int, width: int) -> Ints:
    """The 3x3 places around each place, row by row: (k, 9) int64; those outside are height * width."""
    steps = np.array([-1, 0, 1])
    row = (places // width)[:, None, None] + steps[:, None]
    column = (places % width)[:, None, None] + steps
    inside = (row >= 0) & (row < height) & (column >= 0) & (column < width)
    return np.where(inside, row * width + column, height * width).reshape(-1, 9)


def silu(x: Floats) -> Floats:
    """x times its sigmoid."""
    # the sigmoid through tanh does not overflow
    out: Floats = x * (0.5 * np.tanh(0.5 * x) + 0.5)
    return out
