"""The table of an evaluation: a row for each category and method, or one figure with the methods side by side."""

from typing import TYPE_CHECKING, Any

from PySide6.QtCore import QAbstractTableModel, QItemSelectionModel, QModelIndex, QPersistentModelIndex, Qt, Signal
from PySide6.QtGui import QColor, QFont, QGuiApplication, QKeyEvent, QKeySequence, QPainter, QPixmap
from PySide6.QtWidgets import QAbstractItemView, QHeaderView, QTableView, QWidget

from gui import theme
from gui.inspection_method import method_title

if TYPE_CHECKING:
    from engine.inspection.results import Result

_Index = QModelIndex | QPersistentModelIndex
FIGURES = (
    ("images", "pictures", "How many test pictures were examined", 1, 0),
    ("image_auroc", "image AUROC", "How often a defective picture scores higher than a good one, in per cent", 100, 1),
    ("pixel_auroc", "pixel AUROC", "The same of the pixels: how well the map shows where the defect is", 100, 1),
    ("aupro", "AUPRO", "How much of each defect is found, small ones counting as much as large ones", 100, 1),
    ("f1", "F1", "At the threshold that suits these pictures best, in per cent", 100, 1),
    ("fit_s", "fit, s", "Seconds to learn the category", 1, 1),
    ("ms_per_image", "ms", "Milliseconds from a picture in memory to its verdict", 1, 1),
)
"""Field of a `Result`, head, tip, what it is multiplied with, digits."""
_LOW_IS_BEST = ("fit_s", "ms_per_image")
_NOT_COMPARED = ("images",)


def result_title(method: str) -> str:
    """The name of a result's method, its settings behind it."""
    name, comma, rest = method.partition(",")
    return method_title(name) + comma + rest


