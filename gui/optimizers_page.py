"""The page Optimize: rules race on a problem, and their curves, paths and models are seen while they run."""

import contextlib
from collections.abc import Sequence
from dataclasses import asdict, replace
from typing import Any

from PySide6.QtCore import QRect, QTimer
from PySide6.QtGui import QAction
from PySide6.QtWidgets import QMenu, QPushButton

from engine.errors import SightlineError
from engine.learning.build import Built
from engine.learning.examples import EXAMPLES, usual_contenders, usual_steps
from engine.learning.loading import DRAWN
from engine.learning.race_text import RaceSetup, parse_race, text_of_race
from engine.learning.setup import ProblemSetup, text_of_setup
from engine.optimizers.contenders import Contender
from engine.optimizers.run import Edit
from gui import words
from gui.actions import action
from gui.curves_race_parts import PlotChoices
from gui.form import Form
from gui.optimizers_entries import OptimizersEntries
from gui.optimizers_parts import PageChoices, RaceChoices, Row
from gui.optimizers_planes import OptimizersPlanes
from gui.optimizers_problem import ProblemForm, data_title, named
from gui.optimizers_routes import EXAMPLE, RACE, TEXT
from gui.optimizers_rows import OptimizersRows
from gui.optimizers_runner import Runner
from gui.optimizers_save import OptimizersSave
from gui.optimizers_stage import Stage
from gui.optimizers_strip import OptimizersStrip
from gui.optimizers_transport import Transport
from gui.optimizers_views import OptimizersViews
from gui.settings import Settings

_AGAIN_MS = 250


