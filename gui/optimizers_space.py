"""What a search may choose, to be edited: a row a setting, and the same as one line of text."""

from collections.abc import Sequence
from dataclasses import fields
from typing import Any

from PySide6.QtCore import Qt, Signal
from PySide6.QtGui import QGuiApplication
from PySide6.QtWidgets import (
    QFrame,
    QHBoxLayout,
    QLabel,
    QLineEdit,
    QPushButton,
    QScrollArea,
    QToolButton,
    QVBoxLayout,
    QWidget,
)

from engine.errors import SightlineError
from engine.learning.linear_models import PENALTIES
from engine.learning.problems import KINDS
from engine.learning.setup import ACTIVATIONS, INITS, ProblemSetup
from engine.learning.space import SEARCHED, Space, check_space, parse_space, usual_space
from engine.optimizers.contenders import Contender
from engine.optimizers.rules import RULES
from engine.optimizers.wrappers import Wraps
from gui import theme
from gui.chips import Chips
from gui.form import choice, heading

_TITLES = {
    "hidden": "Hidden neurons", "activation": "Activation", "init": "Start", "degree": "Degree", "penalty": "Penalty",
    "strength": "Strength", "rule": "Rule", "schedule": "Schedule", "batch": "Batch",
}  # fmt: skip
_BRIEF = {"hidden": "Neurons", "lr": "Rate", "decay": "Decay"}
_OFTEN = ("lr", "hidden", "batch", "penalty", "strength", "rule")
"""They are proposed first."""
_WORDS = {"penalty": PENALTIES, "activation": ACTIVATIONS, "init": INITS, "rule": tuple(RULES)}
_FIRST = {
    "hidden": "4..64:log", "activation": "tanh|relu", "init": "xavier|normal", "degree": "1..5", "penalty": "none|l2",
    "strength": "1e-5..1:log", "rule": "sgd|adam", "schedule": "constant|cosine", "batch": "16|32|64",
    "lr": "1e-4..1:log", "beta": "0.5..0.99", "beta2": "0.9..0.999", "alpha": "0.9..0.999", "rho": "0.5..0.99",
    "eps": "1e-10..1e-4:log", "decay": "1e-6..0.1:log", "l2": "1e-6..0.1:log", "clip": "0.1..10:log",
    "clip_value": "0.1..10:log", "average": "0..0.5", "history": "5|10|50",
}  # fmt: skip
"""What a new row proposes."""
_ANY_ROWS = 10**12
"""How many rows the data have is known when the search has read them; until then any batch may be."""
EDIT_WIDTH, NAME_WIDTH = 78, 148


def title_of(name: str, *, brief: bool = False) -> str:
    """What a setting is called on the screen: "Learning rate" for lr, "Rate" where there is little room."""
    if brief and name in _BRIEF:
        return _BRIEF[name]
    if name in _TITLES:
        return _TITLES[name]
    for settings in (*(rule.knobs for rule in RULES.values()), Wraps):
        for one in fields(settings):
            if one.name == name:
                return str(one.metadata["knob"].label)
    return name


def searchable(setup: ProblemSetup, contender: Contender, rules: Sequence[str] = ()) -> tuple[str, ...]:
    """The names of what can be searched for a problem, with its rule or with several."""
    kind = KINDS[setup.problem]
    keys = [key for key in rules if key in RULES] or [contender.key]
    knobs = dict.fromkeys(one.name for key in keys for one in fields(RULES[key].knobs))
    own = [name for name in SEARCHED if name in kind.fields]
    wraps = [one.name for one in fields(Wraps)]
    known = [*own, *(["batch"] if kind.data else []), "rule", "schedule", *knobs, *wraps]
    first = [name for name in _OFTEN if name in known]
    return tuple(dict.fromkeys([*first, *known]))


