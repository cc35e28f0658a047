"""The settings of a search: what may be chosen, how, how long, and where the study lives."""

import math
from dataclasses import dataclass, replace

from PySide6.QtCore import Qt, Signal
from PySide6.QtWidgets import QHBoxLayout, QLabel, QLineEdit, QPushButton, QVBoxLayout, QWidget

from engine.knobs import knob
from engine.learning.setup import ProblemSetup
from engine.optimizers.contenders import Contender
from gui import theme
from gui.form import Form
from gui.optimizers_search_run import Asked, command_of, plain
from gui.optimizers_space import SpaceEditor, copy_button

_SIDE = 276
EXAMPLE = "sqlite:////home/you/study.db"


@dataclass(frozen=True, slots=True)
class SearchChoices:
    """How a search goes on.

    Attributes: those of `engine.learning.search.search`.
    """

    sampler: str = knob(
        "tpe", "Sampler", group="How", choices=("tpe", "random", "grid"), words=("TPE", "Random", "Grid"),
        help="TPE chooses by what went well, random does not look, a grid tries every cell once.",
    )  # fmt: skip
    trials: int = knob(50, "Trials", group="How", low=1, high=10_000, log=True, help="Finished ones in the end.")
    steps: int = knob(500, "Steps a trial", group="How", low=1, high=1_000_000, log=True, help="Of each run.")
    replicates: int = knob(
        3, "Replicates", group="How", low=1, high=100, step=1, help="Runs of each trial; their median counts."
    )
    prune: bool = knob(
        True, "Give hopeless trials up early", group="How", help="When worse than the median of the others by then."
    )


