"""The shapes of what is explained and of the explanation."""

from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from engine.weights.preprocessing import Preprocessing

Image = NDArray[np.uint8]
Map = NDArray[np.float32]


@dataclass(frozen=True, slots=True)
class Target:
    """What is asked: why this class, or why this class and not that one.

    Attributes:
        index: the class.
        against: the class that it is compared with; None asks for the class alone.
    """

    index: int
    against: int | None = None

    def of(self, logits: Any) -> Any:
        """The number that is explained, of (n, classes) logits: (n,)."""
        if self.against is None:
            return logits[:, self.index]
        return logits[:, self.index] - logits[:, self.against]


@dataclass(frozen=True, slots=True)
class Prediction:
    """What a network says of a picture.

    Attributes:
        logits: (classes,) float32.
        probabilities: (classes,) float32, their softmax.
        names: of the classes.
        ms: milliseconds the forward pass took.
    """

    logits: Map
    probabilities: Map
    names: tuple[str, ...]
    ms: float = 0.0

    def top(self, count: int = 5) -> list[int]:
        """The likeliest classes, likeliest first."""
        return [int(index) for index in np.argsort(-self.probabilities, kind="stable")[:count]]


@dataclass(frozen=True, slots=True)
class Layer:
    """A module of a network, as one forward pass met it.

    Attributes:
        name: as in `named_modules` ("features.18").
        kind: its class ("Conv2d").
        shape: of its output without the batch; (channels, height, width) where it has spatial extent.
        last_call: in which place of the pass it was last called; what is later is nearer to the answer.
    """

    name: str
    kind: str
    shape: tuple[int, ...]
    last_call: int

    @property
    def spatial(self) -> bool:
        """Whether its output still says where in the picture."""
        return len(self.shape) == 3 and self.shape[1] * self.shape[2] > 1


@dataclass(frozen=True, slots=True)
class Explanation:
    """A map of evidence, and what it is of.

    Attributes:
        method: key in `engine.saliency.methods.METHODS`.
        target: what was asked.
        values: (size, size) float32 on the network's square; above 0 speaks for the target, below 0 against it (methods
            without a sign have none below 0).
        shape: (height, width) of the picture.
        preprocessing: how the picture became the square.
        probability: of the target's class, 0..1.
        layer: the layer that was looked at; "" where the method needs none.
        steps: gradients, masks or samples that were taken; 0 where one pass does it.
        completeness_error: how far the map's sum is from what it should explain, as a share of it (absolute under 0.5);
            None where the method promises no sum.
        gap: what the map's sum should be: the target's number less that of the baseline; None likewise.
        ms: milliseconds it took.
        done: False for a map that goes on sharpening.
    """

    method: str
    target: Target
    values: Map
    shape: tuple[int, int]
    preprocessing: Preprocessing
    probability: float
    layer: str = ""
    steps: int = 0
    completeness_error: float | None = None
    gap: float | None = None
    ms: float = 0.0
    done: bool = True
    details: dict[str, float] = field(default_factory=dict)

    def full(self) -> Map:
        """The map on the full picture: (H, W) float32, 0 where the network saw nothing."""
        return self.preprocessing.back(self.values, *self.shape)
