"""Small buttons that are each on or off, and the layout that wraps them."""

from collections.abc import Sequence

from PySide6.QtCore import QPoint, QRect, QSize, QTimer, Signal
from PySide6.QtGui import QResizeEvent
from PySide6.QtWidgets import QLayout, QLayoutItem, QPushButton, QSizePolicy, QWidget


class FlowLayout(QLayout):
    """Lays out chips from left to right and wraps them."""

    def __init__(self, spacing: int = 4) -> None:
        super().__init__()
        self._items: list[QLayoutItem] = []
        self.setSpacing(spacing)
        self.setContentsMargins(0, 0, 0, 0)

    def addItem(self, item: QLayoutItem) -> None:
        self._items.append(item)

    def count(self) -> int:
        return len(self._items)

    def itemAt(self, index: int) -> QLayoutItem | None:  # type: ignore[override]
        return self._items[index] if 0 <= index < len(self._items) else None

    def takeAt(self, index: int) -> QLayoutItem | None:  # type: ignore[override]
        return self._items.pop(index) if 0 <= index < len(self._items) else None

    def hasHeightForWidth(self) -> bool:
        return True

    def heightForWidth(self, width: int) -> int:
        return self._lay(QRect(0, 0, width, 0), move=False)

    def setGeometry(self, rect: QRect) -> None:
        super().setGeometry(rect)
        self._lay(rect, move=True)

    def sizeHint(self) -> QSize:
        return self.minimumSize()

    def minimumSize(self) -> QSize:
        size = QSize()
        for item in self._items:
            size = size.expandedTo(item.minimumSize())
        return size

    def _lay(self, rect: QRect, *, move: bool) -> int:
        x, y, line = rect.x(), rect.y(), 0
        for item in self._items:
            size = item.sizeHint()
            if x > rect.x() and x + size.width() > rect.right() + 1:
                x, y, line = rect.x(), y + line + self.spacing(), 0
            if move:
                item.setGeometry(QRect(QPoint(x, y), size))
            x += size.width() + self.spacing()
            line = max(line, size.height())
        return y + line - rect.y()


class Chips(QWidget):
    """Small buttons that are each on or off.

    Signals:
        changed(object): the tuple of the chosen names, in the order shown.
    """

    changed = Signal(object)

    def __init__(self, label: str, names: Sequence[str], chosen: Sequence[str] = (), *, first: int = 0) -> None:
        super().__init__()
        self.setAccessibleName(label)
        self._label, self._first, self._all = label, first, False
        self._flow = FlowLayout()
        self.setLayout(self._flow)
        self.setSizePolicy(QSizePolicy.Policy.Preferred, QSizePolicy.Policy.Fixed)
        self._buttons: dict[str, QPushButton] = {}
        self.set_names(names, chosen)

    def set_names(self, names: Sequence[str], chosen: Sequence[str] = ()) -> None:
        """Show other names; a chosen one is always in view, the rest behind "+ n" after the first few."""
        while (item := self._flow.takeAt(0)) is not None:
            widget = item.widget()
            if widget is not None:
                widget.hide()
                widget.deleteLater()
        self._buttons = {}
        self._names = list(names)
        visible = self._names
        if self._first and not self._all and len(self._names) > self._first + 1:
            visible = [n for i, n in enumerate(self._names) if i < self._first or n in chosen]
        for name in self._names:
            button = self._chip(name, name in chosen)
            button.setVisible(name in visible)
            self._buttons[name] = button
            if name in visible:
                self._flow.addWidget(button)
        hidden = len(self._names) - len(visible)
        if hidden or (self._all and self._first):
            more = QPushButton(f"+ {hidden}" if hidden else "fewer")
            more.setProperty("chip", True)
            more.setAccessibleName(f"{self._label}: show {'all' if hidden else 'fewer'}")
            more.clicked.connect(self._toggle_all)
            self._flow.addWidget(more)
            more.show()
        self._settle()

    def _settle(self) -> None:
        # a scroll area gives no height for width: the chips take just what they need
        self.setFixedHeight(self._flow.heightForWidth(self.width()) if self._buttons else 0)

    def resizeEvent(self, event: QResizeEvent) -> None:
        super().resizeEvent(event)
        self._settle()

    def _chip(self, name: str, on: bool) -> QPushButton:
        button = QPushButton(name, self)
        button.setProperty("chip", True)
        button.setCheckable(True)
        button.setChecked(on)
        button.setAccessibleName(f"{self._label}: {name}")
        button.toggled.connect(lambda _on: self.changed.emit(self.chosen()))
        return button

    def _toggle_all(self) -> None:
        self._all = not self._all
        chosen = self.chosen()
        # rebuilt after the click has been dealt with: the button that was clicked goes too
        QTimer.singleShot(0, self, lambda: self.set_names(self._names, chosen))

    def chosen(self) -> tuple[str, ...]:
        """The names that are on."""
        return tuple(name for name, button in self._buttons.items() if button.isChecked())

    def set_chosen(self, chosen: Sequence[str]) -> None:
        """Switch exactly these on; emits nothing. One that was out of view comes into it."""
        if any(name in chosen and button.isHidden() for name, button in self._buttons.items()):
            self.set_names(self._names, chosen)
            return
        for name, button in self._buttons.items():
            button.blockSignals(True)
            button.setChecked(name in chosen)
            button.blockSignals(False)

    def names(self) -> tuple[str, ...]:
        """All names, in the order shown."""
        return tuple(self._names)

    def button(self, name: str) -> QPushButton:
        """The chip of this name."""
        return self._buttons[name]
