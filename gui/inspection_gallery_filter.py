"""Which cases are asked for, and in which gallery: the filter's popup, and a server's address and key."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from PySide6.QtCore import QDate, QPoint, Qt, Signal
from PySide6.QtWidgets import (
    QButtonGroup,
    QCheckBox,
    QComboBox,
    QDialog,
    QDialogButtonBox,
    QDoubleSpinBox,
    QFrame,
    QGridLayout,
    QHBoxLayout,
    QLabel,
    QLineEdit,
    QPushButton,
    QWidget,
)

from engine.inspection.gallery import DEFECT, WHOLE
from gui.chips import Chips
from gui.form import choice
from gui.inspection_gallery_parts import GalleryChoices

EMBEDDINGS = {DEFECT: "what is abnormal", WHOLE: "the whole picture"}


class FilterPopup(QFrame):
    """Which cases are asked for, and by what; it closes when one clicks beside it.

    Signals:
        changed(object): the new `GalleryChoices`.
    """

    changed = Signal(object)

    def __init__(self, parent: QWidget, chosen: GalleryChoices) -> None:
        super().__init__(parent, Qt.WindowType.Popup)
        self.setObjectName("card")
        self.setAccessibleName("Which cases are shown")
        self.chosen = chosen
        self.by = {name: _exclusive(word, f"Compare by {word}") for name, word in EMBEDDINGS.items()}
        self._by_group = QButtonGroup(self)
        self.category: QComboBox = choice("Category", (), (), None, "Only cases of this category")
        self.kinds = Chips("Kind", (), first=6)
        self.lowest, self.highest = _score("Lowest score"), _score("Highest score")
        self.since, self.until = _day("From day"), _day("To day")
        self.this_model = QCheckBox("This model only")
        self.this_model.setToolTip("Two models see differently: how alike their cases are is a hint, not a measure.")
        self.reset = QPushButton("Clear the filter")
        self._lay()
        for name, button in self.by.items():
            self._by_group.addButton(button)
            button.clicked.connect(lambda _c=False, name=name: self._set(embedding=name))
        self.category.activated.connect(lambda _i: self._set(category=self.category.currentData()))
        self.kinds.changed.connect(lambda kinds: self._set(kinds=kinds))
        self.lowest.valueChanged.connect(lambda value: self._set(lowest=min(value, self.highest.value())))
        self.highest.valueChanged.connect(lambda value: self._set(highest=max(value, self.lowest.value())))
        self.since.editingFinished.connect(self._dated)
        self.until.editingFinished.connect(self._dated)
        self.this_model.toggled.connect(lambda on: self._set(this_model=on))
        self.reset.clicked.connect(lambda: self._replace(self.chosen.cleared()))
        self.show_facts({}, {})

    def _lay(self) -> None:
        grid = QGridLayout(self)
        grid.setContentsMargins(16, 14, 16, 14)
        grid.setHorizontalSpacing(12)
        grid.setVerticalSpacing(8)
        grid.setColumnMinimumWidth(1, 232)
        by = QHBoxLayout()
        by.setSpacing(4)
        for button in self.by.values():
            by.addWidget(button)
        by.addStretch(1)
        rows: Sequence[tuple[str, Any]] = (
            ("Compare by", by),
            ("Category", self.category),
            ("Kinds", self.kinds),
            ("Score", _between(self.lowest, self.highest)),
            ("Date", _between(self.since, self.until)),
        )
        for place, (word, what) in enumerate(rows):
            label = QLabel(word)
            grid.addWidget(label, place, 0, Qt.AlignmentFlag.AlignTop if what is self.kinds else Qt.AlignmentFlag(0))
            if isinstance(what, QWidget):
                grid.addWidget(what, place, 1)
                label.setBuddy(what)
            else:
                grid.addLayout(what, place, 1)
        foot = QHBoxLayout()
        foot.addWidget(self.this_model, 1)
        foot.addWidget(self.reset)
        grid.addLayout(foot, len(rows), 0, 1, 2)

    def open_over(self, button: QWidget) -> None:
        """Open above a button, or below it where there is no room above."""
        self.adjustSize()
        at = button.mapToGlobal(QPoint(button.width() - self.width(), -self.height() - 4))
        screen = button.screen().availableGeometry()
        at.setX(max(screen.left() + 4, at.x()))
        if at.y() < screen.top():
            at.setY(button.mapToGlobal(QPoint(0, button.height() + 4)).y())
        self.move(at)
        self.show()
        self.by[self.chosen.embedding].setFocus(Qt.FocusReason.PopupFocusReason)

    def show_facts(self, kinds: Mapping[str, int], categories: Mapping[str, int]) -> None:
        """Offer what the gallery holds; what is chosen is always among it, so that it can be switched off."""
        names = dict.fromkeys([*kinds, *self.chosen.kinds])
        self.kinds.set_names(list(names), self.chosen.kinds)
        self.category.clear()
        self.category.addItem("any", "")
        for name in dict.fromkeys([*categories, *([self.chosen.category] if self.chosen.category else [])]):
            self.category.addItem(f"{name} ({categories.get(name, 0):,})", name)
        self._show()

    def show_choices(self, chosen: GalleryChoices) -> None:
        """Show other choices; emits nothing."""
        self.chosen = chosen
        self._show()

    def _show(self) -> None:
        chosen = self.chosen
        widgets = (self.lowest, self.highest, self.this_model)
        for widget in widgets:
            widget.blockSignals(True)
        self.by.get(chosen.embedding, self.by[DEFECT]).setChecked(True)
        self.category.setCurrentIndex(max(0, self.category.findData(chosen.category)))
        self.kinds.set_chosen(chosen.kinds)
        self.lowest.setValue(chosen.lowest)
        self.highest.setValue(chosen.highest)
        self.since.setText(chosen.since)
        self.until.setText(chosen.until)
        self.this_model.setChecked(chosen.this_model)
        for widget in widgets:
            widget.blockSignals(False)
        self.reset.setEnabled(bool(chosen.active))

    def _dated(self) -> None:
        days = {}
        for name, field in (("since", self.since), ("until", self.until)):
            day = QDate.fromString(field.text().strip(), Qt.DateFormat.ISODate)
            # what is no day is put back to what it was
            days[name] = day.toString(Qt.DateFormat.ISODate) if day.isValid() else getattr(self.chosen, name)
            if not field.text().strip():
                days[name] = ""
        self._set(**days)

    def _set(self, **new: Any) -> None:
        self._replace(replace(self.chosen, **new))

    def _replace(self, chosen: GalleryChoices) -> None:
        different, self.chosen = chosen != self.chosen, chosen
        self._show()
        if different:
            self.changed.emit(chosen)


class ServerDialog(QDialog):
    """Asks for the address of a Qdrant server, and its key.

    Signals:
        given(str, str): address and key.
    """

    given = Signal(str, str)

    def __init__(self, parent: QWidget, address: str = "") -> None:
        super().__init__(parent)
        self.setWindowTitle("Gallery on a Qdrant server")
        self.address, self.key = QLineEdit(address), QLineEdit()
        self.address.setAccessibleName("Address")
        self.address.setPlaceholderText("https://host:6333")
        self.key.setAccessibleName("Key")
        self.key.setPlaceholderText("none")
        self.key.setEchoMode(QLineEdit.EchoMode.Password)
        said = QLabel("The key is forgotten when Sightline is closed; it is written nowhere.")
        said.setObjectName("quiet")
        self.buttons = QDialogButtonBox(QDialogButtonBox.StandardButton.Cancel)
        self.connect_button = self.buttons.addButton("Connect", QDialogButtonBox.ButtonRole.AcceptRole)
        self.connect_button.setProperty("primary", True)
        self.buttons.accepted.connect(self._accept)
        self.buttons.rejected.connect(self.reject)
        self.address.textChanged.connect(self._settle)
        grid = QGridLayout(self)
        grid.setContentsMargins(16, 16, 16, 16)
        grid.setHorizontalSpacing(12)
        grid.setVerticalSpacing(8)
        grid.setColumnMinimumWidth(1, 320)
        for place, (word, field) in enumerate((("Address", self.address), ("Key", self.key))):
            label = QLabel(word)
            label.setBuddy(field)
            grid.addWidget(label, place, 0)
            grid.addWidget(field, place, 1)
        grid.addWidget(said, 2, 1)
        grid.addWidget(self.buttons, 3, 0, 1, 2)
        self._settle()

    def _settle(self) -> None:
        self.connect_button.setEnabled(self.address.text().strip().lower().startswith(("http://", "https://")))

    def _accept(self) -> None:
        self.given.emit(self.address.text().strip(), self.key.text().strip())
        self.accept()


def _exclusive(word: str, says: str) -> QPushButton:
    button = QPushButton(word)
    button.setProperty("chip", True)
    button.setCheckable(True)
    button.setAccessibleName(says)
    return button


def _score(label: str) -> QDoubleSpinBox:
    field = QDoubleSpinBox()
    field.setRange(0.0, 1.0)
    field.setSingleStep(0.05)
    field.setKeyboardTracking(False)
    field.setAlignment(Qt.AlignmentFlag.AlignRight)
    field.setAccessibleName(label)
    return field


def _day(label: str) -> QLineEdit:
    field = QLineEdit()
    field.setPlaceholderText("any day")
    field.setToolTip("A day, written as 2026-11-05")
    field.setAccessibleName(label)
    return field


def _between(low: QWidget, high: QWidget) -> QHBoxLayout:
    row = QHBoxLayout()
    row.setSpacing(8)
    row.addWidget(low, 1)
    row.addWidget(QLabel("to"))
    row.addWidget(high, 1)
    return row
