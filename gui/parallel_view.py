"""Parallel coordinates under the mouse: hover a line, press it, drag along an axis."""

from typing import Any

from PySide6.QtCore import Qt, Signal
from PySide6.QtGui import QFocusEvent, QKeyEvent, QMouseEvent

from gui.parallel_picture import SLOT, ParallelPicture

_CLICK = 4
"""Pixels that the mouse may move in a click."""


class ParallelView(ParallelPicture):
    """Dragging along an axis keeps the lines that pass there, a click lets go; a line says its values at the mouse.

    Signals:
        chosen(int): the number of a trial whose line was pressed.
        opened(int): of one that was pressed twice.
    """

    chosen = Signal(int)
    opened = Signal(int)

    def mousePressEvent(self, event: QMouseEvent) -> None:
        if event.button() != Qt.MouseButton.LeftButton:
            return
        axis = self._axis_at(event.position())
        if axis is not None:
            self._held = (axis, self._place_at(event.position().y()), event.position().y())
            return
        line = self.line_at(event.position())
        if line is not None:
            self._choose(line)

    def mouseMoveEvent(self, event: QMouseEvent) -> None:
        at = self._mouse = event.position()
        if self._held is not None:
            axis, start, pixel = self._held
            if abs(at.y() - pixel) >= _CLICK or axis in self.brushes:
                beyond = (SLOT + 4) / self._high
                ends = sorted((start, min(1 + beyond, max(-beyond, self._place_at(at.y())))))
                self.brushes[axis] = (ends[0], ends[1])
                self._brushed()
            return
        hovered = self.line_at(at)
        on_axis = self._axis_at(at) is not None
        self.setCursor(Qt.CursorShape.SplitVCursor if on_axis else Qt.CursorShape.ArrowCursor)
        if hovered is not None or self._hovered is not None:
            self._hovered = hovered
            self.update()

    def mouseReleaseEvent(self, event: QMouseEvent) -> None:
        if self._held is None:
            return
        axis, _start, pixel = self._held
        self._held = None
        self._touch()
        if abs(event.position().y() - pixel) < _CLICK and self.brushes.pop(axis, None) is not None:
            self._brushed()

    def mouseDoubleClickEvent(self, event: QMouseEvent) -> None:
        line = self.line_at(event.position()) if self._axis_at(event.position()) is None else None
        if line is not None:
            self.opened.emit(self.trials[line].number)
        else:
            self.clear_brushes()

    def leaveEvent(self, _event: Any) -> None:
        self._hovered = None
        self.update()

    def focusInEvent(self, event: QFocusEvent) -> None:
        super().focusInEvent(event)
        # who uses the mouse knows where it is
        self._ring = event.reason() in (Qt.FocusReason.TabFocusReason, Qt.FocusReason.BacktabFocusReason)

    def keyPressEvent(self, event: QKeyEvent) -> None:
        step = {Qt.Key.Key_Right: 1, Qt.Key.Key_Down: 1, Qt.Key.Key_Left: -1, Qt.Key.Key_Up: -1}.get(
            Qt.Key(event.key())
        )
        if step is not None and self.trials:
            row = self._row_of(self.chosen_number)
            self._choose((self._best or 0) if row is None else (row + step) % len(self.trials))
        elif event.key() in (Qt.Key.Key_Return, Qt.Key.Key_Enter) and self._row_of(self.chosen_number) is not None:
            self.opened.emit(self.chosen_number)
        else:
            super().keyPressEvent(event)

    def _row_of(self, number: int | None) -> int | None:
        return next((row for row, one in enumerate(self.trials) if one.number == number), None)

    def _choose(self, row: int) -> None:
        self.chosen_number = self.trials[row].number
        self.update()
        self.chosen.emit(self.chosen_number)
