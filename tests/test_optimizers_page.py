"""The page Optimize in the window: real widgets, real races on small problems."""

import shutil
from dataclasses import replace

import numpy as np
import pytest
from PySide6.QtCore import QPoint, Qt
from PySide6.QtGui import QGuiApplication
from PySide6.QtTest import QTest
from PySide6.QtWidgets import QAbstractButton, QAbstractSlider, QAbstractSpinBox, QComboBox, QLineEdit, QScrollBar

from engine import runtime
from engine.learning.examples import usual_contenders
from engine.learning.race_text import parse_race
from engine.learning.setup import ProblemSetup
from gui.app import build
from gui.job import shutdown
from gui.optimizers_parts import Path

LONG = 90_000
LEFT = Qt.MouseButton.LeftButton


@pytest.fixture
def window(qtbot):
    """A window with nothing remembered, on the page Optimize."""
    shutil.rmtree(runtime.config_folder(), ignore_errors=True)
    _app, made = build()
    qtbot.addWidget(made)
    made.resize(1280, 800)
    made.show()
    made.show_page("optimize")
    yield made
    made.close()
    assert shutdown(20_000) == []


@pytest.fixture
def page(window, qtbot):
    page = window.pages["optimize"]
    qtbot.waitUntil(lambda: page.runner.built is not None, timeout=LONG)
    return page


def open_problem(page, qtbot, setup, steps=200, replicates=2):
    """Another problem, and how long its races are."""
    page.race_form.set_field("steps", steps)
    page.race_form.set_field("replicates", replicates)
    page.race_form.set_value(page.race_choices)
    page._setup_changed(setup)
    qtbot.waitUntil(lambda: built(page, setup), timeout=LONG)


def built(page, setup):
    found = page.runner.built
    return found is not None and found.setup.problem == setup.problem and not page._again.isActive()


def press(widget):
    QTest.mouseClick(widget, LEFT)


def over(page):
    return not page.runner.busy and bool(page.entries) and not page.runner.left


def raced(page, qtbot):
    """Press Race, and wait for the end."""
    press(page.button)
    qtbot.waitUntil(lambda: page.runner.busy, timeout=LONG)
    qtbot.waitUntil(lambda: over(page), timeout=LONG)


def test_the_empty_page_says_what_to_do(page, window):
    assert page.stage.plot.empty.isVisible()
    assert "Press Race" in page.stage.plot.empty.text()
    assert page.button.text() == "Race"
    assert not page.transport.split.isEnabled()
    assert "Logistic regression" in window.open_bar.address.text()


def test_six_rules_race_and_are_ranked(page, qtbot):
    open_problem(page, qtbot, ProblemSetup("quadratic"))
    raced(page, qtbot)
    assert len(page.entries) == 6
    table = page.strip_view.table
    assert table.rows.rowCount() == 6
    losses = [entry.loss for entry in table.rows.entries]
    assert losses == sorted(losses)
    assert all(len(entry.curve) == 200 for entry in page.entries)
    # the twin lies under each curve that torch has
    assert all(entry.curve.apart < 1e-9 for entry in page.entries)
    assert page.transport.where.text().startswith("step 200 / 200")
    table.sortByColumn(0, Qt.SortOrder.AscendingOrder)
    names = [entry.name for entry in table.rows.entries]
    assert names == sorted(names, key=str.casefold)
    table.setFocus()
    QTest.keySequence(table, "Ctrl+C")
    assert QGuiApplication.clipboard().text().count("\n") == 6


def test_it_waits_steps_and_goes_on(page, qtbot):
    open_problem(page, qtbot, ProblemSetup("quadratic"), steps=200, replicates=1)
    press(page.transport.on)
    qtbot.waitUntil(lambda: page.done == 1, timeout=LONG)
    qtbot.waitUntil(lambda: not page.runner.running, timeout=LONG)
    assert page.button.text() == "Go on"
    press(page.transport.many)
    qtbot.waitUntil(lambda: page.done == 101 and not page.runner.running, timeout=LONG)
    press(page.button)
    qtbot.waitUntil(lambda: over(page), timeout=LONG)
    assert page.done == 200
    press(page.transport.back)
    assert not page.entries
    assert page.stage.plot.empty.isVisible()


