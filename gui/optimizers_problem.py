"""The form of a problem: which one, on what data, with which penalty; only what matters for it is shown."""

from dataclasses import replace
from pathlib import Path
from typing import Any

from PySide6.QtCore import Signal
from PySide6.QtWidgets import QFileDialog, QLineEdit, QPushButton, QVBoxLayout, QWidget

from engine.learning.build import kind_of, settled
from engine.learning.describing import Description, describe
from engine.learning.loading import BUNDLED, DRAWN
from engine.learning.problems import KINDS
from engine.learning.setup import FEATURES, ProblemSetup
from gui.chips import Chips
from gui.form import Form, choice
from gui.job import JobSlot

FILE = "\0file"
TABLES = "Tables (*.csv *.tsv *.txt *.parquet *.pq *.gz);;All files (*)"
_DRAWN_ONLY = ("rows", "noise")
_FILE_ONLY = ("label", "group")


def named(setup: ProblemSetup) -> ProblemSetup:
    """Settings as the form shows them: what is drawn has a name."""
    setup = settled(setup)
    return replace(setup, data="linear") if kind_of(setup.problem).data and not setup.data else setup


def is_file(data: str) -> bool:
    """Whether data is the path of a file, and not the name of a set."""
    return bool(data) and data not in DRAWN and data not in BUNDLED


def data_title(setup: ProblemSetup) -> str:
    """What the data of a problem are called."""
    data = named(setup).data
    if data in DRAWN:
        return DRAWN[data].title
    if data in BUNDLED:
        return BUNDLED[data].title
    return Path(data).name


