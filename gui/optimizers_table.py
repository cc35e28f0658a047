"""The ranking of a race: a row a run, sorted by any column; hundreds of earlier runs below."""

import re
from collections.abc import Sequence
from typing import Any

import numpy as np
from PySide6.QtCore import QAbstractTableModel, QModelIndex, QPersistentModelIndex, Qt, Signal
from PySide6.QtGui import QColor, QGuiApplication, QKeyEvent, QKeySequence
from PySide6.QtWidgets import QAbstractItemView, QHeaderView, QTableView

from gui import theme
from gui.optimizers_parts import Entry

_Index = QModelIndex | QPersistentModelIndex
COLUMNS = (
    ("ranking", "Ranking", "Each run; the earlier ones are set off"),
    (
        "loss",
        "final loss",
        "The full training objective at the end, or as it was measured last: the mean of replicates",
    ),
    ("error", "± se", "The standard error of that mean"),
    ("reached", "steps to", "Steps until the mean loss was at most the target, which the form sets"),
    ("area", "area", "The area under the curve of the loss, over its length"),
    ("test", "test", "On the rows kept aside: ROC-AUC, accuracy or the error"),
    ("speed", "steps/s", "Steps a second of all replicates at once"),
    ("apart", "vs torch", "The largest relative difference of a parameter from torch.optim's"),
)
_WIDTHS, _NAME = (0, 92, 64, 78, 64, 76, 64, 72), 110
_LEAST = (6, 4, 7, 2)
"""Columns that are left out where there is little room, the first one first."""
_FIGURES = (("roc_auc", "AUC"), ("accuracy", "accuracy"), ("rmse", "RMSE"))


