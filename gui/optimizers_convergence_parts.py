"""What the view of convergence says in tables, the lines through its points, and its files."""

from collections.abc import Generator, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from PySide6.QtCore import QAbstractTableModel, QModelIndex, QPersistentModelIndex, Qt, Signal
from PySide6.QtGui import QColor, QFont, QKeyEvent, QKeySequence
from PySide6.QtWidgets import QAbstractItemView, QHeaderView, QTableView

from engine.job import Progress
from gui import theme

if TYPE_CHECKING:
    from engine.learning.convergence import Cost, Duel, Point, Slope

_Index = QModelIndex | QPersistentModelIndex
Cells = list[str]
ROW, HEAD = 19, 22
"""Heights, pixels."""
RULES = {"gd": "Gradient descent", "sgd": "SGD"}
_LINE = 60
"""Points of a drawn line."""


class FigureTable(QTableView):
    """A small table of texts, as high as its rows.

    Args:
        title: for who cannot see it.
        heads: head and tip of each column.

    Signals:
        copied(): the person wants it on the clipboard.
    """

    copied = Signal()

    def __init__(self, title: str, heads: Sequence[tuple[str, str]]) -> None:
        super().__init__()
        self.cells = _Cells(heads)
        self.setModel(self.cells)
        self.setAccessibleName(title)
        self.setSelectionBehavior(QAbstractItemView.SelectionBehavior.SelectRows)
        self.setSelectionMode(QAbstractItemView.SelectionMode.SingleSelection)
        self.setShowGrid(False)
        self.setWordWrap(False)
        font = self.font()
        font.setPixelSize(11)
        self.setFont(font)
        self.cells.font = font
        self.verticalHeader().hide()
        self.verticalHeader().setMinimumSectionSize(ROW)
        self.verticalHeader().setDefaultSectionSize(ROW)
        self.setVerticalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOff)
        self.setHorizontalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOff)
        head = self.horizontalHeader()
        head.setHighlightSections(False)
        head.setFixedHeight(HEAD)
        head.setMinimumSectionSize(24)
        for column in range(len(heads)):
            mode = QHeaderView.ResizeMode.ResizeToContents if column else QHeaderView.ResizeMode.Stretch
            head.setSectionResizeMode(column, mode)
        self.show_cells([])

    def show_cells(self, rows: Sequence[Cells], stressed: Sequence[tuple[int, int]] = ()) -> None:
        """Show these rows; some cells, each (row, column), are set off."""
        self.cells.beginResetModel()
        self.cells.rows, self.cells.stressed = [list(row) for row in rows], frozenset(stressed)
        self.cells.endResetModel()
        self.setFixedHeight(HEAD + ROW * max(1, len(rows)) + 2)

    def text(self) -> str:
        """The table as tab-separated text."""
        return "\n".join("\t".join(row) for row in [[head for head, _tip in self.cells.heads], *self.cells.rows])

    def keyPressEvent(self, event: QKeyEvent) -> None:
        if event.matches(QKeySequence.StandardKey.Copy):
            self.copied.emit()
        else:
            super().keyPressEvent(event)


class _Cells(QAbstractTableModel):
    def __init__(self, heads: Sequence[tuple[str, str]]) -> None:
        super().__init__()
        self.heads = list(heads)
        self.rows: list[Cells] = []
        self.font = QFont()
        self.stressed: frozenset[tuple[int, int]] = frozenset()

    def rowCount(self, parent: _Index = QModelIndex()) -> int:  # noqa: B008
        return 0 if parent.isValid() else len(self.rows)

    def columnCount(self, parent: _Index = QModelIndex()) -> int:  # noqa: B008
        return 0 if parent.isValid() else len(self.heads)

    def headerData(self, section: int, orientation: Qt.Orientation, role: int = Qt.ItemDataRole.DisplayRole) -> Any:
        if orientation != Qt.Orientation.Horizontal:
            return None
        if role == Qt.ItemDataRole.TextAlignmentRole:
            return _side(section)
        if role == Qt.ItemDataRole.DisplayRole:
            return self.heads[section][0]
        if role == Qt.ItemDataRole.FontRole:
            # the style sheet's size would be larger than that of the rows
            return self.font
        return self.heads[section][1] if role == Qt.ItemDataRole.ToolTipRole else None

    def data(self, index: _Index, role: int = Qt.ItemDataRole.DisplayRole) -> Any:
        if role in (Qt.ItemDataRole.DisplayRole, Qt.ItemDataRole.AccessibleTextRole):
            return self.rows[index.row()][index.column()]
        if role == Qt.ItemDataRole.TextAlignmentRole:
            return _side(index.column())
        if role == Qt.ItemDataRole.ForegroundRole and (index.row(), index.column()) in self.stressed:
            return QColor(theme.current().accent)
        return None


def _side(column: int) -> Qt.AlignmentFlag:
    return (Qt.AlignmentFlag.AlignLeft if column == 0 else Qt.AlignmentFlag.AlignRight) | Qt.AlignmentFlag.AlignVCenter


# -- the slopes

SLOPE_HEADS = (
    ("slope", "What of the curve"),
    ("k", "The condition number"),
    ("measured", "Of a line through the end of the curve"),
    ("theory", "What it should be"),
)


