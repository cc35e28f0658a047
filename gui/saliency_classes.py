"""The network's classes, likeliest first: press one to explain it, two to compare them."""

from collections.abc import Sequence
from typing import Any

from PySide6.QtCore import QRectF, QSize, Qt, Signal
from PySide6.QtGui import QColor, QPainter, QPen
from PySide6.QtWidgets import QCompleter, QHBoxLayout, QLineEdit, QMenu, QPushButton, QVBoxLayout, QWidget

from engine.saliency.types import Prediction, Target
from gui import theme

TOP = 5


def share(value: float) -> str:
    """A probability in the shortest way that can be read (".72", "1.0", "0")."""
    if value >= 0.995:
        return "1.0"
    return f"{value:.2f}"[1:] if value >= 0.005 else ("0" if value < 0.0005 else f"{value:.3f}"[1:])


class ClassRow(QPushButton):
    """One class: its name, a bar as long as it is likely, the number."""

    def __init__(self) -> None:
        super().__init__()
        self.setCheckable(True)
        self.setFixedHeight(28)
        self.setAccessibleName("Class")
        self.index, self.name, self.value = -1, "", 0.0

    def show_class(self, index: int, name: str, value: float) -> None:
        """Which class, and how likely it is, 0..1."""
        self.index, self.name, self.value = index, name, value
        self.setAccessibleName(f"{name}, {100 * value:.1f} %")
        self.setToolTip(
            f"{name}, class {index}: {100 * value:.2f} %. Press to explain it; with Ctrl, beside the others."
        )
        self.update()

    def sizeHint(self) -> QSize:
        return QSize(240, 28)

    def paintEvent(self, _event: Any) -> None:
        now = theme.current()
        painter = QPainter(self)
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        whole = QRectF(self.rect()).adjusted(0.5, 0.5, -0.5, -0.5)
        painter.setPen(Qt.PenStyle.NoPen)
        if self.isChecked() or self.underMouse():
            painter.setBrush(QColor(now.tint if self.isChecked() else now.hover))
            painter.drawRoundedRect(whole, 6, 6)
        if self.hasFocus():
            painter.setPen(QPen(QColor(now.accent), 1))
            painter.setBrush(Qt.BrushStyle.NoBrush)
            painter.drawRoundedRect(whole, 6, 6)
        number = 40.0
        bar = QRectF(whole.right() - number - 92, whole.center().y() - 3, 84, 6)
        painter.setPen(Qt.PenStyle.NoPen)
        painter.setBrush(QColor(now.line))
        painter.drawRoundedRect(bar, 2, 2)
        painter.setBrush(QColor(now.accent))
        painter.drawRoundedRect(QRectF(bar.left(), bar.top(), max(1.5, bar.width() * self.value), bar.height()), 2, 2)
        painter.setPen(QColor(now.accent if self.isChecked() else now.text))
        words = QRectF(whole.left() + 6, whole.top(), bar.left() - whole.left() - 14, whole.height())
        text = painter.fontMetrics().elidedText(self.name, Qt.TextElideMode.ElideRight, int(words.width()))
        middle = Qt.AlignmentFlag.AlignVCenter
        painter.drawText(words, Qt.AlignmentFlag.AlignLeft | middle, text)
        right = QRectF(whole.right() - number, whole.top(), number - 6, whole.height())
        painter.drawText(right, Qt.AlignmentFlag.AlignRight | middle, share(self.value))
        painter.end()


