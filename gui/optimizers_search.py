"""A search on the page Optimize: what is tried, every trial as it comes in, and the best of them to be raced."""

import time
from dataclasses import replace
from typing import Any

from PySide6.QtCore import QSize, Qt, Signal
from PySide6.QtGui import QColor, QKeyEvent, QPainter, QPaintEvent
from PySide6.QtWidgets import (
    QHBoxLayout,
    QLabel,
    QProgressBar,
    QPushButton,
    QSizePolicy,
    QSplitter,
    QStackedWidget,
    QVBoxLayout,
    QWidget,
)

from engine.errors import SightlineError
from engine.job import Progress
from engine.learning.build import settled
from engine.learning.problems import KINDS
from engine.learning.setup import ProblemSetup
from engine.learning.space import parse_space
from engine.optimizers.contenders import Contender, text_of
from gui import theme, words
from gui.actions import icon_button
from gui.importance_view import BestCurve, ImportanceView
from gui.optimizers_search_form import SearchForm, rule_line
from gui.optimizers_search_run import Asked, Searcher
from gui.optimizers_space import title_of
from gui.parallel_axes import short
from gui.parallel_view import ParallelView
from gui.trials_table import TrialsTable

SETTINGS, TRIALS = 0, 1
_MANY = 5
"""Axes beyond which there is little room for their titles."""