class ProblemForm(QWidget):
    """The settings of the problem.

    Signals:
        changed(ProblemSetup): something was set; the problem is to be made anew.
        failed(object): a file that could not be looked at.
    """

    changed = Signal(object)
    failed = Signal(object)

    def __init__(self, setup: ProblemSetup) -> None:
        super().__init__()
        self.setup = named(setup)
        self.folder = ""
        self.described: Description | None = None
        self._looking = JobSlot(self)
        self._looking.returned.connect(self._looked)
        self._looking.failed.connect(self.failed)
        column = QVBoxLayout(self)
        column.setContentsMargins(0, 0, 0, 0)
        column.setSpacing(20)
        self.form = Form(self.setup, names={"features": FEATURES})
        column.addWidget(self.form)
        self._head()
        self._data()
        self.form.changed.connect(self._formed)
        self.show_setup(self.setup)

    def _head(self) -> None:
        group = self.form.group("Problem")
        self.problem = choice(
            "Problem", tuple(KINDS), [kind.title for kind in KINDS.values()], self.setup.problem, "What is minimised"
        )
        self.problem.currentIndexChanged.connect(lambda _i: self._chosen_problem(self.problem.currentData()))
        group.insert_row(0, "Problem", self.problem)

    def _data(self) -> None:
        group = self.form.group("Data")
        self.data = choice("Data", (), (), None, "What it learns from: drawn, brought along, or a table of yours")
        self.data.currentIndexChanged.connect(lambda _i: self._chosen_data(self.data.currentData()))
        self.label = choice("Label", (), (), None, "The column that is to be told")
        self.label.currentIndexChanged.connect(lambda _i: self._take(label=self.label.currentData()))
        self.group = choice("Group", (), (), None, "Rows with one value here stay on one side of the split")
        self.group.currentIndexChanged.connect(lambda _i: self._take(group=self.group.currentData() or ""))
        self._rows = [group.insert_row(0, "Data", self.data), group.insert_row(1, "Label", self.label)]
        self._rows.append(group.insert_row(2, "Group", self.group))
        self.columns = Chips("Columns", (), (), first=6)
        self.columns.setToolTip("The columns that the label is told from")
        self.columns.changed.connect(self._chosen_columns)
        group.insert(3, self.columns)
        self.again = QPushButton("Draw again")
        self.again.setAccessibleName("Draw again")
        self.again.setToolTip("The same kind of data from the next seed")
        self.again.clicked.connect(lambda: self._take(seed=self.setup.seed + 1))
        group.add(self.again)
        network = self.form.group("Network")
        self.hidden = QLineEdit()
        self.hidden.setAccessibleName("Hidden layers")
        self.hidden.setToolTip("Neurons of each hidden layer, such as 8 or 8, 4")
        self.hidden.editingFinished.connect(self._typed_hidden)
        self._hidden_label = network.insert_row(0, "Hidden", self.hidden)

    # -- what is shown

    def show_setup(self, setup: ProblemSetup) -> None:
        """Show other settings; emits nothing."""
        self.setup = setup = named(setup)
        kind = kind_of(setup.problem)
        self.form.set_value(setup)
        self._quietly(self.problem, setup.problem)
        drawn, file = setup.data in DRAWN, is_file(setup.data)
        two = drawn and DRAWN[setup.data].two_numbers
        for name in self.form._controls:
            on = name in kind.fields
            if name in _DRAWN_ONLY:
                on = on and drawn
            if name == "features":
                on = on and two
            if name == "strength":
                on = on and setup.penalty != "none"
            self.form.show_field(name, on)
        self.form.group("Data").setVisible(kind.data)
        self.form.group("Network").setVisible("hidden" in kind.fields)
        self.hidden.setText(", ".join(str(size) for size in setup.hidden))
        self.hidden.setCursorPosition(0)
        self.again.setVisible(drawn)
        self._fill_data(kind)
        for widget in (*self._rows[1:], self.label, self.group, self.columns):
            widget.setVisible(file)
        if file and (self.described is None or str(self.described.path) != setup.data):
            self._look(setup.data)
        elif file:
            self._fill_columns()

    def _fill_data(self, kind: Any) -> None:
        box = self.data
        box.blockSignals(True)
        box.clear()
        for one in (*DRAWN.values(), *BUNDLED.values()):
            if one.fits(kind.classify, kind.most_classes):
                box.addItem(one.title, one.key)
        if is_file(self.setup.data):
            box.addItem(Path(self.setup.data).name, self.setup.data)
        box.addItem("A table …", FILE)
        box.setCurrentIndex(box.findData(self.setup.data))
        box.blockSignals(False)

    def _look(self, path: str) -> None:
        self.described = None
        for box in (self.label, self.group):
            box.blockSignals(True)
            box.clear()
            box.blockSignals(False)
        self.columns.set_names(())
        self._looking.start(lambda: describe(Path(path)), f"Looking at {Path(path).name}")

    def _looked(self, described: Description) -> None:
        self.described = described
        if str(described.path) != self.setup.data:
            return
        self._fill_columns()
        if not self.setup.label:
            self._take(label=described.label)

    def _fill_columns(self) -> None:
        assert self.described is not None
        names = [one.name for one in self.described.columns]
        for box, first in ((self.label, ()), (self.group, (("None", ""),))):
            box.blockSignals(True)
            box.clear()
            for word, value in first:
                box.addItem(word, value)
            for name in names:
                box.addItem(name, name)
            box.blockSignals(False)
        self._quietly(self.label, self.setup.label)
        self._quietly(self.group, self.setup.group)
        others = [name for name in names if name not in (self.setup.label, self.setup.group)]
        chosen = self.setup.columns or tuple(others)
        if (self.columns.names(), self.columns.chosen()) != (tuple(others), chosen):
            self.columns.blockSignals(True)
            self.columns.set_names(others, chosen)
            self.columns.blockSignals(False)
        kinds = {one.name: f"{one.kind}, {one.distinct:,} different" for one in self.described.columns}
        for name in self.columns.names():
            self.columns.button(name).setToolTip(f"{name}: {kinds[name]}")

    @staticmethod
    def _quietly(box: Any, value: Any) -> None:
        box.blockSignals(True)
        box.setCurrentIndex(box.findData(value))
        box.blockSignals(False)

    # -- what is changed

    def _take(self, **changes: Any) -> None:
        if all(getattr(self.setup, name) == value for name, value in changes.items()):
            return
        self.show_setup(replace(self.setup, **changes))
        self.changed.emit(self.setup)

    def _formed(self, setup: ProblemSetup) -> None:
        self.show_setup(setup)
        self.changed.emit(self.setup)

    def _chosen_problem(self, key: str) -> None:
        kind, data = kind_of(key), self.setup.data
        known = DRAWN.get(data) or BUNDLED.get(data)
        fits = known is not None and known.fits(kind.classify, kind.most_classes)
        keep = fits or is_file(data)
        self._take(problem=key, data=data if keep else "", degree=1)

    def _chosen_data(self, key: str) -> None:
        if key == FILE:
            self._quietly(self.data, self.setup.data)
            path, _kind = QFileDialog.getOpenFileName(self, "Open a table", self.folder, TABLES)
            if path:
                self.open_file(path)
            return
        self._take(data=key, label="", group="", columns=(), seed=self.setup.seed)

    def open_file(self, path: str) -> None:
        """Learn from a table; its label is guessed, and can be chosen otherwise."""
        path = str(Path(path).expanduser())
        self.folder = str(Path(path).parent)
        self.described = None
        kind = kind_of(self.setup.problem)
        problem = self.setup.problem if kind.data else "logistic"
        setup = replace(self.setup, problem=problem, data=path, label="", group="", columns=())
        # it is made once its label is known
        self.show_setup(setup)

    def _chosen_columns(self, chosen: tuple[str, ...]) -> None:
        if not chosen:
            # a model of nothing cannot be made: all again
            self._fill_columns()
            return
        self._take(columns=() if len(chosen) == len(self.columns.names()) else chosen)

    def _typed_hidden(self) -> None:
        words = self.hidden.text().replace(",", " ").split()
        if words and all(word.lstrip("-").isdecimal() for word in words):
            self._take(hidden=tuple(int(word) for word in words))
        else:
            self.hidden.setText(", ".join(str(size) for size in self.setup.hidden))

    def leave(self) -> None:
        """Stop looking at a file."""
        self._looking.cancel()
