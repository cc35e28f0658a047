"""The view of a search: real widgets, small searches."""

import shlex
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from PySide6.QtCore import QPoint, Qt
from PySide6.QtGui import QGuiApplication
from PySide6.QtTest import QTest

from engine.learning.search import Trial
from engine.learning.setup import ProblemSetup
from engine.learning.space import Choice, Range, parse_space
from engine.optimizers.contenders import Contender
from gui.importance_view import BestCurve, ImportanceView
from gui.optimizers_search import SETTINGS, TRIALS, SearchView
from gui.optimizers_search_run import Asked, command_of
from gui.parallel_axes import Axis, axis_of, short
from gui.parallel_view import ParallelView
from gui.trials_table import TrialsTable

LONG = 30_000
LEFT = Qt.MouseButton.LeftButton
LOGISTIC, ADAM = ProblemSetup("logistic"), Contender("adam", batch=32)
SPACE = "lr=1e-3..1:log,batch=16|32"
SOME = [
    Trial(0, 0.5, {"lr": 0.01, "batch": 16}, "complete"),
    Trial(1, 0.2, {"lr": 0.1, "batch": 32}, "complete"),
    Trial(2, 0.9, {"lr": 0.001, "batch": 32}, "pruned"),
    Trial(3, None, {"lr": 1.0, "batch": 16}, "diverged"),
    Trial(4, None, {"lr": 0.5, "batch": 16}, "failed"),
]


def press(widget):
    QTest.mouseClick(widget, LEFT)


@pytest.fixture
def view(qtbot):
    made = SearchView()
    qtbot.addWidget(made)
    made.resize(900, 530)
    made.show()
    made.begin(LOGISTIC, ADAM, 40, 2)
    yield made
    made.leave()
    qtbot.waitUntil(lambda: not made.searcher.busy and not made.searcher._looks.busy, timeout=LONG)


@pytest.fixture
def small(view):
    """A search of six trials of 40 steps."""
    view.form.editor.set_text(SPACE)
    view.form.form.control("trials").field.setValue(6)
    return view


@pytest.fixture
def done(small, qtbot):
    """That search, at its end."""
    press(small.go)
    qtbot.waitUntil(lambda: not small.searcher.busy and small.searcher.finished == 6, timeout=LONG)
    qtbot.waitUntil(lambda: len(small.table.rows.trials) == 6)
    return small


def row_of(view, name):
    return next(row for row in view.form.editor.rows if row.name == name)


# -- the space


def test_rows_and_text_say_the_same(view):
    editor = view.form.editor
    assert editor.text() == "lr=1e-4..1:log"
    row = row_of(view, "lr")
    row.low.clear()
    QTest.keyClicks(row.low, "0.01")
    press(row.log)
    assert editor.text() == "lr=0.01..1"
    press(editor.add)
    assert [one.name for one in editor.rows] == ["lr", "batch"]
    box = editor.rows[1].name_box
    box.setCurrentIndex(box.findData("penalty"))
    press(row_of(view, "penalty").words.button("l1"))
    assert editor.text() == "lr=0.01..1,penalty=none|l1|l2"
    assert parse_space(editor.text()) == (Range("lr", 0.01, 1.0), Choice("penalty", ("none", "l1", "l2")))
    press(row_of(view, "lr").remove)
    assert editor.text() == "penalty=none|l1|l2"


def test_typed_text_makes_the_rows(view):
    editor = view.form.editor
    editor.line.selectAll()
    QTest.keyClicks(editor.line, "lr=0.1|1,batch=8..64:log,rule=sgd|adam")
    assert [one.name for one in editor.rows] == ["lr", "batch", "rule"]
    assert editor.rows[0].values.text() == "0.1 | 1"
    assert editor.rows[0].list.isChecked()
    assert (editor.rows[1].low.text(), editor.rows[1].high.text()) == ("8", "64")
    assert editor.rows[1].log.isChecked()
    assert editor.rows[2].words.chosen() == ("sgd", "adam")
    # what was typed stays as it was typed
    assert editor.text() == "lr=0.1|1,batch=8..64:log,rule=sgd|adam"


def test_a_list_becomes_a_range_and_a_range_a_list(view):
    row = row_of(view, "lr")
    press(row.list)
    assert view.form.editor.text() == "lr=1e-4|1"
    press(row.list)
    assert view.form.editor.text() == "lr=1e-4..1:log"


