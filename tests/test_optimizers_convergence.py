"""The view of convergence: real buttons, the real engine with small settings, and the plot with logarithmic axes."""

import csv

import numpy as np
import pytest
from PySide6.QtCore import Qt
from PySide6.QtGui import QGuiApplication
from PySide6.QtTest import QTest

from engine.errors import SightlineError
from engine.learning.convergence import ConvergenceKnobs
from gui.curves_log import LogPlot
from gui.job import shutdown
from gui.optimizers_convergence import ConvergenceView, conditions_of
from gui.optimizers_convergence_parts import short

LONG = 60_000
LEFT = Qt.MouseButton.LeftButton
SMALL = ConvergenceKnobs(
    rows=2000, features=3, accuracy=1e-5, steps=2000, replicates=10, gammas=(1.5, 2.0), duel_steps=128,
    duel_replicates=4,
)  # fmt: skip


@pytest.fixture
def view(qtbot):
    widget = ConvergenceView()
    widget.knobs = SMALL
    qtbot.addWidget(widget)
    widget.resize(900, 530)
    widget.show()
    yield widget
    assert shutdown(LONG) == []


@pytest.fixture
def measured(view, qtbot):
    """The view after a measurement for two condition numbers."""
    view.conditions.setText("4, 12")
    QTest.mouseClick(view.button, LEFT)
    qtbot.waitUntil(lambda: view.result is not None and not view.slot.busy, timeout=LONG)
    return view


def test_curves_lines_and_tables_come(measured):
    assert {"gd 4", "sgd 4", "gd 12 fitted", "sgd 12 theory"} <= set(measured.plot.names)
    assert list(measured.duels) == [1.5, 2.0]
    assert measured.duels[2.0].names == ["SGD", "Adam"]
    evaluations, accuracy = measured.plot.points("gd 12")
    assert (np.diff(evaluations) > 0).all()
    assert (np.diff(accuracy) < 0).all()
    # theory: a factor e in -1 / (2 log(1 - 1/k)) passes, whatever the machine
    rows = measured.slopes.cells.rows
    gd = next(row for row in rows if row[0].startswith("GD: passes") and row[1] == "12")
    assert float(gd[3]) == pytest.approx(-0.5 / np.log(11 / 12), abs=5e-4)
    assert float(gd[2]) == pytest.approx(float(gd[3]), rel=0.05)
    assert len(measured.costs.cells.rows) == 6
    assert [row[0] for row in measured.duel.cells.rows] == ["γ = 1.5", "γ = 2"]


def test_the_lines_go_through_their_points(measured):
    for name in ("gd 4", "gd 12"):
        evaluations, accuracy = measured.plot.points(name)
        for line in ("fitted", "theory"):
            x, y = measured.plot.points(f"{name} {line}")
            assert np.interp(evaluations[-1], x, y) == pytest.approx(accuracy[-1], rel=0.02)
    for name in ("sgd 4", "sgd 12"):
        evaluations, accuracy = measured.plot.points(name)
        late = evaluations > evaluations[-1] / 2
        x, y = measured.plot.points(f"{name} fitted")
        near = np.exp(np.interp(np.log(evaluations[late]), np.log(x), np.log(y)))
        np.testing.assert_allclose(near, accuracy[late], rtol=0.5)


def test_stop_keeps_what_was_measured(view, qtbot):
    told = []
    view.state.connect(lambda *words: told.append(words))
    QTest.mouseClick(view.button, LEFT)
    qtbot.waitUntil(lambda: bool(view.seen), timeout=LONG)
    assert view.button.text() == "Stop"
    QTest.mouseClick(view.button, LEFT)
    qtbot.waitUntil(lambda: not view.slot.busy, timeout=LONG)
    assert view.result is None
    assert view.button.text() == "Measure"
    assert told[-1] == ("Ready", "Stopped: what was measured is kept.", False)
    assert any(busy for _state, _words, busy in told)
    assert view.save_button.isEnabled()