class SearchView(QWidget):
    """The view of a search, in the place of the curves.

    Attributes:
        form: what is searched, and how.
        searcher: the search and what it has found.

    Signals:
        chosen(object, object): this `ProblemSetup` and this `Contender` are to be raced.
        closed(): it is no longer wanted.
        state(str, str, bool): what it is doing, details, whether it is busy.
        failed(object): an exception that nobody thought of; others are a sentence in the view.
        said(str, str): a sentence and its level.
    """

    chosen = Signal(object, object)
    closed = Signal()
    state = Signal(str, str, bool)
    failed = Signal(object)
    said = Signal(str, str)

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.setAccessibleName("Search")
        self.setFocusPolicy(Qt.FocusPolicy.StrongFocus)
        self.searcher = Searcher(self)
        self.form = SearchForm()
        self._about: Any = None
        self._bad = False
        column = QVBoxLayout(self)
        column.setContentsMargins(0, 0, 0, 0)
        column.setSpacing(0)
        column.addLayout(self._head())
        self.bar = QProgressBar()
        self.bar.setTextVisible(False)
        self.bar.setAccessibleName("Progress of the search")
        policy = self.bar.sizePolicy()
        policy.setRetainSizeWhenHidden(True)
        self.bar.setSizePolicy(policy)
        self.bar.hide()
        column.addWidget(self.bar)
        self.sentence = QLabel()
        self.sentence.setWordWrap(True)
        self.sentence.setContentsMargins(12, 6, 12, 6)
        self.sentence.hide()
        column.addWidget(self.sentence)
        self.stack = QStackedWidget()
        self.stack.addWidget(self.form)
        self.stack.addWidget(self._found())
        column.addWidget(self.stack, 1)
        self.form.changed.connect(self._settings_changed)
        searcher = self.searcher
        searcher.begun.connect(self._begun)
        searcher.found.connect(self._show_trials)
        searcher.changed.connect(self._say)
        searcher.progress.connect(self._progress)
        searcher.notice.connect(lambda notice: self.said.emit(notice.text, "info"))
        searcher.failed.connect(self._failed)
        searcher.ended.connect(self._ended)
        self._begun()
        self._say()

    def _head(self) -> QHBoxLayout:
        line = QHBoxLayout()
        line.setContentsMargins(12, 8, 8, 8)
        line.setSpacing(8)
        self.title = _Elided()
        self.title.setObjectName("title")
        line.addWidget(self.title)
        self.tabs = [self._tab("Settings", SETTINGS), self._tab("Trials", TRIALS)]
        for tab in self.tabs:
            line.addWidget(tab)
        self.words = _Elided(Qt.AlignmentFlag.AlignRight)
        self.words.setObjectName("quiet")
        line.addWidget(self.words, 1)
        self.anew = _button("Start anew", "Forget these trials and begin from nothing", self._start_anew)
        self.go = _button("Start", "Try settings", self._go)
        self.go.setProperty("primary", True)
        self.race = _button("Race the best", "A new contender with the best settings that were found", self._race_best)
        self.close_button = icon_button("close", "Back to the curves (Esc)", 28)
        self.close_button.clicked.connect(self.escape)
        for button in (self.anew, self.go, self.race, self.close_button):
            line.addWidget(button)
        return line

    def _tab(self, text: str, page: int) -> QPushButton:
        made = QPushButton(text)
        made.setProperty("chip", True)
        made.setCheckable(True)
        made.setAccessibleName(f"Show: {text}")
        made.clicked.connect(lambda _c=False: self.show_part(page))
        return made

    def _found(self) -> QWidget:
        self.parallel, self.importance, self.curve = ParallelView(), ImportanceView(), BestCurve()
        self.table = TrialsTable()
        side = QWidget()
        side.setFixedWidth(252)
        column = QVBoxLayout(side)
        column.setContentsMargins(0, 0, 0, 0)
        column.setSpacing(0)
        column.addWidget(self.importance, 1)
        column.addWidget(rule_line())
        column.addWidget(self.curve, 1)
        upper = QWidget()
        line = QHBoxLayout(upper)
        line.setContentsMargins(0, 0, 0, 0)
        line.setSpacing(0)
        line.addWidget(self.parallel, 1)
        line.addWidget(rule_line(upright=True))
        line.addWidget(side)
        split = QSplitter(Qt.Orientation.Vertical)
        split.setChildrenCollapsible(False)
        split.setHandleWidth(1)
        split.addWidget(upper)
        split.addWidget(self.table)
        split.setStretchFactor(0, 1)
        split.setSizes([310, 170])
        self.table.setMinimumHeight(76)
        self.parallel.chosen.connect(self.table.choose)
        self.parallel.opened.connect(self._race_number)
        self.parallel.brushed.connect(self.table.rows.show_kept)
        self.table.chosen.connect(self.parallel.show_chosen)
        self.table.opened.connect(self._race_number)
        return split

    # -- what the page calls

    def begin(self, setup: ProblemSetup, contender: Contender, steps: int, replicates: int) -> None:
        """Show the search for a problem, and what is to learn it.

        A search of the same that was left is still there, and can be gone on with.

        Args:
            setup: the problem.
            contender: its rule with its settings, where the space says nothing.
            steps: of each trial.
            replicates: of each.
        """
        about = (settled(setup), text_of(contender), text_of(contender.schedule))
        if about != self._about:
            self._about = about
            self.form.begin(settled(setup), contender, steps, replicates)
            self.searcher.forget()
            self.show_part(SETTINGS)
        self.searcher.come_back()
        self._tell_title()
        self._sentence("")
        self._say()
        self.setFocus()

    def show_part(self, page: int) -> None:
        """Show the settings (0), or the trials (1)."""
        self.stack.setCurrentIndex(page)
        for number, tab in enumerate(self.tabs):
            tab.setChecked(number == page)

    def escape(self) -> None:
        """It is no longer wanted: the search stops, and keeps what was finished."""
        self.leave()
        self.closed.emit()

    def leave(self) -> None:
        """Another page comes in front: stop."""
        self.searcher.leave()

    def restyle(self) -> None:
        """Take on the colours of the theme."""
        self.close_button.setIcon(theme.icon("close"))
        self.form.restyle()
        self._sentence(self.sentence.text(), bad=self._bad)
        for part in (self.parallel, self.curve):
            part.restyle()
        if self.searcher.trials:
            self.curve.show_trials(self.searcher.all_trials())
        self.update()

    # -- start and stop

    def _go(self) -> None:
        if self.searcher.busy:
            self.searcher.stop()
            self._say()
            return
        asked = self.form.asked()
        self._start(asked, self.searcher.can_go_on(asked))

    def _start_anew(self) -> None:
        self._start(self.form.asked(), False)

    def _start(self, asked: Asked, go_on: bool) -> None:
        if go_on and self.searcher.finished >= asked.trials:
            # as many again
            asked = replace(asked, trials=self.searcher.finished + asked.trials)
        self._sentence("")
        try:
            self.searcher.start(asked, go_on=go_on)
        except SightlineError as error:
            self._sentence(str(error), bad=True)
            return
        self.show_part(TRIALS)
        self.go.setFocus(Qt.FocusReason.OtherFocusReason)

    def _settings_changed(self) -> None:
        self._sentence("")
        if self.searcher.asked is None:
            self._begun()
        self._say()

    def _begun(self) -> None:
        asked = self.searcher.asked
        space = (self.form.editor.space or ()) if asked is None else parse_space(asked.space)
        self._titles = {one.name: title_of(one.name, brief=len(space) > _MANY) for one in space}
        self.parallel.show_space(space, self._titles)
        self.table.show_names([one.name for one in space], self._titles)
        self.importance.show_shares({}, self._titles, alone=len(space) == 1)
        self.curve.show_trials(())

    def _show_trials(self) -> None:
        began = time.perf_counter()
        trials = self.searcher.all_trials()
        self.parallel.show_trials(trials)
        self.table.show_trials(trials)
        self.importance.show_shares(self.searcher.shares, self._titles, alone=len(self._titles) == 1)
        self.curve.show_trials(trials)
        self._say()
        self.searcher.pace(time.perf_counter() - began + self.parallel.took_s)

    def _progress(self, now: Progress) -> None:
        share = now.share
        self.bar.setRange(0, 1000 if share is not None else 0)
        if share is not None:
            self.bar.setValue(round(share * 1000))
        self.state.emit(now.what, words.progress(now), True)

    def _failed(self, error: Any) -> None:
        if isinstance(error, SightlineError):
            self._sentence(str(error), bad=True)
        else:
            self.failed.emit(error)

    def _ended(self, over: bool) -> None:
        finished, best = self.searcher.finished, self.searcher.best
        asked = self.searcher.asked
        if over and best is None and finished:
            self._sentence("No trial came to its end without diverging: let the learning rate be smaller.", bad=True)
        elif over and asked is not None and asked.sampler == "grid" and finished < asked.trials:
            self._sentence(f"The whole grid was tried: {finished:,} cells.")
        self.state.emit("Search done" if over else "Search stopped", self._summary(), False)
        self._say()

    # -- what is raced

    def _race_best(self) -> None:
        best = self.searcher.best
        if best is not None:
            self._race_number(best.number)

    def _race_number(self, number: int) -> None:
        trial = self.searcher.trials.get(number)
        if trial is not None and trial.parameters:
            self.chosen.emit(*self.searcher.contender_of(trial))

    # -- words

    def _tell_title(self) -> None:
        from gui.optimizers_problem import data_title

        kind = KINDS[self.form.setup.problem]
        data = f", {data_title(self.form.setup)}" if kind.data and self.form.setup.data else ""
        self.title.setText(f"Search · {kind.title}{data} · {self.form.contender.rule.title}")

    def _summary(self) -> str:
        best, finished = self.searcher.best, self.searcher.finished
        if not finished:
            return ""
        asked = self.searcher.asked
        of = f" of {asked.trials:,}" if asked is not None and self.searcher.busy else ""
        said = f"{finished:,}{of} trial{'' if finished == 1 and not of else 's'}"
        return said if best is None else f"{said} · best {short(best.value, 4)}"

    def _say(self) -> None:
        """What the buttons and the line beside them say now."""
        busy = self.searcher.busy
        again = not busy and self.searcher.can_go_on(self.form.asked())
        self.go.setText("Stop" if busy else "Go on" if again else "Start")
        self.go.setAccessibleName(f"{self.go.text()} the search" if not again else "Go on with the search")
        self.go.setToolTip(
            "What was finished is kept" if busy else self._go_on_tip() if again else self.form.problem or "Try settings"
        )
        self.go.setEnabled(busy or not self.form.problem)
        # a study in a database cannot be forgotten from here
        self.anew.setVisible(again and not self.form.asked().storage)
        self.race.setEnabled(self.searcher.best is not None)
        self.bar.setVisible(busy)
        self.words.setText(self._summary())
        self.form.setEnabled(not busy)

    def _go_on_tip(self) -> str:
        trials, finished = self.form.choices.trials, self.searcher.finished
        left = trials - finished if finished < trials else trials
        return f"{left:,} more trials, of the same study"

    def _sentence(self, text: str, *, bad: bool = False) -> None:
        self._bad = bad
        self.sentence.setText(text)
        self.sentence.setVisible(bool(text))
        self.sentence.setStyleSheet(f"color: {theme.current().danger if bad else theme.current().quiet}")

    def paintEvent(self, _event: QPaintEvent) -> None:
        painter = QPainter(self)
        painter.fillRect(self.rect(), QColor(theme.current().panel))
        painter.end()

    def keyPressEvent(self, event: QKeyEvent) -> None:
        if event.key() == Qt.Key.Key_Escape:
            self.escape()
        else:
            super().keyPressEvent(event)


class _Elided(QLabel):
    """A line that is cut with dots where there is no room for it."""

    def __init__(self, side: Qt.AlignmentFlag = Qt.AlignmentFlag.AlignLeft) -> None:
        super().__init__()
        self._side = side
        self.setSizePolicy(QSizePolicy.Policy.Preferred, QSizePolicy.Policy.Preferred)

    def minimumSizeHint(self) -> QSize:
        return QSize(40, super().minimumSizeHint().height())

    def setText(self, text: str) -> None:
        super().setText(text)
        self.setToolTip(text)

    def paintEvent(self, _event: QPaintEvent) -> None:
        painter = QPainter(self)
        painter.setPen(self.palette().color(self.foregroundRole()))
        said = self.fontMetrics().elidedText(self.text(), Qt.TextElideMode.ElideRight, self.width())
        painter.drawText(self.rect(), self._side | Qt.AlignmentFlag.AlignVCenter, said)
        painter.end()


def _button(text: str, tip: str, do: Any) -> QPushButton:
    made = QPushButton(text)
    made.setAccessibleName(text)
    made.setToolTip(tip)
    made.clicked.connect(lambda _c=False: do())
    return made