def test_a_knob_changed_on_the_way_holds_from_there(page, qtbot):
    open_problem(page, qtbot, ProblemSetup("quadratic"), steps=400, replicates=1)
    page.step(100)
    qtbot.waitUntil(lambda: page.done == 100 and not page.runner.running, timeout=LONG)
    page.row_list.choose(0)
    field = page.row_list.form._knobs.control("lr").field
    field.setFocus()
    field.selectAll()
    QTest.keyClicks(field, "0.001")
    QTest.keyClick(field, Qt.Key.Key_Return)
    press(page.button)
    qtbot.waitUntil(lambda: over(page), timeout=LONG)
    rates = page.entries[0].curve.record.series("rate")
    assert (rates[99], rates[101]) == (0.03, 0.001)
    assert page.runner.runs[0].changes[-1][1].knobs.lr == 0.001


def test_a_fork_repeats_the_run_bit_for_bit(page, qtbot):
    open_problem(page, qtbot, ProblemSetup("logistic"), steps=120, replicates=3)
    raced(page, qtbot)
    page.row_list.choose(1)
    page.look_at_step(50)
    press(page.transport.split)
    qtbot.waitUntil(lambda: len(page.entries) == 6 and not page.runner.forking.busy, timeout=LONG)
    assert page.row_list.current.contender.name == "Momentum from 50"
    press(page.button)
    qtbot.waitUntil(lambda: over(page), timeout=LONG)
    first, fork = page.entries[1].curve.record, page.entries[5].curve.record
    assert fork.first == 50
    assert np.array_equal(first.series("loss")[50:], fork.series("loss"))


def test_contenders_are_added_copied_removed_and_taken_back(page, qtbot):
    rows = page.row_list
    count = len(rows.rows)
    rows.add_rule("lion")
    assert rows.current.contender.key == "lion"
    widget = rows.list.widgets[-1]
    widget.setFocus()
    QTest.keySequence(widget, "Ctrl+D")
    assert rows.current.contender.name == "Lion 2"
    assert rows.current.contender.colour != rows.rows[count].contender.colour
    QTest.keyClick(rows.list.widgets[-1], Qt.Key.Key_Delete)
    assert len(rows.rows) == count + 1
    rows.undo()
    assert len(rows.rows) == count + 2
    QTest.mouseClick(rows.list.widgets[0], LEFT, pos=QPoint(12, 16))
    assert not rows.rows[0].on
    assert page.race_setup().contenders[0].key == "momentum"


def test_a_rule_that_is_added_joins_the_race(page, qtbot):
    open_problem(page, qtbot, ProblemSetup("quadratic"), steps=100_000, replicates=1)
    press(page.button)
    qtbot.waitUntil(lambda: page.done > 50, timeout=LONG)
    page.row_list.add_rule("adadelta")
    qtbot.waitUntil(lambda: len(page.entries) == 7 and len(page.entries[6].curve) > 0, timeout=LONG)
    assert page.runner.running
    page.runner.pause()
    assert not page.runner.running


def test_a_network_is_drawn_and_its_weight_is_set_by_hand(page, qtbot):
    open_problem(page, qtbot, ProblemSetup("network", data="moons", hidden=(3,)), steps=5000, replicates=1)
    network, plot = page.stage.network, page.stage.boundary
    assert network.isVisible()
    assert plot.isVisible()
    page.step(20)
    qtbot.waitUntil(lambda: page.done == 20 and not page.runner.running, timeout=LONG)
    qtbot.waitUntil(lambda: network.look is not None, timeout=LONG)
    network.edited.emit(0, 1, 0, 4.5)
    qtbot.waitUntil(lambda: page.entries[0].theta[0, page.runner.built.problem.place(0, 1, 0)] == 4.5, timeout=LONG)
    qtbot.waitUntil(lambda: network.look.weights[0][0][1, 0] == 4.5, timeout=LONG)
    network.hidden_changed.emit((5, 2))
    qtbot.waitUntil(lambda: page.runner.built is not None and page.runner.built.problem.parameters == 30, timeout=LONG)
    assert page.problem.hidden.text() == "5, 2"


def test_an_earlier_step_of_a_network_can_be_looked_at(page, qtbot):
    open_problem(page, qtbot, ProblemSetup("network", data="moons", hidden=(3,)), steps=200, replicates=1)
    raced(page, qtbot)
    seen = page.stage.network.look
    page.look_at_step(3)
    qtbot.waitUntil(lambda: page.stage.network.look is not seen, timeout=LONG)
    early = page.stage.network.look.weights[0][0]
    start = page.runner.built.problem.layers(page.runner.runs[0]._moments.before(0).theta[0].numpy())[0][0]
    assert np.abs(early - start).max() < 1.0
    page.escape()
    assert page.looked is None


