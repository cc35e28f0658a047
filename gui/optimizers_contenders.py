"""The contenders of a race as rows: colour, rule, knobs; ticked on and off, copied, removed."""

from collections.abc import Sequence
from dataclasses import fields
from typing import Any

from PySide6.QtCore import QRectF, QSize, Qt, Signal
from PySide6.QtGui import QColor, QFont, QKeyEvent, QMouseEvent, QPainter, QPaintEvent, QPen
from PySide6.QtWidgets import QMenu, QVBoxLayout, QWidget

from engine.optimizers.contenders import Contender
from gui import theme
from gui.optimizers_parts import Row

HEIGHT = 32
_DOT = 22
_LETTERS = {"beta": "β", "beta2": "β₂", "alpha": "α", "rho": "ρ", "decay": "λ", "psi": "ψ"}


def summary(contender: Contender) -> str:
    """What is set otherwise than usual, in short: "lr .1 · β .9 · cosine"."""
    usual = type(contender.knobs)()
    parts = [f"lr {_short(contender.knobs.lr)}"]
    for one in fields(contender.knobs):
        value = getattr(contender.knobs, one.name)
        momentum = one.name == "beta" and not hasattr(contender.knobs, "beta2")
        if one.name in _LETTERS and (momentum or value != getattr(usual, one.name)):
            parts.append(f"{_LETTERS[one.name]} {_short(value)}")
    if contender.schedule.key != "constant":
        parts.append(contender.schedule.kind.title.lower())
    return " · ".join(parts)


def _short(value: float) -> str:
    text = f"{value:.3g}"
    return text[1:] if text.startswith("0.") else text


class ContenderRow(QWidget):
    """One contender.

    Signals:
        pressed(): it was chosen.
        toggled(): its dot was pressed: it takes part, or no longer.
        asked(str): "copy", "remove", "up", "down" or "rename" was wanted.
    """

    pressed = Signal()
    toggled = Signal()
    asked = Signal(str)
    uses_space = True

    def __init__(self, row: Row) -> None:
        super().__init__()
        self.row = row
        self.chosen = False
        self._hovered = False
        self.setFixedHeight(HEIGHT)
        self.setFocusPolicy(Qt.FocusPolicy.StrongFocus)
        self.setMouseTracking(True)
        self.setContextMenuPolicy(Qt.ContextMenuPolicy.CustomContextMenu)
        self.customContextMenuRequested.connect(lambda at: self._menu(self.mapToGlobal(at)))
        self.say()

    def say(self) -> None:
        """Its settings have changed."""
        one = self.row.contender
        self.setAccessibleName(f"{one.name}, {summary(one)}{'' if self.row.on else ', off'}")
        self.setToolTip(f"{one.rule.idea}\nThe dot takes it out of the race; right click for more.")
        self.update()

    def sizeHint(self) -> QSize:
        return QSize(200, HEIGHT)

    def paintEvent(self, _event: QPaintEvent) -> None:
        now, one = theme.current(), self.row.contender
        painter = QPainter(self)
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        box = QRectF(self.rect()).adjusted(0.5, 0.5, -0.5, -0.5)
        painter.setPen(QPen(QColor(now.accent), 1) if self.chosen or self.hasFocus() else Qt.PenStyle.NoPen)
        painter.setBrush(QColor(now.hover if self._hovered else now.control))
        painter.drawRoundedRect(box, 6, 6)
        colour = QColor(theme.series_text(one.colour))
        middle = box.center().y()
        painter.setPen(QPen(colour, 1.5))
        painter.setBrush(colour if self.row.on else Qt.BrushStyle.NoBrush)
        painter.drawEllipse(QRectF(9, middle - 4.5, 9, 9))
        if not self.row.on:
            colour = QColor(now.quiet)
        painter.setPen(colour)
        font = QFont(self.font())
        painter.setFont(font)
        metrics = self.fontMetrics()
        more = summary(one)
        room = max(60, self.width() - _DOT - 24 - metrics.horizontalAdvance(more))
        name = metrics.elidedText(one.name, Qt.TextElideMode.ElideMiddle, room)
        painter.drawText(box.adjusted(_DOT + 2, 0, -8, 0), Qt.AlignmentFlag.AlignVCenter, name)
        left = self.width() - _DOT - 24 - metrics.horizontalAdvance(name)
        painter.setPen(QColor(now.quiet))
        painter.drawText(
            box.adjusted(_DOT, 0, -10, 0), Qt.AlignmentFlag.AlignRight | Qt.AlignmentFlag.AlignVCenter,
            metrics.elidedText(more, Qt.TextElideMode.ElideLeft, max(20, left)),
        )  # fmt: skip
        painter.end()

    def mousePressEvent(self, event: QMouseEvent) -> None:
        if event.button() == Qt.MouseButton.LeftButton:
            self.setFocus()
            if event.position().x() < _DOT:
                self.toggled.emit()
            else:
                self.pressed.emit()

    def enterEvent(self, _event: Any) -> None:
        self._hovered = True
        self.update()

    def leaveEvent(self, _event: Any) -> None:
        self._hovered = False
        self.update()

    def focusInEvent(self, event: Any) -> None:
        super().focusInEvent(event)
        if event.reason() in (Qt.FocusReason.TabFocusReason, Qt.FocusReason.BacktabFocusReason):
            self.pressed.emit()
        self.update()

    def keyPressEvent(self, event: QKeyEvent) -> None:
        key = event.key()
        copy = key == Qt.Key.Key_D and event.modifiers() & Qt.KeyboardModifier.ControlModifier
        if key in (Qt.Key.Key_Space,):
            self.toggled.emit()
        elif key in (Qt.Key.Key_Return, Qt.Key.Key_Enter):
            self.pressed.emit()
        elif key in (Qt.Key.Key_Delete, Qt.Key.Key_Backspace):
            self.asked.emit("remove")
        elif copy:
            self.asked.emit("copy")
        elif key in (Qt.Key.Key_Up, Qt.Key.Key_Down):
            self.asked.emit("up" if key == Qt.Key.Key_Up else "down")
        elif key == Qt.Key.Key_F2:
            self.asked.emit("rename")
        else:
            super().keyPressEvent(event)

    def _menu(self, at: Any) -> None:
        self.pressed.emit()
        menu = QMenu(self)
        words = (("Leave out" if self.row.on else "Let it race", "toggle"), ("Copy", "copy"), ("Rename …", "rename"),
                 ("Remove", "remove"))  # fmt: skip
        for word, what in words:
            menu.addAction(word).triggered.connect(
                lambda _c=False, what=what: self.toggled.emit() if what == "toggle" else self.asked.emit(what)
            )
        menu.setAttribute(Qt.WidgetAttribute.WA_DeleteOnClose)
        menu.popup(at)


