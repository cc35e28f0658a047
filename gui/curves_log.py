"""Points and lines over two logarithmic axes; beside `curves.py` and `curves_race.py` the only file that imports
pyqtgraph."""

from typing import Any, Literal

import numpy as np
from PySide6.QtCore import QSize, Qt
from PySide6.QtGui import QColor
from PySide6.QtWidgets import QHBoxLayout, QLabel, QVBoxLayout, QWidget

from gui import theme
from gui.curves_plain import colour_plot, plain_plot

Mark = Literal["o", "t1"]
"""A dot, or a triangle."""
Style = Literal["plain", "dashed", "faint"]
_SIDE, _BOTTOM = 42, 18


class LogPlot(QWidget):
    """A plot whose axes are both logarithmic: equal ratios are equally far apart.

    Nothing of pyqtgraph is imported before the first point is drawn. What is drawn under a name that is there already
    takes its place. Values that are not above 0 are left out.

    Args:
        title: of the plot.
        across, up: what the axes say; "" says nothing.
    """

    def __init__(self, title: str, across: str = "", up: str = "") -> None:
        super().__init__()
        self.setAccessibleName(title)
        self._axes = across, up
        self._plot: Any = None
        self._items: dict[str, tuple[Any, dict[str, Any]]] = {}
        self._bands: dict[str, tuple[Any, Any, Any, int]] = {}
        column = QVBoxLayout(self)
        column.setContentsMargins(0, 0, 0, 0)
        column.setSpacing(2)
        top = QHBoxLayout()
        self.title = QLabel(title)
        self.title.setObjectName("plotTitle")
        self.legend = QLabel()
        self.legend.setObjectName("plotTitle")
        self.legend.setTextFormat(Qt.TextFormat.RichText)
        for label in (self.title, self.legend):
            # what is written above never makes the plot wider
            label.setMinimumWidth(1)
        top.addWidget(self.title)
        top.addStretch(1)
        top.addWidget(self.legend)
        column.addLayout(top)
        self._place = QVBoxLayout()
        column.addLayout(self._place, 1)

    def sizeHint(self) -> QSize:
        return QSize(200, 150)

    @property
    def names(self) -> list[str]:
        """What is drawn, bands apart."""
        return list(self._items)

    def points(self, name: str) -> tuple[np.ndarray, np.ndarray]:
        """What is drawn under a name, x and y, both (n,)."""
        x, y = self._items[name][0].getData()
        return (np.empty(0), np.empty(0)) if x is None else (10.0**x, 10.0**y)

    def draw_marks(self, name: str, x: Any, y: Any, number: int, mark: Mark = "o") -> None:
        """Points that were measured.

        Args:
            name: of what is drawn.
            x, y: (n,) above 0.
            number: of its colour in the series; below 0 the colour of text.
            mark: their shape.
        """
        self._draw(name, x, y, {"number": number, "mark": mark})

    def draw_line(self, name: str, x: Any, y: Any, number: int, style: Style = "plain") -> None:
        """A line through points (n,) above 0; arguments as in `draw_marks`."""
        self._draw(name, x, y, {"number": number, "style": style})

    def draw_band(self, name: str, x: Any, low: Any, high: Any, number: int) -> None:
        """What lies between two lines, pale; x, low and high are (n,), a low end of 0 or less lies below the plot."""
        plot = self._ready()
        import pyqtgraph as pg

        if name in self._bands:
            for old in self._bands[name][:3]:
                plot.removeItem(old)
        x, low, high = (np.asarray(values, np.float64) for values in (x, low, high))
        there = (x > 0) & (high > 0)
        x, low, high = x[there], low[there], high[there]
        # an error as large as the mean reaches 0, which has no logarithm
        low = np.where(low > 0, low, high / 10)
        edges = [pg.PlotCurveItem(np.log10(x), np.log10(values), pen=None) for values in (low, high)]
        fill = pg.FillBetweenItem(*edges, brush=self._tint(number))
        fill.setZValue(-1)
        for item in (*edges, fill):
            plot.addItem(item)
        self._bands[name] = (fill, *edges, number)
        self._fit()

    def clear(self) -> None:
        """Take everything away."""
        for item, _look in self._items.values():
            self._plot.removeItem(item)
        for *items, _number in self._bands.values():
            for item in items:
                self._plot.removeItem(item)
        self._items, self._bands = {}, {}

    def say(self, legend: str) -> None:
        """What stands at the upper right, rich text."""
        self.legend.setText(legend)

    def restyle(self) -> None:
        """Take on the colours of the theme."""
        if self._plot is None:
            return
        self._colour()
        for item, look in self._items.values():
            self._style(item, look)
        for fill, _low, _high, number in self._bands.values():
            fill.setBrush(self._tint(number))

    # -- pyqtgraph

    def _draw(self, name: str, x: Any, y: Any, look: dict[str, Any]) -> None:
        plot = self._ready()
        x, y = np.asarray(x, np.float64), np.asarray(y, np.float64)
        there = (x > 0) & (y > 0) & np.isfinite(x) & np.isfinite(y)
        if name not in self._items:
            import pyqtgraph as pg

            # a few hundred points: smooth lines cost nothing here
            item = pg.PlotDataItem(antialias=True)
            self._style(item, look)
            plot.addItem(item)
            self._items[name] = item, look
        self._items[name][0].setData(np.log10(x[there]), np.log10(y[there]))
        self._fit()

    def _fit(self) -> None:
        """Show all there is, with round numbers at the axes."""
        lines = [item for item, _look in self._items.values()]
        lines += [edge for _fill, *edges, _number in self._bands.values() for edge in edges]
        known = [line.getData() for line in lines if line.getData()[0] is not None and len(line.getData()[0])]
        if not known:
            return
        for side, at, most in (("bottom", 0, self.width() / 60), ("left", 1, self.height() / 28)):
            values = np.concatenate([data[at] for data in known])
            room = max(0.04, 0.04 * np.ptp(values))
            low, high = float(values.min() - room), float(values.max() + room)
            (self._plot.setYRange if at else self._plot.setXRange)(low, high, padding=0)
            self._plot.getAxis(side).setTicks([_ticks(low, high, max(2, int(most)))])

    @staticmethod
    def _tint(number: int) -> QColor:
        colour = QColor(theme.series_text(number))
        colour.setAlphaF(0.22)
        return colour

    @staticmethod
    def _style(item: Any, look: dict[str, Any]) -> None:
        import pyqtgraph as pg

        number = look["number"]
        colour = QColor(theme.series_text(number) if number >= 0 else theme.current().text)
        if "mark" in look:
            item.setPen(None)
            item.setSymbol(look["mark"])
            item.setSymbolSize(5 if look["mark"] == "o" else 6)
            item.setSymbolPen(None)
            colour.setAlphaF(0.5)
            item.setSymbolBrush(colour)
            return
        dashed = look["style"] == "dashed"
        if look["style"] == "faint":
            colour.setAlphaF(0.5)
        item.setPen(pg.mkPen(colour, width=1.4, style=Qt.PenStyle.DashLine if dashed else Qt.PenStyle.SolidLine))

    def _ready(self) -> Any:
        if self._plot is None:
            self._plot = plain_plot(self)
            self._plot.setMouseEnabled(x=False, y=False)
            self._plot.getPlotItem().setContentsMargins(0, 0, 4, 0)
            for side, words in zip(("bottom", "left"), self._axes, strict=True):
                axis = self._plot.getAxis(side)
                axis.enableAutoSIPrefix(False)
                if words:
                    axis.setLabel(words, **{"font-size": "10px"})
            self._plot.getAxis("left").setWidth(_SIDE + (14 if self._axes[1] else 0))
            self._plot.getAxis("bottom").setHeight(_BOTTOM + (12 if self._axes[0] else 0))
            self._plot.getViewBox().disableAutoRange()
            self._place.addWidget(self._plot)
            self._colour()
        return self._plot

    def _colour(self) -> None:
        colour_plot(self._plot, theme.current().panel, across=True, alpha=0.12)

    def resizeEvent(self, event: Any) -> None:
        super().resizeEvent(event)
        if self._plot is not None:
            self._fit()


def _ticks(low: float, high: float, most: int) -> list[tuple[float, str]]:
    """Round numbers between two powers of ten, at most so many, and what they say."""
    decades = range(int(np.ceil(low)), int(np.floor(high)) + 1)
    if len(decades) > 1:
        step = -(-len(decades) // most)
        return [(float(power), _power(power)) for power in decades if power % step == 0]
    fine = [(power, digit) for power in range(int(np.floor(low)), int(np.ceil(high)) + 1) for digit in (1, 2, 5)]
    there = [(power + float(np.log10(digit)), f"{digit * 10.0**power:g}") for power, digit in fine]
    there = [(at, text) for at, text in there if low <= at <= high]
    return there[:: -(-len(there) // most)] if there else []


def _power(power: int) -> str:
    """A power of ten as people write it."""
    if -4 < power < 4:
        return f"{10.0**power:g}"
    return "10" + str(power).translate(str.maketrans("-0123456789", "⁻⁰¹²³⁴⁵⁶⁷⁸⁹"))