def test_a_race_is_saved_reopened_and_raced_again(page, qtbot, tmp_path):
    open_problem(page, qtbot, ProblemSetup("logistic", data="moons", noise=0.3), steps=60, replicates=2)
    page.step(20)
    qtbot.waitUntil(lambda: page.done == 20 and not page.runner.running, timeout=LONG)
    page.row_list.change(replace(page.rows[0].contender, knobs=replace(page.rows[0].contender.knobs, lr=0.5)))
    press(page.button)
    qtbot.waitUntil(lambda: over(page), timeout=LONG)
    before = [entry.curve.record.series("loss").copy() for entry in page.entries]
    path = tmp_path / "moons.race"
    page.save.save_race(path)
    qtbot.waitUntil(path.exists, timeout=LONG)
    open_problem(page, qtbot, ProblemSetup("quadratic"))
    page.window().open(str(path))
    qtbot.waitUntil(lambda: page.setup.problem == "logistic" and len(page.entries) == len(before), timeout=LONG)
    assert all(np.array_equal(e.curve.record.series("loss"), b) for e, b in zip(page.entries, before, strict=True))
    assert page.button.text() == "Race"
    raced(page, qtbot)
    assert all(np.array_equal(e.curve.record.series("loss"), b) for e, b in zip(page.entries, before, strict=True))


def test_curves_ranking_picture_and_events_are_written(page, qtbot, tmp_path):
    open_problem(page, qtbot, ProblemSetup("quadratic"), steps=30)
    page.save.write_ranking(tmp_path / "none.csv")
    assert "start a race" in page.window().notices.texts()[-1]
    raced(page, qtbot)
    page.save.write_curves(tmp_path / "curves.csv")
    page.save.write_ranking(tmp_path / "ranking.csv")
    page.save.write_picture(tmp_path / "curves.png")
    page.save.write_picture(tmp_path / "curves.svg")
    page.save.write_events(tmp_path / "events")
    qtbot.waitUntil(lambda: (tmp_path / "curves.csv").exists() and (tmp_path / "events").exists(), timeout=LONG)
    assert len((tmp_path / "curves.csv").read_text().splitlines()) > 6 * 30
    assert (tmp_path / "ranking.csv").read_text().count("\n") == 7
    assert (tmp_path / "curves.png").read_bytes().startswith(b"\x89PNG")
    assert b"<svg" in (tmp_path / "curves.svg").read_bytes()
    assert len(list((tmp_path / "events").rglob("events.out.tfevents*"))) == 6


def test_a_set_up_is_shared_as_text(page, qtbot, window):
    open_problem(page, qtbot, ProblemSetup("rosenbrock"), steps=77)
    page.save.copy_setup()
    text = QGuiApplication.clipboard().text()
    assert parse_race(text).steps == 77
    open_problem(page, qtbot, ProblemSetup("linear"))
    window.open(text)
    qtbot.waitUntil(lambda: built(page, ProblemSetup("rosenbrock")), timeout=LONG)
    assert page.race_choices.steps == 77
    window.open("sightline:race?problem=rosenbrock")
    assert "cut" in window.notices.texts()[-1]


def test_a_table_is_learned_from(page, qtbot, window, tmp_path):
    rng = np.random.default_rng(0)
    x = rng.standard_normal((200, 2))
    said = (x @ [2.0, -1.0] + 0.3 * rng.standard_normal(200) > 0).astype(int)
    path = tmp_path / "clicks.csv"
    lines = ["time,age,clicked", *(f"{a:.4f},{b:.4f},{c}" for (a, b), c in zip(x, said, strict=True))]
    path.write_text("\n".join(lines))
    window.open(str(path))
    qtbot.waitUntil(lambda: page.runner.built is not None and page.setup.label == "clicked", timeout=LONG)
    qtbot.waitUntil(lambda: page.runner.built is not None and page.runner.built.problem.rows == 160, timeout=LONG)
    page.race_form.set_field("steps", 150)
    raced(page, qtbot)
    assert min(entry.figures["roc_auc"] for entry in page.entries) > 0.97
    page.save.write_test(tmp_path / "test.csv")
    assert (tmp_path / "test.csv").read_text().count("precision_recall") > 5 * 10
    page.save.write_picture(tmp_path / "boundary.svg", "boundary")
    assert b"<svg" in (tmp_path / "boundary.svg").read_bytes()
    assert page.strip_view.table.rows.baseline is not None
    assert page.stage.boundary.isVisible()
    assert "clicks.csv · 200 rows · label: clicked" in window.open_bar.address.text()


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"lr": 0.0}, "cannot learn at a rate of 0"),
        ({"lr": -1.0}, "cannot learn at a rate of -1"),
    ],
)
def test_a_rate_that_cannot_be_is_refused(page, qtbot, window, change, words):
    row = page.rows[0]
    row.contender = replace(row.contender, knobs=replace(row.contender.knobs, **change))
    press(page.button)
    assert words in window.notices.texts()[-1]
    assert not page.runner.busy