def proposed(name: str) -> str:
    """What a new row of this name says behind its "="."""
    if name in _FIRST:
        return _FIRST[name]
    usual = next(
        (getattr(rule.knobs(), name) for rule in RULES.values() if hasattr(rule.knobs(), name)),
        0.0,
    )
    return f"{usual / 10:g}..{usual * 10:g}:log" if usual > 0 else "0..1"


class SettingRow(QWidget):
    """One setting: its name, and a range or some values.

    Signals:
        changed(): something was set.
        renamed(): another setting was chosen.
        removed(): the row is to go.
    """

    changed = Signal()
    renamed = Signal()
    removed = Signal()

    def __init__(self, name: str, said: str, names: Sequence[str]) -> None:
        super().__init__()
        self.name_box = choice("Setting", (), (), None, "What is searched")
        self.name_box.setFixedWidth(NAME_WIDTH)
        self.low, self.high, self.values = _edit(EDIT_WIDTH), _edit(EDIT_WIDTH), _edit(0)
        self.values.setPlaceholderText("16 | 32 | 64")
        self.to = QLabel("to")
        self.to.setObjectName("quiet")
        self.log, self.list = (
            _chip("log", "Each power of ten is as likely as the next"),
            _chip("list", "Some values instead of a range"),
        )
        self.words = Chips("Values", (), first=6)
        self.remove = QToolButton()
        self.remove.setIcon(theme.icon("close"))
        self.remove.setFixedSize(24, 24)
        line = QHBoxLayout(self)
        line.setContentsMargins(0, 0, 0, 0)
        line.setSpacing(8)
        for part in (self.name_box, self.low, self.to, self.high, self.log):
            line.addWidget(part)
        line.addWidget(self.values, 1)
        line.addWidget(self.words, 1)
        line.addWidget(self.list)
        self._fill = QWidget()
        line.addWidget(self._fill, 1)
        line.addWidget(self.remove)
        self.show_setting(name, said, names)
        self.name_box.currentIndexChanged.connect(lambda _i: self._renamed())
        for edit in (self.low, self.high, self.values):
            edit.textEdited.connect(lambda _t: self.changed.emit())
        self.log.toggled.connect(lambda _on: self.changed.emit())
        self.list.toggled.connect(self._listed)
        self.words.changed.connect(lambda _chosen: self.changed.emit())
        self.remove.clicked.connect(lambda: self.removed.emit())

    def show_setting(self, name: str, said: str, names: Sequence[str]) -> None:
        """Show another one; emits nothing."""
        self.name, self._known = name, name in _WORDS
        self.fill_names(names)
        ends, _, scale = said.partition(":")
        ranged = ".." in ends and not self._known
        if ranged:
            low, high = ends.split("..", 1)
            self.low.setText(low.strip())
            self.high.setText(high.strip())
        elif self._known:
            chosen = [word.strip() for word in said.split("|")]
            self.words.set_names(_WORDS[name], chosen)
        else:
            self.values.setText(" | ".join(word.strip() for word in said.split("|")))
        for chip, on in ((self.log, scale.strip() == "log"), (self.list, not ranged)):
            chip.blockSignals(True)
            chip.setChecked(on)
            chip.blockSignals(False)
        self._reveal()
        title = title_of(name)
        self.low.setAccessibleName(f"{title}, from")
        self.high.setAccessibleName(f"{title}, to")
        self.values.setAccessibleName(f"{title}, values")
        self.log.setAccessibleName(f"{title}: log")
        self.list.setAccessibleName(f"{title}: list")
        self.words.setAccessibleName(f"{title}, values")
        self.remove.setAccessibleName(f"Remove {title}")
        self.remove.setToolTip(f"{title} is no longer searched")

    def fill_names(self, names: Sequence[str]) -> None:
        """What can be chosen in its list."""
        box = self.name_box
        box.blockSignals(True)
        box.clear()
        for name in dict.fromkeys([*names, self.name]):
            box.addItem(title_of(name), name)
        box.setCurrentIndex(box.findData(self.name))
        box.blockSignals(False)

    def text(self) -> str:
        """The piece of the space that it says."""
        if self._known:
            return f"{self.name}={'|'.join(self.words.chosen())}"
        if self.list.isChecked():
            return f"{self.name}={'|'.join(word.strip() for word in self.values.text().split('|'))}"
        return f"{self.name}={self.low.text().strip()}..{self.high.text().strip()}{':log' * self.log.isChecked()}"

    def _reveal(self) -> None:
        ranged = not self._known and not self.list.isChecked()
        for part in (self.low, self.to, self.high, self.log, self._fill):
            part.setVisible(ranged)
        self.values.setVisible(not ranged and not self._known)
        self.words.setVisible(self._known)
        self.list.setVisible(not self._known and self.name != "schedule")

    def _renamed(self) -> None:
        self.name = self.name_box.currentData()
        self.show_setting(self.name, proposed(self.name), [self.name])
        self.renamed.emit()

    def _listed(self, on: bool) -> None:
        # what the range said is not thrown away: its ends are the first values, and the other way round
        if on and not self.values.text().strip():
            self.values.setText(f"{self.low.text()} | {self.high.text()}")
        elif not on and not self.low.text().strip():
            words = [word.strip() for word in self.values.text().split("|")]
            self.low.setText(words[0])
            self.high.setText(words[-1])
        self._reveal()
        self.changed.emit()


