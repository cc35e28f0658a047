"""The histogram of good and bad scores with a threshold that can be dragged."""

from collections.abc import Sequence

import numpy as np
from PySide6.QtCore import QPointF, QRectF, QSize, Qt, Signal
from PySide6.QtGui import QColor, QKeyEvent, QMouseEvent, QPainter, QPaintEvent, QPen
from PySide6.QtWidgets import QWidget

from gui import theme

HEIGHT = 92
BINS = 32
_BASE = 20
"""Pixels under the bars: the mark of the picture that is shown, and the numbers at both ends."""
_SIDE = 2


class ThresholdPlot(QWidget):
    """Green bars for good pictures, red ones for bad; a line at the threshold that the mouse or the keys move.

    Signals:
        moved(float): the person wants this threshold, 0..1; while it is dragged.
        settled(float): the mouse or the key was let go there.
    """

    moved = Signal(float)
    settled = Signal(float)

    def __init__(self) -> None:
        super().__init__()
        self.setFixedHeight(HEIGHT)
        self.setFocusPolicy(Qt.FocusPolicy.StrongFocus)
        self.setAccessibleName("Threshold, histogram of the scores")
        self.setToolTip("How many pictures have which score: good ones green, bad ones red. Drag the line.")
        self.setMouseTracking(True)
        self.threshold = 0.5
        self.marked: float | None = None
        self._good = self._bad = self._other = np.zeros(BINS)
        self._numbers = (0, 0)
        self._low, self._high = 0.0, 1.0
        self._held = False

    def show_scores(self, good: Sequence[float], bad: Sequence[float], other: Sequence[float] = ()) -> None:
        """Draw these scores, each in 0..1; the axis covers what is there and the threshold.

        Args:
            good, bad: of pictures whose truth is known.
            other: of the rest, in a colour that says nothing.
        """
        both = np.concatenate([np.asarray(good, float), np.asarray(bad, float), np.asarray(other, float)])
        self._numbers = (len(good), len(bad))
        if len(both):
            low, high = min(float(both.min()), self.threshold), max(float(both.max()), self.threshold)
            room = max(0.02, 0.06 * (high - low))
            self._low, self._high = max(0.0, low - room), min(1.0, high + room)
        else:
            self._low, self._high = 0.0, 1.0
        edges = np.linspace(self._low, self._high, BINS + 1)
        self._good = np.histogram(good, edges)[0].astype(float)
        self._bad = np.histogram(bad, edges)[0].astype(float)
        self._other = np.histogram(other, edges)[0].astype(float)
        self.update()

    def show_threshold(self, threshold: float) -> None:
        """Move the line."""
        self.threshold = threshold
        self.setAccessibleDescription(
            f"threshold {threshold:.2f}; {self._numbers[0]} good and {self._numbers[1]} bad pictures"
        )
        self.update()

    def show_mark(self, score: float | None) -> None:
        """Point at the score of the picture that is shown."""
        self.marked = score
        self.update()

    def sizeHint(self) -> QSize:
        return QSize(260, HEIGHT)

    # -- where a score is

    def x_of(self, score: float) -> float:
        """Pixels from the left, of a score on the axis."""
        share = (score - self._low) / (self._high - self._low)
        return _SIDE + min(1.0, max(0.0, share)) * (self.width() - 2 * _SIDE)

    def _score_at(self, x: float) -> float:
        share = (x - _SIDE) / max(1, self.width() - 2 * _SIDE)
        return self._low + min(1.0, max(0.0, share)) * (self._high - self._low)

    def paintEvent(self, _event: QPaintEvent) -> None:
        now = theme.current()
        painter = QPainter(self)
        floor = self.height() - _BASE - 2
        width = (self.width() - 2 * _SIDE) / BINS
        top = max(1.0, self._good.max(), self._bad.max(), self._other.max())
        painter.setPen(Qt.PenStyle.NoPen)
        green, red, grey = QColor("#3ecf8e"), QColor("#f87171"), QColor(now.quiet)
        for counts, colour in ((self._other, grey), (self._good, green), (self._bad, red)):
            colour.setAlphaF(0.8)
            painter.setBrush(colour)
            for place, count in enumerate(counts):
                if count:
                    # the root lets single pictures be seen beside a heap of others
                    high = max(2.0, (floor - 6) * float(np.sqrt(count / top)))
                    painter.drawRect(QRectF(_SIDE + place * width + 0.5, floor - high, max(1.0, width - 1), high))
        painter.setPen(QPen(QColor(now.line), 1))
        painter.drawLine(QPointF(0, floor + 0.5), QPointF(self.width(), floor + 0.5))
        self._paint_ends(painter)
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        if self.marked is not None:
            x = self.x_of(self.marked)
            painter.setPen(Qt.PenStyle.NoPen)
            painter.setBrush(QColor(now.accent))
            painter.drawPolygon([QPointF(x - 4, floor + 7), QPointF(x + 4, floor + 7), QPointF(x, floor + 1)])
        x = round(self.x_of(self.threshold)) + 0.5
        painter.setPen(QPen(QColor(now.accent if self.hasFocus() else now.text), 1.5))
        painter.drawLine(QPointF(x, 0), QPointF(x, floor))
        painter.end()

    def _paint_ends(self, painter: QPainter) -> None:
        if not (self._good.any() or self._bad.any() or self._other.any()):
            return
        font = painter.font()
        font.setPixelSize(10)
        painter.setFont(font)
        painter.setPen(QColor(theme.current().quiet))
        box = QRectF(0, self.height() - 12, self.width(), 12)
        painter.drawText(box, Qt.AlignmentFlag.AlignLeft | Qt.AlignmentFlag.AlignVCenter, f"{self._low:.2f}")
        painter.drawText(box, Qt.AlignmentFlag.AlignRight | Qt.AlignmentFlag.AlignVCenter, f"{self._high:.2f}")

    # -- moving it

    def _move(self, threshold: float) -> None:
        threshold = round(min(1.0, max(0.0, threshold)), 3)
        if threshold != self.threshold:
            self.show_threshold(threshold)
            self.moved.emit(threshold)

    def mousePressEvent(self, event: QMouseEvent) -> None:
        if event.button() == Qt.MouseButton.LeftButton:
            self._held = True
            self._move(self._score_at(event.position().x()))

    def mouseMoveEvent(self, event: QMouseEvent) -> None:
        near = abs(event.position().x() - self.x_of(self.threshold)) < 5
        self.setCursor(Qt.CursorShape.SplitHCursor if near or self._held else Qt.CursorShape.ArrowCursor)
        if self._held:
            self._move(self._score_at(event.position().x()))

    def mouseReleaseEvent(self, _event: QMouseEvent) -> None:
        if self._held:
            self._held = False
            self.settled.emit(self.threshold)

    def keyPressEvent(self, event: QKeyEvent) -> None:
        steps = {
            Qt.Key.Key_Left: -0.01, Qt.Key.Key_Down: -0.01, Qt.Key.Key_PageDown: -0.1, Qt.Key.Key_Home: -1.0,
            Qt.Key.Key_Right: 0.01, Qt.Key.Key_Up: 0.01, Qt.Key.Key_PageUp: 0.1, Qt.Key.Key_End: 1.0,
        }  # fmt: skip
        if event.key() in steps:
            self._move(self.threshold + steps[Qt.Key(event.key())])
            self.settled.emit(self.threshold)
        else:
            super().keyPressEvent(event)
