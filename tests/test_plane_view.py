"""The plot of a plane: real mouse and keys on a real widget; what is drawn is looked for in its pixels."""

import numpy as np
import pytest
from PySide6.QtCore import QPoint, QPointF, Qt
from PySide6.QtGui import QColor, QGuiApplication, QImage
from PySide6.QtTest import QTest

from engine.job import drive
from engine.learning.looking import Look
from engine.learning.surfaces import quadratic
from engine.learning.tables import Plane, Table
from engine.optimizers.slices import Field, contours, field_of, levels
from gui import theme
from gui.confusion import ConfusionView
from gui.plane_parts import OCTAVE, class_colours, polygon, sides, thinned, ticks, told_apart
from gui.plane_view import PlaneView

LEFT = Qt.MouseButton.LeftButton


@pytest.fixture(params=["dark", "light"])
def view(qtbot, qapp, request):
    theme.apply(qapp, theme.THEMES[request.param])
    made = PlaneView("Paths")
    qtbot.addWidget(made)
    made.resize(400, 340)
    made.show()
    made.show_part(-3, 3, -3, 3)
    yield made
    made._click.stop()
    theme.apply(qapp, theme.DARK)


def colour_at(view, x, y) -> QColor:
    image: QImage = view.grab().toImage()
    at = view.to_view(x, y)
    return image.pixelColor(round(at.x()), round(at.y()))


def near(colour: QColor, wanted: str, off: int = 40) -> bool:
    other = QColor(wanted)
    parts = ((colour.red(), other.red()), (colour.green(), other.green()), (colour.blue(), other.blue()))
    return all(abs(one - two) <= off for one, two in parts)


def look_at(values, table) -> Look:
    return Look(table.classes, (0.0, 1.0), Field(-3, 3, -3, 3, np.asarray(values, np.float32)))


def table_of(train, labels):
    train = np.asarray(train, float)
    plane = Plane(("age", "income"), train, train[:0], lambda points: points)
    return Table(("age", "income", "constant"), train, np.asarray(labels, float), train[:0], np.empty(0),
                 ("no", "yes"), plane=plane)  # fmt: skip


def test_empty_it_says_one_quiet_line(view):
    assert view.empty
    view.grab()


def test_a_path_is_drawn_from_its_ring_to_its_dot_in_its_colour(view):
    view.set_paths([(2, np.array([[-2.0, 0], [2, 0]]))])
    assert near(colour_at(view, 2, 0), theme.series_text(2))
    assert near(colour_at(view, 0.5, 0), theme.series_text(2), 90)
    assert not near(colour_at(view, 0.5, 1), theme.series_text(2), 90)


def test_a_path_ends_where_it_is_no_number_or_beyond_all_bounds(view):
    for last in ([np.nan, 0], [np.inf, 0], [1e300, 0]):
        view.set_paths([(0, np.array([[-2.0, 0], [1, 1], last, [0, -2]]))])
        assert near(colour_at(view, 1, 1), theme.series_text(0))
    view.set_paths([(0, np.full((3, 2), np.nan)), (1, np.empty((0, 2)))])
    view.grab()


def test_of_a_long_path_few_points_are_drawn_and_they_stay_the_same():
    path = np.arange(20_000, dtype=float).reshape(-1, 2)
    shown = thinned(path)
    assert len(shown) < 1000
    assert np.array_equal(shown[:OCTAVE], path[:OCTAVE])
    assert np.array_equal(shown[-1], path[-1])
    longer = thinned(np.arange(24_000, dtype=float).reshape(-1, 2))
    assert np.array_equal(longer[: len(shown) - 1], shown[:-1])
    assert len(thinned(path[:0])) == 0
    assert len(told_apart(np.full((50, 2), 7.2))) == 2


def test_a_polygon_has_the_points():
    made = polygon(np.array([[1.0, 2], [3, 4.5]]))
    assert [(p.x(), p.y()) for p in made] == [(1, 2), (3, 4.5)]
    assert polygon(np.empty((0, 2))).size() == 0