def test_another_setting_in_a_row_is_proposed_with_a_range(view):
    row = row_of(view, "lr")
    row.name_box.setCurrentIndex(row.name_box.findData("beta"))
    assert view.form.editor.text() == "beta=0.5..0.99"
    assert not view.form.problem


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("lr=1..0.1", "is empty"),
        ("lr=0..1:log", "logarithm"),
        ("hidden=2..8", "There is no hidden"),
        ("penalty=", "cannot be read"),
        ("lr=-1..1", "cannot learn at a rate"),
        ("", "add a setting"),
    ],
)
def test_what_cannot_be_is_said_in_a_sentence_and_not_started(view, text, words):
    editor = view.form.editor
    for row in list(editor.rows) if not text else ():
        press(row.remove)
    editor.set_text(text)
    view.form.editor.changed.emit()
    assert words in editor.sentence.text()
    assert editor.sentence.isVisible()
    assert not view.go.isEnabled()


def test_the_network_is_searched_by_its_neurons(view):
    view.begin(ProblemSetup("network"), ADAM, 40, 2)
    assert view.form.editor.text() == "hidden=4..64:log,lr=1e-4..1:log"
    assert "Network" in view.title.text()


# -- a search


def test_trials_come_in_and_the_best_is_raced(done, qtbot):
    assert done.stack.currentIndex() == TRIALS
    trials = done.table.rows.trials
    assert [one.number for one in trials] == [5, 4, 3, 2, 1, 0]
    best = min((one for one in trials if one.state == "complete"), key=lambda one: one.value)
    assert f"best {short(best.value, 4)}" in done.words.text()
    assert len(done.parallel.trials) == 6
    assert sum(done.importance.shares.values()) == pytest.approx(1)
    with qtbot.waitSignal(done.chosen) as raced:
        press(done.race)
    setup, contender = raced.args
    assert setup.problem == "logistic"
    assert contender.name == "Adam, found"
    assert contender.knobs.lr == best.parameters["lr"]
    assert contender.batch == best.parameters["batch"]


def test_any_trial_can_be_raced(done, qtbot):
    row = done.table.rows.row_of(2)
    at = done.table.visualRect(done.table.rows.index(row, 1)).center()
    QTest.mouseClick(done.table.viewport(), LEFT, pos=at)
    with qtbot.waitSignal(done.chosen) as raced:
        QTest.mouseDClick(done.table.viewport(), LEFT, pos=at)
    trial = done.searcher.trials[2]
    assert raced.args[1].knobs.lr == trial.parameters["lr"]


def test_the_same_study_goes_on(done, qtbot):
    assert done.go.text() == "Go on"
    assert done.anew.isVisible()
    press(done.go)
    qtbot.waitUntil(lambda: not done.searcher.busy and done.searcher.finished == 12, timeout=LONG)
    assert sorted(done.searcher.trials) == list(range(12))


def test_other_settings_begin_another_study(done, qtbot):
    press(done.tabs[SETTINGS])
    row_of(done, "lr").high.clear()
    QTest.keyClicks(row_of(done, "lr").high, "0.5")
    assert done.go.text() == "Start"
    press(done.go)
    qtbot.waitUntil(lambda: not done.searcher.busy and done.searcher.finished == 6, timeout=LONG)
    assert max(one.parameters["lr"] for one in done.searcher.trials.values()) <= 0.5


def test_stop_keeps_what_was_finished(small, qtbot):
    small.form.form.control("trials").field.setValue(500)
    press(small.go)
    qtbot.waitUntil(lambda: small.searcher.finished >= 2, timeout=LONG)
    assert small.go.text() == "Stop"
    press(small.go)
    qtbot.waitUntil(lambda: not small.searcher.busy and not small.searcher._looks.busy, timeout=LONG)
    kept = small.searcher.finished
    assert kept >= 2
    assert small.go.text() == "Go on"
    assert not any(one.state == "running" for one in small.searcher.trials.values())
    small.form.form.control("trials").field.setValue(kept + 1)
    press(small.go)
    qtbot.waitUntil(lambda: not small.searcher.busy and small.searcher.finished == kept + 1, timeout=LONG)