class ResultsModel(QAbstractTableModel):
    """Rows of `Result`; averages stay at the end, however it is sorted."""

    def __init__(self) -> None:
        super().__init__()
        self.results: list[Result] = []
        self.figure = ""
        """One figure with the methods side by side; "" for all figures, a row for each method."""
        self._column, self._down = -1, False
        self._rows: list[list[Result | None]] = []

    # -- what is shown

    @property
    def methods(self) -> list[str]:
        """Their names, in the order in which they ran."""
        return list(dict.fromkeys(result.method for result in self.results))

    def show_results(self, results: list["Result"]) -> None:
        """Replace everything."""
        self.beginResetModel()
        self.results = list(results)
        self._arrange()
        self.endResetModel()

    def show_figure(self, figure: str) -> None:
        """All figures (""), or one with the methods side by side."""
        self.beginResetModel()
        self.figure, self._column = figure, -1
        self._arrange()
        self.endResetModel()

    def sort(self, column: int, order: Qt.SortOrder = Qt.SortOrder.AscendingOrder) -> None:
        self.layoutAboutToBeChanged.emit()
        kept = [(index, self.result(index)) for index in self.persistentIndexList()]
        self._column, self._down = column, order == Qt.SortOrder.DescendingOrder
        self._arrange()
        for old, result in kept:
            self.changePersistentIndex(old, self.place_of(result, old.column()))
        self.layoutChanged.emit()

    def _arrange(self) -> None:
        if self.figure:
            categories = list(dict.fromkeys(result.category for result in self.results))
            found = {(result.category, result.method): result for result in self.results}
            self._rows = [[found.get((category, method)) for method in self.methods] for category in categories]
        else:
            self._rows = [[result] for result in self.results]
        if self._column >= 0:
            self._rows.sort(key=self._key, reverse=self._down)
        self._rows.sort(key=lambda row: _some(row).averaged > 0)

    def _key(self, row: list["Result | None"]) -> Any:
        if self._column == 0:
            return (True, _some(row).category.casefold())
        if not self.figure and self._column == 1:
            return (True, _some(row).method.casefold())
        value = self._value(row, self._column)
        # what does not exist comes last, whichever way it is sorted
        known = value is not None
        return (known if self._down else not known, value if known else 0.0)

    def _value(self, row: list["Result | None"], column: int) -> Any:
        if self.figure:
            result = row[column - 1] if column - 1 < len(row) else None
            return getattr(result, self.figure) if result is not None else None
        return getattr(_some(row), FIGURES[column - 2][0])

    # -- what Qt asks

    def rowCount(self, parent: _Index = QModelIndex()) -> int:  # noqa: B008
        return 0 if parent.isValid() else len(self._rows)

    def columnCount(self, parent: _Index = QModelIndex()) -> int:  # noqa: B008
        if parent.isValid():
            return 0
        return 1 + len(self.methods) if self.figure else 2 + len(FIGURES)

    def headerData(self, section: int, orientation: Qt.Orientation, role: int = Qt.ItemDataRole.DisplayRole) -> Any:
        if orientation != Qt.Orientation.Horizontal:
            return None
        if role == Qt.ItemDataRole.DisplayRole:
            return self.heads()[section]
        if role == Qt.ItemDataRole.ToolTipRole:
            if self.figure:
                return self.heads()[section]
            return FIGURES[section - 2][2] if section > 1 else ("The category", "How it was fitted")[section]
        if role == Qt.ItemDataRole.TextAlignmentRole:
            return self._side(section)
        if role == Qt.ItemDataRole.DecorationRole and self.figure and section:
            return _dot(theme.series_text(section - 1))
        return None

    def heads(self) -> list[str]:
        """What the columns are called."""
        if self.figure:
            return ["category", *(result_title(method) for method in self.methods)]
        return ["category", "method", *(head for _field, head, _tip, _times, _digits in FIGURES)]

    def _side(self, column: int) -> Qt.AlignmentFlag:
        left = column == 0 or (column == 1 and not self.figure)
        return (Qt.AlignmentFlag.AlignLeft if left else Qt.AlignmentFlag.AlignRight) | Qt.AlignmentFlag.AlignVCenter

    def cells(self, row: int) -> list[str]:
        """What a row says."""
        results = self._rows[row]
        first = _some(results)
        name = f"average of {first.averaged}" if first.averaged else first.category
        if self.figure:
            return [name, *(_said(self._value(results, 1 + n), self.figure) for n in range(len(results)))]
        return [name, result_title(first.method), *(_said(getattr(first, f[0]), f[0]) for f in FIGURES)]

    def result(self, index: _Index) -> "Result | None":
        """What stands in a cell."""
        if not index.isValid() or index.row() >= len(self._rows):
            return None
        row = self._rows[index.row()]
        if self.figure:
            return row[index.column() - 1] if 0 < index.column() <= len(row) else _some(row)
        return row[0]

    def place_of(self, result: "Result | None", column: int = 0) -> QModelIndex:
        """Where a result stands now; by its category and method, so that a newer one of these is found as well."""
        for place, row in enumerate(self._rows):
            for across, other in enumerate(row):
                same = other is not None and result is not None and other.category == result.category
                if same and other.method == result.method:
                    return self.index(place, 1 + across if self.figure else min(column, self.columnCount() - 1))
        return QModelIndex()

    def data(self, index: _Index, role: int = Qt.ItemDataRole.DisplayRole) -> Any:
        if role in (Qt.ItemDataRole.DisplayRole, Qt.ItemDataRole.AccessibleTextRole):
            return self.cells(index.row())[index.column()]
        if role == Qt.ItemDataRole.ToolTipRole and index.column() < 2:
            return self.cells(index.row())[index.column()]
        if role == Qt.ItemDataRole.TextAlignmentRole:
            return self._side(index.column())
        if role == Qt.ItemDataRole.DecorationRole and index.column() == 1 and not self.figure:
            return _dot(theme.series_text(self.methods.index(_some(self._rows[index.row()]).method)))
        if role == Qt.ItemDataRole.ForegroundRole and self._best(index):
            return QColor(theme.current().accent)
        if role == Qt.ItemDataRole.FontRole and (self._best(index) or _some(self._rows[index.row()]).averaged):
            font = QFont()
            font.setBold(True)
            return font
        return None

    def _best(self, index: _Index) -> bool:
        """Whether no other method has a better figure in this category."""
        result = self.result(index)
        first = 1 if self.figure else 2
        if result is None or index.column() < first:
            return False
        field = self.figure or FIGURES[index.column() - 2][0]
        rivals = [getattr(other, field) for other in self.results if other.category == result.category]
        known = [value for value in rivals if value is not None]
        value = getattr(result, field)
        if field in _NOT_COMPARED or len(known) < 2:
            return False
        return value == (min if field in _LOW_IS_BEST else max)(known)


