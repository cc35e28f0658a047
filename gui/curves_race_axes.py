"""The plot widget under the curves of a race: its axes, their numbers, its colours, what the mouse does to it."""

from typing import Any

from PySide6.QtCore import Qt
from PySide6.QtWidgets import QVBoxLayout, QWidget

from gui import theme
from gui.curves_plain import colour_plot, plain_plot
from gui.curves_race_parts import PlotChoices, log_ticks, make_bands


class RaceAxes(QWidget):
    """A pyqtgraph plot that is made with the first curve.

    Attributes:
        choices: how it is drawn.
    """

    choices: PlotChoices
    _place: QVBoxLayout
    _plot: Any = None

    def _ready(self) -> Any:
        if self._plot is not None:
            return self._plot
        import pyqtgraph as pg

        self._quiet_ends: list[float] = []
        self._ticks: dict[str, Any] = {}
        self._plot = plain_plot(self, tick_level=1)
        self._plot.getAxis("left").setWidth(50)
        self._bands = make_bands()
        self._bands.setZValue(1)
        self._plot.addItem(self._bands, ignoreBounds=True)
        self._cursor = pg.InfiniteLine(0)
        self._cursor.setZValue(5)
        self._plot.addItem(self._cursor, ignoreBounds=True)
        self._plot.getViewBox().disableAutoRange()
        self._place.addWidget(self._plot)
        self._axes()
        self._colour()
        return self._plot

    def _axes(self) -> None:
        self._plot.getAxis("left").setLogMode(x=False, y=self._log_y)
        self._plot.getAxis("bottom").setLogMode(x=self.choices.log_x, y=False)

    def _number_axes(self) -> None:
        """Numbers of logarithmic axes that do not lie over each other; pyqtgraph's do."""
        ranges = self._plot.getViewBox().viewRange()
        sizes = self._plot.getViewBox().width() / 60, self._plot.getViewBox().height() / 22
        for side, log, (low, high), most in zip(
            ("bottom", "left"), (self.choices.log_x, self._log_y), ranges, sizes, strict=True
        ):
            ticks = log_ticks(low, high, int(most)) if log else None
            if ticks != self._ticks.get(side):
                self._ticks[side] = ticks
                self._plot.getAxis(side).setTicks(None if ticks is None else [ticks, []])

    def _colour(self) -> None:
        import pyqtgraph as pg

        now = theme.current()
        colour_plot(self._plot, now.picture, alpha=0.2)
        self._cursor.setPen(pg.mkPen(now.quiet, width=1, style=Qt.PenStyle.DashLine))

    @property
    def _log_y(self) -> bool:
        return self.choices.log_y and self.choices.quantity != "rate"