def test_contour_lines_are_where_the_level_is(view):
    field = drive(field_of(quadratic(1.0), -3, 3, -3, 3))
    view.set_surface(field, contours(field, (2.0,)))
    ground = QColor(theme.current().picture)
    row = view.grab().toImage()
    y = round(view.to_view(0, 0).y())
    x0, x1 = (round(view.to_view(x, 0).x()) for x in (0.5, 2.9))
    lit = [x for x in range(x0, x1) if not near(row.pixelColor(x, y), ground.name(), 12)]
    # x^2 / 2 = 2
    assert lit
    assert all(abs(view.to_plane(QPointF(x, y))[0] - 2) < 0.08 for x in lit)
    assert len(contours(field, levels(field, lowest=0.0))) >= 14


def test_the_mouse_is_told_the_place_and_the_value(view):
    view.set_surface(drive(field_of(quadratic(1.0), -3, 3, -3, 3)))
    view.set_axes("w", "b", "loss")
    words = view.words_at(2, 0)
    assert words.startswith("w 2.00 · b 0.00 · loss 2")
    assert view.words_at(9, 9) == "w 9.00 · b 9.00"


def test_both_axes_have_one_scale_and_what_is_asked_for_is_seen(view):
    view.show_part(0, 10, 0, 1)
    x0, x1, y0, y1 = view.part()
    rect = view.plot_rect()
    assert (x1 - x0) / rect.width() == pytest.approx((y1 - y0) / rect.height())
    assert x0 <= 0 < 10 <= x1 + 1e-9
    assert y0 < 0 < 1 < y1


def test_the_wheel_zooms_about_the_mouse_and_a_double_click_comes_back(view, qtbot):
    before = view.part()
    at = QPointF(300, 100)
    place = view.to_plane(at)
    with qtbot.waitSignal(view.view_changed) as told:
        view.zoom(2.0, at)
    assert view.to_plane(at) == pytest.approx(place)
    assert told.args == pytest.approx(list(view.part()))
    assert view.part()[1] - view.part()[0] == pytest.approx((before[1] - before[0]) / 2)
    QTest.mouseDClick(view, LEFT, Qt.KeyboardModifier.NoModifier, QPoint(200, 150))
    assert view.part() == pytest.approx(before)


def test_dragging_pans_and_is_no_click(view, qtbot):
    before = view.to_plane(QPointF(200, 150))
    told = []
    view.clicked.connect(lambda x, y: told.append((x, y)))
    QTest.mousePress(view, LEFT, Qt.KeyboardModifier.NoModifier, QPoint(200, 150))
    QTest.mouseMove(view, QPoint(230, 150))
    QTest.mouseMove(view, QPoint(260, 170))
    QTest.mouseRelease(view, LEFT, Qt.KeyboardModifier.NoModifier, QPoint(260, 170))
    assert view.to_plane(QPointF(260, 170)) == pytest.approx(before, abs=1e-6)
    assert not view._click.isActive()
    assert told == []


def test_a_click_tells_its_place_and_a_double_click_does_not(view, qtbot):
    with qtbot.waitSignal(view.clicked, timeout=3000) as told:
        QTest.mouseClick(view, LEFT, Qt.KeyboardModifier.NoModifier, QPoint(200, 150))
    assert told.args == pytest.approx(list(view.to_plane(QPointF(200, 150))))
    wait = QGuiApplication.styleHints().mouseDoubleClickInterval() + 100
    with qtbot.assertNotEmitted(view.clicked, wait=wait):
        QTest.mouseClick(view, LEFT, Qt.KeyboardModifier.NoModifier, QPoint(200, 150))
        QTest.mouseDClick(view, LEFT, Qt.KeyboardModifier.NoModifier, QPoint(200, 150))


