"""The strip of the page Optimize: the ranking on the left; curves on the test part, check and lessons on the right."""

from collections.abc import Sequence
from typing import Any

from PySide6.QtCore import Qt, Signal
from PySide6.QtWidgets import QHBoxLayout, QLabel, QSizePolicy, QStackedWidget, QVBoxLayout, QWidget

from gui.confusion import ConfusionView
from gui.curves import RateCurves
from gui.form import choice
from gui.optimizers_check import GradientCheckPanel
from gui.optimizers_lesson import OptimizerLessons
from gui.optimizers_parts import Entry
from gui.optimizers_table import RankingTable

PANELS = ("Precision and recall", "ROC", "Confusion", "Gradient check", "Lessons")
_CLASSES = PANELS[:3]


class OptimizersStrip(QWidget):
    """Fills the strip.

    Attributes:
        classes: names of the problem's classes, () for a number.
        looks: how good the models are, by contender; see `engine.learning.watching.Judged`.

    Signals:
        panel_changed(str): another panel was chosen, of `PANELS`.
    """

    panel_changed = Signal(str)

    def __init__(self, strip: QHBoxLayout, panel: str) -> None:
        super().__init__()
        self.table = RankingTable()
        left = QWidget()
        left.setObjectName("stripCell")
        left.setAttribute(Qt.WidgetAttribute.WA_StyledBackground)
        column = QVBoxLayout(left)
        column.setContentsMargins(8, 4, 8, 4)
        column.addWidget(self.table)
        right = QWidget()
        column = QVBoxLayout(right)
        column.setContentsMargins(8, 6, 8, 4)
        column.setSpacing(2)
        top = QHBoxLayout()
        self.choice = choice("Panel", PANELS, PANELS, panel, "What is shown here")
        self.choice.setObjectName("small")
        self.choice.setFixedWidth(160)
        self.about = QLabel()
        self.about.setObjectName("quiet")
        # a long word does not push the ranking aside
        self.about.setSizePolicy(QSizePolicy.Policy.Ignored, QSizePolicy.Policy.Preferred)
        top.addWidget(self.choice)
        top.addWidget(self.about, 1)
        column.addLayout(top)
        self.stack = QStackedWidget()
        column.addWidget(self.stack, 1)
        self.pr = RateCurves("", "recall", "precision")
        self.roc = RateCurves("", "false positive rate", "true positive rate", chance=True)
        self.confusion = ConfusionView()
        self.check = GradientCheckPanel()
        self.lessons = OptimizerLessons()
        for widget in (self.pr, self.roc, self.confusion, self.check, self.lessons):
            self.stack.addWidget(widget)
        self.nothing = QLabel()
        self.nothing.setObjectName("quiet")
        self.nothing.setWordWrap(True)
        self.nothing.setAlignment(Qt.AlignmentFlag.AlignCenter)
        self.stack.addWidget(self.nothing)
        self.choice.currentIndexChanged.connect(lambda _i: self._chosen())
        strip.addWidget(left, 19)
        strip.addWidget(right, 10)
        self.looks: dict[int, Any] = {}
        self._entries: list[Entry] = []
        self.classes: tuple[str, ...] = ()
        self._chosen_entry = 0
        self._drawn: set[str] = set()
        self._chosen(tell=False)

    @property
    def panel(self) -> str:
        """Which panel is shown."""
        return str(self.choice.currentData())

    def show_panel(self, panel: str) -> None:
        """Bring a panel to the front."""
        self.choice.setCurrentIndex(self.choice.findData(panel))

    def _chosen(self, *, tell: bool = True) -> None:
        self._show()
        if tell:
            self.panel_changed.emit(self.panel)

    def set_problem(self, classes: Sequence[str]) -> None:
        """Another problem, with these classes; () where its label is a number, or where it has none."""
        self.classes = tuple(classes)
        self.looks = {}
        self.pr.clear()
        self.roc.clear()
        self._show()

    def show_judged(self, looks: dict[int, Any], entries: Sequence[Entry], chosen: int) -> None:
        """How good the models are now, by contender; of more than two classes the chosen one's classes are drawn."""
        self.looks, self._entries, self._chosen_entry = looks, list(entries), chosen
        self._show()

    def _show(self) -> None:
        panel = self.panel
        if panel in _CLASSES and len(self.classes) < 2:
            self.nothing.setText("This is drawn for problems that tell classes apart.")
            self.stack.setCurrentWidget(self.nothing)
            self.about.setText("")
            return
        place = PANELS.index(panel)
        self.stack.setCurrentIndex(place)
        self.about.setText("test part" if panel in _CLASSES else "")
        if panel == "Confusion":
            look = self.looks.get(self._chosen_entry)
            self.confusion.show_counts(None if look is None else look.confusion, self.classes)
            if look is not None and self._chosen_entry < len(self._entries):
                self.about.setText(f"test part · {self._entries[self._chosen_entry].name}")
        elif panel in ("Precision and recall", "ROC"):
            self._draw(self.pr if panel != "ROC" else self.roc, "roc" if panel == "ROC" else "pr")

    def _draw(self, curves: RateCurves, field: str) -> None:
        drawn = set()
        if len(self.classes) == 2:
            for number, look in self.looks.items():
                found = getattr(look, field) or {}
                if number < len(self._entries) and self._entries[number].on:
                    for x, y in found.values():
                        name = f"{number} {self._entries[number].name}"
                        curves.draw(name, x, y, self._entries[number].number)
                        drawn.add(name)
        else:
            look = self.looks.get(self._chosen_entry)
            for number, (name, (x, y)) in enumerate(((getattr(look, field, None) or {}) if look else {}).items()):
                curves.draw(name, x, y, number)
                drawn.add(name)
            if look is not None and self._chosen_entry < len(self._entries):
                self.about.setText(f"test part · {self._entries[self._chosen_entry].name}, each class against the rest")
        curves.keep(drawn)

    def restyle(self) -> None:
        """Take on the colours of the theme."""
        for widget in (self.pr, self.roc, self.check, self.lessons):
            widget.restyle()
        self.confusion.update()
        self.table.viewport().update()
