"""Convergence, measured: gradient evaluations against accuracy beside the theory, and Adam against SGD under noise."""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from PySide6.QtCore import QSize, Qt, Signal
from PySide6.QtGui import QGuiApplication, QKeyEvent, QKeySequence
from PySide6.QtWidgets import (
    QFileDialog,
    QHBoxLayout,
    QLabel,
    QLineEdit,
    QPushButton,
    QScrollArea,
    QVBoxLayout,
    QWidget,
)

from engine.errors import SightlineError
from gui import theme, words
from gui.actions import icon_button
from gui.curves_log import LogPlot, Mark
from gui.job import JobSlot
from gui.optimizers_convergence_parts import (
    COST_HEADS,
    DUEL_HEADS,
    SLOPE_HEADS,
    FigureTable,
    cost_cells,
    duel_cells,
    fitted_line,
    slope_cells,
    theory_line,
    writing,
)

if TYPE_CHECKING:
    from engine.learning.convergence import ConvergenceKnobs, ConvergenceResult, Point

HOW = (
    "On logarithmic axes SGD's curve is straight (ten times as near takes ten times the gradients), gradient descent's "
    "bends down (it takes as many passes again), and a larger k makes both dearer; dashed is the theory."
)
HINT = "Press Measure: least squares of several condition numbers, then Adam against SGD. It takes about a minute."
LATER = "The tables come when all curves are there."
WIDE = 392
"""The tables, pixels."""
_KEPT = 20_000
_THEORY = -1
_DUEL = {"duel sgd": ("SGD", 0), "duel adam": ("Adam", 1)}
_STOPPED = "Stopped: what was measured is kept."


