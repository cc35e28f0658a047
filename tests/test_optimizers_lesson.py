"""The lessons of the page Optimize with their live numbers, and the check of a gradient."""

import numpy as np
import pytest
from PySide6.QtCore import Qt
from PySide6.QtTest import QTest
from PySide6.QtWidgets import QLabel

from engine import runtime
from engine.learning.lesson_numbers import number_of
from engine.learning.lessons import LESSONS
from engine.learning.surfaces import rosenbrock
from engine.optimizers.problem import Problem
from engine.optimizers.rules import RULES
from gui.job import shutdown
from gui.lesson import Formula
from gui.optimizers_check import GradientCheckPanel
from gui.optimizers_lesson import COMPUTING, OptimizerLessons

LONG = 20_000
LEFT = Qt.MouseButton.LeftButton


def network(**more):
    """A small network on the drawn table."""
    from engine.job import drive
    from engine.learning.build import build
    from engine.learning.setup import ProblemSetup

    return drive(build(ProblemSetup(problem="network", hidden=(4, 3), **more))).problem


class Twisted(Problem):
    """A problem with a mistake in the gradient of one parameter."""

    def __init__(self, problem, at):
        self.inner, self.at = problem, at
        self.title, self.parameters, self.rows = problem.title, problem.parameters, problem.rows
        self.minimum, self.dtype = problem.minimum, problem.dtype

    def start(self, replicates, seed):
        return self.inner.start(replicates, seed)

    def value(self, theta, rows):
        return self.inner.value(theta, rows)

    def gradient(self, theta, rows):
        found = self.inner.gradient(theta, rows).clone()
        found[:, self.at] *= 1.5
        return found


@pytest.fixture
def lessons(qtbot):
    widget = OptimizerLessons()
    qtbot.addWidget(widget)
    widget.resize(330, 150)
    widget.show()
    yield widget
    assert shutdown(LONG) == []


@pytest.fixture
def panel(qtbot):
    widget = GradientCheckPanel()
    qtbot.addWidget(widget)
    widget.resize(330, 150)
    widget.show()
    yield widget
    assert shutdown(LONG) == []


def shown(widget):
    """What is written on a widget, and the pictures of its formulas."""
    texts = [label.text() for label in widget.findChildren(QLabel) if label.isVisibleTo(widget)]
    return texts, [one.key for one in widget.findChildren(Formula) if one.isVisibleTo(widget)]


# -- lessons


def test_every_lesson_is_in_the_list_and_has_its_formulas(lessons):
    names = lessons.names
    listed = [names.itemData(row) for row in range(names.count()) if names.itemData(row)]
    assert listed == list(LESSONS)
    assert set(RULES) <= set(listed)
    for key, lesson in LESSONS.items():
        lessons.show_lesson(key)
        texts, pictures = shown(lessons.panel)
        assert {lesson.idea, lesson.when, *(text for text, _formula in lesson.derivation)} <= set(texts)
        steps = (lesson.step_picture(number) for number in range(len(lesson.derivation)))
        assert pictures == [key for key in (lesson.picture, *steps) if key]
        for picture in pictures:
            assert (runtime.resources_folder() / "formulas" / f"{picture}.svg").is_file()
        assert lesson.paper in lessons.panel.paper.text()
        assert lesson.address in lessons.panel.paper.text()


def test_choosing_in_the_list_computes_the_number(lessons, qtbot):
    lessons.names.setFocus()
    QTest.keyClick(lessons.names, Qt.Key.Key_Down)
    assert lessons.key == "sgd"
    assert lessons.live.text.text() == COMPUTING
    qtbot.waitUntil(lambda: lessons.live.number is not None, timeout=LONG)
    assert lessons.live.text.text() == number_of("sgd").text
    # theory beside it, in the engine's own words
    assert lessons.live.number.values["left"] == pytest.approx(lessons.live.number.values["theory"], rel=0.05)


def test_again_computes_it_once_more(lessons, qtbot):
    lessons.show_lesson("tanh")
    qtbot.waitUntil(lambda: lessons.live.number is not None, timeout=LONG)
    before = lessons.live.number
    QTest.mouseClick(lessons.live.button, LEFT)
    assert lessons.live.number is None
    qtbot.waitUntil(lambda: lessons.live.number is not None, timeout=LONG)
    assert lessons.live.number is not before
    assert lessons.live.number.text == before.text


