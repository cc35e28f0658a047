"""What all plots have: a bare pyqtgraph widget with small numbers, in the colours of the theme."""

from typing import Any

from PySide6.QtWidgets import QWidget

from gui import theme


def plain_plot(owner: QWidget, *, tick_level: int = 0) -> Any:
    """A plot without a menu and buttons.

    Args:
        owner: whose font and name it has.
        tick_level: how fine its numbers are: 0 for the coarse ones alone.
    """
    import pyqtgraph as pg

    pg.setConfigOptions(imageAxisOrder="row-major", antialias=False)
    plot = pg.PlotWidget()
    plot.setAccessibleName(owner.accessibleName())
    plot.setMenuEnabled(False)
    plot.hideButtons()
    plot.getPlotItem().setContentsMargins(0, 0, 0, 0)
    font = owner.font()
    font.setPixelSize(10)
    for side in ("left", "bottom"):
        plot.getAxis(side).setStyle(tickFont=font, tickLength=-3, maxTickLevel=tick_level)
    return plot


def colour_plot(plot: Any, ground: str, *, across: bool = False, alpha: float = 0.15) -> None:
    """Give a plot the colours of the theme, on this ground; lines upwards too where `across`."""
    import pyqtgraph as pg

    now = theme.current()
    plot.setBackground(ground)
    for side in ("left", "bottom"):
        plot.getAxis(side).setPen(pg.mkPen(now.line))
        plot.getAxis(side).setTextPen(pg.mkPen(now.quiet))
    plot.showGrid(x=across, y=True, alpha=alpha)
