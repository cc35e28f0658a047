"""What else the page Optimize computes: the search, convergence, the baseline, the gradient check, a look back."""

from typing import TYPE_CHECKING, Any

import numpy as np
from PySide6.QtCore import QObject

from engine.learning.build import Built
from engine.learning.neighbours import Baseline, baseline
from engine.optimizers.run import Run
from gui.actions import action
from gui.job import JobSlot

if TYPE_CHECKING:
    from gui.optimizers_page import OptimizersPage


class OptimizersViews(QObject):
    """The views that take the place of the curves, and small jobs beside the race."""

    def __init__(self, page: "OptimizersPage") -> None:
        super().__init__(page)
        self.page = page
        self._search: Any = None
        self._convergence: Any = None
        self.neighbours, self.back, self.ready = JobSlot(self), JobSlot(self), JobSlot(self)
        self.neighbours.returned.connect(self._baseline)
        self.neighbours.notice.connect(lambda notice: page.said.emit(notice.text, "info"))
        self.back.returned.connect(self._looked_back)
        for slot in (self.neighbours, self.back, self.ready):
            slot.failed.connect(page.failed)
        page.strip_view.check.failed.connect(page.failed)
        page.strip_view.lessons.failed.connect(page.failed)
        page.strip_view.check.where = self._where
        self._number = 0
        self.actions = [
            action(self, "Search …", self.search, "Ctrl+F"),
            action(self, "Convergence, measured …", self.convergence),
            action(self, "Lessons", lambda: page.strip_view.show_panel("Lessons"), "Alt+L"),
        ]

    def prepare(self) -> None:
        """Have torch.optim imported before the first race waits for it."""
        from engine.optimizers.twin import prepare

        self.ready.start(prepare, "Getting torch.optim ready")

    # -- in the place of the curves

    def search(self) -> None:
        """Look for settings that learn best."""
        page = self.page
        row = page.row_list.current
        if row is None:
            page.said.emit("Add a rule first: its settings are searched for.", "info")
            return
        if self._search is None:
            from gui.optimizers_search import SearchView

            view = self._search = SearchView()
            view.chosen.connect(page.take_found)
            self._listen(view)
        page.runner.pause()
        self._search.begin(page.setup, row.contender, min(1000, page.race_choices.steps), 3)
        self._bring(self._search)

    def convergence(self) -> None:
        """What theory says of gradient descent and SGD, measured."""
        if self._convergence is None:
            from gui.optimizers_convergence import ConvergenceView

            self._convergence = ConvergenceView()
            self._listen(self._convergence)
        self.page.runner.pause()
        self._bring(self._convergence)

    def _listen(self, view: Any) -> None:
        page = self.page
        view.closed.connect(self.close)
        view.failed.connect(page.failed)
        view.state.connect(page.state)
        view.said.connect(page.said)

    def _bring(self, view: Any) -> None:
        self.page.stage.bring(view)
        self.page.transport.hide()
        view.setFocus()

    def close(self) -> None:
        """Back to the race."""
        self.page.stage.bring(None)
        self.page.transport.show()
        self.page.say()

    def escape(self) -> None:
        """Escape was pressed: the search may have something to leave first."""
        view = self.page.stage.stack.currentWidget()
        view.escape() if hasattr(view, "escape") else self.close()

    # -- beside the race

    def opened(self, built: Built) -> None:
        """Another problem: its baseline is told, and its gradient can be checked."""
        self.page.strip_view.table.rows.baseline = None
        self.page.strip_view.check.clear()
        metric = self.page.race_choices.baseline
        table = built.table
        if table is not None and metric != "none":
            self.neighbours.start(lambda: baseline(table, metric), "Nearest neighbours")
        else:
            self.neighbours.cancel()
        self.panel_shown(self.page.strip_view.panel)

    def _baseline(self, found: Baseline) -> None:
        if found.figures is not None:
            self.page.strip_view.table.rows.baseline = (f"kNN, k = {found.k}", found.figures)
            self.page.table_grown()

    def panel_shown(self, panel: str) -> None:
        """A panel of the strip is in front."""
        page = self.page
        if panel == "Gradient check" and (where := self._where()) is not None:
            page.strip_view.check.check(*where)
        elif panel == "Lessons" and page.row_list.current is not None:
            page.strip_view.lessons.show_lesson(page.row_list.current.contender.key)

    def _where(self) -> tuple[Any, np.ndarray] | None:
        """The problem, and where the chosen contender is: there the gradient is checked."""
        built, page = self.page.runner.built, self.page
        if built is None:
            return None
        theta = page.entries[page.chosen_entry].theta if page.entries else None
        return built.problem, built.problem.start(1, 0)[0].numpy() if theta is None else theta[0]

    def look_back(self, run: Run, step: int, number: int) -> None:
        """The model of a run at an earlier step."""
        self._number = number
        self.back.start(lambda: run.fork(step), f"Going back to step {step:,}")

    def _looked_back(self, run: Run) -> None:
        theta: np.ndarray = run.answer()
        if self.page.looked is not None:
            self.page.planes.look_at(theta[0], self._number)

    def stop(self) -> None:
        """Stop what is under way."""
        for slot in (self.neighbours, self.back, self.ready):
            slot.cancel()
        for view in (self._search, self._convergence):
            if view is not None:
                view.leave()

    def restyle(self) -> None:
        """Take on the colours of the theme."""
        for view in (self._search, self._convergence):
            if view is not None:
                view.restyle()
