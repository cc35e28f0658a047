"""Live curves, each one item for its whole life. Of all files only `curves*.py` import pyqtgraph."""

from collections.abc import Collection
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PySide6.QtCore import Qt
from PySide6.QtGui import QColor
from PySide6.QtWidgets import QHBoxLayout, QLabel, QVBoxLayout, QWidget

from gui import theme
from gui.curves_plain import colour_plot, plain_plot

_ROOM = 0.05
"""Around 0..1, so that the numbers at both ends are not cut off."""


class Curves(QWidget):
    """A small live plot with a title, for the strip.

    Nothing of pyqtgraph is imported before the first curve is drawn.
    """

    def __init__(self, title: str, unit: str) -> None:
        super().__init__()
        self.setAccessibleName(title)
        self._unit = unit
        self._plot: Any = None
        self._items: dict[str, Any] = {}
        self._numbers: dict[str, int] = {}
        self._cursor: Any = None
        column = QVBoxLayout(self)
        column.setContentsMargins(12, 8, 12, 4)
        column.setSpacing(4)
        top = QHBoxLayout()
        name = QLabel(title)
        name.setObjectName("plotTitle")
        self.legend = QLabel()
        self.legend.setObjectName("plotTitle")
        top.addWidget(name)
        top.addStretch(1)
        top.addWidget(self.legend)
        column.addLayout(top)
        place = QWidget()
        self._place = QVBoxLayout(place)
        self._place.setContentsMargins(0, 0, 0, 0)
        column.addWidget(place, 1)

    def draw(self, name: str, x: NDArray[np.float64], y: NDArray[np.float64], number: int) -> None:
        """Set one curve's points.

        Args:
            name: of the curve; a new name makes a new curve.
            x, y: (n,) floats.
            number: of its colour in the series.
        """
        plot = self._ready()
        if name not in self._items:
            import pyqtgraph as pg

            self._numbers[name] = number
            item = pg.PlotDataItem(pen=self._pen(name), connect="finite")
            item.setDownsampling(auto=True, method="peak")
            item.setClipToView(True)
            plot.addItem(item)
            self._items[name] = item
            self._write_legend()
        self._items[name].setData(x, y)

    def mark(self, x: float) -> None:
        """Where the picture is now."""
        if self._plot is None:
            return
        if self._cursor is None:
            import pyqtgraph as pg

            self._cursor = pg.InfiniteLine(x, pen=pg.mkPen(theme.current().quiet, width=1))
            self._plot.addItem(self._cursor)
        self._cursor.setPos(x)

    def span(self, low: float, high: float) -> None:
        """The x range that is shown."""
        if self._plot is not None and high > low:
            self._plot.setXRange(low, high, padding=0)

    def clear(self) -> None:
        """Take all curves away."""
        self.keep(())

    def keep(self, names: Collection[str]) -> None:
        """Take those away that are not among these."""
        for name in [name for name in self._items if name not in names]:
            self._plot.removeItem(self._items.pop(name))
            del self._numbers[name]
        self._write_legend()

    def restyle(self) -> None:
        """Take on the colours of the theme."""
        if self._plot is not None:
            self._colour()
        self._write_legend()

    def _write_legend(self) -> None:
        parts = [f"<span style='color:{theme.series_text(n)}'>{name}</span>" for name, n in self._numbers.items()]
        self.legend.setText(" · ".join(parts[:6]) + (" …" if len(parts) > 6 else ""))

    def _pen(self, name: str) -> Any:
        import pyqtgraph as pg

        return pg.mkPen(theme.series_text(self._numbers[name]), width=1)

    def _ready(self) -> Any:
        if self._plot is None:
            self._plot = plain_plot(self)
            self._plot.setMouseEnabled(x=False, y=False)
            self._plot.getAxis("left").setWidth(26)
            self._plot.getAxis("bottom").setHeight(18)
            self._plot.setYRange(0, 4)
            self._plot.getViewBox().setLimits(yMin=0)
            self._plot.enableAutoRange(axis="y")
            self._place.addWidget(self._plot)
            self._colour()
        return self._plot

    def _colour(self) -> None:
        import pyqtgraph as pg

        now = theme.current()
        colour_plot(self._plot, now.panel)
        for name, item in self._items.items():
            item.setPen(self._pen(name))
        if self._cursor is not None:
            self._cursor.setPen(pg.mkPen(now.quiet, width=1))


