"""Every method has a lesson: an idea, a formula, how to read it, where it misleads."""

import pytest

from engine import runtime
from engine.saliency.lessons import LESSONS
from engine.saliency.methods import METHODS

MORE = ("d_rise", "class_visualisation", "flip")


@pytest.mark.parametrize("key", [*METHODS, *MORE])
def test_a_lesson_says_all_that_it_should(key):
    lesson = LESSONS[key]
    for text in (lesson.idea, lesson.reading, lesson.misleads):
        assert text.endswith(".")
        assert 40 < len(text) < 420
        assert "!" not in text
    assert "http" in lesson.paper
    if key in METHODS:
        assert lesson.title == METHODS[key].title
        assert lesson.paper == METHODS[key].paper


@pytest.mark.parametrize("key", [*METHODS, *MORE])
def test_a_formula_is_drawn_in_the_colour_of_the_text(key):
    svg = (runtime.resources_folder() / "formulas" / f"{key}.svg").read_text()
    assert "currentColor" in svg
    assert "<script" not in svg


def test_the_panel_shows_each(qtbot):
    from gui.saliency_lesson import LessonPanel

    panel = LessonPanel()
    qtbot.addWidget(panel)
    panel.resize(450, 150)
    panel.show()
    for key in LESSONS:
        panel.show_lesson(key)
        assert LESSONS[key].idea in [label.text() for label in panel.findChildren(type(panel.title))]
    panel.restyle()