def test_keys_pan_zoom_and_fit(view):
    before = view.part()
    QTest.keyClick(view, Qt.Key.Key_Right)
    assert view.part()[0] > before[0]
    QTest.keyClick(view, Qt.Key.Key_Plus)
    assert view.part()[1] - view.part()[0] < before[1] - before[0]
    QTest.keyClick(view, Qt.Key.Key_F)
    assert view.part() == pytest.approx(before)


def test_a_resized_view_still_shows_the_whole_part(view):
    view.resize(600, 300)
    x0, x1, y0, y1 = view.part()
    assert x0 <= -3 < 3 <= x1
    assert y0 <= -3 + 1e-9
    assert y1 >= 3 - 1e-9


def test_a_decision_has_the_classes_colours_and_the_rows(view):
    table = table_of([[-2, 0], [2, 1]], [0, 1])
    view.show_decision(look_at([[0, 0, 1, 1]] * 4, table), table)
    ground = QColor(theme.current().picture)
    for x, side in ((-2.5, sides()[0]), (2.5, sides()[1])):
        mixed = QColor(*((a + b) // 2 for a, b in zip(ground.getRgb()[:3], QColor(side).getRgb()[:3], strict=True)))
        assert near(colour_at(view, x, -2), mixed.name(), 12)
    assert near(colour_at(view, 2, 1), sides()[1], 12)
    assert view.words_at(2.5, -2).startswith("age 2.50 · income -2.00 · yes (")


def test_the_plot_of_a_decision_keeps_up_with_the_model_and_not_with_the_rows(view):
    table = table_of([[-2, 0]], [0])
    view.show_decision(look_at(np.zeros((4, 4)), table), table)
    view.grab()
    rows = view._still[1]
    view.show_decision(look_at(np.ones((4, 4)), table), table)
    assert near(colour_at(view, -2.5, -2.5), sides()[1], 130)
    assert view._still[1] is rows
    view.show_decision(look_at(np.ones((4, 4)), table), table, test=False)
    assert view._still is None


def test_a_decision_without_a_boundary_is_no_error(view):
    table = table_of([[-2, 0]], [0])
    view.show_decision(Look(table.classes, (0, 1)), table)
    view.grab()
    assert view.words_at(0, 0) == "age 0.00 · income 0.00"


def test_colours_of_classes_and_of_numbers(view):
    assert class_colours(2) == sides()
    assert len(set(class_colours(5))) == 5
    assert class_colours(0)[0] == sides()[0]
    assert class_colours(0)[-1] == sides()[1]


def test_ticks_are_few_and_round():
    assert [words for _value, words in ticks(-1.3, 2.1, 4)] == ["-1", "0", "1", "2"]
    assert [words for _value, words in ticks(0.0, 0.05, 3)] == ["0.00", "0.02", "0.04"]
    assert all(0 < len(ticks(-span, span, 4)) <= 6 for span in (1e-6, 0.3, 7, 4e5))


def test_a_confusion_matrix_says_counts_and_is_copied(qtbot, view):
    matrix = ConfusionView()
    qtbot.addWidget(matrix)
    matrix.resize(260, 240)
    matrix.show()
    matrix.grab()
    matrix.show_counts(np.array([[8, 2], [1, 9]]), ("no", "yes"))
    assert matrix.share(0, 1) == 0.2
    assert matrix.words(0, 1) == "no called yes: 2 of 10"
    assert matrix.accessibleDescription() == "17 of 20 are right"
    assert matrix._at(matrix.cell(1, 0).center()) == (1, 0)
    image = matrix.grab().toImage()
    right, wrong = (image.pixelColor((matrix.cell(*at).topLeft() + QPointF(3, 3)).toPoint()) for at in ((0, 0), (0, 1)))
    assert right.blue() > right.red()
    assert wrong.red() > wrong.blue()
    QTest.keyClick(matrix, Qt.Key.Key_C, Qt.KeyboardModifier.ControlModifier)
    assert QGuiApplication.clipboard().text() == "truth \\ said\tno\tyes\nno\t8\t2\nyes\t1\t9"
    matrix.show_counts(None)
    matrix.grab()