class SpaceEditor(QWidget):
    """All settings that are searched.

    Attributes:
        problem: what is wrong with the space, a sentence; "" where it can be searched.
        space: what it says; None where something is wrong.

    Signals:
        changed(): the space says something else.
    """

    changed = Signal()

    def __init__(self) -> None:
        super().__init__()
        self.setup, self.contender, self.steps = ProblemSetup(), Contender("adam"), 500
        self.problem, self.space = "", None
        self.rows: list[SettingRow] = []
        column = QVBoxLayout(self)
        column.setContentsMargins(0, 0, 0, 0)
        column.setSpacing(8)
        column.addWidget(heading("What is searched"))
        self.scroll = QScrollArea()
        self.scroll.setFrameShape(QFrame.Shape.NoFrame)
        self.scroll.setWidgetResizable(True)
        self.scroll.setHorizontalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOff)
        inside = QWidget()
        self._column = QVBoxLayout(inside)
        self._column.setContentsMargins(0, 0, 6, 0)
        self._column.setSpacing(8)
        self.add = QPushButton("+ Setting")
        self.add.setAccessibleName("Add a setting")
        self.add.setToolTip("Search one setting more")
        self.add.clicked.connect(self._add)
        self._column.addWidget(self.add, 0, Qt.AlignmentFlag.AlignLeft)
        self._column.addStretch(1)
        self.scroll.setWidget(inside)
        column.addWidget(self.scroll, 1)
        self.sentence = QLabel()
        self.sentence.setWordWrap(True)
        column.addWidget(self.sentence)
        column.addWidget(heading("The same as text"))
        line = QHBoxLayout()
        line.setSpacing(8)
        self.line = QLineEdit()
        self.line.setAccessibleName("Space as text")
        self.line.setToolTip("As the command's --space: name=low..high, with :log behind it, or name=one|two")
        self.line.textEdited.connect(self._typed)
        self.copy = copy_button("Copy the space", lambda: self.line.text())
        line.addWidget(self.line, 1)
        line.addWidget(self.copy)
        column.addLayout(line)

    # -- what it says

    def begin(self, setup: ProblemSetup, contender: Contender, steps: int) -> None:
        """Edit the space of this problem and rule: what was written before, if it still can be, or what is usual."""
        kept = "" if self.text() == usual_space(self.setup) else self.text()
        self.setup, self.contender, self.steps = setup, contender, steps
        self.set_text(kept or usual_space(setup))
        if kept and self.problem:
            self.set_text(usual_space(setup))

    def text(self) -> str:
        """The space as one line."""
        return self.line.text().strip()

    def set_text(self, text: str) -> None:
        """Show this space."""
        self.line.setText(text)
        self.line.setCursorPosition(0)
        self._read()

    def check(self, steps: int) -> None:
        """Look again whether everything can be, for runs of so many steps."""
        self.steps = steps
        self._judge()

    def _typed(self, _text: str) -> None:
        self._read()
        self.changed.emit()

    def _read(self) -> None:
        """The rows, out of the line; they stay as they are where it cannot be read."""
        self._judge()
        try:
            parse_space(self.text())
        except SightlineError:
            return
        pieces = [piece.partition("=") for piece in self.text().split(",")]
        while len(self.rows) > len(pieces):
            self._drop(self.rows[-1])
        for number, (name, _, said) in enumerate(pieces):
            if number < len(self.rows):
                self.rows[number].show_setting(name.strip(), said.strip(), ())
            else:
                self._place(name.strip(), said.strip())
        self._name()

    def _write(self) -> None:
        """The line, out of the rows."""
        self.line.setText(",".join(row.text() for row in self.rows))
        self.line.setCursorPosition(0)
        self._name()
        self._judge()
        self.changed.emit()

    def _judge(self) -> None:
        self.problem, self.space = "", None
        try:
            space: Space = parse_space(self.text())
            rows = _ANY_ROWS if KINDS[self.setup.problem].data else 0
            check_space(space, self.setup, self.contender, rows, self.steps)
            self.space = space
        except SightlineError as error:
            self.problem = str(error) if self.rows or self.text() else "Nothing is searched yet: add a setting."
        self.restyle()

    # -- rows

    def _known(self) -> tuple[str, ...]:
        rules = next((row.words.chosen() for row in self.rows if row.name == "rule"), ())
        return searchable(self.setup, self.contender, rules)

    def _name(self) -> None:
        known, used = self._known(), {row.name for row in self.rows}
        for row in self.rows:
            row.fill_names([name for name in known if name not in used or name == row.name])
        self.add.setEnabled(any(name not in used for name in known))

    def _place(self, name: str, said: str) -> SettingRow:
        row = SettingRow(name, said, (name,))
        row.changed.connect(self._write)
        row.renamed.connect(self._write)
        row.removed.connect(lambda: self._remove(row))
        self._column.insertWidget(len(self.rows), row)
        row.show()
        self.rows.append(row)
        return row

    def _add(self) -> None:
        used = {row.name for row in self.rows}
        name = next(name for name in self._known() if name not in used)
        row = self._place(name, proposed(name))
        row.name_box.setFocus()
        self._write()

    def _remove(self, row: SettingRow) -> None:
        self._drop(row)
        self._write()

    def _drop(self, row: SettingRow) -> None:
        self.rows.remove(row)
        self._column.removeWidget(row)
        row.hide()
        row.deleteLater()

    def restyle(self) -> None:
        """Take on the colours of the theme."""
        self.sentence.setText(self.problem)
        self.sentence.setVisible(bool(self.problem))
        self.sentence.setStyleSheet(f"color: {theme.current().warning}")
        for row in self.rows:
            row.remove.setIcon(theme.icon("close"))
        self.copy.setIcon(theme.icon("copy"))


def copy_button(says: str, text: Any) -> QToolButton:
    """A button that copies what `text()` gives."""
    made = QToolButton()
    made.setIcon(theme.icon("copy"))
    made.setFixedSize(28, 28)
    made.setToolTip(says)
    made.setAccessibleName(says)
    made.clicked.connect(lambda: QGuiApplication.clipboard().setText(text()))
    return made


def _edit(width: int) -> QLineEdit:
    made = QLineEdit()
    if width:
        made.setFixedWidth(width)
        made.setAlignment(Qt.AlignmentFlag.AlignRight)
    return made


def _chip(text: str, tip: str) -> QPushButton:
    made = QPushButton(text)
    made.setProperty("chip", True)
    made.setCheckable(True)
    made.setToolTip(tip)
    return made
