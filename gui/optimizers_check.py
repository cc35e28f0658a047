"""The gradient by hand beside two others: what is shown of `engine.learning.checking.gradient_check`."""

from collections.abc import Callable, Generator
from typing import TYPE_CHECKING, Any

import numpy as np
from PySide6.QtCore import QPointF, QRectF, QSize, Qt, Signal
from PySide6.QtGui import QColor, QPainter, QPen
from PySide6.QtWidgets import QHBoxLayout, QLabel, QPushButton, QSizePolicy, QToolTip, QVBoxLayout, QWidget

from gui import theme
from gui.job import JobSlot

if TYPE_CHECKING:
    from engine.learning.checking import GradientCheck
    from engine.optimizers.problem import Problem

MOST_ROWS = 256
"""Of the data, spread over all of it: a check asks for 200 gradients' worth of values at once."""
NEAR, EXACT = 1e-5, 1e-9
"""Relative differences to central differences, and to autograd, that a right gradient stays below."""
HINT = "The gradient written by hand is compared with central differences and with torch's autograd."
_LOW, _HIGH = -17.0, 0.0
"""Powers of ten that the differences are drawn over."""
_LEFT, _BOTTOM, _TOP = 32, 14, 14


def checking(problem: "Problem", theta: Any) -> Generator[Any, None, "GradientCheck"]:
    """A job: the check at a place, theta (P,) or the first of (R, P), over at most `MOST_ROWS` rows of the data."""
    yield None
    from engine.learning.checking import gradient_check

    theta = np.asarray(theta, np.float64)
    rows = None
    if problem.rows > MOST_ROWS:
        rows = np.linspace(0, problem.rows - 1, MOST_ROWS).round().astype(np.int64)
    return gradient_check(problem, theta.reshape(-1, problem.parameters)[0], rows)


def verdict(check: "GradientCheck") -> str:
    """What a check means, in a sentence."""
    if not np.isfinite(check.ours).all():
        return "The gradient is not finite here: check it before the run diverges."
    left_out = f", except {check.corners} at a corner of the objective" if check.corners else ""
    if check.corners == len(check.places):
        return "Every place that was tried lies at a corner of the objective, which has no one slope: check it later."
    if not check.ours.any():
        return f"The gradient is 0 here, and so are the differences{left_out}: check it elsewhere as well."
    wrong = [] if check.numeric_apart < NEAR else ["central differences"]
    if check.autograd_apart is not None and not check.autograd_apart < EXACT:
        wrong.append("autograd")
    if wrong:
        return f"The gradient by hand is not that of {' and '.join(wrong)}: one of them is wrong here."
    return f"They agree to rounding{left_out}: it is right here."


def figures(check: "GradientCheck") -> str:
    """The largest relative differences, and over how many places, as rich text."""
    tried, many = len(check.places) - check.corners, len(check.ours)
    apart = check.numeric_apart
    parts = [f"<span style='color:{theme.series_text(0)}'>differences {_said(apart)}</span> ({tried:,} of {many:,})"]
    if check.autograd_apart is None:
        parts.append("no twin in torch")
    else:
        apart = check.autograd_apart
        parts.append(f"<span style='color:{theme.series_text(1)}'>autograd {_said(apart)}</span> ({many:,})")
    return " · ".join(parts)


def _said(value: float) -> str:
    return "0" if value == 0 else f"{value:.1e}"


