"""Parallel coordinates as a picture: an axis a setting, the loss at the right end, and a line a trial."""

import time
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray
from PySide6.QtCore import QPointF, QRectF, QSize, Qt, Signal
from PySide6.QtGui import (
    QColor,
    QFont,
    QFontMetricsF,
    QPainter,
    QPaintEvent,
    QPen,
    QPixmap,
)
from PySide6.QtWidgets import QWidget

from gui import theme
from gui.parallel_axes import Axis, axis_of, axis_of_loss, between, short
from gui.plane_parts import polygon

if TYPE_CHECKING:
    from engine.learning.search import Trial
    from engine.learning.space import Choice, Range

_TOP, _BOTTOM, _LEFT, _RIGHT = 58, 34, 50, 62
"""Pixels around the axes."""
SLOT = 14
"""Pixels beyond an end of an axis: below it where a setting does not count, above it what diverged."""
_NEAR, _GRIP = 7, 12
_MOST, _MOST_HELD = 400, 160
"""Lines that are drawn, more could not be told apart; and while an axis is dragged along."""
_DRAWN = ("complete", "pruned", "diverged")
EMPTY = "Each trial is drawn here as a line through what was chosen, to what it came to."


class ParallelPicture(QWidget):
    """Axes and lines; those that pass where an axis was dragged along are kept, the others fade.

    Attributes:
        chosen_number: the trial that is lit up; None for none.
        brushes: of each axis that was dragged along, from where to where, 0..1.
        took_s: seconds that the lines took to be drawn last.

    Signals:
        brushed(object): the numbers of the lines that are kept, a frozenset; None for all.
    """

    brushed = Signal(object)

    def __init__(self) -> None:
        super().__init__()
        self.setAccessibleName("Trials, a line each")
        self.setMouseTracking(True)
        self.setFocusPolicy(Qt.FocusPolicy.StrongFocus)
        self.setMinimumSize(260, 170)
        self.axes: tuple[Axis, ...] = ()
        self.trials: list[Trial] = []
        self.brushes: dict[int, tuple[float, float]] = {}
        self.chosen_number: int | None = None
        self._hovered: int | None = None
        self._mouse = QPointF()
        self._places: NDArray[np.float64] = np.empty((0, 0))
        self._best: int | None = None
        self._shades: NDArray[np.float64] = np.empty(0)
        self._still: tuple[Any, QPixmap] | None = None
        self._version = 0
        self._held: tuple[int, float, float] | None = None
        self._ring = False
        self.took_s = 0.0

    # -- what is shown

    def show_space(self, space: Sequence["Range | Choice"], titles: Mapping[str, str]) -> None:
        """Show these axes, and no trial."""
        self.axes = (*(axis_of(one, titles.get(one.name, one.name)) for one in space), axis_of_loss(()))
        self.brushes, self.chosen_number, self._hovered = {}, None, None
        self.show_trials(())

    def show_trials(self, trials: Sequence["Trial"]) -> None:
        """Show these trials; those that are not over have no line."""
        self.trials = [one for one in trials if one.state in _DRAWN]
        values = [one.value for one in self.trials if one.value is not None]
        if self.axes:
            self.axes = (*self.axes[:-1], axis_of_loss(values))
        rows = [
            [*(axis.place(one.parameters.get(axis.name)) for axis in self.axes[:-1]), self.axes[-1].place(one.value)]
            for one in self.trials
        ]
        self._places = np.array(rows, float).reshape(len(self.trials), len(self.axes))
        done = [n for n, one in enumerate(self.trials) if one.state == "complete" and one.value is not None]
        self._best = min(done, key=lambda n: (self.trials[n].value, self.trials[n].number), default=None)
        # by rank: one that went far astray does not make all others alike
        found = np.array([np.inf if one.value is None else one.value for one in self.trials])
        ranks = np.argsort(np.argsort(found, kind="stable"), kind="stable")
        self._shades = 1 - ranks / max(1, len(ranks) - 1)
        self._hovered = None
        self._touch()
        said = f"{len(self.trials)} trials"
        if self._best is not None:
            said += f", the best is {self.words(self.trials[self._best])}"
        self.setAccessibleDescription(said)

    def show_chosen(self, number: int | None) -> None:
        """Light up the line of this trial; emits nothing."""
        self.chosen_number = number
        self.update()

    def words(self, trial: "Trial") -> str:
        """A trial in words: "trial 3 · Learning rate 0.01 · Loss 0.2"."""
        parts = [
            f"{axis.title} {short(trial.parameters[axis.name])}" for axis in self.axes if axis.name in trial.parameters
        ]
        state = {"pruned": " when given up", "diverged": ""}.get(trial.state, "")
        loss = "diverged" if trial.value is None else f"Loss {short(trial.value, 4)}{state}"
        return " · ".join([f"trial {trial.number}", *parts, loss])

    def kept(self) -> NDArray[np.bool_]:
        """Of each line whether it passes through all brushes."""
        inside = np.ones(len(self.trials), bool)
        for number, (low, high) in self.brushes.items():
            y = self._slotted(number)
            inside &= (y >= low) & (y <= high)
        return inside

    def clear_brushes(self) -> None:
        """Keep all lines."""
        if self.brushes:
            self.brushes = {}
            self._brushed()

    def _brushed(self) -> None:
        self._touch()
        inside = self.kept()
        numbers = frozenset(one.number for one, keep in zip(self.trials, inside, strict=True) if keep)
        self.brushed.emit(numbers if self.brushes else None)

    def _touch(self) -> None:
        self._version += 1
        self._still = None
        self.update()

    def restyle(self) -> None:
        """Take on the colours of the theme."""
        self._touch()

    def sizeHint(self) -> QSize:
        return QSize(620, 300)

    # -- where things are

    def x_of(self, number: int) -> float:
        """Pixels from the left, of an axis."""
        room = self.width() - _LEFT - _RIGHT
        return _LEFT + room * number / max(1, len(self.axes) - 1)

    def y_of(self, place: float) -> float:
        """Pixels from the top, of a place on an axis."""
        return _TOP + (1 - place) * self._high

    @property
    def _high(self) -> float:
        return max(1.0, self.height() - _TOP - _BOTTOM)

    def _place_at(self, y: float) -> float:
        return 1 - (y - _TOP) / self._high

    def _slotted(self, number: int) -> NDArray[np.float64]:
        """Places on an axis, those that are not on it beyond one of its ends."""
        beyond = SLOT / self._high
        y = self._places[:, number]
        return np.where(np.isnan(y), 1 + beyond if number == len(self.axes) - 1 else -beyond, y)

    def points(self) -> NDArray[np.float64]:
        """(trials, axes, 2) pixels."""
        made = np.empty((len(self.trials), len(self.axes), 2))
        for number in range(len(self.axes)):
            made[:, number, 0] = self.x_of(number)
            made[:, number, 1] = self.y_of(0) - self._slotted(number) * self._high
        return made

    def line_at(self, at: QPointF) -> int | None:
        """Which line is nearest to a place of the widget; None where none is near."""
        if not self.trials or len(self.axes) < 2:
            return None
        points = self.points()
        right = int(np.clip(np.searchsorted(points[0, :, 0], at.x()), 1, len(self.axes) - 1))
        a, b = points[:, right - 1], points[:, right]
        share = np.clip((at.x() - a[:, 0]) / np.maximum(1e-9, b[:, 0] - a[:, 0]), 0, 1)
        slope = np.hypot(1, (b[:, 1] - a[:, 1]) / np.maximum(1e-9, b[:, 0] - a[:, 0]))
        far = np.abs(a[:, 1] + share * (b[:, 1] - a[:, 1]) - at.y()) / slope
        far[~self.kept()] = np.inf
        # of several on one another the best is on top
        near = np.flatnonzero(far <= max(1.0, far.min() + 0.5))
        best = int(near[np.argmax(self._shades[near])]) if len(near) else int(np.argmin(far))
        return best if far[best] <= _NEAR else None

    def _axis_at(self, at: QPointF) -> int | None:
        if not self.axes or at.y() < _TOP - SLOT - 8:
            return None
        number = min(range(len(self.axes)), key=lambda n: abs(self.x_of(n) - at.x()))
        return number if abs(self.x_of(number) - at.x()) <= _GRIP else None

    # -- painting

    def paintEvent(self, _event: QPaintEvent) -> None:
        painter = QPainter(self)
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        now = theme.current()
        if not self.trials:
            self._paint_axes(painter)
            painter.setPen(QColor(now.quiet))
            if not self.axes or len(self.axes) < 2:
                painter.drawText(QRectF(self.rect()), Qt.AlignmentFlag.AlignCenter, EMPTY)
            else:
                box = QRectF(20, _TOP, self.width() - 40, self._high)
                font = painter.font()
                wide = QFontMetricsF(font).horizontalAdvance(EMPTY) + 20
                panel = QRectF(0, 0, min(wide, box.width()), 28)
                panel.moveCenter(box.center())
                painter.fillRect(panel, QColor(now.panel))
                painter.drawText(panel, Qt.AlignmentFlag.AlignCenter, EMPTY)
            painter.end()
            return
        key = (self.size(), now.name, self._version, self.devicePixelRatioF())
        if self._still is None or self._still[0] != key:
            began = time.perf_counter()
            self._still = (key, self._drawn())
            self.took_s = time.perf_counter() - began
        painter.drawPixmap(0, 0, self._still[1])
        for number in (self._row_of(self.chosen_number), self._hovered):
            if number is not None:
                self._paint_line(painter, self.points()[number], QColor(now.text), 2.2, self.trials[number].state)
        if self._hovered is not None:
            self._paint_words(painter, self.trials[self._hovered])
        if self._ring and self.hasFocus():
            painter.setPen(QPen(QColor(now.accent), 1))
            painter.setBrush(Qt.BrushStyle.NoBrush)
            painter.drawRoundedRect(QRectF(self.rect()).adjusted(1.5, 1.5, -1.5, -1.5), 6, 6)
        painter.end()

    def _drawn(self) -> QPixmap:
        ratio = self.devicePixelRatioF()
        made = QPixmap(round(self.width() * ratio), round(self.height() * ratio))
        made.setDevicePixelRatio(ratio)
        made.fill(Qt.GlobalColor.transparent)
        painter = QPainter(made)
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        painter.setFont(self.font())
        now = theme.current()
        quiet, accent = QColor(now.quiet), QColor(now.accent)
        points, inside = self.points(), self.kept()
        order = sorted(range(len(self.trials)), key=lambda n: (bool(inside[n]), float(self._shades[n])))
        half = (_MOST if self._held is None else _MOST_HELD) // 2
        rest = len(order) - half
        if rest > half:
            # the best ones, and of the others some from everywhere
            order = [*order[: rest : -(-rest // half)], *order[rest:]]
        # many lines let each other through
        weight = min(1.0, (60 / max(1, len(order))) ** 0.4)
        for number in order:
            share, state = float(self._shades[number]), self.trials[number].state
            colour = between(quiet, accent, share)
            colour.setAlphaF(weight * (0.32 + 0.6 * share) * (1.0 if state == "complete" else 0.75))
            if state == "diverged":
                colour = QColor(now.danger)
                colour.setAlphaF(0.5 * weight)
            if not inside[number]:
                colour.setAlphaF(0.07)
            self._paint_line(painter, points[number], colour, 1.0, state)
        if self._best is not None:
            colour = QColor(accent)
            colour.setAlphaF(1.0 if inside[self._best] else 0.25)
            self._paint_line(painter, points[self._best], colour, 3.0, "complete")
        self._paint_axes(painter)
        painter.end()
        return made

    @staticmethod
    def _paint_line(painter: QPainter, points: NDArray[np.float64], colour: QColor, width: float, state: str) -> None:
        pen = QPen(colour, width)
        # broader ones, and those with round corners, take Qt seven times as long
        pen.setCosmetic(width <= 1)
        if width > 1:
            pen.setJoinStyle(Qt.PenJoinStyle.RoundJoin)
        if state == "pruned":
            pen.setDashPattern([4, 3])
        painter.setPen(pen)
        painter.setBrush(Qt.BrushStyle.NoBrush)
        painter.drawPolyline(polygon(points))
        if state == "diverged":
            x, y = points[-1]
            painter.setPen(QPen(colour, max(1.6, width)))
            painter.drawLine(QPointF(x - 3.5, y - 3.5), QPointF(x + 3.5, y + 3.5))
            painter.drawLine(QPointF(x - 3.5, y + 3.5), QPointF(x + 3.5, y - 3.5))

    def _paint_axes(self, painter: QPainter) -> None:
        now = theme.current()
        small = QFont(self.font())
        small.setPixelSize(11)
        metrics = QFontMetricsF(small)
        painter.setFont(small)
        self._paint_head(painter, metrics)
        step = self.width() / max(1, len(self.axes))
        for number, axis in enumerate(self.axes):
            x = self.x_of(number)
            painter.setPen(QPen(QColor(now.quiet), 1))
            painter.drawLine(QPointF(x, self.y_of(0)), QPointF(x, self.y_of(1)))
            title = metrics.elidedText(axis.title, Qt.TextElideMode.ElideRight, max(30.0, step - 10))
            wide = metrics.horizontalAdvance(title)
            left = min(max(6.0, x - wide / 2), self.width() - wide - 6)
            painter.setPen(QColor(now.text))
            painter.drawText(QPointF(left, _TOP - SLOT - 10), title)
            for place, words in axis.marks(max(2, int(self._high // 46))):
                self._paint_mark(painter, metrics, QPointF(x, self.y_of(place)), words)
            gone = np.isnan(self._places[:, number]) if len(self.trials) else np.zeros(0, bool)
            if gone.any():
                last = number == len(self.axes) - 1
                y = self.y_of(1) - SLOT if last else self.y_of(0) + SLOT
                self._paint_mark(painter, metrics, QPointF(x, y), "diverged" if last else "not used")
            if number in self.brushes:
                low, high = self.brushes[number]
                box = QRectF(QPointF(x - 6, self.y_of(high)), QPointF(x + 6, self.y_of(low)))
                tint = QColor(now.accent)
                tint.setAlphaF(0.25)
                painter.setPen(QPen(QColor(now.accent), 1))
                painter.setBrush(tint)
                painter.drawRoundedRect(box, 3, 3)

    def _paint_mark(self, painter: QPainter, metrics: QFontMetricsF, at: QPointF, words: str) -> None:
        now = theme.current()
        painter.setPen(QPen(QColor(now.quiet), 1))
        painter.drawLine(QPointF(at.x() - 3, at.y()), QPointF(at.x() + 3, at.y()))
        box = QRectF(at.x() + 5, at.y() - 7, metrics.horizontalAdvance(words) + 4, 14)
        ground = QColor(now.panel)
        ground.setAlphaF(0.75)
        painter.setPen(Qt.PenStyle.NoPen)
        painter.setBrush(ground)
        painter.drawRoundedRect(box, 3, 3)
        painter.setPen(QColor(now.quiet))
        painter.drawText(box, Qt.AlignmentFlag.AlignCenter, words)

    def _paint_head(self, painter: QPainter, metrics: QFontMetricsF) -> None:
        now = theme.current()
        line = QRectF(12, 6, self.width() - 24, 16)
        painter.setPen(QColor(now.text))
        painter.drawText(line, Qt.AlignmentFlag.AlignLeft | Qt.AlignmentFlag.AlignVCenter, "Trials")
        said = "Drag along an axis to keep the lines that pass there"
        if self.brushes:
            said = f"{int(self.kept().sum())} of {len(self.trials)} lines pass; a click on the axis lets go"
        painter.setPen(QColor(now.quiet))
        said = metrics.elidedText(said, Qt.TextElideMode.ElideRight, line.width() - 60)
        painter.drawText(line, Qt.AlignmentFlag.AlignRight | Qt.AlignmentFlag.AlignVCenter, said)

    def _paint_words(self, painter: QPainter, trial: "Trial") -> None:
        """A trial's values on a small panel beside the mouse."""
        now = theme.current()
        font = QFont(self.font())
        font.setPixelSize(11)
        painter.setFont(font)
        metrics = QFontMetricsF(font)
        lines = self.words(trial).split(" · ")
        wide = max(metrics.horizontalAdvance(line) for line in lines) + 16
        box = QRectF(self._mouse.x() + 14, self._mouse.y() + 14, wide, metrics.height() * len(lines) + 10)
        if box.right() > self.width() - 4:
            box.moveRight(self._mouse.x() - 10)
        if box.bottom() > self.height() - 4:
            box.moveBottom(max(box.height() + 4, self._mouse.y() - 10))
        ground = QColor(now.panel)
        ground.setAlphaF(0.95)
        painter.setPen(QPen(QColor(now.line), 1))
        painter.setBrush(ground)
        painter.drawRoundedRect(box, 4, 4)
        painter.setPen(QColor(now.text))
        inside = box.adjusted(8, 5, -8, -5)
        painter.drawText(inside, Qt.AlignmentFlag.AlignLeft | Qt.AlignmentFlag.AlignTop, "\n".join(lines))