def test_escape_leaves_and_the_search_is_there_when_it_is_asked_for_again(done, qtbot):
    with qtbot.waitSignal(done.closed):
        QTest.keyClick(done, Qt.Key.Key_Escape)
    done.begin(LOGISTIC, ADAM, 40, 2)
    assert len(done.table.rows.trials) == 6
    done.begin(LOGISTIC, Contender("sgd"), 40, 2)
    assert not done.table.rows.trials
    # the space that was written fits this rule too
    assert done.form.editor.text() == SPACE


def test_who_leaves_half_way_finds_what_was_finished(small, qtbot):
    small.form.form.control("trials").field.setValue(500)
    press(small.go)
    qtbot.waitUntil(lambda: small.searcher.finished >= 2, timeout=LONG)
    press(small.close_button)
    qtbot.waitUntil(lambda: not small.searcher.busy, timeout=LONG)
    small.begin(LOGISTIC, ADAM, 40, 2)
    qtbot.waitUntil(lambda: not small.searcher._looks.busy, timeout=LONG)
    states = {one.state for one in small.searcher.trials.values()}
    assert small.searcher.finished >= 2
    assert "running" not in states
    assert small.go.text() == "Go on"


def test_a_grid_says_how_large_it_is_and_ends(small, qtbot):
    small.form.editor.set_text("lr=0.01|0.1,batch=16|32")
    box = small.form.form.control("sampler")
    box.setCurrentIndex(box.findData("grid"))
    assert "4 cells" in small.form.hint.text()
    press(small.go)
    qtbot.waitUntil(lambda: not small.searcher.busy and small.searcher.finished == 4, timeout=LONG)
    assert "whole grid" in small.sentence.text()


def test_what_the_search_finds_wrong_is_said(small, qtbot):
    small.form.editor.set_text("batch=16|100000")
    press(small.go)
    qtbot.waitUntil(lambda: "batch has 100,000 rows" in small.sentence.text(), timeout=LONG)
    qtbot.waitUntil(lambda: not small.searcher.busy)
    assert small.go.text() == "Start"


def test_a_storage_needs_a_study(small):
    press(small.form.more)
    QTest.keyClicks(small.form.storage, "sqlite:////tmp/nowhere.db")
    press(small.go)
    assert "name under More" in small.sentence.text()
    assert not small.searcher.busy


# -- several machines


def test_the_command_goes_on_with_the_study_of_the_window(small, qtbot, tmp_path):
    address = f"sqlite:///{tmp_path / 'study.db'}"
    press(small.form.more)
    QTest.keyClicks(small.form.study, "ours")
    small.form.storage.setText(address)
    small.form.form.control("trials").field.setValue(2)
    press(small.go)
    qtbot.waitUntil(lambda: not small.searcher.busy and small.searcher.finished == 2, timeout=LONG)
    small.form.form.control("trials").field.setValue(3)
    words = shlex.split(small.form.command.text())
    assert words[:4] == ["uv", "run", "main.py", "search"]
    done = subprocess.run(
        [sys.executable, *words[2:]], cwd=Path(__file__).parent.parent, capture_output=True, text=True, timeout=120
    )
    assert done.returncode == 0, done.stderr
    assert '"trial": 2' in done.stdout
    # its trial is seen here as well
    press(small.go)
    qtbot.waitUntil(lambda: not small.searcher.busy and len(small.searcher.trials) >= 3, timeout=LONG)


def test_the_command_says_every_setting_of_the_problem():
    asked = Asked(ProblemSetup("network", data="moons", rows=300, hidden=(8, 4)), ADAM, "lr=0.1|1", "tpe", 5, 40, 2)
    line, cannot = command_of(asked)
    assert "search network --data moons" in line
    assert "--rows 300" in line
    assert "--hidden 8,4" in line
    assert "--study NAME --storage ADDRESS" in line
    assert cannot == ""


# -- parts


@pytest.fixture
def parallel(qtbot):
    made = ParallelView()
    qtbot.addWidget(made)
    made.resize(620, 300)
    made.show_space(parse_space(SPACE), {"lr": "Learning rate"})
    made.show_trials(SOME)
    made.show()
    return made