class ClassList(QWidget):
    """The likeliest classes, a field for any other, and "why this and not that".

    Signals:
        changed(object): the tuple of `Target`s that are explained now; empty follows the likeliest.
        refused(str): what was typed is no class.
    """

    changed = Signal(object)
    refused = Signal(str)

    def __init__(self) -> None:
        super().__init__()
        self._targets: tuple[Target, ...] = ()
        self._prediction: Prediction | None = None
        self._extra: list[int] = []
        self._names: tuple[str, ...] = ()
        column = QVBoxLayout(self)
        column.setContentsMargins(0, 0, 0, 0)
        column.setSpacing(2)
        self.rows = [ClassRow() for _ in range(TOP + 2)]
        for row in self.rows:
            row.clicked.connect(lambda _c=False, row=row: self._pressed(row))
            row.hide()
            column.addWidget(row)
        self.why = QPushButton("Why A, not B …")
        self.why.setAccessibleName("Why one class and not another")
        self.why.setToolTip("Explain the difference of two classes: what speaks for the one and not for the other")
        self.menu = QMenu(self)
        self.menu.aboutToShow.connect(self._fill)
        self.why.setMenu(self.menu)
        self.other = QLineEdit()
        self.other.setPlaceholderText("Another class")
        self.other.setAccessibleName("Another class, by name or number")
        self.other.returnPressed.connect(self._typed)
        line = QHBoxLayout()
        line.setContentsMargins(0, 6, 0, 0)
        line.setSpacing(8)
        line.addWidget(self.why)
        line.addWidget(self.other, 1)
        column.addLayout(line)
        self.set_names(())

    # -- what is shown

    def set_names(self, names: Sequence[str]) -> None:
        """The classes of another network."""
        self._names = tuple(names)
        self._targets, self._extra, self._prediction = (), [], None
        completer = QCompleter(list(names), self)
        completer.setFilterMode(Qt.MatchFlag.MatchContains)
        completer.setCaseSensitivity(Qt.CaseSensitivity.CaseInsensitive)
        completer.activated.connect(lambda _text: self._typed())
        self.other.setCompleter(completer)
        self._show()

    def show_prediction(self, prediction: Prediction | None) -> None:
        """What the network says of the picture that is shown."""
        self._prediction = prediction
        self._show()

    @property
    def targets(self) -> tuple[Target, ...]:
        """What is explained; empty follows the likeliest."""
        return self._targets

    def name_of(self, target: Target) -> str:
        """What a target is called."""
        name = self._names[target.index] if target.index < len(self._names) else f"class {target.index}"
        return name if target.against is None else f"{name}, not {self._names[target.against]}"

    def set_targets(self, targets: Sequence[Target]) -> None:
        """Explain these; emits `changed`."""
        self._targets = tuple(targets)
        for target in targets:
            if target.index not in self._extra:
                self._extra = [target.index, *self._extra][:2]
        self._show()
        self.changed.emit(self._targets)

    def _show(self) -> None:
        prediction = self._prediction
        order = prediction.top(min(TOP, len(self._names))) if prediction is not None else []
        order += [index for index in self._extra if index not in order]
        chosen = {target.index for target in self._targets} or set(order[:1])
        for place, row in enumerate(self.rows):
            if prediction is None or place >= len(order):
                row.hide()
                continue
            index = order[place]
            row.show_class(index, self._names[index], float(prediction.probabilities[index]))
            row.setChecked(index in chosen)
            row.show()
        self.why.setEnabled(len(order) > 1)
        self.other.setEnabled(bool(self._names))
        against = next((target for target in self._targets if target.against is not None), None)
        self.why.setText("Why A, not B …")
        self.why.setToolTip(
            f"Now: why {self.name_of(against)}"
            if against is not None
            else "Explain the difference of two classes: what speaks for the one and not for the other"
        )

    # -- choosing

    def _pressed(self, row: ClassRow) -> None:
        from PySide6.QtWidgets import QApplication

        target = Target(row.index)
        if QApplication.keyboardModifiers() & Qt.KeyboardModifier.ControlModifier:
            now = self._targets or ((Target(self._prediction.top(1)[0]),) if self._prediction is not None else ())
            kept = tuple(one for one in now if one != target)
            self.set_targets(kept if len(kept) < len(now) else (*now, target))
        else:
            self.set_targets((target,))

    def _typed(self) -> None:
        text = self.other.text().strip()
        if not text:
            return
        words = text.casefold()
        found = [index for index, name in enumerate(self._names) if name.casefold() == words]
        found = found or [index for index, name in enumerate(self._names) if words in name.casefold()]
        if text.isdigit() and int(text) < len(self._names):
            found = [int(text)]
        if not found:
            self.refused.emit(f"There is no class {text}: type a part of its name, or a number from 0 to "
                              f"{len(self._names) - 1}.")  # fmt: skip
            return
        self.other.clear()
        self.set_targets((Target(found[0]),))

    def _fill(self) -> None:
        self.menu.clear()
        if self._prediction is None:
            return
        order = self._prediction.top(min(TOP, len(self._names)))
        order += [index for index in self._extra if index not in order]
        main = self._targets[0].index if self._targets else order[0]
        for one in [main, *(index for index in order if index != main)][:3]:
            for other in order[: TOP - 1]:
                if other != one:
                    target = Target(one, other)
                    made = self.menu.addAction(f"Why {self.name_of(target)}".replace("&", "&&"))
                    made.triggered.connect(lambda _c=False, target=target: self.set_targets((target,)))
            self.menu.addSeparator()
