"""What the plot of a race is made of: its choices, its curves, and the item that paints bands."""

import math
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PySide6.QtCore import QRectF, Qt
from PySide6.QtGui import QColor, QPainter

from engine.optimizers.thinned import Thinned

AXIS_WORDS = ("by step", "by epoch", "by gradient evaluations", "by seconds")
QUANTITY_WORDS = (
    "Loss of each step", "Training loss", "Test loss", "Gradient norm", "Distance to the minimum", "Learning rate",
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class PlotChoices:
    """How a race is drawn.

    Attributes:
        quantity: of `QUANTITIES`.
        axis: of `AXES`.
        log_y, log_x: equal ratios are equally far apart.
        band: standard errors on both sides of the mean; 0 draws none.
        twin: whether torch's losses lie under the curves.
        smooth: whether the noisy curves of batches are drawn as means over stretches of steps.
    """

    quantity: str = "loss"
    axis: str = "steps"
    log_y: bool = True
    log_x: bool = False
    band: float = 1.0
    twin: bool = True
    smooth: bool = True


@dataclass(frozen=True, slots=True, eq=False)
class Shown:
    """One curve of the plot.

    Attributes:
        name: as people call it.
        curve: what is drawn.
        number: of its colour.
        quiet: of an earlier race: thin, behind the others.
        noisy: its losses are those of batches.
    """

    name: str
    curve: Thinned
    number: int
    quiet: bool = False
    noisy: bool = False


_COLUMN, _FINE = 3, 2
"""Pixels of the columns of a band, and of one without spikes, whose edge is seen."""


def band_shape(
    x: NDArray[np.float64], low: NDArray[np.float64], high: NDArray[np.float64], left: float, right: float, pixels: int,
    smooth: bool,
) -> Any:  # fmt: skip
    """What fills a band, in the coordinates of the plot.

    Args:
        x, low, high: (n,) as the axes are, finite.
        left, right: what is seen of the axis.
        pixels: how wide that is.
        smooth: whether it has no spikes.

    Returns:
        Upright rectangles: one shape with hundreds of corners takes a hundred times as long to fill. None where there
        is nothing.
    """
    from pyqtgraph.Qt import QtCore, internals

    if len(x) < 2:
        return None
    count = max(2, pixels // (_FINE if smooth else _COLUMN))
    column = np.floor((x - left) / (right - left) * count)
    seen = (column >= 0) & (column < count)
    if not seen.any():
        return None
    first = np.flatnonzero(np.diff(column[seen], prepend=-1.0))
    column = column[seen][first]
    bottom, top = np.minimum.reduceat(low[seen], first), np.maximum.reduceat(high[seen], first)
    if len(column) > 1 and np.diff(column).max() > 1:
        # fewer steps than columns: what lies between is filled in
        every = np.arange(column[0], column[-1] + 1)
        bottom, top, column = np.interp(every, column, bottom), np.interp(every, column, top), every
    shapes = internals.PrimitiveArray(QtCore.QRectF, 4)
    shapes.resize(len(column))
    drawn = shapes.ndarray()
    drawn[:, 0] = left + column / count * (right - left)
    drawn[:, 1] = bottom
    drawn[:, 2] = (right - left) / count
    drawn[:, 3] = top - bottom
    return shapes


def make_bands() -> Any:
    """An item that fills the bands of all curves; pyqtgraph is imported with the first plot."""
    import pyqtgraph as pg

    class Bands(pg.GraphicsObject):
        """Shapes under the curves, see `band_shape`."""

        def __init__(self) -> None:
            super().__init__()
            self._bands: list[tuple[Any, QColor]] = []
            self._box = QRectF()

        def show_bands(self, bands: list[tuple[Any, QColor]], box: QRectF) -> None:
            self.prepareGeometryChange()
            self._bands, self._box = bands, box
            self.update()

        def boundingRect(self) -> QRectF:
            return self._box

        def paint(self, painter: QPainter, *_more: Any) -> None:
            painter.setPen(Qt.PenStyle.NoPen)
            for shape, colour in self._bands:
                painter.setBrush(colour)
                painter.drawRects(*shape.drawargs())

    return Bands()


def log_ticks(low: float, high: float, most: int) -> list[tuple[float, str]]:
    """Where a logarithmic axis has numbers.

    Args:
        low, high: its ends, as logarithms to the base of 10.
        most: how many there is room for.

    Returns:
        Places, as logarithms, and what stands there: powers of ten, or 1, 2 and 5 between few of them.
    """
    most = max(2, most)
    every = max(1, math.ceil((high - low) / most))
    powers = range(math.floor(low), math.ceil(high) + 1)
    if every == 1 and 3 * (high - low) <= most:
        values = [factor * 10.0**power for power in powers for factor in (1, 2, 5)]
        if 9 * (high - low) <= most:
            values = [factor * 10.0**power for power in powers for factor in range(1, 10)]
    else:
        values = [10.0**power for power in powers if power % every == 0]
    return [(math.log10(value), _power(value)) for value in values if low <= math.log10(value) <= high]


def _power(value: float) -> str:
    if 1e-3 <= value < 1e5:
        return f"{value:,.6g}"
    power = round(math.log10(value))
    head = value / 10.0**power
    written = str(power).translate(str.maketrans("-0123456789", "⁻⁰¹²³⁴⁵⁶⁷⁸⁹"))
    return f"10{written}" if round(head) == 1 else f"{head:.0f}·10{written}"