class RateCurves(Curves):
    """Curves over 0..1 on both axes (ROC, precision and recall), one of them set off.

    Args:
        title: of the plot.
        across, up: what the axes say.
        chance: draw the diagonal of a coin.
    """

    def __init__(self, title: str, across: str, up: str, *, chance: bool = False) -> None:
        super().__init__(title, "")
        self._axes, self._chance, self._stressed = (across, up), chance, ""
        self._diagonal: Any = None

    def stress(self, name: str) -> None:
        """Set this curve off from the others; "" sets none off."""
        self._stressed = name
        for one, item in self._items.items():
            item.setPen(self._pen(one))
            item.setZValue(1 if one == name else 0)

    def _write_legend(self) -> None:
        # the rows of the table have the same colours
        self.legend.clear()

    def _pen(self, name: str) -> Any:
        import pyqtgraph as pg

        colour = QColor(theme.series_text(self._numbers[name]))
        if self._stressed and name != self._stressed:
            colour.setAlphaF(0.45)
        # a few hundred points: a broad pen costs nothing here
        return pg.mkPen(colour, width=2 if name == self._stressed else 1)

    def _ready(self) -> Any:
        if self._plot is not None:
            return self._plot
        plot = super()._ready()
        plot.disableAutoRange()
        plot.getViewBox().setLimits(xMin=-_ROOM, xMax=1 + _ROOM, yMin=-_ROOM, yMax=1 + _ROOM)
        plot.setRange(xRange=(0, 1), yRange=(0, 1), padding=_ROOM)
        ticks = [[(0.0, "0"), (0.5, "0.5"), (1.0, "1")]]
        for side, words in (("bottom", self._axes[0]), ("left", self._axes[1])):
            axis = plot.getAxis(side)
            axis.setTicks(ticks)
            # it would leave out those at both ends
            axis.setStyle(hideOverlappingLabels=False)
            axis.setLabel(words, **{"font-size": "10px"})
        plot.getAxis("left").setWidth(40)
        plot.getAxis("bottom").setHeight(34)
        if self._chance:
            import pyqtgraph as pg

            self._diagonal = pg.PlotDataItem([0, 1], [0, 1])
            plot.addItem(self._diagonal)
        self._colour()
        return plot

    def _colour(self) -> None:
        super()._colour()
        import pyqtgraph as pg

        if self._diagonal is not None:
            self._diagonal.setPen(pg.mkPen(theme.current().quiet, width=1, style=Qt.PenStyle.DotLine))


class ShareCurves(RateCurves):
    """Curves of a share of something (a probability) over a share of something else; some dashed, some quiet.

    Args:
        title: of the plot.
        across, up: what the axes say.
    """

    def __init__(self, title: str, across: str, up: str) -> None:
        super().__init__(title, across, up)
        self._styles: dict[str, tuple[bool, bool]] = {}

    def draw_as(self, name: str, x: Any, y: Any, number: int, *, dashed: bool = False, quiet: bool = False) -> None:
        """Set one curve's points, as `draw`; a quiet one is grey and thin."""
        self._styles[name] = dashed, quiet
        self.draw(name, x, y, number)

    def _pen(self, name: str) -> Any:
        import pyqtgraph as pg

        dashed, quiet = self._styles.get(name, (False, False))
        colour = theme.current().quiet if quiet else theme.series_text(self._numbers[name])
        style = Qt.PenStyle.DashLine if dashed else Qt.PenStyle.SolidLine
        # a few dozen points: a broad pen costs nothing here
        return pg.mkPen(colour, width=1 if quiet else 1.6, style=style)