class ContenderList(QWidget):
    """All contenders, one of them chosen.

    Signals:
        chosen(int): another one was chosen.
        toggled(int): one takes part, or no longer.
        asked(int, str): of a row, see `ContenderRow.asked`.
    """

    chosen = Signal(int)
    toggled = Signal(int)
    asked = Signal(int, str)

    def __init__(self) -> None:
        super().__init__()
        self.setAccessibleName("Contenders")
        self._column = QVBoxLayout(self)
        self._column.setContentsMargins(0, 0, 0, 0)
        self._column.setSpacing(6)
        self.widgets: list[ContenderRow] = []

    def show_rows(self, rows: Sequence[Row], chosen: int) -> None:
        """Show these; widgets of rows that stay are kept, so that the keyboard stays where it is."""
        kept = {id(widget.row): widget for widget in self.widgets}
        focused = next((widget.row for widget in self.widgets if widget.hasFocus()), None)
        for widget in self.widgets:
            self._column.removeWidget(widget)
        self.widgets = []
        for row in rows:
            widget = kept.pop(id(row), None) or self._made(row)
            self._column.addWidget(widget)
            widget.show()
            self.widgets.append(widget)
        for widget in kept.values():
            widget.hide()
            widget.deleteLater()
        if focused is not None and all(row is not focused for row in rows) and self.widgets:
            self.widgets[min(chosen, len(self.widgets) - 1)].setFocus()
        self.mark(chosen)

    def _made(self, row: Row) -> ContenderRow:
        widget = ContenderRow(row)
        widget.pressed.connect(lambda: self.chosen.emit(self._number(widget)))
        widget.toggled.connect(lambda: self.toggled.emit(self._number(widget)))
        widget.asked.connect(lambda what: self._wanted(widget, what))
        return widget

    def _number(self, widget: ContenderRow) -> int:
        return self.widgets.index(widget)

    def _wanted(self, widget: ContenderRow, what: str) -> None:
        number = self._number(widget)
        if what in ("up", "down"):
            other = number + (1 if what == "down" else -1)
            if 0 <= other < len(self.widgets):
                self.widgets[other].setFocus()
                self.chosen.emit(other)
        else:
            self.asked.emit(number, what)

    def mark(self, chosen: int) -> None:
        """Show which one is chosen, and what they say now."""
        for number, widget in enumerate(self.widgets):
            widget.chosen = number == chosen
            widget.say()
