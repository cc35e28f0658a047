"""What the panel of similar cases says where it has none to show: why, and what to do."""

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

from PySide6.QtCore import Qt
from PySide6.QtWidgets import QHBoxLayout, QLabel, QPushButton, QVBoxLayout, QWidget

from engine.inspection.shelf import on_server
from gui.inspection_gallery_parts import counted

if TYPE_CHECKING:
    from gui.inspection_gallery import GalleryPanel

NO_MODEL = "Fit or open a model: the past cases that look most like the picture are shown here."
NO_PICTURE = "Open a picture: the past cases that look most like it are shown here."
_Buttons = Sequence[tuple[str, Callable[[], object]]]


class GalleryHint(QWidget):
    """A sentence and the buttons that belong to it.

    Args:
        panel: whose place it takes.
    """

    def __init__(self, panel: "GalleryPanel") -> None:
        super().__init__()
        self.panel = panel
        column = QVBoxLayout(self)
        column.setContentsMargins(2, 4, 0, 4)
        column.setSpacing(8)
        self.text = QLabel()
        self.text.setObjectName("quiet")
        self.text.setWordWrap(True)
        self.buttons = QHBoxLayout()
        self.buttons.setSpacing(8)
        self.buttons.setAlignment(Qt.AlignmentFlag.AlignLeft)
        column.addWidget(self.text)
        column.addLayout(self.buttons)
        column.addStretch(1)

    def show_state(self) -> None:
        """Say how things are now."""
        text, buttons = self._state()
        self.text.setText(text)
        while (item := self.buttons.takeAt(0)) is not None:
            widget = item.widget()
            if widget is not None:
                widget.hide()
                widget.deleteLater()
        for word, do in buttons:
            button = QPushButton(word)
            button.setAccessibleName(word)
            button.clicked.connect(lambda _c=False, do=do: do())
            self.buttons.addWidget(button)
            button.show()

    def _state(self) -> tuple[str, _Buttons]:
        panel = self.panel
        if panel.problem is not None:
            other = panel.edit.ask_server if on_server(panel.shelf.where) else panel.edit.ask_folder
            word = "Address and key …" if on_server(panel.shelf.where) else "Choose another folder …"
            return str(panel.problem), [("Try again", panel.ask_again), (word, other)]
        if panel.edit.filling.busy:
            return "The pictures are being put into the gallery; how far it is stands below.", []
        if panel.card is None:
            return NO_MODEL, []
        result = panel.result
        if panel.shelf.there and panel.waits:
            return "", []
        if result is not None and result.own and panel.chosen.active:
            clear = ("Clear the filter", lambda: panel.choose(panel.chosen.cleared()))
            return "No case matches the filter.", [clear]
        if result is not None and result.own and panel.subject is not None:
            return "No other case is in the gallery.", self._index_button()
        if result is not None and result.facts.count:
            name = panel.card.name
            return f"No past cases of {name} yet, as it was fitted last.", self._index_button()
        if result is not None or not panel.shelf.there:
            return "No past cases yet.", self._index_button()
        return (NO_PICTURE if panel.subject is None else ""), []

    def _index_button(self) -> _Buttons:
        edit, category = self.panel.edit, self.panel.category
        pictures = edit.test_pictures()
        if not pictures or category is None:
            return [("Index a folder of pictures …", edit.ask_pictures)]
        return [(f"Index the {counted(len(pictures))} of {category.name}", edit.index_test)]