class RankingModel(QAbstractTableModel):
    """Rows of `Entry`."""

    def __init__(self) -> None:
        super().__init__()
        self.entries: list[Entry] = []
        self.target: float | None = None
        self.figure = ""
        self.baseline: tuple[str, dict[str, float]] | None = None
        self._column, self._down = 1, False
        self._cells: dict[int, dict[str, Any]] = {}

    def show_entries(self, entries: Sequence[Entry], target: float | None, figure: str) -> None:
        """Show these; only rows that are new or have grown are computed."""
        self.beginResetModel()
        self.target, self.figure = target, figure
        self._cells = {
            id(one): self._cells[id(one)]
            for one in entries
            if one.earlier and id(one) in self._cells and self._cells[id(one)]["key"] == (target, figure)
        }
        for one in entries:
            if id(one) not in self._cells:
                self._cells[id(one)] = self._computed(one)
        self.entries = list(entries)
        self._sort()
        self.endResetModel()

    def _computed(self, one: Entry) -> dict[str, Any]:
        record = one.curve.record
        mean, error = one.final or (one.loss, float("nan"))
        test = (one.figures or {}).get(self.figure, float("nan"))
        reached = record.steps_to(self.target) if self.target is not None and len(record) else None
        return {
            "key": (self.target, self.figure), "ranking": one.name, "loss": _number(mean), "error": _number(error),
            "reached": float("nan") if reached is None else float(reached),
            "area": record.area() if len(record) else float("nan"), "test": test,
            "speed": one.steps_per_s or float("nan"), "apart": _number(one.curve.apart),
        }  # fmt: skip

    def sort(self, column: int, order: Qt.SortOrder = Qt.SortOrder.AscendingOrder) -> None:
        self.layoutAboutToBeChanged.emit()
        self._column, self._down = column, order == Qt.SortOrder.DescendingOrder
        self._sort()
        self.layoutChanged.emit()
        self.headerDataChanged.emit(Qt.Orientation.Horizontal, 0, len(COLUMNS) - 1)

    def _sort(self) -> None:
        field = COLUMNS[self._column][0]

        def key(one: Entry) -> Any:
            value = self._cells[id(one)][field]
            if isinstance(value, str):
                return (False, value.casefold())
            gone = not np.isfinite(value)
            # what has no value comes last, whichever way it is sorted
            return (gone != self._down, 0.0 if gone else value)

        self.entries.sort(key=key, reverse=self._down)
        self.entries.sort(key=lambda one: one.earlier)

    # -- what Qt asks

    def rowCount(self, parent: _Index = QModelIndex()) -> int:  # noqa: B008
        return 0 if parent.isValid() else len(self.entries) + (self.baseline is not None)

    def columnCount(self, parent: _Index = QModelIndex()) -> int:  # noqa: B008
        return 0 if parent.isValid() else len(COLUMNS)

    def headerData(self, section: int, orientation: Qt.Orientation, role: int = Qt.ItemDataRole.DisplayRole) -> Any:
        if orientation != Qt.Orientation.Horizontal:
            return None
        field, head, tip = COLUMNS[section]
        if role == Qt.ItemDataRole.DisplayRole:
            if field == "test":
                head = dict(_FIGURES).get(self.figure, head)
            if field == "reached" and self.target is not None:
                head = f"to {self.target:.3g}"
            return f"{head} {'↓' if self._down else '↑'}" if section == self._column else head
        if role == Qt.ItemDataRole.ToolTipRole:
            return tip
        if role == Qt.ItemDataRole.TextAlignmentRole:
            return _side(section)
        return None

    def entry(self, row: int) -> Entry | None:
        """The run of a row; None for the baseline."""
        return self.entries[row] if row < len(self.entries) else None

    def cells(self, row: int) -> list[str]:
        """What a row says."""
        one = self.entry(row)
        if one is None:
            assert self.baseline is not None
            name, figures = self.baseline
            said = [""] * len(COLUMNS)
            said[0] = name
            said[5] = _said(figures.get(self.figure, float("nan")))
            return said
        cells = self._cells[id(one)]
        name = f"{one.name} (earlier)" if one.earlier else one.name
        loss = _said(cells["loss"])
        if one.diverged and one.diverged == one.replicates:
            loss = "diverged"
        elif one.diverged:
            name += f" · {one.diverged} of {one.replicates} diverged"
        apart = cells["apart"]
        return [
            name, loss, _said(cells["error"]), "–" if not np.isfinite(cells["reached"]) else f"{cells['reached']:,.0f}",
            _said(cells["area"]), _said(cells["test"]),
            "–" if not np.isfinite(cells["speed"]) else f"{cells['speed']:,.0f}",
            "–" if not np.isfinite(apart) else ("0" if apart == 0 else f"{apart:.0e}"),
        ]  # fmt: skip

    def data(self, index: _Index, role: int = Qt.ItemDataRole.DisplayRole) -> Any:
        if role in (Qt.ItemDataRole.DisplayRole, Qt.ItemDataRole.AccessibleTextRole):
            return self.cells(index.row())[index.column()]
        if role == Qt.ItemDataRole.TextAlignmentRole:
            return _side(index.column())
        one = self.entry(index.row())
        if role == Qt.ItemDataRole.ForegroundRole:
            if one is None or not one.on:
                return QColor(theme.current().quiet)
            if index.column() == 1 and one.diverged == one.replicates:
                return QColor(theme.current().danger)
            if index.column() == 0:
                return QColor(theme.series_text(one.number))
        if role == Qt.ItemDataRole.ToolTipRole and one is not None:
            from engine.optimizers.contenders import text_of

            told = "".join(f"\n{name} {value:.4g} on the test part" for name, value in (one.figures or {}).items())
            return f"{text_of(one.contender)}\nschedule {text_of(one.contender.schedule)}{told}".replace("_", " ")
        return None

    def text(self) -> str:
        """The table as tab-separated text."""
        heads = [str(self.headerData(n, Qt.Orientation.Horizontal)) for n in range(len(COLUMNS))]
        return "\n".join("\t".join(line) for line in [heads, *(self.cells(row) for row in range(self.rowCount()))])


def _number(value: float | None) -> float:
    return float("nan") if value is None else float(value)


def _said(value: float) -> str:
    if not np.isfinite(value):
        return "–"
    text = f"{value:.1e}" if 0 < abs(value) < 1e-3 else f"{value:.3g}" if abs(value) < 1 else f"{value:.4g}"
    text = re.sub(r"\.?0*e-0?", "e-", text)
    return text[1:] if text.startswith("0.") else text


