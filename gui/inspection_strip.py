"""Inspect's strip: the pictures on the left, why a spot is abnormal on the right; room for more panels on the left."""

from PySide6.QtWidgets import QHBoxLayout, QPushButton, QStackedWidget, QVBoxLayout, QWidget

from gui.inspection_list import PicturesPanel
from gui.inspection_why import WhyPanel
from gui.thumbnails import Thumbnails


class InspectionStrip:
    """Fills the strip.

    Attributes:
        pictures: the list of the set's pictures.
        why: the nearest good patches.
    """

    def __init__(self, strip: QHBoxLayout, thumbnails: Thumbnails, order: str) -> None:
        self.pictures = PicturesPanel(thumbnails, order)
        self.why = WhyPanel()
        self._panels = QStackedWidget()
        self._tabs = QWidget()
        self._tab_row = QHBoxLayout(self._tabs)
        self._tab_row.setContentsMargins(12, 6, 12, 0)
        self._tab_row.setSpacing(4)
        self._tab_row.addStretch(1)
        self._tabs.hide()
        left = QWidget()
        column = QVBoxLayout(left)
        column.setContentsMargins(0, 0, 0, 0)
        column.setSpacing(0)
        column.addWidget(self._tabs)
        column.addWidget(self._panels, 1)
        self.add_panel("Pictures", self.pictures)
        for widget, stretch in ((left, 3), (self.why, 2)):
            cell = QWidget()
            cell.setObjectName("stripCell")
            inside = QVBoxLayout(cell)
            inside.setContentsMargins(0, 0, 0, 0)
            inside.addWidget(widget)
            strip.addWidget(cell, stretch)

    def add_panel(self, title: str, panel: QWidget) -> QPushButton:
        """Another panel in the left part; from the second on there are small tabs to choose between them."""
        tab = QPushButton(title)
        tab.setProperty("chip", True)
        tab.setCheckable(True)
        tab.setAutoExclusive(True)
        tab.setChecked(self._panels.count() == 0)
        tab.setAccessibleName(f"Show in the strip: {title}")
        tab.clicked.connect(lambda _c=False: self._panels.setCurrentWidget(panel))
        self._tab_row.insertWidget(self._tab_row.count() - 1, tab)
        self._panels.addWidget(panel)
        self._tabs.setVisible(self._panels.count() > 1)
        return tab

    def restyle(self) -> None:
        """Take on the colours of the theme."""
        self.pictures.list.viewport().update()
        for swatch in self.why.swatches:
            swatch.update()