def test_a_run_that_diverges_is_marked(page, qtbot, window):
    open_problem(page, qtbot, ProblemSetup("quadratic"), steps=300, replicates=2)
    page.row_list.change(replace(page.rows[0].contender, knobs=replace(page.rows[0].contender.knobs, lr=1e9)))
    raced(page, qtbot)
    assert any("SGD diverges: 2 of 2" in text for text in window.notices.texts())
    cells = [page.strip_view.table.rows.cells(row) for row in range(6)]
    assert cells[-1][:2] == ["SGD", "diverged"]


@pytest.mark.parametrize(
    ("name", "text", "words"),
    [
        ("one.csv", "a,b\n1,0\n", "one.csv"),
        ("binary.csv", "\0\1\2\3", "binary.csv"),
        ("same.csv", "a,b\n" + "1,0\n" * 30, "same.csv|one class|1 class"),
    ],
)
def test_tables_that_cannot_be_learned_from(page, qtbot, window, tmp_path, name, text, words):
    import re

    path = tmp_path / name
    path.write_text(text)
    window.open(str(path))
    qtbot.waitUntil(lambda: any(re.search(words, said) for said in window.notices.texts()), timeout=LONG)


def test_a_missing_table_is_said(page, qtbot, window):
    window.open("/nowhere/clicks.csv")
    qtbot.waitUntil(lambda: "/nowhere/clicks.csv" in " ".join(window.notices.texts()), timeout=LONG)


def test_choices_are_remembered(page, qtbot, window):
    open_problem(page, qtbot, ProblemSetup("beale"), steps=55)
    page.stage.menu.choose(axis="evaluations", band=2.5)
    page.strip_view.show_panel("ROC")
    window.close()
    _app, other = build()
    qtbot.addWidget(other)
    other.show()
    other.show_page("optimize")
    again = other.pages["optimize"]
    assert (again.setup.problem, again.race_choices.steps) == ("beale", 55)
    assert (again.stage.plot.choices.axis, again.stage.plot.choices.band) == ("evaluations", 2.5)
    assert again.strip_view.panel == "ROC"
    other.close()


def test_the_plot_is_read_at_the_mouse_and_zoomed(page, qtbot):
    open_problem(page, qtbot, ProblemSetup("quadratic"), steps=100, replicates=1)
    raced(page, qtbot)
    plot = page.stage.plot
    qtbot.waitUntil(lambda: plot.repaints > 2 and not plot._timer.isActive(), timeout=LONG)
    assert "step 50" in plot.words_at(50)
    assert "Adam" in plot.words_at(50)
    box = plot._plot.getViewBox()
    whole = box.viewRange()[0]
    box.scaleBy((0.5, 0.5))
    plot._moved()
    assert not plot.following
    plot.fit()
    qtbot.waitUntil(lambda: box.viewRange()[0] == whole, timeout=LONG)
    for axis in ("epochs", "evaluations", "seconds", "steps"):
        page.stage.menu.choose(axis=axis, log_x=axis == "steps")
        qtbot.waitUntil(lambda: not plot._timer.isActive(), timeout=LONG)


def test_earlier_runs_stay_behind_the_next_race(page, qtbot):
    open_problem(page, qtbot, ProblemSetup("quadratic"), steps=20, replicates=1)
    raced(page, qtbot)
    raced(page, qtbot)
    assert (len(page.entries), len(page.earlier)) == (6, 6)
    assert sum(one.quiet for one in page.stage.plot.shown) == 6
    assert page.strip_view.table.rows.rowCount() == 12
    page.forget_entry(page.earlier[0])
    assert page.strip_view.table.rows.rowCount() == 11
    open_problem(page, qtbot, ProblemSetup("beale"), steps=20)
    assert not page.stage.plot.shown


def test_every_control_has_a_name(page):
    for kind in (QAbstractButton, QComboBox, QAbstractSlider, QAbstractSpinBox, QLineEdit):
        for widget in page.findChildren(kind):
            if (
                widget.isVisible()
                and not isinstance(widget, QScrollBar)
                and widget.objectName() != "qt_spinbox_lineedit"
            ):
                assert widget.accessibleName() or (isinstance(widget, QAbstractButton) and widget.text()), widget


