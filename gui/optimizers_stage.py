"""The large place of the page Optimize: the network, the curves, and beside them the planes."""

from collections.abc import Sequence
from dataclasses import replace

from PySide6.QtCore import QSize, Qt, Signal
from PySide6.QtGui import QAction, QActionGroup
from PySide6.QtWidgets import QMenu, QSplitter, QStackedWidget, QToolButton, QVBoxLayout, QWidget

from engine.optimizers.thinned import AXES, QUANTITIES
from gui import theme
from gui.curves_race import RacePlot
from gui.curves_race_parts import AXIS_WORDS, QUANTITY_WORDS, PlotChoices
from gui.network_view import NetworkView
from gui.plane_view import PlaneView

BANDS = ((1.0, "± 1 standard error"), (2.5, "± 2.5 standard errors"), (0.0, "No band"))
SIDE = 250


class PlotMenu(QToolButton):
    """What the curves show, as "log · by step": a menu.

    Signals:
        changed(PlotChoices): something was chosen.
    """

    changed = Signal(object)

    def __init__(self, choices: PlotChoices) -> None:
        super().__init__()
        self.choices = choices
        self.setObjectName("plotMenu")
        self.setToolTip("What is drawn, and how")
        self.setPopupMode(QToolButton.ToolButtonPopupMode.InstantPopup)
        self.setToolButtonStyle(Qt.ToolButtonStyle.ToolButtonTextOnly)
        menu = QMenu(self)
        self._groups: list[QActionGroup] = []
        self._group(menu, "quantity", tuple(zip(QUANTITIES, QUANTITY_WORDS, strict=True)))
        self._group(menu, "axis", tuple(zip(AXES, (word.capitalize() for word in AXIS_WORDS), strict=True)))
        self.log_y = self._switch(menu, "Logarithmic upwards", "log_y")
        self.log_x = self._switch(menu, "Logarithmic across", "log_x")
        menu.addSeparator()
        self._group(menu, "band", BANDS)
        self.smooth = self._switch(menu, "Smooth the noise of batches", "smooth")
        self.twin = self._switch(menu, "torch.optim as a dotted line", "twin")
        self.setMenu(menu)
        self.say()

    def _group(self, menu: QMenu, field: str, options: Sequence[tuple[object, str]]) -> None:
        group = QActionGroup(menu)
        for value, word in options:
            one = group.addAction(word)
            one.setData((field, value))
            one.setCheckable(True)
            one.setChecked(value == getattr(self.choices, field))
            one.triggered.connect(lambda _c=False, value=value: self.choose(**{field: value}))
            menu.addAction(one)
        menu.addSeparator()
        self._groups.append(group)

    def _switch(self, menu: QMenu, word: str, field: str) -> QAction:
        one = menu.addAction(word)
        one.setCheckable(True)
        one.setChecked(getattr(self.choices, field))
        one.toggled.connect(lambda on: self.choose(**{field: on}))
        return one

    def choose(self, **changes: object) -> None:
        """Choose something."""
        self.choices = replace(self.choices, **changes)
        self.say()
        self.changed.emit(self.choices)

    def say(self) -> None:
        """What is chosen, in short."""
        for group in self._groups:
            for one in group.actions():
                field, value = one.data()
                one.setChecked(getattr(self.choices, field) == value)
        scale = {(True, True): "log-log", (True, False): "log", (False, True): "log across", (False, False): "linear"}
        axis = AXIS_WORDS[AXES.index(self.choices.axis)]
        self.setText(f"{scale[self.choices.log_y, self.choices.log_x]} · {axis} ▾")
        self.setAccessibleName(f"How the curves are drawn: {self.text()}")


class Stage(QWidget):
    """Network and curves on the left, decision boundary and paths on the right; or another view instead.

    Attributes:
        network, plot: on the left; the network is there for networks alone.
        boundary, paths: on the right; the boundary is there for data of two numbers.
    """

    def __init__(self, choices: PlotChoices) -> None:
        super().__init__()
        self.setAutoFillBackground(False)
        self.plot = RacePlot(choices)
        self.menu = PlotMenu(choices)
        self.plot.corner.addWidget(self.menu)
        self.network = NetworkView()
        self.boundary = PlaneView("Decision boundary", "What the model says is drawn here while it learns.")
        self.paths = PlaneView("Paths over the loss", "The paths are drawn here while a race runs.")
        left = QSplitter(Qt.Orientation.Vertical)
        left.setChildrenCollapsible(False)
        left.setHandleWidth(1)
        left.addWidget(self.network)
        left.addWidget(self.plot)
        left.setStretchFactor(0, 1)
        left.setStretchFactor(1, 1)
        right = QSplitter(Qt.Orientation.Vertical)
        right.setChildrenCollapsible(False)
        right.setHandleWidth(1)
        right.addWidget(self.boundary)
        right.addWidget(self.paths)
        self.split = QSplitter(Qt.Orientation.Horizontal)
        self.split.setChildrenCollapsible(False)
        self.split.setHandleWidth(1)
        self.split.addWidget(left)
        self.split.addWidget(right)
        self.split.setStretchFactor(0, 5)
        self.split.setStretchFactor(1, 2)
        self.split.setSizes([660, SIDE])
        self.stack = QStackedWidget()
        self.stack.addWidget(self.split)
        column = QVBoxLayout(self)
        column.setContentsMargins(0, 0, 0, 0)
        column.addWidget(self.stack)
        self.arrange(network=False, plane=False)

    def sizeHint(self) -> QSize:
        return QSize(920, 536)

    def arrange(self, *, network: bool, plane: bool) -> None:
        """Show what a problem has."""
        self.network.setVisible(network)
        self.boundary.setVisible(plane)

    def bring(self, view: QWidget | None) -> None:
        """Show another view instead; None comes back to the race."""
        if view is not None and self.stack.indexOf(view) < 0:
            self.stack.addWidget(view)
        self.stack.setCurrentWidget(view or self.split)

    @property
    def racing(self) -> bool:
        """Whether the race is what is seen."""
        return self.stack.currentWidget() is self.split

    def restyle(self) -> None:
        """Take on the colours of the theme."""
        for view in (self.plot, self.network, self.boundary, self.paths):
            view.restyle()
        self.setStyleSheet(f"Stage {{ background: {theme.current().picture}; }}")