class GradientPlot(QWidget):
    """On the left, gradients by hand against those of differences; on the right, how far apart they are."""

    def __init__(self) -> None:
        super().__init__()
        self.check: GradientCheck | None = None
        self.setMinimumHeight(40)
        self.setMouseTracking(True)
        self.setAccessibleName("Gradients by hand against others")

    def sizeHint(self) -> QSize:
        return QSize(300, 90)

    def show_check(self, check: "GradientCheck | None") -> None:
        """Draw this one; None draws nothing."""
        self.check = check
        self.update()

    # -- where things are

    @property
    def _square(self) -> QRectF:
        """Of the plot on the left; empty where there is no room for both."""
        side = max(0.0, min(self.height() - _BOTTOM - _TOP, 0.4 * self.width()))
        return QRectF(1, _TOP, side, side) if self.width() > 220 else QRectF(0, _TOP, 0, 0)

    @property
    def _right(self) -> QRectF:
        left = self._square.right() + (20 if self._square.width() else 0) + _LEFT
        return QRectF(left, _TOP, max(10.0, self.width() - left - 4), max(10.0, self.height() - _BOTTOM - _TOP))

    def dots(self) -> list[tuple[QPointF, int, int, float]]:
        """Of the right plot: the middle, 0 for central differences or 1 for autograd, the parameter, the difference."""
        check, box = self.check, self._right
        if check is None:
            return []
        made = []
        ours = check.ours[check.places]
        others = [check.numeric] + ([] if check.autograd is None else [check.autograd[check.places]])
        for kind, other in enumerate(others):
            both = np.append(ours, other)
            largest = float(np.abs(both[np.isfinite(both)]).max(initial=1e-300))
            for place, apart in zip(check.places, np.abs(ours - other) / largest, strict=True):
                if np.isfinite(apart):
                    across = box.left() + (place + 0.5) / len(check.ours) * box.width()
                    made.append((QPointF(across, self._down(apart)), kind, int(place), float(apart)))
        return made

    def _down(self, apart: float) -> float:
        power = min(max(np.log10(max(apart, 1e-300)), _LOW), _HIGH)
        return self._right.bottom() - float((power - _LOW) / (_HIGH - _LOW)) * self._right.height()

    # -- painting

    def paintEvent(self, _event: Any) -> None:
        check = self.check
        if check is None:
            return
        painter = QPainter(self)
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        font = painter.font()
        font.setPixelSize(10)
        painter.setFont(font)
        if self._square.width() > 30:
            self._paint_square(painter, check)
        self._paint_right(painter)
        painter.end()

    def _paint_square(self, painter: QPainter, check: "GradientCheck") -> None:
        now, box = theme.current(), self._square
        painter.setPen(QColor(now.quiet))
        painter.drawText(QRectF(box.left(), 0, box.width() + 20, _TOP), Qt.AlignmentFlag.AlignLeft, "by hand")
        below = QRectF(box.left(), box.bottom() + 1, box.width() + 20, _BOTTOM)
        painter.drawText(below, Qt.AlignmentFlag.AlignLeft, "by differences")
        painter.setPen(QPen(QColor(now.line), 1))
        painter.drawRect(box)
        painter.drawLine(box.bottomLeft(), box.topRight())
        ours = check.ours[check.places]
        both = np.append(ours, check.numeric)
        largest = 1.1 * float(np.abs(both[np.isfinite(both)]).max(initial=1e-300))
        painter.setPen(Qt.PenStyle.NoPen)
        for hand, other in zip(ours, check.numeric, strict=True):
            if np.isfinite(hand) and np.isfinite(other):
                at = box.center() + QPointF(other / largest * box.width() / 2, -hand / largest * box.height() / 2)
                self._dot(painter, at, 0)

    def _paint_right(self, painter: QPainter) -> None:
        now, box = theme.current(), self._right
        for power in (-16, -8, 0):
            y = self._down(10.0**power)
            painter.setPen(QPen(QColor(now.line), 1))
            painter.drawLine(QPointF(box.left(), y), QPointF(box.right(), y))
            painter.setPen(QColor(now.quiet))
            words = {-16: "10⁻¹⁶", -8: "10⁻⁸", 0: "1"}[power]
            side = Qt.AlignmentFlag.AlignRight | Qt.AlignmentFlag.AlignVCenter
            painter.drawText(QRectF(box.left() - _LEFT, y - 7, _LEFT - 4, 14), side, words)
        painter.drawText(QRectF(box.left(), 0, box.width(), _TOP), Qt.AlignmentFlag.AlignLeft, "relative difference")
        below = QRectF(box.left(), box.bottom() + 1, box.width(), _BOTTOM)
        painter.drawText(below, Qt.AlignmentFlag.AlignRight, "parameter")
        painter.setPen(QPen(QColor(now.danger), 1, Qt.PenStyle.DashLine))
        painter.drawLine(QPointF(box.left(), self._down(NEAR)), QPointF(box.right(), self._down(NEAR)))
        painter.setPen(Qt.PenStyle.NoPen)
        for at, kind, _place, _apart in self.dots():
            self._dot(painter, at, kind)

    @staticmethod
    def _dot(painter: QPainter, at: QPointF, kind: int) -> None:
        colour = QColor(theme.series_text(kind))
        colour.setAlphaF(0.8)
        painter.setBrush(colour)
        painter.drawEllipse(at, 2.2, 2.2)

    def mouseMoveEvent(self, event: Any) -> None:
        near = [(QPointF(dot[0] - event.position()).manhattanLength(), dot) for dot in self.dots()]
        far, dot = min(near, key=lambda one: one[0], default=(99.0, None))
        if dot is None or far > 8 or self.check is None:
            QToolTip.hideText()
            return
        _at, kind, place, apart = dot
        row = int(np.flatnonzero(self.check.places == place)[0])
        other = self.check.numeric[row] if kind == 0 or self.check.autograd is None else self.check.autograd[place]
        name = ("differences", "autograd")[kind]
        words = f"parameter {place}: by hand {self.check.ours[place]:.6g}, {name} {other:.6g}, apart {apart:.1e}"
        QToolTip.showText(event.globalPosition().toPoint(), words, self)


