"""The trials of a search as a table: sorted by any column, copied whole."""

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from PySide6.QtCore import QAbstractTableModel, QModelIndex, QPersistentModelIndex, QPoint, Qt, Signal
from PySide6.QtGui import QColor, QFont, QGuiApplication, QKeyEvent, QKeySequence
from PySide6.QtWidgets import QAbstractItemView, QHeaderView, QMenu, QTableView

from gui import theme
from gui.parallel_axes import between, short

if TYPE_CHECKING:
    from engine.learning.search import Trial

_Index = QModelIndex | QPersistentModelIndex
STATES = {
    "complete": "finished", "pruned": "given up", "diverged": "diverged", "failed": "stopped", "running": "running",
}  # fmt: skip


class TrialsModel(QAbstractTableModel):
    """Rows of `Trial`."""

    def __init__(self) -> None:
        super().__init__()
        self.trials: list[Trial] = []
        self.names: tuple[str, ...] = ()
        self.titles: Mapping[str, str] = {}
        self.kept: frozenset[int] | None = None
        self._column, self._down = 0, True
        self._best = -1

    def show_names(self, names: Sequence[str], titles: Mapping[str, str]) -> None:
        """The settings that have columns; there are no trials yet."""
        self.beginResetModel()
        self.names, self.titles, self.trials, self.kept, self._best = tuple(names), titles, [], None, -1
        self.endResetModel()

    def show_trials(self, trials: Sequence["Trial"]) -> None:
        """Show these."""
        self.beginResetModel()
        self.trials = list(trials)
        done = [one for one in trials if one.state == "complete" and one.value is not None]
        best = min(done, key=lambda one: (one.value, one.number), default=None)
        self._best = -1 if best is None else best.number
        self._sort()
        self.endResetModel()

    def show_kept(self, numbers: frozenset[int] | None) -> None:
        """Only these are in front; None for all."""
        self.kept = numbers
        if self.trials:
            self.dataChanged.emit(self.index(0, 0), self.index(len(self.trials) - 1, self.columnCount() - 1))

    def sort(self, column: int, order: Qt.SortOrder = Qt.SortOrder.AscendingOrder) -> None:
        self.layoutAboutToBeChanged.emit()
        before = [(old, self.trials[old.row()].number) for old in self.persistentIndexList()]
        self._column, self._down = column, order == Qt.SortOrder.DescendingOrder
        self._sort()
        for old, number in before:
            self.changePersistentIndex(old, self.index(self.row_of(number), old.column()))
        self.layoutChanged.emit()

    def _sort(self) -> None:
        def key(one: "Trial") -> Any:
            value = self._value(one, self._column)
            gone = value is None
            # what has no value comes last, whichever way it is sorted; words after numbers
            said = (isinstance(value, str), 0.0 if gone or isinstance(value, str) else float(value), str(value))
            return (gone != self._down, said)

        self.trials.sort(key=lambda one: one.number)
        self.trials.sort(key=key, reverse=self._down)

    def _value(self, one: "Trial", column: int) -> Any:
        if column == 0:
            return one.number
        if column == 1:
            return one.value
        if column == self.columnCount() - 1:
            return STATES[one.state]
        return one.parameters.get(self.names[column - 2])

    def row_of(self, number: int) -> int:
        """Where a trial stands; -1 where it is not."""
        return next((row for row, one in enumerate(self.trials) if one.number == number), -1)

    # -- what Qt asks

    def rowCount(self, parent: _Index = QModelIndex()) -> int:  # noqa: B008
        return 0 if parent.isValid() else len(self.trials)

    def columnCount(self, parent: _Index = QModelIndex()) -> int:  # noqa: B008
        return 0 if parent.isValid() else 3 + len(self.names)

    def heads(self) -> list[str]:
        """What the columns are called."""
        return ["trial", "loss", *(self.titles.get(name, name) for name in self.names), "state"]

    def headerData(self, section: int, orientation: Qt.Orientation, role: int = Qt.ItemDataRole.DisplayRole) -> Any:
        if orientation != Qt.Orientation.Horizontal:
            return None
        if role == Qt.ItemDataRole.DisplayRole:
            arrow = (" ↓" if self._down else " ↑") if section == self._column else ""
            return self.heads()[section] + arrow
        if role == Qt.ItemDataRole.TextAlignmentRole:
            return self._side(section)
        if role == Qt.ItemDataRole.ToolTipRole and section == 1:
            return "On rows that are neither learned from nor kept aside for the test: the median of the replicates"
        return None

    def cells(self, row: int) -> list[str]:
        """What a row says."""
        one = self.trials[row]
        loss = "–" if one.value is None else short(one.value, 4)
        chosen = (one.parameters.get(name) for name in self.names)
        return [str(one.number), loss, *("–" if value is None else short(value) for value in chosen), STATES[one.state]]

    def data(self, index: _Index, role: int = Qt.ItemDataRole.DisplayRole) -> Any:
        if role in (Qt.ItemDataRole.DisplayRole, Qt.ItemDataRole.AccessibleTextRole):
            return self.cells(index.row())[index.column()]
        if role == Qt.ItemDataRole.TextAlignmentRole:
            return self._side(index.column())
        one = self.trials[index.row()]
        now = theme.current()
        if role == Qt.ItemDataRole.ForegroundRole:
            if self.kept is not None and one.number not in self.kept:
                return between(QColor(now.panel), QColor(now.quiet), 0.6)
            if one.number == self._best:
                return QColor(now.accent)
            if one.state == "diverged" and index.column() == self.columnCount() - 1:
                return QColor(now.danger)
            if one.state != "complete":
                return QColor(now.quiet)
        if role == Qt.ItemDataRole.FontRole and one.number == self._best:
            font = QFont()
            font.setBold(True)
            return font
        return None

    def _side(self, column: int) -> Qt.AlignmentFlag:
        last = column == self.columnCount() - 1
        return (Qt.AlignmentFlag.AlignLeft if last else Qt.AlignmentFlag.AlignRight) | Qt.AlignmentFlag.AlignVCenter

    def text(self) -> str:
        """The table as tab-separated text, numbers in full."""
        lines = ["\t".join(["trial", "loss", *self.names, "state"])]
        for one in self.trials:
            values = [one.value, *(one.parameters.get(name) for name in self.names)]
            said = ["" if value is None else str(value) for value in values]
            lines.append("\t".join([str(one.number), *said, STATES[one.state]]))
        return "\n".join(lines)