class OptimizersPage(OptimizersEntries):
    """Holds the parts together: problem, contenders, race, curves, ranking."""

    key, title, icon = "optimize", "Optimize", "optimize"

    def __init__(self, settings: Settings) -> None:
        super().__init__()
        self.settings = settings
        self.race_choices = settings.load("optimize_race", RaceChoices())
        self.chosen_page = settings.load("optimize_page", PageChoices())
        self.setup = named(ProblemSetup())
        self.looked: int | None = None
        self._begun = False
        self._diverging: list[str] = []
        self._build()
        self._connect()
        self._remembered()

    def _build(self) -> None:
        self.runner = Runner(self)
        self.area.row.removeWidget(self.picture)
        self.picture.hide()
        self.stage = Stage(self.settings.load("optimize_plot", PlotChoices()))
        self.area.row.addWidget(self.stage, 1)
        self.transport = Transport()
        self.upper.addWidget(self.transport)
        self.problem = ProblemForm(self.setup)
        self.row_list = OptimizersRows(self)
        self.race_form = Form(self.race_choices)
        for widget in (self.problem, self.row_list.group, self.row_list.form, self.race_form):
            self.form_column.addWidget(widget)
        self.strip_view = OptimizersStrip(self.strip, self.chosen_page.panel)
        self.split.setSizes([560, 170])
        self.planes = OptimizersPlanes(self)
        self.save = OptimizersSave(self)
        self.views = OptimizersViews(self)
        self.button = QPushButton("Race")
        self.button.setProperty("primary", True)
        self.button.setFixedWidth(84)
        self.examples = QPushButton("Examples ▾")
        self.examples.setToolTip("Races that are ready to run")
        menu = QMenu(self.examples)
        menu.setToolTipsVisible(True)
        for key, example in EXAMPLES.items():
            one = menu.addAction(example.title)
            one.setToolTip(example.idea)
            one.triggered.connect(lambda _c=False, key=key: self.open_example(key))
        self.examples.setMenu(menu)
        self.share = QPushButton("Save ▾")
        self.share.setToolTip("Save, export, copy the set-up")
        menu = QMenu(self.share)
        menu.addActions(self.save.actions)
        self.share.setMenu(menu)
        self._actions = [
            action(self, "Race, or wait", self.play, "Space"),
            action(self, "One step", lambda: self.step(1), "."),
            action(self, "A hundred steps", lambda: self.step(100), "Shift+.", ">"),
            action(self, "Reset the race", self.reset, "Home"),
            action(self, "Fork here", self.fork, "F"),
            action(self, "Show all of the curves", self.stage.plot.fit, "0"),
            action(self, "Take back a change of the contenders", self.row_list.undo, "Ctrl+Z"),
            *self.views.actions,
            *self.save.actions,
        ]

    def _connect(self) -> None:
        runner, transport = self.runner, self.transport
        runner.opened.connect(self._opened)
        runner.chunks.connect(self.take)
        runner.seen.connect(self.planes.show)
        runner.ended.connect(self.ended)
        runner.forked.connect(self.forked)
        runner.resumable.connect(self._join)
        runner.changed.connect(self.say)
        runner.progress.connect(self._told)
        runner.notice.connect(self._noticed)
        runner.failed.connect(self._refused)
        transport.play.connect(lambda _on: self.play())
        transport.step.connect(self.step)
        transport.reset.connect(self.reset)
        transport.fork.connect(self.fork)
        transport.pace.connect(runner.pace)
        transport.go_to.connect(self.look_at_step)
        self.stage.plot.pointed.connect(self.look_at_step)
        self.stage.menu.changed.connect(self._plot_chosen)
        self.strip_view.panel_changed.connect(self._panel_chosen)
        self.strip_view.table.chosen.connect(self.entry_chosen)
        self.strip_view.table.toggled.connect(self.toggle_entry)
        self.strip_view.table.removed.connect(self.forget_entry)
        self.problem.changed.connect(self._setup_changed)
        self.problem.failed.connect(self._no_table)
        self.race_form.changed.connect(self._race_changed)
        self.button.clicked.connect(self.play)
        self._again = QTimer(self)
        self._again.setSingleShot(True)
        self._again.setInterval(_AGAIN_MS)
        self._again.timeout.connect(self._make)

    def _remembered(self) -> None:
        """The set-up that was there last, or the usual one."""
        race = RaceSetup(self.setup, usual_contenders(self.setup.problem), 2000, 10)
        if self.chosen_page.race:
            # one that another version wrote may not be readable
            with contextlib.suppress(SightlineError):
                race = parse_race(self.chosen_page.race)
        self._take_setup(race, keep_race=False)

    # -- what the window asks

    def takes(self, kind: str) -> bool:
        return False

    def claims(self, text: str) -> bool:
        from gui.optimizers_routes import claims

        return claims(text)

    def actions(self) -> list[QAction]:
        return self._actions

    def bar_buttons(self) -> list[QPushButton]:
        return [self.examples, self.share, self.button]

    def open(self, text: str) -> None:
        """Open a table, a race that was saved, the text of a set-up or an example."""
        from engine.media.source import cleaned

        text = cleaned(text.strip())
        if text.startswith(EXAMPLE):
            self.open_example(text.partition(f"{EXAMPLE}:")[2] or "valley")
        elif text.startswith(TEXT):
            try:
                self._take_setup(parse_race(text))
            except SightlineError as error:
                self.failed.emit(error)
        elif text.lower().endswith(RACE):
            self.save.open_race(text)
        else:
            self.problem.open_file(text)

    def open_example(self, key: str) -> None:
        """Show a race that is ready, and start it."""
        if key not in EXAMPLES:
            self.failed.emit(SightlineError(f"There is no example {key}: choose of {', '.join(EXAMPLES)}."))
            return
        self.said.emit(EXAMPLES[key].idea, "info")
        self._take_setup(EXAMPLES[key].race())
        self._start_when_open = {}

    def escape(self) -> None:
        if not self.stage.racing:
            self.views.escape()
        elif self.looked is not None:
            self.look_at_step(None)

    def stop(self) -> None:
        """Stop what is under way."""
        self.runner.stop()
        self.planes.stop()
        self.views.stop()
        self.save.stop()

    def leave(self) -> None:
        self._again.stop()
        self.stop()
        self.problem.leave()
        self.strip_view.lessons.leave()
        self.strip_view.check.leave()
        self._save()

    def notice_room(self) -> QRect:
        return self.area.rect()

    def restyle(self) -> None:
        super().restyle()
        for part in (self.stage, self.transport, self.strip_view, self.views):
            part.restyle()
        self.row_list.show()

    def showEvent(self, event: Any) -> None:
        super().showEvent(event)
        if not self._begun:
            self._begun = True
            # not before the first paint
            QTimer.singleShot(0, self, self._make)
            self.views.prepare()

    # -- the set-up

    @property
    def rows(self) -> list[Row]:
        """The contenders of the form."""
        return self.row_list.rows

    @property
    def chosen(self) -> int:
        """Which of them is chosen."""
        return self.row_list.chosen

    @property
    def data_rows(self) -> int:
        """Rows of the problem's data; 0 for a surface."""
        built = self.runner.built
        return built.problem.rows if built is not None else 0

    def race_setup(self) -> RaceSetup:
        """All that decides the next race."""
        contenders = tuple(row.contender for row in self.rows if row.on)
        return RaceSetup(self.setup, contenders, self.race_choices.steps, self.race_choices.replicates)

    def _take_setup(self, race: RaceSetup, *, keep_race: bool = True) -> None:
        self.setup = named(race.problem)
        self.race_choices = replace(self.race_choices, steps=race.steps, replicates=min(race.replicates, 100))
        self.race_form.set_value(self.race_choices)
        self.problem.show_setup(self.setup)
        self.row_list.set_contenders(race.contenders)
        if keep_race:
            self._make()

    def change_setup(self, **changes: Any) -> None:
        """Change the problem from outside of its form: the network's drawing."""
        self._setup_changed(replace(self.setup, **changes))

    def _setup_changed(self, setup: ProblemSetup) -> None:
        setup = named(setup)
        drawn = DRAWN.get(setup.data)
        if drawn is not None and drawn.two_numbers and not setup.features:
            self.said.emit("A model needs a feature: leave one on.", "info")
            self.problem.show_setup(self.setup)
            self.planes.look()
            return
        if setup.problem != self.setup.problem and self.row_list.usual(self.setup.problem):
            self.row_list.set_contenders(usual_contenders(setup.problem))
            if self.race_choices.steps == usual_steps(self.setup.problem):
                self.race_choices = replace(self.race_choices, steps=usual_steps(setup.problem))
                self.race_form.set_value(self.race_choices)
        self.setup = setup
        self.problem.show_setup(setup)
        # a slider that is being dragged makes many
        self._again.start()

    def _make(self) -> None:
        self._again.stop()
        if not self._begun:
            return
        self.clear_race(keep=True)
        self.save.forget()
        self.runner.open(self.setup)
        self._save()

    _start_when_open: dict[str, Any] | None = None
    """How the race begins once its problem is there; None where it does not."""

    def pending(self, knobs: dict[str, Any]) -> bool:
        """Whether the problem is still being made; then a race begins with these knobs when it is there."""
        if self._again.isActive():
            self._make()
        if self.runner.built is not None:
            return False
        if self.runner.building.busy:
            self._start_when_open = knobs
        return True

    def _opened(self, built: Built) -> None:
        self.problem_text = text_of_setup(built.setup)
        data = ""
        if built.table is not None:
            rows = len(built.table.x) + len(built.table.test_x)
            label = f" · label: {built.setup.label}" if built.setup.label else ""
            data = f"{data_title(built.setup)} · {rows:,} rows{label} · "
        penalty = f" + {built.setup.penalty.upper()} {built.setup.strength:g}" if built.setup.penalised.strength else ""
        address = built.setup.data if built.table is not None and built.setup.data not in DRAWN else ""
        self.source_shown.emit(f"{data}{built.problem.title}{penalty}", address)
        for note in built.notes:
            self.said.emit(note, "info")
        self.strip_view.set_problem(built.table.classes if built.table is not None else ())
        self.planes.opened(built)
        self.fit_batches(built.problem.rows)
        self.row_list.show()
        self.views.opened(built)
        self.show_entries()
        self.say()
        self.save.built()
        knobs, self._start_when_open = self._start_when_open, None
        if knobs is not None:
            self.begin(**knobs)

    def fit_batches(self, rows: int) -> None:
        """A batch that is larger than the data is what there is; the person sees it in the form."""
        large = [row for row in self.rows if row.contender.batch != "all" and rows and row.contender.batch > rows]
        for row in large:
            row.contender = replace(row.contender, batch="all")
        if large:
            self.said.emit(f"The batches are larger than the {rows:,} rows to learn from: all rows are taken.", "info")

    def _told(self, now: Any) -> None:
        # a race that waits may have told before how far it was
        if not self.runner.busy or self.runner.running:
            self.state.emit(now.what, words.progress(now), True)

    def _noticed(self, notice: Any) -> None:
        """A notice of the race; several that diverge at once are one."""
        if " diverges: " not in notice.text:
            self.said.emit(notice.text, "warning")
            return
        if not self._diverging:
            QTimer.singleShot(600, self, self._tell_diverged)
        self._diverging.append(notice.text)

    def _tell_diverged(self) -> None:
        told, self._diverging = self._diverging, []
        if len(told) == 1:
            self.said.emit(told[0], "warning")
        elif told:
            names = ", ".join(text.partition(" diverges: ")[0] for text in told)
            self.said.emit(f"{len(told)} contenders diverge: {names}; smaller learning rates may help.", "warning")

    def _refused(self, error: Exception) -> None:
        self._start_when_open = None
        self.failed.emit(error)
        if self.runner.built is None:
            # the form says what was asked for: nothing of another problem stays beside it
            self.source_shown.emit(data_title(self.setup), "")
            self.stage.plot.show_curves([])
            self.problem.show_setup(self.setup)
        self.say()

    def _no_table(self, error: Exception) -> None:
        """A table that could not be looked at: the form says again what is there."""
        self.failed.emit(error)
        self.problem.show_setup(self.setup)

    def _race_changed(self, choices: RaceChoices) -> None:
        before, self.race_choices = self.race_choices, choices
        self.row_list.show()
        self.table_grown()
        if before.baseline != choices.baseline and self.runner.built is not None:
            self.views.opened(self.runner.built)
        self._save()

    def _plot_chosen(self, choices: PlotChoices) -> None:
        self.stage.plot.choose(**asdict(choices))
        self.say_title()
        self._save()

    def _panel_chosen(self, panel: str) -> None:
        self.chosen_page = replace(self.chosen_page, panel=panel)
        self.views.panel_shown(panel)
        self._save()

    def show_search(self) -> None:
        """Look for settings that learn best."""
        self.views.search()

    def take_found(self, setup: ProblemSetup, contender: Contender) -> None:
        """What a search has found: a new contender, on the problem that it belongs to."""
        self.views.close()
        if named(setup) != self.setup:
            self.setup = named(setup)
            self.problem.show_setup(self.setup)
            self._make()
        self.row_list.add_contender(replace(contender, name=f"{contender.rule.title}, found"))

    def edit(self, edit: Edit) -> None:
        """Set one parameter of the chosen contender by hand."""
        if not self.runner.busy:
            self.said.emit("Start the race, or take one step: then a weight can be set by hand.", "info")
            self.planes.look()
            return
        self.runner.edit(self.chosen_entry, edit)

    def _save(self) -> None:
        if self.rows:
            everyone = replace(self.race_setup(), contenders=tuple(row.contender for row in self.rows))
            self.chosen_page = replace(self.chosen_page, race=text_of_race(everyone))
        self.settings.save("optimize_race", self.race_choices, RaceChoices())
        self.settings.save("optimize_plot", self.stage.plot.choices, PlotChoices())
        self.settings.save("optimize_page", self.chosen_page, PageChoices())

    def saved_names(self) -> Sequence[str]:
        """What the runs are called, for files."""
        return [entry.name for entry in self.entries]