class SearchForm(QWidget):
    """The settings of a search.

    Signals:
        changed(): something was set.
    """

    changed = Signal()

    def __init__(self) -> None:
        super().__init__()
        self.setup, self.contender = ProblemSetup(), Contender("adam")
        column = QVBoxLayout(self)
        column.setContentsMargins(0, 0, 0, 0)
        column.setSpacing(0)
        upper = QHBoxLayout()
        upper.setSpacing(0)
        self.editor = SpaceEditor()
        self.editor.layout().setContentsMargins(12, 12, 12, 12)
        self.editor.changed.connect(self._set)
        upper.addWidget(self.editor, 1)
        upper.addWidget(rule_line(upright=True))
        upper.addWidget(self._side())
        column.addLayout(upper, 1)
        column.addWidget(self._lower())
        self._say()

    def _side(self) -> QWidget:
        side = QWidget()
        side.setFixedWidth(_SIDE)
        column = QVBoxLayout(side)
        column.setContentsMargins(12, 12, 12, 12)
        column.setSpacing(12)
        self.form = Form(SearchChoices())
        self.form.changed.connect(lambda _value: self._set())
        column.addWidget(self.form)
        self.hint = _quiet()
        column.addWidget(self.hint)
        self.more = QPushButton("More: several machines")
        self.more.setCheckable(True)
        self.more.setProperty("chip", True)
        self.more.setAccessibleName("More: several machines")
        self.more.setToolTip("A study in a database, which several machines can work on")
        self.more.toggled.connect(self._reveal)
        column.addWidget(self.more, 0, Qt.AlignmentFlag.AlignLeft)
        column.addStretch(1)
        return side

    def _lower(self) -> QWidget:
        """The command for the other machines."""
        self.lower = QWidget()
        column = QVBoxLayout(self.lower)
        column.setContentsMargins(0, 0, 0, 0)
        column.setSpacing(0)
        column.addWidget(rule_line())
        inside = QVBoxLayout()
        inside.setContentsMargins(12, 10, 12, 10)
        inside.setSpacing(8)
        self.study, self.storage = QLineEdit(), QLineEdit()
        place = QHBoxLayout()
        place.setSpacing(8)
        for edit, name, example in ((self.study, "Study", "a name"), (self.storage, "Storage", EXAMPLE)):
            edit.setPlaceholderText(example)
            edit.setAccessibleName(name)
            edit.textChanged.connect(lambda _t: self._set())
            label = QLabel(name)
            label.setBuddy(edit)
            place.addWidget(label)
            place.addWidget(edit, int(edit is self.storage))
            place.addSpacing(8 * (edit is self.study))
        self.study.setFixedWidth(160)
        # as long as the line below it
        place.addSpacing(36)
        self.storage.setToolTip(
            f"{EXAMPLE}, or a PostgreSQL address such as postgresql://you@host/base: several machines can work on one "
            "study. Empty keeps it in this window."
        )
        inside.addLayout(place)
        self.about = _quiet()
        inside.addWidget(self.about)
        line = QHBoxLayout()
        line.setSpacing(8)
        self.command = QLineEdit()
        self.command.setReadOnly(True)
        self.command.setAccessibleName("Command for the other machines")
        self.command.setStyleSheet("font-family: 'JetBrains Mono', 'DejaVu Sans Mono', monospace; font-size: 11px;")
        self.copy = copy_button("Copy the command", lambda: self.command.text())
        line.addWidget(self.command, 1)
        line.addWidget(self.copy)
        inside.addLayout(line)
        column.addLayout(inside)
        self.lower.hide()
        return self.lower

    # -- what it says

    def begin(self, setup: ProblemSetup, contender: Contender, steps: int, replicates: int) -> None:
        """Edit the search of this problem and rule."""
        self.setup, self.contender = setup, contender
        self.form.set_value(replace(self.choices, steps=steps, replicates=replicates))
        self.editor.begin(setup, contender, steps)
        self._say()

    @property
    def choices(self) -> SearchChoices:
        """How it goes on."""
        chosen: SearchChoices = self.form.value()
        return chosen

    def asked(self) -> Asked:
        """All of it."""
        now, space = self.choices, self.editor.text()
        return Asked(
            plain(self.setup, space), self.contender, space, now.sampler, now.trials, now.steps, now.replicates,
            now.prune, self.study.text().strip(), self.storage.text().strip(),
        )  # fmt: skip

    @property
    def problem(self) -> str:
        """What is wrong with it, a sentence; "" where it can be searched."""
        return self.editor.problem

    def _reveal(self, on: bool) -> None:
        self.lower.setVisible(on)
        if on:
            self.study.setFocus()

    def _set(self) -> None:
        self.editor.check(self.choices.steps)
        self._say()
        self.changed.emit()

    def _say(self) -> None:
        space = self.editor.space
        grid = self.choices.sampler == "grid" and space is not None
        self.hint.setVisible(grid)
        if grid and space is not None:
            cells = math.prod(len(one.points()) for one in space)
            ranged = any(hasattr(one, "low") for one in space)
            self.hint.setText(f"The grid has {cells:,} cells{', of each range five numbers' if ranged else ''}.")
        line, cannot = command_of(self.asked())
        self.command.setText(line)
        self.command.setCursorPosition(0)
        self.command.setToolTip(line)
        self.about.setText(cannot or "Run this on each of the other machines: all work on the one study.")
        self.about.setStyleSheet(f"color: {theme.current().warning}" if cannot else "")

    def restyle(self) -> None:
        """Take on the colours of the theme."""
        self.editor.restyle()
        self.copy.setIcon(theme.icon("copy"))
        self._say()


def _quiet() -> QLabel:
    made = QLabel()
    made.setObjectName("quiet")
    made.setWordWrap(True)
    return made


def rule_line(*, upright: bool = False) -> QWidget:
    """A line of one pixel between two parts."""
    made = QWidget()
    # each has a border on one side only
    made.setObjectName("stripCell" if upright else "strip")
    made.setAttribute(Qt.WidgetAttribute.WA_StyledBackground)
    if upright:
        made.setFixedWidth(1)
    else:
        made.setFixedHeight(1)
    return made