def slope_cells(slopes: Sequence["Slope"]) -> list[Cells]:
    """A row for each figure of each curve."""
    rows: list[Cells] = []
    for series, words in (("gd", "GD: passes a factor of 2.718"), ("sgd", "SGD: power of 1/accuracy")):
        rows += [[words, f"{s.condition:g}", f"{s.measured:.3f}", f"{s.theory:.3f}"]
                 for s in slopes if s.series == series]  # fmt: skip
    rows += [["SGD: gradients × accuracy", f"{s.condition:g}", f"{s.factor:.3g}", f"{s.factor_theory:.3g}"]
             for s in slopes if s.series == "sgd"]  # fmt: skip
    names = {"gd k": "GD: power of k", "sgd k": "SGD: power of k"}
    rows += [[names[s.series], "all", f"{s.measured:.3f}", f"{s.theory:.3f}"] for s in slopes if s.series in names]
    return rows


# -- the costs

COST_HEADS = (
    ("k", "The condition number"),
    ("γ", "The exponent of the accuracy"),
    ("ρ", "The accuracy that is wanted, k to the power of -γ"),
    ("GD", "Gradients of single rows that gradient descent took; ~ where it was not measured so far"),
    ("SGD", "The same of SGD"),
    ("GD bound", "n k log(1/ρ), of Bottou and Bousquet 2008"),
    ("SGD bound", "ν k²/ρ, of Bottou and Bousquet 2008"),
)


def cost_cells(costs: Sequence["Cost"]) -> tuple[list[Cells], list[tuple[int, int]]]:
    """A row for each k and gamma, and the cells of the cheaper rule."""
    rows = [
        [f"{c.condition:g}", f"{c.gamma:g}", short(c.rho), ("" if c.gd_seen else "~") + short(c.gd),
         ("" if c.sgd_seen else "~") + short(c.sgd), short(c.gd_bound), short(c.sgd_bound)]
        for c in costs
    ]  # fmt: skip
    return rows, [(row, 3 if c.gd < c.sgd else 4) for row, c in enumerate(costs)]


# -- the duel

DUEL_HEADS = (
    ("|.|^γ", "The objective's exponent"),
    ("SGD ± se", "The mean final objective less its minimum, and its standard error"),
    ("rate", "The best of SGD's rates"),
    ("Adam ± se", "The mean final objective less its minimum, and its standard error"),
    ("rate", "The best of Adam's rates"),
    ("lower", "Where they are more than two standard errors apart"),
)


def duel_cells(duels: Sequence["Duel"]) -> tuple[list[Cells], list[tuple[int, int]]]:
    """A row for each gamma, and the cells of the better rule."""
    names = {"sgd": "SGD", "adam": "Adam", "": "neither"}
    rows = [
        [f"γ = {d.gamma:g}", f"{short(d.sgd)} ± {short(d.sgd_error)}", f"{d.sgd_rate:g}",
         f"{short(d.adam)} ± {short(d.adam_error)}", f"{d.adam_rate:g}", names[d.better]]
        for d in duels
    ]  # fmt: skip
    places = {"sgd": 1, "adam": 3}
    return rows, [(row, places[d.better]) for row, d in enumerate(duels) if d.better]


def short(value: float) -> str:
    """A number in few letters: 249, 0.0044, 1.4e7."""
    if not np.isfinite(value):
        return "–"
    if 1 <= abs(value) < 1e5:
        return f"{value:,.0f}"
    text = f"{value:.2g}"
    return text.replace("e+0", "e").replace("e+", "e").replace("e-0", "e-")


# -- lines


def fitted_line(slope: "Slope", evaluations: Any, accuracy: Any, rows: int) -> tuple[Any, Any]:
    """The measured line of a slope through the end of its curve, (m,) evaluations and accuracies.

    Args:
        slope: of the curve.
        evaluations, accuracy: (n,) of the curve.
        rows: of the data: a pass of gradient descent costs so many evaluations.
    """
    if slope.series == "gd":
        return _falling(slope.measured, evaluations, accuracy, rows)
    x = np.geomspace(evaluations[-1] / 30, evaluations[-1], _LINE)
    late = evaluations > evaluations[-1] / 4
    middle = np.log(evaluations[late]).mean() + slope.measured * np.log(accuracy[late]).mean()
    return x, np.exp((middle - np.log(x)) / slope.measured)


def theory_line(slope: "Slope", evaluations: Any, accuracy: Any, rows: int) -> tuple[Any, Any]:
    """What theory says of a curve; arguments as in `fitted_line`."""
    if slope.series == "gd":
        return _falling(slope.theory, evaluations, accuracy, rows)
    x = np.geomspace(evaluations[-1] / 100, evaluations[-1], _LINE)
    return x, slope.factor_theory / x


def _falling(passes: float, evaluations: Any, accuracy: Any, rows: int) -> tuple[Any, Any]:
    """By a factor e in so many passes, to where the curve ends."""
    x = np.geomspace(evaluations[0], evaluations[-1], _LINE)
    return x, accuracy[-1] * np.exp((evaluations[-1] - x) / (rows * passes))


# -- files


def writing(
    path: Path, points: Sequence["Point"], slopes: Sequence["Slope"], costs: Sequence["Cost"], duels: Sequence["Duel"]
) -> Generator[Any, None, list[Path]]:
    """A job: the points as PATH, each table that is there beside it; returns the files."""
    from engine.learning.race_export import write_table

    yield Progress("Writing tables")
    tables: list[tuple[str, Sequence[Any]]] = [("", points), ("slopes", slopes), ("costs", costs), ("adam", duels)]
    made = []
    for name, table in tables:
        if table:
            beside = path.with_name(f"{path.stem}_{name}{path.suffix}") if name else path
            made.append(write_table(beside, [asdict(row) for row in table]))
        yield None
    return made
