"""What is minimised: the one thing that this room asks for and does not make.

Every tensor has a leading axis of replicates: R points are moved at once, each with its own parameters and its own
rows of the data. Torch itself is imported where it is used.
"""

from dataclasses import dataclass
from typing import Any, Protocol, TypeAlias

import numpy as np

Tensor: TypeAlias = Any
"""A `torch.Tensor`."""


@dataclass(frozen=True, slots=True, eq=False)
class Known:
    """What is known of a minimum.

    Attributes:
        value: the smallest full objective.
        theta: (M, P) float64, every place that has it; None where only the value is known.
    """

    value: float
    theta: np.ndarray | None = None


class Problem(Protocol):
    """An objective, its gradient, where it begins, and what is known of its minimum.

    A class that is derived from it inherits what few problems have: `noise` and `test_value`.

    Attributes:
        title: what a person calls it.
        parameters: P, how many numbers are learned.
        rows: how many rows of data the objective is a mean over; 0 for a surface that has none.
        minimum: None where nothing is known.
        dtype: of every tensor, torch.float64 unless there is a reason.
        noise: the standard deviation of the normal noise that a race adds to each number of a gradient.
    """

    title: str
    parameters: int
    rows: int
    minimum: Known | None
    dtype: Any
    noise: float = 0.0

    def start(self, replicates: int, seed: int) -> Tensor:
        """Where each replicate begins.

        Returns:
            (R, P). The r-th row is a matter of `seed` and r alone.
        """
        ...

    def value(self, theta: Tensor, rows: Tensor | None) -> Tensor:
        """The objective with its penalty.

        Args:
            theta: (R, P).
            rows: (R, B) int64, the rows of the data that each replicate looks at; None for all of them.

        Returns:
            (R,), a new tensor.
        """
        ...

    def gradient(self, theta: Tensor, rows: Tensor | None) -> Tensor:
        """The objective's derivative, (R, P), a new tensor. Arguments as in `value`."""
        ...

    def value_and_gradient(self, theta: Tensor, rows: Tensor | None) -> tuple[Tensor, Tensor]:
        """Both at once, (R,) and (R, P), new tensors: what a race calls at each step."""
        ...

    def test_value(self, theta: Tensor) -> Tensor | None:
        """The objective without its penalty on the rows that are kept aside, (R,); None where there are none."""
        return None
