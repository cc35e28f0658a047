"""The contenders of the form: added, copied, renamed, removed, taken back; the chosen one's settings below."""

import itertools
from dataclasses import replace
from typing import TYPE_CHECKING

from PySide6.QtCore import QObject, QPoint, Qt, QTimer
from PySide6.QtWidgets import QHBoxLayout, QInputDialog, QMenu, QPushButton, QWidget

from engine.learning.examples import usual_contenders
from engine.optimizers.contenders import Contender
from engine.optimizers.rules import RULES
from gui.form import Group
from gui.optimizers_contender_form import ContenderForm
from gui.optimizers_contenders import ContenderList
from gui.optimizers_parts import Row, numbered

if TYPE_CHECKING:
    from gui.optimizers_page import OptimizersPage

_UNDONE = 50


class OptimizersRows(QObject):
    """The group of contenders and the form of the chosen one."""

    def __init__(self, page: "OptimizersPage") -> None:
        super().__init__(page)
        self.page = page
        self.rows: list[Row] = []
        self.chosen = 0
        self._undo: list[tuple[list[Row], int]] = []
        self.group = Group("Contenders")
        self.list = ContenderList()
        self.group.add(self.list)
        buttons = QWidget()
        line = QHBoxLayout(buttons)
        line.setContentsMargins(0, 0, 0, 0)
        self.add = QPushButton("+ Rule")
        self.add.setAccessibleName("Add a rule")
        self.add.setToolTip("Another contender")
        self.menu = QMenu(self.add)
        for key, rule in RULES.items():
            one = self.menu.addAction(rule.title)
            one.setToolTip(rule.idea)
            one.triggered.connect(lambda _c=False, key=key: self.add_rule(key))
        self.menu.setToolTipsVisible(True)
        self.add.setMenu(self.menu)
        self.search = QPushButton("Search …")
        self.search.setToolTip("Look for settings that learn best")
        self.search.clicked.connect(page.show_search)
        line.addWidget(self.add)
        line.addStretch(1)
        line.addWidget(self.search)
        self.group.add(buttons)
        self.form = ContenderForm()
        self.list.chosen.connect(self.choose)
        self.list.toggled.connect(self.toggle)
        self.list.asked.connect(self._asked)
        self.form.changed.connect(self.change)

    # -- what there is

    def set_contenders(self, contenders: tuple[Contender, ...]) -> None:
        """Show these instead."""
        self._remember()
        self.rows = [Row(one) for one in contenders]
        self.chosen = 0
        self.show()

    def racing(self) -> list[Row]:
        """Those that take part."""
        return [row for row in self.rows if row.on]

    def usual(self, problem: str) -> bool:
        """Whether they are what is usual for a problem, so that nobody misses them."""
        return tuple(row.contender for row in self.rows) == usual_contenders(problem) and all(r.on for r in self.rows)

    @property
    def current(self) -> Row | None:
        """The chosen one."""
        return self.rows[self.chosen] if self.chosen < len(self.rows) else None

    def show(self) -> None:
        """Draw everything as it is now."""
        self.chosen = min(self.chosen, max(0, len(self.rows) - 1))
        self.list.show_rows(self.rows, self.chosen)
        row = self.current
        self.form.setVisible(row is not None)
        QTimer.singleShot(0, self, self._order_tabs)
        if row is not None:
            self.form.show_contender(row.contender, self.page.race_choices.steps, self.page.data_rows)

    def _order_tabs(self) -> None:
        """Tab goes down the form as it is seen, whenever its controls were made."""
        inside = self.page.form.widget()
        stops = [
            widget for widget in inside.findChildren(QWidget)
            if widget.focusPolicy() & Qt.FocusPolicy.TabFocus and widget.isVisible()
        ]  # fmt: skip
        places = {widget: widget.mapTo(inside, QPoint(0, 0)) for widget in stops}
        stops.sort(key=lambda widget: (places[widget].y(), places[widget].x()))
        for before, after in itertools.pairwise(stops):
            QWidget.setTabOrder(before, after)

    # -- what is done

    def choose(self, number: int) -> None:
        """Show the settings of this one; its model and its lesson too."""
        self.chosen = number
        self.show()
        self.page.contender_chosen()

    def toggle(self, number: int) -> None:
        """Let one race, or no longer; its curve is drawn or not."""
        row = self.rows[number]
        row.on = not row.on
        self.show()
        self.page.row_toggled(row)

    def change(self, contender: Contender) -> None:
        """The chosen one has other settings."""
        row = self.current
        if row is None:
            return
        row.contender = contender
        self.list.mark(self.chosen)
        self.page.row_changed(row)

    def add_contender(self, contender: Contender, *, below: int | None = None) -> Row:
        """One more, with a colour and a name of its own."""
        self._remember()
        row = Row(replace(contender, colour=numbered(self.rows), name=self._free(contender.name)))
        place = len(self.rows) if below is None else below + 1
        self.rows.insert(place, row)
        self.chosen = place
        self.show()
        self.page.row_added(row)
        return row

    def add_rule(self, key: str) -> None:
        """One more of a rule, with the rate that is usual for the problem and the batch of the others."""
        usual = next((one for one in usual_contenders(self.page.setup.problem) if one.key == key), None)
        made = usual or Contender(key)
        if self.rows and not made.rule.searches:
            made = replace(made, batch=self.rows[-1].contender.batch if self.page.data_rows else "all")
        self.add_contender(made)

    def _free(self, name: str) -> str:
        names = {row.contender.name for row in self.rows}
        if name not in names:
            return name
        base = name.rstrip("0123456789 ")
        return next(f"{base} {n}" for n in range(2, len(names) + 3) if f"{base} {n}" not in names)

    def _asked(self, number: int, what: str) -> None:
        row = self.rows[number]
        if what == "copy":
            self.add_contender(row.contender, below=number)
        elif what == "remove":
            self.remove(number)
        elif what == "rename":
            name, fine = QInputDialog.getText(self.list, "Rename", "Name", text=row.contender.name)
            if fine and name.strip():
                self.rename(number, name.strip())

    def rename(self, number: int, name: str) -> None:
        """Call one otherwise."""
        row = self.rows[number]
        row.contender = replace(row.contender, name=name[:80])
        self.show()
        self.page.row_changed(row)

    def remove(self, number: int) -> None:
        """Take one away; "Take back" brings it again."""
        self._remember()
        row = self.rows.pop(number)
        if number < self.chosen or self.chosen == len(self.rows):
            self.chosen = max(0, self.chosen - 1)
        self.show()
        self.page.row_removed(row)

    def _remember(self) -> None:
        if self.rows:
            self._undo.append((list(self.rows), self.chosen))
        del self._undo[:-_UNDONE]

    def undo(self) -> None:
        """Take the last change of the list back."""
        if self._undo:
            self.rows, self.chosen = self._undo.pop()
            self.show()
            self.page.rows_restored()
