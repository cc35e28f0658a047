"""The view Evaluate of Inspect: what is chosen, the run with its progress, and what it found."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from PySide6.QtCore import Qt, Signal
from PySide6.QtGui import QKeyEvent
from PySide6.QtWidgets import (
    QHBoxLayout,
    QLabel,
    QProgressBar,
    QPushButton,
    QSizePolicy,
    QStackedWidget,
    QVBoxLayout,
    QWidget,
)

from engine.errors import SightlineError
from engine.inspection.knobs import FitKnobs
from engine.inspection.types import Category
from engine.job import Notice, Progress
from gui import theme, words
from gui.actions import icon_button
from gui.form import choice
from gui.inspection_methods import MethodChoice
from gui.inspection_results import ResultsView
from gui.job import JobSlot
from gui.results_table import FIGURES
from gui.thumbnails import Thumbnails
from gui.workspace import EmptyCard

if TYPE_CHECKING:
    from engine.inspection.results import Result

EXAMPLES = 8
"""Pictures of each category and method that are kept for the report."""
_KEPT = 4096
Regions = Mapping[Path, tuple[float, float, float, float]]


class InspectionEvaluate(QWidget):
    """Stands in the place of the picture.

    Args:
        knobs: the form's settings.
        device: where the networks run.
        thumbnails: those of the page; None makes own ones.
        fit: as `engine.inspection.evaluate.evaluate` takes it; None is the real one.

    Signals:
        opened(str): the path of a picture that was called wrongly and is wanted on the page.
        wanted(): a data set is to be chosen.
        closed(): the picture is wanted back.
        said(str, str): a sentence and its level ("info", "warning"), for the notices.
        failed(object): an exception, for the notices.
        background(object, str): a job to show in the job bar, and its title.
    """

    opened = Signal(str)
    wanted = Signal()
    closed = Signal()
    said = Signal(str, str)
    failed = Signal(object)
    background = Signal(object, str)

    def __init__(
        self,
        knobs: FitKnobs | None = None,
        *,
        device: str = "auto",
        thumbnails: Thumbnails | None = None,
        fit: Callable[..., Any] | None = None,
    ) -> None:
        super().__init__()
        self.setAccessibleName("Evaluate")
        self.setObjectName("window")
        self.setAttribute(Qt.WidgetAttribute.WA_StyledBackground)
        self._fit = fit
        self._own_thumbnails = thumbnails is None
        self._thumbnails = thumbnails if thumbnails is not None else Thumbnails(self)
        self.notices: list[str] = []
        self._fresh = False
        self._planned = 0
        self._outcome = ""
        self.slot = JobSlot(self)
        self._build(knobs if knobs is not None else FitKnobs(), device)
        self._connect()
        self._settle()

    @property
    def results(self) -> list["Result"]:
        """What is in the table."""
        return self.found.results

    # -- building

    def _build(self, knobs: FitKnobs, device: str) -> None:
        column = QVBoxLayout(self)
        column.setContentsMargins(20, 14, 20, 12)
        column.setSpacing(10)
        self.choice = MethodChoice(knobs, device)
        self.close_button = icon_button("close", "Back to the picture (Esc)", 28)
        self.run_button = QPushButton("Run")
        self.run_button.setProperty("primary", True)
        self.run_button.setAccessibleName("Run the evaluation")
        self.cancel_button = QPushButton("Cancel")
        self.cancel_button.setAccessibleName("Cancel the evaluation")
        self.bar = QProgressBar()
        self.bar.setTextVisible(False)
        self.bar.setFixedWidth(140)
        self.bar.setAccessibleName("Evaluation: progress")
        self.state = QLabel()
        self.state.setObjectName("quiet")
        # a long sentence is cut off, it does not push the window wider
        self.state.setSizePolicy(QSizePolicy.Policy.Ignored, QSizePolicy.Policy.Preferred)
        top = QHBoxLayout()
        top.setSpacing(16)
        top.addWidget(self.choice, 1)
        top.addWidget(self.close_button, 0, Qt.AlignmentFlag.AlignTop | Qt.AlignmentFlag.AlignRight)
        column.addLayout(top)
        self.view: Any = choice(
            "Table",
            ("", *(field for field, *_rest in FIGURES[1:])),
            ("all figures", *(f"side by side: {head}" for _field, head, *_rest in FIGURES[1:])),
            "",
            "A row for each category and method, or one figure with the methods side by side",
        )
        self.view.setMinimumWidth(230)
        line = QHBoxLayout()
        line.setSpacing(10)
        for widget in (self.run_button, self.cancel_button, self.bar):
            line.addWidget(widget)
        line.addWidget(self.state, 1)
        line.addWidget(self.view)
        column.addLayout(line)
        self.found = ResultsView(self._thumbnails)
        self.hint = QWidget()
        self.empty = EmptyCard(self.hint)
        middle = QVBoxLayout(self.hint)
        middle.setContentsMargins(0, 0, 0, 0)
        middle.addWidget(self.empty)
        self.stack = QStackedWidget()
        self.stack.addWidget(self.hint)
        self.stack.addWidget(self.found)
        self.setFocusProxy(self.run_button)
        column.addWidget(self.stack, 1)

    def _connect(self) -> None:
        self.choice.changed.connect(self._settle)
        self.choice.said.connect(self.said)
        self.choice.failed.connect(self.failed)
        self.close_button.clicked.connect(lambda _c=False: self.closed.emit())
        self.run_button.clicked.connect(lambda _c=False: self.run())
        self.cancel_button.clicked.connect(lambda _c=False: self.cancel())
        self.view.activated.connect(lambda place: self.found.table.show_figure(self.view.itemData(place)))
        for signal in ("opened", "said", "failed", "background"):
            getattr(self.found, signal).connect(getattr(self, signal))
        slot = self.slot
        slot.batch.connect(self._came)
        slot.progress.connect(self._progress)
        slot.notice.connect(self._noticed)
        slot.returned.connect(self._returned)
        slot.failed.connect(self._failed)
        slot.finished.connect(self._finished)

    # -- what the page tells it

    def show_categories(
        self, categories: Sequence[Category], chosen: Sequence[str] = (), regions: Regions | None = None
    ) -> None:
        """Offer these categories; all are chosen unless some are named. `regions`: of their folders, as shares."""
        self.choice.show_categories(categories, chosen, regions)

    def set_knobs(self, knobs: FitKnobs) -> None:
        """The form's settings have changed."""
        self.choice.set_knobs(knobs)

    def set_device(self, device: str) -> None:
        """Where the networks run."""
        self.choice.set_device(device)

    def restyle(self) -> None:
        """Take on the colours of the theme."""
        self.close_button.setIcon(theme.icon("close"))
        self.empty.restyle()
        self.found.restyle()

    def leave(self) -> None:
        """Stop what runs."""
        self.slot.cancel()
        self.choice.estimating.cancel()
        self.found.leave()
        if self._own_thumbnails:
            self._thumbnails.close()

    # -- running

    def run(self) -> None:
        """Evaluate what is chosen; the table that is there stays until the first new row comes."""
        categories, settings = self.choice.chosen_categories(), self.choice.chosen_settings()
        if not categories or not settings or self.slot.busy:
            return
        fit = _within(self.choice.regions, self._fit)
        device = self.choice.device

        def job() -> Any:
            from engine.inspection.evaluate import evaluate

            yield Progress("Evaluating")
            return (yield from evaluate(categories, settings, device=device, fit=fit, examples=EXAMPLES))

        self._fresh, self._planned, self._outcome = True, len(categories) * len(settings), ""
        self.notices = []
        title = f"Evaluate {len(categories)} categor{'ies' if len(categories) > 1 else 'y'}"
        self.background.emit(self.slot.start(job, title, keep=_KEPT), title)
        self.state.setText("Beginning …")
        self.bar.setRange(0, 0)
        self.cancel_button.setEnabled(True)
        self._settle()

    def cancel(self) -> None:
        """Stop; the rows that are there stay."""
        if not self.slot.busy:
            return
        self.state.setText("Stopping …")
        self.cancel_button.setEnabled(False)
        self.slot.cancel()

    def _came(self, events: list[Any]) -> None:
        from engine.inspection.results import Result

        found = [event for event in events if isinstance(event, Result)]
        if found:
            self._take(found if self._fresh else [*self.results, *found])

    def _take(self, results: Sequence["Result"]) -> None:
        fresh, self._fresh = self._fresh, False
        self.found.show_results(results, fresh=fresh)
        self._settle()

    def _returned(self, results: Sequence["Result"]) -> None:
        self._take(results)
        done = sum(not result.averaged for result in results)
        self._outcome = f"{done} of {self._planned} done."

    def _progress(self, now: Progress) -> None:
        share = now.share
        self.bar.setRange(0, 1000 if share is not None else 0)
        if share is not None:
            self.bar.setValue(round(share * 1000))
        self.state.setText(f"{now.what} · {words.progress(now)}")
        self.state.setToolTip(self.state.text())

    def _noticed(self, notice: Notice) -> None:
        self.notices.append(notice.text)
        self._settle()

    def _failed(self, error: BaseException) -> None:
        self.failed.emit(error)
        known = isinstance(error, SightlineError)
        self._outcome = str(error) if known else "Something went wrong; the notice says more."

    def _finished(self) -> None:
        if not self._outcome:
            done = 0 if self._fresh else sum(not result.averaged for result in self.results)
            self._outcome = f"Stopped: {done} of {self._planned} are done."
        self._fresh = False
        self.state.setText(self._outcome)
        self.state.setToolTip(self._outcome)
        self._settle()

    # -- showing

    def _settle(self) -> None:
        """Switch on what can be done, and say what is missing."""
        busy, some = self.slot.busy, bool(self.results)
        categories, settings = self.choice.chosen_categories(), self.choice.chosen_settings()
        ready = bool(categories) and bool(settings)
        self.choice.set_enabled(not busy)
        self.choice.setVisible(bool(self.choice.categories.names()))
        self.run_button.setVisible(bool(self.choice.categories.names()))
        self.run_button.setEnabled(ready and not busy)
        pictures = sum(len(category.train) + len(category.test) for category in categories) * len(settings)
        self.run_button.setToolTip(
            f"Fit and examine {pictures:,} pictures" if ready else "Choose categories and methods"
        )
        self.cancel_button.setVisible(busy)
        self.bar.setVisible(busy)
        self.view.setVisible(some)
        self.found.show_notices(self.notices)
        self.stack.setCurrentWidget(self.found if some else self.hint)
        if not some:
            self._say_empty(busy)

    def _say_empty(self, busy: bool) -> None:
        if not self.choice.categories.names():
            title = "Open a data set to evaluate methods on it"
            more = "Good pictures to learn from, and good and defective ones to test: a folder laid out as MVTec AD."
            self.empty.show_choice("inspect", title, more, [("Open a data set …", self.wanted.emit)])
        elif busy:
            self.empty.show_choice("inspect", "The first row comes when the first category is done", "", [])
        elif self._outcome:
            self.empty.show_choice("inspect", "Nothing was evaluated", self._outcome, [])
        else:
            title = "Choose categories and methods, then run"
            more = (
                "Each method learns the good pictures of each category and is tested on the others. The table, the "
                "curves and the pictures it got wrong appear here as they are done."
            )
            self.empty.show_choice("inspect", title, more, [])

    def keyPressEvent(self, event: QKeyEvent) -> None:
        if event.key() == Qt.Key.Key_Escape:
            self.closed.emit()
        else:
            super().keyPressEvent(event)


def _within(regions: Regions, fit: Callable[..., Any] | None) -> Callable[..., Any] | None:
    """The same fit, within the region of interest of each category."""
    if not regions:
        return fit

    def made(category: Category, knobs: FitKnobs, **more: Any) -> Any:
        own = fit
        if own is None:
            from engine.inspection.fit import fit as own
        return own(category, replace(knobs, region=regions.get(category.folder, knobs.region)), **more)

    return made
