"""What every method is once it is fitted: something that scores prepared pictures and can be kept as plain tensors."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float32]


@dataclass(frozen=True, slots=True)
class Scored:
    """What a method says of one batch.

    Attributes:
        raw: (n,) float32, a score a picture; higher is more abnormal.
        maps: (n, h, w) float32, in the size of the batch.
        patches: (n, ph, pw) float32, a score a patch before smoothing; None for methods without patches.
        features: (n, ph, pw, d) float32, the patches' features; None for methods without.
        ms: milliseconds of each stage.
    """

    raw: Array
    maps: Array
    patches: Array | None = None
    features: Array | None = None
    ms: Mapping[str, float] | None = None


class Scorer(Protocol):
    """A fitted method."""

    def score(self, batch: Array) -> Scored:
        """Score (n, 3, h, w) float32 RGB 0..1, not yet normalised."""
        ...

    def tensors(self) -> dict[str, Any]:
        """What goes into `model.safetensors`: plain torch tensors by name."""
        ...

    def settings(self) -> dict[str, Any]:
        """What goes into `model.json` beside them: JSON values alone."""
        ...

    def close(self) -> None:
        """Let go of what it holds."""
        ...
