"""The fitted models, to open, compare side by side, rename and delete."""

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

from PySide6.QtCore import Qt, Signal
from PySide6.QtGui import QFont, QKeySequence, QShortcut
from PySide6.QtWidgets import (
    QAbstractItemView,
    QDialog,
    QHBoxLayout,
    QHeaderView,
    QInputDialog,
    QLabel,
    QPushButton,
    QStackedWidget,
    QTableWidget,
    QTableWidgetItem,
    QVBoxLayout,
    QWidget,
)

from engine.inspection.knobs import FitKnobs
from gui.inspection_method import backbone_title, long_words, method_title

if TYPE_CHECKING:
    from engine.inspection.model import ModelCard

_TO_RIGHT = Qt.AlignmentFlag.AlignRight | Qt.AlignmentFlag.AlignVCenter
_RIGHT = 3
"""From this column on there are numbers."""
HEADS = ("Model", "method", "fitted on", "pictures", "threshold", "fitted")


def described(card: "ModelCard") -> dict[str, str]:
    """Everything that is known of a model, in words: what stands in the column of a comparison."""
    knobs: FitKnobs = card.knobs
    said = {
        "method": method_title(card.method),
        "backbone": backbone_title(card.backbone) if card.backbone else "–",
        "layers": ", ".join(card.layers) or "–",
        "fitted on": card.category,
        "folder": card.source,
        "pictures": f"{card.pictures:,}",
        "patches": f"{card.patches:,}" if card.patches else "–",
        "coreset": f"{knobs.coreset * 100:g} %" if card.method == "patchcore" else "–",
        "size": f"{knobs.size} px",
        "centre crop": f"{knobs.crop} px" if knobs.crop else "none",
        "region": "whole picture" if knobs.region[2:] == (1.0, 1.0) else f"{knobs.region[2] * knobs.region[3]:.0%}",
        "threshold": f"{card.threshold:.2f}",
        "seed": str(card.seed),
        "fitted": card.fitted.replace("T", " ")[:16],
        "it took": long_words(card.fit_s),
    }
    if card.notes:
        said["notes"] = "; ".join(card.notes)
    return said