def test_every_rule_can_be_chosen_in_the_form(page):
    form = page.row_list.form
    for place in range(form.rule.count()):
        form.rule.setCurrentIndex(place)
        assert page.rows[0].contender.key == form.rule.itemData(place)


def test_race_pressed_at_once_after_a_reset_races(page, qtbot):
    open_problem(page, qtbot, ProblemSetup("quadratic"), steps=100_000, replicates=1)
    press(page.button)
    qtbot.waitUntil(lambda: page.done > 0, timeout=LONG)
    page.reset()
    press(page.button)
    qtbot.waitUntil(lambda: len(page.entries) == 6 and page.done > 0, timeout=LONG)
    # likewise while another problem is being made
    page._setup_changed(ProblemSetup("beale"))
    press(page.button)
    qtbot.waitUntil(lambda: page.setup.problem == "beale" and page.done > 0, timeout=LONG)
    page.reset()


def test_a_table_is_opened_again_after_another_problem(page, qtbot, window, tmp_path):
    path = tmp_path / "t.csv"
    path.write_text("a,b\n" + "".join(f"{n},{n % 2}\n" for n in range(30)))
    for text in (str(path), str(tmp_path / "." / "t.csv").replace("t.csv", "./t.csv"), str(path)):
        window.open(text)
        qtbot.waitUntil(lambda: page.data_rows == 24 and not page._again.isActive(), timeout=LONG)
        # 32 rows at a time are more than there are
        assert any("larger than the 24 rows" in said for said in window.notices.texts())
        assert all(row.contender.batch == "all" for row in page.rows)
        open_problem(page, qtbot, ProblemSetup("quadratic"))
        page.row_list.set_contenders(usual_contenders("logistic"))


def test_a_race_whose_table_is_gone_is_not_shown_elsewhere(page, qtbot, window, tmp_path):
    table, path = tmp_path / "t.csv", tmp_path / "t.race"
    table.write_text("a,b\n" + "".join(f"{n % 7},{n % 2}\n" for n in range(40)))
    window.open(str(table))
    qtbot.waitUntil(lambda: page.data_rows == 32 and not page._again.isActive(), timeout=LONG)
    page.race_form.set_field("steps", 10)
    raced(page, qtbot)
    page.save.save_race(path)
    qtbot.waitUntil(path.exists, timeout=LONG)
    open_problem(page, qtbot, ProblemSetup("quadratic"))
    table.unlink()
    window.open(str(path))
    qtbot.waitUntil(lambda: "t.csv" in " ".join(window.notices.texts()), timeout=LONG)
    open_problem(page, qtbot, ProblemSetup("beale"))
    assert not page.entries
    assert not page.stage.plot.shown


def test_space_presses_the_focused_button(page, qtbot, window):
    window.activateWindow()
    page.row_list.form.more.setFocus()
    QTest.keyClick(window.windowHandle(), Qt.Key.Key_Space)
    assert page.row_list.form._more_open
    assert not page.runner.busy
    page.stage.plot.setFocus()
    QTest.keyClick(window.windowHandle(), Qt.Key.Key_Space)
    qtbot.waitUntil(lambda: page.runner.busy, timeout=LONG)
    page.reset()


def test_undo_never_empties_the_list(page):
    rows = page.row_list
    count = len(rows.rows)
    rows.add_rule("lion")
    for _ in range(10):
        rows.undo()
    assert len(rows.rows) == count


def test_a_fork_at_the_end_is_refused_in_words(page, qtbot, window):
    open_problem(page, qtbot, ProblemSetup("quadratic"), steps=20, replicates=1)
    raced(page, qtbot)
    page.fork()
    assert "earlier step" in window.notices.texts()[-1]
    assert len(page.entries) == 6


def test_saving_while_it_races_lets_it_go_on(page, qtbot, tmp_path):
    open_problem(page, qtbot, ProblemSetup("quadratic"), steps=200_000, replicates=1)
    press(page.button)
    qtbot.waitUntil(lambda: page.done > 20, timeout=LONG)
    page.save.save_race(tmp_path / "on.race")
    page.row_list.add_rule("lion")
    qtbot.waitUntil((tmp_path / "on.race").exists, timeout=LONG)
    qtbot.waitUntil(lambda: len(page.entries) == 7 and len(page.entries[6].curve) > 0, timeout=LONG)
    assert page.runner.running
    page.reset()


def test_a_path_that_grows_keeps_all_its_places():
    path, places = Path(), np.arange(2000.0).reshape(-1, 2)
    for first in range(0, 1000, 7):
        path.append(places[first : first + 7])
    assert np.array_equal(path.places(), places)