def test_the_tables_are_copied(measured):
    QGuiApplication.clipboard().clear()
    measured.slopes.setFocus()
    QTest.keyClick(measured.slopes, Qt.Key.Key_C, Qt.KeyboardModifier.ControlModifier)
    slopes, costs, duel = QGuiApplication.clipboard().text().split("\n\n")
    assert slopes.splitlines()[0] == "slope\tk\tmeasured\ttheory"
    assert len(costs.splitlines()) == 7
    assert len(duel.splitlines()) == 3
    QGuiApplication.clipboard().clear()
    QTest.mouseClick(measured.copy_button, LEFT)
    assert QGuiApplication.clipboard().text().startswith("slope\t")


def test_all_of_it_goes_to_csv(measured, qtbot, tmp_path, monkeypatch):
    from PySide6.QtWidgets import QFileDialog

    monkeypatch.setattr(QFileDialog, "getSaveFileName", lambda *_: (str(tmp_path / "it"), ""))
    with qtbot.waitSignal(measured.said, timeout=LONG) as told:
        QTest.mouseClick(measured.save_button, LEFT)
    assert "it.csv" in told.args[0]
    with (tmp_path / "it.csv").open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    assert len(rows) == len(measured.result.points)
    assert float(rows[0]["accuracy"]) == measured.result.points[0].accuracy
    assert sorted(path.name for path in tmp_path.iterdir()) == [
        "it.csv", "it_adam.csv", "it_costs.csv", "it_slopes.csv",
    ]  # fmt: skip


def test_what_cannot_be_measured_is_said(view, qtbot):
    with qtbot.waitSignal(view.failed) as refused:
        view.conditions.setText("five")
        QTest.mouseClick(view.button, LEFT)
    assert str(refused.args[0]).startswith("Condition numbers are numbers")
    with qtbot.waitSignal(view.failed, timeout=LONG) as refused:
        view.conditions.setText("0.5")
        QTest.keyClick(view.conditions, Qt.Key.Key_Return)
    assert "above 1" in str(refused.args[0])
    qtbot.waitUntil(lambda: view.button.text() == "Measure", timeout=LONG)
    assert conditions_of("5,7; 9 5") == (5, 7, 9)
    with pytest.raises(SightlineError):
        conditions_of("")


def test_it_closes_and_takes_on_a_theme(measured, qtbot):
    measured.restyle()
    assert not measured.grab().isNull()
    with qtbot.waitSignal(measured.closed):
        QTest.mouseClick(measured.close_button, LEFT)
    with qtbot.waitSignal(measured.closed):
        QTest.keyClick(measured, Qt.Key.Key_Escape)


# -- the plot


def test_what_has_no_logarithm_is_left_out(qtbot):
    plot = LogPlot("a plot")
    qtbot.addWidget(plot)
    plot.draw_marks("one", [0.0, 1.0, 10.0, 100.0], [1.0, -1.0, 0.5, np.nan], 0)
    x, y = plot.points("one")
    np.testing.assert_allclose([x, y], [[10.0], [0.5]])
    plot.draw_line("two", [1, 2], [3, 4], 1, "dashed")
    plot.draw_band("two", [1, 2], [-1, 3], [4, 5], 1)
    plot.draw_band("two", [1, 2], [2, 3], [4, 5], 1)
    plot.restyle()
    assert plot.names == ["one", "two"]
    plot.resize(300, 200)
    plot.show()
    before = plot.grab().toImage()
    plot.draw_band("two", [1, 2], [0.5, 0.5], [4, 5], 1)
    assert plot.grab().toImage() != before
    plot.clear()
    assert plot.names == []


def test_numbers_are_said_in_few_letters():
    assert [short(value) for value in (249.0, 0.0044444, 14_200_000.0, float("nan"))] == ["249", "0.0044", "1.4e7", "–"]