def _dot(colour: str) -> QPixmap:
    """The colour of a method's curves."""
    dot = QPixmap(10, 10)
    dot.fill(Qt.GlobalColor.transparent)
    painter = QPainter(dot)
    painter.setRenderHint(QPainter.RenderHint.Antialiasing)
    painter.setPen(Qt.PenStyle.NoPen)
    painter.setBrush(QColor(colour))
    painter.drawEllipse(1, 1, 8, 8)
    painter.end()
    return dot


def _some(row: list["Result | None"]) -> "Result":
    return next(result for result in row if result is not None)


def _said(value: float | None, field: str) -> str:
    times, digits = next((times, digits) for name, _h, _t, times, digits in FIGURES if name == field)
    return "–" if value is None else f"{value * times:,.{digits}f}"


class ResultsTable(QTableView):
    """The table.

    Signals:
        chosen(object): the `Result` whose row or cell was chosen.
    """

    chosen = Signal(object)

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.rows = ResultsModel()
        self.setModel(self.rows)
        self.setAccessibleName("Figures of each category and method")
        self.setSelectionBehavior(QAbstractItemView.SelectionBehavior.SelectRows)
        self.setSelectionMode(QAbstractItemView.SelectionMode.SingleSelection)
        self.setShowGrid(False)
        self.setWordWrap(False)
        self.verticalHeader().hide()
        self.verticalHeader().setDefaultSectionSize(26)
        head = self.horizontalHeader()
        head.setHighlightSections(False)
        head.setSortIndicator(-1, Qt.SortOrder.AscendingOrder)
        head.setFixedHeight(26)
        self.setSortingEnabled(True)
        self.selectionModel().currentChanged.connect(self._changed)
        self._widths()

    def show_results(self, results: list["Result"]) -> None:
        """Show these; what was chosen stays chosen if it is still there."""
        now = self.current()
        self.rows.show_results(results)
        self._widths()
        # as high as its rows: what is free belongs to the pictures below
        rows = self.rows.rowCount() * self.verticalHeader().defaultSectionSize()
        self.setMaximumHeight(self.horizontalHeader().height() + rows + 16)
        self.setMinimumHeight(min(self.maximumHeight(), 110))
        self.choose(now)

    def show_figure(self, figure: str) -> None:
        """All figures (""), or one with the methods side by side."""
        now = self.current()
        head = self.horizontalHeader()
        head.blockSignals(True)
        head.setSortIndicator(-1, Qt.SortOrder.AscendingOrder)
        head.blockSignals(False)
        self.rows.show_figure(figure)
        behaviour = QAbstractItemView.SelectionBehavior
        self.setSelectionBehavior(behaviour.SelectItems if figure else behaviour.SelectRows)
        self._widths()
        self.choose(now)

    def current(self) -> "Result | None":
        """The result that is chosen."""
        return self.rows.result(self.currentIndex())

    def choose(self, result: "Result | None") -> None:
        """Show this one as chosen; emits nothing."""
        place = self.rows.place_of(result)
        model = self.selectionModel()
        model.blockSignals(True)
        if place.isValid():
            flags = QItemSelectionModel.SelectionFlag.ClearAndSelect
            if not self.rows.figure:
                flags |= QItemSelectionModel.SelectionFlag.Rows
            model.setCurrentIndex(place, flags)
        else:
            model.clear()
        model.blockSignals(False)
        self.viewport().update()

    def text(self) -> str:
        """The table as tab-separated text."""
        lines = ["\t".join(self.rows.heads())]
        return "\n".join([*lines, *("\t".join(self.rows.cells(row)) for row in range(self.rows.rowCount()))])

    def _changed(self, now: QModelIndex, _before: QModelIndex) -> None:
        result = self.rows.result(now)
        if result is not None:
            self.chosen.emit(result)

    def _widths(self) -> None:
        head = self.horizontalHeader()
        mode = QHeaderView.ResizeMode
        for column in range(self.rows.columnCount()):
            wide = column == 1 or (column > 0 and bool(self.rows.figure))
            head.setSectionResizeMode(column, mode.Stretch if wide else mode.ResizeToContents)

    def keyPressEvent(self, event: QKeyEvent) -> None:
        if event.matches(QKeySequence.StandardKey.Copy):
            QGuiApplication.clipboard().setText(self.text())
        else:
            super().keyPressEvent(event)
