"""Explain's strip: how far the maps can be trusted on the left; table, lesson, layers and pictures on the right."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from PySide6.QtCore import QSize, Qt, Signal
from PySide6.QtGui import QColor, QGuiApplication, QKeySequence
from PySide6.QtWidgets import (
    QAbstractItemView,
    QHBoxLayout,
    QHeaderView,
    QLabel,
    QPushButton,
    QScrollArea,
    QStackedWidget,
    QTableWidget,
    QTableWidgetItem,
    QVBoxLayout,
    QWidget,
)

from gui import theme
from gui.chips import FlowLayout
from gui.curves import ShareCurves
from gui.saliency_lesson import LessonPanel
from gui.swatch import Swatch
from gui.thumbnails import ThumbnailList, Thumbnails

COLUMNS = ("Map", "insertion", "deletion", "noise", "sanity", "hit")
TIPS = (
    "The method and the class",
    "Area under the probability while the pixels are put in, best first: higher is better",
    "Area under the probability while the pixels are taken out, best first: lower is better",
    "How much the map changes under a little noise: lower is steadier",
    "Whether the map changes when the network's weights are randomised, as it must",
    "Whether the peak lies in the box that was drawn (the pointing game)",
)
HINT = "Measure how far the maps can be trusted: their pixels are put in and taken out, best first."


@dataclass(frozen=True, slots=True)
class TrustRow:
    """One line of the table; None where it was not measured.

    Attributes:
        name: of the map.
        number: of its colour; -1 is quiet.
        insertion, deletion, noise: as in `COLUMNS`.
        sanity: "passes", "fails" or "".
        hit: "yes", "no" or "".
        tip: what more there is to say.
    """

    name: str
    number: int
    insertion: float | None = None
    deletion: float | None = None
    noise: float | None = None
    sanity: str = ""
    hit: str = ""
    tip: str = ""

    def cells(self) -> list[str]:
        """The words of the line."""
        numbers = [_number(self.insertion), _number(self.deletion), _number(self.noise)]
        return [self.name, *numbers, self.sanity, self.hit]


def _number(value: float | None) -> str:
    if value is None:
        return ""
    text = f"{value:.2f}"
    return text[1:] if 0 <= value < 1 and text.startswith("0") else text


class TrustTable(QTableWidget):
    """The measures of each map, a line each.

    Signals:
        row_chosen(int): the line that was pressed.
    """

    row_chosen = Signal(int)

    def __init__(self) -> None:
        super().__init__(0, len(COLUMNS))
        self.setAccessibleName("How far the maps can be trusted")
        self.setHorizontalHeaderLabels(list(COLUMNS))
        self.verticalHeader().hide()
        self.verticalHeader().setDefaultSectionSize(22)
        self.setShowGrid(False)
        self.setEditTriggers(QAbstractItemView.EditTrigger.NoEditTriggers)
        self.setSelectionBehavior(QAbstractItemView.SelectionBehavior.SelectRows)
        self.setSelectionMode(QAbstractItemView.SelectionMode.SingleSelection)
        self.setHorizontalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOff)
        head = self.horizontalHeader()
        head.setHighlightSections(False)
        head.setSectionResizeMode(QHeaderView.ResizeMode.ResizeToContents)
        head.setSectionResizeMode(0, QHeaderView.ResizeMode.Stretch)
        for column, tip in enumerate(TIPS):
            item = self.horizontalHeaderItem(column)
            assert item is not None
            item.setToolTip(tip)
            side = Qt.AlignmentFlag.AlignLeft if column == 0 else Qt.AlignmentFlag.AlignRight
            item.setTextAlignment(side | Qt.AlignmentFlag.AlignVCenter)
        self.rows: list[TrustRow] = []
        self.cellClicked.connect(lambda row, _column: self.row_chosen.emit(row))

    def show_rows(self, rows: Sequence[TrustRow]) -> None:
        """Show these lines."""
        self.rows = list(rows)
        self.setRowCount(len(rows))
        for number, row in enumerate(rows):
            for column, text in enumerate(row.cells()):
                item = QTableWidgetItem(text)
                side = Qt.AlignmentFlag.AlignLeft if column == 0 else Qt.AlignmentFlag.AlignRight
                item.setTextAlignment(side | Qt.AlignmentFlag.AlignVCenter)
                if row.tip:
                    item.setToolTip(row.tip)
                self.setItem(number, column, item)
        used = [any(row.cells()[column] for row in rows) for column in range(len(COLUMNS))]
        for column in range(3, len(COLUMNS)):
            self.setColumnHidden(column, not used[column])
        self.restyle()

    def restyle(self) -> None:
        """Take on the colours of the theme."""
        now = theme.current()
        for number, row in enumerate(self.rows):
            for column in range(len(COLUMNS)):
                item = self.item(number, column)
                if item is None:
                    continue
                colour = now.text if row.number >= 0 else now.quiet
                if column == 0 and row.number >= 0:
                    colour = theme.series_text(row.number)
                if item.text() in ("fails", "no"):
                    colour = now.danger
                item.setForeground(QColor(colour))

    def text(self) -> str:
        """The table as text, for the clipboard."""
        return "\n".join("\t".join(cells) for cells in [list(COLUMNS), *(row.cells() for row in self.rows)])

    def keyPressEvent(self, event: Any) -> None:
        if event.matches(QKeySequence.StandardKey.Copy):
            QGuiApplication.clipboard().setText(self.text())
        else:
            super().keyPressEvent(event)


class LayersPanel(QWidget):
    """A preview of the map at every layer that could be looked at; press one to take it.

    Signals:
        chosen(str): a layer's name.
        wanted(): the previews are to be made.
    """

    chosen = Signal(str)
    wanted = Signal()

    def __init__(self) -> None:
        super().__init__()
        column = QVBoxLayout(self)
        column.setContentsMargins(0, 0, 0, 0)
        self.scroll = QScrollArea()
        self.scroll.setWidgetResizable(True)
        self._inside = QWidget()
        self._flow = FlowLayout(8)
        self._inside.setLayout(self._flow)
        self.scroll.setWidget(self._inside)
        column.addWidget(self.scroll)
        self.swatches: dict[str, Swatch] = {}

    def clear(self) -> None:
        """Another picture or network."""
        while (item := self._flow.takeAt(0)) is not None:
            widget = item.widget()
            if widget is not None:
                widget.hide()
                widget.deleteLater()
        self.swatches = {}

    def show_previews(self, previews: dict[str, Any], kinds: dict[str, str]) -> None:
        """Show (h, w, 4) uint8 BGRA pictures by layer, last layer first."""
        self.clear()
        for name in reversed(list(previews)):
            swatch = Swatch(QSize(56, 56), f"Layer {name}")
            swatch.show_pixels(
                previews[name],
                name if len(name) < 9 else f"…{name[-7:]}",
                f"{name}, {kinds.get(name, '')}: press to look at it",
                1.0,
            )
            swatch.clicked.connect(lambda name=name: self.chosen.emit(name))
            self._flow.addWidget(swatch)
            self.swatches[name] = swatch

    def showEvent(self, event: Any) -> None:
        super().showEvent(event)
        if not self.swatches:
            self.wanted.emit()


class SaliencyStrip:
    """Fills the strip.

    Attributes:
        curves: insertion and deletion.
        measure: the button that measures them.
        table, lesson, layers, pictures: the panels on the right.
    """

    def __init__(self, strip: QHBoxLayout, thumbnails: Thumbnails) -> None:
        self.curves = ShareCurves("Probability: put in (—), taken out (- -), best first", "share of the pixels", "")
        self.curves.setMinimumWidth(200)
        self.measure = QPushButton("Measure")
        self.measure.setAccessibleName("Measure how far the maps can be trusted")
        self.measure.setToolTip(f"{HINT} (M)")
        self.hint = QLabel(HINT)
        self.hint.setObjectName("quiet")
        self.hint.setWordWrap(True)
        self._left = QStackedWidget()
        empty = QWidget()
        column = QVBoxLayout(empty)
        column.setContentsMargins(12, 8, 12, 8)
        column.setSpacing(8)
        name = QLabel("Can it be trusted")
        name.setObjectName("plotTitle")
        column.addWidget(name)
        column.addWidget(self.hint)
        column.addWidget(self.measure, 0, Qt.AlignmentFlag.AlignLeft)
        column.addStretch(1)
        self.similar = ShareCurves("Similarity with the first map", "weights randomised, from the top down", "")
        self._left.addWidget(empty)
        self._left.addWidget(self._plots())
        self.table, self.lesson, self.layers = TrustTable(), LessonPanel(), LayersPanel()
        self.pictures = ThumbnailList("Pictures", thumbnails, QSize(72, 54))
        self._panels = QStackedWidget()
        self._tab_row = QHBoxLayout()
        self._tab_row.setContentsMargins(12, 6, 12, 0)
        self._tab_row.setSpacing(4)
        self._tab_row.addStretch(1)
        right = QWidget()
        column = QVBoxLayout(right)
        column.setContentsMargins(0, 0, 0, 0)
        column.setSpacing(2)
        column.addLayout(self._tab_row)
        column.addWidget(self._panels, 1)
        panels = (("Trust", self.table), ("Lesson", self.lesson), ("Layers", self.layers), ("Pictures", self.pictures))
        self.tabs = {title: self._add(title, panel) for title, panel in panels}
        self.tabs["Pictures"].hide()
        for widget, stretch in ((self._left, 1), (right, 1)):
            cell = QWidget()
            cell.setObjectName("stripCell")
            inside = QVBoxLayout(cell)
            inside.setContentsMargins(0, 0, 0, 0)
            inside.addWidget(widget)
            strip.addWidget(cell, stretch)
        self.show_panel("Lesson")

    def _plots(self) -> QWidget:
        """Both plots, and small tabs to choose between them."""
        whole = QWidget()
        column = QVBoxLayout(whole)
        column.setContentsMargins(0, 0, 0, 0)
        column.setSpacing(0)
        row = QHBoxLayout()
        row.setContentsMargins(12, 6, 12, 0)
        row.setSpacing(4)
        plots = QStackedWidget()
        self.plot_tabs: dict[str, QPushButton] = {}
        tips = (
            "The class's probability while the pixels are put in and taken out, best first",
            "How alike the map stays while the network's weights are randomised: it must change",
        )
        for title, plot, tip in zip(("Pixels", "Weights"), (self.curves, self.similar), tips, strict=True):
            tab = QPushButton(title)
            tab.setProperty("chip", True)
            tab.setCheckable(True)
            tab.setAutoExclusive(True)
            tab.setChecked(not self.plot_tabs)
            tab.setToolTip(tip)
            tab.setAccessibleName(f"Plot: {title}")
            tab.clicked.connect(lambda _c=False, plot=plot: plots.setCurrentWidget(plot))
            row.addWidget(tab)
            self.plot_tabs[title] = tab
            plots.addWidget(plot)
        row.addStretch(1)
        column.addLayout(row)
        column.addWidget(plots, 1)
        return whole

    def _add(self, title: str, panel: QWidget) -> QPushButton:
        tab = QPushButton(title)
        tab.setProperty("chip", True)
        tab.setCheckable(True)
        tab.setAutoExclusive(True)
        tab.setAccessibleName(f"Show in the strip: {title}")
        tab.clicked.connect(lambda _c=False: self._panels.setCurrentIndex(place))
        self._tab_row.insertWidget(self._tab_row.count() - 1, tab)
        inside = QWidget()
        column = QVBoxLayout(inside)
        column.setContentsMargins(12, 0, 12, 4)
        column.addWidget(panel)
        place = self._panels.addWidget(inside)
        return tab

    def show_panel(self, title: str) -> None:
        """Bring a panel to the front."""
        tab = self.tabs[title]
        tab.show()
        tab.setChecked(True)
        self._panels.setCurrentIndex(list(self.tabs).index(title))

    def panel(self) -> str:
        """Which panel is in front."""
        return list(self.tabs)[self._panels.currentIndex()]

    def clear_trust(self) -> None:
        """Nothing is measured any more."""
        self._left.setCurrentIndex(0)
        self.curves.clear()
        self.similar.clear()
        self.table.show_rows([])

    def show_curve(self, name: str, number: int, insertion: Any, deletion: Any) -> None:
        """The curves of one map: (n,) probabilities from none to all of the pixels; a number of -1 is quiet."""
        self._left.setCurrentIndex(1)
        for curve, kind, dashed in ((insertion, "in", False), (deletion, "out", True)):
            if curve is not None:
                y = np.asarray(curve, np.float64)
                x = np.linspace(0, 1, len(y))
                self.curves.draw_as(f"{name} {kind}", x, y, max(0, number), dashed=dashed, quiet=number < 0)

    def show_similarity(self, name: str, number: int, similarity: Any) -> None:
        """How alike one map stayed: (stages,) rank correlations, after 1 with all weights as they were."""
        y = np.clip(np.concatenate([[1.0], np.asarray(similarity, np.float64)]), 0, 1)
        self.similar.draw_as(name, np.linspace(0, 1, len(y)), y, number)

    def restyle(self) -> None:
        """Take on the colours of the theme."""
        self.curves.restyle()
        self.similar.restyle()
        self.table.restyle()
        self.lesson.restyle()
        for swatch in self.layers.swatches.values():
            swatch.update()
        self.pictures.viewport().update()