def test_only_the_newest_of_several_is_shown(lessons, qtbot):
    for key in ("momentum", "adam", "softmax"):
        lessons.show_lesson(key)
    assert lessons.names.currentText() == LESSONS["softmax"].title
    qtbot.waitUntil(lambda: not lessons.slot.busy, timeout=LONG)
    assert lessons.live.text.text() == number_of("softmax").text


def test_a_lesson_that_nobody_sees_waits(lessons, qtbot):
    lessons.hide()
    lessons.show_lesson("condition")
    assert not lessons.slot.busy
    lessons.show()
    qtbot.waitUntil(lambda: lessons.live.number is not None, timeout=LONG)


def test_a_rule_without_a_lesson_changes_nothing(lessons):
    lessons.show_lesson("lion")
    lessons.show_lesson("nobody")
    lessons.show_lesson(None)
    assert lessons.key == "lion"
    lessons.restyle()


def test_a_number_that_cannot_be_computed_says_why(lessons, qtbot, monkeypatch):
    import engine.learning.lesson_numbers as numbers
    from engine.errors import SightlineError

    def refuse(_key):
        raise SightlineError("There is no such number: choose another.")

    monkeypatch.setattr(numbers, "number_of", refuse)
    lessons.show_lesson("xavier")
    qtbot.waitUntil(lambda: lessons.live.button.isEnabled(), timeout=LONG)
    assert lessons.live.text.text() == "There is no such number: choose another."


# -- the check of a gradient


def test_a_right_gradient_agrees_with_both(panel, qtbot):
    problem = network()
    panel.check(problem, problem.start(2, 0))
    qtbot.waitUntil(lambda: panel.result is not None, timeout=LONG)
    assert panel.result.numeric_apart < 1e-7
    assert panel.result.autograd_apart < 1e-12
    assert panel.words.text().startswith("They agree")
    assert "autograd" in panel.numbers.text()
    # a dot for each place and each of the two
    assert len(panel.plot.dots()) == 2 * len(panel.result.places)
    panel.grab()
    panel.restyle()


def test_a_wrong_one_is_found_and_drawn_above_the_line(panel, qtbot):
    problem = Twisted(network(), at=2)
    panel.check(problem, problem.start(1, 0)[0])
    qtbot.waitUntil(lambda: panel.result is not None, timeout=LONG)
    assert "one of them is wrong" in panel.words.text()
    worst = max(panel.plot.dots(), key=lambda dot: dot[3])
    assert worst[2] == 2


def test_check_again_asks_where_the_run_is_now(panel, qtbot):
    problem = rosenbrock()
    panel.where = lambda: (problem, np.array([0.5, 0.25]))
    QTest.mouseClick(panel.button, LEFT)
    qtbot.waitUntil(lambda: panel.result is not None, timeout=LONG)
    # of (1 - x)^2 + 100 (y - x^2)^2 at y = x^2
    np.testing.assert_allclose(panel.result.ours, [-1.0, 0.0], atol=1e-12)
    assert panel.button.text() == "Check again"
    assert "no twin" in panel.numbers.text()
    first = panel.result
    panel.where = lambda: None
    qtbot.waitUntil(lambda: panel.button.isEnabled(), timeout=LONG)
    QTest.mouseClick(panel.button, LEFT)
    qtbot.waitUntil(lambda: panel.result is not first, timeout=LONG)
    np.testing.assert_array_equal(panel.result.ours, first.ours)
    panel.clear()
    assert panel.result is None
    assert panel.plot.dots() == []


def test_a_minimum_and_a_place_beyond_all_numbers_say_so(panel, qtbot):
    problem = rosenbrock()
    for theta, words in (([1.0, 1.0], "The gradient is 0 here"), ([np.nan, 1.0], "not finite")):
        panel.clear()
        panel.check(problem, np.array(theta))
        qtbot.waitUntil(lambda: panel.result is not None, timeout=LONG)
        assert words in panel.words.text()
        panel.grab()