class GradientCheckPanel(QWidget):
    """Checks the gradient of a problem at a place.

    Attributes:
        where: asked by "Check again" for the problem and the place, theta (P,) or (R, P); without it, or where it
            returns None, the last one is checked once more.
        result: what is shown; None before the first.

    Signals:
        failed(object): an error.
    """

    failed = Signal(object)

    def __init__(self) -> None:
        super().__init__()
        self.where: Callable[[], tuple[Problem, Any] | None] | None = None
        self.result: GradientCheck | None = None
        self._last: tuple[Problem, Any] | None = None
        self.slot = JobSlot(self)
        column = QVBoxLayout(self)
        column.setContentsMargins(12, 8, 8, 4)
        column.setSpacing(2)
        top = QHBoxLayout()
        title = QLabel("Gradient check")
        title.setObjectName("plotTitle")
        self.button = QPushButton("Check")
        self.button.setProperty("chip", True)
        self.button.clicked.connect(self.again)
        top.addWidget(title)
        top.addStretch(1)
        top.addWidget(self.button)
        self.words, self.numbers, self.plot = QLabel(HINT), QLabel(), GradientPlot()
        for label in (self.words, self.numbers):
            label.setWordWrap(True)
            label.setObjectName("plotTitle")
            label.setSizePolicy(QSizePolicy.Policy.Ignored, QSizePolicy.Policy.Minimum)
            # its own idea of the least height is that of a narrow column
            label.setMinimumHeight(1)
            label.setTextInteractionFlags(Qt.TextInteractionFlag.TextSelectableByMouse)
        self.numbers.setTextFormat(Qt.TextFormat.RichText)
        column.addLayout(top)
        column.addWidget(self.words)
        column.addWidget(self.numbers)
        column.addWidget(self.plot, 1)
        self.slot.returned.connect(self._checked)
        self.slot.failed.connect(self._failed)
        self.slot.changed.connect(lambda _busy: self._settle())
        self._settle()

    def sizeHint(self) -> QSize:
        return QSize(330, 150)

    def check(self, problem: "Problem", theta: Any) -> None:
        """Compare the gradient by hand with others.

        Args:
            problem: any.
            theta: (P,), or (R, P) of which the first is taken; a numpy array or a tensor.
        """
        self._last = problem, theta
        self.words.setText("Checking …")
        self.numbers.clear()
        self.slot.start(lambda: checking(problem, theta), "Gradient check")

    def again(self) -> None:
        """Check it once more, where the run is now."""
        place = (self.where() if self.where is not None else None) or self._last
        if place is not None:
            self.check(*place)

    def clear(self) -> None:
        """Another problem: nothing is shown."""
        self.slot.cancel()
        self._last = self.result = None
        self.plot.show_check(None)
        self.words.setText(HINT)
        self.numbers.clear()
        self._settle()

    def leave(self) -> None:
        """The page is left: nothing is checked any more."""
        self.slot.cancel()

    def _checked(self, result: "GradientCheck") -> None:
        self.result = result
        self._show()
        self._settle()

    def _show(self) -> None:
        if self.result is not None:
            self.words.setText(verdict(self.result))
            self.numbers.setText(figures(self.result))
            self.plot.show_check(self.result)

    def _failed(self, error: Exception) -> None:
        self.words.setText("It could not be checked.")
        self.failed.emit(error)

    def _settle(self) -> None:
        self.button.setText("Check" if self.result is None else "Check again")
        self.button.setEnabled(not self.slot.busy)

    def restyle(self) -> None:
        """Take on the colours of the theme."""
        self._show()
        self.plot.update()