def test_places_on_axes():
    axis = axis_of(Range("lr", 1e-4, 1.0, log=True), "Learning rate")
    assert axis.place(0.01) == pytest.approx(0.5)
    assert [words for _place, words in axis.marks(3)][:2] == ["0.0001", "1"]
    assert axis_of(Choice("batch", (16, 32, 64)), "Batch").place(32) == 0.5
    assert np.isnan(axis_of(Choice("batch", (16, 32, 64)), "Batch").place(None))
    assert Axis("x", "x", 2.0, 2.0).place(2.0) == 0.5
    assert [short(value) for value in (0.00001, 1e10, 0.21345, "l2")] == ["1e-5", "1e10", "0.213", "l2"]


def test_dragging_along_an_axis_keeps_some_lines_and_a_click_lets_go(parallel, qtbot):
    assert [one.number for one in parallel.trials] == [0, 1, 2, 3]
    x = round(parallel.x_of(0))
    top, bottom = (QPoint(x, round(parallel.y_of(place))) for place in (0.8, 0.25))
    with qtbot.waitSignal(parallel.brushed, check_params_cb=lambda kept: kept == frozenset({0, 1})):
        QTest.mousePress(parallel, LEFT, pos=bottom)
        QTest.mouseMove(parallel, top)
    QTest.mouseRelease(parallel, LEFT, pos=top)
    assert parallel.kept().tolist() == [True, True, False, False]
    with qtbot.waitSignal(parallel.brushed, check_params_cb=lambda kept: kept is None):
        QTest.mouseClick(parallel, LEFT, pos=bottom)
    assert parallel.kept().all()


def test_a_line_says_its_values_and_is_chosen(parallel, qtbot):
    points = parallel.points()[1]
    between = (points[0] + points[1]) / 2
    at = QPoint(*np.round(between).astype(int).tolist())
    QTest.mouseMove(parallel, at)
    assert parallel.words(parallel.trials[parallel._hovered]) == "trial 1 · Learning rate 0.1 · batch 32 · Loss 0.2"
    with qtbot.waitSignal(parallel.chosen, check_params_cb=lambda number: number == 1):
        QTest.mouseClick(parallel, LEFT, pos=at)
    with qtbot.waitSignal(parallel.opened, check_params_cb=lambda number: number == 1):
        QTest.mouseDClick(parallel, LEFT, pos=at)
    parallel.grab()


def test_the_table_is_sorted_and_copied(qtbot):
    table = TrialsTable()
    qtbot.addWidget(table)
    table.show_names(["lr", "batch"], {"lr": "Learning rate"})
    table.resize(600, 200)
    table.show()
    table.show_trials(SOME)
    head = table.horizontalHeader()
    at = QPoint(head.sectionViewportPosition(1) + 20, 10)
    QTest.mouseClick(head.viewport(), LEFT, pos=at)
    assert [one.number for one in table.rows.trials][:3] == [1, 0, 2]
    QTest.mouseClick(head.viewport(), LEFT, pos=at)
    # what has no loss stays last
    assert [one.number for one in table.rows.trials][:3] == [2, 0, 1]
    table.choose(1)
    QTest.keyClick(table, Qt.Key.Key_C, Qt.KeyboardModifier.ControlModifier)
    lines = QGuiApplication.clipboard().text().splitlines()
    assert lines[0] == "trial\tloss\tlr\tbatch\tstate"
    assert lines[3] == "1\t0.2\t0.1\t32\tfinished"
    with qtbot.waitSignal(table.opened, check_params_cb=lambda number: number == 1):
        QTest.keyClick(table, Qt.Key.Key_Return)


def test_the_best_so_far_is_a_step(qtbot):
    curve = BestCurve()
    qtbot.addWidget(curve)
    curve.show_trials(SOME)
    x, y = curve._items["best"].getData()
    assert x.tolist() == [1, 2, 2, 3, 3, 4, 4, 4.5][: len(x)]
    assert y[0] == 0.5
    assert y[-1] == 0.2
    curve.show_trials(())
    assert not curve._items


def test_importance_says_its_shares(qtbot):
    bars = ImportanceView()
    qtbot.addWidget(bars)
    bars.resize(240, 140)
    bars.show_shares({"batch": 0.2, "lr": 0.8}, {"lr": "Learning rate"})
    assert bars.accessibleDescription() == "Learning rate 80 %, batch 20 %"
    bars.grab()
    bars.show_shares({}, {}, alone=True)
    assert "one setting" in bars.empty
