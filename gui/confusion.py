"""The confusion matrix: how often each class was called each."""

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PySide6.QtCore import QPointF, QRectF, QSize, Qt
from PySide6.QtGui import (
    QColor,
    QFontMetricsF,
    QGuiApplication,
    QKeyEvent,
    QKeySequence,
    QMouseEvent,
    QPainter,
    QPaintEvent,
)
from PySide6.QtWidgets import QLabel, QWidget

from gui import theme
from gui.hover import paint_words

_TOP, _SIDE, _GAP = 28, 12, 2
_LARGEST, _TWO_LINES, _MOST_LETTERS = 64, 34, 18
"""Side of a cell at most; height for its count and its share; letters of a name at the mouse."""


class ConfusionView(QWidget):
    """Rows are the truth, columns what was said; a cell is as strong as its share of the row. Ctrl+C copies it."""

    def __init__(
        self, title: str = "Confusion, test", empty: str = "A classifier's mistakes are counted here."
    ) -> None:
        super().__init__()
        self.title = QLabel(title, self)
        self.title.setObjectName("plotTitle")
        self.title.move(12, 7)
        self.empty = empty
        self.setAccessibleName("Confusion matrix")
        self.setFocusPolicy(Qt.FocusPolicy.StrongFocus)
        self.setMouseTracking(True)
        self.setMinimumSize(150, 120)
        self._counts = np.empty((0, 0), np.int64)
        self._names: tuple[str, ...] = ()
        self._mouse: QPointF | None = None

    def show_counts(self, counts: NDArray[np.int64] | None, names: Sequence[str] = ()) -> None:
        """Show a matrix.

        Args:
            counts: (C, C), rows the truth; None for none.
            names: of the C classes.
        """
        self._counts = np.empty((0, 0), np.int64) if counts is None else np.asarray(counts)
        self._names = tuple(names)
        right, total = int(np.trace(self._counts)), int(self._counts.sum())
        self.setAccessibleDescription(f"{right} of {total} are right" if total else "")
        self.update()

    def text(self) -> str:
        """The matrix as lines of cells with tabs between them, for a spreadsheet."""
        lines = [["truth \\ said", *self._names]]
        lines += [[name, *map(str, row)] for name, row in zip(self._names, self._counts.tolist(), strict=False)]
        return "\n".join("\t".join(line) for line in lines)

    def share(self, truth: int, said: int) -> float:
        """Of the rows of a class those that were called another, 0..1."""
        return float(self._counts[truth, said] / max(1, self._counts[truth].sum()))

    def words(self, truth: int, said: int) -> str:
        """What a cell says."""
        count, total = int(self._counts[truth, said]), int(self._counts[truth].sum())
        one, other = (_short(self._names[number]) for number in (truth, said))
        return f"{one} called {other}: {count:,} of {total:,}"

    def sizeHint(self) -> QSize:
        return QSize(240, 220)

    # -- where a cell is

    def _left(self) -> float:
        """Room for the names of the rows."""
        metrics = QFontMetricsF(self._small())
        widest = max((metrics.horizontalAdvance(name) for name in self._names), default=0.0)
        return _SIDE + min(widest, 0.3 * self.width()) + 8

    def _small(self) -> Any:
        font = self.font()
        font.setPixelSize(11)
        return font

    def _side(self) -> float:
        many = max(1, len(self._counts))
        room = min(self.width() - self._left() - _SIDE, self.height() - _TOP - 18 - 8)
        return max(1.0, min(_LARGEST, room / many))

    def cell(self, truth: int, said: int) -> QRectF:
        """Where a cell is in the widget."""
        side = self._side()
        gap = _GAP if side > 8 else 0
        return QRectF(self._left() + said * side, _TOP + 18 + truth * side, side - gap, side - gap)

    def _at(self, point: QPointF) -> tuple[int, int] | None:
        side, many = self._side(), len(self._counts)
        said, truth = int((point.x() - self._left()) // side), int((point.y() - _TOP - 18) // side)
        return (truth, said) if 0 <= truth < many and 0 <= said < many else None

    # -- Qt

    def paintEvent(self, _event: QPaintEvent) -> None:
        now = theme.current()
        painter = QPainter(self)
        painter.fillRect(self.rect(), QColor(now.panel))
        painter.setFont(self._small())
        if not len(self._counts):
            painter.setPen(QColor(now.quiet))
            painter.drawText(self.rect(), Qt.AlignmentFlag.AlignCenter | Qt.TextFlag.TextWordWrap, self.empty)
            painter.end()
            return
        many, side = len(self._counts), self._side()
        for truth in range(many):
            for said in range(many):
                self._paint_cell(painter, truth, said)
        self._paint_names(painter, side)
        found = None if self._mouse is None else self._at(self._mouse)
        if found is not None:
            paint_words(painter, self, self._mouse, self.words(*found), now.text)
        painter.end()

    def _paint_cell(self, painter: QPainter, truth: int, said: int) -> None:
        now = theme.current()
        box, share, count = self.cell(truth, said), self.share(truth, said), int(self._counts[truth, said])
        # what is right in the accent, mistakes in red
        paint = QColor(now.accent if truth == said else now.danger)
        paint.setAlphaF(0.08 + 0.62 * share if count else 0.0)
        painter.fillRect(box, QColor(now.control))
        painter.fillRect(box, paint)
        if box.width() < painter.fontMetrics().horizontalAdvance(f"{count:,}"):
            return
        painter.setPen(QColor(now.text if count else now.quiet))
        middle = Qt.AlignmentFlag.AlignCenter
        if box.height() < _TWO_LINES:
            painter.drawText(box, middle, f"{count:,}" if count else "·")
            return
        upper = QRectF(box.left(), box.center().y() - 14, box.width(), 15)
        painter.drawText(upper, middle, f"{count:,}")
        painter.setPen(QColor(now.text if share > 0.5 else now.quiet))
        painter.drawText(upper.translated(0, 14), middle, f"{100 * share:.0f} %")

    def _paint_names(self, painter: QPainter, side: float) -> None:
        if side < 12:
            return
        painter.setPen(QColor(theme.current().quiet))
        metrics = painter.fontMetrics()
        for number, name in enumerate(self._names[: len(self._counts)]):
            box = self.cell(number, number)
            words = metrics.elidedText(name, Qt.TextElideMode.ElideRight, int(self._left() - _SIDE - 6))
            row = QRectF(_SIDE, box.top(), self._left() - _SIDE - 6, box.height())
            painter.drawText(row, Qt.AlignmentFlag.AlignRight | Qt.AlignmentFlag.AlignVCenter, words)
            words = metrics.elidedText(name, Qt.TextElideMode.ElideRight, int(side - 2))
            painter.drawText(QRectF(box.left(), _TOP, box.width(), 16), Qt.AlignmentFlag.AlignCenter, words)

    def mouseMoveEvent(self, event: QMouseEvent) -> None:
        self._mouse = event.position()
        self.update()

    def leaveEvent(self, _event: Any) -> None:
        self._mouse = None
        self.update()

    def keyPressEvent(self, event: QKeyEvent) -> None:
        if event.matches(QKeySequence.StandardKey.Copy):
            QGuiApplication.clipboard().setText(self.text())
        else:
            super().keyPressEvent(event)


def _short(name: str) -> str:
    return name if len(name) <= _MOST_LETTERS else name[: _MOST_LETTERS - 1] + "…"
