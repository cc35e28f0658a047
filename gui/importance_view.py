"""How much each setting decides, as bars; and the best loss over the trials."""

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from PySide6.QtCore import QRectF, QSize, Qt
from PySide6.QtGui import QColor, QFont, QFontMetricsF, QPainter, QPaintEvent, QPen
from PySide6.QtWidgets import QWidget

from gui import theme
from gui.curves import Curves
from gui.parallel_axes import WIDE, short

if TYPE_CHECKING:
    from engine.learning.search import Trial

_ROW, _TOP = 24, 32
EARLY = "After a few trials it is said here\nhow much each setting decides."
ALONE = "With one setting there is\nnothing to weigh against it."


class ImportanceView(QWidget):
    """A bar a setting, the most important on top."""

    def __init__(self) -> None:
        super().__init__()
        self.setAccessibleName("Importance")
        self.setMinimumSize(160, 96)
        self.setToolTip("How much each setting decides about being among the best trials (PED-ANOVA), in all 100 %")
        self.shares: dict[str, float] = {}
        self.empty = EARLY

    def show_shares(self, shares: Mapping[str, float], titles: Mapping[str, str], *, alone: bool = False) -> None:
        """Show these.

        Args:
            shares: by name, parts of 1.
            titles: what the names are called.
            alone: only one setting is searched.
        """
        ranked = sorted(shares.items(), key=lambda one: -one[1])
        self.shares = {titles.get(name, name): share for name, share in ranked}
        self.empty = ALONE if alone else EARLY
        said = ", ".join(f"{name} {share * 100:.0f} %" for name, share in self.shares.items())
        self.setAccessibleDescription(said or self.empty.replace("\n", " "))
        self.update()

    def sizeHint(self) -> QSize:
        return QSize(240, _TOP + 5 * _ROW)

    def paintEvent(self, _event: QPaintEvent) -> None:
        now = theme.current()
        painter = QPainter(self)
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        font = QFont(self.font())
        font.setPixelSize(11)
        painter.setFont(font)
        metrics = QFontMetricsF(font)
        middle = Qt.AlignmentFlag.AlignVCenter
        painter.setPen(QColor(now.text))
        painter.drawText(QRectF(12, 6, self.width() - 24, 16), Qt.AlignmentFlag.AlignLeft | middle, "Importance")
        if not self.shares:
            painter.setPen(QColor(now.quiet))
            box = QRectF(12, _TOP, self.width() - 24, self.height() - _TOP - 8)
            painter.drawText(box, Qt.AlignmentFlag.AlignCenter, self.empty)
            painter.end()
            return
        row = min(_ROW, (self.height() - _TOP - 4) / len(self.shares))
        name_wide = min(max(metrics.horizontalAdvance(name) for name in self.shares) + 10, self.width() * 0.45)
        left, right = 12 + name_wide, self.width() - 46
        most = max(self.shares.values()) or 1.0
        for number, (name, share) in enumerate(self.shares.items()):
            y = _TOP + number * row
            painter.setPen(QColor(now.text))
            words = metrics.elidedText(name, Qt.TextElideMode.ElideRight, name_wide - 8)
            painter.drawText(QRectF(12, y, name_wide, row), Qt.AlignmentFlag.AlignLeft | middle, words)
            painter.setPen(Qt.PenStyle.NoPen)
            painter.setBrush(QColor(now.control))
            bar = QRectF(left, y + row / 2 - 4, right - left, 8)
            painter.drawRoundedRect(bar, 4, 4)
            bar.setWidth(max(3.0, bar.width() * share / most))
            painter.setBrush(QColor(now.accent))
            painter.drawRoundedRect(bar, min(4.0, bar.width() / 2), 4)
            painter.setPen(QColor(now.quiet))
            percent = QRectF(self.width() - 46, y, 34, row)
            painter.drawText(percent, Qt.AlignmentFlag.AlignRight | middle, f"{share * 100:.0f} %")
        painter.end()


class BestCurve(Curves):
    """The smallest loss so far, over the trials."""

    def __init__(self) -> None:
        super().__init__("Best so far", "")
        self._log = False

    def show_trials(self, trials: Sequence["Trial"]) -> None:
        """Draw these: a step wherever a trial was better than all before it."""
        over = [one for one in trials if one.state in ("complete", "pruned", "diverged")]
        values = [one.value if one.state == "complete" and one.value is not None else np.inf for one in over]
        best = np.minimum.accumulate(values) if values else np.empty(0)
        known = np.isfinite(best)
        if not known.any():
            self.clear()
            self.legend.clear()
            return
        x = np.arange(1, len(over) + 1, dtype=float)[known]
        best = best[known]
        self._scale(best)
        # a step: it stays as it was until the trial that is better
        across = np.repeat(x, 2)[1:]
        up = np.repeat(best, 2)[:-1]
        self.draw("best", np.append(across, across[-1] + 0.5), np.append(up, up[-1]), 0)
        self.span(x[0] - 0.2, max(x[0] + 1, x[-1] + 0.5))

    def _scale(self, best: Any) -> None:
        plot = self._ready()
        log = bool(best[-1] > 0 and best[0] / best[-1] > WIDE)
        if log != self._log:
            self._log = log
            plot.setLogMode(x=False, y=log)
        axis = plot.getAxis("left")
        if log:
            # its own would stand on one another in so little room
            low, high = np.log10(best[-1]), np.log10(best[0])
            powers = [float(one) for one in np.arange(np.ceil(low), np.floor(high) + 1)]
            powers = powers[:: max(1, -(-len(powers) // max(2, min(4, plot.height() // 26))))]
            shown = powers if len(powers) > 1 else [float(low), float(high)]
            axis.setTicks([[(one, short(10.0**one)) for one in shown]])
        else:
            axis.setTicks(None)
        self.legend.setText(f"<span style='color:{theme.current().quiet}'>{short(best[-1], 4)}</span>")

    def _write_legend(self) -> None:
        # it says the number
        return

    def _pen(self, name: str) -> Any:
        # a few hundred points: a broad pen costs nothing here
        pen = QPen(QColor(theme.current().accent), 1.6)
        pen.setCosmetic(True)
        return pen

    def _ready(self) -> Any:
        fresh = self._plot is None
        plot = super()._ready()
        if fresh:
            plot.getViewBox().setLimits(yMin=-1e307)
            plot.enableAutoRange(axis="y")
            plot.getAxis("left").setWidth(44)
        return plot
