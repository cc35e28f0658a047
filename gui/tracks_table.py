"""The table of tracks: those in view first, each in its own colour."""

from typing import Any

from PySide6.QtCore import QAbstractTableModel, QModelIndex, QPersistentModelIndex, Qt, Signal
from PySide6.QtGui import QColor, QFont, QGuiApplication, QKeyEvent, QKeySequence
from PySide6.QtWidgets import QAbstractItemView, QHeaderView, QTableView, QWidget

from engine.tracking.history import TrackRow
from gui import theme

HEADS = ("Track", "class", "seen", "path", "conf.")
TIPS = (
    "The track's number",
    "The class it was seen as last",
    "Seconds from its first to its last frame",
    "How far its centre has moved, in pixels",
    "Confidence of its last detection, 0 to 1",
)
_Index = QModelIndex | QPersistentModelIndex


class TracksModel(QAbstractTableModel):
    """Rows of `TrackRow`; sorted by track number or whatever head was clicked, those in view on top."""

    def __init__(self) -> None:
        super().__init__()
        self.rows: list[TrackRow] = []
        self.in_view: set[int] = set()
        self._names: dict[int, str] = {}
        self._column, self._down = 2, True

    def show_rows(self, rows: list[TrackRow], in_view: set[int], names: dict[int, str]) -> None:
        """Replace everything."""
        self.in_view, self._names = in_view, names
        ordered = self._ordered(rows)
        if [r.number for r in ordered] == [r.number for r in self.rows]:
            self.rows = ordered
            if ordered:
                self.dataChanged.emit(self.index(0, 0), self.index(len(ordered) - 1, len(HEADS) - 1))
            return
        self.layoutAboutToBeChanged.emit()
        kept = [(i, self.rows[i.row()].number, i.column()) for i in self.persistentIndexList()]
        self.rows = ordered
        places = {row.number: n for n, row in enumerate(ordered)}
        for old, number, column in kept:
            new = self.index(places[number], column) if number in places else QModelIndex()
            self.changePersistentIndex(old, new)
        self.layoutChanged.emit()

    def _ordered(self, rows: list[TrackRow]) -> list[TrackRow]:
        keys: tuple[Any, ...] = (
            lambda r: r.number,
            lambda r: self._names.get(r.class_number, ""),
            lambda r: r.last_s - r.first_s,
            lambda r: r.path,
            lambda r: r.confidence,
        )
        rows = sorted(rows, key=lambda r: r.number)
        rows.sort(key=keys[self._column], reverse=self._down)
        rows.sort(key=lambda r: r.number not in self.in_view)
        return rows

    def sort(self, column: int, order: Qt.SortOrder = Qt.SortOrder.AscendingOrder) -> None:
        self._column, self._down = column, order == Qt.SortOrder.DescendingOrder
        self.show_rows(self.rows, self.in_view, self._names)

    def rowCount(self, parent: _Index = QModelIndex()) -> int:  # noqa: B008
        return 0 if parent.isValid() else len(self.rows)

    def columnCount(self, parent: _Index = QModelIndex()) -> int:  # noqa: B008
        return 0 if parent.isValid() else len(HEADS)

    def headerData(self, section: int, orientation: Qt.Orientation, role: int = Qt.ItemDataRole.DisplayRole) -> Any:
        if orientation == Qt.Orientation.Horizontal:
            if role == Qt.ItemDataRole.DisplayRole:
                return HEADS[section]
            if role == Qt.ItemDataRole.ToolTipRole:
                return TIPS[section]
            if role == Qt.ItemDataRole.TextAlignmentRole:
                return self._side(section)
        return None

    @staticmethod
    def _side(column: int) -> Qt.AlignmentFlag:
        side = Qt.AlignmentFlag.AlignLeft if column == 0 else Qt.AlignmentFlag.AlignRight
        return side | Qt.AlignmentFlag.AlignVCenter

    def cells(self, row: TrackRow) -> tuple[str, ...]:
        """What a row says."""
        seen = f"{row.last_s - row.first_s:.1f} s"
        name = self._names.get(row.class_number, str(row.class_number))
        return str(row.number), name, seen, f"{row.path:,.0f} px", f"{row.confidence:.2f}"

    def data(self, index: _Index, role: int = Qt.ItemDataRole.DisplayRole) -> Any:
        row = self.rows[index.row()]
        if role in (Qt.ItemDataRole.DisplayRole, Qt.ItemDataRole.AccessibleTextRole):
            return self.cells(row)[index.column()]
        if role == Qt.ItemDataRole.TextAlignmentRole:
            return self._side(index.column())
        if role == Qt.ItemDataRole.ForegroundRole:
            if row.number not in self.in_view:
                return QColor(theme.current().quiet)
            if index.column() < 2:
                return QColor(theme.series_text(row.number))
        if role == Qt.ItemDataRole.FontRole and index.column() == 0 and row.number in self.in_view:
            font = QFont()
            font.setBold(True)
            return font
        return None


class TracksTable(QTableView):
    """The table.

    Signals:
        chosen(int): the track whose row was chosen.
    """

    chosen = Signal(int)

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.rows = TracksModel()
        self.setModel(self.rows)
        self.setAccessibleName("Tracks")
        self.setSelectionBehavior(QAbstractItemView.SelectionBehavior.SelectRows)
        self.setSelectionMode(QAbstractItemView.SelectionMode.SingleSelection)
        self.setShowGrid(False)
        self.setWordWrap(False)
        self.setSortingEnabled(True)
        self.sortByColumn(2, Qt.SortOrder.DescendingOrder)
        self.verticalHeader().hide()
        self.verticalHeader().setDefaultSectionSize(22)
        head = self.horizontalHeader()
        head.setHighlightSections(False)
        head.setSortIndicatorShown(False)
        head.setSectionResizeMode(QHeaderView.ResizeMode.Stretch)
        head.setFixedHeight(24)
        self.selectionModel().currentRowChanged.connect(self._changed)

    def choose(self, number: int | None) -> None:
        """Show this track's row as chosen; emits nothing."""
        self.selectionModel().blockSignals(True)
        self.clearSelection()
        for place, row in enumerate(self.rows.rows):
            if row.number == number:
                self.selectRow(place)
        self.selectionModel().blockSignals(False)
        self.viewport().update()

    def _changed(self, now: QModelIndex, _before: QModelIndex) -> None:
        if now.isValid():
            self.chosen.emit(self.rows.rows[now.row()].number)

    def keyPressEvent(self, event: QKeyEvent) -> None:
        if event.matches(QKeySequence.StandardKey.Copy):
            lines = ["\t".join(HEADS), *("\t".join(self.rows.cells(row)) for row in self.rows.rows)]
            QGuiApplication.clipboard().setText("\n".join(lines))
        else:
            super().keyPressEvent(event)