def _side(column: int) -> Qt.AlignmentFlag:
    return (Qt.AlignmentFlag.AlignLeft if column == 0 else Qt.AlignmentFlag.AlignRight) | Qt.AlignmentFlag.AlignVCenter


class RankingTable(QTableView):
    """The table.

    Signals:
        chosen(Entry): a row was chosen.
        toggled(Entry): a row was pressed twice: it is drawn, or no longer.
        removed(Entry): an earlier run is to go.
    """

    chosen = Signal(object)
    toggled = Signal(object)
    removed = Signal(object)

    def __init__(self) -> None:
        super().__init__()
        self.rows = RankingModel()
        self.setModel(self.rows)
        self.setAccessibleName("Ranking")
        self.setObjectName("ranking")
        self.setSelectionBehavior(QAbstractItemView.SelectionBehavior.SelectRows)
        self.setSelectionMode(QAbstractItemView.SelectionMode.SingleSelection)
        self.setShowGrid(False)
        self.setWordWrap(False)
        self.verticalHeader().hide()
        self.verticalHeader().setDefaultSectionSize(24)
        self.verticalHeader().setSectionResizeMode(QHeaderView.ResizeMode.Fixed)
        head = self.horizontalHeader()
        head.setHighlightSections(False)
        head.setFixedHeight(26)
        head.setMinimumSectionSize(40)
        for column in range(len(COLUMNS)):
            head.setSectionResizeMode(column, QHeaderView.ResizeMode.Fixed)
            head.resizeSection(column, _WIDTHS[column])
        head.setSectionResizeMode(0, QHeaderView.ResizeMode.Stretch)
        head.setSortIndicator(1, Qt.SortOrder.AscendingOrder)
        self.setHorizontalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOff)
        self.setSortingEnabled(True)
        # Tab leaves it; the arrows go from row to row
        self.setTabKeyNavigation(False)
        self.setToolTip("Press twice to draw a run or not; Delete forgets an earlier one.")
        self.clicked.connect(self._pressed)
        self.doubleClicked.connect(lambda index: self._tell(self.toggled, index.row()))

    def resizeEvent(self, event: Any) -> None:
        super().resizeEvent(event)
        self._fit()

    def _fit(self) -> None:
        """Leave columns out where there is no room for the names: the least wanted first."""
        wide = self.viewport().width() - _NAME
        shown = {column: width for column, width in enumerate(_WIDTHS) if column and (column != 5 or self.rows.figure)}
        for column in _LEAST:
            if sum(shown.values()) > wide:
                shown.pop(column, None)
        for column in range(1, len(COLUMNS)):
            self.setColumnHidden(column, column not in shown)

    def show_entries(self, entries: Sequence[Entry], target: float | None, figure: str) -> None:
        """Show these runs; what was chosen stays chosen, and the table where it was scrolled to."""
        now = self.rows.entry(self.currentIndex().row()) if self.currentIndex().isValid() else None
        at = self.verticalScrollBar().value()
        self.rows.show_entries(entries, target, figure)
        self._fit()
        if now in self.rows.entries:
            self.setCurrentIndex(self.rows.index(self.rows.entries.index(now), 0))
        self.verticalScrollBar().setValue(at)

    def _pressed(self, index: QModelIndex) -> None:
        self._tell(self.chosen, index.row())

    def _tell(self, signal: Any, row: int) -> None:
        entry = self.rows.entry(row)
        if entry is not None:
            signal.emit(entry)

    def keyPressEvent(self, event: QKeyEvent) -> None:
        row = self.currentIndex().row()
        if event.matches(QKeySequence.StandardKey.Copy):
            QGuiApplication.clipboard().setText(self.rows.text())
        elif event.key() == Qt.Key.Key_Delete and row >= 0:
            self._tell(self.removed, row)
        elif event.key() == Qt.Key.Key_Space and row >= 0:
            self._tell(self.toggled, row)
        elif event.key() in (Qt.Key.Key_Return, Qt.Key.Key_Enter) and row >= 0:
            self._tell(self.chosen, row)
        else:
            super().keyPressEvent(event)
