"""The list of networks in a form: those that are here, those that can be fetched, and a file of one's own."""

from collections.abc import Sequence
from pathlib import Path

from PySide6.QtCore import Signal
from PySide6.QtWidgets import QComboBox, QFileDialog, QWidget

from engine.weights.cards import Card, cards
from engine.weights.fetch import locate
from gui import words
from gui.form import SHORT, choice

CHOOSE = "\0choose"
KINDS = "Networks (*.pt *.onnx *.xml);;All files (*)"


class ModelChoice(QWidget):
    """Builds and reads the drop-down list of networks.

    Args:
        tasks: the tasks of the cards to show.
        own: files that were chosen by hand before.
        value: the card's name or the path that is chosen.

    Signals:
        changed(str): a card's name, or a path.
    """

    changed = Signal(str)

    def __init__(self, tasks: Sequence[str], own: Sequence[str], value: str) -> None:
        super().__init__()
        self._tasks, self._own, self._value = tasks, list(own), value
        self.folder = ""
        self.box: QComboBox = choice("Model", (), (), None, "The network that finds things")
        self.box.view().setMinimumWidth(260)
        self.fill()
        self.box.activated.connect(self._activated)

    @property
    def value(self) -> str:
        """The card's name, or the path."""
        return self._value

    @property
    def own(self) -> list[str]:
        """The files that were chosen by hand, newest first."""
        return self._own

    def fill(self) -> None:
        """Read anew which files are here."""
        self.box.blockSignals(True)
        self.box.clear()
        here = [(card, locate(card.name)) for card in cards() if card.task in self._tasks]
        for card, path in sorted(here, key=lambda pair: pair[1] is None):
            self.box.addItem(card.title + ("" if path else f"  ·  {offer(card)}"), card.name)
            self.box.setItemData(self.box.count() - 1, card.title, SHORT)
        for path_text in self._own:
            self.box.addItem(Path(path_text).name, path_text)
            self.box.setItemData(self.box.count() - 1, path_text, 3)
        self.box.insertSeparator(self.box.count())
        self.box.addItem("Choose a file …", CHOOSE)
        self._show_value()
        self.box.blockSignals(False)

    def choose(self, value: str) -> None:
        """Take this card or path; a path is remembered."""
        if Path(value).suffix and value not in self._own and Path(value).exists():
            self._own = [value, *self._own][:6]
        self._value = value
        self.fill()
        self.changed.emit(value)

    def ask_file(self) -> None:
        """Choose a weights file."""
        path, _kind = QFileDialog.getOpenFileName(self.box.window(), "Choose a network", self.folder, KINDS)
        if path:
            self.folder = str(Path(path).parent)
            self.choose(path)
        else:
            self._show_value()

    def _show_value(self) -> None:
        place = self.box.findData(self._value)
        self.box.setCurrentIndex(place)
        if place < 0:
            self.box.setPlaceholderText(Path(self._value).name or "none")

    def _activated(self, place: int) -> None:
        value = self.box.itemData(place)
        if value == CHOOSE:
            self.ask_file()
        elif value and value != self._value:
            self.choose(value)


def offer(card: Card) -> str:
    """What fetching a card costs: "download 5.4 MB"."""
    return f"download {words.size(card.size)}" if card.size else "download"
