"""The axes of parallel coordinates: where a value is on one, and what is written beside it."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from PySide6.QtGui import QColor

from gui.plane_parts import ticks

if TYPE_CHECKING:
    from engine.learning.space import Choice, Range

WIDE = 30.0
"""The loss has a logarithmic axis where its ends are farther apart than this."""


def short(value: Any, digits: int = 3) -> str:
    """A value in few letters: 0.0003, 1e-5, 0.213."""
    if isinstance(value, str):
        return value
    text = f"{value:.{digits}g}"
    mantissa, e, power = text.partition("e")
    return f"{mantissa}e{int(power)}" if e else text


@dataclass(frozen=True, slots=True)
class Axis:
    """One axis.

    Attributes:
        name, title: of the setting; "" is the loss.
        low, high: its ends.
        log: whether it is logarithmic.
        values: of a choice, from bottom to top; () for numbers.
    """

    name: str
    title: str
    low: float = 0.0
    high: float = 1.0
    log: bool = False
    values: tuple[Any, ...] = ()

    def place(self, value: Any) -> float:
        """Where a value is, 0 at the bottom and 1 at the top; NaN where there is none."""
        if value is None:
            return float("nan")
        if self.values:
            at = next((number for number, one in enumerate(self.values) if str(one) == str(value)), None)
            if at is None:
                return float("nan")
            return 0.5 if len(self.values) == 1 else at / (len(self.values) - 1)
        low, high, value = self.low, self.high, float(value)
        if self.log:
            if value <= 0:
                return 0.0
            low, high, value = math.log10(low), math.log10(high), math.log10(value)
        return min(1.0, max(0.0, (value - low) / (high - low))) if high > low else 0.5

    def marks(self, most: int) -> list[tuple[float, str]]:
        """Places and words along it, the ends among them."""
        if self.values:
            return [(self.place(one), short(one)) for one in self.values]
        if self.high <= self.low:
            return [(0.5, short(self.low))]
        if self.log:
            powers = np.arange(np.ceil(np.log10(self.low) - 1e-9), np.floor(np.log10(self.high) + 1e-9) + 1)
            inner = [float(10.0**power) for power in powers[:: max(1, -(-len(powers) // max(1, most)))]]
        else:
            inner = [value for value, _words in ticks(self.low, self.high, most)]
        ends = [(self.place(value), short(value)) for value in (self.low, self.high)]
        between = [(self.place(value), short(value)) for value in inner]
        return [*ends, *(one for one in between if all(abs(one[0] - end[0]) > 0.09 for end in ends))]


def axis_of(one: "Range | Choice", title: str) -> Axis:
    """The axis of a setting that is searched."""
    if hasattr(one, "values"):
        return Axis(one.name, title, values=tuple(one.values))
    return Axis(one.name, title, one.low, one.high, one.log)


def axis_of_loss(values: Sequence[float]) -> Axis:
    """The axis of what trials came to."""
    if not values:
        return Axis("", "Loss")
    low, high = min(values), max(values)
    return Axis("", "Loss", low, high, low > 0 and high / low > WIDE)


def between(one: QColor, other: QColor, share: float) -> QColor:
    """A colour that is so far (0..1) on the way from one to another."""
    parts = [a + (b - a) * share for a, b in zip(one.getRgbF()[:3], other.getRgbF()[:3], strict=True)]
    return QColor.fromRgbF(*parts)
