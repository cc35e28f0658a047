"""The only file that imports pyqtgraph: live curves, each one item for its whole life."""

from typing import Any

import numpy as np
from numpy.typing import NDArray
from PySide6.QtWidgets import QHBoxLayout, QLabel, QVBoxLayout, QWidget

from gui import theme


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

            item = pg.PlotDataItem(pen=pg.mkPen(theme.series_text(number), width=1), connect="finite")
            item.setDownsampling(auto=True, method="peak")
            item.setClipToView(True)
            plot.addItem(item)
            self._items[name] = item
            self._numbers[name] = number
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
        for item in self._items.values():
            self._plot.removeItem(item)
        self._items, self._numbers = {}, {}
        self._write_legend()

    def restyle(self) -> None:
        """Take on the colours of the theme."""
        if self._plot is not None:
            self._colour()
        self._write_legend()

    def _write_legend(self) -> None:
        parts = [f"<span style='color:{theme.series_text(n)}'>{name}</span>" for name, n in self._numbers.items()]
        self.legend.setText(" · ".join(parts[:6]) + (" …" if len(parts) > 6 else ""))

    def _ready(self) -> Any:
        if self._plot is None:
            import pyqtgraph as pg

            pg.setConfigOptions(imageAxisOrder="row-major", antialias=False)
            self._plot = pg.PlotWidget()
            self._plot.setAccessibleName(self.accessibleName())
            self._plot.setMenuEnabled(False)
            self._plot.hideButtons()
            self._plot.setMouseEnabled(x=False, y=False)
            self._plot.getPlotItem().setContentsMargins(0, 0, 0, 0)
            for side in ("left", "bottom"):
                axis = self._plot.getAxis(side)
                font = self.font()
                font.setPixelSize(10)
                axis.setStyle(tickFont=font, tickLength=-3, maxTickLevel=0)
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
        self._plot.setBackground(now.panel)
        for side in ("left", "bottom"):
            axis = self._plot.getAxis(side)
            axis.setPen(pg.mkPen(now.line))
            axis.setTextPen(pg.mkPen(now.quiet))
        self._plot.showGrid(x=False, y=True, alpha=0.15)
        for name, item in self._items.items():
            item.setPen(pg.mkPen(theme.series_text(self._numbers[name]), width=1))
        if self._cursor is not None:
            self._cursor.setPen(pg.mkPen(now.quiet, width=1))