class ConvergenceView(QWidget):
    """Measures convergence and shows it; it fills the large place of the page.

    Attributes:
        knobs: how much is measured; None is as the engine has it.
        seen: the points that have come.
        result: all that was measured; None before the end.

    Signals:
        closed(): the person has seen enough.
        state(str, str, bool): what runs, how far, and whether it is busy.
        said(str, str): something to be told, and its level.
        failed(object): an error.
    """

    closed = Signal()
    state = Signal(str, str, bool)
    said = Signal(str, str)
    failed = Signal(object)

    def __init__(self) -> None:
        super().__init__()
        self.setAccessibleName("Convergence, measured")
        self.knobs: ConvergenceKnobs | None = None
        self.seen: list[Point] = []
        self.result: ConvergenceResult | None = None
        self.folder = ""
        self._rows = 1
        self.slot, self.saving = JobSlot(self), JobSlot(self)
        self.plot = LogPlot("● gradient descent   ▲ SGD, rate 1/t", "gradients of single rows", "accuracy")
        self.duels: dict[float, LogPlot] = {}
        self.slopes = FigureTable("Slopes, measured and by theory", SLOPE_HEADS)
        self.costs = FigureTable("Gradients that it takes to come to an accuracy", COST_HEADS)
        self.duel = FigureTable("Adam against SGD", DUEL_HEADS)
        column = QVBoxLayout(self)
        column.setContentsMargins(16, 10, 12, 8)
        column.setSpacing(6)
        column.addLayout(self._top())
        how = QLabel(HOW)
        how.setObjectName("quiet")
        how.setWordWrap(True)
        column.addWidget(how)
        self.hint = QLabel(HINT)
        self.hint.setObjectName("quiet")
        self.hint.setWordWrap(True)
        self.hint.setAlignment(Qt.AlignmentFlag.AlignCenter)
        column.addWidget(self.hint, 1)
        self.body = QWidget()
        row = QHBoxLayout(self.body)
        row.setContentsMargins(0, 0, 0, 0)
        row.setSpacing(16)
        row.addLayout(self._plots(), 1)
        row.addWidget(self._tables())
        self.body.hide()
        column.addWidget(self.body, 1)
        for table in (self.slopes, self.costs, self.duel):
            table.copied.connect(self.copy)
        self.slot.batch.connect(self._points)
        self.slot.progress.connect(lambda now: self.state.emit(now.what, words.progress(now), True))
        self.slot.returned.connect(self._measured)
        self.slot.failed.connect(self._failed)
        self.slot.finished.connect(self._ended)
        self.slot.changed.connect(lambda _busy: self._settle())
        self.saving.returned.connect(self._written)
        self.saving.failed.connect(self.failed)
        self._settle()

    def sizeHint(self) -> QSize:
        return QSize(900, 530)

    # -- what it is made of

    def _top(self) -> QHBoxLayout:
        row = QHBoxLayout()
        row.setSpacing(8)
        title = QLabel("Convergence, measured")
        title.setObjectName("title")
        label = QLabel("Condition numbers k")
        label.setObjectName("quiet")
        self.conditions = QLineEdit("5, 15, 50")
        self.conditions.setFixedWidth(110)
        self.conditions.setAccessibleName("Condition numbers")
        self.conditions.setToolTip("How much steeper the steepest direction is than the flattest; several, by commas.")
        self.conditions.returnPressed.connect(self.measure)
        self.button = QPushButton("Measure")
        self.button.setProperty("primary", True)
        self.button.clicked.connect(self._pressed)
        self.copy_button = QPushButton("Copy tables")
        self.copy_button.clicked.connect(self.copy)
        self.save_button = QPushButton("Save as CSV …")
        self.save_button.clicked.connect(self.ask)
        self.close_button = icon_button("close", "Back to the race (Esc)", 28)
        self.close_button.clicked.connect(self.closed)
        row.addWidget(title)
        row.addStretch(1)
        for part in (
            label, self.conditions, self.button, self.copy_button, self.save_button, self.close_button
        ):  # fmt: skip
            row.addWidget(part)
        return row

    def _plots(self) -> QVBoxLayout:
        column = QVBoxLayout()
        column.setSpacing(4)
        column.addWidget(self.plot, 3)
        self._duel_title = QLabel()
        self._duel_title.setObjectName("plotTitle")
        self._duel_title.setTextFormat(Qt.TextFormat.RichText)
        column.addWidget(self._duel_title)
        self._duel_row = QHBoxLayout()
        self._duel_row.setSpacing(8)
        column.addLayout(self._duel_row, 2)
        column.addWidget(self.duel)
        self._legends()
        return column

    def _tables(self) -> QScrollArea:
        inside = QWidget()
        column = QVBoxLayout(inside)
        column.setContentsMargins(0, 0, 6, 0)
        column.setSpacing(2)
        self.later = QLabel(LATER)
        self.later.setObjectName("quiet")
        column.addWidget(self.later)
        self._headings = []
        for heading, table in (
            ("Slopes, beside the theory's", self.slopes),
            ("Gradients to come to the accuracy ρ = k^-γ, and bounds", self.costs),
        ):
            label = QLabel(heading)
            label.setObjectName("plotTitle")
            self._headings.append(label)
            column.addWidget(label)
            column.addWidget(table)
            column.addSpacing(4)
        column.addStretch(1)
        area = QScrollArea()
        area.setWidgetResizable(True)
        area.setHorizontalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOff)
        area.setFixedWidth(WIDE)
        area.setWidget(inside)
        return area

    # -- measuring

    def measure(self) -> None:
        """Measure it, with the condition numbers that are set; what was there goes."""
        from engine.learning.convergence import ConvergenceKnobs, convergence

        knobs = self.knobs or ConvergenceKnobs()
        try:
            knobs = replace(knobs, conditions=conditions_of(self.conditions.text()))
        except SightlineError as error:
            self.failed.emit(error)
            return
        self.seen, self.result, self._rows = [], None, knobs.rows
        self.plot.clear()
        for plot in self.duels.values():
            self._duel_row.removeWidget(plot)
            plot.deleteLater()
        self.duels = {}
        for table in (self.slopes, self.costs, self.duel):
            table.show_cells([])
        self._legends(knobs.conditions)
        self.hint.hide()
        self.body.show()
        self._show_tables(False)
        self.state.emit("Measuring convergence", "", True)
        self.slot.start(lambda: convergence(knobs), "Convergence", keep=_KEPT, hz=20)

    def _show_tables(self, on: bool) -> None:
        self.later.setVisible(not on)
        for part in (*self._headings, self.slopes, self.costs, self.duel):
            part.setVisible(on)

    def leave(self) -> None:
        """The page is left: nothing is measured any more."""
        self.slot.cancel()

    def _pressed(self) -> None:
        if self.slot.busy:
            self.slot.cancel()
        else:
            self.measure()

    def _points(self, points: list[Any]) -> None:
        self.seen += points
        for series, condition in dict.fromkeys((one.series, one.condition) for one in points):
            evaluations, accuracy, errors = self._curve(series, condition)
            if series in _DUEL:
                self._draw_duel(series, condition, evaluations, accuracy, errors)
            else:
                mark: Mark = "o" if series == "gd" else "t1"
                name = f"{series} {condition:g}"
                self.plot.draw_marks(name, evaluations, accuracy, self._number(condition), mark)

    def _curve(self, series: str, condition: float) -> tuple[Any, Any, Any]:
        """Evaluations, accuracies and standard errors of what has come of a curve, each (n,)."""
        curve = [one for one in self.seen if (one.series, one.condition) == (series, condition)]
        return (
            np.array([one.evaluations for one in curve]), np.array([one.accuracy for one in curve]),
            np.array([getattr(one, "error", 0.0) for one in curve]),
        )  # fmt: skip

    def _number(self, condition: float) -> int:
        """Of the colour of a condition number."""
        return list(dict.fromkeys(one.condition for one in self.seen if one.series not in _DUEL)).index(condition)

    def _draw_duel(self, series: str, gamma: float, evaluations: Any, accuracy: Any, errors: Any) -> None:
        if gamma not in self.duels:
            self.duels[gamma] = LogPlot(f"γ = {gamma:g}")
            self._duel_row.addWidget(self.duels[gamma], 1)
        plot, (name, number) = self.duels[gamma], _DUEL[series]
        plot.draw_line(name, evaluations, accuracy, number)
        if errors.any():
            plot.draw_band(name, evaluations, accuracy - errors, accuracy + errors, number)

    def _measured(self, result: "ConvergenceResult") -> None:
        self.result = result
        for slope in result.slopes:
            if not slope.condition:
                continue
            evaluations, accuracy, _errors = self._curve(slope.series, slope.condition)
            name, number = f"{slope.series} {slope.condition:g}", self._number(slope.condition)
            curve = evaluations, accuracy, self._rows
            self.plot.draw_line(f"{name} fitted", *fitted_line(slope, *curve), number)
            self.plot.draw_line(f"{name} theory", *theory_line(slope, *curve), _THEORY, "dashed")
        self.slopes.show_cells(slope_cells(result.slopes))
        self.costs.show_cells(*cost_cells(result.costs))
        self.duel.show_cells(*duel_cells(result.duels))
        self._show_tables(True)

    def _ended(self) -> None:
        self._settle()
        self.state.emit("Ready", "" if self.result is not None or not self.seen else _STOPPED, False)

    def _failed(self, error: Exception) -> None:
        self.failed.emit(error)

    def _settle(self) -> None:
        self.button.setText("Stop" if self.slot.busy else "Measure")
        self.conditions.setEnabled(not self.slot.busy)
        self.copy_button.setEnabled(self.result is not None)
        self.save_button.setEnabled(bool(self.seen) and not self.slot.busy)

    def _legends(self, conditions: Sequence[float] = ()) -> None:
        parts = [f"<span style='color:{theme.series_text(n)}'>k = {k:g}</span>" for n, k in enumerate(conditions)]
        self.plot.say(" · ".join(parts))
        rules = [f"<span style='color:{theme.series_text(n)}'>{name}</span>" for name, n in _DUEL.values()]
        self._duel_title.setText(f"{' against '.join(rules)} on |x'θ - y|^γ with noise on every gradient")
        self._shown_conditions = tuple(conditions)

    # -- taking it away

    def text(self) -> str:
        """All tables as tab-separated text, one below the other."""
        return "\n\n".join(table.text() for table in (self.slopes, self.costs, self.duel))

    def copy(self) -> None:
        """Put all tables on the clipboard."""
        if self.result is not None:
            QGuiApplication.clipboard().setText(self.text())
            self.said.emit("The tables are on the clipboard.", "info")

    def ask(self) -> None:
        """Choose where the points and the tables are written."""
        start = str(Path(self.folder) / "convergence.csv")
        path, _kind = QFileDialog.getSaveFileName(self.window(), "Save as CSV", start, "Table (*.csv)")
        if path:
            target = Path(path)
            self.folder = str(target.parent)
            self.save(target if target.suffix else target.with_suffix(".csv"))

    def save(self, path: Path) -> None:
        """Write the points there, and each table beside it, in the background."""
        points, result = tuple(self.seen), self.result
        tables = (result.slopes, result.costs, result.duels) if result is not None else ((), (), ())
        self.saving.start(lambda: writing(path, points, *tables), f"Save {path.name}")

    def _written(self, paths: list[Path]) -> None:
        names = ", ".join(path.name for path in paths)
        self.said.emit(f"{names}: written, in {paths[0].parent}.", "info")

    def restyle(self) -> None:
        """Take on the colours of the theme."""
        self.close_button.setIcon(theme.icon("close"))
        for plot in (self.plot, *self.duels.values()):
            plot.restyle()
        self._legends(self._shown_conditions)
        for table in (self.slopes, self.costs, self.duel):
            table.viewport().update()

    def keyPressEvent(self, event: QKeyEvent) -> None:
        if event.matches(QKeySequence.StandardKey.Copy):
            self.copy()
        elif event.key() == Qt.Key.Key_Escape:
            self.closed.emit()
        else:
            super().keyPressEvent(event)


def conditions_of(text: str) -> tuple[float, ...]:
    """Numbers with commas or spaces between them.

    Raises:
        SightlineError: there is none, or a word among them.
    """
    try:
        found = tuple(dict.fromkeys(float(word) for word in text.replace(",", " ").replace(";", " ").split()))
    except ValueError:
        found = ()
    if not found:
        raise SightlineError("Condition numbers are numbers with commas between them: give such as 5, 15, 50.")
    return found