class ModelsDialog(QDialog):
    """A window with the table of models, and the comparison of those that are chosen.

    Args:
        cards: of the fitted models, each with its folder.

    Signals:
        open_wanted(str), export_wanted(str), rename_wanted(str, str), delete_wanted(list): folders, and the new name.
    """

    open_wanted = Signal(str)
    export_wanted = Signal(str)
    rename_wanted = Signal(str, str)
    delete_wanted = Signal(list)

    def __init__(self, parent: QWidget, cards: "Sequence[ModelCard]") -> None:
        super().__init__(parent)
        self.setWindowTitle("Fitted models")
        self.resize(780, 460)
        column = QVBoxLayout(self)
        column.setContentsMargins(16, 14, 16, 14)
        column.setSpacing(10)
        self.stack = QStackedWidget()
        self.table, self.side = _table("Fitted models"), _table("Comparison")
        self.table.setColumnCount(len(HEADS))
        self.table.setHorizontalHeaderLabels(HEADS)
        self.table.horizontalHeader().setSectionResizeMode(0, QHeaderView.ResizeMode.Stretch)
        for number in range(_RIGHT, len(HEADS)):
            self.table.horizontalHeaderItem(number).setTextAlignment(_TO_RIGHT)
        self.table.setSelectionMode(QAbstractItemView.SelectionMode.ExtendedSelection)
        self.table.itemSelectionChanged.connect(self._settle)
        self.table.itemActivated.connect(lambda _item: self._open())
        for widget in (self.table, self.side):
            self.stack.addWidget(widget)
        column.addWidget(self.stack, 1)
        self.words = QLabel()
        self.words.setObjectName("quiet")
        row = QHBoxLayout()
        row.setSpacing(8)
        row.addWidget(self.words, 1)
        self.buttons: dict[str, QPushButton] = {}
        actions: tuple[tuple[str, Callable[[], object]], ...] = (
            ("Back", self._back), ("Compare", self.compare), ("Rename …", self._rename), ("Delete …", self._ask_delete),
            ("Delete", self._delete), ("Keep", self._keep), ("Export …", self._export), ("Open", self._open),
        )  # fmt: skip
        for word, do in actions:
            button = QPushButton(word)
            button.setAccessibleName(word)
            button.setAutoDefault(False)
            button.setProperty("primary", word == "Open")
            button.clicked.connect(lambda _c=False, do=do: do())
            self.buttons[word] = button
            row.addWidget(button)
        column.addLayout(row)
        QShortcut(QKeySequence.StandardKey.Delete, self.table, self._ask_delete)
        QShortcut(QKeySequence("F2"), self.table, self._rename)
        self._asking = False
        self.cards: list[ModelCard] = []
        self.show_cards(cards)

    def show_cards(self, cards: "Sequence[ModelCard]") -> None:
        """List these."""
        self.cards = list(cards)
        self.table.setRowCount(len(cards))
        for place, card in enumerate(self.cards):
            said = described(card)
            method = f"{said['method']}, {said['backbone']}" if said["backbone"] != "–" else said["method"]
            cells = (card.name, method, said["fitted on"], said["pictures"], said["threshold"], said["fitted"])
            for number, text in enumerate(cells):
                item = QTableWidgetItem(text)
                if number >= _RIGHT:
                    item.setTextAlignment(_TO_RIGHT)
                item.setToolTip(str(card.folder))
                self.table.setItem(place, number, item)
        if cards:
            self.table.selectRow(0)
        self._back()

    def chosen(self) -> "list[ModelCard]":
        """The models whose rows are chosen."""
        rows = sorted({index.row() for index in self.table.selectionModel().selectedRows()})
        return [self.cards[row] for row in rows]

    def compare(self) -> None:
        """Show what is known of the chosen ones side by side; what differs is bold."""
        cards = self.chosen()
        said = [described(card) for card in cards]
        names = list(dict.fromkeys(name for one in said for name in one))
        self.side.setColumnCount(len(cards) + 1)
        self.side.setHorizontalHeaderLabels(["", *(card.name for card in cards)])
        self.side.setRowCount(len(names))
        bold = QFont(self.font())
        bold.setBold(True)
        for row, name in enumerate(names):
            values = [one.get(name, "–") for one in said]
            self.side.setItem(row, 0, QTableWidgetItem(name))
            for column, value in enumerate(values, 1):
                item = QTableWidgetItem(value)
                item.setToolTip(value)
                if len(set(values)) > 1:
                    item.setFont(bold)
                self.side.setItem(row, column, item)
        head = self.side.horizontalHeader()
        for column in range(1, len(cards) + 1):
            head.setSectionResizeMode(column, QHeaderView.ResizeMode.Stretch)
        self.stack.setCurrentWidget(self.side)
        self._settle()

    def _back(self) -> None:
        self._asking = False
        self.stack.setCurrentWidget(self.table)
        self._settle()

    def _settle(self) -> None:
        chosen, comparing = self.chosen(), self.stack.currentWidget() is self.side
        for word, button in self.buttons.items():
            in_question = word in ("Delete", "Keep")
            button.setVisible(in_question == self._asking and comparing == (word == "Back"))
        self.buttons["Compare"].setEnabled(len(chosen) > 1)
        self.buttons["Rename …"].setEnabled(len(chosen) == 1)
        for word in ("Open", "Export …"):
            self.buttons[word].setEnabled(len(chosen) == 1)
        self.buttons["Delete …"].setEnabled(len(chosen) > 0)
        if self._asking:
            what = chosen[0].name if len(chosen) == 1 else f"{len(chosen)} models"
            self.words.setText(f"Delete {what} from the disk? This cannot be undone.")
        elif comparing:
            self.words.setText("What differs is bold.")
        else:
            self.words.setText("" if self.cards else "No model is fitted yet.")

    def _open(self) -> None:
        chosen = self.chosen()
        if len(chosen) == 1:
            self.open_wanted.emit(str(chosen[0].folder))
            self.accept()

    def _export(self) -> None:
        chosen = self.chosen()
        if len(chosen) == 1:
            self.export_wanted.emit(str(chosen[0].folder))

    def _rename(self) -> None:
        chosen = self.chosen()
        if len(chosen) != 1:
            return
        name, given = QInputDialog.getText(self, "Rename", "The model's name:", text=chosen[0].name)
        if given and name.strip() and name.strip() != chosen[0].name:
            self.rename_wanted.emit(str(chosen[0].folder), name.strip())

    def _ask_delete(self) -> None:
        self._asking = bool(self.chosen())
        self._settle()

    def _keep(self) -> None:
        self._asking = False
        self._settle()

    def _delete(self) -> None:
        self._asking = False
        self.delete_wanted.emit([str(card.folder) for card in self.chosen()])


def _table(label: str) -> QTableWidget:
    table = QTableWidget()
    table.setAccessibleName(label)
    table.setSelectionBehavior(QAbstractItemView.SelectionBehavior.SelectRows)
    table.setEditTriggers(QAbstractItemView.EditTrigger.NoEditTriggers)
    table.setShowGrid(False)
    table.setWordWrap(False)
    table.verticalHeader().hide()
    table.verticalHeader().setDefaultSectionSize(26)
    table.horizontalHeader().setHighlightSections(False)
    table.horizontalHeader().setSectionResizeMode(QHeaderView.ResizeMode.ResizeToContents)
    table.horizontalHeader().setDefaultAlignment(Qt.AlignmentFlag.AlignLeft | Qt.AlignmentFlag.AlignVCenter)
    return table