class TrialsTable(QTableView):
    """The table.

    Signals:
        chosen(int): the number of a trial whose row was chosen.
        opened(int): of one that was pressed twice, or that is to be raced.
    """

    chosen = Signal(int)
    opened = Signal(int)

    def __init__(self) -> None:
        super().__init__()
        self.rows = TrialsModel()
        self.setModel(self.rows)
        self.setAccessibleName("Table of the trials")
        self.setSelectionBehavior(QAbstractItemView.SelectionBehavior.SelectRows)
        self.setSelectionMode(QAbstractItemView.SelectionMode.SingleSelection)
        self.setShowGrid(False)
        self.setWordWrap(False)
        self.setToolTip("Press twice to race a trial's settings; Ctrl+C copies the table.")
        self.verticalHeader().hide()
        self.verticalHeader().setDefaultSectionSize(24)
        self.verticalHeader().setSectionResizeMode(QHeaderView.ResizeMode.Fixed)
        head = self.horizontalHeader()
        head.setHighlightSections(False)
        head.setMinimumSectionSize(62)
        head.setTextElideMode(Qt.TextElideMode.ElideRight)
        head.setFixedHeight(26)
        head.setSortIndicator(0, Qt.SortOrder.DescendingOrder)
        self.setSortingEnabled(True)
        # the arrow would lie on the words: it is one of them
        head.setSortIndicatorShown(False)
        self.setContextMenuPolicy(Qt.ContextMenuPolicy.CustomContextMenu)
        self.customContextMenuRequested.connect(self._menu)
        self.selectionModel().currentRowChanged.connect(self._changed)
        self.doubleClicked.connect(lambda index: self.opened.emit(self.rows.trials[index.row()].number))

    def show_names(self, names: Sequence[str], titles: Mapping[str, str]) -> None:
        """The settings that have columns; there are no trials yet."""
        self.rows.show_names(names, titles)
        head = self.horizontalHeader()
        last = self.rows.columnCount() - 1
        for column in range(last + 1):
            head.setSectionResizeMode(column, QHeaderView.ResizeMode.Stretch)
        for column, width in ((0, 62), (1, 100), (last, 96)):
            head.setSectionResizeMode(column, QHeaderView.ResizeMode.Fixed)
            head.resizeSection(column, width)

    def show_trials(self, trials: Sequence["Trial"]) -> None:
        """Show these; what was chosen stays chosen, and the table where it was scrolled to."""
        now = self.current()
        at = self.verticalScrollBar().value()
        self.rows.show_trials(trials)
        self.choose(now, follow=False)
        self.verticalScrollBar().setValue(at)

    def current(self) -> int | None:
        """The number of the trial that is chosen."""
        row = self.currentIndex().row()
        return self.rows.trials[row].number if 0 <= row < len(self.rows.trials) else None

    def choose(self, number: int | None, *, follow: bool = True) -> None:
        """Show this one as chosen; emits nothing.

        Args:
            number: of the trial.
            follow: scroll to it.
        """
        row = -1 if number is None else self.rows.row_of(number)
        model = self.selectionModel()
        model.blockSignals(True)
        if row >= 0:
            scrolls = self.hasAutoScroll()
            self.setAutoScroll(follow)
            self.setCurrentIndex(self.rows.index(row, 0))
            self.selectRow(row)
            self.setAutoScroll(scrolls)
            if follow:
                self.scrollTo(self.rows.index(row, 0))
        else:
            model.clear()
        model.blockSignals(False)
        self.viewport().update()

    def _changed(self, now: QModelIndex, _before: QModelIndex) -> None:
        if now.isValid():
            self.chosen.emit(self.rows.trials[now.row()].number)

    def _menu(self, at: QPoint) -> None:
        index = self.indexAt(at)
        menu = QMenu(self)
        if index.isValid():
            number = self.rows.trials[index.row()].number
            menu.addAction("Race this one").triggered.connect(lambda _c=False: self.opened.emit(number))
        menu.addAction("Copy the table").triggered.connect(lambda _c=False: self.copy())
        menu.setAttribute(Qt.WidgetAttribute.WA_DeleteOnClose)
        menu.popup(self.viewport().mapToGlobal(at))

    def copy(self) -> None:
        """Copy the table as text."""
        QGuiApplication.clipboard().setText(self.rows.text())

    def keyPressEvent(self, event: QKeyEvent) -> None:
        now = self.current()
        if event.matches(QKeySequence.StandardKey.Copy):
            self.copy()
        elif event.key() in (Qt.Key.Key_Return, Qt.Key.Key_Enter) and now is not None:
            self.opened.emit(now)
        else:
            super().keyPressEvent(event)
